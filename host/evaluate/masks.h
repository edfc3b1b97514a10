/* masks.h - reads a mask: which voxels of a clip show what the class is about. */
#pragma once
#include "../clip/clip.h"

typedef struct cfp_truth {
    uint8_t *inside; /* [T x H x W] 0 or 1, as the network sees the clip */
    uint8_t *known;  /* [T] 1: the frame is annotated; in other frames nothing is inside */
    int64_t n_inside;
    int n_known;
} cfp_truth;

/* Reads the mask of this clip from the path of --mask-file.  README.md says what the path may be,
 * and how a mask of the source's size is resized.  CFP_IO; CFP_FORMAT: broken, or nothing is
 * inside; CFP_SHAPE: neither the source's size nor the model's.  The message starts with the path.
 * The caller frees *out.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_truth_read(cfp_truth *out, cfp_ctx *ctx, const char *path,
                                      const cfp_clip *clip);
/* The last part of a path, without the suffix of a file: the first *length bytes of *name. */
void cfp_source_name(const char **name, int *length, const char *path);
void cfp_truth_free(cfp_truth *truth); /* accepts {0} */
