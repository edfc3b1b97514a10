/* lanes_plain.c - the kernels of lanes.h compiled for any machine. */
#include "lanes.h"
#include <math.h>
#include <string.h>

#include "lane_vec_plain.h"
#include "lane_conv.inc"
#include "lane_pool.inc"
#include "lane_map.inc"
#include "lane_sum.inc"
#include "lane_gather.inc"
#include "lane_linear.inc"

static tile_fn *unrolled_tile(const lane_conv *job, int b, bool narrow)
{
    (void)job, (void)b, (void)narrow;
    return NULL;
}

static const cpu_lanes table = {
    .name = "plain C",
    .width = LANES,
    .conv = lane_conv_run,
    .maxpool = lane_maxpool,
    .avgpool = lane_avgpool,
    .maxpool_back = lane_maxpool_back,
    .avgpool_back = lane_avgpool_back,
    .map = lane_map_run,
    .join = lane_join_run,
    .slope = lane_slope_run,
    .linear = lane_linear_run,
    .linear_back = lane_linear_back,
    .gather = lane_gather_run,
    .sums = lane_sums_run,
    .channel_sum = lane_channel_sum_run,
};

const cpu_lanes *cpu_lanes_plain(void)
{
    return &table;
}
