/* lane_score.c - the relevance of a layer's channels, several at a time, for the usual query: rule
 * cfp, min-max normalised, selected edge by edge (lanes.h: lane_score).
 *
 * The results are those of relevance_math.h to the last bit: values in double, rounded once at the
 * end.  But only a few exact numbers are needed: the extremes of a row, which channels reach theta,
 * and the largest relevance of each channel.  So every value is first ESTIMATED as a product of two
 * floats.  A value is computed exactly only if its estimate cannot decide:
 *
 *     extremes    rounding keeps the order, so the smallest value has the smallest estimate
 *     theta       an estimate is off by at most 2^-24 of the largest; a value is computed if its
 *                 estimate is closer than a few times that to the bound
 *     largest     a relevance is computed if its estimate plus the possible error is not below the
 *                 channel's largest relevance so far */
#include "lane.h"
#include "../relevance_math.h"

enum {
    WORD = 32, /* channels in a word of bits; estimates are made for whole words */
    FEW = 6    /* if fewer are open, they are computed one by one */
};

/* The row of a kernel: cfp_value(j) = scale * w[j] * x[j]. */
struct scored {
    const float *w, *x;
    double scale;
    int n;
    float *estimate; /* [n] value / |scale|, then NaN, which compares false, to a word's end */
    float lowest, highest; /* of the estimates */
    float cap;             /* no relevance is larger (CFP_PROPAGATE_WIDEST) */
    cfp_row row;
};

static inline double exact_value(const struct scored *s, int j)
{
    return s->scale * (double)s->w[j] * (double)s->x[j];
}

static inline float exact_relevance(const struct scored *s, int j)
{
    return (float)((exact_value(s, j) - s->row.low) / (s->row.high - s->row.low)) + 0.0f;
}

static inline float capped(const struct scored *s, float r)
{
    return r > s->cap ? s->cap : r;
}

static inline void widen_range(cfp_row *row, double v) /* NaN is ignored */
{
    row->low = v < row->low ? v : row->low;
    row->high = v > row->high ? v : row->high;
}

static void estimate_values(struct scored *s)
{
    const vec sign = v_set(s->scale < 0 ? -1.0f : 1.0f), zero = v_set(0), none = v_set(NAN);
    vec low = v_set(INFINITY), high = v_set(-INFINITY);
    int j = 0;
    for (; j + LANES <= s->n; j += LANES) {
        const vec f = v_mul(v_mul(sign, v_load(s->w + j)), v_load(s->x + j));
        v_store(s->estimate + j, f);
        low = v_min(f, low);
        high = v_max(f, high);
    }
    for (; j % WORD != 0 || j < s->n; j += LANES) {
        const int left = s->n > j ? s->n - j : 0;
        const vec w = v_load_first(s->w + j, left, zero), x = v_load_first(s->x + j, left, none);
        const vec f = v_mul(v_mul(sign, w), x);
        v_store(s->estimate + j, f);
        low = v_min(f, low);
        high = v_max(f, high);
    }
    s->lowest = v_lowest(low);
    s->highest = -v_lowest(v_sub(zero, high));
}

/* Finds the smallest and the largest value.  Prefetches the next row, which is probably needed
 * next.
 */
static void find_extremes(struct scored *s)
{
    const vec low = v_set(s->lowest), high = v_set(s->highest);
    cfp_row row = {.low = INFINITY, .high = -INFINITY};
    for (int j = 0; j < s->n; j += WORD) {
        uint32_t bits = 0;
        for (int k = 0; k < WORD; k += LANES) {
            const vec f = v_load(s->estimate + j + k);
            bits |= (v_bits_at_least(low, f) | v_bits_at_least(f, high)) << k;
            __builtin_prefetch(s->w + s->n + j + k, 0, 2);
        }
        for (; bits != 0; bits &= bits - 1)
            widen_range(&row, exact_value(s, j + __builtin_ctz(bits)));
    }
    s->row = row;
}

/* The bounds with which estimates are compared. */
struct bars {
    float reach, width; /* estimates within `width` of `reach` are computed exactly */
    float growth, lift; /* estimate * growth + lift is an upper bound of the relevance */
};

