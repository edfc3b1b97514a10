/* volume_controls.c - controls: volumes that do not depend on the network.  A method must beat
 * them. */
#include "volume_maker.h"
#include <math.h>
#include <stdio.h>

static void fill_random(cfp_volume *volume, cfp_shape s, cfp_random stream)
{
    for (int64_t v = 0; v < cfp_positions(s); v++)
        volume->s[v] = (float)cfp_random_unit(&stream);
    snprintf(volume->definition, sizeof volume->definition, "uniform noise");
}

/* How far place i is from the middle of a side, in sigmas of a quarter of the side. */
static double off_middle(int i, int side)
{
    return (i + 0.5 - 0.5 * side) / (0.25 * side);
}

static void fill_centre(cfp_volume *volume, cfp_shape s)
{
    float *out = volume->s;
    for (int t = 0; t < s.t; t++)
        for (int h = 0; h < s.h; h++)
            for (int w = 0; w < s.w; w++) {
                const double a = off_middle(t, s.t), b = off_middle(h, s.h), c = off_middle(w, s.w);
                *out++ = (float)exp(-0.5 * (a * a + b * b + c * c));
            }
    snprintf(volume->definition, sizeof volume->definition,
             "gaussian in the middle, sigma=1/4 of T, H, W");
}

/* The first frame, which has none before it, gets 0. */
static void fill_difference(cfp_volume *volume, cfp_shape s, const float *x)
{
    const int64_t frame = (int64_t)s.h * s.w, voxels = cfp_positions(s);
    for (int64_t v = frame; v < voxels; v++) {
        double sum = 0;
        for (int c = 0; c < s.c; c++)
            sum += fabs((double)x[c * voxels + v] - (double)x[c * voxels + v - frame]);
        volume->s[v] = (float)sum;
    }
    snprintf(volume->definition, sizeof volume->definition, "sum_c |x_t - x_(t-1)|");
}

cfp_status cfp_volumes_of_controls(cfp_volume_list *out, cfp_volume_maker *maker,
                                   const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    const cfp_shape s = cfp_maker_shape(maker);
    cfp_volume *volume;
    CFP_TRY(cfp_volumes_reserve(out, maker, 1));
    CFP_TRY(cfp_volumes_add(&volume, out, maker, ask, -1));
    if (ask->method == CFP_VOLUME_RANDOM)
        fill_random(volume, s, cfp_volume_stream(maker, ask, subject));
    else if (ask->method == CFP_VOLUME_CENTRE)
        fill_centre(volume, s);
    else
        fill_difference(volume, s, subject->input);
    return CFP_OK;
}
