/* sweep_plan.c - see sweep_plan.h. */
#include "sweep_plan.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- theta --- */

static cfp_status bad_thetas(cfp_ctx *ctx, const char *text)
{
    return cfp_fail(ctx, CFP_USAGE,
                    "--theta: '%s' is neither A:B:STEP, such as 0:1:0.02, nor numbers separated by "
                    "commas, such as 0.4,0.6",
                    text);
}

/* Reads a number, which may have spaces around it.  It must end at one of `ends` or at the end of
 * the text.  *text moves past it. */
static bool read_number(double *out, const char **text, const char *ends)
{
    char *end;
    const char *at = *text + strspn(*text, " ");
    if (*at <= ' ')
        return false; /* strtod would skip other white space */
    *out = strtod(at, &end);
    if (end == at)
        return false;
    end += strspn(end, " ");
    if (*end != '\0' && strchr(ends, *end) == NULL)
        return false;
    *text = end;
    return true;
}

static cfp_status check_theta(cfp_ctx *ctx, double theta)
{
    if (theta >= 0 && theta <= 1)
        return CFP_OK;
    char text[32], hint[64];
    snprintf(text, sizeof text, "%g", theta);
    cfp_suggest_fraction(hint, sizeof hint, text, 0, 1);
    return cfp_fail(ctx, CFP_USAGE, "--theta: %s is not within 0 to 1%s", text, hint);
}

/* SPEC: A + k * STEP while it is at most B + STEP * 1e-9. */
static bool within(double a, double b, double step, int64_t k)
{
    return a + (double)k * step <= b + step * 1e-9;
}

static cfp_status fill_range(double **out, int *n, cfp_ctx *ctx, double a, double b, double step)
{
    const double steps = floor((b - a) / step + 1e-9);
    if (!(steps < CFP_MAX_THETAS))
        return cfp_fail(ctx, CFP_USAGE, "--theta: %g:%g:%g is more than %d numbers", a, b, step,
                        CFP_MAX_THETAS);
    int64_t count = (int64_t)steps + 1;
    while (count > 1 && !within(a, b, step, count - 1))
        count--;
    *n = (int)count;
    CFP_TRY_ALLOC(ctx, *out, count);
    for (int k = 0; k < count; k++) /* the last may lie above 1 by a rounding error */
        (*out)[k] = fmin(1, a + k * step);
    return CFP_OK;
}

static cfp_status parse_range(double **out, int *n, cfp_ctx *ctx, const char *text)
{
    const char *at = text;
    double number[3];
    for (int i = 0; i < 3; i++) {
        if (!read_number(&number[i], &at, ":") || (*at == '\0') != (i == 2))
            return bad_thetas(ctx, text);
        at += *at != '\0';
    }
    const double a = number[0], b = number[1], step = number[2];
    CFP_TRY(check_theta(ctx, a));
    CFP_TRY(check_theta(ctx, b));
    if (!(step > 0 && isfinite(step)))
        return cfp_fail(ctx, CFP_USAGE, "--theta: %s: the step is %g, not a number above 0", text,
                        step);
    if (!within(a, b, step, 0))
        return cfp_fail(ctx, CFP_USAGE, "--theta: %s is empty: %g is above %g", text, a, b);
    return fill_range(out, n, ctx, a, b, step);
}

static cfp_status parse_numbers(double **out, int *n, cfp_ctx *ctx, const char *text)
{
    int64_t count = 1;
    for (const char *c = text; *c != '\0'; c++)
        count += *c == ',';
    if (count > CFP_MAX_THETAS)
        return cfp_fail(ctx, CFP_USAGE, "--theta: %lld numbers; %d at most", (long long)count,
                        CFP_MAX_THETAS);
    CFP_TRY_ALLOC(ctx, *out, count);
    const char *at = text;
    for (*n = 0; *n < count; ++*n) {
        double *theta = &(*out)[*n];
        if (!read_number(theta, &at, ","))
            return bad_thetas(ctx, text);
        CFP_TRY(check_theta(ctx, *theta));
        *theta += 0.0; /* turns -0 into 0 */
        at += *at != '\0';
    }
    return *at == '\0' ? CFP_OK : bad_thetas(ctx, text);
}

cfp_status cfp_thetas_parse(double **out, int *n, cfp_ctx *ctx, const char *text)
{
    *out = NULL;
    const cfp_status status = strchr(text, ':') != NULL ? parse_range(out, n, ctx, text)
                                                        : parse_numbers(out, n, ctx, text);
    if (status != CFP_OK) {
        cfp_free(*out);
        *out = NULL;
    }
    return status;
}

/* --- words --- */

enum { MAX_WORDS = 8 };

typedef struct words { /* indices of names, each once, in the order given */
    int n, index[MAX_WORDS];
} words;

