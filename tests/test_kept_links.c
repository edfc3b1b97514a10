/* test_kept_links.c - checks that the links which a page keeps select the same kernels as all links
 * would, at any theta.
 *
 *     clip -> a -> b -> c -> sum = c + b -> d -> fc
 *
 * Each layer has 8 kernels.  Links are random and take few values, so many are equal.  A shortcut
 * past c leads to b. */
#include "../host/report/kept_links.h"
#include "made_explanation.h"
#include "test.h"

enum { WIDE = 8, LAYERS = 5, KERNELS = 1 + 4 * WIDE };

struct network {
    struct toy toy;
    cfp_clip clip;
    cfp_explanation e;
};

static uint64_t next(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s >> 33;
}

/* The links of each selected kernel to half of the channels, 0.2 to 1 in steps of 0.05. */
static void fill_layer(cfp_layer *layer, const bool *demanded, bool *asked, uint64_t *seed)
{
    float highest[WIDE] = {0};
    layer->relevance = made_take(WIDE, sizeof *layer->relevance);
    layer->selected = made_take(WIDE, sizeof *layer->selected);
    layer->edge = made_take((size_t)WIDE * WIDE, sizeof *layer->edge);
    layer->child = made_take(WIDE, sizeof *layer->child);
    layer->child_relevance = made_take(WIDE, sizeof *layer->child_relevance);
    for (int o = 0; o < layer->n_kernels; o++) {
        if (!demanded[o])
            continue;
        layer->relevance[o] = 1;
        layer->selected[layer->n_selected++] = o;
        for (int i = 0; i < WIDE; i++) {
            const float r = (float)(4 + next(seed) % 17) / 20;
            if (next(seed) % 2 == 0)
                continue;
            layer->edge[layer->n_edges++] = (cfp_edge){o, i, r};
            highest[i] = r > highest[i] ? r : highest[i];
        }
    }
    for (int i = 0; i < WIDE; i++) {
        asked[i] = highest[i] > 0;
        if (!asked[i])
            continue;
        layer->child[layer->n_children] = i;
        layer->child_relevance[layer->n_children++] = highest[i];
    }
}

static void network_open(struct network *n, uint64_t seed)
{
    static const char *const names[LAYERS] = {"fc", "d", "c", "b", "a"};
    const float weight[WIDE * WIDE] = {0};
    *n = (struct network){0};
    toy_begin(&n->toy, (cfp_shape){1, WIDE, 1, 1, 1});
    toy_conv(&n->toy, "a", "input", WIDE, WIDE, 1, weight);
    toy_conv(&n->toy, "b", "a", WIDE, WIDE, 1, weight);
    toy_conv(&n->toy, "c", "b", WIDE, WIDE, 1, weight);
    toy_node(&n->toy, "sum", CFP_OP_ADD, "c", "b");
    toy_conv(&n->toy, "d", "sum", WIDE, WIDE, 1, weight);
    toy_conv(&n->toy, "fc", "d", 1, WIDE, 1, weight);
    CHECK_EQ(toy_finish(&n->toy, "fc"), CFP_OK);
    n->e =
        (cfp_explanation){.model = &n->toy.model, .clip = &n->clip, .query = cfp_query_default()};
    n->e.pyramid.layer = made_take(LAYERS, sizeof *n->e.pyramid.layer);
    n->e.pyramid.n_layers = LAYERS;
    bool demanded[LAYERS][WIDE] = {{true}}, asked[WIDE];
    for (int l = 0; l < LAYERS; l++) {
        cfp_layer *layer = &n->e.pyramid.layer[l];
        layer->node = cfp_model_find(&n->toy.model, names[l]);
        layer->depth = l;
        layer->n_kernels = l == 0 ? 1 : WIDE;
        fill_layer(layer, demanded[l], asked, &seed);
        for (int i = 0; i < WIDE && l + 1 < LAYERS; i++) {
            demanded[l + 1][i] |= asked[i];
            demanded[l == 1 ? 3 : l + 1][i] |= asked[i]; /* d asks b too, past c */
        }
    }
}

