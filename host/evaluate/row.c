/* row.c - see row.h. */
#include "row.h"
#include <math.h>

cfp_eval_row cfp_eval_row_empty(void)
{
    return (cfp_eval_row){
        .class_index = -1,
        .theta = NAN,
        .depth = -1,
        .kernels = -1,
        .ablated = -1,
        .share = NAN,
        .value = NAN,
        .chance = NAN,
        .percentile = NAN,
        .draws = -1,
    };
}
