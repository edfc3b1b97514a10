/* cuda_bring.c - the sources of a step in the step's own type.
 *
 * The kernels of an op have one type for all operands; a few tensors have another: the clip, which
 * comes in float32, and what the classifier reads, which works in float32 (cuda_step.c).  They are
 * copied, channels last, into the front of scratch; their gradients are made there, and copied
 * back. */
#include "cuda_backend.h"

/* A tensor like x, in `type` and channels last. */
static cfp_tensor in_type(const cfp_tensor *x, cfp_type type)
{
    return (cfp_tensor){.shape = x->shape, .block = cuda_lanes(x->shape.c), .type = type};
}
static size_t bytes_of(const cfp_tensor *x)
{
    return ((size_t)cfp_stored(x) * cuda_size_of(x->type) + 255) / 256 * 256;
}

static cfp_status start(cuda_brought *b, cfp_backend *backend, const cfp_step *step, cfp_type type)
{
    *b = (cuda_brought){.type = type, .n = step->n_src};
    CFP_TRY_ALLOC(backend->ctx, b->src, step->n_src);
    CFP_TRY_ALLOC(backend->ctx, b->diff_src, step->n_src);
    CFP_TRY_ALLOC(backend->ctx, b->copy, 2 * (size_t)step->n_src);
    return CFP_OK;
}

void cuda_brought_free(cuda_brought *brought)
{
    cfp_free(brought->src);
    cfp_free(brought->diff_src);
    cfp_free(brought->copy);
}

cfp_status cuda_bring_shapes(cuda_brought *brought, cfp_backend *backend, const cfp_step *step,
                             const cfp_tensor *const *src, cfp_type type, size_t *bytes)
{
    *bytes = 0;
    CFP_TRY(start(brought, backend, step, type));
    for (int k = 0; k < step->n_src; k++) {
        brought->src[k] = src[k];
        if (src[k]->type == type)
            continue;
        brought->copy[k] = in_type(src[k], type);
        brought->src[k] = &brought->copy[k];
        *bytes += bytes_of(&brought->copy[k]) * (step->backward ? 2 : 1);
    }
    return CFP_OK;
}

/* x's copy in scratch, without its values. */
static cfp_tensor *place(cuda_brought *b, int i, const cfp_tensor *x)
{
    cfp_tensor *copy = &b->copy[i];
    *copy = in_type(x, b->type);
    copy->data = (float *)(void *)b->scratch;
    b->scratch += bytes_of(copy);
    return copy;
}

static cfp_status copy_to(cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *src)
{
    const cuda_view to = cuda_view_of(dst), from = cuda_view_of(src);
    CFP_TRY(cuda_relayout(backend, &to, &from));
    return cuda_watch_tensor(backend, dst);
}

cfp_status cuda_bring(cuda_brought *brought, cfp_backend *backend, const cfp_step *step,
                      const cfp_tensor *const *src, cfp_tensor *const *diff_src, cfp_type type,
                      void *scratch)
{
    const bool reads = diff_src == NULL || cfp_op_backward_reads(step->node->op).src;
    CFP_TRY(start(brought, backend, step, type));
    brought->scratch = scratch;
    for (int k = 0; k < step->n_src; k++) {
        cfp_tensor *diff = diff_src != NULL ? diff_src[k] : NULL;
        brought->src[k] = src[k];
        brought->diff_src[k] = diff;
        if (reads && src[k] != NULL && src[k]->type != type) {
            cfp_tensor *copy = place(brought, k, src[k]);
            brought->src[k] = copy;
            CFP_TRY(copy_to(backend, copy, src[k]));
        }
        if (diff != NULL && diff->type != type)
            brought->diff_src[k] = place(brought, step->n_src + k, diff);
    }
    return CFP_OK;
}

cfp_status cuda_bring_back(const cuda_brought *brought, cfp_backend *backend,
                           cfp_tensor *const *diff_src)
{
    for (int k = 0; k < brought->n; k++)
        if (brought->diff_src[k] != diff_src[k])
            CFP_TRY(copy_to(backend, diff_src[k], brought->diff_src[k]));
    return CFP_OK;
}
