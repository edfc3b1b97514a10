/* table.c - see table.h. */
#include "table.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

cfp_status cfp_session_spare_inputs(cfp_session *session, const char *option, const char *path)
{
    struct stat mine, theirs;
    if (path == NULL || stat(path, &mine) != 0)
        return CFP_OK;
    for (int i = 0; i < session->config.n_operands; i++)
        if (stat(session->config.operand[i], &theirs) == 0 && mine.st_dev == theirs.st_dev &&
            mine.st_ino == theirs.st_ino)
            return cfp_fail(&session->ctx, CFP_USAGE, "--%s: %s is %s; choose another file", option,
                            path, i == 0 ? "the model" : "one of the clips");
    return CFP_OK;
}

cfp_status cfp_table_open(cfp_table *table, cfp_session *session)
{
    const cfp_config *config = &session->config;
    *table = (cfp_table){.session = session};
    CFP_TRY(cfp_session_spare_inputs(session, "csv", config->csv));
    if (config->csv != NULL)
        return cfp_csv_open(&table->csv, &session->ctx, config->csv);
    if (!config->json)
        return cfp_csv_open_stream(&table->csv, &session->ctx, stdout, "standard output");
    return CFP_OK;
}

cfp_json *cfp_table_begin(cfp_table *table)
{
    if (!table->session->config.json)
        return NULL;
    cfp_session_json(&table->json, table->session);
    cfp_json_object(&table->json);
    cfp_json_key(&table->json, "rows");
    cfp_json_array(&table->json);
    return &table->json;
}

cfp_status cfp_table_end(cfp_table *table)
{
    if (!table->session->config.json)
        return CFP_OK;
    cfp_json_array_end(&table->json);
    cfp_json_object_end(&table->json);
    return cfp_session_json_close(&table->json);
}

cfp_status cfp_table_commit(cfp_table *table, int64_t rows)
{
    const char *path = table->session->config.csv;
    if (table->csv.ctx != NULL)
        CFP_TRY(cfp_csv_commit(&table->csv));
    if (path != NULL)
        cfp_log(&table->session->ctx, CFP_LOG_INFO, "%lld rows in %s", (long long)rows, path);
    return CFP_OK;
}

bool cfp_table_is_broken(const cfp_table *table)
{
    return table->csv.status != CFP_OK || table->json.status != CFP_OK;
}

/* Adds to the error message where the rows are that were written before it. */
static void keep_part(cfp_table *table)
{
    cfp_ctx *ctx = &table->session->ctx;
    int64_t rows;
    char before[sizeof ctx->message];
    char *part = cfp_csv_keep_part(&table->csv, &rows);
    memcpy(before, ctx->message, sizeof before);
    if (part != NULL)
        (void)cfp_fail(ctx, CFP_OK, "%.700s; the %lld rows so far are in %.200s", before,
                       (long long)rows, part);
    cfp_free(part);
}

void cfp_table_close(cfp_table *table, cfp_status status)
{
    if (status != CFP_OK && table->csv.ctx != NULL)
        keep_part(table);
    cfp_csv_abandon(&table->csv);
    cfp_json_free(&table->json);
}

void cfp_put_text(cfp_csv *csv, cfp_json *json, const char *key, const char *text)
{
    if (csv != NULL)
        cfp_csv_text(csv, text);
    if (json != NULL)
        cfp_json_put_string(json, key, text);
}

void cfp_put_int(cfp_csv *csv, cfp_json *json, const char *key, int64_t value)
{
    if (value == -1) {
        cfp_put_text(csv, json, key, NULL);
        return;
    }
    if (csv != NULL)
        cfp_csv_int(csv, value);
    if (json != NULL)
        cfp_json_put_int(json, key, value);
}

void cfp_put_number(cfp_csv *csv, cfp_json *json, const char *key, double value)
{
    char text[32];
    if (isnan(value)) {
        cfp_put_text(csv, json, key, NULL);
        return;
    }
    if (csv != NULL)
        cfp_csv_number(csv, value);
    if (json == NULL)
        return;
    const int length = snprintf(text, sizeof text, "%.9g", value);
    cfp_json_key(json, key);
    cfp_json_raw(json, text, (size_t)length);
}
