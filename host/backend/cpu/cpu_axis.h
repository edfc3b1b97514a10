/* cpu_axis.h - describes the axes of a convolution's window to our kernels (lane_axis, lanes.h). */
#pragma once
#include "cpu.h"

/* True if the window has at most LANE_TAPS taps and strides along each axis. */
bool cpu_axes_fit(const cfp_window *window);

/* Makes the runs of axis i in one direction: *axis is an array of *n_runs, which the caller frees.
 * `size` is the length of the axis in the tensor that is written.
 * Forward there is one run.  Backward there are as many as the stride: input p was read by output q
 * through tap k if p + pad - k * dilation = q * stride, so each remainder of p has its own taps. */
cfp_status cpu_axis_open(lane_axis **axis, int *n_runs, cfp_ctx *ctx, const cfp_window *window,
                         int i, int size, bool backward);
