/* lanes.h - our own kernels for the CPU: the table of functions, and the job that each takes.
 *
 * A tensor's block is as wide as a vector register, so one load gives all channels of a block at
 * one position, and every kernel is plain arithmetic on such vectors.  The kernels (lane_*.c) use
 * about a dozen vector operations (lane_vec_*.h) and are compiled three times: for AVX-512 (16
 * lanes), for AVX2 (8 lanes) and in plain C (8 lanes).
 *
 * Every kernel runs on `threads` threads.  The order of each sum does not depend on the number of
 * threads, and so neither does the result.  Lanes after the last channel are zero in the tensors
 * that a job reads (tensor.h), and stay zero in those that it writes. */
#pragma once
#include "../backend.h"

enum {
    LANES_MAX = 16, /* lanes of the widest vector */
    LANE_TAPS = 64, /* most taps of a window along one axis */
    LANE_CHUNK =
        1024 /* positions of a block in one piece of work; does not depend on the threads */
};

/* One axis of a sliding window.  Output a (0 ... count - 1) is at position first + a * step.
 * Through tap[i] it reads input a * in_step + offset[i], if that exists.  Offsets are ascending.
 * Forward: step is 1 and in_step is the stride.  Backward there is one lane_axis for each remainder
 * of the stride, with step = stride, in_step = 1 and the taps that reach these positions. */
typedef struct lane_axis {
    int count, first, step, in_step, n_taps;
    int offset[LANE_TAPS], tap[LANE_TAPS];
} lane_axis;

/* Depth-wise and grouped convolution:
 *
 *     dst(lane) = max(floor, bias(lane) + sum over j and taps of
 *                     weight(lane, j, tap) * src(channel(lane, j)))
 *
 * lane and j determine the channel.  A vector of channels is combined by shuffles from up to
 * `sources` vectors of the source. */
typedef struct lane_conv {
    lane_axis axis[3];
    cfp_shape src_shape, dst_shape;
    const float *src;
    float *dst;
    int kernel[3];        /* of the whole kernel, for the order of the weights */
    int channels;         /* channels of a group, over which j runs */
    const float *weights; /* [blocks of dst][kT][kH][channels][kW][lanes] */
    const float *bias;    /* [blocks of dst][lanes] */
    int sources; /* from how many source vectors a vector of channels is combined; 0: it is the
                    block itself */
    const int32_t *n_source; /* [blocks of dst] how many are needed there, <= sources */
    const int32_t *source;   /* [blocks of dst][channels][sources] their blocks */
    const int32_t *pick; /* [blocks of dst][channels][sources][lanes].  k = 0: a lane of source 0.
                            k > 0: l keeps lane l of the vector so far; lanes + x takes lane x of
                            source k (k = 1: x may also be a lane of source 0) */
    float floor;         /* 0: relu; -infinity: none */
} lane_conv;

/* dst(lane) = bias(lane) + sum over channels and taps of weight(lane, channel, tap) * src(channel).
 * Blocks of dst are computed in pairs.  A pair reads `channels` channels, starting at first[pair].
 */
typedef struct lane_direct {
    lane_axis axis[3];
    cfp_shape src_shape, dst_shape;
    const float *src; /* in blocks of src_block channels, any width */
    float *dst;
    int src_block;
    int kernel[3]; /* of the whole kernel, for the order of the weights */
    int channels;
    const int32_t *first;   /* [pairs] */
    const int64_t *channel; /* [channels of src] where each begins, floats from its clip */
    const float *weights;   /* [pairs][kT][kH][kW][channels][2][lanes] */
    const float *bias;      /* [pairs][2][lanes] */
} lane_direct;

/* dst = max(floor, bias + added + convolution with a kernel of taps_t x 3 x 3, stride 1), by
 * minimal filtering (lane_winograd.c).  deep: filtered along T, too, with taps_t = 3.  points: a
 * kernel of 3 x 1 x 1. */
typedef struct lane_winograd {
    cfp_shape src_shape, dst_shape;
    const float *src;
    float *dst;
    int pad[3]; /* before the first input, along T, H, W */
    int taps_t;
    bool deep, points;
    int groups;           /* groups are whole blocks; each reads its own channels */
    const float *weights; /* as cpu_winograd.c has them */
    const float *bias;    /* [blocks of dst][lanes] */
    const float *added;   /* as dst, may be dst; or NULL */
    float floor;          /* 0: relu; -infinity: none */
    float *scratch;       /* lane_winograd_scratch() bytes */
} lane_winograd;

