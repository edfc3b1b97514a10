/* cuda_frames.c - copies frames of clips from the host to the device while it computes.
 *
 * There are two slots on the device.  A second stream copies the bytes of a clip into a slot when
 * the clip is staged, or else when it is uploaded, but not before the main stream has read the
 * slot's old bytes.  The main stream waits for the copy and converts the bytes to the tensor.  So a
 * staged clip is copied while the clip before it is computed. */
#include "cuda_backend.h"

enum { SLOTS = 2 };

typedef struct slot {
    uint8_t *rgb;
    size_t bytes;
    cudaEvent_t copied, used; /* the copy has ended; the main stream has read it */
    uint64_t number;          /* number of the copy into this slot; 0: none yet */
    const uint8_t *staged; /* host address of frames that are here and not uploaded yet, or NULL */
    size_t staged_bytes;
} slot;

struct cuda_frames_ring {
    cudaStream_t stream; /* of the copies */
    slot slot[SLOTS];
    uint64_t count; /* number of the last copy */
};

static cfp_status open_streams(cfp_backend *backend, cuda_frames_ring *ring)
{
    const unsigned flags =
        cudaEventDisableTiming | cudaEventBlockingSync; /* a thread that waits sleeps */
    CUDA_TRY(backend, cudaStreamCreateWithFlags(&ring->stream, cudaStreamNonBlocking));
    for (int i = 0; i < SLOTS; i++) {
        CUDA_TRY(backend, cudaEventCreateWithFlags(&ring->slot[i].copied, flags));
        CUDA_TRY(backend, cudaEventCreateWithFlags(&ring->slot[i].used, flags));
    }
    return CFP_OK;
}

void cuda_frames_ring_close(cuda_frames_ring **ring)
{
    cuda_frames_ring *const r = *ring;
    *ring = NULL;
    if (r == NULL)
        return;
    for (int i = 0; i < SLOTS; i++) {
        if (r->slot[i].copied != NULL)
            (void)cudaEventDestroy(r->slot[i].copied);
        if (r->slot[i].used != NULL)
            (void)cudaEventDestroy(r->slot[i].used);
        (void)cudaFree(r->slot[i].rgb); /* waits for the device */
    }
    if (r->stream != NULL)
        (void)cudaStreamDestroy(r->stream);
    cfp_free(r);
}

/* Opens the second stream and its events, at the first clip of frames. */
static cfp_status open_ring(cfp_backend *backend)
{
    if (backend->frames != NULL)
        return CFP_OK;
    CFP_TRY_ALLOC(backend->ctx, backend->frames, 1);
    const cfp_status status = open_streams(backend, backend->frames);
    if (status != CFP_OK)
        cuda_frames_ring_close(&backend->frames);
    return status;
}

static cfp_status grow_slot(cfp_backend *backend, slot *s, size_t bytes)
{
    void *memory = NULL;
    if (bytes <= s->bytes)
        return CFP_OK;
    CUDA_TRY(backend, cudaFree(s->rgb)); /* waits for the device */
    s->rgb = NULL;
    s->bytes = 0;
    CUDA_TRY(backend, cudaMalloc(&memory, bytes));
    s->rgb = memory;
    s->bytes = bytes;
    return CFP_OK;
}

static slot *find_staged(cuda_frames_ring *ring, const uint8_t *rgb, size_t bytes)
{
    for (int i = 0; i < SLOTS; i++)
        if (ring->slot[i].staged == rgb && ring->slot[i].staged_bytes == bytes)
            return &ring->slot[i];
    return NULL;
}

/* The slot with the oldest copy, of those without frames that wait to be uploaded if there are
 * such. */
static slot *choose_slot(cuda_frames_ring *ring)
{
    slot *best = &ring->slot[0];
    for (int i = 1; i < SLOTS; i++) {
        slot *const s = &ring->slot[i];
        const bool waits = s->staged != NULL, best_waits = best->staged != NULL;
        if (waits != best_waits ? best_waits : s->number < best->number)
            best = s;
    }
    return best;
}

static cfp_status copy_into(cfp_backend *backend, slot *s, const uint8_t *rgb, size_t bytes)
{
    cuda_frames_ring *const ring = backend->frames;
    s->staged = NULL; /* if frames were staged here, their upload copies them again */
    CFP_TRY(grow_slot(backend, s, bytes));
    CUDA_TRY(backend, cudaStreamWaitEvent(ring->stream, s->used, 0));
    s->number = ++ring->count;
    CUDA_TRY(backend, cudaMemcpyAsync(s->rgb, rgb, bytes, cudaMemcpyHostToDevice, ring->stream));
    CUDA_TRY(backend, cudaEventRecord(s->copied, ring->stream));
    return CFP_OK;
}

