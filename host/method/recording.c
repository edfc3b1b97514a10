/* recording.c - work that is enqueued once and then replayed, where a backend can (a CUDA graph).
 */
#include "trace.h"

static const char *const names[CFP_WORK_COUNT] = {"forward pass", "descent", "maps"};

/* Some libraries do not let themselves be recorded: then nothing has run, and it goes on without.
 */
static cfp_status record(cfp_trace *trace, cfp_work work, cfp_status (*enqueue)(cfp_trace *trace))
{
    const cfp_backend_api *api = trace->device.api;
    cfp_ctx *ctx = trace->ctx;
    void **recording = &trace->recording[work];
    CFP_TRY(api->record->begin(trace->device.backend));
    const cfp_status status = enqueue(trace);
    CFP_TRY(api->record->end(trace->device.backend, recording, status == CFP_OK));
    if (*recording != NULL)
        return CFP_OK;
    if (status != CFP_OK && status != CFP_DEVICE)
        return status; /* an interrupt, no memory: it would be the same without */
    cfp_log(ctx, CFP_LOG_INFO, "%s: the %s is launched piece by piece, it cannot be recorded: %s",
            api->name, names[work], ctx->message);
    ctx->message[0] = '\0';
    trace->records = false;
    return enqueue(trace);
}

cfp_status cfp_trace_enqueue(cfp_trace *trace, cfp_work work,
                             cfp_status (*enqueue)(cfp_trace *trace))
{
    const cfp_backend_api *api = trace->device.api;
    bool stale = true;
    if (trace->recording[work] != NULL) {
        CFP_TRY(api->record->replay(trace->device.backend, trace->recording[work], &stale));
        if (!stale)
            return CFP_OK;
        api->record->release(trace->device.backend, trace->recording[work]);
        trace->recording[work] = NULL;
        trace->runs[work] = 0; /* what moved may be taken for the first time again */
    }
    if (trace->runs[work] == 0 || !trace->records)
        CFP_TRY(enqueue(trace));
    else
        CFP_TRY(record(trace, work, enqueue));
    trace->runs[work]++; /* one that broke off has not loaded everything */
    return CFP_OK;
}

void cfp_trace_run_live(cfp_trace *trace)
{
    trace->records = false;
}
