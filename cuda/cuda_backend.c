/* cuda_backend.c - the module cfp_cuda.so: its table of functions, opening a GPU, and tensors to
 * and from the host.
 *
 * All work, except copies of frames (cuda_frames.c), is enqueued on one stream, in order.  Only
 * downloads and fetches wait for it.  Activations are channels last, and their number of lanes is a
 * multiple of CUDA_LANES.  The clip is plain float32; the network's first step changes its layout.
 * cuda_step.c chooses the types of tensors. */
#include "cuda_backend.h"
#include <stdio.h>
#include <string.h>

#ifndef CUDA_BACKEND_NAME /* the tests' simulator has another */
#define CUDA_BACKEND_NAME "cuda"
#endif

/* A driver supports every CUDA of its own major version. */
enum { MIN_DRIVER = CUDART_VERSION / 1000 * 1000, MIN_CAPABILITY = 75, MIN_CUDNN = 91500 };
enum { MIN_BF16 = 80 }; /* compute capability; MIN_CAPABILITY is enough for fp16 */

cfp_status cuda_failed(cfp_ctx *ctx, cudaError_t status, const char *call)
{
    (void)cudaGetLastError();
    if (status == cudaErrorMemoryAllocation)
        return cfp_fail(ctx, CFP_NOMEM, "out of device memory");
    return cfp_fail(ctx, CFP_DEVICE, "%.*s: %s", (int)strcspn(call, "("), call,
                    cudaGetErrorString(status));
}

cfp_status cuda_out_of_range(cfp_ctx *ctx)
{
    return cfp_fail_option(ctx, CFP_UNSUPPORTED, "precision",
                           " fp16: this network's numbers go beyond float16's range, which "
                           "ends at 65504; take bf16, tf32 or fp32");
}

static cfp_status check_driver(cfp_ctx *ctx, const cfp_device_request *request)
{
    int driver = 0, count = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
        return cfp_fail(ctx, CFP_DEVICE, "no NVIDIA driver on this machine");
    if (driver < MIN_DRIVER)
        return cfp_fail(ctx, CFP_DEVICE,
                        "the NVIDIA driver is for CUDA %d.%d; a driver for CUDA %d.%d or later is "
                        "needed",
                        driver / 1000, driver % 1000 / 10, MIN_DRIVER / 1000,
                        MIN_DRIVER % 1000 / 10);
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
        return cfp_fail(ctx, CFP_DEVICE, "no NVIDIA GPU can be seen by this process");
    if (status != cudaSuccess)
        return cuda_failed(ctx, status, "cudaGetDeviceCount");
    if (request->ordinal >= count)
        return cfp_fail(ctx, CFP_DEVICE, "there is no GPU %d: %d can be seen, the first is 0",
                        request->ordinal, count);
    return CFP_OK;
}

static cfp_status check_versions(cfp_ctx *ctx, const struct cudaDeviceProp *gpu,
                                 cfp_precision precision)
{
    const int cudnn = cuda_dnn_version(), capability = gpu->major * 10 + gpu->minor;
    if (capability < MIN_CAPABILITY)
        return cfp_fail(ctx, CFP_DEVICE,
                        "%s has compute capability %d.%d; %d.%d or later is needed", gpu->name,
                        gpu->major, gpu->minor, MIN_CAPABILITY / 10, MIN_CAPABILITY % 10);
    if (precision == CFP_BF16 && capability < MIN_BF16)
        return cfp_fail_option(ctx, CFP_UNSUPPORTED, "precision",
                               " bf16: %s has compute capability %d.%d; %d.%d or later is "
                               "needed; fp16 runs on it",
                               gpu->name, gpu->major, gpu->minor, MIN_BF16 / 10, MIN_BF16 % 10);
    if (cudnn < MIN_CUDNN)
        return cfp_fail(ctx, CFP_DEVICE, "cuDNN %d.%d is loaded; %d.%d or later is needed",
                        cudnn / 10000, cudnn % 10000 / 100, MIN_CUDNN / 10000,
                        MIN_CUDNN % 10000 / 100);
    return CFP_OK;
}