/* The same for a kernel of 3 x 3 x 3 (deep) or 1 x 3 x 3 and groups of a few channels
 * (lane_winograd_groups.c). */
typedef struct lane_winograd_groups {
    cfp_shape src_shape, dst_shape;
    const float *src;
    float *dst;
    int pad[3]; /* before the first input, along T, H, W */
    int groups;
    int unit; /* groups that are computed together: whole blocks, or all groups */
    bool deep;
    int steps; /* how many steps a task makes for each tile; a step is 2 frames if deep, else 4 */
    const float *weights; /* as cpu_winograd_groups.c has them */
    const float *bias;    /* [blocks of dst][lanes] */
    const float *added;   /* as dst, may be dst; or NULL */
    float floor;          /* 0: relu; -infinity: none */
    float *scratch;       /* lane_winograd_groups_scratch() bytes */
} lane_winograd_groups;

/* dst = max(floor, bias + convolution) of a plain source with few channels, with stride 1 along T
 * and 1 or 2 along H and W, by `levels` (1 to 3) of minimal filtering along T (lane_stem.c). */
typedef struct lane_stem {
    cfp_shape src_shape, dst_shape;
    const float *src; /* plain */
    float *dst;
    int kernel[3], stride[3], pad[3]; /* pad: before the first input; kernel[0] <= 2^levels */
    int levels;
    const float *weights; /* as cpu_stem.c has them */
    const float *bias;    /* [blocks of dst][lanes] */
    float floor;          /* 0: relu; -infinity: none */
    float *scratch;       /* lane_stem_scratch() bytes */
} lane_stem;

/* One axis of a pool: window a (0 ... count - 1) covers the inputs a * stride - pad ... a * stride
 * - pad + kernel - 1. */
typedef struct lane_window {
    int count, kernel, stride, pad;
    const float *weight; /* average: [count] 1 / number of inputs that count, along this axis;
                           maximum: NULL */
} lane_window;

typedef struct lane_pool {
    lane_window axis[3];
    cfp_shape src_shape, dst_shape;
    const float *src; /* NULL in the backward pass of the average */
    float *dst;       /* forward only */
    const float *diff_dst;
    float *diff_src; /* backward only */
} lane_pool;

/* dst = activation(src * scale + shift), scale and shift per channel: [n or 1][blocks][lanes]. */
typedef struct lane_map {
    cfp_shape shape;
    const float *src;
    const float *scale, *shift; /* NULL: 1 and 0 */
    bool per_clip;              /* scale and shift differ between clips */
    const cfp_node *activation; /* or NULL */
    const float *slope;         /* of a prelu: [blocks][lanes] */
    float *dst;                 /* may be src */
} lane_map;

/* dst = dy * derivative of the activation at `value` in the kept channels, else 0. */
typedef struct lane_slope {
    cfp_shape shape;
    const float *dy, *value;
    const cfp_node *activation;
    const float *slope; /* of a prelu: [blocks][lanes] */
    bool from_output;   /* value is the output of the activation */
    const float *keep;  /* [n][blocks][lanes] of 0 and 1; NULL: all are kept */
    float *dst;         /* may be dy */
} lane_slope;

/* dst(o) = bias(o) + sum of weight(o, i) * src(i).  Tensors have one position; clips are *_clip
 * floats apart.  Backward: from diff_dst to diff_src. */
typedef struct lane_linear {
    int clips, channels, kernels;
    int64_t src_clip, dst_clip;
    const float *weight; /* [kernels][channels] */
    const float *bias;   /* or NULL */
    const float *src, *diff_dst;
    float *dst, *diff_src;
} lane_linear;

typedef enum lane_join { LANE_ADD, LANE_MUL } lane_join;

/* dst(c) = a channel of src[k] at the same position, chosen by `pick`; or `value`, if c has no
 * source. */
typedef struct lane_gather {
    cfp_shape shape;          /* of dst */
    const float *const *from; /* [n_from] first block of clip 0 */
    const int64_t *clip;      /* [n_from] floats from one clip to the next */
    int n_from;
    const int32_t
        *first; /* [blocks of dst + 1] where the sources of a block start in the arrays below */
    const int32_t *source; /* the tensor: an index into from */
    const int32_t *block;  /* the block of that tensor */
    const int32_t *pick;   /* [lanes] of each source, as in lane_conv */
    float value;
    float *dst;
} lane_gather;

