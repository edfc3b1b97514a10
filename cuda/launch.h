/* launch.h - how a .cu file starts a kernel, under nvcc and in the simulator that runs the same
 * source on the processor (tests/cuda/cudasim.h).
 *
 * LAUNCH(kernel, grid, block, stream, arguments...) is for kernels whose threads are independent of
 * each other; the simulator runs those as plain loops.  LAUNCH_JOINED is for kernels with barriers,
 * shuffles or shared memory.  Put a template of several parameters in parentheses. */
#pragma once
#ifdef __CUDACC__
#define LAUNCH(kernel, grid, block, stream, ...) kernel<<<grid, block, 0, stream>>>(__VA_ARGS__)
#define LAUNCH_JOINED LAUNCH
#define UNROLL_BY_4 _Pragma("unroll 4")
#else
#include "cudasim.h"
#endif
