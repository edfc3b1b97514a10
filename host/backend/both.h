/* both.h - marks formulas that are compiled for the host and, by nvcc, for the device, and must
 * give the same bits on both.
 *
 * Neither compiler may fuse multiply-adds in them: we build C11 without, and nvcc with -fmad=false
 * (cuda/CMakeLists.txt). */
#pragma once

#ifdef __CUDACC__
#define CFP_BOTH static inline __host__ __device__
#else
#define CFP_BOTH static inline
#endif
