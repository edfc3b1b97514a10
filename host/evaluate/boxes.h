/* boxes.h - boxes as a mask: a CSV file of frame, x, y, width, height; private to host/evaluate/.
 */
#pragma once
#include "masks.h"

/* Draws the boxes of the clip's frames into *out, whose arrays are there.  x and y are the upper
 * left corner, all four in pixels of the source; frame is the number in the source, as cfp_clip has
 * it.  A frame may have several lines; a box without width or height says that nothing is there.
 * Frames without a line are not known.  A first line of words is a header. */
CFP_CHECKED cfp_status cfp_boxes_read(cfp_truth *out, cfp_ctx *ctx, const char *path,
                                      const cfp_clip *clip);
