/* volume_metrics.c - see volume_metrics.h.  Has the table of metrics, and makes the rows of a clip.
 */
#include "../method/target.h"
#include "measure.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct measuring_way {
    cfp_measure *measure; /* NULL: of all volumes at once (max-sensitivity) */
    bool wants_mask, wants_base;
} measuring_way;

static const measuring_way table[CFP_METRIC_COUNT] = {
    [CFP_METRIC_DELETION] = {cfp_measure_deletion, false, true},
    [CFP_METRIC_INSERTION] = {cfp_measure_insertion, false, true},
    [CFP_METRIC_DROP] = {cfp_measure_drop, false, true},
    [CFP_METRIC_INCREASE] = {cfp_measure_increase, false, true},
    [CFP_METRIC_ENERGY] = {cfp_measure_energy, true, false},
    [CFP_METRIC_POINTING] = {cfp_measure_pointing, true, false},
    [CFP_METRIC_RANK_ACCURACY] = {cfp_measure_rank_accuracy, true, false},
    [CFP_METRIC_IOU] = {cfp_measure_iou, true, false},
    [CFP_METRIC_TEMPORAL_POINTING] = {cfp_measure_temporal_pointing, true, false},
    [CFP_METRIC_INFIDELITY] = {cfp_measure_infidelity, false, true},
    [CFP_METRIC_MAX_SENSITIVITY] = {NULL, false, false},
    [CFP_METRIC_FREEZE] = {cfp_measure_freeze, false, false},
    [CFP_METRIC_REVERSE] = {cfp_measure_reverse, false, false},
    [CFP_METRIC_SHUFFLE] = {cfp_measure_shuffle, false, false},
};

const char *const cfp_volume_metric_names[] = {
    "deletion",        "insertion",     "drop",    "increase",          "energy",
    "pointing",        "rank-accuracy", "iou",     "temporal-pointing", "infidelity",
    "max-sensitivity", "freeze",        "reverse", "shuffle",           NULL};

int cfp_volume_metric_named(const char *name)
{
    for (int k = 0; k < CFP_METRIC_COUNT; k++)
        if (strcmp(cfp_volume_metric_names[k], name) == 0)
            return k;
    return -1;
}

bool cfp_volume_metric_wants_mask(cfp_volume_metric metric)
{
    return table[metric].wants_mask;
}

cfp_volume_metric_settings cfp_volume_metric_settings_default(void)
{
    return (cfp_volume_metric_settings){.methods = cfp_volume_settings_default(),
                                        .points = 20,
                                        .base = CFP_BASE_ZEROS,
                                        .unit = CFP_UNIT_VOXEL,
                                        .block = 16,
                                        .draws = 200,
                                        .tolerance = -1,
                                        .iou_threshold = -1,
                                        .infidelity_boxes = 64,
                                        .sensitivity_draws = 10,
                                        .sensitivity_radius = 0.02,
                                        .frame_share = 0.25,
                                        .shuffles = 10};
}

cfp_random cfp_measure_stream(const cfp_measuring *m, const char *what)
{
    cfp_random stream = cfp_random_seed(m->settings.methods.seed);
    stream = cfp_random_of_text(stream, m->subject.name);
    stream = cfp_random_of_number(stream, (uint64_t)m->subject.class_index);
    return cfp_random_of_text(stream, what);
}

/* --- open and close --- */

static cfp_status open_parts(cfp_measuring *m, const cfp_device *device,
                             const cfp_probe_request *request)
{
    CFP_TRY(cfp_probe_open(&m->probe, m->ctx, m->model, device, request));
    CFP_TRY(cfp_volume_maker_open(&m->maker, m->ctx, m->model, device, m->probe,
                                  &m->settings.methods, m->ask, m->n_asks));
    CFP_TRY_ALLOC(m->ctx, m->x, cfp_count(m->shape));
    CFP_TRY_ALLOC(m->ctx, m->base, cfp_count(m->shape));
    CFP_TRY_ALLOC(m->ctx, m->changed, cfp_count(m->shape));
    CFP_TRY_ALLOC(m->ctx, m->by_chance, m->settings.draws);
    return CFP_OK;
}

cfp_status cfp_volume_evaluation_open(cfp_volume_evaluation **out, cfp_ctx *ctx,
                                      const cfp_model *model, const cfp_device *device,
                                      const cfp_volume_metric_settings *settings,
                                      const cfp_volume_ask *ask, int n_asks,
                                      void (*tick)(void *cookie, int64_t inputs), void *cookie)
{
    cfp_probe_request request = {.tick = tick, .cookie = cookie};
    cfp_query query = {.target = settings->methods.target};
    CFP_TRY(cfp_resolve_target(&query, ctx, model));
    request.target = query.target;
    CFP_TRY_ALLOC(ctx, *out, 1);
    cfp_measuring *m = *out;
    m->ctx = ctx;
    m->model = model;
    m->settings = *settings;
    m->settings.methods.target = query.target;
    m->ask = ask;
    m->n_asks = n_asks;
    m->shape = model->node[0].shape;
    const cfp_status status = open_parts(m, device, &request);
    if (status != CFP_OK)
        cfp_volume_evaluation_close(out);
    return status;
}

