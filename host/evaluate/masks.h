/* masks.h - the truth about where to look: for each voxel of a clip, inside the mask or not. */
#pragma once
#include "../clip/clip.h"

typedef struct cfp_truth {
    uint8_t *inside; /* [T x H x W] 0 or 1, as the network sees the clip */
    uint8_t *known;  /* [T] frames that are annotated at all; nothing is inside in the others */
    int64_t n_inside;
    int n_known;
} cfp_truth;

/* Reads what --mask-file names for this clip.  README.md says what it may be, and how masks of the
 * source's size are brought to the model's.  Failures: CFP_IO, CFP_FORMAT (broken, or nothing is
 * inside), CFP_SHAPE (neither the source's size nor the model's); the message starts with the path.
 * On failure *out is empty. */
CFP_CHECKED cfp_status cfp_truth_read(cfp_truth *out, cfp_ctx *ctx, const char *path,
                                      const cfp_clip *clip);
void cfp_truth_free(cfp_truth *truth); /* accepts {0} */