static void network_close(struct network *n)
{
    cfp_pyramid_free(&n->e.pyramid);
    toy_end(&n->toy);
}

/* Does what the page does (descent.js): R of every kernel, -1 if it is not selected. */
static void walk(double *relevance, const cfp_kept_links *kept, double theta, bool paths)
{
    for (int k = 0; k < kept->n_kernels; k++)
        relevance[k] = k == 0 ? 1 : -1;
    for (int k = 0; k < kept->n_kernels; k++)
        for (uint32_t e = kept->first[k]; e < kept->first[k + 1] && relevance[k] >= 0; e++) {
            const double asked = (paths ? relevance[k] : 1.0) * (double)kept->value[e];
            if (asked >= theta && asked > relevance[kept->target[e]])
                relevance[kept->target[e]] = asked;
        }
}

static void same_at_every_theta(const cfp_kept_links *all, const cfp_kept_links *some, bool paths)
{
    double expected[KERNELS], found[KERNELS];
    CHECK_EQ(some->n_kernels, all->n_kernels);
    for (int step = 0; step <= 40; step++) {
        walk(expected, all, step / 40.0, paths);
        walk(found, some, step / 40.0, paths);
        for (int k = 0; k < all->n_kernels; k++)
            if (found[k] < expected[k] || found[k] > expected[k]) {
                CHECK_NEAR(found[k], expected[k], 0);
                return;
            }
    }
}

static int count_above(const cfp_kept_links *kept, float value)
{
    int n = 0;
    for (int64_t e = 0; e < kept->n; e++)
        n += kept->value[e] > value;
    return n;
}

static void some_links_decide_as_all_do(uint64_t seed, cfp_propagate propagate)
{
    struct network n;
    cfp_kept_links all, some;
    network_open(&n, seed);
    n.e.query.propagate = propagate;
    const bool paths = propagate == CFP_PROPAGATE_PATH;
    CHECK_EQ(cfp_kept_links_open(&all, &n.toy.ctx, &n.e, 1 << 20), CFP_OK);
    CHECK_EQ(all.n, all.total);
    CHECK_EQ(all.deciding, 0);
    for (int most = 0; most < 160; most += 50) {
        CHECK_EQ(cfp_kept_links_open(&some, &n.toy.ctx, &n.e, most), CFP_OK);
        CHECK_EQ(some.total, all.n);
        if (all.n <= most) {
            CHECK_EQ(some.n, all.n);
        } else {
            CHECK(some.n <= some.deciding || some.n <= most);
            CHECK(some.deciding > 0 && some.deciding < all.n);
        }
        CHECK_EQ(count_above(&some, some.weakest), count_above(&all, some.weakest));
        same_at_every_theta(&all, &some, paths);
        cfp_kept_links_close(&some);
    }
    if (paths) { /* one link into each kernel decides */
        CHECK_EQ(cfp_kept_links_open(&some, &n.toy.ctx, &n.e, 0), CFP_OK);
        CHECK_EQ(some.deciding, all.n_kernels - 1);
        cfp_kept_links_close(&some);
    }
    cfp_kept_links_close(&all);
    network_close(&n);
}

static void memory_that_runs_out_leaves_nothing(void)
{
    struct network n;
    cfp_kept_links kept;
    network_open(&n, 5);
    for (int64_t at = 1; at < 1000; at++) {
        n.toy.ctx.fail_allocation = at;
        const cfp_status status = cfp_kept_links_open(&kept, &n.toy.ctx, &n.e, 10);
        n.toy.ctx.fail_allocation = 0;
        if (status == CFP_OK) {
            CHECK(at > 5);
            cfp_kept_links_close(&kept);
            break;
        }
        CHECK_EQ(status, CFP_NOMEM);
        CHECK(kept.target == NULL && kept.first == NULL);
    }
    network_close(&n);
}

int main(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        some_links_decide_as_all_do(seed, CFP_PROPAGATE_EDGE);
        some_links_decide_as_all_do(seed, CFP_PROPAGATE_PATH);
    }
    memory_that_runs_out_leaves_nothing();
    return test_result();
}
