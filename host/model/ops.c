/* ops.c - the rows of ops.def as a table: what is known of each op without a graph. */
#include "model.h"

const cfp_op_info cfp_op_table[CFP_OP_COUNT] = {
#define OP(id, name, min, max, class) [CFP_OP_##id] = {name, min, max, CFP_CLASS_##class},
#include "ops.def"
#undef OP
};
