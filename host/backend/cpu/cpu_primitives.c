/* cpu_primitives.c - the primitives of the method on all threads: means, sums, masks, copies.  ref
 * does layouts that the kernels cannot read (the plain clip). */
#include "cpu.h"
#include "../turn_math.h"
#include "../ref/ref.h"
#include <stdint.h>
#include <string.h>

enum {
    PIECE = 1 << 14,     /* floats of a copy or a sum that one thread takes at a time */
    MIN_SUMMED = 1 << 18 /* floats to be summed that are worth a thread */
};

static cfp_tensor plain_view(cfp_shape shape, float *data)
{
    return (cfp_tensor){.shape = shape, .block = 1, .data = data};
}

cfp_status cpu_upload(cfp_backend *backend, cfp_tensor *dst, const float *plain)
{
    const cfp_tensor from = plain_view(dst->shape, (float *)(uintptr_t)plain); /* only read */
    cpu_relayout(backend, dst, &from);
    return CFP_OK;
}

cfp_status cpu_download(cfp_backend *backend, float *plain, const cfp_tensor *src)
{
    cfp_tensor to = plain_view(src->shape, plain);
    cpu_relayout(backend, &to, src);
    return CFP_OK;
}

size_t cpu_sums_bytes(const cfp_backend *backend, const cfp_tensor *x)
{
    const int64_t sums = (int64_t)x->shape.n * cfp_blocks(x) * x->block;
    return (size_t)(sums + lane_sums_scratch(backend->lanes, x->shape)) * sizeof(double);
}

const double *cpu_sums(const cfp_backend *backend, const cfp_tensor *x, const cfp_tensor *g,
                       void *scratch)
{
    double *sums = scratch;
    double *rest = sums + (int64_t)x->shape.n * cfp_blocks(x) * x->block;
    const int64_t worth = 1 + cfp_stored(x) / MIN_SUMMED;
    const int threads = worth < backend->threads ? (int)worth : backend->threads;
    backend->lanes->sums(sums, x->data, g == NULL ? NULL : g->data, x->shape, rest, threads);
    return sums;
}

static cfp_status means(cfp_backend *backend, float *mean, const cfp_tensor *x, const cfp_tensor *g)
{
    char *scratch;
    CFP_TRY(cpu_workspace(&scratch, backend, cpu_sums_bytes(backend, x)));
    const double *sums = cpu_sums(backend, x, g, scratch);
    const int row = cfp_blocks(x) * x->block;
    for (int n = 0; n < x->shape.n; n++)
        for (int c = 0; c < x->shape.c; c++)
            mean[(int64_t)n * x->shape.c + c] =
                (float)(sums[(int64_t)n * row + c] / (double)cfp_positions(x->shape));
    return CFP_OK;
}

/* Means of the plain clip: each channel is read as one block, and the sums of the lanes are added.
 */
static cfp_status plain_means(cfp_backend *backend, float *mean, const cfp_tensor *x)
{
    const int width = backend->lanes->width, channels = x->shape.n * x->shape.c;
    const int64_t positions = cfp_positions(x->shape);
    cfp_tensor lanes = {.shape = {channels, width, 1, 1, (int)(positions / width)},
                        .block = width,
                        .data = x->data};
    char *scratch;
    CFP_TRY(cpu_workspace(&scratch, backend, cpu_sums_bytes(backend, &lanes)));
    const double *sums = cpu_sums(backend, &lanes, NULL, scratch);
    for (int c = 0; c < channels; c++) {
        double sum = 0;
        for (int lane = 0; lane < width; lane++)
            sum += sums[c * width + lane];
        mean[c] = (float)(sum / (double)positions);
    }
    return CFP_OK;
}

cfp_status cpu_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x,
                            const cfp_tensor *g)
{
    if (g == NULL && x->block == 1 && cfp_positions(x->shape) % backend->lanes->width == 0)
        return plain_means(backend, mean, x);
    if (x->block != backend->lanes->width)
        return ref_channel_mean(backend, mean, x, g);
    return means(backend, mean, x, g);
}

static void mark_kept(float *keep, const cfp_demand *demand, int channels)
{
    for (int c = 0; c < channels; c++)
        keep[c] = demand[c] >= 0 ? 1.0f : 0.0f;
}

cfp_status cpu_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                           const cfp_tensor *g, const cfp_demand *demand, int questions, int thetas,
                           bool positive)
{
    const int64_t positions = cfp_positions(x->shape);
    const int64_t clip = cfp_blocks(x) * x->block * positions;
    float *kept;
    if (x->block != backend->lanes->width)
        return ref_channel_sum(backend, map, x, g, demand, questions, thetas, positive);
    CFP_TRY_ALLOC(backend->ctx, kept, cfp_blocks(x) * x->block);
    for (int q = 0; q < questions; q++) {
        const int64_t n = q / thetas;
        float *const mine = map + q * positions;
        mark_kept(kept, demand + (int64_t)q * x->shape.c, x->shape.c);
        backend->lanes->channel_sum(mine, x->data + n * clip, g == NULL ? NULL : g->data + n * clip,
                                    kept, x->shape, backend->threads);
        for (int64_t p = 0; positive && p < positions; p++)
            mine[p] = mine[p] < 0 ? 0 : mine[p];
    }
    cfp_free(kept);
    return CFP_OK;
}

