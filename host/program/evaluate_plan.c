/* evaluate_plan.c - see evaluate_plan.h. */
#include "evaluate_plan.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sweep_plan.h"

/* Cuts the next word off a list and returns it without the spaces around it; NULL after the last.
 */
static char *next_word(char **list, char separator)
{
    char *word = *list, *end;
    if (word == NULL)
        return NULL;
    *list = strchr(word, separator);
    if (*list != NULL)
        *(*list)++ = '\0';
    word += strspn(word, " ");
    for (end = word + strlen(word); end > word && end[-1] == ' ';)
        *--end = '\0';
    return word;
}

/* The index of a word in names (which end with NULL), or -1. */
static int find_word(const char *word, const char *const *names)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    return -1;
}

static int count_words(const char *list)
{
    int n = 1;
    for (; *list != '\0'; list++)
        n += *list == ',';
    return n;
}

/* --- metrics --- */

enum { METRICS = CFP_KERNEL_METRIC_COUNT + CFP_METRIC_COUNT };

/* The names of all metrics, those about kernels first, then NULL. */
static void metric_names(const char *name[METRICS + 1])
{
    for (int i = 0; i < CFP_KERNEL_METRIC_COUNT; i++)
        name[i] = cfp_kernel_metric_names[i];
    for (int i = 0; i < CFP_METRIC_COUNT; i++)
        name[CFP_KERNEL_METRIC_COUNT + i] = cfp_volume_metric_names[i];
    name[METRICS] = NULL;
}

/* For `all`.  Without masks, the metrics that need them are left out. */
static void take_all(cfp_eval_request *request, bool masks)
{
    memset(request->kernels.metrics, 1, CFP_KERNEL_METRIC_COUNT);
    for (int i = 0; i < CFP_METRIC_COUNT; i++)
        request->volume_metrics[i] |= masks || !cfp_volume_metric_wants_mask((cfp_volume_metric)i);
}

static cfp_status add_metric(cfp_eval_request *request, cfp_ctx *ctx, const char *word, bool masks)
{
    const char *name[METRICS + 1];
    metric_names(name);
    const int found = find_word(word, name), volume = found - CFP_KERNEL_METRIC_COUNT;
    if (strcmp(word, "all") == 0) {
        take_all(request, masks);
        return CFP_OK;
    }
    if (found < 0)
        return cfp_unknown_word(ctx, "metrics", word, name);
    if (volume < 0) {
        request->kernels.metrics[found] = 1;
        return CFP_OK;
    }
    if (!masks && cfp_volume_metric_wants_mask((cfp_volume_metric)volume))
        return cfp_fail(ctx, CFP_USAGE, "--metrics: %s needs --mask-file", word);
    request->volume_metrics[volume] = 1;
    return CFP_OK;
}

static cfp_status parse_metrics(cfp_eval_request *request, cfp_ctx *ctx, const cfp_config *config)
{
    char *copy = cfp_strdup(ctx, config->metrics), *at = copy;
    cfp_status status = copy == NULL ? CFP_NOMEM : CFP_OK;
    for (const char *word; status == CFP_OK && (word = next_word(&at, ',')) != NULL;)
        status = add_metric(request, ctx, word, config->mask_file != NULL);
    cfp_free(copy);
    return status;
}

/* --- shares --- */

static cfp_status parse_share(double *out, cfp_ctx *ctx, const char *word)
{
    char *end;
    if (strcmp(word, "selected") == 0) {
        *out = CFP_SHARE_SELECTED;
        return CFP_OK;
    }
    *out = strtod(word, &end);
    if (*word > ' ' && end != word && *end == '\0' && *out > 0 && *out <= 1)
        return CFP_OK;
    char hint[64];
    cfp_suggest_fraction(hint, sizeof hint, word, 0, 1);
    return cfp_fail(
        ctx, CFP_USAGE,
        "--share: '%s' is neither selected nor a fraction of a layer's kernels, above 0 "
        "and at most 1%s",
        word, hint);
}

static cfp_status parse_shares(cfp_evaluate_plan *plan, cfp_ctx *ctx, const char *list)
{
    cfp_kernel_request *request = &plan->request.kernels;
    CFP_TRY_ALLOC(ctx, plan->share, count_words(list));
    char *copy = cfp_strdup(ctx, list), *at = copy;
    cfp_status status = copy == NULL ? CFP_NOMEM : CFP_OK;
    for (const char *word; status == CFP_OK && (word = next_word(&at, ',')) != NULL;) {
        double share = 0;
        bool known = false;
        status = parse_share(&share, ctx, word);
        for (int i = 0; i < request->n_shares; i++)
            known |= plan->share[i] == share;
        if (status == CFP_OK && !known)
            plan->share[request->n_shares++] = share;
    }
    cfp_free(copy);
    request->share = plan->share;
    return status;
}

