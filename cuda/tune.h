/* tune.h - autotune: measures which of cuDNN's plans for a convolution is fastest on this device.
 *
 * Choices are lines of a text file, so that each is made once and runs can be repeated:
 *
 *     DEVICE AND VERSIONS <tab> CONVOLUTION <tab> CANDIDATE <tab> ENGINE <tab> MILLISECONDS
 *
 * Lines for another device, CUDA, cuDNN or precision are ignored.  A convolution without a line is
 * measured, in memory allocated for this, and its line is appended. */
#pragma once
#include "../host/backend/backend.h"
#include "conv.h"

typedef struct cuda_tuning cuda_tuning;

/* `device` is the backend's describe().  It and `path` must outlive *out.  Creates the file if it
 * is missing.  CFP_IO: it cannot be read or written; CFP_FORMAT: a line is not as above. */
CFP_CHECKED cfp_status cuda_tuning_open(cuda_tuning **out, cfp_ctx *ctx, const char *path,
                                        const char *device);
void cuda_tuning_close(cuda_tuning **tuning); /* accepts NULL inside; nulls */

/* cuda_conv_open with the known choice or, if there is none, with the fastest of the measured
 * candidates, the earlier one of equals. */
CFP_CHECKED cfp_status cuda_tuning_conv_open(cuda_conv **out, cuda_tuning *tuning,
                                             cfp_backend *backend, const cuda_conv_spec *spec);
/* Choice i of those that this run made or used, in the order of use; false after the last. */
bool cuda_tuning_row(const cuda_tuning *tuning, int i, cfp_tuned *row);

/* Measures the milliseconds of `conv` on random operands (cuda_time.c). */
CFP_CHECKED cfp_status cuda_time_conv(float *ms, cfp_backend *backend, const cuda_conv *conv,
                                      const cuda_conv_spec *spec);
