/* cuda_profile.c - sub-table profile: ranges, and the part of the run that a profiler collects.  It
 * is collected with nsys --capture-range=cudaProfilerApi, or ncu --profile-from-start off. */
#include "cuda_backend.h"
#include <cuda_profiler_api.h>

static void range_begin(cfp_backend *backend, cfp_range_kind kind, const char *name, double flop)
{
    cuda_range_begin(backend->ranges, kind, name, flop);
}

static void range_end(cfp_backend *backend)
{
    cuda_range_end(backend->ranges);
}

/* Waits first, so that the part neither contains earlier work nor ends before its own work. */
static void collect(cfp_backend *backend, bool on)
{
    (void)cudaStreamSynchronize(backend->stream);
    (void)(on ? cudaProfilerStart() : cudaProfilerStop());
}

const cfp_profile_api cuda_profile_table = {
    .range_begin = range_begin, .range_end = range_end, .collect = collect};
