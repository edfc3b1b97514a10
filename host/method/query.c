/* query.c - see query.h. */
#include "query.h"
#include <math.h>

const char *const cfp_rule_names[] = {"cfp", "reference", "grad", NULL};
const char *const cfp_propagate_names[] = {"edge", "path", NULL};
const char *const cfp_normalise_names[] = {"minmax", "max", NULL};
const char *const cfp_class_relevance_names[] = {"weights", "contribution", "contrast", NULL};
const char *const cfp_mask_names[] = {"selected", "none", NULL};
const char *const cfp_target_names[] = {"odds", "margin", "logit", NULL};
const char *const cfp_baseline_names[] = {"zero", "blank", "freeze", "reverse", "shuffle", NULL};
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
                       .target = CFP_TARGET_BY_HEAD,
                       .mask = CFP_MASK_SELECTED,
                       .baseline = CFP_BASELINE_ZERO,
                       .steps = 1,
                       .turn_down = 1,
                       .tubes = CFP_TUBES_LAYERS};
}

cfp_query cfp_query_recommended(void)
{
    cfp_query query = cfp_query_default();
    query.rule = CFP_RULE_GRAD;
    query.theta = 0.1;
    query.mask = CFP_MASK_NONE;
    query.baseline = CFP_BASELINE_BLANK;
    query.turn_down = 0.25;
    return query;
}

const char *cfp_baseline_word(const cfp_query *query)
{
    return query->baseline == CFP_BASELINE_CLIP ? query->baseline_path
                                                : cfp_baseline_names[query->baseline];
}

static cfp_status check_turn_down(cfp_ctx *ctx, const cfp_query *query)
{
    if (!(query->turn_down > 0 && query->turn_down <= 1))
        return cfp_fail(ctx, CFP_USAGE, "--turn-down: %g is not within 0 to 1, or is 0",
                        query->turn_down);
    if (query->turn_down == 1)
        return CFP_OK;
    if (query->rule != CFP_RULE_GRAD)
        return cfp_fail(ctx, CFP_USAGE, "--turn-down: rule %s has no gradient",
                        cfp_rule_names[query->rule]);
    if (query->baseline == CFP_BASELINE_ZERO)
        return cfp_fail(
            ctx, CFP_USAGE,
            "--turn-down: needs a --baseline with a clip, such as blank, to turn down to");
    if (query->steps != 1)
        return cfp_fail(ctx, CFP_USAGE, "--turn-down: takes one gradient, --steps 1");
    return CFP_OK;
}

/* Refuses the choices that only rule grad has. */
static cfp_status check_gradient(cfp_ctx *ctx, const cfp_query *query)
{
    const char *const rule = cfp_rule_names[query->rule];
    if (query->steps < 1 || query->steps > CFP_MOST_STEPS)
        return cfp_fail(ctx, CFP_USAGE, "--steps: %d is not within 1 to %d", query->steps,
                        CFP_MOST_STEPS);
    CFP_TRY(check_turn_down(ctx, query));
    if (query->rule == CFP_RULE_GRAD)
        return CFP_OK;
    if (query->mask != CFP_MASK_SELECTED)
        return cfp_fail(ctx, CFP_USAGE, "--mask: rule %s has no gradient to mask", rule);
    if (query->baseline != CFP_BASELINE_ZERO)
        return cfp_fail(ctx, CFP_USAGE, "--baseline: rule %s compares with no other clip", rule);
    if (query->steps != 1)
        return cfp_fail(ctx, CFP_USAGE, "--steps: rule %s has no gradient to average", rule);
    if (query->class_relevance != CFP_CLASS_CONTRAST &&
        (query->target == CFP_TARGET_MARGIN || query->target == CFP_TARGET_LOGIT))
        return cfp_fail(ctx, CFP_USAGE,
                        "--target: rule %s asks for none without --class-relevance contrast", rule);
    return CFP_OK;
}

cfp_status cfp_query_check(cfp_ctx *ctx, const cfp_query *query)
{
    CFP_TRY(check_gradient(ctx, query));
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
