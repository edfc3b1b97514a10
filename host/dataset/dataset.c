/* dataset.c - reads a list: line by line to clips, then finds each clip; see dataset.h. */
#include "dataset.h"
#include "kinds.h"
#include "places.h"
#include "window.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct cfp_dataset_memory {
    cfp_keep keep;
    int *slot; /* [n_slots] number of a clip + 1, by the hash of its id; 0: empty */
    size_t n_slots;
};

typedef struct building { /* a data set in the making */
    cfp_dataset *out;
    cfp_ctx *ctx;
    const cfp_dataset_options *options;
    cfp_list_file list;
    cfp_kind kind;
    cfp_kind_fit fit;
    cfp_kind_line line;
    char name[CFP_TEMPLATE_ROOM], text[CFP_TEMPLATE_ROOM];
    const char *const *root;
    int n_roots;
    char *folder; /* of the list: the root, if none is given */
    const char *own_root[1];
    int capacity;
    bool names; /* a label that may be a name or a number is no number somewhere */
} building;

static cfp_values values_of(const building *b)
{
    return (cfp_values){b->kind.n_values, b->kind.value_name, b->line.value};
}

static cfp_status keep(const char **out, building *b, const char *text)
{
    *out = cfp_keep_text(&b->out->memory->keep, b->ctx, text, strlen(text));
    return *out == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status refuse(const building *b, int64_t line, const char *what)
{
    return cfp_fail(b->ctx, CFP_FORMAT, "%s:%lld: %s", b->list.path, (long long)line, what);
}

static bool is_whole(const char *text)
{
    const size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 10 && text[digits] == '\0';
}

static cfp_status read_number(int64_t *out, building *b, int64_t line, const cfp_kind_label *label)
{
    char what[160];
    if (is_whole(b->text)) {
        *out = strtol(b->text, NULL, 10) - label->first_number;
        if (*out >= 0)
            return CFP_OK;
    }
    snprintf(what, sizeof what, "'%.60s' is no number of a class: they are whole, from %d", b->text,
             (int)label->first_number);
    return refuse(b, line, what);
}

static cfp_status read_labels(cfp_dataset_clip *clip, building *b)
{
    const cfp_values values = values_of(b);
    for (int i = 0; i < CFP_DATASET_LABELS; i++)
        clip->label[i].index = -1;
    for (int i = 0; i < b->kind.n_labels; i++) {
        const cfp_kind_label *label = &b->kind.label[i];
        if (cfp_template_fill(b->text, &label->number, &values))
            CFP_TRY(read_number(&clip->label[i].index, b, clip->line, label));
        if (cfp_template_fill(b->text, &label->text, &values) ||
            cfp_template_fill(b->text, &label->either, &values))
            CFP_TRY(keep(&clip->label[i].name, b, b->text));
        if (label->either.n > 0 && clip->label[i].name != NULL)
            b->names |= !is_whole(clip->label[i].name);
    }
    return CFP_OK;
}

static uint64_t hash_of(const char *text)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

static size_t slot_of(const cfp_dataset *d, const char *id)
{
    const struct cfp_dataset_memory *m = d->memory;
    size_t at = (size_t)hash_of(id) & (m->n_slots - 1);
    while (m->slot[at] != 0 && strcmp(d->clip[m->slot[at] - 1].id, id) != 0)
        at = (at + 1) & (m->n_slots - 1);
    return at;
}

static cfp_status make_room(building *b)
{
    cfp_dataset *d = b->out;
    if (d->n < b->capacity)
        return CFP_OK;
    if (d->n > INT32_MAX / 4)
        return cfp_fail(b->ctx, CFP_FORMAT, "%s: more clips than can be counted", d->path);
    const int capacity = b->capacity == 0 ? 256 : 2 * b->capacity;
    cfp_dataset_clip *grown;
    CFP_TRY_ALLOC(b->ctx, grown, capacity);
    if (d->n > 0)
        memcpy(grown, d->clip, (size_t)d->n * sizeof *grown);
    cfp_free(d->clip);
    d->clip = grown;
    b->capacity = capacity;
    struct cfp_dataset_memory *m = d->memory;
    cfp_free(m->slot);
    m->n_slots = 4 * (size_t)capacity;
    CFP_TRY_ALLOC(b->ctx, m->slot, m->n_slots);
    for (int i = 0; i < d->n; i++)
        if (d->clip[i].twin == 0)
            m->slot[slot_of(d, d->clip[i].id)] = i + 1;
    return CFP_OK;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool say_the_same(const cfp_dataset_clip *a, const cfp_dataset_clip *b)
{
    for (int i = 0; i < CFP_DATASET_LABELS; i++)
        if (a->label[i].index != b->label[i].index ||
            !same_text(a->label[i].name, b->label[i].name))
            return false;
    return a->window == b->window && a->start == b->start && a->stop == b->stop;
}

/* Of two lines with one id the first counts. */
static void compare_with_earlier(cfp_dataset_clip *clip, const cfp_dataset *d, size_t slot)
{
    if (d->memory->slot[slot] == 0)
        return;
    const cfp_dataset_clip *first = &d->clip[d->memory->slot[slot] - 1];
    clip->twin = first->line;
    clip->reason = say_the_same(clip, first) ? CFP_CLIP_REPEATED : CFP_CLIP_CONTRADICTS;
}

/* True if the line is not in the subset that was asked for. */
static bool is_left_out(building *b)
{
    const cfp_values values = values_of(b);
    if (b->options->subset == NULL || !cfp_template_fill(b->text, &b->kind.subset, &values))
        return b->options->subset != NULL;
    for (int i = 0; i < b->kind.n_subset_names; i++)
        if (strcmp(b->kind.subset_name[i].value, b->text) == 0)
            return strcmp(b->kind.subset_name[i].name, b->options->subset) != 0;
    return strcmp(b->text, b->options->subset) != 0;
}

static cfp_status make_id(cfp_dataset_clip *clip, building *b)
{
    const cfp_values values = values_of(b);
    for (int i = 0; i < b->kind.n_ids; i++)
        if (cfp_template_fill(b->text, &b->kind.id[i], &values))
            return keep(&clip->id, b, b->text);
    return refuse(b, clip->line, "the line lacks what makes the id of a clip");
}

static cfp_status find_clip(cfp_dataset_clip *clip, building *b, const cfp_window *window)
{
    cfp_found found;
    const cfp_values values = values_of(b);
    cfp_places_find(&found, &b->kind, &values, b->root, b->n_roots);
    clip->reason = found.reason;
    if (found.reason != CFP_CLIP_FOUND)
        return CFP_OK;
    cfp_window_apply(clip, window, &b->kind, &found);
    return clip->reason == CFP_CLIP_FOUND ? keep(&clip->path, b, found.path) : CFP_OK;
}

static cfp_status take_line(building *b, const cfp_list_line *line)
{
    char why[256];
    cfp_window window;
    cfp_dataset *d = b->out;
    const char *problem = cfp_kind_take(&b->line, &b->kind, &b->fit, line, why);
    if (problem != NULL)
        return refuse(b, line->number, problem);
    if (is_left_out(b)) {
        d->count[CFP_CLIP_LEFT_OUT]++;
        return CFP_OK;
    }
    CFP_TRY(make_room(b));
    cfp_dataset_clip *clip = &d->clip[d->n];
    *clip = (cfp_dataset_clip){.line = line->number};
    CFP_TRY(make_id(clip, b));
    CFP_TRY(read_labels(clip, b));
    const cfp_values values = values_of(b);
    problem = cfp_window_read(&window, &b->kind, &values, why);
    if (problem != NULL)
        return refuse(b, line->number, problem);
    CFP_TRY(find_clip(clip, b, &window));
    const size_t slot = slot_of(d, clip->id);
    compare_with_earlier(clip, d, slot);
    if (clip->twin == 0)
        d->memory->slot[slot] = d->n + 1;
    else
        clip->path = NULL;
    d->n++;
    return cfp_check_interrupt(b->ctx);
}

/* Labels that are numbers on every line are numbers; else they are names. */
static void settle_labels(building *b)
{
    for (int i = 0; i < b->kind.n_labels && !b->names; i++)
        for (int k = 0; k < b->out->n && b->kind.label[i].either.n > 0; k++) {
            cfp_dataset_label *label = &b->out->clip[k].label[i];
            if (label->name == NULL)
                continue;
            label->index = strtol(label->name, NULL, 10) - b->kind.label[i].first_number;
            label->name = NULL;
        }
}

static cfp_status read_lines(building *b)
{
    char why[256];
    cfp_list_line line;
    const char *problem = cfp_kind_begin(&b->fit, &b->kind, &b->list, b->ctx, why);
    if (problem != NULL)
        return refuse(b, 1, problem);
    cfp_kind_start(&b->line, &b->kind, b->list.path, b->name);
    for (;;) {
        CFP_TRY(cfp_list_file_next(&line, &b->list, b->ctx));
        if (line.n == 0)
            break;
        CFP_TRY(take_line(b, &line));
    }
    if (b->out->n == 0)
        return cfp_fail(b->ctx, CFP_FORMAT, "%s: the list has no clip%s%s", b->list.path,
                        b->options->subset != NULL ? " in the subset " : "",
                        b->options->subset != NULL ? b->options->subset : "");
    settle_labels(b);
    return CFP_OK;
}

static cfp_status check_roots(building *b)
{
    struct stat facts;
    b->root = b->options->root;
    b->n_roots = b->options->n_roots;
    for (int i = 0; i < b->n_roots; i++)
        if (stat(b->root[i], &facts) != 0 || !S_ISDIR(facts.st_mode))
            return cfp_fail(b->ctx, CFP_USAGE, "--root: '%s' is no folder", b->root[i]);
    if (b->n_roots > 0)
        return CFP_OK;
    const char *slash = strrchr(b->list.path, '/');
    b->folder = slash == NULL
                    ? cfp_strdup(b->ctx, ".")
                    : cfp_format(b->ctx, "%.*s", (int)(slash - b->list.path) + 1, b->list.path);
    b->own_root[0] = b->folder;
    b->root = b->own_root;
    b->n_roots = 1;
    return b->folder == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status describe(building *b)
{
    cfp_dataset *d = b->out;
    CFP_TRY(keep(&d->path, b, b->list.path));
    CFP_TRY(keep(&d->kind, b, b->kind.name));
    CFP_TRY(keep(&d->kind_file, b, b->kind.file));
    d->n_labels = b->kind.n_labels;
    for (int i = 0; i < d->n_labels; i++)
        CFP_TRY(keep(&d->label_name[i], b, b->kind.label[i].name));
    if (b->options->subset != NULL && b->kind.subset.n == 0)
        return cfp_fail(b->ctx, CFP_USAGE, "--subset: a list of kind %s has no subsets", d->kind);
    return CFP_OK;
}

static cfp_status build(building *b, const char *path)
{
    CFP_TRY_ALLOC(b->ctx, b->out->memory, 1);
    CFP_TRY(cfp_list_file_open(&b->list, b->ctx, path));
    CFP_TRY(check_roots(b));
    CFP_TRY(cfp_kinds_choose(&b->kind, b->ctx, &b->list, b->options));
    CFP_TRY(describe(b));
    CFP_TRY(read_lines(b));
    for (int i = 0; i < b->out->n; i++)
        b->out->count[b->out->clip[i].reason]++;
    return CFP_OK;
}

cfp_status cfp_dataset_open(cfp_dataset *out, cfp_ctx *ctx, const char *path,
                            const cfp_dataset_options *options)
{
    building *b;
    *out = (cfp_dataset){0};
    CFP_TRY_ALLOC(ctx, b, 1);
    b->out = out;
    b->ctx = ctx;
    b->options = options;
    const cfp_status status = build(b, path);
    cfp_list_file_close(&b->list);
    cfp_kind_free(&b->kind);
    cfp_free(b->folder);
    cfp_free(b);
    if (status != CFP_OK)
        cfp_dataset_free(out);
    return status;
}

void cfp_dataset_free(cfp_dataset *dataset)
{
    if (dataset->memory != NULL) {
        cfp_keep_free(&dataset->memory->keep);
        cfp_free(dataset->memory->slot);
        cfp_free(dataset->memory);
    }
    cfp_free(dataset->clip);
    *dataset = (cfp_dataset){0};
}

const char *cfp_dataset_reason_word(cfp_dataset_reason reason)
{
    static const char *const words[] = {"found",     "missing",    "empty",    "unreadable",
                                        "no-frames", "bad-window", "repeated", "contradicts",
                                        "bad-label", "left-out"};
    return words[reason];
}

const char *cfp_dataset_reason_text(cfp_dataset_reason reason)
{
    static const char *const texts[] = {
        "found",
        "no such file or folder",
        "an empty file or folder",
        "may not be read",
        "no frame of its window",
        "its window stops before it starts",
        "repeats an earlier line",
        "an earlier line has its id, with another window or label",
        "not in the data set's class list",
        "not in the subset",
    };
    return texts[reason];
}