/* --- methods --- */

typedef enum own_option {
    OWN_THETA,
    OWN_BASELINE,
    OWN_STEPS,
    OWN_NORMALISE,
    OWN_CLASS,
    OWN_FORM,
    OWN_TURN_DOWN,
    OWN_COUNT
} own_option;

static const char *const own_names[] = {
    "theta",           "baseline", "gradient-steps", "normalise",
    "class-relevance", "form",     "turn-down",      NULL};

/* The options that a method has, as bits of own_option. */
static unsigned knows(cfp_score_kind kind)
{
    static const unsigned gradient = 1u << OWN_BASELINE | 1u << OWN_STEPS | 1u << OWN_TURN_DOWN;
    static const unsigned bits[CFP_SCORE_COUNT] = {
        [CFP_SCORE_CFP] = 1u << OWN_NORMALISE | 1u << OWN_CLASS,
        [CFP_SCORE_CFP_PATH] = 1u << OWN_NORMALISE | 1u << OWN_CLASS,
        [CFP_SCORE_REFERENCE] = 1u << OWN_CLASS,
        [CFP_SCORE_GRAD] = gradient,
        [CFP_SCORE_GRAD_MASKED] = gradient,
        [CFP_SCORE_ACTIVATION] = 1u << OWN_BASELINE,
        [CFP_SCORE_GRADIENT_ACTIVATION] = gradient | 1u << OWN_FORM};
    return bits[kind] | 1u << OWN_THETA;
}

static cfp_status bad_value(cfp_ctx *ctx, const cfp_score_method *m, const char *option,
                            const char *value, const char *right)
{
    return cfp_fail(ctx, CFP_USAGE, "--methods: %s: %s '%s' is not %s", m->word, option, value,
                    right);
}

