/* cpu_norm.c - instancenorm, groupnorm and layernorm on tensors in whole blocks.
 *
 * A group's sums are made of sums of channels (cpu_sums), so all threads work on each group.  A
 * layernorm looks at one position after the other.  Sums and results are computed in double. */
#include "cpu.h"
#include <math.h>

/* dst = dy * a + x * b + c of each channel of each clip; dy NULL: 0. */
typedef struct affine {
    double *a, *b, *c; /* [n][blocks][lanes] */
} affine;

static bool groups_takes(const cfp_backend *backend, const cfp_step *step,
                         const cfp_tensor *const *src, const cfp_tensor *dst)
{
    const cfp_op op = step->node->op;
    return (op == CFP_OP_INSTANCENORM || op == CFP_OP_GROUPNORM) &&
           cpu_in_lanes(backend, step, src, dst);
}

static int64_t row_of(const cfp_tensor *x)
{
    return (int64_t)cfp_blocks(x) * x->block;
}

static cfp_status groups_open(void **own, cfp_backend *backend, cfp_step *step,
                              const cfp_tensor *const *src, const cfp_tensor *dst)
{
    (void)own, (void)src;
    const size_t rows = (size_t)(dst->shape.n * row_of(dst)) * sizeof(double);
    /* sums of x, x * x, dy, dy * x; then an affine */
    step->scratch_bytes = 4 * cpu_aligned(cpu_sums_bytes(backend, dst)) + 3 * cpu_aligned(rows);
    return CFP_OK;
}

static const double *sums_at(const cfp_backend *backend, const cfp_tensor *x, const cfp_tensor *g,
                             char *scratch, int place)
{
    return cpu_sums(backend, x, g,
                    scratch + (size_t)place * cpu_aligned(cpu_sums_bytes(backend, x)));
}

static affine affine_in(const cfp_backend *backend, const cfp_tensor *x, char *scratch)
{
    const size_t rows = cpu_aligned((size_t)(x->shape.n * row_of(x)) * sizeof(double));
    char *at = scratch + 4 * cpu_aligned(cpu_sums_bytes(backend, x));
    return (affine){(double *)(void *)at, (double *)(void *)(at + rows),
                    (double *)(void *)(at + 2 * rows)};
}

static void apply(const cfp_backend *backend, cfp_tensor *dst, const cfp_tensor *dy,
                  const cfp_tensor *x, affine by)
{
    const int lanes = dst->block;
    const int64_t positions = cfp_positions(dst->shape), chunk = 256;
    const int64_t chunks = (positions + chunk - 1) / chunk;
#pragma omp parallel for collapse(2) schedule(static) num_threads(backend->threads)
    for (int64_t block = 0; block < (int64_t)dst->shape.n * cfp_blocks(dst); block++)
        for (int64_t k = 0; k < chunks; k++) {
            const double *a = by.a + block * lanes, *b = by.b + block * lanes,
                         *c = by.c + block * lanes;
            const int64_t end = (k + 1) * chunk < positions ? (k + 1) * chunk : positions;
            for (int64_t p = k * chunk; p < end; p++) {
                const int64_t at = (block * positions + p) * lanes;
                for (int l = 0; l < lanes; l++) {
                    const double from = dy == NULL ? 0 : (double)dy->data[at + l] * a[l];
                    dst->data[at + l] = (float)(from + (double)x->data[at + l] * b[l] + c[l]);
                }
            }
        }
}

/* The mean of the group that starts at channel c of clip n, and 1 / sqrt(var + eps). */
static void statistics(double *mean, double *scale, const cfp_node *node, const double *sum,
                       const double *square, int channels, double count)
{
    double s = 0, q = 0;
    for (int c = 0; c < channels; c++) {
        s += sum[c];
        q += square[c];
    }
    *mean = s / count;
    *scale = 1 / sqrt(fmax(q / count - *mean * *mean, 0) + node->eps);
}

static cfp_status groups_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                 const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)own;
    const cfp_node *node = step->node;
    const double *sum = sums_at(backend, src[0], NULL, scratch, 0);
    const double *square = sums_at(backend, src[0], src[0], scratch, 1);
    const affine by = affine_in(backend, dst, scratch);
    const int channels = dst->shape.c / node->groups;
    const double count = (double)channels * (double)cfp_positions(dst->shape);
    for (int n = 0; n < dst->shape.n; n++) {
        const int64_t row = n * row_of(dst);
        for (int64_t i = row; i < row + row_of(dst); i++)
            by.b[i] = by.c[i] = 0; /* the lanes behind the last channel stay 0 */
        for (int c = 0; c < dst->shape.c; c++) {
            const int64_t first = row + c / channels * channels;
            double mean, scale;
            statistics(&mean, &scale, node, sum + first, square + first, channels, count);
            by.b[row + c] = scale * (double)node->scale[c];
            by.c[row + c] = (double)node->shift[c] - mean * by.b[row + c];
        }
    }
    apply(backend, dst, NULL, src[0], by);
    return CFP_OK;
}

