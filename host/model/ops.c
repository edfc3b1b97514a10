/* ops.c - the rows of ops.def as a table: what is known of each op without a graph. */
#include "model.h"
#include <float.h>

const cfp_op_info cfp_op_table[CFP_OP_COUNT] = {
#define OP(id, name, min, max, class) [CFP_OP_##id] = {name, min, max, CFP_CLASS_##class},
#include "ops.def"
#undef OP
};

const char *const cfp_pad_modes[] = {"constant", "replicate", "reflect", NULL};

const cfp_parameter cfp_op_parameters[CFP_OP_COUNT][CFP_PARAMETERS] = {
    /* The backward pass finds the side of the kink by the sign of the output: no slope below 0. */
    [CFP_OP_LEAKYRELU] = {{"negative_slope", 0.01, 0}},
    /* scale * x above 0, else scale * alpha * (exp(input_scale * x) - 1): ELU, SELU and CELU */
    [CFP_OP_ELU] = {{"alpha", 1, -FLT_MAX}, {"scale", 1, -FLT_MAX}, {"input_scale", 1, FLT_MIN}},
    [CFP_OP_SOFTPLUS] = {{"beta", 1, FLT_MIN}, {"threshold", 20, 0}},
    [CFP_OP_CLIP] = {{"min", -1, -FLT_MAX}, {"max", 1, -FLT_MAX}},
};
