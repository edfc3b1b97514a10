/* volume_dump.c - computes volumes and their metrics, for tests/check_volumes.py.
 *
 *     volume_dump MODEL CLIP OUT [KEY=VALUE...]
 *
 * KEY: device, class, methods, metrics (lists with commas), layers (a glob), theta, mask, and what
 * settings() names.  Rows go to standard output, one a line, with tabs between the fields.  Volumes
 * go to OUT as float32, one after the other; standard output gets a line for each. */
#include "../host/evaluate/volume_metrics.h"
#include "../host/method/target.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ASKS = 32 };

struct dump {
    cfp_ctx ctx;
    cfp_device device;
    cfp_model model;
    cfp_clip clip;
    const char *device_name, *methods, *metrics, *layers;
    int class_index;
    double theta;
    cfp_volume_metric_settings settings;
    cfp_volume_ask ask[MOST_ASKS];
    cfp_volume_settings own[MOST_ASKS];
    int n_asks;
    int64_t ticks;
    uint8_t metric[CFP_METRIC_COUNT];
};

static int word(const char *const *words, const char *given)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], given) == 0)
            return i;
    fprintf(stderr, "volume_dump: '%s' is no word\n", given);
    exit(2);
}

static void three(int out[3], const char *value)
{
    if (sscanf(value, "%dx%dx%d", &out[0], &out[1], &out[2]) != 3)
        exit(2);
}

static bool settings(cfp_volume_metric_settings *s, const char *key, const char *value)
{
    const struct {
        const char *key;
        int *number;
    } whole[] = {{"points", &s->points},
                 {"block", &s->block},
                 {"draws", &s->draws},
                 {"boxes", &s->infidelity_boxes},
                 {"sensitivity-draws", &s->sensitivity_draws},
                 {"shuffles", &s->shuffles},
                 {"ig-steps", &s->methods.ig_steps},
                 {"smoothgrad-draws", &s->methods.smoothgrad_draws},
                 {"rise-masks", &s->methods.rise_masks}};
    const struct {
        const char *key;
        double *number;
    } real[] = {{"tolerance", &s->tolerance},
                {"iou-threshold", &s->iou_threshold},
                {"radius", &s->sensitivity_radius},
                {"frame-share", &s->frame_share},
                {"noise", &s->methods.smoothgrad_noise},
                {"rise-keep", &s->methods.rise_keep}};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(whole[i].key, key) == 0)
            return *whole[i].number = atoi(value), true;
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        if (strcmp(real[i].key, key) == 0)
            return *real[i].number = atof(value), true;
    if (strcmp(key, "base") == 0)
        s->base = (cfp_base)word(cfp_base_names, value);
    else if (strcmp(key, "unit") == 0)
        s->unit = (cfp_unit)word(cfp_unit_names, value);
    else if (strcmp(key, "target") == 0)
        s->methods.target = (cfp_target)word(cfp_target_names, value);
    else if (strcmp(key, "order") == 0)
        s->least_first = strcmp(value, "least") == 0;
    else if (strcmp(key, "seed") == 0)
        s->methods.seed = strtoull(value, NULL, 10);
    else if (strcmp(key, "window") == 0)
        three(s->methods.window, value);
    else if (strcmp(key, "stride") == 0)
        three(s->methods.stride, value);
    else if (strcmp(key, "grid") == 0)
        three(s->methods.rise_grid, value);
    else if (strcmp(key, "mask") == 0)
        s->mask_path = value;
    else
        return false;
    return true;
}

static void take_argument(struct dump *d, char *argument)
{
    char *value = strchr(argument, '=');
    if (value == NULL)
        exit(2);
    *value++ = '\0';
    if (strcmp(argument, "device") == 0)
        d->device_name = value;
    else if (strcmp(argument, "methods") == 0)
        d->methods = value;
    else if (strcmp(argument, "metrics") == 0)
        d->metrics = value;
    else if (strcmp(argument, "layers") == 0)
        d->layers = value;
    else if (strcmp(argument, "class") == 0)
        d->class_index = atoi(value);
    else if (strcmp(argument, "theta") == 0)
        d->theta = atof(value);
    else if (!settings(&d->settings, argument, value))
        exit(2);
}

static void next_word(char *out, size_t room, const char **list)
{
    const size_t n = strcspn(*list, ",");
    snprintf(out, room, "%.*s", (int)n, *list);
    *list += n + ((*list)[n] == ',');
}

/* METHOD:KEY=VALUE:KEY=VALUE, as `evaluate` takes it. */
static void take_own(struct dump *d, cfp_volume_ask *ask, char *text)
{
    cfp_volume_settings *own = &d->own[ask - d->ask];
    *own = d->settings.methods;
    for (char *next = text; text != NULL; text = next) {
        next = strchr(text, ':');
        if (next != NULL)
            *next++ = '\0';
        char *value = strchr(text, '=');
        if (value != NULL)
            *value++ = '\0';
        if (cfp_volume_option(own, &d->ctx, ask->method, text, value) != CFP_OK) {
            fprintf(stderr, "volume_dump: %s\n", d->ctx.message);
            exit(2);
        }
        ask->own = own;
    }
}

