/* cudnn_inside.h - cuDNN's graph API as cudnn_device.c and cudnn_conv.c use it: descriptors without
 * a check on every line, and the device that plans are made for.
 *
 * Everything in cuDNN's graph API is a descriptor: it is made, given attributes, finalised and
 * destroyed.  A cuda_descs owns descriptors that are destroyed together.  It keeps the first
 * failure, with cuDNN's own text; calls after that do nothing.  So one look at `status`, at the
 * end, is enough. */
#pragma once
#include "conv.h"
#include <cudnn_graph.h>

/* A fused convolution has 18; a list of 64 offers, and what they are made from, has the most. */
#define CUDA_DESCS_MAX 96

typedef cudnnBackendDescriptor_t cuda_desc;

typedef struct cuda_descs { /* {0} is valid and empty */
    cuda_desc desc[CUDA_DESCS_MAX];
    int n;
    cudnnStatus_t status; /* of the first call that failed */
    char text[256];       /* what cuDNN said about it */
} cuda_descs;

/* A descriptor that still has to be set and finalised; NULL after a failure. */
cuda_desc cuda_descs_make(cuda_descs *descs, cudnnBackendDescriptorType_t type);
void cuda_descs_set(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type, int64_t count, const void *values);
/* The two most frequent kinds of attributes: whole numbers, and another descriptor. */
void cuda_descs_set_ints(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                         int64_t count, const int64_t *values);
void cuda_descs_set_desc(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                         cuda_desc value);
/* Returns desc. */
cuda_desc cuda_descs_finalize(cuda_descs *descs, cuda_desc desc);
/* Writes at most `capacity` values and returns their number, 0 after a failure.  If the values are
 * descriptors, the caller has made them and cuDNN fills them. */
int cuda_descs_get(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                   cudnnBackendAttributeType_t type, int capacity, void *values);
/* Keeps the failure, if it is one, of another call of cuDNN. */
void cuda_descs_note(cuda_descs *descs, cudnnStatus_t status);
/* `desc` changes its owner. */
void cuda_descs_move(cuda_descs *to, cuda_descs *from, cuda_desc desc);
/* Destroys the descriptors, the last one first, and forgets the failure. */
void cuda_descs_free(cuda_descs *descs);

struct cuda_dnn {
    cuda_descs descs;     /* owns device */
    cuda_desc device;     /* its properties */
    cudnnHandle_t handle; /* NULL: it can only plan */
    size_t workspace_cap; /* bytes */
};

/* The finalised graph of operations of a convolution with its epilogue, owned by `descs` with all
 * that it is made of.  Tensors are channels last and aligned to 16 bytes. */
cuda_desc cuda_conv_graph(cuda_descs *descs, const cuda_conv_spec *spec);
