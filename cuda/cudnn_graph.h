/* cudnn_graph.h - cuDNN's backend descriptors without a check on every line.
 *
 * Everything in cuDNN's graph API is a descriptor: made, given attributes, finalised, destroyed.  A
 * cuda_descs owns descriptors that are destroyed together.  Its first failure sticks with cuDNN's
 * own text, and what is called after it does nothing: look at `status` once, at the end. */
#pragma once
#include "../host/base/base.h"
#include <cudnn_graph.h>

#define CUDA_DESCS_MOST 96 /* a fused convolution has 18; 64 candidates and what they come from */

typedef cudnnBackendDescriptor_t cuda_desc;

typedef struct cuda_descs { /* {0} is valid and empty */
    cuda_desc desc[CUDA_DESCS_MOST];
    int n;
    cudnnStatus_t status; /* of the first call that failed */
    char text[256];       /* what cuDNN said of it */
} cuda_descs;

/* A descriptor that is still to be set and finalised; NULL after a failure. */
cuda_desc cuda_descs_make(cuda_descs *descs, cudnnBackendDescriptorType_t type);
void cuda_descs_set(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type, int64_t count, const void *values);
/* The commonest two: whole numbers, and another descriptor. */
void cuda_descs_set_ints(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                         int64_t count, const int64_t *values);
void cuda_descs_set_desc(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                         cuda_desc value);
cuda_desc cuda_descs_finalize(cuda_descs *descs, cuda_desc desc);
/* How many values there were, at most `room`; where descriptors are asked for, `values` are
 * made ones, which cuDNN fills. */
int cuda_descs_get(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                   cudnnBackendAttributeType_t type, int room, void *values);
/* What another call of cuDNN gave, to stick like the rest. */
void cuda_descs_note(cuda_descs *descs, cudnnStatus_t status);

/* `desc` changes its owner. */
void cuda_descs_move(cuda_descs *to, cuda_descs *from, cuda_desc desc);
/* Destroys them, the last one first; forgets the failure. */
void cuda_descs_free(cuda_descs *descs);
