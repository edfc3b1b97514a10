/* launch.h - how a .cu file starts a kernel: written once, for nvcc and for the simulator that runs
 * the same source on the processor (tests/cuda/cudasim.h).
 *
 * LAUNCH(kernel, grid, block, stream, arguments...) is for kernels whose threads know nothing of
 * each other, LAUNCH_JOINED for those with barriers, shuffles or shared memory: the simulator runs
 * the first as plain loops.  A template of several parameters stands in parentheses. */
#pragma once
#ifdef __CUDACC__
#define LAUNCH(kernel, grid, block, stream, ...) kernel<<<grid, block, 0, stream>>>(__VA_ARGS__)
#define LAUNCH_JOINED LAUNCH
#define UNROLL_BY_4 _Pragma("unroll 4")
#else
#include "cudasim.h"
#endif
