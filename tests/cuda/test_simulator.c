/* test_simulator.c - the simulator finds faults.  Each fault is made on purpose in a process of its
 * own, which must stop with a message.  The same without a fault must run. */
#include "../../cuda/kernels.h"
#include "../test.h"
#include "sim_fail.h"
#include "sim_memory.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern int cudasim_calls, cudasim_fail_at, cudasim_fail_code, cudasim_fail_stays;
cudaError_t mutant_route_demands(const cfp_demand_route *route, cudaStream_t stream);

enum { CHANNELS = 6 };

/* Two channels that lead to one target, in device memory; the kernel that raises its demand, and
 * the stream. */
typedef struct meeting {
    cudaStream_t stream;
    cfp_demand *from, *to;
    int32_t *map;
    cfp_demand_route route;
} meeting;

static meeting prepare(void)
{
    static const cfp_demand from[CHANNELS] = {1, 5, 3, -1, 2, 4};
    static const int32_t map[CHANNELS] = {0, 0, 1, 1, 1, 2};
    meeting m = {.stream = NULL};
    void *memory[3];
    CHECK_EQ(cudaStreamCreateWithFlags(&m.stream, cudaStreamNonBlocking), cudaSuccess);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cudaMalloc(&memory[i], sizeof from), cudaSuccess);
    m.from = memory[0], m.to = memory[1], m.map = memory[2];
    cudaMemcpyAsync(m.from, from, sizeof from, cudaMemcpyHostToDevice, m.stream);
    cudaMemcpyAsync(m.map, map, sizeof map, cudaMemcpyHostToDevice, m.stream);
    cudaMemsetAsync(m.to, 0xff, sizeof from, m.stream);
    cudaStreamSynchronize(m.stream);
    m.route = (cfp_demand_route){m.from, m.to, m.map, 1, CHANNELS, CHANNELS};
    return m;
}

static void route(const meeting *m)
{
    cfp_demand to[CHANNELS];
    CHECK_EQ(cuda_route_demands(&m->route, m->stream), cudaSuccess);
    cudaMemcpyAsync(to, m->to, sizeof to, cudaMemcpyDeviceToHost, m->stream);
    cudaStreamSynchronize(m->stream);
    CHECK(to[0] == 5 && to[1] == 3 && to[2] == 4 && to[3] == -1);
}

/* --- the faults --- */

static void no_fault(void)
{
    const meeting m = prepare();
    route(&m);
}

static void a_plain_write_for_an_atomic(void)
{
    const meeting m = prepare();
    mutant_route_demands(&m.route, m.stream);
    cudaStreamSynchronize(m.stream);
}

static void a_kernel_on_stream_0(void)
{
    meeting m = prepare();
    m.stream = NULL;
    route(&m);
}

static void a_host_pointer_to_read(void)
{
    static const cfp_demand here[CHANNELS] = {1, 2, 3, 4, 5, 6};
    meeting m = prepare();
    cfp_demand *const heap = malloc(sizeof here);
    memcpy(heap, here, sizeof here);
    m.route.from = heap;
    route(&m);
}

static void a_host_pointer_to_write(void)
{
    cfp_demand stack[CHANNELS] = {-1, -1, -1, -1, -1, -1};
    meeting m = prepare();
    m.route.to = stack;
    route(&m);
}

static void memory_that_was_given_back(void)
{
    const meeting m = prepare();
    cudaFree(m.from);
    route(&m);
}

static void beyond_the_end(void)
{
    meeting m = prepare();
    m.route.n_from = CHANNELS + 1;
    m.route.map = NULL;
    route(&m);
}

static void the_host_reads_device_memory(void)
{
    const meeting m = prepare();
    CHECK(*(volatile cfp_demand *)m.to == 0);
}

static void the_host_writes_device_memory(void)
{
    const meeting m = prepare();
    *(volatile cfp_demand *)m.to = 0;
}

static void a_copy_up_to_host_memory(void)
{
    const meeting m = prepare();
    int here = 0, there = 0;
    cudaMemcpyAsync(&there, &here, sizeof here, cudaMemcpyHostToDevice, m.stream);
}

