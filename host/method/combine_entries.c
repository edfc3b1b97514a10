/* combine_entries.c - see combine_entries.h. */
#include "combine_entries.h"

/* The network that holds the values of the clip, or of the point that the clip is. */
static const cfp_trace *shows_clip(const cfp_analyser *a)
{
    return a->entries.plain && !a->entries.turned ? a->plain : a->trace;
}

cfp_status cfp_blend_value(cfp_tensor *out, const cfp_analyser *analyser, int node)
{
    const cfp_analyser *a = analyser;
    const cfp_tensor *other = a->entries.other ? cfp_trace_value(a->other_trace, node) : NULL;
    const cfp_blend how = {.entries = 1, .count = 1, .scale = 1};
    *out = *cfp_trace_value(shows_clip(a), node);
    if (other == NULL)
        return CFP_OK;
    const cfp_tensor all = *out;
    out->data = a->trace->spare[0];
    return a->device.api->blend(a->device.backend, out, &all, other, &how);
}

cfp_status cfp_blend_gradient(cfp_tensor *out, const cfp_analyser *analyser, const cfp_tensor *g)
{
    const int points = analyser->entries.points;
    const cfp_blend how = {
        .entries = points, .count = analyser->part.count, .scale = 1.0 / analyser->query.steps};
    *out = *g;
    if (points == 1 && analyser->query.steps == 1)
        return CFP_OK;
    out->shape.n = g->shape.n / points;
    out->data = analyser->trace->spare[1];
    return analyser->device.api->blend(analyser->device.backend, out, g, NULL, &how);
}
