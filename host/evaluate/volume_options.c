/* volume_options.c - the options of single methods, such as rise:masks=1000. */
#include "volumes.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COUNT = 1000000 }; /* of anything that is counted */

typedef struct option {
    cfp_volume_method method;
    const char *name;
    int count; /* 1: a whole number from 1 on; 3: T x H x W of them; 0: a share */
    size_t at; /* in the settings */
} option;

#define AT(field) offsetof(cfp_volume_settings, field)
static const option options[] = {
    {CFP_VOLUME_INTEGRATED_GRADIENTS, "steps", 1, AT(ig_steps)},
    {CFP_VOLUME_SMOOTHGRAD, "draws", 1, AT(smoothgrad_draws)},
    {CFP_VOLUME_SMOOTHGRAD, "noise", 0, AT(smoothgrad_noise)},
    {CFP_VOLUME_OCCLUSION, "window", 3, AT(window)},
    {CFP_VOLUME_OCCLUSION, "stride", 3, AT(stride)},
    {CFP_VOLUME_RISE, "masks", 1, AT(rise_masks)},
    {CFP_VOLUME_RISE, "grid", 3, AT(rise_grid)},
    {CFP_VOLUME_RISE, "keep", 0, AT(rise_keep)},
};
#undef AT

/* `count` whole numbers from 1 on with an x between them, and nothing else. */
static bool read_whole(int *out, int count, const char *text)
{
    for (int i = 0; i < count; i++) {
        char *end;
        errno = 0;
        const long n = strtol(text, &end, 10);
        if (end == text || errno != 0 || n < 1 || n > MAX_COUNT ||
            *end != (i < count - 1 ? 'x' : '\0'))
            return false;
        out[i] = (int)n;
        text = end + 1;
    }
    return true;
}

/* Above 0, at most 1. */
static bool read_share(double *out, const char *text)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out > 0 && *out <= 1;
}

static cfp_status set(cfp_volume_settings *settings, cfp_ctx *ctx, const option *o,
                      const char *value)
{
    char *const to = (char *)settings + o->at;
    int whole[3];
    double share;
    static const char *const right[] = {"above 0 and at most 1", "a whole number from 1 on", "",
                                        "three whole numbers like 4x28x28"};
    if (value == NULL)
        return cfp_fail(ctx, CFP_USAGE, "--methods: %s: %s needs a value",
                        cfp_volume_names[o->method], o->name);
    const bool fits = o->count > 0 ? read_whole(whole, o->count, value) : read_share(&share, value);
    if (!fits)
        return cfp_fail(ctx, CFP_USAGE, "--methods: %s: %s '%.60s' is not %s",
                        cfp_volume_names[o->method], o->name, value, right[o->count]);
    if (o->count > 0)
        memcpy(to, whole, (size_t)o->count * sizeof *whole);
    else
        memcpy(to, &share, sizeof share);
    return CFP_OK;
}

cfp_status cfp_volume_option(cfp_volume_settings *settings, cfp_ctx *ctx, cfp_volume_method method,
                             const char *name, const char *value)
{
    const size_t n = sizeof options / sizeof *options;
    char known[64] = "";
    for (size_t i = 0; i < n; i++) {
        if (options[i].method != method)
            continue;
        if (strcmp(options[i].name, name) == 0)
            return set(settings, ctx, &options[i], value);
        strncat(known, known[0] == '\0' ? ": it has " : ", ", sizeof known - strlen(known) - 1);
        strncat(known, options[i].name, sizeof known - strlen(known) - 1);
    }
    return cfp_fail(ctx, CFP_USAGE, "--methods: %s has no option '%.60s'%s",
                    cfp_volume_names[method], name, known);
}
