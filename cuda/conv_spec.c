/* conv_spec.c - a kernel layer of a model as a convolution over stored channels.
 *
 * Channels can be padded only after the last one.  Without groups the weights of the padding are 0.
 * With groups (and so in depth-wise layers) the padding must consist of whole groups. */
#include "conv.h"
#include <stdio.h>

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

cuda_conv_words cuda_conv_in_words(const cuda_conv_spec *s)
{
    static const char *const precision[] = {"fp32", "tf32", "bf16", "fp16"};
    const char *way = s->backward ? "backward-data of conv" : "conv";
    const char *z = s->adds ? "+z" : "", *bias = s->bias ? "+bias" : "";
    cuda_conv_words w;
    snprintf(w.text, sizeof w.text,
             "%s%s%s%s %dx%dx%dx%dx%d -> %dx%dx%dx%dx%d, kernel %dx%dx%d, stride %dx%dx%d, "
             "dilation %dx%dx%d, pads %d,%d,%d before %d,%d,%d after, %d groups, %s",
             way, z, bias, s->relu ? "+relu" : "", s->n, s->x_channels, s->x[0], s->x[1], s->x[2],
             s->n, s->y_channels, s->y[0], s->y[1], s->y[2], s->kernel[0], s->kernel[1],
             s->kernel[2], s->stride[0], s->stride[1], s->stride[2], s->dilation[0], s->dilation[1],
             s->dilation[2], s->pad_begin[0], s->pad_begin[1], s->pad_begin[2], s->pad_end[0],
             s->pad_end[1], s->pad_end[2], s->groups, precision[s->precision]);
    return w;
}