static int count_names(const char *const *names)
{
    int n = 0;
    while (names[n] != NULL)
        n++;
    return n;
}

cfp_status cfp_unknown_word(cfp_ctx *ctx, const char *option, const char *word,
                            const char *const *names)
{
    char list[640] = "";
    const int n = count_names(names);
    for (int i = 0; i < n; i++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    const char *near = cfp_nearest(word, names, n, sizeof *names);
    return cfp_fail(ctx, CFP_USAGE, "--%s: '%s' is not one of %s%s%s%s", option, word, list,
                    near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                    near != NULL ? "?" : "");
}

static cfp_status add_word(words *out, cfp_ctx *ctx, const char *option, const char *word,
                           const char *const *names)
{
    int found = 0;
    while (names[found] != NULL && strcmp(names[found], word) != 0)
        found++;
    if (names[found] == NULL)
        return cfp_unknown_word(ctx, option, word, names);
    for (int i = 0; i < out->n; i++)
        if (out->index[i] == found)
            return CFP_OK;
    out->index[out->n++] = found;
    return CFP_OK;
}

/* Cuts the spaces at the end of `word`. */
static void cut_spaces(char *word)
{
    size_t length = strlen(word);
    while (length > 0 && word[length - 1] == ' ')
        word[--length] = '\0';
}

static cfp_status parse_words(words *out, cfp_ctx *ctx, const char *option, const char *list,
                              const char *const *names)
{
    *out = (words){0};
    for (const char *at = list;; at++) {
        char word[64];
        at += strspn(at, " ");
        const size_t length = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)(length < 63 ? length : 63), at);
        cut_spaces(word);
        CFP_TRY(add_word(out, ctx, option, word, names));
        at += length;
        if (*at == '\0')
            return CFP_OK;
    }
}

/* --- queries --- */

static bool uses_target(const cfp_query *q)
{
    return q->rule == CFP_RULE_GRAD || q->class_relevance == CFP_CLASS_CONTRAST;
}

/* The query with the default for each option that its rule does not use. */
static cfp_query plain(cfp_query q)
{
    const cfp_query usual = cfp_query_default();
    if (q.rule == CFP_RULE_GRAD) {
        q.propagate = usual.propagate;
        q.class_relevance = usual.class_relevance;
    } else {
        q.mask = usual.mask;
        q.baseline = usual.baseline;
        q.steps = usual.steps;
        q.turn_down = usual.turn_down;
    }
    if (q.rule != CFP_RULE_CFP)
        q.normalise = usual.normalise;
    return q;
}

static bool same(const cfp_query *a, const cfp_query *b)
{
    return a->rule == b->rule && a->mask == b->mask && a->propagate == b->propagate &&
           a->normalise == b->normalise && a->class_relevance == b->class_relevance;
}

static void add_query(cfp_sweep_plan *plan, const cfp_query *query)
{
    const cfp_query q = plain(*query);
    for (int i = 0; i < plan->n_queries; i++)
        if (same(&plan->query[i], &q))
            return;
    plan->query[plan->n_queries++] = q;
}

/* Gives --target to the queries that use it.  If none does, cfp_query_check refuses the option. */
static void set_target(cfp_sweep_plan *plan, cfp_target target)
{
    bool used = false;
    for (int i = 0; i < plan->n_queries; i++)
        used |= uses_target(&plan->query[i]);
    for (int i = 0; i < plan->n_queries; i++)
        if (!used || uses_target(&plan->query[i]))
            plan->query[i].target = target;
}

/* --baseline, --steps and --turn-down belong to rule grad; without it they are a slip of the hand.
 */
static cfp_status check_compared(const cfp_query *given, cfp_ctx *ctx, const words *rule)
{
    bool grad = false;
    for (int i = 0; i < rule->n; i++)
        grad |= rule->index[i] == CFP_RULE_GRAD;
    cfp_query query = *given;
    query.rule = grad ? CFP_RULE_GRAD : (cfp_rule)rule->index[0];
    return cfp_query_check(ctx, &query);
}

