/* index_row.h - what the index of many explanations says of one, out of its explanation.h5. */
#pragma once
#include "../base/base.h"

typedef struct cfp_index_row {
    char *class_name, *clip, *model, *rule;
    int class_index, layers, kernels; /* visited layers, their selected kernels */
    double probability, theta;
    char *tube;    /* the layer whose tube the picture shows; "" where there is none */
    uint8_t *jpeg; /* the middle frame, its longer side at most CFP_INDEX_PICTURE */
    size_t jpeg_bytes;
    char *folder, *href; /* the caller's to set: as it was given; where its report.html is */
} cfp_index_row;

enum { CFP_INDEX_PICTURE = 112 };

/* The file is not trusted.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_index_row_read(cfp_index_row *out, cfp_ctx *ctx, const char *path);
void cfp_index_row_free(cfp_index_row *row);

/* The page of them, whole or not at all. */
CFP_CHECKED cfp_status cfp_write_index(cfp_ctx *ctx, const char *file, const cfp_index_row *row,
                                       int n);
