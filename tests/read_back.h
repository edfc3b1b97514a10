/* read_back.h - reads written pictures and videos with the clip readers of the project, which share
 * no code with the writers. */
#pragma once
#include "../host/clip/clip.h"
#include "scratch.h"
#include "test.h"
#include <limits.h>

/* Reads a video, or a picture, for which it makes a folder that holds this picture alone. */
static inline cfp_clip read_back(const char *folder, const char *name, int frames, int height,
                                 int width)
{
    char path[2 * SCRATCH_PATH], alone[SCRATCH_PATH], link[2 * SCRATCH_PATH], whole[PATH_MAX];
    const cfp_input_spec spec = {
        .channels = 3, .frames = frames, .height = height, .width = width, .frame_stride = 1};
    const cfp_sampling sampling = {.start = -1};
    cfp_ctx ctx = {0};
    cfp_clip clip = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const bool video = strstr(name, ".mp4") != NULL || strstr(name, ".gif") != NULL;
    scratch_open(alone);
    if (!video && realpath(path, whole) != NULL) {
        snprintf(link, sizeof link, "%s/000000.png", alone);
        CHECK_EQ(symlink(whole, link), 0);
    }
    CHECK_EQ(cfp_clip_open(&clip, &ctx, video ? path : alone, &spec, &sampling), CFP_OK);
    CHECK_STR(ctx.message, "");
    scratch_remove(alone);
    CHECK_EQ(clip.source_width, width);
    CHECK_EQ(clip.source_height, height);
    return clip;
}
