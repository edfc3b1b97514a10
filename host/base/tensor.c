/* tensor.c - see tensor.h. */
#include "tensor.h"
#include <string.h>

void cfp_pack(cfp_tensor *dst, const float *plain)
{
    const cfp_shape s = dst->shape;
    const int64_t positions = cfp_positions(s);
    const int block = dst->block, blocks = cfp_blocks(dst);

    for (int n = 0; n < s.n; n++)
        for (int b = 0; b < blocks; b++) {
            float *to = dst->data + ((int64_t)n * blocks + b) * positions * block;
            const int lanes = cfp_min_int(block, s.c - b * block);
            const float *from = plain + ((int64_t)n * s.c + (int64_t)b * block) * positions;
            if (lanes < block)
                memset(to, 0, (size_t)positions * (size_t)block * sizeof *to);
            for (int lane = 0; lane < lanes; lane++)
                for (int64_t p = 0; p < positions; p++)
                    to[p * block + lane] = from[lane * positions + p];
        }
}

void cfp_unpack(float *plain, const cfp_tensor *src)
{
    const cfp_shape s = src->shape;
    const int64_t positions = cfp_positions(s);
    const int block = src->block, blocks = cfp_blocks(src);

    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++) {
            const float *from =
                src->data + ((int64_t)n * blocks + c / block) * positions * block + c % block;
            float *to = plain + ((int64_t)n * s.c + c) * positions;
            for (int64_t p = 0; p < positions; p++)
                to[p] = from[p * block];
        }
}
