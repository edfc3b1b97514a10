/* toy.h - makes networks in memory that are small enough to compute by hand.
 *
 *     struct toy t = {0};
 *     toy_begin(&t, (cfp_shape){1, 2, 1, 1, 2});            the clip: 2 channels, 2 positions
 *     toy_conv(&t, "a", "input", 2, 1, (float[]){1, 0, 0, 1});
 *     toy_op(&t, "r", CFP_OP_RELU, "a", NULL);
 *     ...
 *     toy_finish(&t, "fc", n_classes);
 *
 * Kernels are 1x1x1, with weights O x I/groups.  For anything else, change the node that toy_node
 * returns. */
#pragma once
#include "../host/method/descent.h"

enum { TOY_MOST = 96 };

struct toy {
    cfp_ctx ctx;
    cfp_model model;
    const char *name[TOY_MOST], *input[TOY_MOST][4];
    cfp_device device;
    cfp_analyser *analyser; /* of toy_descend */
    cfp_trace *trace;       /* a test's own */
    float *logits;
};

void toy_begin(struct toy *t, cfp_shape clip);
cfp_node *toy_node(struct toy *t, const char *name, cfp_op op, const char *in0, const char *in1);
void toy_conv(struct toy *t, const char *name, const char *in, int kernels, int per_group,
              int groups, const float *weight);
void toy_linear(struct toy *t, const char *name, const char *in, int kernels, int channels,
                const float *weight);
void toy_batchnorm(struct toy *t, const char *name, const char *in, int channels,
                   const float *scale, const float *shift);
/* Sorts and folds the nodes and computes their shapes.  n_classes is taken from `output`.  Returns
 * the status, because some tests expect a refusal. */
cfp_status toy_finish(struct toy *t, const char *output);
/* Opens a trace on the reference backend, runs `clip` (plain) forward and descends from class. */
cfp_status toy_descend(struct toy *t, cfp_pyramid *out, const cfp_query *query, int class_index,
                       const float *clip);
const cfp_layer *toy_layer(const struct toy *t, const cfp_pyramid *p, const char *name);
void toy_end(struct toy *t);
