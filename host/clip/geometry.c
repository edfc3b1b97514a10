/* geometry.c - see geometry.h. */
#include "geometry.h"
#include "antialias.h"
#include <limits.h>
#include <math.h>

typedef struct tap { /* position = low * (1 - weight) + high * weight */
    int low, high;
    float weight;
} tap;

/* side * numerator / denominator, all > 0; rounded to nearest, halves up, or down as torchvision.
 */
static int64_t scaled(int64_t side, int64_t numerator, int64_t denominator, bool down)
{
    return (2 * side * numerator + (down ? 0 : denominator)) / (2 * denominator);
}

/* The begin of a centred crop: half of the remaining length, rounded down, or as torchvision to
 * nearest with halves to even (Python's round). */
static int crop_begin(int resized, int crop, bool nearest)
{
    const int half = (resized - crop) / 2;
    return half + (nearest && (resized - crop) % 2 != 0 && half % 2 != 0);
}

/* The size of a frame whose short side becomes spec->resize_short, or more if the crop needs it. */
static void keep_shape(int64_t *wide, int64_t *high, bool *enlarged, const cfp_image *image,
                       const cfp_input_spec *spec)
{
    const int64_t w = image->width, h = image->height, s = spec->resize_short;
    const bool down = spec->antialias;
    *wide = w < h ? s : scaled(w, s, h, down);
    *high = w < h ? scaled(h, s, w, down) : s;
    *enlarged = *wide < spec->width || *high < spec->height;
    if (*enlarged) {
        const bool width_decides = spec->width * h >= spec->height * w;
        *wide = width_decides ? spec->width : scaled(w, spec->height, h, down);
        *high = width_decides ? scaled(h, spec->width, w, down) : spec->height;
    }
}

cfp_status cfp_geometry_plan(cfp_geometry *out, cfp_ctx *ctx, const cfp_image *image,
                             const cfp_input_spec *spec)
{
    int64_t wide = spec->width, high = spec->height;
    *out = (cfp_geometry){0};
    if (spec->resize[0] > 0) {
        high = spec->resize[0];
        wide = spec->resize[1];
    } else if (spec->resize_short > 0) {
        keep_shape(&wide, &high, &out->enlarged, image, spec);
    }
    if (wide > INT_MAX || high > INT_MAX)
        return cfp_fail(ctx, CFP_FORMAT, "a frame of %d x %d cannot be resized to %lld x %lld",
                        image->width, image->height, (long long)wide, (long long)high);
    out->antialias = spec->antialias;
    out->resized_width = (int)wide;
    out->resized_height = (int)high;
    out->left = crop_begin(out->resized_width, spec->width, spec->antialias);
    out->top = crop_begin(out->resized_height, spec->height, spec->antialias);
    return CFP_OK;
}

/* The source pixels of column (or row) `at` of a side that is resized from `size` to `resized`. */
static tap find_tap(int size, int resized, int at)
{
    const double scale = (double)size / resized;
    const double position = (at + 0.5) * scale - 0.5;
    if (position <= 0.0)
        return (tap){0, 0, 0.0f};
    if (position >= size - 1)
        return (tap){size - 1, size - 1, 0.0f};
    const int low = (int)position;
    return (tap){low, low + 1, (float)(position - low)};
}

static inline float between(float a, float b, float weight)
{
    return a + (b - a) * weight;
}

/* Computes a row of the crop from the two rows of the image that it lies between. */
static void resize_row(uint8_t *out, const uint8_t *low, const uint8_t *high, float weight,
                       const tap *column, int columns)
{
    for (int x = 0; x < columns; x++) {
        const tap t = column[x];
        for (int c = 0; c < 3; c++) {
            const int a = 3 * t.low + c, b = 3 * t.high + c;
            const float value = between(between(low[a], low[b], t.weight),
                                        between(high[a], high[b], t.weight), weight);
            out[3 * x + c] = (uint8_t)lrintf(value);
        }
    }
}

cfp_status cfp_geometry_apply(uint8_t *out, cfp_ctx *ctx, const cfp_image *image,
                              const cfp_geometry *geometry, int crop_width, int crop_height)
{
    tap *column;
    if (geometry->antialias)
        return cfp_antialias(out, ctx, image, geometry, crop_width, crop_height);
    CFP_TRY_ALLOC(ctx, column, crop_width);
    for (int x = 0; x < crop_width; x++)
        column[x] = find_tap(image->width, geometry->resized_width, x + geometry->left);

    const size_t row_bytes = 3 * (size_t)image->width;
    for (int y = 0; y < crop_height; y++) {
        const tap row = find_tap(image->height, geometry->resized_height, y + geometry->top);
        resize_row(out + 3 * (size_t)crop_width * (size_t)y,
                   image->rgb + row_bytes * (size_t)row.low,
                   image->rgb + row_bytes * (size_t)row.high, row.weight, column, crop_width);
    }
    cfp_free(column);
    return CFP_OK;
}

cfp_status cfp_geometry_apply_values(float *out, cfp_ctx *ctx, const cfp_image *image,
                                     const cfp_geometry *geometry, int channels, int channel,
                                     int crop_width, int crop_height)
{
    tap *column;
    CFP_TRY_ALLOC(ctx, column, crop_width);
    for (int x = 0; x < crop_width; x++)
        column[x] = find_tap(image->width, geometry->resized_width, x + geometry->left);
    for (int y = 0; y < crop_height; y++) {
        const tap row = find_tap(image->height, geometry->resized_height, y + geometry->top);
        const float *low = image->values + (int64_t)row.low * image->width * channels + channel;
        const float *high = image->values + (int64_t)row.high * image->width * channels + channel;
        for (int x = 0; x < crop_width; x++) {
            const int64_t a = (int64_t)column[x].low * channels;
            const int64_t b = (int64_t)column[x].high * channels;
            out[(int64_t)y * crop_width + x] =
                between(between(low[a], low[b], column[x].weight),
                        between(high[a], high[b], column[x].weight), row.weight);
        }
    }
    cfp_free(column);
    return CFP_OK;
}
