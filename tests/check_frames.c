/* check_frames.c - copying frames of bytes to a device.  The device must hold the numbers of
 * cfp_clip_normalise, to the last bit: in every layout, for every /input, and with any number of
 * copies staged or unfinished. */
#include "../host/clip/clip.h"
#include "check_backends.h"
#include <stdio.h>

enum { CLIPS = 24, TENSOR_CLIPS = 4, MEMORIES = 3 };

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

/* Memory of one case; clip i is decoded into memory i % MEMORIES and put into clip i % TENSOR_CLIPS
 * of the tensor. */
typedef struct frames_run {
    cfp_input_spec input;
    int64_t bytes, numbers;  /* of a clip */
    uint8_t *rgb[MEMORIES];  /* the device's kind of host memory */
    uint64_t done[MEMORIES]; /* to be waited for before it is written again */
    bool staged[MEMORIES];   /* `done` is from there */
    float *right;            /* [CLIPS] plain */
    cfp_tensor on_device;
    uint64_t seed;
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
                      .on_device = *like,
                      .seed = 12 + (uint64_t)cfp_positions(shape)};
    r->on_device.shape.n = TENSOR_CLIPS;
    CFP_TRY_ALLOC(&k->ctx, r->right, r->numbers * CLIPS);
    for (int i = 0; i < MEMORIES; i++) {
        void *memory;
        CFP_TRY(k->device.api->host_alloc(k->device.backend, &memory, (size_t)r->bytes));
        r->rgb[i] = memory;
    }
    CFP_TRY(device_tensor_open(k, &r->on_device));
    return device_tensor_spoil(k, &r->on_device);
}

static void run_close(check *k, frames_run *r)
{
    for (int i = 0; i < MEMORIES; i++)
        if (r->rgb[i] != NULL)
            k->device.api->host_release(k->device.backend, r->rgb[i]);
    device_tensor_free(k, &r->on_device);
    cfp_free(r->right);
}

static cfp_status stage(check *k, frames_run *r, int i)
{
    const cfp_backend_api *api = k->device.api;
    const int m = i % MEMORIES;
    CFP_TRY(api->frames->stage(k->device.backend, r->rgb[m], (size_t)r->bytes, &r->done[m]));
    r->staged[m] = r->done[m] != 0;
    return CFP_OK;
}

/* Writes clip i and, by lot, stages it. */
static cfp_status decode(check *k, frames_run *r, int i)
{
    const cfp_input_spec *in = &r->input;
    uint8_t *const rgb = r->rgb[i % MEMORIES];
    float *const right = r->right + i * r->numbers;
    const cfp_clip clip = {
        .frames = in->frames, .height = in->height, .width = in->width, .rgb = rgb};
    CFP_TRY(k->device.api->frames->wait(k->device.backend, r->done[i % MEMORIES]));
    r->staged[i % MEMORIES] = false;
    for (int64_t b = 0; b < r->bytes; b++)
        rgb[b] = b < 256 ? (uint8_t)(b + i) : (uint8_t)random_bits(&r->seed);
    cfp_clip_normalise(right, &clip, in);
    if (r->on_device.type != CFP_FLOAT32) /* rounded once */
        make_exact(k, right, r->numbers);
    return random_bits(&r->seed) % 4 != 0 ? stage(k, r, i) : CFP_OK;
}

static cfp_status upload(check *k, frames_run *r, int i)
{
    const int m = i % MEMORIES;
    return k->device.api->frames->upload(k->device.backend, &r->on_device, i % TENSOR_CLIPS,
                                         r->rgb[m], &r->input, &r->done[m]);
}

/* Staged frames are copied once, so the number of copies stays the same.  There are slots for the
 * present clip and the next one. */
static cfp_status upload_once(check *k, frames_run *r, int i, int ahead)
{
    const int m = i % MEMORIES;
    const uint64_t number = r->done[m];
    CFP_TRY(upload(k, r, i));
    if (r->staged[m] && ahead <= 1 && r->done[m] != number)
        check_failed(k, "upload copied staged frames again");
    return CFP_OK;
}

