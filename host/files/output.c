/* output.c - see output.h. */
#include "output.h"
#include "../base/text_shown.h"
#include <string.h>

cfp_status cfp_output_open(cfp_output *out, cfp_ctx *ctx, const char *directory)
{
    *out = (cfp_output){.ctx = ctx};
    if (directory[0] == '\0')
        return cfp_fail(ctx, CFP_USAGE, "-o: the name of a folder is missing");
    return cfp_stage_open(&out->stage, ctx, directory);
}

cfp_status cfp_output_open_folder(cfp_output *out, cfp_ctx *ctx, const char *folder)
{
    *out = (cfp_output){.ctx = ctx, .folder = cfp_strdup(ctx, folder)};
    return out->folder == NULL ? CFP_NOMEM : CFP_OK;
}

void cfp_output_close(cfp_output *output)
{
    cfp_newfile_abandon(&output->file);
    cfp_stage_close(&output->stage);
    cfp_free(output->folder);
    for (int i = 0; i < output->n_files; i++)
        cfp_free(output->files[i]);
    cfp_free(output->files);
    cfp_free(output->name);
    *output = (cfp_output){0};
}

/* Makes sure that one more name and the NULL after it fit. */
static cfp_status grow_files(cfp_output *output)
{
    if (output->n_files + 1 < output->capacity)
        return CFP_OK;
    const int capacity = output->capacity == 0 ? 16 : output->capacity * 2;
    char **files = cfp_enlarge(output->ctx, output->files, (size_t)output->n_files,
                               (size_t)capacity, sizeof *files);
    if (files == NULL)
        return CFP_NOMEM;
    output->files = files;
    output->capacity = capacity;
    return CFP_OK;
}

cfp_status cfp_output_begin(cfp_output *output, const char *name)
{
    char *grows = NULL;
    const bool alone = output->folder != NULL;
    CFP_TRY(grow_files(output));
    cfp_free(output->name);
    output->name = output->inside == NULL ? cfp_strdup(output->ctx, name)
                                          : cfp_format(output->ctx, "%s/%s", output->inside, name);
    if (output->name == NULL)
        return CFP_NOMEM;
    char *path = cfp_format(output->ctx, "%s/%s", alone ? output->folder : output->stage.directory,
                            output->name);
    cfp_status status = path == NULL ? CFP_NOMEM : CFP_OK;
    if (status == CFP_OK && alone)
        status = cfp_newfile_open(&output->file, output->ctx, path);
    if (status == CFP_OK && !alone)
        status = cfp_stage_add(&grows, &output->stage, output->name);
    if (status == CFP_OK && !alone)
        status = cfp_newfile_open_at(&output->file, output->ctx, path, grows);
    cfp_free(grows);
    cfp_free(path);
    return status;
}

cfp_status cfp_output_commit(cfp_output *output)
{
    CFP_TRY(grow_files(output));
    CFP_TRY(cfp_newfile_commit(&output->file));
    output->files[output->n_files++] = output->name;
    output->name = NULL;
    return CFP_OK;
}

const char *cfp_output_inside(const cfp_output *output, int i)
{
    const char *const name = output->files[i];
    const size_t length = output->inside == NULL ? 0 : strlen(output->inside);
    if (length == 0)
        return name;
    return strncmp(name, output->inside, length) == 0 && name[length] == '/' ? name + length + 1
                                                                             : NULL;
}

void cfp_output_swap(cfp_output *output, cfp_growing *other)
{
    const cfp_growing mine = {output->file, output->name};
    output->file = other->file;
    output->name = other->name;
    *other = mine;
}

void cfp_growing_abandon(cfp_growing *other)
{
    cfp_newfile_abandon(&other->file);
    cfp_free(other->name);
    *other = (cfp_growing){0};
}

cfp_status cfp_output_finish(cfp_output *output)
{
    CFP_TRY(cfp_check_interrupt(output->ctx));
    return cfp_stage_move(&output->stage, output->files, output->n_files);
}

cfp_status cfp_output_step(cfp_output *output)
{
    output->done++;
    cfp_progress(output->ctx, "write", output->done, output->total);
    return cfp_check_interrupt(output->ctx);
}

static uint64_t fnv1a(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

char *cfp_output_safe_name(cfp_ctx *ctx, const char *name)
{
    enum { LONGEST = 200 }; /* file names have at most 255 bytes; the rest is for suffixes */
    static const char digits[] = "0123456789ABCDEF";
    char *safe = cfp_alloc(ctx, 3 * strlen(name) + 1 + 20, 1);
    if (safe == NULL)
        return NULL;
    size_t n = 0;
    for (const char *c = name; *c != '\0';) {
        const int length = cfp_shown_length(c);
        const bool plain = length > 0 && *c != '/' && *c != '%' && !(*c == '.' && n == 0);
        for (int i = 0; i < (length < 0 ? -length : length); i++, c++) {
            const unsigned char byte = (unsigned char)*c;
            if (plain) {
                safe[n++] = *c;
                continue;
            }
            safe[n++] = '%';
            safe[n++] = digits[byte >> 4];
            safe[n++] = digits[byte & 15];
        }
    }
    if (n == 0)
        safe[n++] = '%';
    if (n > LONGEST) {
        n = LONGEST;
        while (((unsigned char)safe[n] & 0xc0) == 0x80) /* do not cut a UTF-8 sequence */
            n--;
        safe[n++] = '~';
        const uint64_t hash = fnv1a(name);
        for (int shift = 60; shift >= 0; shift -= 4)
            safe[n++] = digits[hash >> shift & 15];
    }
    safe[n] = '\0';
    return safe;
}

char *cfp_output_overlay(const cfp_output *output, const cfp_model *model, const cfp_tube *tube,
                         const char *suffix)
{
    char *layer = cfp_output_safe_name(output->ctx, model->node[tube->node].name);
    if (layer == NULL)
        return NULL;
    char *path = tube->kernel < 0 ? cfp_format(output->ctx, "overlay/%s%s", layer, suffix)
                                  : cfp_format(output->ctx, "overlay/%s/kernel-%d%s", layer,
                                               tube->kernel, suffix);
    cfp_free(layer);
    return path;
}
