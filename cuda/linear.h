/* linear.h - products of matrices by cuBLASLt, behind a few functions.
 *
 * A layer that reads one position of several clips multiplies two matrices: its weights, y_channels
 * x x_channels, and its source, one row for each clip.  Operands, sums and epilogue are as in
 * conv.h; channels are the stored ones. */
#pragma once
#include "../host/backend/backend.h"
#include <cuda_runtime_api.h>

typedef struct cuda_blas cuda_blas;     /* cuBLASLt on the current device */
typedef struct cuda_linear cuda_linear; /* one planned product */

/* forward:  y = activation( x w^T + z + bias )   z, bias, relu: if the spec has them
 * backward: x = y w; no epilogue. */
typedef struct cuda_linear_spec {
    bool backward, adds, bias, relu;
    cfp_precision precision; /* CFP_FP32: without tensor cores */
    int n, x_channels, y_channels;
} cuda_linear_spec;

/* Loads the library, which is half a gigabyte; few networks have such a layer, so the module does
 * not load it when it opens.  CFP_UNSUPPORTED: it is not on this machine, or does not start. */
CFP_CHECKED cfp_status cuda_blas_open(cuda_blas **out, cfp_ctx *ctx, cudaStream_t stream,
                                      size_t workspace_cap);
void cuda_blas_close(cuda_blas **blas); /* accepts NULL inside; nulls */

/* Plans with the first algorithm of cuBLASLt's heuristics that gives the same bits in every run and
 * fits into the workspace.  CFP_UNSUPPORTED if there is none.  `blas` must outlive *out. */
CFP_CHECKED cfp_status cuda_linear_open(cuda_linear **out, const cuda_blas *blas, cfp_ctx *ctx,
                                        const cuda_linear_spec *spec);
size_t cuda_linear_workspace(const cuda_linear *linear);
/* Enqueues the product.  z may be y; z and bias are NULL if the spec has none.  workspace and bias
 * are aligned to 256 bytes, the others to 16. */
CFP_CHECKED cfp_status cuda_linear_run(const cuda_linear *linear, cfp_ctx *ctx, void *x,
                                       const void *w, void *y, const void *z, const void *bias,
                                       void *workspace);
void cuda_linear_close(cuda_linear **linear);
