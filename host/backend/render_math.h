/* render_math.h - the formulas of render.h, for the host and for devices: the pictures of a tube
 * must not depend on where they are drawn. */
#pragma once
#include "both.h"
#include "render.h"
#include <math.h>

/* The two inputs, and their weights, of an output position: half-pixel centres, clamped edges. */
typedef struct cfp_taps {
    int at[2];
    double weight[2];
} cfp_taps;
CFP_BOTH cfp_taps cfp_taps_linear(int u, int from, int to)
{
    double x = (u + 0.5) * from / to - 0.5;
    x = x < 0 ? 0 : x > from - 1 ? from - 1 : x;
    const int low = (int)x;
    const double fraction = x - low;
    const cfp_taps taps = {{low, low + 1 < from ? low + 1 : low}, {1 - fraction, fraction}};
    return taps;
}

/* Scales v from [low, high] to [0, 1]; a constant volume becomes 0.  The + 0 avoids -0. */
CFP_BOTH float cfp_tube_share(float v, float low, float high)
{
    return high > low ? (float)(((double)v - (double)low) / ((double)high - (double)low)) + 0.0f
                      : 0.0f;
}

/* The index of the colour of v.  Values outside [0, 1] are clamped; NaN counts as 0. */
CFP_BOTH int cfp_colour_index(float v)
{
    return v >= 1.0f ? 255 : v > 0.0f ? (int)(v * 255.0f + 0.5f) : 0;
}

/* The index of the colour of a difference in [-1, 1]; 0 has the middle colour, 128. */
CFP_BOTH int cfp_difference_index(float v)
{
    return v >= 1.0f ? 255 : v <= -1.0f ? 1 : v >= -1.0f ? (int)(v * 127.0f + 128.5f) : 128;
}

/* The place of pixel x of the frames among the n pixels of the crop; false if it is outside. */
CFP_BOTH bool cfp_in_crop(double *out, int x, double begin, double step, int n)
{
    *out = (x - begin + 0.5) / step - 0.5;
    return *out >= -0.5 && *out <= n - 0.5;
}

#define CFP_UNSEEN -2.0f /* of pixels that the model did not see; below every value of a volume */

/* The value of a volume's frame at pixel (y, x) of the frames, interpolated bilinearly; CFP_UNSEEN
 * if the model did not see that pixel. */
CFP_BOTH float cfp_tube_at(const cfp_overlay *o, const float *frame, int y, int x)
{
    const int H = o->seen_height, W = o->seen_width;
    double v, u;
    if (!o->cropped)
        return frame[y * W + x];
    if (!cfp_in_crop(&v, y, o->top, o->step_y, H) || !cfp_in_crop(&u, x, o->left, o->step_x, W))
        return CFP_UNSEEN;
    const double v0 = floor(v), u0 = floor(u);
    const int top = v0 < 0 ? 0 : (int)v0, bottom = (int)v0 + 1 < H ? (int)v0 + 1 : H - 1;
    const int left = u0 < 0 ? 0 : (int)u0, right = (int)u0 + 1 < W ? (int)u0 + 1 : W - 1;
    const double fv = v - v0, fu = u - u0;
    const double above = frame[top * W + left] * (1 - fu) + frame[top * W + right] * fu;
    const double below = frame[bottom * W + left] * (1 - fu) + frame[bottom * W + right] * fu;
    return (float)(above * (1 - fv) + below * fv);
}

/* How bright a pixel is (ITU-R BT.601). */
CFP_BOTH int cfp_grey(const uint8_t *rgb)
{
    return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000;
}

/* The opacity of the colour where a volume has the value v; NaN counts as 0. */
CFP_BOTH double cfp_opacity(const cfp_overlay *o, float v)
{
    const float size = o->difference && v < 0.0f ? -v : v;
    if (v <= CFP_UNSEEN)
        return 0.0;
    if (o->alpha >= 0.0)
        return o->alpha;
    return size >= 1.0f ? 1.0 : size > 0.0f ? size : 0.0;
}

/* Colours pixel (y, x) of a frame in place: alpha * colour + (1 - alpha) * frame, rounded.  Under a
 * difference the frame is grey, so that all colour comes from the difference. */
CFP_BOTH void cfp_overlay_pixel(const cfp_overlay *o, uint8_t *rgb, const float *frame, int y,
                                int x)
{
    const float v = cfp_tube_at(o, frame, y, x);
    const double alpha = cfp_opacity(o, v);
    const int index = o->difference ? cfp_difference_index(v) : cfp_colour_index(v);
    const uint8_t *colour = o->colour + 3 * index;
    uint8_t *pixel = rgb + 3 * (y * o->width + x);
    const int grey = cfp_grey(pixel);
    for (int c = 0; c < 3; c++)
        pixel[c] =
            (uint8_t)(alpha * colour[c] + (1.0 - alpha) * (o->difference ? grey : pixel[c]) + 0.5);
}
