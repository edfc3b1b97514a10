/* input.c - the memory of a clip, and what the network reads of it.
 *
 * Clips of 2 or 3 channels are bytes, unless the model file says otherwise.  All other clips are
 * numbers, such as volumes of a scanner: the floats lie behind the pictures that show them. */
#include "model.h"
#include <stdlib.h>

const char *const cfp_standardise_names[] = {"none", "clip", "nonzero", "range", NULL};

static size_t pictures(const cfp_input_spec *spec)
{
    const size_t line = 64; /* the floats begin at a whole multiple of it */
    return (cfp_input_picture_bytes(spec) + line - 1) / line * line;
}

static int64_t positions(const cfp_input_spec *spec)
{
    return (int64_t)spec->frames * spec->height * spec->width;
}

size_t cfp_input_bytes(const cfp_input_spec *spec)
{
    if (!spec->numbers)
        return cfp_input_picture_bytes(spec);
    return pictures(spec) + (size_t)positions(spec) * (size_t)spec->channels * sizeof(float);
}

float *cfp_input_floats(uint8_t *memory, const cfp_input_spec *spec)
{
    return (float *)(void *)(memory + pictures(spec));
}

static void normalise_numbers(float *out, const uint8_t *memory, const cfp_input_spec *spec)
{
    const int64_t n = positions(spec);
    const float *const from = (const float *)(const void *)(memory + pictures(spec));
    for (int c = 0; c < spec->channels; c++)
        for (int64_t p = c * n; p < (c + 1) * n; p++)
            out[p] = (from[p] / spec->scale - spec->mean[c]) / spec->std[c];
}

void cfp_input_normalise(float *out, const uint8_t *memory, const cfp_input_spec *spec)
{
    const int64_t n = positions(spec);
    if (spec->numbers) {
        normalise_numbers(out, memory, spec);
        return;
    }
    for (int c = 0; c < spec->channels; c++) {
        float value[256];
        cfp_input_values(value, spec, c);
        const uint8_t *from = memory + cfp_input_color(spec, c);
        for (int64_t p = 0; p < n; p++)
            out[c * n + p] = value[from[3 * p]];
    }
}

cfp_status cfp_input_show(cfp_input_spec *spec, cfp_ctx *ctx, const char *option, const char *list)
{
    int show[3], n = 0;
    if (!spec->numbers)
        return cfp_fail(ctx, CFP_USAGE, "%s: %s: the model reads %s, which are shown as they are",
                        option, list, spec->channels == 2 ? "optical flow" : "colours");
    for (const char *at = list; n < 3; at++) {
        char *end;
        const long channel = *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : -1;
        if (channel < 0)
            break;
        if (channel >= spec->channels)
            return cfp_fail(ctx, CFP_USAGE, "%s: %s: the model reads %d channels, from 0 to %d",
                            option, list, spec->channels, spec->channels - 1);
        show[n++] = (int)channel;
        at = end;
        if (*at == '\0' && n != 2) {
            for (int i = 0; i < n; i++)
                spec->show[i] = show[i];
            spec->n_show = n;
            return CFP_OK;
        }
        if (*at != ',')
            break;
    }
    return cfp_fail(ctx, CFP_USAGE,
                    "%s: '%s' is neither a channel, shown in grey, nor three for red, green, blue",
                    option, list);
}
