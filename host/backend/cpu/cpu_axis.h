/* cpu_axis.h - the axes of a convolution's window as our kernels walk them (lane_axis, lanes.h). */
#pragma once
#include "cpu.h"

/* Up to LANE_TAPS taps and strides along each axis; more is for others. */
bool cpu_axes_fit(const cfp_window *window);

/* The runs of axis i in one direction: *axis is an array of *n_runs, which the caller frees.
 * `size` is the length of that axis in the tensor that is written.
 * Forward there is one run.  Backward there are as many as the stride: input p got tap k of output
 * q where p + pad - k * dilation = q * stride, so each remainder of p has taps of its own. */
cfp_status cpu_axis_open(lane_axis **axis, int *n_runs, cfp_ctx *ctx, const cfp_window *window,
                         int i, int size, bool backward);
