/* test_tube.c - checks how tubes are resized and scaled: exact sizes, half-pixel centres, and the
 * spline against scipy's. */
#include "../host/backend/render_math.h"
#include "../host/method/resize.h"
#include "../host/method/tube.h"
#include "test.h"
#include <stdlib.h>

static void linear_has_half_pixel_centres_and_clamped_edges(void)
{
    /* 2 -> 4: positions -0.25, 0.25, 0.75, 1.25 of the source, clamped to 0..1 */
    const float src[2] = {0, 8};
    float dst[4];
    cfp_extremes of;
    cfp_ctx ctx = {0};
    CHECK_EQ(cfp_resize_linear(dst, (int[]){1, 1, 4}, &ctx, src, (int[]){1, 1, 2}, &of), CFP_OK);
    const float want[4] = {0, 2, 6, 8};
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(dst[i], want[i], 1e-6);
    /* 4 -> 2: positions 0.5 and 2.5 */
    const float ramp[4] = {0, 1, 2, 3};
    CHECK_EQ(cfp_resize_linear(dst, (int[]){2, 1, 1}, &ctx, ramp, (int[]){4, 1, 1}, &of), CFP_OK);
    CHECK_NEAR(dst[0], 0.5, 1e-6);
    CHECK_NEAR(dst[1], 2.5, 1e-6);
}

static void spline_is_what_scipy_says(void)
{
    /* scipy.ndimage.zoom(numpy.array([0, 1, 0, 2], 'f4'), 7 / 4, order=3) */
    const float src[4] = {0, 1, 0, 2};
    const float want[7] = {0, 0.525f, 1, 0.375f, 0, 1.1f, 2};
    float dst[7];
    cfp_extremes of;
    cfp_ctx ctx = {0};
    CHECK_EQ(cfp_resize_spline(dst, (int[]){1, 1, 7}, &ctx, src, (int[]){1, 1, 4}, &of), CFP_OK);
    for (int i = 0; i < 7; i++)
        CHECK_NEAR(dst[i], want[i], 2e-6);
}

static float between(cfp_taps taps, const float *at, int64_t stride)
{
    return (float)(taps.weight[0] * (double)at[taps.at[0] * stride] +
                   taps.weight[1] * (double)at[taps.at[1] * stride]);
}

/* Resizes along one axis at a time, so that on the other axes one sample has weight 1.  For any
 * remainder of vectors, rows or frames, every bit must be that of the formula, and the extremes
 * those of the volume. */
static void linear_is_the_formula_and_tells_its_extremes(void)
{
    cfp_ctx ctx = {0};
    for (int axis = 0; axis < 3; axis++)
        for (int to = 1; to <= 19; to++) {
            float src[11 * 6], dst[19 * 6];
            int from_size[3] = {1, 2, 3}, to_size[3] = {1, 2, 3};
            from_size[axis] = 11;
            to_size[axis] = to;
            const int inner = axis == 0 ? 6 : axis == 1 ? 3 : 1;
            const int others = axis == 0 ? 6 : axis == 1 ? 3 : 2;
            for (int i = 0; i < 11 * others; i++)
                src[i] = (float)((i * 37 + 11) % 101) / 7 - 5;
            cfp_extremes of;
            CHECK_EQ(cfp_resize_linear(dst, to_size, &ctx, src, from_size, &of), CFP_OK);
            float low = INFINITY, high = -INFINITY;
            int wrong = 0;
            for (int i = 0; i < to * others; i++) {
                const int u = i / inner % to, begin = i / inner / to * 11 * inner + i % inner;
                wrong += dst[i] != between(cfp_taps_linear(u, 11, to), src + begin, inner);
                low = dst[i] < low ? dst[i] : low;
                high = dst[i] > high ? dst[i] : high;
            }
            CHECK_EQ(wrong, 0);
            CHECK(of.low == low && of.high == high);
        }
}

