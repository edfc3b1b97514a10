/* tensor.h - the shape of a tensor and how its numbers lie in memory.
 *
 * Every layout is made of blocks of channels.  The channels are cut into blocks of `block`.  Within
 * a block, the channels of one position in T x H x W lie side by side:
 *
 *     block = 1       N C T H W          plain: files, frames, the interface
 *     block = 8, 16   N C/16 T H W 16    what vector units like (oneDNN's nCdhw16c)
 *     block >= C      N T H W C          channels last (what tensor cores like; one block)
 *
 * So one formula addresses all three, and code that is written for blocks works on all of them.
 * Where C is not a multiple of the block, there are lanes in memory behind the last channel.  They
 * are always ZERO; code that writes a tensor must keep them zero. */
#pragma once
#include "base.h"

typedef struct cfp_shape {
    int n, c, t, h, w; /* clips, channels, frames, rows, columns; all >= 1 once known */
} cfp_shape;

/* The type of the numbers in memory.  Host code and host backends use only CFP_FLOAT32. */
typedef enum cfp_type { CFP_FLOAT32, CFP_BFLOAT16, CFP_FLOAT16 } cfp_type;

/* A view of memory that somebody else owns.  If `data` is host memory, host code may use it.  If it
 * is the memory of a device, only the backend of that device may.  The numbers there are of `type`.
 */
typedef struct cfp_tensor {
    cfp_shape shape;
    int block; /* channels that lie side by side, see above */
    float *data;
    cfp_type type;
} cfp_tensor;

static inline int64_t cfp_positions(cfp_shape s) /* T x H x W */
{
    return (int64_t)s.t * s.h * s.w;
}
static inline int64_t cfp_count(cfp_shape s) /* N x C x T x H x W, without the zero lanes */
{
    return (int64_t)s.n * s.c * cfp_positions(s);
}
static inline int cfp_blocks(const cfp_tensor *x) /* blocks of channels per clip */
{
    return (x->shape.c + x->block - 1) / x->block;
}
static inline int64_t cfp_stored(const cfp_tensor *x) /* numbers in memory, zero lanes included */
{
    return (int64_t)x->shape.n * cfp_blocks(x) * x->block * cfp_positions(x->shape);
}
static inline bool cfp_shape_equal(cfp_shape a, cfp_shape b)
{
    return a.n == b.n && a.c == b.c && a.t == b.t && a.h == b.h && a.w == b.w;
}

/* The index of element (n, c, t, h, w) in data[]. */
static inline int64_t cfp_offset(const cfp_tensor *x, int n, int c, int t, int h, int w)
{
    const cfp_shape s = x->shape;
    const int64_t position = ((int64_t)t * s.h + h) * s.w + w;
    const int64_t block = (int64_t)n * cfp_blocks(x) + c / x->block;
    return (block * cfp_positions(s) + position) * x->block + c % x->block;
}
static inline float cfp_at(const cfp_tensor *x, int n, int c, int t, int h, int w)
{
    return x->data[cfp_offset(x, n, c, t, h, w)];
}
static inline void cfp_put(cfp_tensor *x, int n, int c, int t, int h, int w, float value)
{
    x->data[cfp_offset(x, n, c, t, h, w)] = value;
}

static inline size_t cfp_type_bytes(cfp_type type)
{
    return type == CFP_FLOAT32 ? 4 : 2;
}
/* A view of clip n of x. */
static inline cfp_tensor cfp_clip_of(const cfp_tensor *x, int n)
{
    cfp_tensor one = *x;
    const size_t bytes = (size_t)(cfp_stored(x) / x->shape.n) * cfp_type_bytes(x->type);
    one.shape.n = 1;
    one.data = (float *)(void *)((char *)x->data + (size_t)n * bytes);
    return one;
}

/* pack copies from plain N C T H W order to the layout of a tensor in host memory, unpack copies
 * back.  pack also sets the lanes behind the last channel to zero. */
void cfp_pack(cfp_tensor *dst, const float *plain);
void cfp_unpack(float *plain, const cfp_tensor *src);
