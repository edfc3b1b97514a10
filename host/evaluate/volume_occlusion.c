/* volume_occlusion.c - occlusion (Zeiler and Fergus 2014).  A window slides over the clip; what it
 * covers becomes zeros, the mean colour.  A voxel gets the mean fall of the target over the windows
 * that cover it. */
#include "volume_maker.h"
#include <stdio.h>

struct windows {
    cfp_shape shape; /* of the clip */
    const float *x;
    int window[3], stride[3], count[3]; /* along T, H, W; how many windows */
};

/* Where window i begins and ends, along T, H, W.  The last ones are cut off at the edge. */
static void place(const struct windows *w, int64_t i, int begin[3], int end[3])
{
    const int side[3] = {w->shape.t, w->shape.h, w->shape.w};
    for (int axis = 2; axis >= 0; axis--) {
        begin[axis] = (int)(i % w->count[axis]) * w->stride[axis];
        end[axis] = cfp_min_int(begin[axis] + w->window[axis], side[axis]);
        i /= w->count[axis];
    }
}

static int64_t windows_of(const struct windows *w)
{
    return (int64_t)w->count[0] * w->count[1] * w->count[2];
}

/* The row of pixels of channel c that begins at frame t, row h, column 0. */
static int64_t row_at(cfp_shape s, int c, int t, int h)
{
    return (((int64_t)c * s.t + t) * s.h + h) * s.w;
}

/* Input 0 is the clip as it is, the others have one window covered. */
static void make_covered(void *cookie, int64_t i, float *input)
{
    const struct windows *w = cookie;
    const cfp_shape s = w->shape;
    int begin[3], end[3];
    for (int64_t k = 0; k < cfp_count(s); k++)
        input[k] = w->x[k];
    if (i == 0)
        return;
    place(w, i - 1, begin, end);
    for (int c = 0; c < s.c; c++)
        for (int t = begin[0]; t < end[0]; t++)
            for (int h = begin[1]; h < end[1]; h++)
                for (int x = begin[2]; x < end[2]; x++)
                    input[row_at(s, c, t, h) + x] = 0;
}

/* Defaults: a window of a quarter of each side; a stride of half a window, of a whole one in time.
 */
static void choose_windows(struct windows *w, const cfp_volume_settings *want)
{
    const int side[3] = {w->shape.t, w->shape.h, w->shape.w};
    for (int axis = 0; axis < 3; axis++) {
        int window = want->window[axis], stride = want->stride[axis];
        window = cfp_min_int(window > 0 ? window : (side[axis] + 3) / 4, side[axis]);
        if (stride == 0)
            stride = axis == 0 ? window : (window + 1) / 2;
        w->window[axis] = window;
        w->stride[axis] = stride;
        w->count[axis] = 1 + (side[axis] - window + stride - 1) / stride;
    }
}

/* For each voxel, sum: of the falls; covered: by how many windows. */
static void add_window(const struct windows *w, int64_t i, double fall, double *sum,
                       double *covered)
{
    int begin[3], end[3];
    place(w, i, begin, end);
    for (int t = begin[0]; t < end[0]; t++)
        for (int h = begin[1]; h < end[1]; h++)
            for (int x = begin[2]; x < end[2]; x++) {
                sum[row_at(w->shape, 0, t, h) + x] += fall;
                covered[row_at(w->shape, 0, t, h) + x]++;
            }
}

struct buffers {
    cfp_score *score;
    double *sum, *covered;
};

static cfp_status run(cfp_volume *volume, struct buffers *r, const struct windows *w,
                      cfp_volume_maker *maker, const cfp_volume_subject *subject)
{
    const int64_t n = windows_of(w), voxels = cfp_positions(w->shape);
    CFP_TRY_ALLOC(maker->ctx, r->score, n + 1);
    CFP_TRY_ALLOC(maker->ctx, r->sum, voxels);
    CFP_TRY_ALLOC(maker->ctx, r->covered, voxels);
    CFP_TRY(cfp_probe_score(maker->probe, r->score, n + 1, subject->class_index,
                            (cfp_inputs){make_covered, (void *)w}));
    for (int64_t i = 0; i < n; i++)
        add_window(w, i, r->score[0].target - r->score[i + 1].target, r->sum, r->covered);
    for (int64_t v = 0; v < voxels; v++) /* a stride above the window leaves gaps */
        volume->s[v] = r->covered[v] > 0 ? (float)(r->sum[v] / r->covered[v]) : 0;
    snprintf(volume->definition, sizeof volume->definition,
             "mean fall of the target, window=%dx%dx%d stride=%dx%dx%d base=zeros target=%s",
             w->window[0], w->window[1], w->window[2], w->stride[0], w->stride[1], w->stride[2],
             cfp_target_names[maker->settings.target]);
    return CFP_OK;
}

cfp_status cfp_volumes_of_occlusion(cfp_volume_list *out, cfp_volume_maker *maker,
                                    const cfp_volume_ask *ask, const cfp_volume_subject *subject)
{
    struct windows w = {.shape = cfp_maker_shape(maker), .x = subject->input};
    struct buffers r = {0};
    cfp_volume *volume;
    choose_windows(&w, cfp_ask_settings(maker, ask));
    CFP_TRY(cfp_volumes_reserve(out, maker, 1));
    CFP_TRY(cfp_volumes_add(&volume, out, maker, ask, -1));
    const cfp_status status = run(volume, &r, &w, maker, subject);
    cfp_free(r.score);
    cfp_free(r.sum);
    cfp_free(r.covered);
    return status;
}
