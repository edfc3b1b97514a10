/* cudnn_device.c - opens cuDNN on the current device, or for one that is described in JSON. */
#include "cudnn_device.h"
#include <string.h>

/* Before 9.15, 3-D convolutions were wrong on large bfloat16 inputs (9.8 to 9.10) or slow. */
enum { OLDEST = 91500 };

static cfp_status check_version(cfp_ctx *ctx)
{
    const size_t v = cudnnGetVersion();
    if (v < OLDEST)
        return cfp_fail(ctx, CFP_DEVICE, "cuDNN %zu.%zu.%zu is too old: 9.15 or newer is wanted",
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
