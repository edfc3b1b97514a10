/* kernels.h - our own kernels, as C calls them: every operand in one struct, then the stream.
 *
 * The one idea: a tensor is told by the strides of its axes, so one kernel serves every layout, and
 * an axis that is broadcast has stride 0.  Where channels stand side by side in multiples of 16
 * bytes, each thread takes 16 bytes of them in one load.
 *
 * Numbers are float32, bfloat16 or float16 in memory and float32 or double in the kernels.  The
 * tensors of one operation have one type, but where it is said otherwise; vectors over channels are
 * float32.
 *
 * Each launcher enqueues and returns cudaGetLastError().  Results do not depend on the order in
 * which threads run: sums in a fixed order, no atomics
 * but an integer maximum. */
#pragma once
#include "../host/backend/relevance.h"
#include "../host/backend/render.h"
#include "../host/base/tensor.h"
#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cuda_view {
    void *data; /* numbers of `type` */
    cfp_type type;
    int n, c, t, h, w;
    int lanes;        /* channels in memory; those from c on are zero and stay so */
    int64_t stride_n; /* numbers from one element to the next along each axis */
    int stride_c, stride_t, stride_h, stride_w;
} cuda_view;

static inline size_t cuda_size_of(cfp_type type) /* bytes of a number in memory */
{
    return type == CFP_FLOAT32 ? 4 : 2;
}

/* What is applied to a result before it is stored. */
typedef enum cuda_function {
    CUDA_NOTHING,
    CUDA_RELU,
    CUDA_RELU6,
    CUDA_LEAKYRELU,
    CUDA_SIGMOID,
    CUDA_SILU,
    CUDA_HARDSIGMOID,
    CUDA_HARDSWISH
} cuda_function;

typedef struct cuda_activation {
    cuda_function function;
    float negative_slope; /* leakyrelu */
} cuda_activation;

/* to[i] = from[i] over up to five axes and the clips; from NULL: value.  Axes in any order.  The
 * types may differ: this is what rounds float32 to the halves, and gives it back. */
typedef struct cuda_box {
    void *to;
    const void *from;
    cfp_type to_type, from_type;
    float value;
    int n, dims;
    int64_t to_n, from_n; /* strides of the clips, then of the axes */
    int extent[5], to_stride[5], from_stride[5];
} cuda_box;
cudaError_t cuda_copy_box(const cuda_box *box, cudaStream_t stream);

/* dst = activation( src * scale + shift + add ); scale, shift: [lanes] or NULL; add: no data, none.
 */
typedef struct cuda_pointwise {
    cuda_view dst, src, add;
    const float *scale, *shift;
    cuda_activation activation;
} cuda_pointwise;
cudaError_t cuda_apply(const cuda_pointwise *op, cudaStream_t stream);

/* dx = dy * slope of the activation at `value`: its output where from_output, else its input. */
typedef struct cuda_slope {
    cuda_view dx, dy, value;
    cuda_activation activation;
    bool from_output;
} cuda_slope;
cudaError_t cuda_apply_slope(const cuda_slope *op, cudaStream_t stream);

/* dst = activation( sum or product of src ); src has dst's shape, by strides of 0 where broadcast,
 * and may be dst. */
enum { CUDA_TERMS = 4 };
typedef struct cuda_combination {
    cuda_view dst, src[CUDA_TERMS];
    int n_src;
    bool multiplies;
    cuda_activation activation;
} cuda_combination;
cudaError_t cuda_combine(const cuda_combination *op, cudaStream_t stream);

/* dst = scale * sum over the reduced axes of the product of the terms, in double.  The terms are
 * views of the whole shape and of one type; dst has 1 on each reduced axis and a type of its own.
 * partial: cuda_reduce_bytes. */
typedef struct cuda_reduction {
    cuda_view dst, term[CUDA_TERMS];
    int n_terms;
    bool over_c, over_t, over_h, over_w;
    double scale;
    double *partial;
} cuda_reduction;
size_t cuda_reduce_bytes(const cuda_reduction *op);
cudaError_t cuda_reduce(const cuda_reduction *op, cudaStream_t stream);

/* Windows over T, H, W: x is the longer side (a pool's or convolution's source), y the shorter. */
typedef struct cuda_windows {
    cuda_view x, y;
    int kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
} cuda_windows;

/* Forward: y = maximum; winner NULL.  First half of backward: winner[n, position, lane] of y = the
 * position of x that won, -1: none; y.data NULL.  Second half: x = sum of y where x won. */
