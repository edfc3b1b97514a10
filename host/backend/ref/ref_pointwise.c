/* ref_pointwise.c - ops that keep the shape: batchnorm, the activations, softmax. */
#include "ref_ops.h"
#include <math.h>
#include <string.h>

static float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x; /* NaN stays NaN */
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* log(1 + exp(beta * x)) / beta; PyTorch's: x itself where beta * x is above the threshold */
static double softplus(double x, double beta, double threshold)
{
    return beta * x > threshold ? x : log1p(exp(beta * x)) / beta;
}

static double elu(const cfp_node *elu, double x)
{
    const float *p = elu->parameter; /* alpha, scale, input_scale */
    return x > 0 ? p[1] * x : (double)p[1] * p[0] * expm1(p[2] * x);
}

/* The tanh inside of gelu's approximation. */
static double gelu_tanh(double x)
{
    return tanh(0.7978845608028654 * (x + 0.044715 * x * x * x));
}

float ref_activation(const cfp_node *activation, float x)
{
    const float *p = activation->parameter;
    switch (activation->op) {
    case CFP_OP_RELU:
        return x < 0 ? 0 : x;
    case CFP_OP_RELU6:
        return clamp(x, 0, 6);
    case CFP_OP_LEAKYRELU:
        return x < 0 ? p[0] * x : x;
    case CFP_OP_SIGMOID:
        return (float)sigmoid(x);
    case CFP_OP_SILU:
        return (float)(x * sigmoid(x));
    case CFP_OP_HARDSIGMOID:
        return clamp(x + 3, 0, 6) / 6;
    case CFP_OP_HARDSWISH:
        return x * clamp(x + 3, 0, 6) / 6;
    case CFP_OP_ELU:
        return (float)elu(activation, x);
    case CFP_OP_GELU:
        return (float)(0.5 * x * (1 + erf(x * 0.7071067811865476)));
    case CFP_OP_GELU_TANH:
        return (float)(0.5 * x * (1 + gelu_tanh(x)));
    case CFP_OP_MISH:
        return (float)(x * tanh(softplus(x, 1, 20)));
    case CFP_OP_TANH:
        return (float)tanh(x);
    case CFP_OP_SOFTPLUS:
        return (float)softplus(x, p[0], p[1]);
    case CFP_OP_CLIP:
        return clamp(x, p[0], p[1]);
    default:
        return x;
    }
}

static double gelu_slope(double x)
{
    return 0.5 * (1 + erf(x * 0.7071067811865476)) + x * 0.3989422804014327 * exp(-0.5 * x * x);
}

static double gelu_tanh_slope(double x)
{
    const double t = gelu_tanh(x);
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}

static double mish_slope(double x)
{
    const double t = tanh(softplus(x, 1, 20));
    return t + x * sigmoid(x) * (1 - t * t);
}

/* At a kink the derivative is PyTorch's: that of the flat side; for leakyrelu at 0, negative_slope.
 */
float ref_activation_slope(const cfp_node *activation, float x)
{
    const double s = sigmoid(x);
    const float *p = activation->parameter;
    switch (activation->op) {
    case CFP_OP_RELU:
        return x > 0 ? 1 : 0;
    case CFP_OP_RELU6:
        return x > 0 && x < 6 ? 1 : 0;
    case CFP_OP_LEAKYRELU:
        return x > 0 ? 1 : p[0];
    case CFP_OP_SIGMOID:
        return (float)(s * (1 - s));
    case CFP_OP_SILU:
        return (float)(s * (1 + x * (1 - s)));
    case CFP_OP_HARDSIGMOID:
        return x > -3 && x < 3 ? 1.0f / 6 : 0;
    case CFP_OP_HARDSWISH:
        return x <= -3 ? 0 : x < 3 ? x / 3 + 0.5f : 1;
    case CFP_OP_ELU:
        return x > 0 ? p[1] : (float)((double)p[1] * p[0] * p[2] * exp((double)p[2] * x));
    case CFP_OP_GELU:
        return (float)gelu_slope(x);
    case CFP_OP_GELU_TANH:
        return (float)gelu_tanh_slope(x);
    case CFP_OP_MISH:
        return (float)mish_slope(x);
    case CFP_OP_TANH:
        return (float)(1 - tanh(x) * tanh(x));
    case CFP_OP_SOFTPLUS:
        return (double)p[0] * x > p[1] ? 1 : (float)sigmoid((double)p[0] * x);
    case CFP_OP_CLIP:
        return x > p[0] && x < p[1] ? 1 : 0;
    default:
        return 1;
    }
}

float ref_gate(const cfp_node *activation, float y)
{
    const float *p = activation->parameter;
    switch (activation->op) {
    case CFP_OP_RELU:
        return y > 0 ? 1 : 0;
    case CFP_OP_RELU6:
        return y > 0 && y < 6 ? 1 : 0;
    case CFP_OP_LEAKYRELU: /* y has the sign of x: negative_slope >= 0 */
        return y > 0 ? 1 : p[0];
    case CFP_OP_SIGMOID:
        return y * (1 - y);
    case CFP_OP_HARDSIGMOID:
        return y > 0 && y < 1 ? 1.0f / 6 : 0;
    case CFP_OP_TANH:
        return 1 - y * y;
    case CFP_OP_CLIP:
        return y > p[0] && y < p[1] ? 1 : 0;
    default:
        return 1;
    }
}

