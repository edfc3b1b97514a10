/* decoder.c - see decoder.h.  The first half runs in the program, the second in the other process.
 *
 * Both are the same program, so structs go over the wire as they are. */
#define _GNU_SOURCE
#include "decoder.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct decode_setup {
    cfp_input_spec input; /* its pointers mean nothing over there */
    size_t slot_bytes;
    int n_slots;
    int64_t max_memory;
} decode_setup;

typedef struct decode_request { /* the path follows */
    cfp_sampling sampling;
    double stop;
    double place; /* where in its part a window lies: 0 at the beginning, 1 at the end */
    int slot;
} decode_request;

typedef struct decode_answer { /* path and index of the clip follow if it was read */
    cfp_status status;
    char message[sizeof((cfp_ctx){0}).message];
    char note[512];
    cfp_clip clip; /* its pointers mean nothing over here */
} decode_answer;

/* --- memory --- */

static size_t whole_pages(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

cfp_status cfp_frame_memory_open(cfp_frame_memory *out, cfp_ctx *ctx, const cfp_input_spec *input,
                                 int n)
{
    *out = (cfp_frame_memory){.fd = -1, .slot_bytes = whole_pages(cfp_clip_bytes(input)), .n = n};
    const size_t bytes = out->slot_bytes * (size_t)n;
    out->fd = memfd_create("cfp-gpu frames", MFD_CLOEXEC);
    if (out->fd >= 0 && ftruncate(out->fd, (off_t)bytes) == 0) {
        void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, out->fd, 0);
        out->at = at == MAP_FAILED ? NULL : at;
    }
    if (out->at != NULL)
        return CFP_OK;
    const cfp_status status = cfp_fail(ctx, CFP_NOMEM, "%.1f MB for the frames of %d clips: %s",
                                       (double)bytes / (1 << 20), n, strerror(errno));
    cfp_frame_memory_close(out);
    return status;
}

void cfp_frame_memory_close(cfp_frame_memory *memory)
{
    if (memory->at != NULL)
        munmap(memory->at, memory->slot_bytes * (size_t)memory->n);
    if (memory->at != NULL || memory->fd > 0)
        close(memory->fd);
    *memory = (cfp_frame_memory){.fd = -1};
}

/* --- the program's side --- */

cfp_status cfp_decoder_start(cfp_decoder *d, cfp_ctx *ctx)
{
    const decode_setup setup = {.input = *d->input,
                                .slot_bytes = d->memory->slot_bytes,
                                .n_slots = d->memory->n,
                                .max_memory = d->max_memory};
    if (cfp_helper_lives(&d->helper))
        return CFP_OK;
    CFP_TRY(cfp_helper_start(&d->helper, ctx, CFP_HELPER_DECODES, d->memory->fd));
    if (cfp_write_whole(d->helper.socket, &setup, sizeof setup))
        return CFP_OK;
    char how[128];
    cfp_helper_end(&d->helper, how, sizeof how);
    return cfp_fail(ctx, CFP_IO, "the process that decodes clips %s", how);
}

/* The other process did not answer. */
static cfp_status lost(cfp_decoder *d, cfp_ctx *ctx, const char *path)
{
    char how[128];
    cfp_helper_end(&d->helper, how, sizeof how);
    return cfp_fail(ctx, CFP_FORMAT, "%s: the process that decodes it %s", path, how);
}

static cfp_status receive_clip(cfp_clip *out, cfp_decoder *d, cfp_ctx *ctx, const char *path,
                               int slot, decode_answer *answer)
{
    answer->message[sizeof answer->message - 1] = answer->note[sizeof answer->note - 1] = '\0';
    if (answer->status != CFP_OK)
        return cfp_fail(ctx, answer->status, "%s", answer->message);
    *out = answer->clip;
    out->path = NULL;
    out->index = NULL;
    out->rgb = d->memory->at + (size_t)slot * d->memory->slot_bytes;
    out->lent = true;
    out->sha256[sizeof out->sha256 - 1] = '\0';
    if (out->frames != d->input->frames || out->height != d->input->height ||
        out->width != d->input->width)
        return lost(d, ctx, path);
    out->index = cfp_alloc(ctx, (size_t)out->frames, sizeof *out->index);
    out->path = cfp_strdup(ctx, path);
    if (out->index == NULL || out->path == NULL)
        return CFP_NOMEM;
    if (!cfp_read_whole(d->helper.socket, out->index, (size_t)out->frames * sizeof *out->index))
        return lost(d, ctx, path);
    return CFP_OK;
}

