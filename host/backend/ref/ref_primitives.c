/* ref_primitives.c - the primitives of the method: means, sums, masks, copies. */
#include "ref_ops.h"
#include "../turn_math.h"
#include <string.h>

size_t ref_tensor_bytes(const cfp_tensor *x)
{
    return (size_t)cfp_stored(x) * sizeof *x->data;
}

void ref_zero_lanes(cfp_tensor *x)
{
    const cfp_shape s = x->shape;
    const int used = s.c % x->block; /* lanes of the last block that are channels; 0: all */
    if (used == 0)
        return;
    for (int n = 0; n < s.n; n++) {
        float *last = ref_channel(x, n, s.c - used);
        for (int64_t p = 0; p < cfp_positions(s); p++)
            memset(last + p * x->block + used, 0, (size_t)(x->block - used) * sizeof *last);
    }
}

cfp_status ref_upload(cfp_backend *backend, cfp_tensor *dst, const float *plain)
{
    (void)backend;
    cfp_pack(dst, plain);
    return CFP_OK;
}

cfp_status ref_download(cfp_backend *backend, float *plain, const cfp_tensor *src)
{
    (void)backend;
    cfp_unpack(plain, src);
    return CFP_OK;
}

cfp_status ref_channel_mean(cfp_backend *backend, float *mean, const cfp_tensor *x,
                            const cfp_tensor *g)
{
    (void)backend;
    const int64_t positions = cfp_positions(x->shape);
    for (int n = 0; n < x->shape.n; n++)
        for (int c = 0; c < x->shape.c; c++) {
            const float *v = ref_channel(x, n, c);
            const float *slope = g != NULL ? ref_channel(g, n, c) : NULL;
            double sum = 0;
            for (int64_t p = 0; p < positions; p++)
                sum += (double)v[p * x->block] * (g != NULL ? slope[p * g->block] : 1);
            mean[(int64_t)n * x->shape.c + c] = (float)(sum / (double)positions);
        }
    return CFP_OK;
}

/* One question's map. */
static void sum_channels(float *map, const cfp_tensor *x, const cfp_tensor *g, int n,
                         const cfp_demand *demand, bool positive)
{
    for (int64_t p = 0; p < cfp_positions(x->shape); p++) {
        double sum = 0;
        for (int c = 0; c < x->shape.c; c++)
            if (demand[c] >= 0)
                sum += (double)ref_channel(x, n, c)[p * x->block] *
                       (g != NULL ? ref_channel(g, n, c)[p * g->block] : 1);
        map[p] = positive && sum < 0 ? 0 : (float)sum;
    }
}

cfp_status ref_channel_sum(cfp_backend *backend, float *map, const cfp_tensor *x,
                           const cfp_tensor *g, const cfp_demand *demand, int questions, int thetas,
                           bool positive)
{
    (void)backend;
    for (int q = 0; q < questions; q++)
        sum_channels(map + q * cfp_positions(x->shape), x, g, q / thetas,
                     demand + (int64_t)q * x->shape.c, positive);
    return CFP_OK;
}

static void mask(cfp_tensor *x, const cfp_demand *demand, int entries)
{
    for (int n = 0; n < x->shape.n; n++)
        for (int c = 0; c < x->shape.c; c++) {
            float *v = ref_channel(x, n, c);
            const bool demanded = demand[(int64_t)(n / entries) * x->shape.c + c] >= 0;
            for (int64_t p = 0; !demanded && p < cfp_positions(x->shape); p++)
                v[p * x->block] = 0;
        }
}

static void gate(cfp_tensor *dy, const cfp_node *activation, const cfp_tensor *y)
{
    for (int n = 0; n < dy->shape.n; n++)
        for (int c = 0; c < dy->shape.c; c++) {
            float *slope = ref_channel(dy, n, c);
            const float *value = ref_channel(y, n, c);
            for (int64_t p = 0; p < cfp_positions(dy->shape); p++)
                slope[p * dy->block] *= ref_gate(activation, value[p * y->block]);
        }
}

