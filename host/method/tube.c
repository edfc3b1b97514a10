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

enum { PIECE = 1 << 14, ABREAST = 16 }; /* voxels that a thread takes; extremes side by side */

/* Widens [low, high] to n voxels; NaN is neither. */
CFP_WIDE static void widen(float *low, float *high, const float *v, int64_t n)
{
    float lows[ABREAST], highs[ABREAST];
    for (int i = 0; i < ABREAST; i++) {
        lows[i] = *low;
        highs[i] = *high;
    }
    int64_t p = 0;
    for (; p + ABREAST <= n; p += ABREAST)
        for (int i = 0; i < ABREAST; i++) {
            lows[i] = v[p + i] < lows[i] ? v[p + i] : lows[i];
            highs[i] = v[p + i] > highs[i] ? v[p + i] : highs[i];
        }
    for (int i = 0; p + i < n; i++) {
        lows[i] = v[p + i] < lows[i] ? v[p + i] : lows[i];
        highs[i] = v[p + i] > highs[i] ? v[p + i] : highs[i];
    }
    for (int i = 0; i < ABREAST; i++) {
        *low = lows[i] < *low ? lows[i] : *low;
        *high = highs[i] > *high ? highs[i] : *high;
    }
}

CFP_WIDE static void share(float *v, int64_t n, float low, float high)
{
    for (int64_t p = 0; p < n; p++)
        v[p] = cfp_tube_share(v[p], low, high);
}

static void min_max(float *volume, int64_t n)
{
    float low = INFINITY, high = -INFINITY;
#pragma omp parallel for schedule(static) reduction(min : low) reduction(max : high)
    for (int64_t start = 0; start < n; start += PIECE)
        widen(&low, &high, volume + start, n - start < PIECE ? n - start : PIECE);
#pragma omp parallel for schedule(static)
    for (int64_t start = 0; start < n; start += PIECE)
        share(volume + start, n - start < PIECE ? n - start : PIECE, low, high);
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
