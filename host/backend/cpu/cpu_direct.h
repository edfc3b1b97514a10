/* cpu_direct.h - a convolution by our own plain sum, where oneDNN has no allowed kernel (cpu_dnnl.h
 * says which are allowed).
 *
 * It takes any kernel, stride, dilation, padding and groups, in both directions, with at most
 * LANE_TAPS taps and strides along an axis.  One thread sums each output, in an order that depends
 * only on the output's position. */
#pragma once
#include "cpu.h"

typedef struct cpu_direct cpu_direct; /* with its weights, in the order that the kernel reads */

/* Forward, `made` is the output and `read` the input.  Backward, `made` is the gradient of the
 * input and `read` that of the output.  made->block must be as wide as a vector; read->block may be
 * anything.  No data is read.  CFP_UNSUPPORTED: too many taps or too large a stride. */
cfp_status cpu_direct_open(cpu_direct **out, const cfp_backend *backend, const cfp_node *node,
                           const cfp_window *window, const cfp_tensor *made, const cfp_tensor *read,
                           bool backward);
void cpu_direct_close(cpu_direct **direct); /* accepts NULL inside; nulls */
/* Writes all of made: forward with the bias. */
void cpu_direct_run(const cpu_direct *direct, const cfp_backend *backend, cfp_tensor *made,
                    const cfp_tensor *read);
