/* lane_map.c - functions of single elements: activations and their derivatives, scale and shift of
 * channels, sums and products of two tensors (lanes.h).
 *
 * The lanes behind the last channel must stay zero.  Scale and shift are 0 there, but sigmoid(0) is
 * not 0, so the last block is multiplied by `keep`. */
#include "lane.h"

/* Cephes' expf: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]; relative error below 2e-7. */
static inline vec v_exp(vec x)
{
    x = v_max(v_min(x, v_set(88.0f)), v_set(-87.0f)); /* what v_pow2 can carry */
    const vec n = v_round(v_mul(x, v_set(1.44269504088896341f)));
    const vec r = v_fma(n, v_set(2.12194440e-4f), v_fma(n, v_set(-0.693359375f), x));
    vec p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_fma(v_mul(p, r), r, v_add(r, v_set(1.0f)));
    return v_mul(p, v_pow2(n));
}

static inline vec v_sigmoid(vec x)
{
    const vec one = v_set(1.0f);
    return v_div(one, v_add(one, v_exp(v_sub(v_set(0), x))));
}

static inline vec v_clamp(vec x, float low, float high)
{
    return v_min(v_set(high), v_max(v_set(low), x)); /* in this order NaN stays NaN */
}

/* An activation's parameters; a prelu's differ between channels. */
typedef struct lane_parameters {
    vec a, b, c;
} lane_parameters;

static inline vec v_tanh(vec x)
{
    return v_sub(v_mul(v_set(2), v_sigmoid(v_add(x, x))), v_set(1));
}

/* Abramowitz and Stegun 7.1.26: the error is below 2e-7.  `square` is exp(-x * x). */
static inline vec v_erf(vec x, vec square)
{
    const vec positive = v_max(x, v_sub(v_set(0), x));
    const vec t = v_div(v_set(1), v_fma(positive, v_set(0.3275911f), v_set(1)));
    vec p = v_set(1.061405429f);
    p = v_fma(p, t, v_set(-1.453152027f));
    p = v_fma(p, t, v_set(1.421413741f));
    p = v_fma(p, t, v_set(-0.284496736f));
    p = v_fma(p, t, v_set(0.254829592f));
    const vec y = v_sub(v_set(1), v_mul(v_mul(p, t), square));
    return v_where_greater(v_set(0), x, v_sub(v_set(0), y), y);
}

/* The share of x that gelu lets through, and the density of the normal distribution there. */
static inline vec v_gelu_share(vec x, vec *density)
{
    const vec square = v_exp(v_mul(v_mul(x, x), v_set(-0.5f)));
    *density = v_mul(square, v_set(0.39894228f));
    return v_mul(v_set(0.5f), v_add(v_set(1), v_erf(v_mul(x, v_set(0.70710678f)), square)));
}

static inline vec v_gelu_tanh(vec x)
{
    const vec cubic = v_mul(v_mul(v_mul(x, x), x), v_set(0.044715f));
    return v_tanh(v_mul(v_set(0.79788456f), v_add(x, cubic)));
}

/* tanh(log(1 + exp(x))) = n / (n + 2) with n = e * (e + 2), e = exp(x); above 20 it is 1. */
static inline vec v_mish_share(vec x)
{
    const vec e = v_exp(v_min(v_set(20), x));
    const vec n = v_mul(e, v_add(e, v_set(2)));
    return v_div(n, v_add(n, v_set(2)));
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + u), u = exp(-|x|).  log(1 + u) is twice the series of the
 * inverse of tanh at s = u / (2 + u), which is at most 1/3. */
static inline vec v_softplus(vec x)
{
    const vec zero = v_set(0), u = v_exp(v_min(x, v_sub(zero, x)));
    const vec s = v_div(u, v_add(u, v_set(2))), square = v_mul(s, s);
    vec p = v_set(1.0f / 15);
    for (int i = 13; i > 0; i -= 2)
        p = v_fma(p, square, v_set(1.0f / (float)i));
    return v_fma(v_add(s, s), p, v_max(zero, x));
}

