/* cuda_record.c - sub-table record: work as a CUDA graph.  The host then makes one launch instead
 * of hundreds, each of which costs it a few microseconds. */
#include "cuda_backend.h"

struct recording {
    cudaGraphExec_t graph;
    const void *aside; /* cuda_aside's memory when it was recorded */
};

static cfp_status begin(cfp_backend *backend)
{
    /* Thread-local: CUDA calls of other threads do not affect this capture. */
    CUDA_TRY(backend, cudaStreamBeginCapture(backend->stream, cudaStreamCaptureModeThreadLocal));
    return CFP_OK;
}

/* Not a failure: the message says why there is no recording, and the caller continues without. */
static cfp_status not_recorded(cfp_backend *backend, cudaError_t status, const char *call)
{
    (void)cuda_failed(backend->ctx, status, call);
    return CFP_OK;
}

static cfp_status end(cfp_backend *backend, void **recording, bool keep)
{
    cudaGraph_t graph = NULL;
    cudaGraphExec_t made = NULL;
    *recording = NULL;
    cudaError_t status = cudaStreamEndCapture(backend->stream, &graph);
    if (!keep) {
        (void)cudaGetLastError(); /* the failure has been reported already */
        if (status == cudaSuccess && graph != NULL)
            (void)cudaGraphDestroy(graph);
        return CFP_OK;
    }
    if (status != cudaSuccess || graph == NULL)
        return not_recorded(backend, status, "cudaStreamEndCapture");
    status = cudaGraphInstantiate(&made, graph, 0);
    (void)cudaGraphDestroy(graph);
    if (status != cudaSuccess)
        return not_recorded(backend, status, "cudaGraphInstantiate");
    struct recording *r = cfp_alloc(backend->ctx, 1, sizeof *r);
    if (r == NULL) {
        (void)cudaGraphExecDestroy(made);
        return CFP_NOMEM;
    }
    *r = (struct recording){made, backend->aside};
    *recording = r;
    CUDA_TRY(backend, cudaGraphLaunch(made, backend->stream));
    return CFP_OK;
}

static cfp_status replay(cfp_backend *backend, void *recording, bool *stale)
{
    const struct recording *r = recording;
    *stale = r->aside != backend->aside;
    if (!*stale)
        CUDA_TRY(backend, cudaGraphLaunch(r->graph, backend->stream));
    return CFP_OK;
}

static void release(cfp_backend *backend, void *recording)
{
    struct recording *r = recording;
    (void)cudaStreamSynchronize(backend->stream);
    (void)cudaGraphExecDestroy(r->graph);
    cfp_free(r);
}

const cfp_record_api cuda_record_table = {
    .begin = begin, .end = end, .replay = replay, .release = release};
