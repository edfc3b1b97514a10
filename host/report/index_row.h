/* index_row.h - a row of the page that lists many explanations, read from an explanation.h5; and
 * the page. */
#pragma once
#include "../base/base.h"

typedef struct cfp_index_row {
    char *class_name, *clip, *model, *rule;
    int class_index, layers, kernels; /* number of visited layers, and of their selected kernels */
    double probability, theta;
    char *tube;    /* the layer whose tube the picture shows; "" if there is no tube */
    uint8_t *jpeg; /* the middle frame; its longer side has at most CFP_INDEX_PICTURE pixels */
    size_t jpeg_bytes;
    char *folder, *href; /* set by the caller: the folder as given, the link to its report.html */
} cfp_index_row;

enum { CFP_INDEX_PICTURE = 112 };

/* Reads the row from an explanation.h5, which is not trusted.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_index_row_read(cfp_index_row *out, cfp_ctx *ctx, const char *path);
void cfp_index_row_free(cfp_index_row *row);

/* Writes the page.  On failure no file is left. */
CFP_CHECKED cfp_status cfp_write_index(cfp_ctx *ctx, const char *file, const cfp_index_row *row,
                                       int n);
