/* options.c - argv -> cfp_config, by the rows of options_table.c; see options.h.
 *
 * Every message starts with the option, then says what is wrong and what would be right.  Nothing
 * is printed here. */
#include "options.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "commands.h"

cfp_run_value cfp_option_kind(const cfp_option *option)
{
    switch (option->type) {
    case CFP_OPTION_FLAG:
        return CFP_RUN_FLAG;
    case CFP_OPTION_INT:
    case CFP_OPTION_REAL:
    case CFP_OPTION_MOMENT:
    case CFP_OPTION_BYTES:
        return CFP_RUN_NUMBER;
    default:
        return CFP_RUN_TEXT;
    }
}

static void *field_of(cfp_config *config, const cfp_option *option)
{
    return (char *)config + option->field;
}

/* Describes the values of an option for a message: "a number from 0 to 1", "one of cfp, reference,
 * grad". */
static void describe_values(char *text, size_t bytes, const cfp_option *option)
{
    const char *const word = option->word == NULL ? "" : option->word;
    const char *const or = option->word == NULL ? "" : " or ";
    switch (option->type) {
    case CFP_OPTION_FLAG:
        snprintf(text, bytes, "no value");
        break;
    case CFP_OPTION_INT:
        snprintf(text, bytes, "%s%sa whole number from %.0f to %.0f", word, or, option->min,
                 option->max);
        break;
    case CFP_OPTION_MOMENT:
        snprintf(text, bytes,
                 "%s%sa whole number from %.0f to %.0f, or a time such as 12.5s or 00:01:02.5",
                 word, option->word == NULL ? "" : ", ", option->min, option->max);
        break;
    case CFP_OPTION_BYTES:
        snprintf(text, bytes, "%s%sa number of bytes, such as 512M or 4G, 1M at least", word, or);
        break;
    case CFP_OPTION_REAL:
        snprintf(text, bytes, "%s%sa number from %g to %g", word, or, option->min, option->max);
        break;
    case CFP_OPTION_TEXT:
    case CFP_OPTION_TEXTS:
        snprintf(text, bytes, "%s", option->argument);
        break;
    case CFP_OPTION_CHOICE:
        snprintf(text, bytes, "one of ");
        for (int i = 0; i < option->n_choices; i++) {
            const size_t used = strlen(text);
            snprintf(text + used, bytes - used, "%s%s", i == 0 ? "" : ", ", option->choice[i]);
        }
        break;
    }
}

static bool parse_int(int64_t *out, const cfp_option *option, const char *text)
{
    if (option->word != NULL && strcmp(text, option->word) == 0) {
        *out = option->word_value;
        return true;
    }
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    *out = value;
    return errno == 0 && *text > ' ' && *end == '\0' && (double)value >= option->min &&
           (double)value <= option->max;
}

/* Reads digits, and, where `fraction` says so, a dot and more digits.  Returns what follows, or
 * NULL if there are no digits, or more than any clip needs. */
static const char *parse_digits(double *out, const char *text, bool fraction)
{
    enum { MOST = 9 };
    const size_t whole = strspn(text, "0123456789");
    const size_t more = fraction && text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    const size_t length = more > 0 ? whole + 1 + more : whole;
    char digits[3 * MOST];
    if (length == 0 || whole > MOST || length >= sizeof digits)
        return NULL;
    memcpy(digits, text, length);
    digits[length] = '\0';
    *out = strtod(digits, NULL);
    return text + length;
}

bool cfp_parse_time(double *seconds, const char *text)
{
    double part;
    const char *rest = parse_digits(seconds, text, true);
    if (rest != NULL && strcmp(rest, "s") == 0)
        return true;
    rest = parse_digits(seconds, text, false);
    int colons = 0;
    while (rest != NULL && *rest == ':' && colons < 2) { /* minutes, then seconds */
        const bool two = strspn(rest + 1, "0123456789") == 2;
        rest = parse_digits(&part, rest + 1, true);
        if (!two || rest == NULL || part >= 60)
            return false;
        *seconds = *seconds * 60 + part;
        colons++;
    }
    return rest != NULL && *rest == '\0' && colons > 0;
}

static bool parse_moment(cfp_config *config, const cfp_option *option, const char *text)
{
    double seconds;
    config->start_seconds = -1;
    if (parse_int(&config->start, option, text))
        return true;
    const bool good = cfp_parse_time(&seconds, text);
    if (good)
        config->start_seconds = seconds;
    return good;
}

