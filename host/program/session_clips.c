/* session_clips.c - several clips for a command, decoded ahead while the network runs.
 *
 * How many threads decode: on a device of its own the network leaves the processor idle, so all of
 * --threads.  On the processor every thread that decodes takes a core from the network, which
 * mostly is the longer work: one, and another for every eight of --threads. */
#include "commands.h"
#include "guard.h"

enum { NETWORK_PER_DECODER = 8 };

static int decoding_threads(const cfp_session *session)
{
    return session->device.api->host_memory ? 1 + session->threads / NETWORK_PER_DECODER
                                            : session->threads;
}

static cfp_status take_memory(void *cookie, void **out, size_t bytes)
{
    const cfp_device *device = cookie;
    return device->api->host_alloc(device->backend, out, bytes);
}

static void give_memory(void *cookie, void *memory)
{
    const cfp_device *device = cookie;
    device->api->host_release(device->backend, memory);
}

static void begin_read(const char *path)
{
    cfp_guard_begin(path, 0); /* a long video takes as long as it takes */
}

cfp_status cfp_session_open_clips(cfp_session *session, int first)
{
    const cfp_config *config = &session->config;
    const cfp_clip_queue_request request = {
        .input = &session->model.input,
        .path = (const char *const *)config->operand + first,
        .n_paths = config->n_operands - first,
        .sampling = {.start = config->start, .stride = (int)config->stride},
        .threads = decoding_threads(session),
        .held = 1,
        .alloc = take_memory,
        .release = give_memory,
        .cookie = &session->device,
        .begin_read = begin_read,
        .end_read = cfp_guard_end,
    };
    return cfp_clip_queue_open(&session->clips, &session->ctx, &request);
}
