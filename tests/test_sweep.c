/* test_sweep.c - checks parts of `sweep`: lists of thresholds, queries that mean the same, the rows
 * of the table, and when a pyramid counts as saturated.  check_sweep.py runs the whole command. */
#define _XOPEN_SOURCE 700
#include "../host/method/pyramid.h"
#include "../host/program/commands.h"
#include "../host/program/sweep_plan.h"
#include "../host/files/csv.h"
#include "scratch.h"
#include "test.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void thetas_are(const char *text, int n, const double *want)
{
    cfp_ctx ctx = {0};
    double *theta;
    int got;
    CHECK_EQ(cfp_thetas_parse(&theta, &got, &ctx, text), CFP_OK);
    CHECK_EQ(got, n);
    for (int k = 0; k < n && k < got; k++)
        CHECK_NEAR(theta[k], want[k], 0);
    cfp_free(theta);
}

/* A + k * STEP as it is rounded, while it is at most B + STEP * 1e-9. */
static void range_of(const char *text, double a, double step, int n)
{
    double want[64];
    for (int k = 0; k < n; k++)
        want[k] = a + k * step;
    thetas_are(text, n, want);
}

static void ranges_and_lists_are_read(void)
{
    range_of("0:1:0.02", 0, 0.02, 51);
    range_of("0:1:0.1", 0, 0.1, 11);
    range_of("0.1:0.9:0.1", 0.1, 0.1, 9); /* 0.1 + 8 * 0.1 is above 0.9 by a rounding error */
    range_of("0:1:0.3", 0, 0.3, 4);
    range_of("0.5:0.5:0.1", 0.5, 0.1, 1);
    range_of("0.25:1:1", 0.25, 1, 1);
    range_of("0.5:0.5:1e-300", 0.5, 0, 1);
    range_of("1:1:0.5", 1, 0.5, 1);
    range_of("0.5:1:2", 0.5, 2, 1); /* a step beyond B leaves A alone */
    range_of("0:1:1e300", 0, 1e300, 1);
    range_of(" 0 : 1 : 0.5 ", 0, 0.5, 3);
    thetas_are("0.1, 0.5 ,0.9", 3, (double[]){0.1, 0.5, 0.9});
    thetas_are("0.6", 1, (double[]){0.6});
    thetas_are("0.9,0.1,0.5,0.1", 4, (double[]){0.9, 0.1, 0.5, 0.1});
    thetas_are("1e-3,0,1", 3, (double[]){1e-3, 0, 1});
}

static void no_theta_lies_above_one(void)
{
    cfp_ctx ctx = {0};
    for (int k = 1; k < 400; k++) {
        char text[64];
        double *theta;
        int n;
        snprintf(text, sizeof text, "%.3f:1:%.4f", 0.001 * (k % 97), 0.001 + 0.0005 * k);
        CHECK_EQ(cfp_thetas_parse(&theta, &n, &ctx, text), CFP_OK);
        for (int i = 0; i < n; i++)
            CHECK(theta[i] >= 0 && theta[i] <= 1);
        cfp_free(theta);
    }
}

static void queries_that_mean_the_same_stand_once(void)
{
    cfp_ctx ctx = {0};
    cfp_sweep_plan plan;
    const cfp_config config = {.command = &(cfp_command){.bit = CFP_CMD_SWEEP},
                               .steps = 1,
                               .thetas = "0.5",
                               .rules = "grad, cfp ,reference,cfp",
                               .masks = "none,selected",
                               .propagates = "edge,path",
                               .normalises = "max,minmax",
                               .class_relevances = "weights,contribution",
                               .depth = CFP_ALL_DEPTHS};
    CHECK_EQ(cfp_sweep_plan_make(&plan, &ctx, &config), CFP_OK);
    CHECK_EQ(plan.n_queries, 2 + 8 + 4);
    const cfp_sweep_words first = cfp_sweep_words_of(&plan.query[0]);
    CHECK_STR(first.rule, "grad");
    CHECK_STR(first.mask, "none");
    CHECK(first.propagate == NULL && first.normalise == NULL && first.class_relevance == NULL);
    const cfp_sweep_words second = cfp_sweep_words_of(&plan.query[2]);
    CHECK_STR(second.rule, "cfp");
    CHECK_STR(second.normalise, "max");
    CHECK(second.mask == NULL);
    const cfp_sweep_words last = cfp_sweep_words_of(&plan.query[13]);
    CHECK_STR(last.rule, "reference");
    CHECK_STR(last.propagate, "path");
    CHECK_STR(last.class_relevance, "contribution");
    CHECK(last.mask == NULL && last.normalise == NULL);
    cfp_sweep_plan_free(&plan);
}

