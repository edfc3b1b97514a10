/* source_memory.c - frames that the caller holds in memory, as a source like any other.
 *
 * No path leads here: cfp_clip_from_frames sets the source up.  The sum of such a clip is that of
 * the sampled frames' bytes, in the order of the clip. */
#include "clip.h"
#include "clip_source.h"
#include "elements.h"
#include <string.h>

typedef struct memory_state {
    const cfp_frames *frames; /* the caller's */
    cfp_image image;          /* one frame at a time */
    float *value;             /* of a model of numbers */
} memory_state;

static bool memory_matches(const cfp_path_facts *facts)
{
    (void)facts;
    return false;
}

static size_t frame_bytes(const cfp_source *source)
{
    const cfp_frames *frames = source->given;
    return (size_t)frames->height * (size_t)frames->width * (size_t)source->channels;
}

static cfp_status memory_open(cfp_source *source, cfp_ctx *ctx)
{
    const cfp_frames *frames = source->given;
    memory_state *state;
    CFP_TRY(cfp_source_check_size(ctx, source->path, frames->count, frames->height, frames->width));
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    state->frames = frames;
    state->image = (cfp_image){.width = frames->width, .height = frames->height};
    source->frames = frames->count;
    source->fps = frames->fps;
    source->exact = true;
    return CFP_OK;
}

static cfp_status memory_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                              const cfp_sink *sink)
{
    memory_state *state = source->state;
    const size_t bytes = frame_bytes(source);
    const size_t pixels = (size_t)state->image.width * (size_t)state->image.height;
    if (source->numbers && state->value == NULL)
        CFP_TRY_ALLOC(ctx, state->value, bytes);
    if (!source->numbers && state->image.rgb == NULL)
        CFP_TRY_ALLOC(ctx, state->image.rgb, pixels * 3);
    for (int i = 0; i < n_wanted; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        const uint8_t *const from = state->frames->pixels + bytes * (size_t)wanted[i];
        if (source->numbers) {
            cfp_element_floats(state->value, from, 1, bytes, (cfp_element_type){'u', 1, false});
            state->image.values = state->value;
        } else {
            memcpy(cfp_source_bytes(&state->image, source->channels), from, bytes);
            cfp_source_spread(&state->image, source->channels);
        }
        CFP_TRY(sink->take(sink->cookie, ctx, wanted[i], &state->image));
    }
    return CFP_OK;
}

static cfp_status memory_digest(cfp_source *source, cfp_ctx *ctx, cfp_sha256 *sum, int32_t frame)
{
    const memory_state *state = source->state;
    const size_t bytes = frame_bytes(source);
    (void)ctx;
    cfp_sha256_update(sum, state->frames->pixels + bytes * (size_t)frame, bytes);
    return CFP_OK;
}

static void memory_close(cfp_source *source)
{
    memory_state *state = source->state;
    if (state == NULL)
        return;
    cfp_free(state->image.rgb);
    cfp_free(state->value);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_memory = {
    .name = "memory",
    .flow = true,
    .matches = memory_matches,
    .open = memory_open,
    .read = memory_read,
    .digest = memory_digest,
    .close = memory_close,
};
