/* lane_vec_avx512.h - the vector operations of the kernels, in AVX-512: 16 lanes. */
#pragma once
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 16, TILE_WIDE = 14, TILE_NARROW = 7 }; /* tile: outputs held in registers */
enum { COLUMNS = 14 };      /* of a matrix product, held in registers with two vectors more */
enum { DOUBLES = 8 };       /* doubles in a register */
enum { GROUP_KERNELS = 6 }; /* held in registers with four vectors more, four times */
/* clang-format off */
#define FOR_COLUMNS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define FOR_GROUP_KERNELS(X) X(1) X(2) X(3) X(4) X(5) X(6)
/* clang-format on */

typedef __m512 vec;
typedef __m512i ivec;

typedef double doubles __attribute__((vector_size(DOUBLES * sizeof(double))));

static inline vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}
static inline ivec v_load_pick(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}
static inline vec v_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c) /* a * b + c */
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec v_max(vec a, vec b) /* b where either is NaN */
{
    return _mm512_max_ps(a, b);
}
static inline vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}
static inline vec v_where_greater(vec a, vec b, vec yes, vec no) /* a > b ? yes : no */
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), no, yes);
}
static inline vec v_where_equal(vec a, vec b, vec yes, vec no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), no, yes);
}
static inline uint32_t v_bits_at_least(vec a, vec b) /* bit l: lane l of a >= that of b */
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
static inline vec v_load_first(const float *p, int n, vec rest) /* p[0 ... n - 1], then of rest */
{
    const uint32_t bits = n > 0 ? ((uint32_t)1 << n) - 1 : 0; /* n < LANES */
    return _mm512_mask_loadu_ps(rest, (__mmask16)bits, p);
}
static inline float v_lowest(vec a)
{
    return _mm512_reduce_min_ps(a);
}
static inline vec v_round(vec a) /* to the nearest integer */
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_pow2(vec n) /* 2^n for whole n in [-126, 127] */
{
    const __m512i i = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(i, 23));
}
static inline vec v_pick(vec a, ivec pick)
{
    return _mm512_permutexvar_ps(pick, a);
}
static inline vec v_pick2(vec a, vec b, ivec pick) /* lane 0..15 of a, 16..31 of b */
{
    return _mm512_permutex2var_ps(a, pick, b);
}
static inline float v_total(vec a)
{
    return _mm512_reduce_add_ps(a);
}
/* Rows become columns: lane j of x[i] and lane i of x[j] change places. */
static inline __attribute__((always_inline)) void v_transpose(vec x[LANES])
{
    vec y[LANES];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) { /* pairs of neighbours within every 128 bits */
        y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) { /* fours: column 2 * j, 2 * j + 1 of four rows */
            const __m512d a = _mm512_castps_pd(y[i + j]), b = _mm512_castps_pd(y[i + 2 + j]);
            x[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            x[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* the 4 x 4 of 128 bits */
        y[i] = _mm512_shuffle_f32x4(x[i], x[4 + i], 0x88);
        y[4 + i] = _mm512_shuffle_f32x4(x[i], x[4 + i], 0xdd);
        y[8 + i] = _mm512_shuffle_f32x4(x[8 + i], x[12 + i], 0x88);
        y[12 + i] = _mm512_shuffle_f32x4(x[8 + i], x[12 + i], 0xdd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        x[i] = _mm512_shuffle_f32x4(y[i], y[8 + i], 0x88);
        x[8 + i] = _mm512_shuffle_f32x4(y[i], y[8 + i], 0xdd);
    }
}

/* As many doubles as lanes. */
typedef struct dvec {
    __m512d low, high;
} dvec;
static inline dvec d_zero(void)
{
    return (dvec){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
static inline dvec d_widen(vec a)
{
    return (dvec){_mm512_cvtps_pd(_mm512_castps512_ps256(a)),
                  _mm512_cvtps_pd(_mm512_castps512_ps256(_mm512_shuffle_f32x4(a, a, 0xee)))};
}
static inline dvec d_widen_at(const float *p) /* d_widen(v_load(p)), without a shuffle */
{
    return (dvec){_mm512_cvtps_pd(_mm256_loadu_ps(p)), _mm512_cvtps_pd(_mm256_loadu_ps(p + 8))};
}
static inline dvec d_add(dvec a, dvec b)
{
    return (dvec){_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
}
static inline dvec d_fma(dvec a, dvec b, dvec c)
{
    return (dvec){_mm512_fmadd_pd(a.low, b.low, c.low), _mm512_fmadd_pd(a.high, b.high, c.high)};
}
static inline void d_store(double *p, dvec a)
{
    _mm512_storeu_pd(p, a.low);
    _mm512_storeu_pd(p + 8, a.high);
}
static inline dvec d_load(const double *p)
{
    return (dvec){_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)};
}
static inline double d_total(dvec a)
{
    return _mm512_reduce_add_pd(_mm512_add_pd(a.low, a.high));
}
