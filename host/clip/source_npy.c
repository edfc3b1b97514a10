/* source_npy.c - reads NumPy arrays of frames: .npy versions 1.0, 2.0 and 3.0, uint8, T x H x W x 3
 * (or x 2: optical flow), in C order.  For a model of numbers: any type, T x H x W x channels.
 *
 * The header is a Python dictionary; npy_header.c reads it.  Frames are read one by one. */
#include "../base/infile.h"
#include "clip_source.h"
#include "elements.h"
#include "npy_header.h"
#include "values.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

enum { MAGIC_BYTES = 8, LONGEST_HEADER = 1 << 20 };
static const char magic[] = "\x93NUMPY";

typedef struct npy_state {
    FILE *file;
    off_t first; /* where frame 0 begins */
    cfp_image image;
    cfp_element_type type;
    size_t frame_bytes; /* in the file */
    bool floats;        /* of a model of numbers: frames become floats in `value` */
    uint8_t *raw;
    float *value;
} npy_state;

static bool npy_matches(const cfp_path_facts *facts)
{
    return !facts->is_folder && facts->error == 0 &&
           (cfp_has_suffix(facts->path, ".npy") ||
            (facts->head_bytes >= 6 && memcmp(facts->head, magic, 6) == 0));
}

/* Reads the text of the header into *header.  The caller frees it. */
static cfp_status read_header(char **header, cfp_ctx *ctx, const char *path, FILE *file)
{
    uint8_t start[MAGIC_BYTES + 4];
    if (fread(start, 1, MAGIC_BYTES, file) != MAGIC_BYTES || memcmp(start, magic, 6) != 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: not an .npy file: it does not begin as one", path);
    if (start[6] < 1 || start[6] > 3)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: .npy version %d.%d (known: 1.0, 2.0, 3.0)", path,
                        start[6], start[7]);
    const size_t length_bytes = start[6] == 1 ? 2 : 4;
    if (fread(start + MAGIC_BYTES, 1, length_bytes, file) != length_bytes)
        return cfp_fail(ctx, CFP_FORMAT, "%s: truncated in the header", path);
    size_t length = 0;
    for (size_t i = length_bytes; i-- > 0;)
        length = length << 8 | start[MAGIC_BYTES + i];
    if (length > LONGEST_HEADER)
        return cfp_fail(ctx, CFP_FORMAT, "%s: broken header: it claims %zu bytes", path, length);
    CFP_TRY_ALLOC(ctx, *header, length + 1); /* zeroed: ends in '\0' */
    if (fread(*header, 1, length, file) != length)
        return cfp_fail(ctx, CFP_FORMAT, "%s: truncated in the header", path);
    if (strlen(*header) != length)
        return cfp_fail(ctx, CFP_FORMAT, "%s: broken header: a zero byte in it", path);
    return CFP_OK;
}

cfp_status cfp_npy_begin(cfp_npy_header *out, cfp_ctx *ctx, const char *path, FILE *file)
{
    char *text = NULL;
    cfp_status status = read_header(&text, ctx, path, file);
    if (status == CFP_OK && !cfp_npy_parse(out, text))
        status = cfp_fail(ctx, CFP_FORMAT, "%s: broken header: %s", path, out->wrong);
    cfp_free(text);
    return status;
}

/* The type and the shape that a model of numbers reads.  One channel also takes colours. */
static cfp_status check_numbers(npy_state *state, cfp_source *source, cfp_ctx *ctx,
                                const cfp_npy_header *h)
{
    char there[160];
    if (!cfp_element_parse(&state->type, h->descr))
        return cfp_fail(ctx, CFP_UNSUPPORTED,
                        "%s: numbers of type '%s'; a clip has whole or real numbers ('|u1', '<i2', "
                        "'<f4' ...)",
                        source->path, h->descr);
    source->bytes = state->type.kind == 'u' && state->type.bytes == 1;
    const bool one = source->channels == 1;
    const bool grey = one && h->rank == 4 && h->shape[3] == 3 && source->bytes;
    state->floats = !grey;
    if (grey || (one && h->rank == 3) || (h->rank == 4 && h->shape[3] == source->channels))
        return CFP_OK;
    const bool first = h->rank == 4 && h->shape[0] == source->channels;
    snprintf(there, sizeof there, "an array of shape %s%s", h->shape_text,
             first ? " (np.moveaxis(a, 0, -1) puts the channels last)" : "");
    return cfp_source_refuse_shape(ctx, source, there);
}

static cfp_status check_header(cfp_ctx *ctx, const char *path, const cfp_npy_header *h,
                               int channels)
{
    const char *descr = h->descr; /* byte order has no meaning for single bytes */
    if (descr[0] == '|' || descr[0] == '<' || descr[0] == '>' || descr[0] == '=')
        descr++;
    if (strcmp(descr, "u1") != 0)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: numbers of type '%s', a clip has uint8 ('|u1')",
                        path, h->descr);
    if (h->rank != 4 || h->shape[3] != channels)
        return cfp_fail(ctx, CFP_SHAPE, "%s: an array of shape %s, %s", path, h->shape_text,
                        cfp_source_axes(channels, h->rank == 4 ? h->shape[3] : 0));
    return CFP_OK;
}

