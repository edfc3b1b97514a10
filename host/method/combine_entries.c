/* combine_entries.c - see combine_entries.h. */
#include "combine_entries.h"

static cfp_status blend(cfp_tensor *out, const cfp_analyser *a, const cfp_tensor *x, void *memory,
                        const cfp_blend *how)
{
    const cfp_tensor all = *x; /* out may be x */
    *out = all;
    if (a->entries.n == 1)
        return CFP_OK;
    out->shape.n = all.shape.n / a->entries.n;
    out->data = memory;
    return a->device.api->blend(a->device.backend, out, &all, how);
}

cfp_status cfp_blend_value(cfp_tensor *out, const cfp_analyser *analyser, const cfp_tensor *x)
{
    const cfp_entries *e = &analyser->entries;
    const cfp_blend how = {.entries = e->n,
                           .first = e->turned ? e->first : 0, /* the entry that has the gradient */
                           .count = 1,
                           .minus = e->other,
                           .scale = 1};
    return blend(out, analyser, x, analyser->trace->spare[0], &how);
}

cfp_status cfp_blend_gradient(cfp_tensor *out, const cfp_analyser *analyser, const cfp_tensor *g)
{
    const cfp_entries *e = &analyser->entries;
    const cfp_blend how = {.entries = e->n,
                           .first = e->first,
                           .count = analyser->part.count,
                           .minus = -1,
                           .scale = 1.0 / analyser->query.steps};
    return blend(out, analyser, g, analyser->trace->spare[1], &how);
}
