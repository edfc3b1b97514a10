/* lane_vec_plain.h - the vector operations of the kernels in plain C: 8 lanes, for any machine.
 * What each means is said here once more by its arithmetic. */
#pragma once
#include <math.h>
#include <stdint.h>

enum { LANES = 8, TILE_WIDE = 8, TILE_NARROW = 7 }; /* as for AVX2 */
enum { COLUMNS = 2 };       /* of a matrix product, held in registers with two vectors more */
enum { DOUBLES = 2 };       /* doubles in a register */
enum { GROUP_KERNELS = 4 }; /* held in registers with four vectors more, four times */
/* clang-format off */
#define FOR_COLUMNS(X) X(1) X(2)
#define FOR_GROUP_KERNELS(X) X(1) X(2) X(3) X(4)
/* clang-format on */

typedef struct vec {
    float lane[LANES];
} vec;
typedef struct ivec {
    int32_t lane[LANES];
} ivec;

#define EACH_LANE for (int i = 0; i < LANES; i++)

typedef double doubles __attribute__((vector_size(DOUBLES * sizeof(double))));

static inline vec v_load(const float *p)
{
    vec r;
    EACH_LANE r.lane[i] = p[i];
    return r;
}
static inline void v_store(float *p, vec a)
{
    EACH_LANE p[i] = a.lane[i];
}
static inline ivec v_load_pick(const int32_t *p)
{
    ivec r;
    EACH_LANE r.lane[i] = p[i];
    return r;
}
static inline vec v_set(float x)
{
    vec r;
    EACH_LANE r.lane[i] = x;
    return r;
}
static inline vec v_add(vec a, vec b)
{
    EACH_LANE a.lane[i] = a.lane[i] + b.lane[i];
    return a;
}
static inline vec v_sub(vec a, vec b)
{
    EACH_LANE a.lane[i] = a.lane[i] - b.lane[i];
    return a;
}
static inline vec v_mul(vec a, vec b)
{
    EACH_LANE a.lane[i] = a.lane[i] * b.lane[i];
    return a;
}
static inline vec v_div(vec a, vec b)
{
    EACH_LANE a.lane[i] = a.lane[i] / b.lane[i];
    return a;
}
static inline vec v_max(vec a, vec b)
{
    EACH_LANE a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
}
static inline vec v_min(vec a, vec b)
{
    EACH_LANE a.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
}
static inline vec v_fma(vec a, vec b, vec c)
{
    EACH_LANE c.lane[i] += a.lane[i] * b.lane[i];
    return c;
}
static inline vec v_where_greater(vec a, vec b, vec yes, vec no)
{
    EACH_LANE no.lane[i] = a.lane[i] > b.lane[i] ? yes.lane[i] : no.lane[i];
    return no;
}
static inline vec v_where_equal(vec a, vec b, vec yes, vec no)
{
    EACH_LANE no.lane[i] = a.lane[i] == b.lane[i] ? yes.lane[i] : no.lane[i];
    return no;
}
static inline uint32_t v_bits_at_least(vec a, vec b)
{
    uint32_t bits = 0;
    EACH_LANE bits |= (uint32_t)(a.lane[i] >= b.lane[i]) << i;
    return bits;
}
static inline vec v_load_first(const float *p, int n, vec rest)
{
    EACH_LANE rest.lane[i] = i < n ? p[i] : rest.lane[i];
    return rest;
}
static inline float v_lowest(vec a)
{
    float lowest = a.lane[0];
    EACH_LANE lowest = a.lane[i] < lowest ? a.lane[i] : lowest;
    return lowest;
}
static inline vec v_round(vec a)
{
    EACH_LANE a.lane[i] = rintf(a.lane[i]);
    return a;
}
static inline vec v_pow2(vec n)
{
    EACH_LANE n.lane[i] = ldexpf(1.0f, (int)n.lane[i]);
    return n;
}
static inline vec v_pick(vec a, ivec pick)
{
    vec r;
    EACH_LANE r.lane[i] = a.lane[pick.lane[i]];
    return r;
}
static inline vec v_pick2(vec a, vec b, ivec pick)
{
    vec r;
    EACH_LANE r.lane[i] =
        pick.lane[i] < LANES ? a.lane[pick.lane[i]] : b.lane[pick.lane[i] - LANES];
    return r;
}
static inline float v_total(vec a)
{
    float sum = 0;
    EACH_LANE sum += a.lane[i];
    return sum;
}
/* Rows become columns: lane j of x[i] and lane i of x[j] change places. */
static inline void v_transpose(vec x[LANES])
{
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < i; j++) {
            const float moved = x[i].lane[j];
            x[i].lane[j] = x[j].lane[i];
            x[j].lane[i] = moved;
        }
}

typedef struct dvec {
    double lane[LANES];
} dvec;
static inline dvec d_zero(void)
{
    return (dvec){{0}};
}
static inline dvec d_widen(vec a)
{
    dvec r;
    EACH_LANE r.lane[i] = a.lane[i];
    return r;
}
static inline dvec d_widen_at(const float *p)
{
    return d_widen(v_load(p));
}
static inline dvec d_add(dvec a, dvec b)
{
    EACH_LANE a.lane[i] += b.lane[i];
    return a;
}
static inline dvec d_fma(dvec a, dvec b, dvec c)
{
    EACH_LANE c.lane[i] += a.lane[i] * b.lane[i];
    return c;
}
static inline void d_store(double *p, dvec a)
{
    EACH_LANE p[i] = a.lane[i];
}
static inline dvec d_load(const double *p)
{
    dvec r;
    EACH_LANE r.lane[i] = p[i];
    return r;
}
static inline double d_total(dvec a)
{
    double sum = 0;
    EACH_LANE sum += a.lane[i];
    return sum;
}