/* "4G" is 4 x 2^30. */
static bool parse_bytes(int64_t *out, const cfp_option *option, const char *text)
{
    static const char units[] = "KMGT";
    if (option->word != NULL && strcmp(text, option->word) == 0) {
        *out = option->word_value;
        return true;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    const char *const unit = *end == '\0' ? NULL : strchr(units, *end & ~0x20);
    if (errno != 0 || *text <= ' ' || end == text ||
        (*end != '\0' && (unit == NULL || end[1] != '\0')))
        return false;
    for (const char *u = units; unit != NULL && u <= unit; u++)
        if (__builtin_mul_overflow(value, 1024LL, &value))
            return false;
    *out = value;
    return (double)value >= option->min && (double)value <= option->max;
}

static bool parse_real(double *out, const cfp_option *option, const char *text)
{
    char *end;
    if (option->word != NULL && strcmp(text, option->word) == 0) {
        *out = (double)option->word_value;
        return true;
    }
    *out = strtod(text, &end);
    return *text > ' ' && end != text && *end == '\0' && *out >= option->min &&
           *out <= option->max; /* NaN fails both */
}

void cfp_suggest_fraction(char *out, size_t bytes, const char *text, double min, double max)
{
    enum { LONGEST = 31 };
    char copy[LONGEST + 1], *end;
    out[0] = '\0';
    if (strlen(text) > LONGEST || max > 1)
        return;
    strcpy(copy, text); /* fits */
    char *const comma = strchr(copy, ',');
    if (comma != NULL)
        *comma = '.';
    double value = strtod(copy, &end);
    const bool percent = strcmp(end, "%") == 0;
    if (end == copy || (*end != '\0' && !percent))
        return;
    if (percent || (value >= 5 && value <= 100)) /* 2 may be anything */
        value /= 100;
    else if (comma == NULL)
        return;
    if (value >= min && value <= max)
        snprintf(out, bytes, "; did you mean %.6g?", value);
}

static bool parse_choice(int64_t *out, const cfp_option *option, const char *text)
{
    for (*out = 0; *out < option->n_choices; ++*out)
        if (strcmp(text, option->choice[*out]) == 0)
            return true;
    return false;
}

/* Adds a value to those that were given before.  *joined gets all of them as one text. */
static cfp_status add_text(const char **joined, cfp_texts *texts, cfp_ctx *ctx,
                           const cfp_option *option, const char *text)
{
    if (texts->n == CFP_MAX_TEXTS)
        return cfp_fail(ctx, CFP_USAGE, "--%s: given more than %d times", option->name,
                        CFP_MAX_TEXTS);
    char *longer =
        texts->n == 0 ? cfp_strdup(ctx, text) : cfp_format(ctx, "%s, %s", texts->joined, text);
    if (longer == NULL)
        return CFP_NOMEM;
    cfp_free(texts->joined);
    texts->joined = longer;
    texts->text[texts->n++] = text;
    *joined = longer;
    return CFP_OK;
}

/* "; did you mean ...?", or "". */
static void suggest_value(char *out, size_t bytes, const cfp_option *option, const char *text)
{
    out[0] = '\0';
    if (option->type == CFP_OPTION_REAL)
        cfp_suggest_fraction(out, bytes, text, option->min, option->max);
    if (option->type != CFP_OPTION_CHOICE)
        return;
    const char *near = cfp_nearest(text, option->choice, option->n_choices, sizeof *option->choice);
    if (near != NULL)
        snprintf(out, bytes, "; did you mean %s?", near);
}

static cfp_status set_value(cfp_config *config, cfp_ctx *ctx, const cfp_option *option,
                            const char *text)
{
    void *field = field_of(config, option);
    bool good = false;
    switch (option->type) {
    case CFP_OPTION_FLAG:
        *(bool *)field = true;
        good = true;
        break;
    case CFP_OPTION_INT:
        good = parse_int(field, option, text);
        break;
    case CFP_OPTION_MOMENT:
        good = parse_moment(config, option, text);
        break;
    case CFP_OPTION_BYTES:
        good = parse_bytes(field, option, text);
        break;
    case CFP_OPTION_REAL:
        good = parse_real(field, option, text);
        break;
    case CFP_OPTION_CHOICE:
        good = parse_choice(field, option, text);
        break;
    case CFP_OPTION_TEXT:
        *(const char **)field = text;
        good = *text != '\0';
        break;
    case CFP_OPTION_TEXTS:
        good = *text != '\0';
        if (good)
            CFP_TRY(add_text(&text, field, ctx, option, text));
        break;
    }
    config->text[option - cfp_options] = text;
    config->given[option - cfp_options] = true;
    if (good)
        return CFP_OK;
    char values[256], hint[96];
    describe_values(values, sizeof values, option);
    if (*text == '\0')
        return cfp_fail(ctx, CFP_USAGE, "--%s: needs a value: %s", option->name, values);
    suggest_value(hint, sizeof hint, option, text);
    return cfp_fail(ctx, CFP_USAGE, "--%s: '%s' is not %s%s", option->name, text, values, hint);
}

static bool same_name(const char *typed, size_t length, const char *name)
{
    if (strlen(name) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((typed[i] == '_' ? '-' : typed[i]) != name[i])
            return false;
    return true;
}

/* The row of an option of this command, or NULL.  *elsewhere becomes true if only other commands
 * have an option of that name. */
static const cfp_option *find_option(const cfp_config *config, const char *typed, size_t length,
                                     bool *elsewhere)
{
    *elsewhere = false;
    for (int i = 0; i < cfp_n_options; i++) {
        const cfp_option *option = &cfp_options[i];
        if (!same_name(typed, length, option->name))
            continue;
        if (option->commands & config->command->bit)
            return option;
        *elsewhere = true;
    }
    return NULL;
}

static cfp_status unknown_option(const cfp_config *config, cfp_ctx *ctx, const char *typed,
                                 size_t length, bool elsewhere)
{
    const char *const command = config->command->name;
    if (elsewhere)
        return cfp_fail(ctx, CFP_USAGE, "--%.*s: not an option of %s; see cfp-gpu %s --help",
                        (int)length, typed, command, command);
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)cfp_min_int((int)length, 63), typed);
    const char *known[CFP_MAX_OPTIONS + 2] = {"help", "version"};
    int n = 2;
    for (int i = 0; i < cfp_n_options; i++)
        if (cfp_options[i].commands & config->command->bit)
            known[n++] = cfp_options[i].name;
    const char *near = cfp_nearest(word, known, n, sizeof *known);
    if (near != NULL)
        return cfp_fail(ctx, CFP_USAGE, "--%s: unknown option; did you mean --%s?", word, near);
    return cfp_fail(ctx, CFP_USAGE, "--%s: unknown option; see cfp-gpu %s --help", word, command);
}

