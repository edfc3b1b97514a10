/* sim_ranges.c - the simulator's ranges if there are no NVTX headers: they do nothing.  With the
 * headers it has the real ones, cuda/ranges.c, and sim_profiler.c. */
#include "../../cuda/ranges.h"
#include "sim/cuda_profiler_api.h"

cuda_ranges *cuda_ranges_open(void)
{
    return NULL;
}
void cuda_ranges_close(cuda_ranges *ranges)
{
    (void)ranges;
}
void cuda_range_begin(cuda_ranges *ranges, cfp_range_kind kind, const char *name, double flop)
{
    (void)ranges, (void)kind, (void)name, (void)flop;
}
void cuda_range_end(cuda_ranges *ranges)
{
    (void)ranges;
}
cudaError_t cudaProfilerStart(void)
{
    return cudaSuccess;
}
cudaError_t cudaProfilerStop(void)
{
    return cudaSuccess;
}