static inline __attribute__((always_inline)) vec activate(vec x, cfp_op op,
                                                          const lane_parameters *p)
{
    const vec zero = v_set(0);
    switch (op) {
    case CFP_OP_RELU:
        return v_max(zero, x);
    case CFP_OP_RELU6:
        return v_clamp(x, 0, 6);
    case CFP_OP_LEAKYRELU:
        return v_where_greater(zero, x, v_mul(x, p->a), x);
    case CFP_OP_SIGMOID:
        return v_sigmoid(x);
    case CFP_OP_SILU:
        return v_mul(x, v_sigmoid(x));
    case CFP_OP_HARDSIGMOID:
        return v_div(v_clamp(v_add(x, v_set(3)), 0, 6), v_set(6));
    case CFP_OP_HARDSWISH:
        return v_div(v_mul(x, v_clamp(v_add(x, v_set(3)), 0, 6)), v_set(6));
    case CFP_OP_ELU: {
        const vec low = v_mul(p->a, v_sub(v_exp(v_mul(p->c, x)), v_set(1)));
        return v_mul(p->b, v_where_greater(x, zero, x, low));
    }
    case CFP_OP_GELU: {
        vec density;
        return v_mul(x, v_gelu_share(x, &density));
    }
    case CFP_OP_GELU_TANH:
        return v_mul(v_mul(v_set(0.5f), x), v_add(v_set(1), v_gelu_tanh(x)));
    case CFP_OP_MISH:
        return v_mul(x, v_mish_share(x));
    case CFP_OP_TANH:
        return v_tanh(x);
    case CFP_OP_SOFTPLUS: {
        const vec scaled = v_mul(p->a, x);
        return v_where_greater(scaled, p->b, x, v_div(v_softplus(scaled), p->a));
    }
    case CFP_OP_CLIP:
        return v_min(p->b, v_max(p->a, x));
    default:
        return x;
    }
}

/* The derivative at input x. */
static inline __attribute__((always_inline)) vec slope_at(vec x, cfp_op op,
                                                          const lane_parameters *p)
{
    const vec zero = v_set(0), one = v_set(1);
    switch (op) {
    case CFP_OP_RELU:
        return v_where_greater(x, zero, one, zero);
    case CFP_OP_RELU6:
        return v_where_greater(x, zero, v_where_greater(v_set(6), x, one, zero), zero);
    case CFP_OP_LEAKYRELU:
        return v_where_greater(x, zero, one, p->a);
    case CFP_OP_SIGMOID: {
        const vec s = v_sigmoid(x);
        return v_mul(s, v_sub(one, s));
    }
    case CFP_OP_SILU: {
        const vec s = v_sigmoid(x);
        return v_mul(s, v_fma(x, v_sub(one, s), one));
    }
    case CFP_OP_HARDSIGMOID:
        return v_where_greater(x, v_set(-3), v_where_greater(v_set(3), x, v_set(1.0f / 6), zero),
                               zero);
    case CFP_OP_HARDSWISH: {
        const vec middle = v_fma(x, v_set(1.0f / 3), v_set(0.5f));
        return v_where_greater(x, v_set(-3), v_where_greater(v_set(3), x, middle, one), zero);
    }
    case CFP_OP_ELU: {
        const vec low = v_mul(v_mul(p->a, p->c), v_exp(v_mul(p->c, x)));
        return v_mul(p->b, v_where_greater(x, zero, one, low));
    }
    case CFP_OP_GELU: {
        vec density;
        const vec share = v_gelu_share(x, &density);
        return v_fma(x, density, share);
    }
    case CFP_OP_GELU_TANH: {
        const vec t = v_gelu_tanh(x), half = v_set(0.5f);
        const vec inner = v_fma(v_mul(x, x), v_set(0.10703222f), v_set(0.79788456f));
        const vec steep = v_mul(v_sub(one, v_mul(t, t)), inner);
        return v_mul(half, v_fma(x, steep, v_add(one, t)));
    }
    case CFP_OP_MISH: {
        const vec t = v_mish_share(x);
        return v_fma(v_mul(x, v_sigmoid(x)), v_sub(one, v_mul(t, t)), t);
    }
    case CFP_OP_SOFTPLUS: {
        const vec scaled = v_mul(p->a, x);
        return v_where_greater(scaled, p->b, one, v_sigmoid(scaled));
    }
    case CFP_OP_CLIP:
        return v_where_greater(x, p->a, v_where_greater(p->b, x, one, zero), zero);
    default:
        return one;
    }
}

