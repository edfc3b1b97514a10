/* cudnn_device.c - cuDNN's descriptors, and cuDNN itself: on the current device, or for one that
 * JSON describes. */
#include "cudnn_inside.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

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
    assert(descs->n < CUDA_DESCS_MAX);
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
                   cudnnBackendAttributeType_t type, int capacity, void *values)
{
    int64_t count = 0;
    if (descs->status == CUDNN_STATUS_SUCCESS)
        cuda_descs_note(descs,
                        cudnnBackendGetAttribute(desc, name, type, capacity, &count, values));
    return descs->status != CUDNN_STATUS_SUCCESS ? 0 : count < capacity ? (int)count : capacity;
}

void cuda_descs_move(cuda_descs *to, cuda_descs *from, cuda_desc desc)
{
    assert(to->n < CUDA_DESCS_MAX);
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

/* --- the device --- */

/* Before 9.15, 3-D convolutions were wrong on large bfloat16 inputs (9.8 to 9.10) or slow. */
enum { MIN_VERSION = 91500 };

int cuda_dnn_version(void)
{
    return (int)cudnnGetVersion();
}

static cfp_status check_version(cfp_ctx *ctx)
{
    const size_t v = cudnnGetVersion();
    if (v < MIN_VERSION)
        return cfp_fail(ctx, CFP_DEVICE, "cuDNN %zu.%zu.%zu is too old: 9.15 or newer is needed",
                        v / 10000, v / 100 % 100, v % 100);
    return CFP_OK;
}

static cfp_status describe(cuda_dnn *dnn, cfp_ctx *ctx, cudnnBackendAttributeName_t name,
                           cudnnBackendAttributeType_t type, size_t count, const void *value)
{
    cuda_descs *descs = &dnn->descs;
    dnn->device = cuda_descs_make(descs, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    cuda_descs_set(descs, dnn->device, name, type, (int64_t)count, value);
    cuda_descs_finalize(descs, dnn->device);
    if (descs->status != CUDNN_STATUS_SUCCESS)
        return cfp_fail(ctx, CFP_DEVICE, "cuDNN cannot plan for this device: %s", descs->text);
    return CFP_OK;
}

static cfp_status start(cuda_dnn *dnn, cfp_ctx *ctx, cudaStream_t stream)
{
    int ordinal = 0;
    const cudaError_t found = cudaGetDevice(&ordinal);
    if (found != cudaSuccess)
        return cfp_fail(ctx, CFP_DEVICE, "CUDA: %s", cudaGetErrorString(found));
    cuda_descs_note(&dnn->descs, cudnnCreate(&dnn->handle));
    if (dnn->descs.status == CUDNN_STATUS_SUCCESS)
        cuda_descs_note(&dnn->descs, cudnnSetStream(dnn->handle, stream));
    if (dnn->descs.status != CUDNN_STATUS_SUCCESS)
        return cfp_fail(ctx, CFP_DEVICE, "cuDNN does not start: %s", dnn->descs.text);
    return describe(dnn, ctx, CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, 1, &ordinal);
}

static cfp_status make(cuda_dnn **out, cfp_ctx *ctx, size_t workspace_cap)
{
    *out = NULL;
    CFP_TRY(check_version(ctx));
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->workspace_cap = workspace_cap;
    return CFP_OK;
}

cfp_status cuda_dnn_open(cuda_dnn **out, cfp_ctx *ctx, cudaStream_t stream, size_t workspace_cap)
{
    CFP_TRY(make(out, ctx, workspace_cap));
    const cfp_status status = start(*out, ctx, stream);
    if (status != CFP_OK)
        cuda_dnn_close(out);
    return status;
}

cfp_status cuda_dnn_open_json(cuda_dnn **out, cfp_ctx *ctx, const char *json, size_t workspace_cap)
{
    CFP_TRY(make(out, ctx, workspace_cap));
    const cfp_status status = describe(*out, ctx, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                       CUDNN_TYPE_CHAR, strlen(json), json);
    if (status != CFP_OK)
        cuda_dnn_close(out);
    return status;
}

void cuda_dnn_close(cuda_dnn **dnn)
{
    if (*dnn == NULL)
        return;
    cuda_descs_free(&(*dnn)->descs);
    if ((*dnn)->handle != NULL)
        cudnnDestroy((*dnn)->handle);
    cfp_free(*dnn);
    *dnn = NULL;
}
