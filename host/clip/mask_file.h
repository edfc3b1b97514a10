/* mask_file.h - masks as they lie in files, frame by frame: what is not 0 is inside.
 *
 * An .npy or the data set /mask of an HDF5 file (T x H x W), a folder of pictures with the frames'
 * numbers in their names, or one picture for all frames. */
#pragma once
#include "../base/base.h"

typedef struct cfp_mask_file cfp_mask_file;

typedef struct cfp_mask_facts {
    int64_t frames;
    const int64_t *number; /* [frames] of the clip's frames, ascending; NULL: frames have none */
    bool still;            /* one picture, for every frame */
} cfp_mask_facts;

typedef struct cfp_mask_frame {
    int width, height;
    uint8_t *inside; /* [height x width] 0 or 1; lives until the next frame is read */
    bool known;      /* false: NaN stands in it, which says that nobody looked */
} cfp_mask_frame;

/* Failures: CFP_IO, CFP_FORMAT, CFP_SHAPE (no T x H x W), CFP_UNSUPPORTED (a type of numbers that
 * is not known); the message starts with the path. */
CFP_CHECKED cfp_status cfp_mask_file_open(cfp_mask_file **out, cfp_ctx *ctx, const char *path);
void cfp_mask_file_close(cfp_mask_file **file); /* accepts NULL inside */
cfp_mask_facts cfp_mask_file_facts(const cfp_mask_file *file);
/* Frame number k of the file. */
CFP_CHECKED cfp_status cfp_mask_file_read(const cfp_mask_frame **out, cfp_mask_file *file,
                                          int64_t k);
