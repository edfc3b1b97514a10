/* source_h5.c - reads clips from HDF5: the data set /frames, uint8, T x H x W x 3 RGB (or x 2:
 * optical flow); or the data set /video, a JPEG (or another picture) for each frame, as 3D-ResNets
 * keeps its clips.  Each of the two names may hold either.  For a model of numbers: /frames of
 * whole or real numbers, T x H x W x channels. */
#include "../h5/h5_file.h"
#include "clip_source.h"
#include "image_decode.h"
#include "values.h"
#include <stdio.h>
#include <string.h>

typedef struct h5_state {
    cfp_h5 *file;
    cfp_h5_group root;
    const cfp_h5_dataset *frames;
    cfp_image image;
    float *value;               /* of a model of numbers */
    int32_t *whole;             /* ... whose file has whole numbers */
    cfp_image_decoder *decoder; /* of pictures; NULL: the frames are stored as they are */
} h5_state;

static bool h5_matches(const cfp_path_facts *facts)
{
    return !facts->is_folder && facts->error == 0 &&
           (cfp_has_suffix(facts->path, ".h5") || cfp_has_suffix(facts->path, ".hdf5") ||
            (facts->head_bytes >= 8 && memcmp(facts->head, "\x89HDF\r\n\x1a\n", 8) == 0));
}

static cfp_status check_shape(h5_state *state, cfp_source *source, cfp_ctx *ctx, const char *name)
{
    const cfp_h5_dataset *const d = state->frames;
    const int64_t *const size = d->size;
    if (d->rank != 4)
        return cfp_fail(ctx, CFP_SHAPE, "%s: /%s has %d axes, %s", source->path, name, d->rank,
                        cfp_source_axes(source->channels, 0));
    if (size[3] != source->channels)
        return cfp_fail(ctx, CFP_SHAPE, "%s: /%s has 4 axes, the last of which is not %d, %s",
                        source->path, name, source->channels,
                        cfp_source_axes(source->channels, size[3] == 2 ? 2 : 0));
    CFP_TRY(cfp_source_check_size(ctx, source->path, size[0], size[1], size[2]));
    source->frames = size[0];
    state->image.height = (int)size[1];
    state->image.width = (int)size[2];
    return CFP_OK;
}

/* The shape that a model of numbers reads.  One channel also takes colours, in bytes. */
static cfp_status check_numbers(h5_state *state, cfp_source *source, cfp_ctx *ctx, const char *name)
{
    const cfp_h5_dataset *const d = state->frames;
    const bool one = source->channels == 1;
    char there[200];
    size_t used = 0;
    if (d->class != CFP_H5_UNSIGNED && d->class != CFP_H5_SIGNED && d->class != CFP_H5_REAL)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: /%s holds no whole or real numbers",
                        source->path, name);
    source->bytes = d->class == CFP_H5_UNSIGNED && d->element_bytes == 1;
    const bool grey = one && d->rank == 4 && d->size[3] == 3 && source->bytes;
    if (!(grey || (one && d->rank == 3) || (d->rank == 4 && d->size[3] == source->channels))) {
        used = (size_t)snprintf(there, sizeof there, "/%s is", name);
        for (int a = 0; a < cfp_min_int(d->rank, CFP_H5_MAX_RANK) && used < sizeof there; a++)
            used += (size_t)snprintf(there + used, sizeof there - used, "%s %lld",
                                     a > 0 ? " x" : "", (long long)d->size[a]);
        return cfp_source_refuse_shape(ctx, source, there);
    }
    CFP_TRY(cfp_source_check_size(ctx, source->path, d->size[0], d->size[1], d->size[2]));
    source->frames = d->size[0];
    state->image.height = (int)d->size[1];
    state->image.width = (int)d->size[2];
    const size_t pixels = (size_t)state->image.height * (size_t)state->image.width;
    if (grey)
        return CFP_OK;
    CFP_TRY_ALLOC(ctx, state->value, pixels * (size_t)source->channels);
    if (d->class != CFP_H5_REAL && !source->bytes)
        CFP_TRY_ALLOC(ctx, state->whole, pixels * (size_t)source->channels);
    return CFP_OK;
}

static cfp_status open_pictures(h5_state *state, cfp_source *source, cfp_ctx *ctx, const char *name)
{
    if (source->channels != (source->numbers ? 1 : 3))
        return cfp_fail(ctx, CFP_SHAPE, "%s: /%s holds pictures, %s", source->path, name,
                        source->numbers ? "the model reads several channels of numbers"
                                        : cfp_source_axes(source->channels, 0));
    if (state->frames->rank != 1)
        return cfp_fail(ctx, CFP_SHAPE, "%s: /%s has %d axes: pictures have one, the frames",
                        source->path, name, state->frames->rank);
    CFP_TRY(cfp_source_check_size(ctx, source->path, state->frames->size[0], 1, 1));
    source->frames = state->frames->size[0];
    return cfp_image_decoder_open(&state->decoder, ctx);
}

/* Appends what the file holds at its top, such as "/data (7 x 2), /label". */
static void list_children(char *text, size_t room, const cfp_h5_group *root)
{
    enum { MOST = 6 };
    size_t used = 0;
    *text = '\0';
    for (int i = 0; i < root->n_children && i <= MOST && used < room; i++) {
        const cfp_h5_child *child = &root->child[i];
        used += (size_t)snprintf(text + used, room - used, "%s%s%.60s", i > 0 ? ", " : "",
                                 i == MOST ? "..." : "/", i == MOST ? "" : child->name);
        const bool shown = i < MOST && child->kind == CFP_H5_DATASET && child->refusal == NULL;
        for (int a = 0; shown && a < cfp_min_int(child->dataset.rank, CFP_H5_MAX_RANK); a++)
            if (used < room)
                used += (size_t)snprintf(text + used, room - used, "%s%lld%s",
                                         a == 0 ? " (" : " x ", (long long)child->dataset.size[a],
                                         a + 1 == child->dataset.rank ? ")" : "");
    }
}