static cfp_status stage(cfp_backend *backend, const uint8_t *rgb, size_t bytes, uint64_t *done)
{
    *done = 0;
    CFP_TRY(open_ring(backend));
    slot *s = find_staged(backend->frames, rgb, bytes);
    if (s == NULL) {
        s = choose_slot(backend->frames);
        if (s->staged != NULL)
            return CFP_OK;
        CFP_TRY(copy_into(backend, s, rgb, bytes));
        s->staged = rgb;
        s->staged_bytes = bytes;
    }
    *done = s->number;
    return CFP_OK;
}

static cfp_status describe(cuda_frames *op, cfp_backend *backend, const cfp_tensor *dst, int clip,
                           const cfp_input_spec *input)
{
    if (dst->shape.c > CUDA_FRAME_CHANNELS)
        return cfp_fail(backend->ctx, CFP_UNSUPPORTED,
                        "frames have %d channels, the network reads %d", CUDA_FRAME_CHANNELS,
                        dst->shape.c);
    *op = (cuda_frames){
        .dst = cuda_view_of(dst), .scale = input->scale, .beyond = cuda_beyond(backend, dst)};
    op->dst.data = cuda_number(op->dst.data, op->dst.type, clip * op->dst.stride_n);
    op->dst.n = 1;
    for (int c = 0; c < dst->shape.c; c++) {
        op->color[c] = cfp_input_color(input, c);
        op->mean[c] = input->mean[c];
        op->std[c] = input->std[c];
    }
    return CFP_OK;
}

static cfp_status upload(cfp_backend *backend, cfp_tensor *dst, int clip, const uint8_t *rgb,
                         const cfp_input_spec *input, uint64_t *done)
{
    const size_t bytes = (size_t)cfp_positions(dst->shape) * 3;
    cuda_frames op;
    *done = 0;
    CFP_TRY(describe(&op, backend, dst, clip, input));
    CFP_TRY(open_ring(backend));
    slot *s = find_staged(backend->frames, rgb, bytes);
    if (s == NULL) {
        s = choose_slot(backend->frames);
        CFP_TRY(copy_into(backend, s, rgb, bytes));
    }
    s->staged = NULL;
    *done = s->number;
    CUDA_TRY(backend, cudaStreamWaitEvent(backend->stream, s->copied, 0));
    op.rgb = s->rgb;
    CUDA_TRY(backend, cuda_lay_frames(&op, backend->stream));
    CUDA_TRY(backend, cudaEventRecord(s->used, backend->stream));
    return CFP_OK;
}

/* Copies end in the order of their numbers.  So if the slot has been filled again meanwhile, this
 * waits for the earliest later copy. */
static cfp_status wait(cfp_backend *backend, uint64_t done)
{
    slot *s = NULL;
    if (done == 0)
        return CFP_OK;
    for (int i = 0; i < SLOTS; i++) {
        slot *const one = &backend->frames->slot[i];
        if (one->number >= done && (s == NULL || one->number < s->number))
            s = one;
    }
    if (s->number == done)
        s->staged = NULL;
    CUDA_TRY(backend, cudaEventSynchronize(s->copied));
    return CFP_OK;
}

const cfp_frames_api cuda_frames_table = {.upload = upload, .stage = stage, .wait = wait};

cfp_status cuda_host_alloc(cfp_backend *backend, void **out, size_t bytes)
{
    *out = NULL;
    const cudaError_t status = cudaHostAlloc(out, bytes > 0 ? bytes : 1, cudaHostAllocDefault);
    if (status == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        return cfp_fail(backend->ctx, CFP_NOMEM,
                        "out of host memory that the device can read: %.1f MiB asked for",
                        (double)bytes / 1048576.0);
    }
    CUDA_TRY(backend, status);
    return CFP_OK;
}

void cuda_host_release(cfp_backend *backend, void *memory)
{
    cuda_frames_ring *const ring = backend->frames;
    if (ring != NULL) {
        (void)cudaStreamSynchronize(ring->stream); /* a copy may still read it */
        for (int i = 0; i < SLOTS; i++)
            ring->slot[i].staged = NULL;
    }
    (void)cudaFreeHost(memory);
}
