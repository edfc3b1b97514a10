/* lanes_avx2.c - the kernels of lanes.h compiled for AVX2 and FMA. */
#include "lanes.h"
#include "../relevance_math.h"
#include <math.h>
#include <omp.h>
#include <string.h>

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#include "lane_vec_avx2.h"
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

#define LANES_NAME "AVX2"
#include "lane_table.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const cpu_lanes *cpu_lanes_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &table : NULL;
}
#else
const cpu_lanes *cpu_lanes_avx2(void)
{
    return NULL;
}
#endif
