/* cuda_product.c - who multiplies for a kernel layer: cuBLAS where it is a plain product of two
 * matrices, one position of several clips; cuDNN everything else.
 *
 * One clip's is a matrix and a vector: bound by the reading of the weights, where cuDNN's plan of
 * a 1x1x1 convolution is as good, and cuBLAS need not be loaded.  Where cuBLAS is missing, or has
 * no algorithm, cuDNN serves, too. */
#include "cuda_backend.h"

static bool is_matrix_product(const cuda_conv_spec *s)
{
    bool point = s->n > 1 && s->groups == 1;
    for (int a = 0; a < 3; a++)
        point = point && s->x[a] == 1 && s->y[a] == 1 && s->kernel[a] == 1;
    return point;
}

static cfp_status open_blas(cfp_backend *backend)
{
    if (backend->blas != NULL)
        return CFP_OK;
    if (backend->blas_missing)
        return CFP_UNSUPPORTED;
    const cfp_status status =
        cuda_blas_open(&backend->blas, backend->ctx, backend->stream, CUDA_WORKSPACE_BYTES);
    if (status == CFP_UNSUPPORTED) {
        backend->blas_missing = true;
        cfp_log(backend->ctx, CFP_LOG_INFO, "%s; cuDNN multiplies instead", backend->ctx->message);
    }
    return status;
}

static cfp_status open_linear(cuda_linear **out, cfp_backend *backend, const cuda_conv_spec *spec)
{
    const cuda_linear_spec linear = {.backward = spec->backward,
                                     .adds = spec->adds,
                                     .bias = spec->bias,
                                     .relu = spec->relu,
                                     .precision = spec->precision,
                                     .n = spec->n,
                                     .x_channels = spec->x_channels,
                                     .y_channels = spec->y_channels};
    CFP_TRY(open_blas(backend));
    return cuda_linear_open(out, backend->blas, backend->ctx, &linear);
}

cfp_status cuda_product_open(cuda_product *out, cfp_backend *backend, const cuda_conv_spec *spec)
{
    *out = (cuda_product){NULL, NULL};
    if (is_matrix_product(spec)) {
        const cfp_status status = open_linear(&out->linear, backend, spec);
        if (status != CFP_UNSUPPORTED)
            return status;
    }
    if (backend->tuning != NULL)
        return cuda_tuning_conv_open(&out->conv, backend->tuning, backend, spec);
    return cuda_conv_open(&out->conv, backend->dnn, backend->ctx, spec);
}

size_t cuda_product_workspace(const cuda_product *product)
{
    if (product->linear != NULL)
        return cuda_linear_workspace(product->linear);
    return product->conv != NULL ? cuda_conv_get_facts(product->conv).workspace_bytes : 0;
}

cfp_status cuda_product_run(const cuda_product *product, cfp_backend *backend, void *x,
                            const void *w, void *y, const void *z, const void *bias,
                            void *workspace)
{
    if (product->linear != NULL)
        return cuda_linear_run(product->linear, backend->ctx, x, w, y, z, bias, workspace);
    return cuda_conv_run(product->conv, backend->ctx, x, w, y, z, bias, workspace);
}

void cuda_product_close(cuda_product *product)
{
    cuda_linear_close(&product->linear);
    cuda_conv_close(&product->conv);
}
