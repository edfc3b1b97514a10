/* clip_list.h - the clips that a user means by a path: itself, or all clips of a folder of clips.
 *
 * A folder is a clip if it holds frames: a frames.db, or images with a number in their names.  Else
 * it is a folder of clips: the videos in it, and the clips of its folders, in the order of their
 * names.  Where it has no videos, its .npy, .h5, .hdf5 and .tar files are clips, too.  A folder
 * with at least as many videos as numbered images is a folder of clips: the images are thumbnails.
 */
#pragma once
#include "../base/base.h"

typedef struct cfp_clip_list {
    int n, capacity;
    char **path;
    bool expanded; /* a folder of clips was among the paths */
} cfp_clip_list;

/* Adds the clips of a path.  A path that is no folder of clips is added as it is, even if it does
 * not exist.  Links to folders inside a folder are not followed. */
CFP_CHECKED cfp_status cfp_clip_list_add(cfp_clip_list *list, cfp_ctx *ctx, const char *path);
void cfp_clip_list_free(cfp_clip_list *list);

/* True if the name is that of a video file; of any file that may be a clip but an HDF5 file. */
bool cfp_is_video_name(const char *name);
bool cfp_is_clip_name(const char *name);
/* True if the text is a URL, such as https://... */
bool cfp_is_url(const char *text);
