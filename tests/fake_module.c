/* fake_module.c - backend modules for test_device.c and check_network.c.  One source makes several:
 *
 *     cfp_fake.so       correct: ref under the name "fake"; it refuses device 7
 *     cfp_stale.so      -DFAKE_ABI=..., -DFAKE_SIZE=...: built for another interface
 *     cfp_holed.so      -DFAKE_HOLED: one function is missing
 *     cfp_torn_NAME.so  -DFAKE_TORN_NAME: sub-table NAME is there, its functions are missing
 *     cfp_no_frames.so  -DFAKE_NO_FRAMES: the sub-table that every backend must have is missing
 *     cfp_forward.so    -DFAKE_WRONG_FORWARD: a convolution's first number is wrong
 *     cfp_backward.so   -DFAKE_WRONG_BACKWARD: the first number of its gradient is wrong
 *     cfp_empty.so      -DFAKE_EMPTY: a library, but no module
 *
 * The correct one is linked with the sources of ref, as a real module is with its own. */
#include "../host/backend/backend.h"

#if defined(FAKE_EMPTY)
extern const int cfp_nothing_to_see;
const int cfp_nothing_to_see = 1;
#elif defined(FAKE_ABI)
extern const uint32_t cfp_backend_module[2]; /* no more than abi and size may be read of it */
const uint32_t cfp_backend_module[2] = {FAKE_ABI, FAKE_SIZE};
#else
#include "../host/backend/ref/ref.h"

#if defined(FAKE_WRONG_FORWARD)
#define FAKE_NAME "forward"
#elif defined(FAKE_WRONG_BACKWARD)
#define FAKE_NAME "backward"
#else
#define FAKE_NAME "fake"
#endif

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

static void fake_clip_layout(cfp_backend *backend, const cfp_step *first, cfp_tensor *x)
{
    (void)backend, (void)first;
    x->block = 8;
}

static void fake_step_close(cfp_backend *backend, cfp_step *step)
{
    (void)backend, (void)step;
}

static cfp_status fake_forward(cfp_backend *backend, const cfp_step *step,
                               const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    CFP_TRY(ref_step_forward(backend, step, src, dst, scratch));
#if defined(FAKE_WRONG_FORWARD)
    if (step->node->op == CFP_OP_CONV3D)
        dst->data[0] += 1;
#endif
    return CFP_OK;
}

static cfp_status fake_backward(cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, const cfp_tensor *dst,
                                const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                void *scratch)
{
    CFP_TRY(ref_step_backward(backend, step, src, dst, diff_dst, diff_src, scratch));
#if defined(FAKE_WRONG_BACKWARD)
    if (step->node->op == CFP_OP_CONV3D && diff_src[0] != NULL)
        diff_src[0]->data[0] += 1;
#endif
    return CFP_OK;
}

#if defined(FAKE_TORN_FRAMES)
static const cfp_frames_api torn_frames;
#elif defined(FAKE_TORN_RENDER)
static const cfp_render_api torn_render;
#elif defined(FAKE_TORN_RECORD)
static const cfp_record_api torn_record;
#elif defined(FAKE_TORN_PROFILE)
static const cfp_profile_api torn_profile;
#endif

extern const cfp_backend_api cfp_backend_module;
const cfp_backend_api cfp_backend_module = {
    .abi = CFP_BACKEND_ABI,
    .size = sizeof(cfp_backend_api),
    .name = FAKE_NAME,
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
    .clip_layout = fake_clip_layout,
    .step_open = fake_step_open,
    .step_forward = fake_forward,
    .step_backward = fake_backward,
    .step_close = fake_step_close,
    .channel_mean = ref_channel_mean,
    .channel_sum = ref_channel_sum,
    .gate = ref_gate_step,
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
#if defined(FAKE_TORN_FRAMES)
    .frames = &torn_frames,
#elif !defined(FAKE_NO_FRAMES)
    .frames = &ref_frames,
#endif
#if defined(FAKE_TORN_RENDER)
    .render = &torn_render,
#elif defined(FAKE_TORN_RECORD)
    .record = &torn_record,
#elif defined(FAKE_TORN_PROFILE)
    .profile = &torn_profile,
#endif
#if !defined(FAKE_HOLED)
    .seed = ref_seed,
    .blend = ref_blend,
    .turn = ref_turn,
    .weigh_pairs = ref_weigh_pairs,
    .pick_edges = ref_pick_edges,
#endif
};
#endif
