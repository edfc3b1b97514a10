/* cmd_dataset.c - cfp-gpu dataset: which clips of a list are there, and why others are not. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "model_file_kind.h"
#include "open_list.h"
#include "table.h"

typedef struct listing {
    cfp_session *session;
    cfp_dataset dataset;
    int n_matches; /* 0: no model was given; else one for each label */
    cfp_class_match match[CFP_DATASET_LABELS];
    const char *head[CFP_DATASET_LABELS]; /* of a model with heads: with whose classes */
} listing;

static const char *const units[] = {"whole", "frames", "seconds"};

/* "16-32", "12.5s-14s", "16-" (to the end), or "whole". */
static void window_text(char out[64], const cfp_dataset_clip *clip)
{
    const char *unit = clip->window == CFP_WINDOW_SECONDS ? "s" : "";
    if (clip->window == CFP_WINDOW_WHOLE)
        snprintf(out, 64, "whole");
    else if (clip->stop < 0)
        snprintf(out, 64, "%.10g%s-", clip->start, unit);
    else
        snprintf(out, 64, "%.10g%s-%.10g%s", clip->start, unit, clip->stop, unit);
}

/* "open 3, door 8": each label as name and number, as far as they are known. */
static void labels_text(char *out, size_t room, const cfp_dataset *d, const cfp_dataset_clip *clip)
{
    size_t used = 0;
    *out = '\0';
    for (int i = 0; i < d->n_labels && used < room; i++) {
        const cfp_dataset_label *label = &clip->label[i];
        const char *comma = used > 0 ? ", " : "";
        if (label->name != NULL && label->index >= 0)
            used += (size_t)snprintf(out + used, room - used, "%s%s (%lld)", comma, label->name,
                                     (long long)label->index);
        else if (label->name != NULL)
            used += (size_t)snprintf(out + used, room - used, "%s%s", comma, label->name);
        else if (label->index >= 0)
            used += (size_t)snprintf(out + used, room - used, "%s(%lld)", comma,
                                     (long long)label->index);
    }
}

static void print_clips(const cfp_dataset *d)
{
    char window[64], labels[256];
    int id_width = 2, label_width = 5, window_width = 6;
    for (int i = 0; i < d->n; i++) {
        window_text(window, &d->clip[i]);
        labels_text(labels, sizeof labels, d, &d->clip[i]);
        if (d->clip[i].reason != CFP_CLIP_FOUND)
            continue;
        id_width = cfp_max_int(id_width, cfp_text_width(d->clip[i].id));
        label_width = cfp_max_int(label_width, cfp_text_width(labels));
        window_width = cfp_max_int(window_width, (int)strlen(window));
    }
    printf("%-*s  %-*s  %-*s  path\n", id_width, "id", label_width, "label", window_width,
           "window");
    for (int i = 0; i < d->n; i++) {
        if (d->clip[i].reason != CFP_CLIP_FOUND)
            continue;
        window_text(window, &d->clip[i]);
        labels_text(labels, sizeof labels, d, &d->clip[i]);
        cfp_print_text(stdout, d->clip[i].id, id_width);
        printf("  ");
        cfp_print_text(stdout, labels, label_width);
        printf("  %-*s  ", window_width, window);
        cfp_print_text(stdout, d->clip[i].path, 0);
        printf("\n");
    }
    printf("\n");
}

static const cfp_dataset_clip *first_of(const cfp_dataset *d, int reason)
{
    for (int i = 0; i < d->n; i++)
        if ((int)d->clip[i].reason == reason)
            return &d->clip[i];
    return NULL;
}

static void print_counts(const cfp_dataset *d)
{
    for (int reason = 0; reason < CFP_CLIP_REASONS; reason++) {
        if (d->count[reason] == 0 && reason != CFP_CLIP_FOUND)
            continue;
        const cfp_dataset_clip *first = reason == CFP_CLIP_FOUND ? NULL : first_of(d, reason);
        printf("%8lld  %s", (long long)d->count[reason],
               cfp_dataset_reason_text((cfp_dataset_reason)reason));
        if (first != NULL) {
            printf("; first: ");
            cfp_print_text(stdout, first->list, 0);
            printf(":%lld, ", (long long)first->line);
            cfp_print_text(stdout, first->id, 0);
        }
        if (first != NULL && first->twin > 0)
            printf(" (as line %lld)", (long long)first->twin);
        printf("\n");
    }
}

static void print_list(const listing *l)
{
    const cfp_dataset *d = &l->dataset;
    if (d->count[CFP_CLIP_FOUND] > 0)
        print_clips(d);
    cfp_print_text(stdout, d->path, 0);
    printf(": kind %s", d->kind);
    for (int i = 0; i < d->n_labels; i++) {
        printf("%s %s", i == 0 ? "; labels:" : ",", d->label_name[i]);
        if (d->class_list[i] != NULL) {
            printf(" (names of ");
            cfp_print_text(stdout, d->class_list[i], 0);
            printf(")");
        }
    }
    printf("\n");
    print_counts(d);
}

