/* cublas_linear.c - the product of a layer's weights and its source by cuBLASLt.
 *
 * cuBLASLt's matrices are column-major, so it reads our row-major ones as their transposes.  It
 * computes y^T = w x^T and, backward, x^T = w^T y^T, each with one column for a clip.  So nothing
 * has to be moved.
 *
 * The algorithm is chosen when the product is opened and does not change.  Split-K
 * algorithms are excluded: several of their blocks add to one output, in any order.  All others sum
 * in a fixed order. */
#include "cublas_library.h"
#include <stdio.h>

enum { ALIGNED = 16, BIAS_ALIGNED = 256 };

struct cuda_linear {
    const cuda_blas *blas; /* borrowed */
    cuda_linear_spec spec;
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t weight, source, result; /* column-major */
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace_bytes;
};

/* Fails with a message that starts with the product, "linear+bias 3 x 512 -> 104, tf32". */
static cfp_status refused(cfp_ctx *ctx, cfp_status status, const cuda_linear *linear,
                          cublasStatus_t why)
{
    static const char *const precision[] = {"fp32", "tf32", "bf16", "fp16"};
    const cuda_linear_spec *s = &linear->spec;
    return cfp_fail(ctx, status, "%s%s%s%s %d x %d -> %d, %s: cuBLAS: %s",
                    s->backward ? "backward-data of linear" : "linear", s->adds ? "+z" : "",
                    s->bias ? "+bias" : "", s->relu ? "+relu" : "", s->n, s->x_channels,
                    s->y_channels, precision[s->precision],
                    linear->blas->cublasLtGetStatusString(why));
}

static cudaDataType_t type_of(cfp_precision precision)
{
    return precision == CFP_BF16 ? CUDA_R_16BF : precision == CFP_FP16 ? CUDA_R_16F : CUDA_R_32F;
}