cfp_status ref_gate_step(cfp_backend *backend, const cfp_gating *g)
{
    if (g->more != NULL)
        CFP_TRY(ref_accumulate(backend, g->dy, g->more));
    if (g->activation != NULL)
        gate(g->dy, g->activation, g->y);
    if (g->residual != NULL && g->residual_adds)
        CFP_TRY(ref_accumulate(backend, g->residual, g->dy));
    else if (g->residual != NULL)
        CFP_TRY(ref_copy(backend, g->residual, g->dy));
    if (g->demand != NULL)
        mask(g->dy, g->demand, g->entries);
    return CFP_OK;
}

cfp_status ref_replace(cfp_backend *backend, cfp_tensor *x, const cfp_tensor *other,
                       const uint8_t *where)
{
    (void)backend;
    for (int n = 0; n < x->shape.n; n++)
        for (int c = 0; c < x->shape.c; c++) {
            float *v = ref_channel(x, n, c);
            const float *from = other != NULL ? ref_channel(other, 0, c) : NULL;
            const bool replaced = where == NULL || where[(int64_t)n * x->shape.c + c] != 0;
            for (int64_t p = 0; replaced && p < cfp_positions(x->shape); p++)
                v[p * x->block] = from != NULL ? from[p * x->block] : 0;
        }
    if (where == NULL)
        ref_zero_lanes(x);
    return CFP_OK;
}

cfp_status ref_accumulate(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src)
{
    (void)backend;
    for (int64_t i = 0; i < cfp_stored(dst); i++)
        dst->data[i] += src->data[i];
    return CFP_OK;
}

cfp_status ref_copy(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src)
{
    (void)backend;
    memcpy(dst->data, src->data, (size_t)cfp_stored(src) * sizeof *dst->data);
    return CFP_OK;
}

/* The numbers of clip n in a tensor that has one entry for each clip, or one for all; NULL: there
 * is no such tensor. */
static const float *other_clip(const cfp_tensor *other, int64_t n)
{
    if (other == NULL)
        return NULL;
    return other->data + (other->shape.n > 1 ? n : 0) * (cfp_stored(other) / other->shape.n);
}

cfp_status ref_blend(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                     const cfp_tensor *other, const cfp_blend *b)
{
    (void)backend;
    const int64_t size = cfp_stored(dst) / dst->shape.n; /* numbers of one entry */
    for (int64_t i = 0; i < cfp_stored(dst); i++) {
        const float *x = src->data + i / size * b->entries * size + i % size;
        const float *minus = other_clip(other, i / size);
        double sum = 0;
        for (int k = 0; k < b->count; k++)
            sum += (double)x[k * size];
        dst->data[i] = (float)(sum * b->scale - (minus != NULL ? (double)minus[i % size] : 0));
    }
    return CFP_OK;
}

cfp_status ref_turn(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src,
                    const cfp_tensor *other, const cfp_turn *turn)
{
    (void)backend;
    const float alpha = turn->alpha;
    const int64_t size = cfp_stored(dst) / dst->shape.n; /* numbers of one entry */
    for (int n = 0; n < dst->shape.n; n++)
        for (int64_t i = 0; i < size; i++) {
            const float *towards = other_clip(other, n / turn->entries);
            const float b = towards != NULL ? towards[i] : 0, x = src->data[n * size + i];
            dst->data[n * size + i] =
                turn->back ? cfp_turned_back(x, b, alpha, cfp_turned(0, b, alpha),
                                             cfp_turned(1, b, alpha), cfp_turned(6, b, alpha))
                           : cfp_turned(x, b, alpha);
        }
    return CFP_OK;
}

cfp_status ref_seed(cfp_backend *backend, cfp_tensor *x, const float *value)
{
    (void)backend;
    cfp_pack(x, value);
    return CFP_OK;
}

cfp_status ref_fill(cfp_backend *backend, void *memory, int byte, size_t bytes)
{
    (void)backend;
    memset(memory, byte, bytes);
    return CFP_OK;
}

cfp_status ref_put(cfp_backend *backend, void *memory, const void *host, size_t bytes)
{
    (void)backend;
    memmove(memory, host, bytes); /* both may be the same */
    return CFP_OK;
}

cfp_status ref_fetch(cfp_backend *backend, void *host, const void *memory, size_t bytes)
{
    (void)backend;
    memmove(host, memory, bytes);
    return CFP_OK;
}