static void put_window(cfp_json *json, const cfp_dataset_clip *clip)
{
    cfp_json_key(json, "window");
    cfp_json_object(json);
    cfp_json_put_string(json, "unit", units[clip->window]);
    if (clip->window != CFP_WINDOW_WHOLE) {
        cfp_json_put_double(json, "start", clip->start);
        if (clip->stop >= 0)
            cfp_json_put_double(json, "stop", clip->stop);
    }
    cfp_json_object_end(json);
}

static void put_labels(cfp_json *json, const listing *l, int i)
{
    const cfp_dataset *d = &l->dataset;
    cfp_json_key(json, "labels");
    cfp_json_object(json);
    for (int k = 0; k < d->n_labels; k++) {
        const cfp_dataset_label *label = &d->clip[i].label[k];
        cfp_json_key(json, d->label_name[k]);
        cfp_json_object(json);
        cfp_json_put_string(json, "name", label->name);
        if (label->index >= 0)
            cfp_json_put_int(json, "index", label->index);
        if (k < l->n_matches && l->match[k].class_of[i] >= 0)
            cfp_json_put_int(json, "class", l->match[k].class_of[i]);
        cfp_json_object_end(json);
    }
    cfp_json_object_end(json);
}

static void put_clip(cfp_json *json, const listing *l, int i)
{
    const cfp_dataset_clip *clip = &l->dataset.clip[i];
    cfp_json_object(json);
    cfp_json_put_string(json, "id", clip->id);
    if (strcmp(clip->list, l->dataset.path) != 0)
        cfp_json_put_string(json, "list", clip->list);
    cfp_json_put_int(json, "line", clip->line);
    cfp_json_put_string(json, "reason", cfp_dataset_reason_word(clip->reason));
    cfp_json_put_string(json, "path", clip->path);
    put_window(json, clip);
    put_labels(json, l, i);
    cfp_json_object_end(json);
}

static void put_match(cfp_json *json, const cfp_class_match *match, const char *head)
{
    cfp_json_object(json);
    if (head != NULL)
        cfp_json_put_string(json, "head", head);
    cfp_json_put_int(json, "known", match->known);
    cfp_json_put_int(json, "unknown", match->unknown);
    cfp_json_put_int(json, "unlabelled", match->unlabelled);
    cfp_json_put_string(json, "compared", match->by_index ? "by number" : "by name");
    cfp_json_object_end(json);
}

static cfp_status print_json(const listing *l)
{
    const cfp_dataset *d = &l->dataset;
    cfp_json json;
    cfp_session_json(&json, l->session);
    cfp_json_object(&json);
    cfp_json_put_string(&json, "list", d->path);
    cfp_json_put_string(&json, "kind", d->kind);
    cfp_json_key(&json, "counts");
    cfp_json_object(&json);
    for (int i = 0; i < CFP_CLIP_REASONS; i++)
        if (d->count[i] > 0 || i == CFP_CLIP_FOUND)
            cfp_json_put_int(&json, cfp_dataset_reason_word((cfp_dataset_reason)i), d->count[i]);
    cfp_json_object_end(&json);
    if (l->n_matches > 0) {
        cfp_json_key(&json, "model");
        cfp_json_object(&json);
        for (int k = 0; k < l->n_matches; k++) {
            cfp_json_key(&json, d->label_name[k]);
            put_match(&json, &l->match[k], l->head[k]);
        }
        cfp_json_object_end(&json);
    }
    cfp_json_key(&json, "clips");
    cfp_json_array(&json);
    for (int i = 0; i < d->n; i++)
        put_clip(&json, l, i);
    cfp_json_array_end(&json);
    cfp_json_object_end(&json);
    return cfp_session_json_close(&json);
}

static cfp_status write_header(cfp_csv *csv, cfp_ctx *ctx, const cfp_dataset *d)
{
    static const char *const columns[] = {"id",   "list", "line",  "reason",
                                          "path", "unit", "start", "stop"};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        cfp_csv_text(csv, columns[i]);
    for (int k = 0; k < d->n_labels; k++) {
        char *index = cfp_format(ctx, "%s_index", d->label_name[k]);
        if (index == NULL)
            return CFP_NOMEM;
        cfp_csv_text(csv, d->label_name[k]);
        cfp_csv_text(csv, index);
        cfp_free(index);
    }
    return cfp_csv_end_row(csv);
}

