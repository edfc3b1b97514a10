/* cudnn_graph.c - see cudnn_graph.h. */
#include "cudnn_graph.h"
#include <assert.h>
#include <stdio.h>

void cuda_descs_note(cuda_descs *descs, cudnnStatus_t status)
{
    if (descs->status != CUDNN_STATUS_SUCCESS || status == CUDNN_STATUS_SUCCESS)
        return;
    descs->status = status;
    cudnnGetLastErrorString(descs->text, sizeof descs->text);
    if (descs->text[0] == '\0')
        snprintf(descs->text, sizeof descs->text, "%s", cudnnGetErrorString(status));
}

cuda_desc cuda_descs_make(cuda_descs *descs, cudnnBackendDescriptorType_t type)
{
    cuda_desc desc = NULL;
    assert(descs->n < CUDA_DESCS_MOST);
    if (descs->status != CUDNN_STATUS_SUCCESS)
        return NULL;
    cuda_descs_note(descs, cudnnBackendCreateDescriptor(type, &desc));
    if (descs->status == CUDNN_STATUS_SUCCESS)
        descs->desc[descs->n++] = desc;
    return desc;
}

void cuda_descs_set(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    if (descs->status == CUDNN_STATUS_SUCCESS)
        cuda_descs_note(descs, cudnnBackendSetAttribute(desc, name, type, count, values));
}

void cuda_descs_set_ints(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                         int64_t count, const int64_t *values)
{
    cuda_descs_set(descs, desc, name, CUDNN_TYPE_INT64, count, values);
}

void cuda_descs_set_desc(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                         cuda_desc value)
{
    cuda_descs_set(descs, desc, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

cuda_desc cuda_descs_finalize(cuda_descs *descs, cuda_desc desc)
{
    if (descs->status == CUDNN_STATUS_SUCCESS)
        cuda_descs_note(descs, cudnnBackendFinalize(desc));
    return desc;
}

int cuda_descs_get(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                   cudnnBackendAttributeType_t type, int room, void *values)
{
    int64_t count = 0;
    if (descs->status == CUDNN_STATUS_SUCCESS)
        cuda_descs_note(descs, cudnnBackendGetAttribute(desc, name, type, room, &count, values));
    return descs->status != CUDNN_STATUS_SUCCESS ? 0 : count < room ? (int)count : room;
}

void cuda_descs_move(cuda_descs *to, cuda_descs *from, cuda_desc desc)
{
    assert(to->n < CUDA_DESCS_MOST);
    int at = 0;
    while (at < from->n && from->desc[at] != desc)
        at++;
    assert(at < from->n);
    for (from->n--; at < from->n; at++)
        from->desc[at] = from->desc[at + 1];
    to->desc[to->n++] = desc;
}

void cuda_descs_free(cuda_descs *descs)
{
    while (descs->n > 0)
        cudnnBackendDestroyDescriptor(descs->desc[--descs->n]);
    *descs = (cuda_descs){.n = 0};
}
