/* kernels.h - the CUDA backend's kernels, as C calls them: operands in one struct, then the stream.
 *
 * A tensor is described by the strides of its axes.  So one kernel works on every layout, and an
 * axis that is broadcast has stride 0.  If channels are contiguous in multiples of 16 bytes, each
 * thread loads 16 bytes of them at once.
 *
 * Numbers are float32, bfloat16 or float16 in memory and float32 or double in the kernels.  The
 * tensors of one operation have the same type unless its comment says otherwise.  Vectors over
 * channels are float32.
 *
 * Each launcher enqueues and returns cudaGetLastError().  Results do not depend on the order in
 * which threads run: sums have a fixed order, and atomics are used only for an integer maximum and
 * to count finished blocks. */
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
    int lanes;        /* channels in memory; those from c on are and stay zero */
    int64_t stride_n; /* distance of neighbouring elements of an axis, in numbers */
    int stride_c, stride_t, stride_h, stride_w;
} cuda_view;

static inline size_t cuda_size_of(cfp_type type) /* bytes of a number in memory */
{
    return type == CFP_FLOAT32 ? 4 : 2;
}

/* The function that is applied to a result before it is stored. */
typedef enum cuda_function {
    CUDA_NOTHING,
    CUDA_RELU,
    CUDA_RELU6,
    CUDA_LEAKYRELU,
    CUDA_SIGMOID,
    CUDA_SILU,
    CUDA_HARDSIGMOID,
    CUDA_HARDSWISH,
    CUDA_ELU,
    CUDA_GELU,
    CUDA_GELU_TANH,
    CUDA_MISH,
    CUDA_TANH,
    CUDA_SOFTPLUS,
    CUDA_CLIP
} cuda_function;

typedef struct cuda_activation {
    cuda_function function;
    float parameter[3]; /* cfp_op_parameters */
} cuda_activation;

/* to[i] = from[i] over up to five axes and the clips; from NULL: to[i] = value.  Axes may have any
 * order.  The types may differ: this is how float32 is rounded to bfloat16 or float16, and how
 * those are widened. */
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

/* dst = activation( src * scale + shift + add ).  scale, shift: [lanes], or NULL; add.data may be
 * NULL.  slope: of a prelu, [lanes]; then the activation is a leakyrelu with these slopes. */
typedef struct cuda_pointwise {
    cuda_view dst, src, add;
    const float *scale, *shift, *slope;
    cuda_activation activation;
} cuda_pointwise;
cudaError_t cuda_apply(const cuda_pointwise *op, cudaStream_t stream);

/* dx = dy * slope of the activation at `value`, which is its output if from_output, else its input.
 */
typedef struct cuda_slope {
    cuda_view dx, dy, value;
    cuda_activation activation;
    const float *slope; /* of a prelu, [lanes] */
    bool from_output;
} cuda_slope;
cudaError_t cuda_apply_slope(const cuda_slope *op, cudaStream_t stream);

/* cfp_gating of backend.h; data NULL: none.  y is read unless the activation is CUDA_NOTHING. */
typedef struct cuda_gating {
    cuda_view dy, more, y, residual;
    cuda_activation activation;
    bool residual_adds;
    const cfp_demand *demand;
    int entries;
} cuda_gating;
cudaError_t cuda_gate_gradient(const cuda_gating *op, cudaStream_t stream);

/* dst = activation( sum or product of src ).  Each src has dst's shape, with strides of 0 on axes
 * that are broadcast, and may be dst. */
enum { CUDA_TERMS = 4 };
typedef struct cuda_combination {
    cuda_view dst, src[CUDA_TERMS];
    int n_src;
    bool multiplies;
    cuda_activation activation;
} cuda_combination;
cudaError_t cuda_combine(const cuda_combination *op, cudaStream_t stream);

/* dst = scale * sum over the reduced axes of the product of the terms, in double.  The terms are
 * views of the whole shape and have one type.  dst has length 1 on each reduced axis and may have
 * another type.  partial: memory of cuda_reduce_bytes. */
typedef struct cuda_reduction {
    cuda_view dst, term[CUDA_TERMS];
    int n_terms;
    bool over_c, over_t, over_h, over_w;
    double scale;
    double *partial;
    unsigned *counter; /* [CUDA_COUNTERS], all 0 before and after */
} cuda_reduction;
enum { CUDA_COUNTERS = 4096 };
size_t cuda_reduce_bytes(const cuda_reduction *op);
cudaError_t cuda_reduce(const cuda_reduction *op, cudaStream_t stream);

/* Windows over T, H, W: x is the source of the pool or convolution, y its result. */
typedef struct cuda_windows {
    cuda_view x, y;
    int kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
} cuda_windows;

/* Forward: y = maximum; winner is NULL.  First half of backward (y.data is NULL): winner[n,
 * position, lane] of y = the position of x that won, -1 if none.  Second half: x = sum of y over
 * the windows that x won. */
cudaError_t cuda_maxpool(const cuda_windows *op, int *winner, cudaStream_t stream);
cudaError_t cuda_maxpool_backward(const cuda_windows *op, const int *winner, cudaStream_t stream);
cudaError_t cuda_avgpool(const cuda_windows *op, bool count_include_pad, cudaStream_t stream);
cudaError_t cuda_avgpool_backward(const cuda_windows *op, bool count_include_pad,
                                  cudaStream_t stream);

/* groups = channels of x; each has y.c / x.c channels of y.  weight: taps x y.lanes. */
typedef struct cuda_depthwise {
    cuda_windows windows;
    const float *weight;
    const float *bias; /* [y.lanes] or NULL; forward only, like add and activation */
    cuda_view add;     /* no data: none */
    cuda_activation activation;
} cuda_depthwise;
cudaError_t cuda_depthwise_forward(const cuda_depthwise *op, cudaStream_t stream);
cudaError_t cuda_depthwise_backward(const cuda_depthwise *op, cudaStream_t stream);

