/* lanes.h - our own kernels, once for every instruction set: the table and its jobs.
 *
 * The one idea: a tensor's block is as wide as a vector register, so that one load brings all the
 * channels of a block at one position, and every kernel is plain arithmetic on such vectors.  The
 * kernels (lane_*.c) are written over a dozen vector operations (lane_vec_*.h) and compiled three
 * times: AVX-512 (16 lanes), AVX2 (8) and plain C (8).
 *
 * Every kernel runs on `threads` threads, and which thread computes what never changes a sum: the
 * result is the same for any number of them.  Channels beyond the last are zero in what a job reads
 * (tensor.h) and stay zero in what it writes. */
#pragma once
#include "../backend.h"

enum {
    LANES_MAX = 16,   /* the widest vector */
    LANE_TAPS = 64,   /* taps of a window along one axis */
    LANE_CHUNK = 1024 /* positions of one block: a piece of work, whatever the number of threads */
};

/* One axis of a sliding window: output a of `count` stands at first + a * step and reads, through
 * tap[i], input a * in_step + offset[i], where that exists.  Offsets ascend.
 * Forward: step 1, in_step = stride.  Backward, for each remainder of the stride: step = stride,
 * in_step 1, and the taps that reach such positions. */
typedef struct lane_axis {
    int count, first, step, in_step, n_taps;
    int offset[LANE_TAPS], tap[LANE_TAPS];
} lane_axis;

/* dst(lane) = max(floor, bias(lane) + sum over j, taps of weight(lane, j, tap) * src(channel(lane,
 * j))) Depth-wise and grouped convolution: lane and j tell the channel, and a vector of channels is
 * put together from `sources` vectors of the source by shuffles. */
typedef struct lane_conv {
    lane_axis axis[3];
    cfp_shape src_shape, dst_shape;
    const float *src;
    float *dst;
    int kernel[3];        /* the whole kernel: how weights stand */
    int channels;         /* j runs over the channels of a group */
    const float *weights; /* [blocks of dst][kT][kH][channels][kW][lanes] */
    const float *bias;    /* [blocks of dst][lanes] */
    int sources; /* source vectors a vector of channels may come from; 0: the block itself */
    const int32_t *n_source; /* [blocks of dst]: how many are needed there, <= sources */
    const int32_t *source;   /* [blocks of dst][channels][sources]: their blocks */
    const int32_t *pick; /* the same [lanes]: k = 0: lane of source 0; k > 0: l keeps lane l of what
                            is there, lanes + x takes lane x of source k (k = 1: any x of 0 too) */
    float floor;         /* 0: relu; -infinity: none */
} lane_conv;

/* dst(lane) = bias(lane) + sum over channels, taps of weight(lane, channel, tap) * src(channel).
 * Kernels stand in pairs of blocks; a pair reads `channels` channels from first[pair] on. */
typedef struct lane_direct {
    lane_axis axis[3];
    cfp_shape src_shape, dst_shape;
    const float *src; /* in blocks of src_block channels, whatever that is */
    float *dst;
    int src_block;
    int kernel[3]; /* the whole kernel: how weights stand */
    int channels;
    const int32_t *first;   /* [pairs] */
    const int64_t *channel; /* [channels of src]: where each begins, floats from its clip's begin */
    const float *weights;   /* [pairs][kT][kH][kW][channels][2][lanes] */
    const float *bias;      /* [pairs][2][lanes] */
} lane_direct;

/* dst = max(floor, bias + added + convolution with a kernel of taps_t x 3 x 3, stride 1), by
 * minimal filtering (lane_winograd.c).  `deep`: along T, too; taps_t is 3 then. */
typedef struct lane_winograd {
    cfp_shape src_shape, dst_shape;
    const float *src;
    float *dst;
    int pad[3]; /* before the first input, along T, H, W */
    int taps_t;
    bool deep, points;
    int groups;           /* of whole blocks: each reads its own channels */
    const float *weights; /* as cpu_winograd.c has them */
    const float *bias;    /* [blocks of dst][lanes] */
    const float *added;   /* as dst, may be dst; or NULL */
    float floor;          /* 0: relu; -infinity: none */
    float *scratch;       /* lane_winograd_scratch() bytes */
} lane_winograd;

/* The same with a kernel of 3 x 3 x 3 (deep) or 1 x 3 x 3 in groups of a few channels
 * (lane_winograd_groups.c). */
typedef struct lane_winograd_groups {
    cfp_shape src_shape, dst_shape;
    const float *src;
    float *dst;
    int pad[3]; /* before the first input, along T, H, W */
    int groups;
    int unit; /* groups at a time: whole blocks, or all of them */
    bool deep;
    int steps;            /* of 2 frames, or else 4, that one task makes of each tile */
    const float *weights; /* as cpu_winograd_groups.c has them */
    const float *bias;    /* [blocks of dst][lanes] */
    const float *added;   /* as dst, may be dst; or NULL */
    float floor;          /* 0: relu; -infinity: none */
    float *scratch;       /* lane_winograd_groups_scratch() bytes */
} lane_winograd_groups;

/* dst = max(floor, bias + convolution) of a plain source of few channels, stride 1 along T, 1 or 2
 * along H and W, by `levels` (1 to 3) of minimal filtering along T (lane_stem.c). */
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

/* One axis of a pool: window a of `count` covers inputs a * stride - pad ... + kernel - 1. */
typedef struct lane_window {
    int count, kernel, stride, pad;
    const float *share; /* average: [count] 1 / cells counted along the axis; maximum: NULL */
} lane_window;

typedef struct lane_pool {
    lane_window axis[3];
    cfp_shape src_shape, dst_shape;
    const float *src; /* backward of the average: NULL */
    float *dst;       /* forward only */
    const float *diff_dst;
    float *diff_src; /* backward only */
} lane_pool;

