/* source_nifti.c - reads volumes in NIfTI-1 and NIfTI-2 files (.nii, .nii.gz), for models of
 * numbers.
 *
 * The numbers are what nibabel's get_fdata() gives: scl_slope and scl_inter are applied.  The
 * frames of the clip are slices: frame, row and column are x, y and z, as MONAI and MedicalNet hand
 * the array of nibabel to a network; or z, y and x, as SimpleITK's arrays are, if /input of the
 * model says volume_axes "zyx".  A fourth axis holds the channels.  The affine is not applied: a
 * volume is not turned or resampled. */
#include "clip_source.h"
#include "elements.h"
#include "values.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { HEADER_1 = 348, HEADER_2 = 540, MOST_AXES = 7 };

typedef struct volume {
    cfp_element_type type;
    int64_t size[MOST_AXES + 1]; /* [1], [2], [3]: x, y, z; [4]: channels; 1 where there is none */
    double begin;                /* of the numbers in the file */
    double slope, intercept;     /* slope 0: the numbers are as they are */
} volume;

typedef struct nifti_state {
    volume v;
    uint8_t *data; /* the whole volume, as in the file: x runs fastest, then y, z, channel */
    float *value;  /* one frame */
    cfp_image image;
} nifti_state;

static bool nifti_matches(const cfp_path_facts *facts)
{
    return !facts->is_folder && facts->error == 0 &&
           (cfp_has_suffix(facts->path, ".nii") || cfp_has_suffix(facts->path, ".nii.gz"));
}

/* A number of the header, whole or real, by the type as NumPy writes it. */
static double field(const uint8_t *header, int at, const char *type, bool big_endian)
{
    cfp_element_type element = {type[0], type[1] - '0', big_endian};
    if (element.kind == 'f' && element.bytes == 8) { /* not rounded to a float */
        uint64_t bits = 0;
        double value;
        for (int b = 0; b < 8; b++)
            bits = bits << 8 | header[at + (big_endian ? b : 7 - b)];
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    float value;
    cfp_element_floats(&value, header + at, 1, 1, element);
    return (double)value;
}

/* The codes of NIfTI that are plain numbers. */
static const char *type_name(int code)
{
    static const struct {
        int code;
        const char *name;
    } types[] = {{2, "u1"},   {4, "i2"},   {8, "i4"},   {16, "f4"},   {64, "f8"},
                 {256, "i1"}, {512, "u2"}, {768, "u4"}, {1024, "i8"}, {1280, "u8"}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].code == code)
            return types[i].name;
    return NULL;
}

static cfp_status parse(volume *v, cfp_ctx *ctx, const char *path, const uint8_t *h, bool second,
                        bool big)
{
    const int axes = (int)field(h, second ? 16 : 40, second ? "i8" : "i2", big);
    const int code = (int)field(h, second ? 12 : 70, "i2", big);
    const char *const name = type_name(code);
    if (name == NULL)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: NIfTI datatype %d, which is no plain number",
                        path, code);
    v->type = (cfp_element_type){name[0], name[1] - '0', big};
    if (axes < 1 || axes > MOST_AXES)
        return cfp_fail(ctx, CFP_FORMAT, "%s: broken header: %d axes", path, axes);
    for (int a = 1; a <= MOST_AXES; a++) {
        const double size =
            second ? field(h, 16 + 8 * a, "i8", big) : field(h, 40 + 2 * a, "i2", big);
        v->size[a] = a > axes ? 1 : size >= 1 && size < 1e6 ? (int64_t)size : 0;
        if (v->size[a] == 0)
            return cfp_fail(ctx, CFP_FORMAT, "%s: broken header: axis %d has size %g", path, a,
                            size);
    }
    v->begin = second ? field(h, 168, "i8", big) : field(h, 108, "f4", big);
    v->slope = field(h, second ? 176 : 112, second ? "f8" : "f4", big);
    v->intercept = field(h, second ? 184 : 116, second ? "f8" : "f4", big);
    if (!isfinite(v->slope) || !isfinite(v->intercept))
        v->slope = 0; /* as nibabel: not set */
    if (!(v->begin >= (second ? HEADER_2 : HEADER_1) && v->begin < 1 << 30))
        return cfp_fail(ctx, CFP_FORMAT, "%s: broken header: the numbers begin at %g", path,
                        v->begin);
    return CFP_OK;
}

static cfp_status read_header(volume *v, cfp_ctx *ctx, const char *path, gzFile file)
{
    uint8_t h[HEADER_2] = {0};
    if (gzread(file, h, HEADER_1) != HEADER_1)
        return cfp_fail(ctx, CFP_FORMAT, "%s: truncated in the header", path);
    for (int big = 0; big < 2; big++) {
        const double size = field(h, 0, "i4", big);
        if (size == HEADER_1 && memcmp(h + 344, "n+1", 4) == 0)
            return parse(v, ctx, path, h, false, big);
        if (size == HEADER_2 && memcmp(h + 4, "n+2", 4) == 0) {
            if (gzread(file, h + HEADER_1, HEADER_2 - HEADER_1) != HEADER_2 - HEADER_1)
                return cfp_fail(ctx, CFP_FORMAT, "%s: truncated in the header", path);
            return parse(v, ctx, path, h, true, big);
        }
        if (size == HEADER_1 && memcmp(h + 344, "ni1", 4) == 0)
            return cfp_fail(ctx, CFP_UNSUPPORTED,
                            "%s: a NIfTI header without its numbers, which are in an .img (save "
                            "one .nii)",
                            path);
    }
    return cfp_fail(ctx, CFP_FORMAT, "%s: not a NIfTI file: it does not begin as one", path);
}