/* Parses a value that must be one of the first `count` names. */
static cfp_status own_choice(int *out, cfp_ctx *ctx, const cfp_score_method *m, const char *option,
                             const char *value, const char *const *names)
{
    char right[160] = "one of ";
    *out = find_word(value, names);
    if (*out >= 0)
        return CFP_OK;
    for (int i = 0; names[i] != NULL; i++) {
        const size_t used = strlen(right);
        snprintf(right + used, sizeof right - used, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    return bad_value(ctx, m, option, value, right);
}

static cfp_status own_number(double *out, cfp_ctx *ctx, const cfp_score_method *m,
                             const char *option, const char *value, double min, double max)
{
    char right[64], *end;
    *out = strtod(value, &end);
    if (*value > ' ' && *end == '\0' && *out >= min && *out <= max &&
        (max <= 1 || *out == floor(*out)))
        return CFP_OK;
    snprintf(right, sizeof right, "a%s number from %g to %g", max > 1 ? " whole" : "", min, max);
    return bad_value(ctx, m, option, value, right);
}

static cfp_status set_own(cfp_score_method *m, cfp_ctx *ctx, own_option option, const char *value)
{
    const char *const name = own_names[option];
    cfp_query *q = &m->query;
    double number = 0;
    int word = 0;
    switch (option) {
    case OWN_THETA:
        return own_number(&q->theta, ctx, m, name, value, 0, 1);
    case OWN_TURN_DOWN:
        return own_number(&q->turn_down, ctx, m, name, value, 0.001, 1);
    case OWN_STEPS:
        CFP_TRY(own_number(&number, ctx, m, name, value, 1, CFP_MOST_STEPS));
        q->steps = (int)number;
        return CFP_OK;
    case OWN_BASELINE:
        CFP_TRY(own_choice(&word, ctx, m, name, value, cfp_baseline_names));
        q->baseline = (cfp_baseline)word;
        q->baseline_path = NULL;
        return CFP_OK;
    case OWN_NORMALISE:
        CFP_TRY(own_choice(&word, ctx, m, name, value, cfp_normalise_names));
        q->normalise = (cfp_normalise)word;
        return CFP_OK;
    case OWN_CLASS:
        CFP_TRY(own_choice(&word, ctx, m, name, value, cfp_class_relevance_names));
        q->class_relevance = (cfp_class_relevance)word;
        return CFP_OK;
    default:
        CFP_TRY(own_choice(&word, ctx, m, name, value, cfp_score_form_names));
        m->form = (cfp_score_form)word;
        return CFP_OK;
    }
}

/* Parses the options after the name of a method: ":theta=0.85:form=absolute". */
static cfp_status parse_own(cfp_score_method *m, cfp_ctx *ctx, char *options)
{
    for (char *option; (option = next_word(&options, ':')) != NULL;) {
        char *value = strchr(option, '=');
        if (value != NULL)
            *value++ = '\0';
        const int found = find_word(option, own_names);
        if (found < 0 || (knows(m->kind) & 1u << found) == 0)
            return cfp_fail(ctx, CFP_USAGE, "--methods: %s has no option '%s'",
                            cfp_score_names[m->kind], option);
        if (value == NULL)
            return cfp_fail(ctx, CFP_USAGE, "--methods: %s: %s needs a value", m->word, option);
        CFP_TRY(set_own(m, ctx, (own_option)found, value));
    }
    return CFP_OK;
}

/* The query that the command line gives to all methods.  Method activation does not use --baseline,
 * only a baseline of its own. */
static cfp_query query_for(const cfp_config *config, cfp_score_kind kind)
{
    cfp_query query = cfp_config_query(config);
    query.steps = (int)config->gradient_steps;
    query.layers = NULL;
    if (kind == CFP_SCORE_ACTIVATION) {
        query.baseline = CFP_BASELINE_ZERO;
        query.turn_down = 1;
    }
    return query;
}

/* The names of all methods: that of explain, those that score kernels, then those that only give a
 * volume. */
static void method_names(const char *name[CFP_SCORE_COUNT + CFP_VOLUME_COUNT + 2])
{
    int n = 0;
    name[n++] = CFP_METHOD_EXPLAIN;
    for (int i = 0; i < CFP_SCORE_COUNT; i++)
        name[n++] = cfp_score_names[i];
    for (int i = 0; i < CFP_VOLUME_COUNT; i++)
        if (find_word(cfp_volume_names[i], cfp_score_names) < 0)
            name[n++] = cfp_volume_names[i];
    name[n] = NULL;
}

static bool any(const uint8_t *flag, int n)
{
    for (int i = 0; i < n; i++)
        if (flag[i])
            return true;
    return false;
}

/* Metrics about kernels need scores, metrics about volumes need a volume.  A method must have what
 * at least one of the metrics needs. */
static cfp_status check_use(const cfp_evaluate_plan *plan, cfp_ctx *ctx, const char *name,
                            bool scores, bool volume)
{
    const bool kernels = any(plan->request.kernels.metrics, CFP_KERNEL_METRIC_COUNT);
    const bool volumes = any(plan->request.volume_metrics, CFP_METRIC_COUNT);
    if ((scores && kernels) || (volume && volumes))
        return CFP_OK;
    return cfp_fail(ctx, CFP_USAGE,
                    "--methods: %s gives no %s, which every metric of --metrics needs", name,
                    scores ? "volume" : "scores of kernels");
}

/* Adds the method as one that gives a volume.  options: its own options if it gives nothing else,
 * or NULL. */
static cfp_status add_volume(cfp_evaluate_plan *plan, cfp_ctx *ctx, const cfp_config *config,
                             const cfp_score_method *m, cfp_volume_method method, char *options)
{
    cfp_volume_settings *own = &plan->own[plan->request.n_volumes];
    cfp_volume_ask *ask = &plan->volume[plan->request.n_volumes++];
    *own = plan->request.volumes.methods;
    *ask = (cfp_volume_ask){.word = m->word, .method = method, .query = m->query, .own = own};
    ask->query.layers = config->layers;
    cfp_volume_query(&ask->query, method);
    for (char *option; (option = next_word(&options, ':')) != NULL;) {
        char *value = strchr(option, '=');
        if (value != NULL)
            *value++ = '\0';
        CFP_TRY(cfp_volume_option(own, ctx, method, option, value));
    }
    return CFP_OK;
}

/* What explain asks without --rule. */
static void recommend(cfp_query *query)
{
    const cfp_query best = cfp_query_recommended();
    query->theta = best.theta;
    query->baseline = best.baseline;
    query->turn_down = best.turn_down;
    query->steps = best.steps;
}

/* Adds a method as one that scores kernels, as one that gives a volume, or as both. */
static cfp_status add_method(cfp_evaluate_plan *plan, cfp_ctx *ctx, const cfp_config *config,
                             const char *whole, char *word)
{
    char *options = word;
    const char *names[CFP_SCORE_COUNT + CFP_VOLUME_COUNT + 2], *name = next_word(&options, ':');
    const bool recommended =
        strcmp(name, CFP_METHOD_EXPLAIN) == 0; /* grad, asked as explain asks */
    const char *const meant = recommended ? cfp_score_names[CFP_SCORE_GRAD] : name;
    const int kind = find_word(meant, cfp_score_names), volume = cfp_volume_named(meant);
    method_names(names);
    if (kind < 0 && volume < 0)
        return cfp_unknown_word(ctx, "methods", name, names);
    CFP_TRY(check_use(plan, ctx, name, kind >= 0, volume >= 0));
    cfp_score_method m = {.word = whole,
                          .kind = kind >= 0 ? (cfp_score_kind)kind : CFP_SCORE_EXACT};
    m.query = query_for(config, m.kind);
    if (recommended)
        recommend(&m.query);
    if (kind < 0)
        return add_volume(plan, ctx, config, &m, (cfp_volume_method)volume, options);
    CFP_TRY(parse_own(&m, ctx, options));
    if (volume >= 0)
        CFP_TRY(add_volume(plan, ctx, config, &m, (cfp_volume_method)volume, NULL));
    cfp_score_query(&m.query, m.kind);
    plan->method[plan->request.kernels.n_methods++] = m;
    return cfp_query_check(ctx, &m.query);
}

/* True if the same method with the same options was given before: it would give the same rows. */
static bool was_given(const cfp_evaluate_plan *plan, const char *word)
{
    bool given = false;
    for (int i = 0; i < plan->request.kernels.n_methods; i++)
        given |= strcmp(plan->method[i].word, word) == 0;
    for (int i = 0; i < plan->request.n_volumes; i++)
        given |= strcmp(plan->volume[i].word, word) == 0;
    return given;
}

/* plan->words holds the list twice: once as it was given, once to be cut into words. */
static cfp_status parse_methods(cfp_evaluate_plan *plan, cfp_ctx *ctx, const cfp_config *config)
{
    const size_t bytes = strlen(config->methods) + 1;
    CFP_TRY_ALLOC(ctx, plan->method, count_words(config->methods));
    CFP_TRY_ALLOC(ctx, plan->volume, count_words(config->methods));
    CFP_TRY_ALLOC(ctx, plan->own, count_words(config->methods));
    CFP_TRY_ALLOC(ctx, plan->words, 2 * bytes);
    memcpy(plan->words, config->methods, bytes);
    char *at = plan->words;
    for (char *word; (word = next_word(&at, ',')) != NULL;) {
        char *cut = plan->words + bytes + (word - plan->words);
        memcpy(cut, word, strlen(word) + 1);
        if (!was_given(plan, word))
            CFP_TRY(add_method(plan, ctx, config, word, cut));
    }
    plan->request.kernels.method = plan->method;
    plan->request.volume = plan->volume;
    return CFP_OK;
}

/* --- what belongs together --- */

static void parse_fill(cfp_evaluate_plan *plan, const cfp_config *config)
{
    const int word = find_word(config->fill, cfp_fill_names);
    plan->request.fill = word >= 0 ? (cfp_fill)word : CFP_FILL_CLIP;
    plan->request.kernels.fill = config->fill;
    plan->fill_clip = word < 0;
}

static bool has_method(const cfp_evaluate_plan *plan, cfp_score_kind kind)
{
    bool has = false;
    for (int i = 0; i < plan->request.kernels.n_methods; i++)
        has |= plan->method[i].kind == kind;
    return has;
}

/* True for a method that has the options of explain, whatever the command line says. */
static bool asks_as_explain(const cfp_score_method *method)
{
    return strncmp(method->word, CFP_METHOD_EXPLAIN, strlen(CFP_METHOD_EXPLAIN)) == 0;
}

/* Refuses an option that none of the methods uses: it was given by mistake. */
static cfp_status check_options(cfp_evaluate_plan *plan, cfp_ctx *ctx, const cfp_config *config)
{
    const cfp_query given = cfp_config_query(config), usual = cfp_query_default();
    unsigned known = 0;
    for (int i = 0; i < plan->request.kernels.n_methods; i++)
        if (plan->method[i].kind != CFP_SCORE_ACTIVATION && !asks_as_explain(&plan->method[i]))
            known |= knows(plan->method[i].kind);
    const struct {
        own_option option;
        bool given;
    } check[] = {{OWN_BASELINE, given.baseline != usual.baseline},
                 {OWN_STEPS, config->gradient_steps != 1},
                 {OWN_TURN_DOWN, given.turn_down != usual.turn_down},
                 {OWN_NORMALISE, given.normalise != usual.normalise},
                 {OWN_CLASS, given.class_relevance != usual.class_relevance}};
    for (size_t i = 0; i < sizeof check / sizeof *check; i++)
        if (check[i].given && (known & 1u << check[i].option) == 0)
            return cfp_fail(ctx, CFP_USAGE, "--%s: no method of --methods uses it",
                            own_names[check[i].option]);
    if (plan->request.fill == CFP_FILL_CLIPS && has_method(plan, CFP_SCORE_EXACT) &&
        plan->request.kernels.metrics[CFP_WEIGHT_JACCARD])
        return cfp_fail(ctx, CFP_USAGE,
                        "--fill: clips cannot be used for weight-jaccard with method exact, which "
                        "permutes the weights of the network; choose another");
    return CFP_OK;
}

static void set_volumes(cfp_evaluate_plan *plan, const cfp_config *config)
{
    cfp_volume_metric_settings *v = &plan->request.volumes;
    *v = cfp_volume_metric_settings_default();
    v->methods.interp = (cfp_interp)config->interp;
    v->methods.seed = (uint64_t)config->seed;
    v->points = (int)config->steps;
    v->base = (cfp_base)config->base;
    v->unit = (cfp_unit)config->unit;
    v->least_first = config->order == 1;
    v->draws = (int)config->draws;
    v->mask_path = config->mask_file;
    v->tolerance = config->tolerance;
}

static cfp_status make_plan(cfp_evaluate_plan *plan, cfp_ctx *ctx, const cfp_config *config)
{
    cfp_kernel_request *request = &plan->request.kernels;
    set_volumes(plan, config);
    CFP_TRY(parse_metrics(&plan->request, ctx, config));
    CFP_TRY(parse_methods(plan, ctx, config));
    CFP_TRY(parse_shares(plan, ctx, config->shares));
    parse_fill(plan, config);
    request->layers = config->layers;
    request->depth = (int)config->depth;
    request->draws = (int)config->draws;
    request->seed = (uint64_t)config->seed;
    request->target = cfp_config_query(config).target;
    plan->request.top_classes = config->top_classes > 0 ? (int)config->top_classes : 1;
    plan->request.n_clips = config->n_operands - 1;
    for (int i = 0; i < request->n_methods; i++)
        plan->other |= plan->method[i].query.baseline == CFP_BASELINE_CLIP;
    for (int i = 0; i < plan->request.n_volumes; i++)
        plan->other |= plan->volume[i].query.baseline == CFP_BASELINE_CLIP;
    if (config->class_name != NULL && config->top_classes > 0)
        return cfp_fail(ctx, CFP_USAGE, "--top-classes: cannot be given together with --class");
    return check_options(plan, ctx, config);
}

cfp_status cfp_evaluate_plan_make(cfp_evaluate_plan *out, cfp_ctx *ctx, const cfp_config *config)
{
    *out = (cfp_evaluate_plan){0};
    const cfp_status status = make_plan(out, ctx, config);
    if (status != CFP_OK)
        cfp_evaluate_plan_free(out);
    return status;
}

cfp_status cfp_evaluate_plan_classes(cfp_evaluate_plan *plan, cfp_ctx *ctx, const cfp_model *model,
                                     const char *list)
{
    CFP_TRY(cfp_classes_parse(&plan->class_index, &plan->request.n_classes, ctx, model, list));
    plan->request.class_index = plan->class_index;
    return CFP_OK;
}

void cfp_evaluate_plan_clips(cfp_evaluate_plan *plan, const cfp_clip *other, const cfp_clip *fill)
{
    for (int i = 0; i < plan->request.kernels.n_methods; i++)
        plan->method[i].other = other;
    for (int i = 0; i < plan->request.n_volumes; i++)
        plan->volume[i].other = other;
    plan->request.fill_clip = fill;
}

void cfp_evaluate_plan_free(cfp_evaluate_plan *plan)
{
    cfp_free(plan->method);
    cfp_free(plan->volume);
    cfp_free(plan->own);
    cfp_free(plan->words);
    cfp_free(plan->share);
    cfp_free(plan->class_index);
    *plan = (cfp_evaluate_plan){0};
}
