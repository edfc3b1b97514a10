/* cuda_record.c - work recorded as a CUDA graph: one launch from the host instead of hundreds, each
 * of which would cost it a few microseconds. */
#include "cuda_backend.h"

struct recording {
    cudaGraphExec_t graph;
    const void *aside; /* the working memory that its kernels were given */
};

cfp_status cuda_record_begin(cfp_backend *backend)
{
    /* Thread-local: threads that decode may take pinned memory meanwhile. */
    CUDA_TRY(backend, cudaStreamBeginCapture(backend->stream, cudaStreamCaptureModeThreadLocal));
    return CFP_OK;
}

cfp_status cuda_record_end(cfp_backend *backend, void **recording)
{
    cudaGraph_t graph = NULL;
    struct recording *made;
    *recording = NULL;
    if (cudaStreamEndCapture(backend->stream, &graph) != cudaSuccess || graph == NULL) {
        (void)
            cudaGetLastError(); /* something in it cannot be recorded: the caller goes on without */
        return CFP_OK;
    }
    CFP_TRY_ALLOC(backend->ctx, made, 1);
    made->aside = backend->aside;
    const cudaError_t status = cudaGraphInstantiate(&made->graph, graph, 0);
    (void)cudaGraphDestroy(graph);
    if (status != cudaSuccess) {
        cfp_free(made);
        return cuda_failed(backend->ctx, status, "cudaGraphInstantiate");
    }
    *recording = made;
    CUDA_TRY(backend, cudaGraphLaunch(made->graph, backend->stream));
    return CFP_OK;
}

cfp_status cuda_replay(cfp_backend *backend, void *recording, bool *stale)
{
    const struct recording *r = recording;
    *stale = r->aside != backend->aside;
    if (!*stale)
        CUDA_TRY(backend, cudaGraphLaunch(r->graph, backend->stream));
    return CFP_OK;
}

void cuda_record_free(cfp_backend *backend, void *recording)
{
    struct recording *r = recording;
    (void)cudaStreamSynchronize(backend->stream);
    (void)cudaGraphExecDestroy(r->graph);
    cfp_free(r);
}