/* Parses argv[*i], which is --NAME or --NAME=VALUE.  If the value is the next word, *i grows by 1.
 */
static cfp_status parse_long(cfp_config *config, cfp_ctx *ctx, int argc, char **argv, int *i)
{
    const char *const typed = argv[*i] + 2;
    const size_t length = strcspn(typed, "=");
    bool elsewhere;
    const cfp_option *option = find_option(config, typed, length, &elsewhere);
    if (option == NULL)
        return unknown_option(config, ctx, typed, length, elsewhere);
    const bool attached = typed[length] == '=';
    if (option->type == CFP_OPTION_FLAG) {
        if (attached)
            return cfp_fail(ctx, CFP_USAGE, "--%s: takes no value", option->name);
        return set_value(config, ctx, option, "true");
    }
    if (attached)
        return set_value(config, ctx, option, typed + length + 1);
    if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0) {
        char values[256];
        describe_values(values, sizeof values, option);
        return cfp_fail(ctx, CFP_USAGE, "--%s: needs a value: %s", option->name, values);
    }
    return set_value(config, ctx, option, argv[++*i]);
}

/* The same for a letter: -o DIR, -oDIR, -q. */
static cfp_status parse_letter(cfp_config *config, cfp_ctx *ctx, int argc, char **argv, int *i)
{
    const char *const typed = argv[*i];
    const cfp_option *option = NULL;
    for (int k = 0; k < cfp_n_options && option == NULL; k++)
        if (cfp_options[k].letter == typed[1] && (cfp_options[k].commands & config->command->bit))
            option = &cfp_options[k];
    if (option == NULL || (option->type == CFP_OPTION_FLAG && typed[2] != '\0'))
        return cfp_fail(ctx, CFP_USAGE, "%s: unknown option; see cfp-gpu %s --help", typed,
                        config->command->name);
    if (option->type == CFP_OPTION_FLAG)
        return set_value(config, ctx, option, "true");
    if (typed[2] != '\0')
        return set_value(config, ctx, option, typed + 2);
    if (*i + 1 >= argc)
        return cfp_fail(ctx, CFP_USAGE, "-%c: needs a value: %s", typed[1], option->argument);
    return set_value(config, ctx, option, argv[++*i]);
}

