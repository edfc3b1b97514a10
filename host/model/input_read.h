/* input_read.h - reads /input of a model file; private to host/model/. */
#pragma once
#include "../h5/h5_file.h"
#include "model.h"

/* group: /input.  where: the start of messages.  The caller frees in->mean and in->std, also after
 * a failure. */
CFP_CHECKED cfp_status cfp_input_read(cfp_input_spec *in, cfp_ctx *ctx, const cfp_h5_group *group,
                                      const char *where);
