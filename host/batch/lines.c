/* lines.c - see lines.h. */
#include "lines.h"
#include "../base/json.h"
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

const char *const cfp_batch_status_names[] = {"ok", "skipped", "failed"};

static void begin(cfp_json *json, cfp_ctx *ctx, const cfp_batch_item *item, cfp_batch_status status,
                  const char *reason)
{
    cfp_json_to_memory(json, ctx, 0);
    cfp_json_object(json);
    cfp_json_put_string(json, "id", item->id);
    cfp_json_put_string(json, "clip", item->clip);
    cfp_json_put_string(json, "label", item->label);
    cfp_json_put_string(json, "status", cfp_batch_status_names[status]);
    cfp_json_put_string(json, "reason", reason);
    cfp_json_key(json, "top");
    cfp_json_array(json);
}

static void put_top(cfp_json *json, const cfp_batch_scores *scores, int class_index)
{
    cfp_json_object(json);
    cfp_json_put_int(json, "index", class_index);
    cfp_json_put_string(json, "name", scores->model->class_name[class_index]);
    cfp_json_put_float(json, "probability", scores->probability[class_index]);
    cfp_json_object_end(json);
}

/* How many classes come before class c: those with a larger score, and of equal ones those with a
 * lower index. */
static int classes_before(const cfp_batch_scores *scores, int c)
{
    int before = 0;
    for (int k = 0; k < scores->model->n_classes; k++)
        before +=
            scores->order[k] > scores->order[c] || (scores->order[k] == scores->order[c] && k < c);
    return before;
}

static void put_best(cfp_json *json, const cfp_batch_scores *scores)
{
    const int n = cfp_min_int(CFP_BATCH_TOP, scores->model->n_classes);
    int top[CFP_BATCH_TOP];
    for (int c = 0, found = 0; c < scores->model->n_classes && found < n; c++) {
        const int place = classes_before(scores, c);
        if (place < n) {
            top[place] = c;
            found++;
        }
    }
    for (int k = 0; k < n; k++)
        put_top(json, scores, top[k]);
}

static cfp_status finish(char **out, cfp_json *json)
{
    cfp_json_object_end(json);
    cfp_ctx *const ctx = json->ctx;
    const cfp_status status = cfp_json_close(json);
    *out = NULL;
    if (status == CFP_OK) /* a copy, because json->text has room for much more */
        *out = cfp_format(ctx, "%.*s", (int)json->length - 1, json->text);
    cfp_json_free(json);
    return status != CFP_OK ? status : *out == NULL ? CFP_NOMEM : CFP_OK;
}

cfp_status cfp_line_done(char **out, cfp_ctx *ctx, const cfp_batch_item *item, int shard,
                         const char *note, const cfp_batch_scores *scores,
                         const cfp_batch_times *ms)
{
    cfp_json json;
    char name[32];
    begin(&json, ctx, item, CFP_BATCH_DONE, *note != '\0' ? note : NULL);
    put_best(&json, scores);
    cfp_json_array_end(&json);
    cfp_json_key(&json, "rank");
    if (item->class_index >= 0)
        cfp_json_int(&json, classes_before(scores, item->class_index) + 1);
    else
        cfp_json_raw(&json, "null", 4);
    snprintf(name, sizeof name, "shard-%05d.h5", shard);
    cfp_json_put_string(&json, "shard", name);
    cfp_json_key(&json, "ms");
    cfp_json_object(&json);
    cfp_json_put_int(&json, "decode", (int64_t)(ms->decode + 0.5));
    cfp_json_put_int(&json, "network", (int64_t)(ms->network + 0.5));
    cfp_json_object_end(&json);
    return finish(out, &json);
}

cfp_status cfp_line_failed(char **out, cfp_ctx *ctx, const cfp_batch_item *item,
                           cfp_batch_status status, const char *reason)
{
    cfp_json json;
    begin(&json, ctx, item, status, reason);
    cfp_json_array_end(&json);
    cfp_json_key(&json, "rank");
    cfp_json_raw(&json, "null", 4);
    cfp_json_put_string(&json, "shard", NULL);
    cfp_json_key(&json, "ms");
    cfp_json_raw(&json, "null", 4);
    return finish(out, &json);
}

/* --- reading --- */

/* The end of the string that begins with the quote at `at`: behind its closing quote; NULL: none.
 */
static const char *string_end(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at < end ? at + 1 : NULL;
}

static const char *find(const char *line, size_t length, const char *what)
{
    return memmem(line, length, what, strlen(what));
}

bool cfp_line_read(cfp_line_facts *out, const char *line, size_t length)
{
    static const char opening[] = "{\"id\":\"", rank[] = ",\"rank\":";
    *out = (cfp_line_facts){0};
    if (length < sizeof opening || memcmp(line, opening, sizeof opening - 1) != 0 ||
        line[length - 1] != '}' || memchr(line, '\0', length) != NULL)
        return false;
    out->id = line + sizeof opening - 2;
    const char *const end = string_end(out->id, line + length);
    if (end == NULL)
        return false;
    out->id_length = (size_t)(end - out->id);
    const char *const at = find(line, length, rank);
    if (at == NULL || find(at, (size_t)(line + length - at), ",\"ms\":") == NULL)
        return false;
    out->rank = atoi(at + sizeof rank - 1);
    for (int s = CFP_BATCH_DONE; s <= CFP_BATCH_FAILED; s++) {
        char says[32];
        snprintf(says, sizeof says, ",\"status\":\"%s\",", cfp_batch_status_names[s]);
        if (find(line, length, says) != NULL) {
            out->status = (cfp_batch_status)s;
            return true;
        }
    }
    return false;
}

char *cfp_line_id(cfp_ctx *ctx, const char *text)
{
    cfp_json json;
    char *out = NULL;
    cfp_json_to_memory(&json, ctx, 0);
    cfp_json_string(&json, text);
    if (cfp_json_close(&json) == CFP_OK)
        out = cfp_format(ctx, "%.*s", (int)json.length - 1, json.text);
    cfp_json_free(&json);
    return out;
}

char *cfp_line_reason(cfp_ctx *ctx, const char *line)
{
    static const char key[] = ",\"reason\":\"";
    const size_t length = strlen(line);
    const char *const at = find(line, length, key);
    const char *const end = at == NULL ? NULL : string_end(at + sizeof key - 2, line + length);
    return end == NULL
               ? NULL
               : cfp_format(ctx, "%.*s", (int)(end - at - (int)sizeof key), at + sizeof key - 1);
}
