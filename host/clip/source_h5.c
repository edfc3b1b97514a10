/* source_h5.c - reads clips from HDF5: the data set /frames, uint8, T x H x W x 3 RGB (or x 2:
 * optical flow). */
#include "../h5/h5_file.h"
#include "clip_source.h"
#include <string.h>

typedef struct h5_state {
    cfp_h5 *file;
    cfp_h5_group root;
    const cfp_h5_dataset *frames;
    cfp_image image;
} h5_state;

static bool h5_matches(const cfp_path_facts *facts)
{
    return !facts->is_folder && facts->error == 0 &&
           (cfp_has_suffix(facts->path, ".h5") || cfp_has_suffix(facts->path, ".hdf5") ||
            (facts->head_bytes >= 8 && memcmp(facts->head, "\x89HDF\r\n\x1a\n", 8) == 0));
}

static cfp_status check_shape(h5_state *state, cfp_source *source, cfp_ctx *ctx)
{
    const cfp_h5_dataset *const d = state->frames;
    const int64_t *const size = d->size;
    if (d->rank != 4)
        return cfp_fail(ctx, CFP_SHAPE, "%s: /frames has %d axes, %s", source->path, d->rank,
                        cfp_source_axes(source->channels, 0));
    if (size[3] != source->channels)
        return cfp_fail(ctx, CFP_SHAPE, "%s: /frames has 4 axes, the last of which is not %d, %s",
                        source->path, source->channels,
                        cfp_source_axes(source->channels, size[3] == 2 ? 2 : 0));
    CFP_TRY(cfp_source_check_size(ctx, source->path, size[0], size[1], size[2]));
    source->frames = size[0];
    source->exact = true;
    state->image.height = (int)size[1];
    state->image.width = (int)size[2];
    return CFP_OK;
}

static cfp_status h5_open(cfp_source *source, cfp_ctx *ctx)
{
    h5_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    CFP_TRY(cfp_h5_open(&state->file, ctx, source->path));
    CFP_TRY(cfp_h5_look(&state->root, state->file, ctx, "/"));
    if (cfp_h5_find_child(&state->root, "frames") == NULL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: it has no dataset /frames%s", source->path,
                        cfp_h5_find_child(&state->root, "graph") != NULL
                            ? ": this is a model, not a clip"
                            : "");
    CFP_TRY(cfp_h5_find_dataset(&state->frames, ctx, &state->root, source->path, "frames"));
    if (state->frames->class != CFP_H5_UNSIGNED || state->frames->element_bytes != 1)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: /frames is not uint8", source->path);
    return check_shape(state, source, ctx);
}

static cfp_status h5_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                          const cfp_sink *sink)
{
    h5_state *state = source->state;
    if (state->image.rgb == NULL)
        CFP_TRY_ALLOC(ctx, state->image.rgb,
                      (size_t)state->image.height * (size_t)state->image.width * 3);
    for (int i = 0; i < n_wanted; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "decode", i, n_wanted);
        CFP_TRY(cfp_h5_rows(cfp_source_bytes(&state->image, source->channels), ctx, &state->root,
                            state->frames, CFP_H5_U8, wanted[i], 1));
        cfp_source_spread(&state->image, source->channels);
        CFP_TRY(sink->take(sink->cookie, ctx, wanted[i], &state->image));
    }
    return CFP_OK;
}

static void h5_close(cfp_source *source)
{
    h5_state *state = source->state;
    if (state == NULL)
        return;
    cfp_h5_group_free(&state->root);
    cfp_h5_close(&state->file);
    cfp_free(state->image.rgb);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_h5 = {
    .name = "HDF5",
    .flow = true,
    .matches = h5_matches,
    .open = h5_open,
    .read = h5_read,
    .close = h5_close,
};