void cfp_volume_evaluation_close(cfp_volume_evaluation **evaluation)
{
    cfp_measuring *m = *evaluation;
    if (m == NULL)
        return;
    cfp_volume_maker_close(&m->maker);
    cfp_probe_close(&m->probe);
    cfp_free(m->x);
    cfp_free(m->base);
    cfp_free(m->changed);
    cfp_free(m->by_chance);
    cfp_free(m->near);
    cfp_truth_free(&m->truth);
    cfp_free(m);
    *evaluation = NULL;
}

/* --- a clip --- */

static void make_end(void *cookie, int64_t i, float *input)
{
    const cfp_measuring *m = cookie;
    memcpy(input, i == 0 ? m->x : m->base, (size_t)cfp_count(m->shape) * sizeof *input);
}

/* Makes what several metrics need of this clip and class. */
static cfp_status begin(cfp_measuring *m, const uint8_t *metrics, const cfp_clip *clip,
                        int class_index)
{
    bool mask = false, base = false;
    cfp_score ends[2] = {{0, 0}, {0, 0}};
    for (int k = 0; k < CFP_METRIC_COUNT; k++) {
        mask |= metrics[k] && table[k].wants_mask;
        base |= metrics[k] && table[k].wants_base;
    }
    m->clip = clip;
    m->subject = (cfp_volume_subject){m->x, class_index, clip->sha256};
    m->has_chance = m->has_near = false;
    cfp_truth_free(&m->truth);
    if (mask)
        CFP_TRY(cfp_truth_read(&m->truth, m->ctx, m->settings.mask_path, clip));
    cfp_clip_normalise(m->x, clip, &m->model->input);
    if (base)
        CFP_TRY(cfp_base_clip(m->base, m->ctx, m->x, m->shape, m->settings.base));
    CFP_TRY(cfp_probe_score(m->probe, ends, base ? 2 : 1, class_index, (cfp_inputs){make_end, m}));
    m->whole = ends[0];
    m->blank = ends[1];
    return CFP_OK;
}

/* volume NULL: the metric is about the clip alone. */
static cfp_status emit_row(cfp_measuring *m, cfp_eval_emit emit, cfp_volume_metric metric,
                           const cfp_volume *volume, const cfp_measured *found)
{
    const cfp_node *layer =
        volume != NULL && volume->node >= 0 ? &m->model->node[volume->node] : NULL;
    char definition[sizeof found->definition + sizeof volume->definition + 8];
    cfp_eval_row row = cfp_eval_row_empty();
    snprintf(definition, sizeof definition, "%s%s%s", found->definition, volume != NULL ? "; " : "",
             volume != NULL ? volume->definition : "");
    row.clip = m->clip->path;
    row.class_index = m->subject.class_index;
    row.class_name = m->model->class_name[m->subject.class_index];
    row.metric = cfp_volume_metric_names[metric];
    row.value = found->value;
    row.chance = found->chance;
    row.percentile = found->percentile;
    row.draws = found->draws;
    row.definition = definition;
    if (volume != NULL) {
        row.method = volume->ask->word;
        row.theta = volume->theta;
    }
    if (layer != NULL) {
        row.layer = layer->name;
        row.depth = layer->depth;
        row.kernels = layer->shape.c;
    }
    return emit.row(emit.cookie, &row);
}

static const cfp_measured nothing = {
    .value = NAN, .chance = NAN, .percentile = NAN, .draws = -1, .definition = ""};

static cfp_status measure_one(cfp_measuring *m, cfp_volume_metric k, const cfp_volume *volume,
                              double sensitivity, cfp_eval_emit emit)
{
    cfp_measured found = nothing;
    if (table[k].measure != NULL) {
        CFP_TRY(table[k].measure(&found, m, volume));
        return emit_row(m, emit, k, volume, &found);
    }
    found.value = sensitivity;
    found.draws = m->settings.sensitivity_draws;
    snprintf(found.definition, sizeof found.definition,
             "max |S(x+e) - S(x)| / |S(x)|, e even within %.9g of normalised values, draws=%d",
             m->settings.sensitivity_radius, m->settings.sensitivity_draws);
    return emit_row(m, emit, k, volume, &found);
}

static cfp_status measure_list(cfp_measuring *m, int ask, const cfp_volume_list *list,
                               const uint8_t *metrics, cfp_eval_emit emit, double *sensitivity)
{
    if (metrics[CFP_METRIC_MAX_SENSITIVITY])
        CFP_TRY(cfp_measure_sensitivity(sensitivity, m, ask, list));
    for (int i = 0; i < list->n; i++)
        for (int k = 0; k < CFP_METRIC_COUNT; k++)
            if (metrics[k] && k != CFP_METRIC_SHUFFLE)
                CFP_TRY(
                    measure_one(m, (cfp_volume_metric)k, &list->volume[i], sensitivity[i], emit));
    return CFP_OK;
}

