/* cmd_aggregate.c - cfp-gpu aggregate: many explanations -> what each class rests on (SPEC 8).
 *
 * A first pass reads the head of every explanation: its class, and its options, which must be the
 * same in all.  The second pass takes the classes one by one: it reads the explanations of the
 * class, adds them up and writes the class's part of the files.  So memory grows with the kernels
 * and edges of one class, not with the number of clips. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "../write/write_class.h"
#include "../write/write_run.h"
#include "find_explained.h"
#include "request.h"
#include "sweep_plan.h"
#include "url.h"

typedef struct entry { /* an explanation */
    int file, place;   /* number of the file, and of the explanation in it */
    int class_index;
    double probability;
    char *id;
} entry;

typedef struct aggregate {
    cfp_session *session;
    cfp_ctx *ctx;
    cfp_explained_paths paths;
    char **href;              /* [paths.n] of a report beside it; NULL: none */
    cfp_explained_file open;  /* the file that is open */
    int at;                   /* its number; -1: none */
    cfp_explained_head first; /* of the first explanation: the others must have the same options */
    const char *first_path;   /* its file; NULL: none has been read yet */
    entry *entry;             /* [n] */
    int n, capacity;
    char **class_name; /* [n_classes] by index; "" if no explanation names it */
    int n_classes;
    bool *wanted;         /* [n_classes] */
    bool differs;         /* an explanation has another model or other options */
    cfp_status result;    /* CFP_OK, or why the last one was left out */
    int failed;           /* files and clips that were left out */
    cfp_class_clip *clip; /* [n] buffer for the clips of one class */
    cfp_output output;
    cfp_class_files files;
} aggregate;

/* Reports a file or clip that cannot be read.  Returns CFP_OK if the others can go on. */
static cfp_status leave_out(aggregate *a, cfp_status status)
{
    /* With other options the sum would have no meaning, so the command fails. */
    if (a->differs || (status != CFP_IO && status != CFP_FORMAT && status != CFP_UNSUPPORTED))
        return status;
    cfp_terminal_clear(&a->session->terminal);
    cfp_terminal_error(&a->session->terminal, a->ctx->message);
    a->ctx->message[0] = '\0'; /* it has been logged */
    a->result = status;
    a->failed++;
    return CFP_OK;
}

/* No explanation could be read.  If none was left out, there were none, as in an empty shard; only
 * then a message is still needed. */
static cfp_status nothing_read(const aggregate *a)
{
    return a->result != CFP_OK ? a->result
                               : cfp_fail(a->ctx, CFP_FORMAT, "%s: holds no explanation",
                                          a->session->config.operand[0]);
}

static cfp_status open_file(aggregate *a, int file)
{
    if (a->at == file)
        return CFP_OK;
    cfp_explained_close(&a->open);
    a->at = -1;
    CFP_TRY(cfp_explained_open(&a->open, a->ctx, a->paths.path[file]));
    a->at = file;
    return CFP_OK;
}

/* --- the first pass --- */

/* Options that a file need not name; the first that does speaks for those before it. */
static cfp_status fill_in(aggregate *a, const cfp_explained_head *head)
{
    for (int k = CFP_EXPLAINED_OPTIONS - CFP_EXPLAINED_EXTRA; k < CFP_EXPLAINED_OPTIONS; k++) {
        if (*a->first.option[k] != '\0' || *head->option[k] == '\0')
            continue;
        char *const said = cfp_strdup(a->ctx, head->option[k]);
        if (said == NULL)
            return CFP_NOMEM;
        cfp_free(a->first.option[k]);
        a->first.option[k] = said;
    }
    return CFP_OK;
}

static cfp_status check_options(aggregate *a, const cfp_explained_head *head, const char *path)
{
    CFP_TRY(fill_in(a, head));
    for (int k = 0; k < CFP_EXPLAINED_OPTIONS; k++) {
        const char *const mine = head->option[k], *const theirs = a->first.option[k];
        const bool model = strcmp(cfp_explained_options[k], "model") == 0;
        const bool extra = k >= CFP_EXPLAINED_OPTIONS - CFP_EXPLAINED_EXTRA;
        if (strcmp(mine, theirs) == 0 || (extra && *mine == '\0'))
            continue;
        a->differs = true;
        if (model)
            return cfp_fail(a->ctx, CFP_FORMAT,
                            "%s: model: is of '%s' (SHA-256 %.12s...), %s of '%s' (%.12s...)", path,
                            head->model, mine, a->first_path, a->first.model, theirs);
        return cfp_fail(a->ctx, CFP_FORMAT, "%s: --%s: is '%s', but '%s' in %s", path,
                        cfp_explained_options[k], mine, theirs, a->first_path);
    }
    return CFP_OK;
}

