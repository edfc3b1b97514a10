/* writer.c - the table of writers; runs those that were asked for. */
#include "writer.h"
#include "../base/nearest.h"
#include "../files/output.h"
#include "write_run.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const cfp_writer cfp_writer_h5, cfp_writer_json, cfp_writer_tree, cfp_writer_png,
    cfp_writer_sheet, cfp_writer_frames, cfp_writer_mp4, cfp_writer_gif, cfp_writer_stack,
    cfp_writer_figure, cfp_writer_html, cfp_writer_contrast_h5, cfp_writer_contrast_json,
    cfp_writer_contrast_html, cfp_writer_heads_html;

const cfp_writer *const cfp_writers[] = {
    &cfp_writer_h5,    &cfp_writer_json,   &cfp_writer_tree, &cfp_writer_png,
    &cfp_writer_sheet, &cfp_writer_frames, &cfp_writer_mp4,  &cfp_writer_gif,
    &cfp_writer_stack, &cfp_writer_figure, &cfp_writer_html, NULL,
};

const cfp_writer *const cfp_contrast_writers[] = {
    &cfp_writer_contrast_h5,
    &cfp_writer_contrast_json,
    &cfp_writer_png,
    &cfp_writer_sheet,
    &cfp_writer_frames,
    &cfp_writer_mp4,
    &cfp_writer_gif,
    &cfp_writer_stack,
    &cfp_writer_figure,
    &cfp_writer_contrast_html,
    NULL,
};

/* True if the comma-separated list contains this format. */
static bool asked_for(const char *formats, const char *format)
{
    const size_t length = strlen(format);
    for (const char *word = formats; *word != '\0';) {
        const size_t n = strcspn(word, ",");
        if (n == length && memcmp(word, format, n) == 0)
            return true;
        word += n + (word[n] == ',');
    }
    return false;
}

/* The writer whose format is word[length], or NULL. */
static const cfp_writer *find_writer(const cfp_writer *const *writers, const char *word,
                                     size_t length)
{
    for (int i = 0; writers[i] != NULL; i++)
        if (strlen(writers[i]->format) == length && memcmp(writers[i]->format, word, length) == 0)
            return writers[i];
    return NULL;
}

bool cfp_formats_only_tubes(const cfp_writer *const *writers, const char *formats)
{
    for (const char *word = formats; *word != '\0';) {
        const size_t n = strcspn(word, ",");
        const cfp_writer *writer = find_writer(writers, word, n);
        if (writer == NULL || !writer->only_tubes)
            return false;
        word += n + (word[n] == ',');
    }
    return true;
}

bool cfp_formats_name(const char *formats, const char *word)
{
    while (*formats != '\0') {
        const size_t n = strcspn(formats, ",");
        if (n == strlen(word) && memcmp(formats, word, n) == 0)
            return true;
        formats += n + (formats[n] == ',');
    }
    return false;
}

cfp_status cfp_directory_check(cfp_ctx *ctx, const char *directory)
{
    struct stat facts;
    char *path = cfp_strdup(ctx, directory);
    if (path == NULL)
        return CFP_NOMEM;
    /* Go up to the nearest folder that exists.  (A name that is too long is a different error.) */
    while (stat(path, &facts) != 0 && errno == ENOENT) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path) {
            strcpy(path, slash == NULL ? "." : "/"); /* fits: path was not empty */
            break;
        }
        *slash = '\0';
    }
    cfp_status status = CFP_OK;
    if (stat(path, &facts) != 0)
        status = cfp_fail(ctx, CFP_IO, "%s: %s", directory, strerror(errno));
    else if (!S_ISDIR(facts.st_mode))
        status = cfp_fail(ctx, CFP_IO, "%s: is not a folder", path);
    else if (access(path, W_OK | X_OK) != 0)
        status = cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    cfp_free(path);
    return status;
}

static cfp_status unknown_format(cfp_ctx *ctx, const cfp_writer *const *writers, const char *word,
                                 size_t length)
{
    enum { MOST = 24 };
    const char *name[MOST];
    char known[160] = "", typed[64];
    int n = 0;
    for (; n < MOST && writers[n] != NULL; n++) {
        const size_t used = strlen(known);
        name[n] = writers[n]->format;
        snprintf(known + used, sizeof known - used, "%s%s", n == 0 ? "" : ", ", name[n]);
    }
    snprintf(typed, sizeof typed, "%.*s", (int)cfp_min_int((int)length, 63), word);
    const char *near = cfp_nearest(typed, name, n, sizeof *name);
    return cfp_fail(ctx, CFP_USAGE, "--format: '%s' is not a format; there are %s%s%s%s", typed,
                    known, near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                    near != NULL ? "?" : "");
}

