/* recording.c - work that is enqueued once and then replayed, where a backend can (a CUDA graph).
 */
#include "trace.h"

/* Some libraries do not let themselves be recorded: then nothing has run, and it goes on without.
 */
static cfp_status record(cfp_trace *trace, cfp_work work, cfp_status (*enqueue)(cfp_trace *trace))
{
    const cfp_backend_api *api = trace->device.api;
    void **recording = &trace->recording[work];
    CFP_TRY(api->record_begin(trace->device.backend));
    const cfp_status status = enqueue(trace);
    CFP_TRY(api->record_end(trace->device.backend, recording));
    if (status == CFP_OK && *recording != NULL)
        return CFP_OK;
    if (*recording != NULL)
        api->record_free(trace->device.backend, *recording);
    *recording = NULL;
    trace->records = false;
    return enqueue(trace);
}

cfp_status cfp_trace_enqueue(cfp_trace *trace, cfp_work work,
                             cfp_status (*enqueue)(cfp_trace *trace))
{
    const cfp_backend_api *api = trace->device.api;
    bool stale = true;
    if (trace->recording[work] != NULL) {
        CFP_TRY(api->replay(trace->device.backend, trace->recording[work], &stale));
        if (!stale)
            return CFP_OK;
        api->record_free(trace->device.backend, trace->recording[work]);
        trace->recording[work] = NULL;
        trace->runs[work] = 0; /* what moved may be taken for the first time again */
    }
    if (trace->runs[work]++ == 0 || !trace->records)
        return enqueue(trace);
    return record(trace, work, enqueue);
}

void cfp_trace_run_live(cfp_trace *trace)
{
    trace->records = false;
}
