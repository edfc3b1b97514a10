/* conv.h - convolutions by cuDNN's graph API, behind a few functions.
 *
 * Tensors are channels last.  All operands have one type, which follows from the precision (float32
 * for fp32 and tf32); sums are in float32.  Channels are the STORED ones (a tensor's block): the
 * caller pads them.  The same functions can plan for a device that is not present
 * (cuda_dnn_open_json); so machines without a GPU test every plan. */
#pragma once
#include "../host/backend/backend.h"
#include <cuda_runtime_api.h>

/* The maximum workspace of a convolution.  Ten published networks need at most 147 MiB
 * (tests/cuda/check_plans.py). */
enum { CUDA_WORKSPACE_BYTES = 256 << 20 };

typedef struct cuda_dnn cuda_dnn;   /* cuDNN on one device, or planning for one */
typedef struct cuda_conv cuda_conv; /* one planned convolution */

/* forward:  y = activation( conv(x, w) + z + bias )   z, bias, relu: if the spec has them
 * backward: x = backward-data of conv at y; no epilogue.
 * Axes are T, H, W; pad_begin and pad_end may differ.  There is no plan for z or relu without a
 * bias, because cuDNN has no prebuilt engine for that: use a bias of zeros. */
typedef struct cuda_conv_spec {
    bool backward, adds, bias, relu;
    cfp_precision precision; /* CFP_FP32: without tensor cores */
    int n, x_channels, y_channels, groups;
    int x[3], y[3], kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
} cuda_conv_spec;

typedef struct cuda_conv_facts {
    size_t workspace_bytes;
    int64_t engine;
    uint64_t plan; /* hash of cuDNN's description, if cuda_conv_open_nth made it */
    bool deterministic, tensor_cores;
} cuda_conv_facts;

/* The convolution of kernel layer `node` (forward, without epilogue, fp32) for a source of shape
 * `src` with src_block stored channels.  y_channels is a multiple of 8, which tensor cores read
 * without a copy; with groups it is the number of channels of all groups.  If the stored channels
 * do not divide into the groups, x_channels is src.c instead of src_block, and the caller copies
 * the source to that layout first.  Lanes after the layer's last channel need weights and bias of
 * 0. */
cuda_conv_spec cuda_conv_spec_of(const cfp_node *node, cfp_shape src, int src_block);

/* The whole spec in words: "backward-data of conv 1x64x8x56x56 -> ..., kernel 3x3x3, ...". */
typedef struct cuda_conv_words {
    char text[320];
} cuda_conv_words;
cuda_conv_words cuda_conv_in_words(const cuda_conv_spec *spec);

int cuda_dnn_version(void); /* of the cuDNN that is loaded: 91500 is 9.15.0 */
/* Opens cuDNN on the current device and `stream`.  Plans with a workspace of more than
 * workspace_cap bytes are skipped.  CFP_DEVICE: cuDNN is older than 9.15 or does not start. */
CFP_CHECKED cfp_status cuda_dnn_open(cuda_dnn **out, cfp_ctx *ctx, cudaStream_t stream,
                                     size_t workspace_cap);
/* Opens cuDNN to plan, not to run, for the device that `json`, in cuDNN's own format, describes.
 * No driver is needed. */
CFP_CHECKED cfp_status cuda_dnn_open_json(cuda_dnn **out, cfp_ctx *ctx, const char *json,
                                          size_t workspace_cap);
void cuda_dnn_close(cuda_dnn **dnn); /* accepts NULL inside; nulls */

/* Plans with the first acceptable offer (cudnn_conv.c) of cuDNN's heuristics A, B and fallback.
 * CFP_UNSUPPORTED if there is none; the message has the spec.  `dnn` must outlive *out. */
CFP_CHECKED cfp_status cuda_conv_open(cuda_conv **out, cuda_dnn *dnn, cfp_ctx *ctx,
                                      const cuda_conv_spec *spec);
/* The same, with candidate `nth` (from 0) of autotune: all acceptable plans, each once; the first
 * of each engine, then the others.  CFP_UNSUPPORTED after the last. */
CFP_CHECKED cfp_status cuda_conv_open_nth(cuda_conv **out, cuda_dnn *dnn, cfp_ctx *ctx,
                                          const cuda_conv_spec *spec, int nth);
cuda_conv_facts cuda_conv_get_facts(const cuda_conv *conv);
/* Enqueues the convolution.  w: y_channels x kT x kH x kW x x_channels/groups.  z: like y, and may
 * be y.  bias: [y_channels].  z and bias are NULL if the spec has none.  workspace: of
 * facts.workspace_bytes; convolutions of one stream may share it. */
CFP_CHECKED cfp_status cuda_conv_run(const cuda_conv *conv, cfp_ctx *ctx, void *x, const void *w,
                                     void *y, const void *z, const void *bias, void *workspace);
void cuda_conv_close(cuda_conv **conv);
