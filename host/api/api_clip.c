/* api_clip.c - cfp.h: clips, from files and from memory. */
#include "api.h"

void cfp_default_clip_settings(cfp_clip_settings *out)
{
    *out = (cfp_clip_settings){.start = -1};
}

static cfp_status sampling_of(cfp_sampling *out, cfp_ctx *ctx, const cfp_clip_settings *settings)
{
    *out = (cfp_sampling){.start = -1};
    if (settings == NULL)
        return CFP_OK;
    if (settings->start < -1)
        return cfp_fail(ctx, CFP_USAGE, "start: %lld is less than -1", (long long)settings->start);
    if (settings->stride < 0)
        return cfp_fail(ctx, CFP_USAGE, "stride: %d is less than 0", settings->stride);
    if (settings->track < 0)
        return cfp_fail(ctx, CFP_USAGE, "track: %d is less than 0", settings->track);
    *out = (cfp_sampling){
        .start = settings->start, .stride = settings->stride, .track = settings->track};
    return CFP_OK;
}

/* frames NULL: they are read from the file at `path`. */
static cfp_status open_clip(cfp_clip **out, cfp_context *context, const cfp_model *model,
                            const char *path, const cfp_frames *frames,
                            const cfp_clip_settings *settings)
{
    cfp_ctx *ctx = &context->ctx;
    const int64_t taken = ctx->memory_taken;
    cfp_sampling sampling;
    api_clip *clip;
    *out = NULL;
    CFP_TRY(sampling_of(&sampling, ctx, settings));
    CFP_TRY_ALLOC(ctx, clip, 1);
    clip->sampling = sampling;
    const cfp_status status =
        frames == NULL
            ? cfp_clip_open(&clip->clip, ctx, path, &model->input, &sampling)
            : cfp_clip_from_frames(&clip->clip, ctx, path, frames, &model->input, &sampling);
    ctx->memory_taken = taken; /* memory for reading an HDF5 file is free again */
    if (status != CFP_OK)
        cfp_free(clip);
    else
        *out = &clip->clip;
    return status;
}

cfp_status cfp_read_clip(cfp_clip **out, cfp_context *context, const cfp_model *model,
                         const char *path, const cfp_clip_settings *settings)
{
    return open_clip(out, context, model, path, NULL, settings);
}

cfp_status cfp_make_clip(cfp_clip **out, cfp_context *context, const cfp_model *model,
                         const char *name, const uint8_t *pixels, int64_t frames, int height,
                         int width, double fps, const cfp_clip_settings *settings)
{
    const cfp_frames given = {
        .pixels = pixels, .count = frames, .height = height, .width = width, .fps = fps};
    return open_clip(out, context, model, name, &given, settings);
}

void cfp_close_clip(cfp_clip **clip)
{
    if (*clip != NULL)
        cfp_clip_free(*clip);
    cfp_free(*clip);
    *clip = NULL;
}

void cfp_describe_clip(cfp_clip_facts *out, const cfp_clip *clip)
{
    *out = (cfp_clip_facts){.path = clip->path,
                            .sha256 = clip->sha256,
                            .frames = clip->frames,
                            .height = clip->height,
                            .width = clip->width,
                            .rgb = clip->rgb,
                            .index = clip->index,
                            .stride = clip->stride,
                            .looped = clip->looped,
                            .fps = clip->fps,
                            .source_frames = clip->source_frames,
                            .source_height = clip->source_height,
                            .source_width = clip->source_width,
                            .crop_left = clip->left,
                            .crop_top = clip->top,
                            .crop_dx = clip->step_x,
                            .crop_dy = clip->step_y};
}

cfp_status cfp_api_check_clip(cfp_ctx *ctx, const cfp_model *model, const cfp_clip *clip)
{
    const cfp_input_spec *in = &model->input;
    if (clip->numbers != in->numbers || (in->numbers && clip->channels != in->channels))
        return cfp_fail(ctx, CFP_SHAPE,
                        "%s: %d channels of %s, read for another model; %s reads %d of %s",
                        clip->path, clip->channels, clip->numbers ? "numbers" : "bytes",
                        model->path, in->channels, in->numbers ? "numbers" : "bytes");
    if (clip->frames != in->frames || clip->height != in->height || clip->width != in->width)
        return cfp_fail(ctx, CFP_SHAPE,
                        "%s: %d frames of %d x %d, read for another model; %s reads %d of %d x %d",
                        clip->path, clip->frames, clip->width, clip->height, model->path,
                        in->frames, in->width, in->height);
    return CFP_OK;
}
