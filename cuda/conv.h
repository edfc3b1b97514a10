/* conv.h - convolutions of the CUDA backend: cuDNN's graph API behind a few functions.
 *
 * Channels last; operands in memory all in one type, which the precision says (fp32 and tf32:
 * float32), sums in float32; channels are the STORED ones (a tensor's block), so that padding of
 * channels is the caller's.  The same functions plan for a device that
 * is not there (cuda_dnn_open_json): that is how machines without a GPU test every plan. */
#pragma once
#include "../host/backend/backend.h"
#include <cuda_runtime_api.h>

/* Workspace that the backend gives a convolution; of ten published networks, none wants more than
 * 147 MiB (tests/cuda/check_plans.py). */
enum { CUDA_WORKSPACE_BYTES = 256 << 20 };

typedef struct cuda_dnn cuda_dnn;   /* cuDNN on one device, or planning for one */
typedef struct cuda_conv cuda_conv; /* one planned convolution */

/* forward:  y = activation( conv(x, w) + z + bias )   z and bias where asked for, relu or nothing
 * backward: x = backward-data of conv at y; no epilogue.
 * Axes are T, H, W; pad_begin and pad_end may differ.  z or relu without a bias: cuDNN has no
 * prebuilt engine for it, so there is no plan; give it a bias of zeros. */
typedef struct cuda_conv_spec {
    bool backward, adds, bias, relu;
    cfp_precision precision; /* CFP_FP32: without tensor cores */
    int n, x_channels, y_channels, groups;
    int x[3], y[3], kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
} cuda_conv_spec;

typedef struct cuda_conv_facts {
    size_t workspace_bytes;
    int64_t engine;
    uint64_t plan; /* tells plans of cuda_conv_open_nth apart, by cuDNN's own description */
    bool deterministic, tensor_cores;
} cuda_conv_facts;

/* The convolution (forward, plain, fp32) that kernel layer `node` is for a source of shape `src`
 * with src_block channels stored; n is src's.  It chooses y_channels: a multiple of 8, which tensor
 * cores read without a copy; with groups, as many as the groups have.  Where groups divide
 * otherwise than the stored channels do, x_channels is src.c and not src_block: the source is to be
 * brought there first.  Lanes without a channel of the layer's want weights and bias of 0. */
cuda_conv_spec cuda_conv_spec_of(const cfp_node *node, cfp_shape src, int src_block);

/* "backward-data of conv 1x64x8x56x56 -> ..., kernel 3x3x3, ...": all of it, in words. */
typedef struct cuda_conv_words {
    char text[320];
} cuda_conv_words;
cuda_conv_words cuda_conv_in_words(const cuda_conv_spec *spec);

int cuda_dnn_version(void); /* of the cuDNN that is loaded: 91500 is 9.15.0 */
/* On the current device and `stream`.  Plans that want more than workspace_cap bytes are passed
 * over.  CFP_DEVICE: cuDNN is older than 9.15 or does not start. */
CFP_CHECKED cfp_status cuda_dnn_open(cuda_dnn **out, cfp_ctx *ctx, cudaStream_t stream,
                                     size_t workspace_cap);
/* Plans only, for the device that cuDNN's own JSON describes; no driver is needed. */
CFP_CHECKED cfp_status cuda_dnn_open_json(cuda_dnn **out, cfp_ctx *ctx, const char *json,
                                          size_t workspace_cap);
void cuda_dnn_close(cuda_dnn **dnn); /* accepts NULL inside; nulls */

/* The best deterministic plan by cuDNN's heuristics A, B, fallback.  CFP_UNSUPPORTED where there is
 * none; the message has the shape. */
CFP_CHECKED cfp_status cuda_conv_open(cuda_conv **out, cuda_dnn *dnn, cfp_ctx *ctx,
                                      const cuda_conv_spec *spec);
/* The same, but the candidate behind `nth` better ones, all different plans that would do; those
 * of autotune: the first of each engine, then the others.  CFP_UNSUPPORTED past the last. */
CFP_CHECKED cfp_status cuda_conv_open_nth(cuda_conv **out, cuda_dnn *dnn, cfp_ctx *ctx,
                                          const cuda_conv_spec *spec, int nth);
cuda_conv_facts cuda_conv_get_facts(const cuda_conv *conv);
/* Enqueues it.  w: y_channels x kT x kH x kW x x_channels/groups; z: like y, may be y itself; bias:
 * y_channels; NULL where the spec has none.  workspace: facts.workspace_bytes, shared. */
CFP_CHECKED cfp_status cuda_conv_run(const cuda_conv *conv, cfp_ctx *ctx, void *x, const void *w,
                                     void *y, const void *z, const void *bias, void *workspace);
void cuda_conv_close(cuda_conv **conv);