/* Sets the lanes whose bits are 0 to zero, at all positions of a block. */
CFP_WIDE static void keep_lanes(float *x, int64_t positions, int block, const uint32_t *bits)
{
    for (int64_t p = 0; p < positions; p++, x += block)
        for (int lane = 0; lane < block; lane++) {
            uint32_t value;
            memcpy(&value, x + lane, sizeof value);
            value &= bits[lane];
            memcpy(x + lane, &value, sizeof value);
        }
}

/* Sets the lanes whose bits are 0 to those of `other`, at all positions of a block. */
CFP_WIDE static void take_lanes(float *x, const float *other, int64_t positions, int block,
                                const uint32_t *bits)
{
    for (int64_t p = 0; p < positions; p++, x += block, other += block)
        for (int lane = 0; lane < block; lane++) {
            uint32_t value, taken;
            memcpy(&value, x + lane, sizeof value);
            memcpy(&taken, other + lane, sizeof taken);
            value = (value & bits[lane]) | (taken & ~bits[lane]);
            memcpy(x + lane, &value, sizeof value);
        }
}

/* For each lane of the block that begins at a channel: all bits set if it is demanded, else none.
 * Returns the number of demanded lanes. */
static int demanded_lanes(uint32_t bits[LANES_MAX], const cfp_demand *demand, int lanes)
{
    int count = 0;
    for (int lane = 0; lane < LANES_MAX; lane++) {
        const bool kept = lane < lanes && demand[lane] >= 0;
        bits[lane] = kept ? UINT32_MAX : 0;
        count += kept;
    }
    return count;
}

static cfp_status mask(cfp_backend *backend, cfp_tensor *x, const cfp_demand *demand, int entries)
{
    const int64_t positions = cfp_positions(x->shape), blocks = cfp_blocks(x);
    if (x->block > LANES_MAX)
        return ref_gate_step(backend, &(cfp_gating){.dy = x, .demand = demand, .entries = entries});
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int64_t b = 0; b < x->shape.n * blocks; b++)
        for (int64_t start = 0; start < positions; start += PIECE) {
            uint32_t bits[LANES_MAX];
            const int first = (int)(b % blocks) * x->block;
            const int lanes = cfp_min_int(x->block, x->shape.c - first);
            const int kept =
                demanded_lanes(bits, demand + b / blocks / entries * x->shape.c + first, lanes);
            const int64_t end = start + PIECE < positions ? start + PIECE : positions;
            float *piece = x->data + (b * positions + start) * x->block;
            if (kept == 0)
                memset(piece, 0, (size_t)((end - start) * x->block) * sizeof *piece);
            else if (kept < lanes)
                keep_lanes(piece, end - start, x->block, bits);
        }
    return CFP_OK;
}

/* The activation, and in the same pass the mask. */
static cfp_status gate(cfp_backend *backend, const cfp_gating *g, const cfp_demand *demand)
{
    cfp_tensor *dy = g->dy;
    const int row = cfp_blocks(dy) * dy->block;
    float *keep = NULL;
    if (dy->block != backend->lanes->width) {
        const cfp_gating plain = {.dy = dy,
                                  .activation = g->activation,
                                  .y = g->y,
                                  .demand = demand,
                                  .entries = g->entries};
        return ref_gate_step(backend, &plain);
    }
    if (demand != NULL)
        CFP_TRY_ALLOC(backend->ctx, keep, (int64_t)dy->shape.n * row);
    for (int n = 0; n < dy->shape.n && demand != NULL; n++)
        mark_kept(keep + (int64_t)n * row, demand + (int64_t)(n / g->entries) * dy->shape.c,
                  dy->shape.c);
    const lane_slope job = {.shape = dy->shape,
                            .dy = dy->data,
                            .value = g->y->data,
                            .activation = g->activation,
                            .from_output = true,
                            .keep = keep,
                            .dst = dy->data};
    backend->lanes->slope(&job, backend->threads);
    cfp_free(keep);
    return CFP_OK;
}

/* The residual gets the gradient without the mask, so with a residual the mask is a pass of its
 * own. */
cfp_status cpu_gate(cfp_backend *backend, const cfp_gating *g)
{
    const bool masks_last = g->residual != NULL || g->activation == NULL;
    if (g->more != NULL)
        CFP_TRY(cpu_accumulate(backend, g->dy, g->more));
    if (g->activation != NULL)
        CFP_TRY(gate(backend, g, masks_last ? NULL : g->demand));
    if (g->residual != NULL)
        CFP_TRY(g->residual_adds ? cpu_accumulate(backend, g->residual, g->dy)
                                 : cpu_copy(backend, g->residual, g->dy));
    return masks_last && g->demand != NULL ? mask(backend, g->dy, g->demand, g->entries) : CFP_OK;
}