/* False if estimates are useless: all values are equal, not finite, or tiny. */
static bool find_bars(struct bars *bars, const struct scored *s, float floor)
{
    const double unscale = 1 / fabs(s->scale), low = s->row.low * unscale;
    const double high = s->row.high * unscale, range = high - low, growth = 1 / range;
    const double largest = -low > high ? -low : high > -high ? high : -low;
    if (!(range > 0x1p-90) || !(largest < 0x1p90))
        return false;
    *bars = (struct bars){.reach = (float)(low + (double)floor * range),
                          .width = (float)(0x1p-21 * largest),
                          .growth = (float)growth,
                          .lift = (float)((0x1p-21 * largest - low) * growth + 0x1p-21)};
    return true;
}

/* Computes the channels that their estimates could not decide. */
static void settle_channels(uint32_t *bits, const struct scored *s, const struct bars *bars,
                            float floor)
{
    for (int j = 0; j < s->n; j++)
        if (fabsf(s->estimate[j] - bars->reach) <= bars->width) {
            const uint32_t bit = (uint32_t)1 << j % WORD;
            bits[j / WORD] &= ~bit;
            bits[j / WORD] |= exact_relevance(s, j) >= floor ? bit : 0;
        }
}

/* Sets the bits of the channels whose relevance reaches floor, and raises `best` to their
 * relevances. */
static void select_channels(uint32_t *bits, float *best, const struct scored *s,
                            const struct bars *bars, float floor)
{
    const vec growth = v_set(bars->growth), lift = v_set(bars->lift), reach = v_set(bars->reach);
    const vec below =
        v_set(nextafterf(s->cap, -INFINITY)); /* a channel that has the cap cannot be raised */
    vec nearest = v_set(INFINITY);
    for (int j = 0; j < s->n; j += WORD) {
        uint32_t selected = 0, higher = 0;
        for (int k = 0; k < WORD; k += LANES) {
            const vec f = v_load(s->estimate + j + k);
            selected |= v_bits_at_least(f, reach) << k;
            const vec may_be = v_min(below, v_fma(f, growth, lift)); /* NaN stays NaN */
            higher |= v_bits_at_least(may_be, v_load(best + j + k)) << k;
            nearest = v_min(v_max(v_sub(f, reach), v_sub(reach, f)), nearest);
        }
        bits[j / WORD] = selected;
        for (; higher != 0; higher &= higher - 1) {
            const int i = j + __builtin_ctz(higher);
            const float r = capped(s, exact_relevance(s, i));
            best[i] = r > best[i] ? r : best[i];
        }
    }
    if (v_lowest(nearest) <= bars->width)
        settle_channels(bits, s, bars, floor);
}

/* Does the same without estimates. */
static void select_exactly(uint32_t *bits, float *best, struct scored *s, float floor)
{
    s->row = (cfp_row){.low = INFINITY, .high = -INFINITY};
    for (int j = 0; j < s->n; j++)
        widen_range(&s->row, exact_value(s, j));
    memset(bits, 0, (size_t)(s->n + WORD - 1) / WORD * sizeof *bits);
    for (int j = 0; j < s->n; j++) {
        const float r = cfp_min_max(exact_value(s, j), s->row.low, s->row.high);
        bits[j / WORD] |= (uint32_t)(r >= floor) << j % WORD;
        best[j] = capped(s, r) > best[j] ? capped(s, r) : best[j];
    }
}