/* "H100 80GB HBM3, CUDA 13.0, cuDNN 9.19, fp32" */
static cfp_status write_text(cfp_backend *backend, const struct cudaDeviceProp *gpu)
{
    static const char *const precision[] = {"fp32", "tf32", "bf16", "fp16"};
    int runtime = 0;
    const int cudnn = cuda_dnn_version();
    const char *name = gpu->name;
    CUDA_TRY(backend, cudaRuntimeGetVersion(&runtime));
    if (strncmp(name, "NVIDIA ", 7) == 0)
        name += 7;
    snprintf(backend->text, sizeof backend->text, "%.80s, CUDA %d.%d, cuDNN %d.%d, %s", name,
             runtime / 1000, runtime % 1000 / 10, cudnn / 10000, cudnn % 10000 / 100,
             precision[backend->precision]);
    return CFP_OK;
}

static cfp_status start(cfp_backend *backend, int ordinal)
{
    struct cudaDeviceProp gpu;
    CUDA_TRY(backend, cudaSetDevice(ordinal));
    CUDA_TRY(backend, cudaGetDeviceProperties(&gpu, ordinal));
    CFP_TRY(check_versions(backend->ctx, &gpu, backend->precision));
    CFP_TRY(write_text(backend, &gpu));
    CUDA_TRY(backend, cudaStreamCreateWithFlags(&backend->stream, cudaStreamNonBlocking));
    backend->ranges = cuda_ranges_open();
    void *memory;
    CFP_TRY(cuda_new_bytes(backend, &memory, CUDA_COUNTERS * sizeof *backend->counters));
    backend->counters = memory;
    if (backend->precision == CFP_FP16) {
        CFP_TRY(cuda_new_bytes(backend, &memory, sizeof *backend->overflow));
        backend->overflow = memory;
    }
    return cuda_dnn_open(&backend->dnn, backend->ctx, backend->stream, CUDA_WORKSPACE_BYTES);
}

static void cuda_close(cfp_backend **backend)
{
    cfp_backend *const b = *backend;
    *backend = NULL;
    if (b == NULL)
        return;
    if (b->stream != NULL)
        (void)cudaStreamSynchronize(b->stream); /* work under way may still use the memory */
    cuda_frames_ring_close(&b->frames);
    cuda_tuning_close(&b->tuning);
    cuda_blas_close(&b->blas);
    cuda_dnn_close(&b->dnn);
    cuda_ranges_close(b->ranges);
    (void)cudaFree(b->aside);
    (void)cudaFree(b->overflow);
    (void)cudaFree(b->counters);
    (void)cudaFreeHost(b->staging);
    if (b->stream != NULL)
        (void)cudaStreamDestroy(b->stream);
    cfp_free(b);
}

static cfp_status cuda_open(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request)
{
    *out = NULL;
    CFP_TRY(check_driver(ctx, request));
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->precision = request->precision;
    (*out)->gradient_unit = cuda_gradient_unit(request->precision);
    cfp_status status = start(*out, request->ordinal);
    if (status == CFP_OK && request->autotune != NULL)
        status = cuda_tuning_open(&(*out)->tuning, ctx, request->autotune, (*out)->text);
    if (status != CFP_OK)
        cuda_close(out);
    return status;
}

static const char *cuda_describe(const cfp_backend *backend)
{
    return backend->text;
}

static bool cuda_tuned(const cfp_backend *backend, int i, cfp_tuned *row)
{
    return backend->tuning != NULL && cuda_tuning_row(backend->tuning, i, row);
}

static size_t cuda_tensor_bytes(const cfp_tensor *x)
{
    return (size_t)cfp_stored(x) * cuda_size_of(x->type);
}

/* Numbers of another layout or type go through working memory, clip by clip: plans do not know of
 * that memory. */
static cfp_status upload_laid_out(cfp_backend *backend, const cfp_tensor *dst, const float *plain)
{
    const int64_t count = cfp_count(dst->shape) / dst->shape.n;
    const size_t bytes = (size_t)count * sizeof *plain;
    const cuda_view all = cuda_view_of(dst);
    void *memory;
    CFP_TRY(cuda_aside(backend, &memory, bytes));
    for (int n = 0; n < dst->shape.n; n++) {
        cuda_view to = all;
        to.data = cuda_number(all.data, all.type, n * all.stride_n);
        to.n = 1;
        CFP_TRY(cuda_put_bytes(backend, memory, plain + n * count, bytes));
        CUDA_TRY(backend,
                 cuda_lay_numbers(&to, memory, cuda_beyond(backend, dst), backend->stream));
    }
    return CFP_OK;
}

