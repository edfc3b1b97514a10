/* lane.h - what every kernel (lane_*.c) includes: vector operations and a name for each function.
 *
 * A kernel is an ordinary source file.  The build compiles it once for each instruction set: with
 * CFP_LANES_AVX512, with CFP_LANES_AVX2, and with neither, as plain C (CMakeLists.txt). */
#pragma once
#include "lanes.h"
#include <math.h>
#include <string.h>

/* LANE(sums_run) is cpu_sums_run_avx2 in the files that are compiled for AVX2. */
#if defined(CFP_LANES_AVX512)
#include "lane_vec_avx512.h"
#define LANE(name) cpu_##name##_avx512
#elif defined(CFP_LANES_AVX2)
#include "lane_vec_avx2.h"
#define LANE(name) cpu_##name##_avx2
#else
#define LANES_PLAIN
#include "lane_vec_plain.h"
#define LANE(name) cpu_##name##_plain
#endif

extern const cpu_lanes LANE(lanes_table);

/* The kernels; each runs the job of its name in lanes.h. */
void LANE(conv_run)(const lane_conv *job, int threads);
void LANE(direct_run)(const lane_direct *job, int threads);
void LANE(winograd_run)(const lane_winograd *job, int threads);
size_t LANE(winograd_scratch)(const lane_winograd *job, int threads);
void LANE(winograd_groups_run)(const lane_winograd_groups *job, int threads);
size_t LANE(winograd_groups_scratch)(const lane_winograd_groups *job, int threads);
void LANE(stem_run)(const lane_stem *job, int threads);
size_t LANE(stem_scratch)(const lane_stem *job, int threads);
void LANE(maxpool)(const lane_pool *job, int threads);
void LANE(avgpool)(const lane_pool *job, int threads);
void LANE(maxpool_back)(const lane_pool *job, int threads);
void LANE(avgpool_back)(const lane_pool *job, int threads);
void LANE(map_run)(const lane_map *job, int threads);
void LANE(join_run)(float *dst, const float *a, const float *b, cfp_shape shape, lane_join how,
                    const cfp_node *activation, int threads);
void LANE(slope_run)(const lane_slope *job, int threads);
void LANE(linear_run)(const lane_linear *job, int threads);
void LANE(linear_back)(const lane_linear *job, int threads);
void LANE(gather_run)(const lane_gather *job, int threads);
void LANE(score_row)(const lane_score *job, int question, int o);
void LANE(score_list)(const lane_score *job, int question, int o, cfp_edge *edge);
void LANE(pairs_run)(float *sum, const lane_pairs *job, const float *dy, const float *x);
void LANE(sums_run)(double *sum, const float *x, const float *g, cfp_shape shape, double *scratch,
                    int threads);
void LANE(channel_sum_run)(float *map, const float *x, const float *g, const float *keep,
                           cfp_shape shape, int threads);

/* 1 in the lanes that hold channels, in block `block` of a clip. */
static inline vec lanes_kept(int channels, int64_t block)
{
    float keep[LANES];
    for (int i = 0; i < LANES; i++)
        keep[i] = block * LANES + i < channels ? 1.0f : 0.0f;
    return v_load(keep);
}

static inline int64_t chunk_length(cfp_shape s, int64_t chunk)
{
    const int64_t left = cfp_positions(s) - chunk * LANE_CHUNK;
    return left < LANE_CHUNK ? left : LANE_CHUNK;
}

/* The input that output a of an axis reads through tap k. */
static inline int reads(const lane_axis *axis, int a, int k)
{
    return axis->in_step * a + axis->offset[k];
}

static inline bool any_kept(const float *keep)
{
    for (int lane = 0; lane < LANES; lane++)
        if (keep[lane] > 0)
            return true;
    return false;
}