static cfp_status read_data(nifti_state *state, cfp_ctx *ctx, const char *path, gzFile file)
{
    const volume *v = &state->v;
    const double claimed = (double)v->size[1] * (double)v->size[2] * (double)v->size[3] *
                           (double)v->size[4] * v->type.bytes;
    if (claimed > (double)(1 << 30) * 8)
        return cfp_fail(ctx, CFP_FORMAT, "%s: it claims %.0f bytes, more than any volume", path,
                        claimed);
    const size_t bytes = (size_t)claimed;
    CFP_TRY_ALLOC(ctx, state->data, bytes);
    if (gzseek(file, (z_off_t)v->begin, SEEK_SET) < 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: truncated before the numbers", path);
    for (size_t done = 0; done < bytes;) {
        const size_t chunk = bytes - done < 1 << 24 ? bytes - done : 1 << 24;
        CFP_TRY(cfp_check_interrupt(ctx));
        const int got = gzread(file, state->data + done, (unsigned)chunk);
        if (got <= 0)
            return cfp_fail(ctx, CFP_FORMAT,
                            "%s: truncated: the volume has %zu bytes, it holds %zu", path, bytes,
                            done);
        done += (size_t)got;
    }
    return CFP_OK;
}

static cfp_status check_shape(nifti_state *state, cfp_source *source, cfp_ctx *ctx)
{
    const int64_t *size = state->v.size;
    const bool z = source->slices_along_z;
    char there[200];
    snprintf(there, sizeof there, "a volume of %lld x %lld x %lld x %lld (x, y, z, channels)",
             (long long)size[1], (long long)size[2], (long long)size[3], (long long)size[4]);
    if (!source->numbers)
        return cfp_fail(ctx, CFP_UNSUPPORTED,
                        "%s: %s; the model reads bytes of %d channels: /input of its file needs "
                        "values 'numbers'",
                        source->path, there, source->channels);
    if (size[5] * size[6] * size[7] != 1 || size[4] != source->channels)
        return cfp_fail(ctx, CFP_SHAPE, "%s: %s; the model reads %d channel%s", source->path, there,
                        source->channels, source->channels == 1 ? "" : "s");
    CFP_TRY(cfp_source_check_size(ctx, source->path, size[z ? 3 : 1], size[2], size[z ? 1 : 3]));
    source->frames = size[z ? 3 : 1];
    source->exact = true;
    source->bytes = false;
    state->image.height = (int)size[2];
    state->image.width = (int)size[z ? 1 : 3];
    return CFP_OK;
}

static cfp_status open_file(nifti_state *state, cfp_source *source, cfp_ctx *ctx, gzFile file)
{
    CFP_TRY(read_header(&state->v, ctx, source->path, file));
    CFP_TRY(check_shape(state, source, ctx));
    return read_data(state, ctx, source->path, file);
}

static cfp_status nifti_open(cfp_source *source, cfp_ctx *ctx)
{
    nifti_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    gzFile file = gzopen(source->path, "rb");
    if (file == NULL)
        return cfp_fail(ctx, CFP_IO, "%s: cannot be opened", source->path);
    const cfp_status status = open_file(state, source, ctx, file);
    gzclose(file);
    return status;
}

/* Gathers frame `at`: state->value gets height x width x channels. */
static void gather(nifti_state *state, const cfp_source *source, int64_t at)
{
    const volume *v = &state->v;
    const bool along_z = source->slices_along_z;
    const int64_t row = v->size[1], slice = row * v->size[2], all = slice * v->size[3];
    const int64_t channels = v->size[4], width = state->image.width;
    const size_t step = (size_t)(along_z ? 1 : slice) * (size_t)v->type.bytes;
    float line[1 << 8];
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < v->size[2]; y++)
            for (int64_t x = 0; x < width; x += 1 << 8) {
                const int64_t n = width - x < 1 << 8 ? width - x : 1 << 8;
                const int64_t from =
                    c * all + y * row + (along_z ? at * slice + x : at + x * slice);
                cfp_element_floats(line, state->data + (size_t)from * (size_t)v->type.bytes, step,
                                   (size_t)n, v->type);
                float *const to = state->value + (y * width + x) * channels + c;
                for (int64_t i = 0; i < n; i++)
                    to[i * channels] = v->slope != 0
                                           ? (float)((double)line[i] * v->slope + v->intercept)
                                           : line[i];
            }
}

static cfp_status nifti_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                             const cfp_sink *sink)
{
    nifti_state *state = source->state;
    const int64_t n = (int64_t)state->image.height * state->image.width * source->channels;
    if (state->value == NULL)
        CFP_TRY_ALLOC(ctx, state->value, n);
    state->image.values = state->value;
    for (int i = 0; i < n_wanted; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "decode", i, n_wanted);
        gather(state, source, wanted[i]);
        CFP_TRY(cfp_values_check(ctx, source->path, wanted[i], state->value, n));
        CFP_TRY(sink->take(sink->cookie, ctx, wanted[i], &state->image));
    }
    return CFP_OK;
}

static void nifti_close(cfp_source *source)
{
    nifti_state *state = source->state;
    if (state == NULL)
        return;
    cfp_free(state->data);
    cfp_free(state->value);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_nifti = {
    .name = "NIfTI",
    .flow = true,
    .matches = nifti_matches,
    .open = nifti_open,
    .read = nifti_read,
    .close = nifti_close,
};