static cfp_status cuda_upload(cfp_backend *backend, cfp_tensor *dst, const float *plain)
{
    if (dst->block != 1 || dst->type != CFP_FLOAT32)
        return upload_laid_out(backend, dst, plain);
    return cuda_put_bytes(backend, dst->data, plain, (size_t)cfp_count(dst->shape) * sizeof *plain);
}

/* A number that exceeds float16's range is stored as infinity.  What is computed from it may be an
 * ordinary number again: the relu of -inf + x, or cuDNN's relu of NaN, is 0.  So every tensor that
 * is stored in float16 is checked.  bfloat16 has float32's range. */
cfp_status cuda_watch_tensor(cfp_backend *backend, const cfp_tensor *x)
{
    if (backend->overflow == NULL || x->type != CFP_FLOAT16)
        return CFP_OK;
    CUDA_TRY(backend,
             cuda_watch(x->data, x->type, cfp_stored(x), backend->overflow, backend->stream));
    return CFP_OK;
}

int *cuda_beyond(const cfp_backend *backend, const cfp_tensor *x)
{
    return x->type == CFP_FLOAT16 ? backend->overflow : NULL;
}

/* Fails if a check since the last call found a number out of float16's range. */
cfp_status cuda_check_overflow(cfp_backend *backend)
{
    int overflow = 0;
    if (backend->overflow == NULL)
        return CFP_OK;
    CUDA_TRY(backend, cudaMemcpyAsync(&overflow, backend->overflow, sizeof overflow,
                                      cudaMemcpyDeviceToHost, backend->stream));
    CUDA_TRY(backend, cudaMemsetAsync(backend->overflow, 0, sizeof overflow, backend->stream));
    CUDA_TRY(backend, cudaStreamSynchronize(backend->stream));
    return overflow != 0 ? cuda_out_of_range(backend->ctx) : CFP_OK;
}

static cfp_status cuda_download(cfp_backend *backend, float *plain, const cfp_tensor *src)
{
    const size_t bytes = (size_t)cfp_count(src->shape) * sizeof *plain;
    cfp_tensor lying = {.shape = src->shape, .block = 1, .data = src->data};
    if (src->block != 1 || src->type != CFP_FLOAT32) {
        void *memory;
        CFP_TRY(cuda_aside(backend, &memory, bytes));
        lying.data = memory;
        const cuda_view to = cuda_view_of(&lying), from = cuda_view_of(src);
        CFP_TRY(cuda_relayout(backend, &to, &from));
    }
    CUDA_TRY(backend,
             cudaMemcpyAsync(plain, lying.data, bytes, cudaMemcpyDeviceToHost, backend->stream));
    CUDA_TRY(backend, cudaStreamSynchronize(backend->stream));
    return cuda_check_overflow(backend);
}

extern const cfp_backend_api cfp_backend_module __attribute__((visibility("default")));
const cfp_backend_api cfp_backend_module = {
    .abi = CFP_BACKEND_ABI,
    .size = sizeof(cfp_backend_api),
    .name = CUDA_BACKEND_NAME,
    .host_memory = false,
    .open = cuda_open,
    .close = cuda_close,
    .describe = cuda_describe,
    .alloc = cuda_alloc,
    .release = cuda_release,
    .host_alloc = cuda_host_alloc,
    .host_release = cuda_host_release,
    .free_bytes = cuda_free_bytes,
    .tensor_bytes = cuda_tensor_bytes,
    .upload = cuda_upload,
    .download = cuda_download,
    .clip_layout = cuda_clip_layout,
    .step_open = cuda_step_open,
    .step_forward = cuda_step_forward,
    .step_backward = cuda_step_backward,
    .step_close = cuda_step_close,
    .channel_mean = cuda_channel_mean,
    .channel_sum = cuda_channel_sum,
    .gate = cuda_gate,
    .replace = cuda_replace,
    .accumulate = cuda_accumulate,
    .copy = cuda_copy,
    .seed = cuda_seed,
    .blend = cuda_blend,
    .turn = cuda_turn,
    .weigh_pairs = cuda_weigh_pairs,
    .pick_edges = cuda_pick_edges,
    .fill = cuda_fill,
    .put = cuda_put,
    .fetch = cuda_fetch,
    .route = cuda_route,
    .back_step = cuda_back_step,
    .list_edges = cuda_list_edges,
    .tuned = cuda_tuned,
    .frames = &cuda_frames_table,
    .render = &cuda_render_table,
    .record = &cuda_record_table,
    .profile = &cuda_profile_table,
};
