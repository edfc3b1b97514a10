/* npy_header.h - the dictionary at the head of an .npy file; private to host/clip/.
 *
 *     {'descr': '|u1', 'fortran_order': False, 'shape': (16, 112, 112, 3), }
 *
 * Only what such a header can hold is read: no escapes, no nesting but the tuple. */
#pragma once
#include "../base/base.h"
#include <stdio.h>

enum { CFP_NPY_MOST_DIMENSIONS = 8 };

typedef struct cfp_npy_header {
    char descr[32]; /* cut where longer; "(a record)" where it is a list */
    bool fortran_order;
    int rank;                               /* CFP_NPY_MOST_DIMENSIONS + 1: more */
    int64_t shape[CFP_NPY_MOST_DIMENSIONS]; /* INT64_MAX where a number is larger */
    char shape_text[80];                    /* as written, cut where longer */
    const char *wrong;                      /* what is wrong where the parse failed */
} cfp_npy_header;

/* text ends in '\0'. */
bool cfp_npy_parse(cfp_npy_header *out, const char *text);

/* Reads the head of an open .npy file (source_npy.c); the array's numbers come next.  Refuses, by
 * path, what is no .npy file, or of a version that is not known. */
CFP_CHECKED cfp_status cfp_npy_begin(cfp_npy_header *out, cfp_ctx *ctx, const char *path,
                                     FILE *file);