static void read_lists(struct dump *d)
{
    char name[64];
    for (const char *list = d->methods; *list != '\0';) {
        next_word(name, sizeof name, &list);
        cfp_volume_ask *ask = &d->ask[d->n_asks++];
        char *own = strchr(name, ':');
        if (own != NULL)
            *own++ = '\0';
        ask->method = (cfp_volume_method)word(cfp_volume_names, name);
        ask->word = cfp_volume_names[ask->method];
        ask->query = cfp_query_default();
        ask->query.layers = d->layers;
        ask->query.theta = d->theta;
        ask->query.target = d->settings.methods.target;
        cfp_volume_query(&ask->query, ask->method);
        take_own(d, ask, own);
    }
    for (const char *list = d->metrics; *list != '\0';) {
        next_word(name, sizeof name, &list);
        d->metric[word(cfp_volume_metric_names, name)] = 1;
    }
}

static cfp_status print_row(void *cookie, const cfp_eval_row *r)
{
    (void)cookie;
    printf("row\t%s\t%s\t%s\t%d\t%.17g\t%.17g\t%.17g\t%d\t%s\n", r->method != NULL ? r->method : "",
           r->metric, r->layer != NULL ? r->layer : "", r->kernels, r->value, r->chance,
           r->percentile, r->draws, r->definition);
    return CFP_OK;
}

static void count(void *cookie, int64_t inputs)
{
    ((struct dump *)cookie)->ticks += inputs;
}

static cfp_status write_volumes(struct dump *d, const char *path, cfp_probe *probe,
                                cfp_volume_maker *maker)
{
    const int64_t n = cfp_positions(d->model.node[0].shape);
    float *x;
    CFP_TRY_ALLOC(&d->ctx, x, cfp_count(d->model.node[0].shape));
    cfp_clip_normalise(x, &d->clip, &d->model.input);
    const cfp_volume_subject subject = {x, d->class_index, d->clip.sha256};
    FILE *file = fopen(path, "wb");
    (void)probe;
    for (int a = 0; a < d->n_asks; a++) {
        cfp_volume_list list;
        CFP_TRY(cfp_volumes_make(&list, maker, a, &subject));
        for (int i = 0; i < list.n; i++) {
            const int node = list.volume[i].node;
            fwrite(list.volume[i].s, sizeof(float), (size_t)n, file);
            printf("volume\t%s\t%s\t%s\n", d->ask[a].word, node < 0 ? "" : d->model.node[node].name,
                   list.volume[i].definition);
        }
        cfp_volumes_free(&list);
    }
    fclose(file);
    cfp_free(x);
    return CFP_OK;
}

static cfp_status run(struct dump *d, const char *model, const char *clip, const char *out)
{
    const cfp_device_request any = {0};
    const cfp_sampling whole = {.start = -1};
    cfp_query query = {.target = d->settings.methods.target};
    cfp_volume_evaluation *evaluation = NULL;
    cfp_probe *probe = NULL;
    cfp_volume_maker *maker = NULL;
    CFP_TRY(cfp_device_open(&d->device, &d->ctx, d->device_name, &any));
    CFP_TRY(cfp_model_open(&d->model, &d->ctx, model));
    CFP_TRY(cfp_clip_open(&d->clip, &d->ctx, clip, &d->model.input, &whole));
    CFP_TRY(cfp_volume_evaluation_open(&evaluation, &d->ctx, &d->model, &d->device, &d->settings,
                                       d->ask, d->n_asks, count, d));
    cfp_status status = cfp_eval_volumes(evaluation, &d->clip, d->class_index, d->metric,
                                         (cfp_eval_emit){print_row, NULL});
    printf("cost\t%lld\t%lld\n", (long long)d->ticks,
           (long long)cfp_eval_volumes_cost(evaluation, d->metric));
    cfp_volume_evaluation_close(&evaluation);
    CFP_TRY(status);
    if (strcmp(out, "-") == 0)
        return CFP_OK;
    CFP_TRY(cfp_resolve_target(&query, &d->ctx, &d->model));
    d->settings.methods.target = query.target;
    CFP_TRY(cfp_probe_open(&probe, &d->ctx, &d->model, &d->device,
                           &(cfp_probe_request){.target = query.target}));
    CFP_TRY(cfp_volume_maker_open(&maker, &d->ctx, &d->model, &d->device, probe,
                                  &d->settings.methods, d->ask, d->n_asks));
    status = write_volumes(d, out, probe, maker);
    cfp_volume_maker_close(&maker);
    cfp_probe_close(&probe);
    return status;
}

int main(int argc, char **argv)
{
    struct dump d = {.device_name = "ref",
                     .methods = "",
                     .metrics = "",
                     .theta = 0.6,
                     .settings = cfp_volume_metric_settings_default()};
    if (argc < 4)
        return 2;
    for (int i = 4; i < argc; i++)
        take_argument(&d, argv[i]);
    read_lists(&d);
    const cfp_status status = run(&d, argv[1], argv[2], argv[3]);
    if (status != CFP_OK)
        fprintf(stderr, "volume_dump: %s\n", d.ctx.message);
    cfp_clip_free(&d.clip);
    cfp_model_free(&d.model);
    cfp_device_close(&d.device);
    return status == CFP_OK ? 0 : 1;
}
