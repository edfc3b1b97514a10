/* palette.c - see palette.h. */
#include "palette.h"
#include <string.h>

enum { BITS = 6, DROP = 8 - BITS, CELLS = 1 << 3 * BITS, REACH = 8 };

struct cfp_palette_cell {
    int64_t n, sum[3]; /* number of its pixels, and sums of their colours */
};

typedef struct box { /* a range of used[]: the cells that share a colour */
    int begin, end;
    int axis;     /* the axis along which the colours vary most */
    double mean;  /* mean of the colours along this axis */
    double error; /* sum of squared distances to the mean along this axis */
    double colour[3];
} box;

static int cell_of(const uint8_t *rgb)
{
    return rgb[0] >> DROP << 2 * BITS | rgb[1] >> DROP << BITS | rgb[2] >> DROP;
}

cfp_status cfp_palette_open(cfp_palette *out, cfp_ctx *ctx)
{
    *out = (cfp_palette){0};
    out->cell = cfp_alloc(ctx, CELLS, sizeof *out->cell);
    out->used = cfp_alloc(ctx, CELLS, sizeof *out->used);
    out->nearest = cfp_alloc(ctx, CELLS, sizeof *out->nearest);
    if (out->cell != NULL && out->used != NULL && out->nearest != NULL)
        return CFP_OK;
    cfp_palette_close(out);
    return CFP_NOMEM;
}

void cfp_palette_close(cfp_palette *palette)
{
    cfp_free(palette->cell);
    cfp_free(palette->used);
    cfp_free(palette->nearest);
    *palette = (cfp_palette){0};
}

void cfp_palette_count(cfp_palette *palette, const uint8_t *rgb, size_t pixels)
{
    for (size_t k = 0; k < pixels; k++, rgb += 3) {
        const int at = cell_of(rgb);
        cfp_palette_cell *cell = &palette->cell[at];
        if (cell->n++ == 0)
            palette->used[palette->n_used++] = at;
        for (int c = 0; c < 3; c++)
            cell->sum[c] += rgb[c];
    }
}

/* Computes mean colour, axis and error of a box.  Each of its cells counts with its mean colour. */
static void measure(box *b, const cfp_palette *p)
{
    double n = 0, sum[3] = {0}, square[3] = {0};
    for (int k = b->begin; k < b->end; k++) {
        const cfp_palette_cell *cell = &p->cell[p->used[k]];
        n += (double)cell->n;
        for (int c = 0; c < 3; c++) {
            sum[c] += (double)cell->sum[c];
            square[c] += (double)cell->sum[c] * (double)cell->sum[c] / (double)cell->n;
        }
    }
    b->error = -1;
    for (int c = 0; c < 3; c++) {
        b->colour[c] = sum[c] / n;
        const double error = square[c] - sum[c] * sum[c] / n;
        if (error > b->error) {
            b->error = error;
            b->axis = c;
            b->mean = b->colour[c];
        }
    }
}

/* Cuts a box in two: cells up to the mean stay in `lower`, the others go to `upper`.  False if all
 * cells are equal along the axis. */
static bool cut(box *lower, box *upper, cfp_palette *p)
{
    int middle = lower->begin;
    for (int k = lower->begin; k < lower->end; k++) {
        const cfp_palette_cell *cell = &p->cell[p->used[k]];
        if ((double)cell->sum[lower->axis] > lower->mean * (double)cell->n)
            continue;
        const int32_t swap = p->used[k];
        p->used[k] = p->used[middle];
        p->used[middle++] = swap;
    }
    if (middle == lower->begin || middle == lower->end)
        return false;
    *upper = (box){.begin = middle, .end = lower->end};
    lower->end = middle;
    measure(lower, p);
    measure(upper, p);
    return true;
}

void cfp_palette_choose(cfp_palette *p)
{
    box boxes[CFP_PALETTE_COLOURS] = {{.begin = 0, .end = p->n_used}};
    p->n = p->n_used > 0;
    if (p->n > 0)
        measure(&boxes[0], p);
    while (p->n > 0 && p->n < CFP_PALETTE_COLOURS) {
        int worst = 0;
        for (int k = 1; k < p->n; k++)
            if (boxes[k].error > boxes[worst].error)
                worst = k;
        if (boxes[worst].end - boxes[worst].begin < 2 || !cut(&boxes[worst], &boxes[p->n], p)) {
            if (!(boxes[worst].error > 0))
                break;
            boxes[worst].error = 0; /* only rounding errors are left in it */
            continue;
        }
        p->n++;
    }
    for (int k = 0; k < p->n; k++)
        for (int c = 0; c < 3; c++)
            p->rgb[3 * k + c] = (uint8_t)(boxes[k].colour[c] + 0.5);
    p->dither = p->n_used > CFP_PALETTE_COLOURS;
    memset(p->nearest, -1, CELLS * sizeof *p->nearest);
}

static int nearest(const cfp_palette *p, const uint8_t *rgb)
{
    int best = 0, closest = INT32_MAX;
    for (int k = 0; k < p->n; k++) {
        int distance = 0;
        for (int c = 0; c < 3; c++) {
            const int d = rgb[c] - p->rgb[3 * k + c];
            distance += d * d;
        }
        if (distance < closest) {
            closest = distance;
            best = k;
        }
    }
    return best;
}

int cfp_palette_index(cfp_palette *p, const uint8_t *rgb, int y, int x)
{
    static const uint8_t bayer[4][4] = {
        {0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};
    uint8_t shifted[3];
    for (int c = 0; c < 3; c++) {
        const int v = rgb[c] + (p->dither ? (2 * bayer[y & 3][x & 3] - 15) * REACH / 30 : 0);
        shifted[c] = (uint8_t)cfp_max_int(0, cfp_min_int(v, 255));
    }
    int16_t *found = &p->nearest[cell_of(shifted)];
    if (*found < 0) { /* once for each cell: by its mean colour, or by its middle if it has none */
        uint8_t middle[3];
        const cfp_palette_cell *cell = &p->cell[cell_of(shifted)];
        for (int c = 0; c < 3; c++)
            middle[c] = cell->n > 0 ? (uint8_t)((cell->sum[c] + cell->n / 2) / cell->n)
                                    : (uint8_t)(shifted[c] >> DROP << DROP | 1 << (DROP - 1));
        *found = (int16_t)nearest(p, middle);
    }
    return *found;
}
