/* pipeline.h - the clips of a batch on their way: decoded ahead, explained together, written
 * behind.
 *
 *     decoding threads, each with a process   ->  ready  ->  the network  ->  results  ->  writer
 *
 * The caller's thread runs the network.  Both queues are bounded; a stage waits for another only
 * where its queue is full or empty.  So the slowest stage decides. */
#pragma once
#include "../files/run.h"
#include "batch.h"
#include "store.h"

typedef struct cfp_stage_work {
    int clips;
    double busy_ms; /* of all its threads together, without waiting */
    int threads;
} cfp_stage_work;

typedef struct cfp_pipeline_work {
    cfp_stage_work decode, network, write;
    double wall_ms;
} cfp_pipeline_work;

typedef struct cfp_pipeline_request { /* borrowed */
    const cfp_batch_list *list;
    cfp_batch_store *store;
    cfp_analyser *analyser; /* for batches of `batch` clips */
    const cfp_model *model;
    int batch;
    int windows;     /* of each clip */
    int class_index; /* to explain; -1: the most probable one */
    cfp_interp interp;
    const cfp_clip *other; /* a clip that all are compared with; NULL: none */
    const cfp_run *run;
    cfp_h5_parts parts;
    int decoders;
    double seconds; /* for decoding a window */
    int64_t max_memory;
    const volatile int *interrupted;
    /* Called in the caller's thread, several times a second. */
    void (*progress)(void *cookie, const cfp_pipeline_work *work);
    /* A clip failed; in the caller's thread. */
    void (*failed)(void *cookie, const char *message);
    void *cookie;
} cfp_pipeline_request;

/* Runs until no clip is left.  After an interrupt, the clips that the network has begun are
 * finished and written: CFP_INTERRUPTED.  Failed clips are no failure here; a folder that cannot be
 * written to, or a device that fails, is. */
CFP_CHECKED cfp_status cfp_pipeline_run(cfp_pipeline_work *out, cfp_ctx *ctx,
                                        const cfp_pipeline_request *request);
