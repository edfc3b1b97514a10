/* source_h5.c - clips in HDF5: the dataset /frames, uint8, T x H x W x 3 RGB (x 2: optical flow).
 *
 * Clips may be read by several threads at once, which libhdf5 bears only where it was built so:
 * whoever is inside it holds the lock.  Frames are resized outside. */
#include "clip_source.h"
#include <hdf5.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

static void enter_library(void)
{
    pthread_mutex_lock(&library);
}

/* What failed is noted down for each thread, and would be lost with it. */
static void leave_library(void)
{
    H5Eclear2(H5E_DEFAULT);
    pthread_mutex_unlock(&library);
}

typedef struct h5_state { /* handles are 0 or less where not open */
    hid_t file, dataset, space;
    cfp_image image;
} h5_state;

static bool h5_matches(const cfp_path_facts *facts)
{
    return !facts->is_folder && facts->error == 0 &&
           (cfp_has_suffix(facts->path, ".h5") || cfp_has_suffix(facts->path, ".hdf5") ||
            (facts->head_bytes >= 8 && memcmp(facts->head, "\x89HDF\r\n\x1a\n", 8) == 0));
}

static cfp_status check_type(h5_state *state, cfp_ctx *ctx, const char *path)
{
    const hid_t type = H5Dget_type(state->dataset);
    const bool fits = type >= 0 && H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 1 &&
                      H5Tget_sign(type) == H5T_SGN_NONE;
    if (type >= 0)
        H5Tclose(type);
    return fits ? CFP_OK : cfp_fail(ctx, CFP_UNSUPPORTED, "%s: /frames is not uint8", path);
}

static cfp_status check_shape(h5_state *state, cfp_source *source, cfp_ctx *ctx)
{
    hsize_t size[H5S_MAX_RANK];
    state->space = H5Dget_space(state->dataset);
    const int rank = H5Sget_simple_extent_dims(state->space, size, NULL);
    if (rank < 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: the shape of /frames cannot be read", source->path);
    const hsize_t channels = (hsize_t)source->channels;
    if (rank != 4)
        return cfp_fail(ctx, CFP_SHAPE, "%s: /frames has %d axes, %s", source->path, rank,
                        cfp_source_axes(source->channels, 0));
    if (size[3] != channels)
        return cfp_fail(ctx, CFP_SHAPE, "%s: /frames has 4 axes, the last of which is not %d, %s",
                        source->path, source->channels,
                        cfp_source_axes(source->channels, size[3] == 2 ? 2 : 0));
    for (int i = 0; i < 3; i++)
        if (size[i] > INT32_MAX)
            size[i] = INT32_MAX; /* too large below, too */
    CFP_TRY(cfp_source_check_size(ctx, source->path, (int64_t)size[0], (int64_t)size[1],
                                  (int64_t)size[2]));
    source->frames = (int64_t)size[0];
    source->exact = true;
    state->image.height = (int)size[1];
    state->image.width = (int)size[2];
    return CFP_OK;
}

static cfp_status open_frames(h5_state *state, cfp_source *source, cfp_ctx *ctx)
{
    state->file = H5Fopen(source->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (state->file < 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: not an HDF5 file, or a broken one", source->path);
    if (H5Lexists(state->file, "frames", H5P_DEFAULT) <= 0) {
        const bool model = H5Lexists(state->file, "graph", H5P_DEFAULT) > 0;
        return cfp_fail(ctx, CFP_FORMAT, "%s: it has no dataset /frames%s", source->path,
                        model ? ": this is a model, not a clip" : "");
    }
    state->dataset = H5Dopen2(state->file, "frames", H5P_DEFAULT);
    if (state->dataset < 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: /frames is no dataset that can be read",
                        source->path);
    CFP_TRY(check_type(state, ctx, source->path));
    return check_shape(state, source, ctx);
}

static cfp_status h5_open(cfp_source *source, cfp_ctx *ctx)
{
    h5_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    enter_library();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* silent, in this thread */
    const cfp_status status = open_frames(state, source, ctx);
    leave_library();
    return status;
}

static cfp_status read_frame(h5_state *state, const cfp_source *source, cfp_ctx *ctx, int32_t frame)
{
    const cfp_image *image = &state->image;
    const hsize_t first[4] = {(hsize_t)frame, 0, 0, 0};
    const hsize_t count[4] = {1, (hsize_t)image->height, (hsize_t)image->width,
                              (hsize_t)source->channels};
    const hid_t memory = H5Screate_simple(4, count, NULL);
    const bool read =
        memory >= 0 &&
        H5Sselect_hyperslab(state->space, H5S_SELECT_SET, first, NULL, count, NULL) >= 0 &&
        H5Dread(state->dataset, H5T_NATIVE_UINT8, memory, state->space, H5P_DEFAULT,
                cfp_source_bytes(image, source->channels)) >= 0;
    if (memory >= 0)
        H5Sclose(memory);
    cfp_source_spread(image, source->channels);
    return read ? CFP_OK
                : cfp_fail(ctx, CFP_FORMAT, "%s: frame %d cannot be read", source->path, frame);
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
        enter_library();
        const cfp_status status = read_frame(state, source, ctx, wanted[i]);
        leave_library();
        CFP_TRY(status);
        CFP_TRY(sink->take(sink->cookie, ctx, wanted[i], &state->image));
    }
    return CFP_OK;
}

static void h5_close(cfp_source *source)
{
    h5_state *state = source->state;
    if (state == NULL)
        return;
    enter_library();
    if (state->space > 0)
        H5Sclose(state->space);
    if (state->dataset > 0)
        H5Dclose(state->dataset);
    if (state->file > 0)
        H5Fclose(state->file);
    leave_library();
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
