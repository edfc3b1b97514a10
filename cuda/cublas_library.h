/* cublas_library.h - the functions of cuBLASLt that cublas_linear.c uses, found at run time.  They
 * have the names of cuBLASLt's own header. */
#pragma once
#include "linear.h"
#include <cublasLt.h>

#define CUBLAS_FUNCTIONS(X)                                                                        \
    X(cublasLtCreate)                                                                              \
    X(cublasLtDestroy)                                                                             \
    X(cublasLtGetStatusString)                                                                     \
    X(cublasLtMatmul)                                                                              \
    X(cublasLtMatmulAlgoGetHeuristic)                                                              \
    X(cublasLtMatmulDescCreate)                                                                    \
    X(cublasLtMatmulDescDestroy)                                                                   \
    X(cublasLtMatmulDescSetAttribute)                                                              \
    X(cublasLtMatmulPreferenceCreate)                                                              \
    X(cublasLtMatmulPreferenceDestroy)                                                             \
    X(cublasLtMatmulPreferenceSetAttribute)                                                        \
    X(cublasLtMatrixLayoutCreate)                                                                  \
    X(cublasLtMatrixLayoutDestroy)

struct cuda_blas {
#define X(function) __typeof__(function) *function;
    CUBLAS_FUNCTIONS(X)
#undef X
    cublasLtHandle_t handle;
    cudaStream_t stream;
    size_t workspace_cap;
};