static cfp_status refuse_contents(const h5_state *state, const cfp_source *source, cfp_ctx *ctx)
{
    char held[400];
    if (cfp_h5_find_child(&state->root, "graph") != NULL)
        return cfp_fail(ctx, CFP_FORMAT,
                        "%s: it has no dataset /frames: this is a model, not a clip", source->path);
    list_children(held, sizeof held, &state->root);
    return cfp_fail(ctx, CFP_FORMAT,
                    "%s: it has no dataset /frames (T x H x W x %d %s)%s; it holds %s",
                    source->path, source->channels, source->numbers ? "numbers" : "bytes",
                    source->channels == 3 ? " and no /video (a JPEG for each frame)" : "",
                    *held != '\0' ? held : "nothing");
}

static cfp_status h5_open(cfp_source *source, cfp_ctx *ctx)
{
    h5_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    CFP_TRY(cfp_h5_open(&state->file, ctx, source->path));
    CFP_TRY(cfp_h5_look(&state->root, state->file, ctx, "/"));
    const char *const name = cfp_h5_find_child(&state->root, "frames") != NULL ? "frames" : "video";
    if (cfp_h5_find_child(&state->root, name) == NULL)
        return refuse_contents(state, source, ctx);
    CFP_TRY(cfp_h5_find_dataset(&state->frames, ctx, &state->root, source->path, name));
    source->exact = true;
    if (state->frames->class == CFP_H5_BYTES)
        return open_pictures(state, source, ctx, name);
    if (source->numbers)
        return check_numbers(state, source, ctx, name);
    if (state->frames->class != CFP_H5_UNSIGNED || state->frames->element_bytes != 1)
        return cfp_fail(ctx, CFP_UNSUPPORTED,
                        "%s: /%s is not uint8, and not a list of bytes (a JPEG) for each frame",
                        source->path, name);
    return check_shape(state, source, ctx, name);
}

static cfp_status push_picture(cfp_source *source, cfp_ctx *ctx, int32_t frame, const char *name,
                               const cfp_sink *sink)
{
    const h5_state *state = source->state;
    uint8_t *bytes;
    size_t n_bytes;
    const cfp_image *image = NULL;
    cfp_status status = cfp_h5_byte_list(&bytes, &n_bytes, ctx, &state->root, state->frames, frame);
    if (status == CFP_OK && n_bytes == 0)
        status = cfp_fail(ctx, CFP_FORMAT, "%s is empty", name);
    if (status == CFP_OK)
        status = cfp_image_decode(&image, state->decoder, ctx, name, bytes, n_bytes);
    cfp_free(bytes);
    return status == CFP_OK ? sink->take(sink->cookie, ctx, frame, image) : status;
}

static cfp_status read_pictures(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted,
                                int n_wanted, const cfp_sink *sink)
{
    for (int i = 0; i < n_wanted; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "decode", i, n_wanted);
        char *name = cfp_format(ctx, "%s: frame %d", source->path, (int)wanted[i]);
        if (name == NULL)
            return CFP_NOMEM;
        const cfp_status status = push_picture(source, ctx, wanted[i], name, sink);
        cfp_free(name);
        CFP_TRY(status);
    }
    return CFP_OK;
}

static cfp_status read_numbers(h5_state *state, const cfp_source *source, cfp_ctx *ctx,
                               int32_t frame)
{
    const size_t n =
        (size_t)state->image.height * (size_t)state->image.width * (size_t)source->channels;
    float *const value = state->value;
    uint8_t *const byte = (uint8_t *)value; /* bytes are spread in place, from the last one on */
    if (state->whole != NULL) {
        CFP_TRY(cfp_h5_rows(state->whole, ctx, &state->root, state->frames, CFP_H5_I32, frame, 1));
        for (size_t i = 0; i < n; i++)
            value[i] = (float)state->whole[i];
    } else {
        CFP_TRY(cfp_h5_rows(value, ctx, &state->root, state->frames,
                            source->bytes ? CFP_H5_U8 : CFP_H5_F32, frame, 1));
        for (size_t i = n; source->bytes && i-- > 0;)
            value[i] = (float)byte[i];
    }
    state->image.values = value;
    return cfp_values_check(ctx, source->path, frame, value, (int64_t)n);
}

/* Pixels that are stored as they are. */
static cfp_status read_pixels(h5_state *state, const cfp_source *source, cfp_ctx *ctx,
                              int32_t frame)
{
    const int channels = source->numbers ? 3 : source->channels;
    CFP_TRY(cfp_h5_rows(cfp_source_bytes(&state->image, channels), ctx, &state->root, state->frames,
                        CFP_H5_U8, frame, 1));
    cfp_source_spread(&state->image, channels);
    return CFP_OK;
}

static cfp_status h5_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                          const cfp_sink *sink)
{
    h5_state *state = source->state;
    if (state->decoder != NULL)
        return read_pictures(source, ctx, wanted, n_wanted, sink);
    if (state->value == NULL && state->image.rgb == NULL)
        CFP_TRY_ALLOC(ctx, state->image.rgb,
                      (size_t)state->image.height * (size_t)state->image.width * 3);
    for (int i = 0; i < n_wanted; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "decode", i, n_wanted);
        CFP_TRY(state->value != NULL ? read_numbers(state, source, ctx, wanted[i])
                                     : read_pixels(state, source, ctx, wanted[i]));
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
    cfp_image_decoder_close(&state->decoder);
    cfp_free(state->image.rgb);
    cfp_free(state->value);
    cfp_free(state->whole);
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
