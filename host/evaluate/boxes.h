/* boxes.h - reads a mask that is a CSV file of boxes: frame, x, y, width, height.  Private to
 * host/evaluate/. */
#pragma once
#include "masks.h"

/* Draws the boxes of the clip's frames into *out, whose arrays the caller has allocated.  x and y
 * are the upper left corner; all four numbers are in pixels of the source.  frame is the number in
 * the source, as in cfp_clip.  A frame may have several lines.  A box without width or height says
 * that the frame is annotated and holds nothing.  A frame without a line is not annotated.  A first
 * line of words is a header. */
CFP_CHECKED cfp_status
cfp_boxes_read(cfp_truth *out, cfp_ctx *ctx, const char *path,
               const cfp_clip *clip); /* Draws one box into a frame of the clip's size.  The box is
                                         in pixels of the source. */
void cfp_boxes_draw(uint8_t *inside, const cfp_clip *clip, double left, double top, double width,
                    double height);
