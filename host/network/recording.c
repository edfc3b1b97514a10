/* recording.c - work that is enqueued, recorded and replayed, if the backend can (a CUDA graph). */
#include "trace.h"

/* Some libraries cannot be recorded.  Then nothing has run, and the work is enqueued as it is from
 * now on. */
static cfp_status record(cfp_trace *trace, cfp_recording *recording,
                         cfp_status (*enqueue)(void *cookie), void *cookie)
{
    const cfp_backend_api *api = trace->device.api;
    cfp_ctx *ctx = trace->ctx;
    CFP_TRY(api->record->begin(trace->device.backend));
    const cfp_status status = enqueue(cookie);
    CFP_TRY(api->record->end(trace->device.backend, &recording->memory, status == CFP_OK));
    if (recording->memory != NULL)
        return CFP_OK;
    if (status != CFP_OK && status != CFP_DEVICE)
        return status; /* an interrupt or a lack of memory: without a recording it is the same */
    cfp_log(ctx, CFP_LOG_INFO, "%s: the %s is launched piece by piece, it cannot be recorded: %s",
            api->name, recording->name, ctx->message);
    ctx->message[0] = '\0';
    trace->records = false;
    return enqueue(cookie);
}

cfp_status cfp_trace_enqueue(cfp_trace *trace, cfp_recording *recording,
                             cfp_status (*enqueue)(void *cookie), void *cookie)
{
    const cfp_backend_api *api = trace->device.api;
    bool stale = true;
    if (recording->memory != NULL) {
        CFP_TRY(api->record->replay(trace->device.backend, recording->memory, &stale));
        if (!stale)
            return CFP_OK;
        cfp_recording_forget(recording, trace);
    }
    if (recording->runs == 0 || !trace->records)
        CFP_TRY(enqueue(cookie));
    else
        CFP_TRY(record(trace, recording, enqueue, cookie));
    recording->runs++; /* not after a failure: then libraries may not have loaded everything */
    return CFP_OK;
}

void cfp_recording_forget(cfp_recording *recording, const cfp_trace *trace)
{
    if (recording->memory != NULL)
        trace->device.api->record->release(trace->device.backend, recording->memory);
    recording->memory = NULL;
    recording->runs = 0;
}

void cfp_trace_run_live(cfp_trace *trace)
{
    trace->records = false;
}
