/* conv_spec.c - a kernel layer of a model as a convolution over stored channels.
 *
 * Channels can be padded behind the last one only.  Without groups that is free: weights of 0 meet
 * them.  With groups, the padding has to be whole groups more (depth-wise layers: always). */
#include "conv.h"

enum { CHANNELS_AT_ONCE = 8 };

static int padded(int channels)
{
    return (channels + CHANNELS_AT_ONCE - 1) / CHANNELS_AT_ONCE * CHANNELS_AT_ONCE;
}

cuda_conv_spec cuda_conv_spec_of(const cfp_node *node, cfp_shape src, int src_block)
{
    static const cfp_window point = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}};
    const cfp_window *window = node->op == CFP_OP_LINEAR ? &point : &node->window;
    const cfp_shape dst = node->shape;
    const int groups = cfp_max_int(node->groups, 1);
    cuda_conv_spec spec = {.precision = CFP_FP32,
                           .n = src.n,
                           .x_channels = src_block,
                           .y_channels = padded(dst.c),
                           .groups = 1,
                           .x = {src.t, src.h, src.w},
                           .y = {dst.t, dst.h, dst.w}};
    for (int i = 0; i < 3; i++) {
        spec.kernel[i] = window->kernel[i];
        spec.stride[i] = window->stride[i];
        spec.dilation[i] = window->dilation[i];
        spec.pad_begin[i] = window->pad_begin[i];
        spec.pad_end[i] = window->pad_end[i];
    }
    if (groups > 1) {
        const int group = src.c / groups;
        if (src_block % group != 0)
            spec.x_channels = src.c;
        spec.groups = spec.x_channels / group;
        spec.y_channels = dst.c / groups * spec.groups;
    }
    return spec;
}