static cfp_status name_class(aggregate *a, int index, const char *name)
{
    if (index >= a->n_classes) {
        const int n = index + 1 + a->n_classes;
        char **more =
            cfp_enlarge(a->ctx, a->class_name, (size_t)a->n_classes, (size_t)n, sizeof *more);
        if (more == NULL)
            return CFP_NOMEM;
        a->class_name = more;
        a->n_classes = n;
    }
    if (a->class_name[index] == NULL)
        a->class_name[index] = cfp_strdup(a->ctx, name);
    return a->class_name[index] == NULL ? CFP_NOMEM : CFP_OK;
}

/* Moves the head's id to the new entry. */
static cfp_status add_entry(aggregate *a, cfp_explained_head *head, int file, int place)
{
    CFP_TRY_ROOM(a->ctx, a->entry, a->n, a->capacity);
    CFP_TRY(name_class(a, head->class_index, head->class_name));
    a->entry[a->n++] = (entry){file, place, head->class_index, head->probability, head->id};
    head->id = NULL;
    return CFP_OK;
}

static cfp_status take_head(aggregate *a, int file, int place)
{
    cfp_explained_head head;
    const char *const wanted = a->session->config.head;
    CFP_TRY(cfp_explained_head_read(&head, &a->open, place));
    if (wanted != NULL && strcmp(head.option[CFP_EXPLAINED_HEAD], wanted) != 0) {
        cfp_explained_head_free(&head); /* of another head of the network */
        return CFP_OK;
    }
    cfp_status status = add_entry(a, &head, file, place);
    if (status == CFP_OK && a->first_path != NULL)
        status = check_options(a, &head, a->open.path);
    if (status == CFP_OK && a->first_path == NULL) {
        a->first = head;
        a->first_path = a->paths.path[file];
        return CFP_OK;
    }
    cfp_explained_head_free(&head);
    return status;
}

static cfp_status read_heads(aggregate *a)
{
    for (int file = 0; file < a->paths.n; file++) {
        const cfp_status status = open_file(a, file);
        CFP_TRY(leave_out(a, status));
        for (int place = 0; status == CFP_OK && place < a->open.n; place++) {
            CFP_TRY(leave_out(a, take_head(a, file, place)));
            CFP_TRY(cfp_check_interrupt(a->ctx));
        }
        cfp_progress(a->ctx, "read", file + 1, a->paths.n);
    }
    return CFP_OK;
}

/* --- which classes --- */

/* Marks the classes of --class as wanted.  A table of names like that of a model is made, so that
 * names are found by the same rules as everywhere. */
static cfp_status choose_classes(aggregate *a)
{
    const char *const list = a->session->config.class_name;
    cfp_model model = {.path = "the explanations", .name = "the explanations"};
    cfp_sweep_plan plan = {0};
    CFP_TRY_ALLOC(a->ctx, a->wanted, a->n_classes);
    for (int c = 0; c < a->n_classes; c++)
        a->wanted[c] = list == NULL && a->class_name[c] != NULL;
    for (int c = 0; c < a->n_classes; c++)
        if (a->class_name[c] == NULL && (a->class_name[c] = cfp_strdup(a->ctx, "")) == NULL)
            return CFP_NOMEM;
    model.class_name = a->class_name;
    model.n_classes = a->n_classes;
    cfp_status status = cfp_sweep_plan_classes(&plan, a->ctx, &model, list);
    for (int i = 0; i < plan.n_classes && status == CFP_OK; i++) {
        const int c = plan.class_index[i];
        a->wanted[c] = true;
        if (a->class_name[c][0] == '\0')
            status = cfp_fail(a->ctx, CFP_USAGE, "--class: no explanation is of class %d", c);
    }
    cfp_sweep_plan_free(&plan);
    return status;
}

/* --- links to reports --- */

/* The absolute path of a folder that may not exist yet; the caller frees it with free().  NULL if
 * the part that does not exist has ".." in it; this is not a failure. */
