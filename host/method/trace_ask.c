/* trace_ask.c - several queries about one forward pass, one after the other.
 *
 * The trace was opened without a query, so its ledger holds the channel means and nothing else.
 * That ledger stays.  Each query gets a ledger of its own, which points to those means. */
#include "target.h"
#include "trace.h"

/* The descent that was recorded reads memory of the query before. */
static void forget_descent(cfp_trace *trace)
{
    if (trace->recording[CFP_WORK_DESCENT] != NULL)
        trace->device.api->record->release(trace->device.backend,
                                           trace->recording[CFP_WORK_DESCENT]);
    trace->recording[CFP_WORK_DESCENT] = NULL;
    trace->runs[CFP_WORK_DESCENT] = 0;
}

static void forget_query(cfp_trace *trace)
{
    forget_descent(trace);
    cfp_free(trace->rule_step);
    trace->rule_step = NULL;
    if (trace->means == NULL)
        return;
    cfp_ledger_close(&trace->ledger);
    trace->ledger = trace->means;
    trace->means = NULL;
}

static cfp_status take_query(cfp_trace *trace, const cfp_query *query)
{
    trace->query = *query;
    if (trace->theta == NULL)
        CFP_TRY_ALLOC(trace->ctx, trace->theta, 1);
    trace->theta[0] = query->theta;
    trace->request.batch.theta = trace->theta;
    trace->means = trace->ledger;
    trace->ledger = NULL;
    trace->request.query = query;
    const cfp_status status = cfp_trace_open_ledger(trace);
    trace->request.query = NULL;
    CFP_TRY(status);
    for (int i = 0; i < trace->model->n_nodes; i++)
        trace->ledger->node[i].mean = trace->means->node[i].mean;
    return CFP_OK;
}

cfp_status cfp_trace_ask(cfp_trace *trace, const cfp_query *query)
{
    cfp_query resolved = *query;
    CFP_TRY(cfp_query_check(trace->ctx, query));
    CFP_TRY(cfp_resolve_target(&resolved, trace->ctx, trace->model));
    forget_query(trace);
    const cfp_status status = take_query(trace, &resolved);
    if (status != CFP_OK)
        forget_query(trace);
    return status;
}

cfp_status cfp_trace_set_theta(cfp_trace *trace, double theta)
{
    trace->query.theta = trace->theta[0] = theta;
    return trace->device.api->put(trace->device.backend, trace->ledger->theta, &theta,
                                  sizeof theta);
}