/* Windows are spread evenly over the part of the clip that the list names. */
static decode_request request_for(const cfp_decoder *d, const cfp_batch_item *item, int window,
                                  int slot)
{
    decode_request request = {
        .sampling = item->sampling, .stop = item->stop, .place = 0.5, .slot = slot};
    cfp_sampling *const sampling = &request.sampling;
    if (d->windows < 2)
        return request;
    request.place = (double)window / (d->windows - 1);
    sampling->windows = item->part == CFP_PART_ALL ? d->windows : 0;
    sampling->window = window;
    if (item->part == CFP_PART_FRAMES)
        sampling->start += cfp_window_start(
            item->part_frames, d->input->frames,
            sampling->stride > 0 ? sampling->stride : d->input->frame_stride, d->windows, window);
    return request;
}

cfp_status cfp_decoder_read(cfp_clip *out, cfp_decoder *d, cfp_ctx *ctx, const cfp_batch_item *item,
                            int window, int slot, char note[512])
{
    const char *const path = item->clip;
    const decode_request request = request_for(d, item, window, slot);
    decode_answer answer;
    *out = (cfp_clip){0};
    CFP_TRY(cfp_decoder_start(d, ctx));
    if (!cfp_write_whole(d->helper.socket, &request, sizeof request) ||
        !cfp_wire_send_text(d->helper.socket, path))
        return lost(d, ctx, path);
    const cfp_wire_wait wait = cfp_wire_wait_for(d->helper.socket, d->seconds, d->stop);
    if (wait != CFP_WIRE_READY) {
        cfp_helper_end(&d->helper, NULL, 0);
        return wait == CFP_WIRE_STOPPED
                   ? cfp_fail(ctx, CFP_INTERRUPTED, "interrupted")
                   : cfp_fail(ctx, CFP_IO, "%s: not decoded after %g s (--time-limit)", path,
                              d->seconds);
    }
    if (!cfp_read_whole(d->helper.socket, &answer, sizeof answer))
        return lost(d, ctx, path);
    const cfp_status status = receive_clip(out, d, ctx, path, slot, &answer);
    memcpy(note, answer.note, sizeof answer.note);
    if (status != CFP_OK) {
        cfp_free(out->index);
        cfp_free(out->path);
        *out = (cfp_clip){0};
    }
    return status;
}

void cfp_decoder_close(cfp_decoder *decoder)
{
    cfp_helper_end(&decoder->helper, NULL, 0);
}

/* --- the other process --- */

static void keep_first(void *cookie, cfp_level level, const char *line)
{
    decode_answer *answer = cookie;
    if (level == CFP_LOG_WARNING && answer->note[0] == '\0')
        snprintf(answer->note, sizeof answer->note, "%s", line);
}

/* A single window of a part in seconds lies in its middle.  How many seconds the window takes is
 * known only from the video; then it is read again. */
static cfp_status read_clip(cfp_clip *out, cfp_ctx *ctx, const char *path,
                            const decode_setup *setup, const decode_request *request,
                            uint8_t *buffer)
{
    cfp_sampling sampling = request->sampling;
    CFP_TRY(cfp_clip_open_in(out, ctx, path, &setup->input, &sampling, buffer));
    if (sampling.uniform || !sampling.by_time || request->stop < 0 || !(out->fps > 0))
        return CFP_OK;
    const double span = ((out->frames - 1) * (double)out->stride + 1) / out->fps;
    const double spare = request->stop - sampling.seconds - span;
    if (spare < 2 / out->fps)
        return CFP_OK;
    sampling.seconds += spare * request->place;
    cfp_clip_free(out);
    return cfp_clip_open_in(out, ctx, path, &setup->input, &sampling, buffer);
}

static bool answer_one(int socket, const decode_setup *setup, uint8_t *memory)
{
    decode_request request;
    decode_answer answer = {0};
    char *path;
    cfp_ctx ctx = {.log = keep_first, .cookie = &answer, .max_memory = setup->max_memory};
    if (!cfp_read_whole(socket, &request, sizeof request) ||
        !cfp_wire_receive_text(socket, &ctx, &path))
        return false;
    uint8_t *const buffer = memory + (size_t)request.slot * setup->slot_bytes;
    answer.status = read_clip(&answer.clip, &ctx, path, setup, &request, buffer);
    snprintf(answer.message, sizeof answer.message, "%s", ctx.message);
    bool good = cfp_write_whole(socket, &answer, sizeof answer);
    if (answer.status == CFP_OK)
        good = good && cfp_write_whole(socket, answer.clip.index,
                                       (size_t)answer.clip.frames * sizeof *answer.clip.index);
    cfp_clip_free(&answer.clip);
    cfp_free(path);
    return good;
}

void cfp_decoder_serve(int socket, int memory)
{
    decode_setup setup;
    if (!cfp_read_whole(socket, &setup, sizeof setup))
        return;
    const size_t bytes = setup.slot_bytes * (size_t)setup.n_slots;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (at == MAP_FAILED)
        return;
    while (answer_one(socket, &setup, at)) {
    }
    munmap(at, bytes);
}