static char *absolute(const char *folder)
{
    char *there = realpath(folder, NULL);
    const char *const slash = strrchr(folder, '/');
    if (there != NULL || slash == folder || strcmp(folder, "") == 0)
        return there;
    char *parent = slash == NULL ? strdup(".") : strndup(folder, (size_t)(slash - folder));
    const char *const name = slash == NULL ? folder : slash + 1;
    char *above = parent == NULL || strcmp(name, "..") == 0 ? NULL : absolute(parent);
    free(parent);
    if (above == NULL || *name == '\0' || strcmp(name, ".") == 0)
        return above;
    if (asprintf(&there, "%s/%s", strcmp(above, "/") == 0 ? "" : above, name) < 0)
        there = NULL;
    free(above);
    return there;
}

/* The link from the page of a class to the report that lies beside an explanation. */
static cfp_status find_report(char **out, cfp_ctx *ctx, const char *pages, const char *path)
{
    const char *const slash = strrchr(path, '/'), *const name = slash == NULL ? path : slash + 1;
    *out = NULL;
    if (strcmp(name, "explanation.h5") != 0)
        return CFP_OK;
    char *report = cfp_format(ctx, "%.*sreport.html", (int)(name - path), path);
    if (report == NULL)
        return CFP_NOMEM;
    char *there = realpath(report, NULL);
    cfp_free(report);
    if (there == NULL)
        return CFP_OK;
    *out = cfp_url_between(ctx, pages, there);
    free(there);
    return *out == NULL ? CFP_NOMEM : CFP_OK;
}

/* A run replaces the files that an earlier run left in its output folder.  So that folder must not
 * hold the explanations that are added up. */
static cfp_status check_folder(aggregate *a, const char *folder)
{
    for (int i = 0; i < a->paths.n; i++) {
        char *file = realpath(a->paths.path[i], NULL);
        const size_t length = file == NULL ? 0 : (size_t)(strrchr(file, '/') - file);
        const bool same =
            file != NULL && strlen(folder) == length && memcmp(file, folder, length) == 0;
        free(file);
        if (same)
            return cfp_fail(a->ctx, CFP_USAGE,
                            "--output: %s holds explanations that are added up; choose another "
                            "folder",
                            a->session->config.output);
    }
    return CFP_OK;
}

static cfp_status find_reports(aggregate *a)
{
    CFP_TRY_ALLOC(a->ctx, a->href, a->paths.n);
    char *folder = absolute(a->session->config.output);
    if (folder == NULL)
        return CFP_OK;
    cfp_status status = check_folder(a, folder);
    char *pages = cfp_format(a->ctx, "%s/class", folder);
    free(folder);
    if (status == CFP_OK && pages == NULL)
        status = CFP_NOMEM;
    for (int i = 0; i < a->paths.n && status == CFP_OK; i++)
        status = find_report(&a->href[i], a->ctx, pages, a->paths.path[i]);
    cfp_free(pages);
    return status;
}

/* --- one class after the other --- */

static cfp_status add_explanation(aggregate *a, cfp_tally *tally, const entry *e)
{
    cfp_explained_layers layers;
    CFP_TRY(open_file(a, e->file));
    CFP_TRY(cfp_explained_layers_read(&layers, &a->open, e->place));
    char *where = cfp_format(a->ctx, "%s%s%s%s", a->open.path, a->open.shard ? ": clip '" : "",
                             a->open.shard ? e->id : "", a->open.shard ? "'" : "");
    cfp_status status = where == NULL ? CFP_NOMEM : cfp_tally_add(tally, &layers, where);
    cfp_free(where);
    cfp_explained_layers_free(&layers);
    return status;
}

static cfp_status add_up(aggregate *a, cfp_tally *tally, int index, int64_t *done, int64_t total)
{
    for (int i = 0; i < a->n; i++) {
        const entry *e = &a->entry[i];
        if (e->class_index != index)
            continue;
        const int number = tally->n_clips;
        CFP_TRY(leave_out(a, add_explanation(a, tally, e)));
        if (tally->n_clips > number)
            a->clip[number] = (cfp_class_clip){e->id, e->probability, a->href[e->file]};
        cfp_progress(a->ctx, "add", ++*done, total);
        CFP_TRY(cfp_check_interrupt(a->ctx));
    }
    return CFP_OK;
}

static cfp_status write_class(aggregate *a, int index, int64_t *done, int64_t total)
{
    const cfp_config *config = &a->session->config;
    cfp_tally tally;
    cfp_tally_open(&tally, a->ctx, (int)config->clips, (uint64_t)config->seed);
    cfp_status status = add_up(a, &tally, index, done, total);
    if (status == CFP_OK)
        status = cfp_tally_finish(&tally);
    const cfp_class_facts facts = {index, a->class_name[index], &tally, tally.n_clips, a->clip};
    if (status == CFP_OK && tally.n_clips > 0)
        status = cfp_class_files_add(&a->files, &facts);
    cfp_tally_close(&tally);
    return status;
}

