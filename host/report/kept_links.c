/* kept_links.c - see kept_links.h.  All links are visited twice: first to choose, then to keep.
 *
 * A kernel is lost when theta exceeds its reach.  The reach is the largest value, over all paths
 * from the class to the kernel, of the smallest link on the path.  (--propagate path: the largest
 * product of the links, which is its R at every theta.)  Links go from smaller to greater depth, so
 * the reaches of a layer's kernels are complete when its own links are visited. */
#include "kept_links.h"
#include <string.h>

enum { BUCKETS = 1 << 14 }; /* for values in [0, 1] */

typedef struct candidate { /* a link that may decide; its target has a list of them */
    int32_t source, next;  /* next: number of the next candidate, or 0 */
    double reach;          /* reach of the source */
    double demand;         /* the R that the link gives to its target */
} candidate;

typedef struct survey {
    cfp_ctx *ctx;
    cfp_links links;
    bool paths;       /* true for --propagate path */
    int32_t *number;  /* [kernels of all layers] number of a selected kernel */
    double *reach;    /* [selected] reach of a kernel */
    int32_t *head;    /* [selected] first candidate that leads to a kernel, or 0 */
    candidate *front; /* [1 ... used) the candidates */
    int32_t used, capacity;
    int32_t unused;           /* first of a list of dropped candidates, or 0 */
    int64_t counts[BUCKETS];  /* number of links in each range of values */
    int64_t pairs;            /* number of links, with the pairs of rule grad that are no links */
    int64_t deciding, lowest; /* number of candidates; lowest bucket that is kept completely */
    cfp_kept_links *kept;
} survey;

static int bucket_of(float value)
{
    const int bucket = (int)((double)value * (BUCKETS - 1));
    return cfp_max_int(0, cfp_min_int(bucket, BUCKETS - 1));
}

static cfp_status take_candidate(survey *s, int32_t *number)
{
    if (s->unused != 0) {
        *number = s->unused;
        s->unused = s->front[*number].next;
        return CFP_OK;
    }
    if (s->used == s->capacity) {
        CFP_TRY_ROOM(s->ctx, s->front, s->used, s->capacity);
        s->used = cfp_max_int(s->used, 1); /* 0 means none */
    }
    *number = s->used++;
    return CFP_OK;
}

/* Adds a link, unless a candidate is at least as good in both reach and demand.  Drops the
 * candidates that are not better in either. */
static cfp_status add_candidate(survey *s, int32_t target, int32_t source, double reach,
                                double demand)
{
    for (int32_t c = s->head[target]; c != 0; c = s->front[c].next)
        if (s->front[c].reach >= reach && s->front[c].demand >= demand)
            return CFP_OK;
    for (int32_t *at = &s->head[target]; *at != 0;) {
        const int32_t c = *at;
        if (s->front[c].reach > reach || s->front[c].demand > demand) {
            at = &s->front[c].next;
            continue;
        }
        *at = s->front[c].next;
        s->front[c].next = s->unused;
        s->unused = c;
        s->deciding--;
    }
    int32_t mine;
    CFP_TRY(take_candidate(s, &mine));
    s->front[mine] = (candidate){source, s->head[target], reach, demand};
    s->head[target] = mine;
    s->deciding++;
    return CFP_OK;
}

static cfp_status survey_link(survey *s, int32_t source, int32_t target, const cfp_link *link)
{
    const float value = link->asked;
    s->kept->total += link->value >= 0;
    s->pairs++;
    s->counts[bucket_of(value)]++;
    const double up = s->reach[source];
    const double reach = s->paths ? up * (double)value : up < (double)value ? up : (double)value;
    if (reach > s->reach[target])
        s->reach[target] = reach;
    return add_candidate(s, target, source, s->paths ? 1.0 : up, s->paths ? reach : (double)value);
}

static bool decides(const survey *s, int32_t source, int32_t target)
{
    for (int32_t c = s->head[target]; c != 0; c = s->front[c].next)
        if (s->front[c].source == source)
            return true;
    return false;
}

static cfp_status keep_link(survey *s, int32_t source, int32_t target, const cfp_link *link)
{
    cfp_kept_links *kept = s->kept;
    if (bucket_of(link->asked) >= s->lowest || decides(s, source, target)) {
        kept->target[kept->n] = (uint32_t)target;
        kept->asked[kept->n] = link->asked;
        kept->value[kept->n++] = link->value;
    }
    return CFP_OK;
}