cudaError_t cuda_maxpool(const cuda_windows *op, int *winner, cudaStream_t stream);
cudaError_t cuda_maxpool_backward(const cuda_windows *op, const int *winner, cudaStream_t stream);
cudaError_t cuda_avgpool(const cuda_windows *op, bool count_include_pad, cudaStream_t stream);
cudaError_t cuda_avgpool_backward(const cuda_windows *op, bool count_include_pad,
                                  cudaStream_t stream);

/* groups = channels of x; y has `y.c / x.c` channels for each.  weight: taps x y.lanes. */
typedef struct cuda_depthwise {
    cuda_windows windows;
    const float *weight;
    const float *bias; /* [y.lanes] or NULL; forward only, like add and activation */
    cuda_view add;     /* no data: none */
    cuda_activation activation;
} cuda_depthwise;
cudaError_t cuda_depthwise_forward(const cuda_depthwise *op, cudaStream_t stream);
cudaError_t cuda_depthwise_backward(const cuda_depthwise *op, cudaStream_t stream);

/* Over the channels, position by position. */
cudaError_t cuda_softmax(const cuda_view *dst, const cuda_view *src, cudaStream_t stream);
/* dx = y * (dy - sum of dy * y) */
cudaError_t cuda_softmax_backward(const cuda_view *dx, const cuda_view *y, const cuda_view *dy,
                                  cudaStream_t stream);

/* Zeroes channel c of entry n where demand[n / entries * x.c + c] is CFP_NOT_DEMANDED. */
cudaError_t cuda_mask_channels(const cuda_view *x, const cfp_demand *demand, int entries,
                               cudaStream_t stream);
/* x (n, c) = other (0, c) where where[n * x.c + c] is not 0; where NULL: everywhere, the lanes
 * behind the last channel included.  other: one clip, lying as one of x does; no data: zeros. */
cudaError_t cuda_replace_channels(const cuda_view *x, const cuda_view *other, const uint8_t *where,
                                  cudaStream_t stream);
/* map[q][position] = scale * sum of x, times g unless it has no data, of clip q / thetas over the
 * channels that question q demands: demand[q * x.c + c]; positive: below 0 becomes 0. */
typedef struct cuda_channel_sums {
    float *map;
    cuda_view x, g;
    const cfp_demand *demand;
    int questions, thetas;
    bool positive;
    double scale;
} cuda_channel_sums;
cudaError_t cuda_sum_channels(const cuda_channel_sums *op, cudaStream_t stream);
/* x (n, c), of one position, = value[n * x.c + c] * one; lanes behind the last channel are 0. */
cudaError_t cuda_set_values(const cuda_view *x, const float *value, float one, cudaStream_t stream);
/* As cfp_blend says; dst and src lie alike, dst has the clips. */
cudaError_t cuda_blend_entries(const cuda_view *dst, const cuda_view *src, const cfp_blend *blend,
                               cudaStream_t stream);

/* What pairs have to do with the target (cfp_pairs of backend.h); x and dy may have two types. */
typedef struct cuda_pairs {
    cfp_back_step step;
    cuda_view x, dy;
    int kernel[3], stride[3], dilation[3], pad_begin[3];
    const float *weight;
    float *value;
    bool adds;
    double scale;
} cuda_pairs;
cudaError_t cuda_weigh_layer_pairs(const cuda_pairs *pairs, cudaStream_t stream);

/* relevance.h on the device. */
cudaError_t cuda_pick_layer_edges(const cfp_back_step *step, cudaStream_t stream);
cudaError_t cuda_route_demands(const cfp_demand_route *route, cudaStream_t stream);
cudaError_t cuda_back_step_layer(const cfp_back_step *step, cudaStream_t stream);
cudaError_t cuda_list_layer_edges(const cfp_back_step *step, int question, cfp_edge *edge,
                                  cudaStream_t stream);

/* render.h on the device; frame: of a volume; rgb: coloured in place. */
cudaError_t cuda_render_tube(const cfp_render *op, cudaStream_t stream);
cudaError_t cuda_overlay_frame(const cfp_overlay *op, uint8_t *rgb, const float *frame,
                               cudaStream_t stream);

/* *seen, on the device, becomes 1 where one of `count` numbers of float16 is infinite or NaN. */
cudaError_t cuda_watch(const void *x, cfp_type type, int64_t count, int *seen, cudaStream_t stream);
/* Frames of T x H x W x 3 bytes into dst, one clip: channel c = (its color / scale - mean) / std.
 */
enum { CUDA_FRAME_CHANNELS = 3 };
typedef struct cuda_frames {
    cuda_view dst;
    const uint8_t *rgb;
    int color[CUDA_FRAME_CHANNELS]; /* of the pixel's three bytes */
    float scale, mean[CUDA_FRAME_CHANNELS], std[CUDA_FRAME_CHANNELS];
} cuda_frames;
cudaError_t cuda_lay_frames(const cuda_frames *op, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
