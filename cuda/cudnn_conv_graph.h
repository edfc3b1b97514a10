/* cudnn_conv_graph.h - a convolution and its epilogue as cuDNN's operation graph.
 *
 * Not here: who runs it and how (cudnn_conv.c). */
#pragma once
#include "conv.h"
#include "cudnn_graph.h"

/* Tensors are known to cuDNN by numbers. */
enum { CUDA_CONV_X = 1, CUDA_CONV_W, CUDA_CONV_Y, CUDA_CONV_Z, CUDA_CONV_BIAS };

/* The finalised graph, owned by `descs` with all that it is made of.  Channels last, pointers
 * aligned to 16 bytes. */
cuda_desc cuda_conv_graph(cuda_descs *descs, const cuda_conv_spec *spec);
