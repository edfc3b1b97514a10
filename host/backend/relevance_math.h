/* relevance_math.h - r(o, i): the rules of SPEC section 1, number by number.
 *
 * The same lines are compiled for the host and, by nvcc, for the device: what is selected must not
 * depend on where.  Values are in double; a relevance is rounded to float32 once, at the end: what
 * is compared with theta is what is written, so a file can be re-thresholded exactly. */
#pragma once
#include "both.h"
#include "relevance.h"
#include <math.h>

CFP_BOTH bool cfp_inflates(const cfp_back_step *s) /* the published code's grouped kernels */
{
    return s->rule == CFP_RULE_REFERENCE && !s->classifier;
}
/* The channels that kernel o is scored over: its group's, or all of them where the published code
 * inflates grouped kernels.  The first, and how many. */
CFP_BOTH int cfp_span_first(const cfp_back_step *s, int o)
{
    return cfp_inflates(s) ? 0 : o / (s->kernels / s->groups) * (s->channels / s->groups);
}
CFP_BOTH int cfp_span_length(const cfp_back_step *s)
{
    return cfp_inflates(s) ? s->channels : s->channels / s->groups;
}

CFP_BOTH int cfp_span_words(const cfp_back_step *s) /* of bits, one a channel */
{
    return (cfp_span_length(s) + 31) / 32;
}

/* v of the j-th channel of kernel o's span, for one clip. */
CFP_BOTH double cfp_value(const cfp_back_step *s, int clip, int o, int j)
{
    const float *input = s->input + (int64_t)clip * s->channels + cfp_span_first(s, o);
    const float *k = s->kernel_mean + (int64_t)o * (s->channels / s->groups);
    if (s->rule == CFP_RULE_GRAD)
        return (double)input[j];
    if (s->classifier && s->class_relevance == CFP_CLASS_WEIGHTS)
        return (double)k[j];
    if (s->classifier && s->class_relevance == CFP_CLASS_CONTRAST)
        return s->contrast[(int64_t)clip * s->channels + cfp_span_first(s, o) + j] *
               (double)input[j];
    if (s->classifier)
        return (double)k[j] * (double)input[j];
    if (s->rule == CFP_RULE_REFERENCE) /* kernels inflated over all channels */
        return (double)k[j / s->groups] * (double)input[j];
    const double scale = s->kernel_scale != NULL ? (double)s->kernel_scale[o] : 1.0;
    return scale * (double)k[j] * (double)input[j];
}

/* The same of an edge: under rule grad a pair has a value of its own. */
CFP_BOTH double cfp_edge_value(const cfp_back_step *s, int clip, int o, int j)
{
    const int64_t row = (int64_t)clip * s->kernels + o;
    if (s->rule == CFP_RULE_GRAD && s->pair != NULL)
        return (double)s->pair[row * (s->channels / s->groups) + j];
    return cfp_value(s, clip, o, j);
}

/* (v - min) / (max - min); where max = min: 1 if v != 0, else 0.  Never -0, which is not in the
 * order of its bits, as demands are compared: hence + 0. */
CFP_BOTH float cfp_min_max(double v, double low, double high)
{
    return high > low ? (float)((v - low) / (high - low)) + 0.0f : v != 0 ? 1.0f : 0.0f;
}
/* max(v, 0) / high, zero where nothing is above 0. */
CFP_BOTH float cfp_positive_share(double v, double high)
{
    return high > 0 && v > 0 ? (float)(v / high) : 0.0f;
}

/* What published code computes, its quirks included: values divided by their sum (a negative one
 * turns the order round); NaN, from 0/0 or inf - inf, is below every theta, as it is there. */
CFP_BOTH float cfp_reference_share(double v, const cfp_row *row)
{
    return (float)((v / row->sum - row->low) / (row->high - row->low)) + 0.0f;
}

/* The classifier's weights alone, scaled over the whole matrix. */
CFP_BOTH float cfp_weight_share(const cfp_back_step *s, double w)
{
    const double range = s->weight_max - s->weight_min;
    return range > 0                           ? (float)((w - s->weight_min) / range) + 0.0f
           : w != 0 && s->rule == CFP_RULE_CFP ? 1.0f
                                               : 0.0f;
}

/* r of value v, given its row. */
CFP_BOTH float cfp_relevance(const cfp_back_step *s, const cfp_row *row, double v)
{
    float r;
    if (s->rule == CFP_RULE_GRAD)
        r = cfp_positive_share(v, row->high);
    else if (s->classifier && s->class_relevance == CFP_CLASS_WEIGHTS)
        r = cfp_weight_share(s, v);
    else if (cfp_inflates(s))
        r = cfp_reference_share(v, row);
    else if (s->normalise == CFP_NORMALISE_MAX)
        r = cfp_positive_share(v, row->high);
    else
        r = cfp_min_max(v, row->low, row->high);
    return row->best > 0 ? r / row->best : r;
}
/* The best path from the class has R = 1: relevances of the classifier are divided by the best. */
CFP_BOTH bool cfp_divides_by_best(const cfp_back_step *s)
{
    return s->classifier && s->rule != CFP_RULE_GRAD && s->propagate == CFP_PROPAGATE_PATH;
}
/* R of a channel that a kernel of relevance `above` selects by r. */
CFP_BOTH double cfp_propagated(const cfp_back_step *s, double above, float r)
{
    if (s->propagate == CFP_PROPAGATE_PATH)
        return above * (double)r;
    return s->propagate == CFP_PROPAGATE_WIDEST && (double)r > above ? above : (double)r;
}
/* Does the highest of the row start from 0? */
CFP_BOTH bool cfp_highest_from_zero(const cfp_back_step *s)
{
    return s->rule == CFP_RULE_GRAD || (s->normalise == CFP_NORMALISE_MAX && !cfp_inflates(s));
}
