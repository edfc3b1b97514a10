/* tune.h - autotune: which of the plans that cuDNN offers for a convolution is fastest here.
 *
 * Choices live in a text file, a line each, so that they are made once and runs can be repeated:
 *
 *     DEVICE AND VERSIONS <tab> CONVOLUTION <tab> CANDIDATE <tab> ENGINE <tab> MILLISECONDS
 *
 * Those of another device, driver library or precision are left alone.  What is missing is timed,
 * with memory of its own, and its line appended. */
#pragma once
#include "../host/backend/backend.h"
#include "conv.h"

typedef struct cuda_tuning cuda_tuning;

/* `device` is the backend's describe(), borrowed like `path`.  The file may be missing yet;
 * CFP_IO where it cannot be written, CFP_FORMAT where it is something else. */
CFP_CHECKED cfp_status cuda_tuning_open(cuda_tuning **out, cfp_ctx *ctx, const char *path,
                                        const char *device);
void cuda_tuning_close(cuda_tuning **tuning); /* accepts NULL inside; nulls */

/* cuda_conv_open by what is known or, if nothing is, by the clock: the least time wins, of equals
 * the earlier candidate. */
CFP_CHECKED cfp_status cuda_tuning_conv_open(cuda_conv **out, cuda_tuning *tuning,
                                             cfp_backend *backend, const cuda_conv_spec *spec);
/* Choices that this run has made or followed, in the order in which they were asked for. */
bool cuda_tuning_row(const cuda_tuning *tuning, int i, cfp_tuned *row);

/* How long it takes on operands of its own sizes (cuda_time.c). */
CFP_CHECKED cfp_status cuda_time_conv(float *ms, cfp_backend *backend, const cuda_conv *conv,
                                      const cuda_conv_spec *spec);
