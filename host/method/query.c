/* query.c - see query.h. */
#include "query.h"
#include <math.h>

const char *const cfp_rule_names[] = {"cfp", "reference", "grad", NULL};
const char *const cfp_propagate_names[] = {"edge", "path", NULL};
const char *const cfp_normalise_names[] = {"minmax", "max", NULL};
const char *const cfp_class_relevance_names[] = {"weights", "contribution", NULL};
const char *const cfp_tubes_names[] = {"layers", "kernels", "none", NULL};
const char *const cfp_interp_names[] = {"linear", "spline", NULL};

cfp_query cfp_query_default(void)
{
    return (cfp_query){.rule = CFP_RULE_CFP,
                       .theta = 0.6,
                       .depth = CFP_ALL_DEPTHS,
                       .propagate = CFP_PROPAGATE_EDGE,
                       .normalise = CFP_NORMALISE_MINMAX,
                       .class_relevance = CFP_CLASS_WEIGHTS,
                       .tubes = CFP_TUBES_LAYERS};
}

cfp_status cfp_query_check(cfp_ctx *ctx, const cfp_query *query)
{
    if (!(query->theta >= 0 && query->theta <= 1))
        return cfp_fail(ctx, CFP_USAGE, "--theta: %g is not within 0 to 1", query->theta);
    if (query->rule == CFP_RULE_GRAD && query->propagate == CFP_PROPAGATE_PATH)
        return cfp_fail(ctx, CFP_USAGE, "--propagate: rule grad has no paths: edge only");
    if (query->rule == CFP_RULE_GRAD && query->class_relevance != CFP_CLASS_WEIGHTS)
        return cfp_fail(ctx, CFP_USAGE,
                        "--class-relevance: rule grad treats the classifier as any "
                        "other layer");
    if (query->rule == CFP_RULE_REFERENCE && query->normalise != CFP_NORMALISE_MINMAX)
        return cfp_fail(ctx, CFP_USAGE,
                        "--normalise: rule reference is the published code: minmax only");
    return CFP_OK;
}
