/* tube.c - makes a volume over the clip of a raw map: resizes it, then normalises it. */
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

enum { PIECE = 1 << 14 }; /* voxels that a thread takes at a time */

CFP_WIDE static void normalise(float *v, int64_t n, float low, float high)
{
    for (int64_t p = 0; p < n; p++)
        v[p] = cfp_tube_share(v[p], low, high);
}

static void normalise_all(float *volume, int64_t n, cfp_extremes of)
{
#pragma omp parallel for schedule(static)
    for (int64_t start = 0; start < n; start += PIECE)
        normalise(volume + start, n - start < PIECE ? n - start : PIECE, of.low, of.high);
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
    cfp_extremes of;
    CFP_TRY(interp == CFP_INTERP_SPLINE ? cfp_resize_spline(volume, to, ctx, tube->raw, from, &of)
                                        : cfp_resize_linear(volume, to, ctx, tube->raw, from, &of));
    normalise_all(volume, n, of);
    return CFP_OK;
}