void LANE(score_row)(const lane_score *job, int question, int o)
{
    const cfp_back_step *s = job->step;
    const int n = s->channels / s->groups, first = o / (s->kernels / s->groups) * n;
    const int64_t row = (int64_t)question * s->kernels + o;
    const int words = (n + WORD - 1) / WORD;
    uint32_t *bits = s->edges + row * words;
    struct scored k = {
        .w = s->kernel_mean + (int64_t)o * n,
        .x = s->input + (int64_t)(question / s->thetas) * s->channels + first,
        .scale = s->kernel_scale != NULL ? (double)s->kernel_scale[o] : 1.0,
        .n = n,
        .cap = s->propagate == CFP_PROPAGATE_WIDEST
                   ? (float)cfp_demanded_relevance(s->demand[row]) /* the exact relevance */
                   : INFINITY,
        .estimate = job->estimate};
    struct bars bars;
    int count = 0;
    if (n >= FEW) {
        estimate_values(&k);
        find_extremes(&k);
    }
    if (n >= FEW && find_bars(&bars, &k, job->floor))
        select_channels(bits, job->best + first, &k, &bars, job->floor);
    else
        select_exactly(bits, job->best + first, &k, job->floor);
    for (int w = 0; w < words; w++)
        count += __builtin_popcount(bits[w]);
    s->n_edges[row] = count;
    s->row[row] = k.row;
}

/* --- listing: every relevance that was selected is wanted --- */

typedef int64_t doubles_mask __attribute__((vector_size(DOUBLES * sizeof(double))));
typedef float few_floats __attribute__((vector_size(DOUBLES * sizeof(float))));

static inline doubles widened(const float *p)
{
    few_floats x;
    memcpy(&x, p, sizeof x);
    return __builtin_convertvector(x, doubles);
}

static inline doubles smaller_of(doubles a, doubles b) /* b where a is NaN, as `a < b ? a : b` */
{
    const doubles_mask less = a < b;
    return (doubles)(((doubles_mask)a & less) | ((doubles_mask)b & ~less));
}

static inline doubles larger_of(doubles a, doubles b)
{
    const doubles_mask more = a > b;
    return (doubles)(((doubles_mask)a & more) | ((doubles_mask)b & ~more));
}

/* Computes cfp_value for n channels, and their extremes. */
static void score_values(double *value, cfp_row *row, const float *w, const float *x, double scale,
                         int n)
{
    doubles low = (doubles){0} + INFINITY, high = (doubles){0} - INFINITY;
    int j = 0;
    for (; j + DOUBLES <= n; j += DOUBLES) {
        const doubles v = scale * widened(w + j) * widened(x + j);
        memcpy(value + j, &v, sizeof v);
        low = smaller_of(v, low);
        high = larger_of(v, high);
    }
    *row = (cfp_row){.low = INFINITY, .high = -INFINITY};
    for (; j < n; j++) {
        const double v = value[j] = scale * (double)w[j] * (double)x[j];
        row->low = v < row->low ? v : row->low;
        row->high = v > row->high ? v : row->high;
    }
    for (int i = 0; i < DOUBLES; i++) {
        row->low = low[i] < row->low ? low[i] : row->low;
        row->high = high[i] > row->high ? high[i] : row->high;
    }
}

void LANE(score_list)(const lane_score *job, int question, int o, cfp_edge *edge)
{
    const cfp_back_step *s = job->step;
    const int n = s->channels / s->groups, first = o / (s->kernels / s->groups) * n;
    const int64_t row = (int64_t)question * s->kernels + o;
    const cfp_row scored = s->row[row];
    const uint32_t *bits = s->edges + row * ((n + 31) / 32);
    const double low = scored.low, range = scored.high - scored.low;
    cfp_row again;
    score_values(job->value, &again, s->kernel_mean + (int64_t)o * n,
                 s->input + (int64_t)(question / s->thetas) * s->channels + first,
                 s->kernel_scale != NULL ? (double)s->kernel_scale[o] : 1.0, n);
    for (int w = 0; w < (n + 31) / 32; w++) {
        double *v = job->value + 32 * w;
        const int end = cfp_min_int(32, n - 32 * w);
        int j = 0;
        for (; j + DOUBLES <= end; j += DOUBLES) {
            doubles x;
            memcpy(&x, v + j, sizeof x);
            x = (x - low) / range;
            memcpy(v + j, &x, sizeof x);
        }
        for (; j < end; j++)
            v[j] = (v[j] - low) / range;
        for (uint32_t left = bits[w]; left != 0; left &= left - 1) {
            const int at = __builtin_ctz(left);
            *edge++ = (cfp_edge){o, first + 32 * w + at, (float)v[at] + 0.0f};
        }
    }
}