static cfp_status measure_ask(cfp_measuring *m, int ask, const uint8_t *metrics, cfp_eval_emit emit)
{
    cfp_volume_list list;
    CFP_TRY(cfp_volumes_make(&list, m->maker, ask, &m->subject));
    double *sensitivity = cfp_alloc(m->ctx, (size_t)list.n, sizeof *sensitivity);
    const cfp_status status =
        sensitivity == NULL ? CFP_NOMEM : measure_list(m, ask, &list, metrics, emit, sensitivity);
    cfp_free(sensitivity);
    cfp_volumes_free(&list);
    return status;
}

cfp_status cfp_eval_volumes(cfp_volume_evaluation *evaluation, const cfp_clip *clip,
                            int class_index, const uint8_t metrics[CFP_METRIC_COUNT],
                            cfp_eval_emit emit)
{
    cfp_measuring *m = evaluation;
    cfp_measured found = nothing;
    bool any = false;
    CFP_TRY(begin(m, metrics, clip, class_index));
    for (int k = 0; k < CFP_METRIC_COUNT; k++)
        any |= metrics[k] && k != CFP_METRIC_SHUFFLE;
    for (int a = 0; a < m->n_asks && any; a++)
        CFP_TRY(measure_ask(m, a, metrics, emit));
    if (!metrics[CFP_METRIC_SHUFFLE])
        return CFP_OK;
    CFP_TRY(cfp_measure_shuffle(&found, m, NULL));
    return emit_row(m, emit, CFP_METRIC_SHUFFLE, NULL, &found);
}

/* --- what it costs --- */

static int64_t windows_along(int side, int window, int stride, bool time)
{
    window = cfp_min_int(window > 0 ? window : (side + 3) / 4, side);
    if (stride == 0)
        stride = time ? window : (window + 1) / 2;
    return 1 + (side - window + stride - 1) / stride;
}

static int64_t cost_of_method(const cfp_measuring *m, const cfp_volume_ask *ask)
{
    const cfp_volume_settings *s = ask->own != NULL ? ask->own : &m->settings.methods;
    switch (ask->method) {
    case CFP_VOLUME_INTEGRATED_GRADIENTS:
        return s->ig_steps;
    case CFP_VOLUME_SMOOTHGRAD:
        return s->smoothgrad_draws;
    case CFP_VOLUME_OCCLUSION:
        return 1 + windows_along(m->shape.t, s->window[0], s->stride[0], true) *
                       windows_along(m->shape.h, s->window[1], s->stride[1], false) *
                       windows_along(m->shape.w, s->window[2], s->stride[2], false);
    case CFP_VOLUME_RISE:
        return s->rise_masks;
    case CFP_VOLUME_GRADIENT_INPUT:
        return 1;
    default: /* methods on maps and controls cost little */
        return 0;
    }
}

static int64_t cost_of_metric(const cfp_measuring *m, cfp_volume_metric metric)
{
    switch (metric) {
    case CFP_METRIC_DELETION:
    case CFP_METRIC_INSERTION:
        return m->settings.points - 1;
    case CFP_METRIC_INFIDELITY:
        return m->settings.infidelity_boxes;
    case CFP_METRIC_DROP:
    case CFP_METRIC_INCREASE:
    case CFP_METRIC_FREEZE:
    case CFP_METRIC_REVERSE:
        return 1;
    default:
        return 0;
    }
}

/* At most so many volumes of a method. */
static int64_t volumes_of(const cfp_measuring *m, const cfp_volume_ask *ask)
{
    int64_t n = 0;
    for (int i = 1; i < m->model->n_nodes && ask->method <= CFP_VOLUME_GRAD_MASKED; i++)
        n += m->model->node[i].op == CFP_OP_CONV3D && m->model->node[i].depth >= 0;
    return n > 0 ? n : 1;
}

int64_t cfp_eval_volumes_cost(const cfp_volume_evaluation *evaluation,
                              const uint8_t metrics[CFP_METRIC_COUNT])
{
    const cfp_measuring *m = evaluation;
    int64_t cost = 2;
    if (metrics[CFP_METRIC_DELETION] || metrics[CFP_METRIC_INSERTION])
        cost += (int64_t)m->settings.draws * (m->settings.points - 1);
    if (metrics[CFP_METRIC_SHUFFLE])
        cost += m->settings.shuffles;
    for (int a = 0; a < m->n_asks; a++) {
        const int64_t one = cost_of_method(m, &m->ask[a]);
        cost += one * (metrics[CFP_METRIC_MAX_SENSITIVITY] ? 1 + m->settings.sensitivity_draws : 1);
        for (int k = 0; k < CFP_METRIC_COUNT; k++)
            if (metrics[k])
                cost += volumes_of(m, &m->ask[a]) * cost_of_metric(m, (cfp_volume_metric)k);
    }
    return cost;
}
