/* ranges.h - what a profiler shows: NVTX ranges of the domain "cfp", one for each node and pass. */
#pragma once
#include "../host/model/model.h"

typedef enum cuda_range_kind { CUDA_RANGE_FORWARD = 1, CUDA_RANGE_BACKWARD } cuda_range_kind;

typedef struct cuda_ranges cuda_ranges;

cuda_ranges *cuda_ranges_open(void); /* NULL where no profiler is attached */
void cuda_ranges_close(cuda_ranges *ranges);
/* Opens the range of a node, named like it, with its FLOP for one clip; ranges nest. */
void cuda_range_begin(cuda_ranges *ranges, cuda_range_kind kind, const cfp_node *node);
void cuda_range_end(cuda_ranges *ranges);
