/* test_target.c - checks the target, the number whose gradient rule grad takes: its gradient
 * against finite differences, logits of any size, and classifiers that have no log-odds. */
#include "../host/method/target.h"
#include <math.h>
#include "test.h"
#include "toy.h"

enum { CLASSES = 5 };

/* The targets as SPEC has them, in long double. */
static long double target_of(const double *z, int n, int c, cfp_target target)
{
    long double sum = 0, mean = 0;
    for (int k = 0; k < n; k++) {
        mean += (long double)z[k] / n;
        sum += k == c ? 0 : expl((long double)z[k] - (long double)z[c]);
    }
    return target == CFP_TARGET_ODDS     ? -logl(sum)
           : target == CFP_TARGET_MARGIN ? (long double)z[c] - mean
                                         : (long double)z[c];
}

static void gradients_are_finite_differences(void)
{
    static const float logits[] = {1.5f, -2, 0.25f, 3, 2.5f};
    for (int target = CFP_TARGET_ODDS; target <= CFP_TARGET_LOGIT; target++)
        for (int c = 0; c < CLASSES; c++) {
            double gradient[CLASSES], z[CLASSES];
            cfp_target_gradient(gradient, logits, CLASSES, c, (cfp_target)target);
            for (int k = 0; k < CLASSES; k++) {
                long double side[2];
                for (int up = 0; up < 2; up++) {
                    for (int i = 0; i < CLASSES; i++)
                        z[i] = (double)logits[i] + (i == k ? (up ? 1e-5 : -1e-5) : 0);
                    side[up] = target_of(z, CLASSES, c, (cfp_target)target);
                }
                CHECK_NEAR(gradient[k], (double)((side[1] - side[0]) / 2e-5L), 1e-8);
            }
        }
}

/* No probability is computed, so evidence against a class does not vanish when p rounds to 0 or 1.
 */
static void logits_of_any_size_have_a_gradient(void)
{
    static const float far[] = {1e4f, -1e4f, 9999, 0}, two[] = {-1e4f, 1e4f};
    double g[4];
    cfp_target_gradient(g, far, 4, 0,
                        CFP_TARGET_ODDS); /* p rounds to 1: its one near rival counts */
    CHECK_NEAR(g[0], 1, 0);
    CHECK_NEAR(g[2], -1, 0);
    CHECK_NEAR(g[1] + g[3], 0, 0);
    cfp_target_gradient(g, far, 4, 1, CFP_TARGET_ODDS); /* p rounds to 0 */
    CHECK_NEAR(g[1], 1, 0);
    CHECK_NEAR(g[0], -1 / (1 + exp(-1)), 1e-12);
    CHECK_NEAR(g[2], -exp(-1) / (1 + exp(-1)), 1e-12);
    for (int c = 0; c < 2; c++) { /* of two classes: the difference of the logits */
        cfp_target_gradient(g, two, 2, c, CFP_TARGET_ODDS);
        CHECK_NEAR(g[c], 1, 0);
        CHECK_NEAR(g[1 - c], -1, 0);
    }
}

/* A network of `classes` classes that ends in `head`; CFP_OP_IDENTITY: it ends in logits. */
static cfp_status resolve(cfp_query *query, struct toy *t, int classes, cfp_op head)
{
    *t = (struct toy){0};
    toy_begin(t, (cfp_shape){1, 2, 1, 1, 1});
    toy_linear(t, "fc", "input", classes, 2, (float[]){1, 2, 3, 4});
    toy_node(t, "end", head, "fc", NULL)->shape.c = classes;
    CHECK_EQ(toy_finish(t, "end"), CFP_OK);
    return cfp_resolve_target(query, &t->ctx, &t->model);
}

static void heads_without_rivals_have_the_logit_alone(void)
{
    static const struct {
        int classes;
        cfp_op head;
        bool compete;
    } cases[] = {{2, CFP_OP_SOFTMAX, true},
                 {2, CFP_OP_IDENTITY, true},
                 {2, CFP_OP_SIGMOID, false},
                 {1, CFP_OP_SOFTMAX, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int asked = CFP_TARGET_ODDS; asked <= CFP_TARGET_BY_HEAD; asked++) {
            struct toy t;
            cfp_query q = cfp_query_default();
            q.target = (cfp_target)asked;
            const bool refused =
                !cases[i].compete && (asked == CFP_TARGET_ODDS || asked == CFP_TARGET_MARGIN);
            const cfp_status status = resolve(&q, &t, cases[i].classes, cases[i].head);
            CHECK_EQ(status, refused ? CFP_USAGE : CFP_OK);
            if (refused)
                CHECK_HAS(t.ctx.message, "--target: ");
            else if (asked == CFP_TARGET_BY_HEAD)
                CHECK_EQ(q.target, cases[i].compete ? CFP_TARGET_ODDS : CFP_TARGET_LOGIT);
            else
                CHECK_EQ(q.target, asked);
            toy_end(&t);
        }
}

int main(void)
{
    gradients_are_finite_differences();
    logits_of_any_size_have_a_gradient();
    heads_without_rivals_have_the_logit_alone();
    return test_result();
}