/* The row whose value goes to this field. */
static int row_of(const cfp_config *config, size_t field)
{
    for (int i = 0; i < cfp_n_options; i++)
        if (cfp_options[i].field == field && (cfp_options[i].commands & config->command->bit))
            return i;
    return -1;
}

/* True if the user typed the option. */
static bool was_given(const cfp_config *config, size_t field)
{
    const int i = row_of(config, field);
    return i >= 0 && config->given[i];
}

static cfp_status check_windows(const cfp_config *config, cfp_ctx *ctx)
{
    if (config->windows > 1 && was_given(config, offsetof(cfp_config, start)))
        return cfp_fail(ctx, CFP_USAGE,
                        "--windows: %lld windows are spread over the clip: --start has no meaning",
                        (long long)config->windows);
    return CFP_OK;
}

/* --sample uniform leaves nothing to choose. */
static cfp_status check_sample(const cfp_config *config, cfp_ctx *ctx)
{
    static const struct {
        const char *name;
        size_t field;
    } useless[] = {{"start", offsetof(cfp_config, start)},
                   {"stride", offsetof(cfp_config, stride)},
                   {"windows", offsetof(cfp_config, windows)}};
    for (size_t i = 0; i < sizeof useless / sizeof *useless && config->sample == 1; i++)
        if (was_given(config, useless[i].field))
            return cfp_fail(ctx, CFP_USAGE,
                            "--%s: has no meaning with --sample uniform, which spreads the frames "
                            "over the whole clip",
                            useless[i].name);
    return CFP_OK;
}

static cfp_status check_operands(const cfp_config *config, cfp_ctx *ctx)
{
    const cfp_command *command = config->command;
    if (config->n_operands < command->min_operands) {
        const char *missing = command->operands; /* the first of "MODEL CLIP" that was not given */
        for (int i = 0; i < config->n_operands; i++)
            missing = strchr(missing, ' ') + 1;
        return cfp_fail(ctx, CFP_USAGE, "%.*s: missing; usage: cfp-gpu %s %s [options]",
                        (int)strcspn(missing, " ."), missing, command->name, command->operands);
    }
    if (command->max_operands >= 0 && config->n_operands > command->max_operands)
        return cfp_fail(ctx, CFP_USAGE, "%s: one too many; usage: cfp-gpu %s %s%s[options]",
                        config->operand[command->max_operands], command->name, command->operands,
                        *command->operands == '\0' ? "" : " ");
    return CFP_OK;
}

static void recommend(cfp_config *config);
static void spare_movies(cfp_config *config);

cfp_status cfp_options_parse(cfp_config *config, cfp_ctx *ctx, int argc, char **argv)
{
    for (int i = 0; i < cfp_n_options; i++)
        if ((cfp_options[i].commands & config->command->bit) && cfp_options[i].default_text != NULL)
            CFP_TRY(set_value(config, ctx, &cfp_options[i], cfp_options[i].default_text));
    memset(config->given, 0, sizeof config->given); /* those were the defaults */
    CFP_TRY_ALLOC(ctx, config->operand, argc);
    bool options_end = false;
    for (int i = 2; i < argc; i++) {
        const char *const word = argv[i];
        if (options_end || word[0] != '-' || word[1] == '\0') {
            if (*word == '\0')
                return cfp_fail(ctx, CFP_USAGE, "'': an empty file name");
            config->operand[config->n_operands++] = word;
        } else if (strcmp(word, "--") == 0) {
            options_end = true;
        } else if (word[1] == '-') {
            CFP_TRY(parse_long(config, ctx, argc, argv, &i));
        } else {
            CFP_TRY(parse_letter(config, ctx, argc, argv, &i));
        }
    }
    recommend(config);
    spare_movies(config);
    CFP_TRY(check_windows(config, ctx));
    CFP_TRY(check_sample(config, ctx));
    return check_operands(config, ctx);
}

void cfp_config_free(cfp_config *config)
{
    cfp_free(config->operand);
    cfp_free(config->roots.joined);
    *config = (cfp_config){0};
}

void cfp_config_set_text(cfp_config *config, const char *name, const char *value)
{
    for (int i = 0; i < cfp_n_options; i++)
        if (strcmp(cfp_options[i].name, name) == 0 &&
            (cfp_options[i].commands & config->command->bit))
            config->text[i] = value;
}

