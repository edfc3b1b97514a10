/* lanes_plain.c - the kernels of lanes.h compiled for any machine. */
#include "lanes.h"
#include "../relevance_math.h"
#include <math.h>
#include <omp.h>
#include <string.h>

#include "lane_vec_plain.h"
#include "lane_conv.inc"
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

static tile_fn *unrolled_tile(const lane_conv *job, int b, bool narrow)
{
    (void)job, (void)b, (void)narrow;
    return NULL;
}

#define LANES_NAME "plain C"
#include "lane_table.inc"

const cpu_lanes *cpu_lanes_plain(void)
{
    return &table;
}
