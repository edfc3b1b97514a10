/* egocentric.h - reads what egocentric data sets publish about places in their frames as masks:
 * EPIC-KITCHENS-55's object boxes, EGTEA Gaze+'s gaze and hand masks.  Private to host/evaluate/.
 */
#pragma once
#include "masks.h"

/* EPIC_train_object_labels.csv: columns video_id, frame, bounding_boxes; boxes are (top, left,
 * height, width) in a picture of 1920 x 1080.  The rows of the video that the clip is named after
 * are used, whatever the noun is.  Frames are numbered from 1. */
CFP_CHECKED cfp_status cfp_epic_boxes_are(bool *are, cfp_ctx *ctx, const char *path);
CFP_CHECKED cfp_status cfp_epic_boxes_read(cfp_truth *out, cfp_ctx *ctx, const char *path,
                                           const cfp_clip *clip);

/* A gaze file of a session, as BeGaze writes it: 7 or 26 columns, pixels of 1280 x 960, frames of
 * the session's video from 0 at 24 a second.  Around each fixation a disc of 2 degrees (1/30 of the
 * width) is inside.  A frame without a fixation on the picture is not annotated.  True for a text
 * that begins as such files do: with ##, Time or a number. */
bool cfp_egtea_gaze_is(const char *path);
CFP_CHECKED cfp_status cfp_egtea_gaze_read(cfp_truth *out, cfp_ctx *ctx, const char *path,
                                           const cfp_clip *clip);

/* A folder of hand masks of many sessions: pictures whose names begin with the clip's name or its
 * session's, and end with the number of a frame.  They may have another size than the video. */
bool cfp_egtea_hands_are(const char *path, const cfp_clip *clip);
CFP_CHECKED cfp_status cfp_egtea_hands_read(cfp_truth *out, cfp_ctx *ctx, const char *path,
                                            const cfp_clip *clip);

/* The length of the session in the name of one of EGTEA's clips or sessions; 0: the name is none.
 * *first: the frame of the session's video that the clip begins with; 0 for a session.  NULL: not
 * wanted. */
int cfp_egtea_session(const char *name, int length, int64_t *first);