static const char table[] = "a,\"b,\"\"c\"\"\n\",,\xc3\xa9,-7,0.1,1,0.333333333\nx\n";

static cfp_status put_rows(cfp_csv *csv)
{
    cfp_csv_text(csv, "a");
    cfp_csv_text(csv, "b,\"c\"\n");
    cfp_csv_text(csv, NULL);
    cfp_csv_text(csv, "\xc3\xa9");
    cfp_csv_int(csv, -7);
    cfp_csv_number(csv, 0.1);
    cfp_csv_number(csv, 1);
    cfp_csv_number(csv, 1.0 / 3);
    CFP_TRY(cfp_csv_end_row(csv));
    cfp_csv_text(csv, "x");
    return cfp_csv_end_row(csv);
}

static void rows_are_quoted(void)
{
    cfp_ctx ctx = {0};
    cfp_csv csv;
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    scratch_open(folder);
    snprintf(path, sizeof path, "%s/table.csv", folder);
    CHECK_EQ(cfp_csv_open(&csv, &ctx, path), CFP_OK);
    CHECK_EQ(put_rows(&csv), CFP_OK);
    CHECK_EQ(cfp_csv_commit(&csv), CFP_OK);
    char *text = scratch_text(folder, "table.csv");
    CHECK_STR(text, table);
    free(text);
    CHECK_EQ(cfp_csv_open(&csv, &ctx, path), CFP_OK); /* what is no UTF-8 becomes U+FFFD */
    cfp_csv_text(&csv, "\xff\xc3");
    CHECK_EQ(cfp_csv_end_row(&csv), CFP_OK);
    CHECK_EQ(cfp_csv_commit(&csv), CFP_OK);
    text = scratch_text(folder, "table.csv");
    CHECK_STR(text, "\xef\xbf\xbd\xef\xbf\xbd\n");
    free(text);
    scratch_remove(folder);
}

/* Names come from files that cannot be trusted.  None may move the cursor of a terminal.  A table
 * that is written to a file has them unchanged. */
static void a_terminal_is_not_steered(void)
{
    static const char name[] = "a\x1b[2J\xe2\x80\xae\xc2\x9b\"";
    cfp_ctx ctx = {0};
    cfp_csv csv;
    char got[256] = "";
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
        printf("there is no terminal to be had: not tested\n");
        return;
    }
    const int inner = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    FILE *const stream = fdopen(inner, "w");
    CHECK_EQ(cfp_csv_open_stream(&csv, &ctx, stream, "here"), CFP_OK);
    cfp_csv_text(&csv, name);
    CHECK_EQ(cfp_csv_end_row(&csv), CFP_OK);
    CHECK_EQ(cfp_csv_commit(&csv), CFP_OK);
    CHECK(read(terminal, got, sizeof got - 1) > 0);
    CHECK_HAS(got, "\"a\\x1b[2J\\u202e\\u009b\"\"\"");
    fclose(stream);
    close(terminal);
    FILE *const file = tmpfile();
    CHECK_EQ(cfp_csv_open_stream(&csv, &ctx, file, "here"), CFP_OK);
    cfp_csv_text(&csv, name);
    CHECK_EQ(cfp_csv_end_row(&csv), CFP_OK);
    CHECK_EQ(cfp_csv_commit(&csv), CFP_OK);
    rewind(file);
    memset(got, 0, sizeof got);
    CHECK(fread(got, 1, sizeof got - 1, file) > 0);
    CHECK_STR(got, "\"a\x1b[2J\xe2\x80\xae\xc2\x9b\"\"\"\n");
    fclose(file);
}