/* The derivative, computed from output y. */
static inline __attribute__((always_inline)) vec slope_from(vec y, cfp_op op,
                                                            const lane_parameters *p)
{
    const vec zero = v_set(0), one = v_set(1);
    switch (op) {
    case CFP_OP_SIGMOID:
        return v_mul(y, v_sub(one, y));
    case CFP_OP_HARDSIGMOID:
        return v_where_greater(y, zero, v_where_greater(one, y, v_set(1.0f / 6), zero), zero);
    case CFP_OP_TANH:
        return v_sub(one, v_mul(y, y));
    default: /* relu, relu6, leakyrelu, clip: the output has the input's sign and bound */
        return slope_at(y, op, p);
    }
}

/* Copies `body` for each activation, so that there is one switch for each chunk instead of one for
 * each element.  `op` is a constant in each copy. */
#define FOR_ACTIVATION(op, body)                                                                   \
    switch (op) {                                                                                  \
    case CFP_OP_RELU:                                                                              \
        body(CFP_OP_RELU);                                                                         \
        break;                                                                                     \
    case CFP_OP_RELU6:                                                                             \
        body(CFP_OP_RELU6);                                                                        \
        break;                                                                                     \
    case CFP_OP_LEAKYRELU:                                                                         \
        body(CFP_OP_LEAKYRELU);                                                                    \
        break;                                                                                     \
    case CFP_OP_SIGMOID:                                                                           \
        body(CFP_OP_SIGMOID);                                                                      \
        break;                                                                                     \
    case CFP_OP_SILU:                                                                              \
        body(CFP_OP_SILU);                                                                         \
        break;                                                                                     \
    case CFP_OP_HARDSIGMOID:                                                                       \
        body(CFP_OP_HARDSIGMOID);                                                                  \
        break;                                                                                     \
    case CFP_OP_HARDSWISH:                                                                         \
        body(CFP_OP_HARDSWISH);                                                                    \
        break;                                                                                     \
    case CFP_OP_ELU:                                                                               \
        body(CFP_OP_ELU);                                                                          \
        break;                                                                                     \
    case CFP_OP_GELU:                                                                              \
        body(CFP_OP_GELU);                                                                         \
        break;                                                                                     \
    case CFP_OP_GELU_TANH:                                                                         \
        body(CFP_OP_GELU_TANH);                                                                    \
        break;                                                                                     \
    case CFP_OP_MISH:                                                                              \
        body(CFP_OP_MISH);                                                                         \
        break;                                                                                     \
    case CFP_OP_TANH:                                                                              \
        body(CFP_OP_TANH);                                                                         \
        break;                                                                                     \
    case CFP_OP_SOFTPLUS:                                                                          \
        body(CFP_OP_SOFTPLUS);                                                                     \
        break;                                                                                     \
    case CFP_OP_CLIP:                                                                              \
        body(CFP_OP_CLIP);                                                                         \
        break;                                                                                     \
    default:                                                                                       \
        body(CFP_OP_IDENTITY);                                                                     \
        break;                                                                                     \
    }

static inline cfp_op op_of(const cfp_node *activation)
{
    return activation == NULL               ? CFP_OP_IDENTITY
           : activation->op == CFP_OP_PRELU ? CFP_OP_LEAKYRELU /* with a slope for each channel */
                                            : activation->op;
}
static inline lane_parameters parameters_of(const cfp_node *activation)
{
    const float *p = activation == NULL ? NULL : activation->parameter;
    return p == NULL ? (lane_parameters){v_set(0), v_set(0), v_set(0)}
                     : (lane_parameters){v_set(p[0]), v_set(p[1]), v_set(p[2])};
}