static void a_copy_down_to_device_memory(void)
{
    const meeting m = prepare();
    cudaMemcpyAsync(m.to, m.from, sizeof *m.to, cudaMemcpyDeviceToHost, m.stream);
}

/* Repeated until a stream is late by chance. */
static void the_source_of_a_copy_changes(void)
{
    const meeting m = prepare();
    for (cfp_demand i = 0; i < 64; i++) {
        cfp_demand here = i;
        cudaMemcpyAsync(m.to, &here, sizeof here, cudaMemcpyHostToDevice, m.stream);
        here = -i - 1;
        *(volatile cfp_demand *)&here = here;
        cudaStreamSynchronize(m.stream);
    }
}

typedef struct fault {
    const char *name;
    void (*run)(void);
    int signal; /* 0: none */
    const char *says;
} fault;

static const fault faults[] = {
    {"no fault", no_fault, 0, ""},
    {"a plain write for an atomic", a_plain_write_for_an_atomic, SIGABRT, "a race: "},
    {"a kernel on stream 0", a_kernel_on_stream_0, SIGABRT, "stream 0"},
    {"a host pointer to read", a_host_pointer_to_read, SIGABRT, "a kernel reads host memory"},
    {"a host pointer to write", a_host_pointer_to_write, SIGABRT, "a kernel writes host memory"},
    {"memory that was given back", memory_that_was_given_back, SIGABRT, "beyond device memory"},
    {"beyond the end", beyond_the_end, SIGABRT, "beyond device memory"},
    {"the host reads device memory", the_host_reads_device_memory, SIGSEGV, ""},
    {"the host writes device memory", the_host_writes_device_memory, SIGSEGV, ""},
    {"a copy up to host memory", a_copy_up_to_host_memory, SIGABRT, "is no device memory"},
    {"a copy down to device memory", a_copy_down_to_device_memory, SIGABRT, "is device memory"},
    {"the source of a copy changes", the_source_of_a_copy_changes, SIGABRT, "has changed"},
};

/* Writes to `said` what the process wrote to stderr. */
static int run_apart(const fault *f, char *said, size_t capacity)
{
    int ends[2], status = 0;
    CHECK_EQ(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGSEGV, SIG_DFL);
        f->run();
        _exit(test_result());
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n = 1; n > 0 && used < capacity - 1; used += (size_t)(n > 0 ? n : 0))
        n = read(ends[0], said + used, capacity - 1 - used);
    said[used] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void every_fault_is_seen(void)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const fault *f = &faults[i];
        char said[512];
        const int status = run_apart(f, said, sizeof said);
        if (f->signal == 0)
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        else
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == f->signal);
        CHECK_HAS(said, f->says);
        if (f->signal != 0 && !WIFSIGNALED(status))
            printf("not seen: %s\n", f->name);
    }
}

/* A function of the runtime or a launch fails if a test says so, once or from then on. */
static void errors_can_be_injected(void)
{
    const meeting m = prepare();
    for (int stays = 0; stays < 2; stays++) {
        cudasim_fail_code = cudaErrorLaunchFailure;
        cudasim_fail_stays = stays;
        cudasim_fail_at = cudasim_calls + 2;
        CHECK_EQ(cudaMemsetAsync(m.to, 0xff, CHANNELS * sizeof *m.to, m.stream), cudaSuccess);
        CHECK_EQ(cuda_route_demands(&m.route, m.stream), cudaErrorLaunchFailure);
        const cudaError_t after = stays ? cudaErrorLaunchFailure : cudaSuccess;
        CHECK_EQ(cudaGetLastError(), after);
        CHECK_EQ(cudaStreamSynchronize(m.stream), after);
        CHECK_EQ(cudaGetLastError(), after);
        cudasim_fail_at = 0;
        (void)cudaGetLastError();
        CHECK_EQ(cudaGetLastError(), cudaSuccess);
    }
}

int main(void)
{
    every_fault_is_seen();
    errors_can_be_injected();
    return test_result();
}
