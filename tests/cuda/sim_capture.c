/* sim_capture.c - see sim_capture.h; and the graph functions of the runtime. */
#include "sim_capture.h"
#include "sim_fail.h"
#include "sim_streams.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    const char *name;
    void (*call)(void *argument);
    void *argument;
    void (*drop)(void *argument);
};

/* In the simulator a graph is its own executable form. */
struct simulated_graph {
    struct node *node;
    size_t n, capacity;
};

static struct simulated_graph *capture; /* NULL: no capture is under way */
static cudaStream_t captured;           /* the stream that is captured */
static bool spoilt;

static void keep(struct node node)
{
    if (capture->n == capture->capacity) {
        capture->capacity = capture->capacity == 0 ? 64 : 2 * capture->capacity;
        capture->node = realloc(capture->node, capture->capacity * sizeof *capture->node);
        if (capture->node == NULL)
            abort();
    }
    capture->node[capture->n++] = node;
}

void sim_enqueue(cudaStream_t stream, const char *name, void (*call)(void *argument),
                 void *argument, void (*drop)(void *argument))
{
    if (capture != NULL && stream == captured) {
        keep((struct node){name, call, argument, drop});
        return;
    }
    sim_stream_put(stream, (sim_work){.call = call, .argument = argument, .drop = drop});
}

void sim_enqueue_copy(cudaStream_t stream, const char *name, void (*call)(void *argument),
                      const void *argument, size_t bytes)
{
    void *copy = malloc(bytes);
    if (copy == NULL)
        abort();
    memcpy(copy, argument, bytes);
    sim_enqueue(stream, name, call, copy, free);
}

bool sim_spoils_capture(void)
{
    spoilt |= capture != NULL;
    return capture != NULL;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)mode;
    SIM_MAY_FAIL();
    spoilt = false;
    captured = stream;
    capture = calloc(1, sizeof *capture);
    return capture != NULL ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    (void)stream;
    const cudaError_t failure = sim_failure();
    *graph = capture;
    capture = NULL;
    spoilt |= failure != cudaSuccess;
    if (!spoilt)
        return cudaSuccess;
    (void)cudaGraphDestroy(*graph);
    *graph = NULL;
    return cudaErrorStreamCaptureInvalidated;
}

/* Writes the graph to the file of CUDASIM_GRAPHS, if there is one (sim_capture.h). */
static void describe(const struct simulated_graph *graph)
{
    const char *const path = getenv("CUDASIM_GRAPHS");
    FILE *const file = path != NULL ? fopen(path, "a") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "graph\n");
    for (size_t i = 0; i < graph->n; i++)
        fprintf(file, "%s\n", graph->node[i].name);
    fclose(file);
}

/* Moves the list of work, so that the graph may be destroyed. */
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *made, cudaGraph_t graph, unsigned long long flags)
{
    (void)flags;
    SIM_MAY_FAIL();
    *made = malloc(sizeof **made);
    if (*made == NULL)
        return cudaErrorMemoryAllocation;
    describe(graph);
    **made = *graph;
    *graph = (struct simulated_graph){0};
    return cudaSuccess;
}

static void run_graph(void *argument)
{
    const struct simulated_graph *graph = argument;
    for (size_t i = 0; i < graph->n; i++)
        graph->node[i].call(graph->node[i].argument);
}

static void leave(void *argument)
{
    (void)argument; /* the graph owns it */
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream)
{
    SIM_MAY_FAIL();
    sim_stream_put(stream, (sim_work){.call = run_graph, .argument = graph, .drop = leave});
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph)
{
    return cudaGraphDestroy(graph);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    for (size_t i = 0; i < graph->n; i++)
        graph->node[i].drop(graph->node[i].argument);
    free(graph->node);
    free(graph);
    return cudaSuccess;
}
