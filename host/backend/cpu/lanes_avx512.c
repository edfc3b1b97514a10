/* lanes_avx512.c - the kernels of lanes.h compiled for AVX-512 (F, DQ, BW, VL), where the machine
 * is one. */
#include "lanes.h"
#include "../relevance_math.h"
#include <math.h>
#include <omp.h>
#include <string.h>

#if defined(__x86_64__) && !defined(CFP_WITHOUT_AVX512)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma"))),    \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma,prefer-vector-width=512")
#endif
#include "lane_vec_avx512.h"
#include "lane_conv.inc"
#include "lane_conv_tiles.inc"
#include "lane_direct.inc"
#include "lane_winograd.inc"
#include "lane_winograd_groups.inc"
#include "lane_stem.inc"
#include "lane_pool.inc"
#include "lane_map.inc"
#include "lane_sum.inc"
#include "lane_gather.inc"
#include "lane_linear.inc"
#include "lane_score.inc"

#define LANES_NAME "AVX-512"
#include "lane_table.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const cpu_lanes *cpu_lanes_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
               ? &table
               : NULL;
}
#else
const cpu_lanes *cpu_lanes_avx512(void)
{
    return NULL;
}
#endif
