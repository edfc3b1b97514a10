/* model_read_ops.c - reads what single ops have of their own: norms by the clip's statistics,
 * parameters of activations, pads, concat, upsample.  model_read.c reads the rest of a model file.
 */
#include "model_read.h"
#include <math.h>
#include <string.h>

cfp_status cfp_read_real(float *value, cfp_ctx *ctx, const cfp_h5_group *g, const char *where,
                         double standard, const char *name)
{
    double number = standard;
    CFP_TRY(cfp_h5_double(&number, ctx, g, where, name, false));
    *value = (float)number;
    return isfinite(*value) ? CFP_OK
                            : cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is %g", where, name, number);
}

/* A norm by the clip's own statistics: gamma and beta, both or neither. */
static cfp_status read_clip_norm(cfp_ctx *ctx, const cfp_h5_group *g, const char *where,
                                 cfp_node *node)
{
    int dims[CFP_H5_MAX_RANK] = {0}, beta[CFP_H5_MAX_RANK] = {0};
    node->eps = 1e-5;
    CFP_TRY(cfp_h5_double(&node->eps, ctx, g, where, "eps", false));
    if (!(node->eps > 0) || !isfinite(node->eps))
        return cfp_fail(ctx, CFP_FORMAT, "%s: 'eps' is %g", where, node->eps);
    if (node->op == CFP_OP_GROUPNORM)
        CFP_TRY(cfp_h5_int(&node->groups, ctx, g, where, "groups", true));
    CFP_TRY(cfp_h5_floats(&node->scale, dims, 1, ctx, g, where, "gamma", false));
    CFP_TRY(cfp_h5_floats(&node->shift, beta, 1, ctx, g, where, "beta", node->scale != NULL));
    if (node->scale == NULL && node->shift != NULL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: has beta and no gamma", where);
    if (dims[0] != beta[0])
        return cfp_fail(ctx, CFP_SHAPE, "%s: beta has %d values, gamma %d", where, beta[0],
                        dims[0]);
    node->channels = dims[0];
    return CFP_OK;
}

/* The numbers of an activation. */
static cfp_status read_parameters(cfp_ctx *ctx, const cfp_h5_group *g, const char *where,
                                  cfp_node *node)
{
    for (int i = 0; i < CFP_PARAMETERS && cfp_op_parameters[node->op][i].name != NULL; i++) {
        const cfp_parameter *p = &cfp_op_parameters[node->op][i];
        float *value = &node->parameter[i];
        CFP_TRY(cfp_read_real(value, ctx, g, where, p->standard, p->name));
        if (*value < p->least)
            return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: '%s' is %g; %s is not supported", where,
                            p->name, (double)*value, p->least > 0 ? "0 or less" : "below 0");
    }
    if (node->op == CFP_OP_CLIP && !(node->parameter[0] < node->parameter[1]))
        return cfp_fail(ctx, CFP_FORMAT, "%s: 'min' %g is not below 'max' %g", where,
                        (double)node->parameter[0], (double)node->parameter[1]);
    return CFP_OK;
}

static cfp_status read_prelu(cfp_ctx *ctx, const cfp_h5_group *g, const char *where, cfp_node *node)
{
    int dims[CFP_H5_MAX_RANK];
    CFP_TRY(cfp_h5_floats(&node->slope, dims, 1, ctx, g, where, "slope", true));
    node->channels = dims[0];
    return CFP_OK;
}

static cfp_status read_pad_mode(cfp_ctx *ctx, const cfp_h5_group *g, const char *where,
                                cfp_node *node)
{
    char *word = NULL;
    int mode = 0;
    if (cfp_h5_find_attribute(g, "mode") == NULL)
        return CFP_OK;
    CFP_TRY(cfp_h5_string(&word, ctx, g, where, "mode", true));
    while (cfp_pad_modes[mode] != NULL && strcmp(word, cfp_pad_modes[mode]) != 0)
        mode++;
    cfp_status status = CFP_OK;
    if (cfp_pad_modes[mode] == NULL)
        status = cfp_fail(ctx, CFP_UNSUPPORTED,
                          "%s: mode '%s' is none of constant, replicate, reflect", where, word);
    else
        node->pad_mode = (cfp_pad_mode)mode;
    cfp_free(word);
    return status;
}

static cfp_status read_pad(cfp_ctx *ctx, const cfp_h5_group *g, const char *where, cfp_node *node)
{
    CFP_TRY(cfp_h5_ints(node->window.pad_begin, 3, ctx, g, where, "pad_begin", false));
    CFP_TRY(cfp_h5_ints(node->window.pad_end, 3, ctx, g, where, "pad_end", false));
    CFP_TRY(cfp_h5_int(&node->channels_begin, ctx, g, where, "channels_begin", false));
    CFP_TRY(cfp_h5_int(&node->channels_end, ctx, g, where, "channels_end", false));
    CFP_TRY(read_pad_mode(ctx, g, where, node));
    return cfp_read_real(&node->value, ctx, g, where, 0.0, "value");
}

static cfp_status read_concat(cfp_ctx *ctx, const cfp_h5_group *g, const char *where,
                              cfp_node *node)
{
    node->axis = 1;
    CFP_TRY(cfp_h5_int(&node->axis, ctx, g, where, "axis", false));
    if (node->axis < 1 || node->axis > 4)
        return cfp_fail(ctx, CFP_FORMAT, "%s: axis %d is none of 1 (C) to 4 (W)", where,
                        node->axis);
    return CFP_OK;
}

cfp_status cfp_read_op(cfp_node *node, cfp_ctx *ctx, const cfp_h5_group *g, const char *where)
{
    if (cfp_is_clip_norm(node->op))
        return read_clip_norm(ctx, g, where, node);
    switch (node->op) {
    case CFP_OP_PRELU:
        return read_prelu(ctx, g, where, node);
    case CFP_OP_PAD:
        return read_pad(ctx, g, where, node);
    case CFP_OP_CONCAT:
        return read_concat(ctx, g, where, node);
    case CFP_OP_UPSAMPLE:
        return cfp_h5_ints(node->factor, 3, ctx, g, where, "factor", true);
    default:
        return read_parameters(ctx, g, where, node);
    }
}
