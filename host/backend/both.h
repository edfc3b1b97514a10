/* both.h - formulas that are compiled twice from the same lines, for the host and, by nvcc, for the
 * device, and give the same bits there.
 *
 * Wherever such lines are compiled, no multiply-adds are fused: C11 as we build it, nvcc
 * -fmad=false (cuda/CMakeLists.txt). */
#pragma once

#ifdef __CUDACC__
#define CFP_BOTH static inline __host__ __device__
#else
#define CFP_BOTH static inline
#endif
