/* values.c - see values.h. */
#include "values.h"
#include <math.h>
#include <string.h>

cfp_status cfp_values_check(cfp_ctx *ctx, const char *path, int64_t frame, const float *value,
                            int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(value[i]))
            return cfp_fail(ctx, CFP_FORMAT, "%s: frame %lld holds %s, which is no number", path,
                            (long long)frame, isnan(value[i]) ? "NaN" : "Inf");
    return CFP_OK;
}

static float *plane(cfp_clip *clip, const cfp_input_spec *spec, int c, int t)
{
    const int64_t frame = (int64_t)clip->height * clip->width;
    return cfp_input_floats(clip->rgb, spec) + ((int64_t)c * clip->frames + t) * frame;
}

static cfp_status take_picture(cfp_clip *clip, cfp_ctx *ctx, const cfp_input_spec *spec, int t,
                               const cfp_image *image, const cfp_geometry *geometry)
{
    const size_t pixels = (size_t)clip->height * (size_t)clip->width;
    uint8_t *pixel = clip->rgb + 3 * pixels * (size_t)t;
    CFP_TRY(cfp_geometry_apply(pixel, ctx, image, geometry, clip->width, clip->height));
    float *value = plane(clip, spec, 0, t);
    for (size_t p = 0; p < pixels; p++, pixel += 3)
        value[p] = (float)((299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2] + 500) / 1000);
    return CFP_OK;
}

cfp_status cfp_values_take(cfp_clip *clip, cfp_ctx *ctx, const cfp_input_spec *spec, int t,
                           const cfp_image *image, const cfp_geometry *geometry)
{
    if (image->values == NULL)
        return take_picture(clip, ctx, spec, t, image, geometry);
    const bool same =
        geometry->resized_width == image->width && geometry->resized_height == image->height;
    if (geometry->antialias && !same)
        return cfp_fail(ctx, CFP_UNSUPPORTED,
                        "frames of %d x %d numbers: resize_filter 'antialias' is for pictures; "
                        "numbers are resized with 'bilinear'",
                        image->width, image->height);
    for (int c = 0; c < spec->channels; c++)
        CFP_TRY(cfp_geometry_apply_values(plane(clip, spec, c, t), ctx, image, geometry,
                                          spec->channels, c, clip->width, clip->height));
    return CFP_OK;
}

static float lowest(const float *v, int64_t n)
{
    float low = v[0];
    for (int64_t i = 1; i < n; i++)
        low = v[i] < low ? v[i] : low;
    return low;
}

static float highest(const float *v, int64_t n)
{
    float high = v[0];
    for (int64_t i = 1; i < n; i++)
        high = v[i] > high ? v[i] : high;
    return high;
}

/* Writes one channel into one colour of the pictures, or into all three. */
static void show(uint8_t *rgb, int colours, const float *v, int64_t n, bool bytes)
{
    const double low = bytes ? 0 : (double)lowest(v, n);
    const double range = (bytes ? 255 : (double)highest(v, n)) - low;
    for (int64_t i = 0; i < n; i++) {
        const double level = range > 0 ? ((double)v[i] - low) / range * 255 : 0;
        memset(rgb + 3 * i, (int)lrint(fmin(fmax(level, 0), 255)), (size_t)colours);
    }
}

/* The mean and the deviation (of the population) of the numbers; of those that are not 0 only. */
static void measure(double *mean, double *deviation, const float *v, int64_t n, bool nonzero)
{
    double sum = 0, squares = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        if (!nonzero || v[i] != 0.0f) {
            sum += (double)v[i];
            count++;
        }
    *mean = count > 0 ? sum / (double)count : 0;
    for (int64_t i = 0; i < n; i++)
        if (!nonzero || v[i] != 0.0f)
            squares += ((double)v[i] - *mean) * ((double)v[i] - *mean);
    *deviation = count > 0 ? sqrt(squares / (double)count) : 0;
}

static void standardise(float *v, int64_t n, cfp_standardise how)
{
    double from, spread;
    const bool nonzero = how == CFP_STANDARDISE_NONZERO;
    if (how == CFP_STANDARDISE_RANGE) {
        from = (double)lowest(v, n);
        spread = (double)highest(v, n) - from;
    } else {
        measure(&from, &spread, v, n, nonzero);
    }
    if (!(spread > 0)) /* a constant channel becomes 0 */
        spread = 1;
    for (int64_t i = 0; i < n; i++)
        if (!nonzero || v[i] != 0.0f)
            v[i] = (float)(((double)v[i] - from) / spread);
}

void cfp_values_finish(cfp_clip *clip, const cfp_input_spec *spec, bool bytes)
{
    const int64_t n = (int64_t)clip->frames * clip->height * clip->width;
    float *const all = cfp_input_floats(clip->rgb, spec);
    for (int64_t i = 0; bytes && i < n * spec->channels; i++)
        all[i] = rintf(all[i]); /* a frame of bytes is rounded after the resize */
    if (spec->n_show == 3)
        for (int colour = 0; colour < 3; colour++)
            show(clip->rgb + colour, 1, all + spec->show[colour] * n, n, bytes);
    else
        show(clip->rgb, 3, all + spec->show[0] * n, n, bytes);
    for (int c = 0; c < spec->channels && spec->standardise != CFP_STANDARDISE_NONE; c++)
        standardise(all + c * n, n, spec->standardise);
}