static cfp_status write_classes(aggregate *a)
{
    int64_t done = 0, total = 0;
    CFP_TRY_ALLOC(a->ctx, a->clip, a->n);
    for (int i = 0; i < a->n; i++)
        total += a->wanted[a->entry[i].class_index];
    for (int c = 0; c < a->n_classes; c++)
        if (a->wanted[c])
            CFP_TRY(write_class(a, c, &done, total));
    if (a->files.n_rows == 0)
        return nothing_read(a);
    return cfp_class_files_finish(&a->files);
}

static cfp_status write_all(aggregate *a)
{
    cfp_run_option options[CFP_MAX_OPTIONS];
    const cfp_run run = cfp_describe_run(a->session, options);
    CFP_TRY(cfp_output_open(&a->output, a->ctx, a->session->config.output));
    CFP_TRY(cfp_class_files_open(&a->files, &a->output, &a->first));
    CFP_TRY(write_classes(a));
    CFP_TRY(cfp_write_run(&a->output, NULL, &run));
    return cfp_output_finish(&a->output);
}

/* --- what is told --- */

static cfp_status print_json(const aggregate *a)
{
    cfp_json json;
    cfp_session_json(&json, a->session);
    cfp_json_object(&json);
    cfp_json_key(&json, "classes");
    cfp_json_array(&json);
    for (int i = 0; i < a->files.n_rows; i++) {
        const cfp_class_row *row = &a->files.row[i];
        cfp_json_object(&json);
        cfp_json_put_int(&json, "index", row->index);
        cfp_json_put_string(&json, "name", row->name);
        cfp_json_put_int(&json, "clips", row->clips);
        cfp_json_put_int(&json, "kernels", row->kernels);
        cfp_json_put_double(&json, "consistency", row->consistency);
        cfp_json_put_double(&json, "random", row->random);
        cfp_json_object_end(&json);
    }
    cfp_json_array_end(&json);
    cfp_json_put_int(&json, "left_out", a->failed);
    cfp_json_key(&json, "files");
    cfp_json_array(&json);
    for (int i = 0; i < a->output.n_files; i++) {
        char *path = cfp_format(a->ctx, "%s/%s", a->session->config.output, a->output.files[i]);
        cfp_json_string(&json, path);
        cfp_free(path);
    }
    cfp_json_array_end(&json);
    cfp_json_object_end(&json);
    return cfp_session_json_close(&json);
}

static cfp_status tell(const aggregate *a)
{
    cfp_log(a->ctx, CFP_LOG_INFO, "%d explanation%s of %d class%s in %s", a->files.clips,
            a->files.clips == 1 ? "" : "s", a->files.n_rows, a->files.n_rows == 1 ? "" : "es",
            a->session->config.output);
    if (a->session->config.json)
        CFP_TRY(print_json(a));
    return a->result;
}

static cfp_status run(aggregate *a)
{
    const cfp_config *config = &a->session->config;
    CFP_TRY(cfp_directory_check(a->ctx, config->output));
    for (int i = 0; i < config->n_operands; i++)
        CFP_TRY(leave_out(a, cfp_find_explained(&a->paths, config->operand[i])));
    CFP_TRY(read_heads(a));
    if (a->n == 0)
        return nothing_read(a);
    CFP_TRY(choose_classes(a));
    CFP_TRY(find_reports(a));
    CFP_TRY(write_all(a));
    return tell(a);
}

static void close_all(aggregate *a)
{
    cfp_class_files_close(&a->files);
    cfp_output_close(&a->output);
    cfp_explained_close(&a->open);
    cfp_explained_head_free(&a->first);
    for (int i = 0; i < a->n; i++)
        cfp_free(a->entry[i].id);
    for (int c = 0; c < a->n_classes; c++)
        cfp_free(a->class_name[c]);
    for (int i = 0; a->href != NULL && i < a->paths.n; i++)
        cfp_free(a->href[i]);
    cfp_free(a->entry);
    cfp_free(a->class_name);
    cfp_free(a->href);
    cfp_free(a->wanted);
    cfp_free(a->clip);
    cfp_explained_paths_free(&a->paths);
}

cfp_status cfp_cmd_aggregate(cfp_session *session)
{
    aggregate a = {
        .session = session, .ctx = &session->ctx, .paths = {.ctx = &session->ctx}, .at = -1};
    const cfp_status status = run(&a);
    close_all(&a);
    return status;
}