static cublasComputeType_t compute_of(cfp_precision precision)
{
    if (precision == CFP_FP32)
        return CUBLAS_COMPUTE_32F_PEDANTIC;
    return precision == CFP_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

#define BLAS_TRY(call)                                                                             \
    do {                                                                                           \
        const cublasStatus_t status_ = (call);                                                     \
        if (status_ != CUBLAS_STATUS_SUCCESS)                                                      \
            return status_;                                                                        \
    } while (0)

static cublasStatus_t describe_product(cuda_linear *linear)
{
    const cuda_blas *blas = linear->blas;
    const cuda_linear_spec *s = &linear->spec;
    const int32_t transpose = s->backward ? CUBLAS_OP_N : CUBLAS_OP_T;
    const uint32_t epilogue =
        (s->relu ? CUBLASLT_EPILOGUE_RELU : 0u) | (s->bias ? CUBLASLT_EPILOGUE_BIAS : 0u);
    BLAS_TRY(
        blas->cublasLtMatmulDescCreate(&linear->product, compute_of(s->precision), CUDA_R_32F));
    BLAS_TRY(blas->cublasLtMatmulDescSetAttribute(linear->product, CUBLASLT_MATMUL_DESC_TRANSA,
                                                  &transpose, sizeof transpose));
    if (epilogue != 0)
        BLAS_TRY(blas->cublasLtMatmulDescSetAttribute(
            linear->product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t set_bias(const cuda_linear *linear, const void *bias)
{
    return linear->blas->cublasLtMatmulDescSetAttribute(
        linear->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
}

static cublasStatus_t describe_matrices(cuda_linear *linear)
{
    const cuda_blas *blas = linear->blas;
    const cuda_linear_spec *s = &linear->spec;
    const cudaDataType_t type = type_of(s->precision);
    const uint64_t n = (uint64_t)s->n, x = (uint64_t)s->x_channels, y = (uint64_t)s->y_channels;
    const uint64_t from = s->backward ? y : x, to = s->backward ? x : y;
    BLAS_TRY(blas->cublasLtMatrixLayoutCreate(&linear->weight, type, x, y, (int64_t)x));
    BLAS_TRY(blas->cublasLtMatrixLayoutCreate(&linear->source, type, from, n, (int64_t)from));
    return blas->cublasLtMatrixLayoutCreate(&linear->result, type, to, n, (int64_t)to);
}

static cublasStatus_t wish(const cuda_blas *blas, cublasLtMatmulPreference_t preference)
{
    static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    const uint64_t most = blas->workspace_cap;
    const uint32_t alignment = ALIGNED;
    /* One sum in sequence, or partial sums in the workspace, in float32, that another step adds. */
    const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    BLAS_TRY(blas->cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most));
    BLAS_TRY(blas->cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions));
    for (int i = 0; i < 4; i++)
        BLAS_TRY(blas->cublasLtMatmulPreferenceSetAttribute(preference, alignments[i], &alignment,
                                                            sizeof alignment));
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t choose(cuda_linear *linear, cublasLtMatmulPreference_t preference)
{
    const cuda_blas *blas = linear->blas;
    cublasLtMatmulHeuristicResult_t offer;
    int offers = 0;
    BLAS_TRY(wish(blas, preference));
    BLAS_TRY(blas->cublasLtMatmulAlgoGetHeuristic(blas->handle, linear->product, linear->weight,
                                                  linear->source, linear->result, linear->result,
                                                  preference, 1, &offer, &offers));
    if (offers < 1)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    BLAS_TRY(offer.state);
    linear->algorithm = offer.algo;
    linear->workspace_bytes = offer.workspaceSize;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t plan(cuda_linear *linear)
{
    const cuda_blas *blas = linear->blas;
    cublasLtMatmulPreference_t preference;
    BLAS_TRY(describe_product(linear));
    BLAS_TRY(describe_matrices(linear));
    if (linear->spec.bias) /* its address is not known yet; the heuristics use its alignment */
        BLAS_TRY(set_bias(linear, (const char *)NULL + BIAS_ALIGNED));
    BLAS_TRY(blas->cublasLtMatmulPreferenceCreate(&preference));
    const cublasStatus_t status = choose(linear, preference);
    (void)blas->cublasLtMatmulPreferenceDestroy(preference);
    return status;
}

cfp_status cuda_linear_open(cuda_linear **out, const cuda_blas *blas, cfp_ctx *ctx,
                            const cuda_linear_spec *spec)
{
    *out = NULL;
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->blas = blas;
    (*out)->spec = *spec;
    const cublasStatus_t status = plan(*out);
    if (status == CUBLAS_STATUS_SUCCESS)
        return CFP_OK;
    /* CFP_UNSUPPORTED: cuDNN computes it instead. */
    const bool full = status == CUBLAS_STATUS_ALLOC_FAILED;
    const cfp_status said = refused(ctx, full ? CFP_NOMEM : CFP_UNSUPPORTED, *out, status);
    cuda_linear_close(out);
    return said;
}

size_t cuda_linear_workspace(const cuda_linear *linear)
{
    return linear->workspace_bytes;
}

cfp_status cuda_linear_run(const cuda_linear *linear, cfp_ctx *ctx, void *x, const void *w, void *y,
                           const void *z, const void *bias, void *workspace)
{
    const cuda_blas *blas = linear->blas;
    const bool backward = linear->spec.backward;
    const float one = 1, nothing = 0;
    void *const result = backward ? x : y;
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    if (bias != NULL)
        status = set_bias(linear, bias);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = blas->cublasLtMatmul(blas->handle, linear->product, &one, w, linear->weight,
                                      backward ? y : x, linear->source, z != NULL ? &one : &nothing,
                                      z != NULL ? z : result, linear->result, result,
                                      linear->result, &linear->algorithm, workspace,
                                      linear->workspace_bytes, blas->stream);
    return status == CUBLAS_STATUS_SUCCESS ? CFP_OK : refused(ctx, CFP_DEVICE, linear, status);
}

void cuda_linear_close(cuda_linear **linear)
{
    if (*linear == NULL)
        return;
    const cuda_blas *blas = (*linear)->blas;
    const cublasLtMatrixLayout_t matrix[] = {(*linear)->weight, (*linear)->source,
                                             (*linear)->result};
    for (int i = 0; i < 3; i++)
        if (matrix[i] != NULL)
            (void)blas->cublasLtMatrixLayoutDestroy(matrix[i]);
    if ((*linear)->product != NULL)
        (void)blas->cublasLtMatmulDescDestroy((*linear)->product);
    cfp_free(*linear);
    *linear = NULL;
}