/* The activation as channel c has it: a prelu is a leakyrelu there. */
static cfp_node in_channel(const cfp_node *activation, int c)
{
    cfp_node one = {.op = activation->op};
    memcpy(one.parameter, activation->parameter, sizeof one.parameter);
    if (activation->op == CFP_OP_PRELU) {
        one.op = CFP_OP_LEAKYRELU;
        one.parameter[0] = activation->slope[c];
    }
    return one;
}

void ref_activate(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    const cfp_shape s = dst->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++) {
            const cfp_node activation = in_channel(step->node, c);
            const float *x = ref_channel(src[0], n, c);
            float *y = ref_channel(dst, n, c);
            for (int64_t p = 0; p < cfp_positions(s); p++)
                y[p * dst->block] = ref_activation(&activation, x[p * src[0]->block]);
        }
}

/* Computed from the output where possible; then the input need not be kept. */
void ref_activate_backward(const cfp_step *step, const cfp_tensor *const *src,
                           const cfp_tensor *dst, const cfp_tensor *diff_dst,
                           cfp_tensor *const *diff_src)
{
    cfp_tensor *dx = diff_src[0];
    if (dx == NULL)
        return;
    const bool from_output = cfp_gate_from_output(step->node->op);
    const cfp_tensor *value = from_output ? dst : src[0];
    const cfp_shape s = dx->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++) {
            const float *v = ref_channel(value, n, c), *dy = ref_channel(diff_dst, n, c);
            float *to = ref_channel(dx, n, c);
            const cfp_node activation = in_channel(step->node, c);
            for (int64_t p = 0; p < cfp_positions(s); p++) {
                const float at = v[p * value->block];
                const float slope =
                    from_output ? ref_gate(&activation, at) : ref_activation_slope(&activation, at);
                to[p * dx->block] = slope * dy[p * diff_dst->block];
            }
        }
}

/* to(c) = from(c) * scale(c) + shift(c); a NULL shift is 0. */
static void affine(cfp_tensor *to, const cfp_tensor *from, const float *scale, const float *shift)
{
    const cfp_shape s = to->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++) {
            const double a = scale[c], b = shift != NULL ? shift[c] : 0;
            const float *x = ref_channel(from, n, c);
            float *y = ref_channel(to, n, c);
            for (int64_t p = 0; p < cfp_positions(s); p++)
                y[p * to->block] = (float)(x[p * from->block] * a + b);
        }
}

void ref_batchnorm(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    affine(dst, src[0], step->node->scale, step->node->shift);
}

void ref_batchnorm_backward(const cfp_step *step, const cfp_tensor *const *src,
                            const cfp_tensor *dst, const cfp_tensor *diff_dst,
                            cfp_tensor *const *diff_src)
{
    (void)src, (void)dst;
    if (diff_src[0] != NULL)
        affine(diff_src[0], diff_dst, step->node->scale, NULL);
}

/* Over the channels, at each position: y(c) = exp(x(c) - max) / sum of exp(x - max). */
void ref_softmax(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    (void)step;
    const cfp_tensor *x = src[0];
    const cfp_shape s = dst->shape;
    for (int n = 0; n < s.n; n++)
        for (int64_t p = 0; p < cfp_positions(s); p++) {
            double most = -INFINITY, sum = 0;
            for (int c = 0; c < s.c; c++)
                most = fmax(most, ref_channel(x, n, c)[p * x->block]);
            for (int c = 0; c < s.c; c++)
                sum += exp(ref_channel(x, n, c)[p * x->block] - most);
            for (int c = 0; c < s.c; c++) {
                const double e = exp(ref_channel(x, n, c)[p * x->block] - most);
                ref_channel(dst, n, c)[p * dst->block] = (float)(e / sum);
            }
        }
}

/* dx(c) = y(c) * (dy(c) - sum over k of dy(k) * y(k)) */
void ref_softmax_backward(const cfp_step *step, const cfp_tensor *const *src, const cfp_tensor *dst,
                          const cfp_tensor *diff_dst, cfp_tensor *const *diff_src)
{
    (void)step, (void)src;
    cfp_tensor *dx = diff_src[0];
    if (dx == NULL)
        return;
    for (int n = 0; n < dst->shape.n; n++)
        for (int64_t p = 0; p < cfp_positions(dst->shape); p++) {
            double sum = 0;
            for (int c = 0; c < dst->shape.c; c++)
                sum += (double)ref_channel(diff_dst, n, c)[p * diff_dst->block] *
                       ref_channel(dst, n, c)[p * dst->block];
            for (int c = 0; c < dst->shape.c; c++) {
                const double y = ref_channel(dst, n, c)[p * dst->block];
                const double dy = ref_channel(diff_dst, n, c)[p * diff_dst->block];
                ref_channel(dx, n, c)[p * dx->block] = (float)(y * (dy - sum));
            }
        }
}
