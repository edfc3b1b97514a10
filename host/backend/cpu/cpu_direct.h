/* cpu_direct.h - a convolution by our own plain sum, for what oneDNN has no kernel that may be used
 * (cpu_dnnl.h says which may).
 *
 * Any kernel, stride, dilation and pad, both directions, dense or in groups; up to LANE_TAPS taps
 * and strides along an axis.  Every output is summed by one thread, in an order that depends on its
 * position alone. */
#pragma once
#include "cpu.h"

typedef struct cpu_direct cpu_direct; /* with its weights, in the order that the kernel reads */

/* Forward `made` is the output and `read` the input; backward both are gradients, and `made` is the
 * input's.  made->block is as wide as a vector, read->block anything; no data is looked at.
 * CFP_UNSUPPORTED: more taps or a larger stride. */
cfp_status cpu_direct_open(cpu_direct **out, const cfp_backend *backend, const cfp_node *node,
                           const cfp_window *window, const cfp_tensor *made, const cfp_tensor *read,
                           bool backward);
void cpu_direct_close(cpu_direct **direct); /* accepts NULL inside; nulls */
/* Writes all of made: forward with the bias. */
void cpu_direct_run(const cpu_direct *direct, const cfp_backend *backend, cfp_tensor *made,
                    const cfp_tensor *read);
