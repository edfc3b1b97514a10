/* shapes.c - computes the output shape of every op, and refuses shapes that do not fit.  No graph
 * is run before its shapes have been checked here. */
#include "model.h"
#include <limits.h>

enum { MAX_EXTENT = 1 << 24 }; /* of one axis: far above any video, low enough for int arithmetic */
static const int64_t max_elements = (int64_t)1 << 40;

static const char axis_name[3] = {'T', 'H', 'W'};

/* Output length of a window along one axis, by PyTorch's rules; <= 0 if it does not fit. */
static int64_t window_extent(int64_t in, const cfp_window *w, int axis, bool ceil_mode)
{
    const int64_t padded = in + w->pad_begin[axis] + w->pad_end[axis];
    const int64_t reach = (int64_t)w->dilation[axis] * (w->kernel[axis] - 1) + 1;
    const int64_t stride = w->stride[axis];

    const int64_t span = padded - reach + (ceil_mode ? stride - 1 : 0);
    if (span < 0) /* with ceil_mode, the one window may reach over the end by less than a stride */
        return 0;
    int64_t out = span / stride + 1;
    if (!ceil_mode)
        return out;
    if ((out - 1) * stride >= in + w->pad_begin[axis])
        out--; /* a last window that starts in the padding at the end does not count */
    return out;
}

static cfp_status window_check(cfp_ctx *ctx, const cfp_model *model, const cfp_node *node,
                               bool pool)
{
    const cfp_window *w = &node->window;
    for (int a = 0; a < 3; a++) {
        if (w->kernel[a] < 1 || w->stride[a] < 1 || w->dilation[a] < 1 ||
            w->kernel[a] > MAX_EXTENT || w->stride[a] > MAX_EXTENT || w->dilation[a] > MAX_EXTENT)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                                 "kernel %d, stride %d, dilation %d along %c: must be at least 1 "
                                 "and sane",
                                 w->kernel[a], w->stride[a], w->dilation[a], axis_name[a]);
        if (w->pad_begin[a] < 0 || w->pad_end[a] < 0 || w->pad_begin[a] > MAX_EXTENT ||
            w->pad_end[a] > MAX_EXTENT)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node, "padding %d, %d along %c",
                                 w->pad_begin[a], w->pad_end[a], axis_name[a]);
        /* A pool whose window covers only padding has no value. */
        if (pool && (w->pad_begin[a] >= w->kernel[a] || w->pad_end[a] >= w->kernel[a]))
            return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                                 "padding %d, %d along %c is not smaller than the kernel %d",
                                 w->pad_begin[a], w->pad_end[a], axis_name[a], w->kernel[a]);
    }
    return CFP_OK;
}

static cfp_status window_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node, cfp_shape in,
                               bool pool)
{
    CFP_TRY(window_check(ctx, model, node, pool));
    const int extent[3] = {in.t, in.h, in.w};
    int out[3];
    for (int a = 0; a < 3; a++) {
        const int64_t e = window_extent(extent[a], &node->window, a, node->ceil_mode);
        if (e < 1 || e > MAX_EXTENT)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                                 "a window of %d (dilation %d) does not fit on %c = %d with "
                                 "padding %d, %d",
                                 node->window.kernel[a], node->window.dilation[a], axis_name[a],
                                 extent[a], node->window.pad_begin[a], node->window.pad_end[a]);
        out[a] = (int)e;
    }
    node->shape.t = out[0];
    node->shape.h = out[1];
    node->shape.w = out[2];
    return CFP_OK;
}

static cfp_status conv_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node, cfp_shape in)
{
    if (node->groups < 1 || in.c % node->groups != 0 || node->shape.c % node->groups != 0)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                             "%d groups do not divide %d channels into %d kernels", node->groups,
                             in.c, node->shape.c);
    if (in.c / node->groups != node->kernel_channels)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                             "a kernel reads %d channels, its input has %d in %d groups",
                             node->kernel_channels, in.c, node->groups);
    return window_shape(ctx, model, node, in, false);
}

static cfp_status linear_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node, cfp_shape in)
{
    if (cfp_positions(in) != 1)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                             "reads %d x %d x %d x %d; a linear layer wants flatten or "
                             "globalavgpool before it",
                             in.c, in.t, in.h, in.w);
    if (in.c != node->kernel_channels)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "reads %d numbers, its input has %d",
                             node->kernel_channels, in.c);
    node->shape.t = node->shape.h = node->shape.w = 1;
    return CFP_OK;
}

static cfp_status join_extent(cfp_ctx *ctx, const cfp_model *model, const cfp_node *node,
                              const char *axis, int *out, int in)
{
    if (in == *out || in == 1)
        return CFP_OK;
    if (*out != 1)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "inputs differ along %s: %d and %d", axis,
                             *out, in);
    *out = in;
    return CFP_OK;
}

