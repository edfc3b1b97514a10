/* test_options.c - checks the table of options and its parser: what is accepted, what is refused,
 * and the messages.  tests/cli/ has the output of whole command lines. */

#include "../host/base/edit_distance.h"
#include "../host/program/options.h"
#include "../host/program/commands.h"
#include "test.h"

static const cfp_command explain = {.name = "explain",
                                    .bit = CFP_CMD_EXPLAIN,
                                    .operands = "MODEL CLIP",
                                    .min_operands = 2,
                                    .max_operands = 2};
static const cfp_command predict = {.name = "predict",
                                    .bit = CFP_CMD_PREDICT,
                                    .operands = "MODEL CLIP...",
                                    .min_operands = 2,
                                    .max_operands = -1};

enum { MAX_ARGS = 16 };

/* The words after "cfp-gpu <command>", NULL-terminated. */
static cfp_status parse(cfp_config *config, cfp_ctx *ctx, const cfp_command *command,
                        const char *const *words)
{
    char *argv[MAX_ARGS] = {(char *)"cfp-gpu", (char *)command->name};
    int argc = 2;
    for (int i = 0; words[i] != NULL; i++)
        argv[argc++] = (char *)words[i];
    *ctx = (cfp_ctx){0};
    *config = (cfp_config){.command = command};
    return cfp_options_parse(config, ctx, argc, argv);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void rows_are_well_formed(void)
{
    for (int i = 0; i < cfp_n_options; i++) {
        const cfp_option *a = &cfp_options[i];
        CHECK(a->help[0] != '\0' && a->group[0] != '\0' && a->commands != 0);
        CHECK(strchr(a->name, '_') == NULL);
        CHECK(a->type == CFP_OPTION_FLAG || a->type == CFP_OPTION_CHOICE || a->argument != NULL);
        for (int k = i + 1; k < cfp_n_options; k++) {
            const cfp_option *b = &cfp_options[k];
            if ((a->commands & b->commands) == 0)
                continue;
            CHECK(strcmp(a->name, b->name) != 0);
            CHECK(a->letter == 0 || a->letter != b->letter);
        }
    }
}

static void same_question(const cfp_query *got, const cfp_query *want)
{
    CHECK_EQ(got->rule, want->rule);
    CHECK_NEAR(got->theta, want->theta, 0);
    CHECK_EQ(got->depth, want->depth);
    CHECK_EQ(got->top, want->top);
    CHECK_EQ(got->propagate, want->propagate);
    CHECK_EQ(got->normalise, want->normalise);
    CHECK_EQ(got->class_relevance, want->class_relevance);
    CHECK_EQ(got->mask, want->mask);
    CHECK_EQ(got->baseline, want->baseline);
    CHECK_EQ(got->steps, want->steps);
    CHECK_NEAR(got->turn_down, want->turn_down, 0);
    CHECK_EQ(got->tubes, want->tubes);
}

static cfp_query asked(const char *const *words)
{
    cfp_ctx ctx;
    cfp_config config;
    CHECK_EQ(parse(&config, &ctx, &explain, words), CFP_OK);
    const cfp_query query = cfp_config_query(&config);
    cfp_config_free(&config);
    return query;
}

/* Without --rule the question is the recommended one, but for what is given; options that only the
 * published rule has ask for that rule. */
static void the_rule_decides_on_the_defaults(void)
{
    cfp_query want = cfp_query_recommended();
    cfp_query got = asked(WORDS("m.h5", "c.mp4"));
    same_question(&got, &want);
    got = asked(WORDS("m.h5", "c.mp4", "--theta", "0.3", "--mask", "selected"));
    want.theta = 0.3;
    want.mask = CFP_MASK_SELECTED;
    same_question(&got, &want);
    got = asked(WORDS("m.h5", "c.mp4", "--steps", "4")); /* cannot be turned down */
    want = cfp_query_recommended();
    want.steps = 4;
    want.turn_down = 1;
    same_question(&got, &want);
    got = asked(WORDS("m.h5", "c.mp4", "--baseline", "zero"));
    want = cfp_query_recommended();
    want.baseline = CFP_BASELINE_ZERO;
    want.turn_down = 1;
    same_question(&got, &want);
    want = cfp_query_default();
    got = asked(WORDS("m.h5", "c.mp4", "--rule", "cfp"));
    same_question(&got, &want);
    got = asked(WORDS("m.h5", "c.mp4", "--propagate", "path"));
    want.propagate = CFP_PROPAGATE_PATH;
    same_question(&got, &want);
    want = cfp_query_default();
    want.rule = CFP_RULE_GRAD;
    got = asked(WORDS("m.h5", "c.mp4", "--rule", "grad"));
    same_question(&got, &want);
}

static const cfp_option *row_of(const char *name, unsigned command)
{
    for (int i = 0; i < cfp_n_options; i++)
        if (strcmp(cfp_options[i].name, name) == 0 && (cfp_options[i].commands & command) != 0)
            return &cfp_options[i];
    return NULL;
}

/* SPEC: these options are accepted everywhere.  The help shows them only if they have an effect. */
static void options_without_effect_are_accepted_but_not_shown(void)
{
    const unsigned network = CFP_CMD_EXPLAIN | CFP_CMD_CONTRAST | CFP_CMD_PREDICT | CFP_CMD_SWEEP |
                             CFP_CMD_EVALUATE | CFP_CMD_BENCH | CFP_CMD_BATCH | CFP_CMD_RERUN;
    const unsigned at_once = CFP_CMD_DEVICES | CFP_CMD_VIEW | CFP_CMD_DATASET;
    const struct {
        const char *name;
        unsigned shown;
    } everywhere[] = {
        {"device", network},
        {"threads", network},
        {"precision", network},
        {"seed", (network & ~(unsigned)(CFP_CMD_PREDICT | CFP_CMD_SWEEP)) | CFP_CMD_AGGREGATE},
        {"progress", CFP_CMD_ALL & ~at_once},
        {"quiet", CFP_CMD_ALL & ~at_once},
        {"json", CFP_CMD_ALL},
    };
    for (size_t i = 0; i < sizeof everywhere / sizeof *everywhere; i++)
        for (unsigned bit = 1; bit < CFP_CMD_ALL; bit *= 2) {
            const cfp_option *row = row_of(everywhere[i].name, bit);
            CHECK(row != NULL);
            CHECK_EQ(cfp_option_shown(row, bit), (everywhere[i].shown & bit) != 0);
        }
    for (int i = 0; i < cfp_n_options; i++)
        CHECK_EQ(cfp_options[i].ignoring & ~cfp_options[i].commands, 0);
}

/* The report lists the options that shape its results. */
static void options_about_the_run_are_marked(void)
{
    CHECK(row_of("output", CFP_CMD_EXPLAIN)->about_run && row_of("json", CFP_CMD_ALL)->about_run);
    CHECK(row_of("progress", CFP_CMD_ALL)->about_run && row_of("quiet", CFP_CMD_ALL)->about_run);
    CHECK(row_of("profile", CFP_CMD_EXPLAIN)->about_run);
    CHECK(!row_of("theta", CFP_CMD_EXPLAIN)->about_run);
    CHECK(!row_of("threads", CFP_CMD_EXPLAIN)->about_run);
}

static void formats_of_tubes_alone_are_known(void)
{
    for (int i = 0; cfp_writers[i] != NULL; i++) {
        const char *const format = cfp_writers[i]->format;
        const bool picture = strstr("png sheet frames mp4 gif stack figure", format) != NULL;
        char list[64];
        CHECK_EQ(cfp_formats_only_tubes(cfp_writers, format), picture);
        snprintf(list, sizeof list, "png,%s,gif", format);
        CHECK_EQ(cfp_formats_only_tubes(cfp_writers, list), picture);
    }
}

static void defaults_are_those_of_the_method(void)
{
    cfp_ctx ctx;
    cfp_config config;
    CHECK_EQ(parse(&config, &ctx, &explain, WORDS("m.h5", "c.mp4")), CFP_OK);
    const cfp_query got = cfp_config_query(&config);
    CHECK(got.layers == NULL && config.class_name == NULL && config.output == NULL);
    CHECK_EQ(config.start, -1);
    CHECK_EQ(config.stride, 0);
    CHECK_STR(config.device, "auto");
    cfp_config_free(&config);

    CHECK_EQ(parse(&config, &ctx, &predict, WORDS("m.h5", "a", "b", "c")), CFP_OK);
    CHECK_EQ(config.n_operands, 4);
    CHECK_EQ(config.top, 5); /* --top means another thing there */
    cfp_config_free(&config);
}

static void values_are_taken_in_every_form(void)
{
    cfp_ctx ctx;
    cfp_config config;
    CHECK_EQ(parse(&config, &ctx, &explain,
                   WORDS("--theta=0.25", "m.h5", "--class_relevance", "contribution", "-oout", "-q",
                         "--depth", "all", "--top=7", "--", "--clip")),
             CFP_OK);
    CHECK_NEAR(config.theta, 0.25, 0);
    CHECK_EQ(config.class_relevance, CFP_CLASS_CONTRIBUTION);
    CHECK_STR(config.output, "out");
    CHECK(config.quiet && !config.json);
    CHECK_EQ(config.depth, CFP_ALL_DEPTHS);
    CHECK_EQ(config.top, 7);
    CHECK_STR(config.operand[1], "--clip");
    cfp_config_free(&config);

    CHECK_EQ(parse(&config, &ctx, &explain,
                   WORDS("m.h5", "-", "-o", "a", "--output", "b", "--theta", "1", "--depth=0")),
             CFP_OK);
    CHECK_STR(config.output, "b"); /* the last one holds */
    CHECK_STR(config.operand[1], "-");
    CHECK_EQ(config.depth, 0);
    for (int i = 0; i < cfp_n_options; i++)
        if (strcmp(cfp_options[i].name, "theta") == 0 && cfp_options[i].commands & explain.bit)
            CHECK_STR(config.text[i], "1"); /* as typed: run.json repeats it */
    cfp_config_free(&config);
}

static void refused(const char *const *words, const char *start, const char *piece)
{
    cfp_ctx ctx;
    cfp_config config;
    CHECK_EQ(parse(&config, &ctx, &explain, words), CFP_USAGE);
    CHECK(strncmp(ctx.message, start, strlen(start)) == 0);
    CHECK_HAS(ctx.message, piece);
    cfp_config_free(&config);
}

static void what_is_wrong_is_said_by_name(void)
{
    refused(WORDS("m", "c", "--theta", "1.01"), "--theta: ", "0 to 1");
    refused(WORDS("m", "c", "--theta", " 0.5"), "--theta: ", "' 0.5'");
    refused(WORDS("m", "c", "--theta", "inf"), "--theta: ", "0 to 1");
    refused(WORDS("m", "c", "--depth", "3x"), "--depth: ", "all or a whole number");
    refused(WORDS("m", "c", "--depth", ""), "--depth: ", "whole number");
    refused(WORDS("m", "c", "--rule", "CFP"), "--rule: ", "cfp, reference, grad");
    refused(WORDS("m", "c", "--class-relevnce", "x"), "--class-relevnce: ", "--class-relevance?");
    refused(WORDS("m", "c", "--runs", "3"), "--runs: ", "not an option of explain");
    refused(WORDS("m", "c", "-o"), "-o: ", "needs a value");
    refused(WORDS("m", "c", "-z"), "-z: ", "unknown");
    refused(WORDS("m"), "CLIP: ", "missing");
    refused(WORDS("m", "c", "d"), "d: ", "one too many");
}

/* The time that --start means; -1: it is a frame; -2: it is refused. */
static double start_of(const char *text, int64_t *frame)
{
    cfp_ctx ctx;
    cfp_config config;
    double seconds = -2;
    if (parse(&config, &ctx, &explain, WORDS("m", "c", "--start", text)) == CFP_OK) {
        const cfp_sampling sampling = cfp_config_sampling(&config);
        *frame = sampling.start;
        seconds = sampling.by_time ? sampling.seconds : -1;
    } else {
        CHECK(strncmp(ctx.message, "--start: ", 9) == 0);
        CHECK_HAS(ctx.message, "12.5s");
    }
    cfp_config_free(&config);
    return seconds;
}

static void start_is_a_frame_or_a_time(void)
{
    static const struct {
        const char *text;
        double seconds;
        int64_t frame;
    } cases[] = {
        {"centre", -1, -1},       {"0", -1, 0},          {"12", -1, 12},
        {"12.5s", 12.5, -1},      {"0s", 0, -1},         {"7s", 7, -1},
        {".25s", 0.25, -1},       {"01:02.5", 62.5, -1}, {"1:02", 62, -1},
        {"00:01:02.5", 62.5, -1}, {"90:00", 5400, -1},   {"1:00:00.001", 3600.001, -1},
    };
    static const char *const wrong[] = {
        "12.5",   "-1",        "-1s",   "s",   ".s",    "1.s",    "5x",           "1e3s",
        "infs",   "nans",      "0x1s",  "1:2", "1:60",  ":05",    "1:",           "1:00:00:00",
        "01:02.", "1:02:3",    " 1s",   "1s ", "1:-2",  "1.5:00", "1,5s",         "5ms",
        "1m",     "00:01:02s", "1::02", "+1s", "1:02a", "1 0:02", "12345678901s", "0:123",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t frame = 0;
        CHECK_NEAR(start_of(cases[i].text, &frame), cases[i].seconds, 1e-12);
        if (cases[i].seconds < 0)
            CHECK_EQ(frame, cases[i].frame);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t frame = 0;
        CHECK_NEAR(start_of(wrong[i], &frame), -2, 0);
    }
}

static void windows_and_start_exclude_each_other(void)
{
    cfp_ctx ctx;
    cfp_config config;
    CHECK_EQ(parse(&config, &ctx, &predict, WORDS("m", "c", "--windows", "10")), CFP_OK);
    CHECK_EQ(cfp_config_sampling(&config).windows, 10);
    cfp_config_free(&config);
    CHECK_EQ(parse(&config, &ctx, &predict, WORDS("m", "c", "--windows", "1", "--start", "2")),
             CFP_OK);
    cfp_config_free(&config);
    CHECK_EQ(parse(&config, &ctx, &predict, WORDS("m", "c", "--windows", "2", "--start", "2s")),
             CFP_USAGE);
    CHECK_HAS(ctx.message, "--windows: ");
    cfp_config_free(&config);
    CHECK_EQ(parse(&config, &ctx, &explain, WORDS("m", "c", "--windows", "2")), CFP_USAGE);
    CHECK_HAS(ctx.message, "not an option of explain");
    cfp_config_free(&config);
}

static void every_failing_allocation_is_reported(void)
{
    cfp_ctx ctx = {.fail_allocation = 1};
    cfp_config config = {.command = &explain};
    char *argv[] = {(char *)"cfp-gpu", (char *)"explain", (char *)"m", (char *)"c"};
    CHECK_EQ(cfp_options_parse(&config, &ctx, 4, argv), CFP_NOMEM);
    cfp_config_free(&config);
}

static void near_words_are_found_and_far_ones_not(void)
{
    static const char *const names[] = {"explain", "predict", "inspect", "bench", "devices"};
    enum { N = sizeof names / sizeof *names };
    CHECK_STR(cfp_nearest("explian", names, N, sizeof *names), "explain");
    CHECK_STR(cfp_nearest("predct", names, N, sizeof *names), "predict");
    CHECK_STR(cfp_nearest("device", names, N, sizeof *names), "devices");
    CHECK(cfp_nearest("transmogrify", names, N, sizeof *names) == NULL);
    CHECK(cfp_nearest("x", names, N, sizeof *names) == NULL);
    CHECK(cfp_nearest("", names, N, sizeof *names) == NULL);
    CHECK_EQ(cfp_edit_distance("", ""), 0);
    CHECK_EQ(cfp_edit_distance("", "abc"), 3);
    CHECK_EQ(cfp_edit_distance("abc", ""), 3);
    CHECK_EQ(cfp_edit_distance("kitten", "sitting"), 3);
    CHECK_EQ(cfp_edit_distance("abcd", "acbd"), 1); /* a swap */
    char a[2 * CFP_EDIT_MAX + 1] = "", b[2 * CFP_EDIT_MAX + 1] = "";
    memset(a, 'a', 2 * CFP_EDIT_MAX);
    memset(b, 'b', 2 * CFP_EDIT_MAX);
    CHECK_EQ(cfp_edit_distance(a, b), CFP_EDIT_MAX); /* the rest is ignored */
}

int main(void)
{
    rows_are_well_formed();
    the_rule_decides_on_the_defaults();
    options_without_effect_are_accepted_but_not_shown();
    options_about_the_run_are_marked();
    formats_of_tubes_alone_are_known();
    defaults_are_those_of_the_method();
    values_are_taken_in_every_form();
    what_is_wrong_is_said_by_name();
    start_is_a_frame_or_a_time();
    windows_and_start_exclude_each_other();
    every_failing_allocation_is_reported();
    near_words_are_found_and_far_ones_not();
    return test_result();
}
