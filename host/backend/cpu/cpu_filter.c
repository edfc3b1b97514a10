/* cpu_filter.c - see cpu_filter.h: [g0, g1, g2] becomes [g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) /
 * 2, g2] along H and W, and along T where that pays; in double. */
#include "cpu_filter.h"

bool cpu_filter_pays_along_t(int frames, int taps, int pad_begin, int in_frames)
{
    int plain = 0;
    for (int t = 0; t < frames; t++)
        for (int k = 0; k < taps; k++)
            plain += t + k - pad_begin >= 0 && t + k - pad_begin < in_frames;
    return taps == 3 && 4 * ((frames + 1) / 2) < plain;
}

double cpu_tap(const cpu_taps *t, int o, int i, int k)
{
    const int64_t row = t->back ? i : o;
    const int column = t->back ? o % t->kernels : i % t->channels;
    const int columns = t->back ? t->kernels : t->channels;
    const int tap = t->back ? t->count - 1 - k : k;
    return (double)t->node->weight[(row * columns + column) * t->count + tap];
}

/* Transforms 3 numbers that are `step` apart to 4 numbers, for `lanes` kernels. */
static void transform(double to[4][LANES_MAX], const double *from, int step, int lanes)
{
    for (int l = 0; l < lanes; l++) {
        const double a = from[l], b = from[step + l], c = from[2 * step + l];
        to[0][l] = a;
        to[1][l] = (a + b + c) / 2;
        to[2][l] = (a - b + c) / 2;
        to[3][l] = c;
    }
}

/* Transforms the 3 x 3 weights of one tap of T to planes. */
static void transform_square(double to[FILTER_PLANES][LANES_MAX], const double *tap, int lanes)
{
    double rows[3][4][LANES_MAX];
    for (int h = 0; h < 3; h++)
        transform(rows[h], tap + h * 3 * LANES_MAX, LANES_MAX, lanes);
    for (int j = 0; j < 4; j++) {
        double column[4][LANES_MAX];
        transform(column, rows[0][j], 4 * LANES_MAX, lanes);
        for (int i = 0; i < 4; i++)
            for (int l = 0; l < lanes; l++)
                to[i * 4 + j][l] = column[i][l];
    }
}

void cpu_filter_weights(float *to, int64_t plane, double tap[][LANES_MAX], int lanes, int taps_t,
                        bool deep, bool points)
{
    double square[3][FILTER_PLANES][LANES_MAX], four[4][LANES_MAX];
    const int planes = points ? 1 : FILTER_PLANES;
    for (int t = 0; t < taps_t; t++) {
        for (int l = 0; l < lanes; l++)
            square[t][0][l] = tap[t][l];
        if (!points)
            transform_square(square[t], tap[t * 9], lanes);
    }
    for (int p = 0; p < planes; p++) {
        if (deep)
            transform(four, square[0][p], FILTER_PLANES * LANES_MAX, lanes);
        for (int t = 0; t < (deep ? 4 : taps_t); t++)
            for (int l = 0; l < lanes; l++)
                to[(t * planes + p) * plane + l] = (float)(deep ? four[t][l] : square[t][p][l]);
    }
}
