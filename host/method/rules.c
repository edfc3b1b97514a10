/* rules.c - the relevance rules of SPEC section 1, one function each and one row in the table.
 *
 * A rule gives values v(o, i); a normalisation makes relevances of them.  Sums run in double, a
 * relevance is rounded to float32 once, at the end: what is compared with theta is what is
 * written, so a file can be re-thresholded exactly. */
#include "rules.h"
#include <math.h>

/* (v - min) / (max - min); where max = min: 1 if v != 0, else 0. */
static void min_max(float *r, const double *v, int n)
{
    double low = v[0], high = v[0];
    for (int i = 1; i < n; i++) {
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
    }
    for (int i = 0; i < n; i++)
        r[i] = high > low ? (float)((v[i] - low) / (high - low)) : v[i] != 0 ? 1.0f : 0.0f;
}

/* max(v, 0) / high, all zero where nothing is above 0. */
static void positive_share(float *r, const double *v, int n, double high)
{
    for (int i = 0; i < n; i++)
        r[i] = high > 0 && v[i] > 0 ? (float)(v[i] / high) : 0.0f;
}

static double highest(const double *v, int n)
{
    double high = 0;
    for (int i = 0; i < n; i++)
        high = v[i] > high ? v[i] : high;
    return high;
}

static void normalise(float *r, const double *v, int n, const cfp_query *query)
{
    if (query->normalise == CFP_NORMALISE_MAX)
        positive_share(r, v, n, highest(v, n));
    else
        min_max(r, v, n);
}

static const float *kernel_row(const cfp_rule_layer *layer, int o)
{
    return layer->node->kernel_mean +
           (int64_t)o * cfp_channels_per_group(layer->model, layer->node);
}

/* SPEC "At the classifier": W(c, i) alone, scaled over the whole matrix, or W(c, i) * x(i). */
static void classifier(float *r, double *v, int n, const cfp_rule_layer *layer,
                       const cfp_query *query, int o)
{
    const float *w = kernel_row(layer, o);
    const int first = cfp_first_channel(layer->model, layer->node, o);
    if (query->class_relevance == CFP_CLASS_CONTRIBUTION) {
        for (int i = 0; i < n; i++)
            v[i] = (double)w[i] * (double)layer->x_mean[first + i];
        normalise(r, v, n, query);
    } else {
        const double low = layer->weight_min, range = layer->weight_max - low;
        for (int i = 0; i < n; i++)
            r[i] = range > 0 ? (float)(((double)w[i] - low) / range)
                   : w[i] != 0.0f && query->rule == CFP_RULE_CFP ? 1.0f
                                                                 : 0.0f;
    }
    if (query->propagate == CFP_PROPAGATE_PATH) {
        float high = 0;
        for (int i = 0; i < n; i++)
            high = r[i] > high ? r[i] : high;
        for (int i = 0; i < n && high > 0; i++)
            r[i] /= high; /* the best path has R = 1 */
    }
}

static cfp_span score_cfp(float *r, double *v, const cfp_rule_layer *layer, const cfp_query *query,
                          int o)
{
    const cfp_span span = {cfp_first_channel(layer->model, layer->node, o),
                           cfp_channels_per_group(layer->model, layer->node)};
    if (layer->classifier) {
        classifier(r, v, span.n, layer, query, o);
        return span;
    }
    const float *k = kernel_row(layer, o);
    const double scale =
        layer->node->kernel_scale != NULL ? (double)layer->node->kernel_scale[o] : 1.0;
    for (int i = 0; i < span.n; i++)
        v[i] = scale * (double)k[i] * (double)layer->x_mean[span.first + i];
    normalise(r, v, span.n, query);
    return span;
}

/* What the published code computes, its quirks included: grouped kernels inflated over all
 * channels, values divided by their sum (a negative one turns the order round), 0/0 = nothing. */
static cfp_span score_reference(float *r, double *v, const cfp_rule_layer *layer,
                                const cfp_query *query, int o)
{
    if (layer->classifier)
        return score_cfp(r, v, layer, query, o);
    const cfp_span span = {0, cfp_channels_in(layer->model, layer->node)};
    const float *k = kernel_row(layer, o);
    double sum = 0, low = INFINITY, high = -INFINITY;
    for (int j = 0; j < span.n; j++) {
        v[j] = (double)k[j / layer->node->groups] * (double)layer->x_mean[j];
        sum += v[j];
    }
    for (int j = 0; j < span.n; j++) {
        v[j] /= sum;
        low = v[j] < low ? v[j] : low;
        high = v[j] > high ? v[j] : high;
    }
    /* NaN, from 0/0 or inf - inf, is below every theta, as it is there. */
    for (int j = 0; j < span.n; j++)
        r[j] = (float)((v[j] - low) / (high - low));
    return span;
}

static cfp_span score_grad(float *r, double *v, const cfp_rule_layer *layer, const cfp_query *query,
                           int o)
{
    const cfp_span span = {cfp_first_channel(layer->model, layer->node, o),
                           cfp_channels_per_group(layer->model, layer->node)};
    (void)query;
    for (int i = 0; i < span.n; i++)
        v[i] = (double)layer->product[span.first + i];
    positive_share(r, v, span.n, layer->product_max);
    return span;
}

static cfp_span (*const score[CFP_RULE_COUNT])(float *r, double *v, const cfp_rule_layer *layer,
                                               const cfp_query *query, int o) = {
    [CFP_RULE_CFP] = score_cfp,
    [CFP_RULE_REFERENCE] = score_reference,
    [CFP_RULE_GRAD] = score_grad,
};

void cfp_rule_prepare(cfp_rule_layer *layer, const cfp_query *query)
{
    const cfp_node *node = layer->node;
    const int64_t n_weights = (int64_t)node->shape.c * cfp_channels_per_group(layer->model, node);
    if (query->rule == CFP_RULE_GRAD) {
        layer->product_max = 0;
        for (int i = 0; i < cfp_channels_in(layer->model, node); i++)
            if ((double)layer->product[i] > layer->product_max)
                layer->product_max = (double)layer->product[i];
    } else if (layer->classifier) {
        layer->weight_min = layer->weight_max = (double)node->kernel_mean[0];
        for (int64_t k = 1; k < n_weights; k++) {
            const double w = (double)node->kernel_mean[k];
            layer->weight_min = w < layer->weight_min ? w : layer->weight_min;
            layer->weight_max = w > layer->weight_max ? w : layer->weight_max;
        }
    }
}

cfp_span cfp_rule_score(float *relevance, double *value, const cfp_rule_layer *layer,
                        const cfp_query *query, int o)
{
    return score[query->rule](relevance, value, layer, query, o);
}