static cfp_status broadcast_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node)
{
    cfp_shape out = model->node[node->input[0]].shape;
    for (int k = 1; k < node->n_inputs; k++) {
        const cfp_shape in = model->node[node->input[k]].shape;
        CFP_TRY(join_extent(ctx, model, node, "channels", &out.c, in.c));
        CFP_TRY(join_extent(ctx, model, node, "T", &out.t, in.t));
        CFP_TRY(join_extent(ctx, model, node, "H", &out.h, in.h));
        CFP_TRY(join_extent(ctx, model, node, "W", &out.w, in.w));
    }
    node->shape = out;
    return CFP_OK;
}

static cfp_status concat_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node)
{
    const int axis = cfp_concat_axis(node);
    cfp_shape out = model->node[node->input[0]].shape;
    if (axis < 1 || axis > 4)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "axis %d is none of 1 (C) to 4 (W)",
                             axis);
    int *const extent = (int *const[]){&out.c, &out.t, &out.h, &out.w}[axis - 1];
    for (int k = 1; k < node->n_inputs; k++) {
        const cfp_shape in = model->node[node->input[k]].shape;
        if ((axis != 1 && in.c != out.c) || (axis != 2 && in.t != out.t) ||
            (axis != 3 && in.h != out.h) || (axis != 4 && in.w != out.w))
            return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                                 "concatenates %d x %d x %d x %d and %d x %d x %d x %d along %c",
                                 out.c, out.t, out.h, out.w, in.c, in.t, in.h, in.w,
                                 "CTHW"[axis - 1]);
        const int64_t sum = (int64_t)*extent + (const int[]){in.c, in.t, in.h, in.w}[axis - 1];
        if (sum > MAX_EXTENT)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node, "an extent of %lld", (long long)sum);
        *extent = (int)sum;
    }
    node->shape = out;
    return CFP_OK;
}

static cfp_status upsample_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node, cfp_shape in)
{
    int *const extent[3] = {&in.t, &in.h, &in.w};
    for (int a = 0; a < 3; a++) {
        if (node->factor[a] < 1 || (int64_t)*extent[a] * node->factor[a] > MAX_EXTENT)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node, "factor %d of %c = %d",
                                 node->factor[a], axis_name[a], *extent[a]);
        *extent[a] *= node->factor[a];
    }
    node->shape = in;
    return CFP_OK;
}

/* What is mirrored must be there, and channels have no neighbours. */
static cfp_status check_pad_mode(cfp_ctx *ctx, const cfp_model *model, const cfp_node *node,
                                 cfp_shape in)
{
    const int extent[3] = {in.t, in.h, in.w};
    if (node->pad_mode == CFP_PAD_CONSTANT)
        return CFP_OK;
    if (node->channels_begin > 0 || node->channels_end > 0)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "pads channels with mode '%s'",
                             cfp_pad_modes[node->pad_mode]);
    for (int a = 0; a < 3 && node->pad_mode == CFP_PAD_REFLECT; a++)
        if (node->window.pad_begin[a] >= extent[a] || node->window.pad_end[a] >= extent[a])
            return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                                 "reflects %d and %d of %c = %d; less than all is wanted",
                                 node->window.pad_begin[a], node->window.pad_end[a], axis_name[a],
                                 extent[a]);
    return CFP_OK;
}

static cfp_status pad_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node, cfp_shape in)
{
    const int added[4] = {node->channels_begin, node->window.pad_begin[0],
                          node->window.pad_begin[1], node->window.pad_begin[2]};
    const int behind[4] = {node->channels_end, node->window.pad_end[0], node->window.pad_end[1],
                           node->window.pad_end[2]};
    int extent[4] = {in.c, in.t, in.h, in.w};
    for (int a = 0; a < 4; a++) {
        if (added[a] < 0 || behind[a] < 0 || added[a] > MAX_EXTENT || behind[a] > MAX_EXTENT)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                                 "pads by %d and %d; negative padding is a slice", added[a],
                                 behind[a]);
        if ((int64_t)extent[a] + added[a] + behind[a] > MAX_EXTENT)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node, "an extent beyond %d", MAX_EXTENT);
        extent[a] += added[a] + behind[a];
    }
    node->shape = (cfp_shape){1, extent[0], extent[1], extent[2], extent[3]};
    return check_pad_mode(ctx, model, node, in);
}

/* Resolves start and stop as Python does: negative ones count from the end, then both are clamped.
 */
static int64_t python_bound(int64_t at, int64_t extent)
{
    if (at < 0)
        at += extent;
    return at < 0 ? 0 : at > extent ? extent : at;
}

static cfp_status slice_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node, cfp_shape in)
{
    node->shape = in;
    int *const extent[5] = {NULL, &node->shape.c, &node->shape.t, &node->shape.h, &node->shape.w};
    if (node->axis < 1 || node->axis > 4)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "axis %d is none of 1 (C) to 4 (W)",
                             node->axis);
    if (node->step < 1)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "step %d", node->step);
    const int whole = *extent[node->axis];
    node->start = (int)python_bound(node->start, whole);
    node->stop = (int)python_bound(node->stop, whole);
    if (node->start >= node->stop)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "takes nothing: [%d, %d) of %d",
                             node->start, node->stop, whole);
    *extent[node->axis] = (node->stop - node->start - 1) / node->step + 1;
    return CFP_OK;
}

