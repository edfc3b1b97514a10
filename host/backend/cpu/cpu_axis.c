/* cpu_axis.c - see cpu_axis.h. */
#include "cpu_axis.h"

bool cpu_axes_fit(const cfp_window *window)
{
    for (int i = 0; i < 3; i++)
        if (window->kernel[i] > LANE_TAPS || window->stride[i] > LANE_TAPS)
            return false;
    return true;
}

static void set_forward(lane_axis *x, const cfp_window *w, int i, int size)
{
    *x = (lane_axis){.count = size, .step = 1, .in_step = w->stride[i], .n_taps = w->kernel[i]};
    for (int k = 0; k < w->kernel[i]; k++) {
        x->tap[k] = k;
        x->offset[k] = k * w->dilation[i] - w->pad_begin[i];
    }
}

static void set_backward(lane_axis *x, const cfp_window *w, int i, int size, int remainder)
{
    const int stride = w->stride[i];
    *x = (lane_axis){.count = (size - remainder + stride - 1) / stride,
                     .first = remainder,
                     .step = stride,
                     .in_step = 1};
    for (int k = w->kernel[i] - 1; k >= 0; k--) { /* so that offsets ascend */
        const int reach = remainder + w->pad_begin[i] - k * w->dilation[i];
        if (reach % stride != 0)
            continue;
        x->tap[x->n_taps] = k;
        x->offset[x->n_taps++] = reach / stride;
    }
}

cfp_status cpu_axis_open(lane_axis **axis, int *n_runs, cfp_ctx *ctx, const cfp_window *window,
                         int i, int size, bool backward)
{
    *n_runs = backward ? window->stride[i] : 1;
    CFP_TRY_ALLOC(ctx, *axis, *n_runs);
    for (int r = 0; r < *n_runs; r++)
        if (backward)
            set_backward(&(*axis)[r], window, i, size, r);
        else
            set_forward(&(*axis)[r], window, i, size);
    return CFP_OK;
}
