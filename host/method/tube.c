/* tube.c - from a layer's raw map to a volume over the clip: resize, then min-max. */
#include "tube.h"
#include "../backend/render_math.h"
#include "resize.h"

void cfp_tubes_free(cfp_tubes_list *tubes)
{
    for (int i = 0; i < tubes->n; i++)
        cfp_free(tubes->tube[i].raw);
    cfp_free(tubes->tube);
    *tubes = (cfp_tubes_list){0};
}

static void min_max(float *volume, int64_t n)
{
    float low = volume[0], high = volume[0];
    for (int64_t p = 1; p < n; p++) {
        low = volume[p] < low ? volume[p] : low;
        high = volume[p] > high ? volume[p] : high;
    }
    for (int64_t p = 0; p < n; p++)
        volume[p] = cfp_tube_share(volume[p], low, high);
}

cfp_status cfp_tube_render(float *volume, cfp_ctx *ctx, const cfp_tube *tube, int T, int H, int W,
                           cfp_interp interp)
{
    const int64_t n = (int64_t)T * H * W;
    const int from[3] = {tube->t, tube->h, tube->w}, to[3] = {T, H, W};
    if (cfp_tube_constant(tube)) {
        for (int64_t p = 0; p < n; p++)
            volume[p] = 0;
        return CFP_OK;
    }
    CFP_TRY(interp == CFP_INTERP_SPLINE ? cfp_resize_spline(volume, to, ctx, tube->raw, from)
                                        : cfp_resize_linear(volume, to, ctx, tube->raw, from));
    min_max(volume, n);
    return CFP_OK;
}
