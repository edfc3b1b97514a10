/* model_read.h - what the files that read a model file share; private to this folder.
 *
 * g is the node's group.  `where` starts every message. */
#pragma once
#include "../h5/h5_file.h"
#include "model.h"

/* A float attribute; `standard` if the file does not have it.  Refused if it is not finite. */
CFP_CHECKED cfp_status cfp_read_real(float *value, cfp_ctx *ctx, const cfp_h5_group *g,
                                     const char *where, double standard, const char *name);
/* What node->op has of its own, of the ops of model_read_ops.c; nothing for others. */
CFP_CHECKED cfp_status cfp_read_op(cfp_node *node, cfp_ctx *ctx, const cfp_h5_group *g,
                                   const char *where);
