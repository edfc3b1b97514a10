/* ref_conv.c - conv3d and linear: the ops whose outputs are kernels.
 *
 *     dst(o, p) = bias(o) + sum over i, k of weight(o, i, k) * src(i, p * stride - pad + k *
 * dilation)
 *
 * p and k run over T, H, W; i runs over the channels of o's group; src is zero outside.  Backward
 * is the transpose: src(i, ...) gets weight(o, i, k) * diff_dst(o, p) from every p that read it.
 *
 * Both directions compute a piece of a row at a time, with its sums in double.  The innermost loop
 * runs along the row for one tap, and needs no test for the border. */
#include "ref_ops.h"

enum { PIECE = 128 };

typedef struct piece { /* elements (n, c, t, h, w) with w in `w`, at most PIECE of them */
    int n, c, t, h;
    ref_span w;
} piece;

typedef struct conv {
    const cfp_window *window;
    const float *weight;   /* (O, channels, taps) */
    const float *bias;     /* [O] or NULL */
    int channels, kernels; /* of one group: read, made */
    int64_t taps;          /* kT x kH x kW */
} conv;

typedef void add_tap_fn(double *sum, const conv *op, const cfp_tensor *from, const piece *to,
                        const int k[3]);

static conv conv_of(const cfp_node *node)
{
    const cfp_window *window = cfp_kernel_window(node);
    return (conv){.window = window,
                  .weight = node->weight,
                  .bias = node->bias,
                  .channels = node->kernel_channels,
                  .kernels = node->shape.c / node->groups,
                  .taps = (int64_t)window->kernel[0] * window->kernel[1] * window->kernel[2]};
}

/* The address of weight(o, 0, k); weight(o, i, k) is i * taps further on. */
static const float *kernel_tap(const conv *op, int o, const int k[3])
{
    const int *size = op->window->kernel;
    return op->weight + (int64_t)o * op->channels * op->taps +
           ((int64_t)k[0] * size[1] + k[1]) * size[2] + k[2];
}

/* Output p reads input p * stride + reach through tap k. */
static int reach(const conv *op, int axis, int k)
{
    return k * op->window->dilation[axis] - op->window->pad_begin[axis];
}

/* Adds to sum[w] what each output reads through tap k. */
static void add_tap(double *sum, const conv *op, const cfp_tensor *src, const piece *y,
                    const int k[3])
{
    const int *stride = op->window->stride;
    const int t = y->t * stride[0] + reach(op, 0, k[0]);
    const int h = y->h * stride[1] + reach(op, 1, k[1]);
    if (t < 0 || t >= src->shape.t || h < 0 || h >= src->shape.h)
        return;

    const int to_w = reach(op, 2, k[2]);
    const ref_span w = ref_both(y->w, ref_reaching((ref_span){0, src->shape.w}, stride[2], to_w));
    if (w.first >= w.last)
        return;

    const float *weight = kernel_tap(op, y->c, k);
    const int first = y->c / op->kernels * op->channels;
    const int64_t start = (int64_t)(w.first * stride[2] + to_w) * src->block;
    const int64_t step = (int64_t)stride[2] * src->block;
    for (int i = 0; i < op->channels; i++) {
        const double factor = weight[i * op->taps];
        const float *x = ref_row(src, y->n, first + i, t, h) + start;
        for (int p = 0; p < w.last - w.first; p++)
            sum[w.first - y->w.first + p] += factor * x[p * step];
    }
}

/* Adds to sum[w] the gradient that each input gets from the outputs that read it through tap k. */
static void add_tap_backward(double *sum, const conv *op, const cfp_tensor *diff_dst,
                             const piece *x, const int k[3])
{
    const int *stride = op->window->stride;
    const int t = x->t - reach(op, 0, k[0]), h = x->h - reach(op, 1, k[1]);
    if (t < 0 || t % stride[0] != 0 || t / stride[0] >= diff_dst->shape.t || /* nobody read there */
        h < 0 || h % stride[1] != 0 || h / stride[1] >= diff_dst->shape.h)
        return;

    const int to_w = reach(op, 2, k[2]);
    const ref_span w =
        ref_both((ref_span){0, diff_dst->shape.w}, ref_reaching(x->w, stride[2], to_w));
    if (w.first >= w.last)
        return;

    const int group = x->c / op->channels, i = x->c % op->channels;
    for (int o = group * op->kernels; o < (group + 1) * op->kernels; o++) {
        const double factor = kernel_tap(op, o, k)[i * op->taps];
        const float *dy = ref_row(diff_dst, x->n, o, t / stride[0], h / stride[1]);
        for (int p = w.first; p < w.last; p++)
            sum[p * stride[2] + to_w - x->w.first] += factor * dy[(int64_t)p * diff_dst->block];
    }
}

/* to = bias + all taps of `from` + added; `added` may be `to` itself. */
static void fill_piece(cfp_tensor *to, const piece *at, const conv *op, add_tap_fn *add,
                       const cfp_tensor *const from[2])
{
    const int *size = op->window->kernel;
    double sum[PIECE];
    int k[3];

    for (int w = 0; w < PIECE; w++)
        sum[w] = op->bias != NULL ? op->bias[at->c] : 0;
    for (k[0] = 0; k[0] < size[0]; k[0]++)
        for (k[1] = 0; k[1] < size[1]; k[1]++)
            for (k[2] = 0; k[2] < size[2]; k[2]++)
                add(sum, op, from[0], at, k);
    for (int w = at->w.first; w < at->w.last; w++) {
        const double added = from[1] ? cfp_at(from[1], at->n, at->c, at->t, at->h, w) : 0;
        cfp_put(to, at->n, at->c, at->t, at->h, w, (float)(sum[w - at->w.first] + added));
    }
}

static void fill(cfp_tensor *to, const conv *op, add_tap_fn *add, const cfp_tensor *const from[2])
{
    const cfp_shape s = to->shape;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int t = 0; t < s.t; t++)
                for (int h = 0; h < s.h; h++)
                    for (int w = 0; w < s.w; w += PIECE) {
                        const ref_span span = {w, cfp_min_int(w + PIECE, s.w)};
                        fill_piece(to, &(piece){n, c, t, h, span}, op, add, from);
                    }
}

void ref_conv3d(const cfp_step *step, const cfp_tensor *const *src, cfp_tensor *dst)
{
    const conv op = conv_of(step->node);
    fill(dst, &op, add_tap, (const cfp_tensor *const[2]){src[0], step->adds ? src[1] : NULL});
}

void ref_conv3d_backward(const cfp_step *step, const cfp_tensor *const *src, const cfp_tensor *dst,
                         const cfp_tensor *diff_dst, cfp_tensor *const *diff_src)
{
    (void)src, (void)dst; /* the op is linear in its input, so the gradient needs no values */
    if (diff_src[0] == NULL)
        return;
    conv op = conv_of(step->node);
    op.bias = NULL;
    fill(diff_src[0], &op, add_tap_backward, (const cfp_tensor *const[2]){diff_dst, NULL});
}