/* Copies clip after clip.  It waits only for memory that will be written again, not for the tensor.
 * Up to `ahead` clips are decoded before their turn, and some of those are dropped for others. */
static cfp_status check_run(check *k, frames_run *r, int ahead)
{
    int decoded = 0;
    k->exact = true;
    for (int i = 0; i < CLIPS; i++) {
        for (; decoded < CLIPS && decoded <= i + ahead; decoded++)
            CFP_TRY(decode(k, r, decoded));
        if (random_bits(&r->seed) % 4 == 0)
            CFP_TRY(decode(k, r, i));
        CFP_TRY(upload_once(k, r, i, ahead));
        if (i % TENSOR_CLIPS == TENSOR_CLIPS - 1) /* the clips of the tensor so far */
            CFP_TRY(check_tensor(k, "upload of frames", &r->on_device,
                                 r->right + (i + 1 - TENSOR_CLIPS) * r->numbers));
    }
    return CFP_OK;
}

/* Two clips get slots.  A third gets one only if one of them was dropped, and never that of
 * another.
 */
static cfp_status check_room(check *k, frames_run *r)
{
    uint64_t first;
    for (int i = 0; i < MEMORIES; i++)
        CFP_TRY(decode(k, r, i));
    for (int i = 0; i < MEMORIES; i++) /* those that the lot has staged */
        CFP_TRY(k->device.api->frames->wait(k->device.backend, r->done[i]));
    for (int i = 0; i < MEMORIES; i++)
        CFP_TRY(stage(k, r, i));
    if (!r->staged[0] || !r->staged[1] || r->staged[2])
        check_failed(k, "stage holds a number of clips other than two");
    CFP_TRY(k->device.api->frames->wait(k->device.backend, r->done[1]));
    r->staged[1] = false;
    first = r->done[0];
    CFP_TRY(stage(k, r, 2));
    CFP_TRY(stage(k, r, 0));
    if (!r->staged[2] || r->done[0] != first)
        check_failed(k, "stage takes the wrong slot");
    for (int i = MEMORIES - 1; i >= 0; i--)
        CFP_TRY(upload_once(k, r, i, 0));
    CFP_TRY(decode(k, r, MEMORIES));
    CFP_TRY(upload(k, r, MEMORIES));
    return check_tensor(k, "upload out of turn", &r->on_device, r->right);
}

/* Memory may be freed after frames in it were staged.  Other frames at the same address are new. */
static cfp_status check_release(check *k, frames_run *r)
{
    void *memory;
    for (int i = 0; i < TENSOR_CLIPS; i++) {
        CFP_TRY(decode(k, r, i));
        CFP_TRY(stage(k, r, i));
        k->device.api->host_release(k->device.backend, r->rgb[i % MEMORIES]);
        r->rgb[i % MEMORIES] = NULL;
        r->done[i % MEMORIES] = 0;
        CFP_TRY(k->device.api->host_alloc(k->device.backend, &memory, (size_t)r->bytes));
        r->rgb[i % MEMORIES] = memory;
        CFP_TRY(decode(k, r, i));
        CFP_TRY(upload(k, r, i));
    }
    return check_tensor(k, "upload after host_release", &r->on_device, r->right);
}

static cfp_status check_runs(check *k, frames_run *r)
{
    for (int ahead = 0; ahead < MEMORIES; ahead++)
        CFP_TRY(check_run(k, r, ahead));
    if (!k->device.api->host_memory)
        CFP_TRY(check_room(k, r));
    return check_release(k, r);
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
            if (run_open(k, &r, c, &like[l]) != CFP_OK || check_runs(k, &r) != CFP_OK)
                check_failed(k, k->ctx.message);
            run_close(k, &r);
        }
    }
    printf("%-16s %9s %5d comparisons  max rel %.2g%s\n", "frames", "", k->compared - compared,
           k->worst, k->failed > failed ? "  FAILED" : "");
}