static cfp_status flatten_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node, cfp_shape in)
{
    if (cfp_count(in) > MAX_EXTENT)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "flattens %lld numbers",
                             (long long)cfp_count(in));
    node->shape = (cfp_shape){1, (int)cfp_count(in), 1, 1, 1};
    return CFP_OK;
}

/* A norm without gamma and beta gets ones and zeros. */
static cfp_status norm_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node, cfp_shape in)
{
    node->shape = in;
    if (node->op == CFP_OP_INSTANCENORM)
        node->groups = in.c;
    if (node->op == CFP_OP_GROUPNORM && (node->groups < 1 || in.c % node->groups != 0))
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "%d groups do not divide %d channels",
                             node->groups, in.c);
    if (node->channels != 0 && node->channels != in.c)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "has %d channels, its input %d",
                             node->channels, in.c);
    if (node->scale == NULL)
        CFP_TRY_ALLOC(ctx, node->scale, in.c);
    if (node->shift == NULL)
        CFP_TRY_ALLOC(ctx, node->shift, in.c);
    for (int c = 0; c < in.c && node->channels == 0; c++)
        node->scale[c] = 1;
    return CFP_OK;
}

/* One slope becomes one a channel. */
static cfp_status spread_slope(cfp_ctx *ctx, cfp_node *node)
{
    float *slope;
    if (node->channels == node->shape.c)
        return CFP_OK;
    CFP_TRY_ALLOC(ctx, slope, node->shape.c);
    for (int c = 0; c < node->shape.c; c++)
        slope[c] = node->slope[0];
    cfp_free(node->slope);
    node->slope = slope;
    return CFP_OK;
}

static cfp_status shape_of(cfp_ctx *ctx, const cfp_model *model, cfp_node *node)
{
    const cfp_shape in = model->node[node->input[0]].shape;

    switch (node->op) {
    case CFP_OP_CONV3D:
        return conv_shape(ctx, model, node, in);
    case CFP_OP_LINEAR:
        return linear_shape(ctx, model, node, in);
    case CFP_OP_MAXPOOL3D:
    case CFP_OP_AVGPOOL3D:
        node->shape.c = in.c;
        return window_shape(ctx, model, node, in, true);
    case CFP_OP_GLOBALAVGPOOL:
        node->shape = (cfp_shape){1, in.c, 1, 1, 1};
        return CFP_OK;
    case CFP_OP_FLATTEN:
        return flatten_shape(ctx, model, node, in);
    case CFP_OP_ADD:
    case CFP_OP_MUL:
        return broadcast_shape(ctx, model, node);
    case CFP_OP_CONCAT:
        return concat_shape(ctx, model, node);
    case CFP_OP_UPSAMPLE:
        return upsample_shape(ctx, model, node, in);
    case CFP_OP_PAD:
        return pad_shape(ctx, model, node, in);
    case CFP_OP_SLICE:
        return slice_shape(ctx, model, node, in);
    case CFP_OP_CHANNEL_SHUFFLE:
        if (node->groups < 1 || in.c % node->groups != 0)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node, "%d groups do not divide %d channels",
                                 node->groups, in.c);
        node->shape = in;
        return CFP_OK;
    case CFP_OP_BATCHNORM:
        if (node->channels != in.c)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node, "has %d channels, its input %d",
                                 node->channels, in.c);
        node->shape = in;
        return CFP_OK;
    case CFP_OP_INSTANCENORM:
    case CFP_OP_GROUPNORM:
    case CFP_OP_LAYERNORM:
        return norm_shape(ctx, model, node, in);
    case CFP_OP_PRELU:
        if (node->channels != 1 && node->channels != in.c)
            return cfp_fail_node(ctx, CFP_SHAPE, model, node,
                                 "has %d slopes, its input %d channels; one, or one a channel, is "
                                 "wanted",
                                 node->channels, in.c);
        node->shape = in;
        return spread_slope(ctx, node);
    default: /* activations, softmax, identity */
        node->shape = in;
        return CFP_OK;
    }
}

cfp_status cfp_node_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node)
{
    node->shape.n = 1;
    CFP_TRY(shape_of(ctx, model, node));
    /* Each extent is at most 2^24, so two products of them fit in 64 bits, four may not. */
    const cfp_shape s = node->shape;
    if ((int64_t)s.t * s.h > max_elements / s.w || (int64_t)s.t * s.h * s.w > max_elements / s.c)
        return cfp_fail_node(ctx, CFP_SHAPE, model, node, "an output of %d x %d x %d x %d", s.c,
                             s.t, s.h, s.w);
    return CFP_OK;
}
