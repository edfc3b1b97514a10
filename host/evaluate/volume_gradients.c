/* volume_gradients.c - methods on the gradient of the target by the clip itself: gradient x input,
 * integrated gradients, SmoothGrad.  Values of a voxel are summed over its channels. */
#include "volume_maker.h"
#include <math.h>
#include <stdio.h>

struct points { /* the inputs at which the gradient is taken, and its sum */
    const cfp_volume_maker *maker;
    const float *x;
    int64_t count; /* C x T x H x W */
    int steps;     /* integrated gradients */
    double sigma;  /* SmoothGrad */
    cfp_random stream;
    double *sum; /* [count] */
};

static void make_same(void *cookie, int64_t i, float *input)
{
    const struct points *p = cookie;
    (void)i;
    for (int64_t k = 0; k < p->count; k++)
        input[k] = p->x[k];
}

/* Point i of the straight line from the blank clip, zeros, to this one. */
static void make_point(void *cookie, int64_t i, float *input)
{
    const struct points *p = cookie;
    const double share = ((double)i + 0.5) / p->steps;
    for (int64_t k = 0; k < p->count; k++)
        input[k] = (float)(share * (double)p->x[k]);
}

/* A normal number, by Box and Muller. */
static double normal(cfp_random *stream)
{
    const double turn = 6.283185307179586 * cfp_random_unit(stream);
    return sqrt(-2 * log(1 - cfp_random_unit(stream))) * cos(turn);
}

static void make_noisy(void *cookie, int64_t i, float *input)
{
    const struct points *p = cookie;
    cfp_random stream = cfp_random_of_number(p->stream, (uint64_t)i);
    for (int64_t k = 0; k < p->count; k++)
        input[k] = (float)((double)p->x[k] + p->sigma * normal(&stream));
}

static void add_gradient(void *cookie, int64_t i, const float *input, const float *gradient)
{
    const struct points *p = cookie;
    (void)i;
    (void)input;
    for (int64_t k = 0; k < p->count; k++)
        p->sum[k] += (double)gradient[k];
}

static double range_of(const float *x, int64_t n)
{
    float low = x[0], high = x[0];
    for (int64_t k = 1; k < n; k++) {
        low = fminf(low, x[k]);
        high = fmaxf(high, x[k]);
    }
    return (double)high - (double)low;
}

static cfp_status take_gradients(cfp_volume *volume, struct points *p, cfp_volume_maker *maker,
                                 const cfp_volume_subject *subject)
{
    const cfp_volume_settings *want = cfp_ask_settings(maker, volume->ask);
    const char *target = cfp_target_names[maker->settings.target];
    const bool noisy = volume->ask->method == CFP_VOLUME_SMOOTHGRAD;
    const bool line = volume->ask->method == CFP_VOLUME_INTEGRATED_GRADIENTS;
    const int64_t n = noisy ? want->smoothgrad_draws : line ? want->ig_steps : 1;
    p->steps = want->ig_steps;
    p->sigma = want->smoothgrad_noise * range_of(p->x, p->count);
    p->stream = cfp_volume_stream(maker, volume->ask, subject);
    CFP_TRY_ALLOC(maker->ctx, p->sum, p->count);
    if (noisy)
        snprintf(volume->definition, sizeof volume->definition,
                 "sum_c |mean G| of %lld noisy clips, sigma=%.9g of the range, target=%s",
                 (long long)n, want->smoothgrad_noise, target);
    else if (line)
        snprintf(volume->definition, sizeof volume->definition,
                 "sum_c x mean G at %lld midpoints from zeros, target=%s", (long long)n, target);
    else
        snprintf(volume->definition, sizeof volume->definition, "sum_c x G, target=%s", target);
    return cfp_probe_gradients(maker->probe, n, subject->class_index,
                               (cfp_inputs){noisy  ? make_noisy
                                            : line ? make_point
                                                   : make_same,
                                            p},
                               (cfp_gradient_sink){add_gradient, p});
}

static cfp_status make(cfp_volume_list *out, struct points *p, cfp_volume_maker *maker,
                       const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    const cfp_volume_settings *want = cfp_ask_settings(maker, ask);
    const int64_t voxels = cfp_positions(cfp_maker_shape(maker));
    const bool noisy = ask->method == CFP_VOLUME_SMOOTHGRAD;
    const double n = noisy                                            ? want->smoothgrad_draws
                     : ask->method == CFP_VOLUME_INTEGRATED_GRADIENTS ? want->ig_steps
                                                                      : 1;
    cfp_volume *volume;
    CFP_TRY(cfp_volumes_reserve(out, maker, 1));
    CFP_TRY(cfp_volumes_add(&volume, out, maker, ask, -1));
    CFP_TRY(take_gradients(volume, p, maker, subject));
    for (int64_t v = 0; v < voxels; v++) {
        double s = 0;
        for (int64_t k = v; k < p->count; k += voxels)
            s += noisy ? fabs(p->sum[k] / n) : p->sum[k] / n * (double)p->x[k];
        volume->s[v] = (float)s;
    }
    return CFP_OK;
}

cfp_status cfp_volumes_of_gradients(cfp_volume_list *out, cfp_volume_maker *maker,
                                    const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    struct points p = {
        .maker = maker, .x = subject->input, .count = cfp_count(cfp_maker_shape(maker))};
    const cfp_status status = make(out, &p, maker, ask, subject);
    cfp_free(p.sum);
    return status;
}