/* Which lanes of a block are kept, as all bits or none; how many are replaced. */
static int replaced_lanes(uint32_t bits[LANES_MAX], const uint8_t *where, int lanes)
{
    int count = 0;
    for (int lane = 0; lane < LANES_MAX; lane++) {
        const bool replaced = lane < lanes && where[lane] != 0;
        bits[lane] = replaced ? 0 : UINT32_MAX;
        count += replaced;
    }
    return count;
}

cfp_status cpu_replace(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                       const uint8_t *where)
{
    const int64_t positions = cfp_positions(x->shape), blocks = cfp_blocks(x);
    if (x->block > LANES_MAX)
        return ref_replace(backend, x, other, where);
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int64_t b = 0; b < x->shape.n * blocks; b++)
        for (int64_t start = 0; start < positions; start += PIECE) {
            uint32_t bits[LANES_MAX];
            const int first = (int)(b % blocks) * x->block;
            const int lanes = cfp_min_int(x->block, x->shape.c - first);
            const int replaced =
                where == NULL
                    ? lanes
                    : replaced_lanes(bits, where + b / blocks * x->shape.c + first, lanes);
            const int64_t end = start + PIECE < positions ? start + PIECE : positions;
            const size_t bytes = (size_t)((end - start) * x->block) * sizeof *x->data;
            float *piece = x->data + (b * positions + start) * x->block;
            const float *from =
                other == NULL ? NULL : other->data + (b % blocks * positions + start) * x->block;
            if (replaced == lanes && from != NULL)
                memcpy(piece, from, bytes);
            else if (replaced == lanes)
                memset(piece, 0, bytes);
            else if (replaced > 0 && from != NULL)
                take_lanes(piece, from, end - start, x->block, bits);
            else if (replaced > 0)
                keep_lanes(piece, end - start, x->block, bits);
        }
    return CFP_OK;
}

cfp_status cpu_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src)
{
    const int64_t count = cfp_stored(dst);
#pragma omp parallel for schedule(static) num_threads(backend->threads)
    for (int64_t i = 0; i < count; i++)
        dst->data[i] += src->data[i];
    return CFP_OK;
}

/* The numbers of clip n, from number i on, in a tensor that has one entry for each clip, or one for
 * all; NULL: there is no such tensor. */
static const float *other_clip(const cfp_tensor *other, int n, int64_t i)
{
    if (other == NULL)
        return NULL;
    return other->data + (other->shape.n > 1 ? n : 0) * (cfp_stored(other) / other->shape.n) + i;
}

/* Blends n numbers of the entries of a clip.  The entries are `size` floats apart.  minus: what is
 * subtracted, or NULL. */
CFP_WIDE static void blend_piece(float *dst, const float *src, const float *minus, int64_t n,
                                 int64_t size, const cfp_blend *b)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < b->count; k++)
            sum += (double)src[k * size + i];
        sum *= b->scale;
        if (minus != NULL)
            sum -= (double)minus[i];
        dst[i] = (float)sum;
    }
}

cfp_status cpu_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                     const cfp_tensor *other, const cfp_blend *blend)
{
    const int64_t size = cfp_stored(dst) / dst->shape.n;
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int n = 0; n < dst->shape.n; n++)
        for (int64_t i = 0; i < size; i += PIECE)
            blend_piece(dst->data + n * size + i, src->data + n * blend->entries * size + i,
                        other_clip(other, n, i), size - i < PIECE ? size - i : PIECE, size, blend);
    return CFP_OK;
}

/* Turns n numbers; b: where to, or NULL. */
CFP_WIDE static void turn_piece(float *to, const float *x, const float *b, int64_t n,
                                const cfp_turn *turn)
{
    const float alpha = turn->alpha;
    for (int64_t i = 0; i < n && !turn->back; i++)
        to[i] = cfp_turned(x[i], b != NULL ? b[i] : 0, alpha);
    for (int64_t i = 0; i < n && turn->back; i++) {
        const float base = b != NULL ? b[i] : 0;
        to[i] = cfp_turned_back(x[i], base, alpha, cfp_turned(0, base, alpha),
                                cfp_turned(1, base, alpha), cfp_turned(6, base, alpha));
    }
}

cfp_status cpu_turn(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                    const cfp_tensor *other, const cfp_turn *turn)
{
    const int64_t size = cfp_stored(dst) / dst->shape.n;
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int n = 0; n < dst->shape.n; n++)
        for (int64_t i = 0; i < size; i += PIECE)
            turn_piece(dst->data + n * size + i, src->data + n * size + i,
                       other_clip(other, n / turn->entries, i), size - i < PIECE ? size - i : PIECE,
                       turn);
    return CFP_OK;
}

cfp_status cpu_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src)
{
    const int64_t count = cfp_stored(dst);
    if (dst->data == src->data)
        return CFP_OK;
#pragma omp parallel for schedule(static) num_threads(backend->threads)
    for (int64_t i = 0; i < count; i += PIECE)
        memcpy(dst->data + i, src->data + i,
               (size_t)(count - i < PIECE ? count - i : PIECE) * sizeof *dst->data);
    return CFP_OK;
}
