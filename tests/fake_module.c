/* fake_module.c - modules for test_device.c, one source for three files:
 *
 *     cfp_fake.so       right: ref under the name "fake"; refuses device 7
 *     cfp_stale.so      -DFAKE_ABI=..., -DFAKE_SIZE=...: built for another interface
 *     cfp_holed.so      -DFAKE_HOLED: one function is missing
 *     cfp_empty.so      -DFAKE_EMPTY: a library, but no module
 *
 * The right one is linked with ref's own sources, as a real module is with its own. */
#include "../host/backend/backend.h"

#if defined(FAKE_EMPTY)
extern const int cfp_nothing_to_see;
const int cfp_nothing_to_see = 1;
#elif defined(FAKE_ABI)
extern const uint32_t cfp_backend_module[2]; /* no more than abi and size may be read of it */
const uint32_t cfp_backend_module[2] = {FAKE_ABI, FAKE_SIZE};
#else
#include "../host/backend/ref/ref.h"

struct cfp_backend {
    int ordinal;
};

static cfp_status fake_open(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request)
{
    *out = NULL;
    if (request->ordinal == 7)
        return cfp_fail(ctx, CFP_DEVICE, "there are only 7 fakes, 0 to 6");
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ordinal = request->ordinal;
    return CFP_OK;
}

static void fake_close(cfp_backend **backend)
{
    cfp_free(*backend);
    *backend = NULL;
}

static const char *fake_describe(const cfp_backend *backend)
{
    return backend->ordinal == 0 ? "fake 0" : "another fake";
}

static cfp_status fake_alloc(cfp_backend *backend, void **out, size_t bytes)
{
    (void)backend;
    *out = cfp_alloc(NULL, bytes, 1);
    return *out != NULL ? CFP_OK : CFP_NOMEM;
}

static void fake_release(cfp_backend *backend, void *memory)
{
    (void)backend;
    cfp_free(memory);
}

static cfp_status fake_step_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                                 cfp_tensor *dst)
{
    (void)backend, (void)step, (void)src;
    dst->block = dst->shape.c < 8 ? 1 : 8;
    return CFP_OK;
}

static void fake_step_close(cfp_backend *backend, cfp_step *step)
{
    (void)backend, (void)step;
}

extern const cfp_backend_api cfp_backend_module;
const cfp_backend_api cfp_backend_module = {
    .abi = CFP_BACKEND_ABI,
    .size = sizeof(cfp_backend_api),
    .name = "fake",
    .host_memory = true,
    .open = fake_open,
    .close = fake_close,
    .describe = fake_describe,
    .alloc = fake_alloc,
    .release = fake_release,
    .free_bytes = ref_free_bytes,
    .tensor_bytes = ref_tensor_bytes,
    .upload = ref_upload,
    .download = ref_download,
    .step_open = fake_step_open,
    .step_forward = ref_step_forward,
    .step_backward = ref_step_backward,
    .step_close = fake_step_close,
    .channel_mean = ref_channel_mean,
    .channel_mean_product = ref_channel_mean_product,
    .channel_sum = ref_channel_sum,
    .gate = ref_gate_step,
    .mask = ref_mask,
    .replace = ref_replace,
    .accumulate = ref_accumulate,
    .fill = ref_fill,
    .put = ref_put,
    .fetch = ref_fetch,
    .route = ref_route,
    .back_step = ref_back_step,
    .list_edges = ref_list_edges,
    .copy = ref_copy,
    .host_alloc = fake_alloc,
    .host_release = fake_release,
    .upload_frames = ref_upload_frames,
    .frames_wait = ref_frames_wait,
#if !defined(FAKE_HOLED)
    .seed = ref_seed,
    .blend = ref_blend,
    .weigh_pairs = ref_weigh_pairs,
    .pick_edges = ref_pick_edges,
#endif
};
#endif
