/* cuda_cast.c - casts the sources of a step to the step's type.
 *
 * The kernels of an op have one type for all operands.  A few sources have another: the clip, which
 * is float32, and the sources of the classifier, which works in float32 (cuda_step.c).  They are
 * copied, channels last, to the front of scratch.  Their gradients are computed there, too, and
 * copied back. */
#include "cuda_backend.h"

/* A tensor of x's shape, of this type and channels last, without data. */
static cfp_tensor in_type(const cfp_tensor *x, cfp_type type)
{
    return (cfp_tensor){.shape = x->shape, .block = cuda_lanes(x->shape.c), .type = type};
}
static size_t bytes_of(const cfp_tensor *x)
{
    return ((size_t)cfp_stored(x) * cuda_size_of(x->type) + 255) / 256 * 256;
}

static cfp_status start(cuda_casts *b, cfp_backend *backend, const cfp_step *step, cfp_type type)
{
    *b = (cuda_casts){.type = type, .n = step->n_src};
    CFP_TRY_ALLOC(backend->ctx, b->src, step->n_src);
    CFP_TRY_ALLOC(backend->ctx, b->diff_src, step->n_src);
    CFP_TRY_ALLOC(backend->ctx, b->copy, 2 * (size_t)step->n_src);
    return CFP_OK;
}

void cuda_casts_free(cuda_casts *casts)
{
    cfp_free(casts->src);
    cfp_free(casts->diff_src);
    cfp_free(casts->copy);
}

cfp_status cuda_cast_shapes(cuda_casts *casts, cfp_backend *backend, const cfp_step *step,
                            const cfp_tensor *const *src, cfp_type type, size_t *bytes)
{
    *bytes = 0;
    CFP_TRY(start(casts, backend, step, type));
    for (int k = 0; k < step->n_src; k++) {
        casts->src[k] = src[k];
        if (src[k]->type == type)
            continue;
        casts->copy[k] = in_type(src[k], type);
        casts->src[k] = &casts->copy[k];
        *bytes += bytes_of(&casts->copy[k]) * (step->backward ? 2 : 1);
    }
    return CFP_OK;
}

/* Takes memory of scratch for copy i, which is like x; copies no values. */
static cfp_tensor *place(cuda_casts *b, int i, const cfp_tensor *x)
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

cfp_status cuda_cast_sources(cuda_casts *casts, cfp_backend *backend, const cfp_step *step,
                             const cfp_tensor *const *src, cfp_tensor *const *diff_src,
                             cfp_type type, void *scratch)
{
    const bool reads = diff_src == NULL || cfp_op_backward_reads(step->node->op).src;
    CFP_TRY(start(casts, backend, step, type));
    casts->scratch = scratch;
    for (int k = 0; k < step->n_src; k++) {
        cfp_tensor *diff = diff_src != NULL ? diff_src[k] : NULL;
        casts->src[k] = src[k];
        casts->diff_src[k] = diff;
        if (reads && src[k] != NULL && src[k]->type != type) {
            cfp_tensor *copy = place(casts, k, src[k]);
            casts->src[k] = copy;
            CFP_TRY(copy_to(backend, copy, src[k]));
        }
        if (diff != NULL && diff->type != type)
            casts->diff_src[k] = place(casts, step->n_src + k, diff);
    }
    return CFP_OK;
}

cfp_status cuda_cast_back(const cuda_casts *casts, cfp_backend *backend,
                          cfp_tensor *const *diff_src)
{
    for (int k = 0; k < casts->n; k++)
        if (casts->diff_src[k] != diff_src[k])
            CFP_TRY(copy_to(backend, diff_src[k], casts->diff_src[k]));
    return CFP_OK;
}