/* A norm by the clip's own statistics, forward if dy.data is NULL: dst = h * gamma + beta; else its
 * gradient.  groups 0: over all channels of each position, else of each group over all positions.
 * gamma, beta: [lanes].  sums: [n][groups][CUDA_NORM_SUMS], written. */
enum { CUDA_NORM_SUMS = 4 };
typedef struct cuda_norm {
    cuda_view dst, x, dy;
    const float *gamma, *beta;
    double eps;
    int groups;
    double *sums;
} cuda_norm;
cudaError_t cuda_normalise(const cuda_norm *op, cudaStream_t stream);

/* Copies along T, H, W by tables in device memory: out (t) = in (from[0][t]), and so for h and w.
 * Backward: in (t) = the sum of out over to[0][first[0][t]] .. to[0][first[0][t + 1] - 1]. */
typedef struct cuda_repeat {
    cuda_view in, out;
    const int *from[3], *first[3], *to[3];
} cuda_repeat;
cudaError_t cuda_repeat_places(const cuda_repeat *op, bool backward, cudaStream_t stream);

/* Softmax over the channels of each position. */
cudaError_t cuda_softmax(const cuda_view *dst, const cuda_view *src, cudaStream_t stream);
/* dx = y * (dy - sum of dy * y) */
cudaError_t cuda_softmax_backward(const cuda_view *dx, const cuda_view *y, const cuda_view *dy,
                                  cudaStream_t stream);

/* Sets channel c of entry n to 0 if demand[n / entries * x.c + c] is CFP_NOT_DEMANDED. */
cudaError_t cuda_mask_channels(const cuda_view *x, const cfp_demand *demand, int entries,
                               cudaStream_t stream);
/* x (n, c) = other (0, c) if where[n * x.c + c] is not 0; where NULL: all, including the lanes
 * after the last channel.  other: one clip in x's layout; data NULL: zeros. */
cudaError_t cuda_replace_channels(const cuda_view *x, const cuda_view *other, const uint8_t *where,
                                  cudaStream_t stream);
/* map[q][position] = scale * sum of x, or of x * g if g.data is not NULL, of clip q / thetas over
 * the channels c that question q demands: demand[q * x.c + c].  positive: sums below 0 become 0. */
typedef struct cuda_channel_sums {
    float *map;
    cuda_view x, g;
    const cfp_demand *demand;
    int questions, thetas;
    bool positive;
    double scale;
} cuda_channel_sums;
cudaError_t cuda_sum_channels(const cuda_channel_sums *op, cudaStream_t stream);
/* x (n, c), of one position, = value[n * x.c + c] * one; lanes after the last channel become 0. */
cudaError_t cuda_set_values(const cuda_view *x, const float *value, float one, cudaStream_t stream);
/* cfp_blend of relevance.h.  All have the same layout; dst has one entry a clip.  other->data NULL:
 * nothing is subtracted. */
cudaError_t cuda_blend_entries(const cuda_view *dst, const cuda_view *src, const cuda_view *other,
                               const cfp_blend *blend, cudaStream_t stream);
/* cfp_turn of relevance.h.  All have the same layout; dst and src may be the same tensor.
 * other->data NULL: the numbers are turned down to 0. */
cudaError_t cuda_turn_entries(const cuda_view *dst, const cuda_view *src, const cuda_view *other,
                              const cfp_turn *turn, cudaStream_t stream);

/* cfp_pairs of backend.h.  x and dy may differ in type. */
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

/* The operations of relevance.h. */
cudaError_t cuda_pick_layer_edges(const cfp_back_step *step, cudaStream_t stream);
cudaError_t cuda_route_demands(const cfp_demand_route *route, cudaStream_t stream);
cudaError_t cuda_back_step_layer(const cfp_back_step *step, cudaStream_t stream);
cudaError_t cuda_list_layer_edges(const cfp_back_step *step, int question, cfp_edge *edge,
                                  cudaStream_t stream);

/* The operations of render.h.  frame: one frame of a volume; rgb is coloured in place. */
cudaError_t cuda_render_tube(const cfp_render *op, cudaStream_t stream);
cudaError_t cuda_overlay_frame(const cfp_overlay *op, uint8_t *rgb, const float *frame,
                               cudaStream_t stream);

/* Sets *seen, in device memory, to 1 if one of `count` numbers is infinite or NaN. */
cudaError_t cuda_watch(const void *x, cfp_type type, int64_t count, int *seen, cudaStream_t stream);
/* `count` random numbers between -1 and 1, the same for the same seed. */
cudaError_t cuda_make_noise(void *x, cfp_type type, int64_t count, unsigned seed,
                            cudaStream_t stream);
/* Converts T x H x W x 3 bytes to one clip, dst: channel c = (byte color[c] / scale - mean) / std.
 */
enum { CUDA_FRAME_CHANNELS = 3 };
typedef struct cuda_frames {
    cuda_view dst;
    const uint8_t *rgb;
    int color[CUDA_FRAME_CHANNELS]; /* which of the pixel's three bytes */
    int *beyond; /* in device memory, set to 1 if a number exceeds dst's range; NULL: not checked */
    float scale, mean[CUDA_FRAME_CHANNELS], std[CUDA_FRAME_CHANNELS];
} cuda_frames;
cudaError_t cuda_lay_frames(const cuda_frames *op, cudaStream_t stream);
/* dst = plain N C T H W numbers in device memory, with dst's zero lanes.  beyond: as above. */
cudaError_t cuda_lay_numbers(const cuda_view *dst, const float *plain, int *beyond,
                             cudaStream_t stream);

#ifdef __cplusplus
}
#endif
