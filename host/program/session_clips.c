/* session_clips.c - several clips for a command, decoded ahead while the network runs.
 *
 * How many threads decode: if the network runs on a GPU, the processor is idle and all of --threads
 * decode.  If the network runs on the processor, each decoding thread takes a core from it, and the
 * network usually takes longer.  Then one thread decodes, and one more for every 8 of --threads.
 *
 * When a clip is handed out, the copy of its frames to the device has begun.  If the next clip is
 * decoded already, its copy is begun, too, so that it runs at the same time as the network.  The
 * messages about that next clip are logged when its turn comes. */
#include "commands.h"
#include "guard.h"
#include <string.h>

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

int cfp_session_windows(const cfp_session *session)
{
    return cfp_max_int(1, (int)session->config.windows);
}

cfp_status cfp_session_list_clips(cfp_session *session, int first)
{
    cfp_config *config = &session->config;
    cfp_clip_list *list = &session->listed;
    const char **operand;
    for (int i = first; i < config->n_operands; i++)
        CFP_TRY(cfp_clip_list_add(list, &session->ctx, config->operand[i]));
    CFP_TRY_ALLOC(&session->ctx, operand, first + list->n);
    for (int i = 0; i < first + list->n; i++)
        operand[i] = i < first ? config->operand[i] : list->path[i - first];
    cfp_free(config->operand);
    config->operand = operand;
    config->n_operands = first + list->n;
    return CFP_OK;
}

cfp_status cfp_session_open_clips(cfp_session *session, int first, int held)
{
    const cfp_config *config = &session->config;
    cfp_sampling sampling = cfp_config_sampling(config);
    sampling.unhashed = (config->command->bit & (CFP_CMD_PREDICT | CFP_CMD_SWEEP)) != 0;
    const cfp_clip_queue_request request = {
        .input = &session->model.input,
        .path = (const char *const *)config->operand + first,
        .n_paths = config->n_operands - first,
        .sampling = sampling,
        .threads = decoding_threads(session),
        .held = held,
        .alloc = take_memory,
        .release = give_memory,
        .cookie = &session->device,
        .begin_read = cfp_guard_begin,
        .end_read = cfp_guard_end,
    };
    return cfp_clip_queue_open(&session->clips, &session->ctx, &request);
}

/* Begins to copy frames to the device.  Errors are ignored: the upload itself meets them again and
 * reports them. */
static uint64_t stage(cfp_session *session, const uint8_t *rgb)
{
    const cfp_device *device = &session->device;
    uint64_t done = 0;
    if (rgb != NULL && !session->model.input.numbers &&
        device->api->frames->stage(device->backend, rgb, cfp_clip_bytes(&session->model.input),
                                   &done) != CFP_OK)
        session->ctx.message[0] = '\0';
    return done;
}

cfp_status cfp_session_next_clip(cfp_session *session, cfp_clip **clip)
{
    cfp_session_range_begin(session, CFP_RANGE_DECODE, "wait for a clip");
    const cfp_status status = cfp_clip_queue_next(session->clips, clip);
    cfp_session_range_end(session);
    CFP_TRY(status);
    /* This clip's copy first: copies run in the order in which they are begun. */
    session->staged = stage(session, (*clip)->rgb);
    stage(session, cfp_clip_queue_peek(session->clips));
    return CFP_OK;
}

cfp_status cfp_session_give_back(cfp_session *session, cfp_clip *clip)
{
    const cfp_device *device = &session->device;
    const cfp_status status = device->api->frames->wait(device->backend, session->staged);
    cfp_clip_queue_give_back(session->clips, clip);
    return status;
}

void cfp_session_skip_windows(cfp_session *session, int windows)
{
    char message[sizeof session->ctx.message];
    memcpy(message, session->ctx.message, sizeof message);
    for (int w = 0; w < windows; w++) {
        cfp_clip *clip;
        if (cfp_session_next_clip(session, &clip) == CFP_OK &&
            cfp_session_give_back(session, clip) != CFP_OK)
            break;
    }
    memcpy(session->ctx.message, message, sizeof message);
}