cfp_status cfp_formats_check(cfp_ctx *ctx, const cfp_writer *const *writers, const char *formats)
{
    const char *word = formats;
    do {
        const size_t n = strcspn(word, ",");
        if (find_writer(writers, word, n) == NULL)
            return unknown_format(ctx, writers, word, n);
        word += n + (word[n] == ',');
    } while (*word != '\0');
    return CFP_OK;
}

static const cfp_writer *const *writers_of(const cfp_explanation *explanation)
{
    return explanation->against != NULL ? cfp_contrast_writers : cfp_writers;
}

/* Refuses what a writer cannot write, and counts the steps of progress. */
static cfp_status check_writers(cfp_output *output, const char *formats,
                                const cfp_explanation *explanation)
{
    const cfp_writer *const *writers = writers_of(explanation);
    for (int i = 0; writers[i] != NULL; i++) {
        if (!asked_for(formats, writers[i]->format))
            continue;
        if (writers[i]->check != NULL)
            CFP_TRY(writers[i]->check(output->ctx, explanation));
        output->total += writers[i]->draws_tubes ? explanation->tubes.n : 1;
    }
    return CFP_OK;
}

static cfp_status run_writers(cfp_output *output, const char *formats,
                              const cfp_explanation *explanation, const cfp_run *run)
{
    const cfp_writer *const *writers = writers_of(explanation);
    for (int i = 0; writers[i] != NULL; i++) {
        if (!asked_for(formats, writers[i]->format))
            continue;
        CFP_TRY(cfp_check_interrupt(output->ctx));
        CFP_TRY(writers[i]->write(output, explanation, run));
    }
    return CFP_OK;
}

/* Writes the explanation of one head into a folder with the head's name, with a run.json: the
 * folder is as explain makes it for this head alone. */
static cfp_status write_head(cfp_output *output, const char *formats, const cfp_explanation *e,
                             const cfp_run *run)
{
    cfp_explanation alone = *e;
    char *name = cfp_output_safe_name(output->ctx, e->model->head_name);
    char *folder = name == NULL ? NULL : cfp_format(output->ctx, "heads/%s", name);
    cfp_free(name);
    if (folder == NULL)
        return CFP_NOMEM;
    alone.next = NULL;
    output->inside = folder;
    cfp_status status = run_writers(output, formats, &alone, run);
    if (status == CFP_OK)
        status = cfp_write_run(output, &alone, run);
    output->inside = NULL;
    cfp_free(folder);
    return status;
}

/* Writes the heads, and a page that shows them side by side. */
static cfp_status write_heads(cfp_output *output, const char *formats, const cfp_explanation *first,
                              const cfp_run *run)
{
    for (const cfp_explanation *e = first; e != NULL; e = e->next)
        CFP_TRY(check_writers(output, formats, e));
    for (const cfp_explanation *e = first; e != NULL; e = e->next)
        CFP_TRY(write_head(output, formats, e, run));
    if (!asked_for(formats, cfp_writer_heads_html.format))
        return CFP_OK;
    return cfp_writer_heads_html.write(output, first, run);
}

static cfp_status write_one(cfp_output *output, const char *formats,
                            const cfp_explanation *explanation, const cfp_run *run)
{
    CFP_TRY(check_writers(output, formats, explanation));
    return run_writers(output, formats, explanation, run);
}

static cfp_status write_all(cfp_output *output, const char *formats, cfp_explanation *explanation,
                            const cfp_run *run)
{
    const double start = cfp_now_ms();
    CFP_TRY(explanation->next != NULL ? write_heads(output, formats, explanation, run)
                                      : write_one(output, formats, explanation, run));
    explanation->ms.write = cfp_now_ms() - start;
    CFP_TRY(cfp_write_run(output, explanation, run));
    return cfp_output_finish(output);
}

cfp_status cfp_write(cfp_ctx *ctx, const char *directory, const char *formats,
                     cfp_explanation *explanation, const cfp_run *run, char ***files_out)
{
    if (files_out != NULL)
        *files_out = NULL;
    CFP_TRY(cfp_formats_check(ctx, writers_of(explanation), formats));
    cfp_output output;
    CFP_TRY(cfp_output_open(&output, ctx, directory));
    output.stage.spare[0] = explanation->model->path;
    output.stage.spare[1] = explanation->clip->path;
    const cfp_status status = write_all(&output, formats, explanation, run);
    if (status == CFP_OK &&
        files_out != NULL) { /* the array ends in NULL, because memory is zeroed */
        *files_out = output.files;
        output.files = NULL;
        output.n_files = 0;
    }
    cfp_output_close(&output);
    return status;
}
