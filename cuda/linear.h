/* linear.h - products of matrices for the CUDA backend: cuBLASLt behind a few functions.
 *
 * A layer that reads one position of several clips multiplies two plain matrices: its weights,
 * y_channels x x_channels, and its source, a row a clip.  Operands and sums are as in conv.h, and
 * so is the epilogue; channels are the stored ones. */
#pragma once
#include "../host/backend/backend.h"
#include <cuda_runtime_api.h>

typedef struct cuda_blas cuda_blas;     /* cuBLASLt on the current device */
typedef struct cuda_linear cuda_linear; /* one planned product */

/* forward:  y = activation( x w^T + z + bias )   z, bias and relu where asked for
 * backward: x = y w; no epilogue. */
typedef struct cuda_linear_spec {
    bool backward, adds, bias, relu;
    cfp_precision precision; /* CFP_FP32: without tensor cores */
    int n, x_channels, y_channels;
} cuda_linear_spec;

/* The library is loaded here and not with the module: it is half a gigabyte, and few networks have
 * such a layer.  CFP_UNSUPPORTED: it is not on this machine, or does not start. */
CFP_CHECKED cfp_status cuda_blas_open(cuda_blas **out, cfp_ctx *ctx, cudaStream_t stream,
                                      size_t workspace_cap);
void cuda_blas_close(cuda_blas **blas); /* accepts NULL inside; nulls */

/* The first algorithm of cuBLASLt's heuristics that gives the same bits every run and fits the
 * workspace.  CFP_UNSUPPORTED where there is none. */
CFP_CHECKED cfp_status cuda_linear_open(cuda_linear **out, const cuda_blas *blas, cfp_ctx *ctx,
                                        const cuda_linear_spec *spec);
size_t cuda_linear_workspace(const cuda_linear *linear);
/* Enqueues it.  z may be y itself; z and bias NULL where the spec has none.  Memory is aligned to
 * 16 bytes, workspace and bias to 256. */
CFP_CHECKED cfp_status cuda_linear_run(const cuda_linear *linear, cfp_ctx *ctx, void *x,
                                       const void *w, void *y, const void *z, const void *bias,
                                       void *workspace);
void cuda_linear_close(cuda_linear **linear);