/* ref_norm.c has the formula; here it is sorted by dy and x. */
static cfp_status groups_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                  const cfp_tensor *const *src, const cfp_tensor *dst,
                                  const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                  void *scratch)
{
    (void)own, (void)dst;
    const cfp_node *node = step->node;
    const cfp_shape s = diff_dst->shape;
    if (diff_src[0] == NULL)
        return CFP_OK;
    const double *sum = sums_at(backend, src[0], NULL, scratch, 0);
    const double *square = sums_at(backend, src[0], src[0], scratch, 1);
    const double *dy = sums_at(backend, diff_dst, NULL, scratch, 2);
    const double *dy_x = sums_at(backend, diff_dst, src[0], scratch, 3);
    const affine by = affine_in(backend, diff_dst, scratch);
    const int channels = s.c / node->groups;
    const double count = (double)channels * (double)cfp_positions(s);
    for (int n = 0; n < s.n; n++) {
        const int64_t row = n * row_of(diff_dst);
        for (int64_t i = row; i < row + row_of(diff_dst); i++)
            by.a[i] = by.b[i] = by.c[i] = 0;
        for (int first = 0; first < s.c; first += channels) {
            double mean, scale, z = 0, along = 0;
            statistics(&mean, &scale, node, sum + row + first, square + row + first, channels,
                       count);
            for (int c = first; c < first + channels; c++) {
                z += (double)node->scale[c] * dy[row + c];
                along += (double)node->scale[c] * (dy_x[row + c] - mean * dy[row + c]) * scale;
            }
            for (int c = first; c < first + channels; c++) {
                by.a[row + c] = scale * (double)node->scale[c];
                by.b[row + c] = -scale * scale * along / count;
                by.c[row + c] = -scale * z / count - mean * by.b[row + c];
            }
        }
    }
    apply(backend, diff_src[0], diff_dst, src[0], by);
    return CFP_OK;
}

/* layernorm: one position after the other */

static bool layer_takes(const cfp_backend *backend, const cfp_step *step,
                        const cfp_tensor *const *src, const cfp_tensor *dst)
{
    return step->node->op == CFP_OP_LAYERNORM && cpu_in_lanes(backend, step, src, dst);
}

/* The channels of one position: channel c is at data[place(c)]. */
typedef struct column {
    int64_t first, step; /* of the blocks */
    int lanes;
} column;

static column column_of(const cfp_tensor *x, int64_t i)
{
    const int64_t positions = cfp_positions(x->shape), n = i / positions;
    return (column){(n * cfp_blocks(x) * positions + i % positions) * x->block,
                    positions * x->block, x->block};
}

static int64_t place(const column *at, int c)
{
    return at->first + c / at->lanes * at->step + c % at->lanes;
}

static void column_statistics(double *mean, double *scale, const cfp_node *node, const float *x,
                              const column *at, int channels)
{
    double sum = 0, square = 0;
    for (int c = 0; c < channels; c++)
        sum += (double)x[place(at, c)];
    *mean = sum / channels;
    for (int c = 0; c < channels; c++) {
        const double off = (double)x[place(at, c)] - *mean;
        square += off * off;
    }
    *scale = 1 / sqrt(square / channels + node->eps);
}

static void zero_rest(float *x, const column *at, const cfp_tensor *like)
{
    for (int c = like->shape.c; c < cfp_blocks(like) * like->block; c++)
        x[place(at, c)] = 0;
}

static cfp_status layer_forward(const void *own, cfp_backend *backend, const cfp_step *step,
                                const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    (void)own, (void)scratch;
    const cfp_node *node = step->node;
    const float *x = src[0]->data;
#pragma omp parallel for schedule(static) num_threads(backend->threads)
    for (int64_t i = 0; i < dst->shape.n * cfp_positions(dst->shape); i++) {
        const column at = column_of(dst, i);
        double mean, scale;
        column_statistics(&mean, &scale, node, x, &at, dst->shape.c);
        for (int c = 0; c < dst->shape.c; c++)
            dst->data[place(&at, c)] =
                (float)(((double)x[place(&at, c)] - mean) * scale * (double)node->scale[c] +
                        (double)node->shift[c]);
        zero_rest(dst->data, &at, dst);
    }
    return CFP_OK;
}

static void column_backward(const cfp_node *node, float *dx, const float *x, const float *dy,
                            const column *at, int channels)
{
    double mean, scale, sum = 0, along = 0;
    column_statistics(&mean, &scale, node, x, at, channels);
    for (int c = 0; c < channels; c++) {
        const double z = (double)node->scale[c] * (double)dy[place(at, c)];
        sum += z;
        along += z * ((double)x[place(at, c)] - mean) * scale;
    }
    for (int c = 0; c < channels; c++) {
        const double z = (double)node->scale[c] * (double)dy[place(at, c)];
        const double h = ((double)x[place(at, c)] - mean) * scale;
        dx[place(at, c)] = (float)(scale * (z - sum / channels - h * along / channels));
    }
}

static cfp_status layer_backward(const void *own, cfp_backend *backend, const cfp_step *step,
                                 const cfp_tensor *const *src, const cfp_tensor *dst,
                                 const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                 void *scratch)
{
    (void)own, (void)dst, (void)scratch;
    const cfp_tensor *dx = diff_src[0];
    if (dx == NULL)
        return CFP_OK;
#pragma omp parallel for schedule(static) num_threads(backend->threads)
    for (int64_t i = 0; i < dx->shape.n * cfp_positions(dx->shape); i++) {
        const column at = column_of(dx, i);
        column_backward(step->node, dx->data, src[0]->data, diff_dst->data, &at, dx->shape.c);
        zero_rest(dx->data, &at, dx);
    }
    return CFP_OK;
}

const cpu_kernel cpu_groupnorm = {.takes = groups_takes,
                                  .open = groups_open,
                                  .forward = groups_forward,
                                  .backward = groups_backward};
const cpu_kernel cpu_layernorm = {
    .takes = layer_takes, .forward = layer_forward, .backward = layer_backward};
