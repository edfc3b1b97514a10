/* relevance_math.h - the formulas of r(o, i), by the rules of SPEC section 1.
 *
 * The same lines are compiled for the host and, by nvcc, for the device, so that both select the
 * same channels.  Values are in double.  A relevance is rounded to float32 once, at the end.  The
 * number that is compared with theta is the number that is written, so a file can be thresholded
 * again exactly. */
#pragma once
#include "both.h"
#include "relevance.h"
#include <math.h>

CFP_BOTH bool cfp_inflates(const cfp_back_step *s) /* the published code's grouped kernels */
{
    return s->rule == CFP_RULE_REFERENCE && !s->classifier;
}
/* The first of the channels over which kernel o is scored, and their number: those of its group, or
 * all channels where the published code inflates grouped kernels. */
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

/* v(o, i) of the j-th channel in the span of kernel o, for one clip. */
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

/* The value of an edge: under rule grad each pair has its own. */
CFP_BOTH double cfp_edge_value(const cfp_back_step *s, int clip, int o, int j)
{
    const int64_t row = (int64_t)clip * s->kernels + o;
    if (s->rule == CFP_RULE_GRAD && s->pair != NULL)
        return (double)s->pair[row * (s->channels / s->groups) + j];
    return cfp_value(s, clip, o, j);
}

/* (v - min) / (max - min); if max = min: 1 if v != 0, else 0.  The + 0 avoids -0, because demands
 * are compared by their bits. */
CFP_BOTH float cfp_min_max(double v, double low, double high)
{
    return high > low ? (float)((v - low) / (high - low)) + 0.0f : v != 0 ? 1.0f : 0.0f;
}
/* max(v, 0) / high; 0 if no value is above 0. */
CFP_BOTH float cfp_positive_share(double v, double high)
{
    return high > 0 && v > 0 ? (float)(v / high) : 0.0f;
}

/* The published code's formula, with its quirks: values are divided by their sum (a negative sum
 * reverses their order); NaN, from 0/0 or inf - inf, is below every theta. */
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
/* True if the classifier's relevances are divided by the highest, so that the best path has R = 1.
 */
CFP_BOTH bool cfp_divides_by_best(const cfp_back_step *s)
{
    return s->classifier && s->rule != CFP_RULE_GRAD && s->propagate == CFP_PROPAGATE_PATH;
}
/* R of a channel that a kernel of relevance `above` selects with r. */
CFP_BOTH double cfp_propagated(const cfp_back_step *s, double above, float r)
{
    if (s->propagate == CFP_PROPAGATE_PATH)
        return above * (double)r;
    return s->propagate == CFP_PROPAGATE_WIDEST && (double)r > above ? above : (double)r;
}
/* True if the search for the highest value of a row starts from 0. */
CFP_BOTH bool cfp_highest_from_zero(const cfp_back_step *s)
{
    return s->rule == CFP_RULE_GRAD || (s->normalise == CFP_NORMALISE_MAX && !cfp_inflates(s));
}
