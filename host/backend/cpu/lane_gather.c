/* lane_gather.c - moves channels to other channels (lanes.h: lane_gather): concat, slice, pad and
 * shuffle along C, with any offsets.  Each source block takes one shuffle. */
#include "lane.h"

static void gather_chunk(const lane_gather *job, int64_t clip, int64_t block, int64_t chunk)
{
    const cfp_shape s = job->shape;
    const int64_t blocks = (s.c + LANES - 1) / LANES, positions = cfp_positions(s);
    const int64_t length = chunk_length(s, chunk) * LANES, start = chunk * LANE_CHUNK * LANES;
    float *to = job->dst + (clip * blocks + block) * positions * LANES + start;
    const vec kept = lanes_kept(s.c, block), zero = v_set(0);
    const vec nowhere = v_where_greater(kept, zero, v_set(job->value), zero);
    bool empty = true;

    for (int k = job->first[block]; k < job->first[block + 1]; k++, empty = false) {
        const int tensor = job->source[k];
        const float *from = job->from[tensor] + clip * job->clip[tensor] +
                            job->block[k] * positions * LANES + start;
        const ivec pick = v_load_pick(job->pick + (int64_t)k * LANES);
        if (empty)
            for (int64_t i = 0; i < length; i += LANES)
                v_store(to + i, v_pick2(nowhere, v_load(from + i), pick));
        else
            for (int64_t i = 0; i < length; i += LANES)
                v_store(to + i, v_pick2(v_load(to + i), v_load(from + i), pick));
    }
    if (empty)
        for (int64_t i = 0; i < length; i += LANES)
            v_store(to + i, nowhere);
}

void LANE(gather_run)(const lane_gather *job, int threads)
{
    const cfp_shape s = job->shape;
    const int64_t blocks = (s.c + LANES - 1) / LANES, chunks = lane_chunks(s);
#pragma omp parallel for collapse(3) schedule(static) num_threads(threads)
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t c = 0; c < chunks; c++)
                gather_chunk(job, n, b, c);
}
