/* dataset.c - reads a list: line by line to clips, then finds each clip; see dataset.h. */
#include "dataset.h"
#include "frames.h"
#include "kinds.h"
#include "labels.h"
#include "places.h"
#include "window.h"
#include <glob.h>
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
    glob_t files; /* of a pattern */
    const char *only[1];
    const char *const *file; /* [n_files] the lists */
    size_t n_files;
    cfp_list_file list;    /* the current one */
    const char *list_path; /* its path, kept */
    cfp_kind kind;
    cfp_kind_fit fit;
    cfp_kind_line line;
    char name[CFP_TEMPLATE_ROOM], text[CFP_TEMPLATE_ROOM], words[CFP_TEMPLATE_ROOM];
    const char *const *root;
    int n_roots;
    char *folder; /* of the list; the root, if none is given */
    cfp_frames_kept frames;
    const char *own_root[1];
    int capacity;
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
    return what == cfp_keep_failed
               ? CFP_NOMEM
               : cfp_fail(b->ctx, CFP_FORMAT, "%s:%lld: %s", b->list.path, (long long)line, what);
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
    cfp_dataset_clip *grown =
        cfp_enlarge(b->ctx, d->clip, (size_t)d->n, (size_t)capacity, sizeof *grown);
    if (grown == NULL)
        return CFP_NOMEM;
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
    for (int v = 0; v < values.n; v++)
        if (values.value[v] != NULL && strlen(values.value[v]) >= CFP_TEMPLATE_ROOM)
            return refuse(b, clip->line, "a field is longer than a path can be");
    return refuse(b, clip->line, "the line lacks what makes the id of a clip");
}

/* In a folder, a tar or a frames.db, what its frames are called is known now. */
static cfp_status find_window(cfp_dataset_clip *clip, building *b, const cfp_window *window,
                              const cfp_found *found)
{
    const cfp_frames_of *frames = NULL;
    if (found->is_folder || found->is_tar)
        CFP_TRY(cfp_frames_look(&frames, &b->frames, b->ctx, found));
    if (frames != NULL && frames->broken) {
        clip->reason = CFP_CLIP_EMPTY;
        return keep(&clip->why, b, frames->why);
    }
    cfp_window_apply(clip, window, &b->kind, found, frames != NULL && frames->number != NULL);
    if (clip->reason == CFP_CLIP_FOUND && clip->window == CFP_WINDOW_FRAMES && frames != NULL &&
        !cfp_frames_have(frames, clip->start, clip->stop))
        clip->reason = CFP_CLIP_NO_FRAMES;
    return CFP_OK;
}

static cfp_status find_clip(cfp_dataset_clip *clip, building *b, const cfp_window *window)
{
    cfp_found found;
    const cfp_values values = values_of(b);
    cfp_places_find(&found, &b->kind, &values, b->root, b->n_roots);
    clip->reason = found.reason;
    if (found.reason != CFP_CLIP_FOUND)
        return CFP_OK;
    CFP_TRY(find_window(clip, b, window, &found));
    return clip->reason == CFP_CLIP_FOUND ? keep(&clip->path, b, found.path) : CFP_OK;
}

/* A path may have blanks, which seem to end it in a list of words.  If there is no such clip, looks
 * for the longest beginning of the line that is one, and changes the line's values. */
static void look_for_blanks(building *b, const cfp_list_line *line)
{
    cfp_found found;
    if (b->list.separator != ' ' || b->kind.words != 2 || line->n != 2)
        return;
    const cfp_values values = values_of(b);
    const char *words[2] = {b->line.value[0], b->line.value[1]};
    cfp_places_find(&found, &b->kind, &values, b->root, b->n_roots);
    if (found.reason != CFP_CLIP_MISSING ||
        snprintf(b->words, sizeof b->words, "%s %s", words[0], words[1]) >= (int)sizeof b->words)
        return;
    const size_t first = strlen(words[0]);
    b->line.value[0] = b->words;
    for (char *cut = b->words + strlen(b->words); cut > b->words + first; cut--) {
        const char end = *cut;
        if (end != '\0' && end != ' ' && end != '\t')
            continue;
        *cut = '\0';
        b->line.value[1] = end == '\0' ? NULL : cut + 1 + strspn(cut + 1, " \t");
        cfp_places_find(&found, &b->kind, &values, b->root, b->n_roots);
        if (found.reason != CFP_CLIP_MISSING)
            return;
        *cut = end;
    }
    b->line.value[0] = words[0];
    b->line.value[1] = words[1];
}

