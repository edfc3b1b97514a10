/* source_folder.c - reads a folder of frame images in the order of their names (numbered.h).
 *
 * A frame's number is the number in its name, or its place in the order, from 0, if names have
 * none. Images without any number in the name (a poster) are left out with a warning.  Two series
 * in one folder (img_00001 and flow_x_00001) are refused, because nobody would notice a mixture. */
#include "clip_list.h"
#include "image_decode.h"
#include "numbered.h"
#include <dirent.h>
#include <errno.h>
#include <string.h>

typedef struct folder_state {
    cfp_numbered_list files;
    cfp_image_decoder *decoder;
    int n_others;      /* images without a number in the name */
    char *first_other; /* one of them */
    char *video;       /* one of the videos, if there are any */
} folder_state;

static bool folder_matches(const cfp_path_facts *facts)
{
    return facts->is_folder;
}

static cfp_status list_images(folder_state *state, cfp_ctx *ctx, DIR *folder)
{
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        CFP_TRY(cfp_check_interrupt(ctx));
        bool added;
        if (entry->d_name[0] == '.')
            continue;
        if (state->video == NULL && cfp_is_video_name(entry->d_name) &&
            (state->video = cfp_strdup(ctx, entry->d_name)) == NULL)
            return CFP_NOMEM;
        if (!cfp_is_image_name(entry->d_name))
            continue;
        CFP_TRY(cfp_numbered_add(&state->files, ctx, entry->d_name, true, &added));
        if (added || state->n_others++ > 0)
            continue;
        if ((state->first_other = cfp_strdup(ctx, entry->d_name)) == NULL)
            return CFP_NOMEM;
    }
    return CFP_OK;
}

static cfp_status folder_open(cfp_source *source, cfp_ctx *ctx)
{
    folder_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    DIR *folder = opendir(source->path);
    if (folder == NULL)
        return cfp_fail(ctx, CFP_IO, "%s: %s", source->path, strerror(errno));
    const cfp_status status = list_images(state, ctx, folder);
    closedir(folder);
    CFP_TRY(status);
    if (state->files.count == 0 && state->video != NULL)
        return cfp_fail(ctx, CFP_FORMAT,
                        "%s: a folder of videos, not of frames: give one of them, such as '%s'",
                        source->path, state->video);
    if (state->files.count == 0)
        return cfp_fail(ctx, CFP_FORMAT,
                        "%s: no frame images (.jpg, .png, ... with a number in the name) and no "
                        "frames.db in this folder",
                        source->path);
    if (state->n_others > 0)
        cfp_log(ctx, CFP_LOG_WARNING,
                "%s: %d images have no number in the name and are left out: '%s'%s", source->path,
                state->n_others, state->first_other, state->n_others > 1 ? ", ..." : "");
    CFP_TRY(cfp_numbered_frames(source, ctx, &state->files, source->path));
    return cfp_image_decoder_open(&state->decoder, ctx);
}

static char *frame_path(const cfp_source *source, cfp_ctx *ctx, int32_t frame)
{
    const folder_state *state = source->state;
    const size_t length = strlen(source->path);
    const char *slash = length > 0 && source->path[length - 1] == '/' ? "" : "/";
    return cfp_format(ctx, "%s%s%s", source->path, slash, state->files.item[frame].name);
}

static cfp_status push_frame(cfp_source *source, cfp_ctx *ctx, const char *path, int32_t frame,
                             const cfp_sink *sink)
{
    const folder_state *state = source->state;
    uint8_t *bytes;
    size_t n_bytes = 0;
    const cfp_image *image = NULL;
    cfp_status status = cfp_image_read_file(&bytes, &n_bytes, ctx, path);
    if (status == CFP_OK)
        status = cfp_image_decode(&image, state->decoder, ctx, path, bytes, n_bytes);
    cfp_free(bytes);
    return status == CFP_OK ? sink->take(sink->cookie, ctx, frame, image) : status;
}

static cfp_status folder_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                              const cfp_sink *sink)
{
    for (int i = 0; i < n_wanted; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "decode", i, n_wanted);
        char *path = frame_path(source, ctx, wanted[i]);
        if (path == NULL)
            return CFP_NOMEM;
        const cfp_status status = push_frame(source, ctx, path, wanted[i], sink);
        cfp_free(path);
        CFP_TRY(status);
    }
    return CFP_OK;
}

static cfp_status folder_digest(cfp_source *source, cfp_ctx *ctx, cfp_sha256 *sum, int32_t frame)
{
    char *path = frame_path(source, ctx, frame);
    if (path == NULL)
        return CFP_NOMEM;
    const cfp_status status = cfp_sha256_add_file(sum, ctx, path);
    cfp_free(path);
    return status;
}

static void folder_close(cfp_source *source)
{
    folder_state *state = source->state;
    if (state == NULL)
        return;
    cfp_numbered_free(&state->files);
    cfp_free(state->first_other);
    cfp_free(state->video);
    cfp_image_decoder_close(&state->decoder);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_folder = {
    .name = "folder of images",
    .matches = folder_matches,
    .open = folder_open,
    .read = folder_read,
    .digest = folder_digest,
    .close = folder_close,
};
