/* frames.c - see frames.h. */
#include "frames.h"
#include "../clip/clip.h"
#include <string.h>

static void empty(cfp_frames_of *item)
{
    cfp_free(item->path);
    cfp_free(item->number);
    cfp_free(item->why);
    *item = (cfp_frames_of){0};
}

/* Lists the frames.  Warnings about them come when the clip is decoded, not here. */
static cfp_status list_frames(cfp_frames_of *item, cfp_ctx *ctx)
{
    cfp_ctx silent = *ctx;
    silent.log = NULL;
    silent.progress = NULL;
    const cfp_status status = cfp_clip_numbers(&item->number, &item->frames, &silent, item->path);
    item->broken = status == CFP_FORMAT || status == CFP_IO;
    ctx->fail_allocation = silent.fail_allocation;
    if (item->broken && (item->why = cfp_strdup(ctx, silent.message)) == NULL)
        return CFP_NOMEM;
    if (status == CFP_OK || item->broken)
        return CFP_OK;
    memcpy(ctx->message, silent.message, sizeof ctx->message);
    return status;
}

cfp_status cfp_frames_look(const cfp_frames_of **out, cfp_frames_kept *kept, cfp_ctx *ctx,
                           const cfp_found *found)
{
    for (int i = 0; i < CFP_FRAMES_KEPT; i++)
        if (kept->item[i].path != NULL && strcmp(kept->item[i].path, found->path) == 0) {
            *out = &kept->item[i];
            return CFP_OK;
        }
    cfp_frames_of *item = &kept->item[kept->next];
    kept->next = (kept->next + 1) % CFP_FRAMES_KEPT;
    empty(item);
    if ((item->path = cfp_strdup(ctx, found->path)) == NULL)
        return CFP_NOMEM;
    *out = item;
    const cfp_status status = list_frames(item, ctx);
    if (status != CFP_OK)
        empty(item);
    return status;
}

bool cfp_frames_have(const cfp_frames_of *frames, double start, double stop)
{
    if (frames->number == NULL)
        return frames->frames == 0 || start < (double)frames->frames;
    int64_t low = 0, high = frames->frames;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if ((double)frames->number[middle] < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low < frames->frames && (stop < 0 || (double)frames->number[low] < stop);
}

void cfp_frames_forget(cfp_frames_kept *kept)
{
    for (int i = 0; i < CFP_FRAMES_KEPT; i++)
        empty(&kept->item[i]);
}