void LANE(map_run)(const lane_map *job, int threads)
{
    const cfp_shape s = job->shape;
    const int64_t blocks = (s.c + LANES - 1) / LANES, chunks = lane_chunks(s);
    const lane_parameters same = parameters_of(job->activation);
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t b = 0; b < s.n * blocks; b++)
        for (int64_t c = 0; c < chunks; c++) {
            const int64_t start = (b * cfp_positions(s) + c * LANE_CHUNK) * LANES;
            const int64_t end = start + chunk_length(s, c) * LANES;
            const int64_t row = (job->per_clip ? b : b % blocks) * LANES;
            const vec scale = job->scale != NULL ? v_load(job->scale + row) : v_set(1);
            const vec shift = job->shift != NULL ? v_load(job->shift + row) : v_set(0);
            const vec keep = lanes_kept(s.c, b % blocks), zero = v_set(0);
            lane_parameters parameters = same;
            if (job->slope != NULL)
                parameters.a = v_load(job->slope + b % blocks * LANES);
#define BODY(op)                                                                                   \
    for (int64_t i = start; i < end; i += LANES) {                                                 \
        const vec y = activate(v_fma(v_load(job->src + i), scale, shift), op, &parameters);        \
        v_store(job->dst + i, v_where_greater(keep, zero, y, zero));                               \
    }
            FOR_ACTIVATION(op_of(job->activation), BODY)
#undef BODY
        }
}

void LANE(join_run)(float *dst, const float *a, const float *b, cfp_shape s, lane_join how,
                    const cfp_node *activation, int threads)
{
    const int64_t blocks = (s.c + LANES - 1) / LANES, chunks = lane_chunks(s);
    const lane_parameters parameters = parameters_of(activation);
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t block = 0; block < s.n * blocks; block++)
        for (int64_t c = 0; c < chunks; c++) {
            const int64_t start = (block * cfp_positions(s) + c * LANE_CHUNK) * LANES;
            const int64_t end = start + chunk_length(s, c) * LANES;
            const vec keep = lanes_kept(s.c, block % blocks), zero = v_set(0);
            if (how == LANE_MUL)
                for (int64_t i = start; i < end; i += LANES)
                    v_store(dst + i, v_mul(v_load(a + i), v_load(b + i)));
            else
                for (int64_t i = start; i < end; i += LANES)
                    v_store(dst + i, v_add(v_load(a + i), v_load(b + i)));
            if (activation == NULL)
                continue;
#define BODY(op)                                                                                   \
    for (int64_t i = start; i < end; i += LANES)                                                   \
        v_store(dst + i,                                                                           \
                v_where_greater(keep, zero, activate(v_load(dst + i), op, &parameters), zero));
            FOR_ACTIVATION(activation->op, BODY)
#undef BODY
        }
}

void LANE(slope_run)(const lane_slope *job, int threads)
{
    const cfp_shape s = job->shape;
    const int64_t blocks = (int64_t)s.n * ((s.c + LANES - 1) / LANES), chunks = lane_chunks(s);
    const lane_parameters same = parameters_of(job->activation);
    const bool from_output = job->from_output;
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t c = 0; c < chunks; c++) {
            const int64_t start = (b * cfp_positions(s) + c * LANE_CHUNK) * LANES;
            const int64_t end = start + chunk_length(s, c) * LANES;
            const float *keep = job->keep == NULL ? NULL : job->keep + b * LANES;
            if (keep != NULL && !any_kept(keep)) {
                memset(job->dst + start, 0, (size_t)(end - start) * sizeof(float));
                continue;
            }
            const vec kept = keep == NULL ? v_set(1) : v_load(keep), zero = v_set(0);
            lane_parameters parameters = same;
            if (job->slope != NULL)
                parameters.a = v_load(job->slope + b % (blocks / s.n) * LANES);
#define BODY(op)                                                                                   \
    for (int64_t i = start; i < end; i += LANES) {                                                 \
        const vec at = v_load(job->value + i);                                                     \
        const vec slope =                                                                          \
            from_output ? slope_from(at, op, &parameters) : slope_at(at, op, &parameters);         \
        const vec dx = v_mul(v_load(job->dy + i), slope);                                          \
        v_store(job->dst + i, v_where_greater(kept, zero, dx, zero));                              \
    }
            FOR_ACTIVATION(op_of(job->activation), BODY)
#undef BODY
        }
}
