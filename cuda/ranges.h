/* ranges.h - NVTX ranges, which a profiler shows: domain "cfp", in the categories of
 * cfp_range_kind. There is one for each node and pass, and one for each part of a run. */
#pragma once
#include "../host/backend/backend.h"

typedef struct cuda_ranges cuda_ranges;

cuda_ranges *cuda_ranges_open(void); /* NULL if no profiler is attached */
void cuda_ranges_close(cuda_ranges *ranges);
/* Opens a range; ranges nest.  The payload is `flop`, unless that is 0. */
void cuda_range_begin(cuda_ranges *ranges, cfp_range_kind kind, const char *name, double flop);
void cuda_range_end(cuda_ranges *ranges);