/* dst = activation(src * scale + shift), scale and shift per channel: [n or 1][blocks][lanes]. */
typedef struct lane_map {
    cfp_shape shape;
    const float *src;
    const float *scale, *shift; /* NULL: 1, 0 */
    bool per_clip;              /* scale and shift differ between clips */
    const cfp_node *activation; /* or NULL */
    float *dst;                 /* may be src */
} lane_map;

/* dst = dy * derivative of the activation at `value`, in the channels that are kept; else 0. */
typedef struct lane_slope {
    cfp_shape shape;
    const float *dy, *value;
    const cfp_node *activation;
    bool from_output;  /* value is its output */
    const float *keep; /* [n][blocks][lanes] of 0 and 1; NULL: all are kept */
    float *dst;        /* may be dy */
} lane_slope;

/* dst(o) = bias(o) + sum of weight(o, i) * src(i): tensors of one position, clips *_clip floats
 * apart.  Backward: diff_dst to diff_src. */
typedef struct lane_linear {
    int clips, channels, kernels;
    int64_t src_clip, dst_clip;
    const float *weight; /* [kernels][channels] */
    const float *bias;   /* or NULL */
    const float *src, *diff_dst;
    float *dst, *diff_src;
} lane_linear;

typedef enum lane_join { LANE_ADD, LANE_MUL } lane_join;

/* dst(c) = the channel of src[k] that picks say, at the same position; c from nowhere: value. */
typedef struct lane_gather {
    cfp_shape shape;          /* of dst */
    const float *const *from; /* [n_from] first block of clip 0 */
    const int64_t *clip;      /* [n_from] floats from there to the next clip */
    int n_from;
    const int32_t *first;  /* [blocks of dst + 1]: which sources below belong to a block */
    const int32_t *source; /* the tensor, an index into from */
    const int32_t *block;  /* its block */
    const int32_t *pick;   /* [lanes]: as above, lane l or lanes + x */
    float value;
    float *dst;
} lane_gather;

/* Relevance (relevance.h) under rule cfp, not of the classifier: normalised minmax, propagated edge
 * by edge, without --top.  One thread's part of it. */
typedef struct lane_score {
    const cfp_back_step *step;
    /* For score_row: */
    float floor;     /* the least relevance that reaches theta */
    float *estimate; /* workspace, [channels / groups] in whole words of 32 */
    float *best;     /* [channels + 32] raised to the relevances of what is selected, from the float
                        below floor */
    /* For score_list: */
    double *value; /* workspace, [channels / groups] */
} lane_score;

typedef struct cpu_lanes {
    const char *name; /* "AVX-512" */
    int width;        /* floats in a vector = block of a tensor */
    void (*conv)(const lane_conv *job, int threads);
    void (*direct)(const lane_direct *job, int threads);
    void (*winograd)(const lane_winograd *job, int threads);
    /* Bytes of scratch that winograd wants, by the job's shapes, taps_t and deep. */
    size_t (*winograd_scratch)(const lane_winograd *job, int threads);
    void (*winograd_groups)(const lane_winograd_groups *job, int threads);
    /* Bytes of scratch, by the job's shapes, groups, unit and deep. */
    size_t (*winograd_groups_scratch)(const lane_winograd_groups *job, int threads);
    void (*stem)(const lane_stem *job, int threads);
    size_t (*stem_scratch)(const lane_stem *job, int threads); /* bytes, by shapes and levels */
    void (*maxpool)(const lane_pool *job, int threads);
    void (*avgpool)(const lane_pool *job, int threads);
    void (*maxpool_back)(const lane_pool *job, int threads);
    void (*avgpool_back)(const lane_pool *job, int threads);
    void (*map)(const lane_map *job, int threads);
    /* dst = activation(a op b), same shapes; dst may be a or b. */
    void (*join)(float *dst, const float *a, const float *b, cfp_shape shape, lane_join how,
                 const cfp_node *activation, int threads);
    void (*slope)(const lane_slope *job, int threads);
    void (*linear)(const lane_linear *job, int threads);
    void (*linear_back)(const lane_linear *job, int threads);
    void (*gather)(const lane_gather *job, int threads);
    /* Edges and row of one demanded kernel. */
    void (*score_row)(const lane_score *job, int question, int o);
    /* Its edges, where not all its values are one. */
    void (*score_list)(const lane_score *job, int question, int o, cfp_edge *edge);
    /* sum[n][block][lane] over the positions of x (times g unless NULL), in double. */
    void (*sums)(double *sum, const float *x, const float *g, cfp_shape shape, double *scratch,
                 int threads);
    /* map[position] = sum over channels of clip 0 of x * keep (times g unless NULL); keep is
     * [blocks][lanes] of 0 and 1. */
    void (*channel_sum)(float *map, const float *x, const float *g, const float *keep,
                        cfp_shape shape, int threads);
} cpu_lanes;

static inline int64_t lane_chunks(cfp_shape s) /* of a block */
{
    return (cfp_positions(s) + LANE_CHUNK - 1) / LANE_CHUNK;
}
/* Doubles of scratch that `sums` wants. */
static inline int64_t lane_sums_scratch(const cpu_lanes *lanes, cfp_shape s)
{
    const int width = lanes->width;
    return (int64_t)s.n * ((s.c + width - 1) / width) * lane_chunks(s) * width;
}

/* NULL where this build or this machine has no such instructions. */
const cpu_lanes *cpu_lanes_avx512(void);
const cpu_lanes *cpu_lanes_avx2(void);
const cpu_lanes *cpu_lanes_plain(void);
