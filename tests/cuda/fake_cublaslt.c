/* fake_cublaslt.c - a library in cuBLASLt's place, for test_cublas.  It has the functions that the
 * CUDA backend calls, with the types of NVIDIA's header, on host memory and as plain loops.
 *
 * It computes exactly what the descriptors say, and refuses what does not fit, as cuBLASLt does. */
#include "fake_cublaslt.h"
#include "halves.h"
#include <stdlib.h>

__attribute__((visibility("default"))) fake_cublaslt fake;

enum { WORKSPACE = 512, ALGORITHM = 4711 };

struct product {
    cublasComputeType_t compute;
    cudaDataType_t scale;
    int32_t transpose_a;
    uint32_t epilogue;
    const void *bias;
};
struct matrix {
    cudaDataType_t type;
    uint64_t rows, columns;
    int64_t ld;
};
struct preference {
    uint64_t workspace;
    uint32_t reductions, alignment[4];
};

static void *made(size_t bytes)
{
    fake.live++;
    return calloc(1, bytes);
}
static cublasStatus_t destroyed(void *what)
{
    fake.live--;
    free(what);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    if (fake.does_not_start)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    *handle = made(1);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    return destroyed(handle);
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_SUPPORTED     ? "it is not supported"
           : status == CUBLAS_STATUS_NOT_INITIALIZED ? "it is not initialised"
                                                     : "it failed";
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute,
                                        cudaDataType_t scale)
{
    struct product *p = made(sizeof *p);
    *p = (struct product){compute, scale, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL};
    *out = (void *)p;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    return destroyed(desc);
}

static cublasStatus_t take(void *to, size_t capacity, const void *from, size_t bytes)
{
    if (bytes != capacity)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, from, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t bytes)
{
    struct product *p = (void *)desc;
    switch (name) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        return take(&p->transpose_a, sizeof p->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return take(&p->epilogue, sizeof p->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return take(&p->bias, sizeof p->bias, value, bytes);
    default:
        return CUBLAS_STATUS_INVALID_VALUE;
    }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType_t type,
                                          uint64_t rows, uint64_t columns, int64_t ld)
{
    struct matrix *m = made(sizeof *m);
    *m = (struct matrix){type, rows, columns, ld};
    *out = (void *)m;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    return destroyed(layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out)
{
    struct preference *p = made(sizeof *p);
    *p = (struct preference){0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
    *out = (void *)p;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    return destroyed(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name,
                                                    const void *value, size_t bytes)
{
    struct preference *p = (void *)preference;
    if (name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
        return take(&p->workspace, sizeof p->workspace, value, bytes);
    if (name == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
        return take(&p->reductions, sizeof p->reductions, value, bytes);
    const int operand = (int)name - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    if (operand < 0 || operand > 3)
        return CUBLAS_STATUS_INVALID_VALUE;
    return take(&p->alignment[operand], sizeof p->alignment[0], value, bytes);
}

/* True if op(A) is m x k, B k x n, C and D m x n. */
static bool fits(const struct product *p, const struct matrix *a, const struct matrix *b,
                 const struct matrix *c, const struct matrix *d)
{
    const bool transposed = p->transpose_a == CUBLAS_OP_T;
    const uint64_t m = transposed ? a->columns : a->rows, k = transposed ? a->rows : a->columns;
    const struct matrix *all[] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        if (all[i]->type != d->type || all[i]->ld < (int64_t)all[i]->rows)
            return false;
    return p->scale == CUDA_R_32F && k == b->rows && m == d->rows && b->columns == d->columns &&
           c->rows == d->rows && c->columns == d->columns && c->ld == d->ld;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int capacity,
                                              cublasLtMatmulHeuristicResult_t result[], int *count)
{
    const struct product *p = (void *)product;
    const struct preference *wish = (void *)preference;
    *count = 0;
    if (handle == NULL || capacity < 1 || !fits(p, (void *)a, (void *)b, (void *)c, (void *)d))
        return CUBLAS_STATUS_INVALID_VALUE;
    fake.reductions = wish->reductions;
    fake.workspace_most = wish->workspace;
    memcpy(fake.alignment, wish->alignment, sizeof fake.alignment);
    fake.bias = p->bias;
    if (fake.has_no_algorithm || wish->workspace < WORKSPACE)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    result[0] = (cublasLtMatmulHeuristicResult_t){.workspaceSize = WORKSPACE};
    result[0].algo.data[0] = ALGORITHM;
    *count = 1;
    return CUBLAS_STATUS_SUCCESS;
}

static float number(const void *memory, cudaDataType_t type, int64_t i)
{
    if (type == CUDA_R_32F)
        return ((const float *)memory)[i];
    const uint16_t half = ((const uint16_t *)memory)[i];
    return type == CUDA_R_16BF ? float_of_bfloat16(half) : float_of_float16(half);
}

static void put(void *memory, cudaDataType_t type, int64_t i, float x)
{
    if (type == CUDA_R_32F)
        ((float *)memory)[i] = x;
    else
        ((uint16_t *)memory)[i] = type == CUDA_R_16BF ? bfloat16_of(x) : float16_of(x);
}

/* One element of op(A) B. */
static double dot(const struct product *p, const struct matrix *ma, const void *a,
                  const struct matrix *mb, const void *b, int64_t row, int64_t column)
{
    double sum = 0;
    for (int64_t k = 0; k < (int64_t)mb->rows; k++) {
        const int64_t at = p->transpose_a == CUBLAS_OP_T ? k + row * ma->ld : row + k * ma->ld;
        sum += (double)number(a, ma->type, at) * (double)number(b, mb->type, k + column * mb->ld);
    }
    return sum;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                              const void *alpha, const void *a, cublasLtMatrixLayout_t a_layout,
                              const void *b, cublasLtMatrixLayout_t b_layout, const void *beta,
                              const void *c, cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspace_bytes, cudaStream_t stream)
{
    const struct product *p = (void *)product;
    const struct matrix *ma = (void *)a_layout, *mb = (void *)b_layout, *mc = (void *)c_layout,
                        *md = (void *)d_layout;
    const float times = *(const float *)alpha, plus = *(const float *)beta;
    const bool has_bias = (p->epilogue & CUBLASLT_EPILOGUE_BIAS) != 0;
    if (fake.fails_to_run)
        return CUBLAS_STATUS_EXECUTION_FAILED;
    if (handle == NULL || !fits(p, ma, mb, mc, md) || algo->data[0] != ALGORITHM ||
        workspace_bytes < WORKSPACE || (has_bias && p->bias == NULL))
        return CUBLAS_STATUS_INVALID_VALUE;
    memset(workspace, 0xff, WORKSPACE);
    fake.compute = p->compute;
    fake.stream = stream;
    for (int64_t j = 0; j < (int64_t)md->columns; j++)
        for (int64_t i = 0; i < (int64_t)md->rows; i++) {
            double y = (double)times * dot(p, ma, a, mb, b, i, j);
            if (plus != 0) /* else C is not read */
                y += (double)plus * (double)number(c, mc->type, i + j * mc->ld);
            if (has_bias)
                y += (double)number(p->bias, md->type, i);
            if ((p->epilogue & CUBLASLT_EPILOGUE_RELU) != 0)
                y = y > 0 ? y : 0;
            put(d, md->type, i + j * md->ld, (float)y);
        }
    return CUBLAS_STATUS_SUCCESS;
}