static cfp_status write_rows(cfp_csv *csv, cfp_ctx *ctx, const cfp_dataset *d)
{
    CFP_TRY(write_header(csv, ctx, d));
    for (int i = 0; i < d->n; i++) {
        const cfp_dataset_clip *clip = &d->clip[i];
        const bool whole = clip->window == CFP_WINDOW_WHOLE;
        cfp_csv_text(csv, clip->id);
        cfp_csv_text(csv, clip->list);
        cfp_csv_int(csv, clip->line);
        cfp_csv_text(csv, cfp_dataset_reason_word(clip->reason));
        cfp_csv_text(csv, clip->path);
        cfp_csv_text(csv, units[clip->window]);
        cfp_put_number(csv, NULL, "", whole ? (double)NAN : clip->start);
        cfp_put_number(csv, NULL, "", whole || clip->stop < 0 ? (double)NAN : clip->stop);
        for (int k = 0; k < d->n_labels; k++) {
            cfp_csv_text(csv, clip->label[k].name);
            cfp_put_int(csv, NULL, "", clip->label[k].index);
        }
        CFP_TRY(cfp_csv_end_row(csv));
    }
    return CFP_OK;
}

static cfp_status write_csv(const listing *l)
{
    cfp_ctx *ctx = &l->session->ctx;
    const char *path = l->session->config.csv;
    struct stat mine, list;
    cfp_csv csv;
    if (stat(path, &mine) == 0 && stat(l->dataset.path, &list) == 0 && mine.st_dev == list.st_dev &&
        mine.st_ino == list.st_ino)
        return cfp_fail(ctx, CFP_USAGE, "--csv: %s is the list; choose another file", path);
    CFP_TRY(cfp_csv_open(&csv, ctx, path));
    cfp_status status = write_rows(&csv, ctx, &l->dataset);
    if (status == CFP_OK)
        status = cfp_csv_commit(&csv);
    cfp_csv_abandon(&csv);
    return status;
}

/* Compares a label of the list with the head of its name, else with the head that knows most. */
static cfp_status match_head(listing *l, int label, const cfp_model *model)
{
    cfp_class_match match;
    for (int h = 0; h < model->n_heads; h++) {
        const cfp_model *head = &model->view[h];
        const bool named = strcasecmp(head->head_name, l->dataset.label_name[label]) == 0;
        CFP_TRY(cfp_class_match_find(&match, &l->session->ctx, &l->dataset, label,
                                     (const char *const *)head->class_name, head->n_classes));
        if (l->head[label] == NULL || named || match.known > l->match[label].known) {
            cfp_class_match_free(&l->match[label]);
            l->match[label] = match;
            l->head[label] = head->head_name;
        } else {
            cfp_class_match_free(&match);
        }
        if (named)
            return CFP_OK;
    }
    return CFP_OK;
}

/* Of a model with several heads: each label is compared with one head. */
static cfp_status match_heads(listing *l, const cfp_model *model)
{
    const cfp_dataset *d = &l->dataset;
    l->n_matches = d->n_labels;
    for (int k = 0; k < d->n_labels; k++)
        CFP_TRY(match_head(l, k, model));
    for (int k = 0; k < d->n_labels; k++)
        if (l->match[k].known > 0 || strcasecmp(l->head[k], d->label_name[k]) == 0)
            cfp_class_match_warn(&l->match[k], &l->session->ctx, d, model->path);
    return CFP_OK;
}

static cfp_status compare_labels(listing *l)
{
    cfp_session *session = l->session;
    const cfp_dataset *d = &l->dataset;
    if (session->config.model_file == NULL)
        return CFP_OK;
    CFP_TRY(cfp_check_model_file(session, session->config.model_file));
    CFP_TRY(cfp_model_open(&session->model, &session->ctx, session->config.model_file));
    const cfp_model *model = &session->model;
    int best;
    if (model->n_heads > 0)
        return match_heads(l, model);
    CFP_TRY(cfp_class_match_all(l->match, &best, &session->ctx, d,
                                (const char *const *)model->class_name, model->n_classes));
    l->n_matches = d->n_labels;
    if (d->n_labels > 0)
        cfp_class_match_warn(&l->match[best], &session->ctx, d, session->config.model_file);
    return CFP_OK;
}

static cfp_status list_clips(listing *l)
{
    cfp_session *session = l->session;
    const cfp_dataset *d = &l->dataset;
    CFP_TRY(cfp_session_open_list(&l->dataset, session, session->config.operand[0]));
    CFP_TRY(compare_labels(l));
    if (session->config.csv != NULL)
        CFP_TRY(write_csv(l));
    if (session->config.json)
        CFP_TRY(print_json(l));
    else
        print_list(l);
    if (d->count[CFP_CLIP_FOUND] == d->n)
        return CFP_OK;
    return cfp_fail(&session->ctx, CFP_IO, "%s: %lld of %d clips cannot be used", d->path,
                    (long long)d->n - (long long)d->count[CFP_CLIP_FOUND], d->n);
}

cfp_status cfp_cmd_dataset(cfp_session *session)
{
    listing l = {.session = session};
    const cfp_status status = list_clips(&l);
    for (int k = 0; k < l.n_matches; k++)
        cfp_class_match_free(&l.match[k]);
    cfp_dataset_free(&l.dataset);
    return status;
}