/* Visits every link of the pyramid, from the class down, in the order of the source. */
static cfp_status walk(survey *s, cfp_status (*visit)(survey *, int32_t, int32_t, const cfp_link *))
{
    cfp_links *links = &s->links;
    for (int l = 0; l < links->pyramid->n_layers; l++) {
        const cfp_layer *layer = &links->pyramid->layer[l];
        CFP_TRY(cfp_links_layer(links, l));
        for (int k = 0; k < layer->n_selected; k++) {
            const int32_t source = s->number[links->base[layer->node] + layer->selected[k]];
            CFP_TRY(cfp_check_interrupt(s->ctx));
            CFP_TRY(cfp_links_kernel(links, layer->selected[k]));
            for (int i = 0; i < links->n; i++) {
                const cfp_link *link = &links->link[i];
                if (link->layer >= 0)
                    CFP_TRY(
                        visit(s, source, s->number[links->base[link->node] + link->kernel], link));
            }
            s->kept->first[source + 1] = (uint32_t)s->kept->n; /* 0 during the first walk */
        }
    }
    return CFP_OK;
}

static cfp_status number_kernels(survey *s)
{
    const cfp_links *links = &s->links;
    CFP_TRY_ALLOC(s->ctx, s->number, links->n_kernels);
    for (int l = 0; l < links->pyramid->n_layers; l++) {
        const cfp_layer *layer = &links->pyramid->layer[l];
        for (int k = 0; k < layer->n_selected; k++)
            s->number[links->base[layer->node] + layer->selected[k]] = s->kept->n_kernels++;
    }
    CFP_TRY_ALLOC(s->ctx, s->reach, s->kept->n_kernels);
    CFP_TRY_ALLOC(s->ctx, s->head, s->kept->n_kernels);
    CFP_TRY_ALLOC(s->ctx, s->kept->first, s->kept->n_kernels + 1);
    const int top = links->pyramid->n_layers > 0 ? links->pyramid->layer[0].n_selected : 0;
    for (int k = 0; k < top; k++)
        s->reach[k] = 1.0; /* the class */
    return CFP_OK;
}

/* Chooses the value above which all links are kept, so that together with the deciding ones there
 * are at most `max_links`.  Returns the number of links to keep. */
static int64_t choose_lowest(survey *s, int64_t max_links)
{
    int64_t n = 0;
    if (s->pairs <= max_links) {
        s->lowest = 0;
        return s->pairs;
    }
    s->kept->deciding = s->deciding;
    for (s->lowest = BUCKETS; s->lowest > 0; s->lowest--) {
        if (n + s->counts[s->lowest - 1] + s->deciding > max_links)
            break;
        n += s->counts[s->lowest - 1];
    }
    s->kept->weakest = (float)((double)s->lowest / (BUCKETS - 1));
    return n + s->deciding;
}

static cfp_status keep(survey *s, const cfp_explanation *explanation, int64_t max_links)
{
    s->paths = explanation->query.propagate == CFP_PROPAGATE_PATH;
    CFP_TRY(cfp_links_open(&s->links, s->ctx, explanation));
    s->links.pairs = true;
    CFP_TRY(number_kernels(s));
    CFP_TRY(walk(s, survey_link));
    const int64_t n = choose_lowest(s, max_links);
    CFP_TRY_ALLOC(s->ctx, s->kept->target, n);
    CFP_TRY_ALLOC(s->ctx, s->kept->value, n);
    CFP_TRY_ALLOC(s->ctx, s->kept->asked, n);
    return walk(s, keep_link);
}

cfp_status cfp_kept_links_open(cfp_kept_links *out, cfp_ctx *ctx,
                               const cfp_explanation *explanation, int64_t max_links)
{
    *out = (cfp_kept_links){0};
    survey *s = cfp_alloc(ctx, 1, sizeof *s);
    if (s == NULL)
        return CFP_NOMEM;
    s->ctx = ctx;
    s->kept = out;
    const cfp_status status = keep(s, explanation, max_links);
    cfp_links_close(&s->links);
    cfp_free(s->number);
    cfp_free(s->reach);
    cfp_free(s->head);
    cfp_free(s->front);
    cfp_free(s);
    if (status != CFP_OK)
        cfp_kept_links_close(out);
    return status;
}

void cfp_kept_links_close(cfp_kept_links *kept)
{
    cfp_free(kept->first);
    cfp_free(kept->target);
    cfp_free(kept->value);
    cfp_free(kept->asked);
    *kept = (cfp_kept_links){0};
}