static cfp_status make_queries(cfp_sweep_plan *plan, cfp_ctx *ctx, const cfp_config *config)
{
    words rule, mask, propagate, normalise, relevance;
    CFP_TRY(parse_words(&rule, ctx, "rule", config->rules, cfp_rule_names));
    CFP_TRY(parse_words(&mask, ctx, "mask", config->masks, cfp_mask_names));
    CFP_TRY(parse_words(&propagate, ctx, "propagate", config->propagates, cfp_propagate_names));
    CFP_TRY(parse_words(&normalise, ctx, "normalise", config->normalises, cfp_normalise_names));
    CFP_TRY(parse_words(&relevance, ctx, "class-relevance", config->class_relevances,
                        cfp_class_relevance_names));
    const int max_queries = rule.n * mask.n * propagate.n * normalise.n * relevance.n;
    CFP_TRY_ALLOC(ctx, plan->query, max_queries);
    cfp_query q = cfp_query_default();
    const cfp_query given = cfp_config_query(config);
    q.tubes = CFP_TUBES_NONE;
    q.depth = (int)config->depth;
    q.baseline = given.baseline;
    q.baseline_path = given.baseline_path;
    q.seed = given.seed;
    q.steps = given.steps;
    q.turn_down = given.turn_down;
    CFP_TRY(check_compared(&q, ctx, &rule));
    for (int k = 0; k < max_queries; k++) { /* the last list changes fastest */
        int left = k;
        q.class_relevance = (cfp_class_relevance)relevance.index[left % relevance.n];
        left /= relevance.n;
        q.normalise = (cfp_normalise)normalise.index[left % normalise.n];
        left /= normalise.n;
        q.propagate = (cfp_propagate)propagate.index[left % propagate.n];
        left /= propagate.n;
        q.mask = (cfp_mask)mask.index[left % mask.n];
        q.rule = (cfp_rule)rule.index[left / mask.n];
        add_query(plan, &q);
    }
    set_target(plan, given.target);
    for (int i = 0; i < plan->n_queries; i++)
        CFP_TRY(cfp_query_check(ctx, &plan->query[i]));
    return CFP_OK;
}

cfp_status cfp_sweep_plan_make(cfp_sweep_plan *out, cfp_ctx *ctx, const cfp_config *config)
{
    *out = (cfp_sweep_plan){.top_classes = config->top_classes > 0 ? (int)config->top_classes : 1};
    if (config->thetas == NULL)
        return cfp_fail(
            ctx, CFP_USAGE,
            "--theta: missing: give A:B:STEP, such as 0:1:0.02, or numbers separated by "
            "commas");
    if (config->class_name != NULL && config->top_classes > 0)
        return cfp_fail(ctx, CFP_USAGE, "--top-classes: cannot be given together with --class");
    cfp_status status = cfp_thetas_parse(&out->theta, &out->n_thetas, ctx, config->thetas);
    if (status == CFP_OK)
        status = make_queries(out, ctx, config);
    if (status != CFP_OK)
        cfp_sweep_plan_free(out);
    return status;
}

/* --- classes --- */

static cfp_status add_class(int *index, int *n, cfp_ctx *ctx, const cfp_model *model,
                            const char *name)
{
    int found;
    CFP_TRY(cfp_model_class(&found, ctx, model, name));
    for (int i = 0; i < *n; i++)
        if (index[i] == found)
            return CFP_OK;
    index[(*n)++] = found;
    return CFP_OK;
}

/* The name of a class may have a comma in it, so the whole text is looked up first. */
cfp_status cfp_classes_parse(int **index, int *n, cfp_ctx *ctx, const cfp_model *model,
                             const char *list)
{
    cfp_status status;
    if (list == NULL)
        return CFP_OK;
    CFP_TRY_ALLOC(ctx, *index, model->n_classes);
    status = add_class(*index, n, ctx, model, list);
    if (status == CFP_OK || strchr(list, ',') == NULL)
        return status;
    char *names = cfp_strdup(ctx, list);
    if (names == NULL)
        return CFP_NOMEM;
    status = CFP_OK;
    for (char *name = names, *next; name != NULL && status == CFP_OK; name = next) {
        next = strchr(name, ',');
        if (next != NULL)
            *next++ = '\0';
        cut_spaces(name);
        status = add_class(*index, n, ctx, model, name + strspn(name, " "));
    }
    cfp_free(names);
    if (status == CFP_OK)
        ctx->message[0] = '\0'; /* from looking up the whole text */
    return status;
}

cfp_status cfp_sweep_plan_classes(cfp_sweep_plan *plan, cfp_ctx *ctx, const cfp_model *model,
                                  const char *list)
{
    return cfp_classes_parse(&plan->class_index, &plan->n_classes, ctx, model, list);
}

void cfp_sweep_plan_free(cfp_sweep_plan *plan)
{
    cfp_free(plan->theta);
    cfp_free(plan->query);
    cfp_free(plan->class_index);
    *plan = (cfp_sweep_plan){0};
}

cfp_sweep_words cfp_sweep_words_of(const cfp_query *q)
{
    const bool grad = q->rule == CFP_RULE_GRAD;
    return (cfp_sweep_words){
        .rule = cfp_rule_names[q->rule],
        .mask = grad ? cfp_mask_names[q->mask] : NULL,
        .propagate = grad ? NULL : cfp_propagate_names[q->propagate],
        .normalise = q->rule == CFP_RULE_CFP ? cfp_normalise_names[q->normalise] : NULL,
        .class_relevance = grad ? NULL : cfp_class_relevance_names[q->class_relevance],
    };
}