static cfp_status check_length(npy_state *state, const cfp_source *source, cfp_ctx *ctx,
                               int64_t frames)
{
    const char *path = source->path;
    const int64_t frame_bytes = (int64_t)state->frame_bytes;
    state->first = ftello(state->file);
    if (state->first < 0 || fseeko(state->file, 0, SEEK_END) != 0)
        return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    const int64_t have = (int64_t)ftello(state->file) - state->first;
    if (have / frame_bytes < frames)
        return cfp_fail(ctx, CFP_FORMAT,
                        "%s: truncated: %lld frames of %d x %d need %.0f bytes, "
                        "it holds %lld",
                        path, (long long)frames, state->image.width, state->image.height,
                        (double)frames * (double)frame_bytes, (long long)have);
    return CFP_OK;
}

static cfp_status npy_open(cfp_source *source, cfp_ctx *ctx)
{
    npy_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    CFP_TRY(cfp_infile_open(&state->file, ctx, source->path));
    cfp_npy_header header;
    CFP_TRY(cfp_npy_begin(&header, ctx, source->path, state->file));
    if (header.fortran_order)
        return cfp_fail(ctx, CFP_UNSUPPORTED,
                        "%s: the array is in Fortran order (save np.ascontiguousarray of it)",
                        source->path);
    if (source->numbers)
        CFP_TRY(check_numbers(state, source, ctx, &header));
    else
        CFP_TRY(check_header(ctx, source->path, &header, source->channels));
    CFP_TRY(cfp_source_check_size(ctx, source->path, header.shape[0], header.shape[1],
                                  header.shape[2]));
    state->image.height = (int)header.shape[1];
    state->image.width = (int)header.shape[2];
    state->frame_bytes = (size_t)state->image.height * (size_t)state->image.width *
                         (size_t)(header.rank == 4 ? header.shape[3] : 1) *
                         (size_t)(state->floats ? state->type.bytes : 1);
    CFP_TRY(check_length(state, source, ctx, header.shape[0]));
    source->frames = header.shape[0];
    source->exact = true;
    return CFP_OK;
}

/* Where the bytes of a frame go. */
static cfp_status make_room(uint8_t **into, npy_state *state, const cfp_source *source,
                            cfp_ctx *ctx)
{
    const size_t pixels = (size_t)state->image.height * (size_t)state->image.width;
    if (!state->floats) {
        if (state->image.rgb == NULL)
            CFP_TRY_ALLOC(ctx, state->image.rgb, pixels * 3);
        *into = cfp_source_bytes(&state->image, source->numbers ? 3 : source->channels);
        return CFP_OK;
    }
    if (state->raw == NULL)
        CFP_TRY_ALLOC(ctx, state->raw, state->frame_bytes);
    if (state->value == NULL)
        CFP_TRY_ALLOC(ctx, state->value, pixels * (size_t)source->channels);
    *into = state->raw;
    return CFP_OK;
}

/* Makes what was read the frame that the sink takes. */
static cfp_status convert(npy_state *state, const cfp_source *source, cfp_ctx *ctx, int32_t frame)
{
    if (!state->floats) {
        cfp_source_spread(&state->image, source->numbers ? 3 : source->channels);
        return CFP_OK;
    }
    const size_t n = state->frame_bytes / (size_t)state->type.bytes;
    cfp_element_floats(state->value, state->raw, (size_t)state->type.bytes, n, state->type);
    state->image.values = state->value;
    return cfp_values_check(ctx, source->path, frame, state->value, (int64_t)n);
}

static cfp_status npy_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                           const cfp_sink *sink)
{
    npy_state *state = source->state;
    const size_t bytes = state->frame_bytes;
    uint8_t *into;
    CFP_TRY(make_room(&into, state, source, ctx));
    for (int i = 0; i < n_wanted; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "decode", i, n_wanted);
        if (fseeko(state->file, state->first + (off_t)bytes * wanted[i], SEEK_SET) != 0 ||
            fread(into, 1, bytes, state->file) != bytes)
            return cfp_fail(ctx, CFP_IO, "%s: frame %d cannot be read", source->path,
                            (int)wanted[i]);
        CFP_TRY(convert(state, source, ctx, wanted[i]));
        CFP_TRY(sink->take(sink->cookie, ctx, wanted[i], &state->image));
    }
    return CFP_OK;
}

static void npy_close(cfp_source *source)
{
    npy_state *state = source->state;
    if (state == NULL)
        return;
    if (state->file != NULL)
        fclose(state->file);
    cfp_free(state->image.rgb);
    cfp_free(state->raw);
    cfp_free(state->value);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_npy = {
    .name = ".npy",
    .flow = true,
    .matches = npy_matches,
    .open = npy_open,
    .read = npy_read,
    .close = npy_close,
};