static cfp_status take_line(building *b, const cfp_list_line *line)
{
    char why[256];
    cfp_window window;
    cfp_dataset *d = b->out;
    const char *problem = cfp_kind_take(&b->line, &b->kind, &b->fit, line, why);
    if (problem != NULL)
        return refuse(b, line->number, problem);
    look_for_blanks(b, line);
    if (is_left_out(b)) {
        d->count[CFP_CLIP_LEFT_OUT]++;
        return CFP_OK;
    }
    CFP_TRY(make_room(b));
    cfp_dataset_clip *clip = &d->clip[d->n];
    *clip = (cfp_dataset_clip){.list = b->list_path, .line = line->number};
    CFP_TRY(make_id(clip, b));
    const cfp_values values = values_of(b);
    problem = cfp_labels_read(clip, &d->memory->keep, b->ctx, &b->kind, &values, why);
    if (problem == NULL)
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

/* Class lists lie beside the list, in the folder above it (UCF-101's and HMDB-51's lists have
 * folders of their own), below a root, or in datasets/classes. */
static cfp_status settle_labels(building *b)
{
    enum { MOST = 64 };
    const char *folder[MOST], *kinds = cfp_kinds_folder(b->options);
    char *above = cfp_format(b->ctx, "%s..", b->folder);
    char *shipped = cfp_format(b->ctx, "%s/../classes", kinds == NULL ? "." : kinds);
    int n = 0;
    cfp_status status = CFP_NOMEM;
    if (above != NULL && shipped != NULL) {
        folder[n++] = b->folder;
        folder[n++] = above;
        for (int i = 0; i < b->n_roots && n < MOST - 1; i++)
            folder[n++] = b->root[i];
        if (kinds != NULL)
            folder[n++] = shipped;
        status = cfp_labels_settle(b->out, &b->out->memory->keep, b->ctx, &b->kind, folder, n);
    }
    cfp_free(above);
    cfp_free(shipped);
    return status;
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
    const char *first = b->file[0], *slash = strrchr(first, '/');
    b->folder = slash == NULL ? cfp_strdup(b->ctx, "./")
                              : cfp_format(b->ctx, "%.*s", (int)(slash - first) + 1, first);
    if (b->n_roots > 0)
        return b->folder == NULL ? CFP_NOMEM : CFP_OK;
    b->own_root[0] = b->folder;
    b->root = b->own_root;
    b->n_roots = 1;
    return b->folder == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status describe(building *b)
{
    cfp_dataset *d = b->out;
    CFP_TRY(keep(&d->kind, b, b->kind.name));
    CFP_TRY(keep(&d->kind_file, b, b->kind.file));
    d->n_labels = b->kind.n_labels;
    for (int i = 0; i < d->n_labels; i++)
        CFP_TRY(keep(&d->label_name[i], b, b->kind.label[i].name));
    if (b->options->subset != NULL && b->kind.subset.n == 0)
        return cfp_fail(b->ctx, CFP_USAGE, "--subset: a list of kind %s has no subsets", d->kind);
    return CFP_OK;
}

/* The files that the path names: itself, or what it matches as a pattern. */
static cfp_status find_files(building *b, const char *path)
{
    struct stat facts;
    const bool pattern = strpbrk(path, "*?[") != NULL && stat(path, &facts) != 0;
    CFP_TRY(keep(&b->out->path, b, path));
    if (!pattern) {
        b->only[0] = b->out->path;
        b->file = b->only;
        b->n_files = 1;
        return CFP_OK;
    }
    const int result = glob(path, 0, NULL, &b->files);
    b->file = (const char *const *)b->files.gl_pathv;
    b->n_files = result == 0 ? b->files.gl_pathc : 0;
    if (result == GLOB_NOSPACE)
        return cfp_fail(b->ctx, CFP_NOMEM, "%s: out of memory", path);
    return result == 0 ? CFP_OK
                       : cfp_fail(b->ctx, CFP_IO, "%s: no file matches this pattern", path);
}

/* Reads the list number i.  All are of the kind of the first. */
static cfp_status read_list(building *b, size_t i)
{
    cfp_list_file_close(&b->list);
    CFP_TRY(cfp_list_file_open(&b->list, b->ctx, b->file[i]));
    CFP_TRY(keep(&b->list_path, b, b->file[i]));
    if (i == 0) {
        CFP_TRY(cfp_kinds_choose(&b->kind, b->ctx, &b->list, b->options));
        CFP_TRY(describe(b));
    }
    return read_lines(b);
}

static cfp_status build(building *b, const char *path)
{
    CFP_TRY_ALLOC(b->ctx, b->out->memory, 1);
    CFP_TRY(find_files(b, path));
    CFP_TRY(check_roots(b));
    for (size_t i = 0; i < b->n_files; i++)
        CFP_TRY(read_list(b, i));
    if (b->out->n == 0)
        return cfp_fail(b->ctx, CFP_FORMAT, "%s: the list has no clip%s%s", path,
                        b->options->subset != NULL ? " in the subset " : "",
                        b->options->subset != NULL ? b->options->subset : "");
    CFP_TRY(settle_labels(b));
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
    if (b->files.gl_pathv != NULL)
        globfree(&b->files);
    cfp_list_file_close(&b->list);
    cfp_kind_free(&b->kind);
    cfp_frames_forget(&b->frames);
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
        "an empty file, or no frames that can be told",
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