/* An unfinished row is not kept, nor is a table that has only a header. */
static void a_part_is_whole_rows(void)
{
    cfp_ctx ctx = {0};
    cfp_csv csv;
    int64_t rows;
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    scratch_open(folder);
    snprintf(path, sizeof path, "%s/table.csv", folder);
    for (int n = 0; n <= 2; n++) {
        CHECK_EQ(cfp_csv_open(&csv, &ctx, path), CFP_OK);
        if (n > 0)
            CHECK_EQ(put_rows(&csv), CFP_OK);
        cfp_csv_text(&csv, "begun");
        char *part = cfp_csv_keep_part(&csv, &rows);
        CHECK(!scratch_has(folder, "table.csv"));
        CHECK_EQ(part != NULL, n > 0);
        CHECK_EQ(scratch_walk(folder, "", false), n > 0);
        if (part != NULL) {
            CHECK_EQ(rows, 1);
            CHECK(strcmp(part + strlen(part) - 5, ".part") == 0);
            char *text = scratch_text(folder, "table.csv.part");
            CHECK_STR(text, table);
            free(text);
        }
        cfp_free(part);
    }
    scratch_remove(folder);
}

static void every_failing_allocation_is_reported(void)
{
    const cfp_config config = {.command = &(cfp_command){.bit = CFP_CMD_SWEEP},
                               .steps = 1,
                               .thetas = "0.5",
                               .rules = "cfp",
                               .masks = "none",
                               .propagates = "edge",
                               .normalises = "max",
                               .class_relevances = "weights"};
    for (int k = 1; k <= 2; k++) {
        cfp_ctx ctx = {.fail_allocation = k};
        cfp_sweep_plan plan;
        CHECK_EQ(cfp_sweep_plan_make(&plan, &ctx, &config), CFP_NOMEM);
        CHECK(ctx.message[0] != '\0' && plan.theta == NULL && plan.query == NULL);
    }
}

/* `layers` below the classifier, `full` of them with just 90 % of their kernels, the others with
 * one kernel less. */
static cfp_saturation saturation(int layers, int full, int kernels)
{
    enum { MOST = 16 };
    cfp_layer layer[MOST] = {{.depth = 0, .n_kernels = 10, .n_selected = 10}};
    cfp_pyramid pyramid = {.n_layers = layers + 1, .layer = layer};
    for (int l = 1; l <= layers; l++)
        layer[l] = (cfp_layer){
            .depth = l, .n_kernels = kernels, .n_selected = (9 * kernels + 9) / 10 - (l > full)};
    return cfp_pyramid_saturation(&pyramid);
}

static void a_pyramid_is_saturated_where_most_layers_are(void)
{
    CHECK(saturation(1, 1, 10).most && !saturation(1, 0, 10).most);
    CHECK(saturation(3, 2, 10).most && !saturation(3, 1, 10).most);
    CHECK(!saturation(4, 2, 10).most && saturation(4, 3, 10).most);
    CHECK(saturation(5, 5, 64).most && !saturation(5, 0, 64).most);
    CHECK(!saturation(0, 0, 10).most);
    CHECK(!saturation(3, 3, 1).most); /* a lone kernel is no choice */
    const cfp_saturation s = saturation(7, 3, 20);
    CHECK_EQ(s.layers, 7);
    CHECK_EQ(s.saturated, 3);
}

int main(void)
{
    ranges_and_lists_are_read();
    no_theta_lies_above_one();
    queries_that_mean_the_same_stand_once();
    rows_are_quoted();
    a_terminal_is_not_steered();
    a_part_is_whole_rows();
    every_failing_allocation_is_reported();
    a_pyramid_is_saturated_where_most_layers_are();
    return test_result();
}
