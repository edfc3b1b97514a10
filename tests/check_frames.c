/* check_frames.c - frames of bytes on their way to a device: the numbers of cfp_clip_normalise to
 * the last bit, in every layout, whatever /input says, and however many are under way. */
#include "../host/clip/clip.h"
#include "check_backends.h"
#include <stdio.h>

enum { CLIPS = 5, TENSOR_CLIPS = 2 };

typedef struct frames_case {
    int channels, frames, height, width;
    bool bgr;
    float scale, mean[3], std[3];
} frames_case;

static const frames_case cases[] = {
    {3, 2, 5, 7, false, 255, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
    {3, 1, 4, 4, true, 255, {0.43216f, 0.394666f, 0.37645f}, {0.22803f, 0.22145f, 0.216989f}},
    {3, 4, 6, 6, true, 1, {102, 98, 90}, {1, 1, 1}},
    {3, 16, 32, 32, false, 127.5f, {1, 1, 1}, {1, 1, 1}},
    {2, 3, 5, 5, false, 255, {0.5f, 0.25f}, {0.226f, 0.3f}},
    {1, 3, 2, 3, false, 3, {-1e-3f}, {7}},
};

/* Memory of one case; clip k is put into clip k % TENSOR_CLIPS of the tensor. */
typedef struct frames_run {
    cfp_input_spec input;
    int64_t bytes, numbers; /* of a clip */
    uint8_t *rgb[2];        /* the device's kind of host memory; they take turns */
    float *right;           /* [TENSOR_CLIPS] plain */
    cfp_tensor on_device;
} frames_run;

static cfp_status run_open(check *k, frames_run *r, const frames_case *c, const cfp_tensor *like)
{
    const cfp_shape shape = {TENSOR_CLIPS, c->channels, c->frames, c->height, c->width};
    *r = (frames_run){.input = {.channels = c->channels,
                                .frames = c->frames,
                                .height = c->height,
                                .width = c->width,
                                .bgr = c->bgr,
                                .scale = c->scale,
                                .mean = (float *)c->mean,
                                .std = (float *)c->std},
                      .bytes = cfp_positions(shape) * 3,
                      .numbers = cfp_positions(shape) * c->channels,
                      .on_device = *like};
    r->on_device.shape.n = TENSOR_CLIPS;
    CFP_TRY_ALLOC(&k->ctx, r->right, r->numbers * TENSOR_CLIPS);
    for (int i = 0; i < 2; i++) {
        void *memory;
        CFP_TRY(k->device.api->host_alloc(k->device.backend, &memory, (size_t)r->bytes));
        r->rgb[i] = memory;
    }
    CFP_TRY(device_tensor_open(k, &r->on_device));
    return device_tensor_spoil(k, &r->on_device);
}

static void run_close(check *k, frames_run *r)
{
    for (int i = 0; i < 2; i++)
        if (r->rgb[i] != NULL)
            k->device.api->host_release(k->device.backend, r->rgb[i]);
    device_tensor_free(k, &r->on_device);
    cfp_free(r->right);
}

/* Clip after clip without waiting for the tensor; only for memory that is to be written again. */
static cfp_status check_run(check *k, frames_run *r)
{
    const cfp_backend_api *api = k->device.api;
    const cfp_input_spec *in = &r->input;
    uint64_t done[2] = {0, 0}, seed = 12 + (uint64_t)r->bytes;
    k->exact = true;
    for (int i = 0; i < CLIPS; i++) {
        uint8_t *const rgb = r->rgb[i % 2];
        const cfp_clip clip = {
            .frames = in->frames, .height = in->height, .width = in->width, .rgb = rgb};
        CFP_TRY(api->frames_wait(k->device.backend, done[i % 2]));
        for (int64_t b = 0; b < r->bytes; b++)
            rgb[b] = b < 256 ? (uint8_t)b : (uint8_t)random_bits(&seed);
        cfp_clip_normalise(r->right + i % TENSOR_CLIPS * r->numbers, &clip, in);
        CFP_TRY(api->upload_frames(k->device.backend, &r->on_device, i % TENSOR_CLIPS, rgb, in,
                                   &done[i % 2]));
        if (r->on_device.type != CFP_FLOAT32) /* rounded once */
            make_exact(k, r->right + i % TENSOR_CLIPS * r->numbers, r->numbers);
        if (i % TENSOR_CLIPS == TENSOR_CLIPS - 1) /* the clips of the tensor so far */
            CFP_TRY(check_tensor(k, "upload_frames", &r->on_device, r->right));
    }
    for (int i = 0; i < 2; i++)
        CFP_TRY(api->frames_wait(k->device.backend, done[i]));
    return check_tensor(k, "upload_frames, the last", &r->on_device, r->right);
}

void check_frames(check *k)
{
    const int compared = k->compared, failed = k->failed;
    k->worst = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const frames_case *c = &cases[i];
        const cfp_shape shape = {1, c->channels, c->frames, c->height, c->width};
        const cfp_tensor plain = {.shape = shape, .block = 1};
        cfp_tensor like[2] = {plain, plain};
        if (choose_layout(k, &like[0]) != CFP_OK)
            check_failed(k, k->ctx.message);
        for (int l = 0; l <= (like[0].block != 1); l++) {
            frames_run r;
            snprintf(k->where, sizeof k->where, "frames of %d x %d x %d x %d, scale %g%s, block %d",
                     c->channels, c->frames, c->height, c->width, (double)c->scale,
                     c->bgr ? ", BGR" : "", like[l].block);
            if (run_open(k, &r, c, &like[l]) != CFP_OK || check_run(k, &r) != CFP_OK)
                check_failed(k, k->ctx.message);
            run_close(k, &r);
        }
    }
    printf("%-16s %9s %5d comparisons  max rel %.2g%s\n", "frames", "", k->compared - compared,
           k->worst, k->failed > failed ? "  FAILED" : "");
}
