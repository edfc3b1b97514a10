/* lane_vec_avx2.h - the vector operations of the kernels, in AVX2 and FMA: 8 lanes. */
#pragma once
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 8, TILE_WIDE = 8, TILE_NARROW = 7 }; /* 16 registers: tile + taps + 2 must fit */
enum { COLUMNS = 6 };       /* of a matrix product, held in registers with two vectors more */
enum { DOUBLES = 4 };       /* doubles in a register */
enum { GROUP_KERNELS = 3 }; /* held in registers with four vectors more, four times */
/* clang-format off */
#define FOR_COLUMNS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define FOR_GROUP_KERNELS(X) X(1) X(2) X(3)
/* clang-format on */

typedef __m256 vec;
typedef __m256i ivec;

typedef double doubles __attribute__((vector_size(DOUBLES * sizeof(double))));

static inline vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}
static inline ivec v_load_pick(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}
static inline vec v_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c) /* a * b + c */
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec v_max(vec a, vec b) /* b where either is NaN */
{
    return _mm256_max_ps(a, b);
}
static inline vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}
static inline vec v_where_greater(vec a, vec b, vec yes, vec no) /* a > b ? yes : no */
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
static inline vec v_where_equal(vec a, vec b, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_EQ_OQ));
}
static inline uint32_t v_bits_at_least(vec a, vec b) /* bit l: lane l of a >= that of b */
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ));
}
static inline vec v_load_first(const float *p, int n, vec rest) /* p[0 ... n - 1], then of rest */
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i kept = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
    return _mm256_blendv_ps(rest, _mm256_maskload_ps(p, kept), _mm256_castsi256_ps(kept));
}
static inline float v_lowest(vec a)
{
    const __m128 four = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)));
}
static inline vec v_round(vec a) /* to the nearest integer */
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_pow2(vec n) /* 2^n for whole n in [-126, 127] */
{
    const __m256i i = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(i, 23));
}
static inline vec v_pick(vec a, ivec pick)
{
    return _mm256_permutevar8x32_ps(a, pick);
}
static inline vec v_pick2(vec a, vec b, ivec pick) /* lane 0..7 of a, 8..15 of b */
{
    const vec of_a = _mm256_permutevar8x32_ps(a, pick), of_b = _mm256_permutevar8x32_ps(b, pick);
    return _mm256_blendv_ps(of_a, of_b, _mm256_castsi256_ps(_mm256_slli_epi32(pick, 28)));
}
static inline float v_total(vec a)
{
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
/* Rows become columns: lane j of x[i] and lane i of x[j] change places. */
static inline __attribute__((always_inline)) void v_transpose(vec x[LANES])
{
    vec y[LANES];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) { /* pairs of neighbours within every 128 bits */
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) { /* fours: column 2 * j, 2 * j + 1 of four rows */
            const __m256d a = _mm256_castps_pd(y[i + j]), b = _mm256_castps_pd(y[i + 2 + j]);
            x[i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
            x[i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
        }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* the 2 x 2 of 128 bits */
        y[i] = _mm256_permute2f128_ps(x[i], x[4 + i], 0x20);
        y[4 + i] = _mm256_permute2f128_ps(x[i], x[4 + i], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        x[i] = y[i];
}

typedef struct dvec { /* as many doubles as lanes */
    __m256d low, high;
} dvec;
static inline dvec d_zero(void)
{
    return (dvec){_mm256_setzero_pd(), _mm256_setzero_pd()};
}
static inline dvec d_widen(vec a)
{
    return (dvec){_mm256_cvtps_pd(_mm256_castps256_ps128(a)),
                  _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1))};
}
static inline dvec d_widen_at(const float *p) /* d_widen(v_load(p)), without a shuffle */
{
    return (dvec){_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))};
}
static inline dvec d_add(dvec a, dvec b)
{
    return (dvec){_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}
static inline dvec d_fma(dvec a, dvec b, dvec c)
{
    return (dvec){_mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high)};
}
static inline void d_store(double *p, dvec a)
{
    _mm256_storeu_pd(p, a.low);
    _mm256_storeu_pd(p + 4, a.high);
}
static inline dvec d_load(const double *p)
{
    return (dvec){_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)};
}
static inline double d_total(dvec a)
{
    const __m256d four = _mm256_add_pd(a.low, a.high);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
