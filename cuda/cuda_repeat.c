/* cuda_repeat.c - pad by edges or by reflection, and upsample: tables of places for repeat.cu. */
#include "cuda_backend.h"

typedef struct repeats {
    int *table; /* in device memory: from, first, to of T, then of H and W */
    int at[3][3];
} repeats;

static void extents(int in[3], int out[3], cfp_shape x, cfp_shape y)
{
    in[0] = x.t, in[1] = x.h, in[2] = x.w;
    out[0] = y.t, out[1] = y.h, out[2] = y.w;
}

/* from[out], first[in + 1], to[out] of one axis */
static void fill_axis(int *from, int *first, int *to, const cfp_node *node, int axis, int in,
                      int out)
{
    for (int o = 0; o < out; o++)
        from[o] = cfp_repeated_place(node, axis, in, o);
    int end = 0;
    for (int i = 0; i < in; i++) {
        first[i] = end;
        for (int o = 0; o < out; o++)
            if (from[o] == i)
                to[end++] = o;
    }
    first[in] = end;
}

static cfp_status repeat_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                              const cfp_tensor *dst)
{
    int in[3], out[3], *table, size = 0;
    repeats *plan;
    void *memory = NULL;
    extents(in, out, src[0]->shape, dst->shape);
    CFP_TRY_ALLOC(backend->ctx, plan, 1);
    step->plan = plan;
    for (int a = 0; a < 3; a++) {
        plan->at[a][0] = size;
        plan->at[a][1] = size + out[a];
        plan->at[a][2] = size + out[a] + in[a] + 1;
        size += 2 * out[a] + in[a] + 1;
    }
    CFP_TRY_ALLOC(backend->ctx, table, size);
    for (int a = 0; a < 3; a++)
        fill_axis(table + plan->at[a][0], table + plan->at[a][1], table + plan->at[a][2],
                  step->node, a, in[a], out[a]);
    cfp_status status = cuda_new_bytes(backend, &memory, (size_t)size * sizeof *table);
    plan->table = memory;
    if (status == CFP_OK)
        status = cuda_put_bytes(backend, memory, table, (size_t)size * sizeof *table);
    cfp_free(table);
    return status;
}

static void repeat_close(cfp_backend *backend, cfp_step *step)
{
    (void)backend;
    (void)cudaFree(((repeats *)step->plan)->table);
}

static cuda_repeat repeat_of(const cfp_step *step, const cfp_tensor *in, const cfp_tensor *out)
{
    const repeats *plan = step->plan;
    cuda_repeat op = {.in = cuda_view_of(in), .out = cuda_view_of(out)};
    for (int a = 0; a < 3; a++) {
        op.from[a] = plan->table + plan->at[a][0];
        op.first[a] = plan->table + plan->at[a][1];
        op.to[a] = plan->table + plan->at[a][2];
    }
    return op;
}

static cfp_status repeat_forward(cfp_backend *backend, const cfp_step *step,
                                 const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const cuda_repeat op = repeat_of(step, src[0], dst);
    (void)scratch;
    CUDA_TRY(backend, cuda_repeat_places(&op, false, backend->stream));
    return CFP_OK;
}

static cfp_status repeat_backward(cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, const cfp_tensor *dst,
                                  const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                  void *scratch)
{
    (void)src, (void)dst, (void)scratch;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const cuda_repeat op = repeat_of(step, diff_src[0], diff_dst);
    CUDA_TRY(backend, cuda_repeat_places(&op, true, backend->stream));
    return CFP_OK;
}

const cuda_op cuda_op_repeat = {repeat_open, repeat_forward, repeat_backward, repeat_close};
