/* random.c - see random.h. */
#include "random.h"
#include <string.h>

/* One step of splitmix64 from `state`. */
static uint64_t scatter(uint64_t state)
{
    uint64_t z = state + 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

cfp_random cfp_random_seed(uint64_t seed)
{
    return (cfp_random){scatter(seed)};
}

cfp_random cfp_random_of_number(cfp_random stream, uint64_t number)
{
    return (cfp_random){scatter(stream.state ^ scatter(number))};
}

/* FNV-1a over 64 bits, then the length, so that "a","bc" and "ab","c" are two streams. */
cfp_random cfp_random_of_bytes(cfp_random stream, const void *data, size_t bytes)
{
    uint64_t sum = 0xCBF29CE484222325u;
    for (const unsigned char *at = data, *end = at + bytes; at < end; at++)
        sum = (sum ^ *at) * 0x100000001B3u;
    return cfp_random_of_number(cfp_random_of_number(stream, sum), bytes);
}

cfp_random cfp_random_of_text(cfp_random stream, const char *text)
{
    return cfp_random_of_bytes(stream, text, strlen(text));
}

uint64_t cfp_random_next(cfp_random *stream)
{
    const uint64_t z = scatter(stream->state);
    stream->state += 0x9E3779B97F4A7C15u;
    return z;
}

/* Draws again above the last whole multiple of the limit, so that all numbers are equally likely.
 */
uint64_t cfp_random_below(cfp_random *stream, uint64_t limit)
{
    const uint64_t uneven = (UINT64_MAX % limit + 1) % limit;
    uint64_t z;
    do
        z = cfp_random_next(stream);
    while (z > UINT64_MAX - uneven);
    return z % limit;
}

double cfp_random_unit(cfp_random *stream)
{
    return (double)(cfp_random_next(stream) >> 11) * 0x1p-53;
}

/* Draws the first k places of a shuffle (Fisher and Yates). */
static void draw(int *order, int n, int k, cfp_random *stream)
{
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = 0; i < k; i++) {
        const int j = i + (int)cfp_random_below(stream, (uint64_t)(n - i)), held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

void cfp_random_set(uint8_t *set, int *order, int n, int k, cfp_random *stream)
{
    draw(order, n, k, stream);
    memset(set, 0, (size_t)n);
    for (int i = 0; i < k; i++)
        set[order[i]] = 1;
}

void cfp_random_order(int *order, int n, cfp_random *stream)
{
    draw(order, n, n, stream);
}
