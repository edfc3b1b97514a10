/* antialias.c - see antialias.h.
 *
 * The steps are Pillow's, so the bytes are, too: first rows, then columns, each pass rounded to
 * bytes, with weights in fixed point.  Only the pixels of the crop are computed. */
#include "antialias.h"
#include <math.h>

enum { WEIGHT_BITS = 22 }; /* bits after the binary point; 255 times the weights' sum fits 31 */

typedef struct taps {   /* of `n` pixels in a row or a column */
    int *first, *count; /* [n] where a pixel's sources begin, and how many they are */
    int *weight;        /* [n][most] */
    int max;
} taps;

static double triangle(double x)
{
    return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

/* Computes the weights of a pixel whose centre is at `centre` in the source.  Their sum is 1. */
static void weigh(int *weight, double *real, int first, int count, double centre, double spread)
{
    const double per_pixel = 1 / spread;
    double sum = 0;
    for (int k = 0; k < count; k++) {
        real[k] = triangle((k + first - centre + 0.5) * per_pixel);
        sum += real[k];
    }
    for (int k = 0; k < count; k++)
        weight[k] = (int)(0.5 + real[k] / sum * (1 << WEIGHT_BITS));
}

static void plan(taps *t, double *real, int size, double scale, int from, int n)
{
    const double spread = scale > 1 ? scale : 1; /* half the filter's width */
    for (int i = 0; i < n; i++) {
        const double centre = (from + i + 0.5) * scale;
        const int low = cfp_max_int((int)(centre - spread + 0.5), 0);
        const int high = cfp_min_int((int)(centre + spread + 0.5), size);
        t->first[i] = low;
        t->count[i] = high - low;
        weigh(t->weight + (int64_t)i * t->max, real, low, high - low, centre, spread);
    }
}

static void free_taps(taps *t)
{
    cfp_free(t->first);
    cfp_free(t->count);
    cfp_free(t->weight);
}

/* Plans the pixels [from, from + n) of a side that is resized from `size` to `resized`. */
static cfp_status find_taps(taps *t, cfp_ctx *ctx, int size, int resized, int from, int n)
{
    const double scale = (double)size / resized;
    double *real;
    t->max = cfp_min_int((int)ceil(scale > 1 ? scale : 1) * 2 + 1, size);
    CFP_TRY_ALLOC(ctx, t->first, n);
    CFP_TRY_ALLOC(ctx, t->count, n);
    CFP_TRY_ALLOC(ctx, t->weight, (int64_t)n * t->max);
    CFP_TRY_ALLOC(ctx, real, t->max);
    plan(t, real, size, scale, from, n);
    cfp_free(real);
    return CFP_OK;
}

/* The weighted sum of n values that are `step` apart.  No weight is negative, so it fits a byte. */
static inline uint8_t weighed(const uint8_t *value, size_t step, const int *weight, int n)
{
    int sum = 1 << (WEIGHT_BITS - 1);
    for (int k = 0; k < n; k++)
        sum += weight[k] * value[step * (size_t)k];
    return (uint8_t)cfp_min_int(sum >> WEIGHT_BITS, 255);
}

static void resize_row(uint8_t *out, const uint8_t *row, const taps *column, int columns)
{
    for (int x = 0; x < columns; x++)
        for (int c = 0; c < 3; c++)
            out[3 * x + c] = weighed(row + 3 * (size_t)column->first[x] + c, 3,
                                     column->weight + (int64_t)x * column->max, column->count[x]);
}

static void resize_columns(uint8_t *out, const uint8_t *top, size_t row_bytes, const int *weight,
                           int n)
{
    for (size_t x = 0; x < row_bytes; x++)
        out[x] = weighed(top + x, row_bytes, weight, n);
}

/* `narrow` holds the `rows` rows of the source, from row `first` on, that the crop needs. */
static cfp_status resize_both(uint8_t *out, cfp_ctx *ctx, const cfp_image *image,
                              const taps *column, int width, const taps *row, int height)
{
    const int first = row->first[0], last = height - 1;
    const int rows = row->first[last] + row->count[last] - first;
    const size_t row_bytes = 3 * (size_t)width;
    uint8_t *narrow;
    CFP_TRY_ALLOC(ctx, narrow, (int64_t)rows * (int64_t)row_bytes);
    for (int y = 0; y < rows; y++)
        resize_row(narrow + row_bytes * (size_t)y,
                   image->rgb + 3 * (size_t)image->width * (size_t)(first + y), column, width);
    for (int y = 0; y < height; y++)
        resize_columns(out + row_bytes * (size_t)y,
                       narrow + row_bytes * (size_t)(row->first[y] - first), row_bytes,
                       row->weight + (int64_t)y * row->max, row->count[y]);
    cfp_free(narrow);
    return CFP_OK;
}

cfp_status cfp_antialias(uint8_t *out, cfp_ctx *ctx, const cfp_image *image,
                         const cfp_geometry *geometry, int crop_width, int crop_height)
{
    taps column = {0}, row = {0};
    cfp_status status =
        find_taps(&column, ctx, image->width, geometry->resized_width, geometry->left, crop_width);
    if (status == CFP_OK)
        status = find_taps(&row, ctx, image->height, geometry->resized_height, geometry->top,
                           crop_height);
    if (status == CFP_OK)
        status = resize_both(out, ctx, image, &column, crop_width, &row, crop_height);
    free_taps(&column);
    free_taps(&row);
    return status;
}
