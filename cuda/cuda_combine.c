/* cuda_combine.c - add and mul of any number of tensors, with broadcasting.
 *
 * Backward, the gradient of an input is diff_dst or, for mul, the product of diff_dst and the other
 * inputs.  For an input that was broadcast, this is summed over the axes along which it was. */
#include "cuda_backend.h"

/* A sum or product of any number of operands.  A kernel takes CUDA_TERMS; if there are more, the
 * next kernel starts from the result so far. */
typedef struct chain {
    cfp_backend *backend;
    cuda_combination op;
} chain;

static cfp_status chain_add(chain *c, cuda_view x)
{
    if (c->op.n_src == CUDA_TERMS) {
        CUDA_TRY(c->backend, cuda_combine(&c->op, c->backend->stream));
        c->op.src[0] = c->op.dst;
        c->op.n_src = 1;
    }
    c->op.src[c->op.n_src++] = x;
    return CFP_OK;
}

static cfp_status chain_end(chain *c, const cfp_node *activation)
{
    c->op.activation = cuda_activation_of(activation);
    CUDA_TRY(c->backend, cuda_combine(&c->op, c->backend->stream));
    return CFP_OK;
}

static cfp_status combine_forward(cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    chain c = {backend, {.dst = cuda_view_of(dst), .multiplies = step->node->op == CFP_OP_MUL}};
    (void)scratch;
    for (int k = 0; k < step->n_src; k++)
        CFP_TRY(chain_add(&c, cuda_broadcast(cuda_view_of(src[k]), dst->shape)));
    return chain_end(&c, step->activation);
}

/* to = diff_dst times all inputs but k. */
static cfp_status multiply_others(cfp_backend *backend, const cfp_step *step, cuda_view to,
                                  const cfp_tensor *const *src, const cfp_tensor *diff_dst, int k)
{
    chain c = {backend, {.dst = to, .multiplies = true}};
    CFP_TRY(chain_add(&c, cuda_view_of(diff_dst)));
    for (int i = 0; i < step->n_src && step->node->op == CFP_OP_MUL; i++)
        if (i != k)
            CFP_TRY(chain_add(&c, cuda_broadcast(cuda_view_of(src[i]), diff_dst->shape)));
    return chain_end(&c, NULL);
}

/* True if there are more factors than a sum takes, so that they are multiplied in scratch first. */
static bool multiplies_aside(const cfp_step *step)
{
    return step->node->op == CFP_OP_MUL && step->n_src > CUDA_TERMS;
}

static cfp_status combine_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                               const cfp_tensor *dst)
{
    (void)backend, (void)src;
    if (step->backward && multiplies_aside(step))
        step->scratch_bytes = (size_t)cfp_stored(dst) * cuda_size_of(dst->type);
    return CFP_OK;
}

static cfp_status sum_served(cfp_backend *backend, const cfp_step *step, cfp_tensor *dx,
                             const cfp_tensor *const *src, const cfp_tensor *diff_dst, int k,
                             void *scratch)
{
    const cfp_shape in = dx->shape, out = diff_dst->shape;
    cuda_reduction sum = {.dst = cuda_view_of(dx),
                          .term = {cuda_view_of(diff_dst)},
                          .n_terms = 1,
                          .over_c = in.c != out.c,
                          .over_t = in.t != out.t,
                          .over_h = in.h != out.h,
                          .over_w = in.w != out.w,
                          .scale = 1};
    if (multiplies_aside(step)) {
        sum.term[0] = cuda_view_at(scratch, diff_dst->type, out, diff_dst->block);
        CFP_TRY(multiply_others(backend, step, sum.term[0], src, diff_dst, k));
    } else {
        for (int i = 0; i < step->n_src && step->node->op == CFP_OP_MUL; i++)
            if (i != k)
                sum.term[sum.n_terms++] = cuda_broadcast(cuda_view_of(src[i]), out);
    }
    CFP_TRY(cuda_sum(backend, &sum));
    return cuda_zero_lanes(backend, &sum.dst);
}

static cfp_status combine_backward(cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, const cfp_tensor *dst,
                                   const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                   void *scratch)
{
    (void)dst;
    for (int k = 0; k < step->n_src; k++) {
        cfp_tensor *dx = diff_src[k];
        if (dx == NULL)
            continue;
        if (cfp_shape_equal(dx->shape, diff_dst->shape))
            CFP_TRY(multiply_others(backend, step, cuda_view_of(dx), src, diff_dst, k));
        else
            CFP_TRY(sum_served(backend, step, dx, src, diff_dst, k, scratch));
    }
    return CFP_OK;
}

const cuda_op cuda_op_combine = {combine_open, combine_forward, combine_backward, NULL};
