/* lane_table.c - the table of the kernels of one instruction set (lanes.h). */
#include "lane.h"

#if defined(CFP_LANES_AVX512)
#define NAME "AVX-512"
#elif defined(CFP_LANES_AVX2)
#define NAME "AVX2"
#else
#define NAME "plain C"
#endif

const cpu_lanes LANE(lanes_table) = {
    .name = NAME,
    .width = LANES,
    .conv = LANE(conv_run),
    .direct = LANE(direct_run),
    .winograd = LANE(winograd_run),
    .winograd_scratch = LANE(winograd_scratch),
    .winograd_groups = LANE(winograd_groups_run),
    .winograd_groups_scratch = LANE(winograd_groups_scratch),
    .stem = LANE(stem_run),
    .stem_scratch = LANE(stem_scratch),
    .maxpool = LANE(maxpool),
    .avgpool = LANE(avgpool),
    .maxpool_back = LANE(maxpool_back),
    .avgpool_back = LANE(avgpool_back),
    .map = LANE(map_run),
    .join = LANE(join_run),
    .slope = LANE(slope_run),
    .linear = LANE(linear_run),
    .linear_back = LANE(linear_back),
    .gather = LANE(gather_run),
    .score_row = LANE(score_row),
    .score_list = LANE(score_list),
    .pairs = LANE(pairs_run),
    .sums = LANE(sums_run),
    .channel_sum = LANE(channel_sum_run),
};
