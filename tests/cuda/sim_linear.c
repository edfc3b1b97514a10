/* sim_linear.c - linear.h without cuBLAS, for the simulator: the product is the convolution of a
 * point, whose sums are the same whatever the number of clips.
 *
 * Some are refused, as by a cuBLAS without an algorithm for them, so that cuDNN's way is run too;
 * and all of them where CUDASIM_NO_CUBLAS is set, as where the library is missing. */
#include "../../cuda/linear.h"
#include "../../cuda/conv.h"
#include <stdlib.h>

struct cuda_blas {
    cuda_dnn *dnn;
};
struct cuda_linear {
    cuda_conv *conv;
};

/* For test_cudasim: products run, and times the library was opened. */
__attribute__((visibility("default"))) int cudasim_products, cudasim_blas_opened;

cfp_status cuda_blas_open(cuda_blas **out, cfp_ctx *ctx, cudaStream_t stream, size_t workspace_cap)
{
    *out = NULL;
    cudasim_blas_opened++;
    if (getenv("CUDASIM_NO_CUBLAS") != NULL)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "cuBLAS: there is none");
    CFP_TRY_ALLOC(ctx, *out, 1);
    const cfp_status status = cuda_dnn_open(&(*out)->dnn, ctx, stream, workspace_cap);
    if (status != CFP_OK)
        cuda_blas_close(out);
    return status;
}

void cuda_blas_close(cuda_blas **blas)
{
    if (*blas == NULL)
        return;
    cuda_dnn_close(&(*blas)->dnn);
    cfp_free(*blas);
    *blas = NULL;
}

cfp_status cuda_linear_open(cuda_linear **out, const cuda_blas *blas, cfp_ctx *ctx,
                            const cuda_linear_spec *spec)
{
    const cuda_conv_spec conv = {.backward = spec->backward,
                                 .adds = spec->adds,
                                 .bias = spec->bias,
                                 .relu = spec->relu,
                                 .precision = spec->precision,
                                 .n = spec->n,
                                 .x_channels = spec->x_channels,
                                 .y_channels = spec->y_channels,
                                 .groups = 1,
                                 .x = {1, 1, 1},
                                 .y = {1, 1, 1},
                                 .kernel = {1, 1, 1},
                                 .stride = {1, 1, 1},
                                 .dilation = {1, 1, 1}};
    *out = NULL;
    if (spec->x_channels == 40)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "no such algorithm");
    CFP_TRY_ALLOC(ctx, *out, 1);
    const cfp_status status = cuda_conv_open(&(*out)->conv, blas->dnn, ctx, &conv);
    if (status != CFP_OK)
        cuda_linear_close(out);
    return status;
}

size_t cuda_linear_workspace(const cuda_linear *linear)
{
    return cuda_conv_get_facts(linear->conv).workspace_bytes;
}

cfp_status cuda_linear_run(const cuda_linear *linear, cfp_ctx *ctx, void *x, const void *w, void *y,
                           const void *z, const void *bias, void *workspace)
{
    cudasim_products++;
    return cuda_conv_run(linear->conv, ctx, x, w, y, z, bias, workspace);
}

void cuda_linear_close(cuda_linear **linear)
{
    if (*linear == NULL)
        return;
    cuda_conv_close(&(*linear)->conv);
    cfp_free(*linear);
    *linear = NULL;
}
