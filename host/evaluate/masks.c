/* masks.c - see masks.h.  Finds the file that belongs to the clip, the frames of it that the model
 * sees, and the pixel of a mask of the source's size that each pixel of the clip shows. */
#include "masks.h"
#include "../clip/mask_file.h"
#include "boxes.h"
#include "egocentric.h"
#include <math.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

void cfp_truth_free(cfp_truth *truth)
{
    cfp_free(truth->inside);
    cfp_free(truth->known);
    *truth = (cfp_truth){0};
}

/* --- from the source's pixels to the model's --- */

/* The pixel of the source, along one side, that is nearest to pixel u of the crop. */
static int source_pixel(int u, double begin, double step, int side)
{
    const double at = floor(begin + (u + 0.5) * step); /* half-pixel centres */
    return at < 0 ? 0 : at > side - 1 ? side - 1 : (int)at;
}

static void take_source_frame(uint8_t *inside, const cfp_clip *clip, const cfp_mask_frame *frame)
{
    for (int h = 0; h < clip->height; h++) {
        const int y = source_pixel(h, clip->top, clip->step_y, frame->height);
        for (int w = 0; w < clip->width; w++) {
            const int x = source_pixel(w, clip->left, clip->step_x, frame->width);
            inside[(int64_t)h * clip->width + w] = frame->inside[(int64_t)y * frame->width + x];
        }
    }
}

/* Fills frame t of the clip's mask from a frame of the source's size or of the model's. */
static cfp_status take_frame(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip,
                             int t, const cfp_mask_frame *frame)
{
    const int64_t pixels = (int64_t)clip->height * clip->width;
    uint8_t *inside = out->inside + t * pixels;
    if (!frame->known)
        return CFP_OK;
    out->known[t] = 1;
    if (frame->width == clip->source_width && frame->height == clip->source_height)
        take_source_frame(inside, clip, frame);
    else if (frame->width == clip->width && frame->height == clip->height)
        memcpy(inside, frame->inside, (size_t)pixels);
    else
        return cfp_fail(ctx, CFP_SHAPE,
                        "%s: the mask is %d x %d, but %s is %d x %d and the model sees %d x %d",
                        path, frame->width, frame->height, clip->path, clip->source_width,
                        clip->source_height, clip->width, clip->height);
    return CFP_OK;
}

/* --- from the source's frames to the model's --- */

/* The frame of a mask that belongs to frame t of the clip; -1: there is none.  An array has either
 * all frames of the source, or those that the model sees. */
static int64_t frame_for(const cfp_mask_facts *facts, const cfp_clip *clip, int t)
{
    if (facts->still)
        return 0;
    if (facts->number != NULL) {
        for (int64_t k = 0; k < facts->frames; k++)
            if (facts->number[k] == clip->index[t])
                return k;
        return -1;
    }
    if (facts->frames == clip->source_frames)
        return (clip->place + (int64_t)t * clip->stride) % clip->source_frames;
    return t;
}

static cfp_status read_file(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip,
                            cfp_mask_file *file)
{
    const cfp_mask_facts facts = cfp_mask_file_facts(file);
    if (!facts.still && facts.number == NULL && facts.frames != clip->source_frames &&
        facts.frames != clip->frames)
        return cfp_fail(ctx, CFP_SHAPE,
                        "%s: the mask has %lld frames, but %s has %lld and the model sees %d", path,
                        (long long)facts.frames, clip->path, (long long)clip->source_frames,
                        clip->frames);
    for (int t = 0; t < clip->frames; t++) {
        const cfp_mask_frame *frame;
        const int64_t k = frame_for(&facts, clip, t);
        if (k < 0)
            continue; /* not annotated */
        CFP_TRY(cfp_mask_file_read(&frame, file, k));
        CFP_TRY(take_frame(out, ctx, path, clip, t, frame));
    }
    return CFP_OK;
}

static cfp_status read_any(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip)
{
    const size_t length = strlen(path);
    cfp_mask_file *file;
    bool is_epic;
    if (length >= 4 && strcasecmp(path + length - 4, ".txt") == 0 && cfp_egtea_gaze_is(path))
        return cfp_egtea_gaze_read(out, ctx, path, clip);
    if (length >= 4 && strcasecmp(path + length - 4, ".csv") == 0) {
        CFP_TRY(cfp_epic_boxes_are(&is_epic, ctx, path));
        return is_epic ? cfp_epic_boxes_read(out, ctx, path, clip)
                       : cfp_boxes_read(out, ctx, path, clip);
    }
    if (cfp_egtea_hands_are(path, clip))
        return cfp_egtea_hands_read(out, ctx, path, clip);
    CFP_TRY(cfp_mask_file_open(&file, ctx, path));
    const cfp_status status = read_file(out, ctx, path, clip, file);
    cfp_mask_file_close(&file);
    return status;
}

/* --- which file --- */

void cfp_source_name(const char **name, int *length, const char *path)
{
    size_t end = strlen(path);
    struct stat facts;
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    const bool folder = stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
    size_t dot = end;
    while (!folder && dot > begin && path[dot] != '.')
        dot--;
    *name = path + begin;
    *length = (int)((dot > begin ? dot : end) - begin);
}

/* *out: if the path is a folder, the mask in it that is named as the clip is; else the path itself.
 * The caller frees it. */
static cfp_status find_mask(char **out, cfp_ctx *ctx, const char *path, const cfp_clip *clip)
{
    static const char *const suffix[] = {".npy", ".mask.h5", ".h5", ".csv", ".png", ""};
    const char *name;
    int length;
    struct stat facts;
    cfp_source_name(&name, &length, clip->path);
    for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++) {
        if ((*out = cfp_format(ctx, "%s/%.*s%s", path, length, name, suffix[i])) == NULL)
            return CFP_NOMEM;
        if (stat(*out, &facts) == 0)
            return CFP_OK;
        cfp_free(*out);
    }
    if ((length = cfp_egtea_session(name, length, NULL)) > 0) { /* gaze is in a file a session */
        if ((*out = cfp_format(ctx, "%s/%.*s.txt", path, length, name)) == NULL)
            return CFP_NOMEM;
        if (stat(*out, &facts) == 0)
            return CFP_OK;
        cfp_free(*out);
    }
    *out = cfp_strdup(ctx, path);
    return *out != NULL ? CFP_OK : CFP_NOMEM;
}

static void count(cfp_truth *truth, const cfp_clip *clip)
{
    const int64_t pixels = (int64_t)clip->height * clip->width;
    for (int t = 0; t < clip->frames; t++)
        truth->n_known += truth->known[t];
    for (int64_t v = 0; v < clip->frames * pixels; v++)
        truth->n_inside += truth->inside[v];
}

static cfp_status read_truth(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip)
{
    CFP_TRY_ALLOC(ctx, out->inside, (int64_t)clip->frames * clip->height * clip->width);
    CFP_TRY_ALLOC(ctx, out->known, clip->frames);
    CFP_TRY(read_any(out, ctx, path, clip));
    count(out, clip);
    if (out->n_inside > 0)
        return CFP_OK;
    return cfp_fail(ctx, CFP_FORMAT, "%s: %s in the %d frames that the model sees of %s", path,
                    out->n_known > 0 ? "the mask is empty" : "the mask knows none", clip->frames,
                    clip->path);
}

cfp_status cfp_truth_read(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip)
{
    char *found;
    *out = (cfp_truth){0};
    CFP_TRY(find_mask(&found, ctx, path, clip));
    const cfp_status status = read_truth(out, ctx, found, clip);
    cfp_free(found);
    if (status != CFP_OK)
        cfp_truth_free(out);
    return status;
}