static void nan_is_no_extreme(void)
{
    const float src[6] = {3, NAN, -2, 1, 7, 0};
    float dst[6];
    cfp_extremes of;
    cfp_ctx ctx = {0};
    CHECK_EQ(cfp_resize_spline(dst, (int[]){1, 1, 6}, &ctx, src, (int[]){1, 1, 6}, &of), CFP_OK);
    CHECK(of.low == INFINITY && of.high == -INFINITY); /* the filter has spread it to all */
    CHECK_EQ(cfp_resize_linear(dst, (int[]){6, 1, 1}, &ctx, src, (int[]){6, 1, 1}, &of), CFP_OK);
    CHECK(of.low == -2 && of.high == 7);
}

/* An impulse is brightest at the place of its cell in the clip, at any size. */
static void an_impulse_lands_at_its_centre(void)
{
    const int sizes[][3] = {{13, 182, 182}, {16, 112, 171}, {1, 7, 9}, {16, 224, 224}, {9, 14, 8}};
    cfp_ctx ctx = {0};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const int *to = sizes[s], from[3] = {to[0] == 1 ? 1 : 2, 7, 7}, at[3] = {from[0] - 1, 2, 5};
        float *raw = calloc((size_t)from[0] * 49, sizeof *raw);
        float *volume = malloc((size_t)to[0] * to[1] * to[2] * sizeof *volume);
        raw[(at[0] * 7 + at[1]) * 7 + at[2]] = 3;
        const cfp_tube tube = {0, -1, from[0], 7, 7, raw, 0, 3, NULL};
        CHECK_EQ(cfp_tube_render(volume, &ctx, &tube, to[0], to[1], to[2], CFP_INTERP_LINEAR),
                 CFP_OK);
        double sum = 0, centre[3] = {0, 0, 0};
        float low = 2, high = -1;
        for (int t = 0; t < to[0]; t++)
            for (int y = 0; y < to[1]; y++)
                for (int x = 0; x < to[2]; x++) {
                    const float v = volume[((int64_t)t * to[1] + y) * to[2] + x];
                    low = v < low ? v : low;
                    high = v > high ? v : high;
                    sum += (double)v;
                    centre[1] += v * (y + 0.5);
                    centre[2] += v * (x + 0.5);
                }
        CHECK_NEAR(high, 1, 0);
        CHECK_NEAR(low, 0, 0);
        if (to[1] > 14) { /* the centre of cell 2 of 7 is 2.5/7 of the height; of cell 5, 5.5/7 */
            CHECK_NEAR(centre[1] / sum / to[1], 2.5 / 7, 0.01);
            CHECK_NEAR(centre[2] / sum / to[2], 5.5 / 7, 0.01);
        }
        free(raw);
        free(volume);
    }
}

static void a_constant_map_gives_zeros_whatever_the_rounding(void)
{
    float raw[8], volume[300];
    cfp_ctx ctx = {0};
    for (int i = 0; i < 8; i++)
        raw[i] = 0.1f;
    const cfp_tube tube = {0, -1, 2, 2, 2, raw, 0.1f, 0.1f, NULL};
    for (int interp = CFP_INTERP_LINEAR; interp <= CFP_INTERP_SPLINE; interp++) {
        CHECK_EQ(cfp_tube_render(volume, &ctx, &tube, 3, 10, 10, (cfp_interp)interp), CFP_OK);
        float high = 0;
        for (int i = 0; i < 300; i++)
            high = volume[i] > high ? volume[i] : high;
        CHECK_NEAR(high, 0, 0);
    }
}

int main(void)
{
    linear_is_the_formula_and_tells_its_extremes();
    nan_is_no_extreme();
    linear_has_half_pixel_centres_and_clamped_edges();
    spline_is_what_scipy_says();
    an_impulse_lands_at_its_centre();
    a_constant_map_gives_zeros_whatever_the_rounding();
    return test_result();
}