/* A word of cfp_baseline_names; anything else is the path of a clip. */
static cfp_baseline baseline_of(const char *text)
{
    int64_t i = 0;
    while (text != NULL && i < CFP_BASELINE_CLIP && strcmp(text, cfp_baseline_names[i]) != 0)
        i++;
    return text == NULL ? CFP_BASELINE_ZERO : (cfp_baseline)i;
}

/* An option that only the rules cfp and reference have was given. */
static bool asks_for_cfp(const cfp_config *config)
{
    return was_given(config, offsetof(cfp_config, propagate)) ||
           was_given(config, offsetof(cfp_config, normalise)) ||
           was_given(config, offsetof(cfp_config, class_relevance));
}

static void take(cfp_config *config, const char *name, void *field, const void *value, size_t bytes,
                 const char *text)
{
    memcpy(field, value, bytes);
    cfp_config_set_text(config, name, text);
}

/* explain and contrast without --format and --layers: a movie of a few layers is enough. */
static void spare_movies(cfp_config *config)
{
    const int64_t few = 6;
    if ((config->command->bit & (CFP_CMD_EXPLAIN | CFP_CMD_CONTRAST)) != 0 &&
        !was_given(config, offsetof(cfp_config, formats)) &&
        !was_given(config, offsetof(cfp_config, layers)) &&
        !was_given(config, offsetof(cfp_config, movies)))
        take(config, "movies", &config->movies, &few, sizeof few, "6");
}

/* explain, contrast and batch without --rule: the recommended question, but for what was given. */
static void recommend(cfp_config *config)
{
    const cfp_query best = cfp_query_recommended();
    const int64_t rule = best.rule, mask = best.mask;
    const char *const baseline = cfp_baseline_names[best.baseline];
    if ((config->command->bit & (CFP_CMD_EXPLAIN | CFP_CMD_CONTRAST | CFP_CMD_BATCH)) == 0 ||
        was_given(config, offsetof(cfp_config, rule)) || asks_for_cfp(config))
        return;
    take(config, "rule", &config->rule, &rule, sizeof rule, cfp_rule_names[rule]);
    if (!was_given(config, offsetof(cfp_config, theta)))
        take(config, "theta", &config->theta, &best.theta, sizeof best.theta, "0.1");
    if (!was_given(config, offsetof(cfp_config, mask)))
        take(config, "mask", &config->mask, &mask, sizeof mask, cfp_mask_names[mask]);
    if (!was_given(config, offsetof(cfp_config, baseline)))
        take(config, "baseline", &config->baseline, &baseline, sizeof baseline, baseline);
    /* It needs a clip to turn down to, and takes one gradient. */
    if (!was_given(config, offsetof(cfp_config, turn_down)) && config->steps == 1 &&
        strcmp(config->baseline, cfp_baseline_names[CFP_BASELINE_ZERO]) != 0)
        take(config, "turn-down", &config->turn_down, &best.turn_down, sizeof best.turn_down,
             "0.25");
}

cfp_sampling cfp_config_sampling(const cfp_config *config)
{
    return (cfp_sampling){.start = config->start,
                          .by_time = config->start_seconds >= 0,
                          .seconds = config->start_seconds,
                          .windows = (int)config->windows,
                          .stride = (int)config->stride,
                          .uniform = config->sample == 1,
                          .track = (int)config->track};
}

cfp_query cfp_config_query(const cfp_config *config)
{
    const bool target_given = was_given(config, offsetof(cfp_config, target));
    return (cfp_query){.rule = (cfp_rule)config->rule,
                       .theta = config->theta,
                       .depth = (int)config->depth,
                       .top = (int)config->top,
                       .propagate = (cfp_propagate)config->propagate,
                       .normalise = (cfp_normalise)config->normalise,
                       .class_relevance = (cfp_class_relevance)config->class_relevance,
                       .target = target_given ? (cfp_target)config->target : CFP_TARGET_BY_HEAD,
                       .mask = (cfp_mask)config->mask,
                       .baseline = baseline_of(config->baseline),
                       .baseline_path = config->baseline,
                       .seed = (uint64_t)config->seed,
                       .steps = (int)config->steps,
                       .turn_down = config->turn_down > 0 ? config->turn_down : 1,
                       .tubes = (cfp_tubes)config->tubes,
                       .layers = config->layers};
}