/* The relevance (relevance.h) of one thread's kernels, for rule cfp, min-max normalised, propagated
 * edge by edge, without --top, not for the classifier. */
typedef struct lane_score {
    const cfp_back_step *step;
    /* For score_row: */
    float floor;     /* the smallest relevance that reaches theta */
    float *estimate; /* workspace, [channels / groups] in whole words of 32 */
    float *best; /* [channels + 32] raised to the relevance of the selected channels; starts at the
                    float below floor */
    /* For score_list: */
    double *value; /* workspace, [channels / groups] */
} lane_score;

/* Rows of outputs, of which each pair of 16 kernels and 4 channels sums the products with what it
 * reads: of dy[row * dy_row + w * 16 + kernel] and x[row * x_row + w * stride + channel * apart].
 */
typedef struct lane_pairs {
    int rows, n, stride; /* n: outputs of a row */
    int64_t apart, dy_row, x_row;
} lane_pairs;
enum { LANE_PAIRS_KERNELS = 16, LANE_PAIRS_CHANNELS = 4 };

typedef struct cpu_lanes {
    const char *name; /* "AVX-512" */
    int width;        /* floats in a vector, and channels in a block of a tensor */
    void (*conv)(const lane_conv *job, int threads);
    void (*direct)(const lane_direct *job, int threads);
    void (*winograd)(const lane_winograd *job, int threads);
    /* Bytes of scratch memory; depends on the job's shapes, taps_t and deep. */
    size_t (*winograd_scratch)(const lane_winograd *job, int threads);
    void (*winograd_groups)(const lane_winograd_groups *job, int threads);
    /* Bytes of scratch memory; depends on the job's shapes, groups, unit and deep. */
    size_t (*winograd_groups_scratch)(const lane_winograd_groups *job, int threads);
    void (*stem)(const lane_stem *job, int threads);
    size_t (*stem_scratch)(const lane_stem *job,
                           int threads); /* bytes of scratch; depends on shapes and levels */
    void (*maxpool)(const lane_pool *job, int threads);
    void (*avgpool)(const lane_pool *job, int threads);
    void (*maxpool_back)(const lane_pool *job, int threads);
    void (*avgpool_back)(const lane_pool *job, int threads);
    void (*map)(const lane_map *job, int threads);
    /* dst = activation(a op b), of the same shapes; dst may be a or b. */
    void (*join)(float *dst, const float *a, const float *b, cfp_shape shape, lane_join how,
                 const cfp_node *activation, int threads);
    void (*slope)(const lane_slope *job, int threads);
    void (*linear)(const lane_linear *job, int threads);
    void (*linear_back)(const lane_linear *job, int threads);
    void (*gather)(const lane_gather *job, int threads);
    /* Computes the row of one demanded kernel and selects its edges. */
    void (*score_row)(const lane_score *job, int question, int o);
    /* Lists its edges, if its values are not all equal. */
    void (*score_list)(const lane_score *job, int question, int o, cfp_edge *edge);
    /* sum[channel][kernel] += what the rows give (lane_pairs). */
    void (*pairs)(float *sum, const lane_pairs *job, const float *dy, const float *x);
    /* sum[n][block][lane] over the positions of x (times g unless NULL), in double. */
    void (*sums)(double *sum, const float *x, const float *g, cfp_shape shape, double *scratch,
                 int threads);
    /* map[position] = sum over channels of clip 0 of x * keep (times g unless NULL); keep is
     * [blocks][lanes] of 0 and 1. */
    void (*channel_sum)(float *map, const float *x, const float *g, const float *keep,
                        cfp_shape shape, int threads);
} cpu_lanes;

static inline int64_t lane_chunks(cfp_shape s) /* chunks of one block */
{
    return (cfp_positions(s) + LANE_CHUNK - 1) / LANE_CHUNK;
}
/* Size of the scratch memory of `sums`, in doubles. */
static inline int64_t lane_sums_scratch(const cpu_lanes *lanes, cfp_shape s)
{
    const int width = lanes->width;
    return (int64_t)s.n * ((s.c + width - 1) / width) * lane_chunks(s) * width;
}

/* NULL if this build or this machine does not have these instructions. */
const cpu_lanes *cpu_lanes_avx512(void);
const cpu_lanes *cpu_lanes_avx2(void);
const cpu_lanes *cpu_lanes_plain(void);
