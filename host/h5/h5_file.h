/* h5_file.h - reads an HDF5 file that nobody vouches for: models, clips, explanations.
 *
 * HDF5 follows addresses and lengths that it finds in the file, opens other files that the file
 * names, and loads code for filters that it does not know.  So this process never lets HDF5 read.
 * A child process does (h5_child.c).  It may open nothing, its memory and its time are limited, and
 * it hands back plain numbers and text.  Every length that it claims is checked here.
 *
 * What is read: objects that hard links lead to; data sets that lie in the file itself, contiguous,
 * compact or chunked, with the filters that HDF5 has built in.  All else is refused, by name.
 *
 * Not thread-safe: one thread uses a file at a time.  Several threads may read a file each.  The
 * thread that opens a file must outlive it. */
#pragma once
#include "../base/base.h"

enum { CFP_H5_MAX_RANK = 5 };

typedef struct cfp_h5 cfp_h5; /* an open file */

typedef enum cfp_h5_kind {
    CFP_H5_MISSING,
    CFP_H5_GROUP,
    CFP_H5_DATASET,
    CFP_H5_UNREAD /* there, but not read: a link, or neither a group nor a data set */
} cfp_h5_kind;

/* What attributes and data sets hold, whatever the width and the order of the bytes in the file. */
typedef enum cfp_h5_class {
    CFP_H5_SIGNED,   /* int64_t */
    CFP_H5_UNSIGNED, /* uint64_t */
    CFP_H5_REAL,     /* double */
    CFP_H5_TEXT,     /* UTF-8 */
    CFP_H5_NO_CLASS  /* none of these */
} cfp_h5_class;

/* Elements of data sets in memory. */
typedef enum cfp_h5_element {
    CFP_H5_NO_ELEMENT,
    CFP_H5_F32,
    CFP_H5_U8,
    CFP_H5_I32 /* larger whole numbers become the nearest one that fits */
} cfp_h5_element;

typedef struct cfp_h5_dataset {
    const char *path; /* in the file */
    cfp_h5_class class;
    int64_t element_bytes;  /* in the file */
    cfp_h5_element element; /* what the file's bytes are without conversion */
    int rank;
    int64_t size[CFP_H5_MAX_RANK]; /* of the first CFP_H5_MAX_RANK axes */
    int64_t n;                     /* elements; -1: more than can be counted */
    int64_t stored;                /* bytes of the file that hold it */
    int64_t offset;                /* of them, where they lie in one piece; else -1 */
} cfp_h5_dataset;

typedef struct cfp_h5_child {
    const char *name;
    cfp_h5_kind kind;
    const char *refusal;    /* why it is not read: "is a soft link ..."; else NULL */
    cfp_h5_dataset dataset; /* where it is one, and not refused */
} cfp_h5_child;

typedef struct cfp_h5_attribute {
    const char *name;
    const char *refusal;
    cfp_h5_class class;
    int64_t n;              /* values; the shape does not matter */
    const uint64_t *number; /* [n] int64_t, uint64_t or double, by the class */
    const uint64_t *texts;  /* CFP_H5_TEXT: n strings, as h5_wire.h has them */
    size_t n_words;
} cfp_h5_attribute;

/* What a group holds. */
typedef struct cfp_h5_group {
    cfp_h5 *file;
    char *path;
    int n_attributes, n_children;
    cfp_h5_attribute *attribute; /* [n_attributes] */
    cfp_h5_child *child;         /* [n_children], by name */
    uint64_t *answer;            /* names and values point in here */
    char **child_path;           /* [n_children] */
} cfp_h5_group;

/* Opens the file.  CFP_IO: it cannot be opened or is no regular file; CFP_FORMAT: it is no HDF5
 * file, or a damaged one.  cfp_h5_close accepts NULL inside, and nulls. */
CFP_CHECKED cfp_status cfp_h5_open(cfp_h5 **out, cfp_ctx *ctx, const char *path);
void cfp_h5_close(cfp_h5 **file);

/* Attributes and children of the group at `path` ("/", "graph", "graph/conv1").  cfp_h5_group_free
 * accepts an empty group. */
CFP_CHECKED cfp_status cfp_h5_look(cfp_h5_group *out, cfp_h5 *file, cfp_ctx *ctx, const char *path);
void cfp_h5_group_free(cfp_h5_group *group);

/* NULL where there is none of this name. */
const cfp_h5_attribute *cfp_h5_find_attribute(const cfp_h5_group *group, const char *name);
const cfp_h5_child *cfp_h5_find_child(const cfp_h5_group *group, const char *name);
/* The data set of this name, which there must be. */
CFP_CHECKED cfp_status cfp_h5_find_dataset(const cfp_h5_dataset **out, cfp_ctx *ctx,
                                           const cfp_h5_group *group, const char *where,
                                           const char *name);

/* Attribute `name`; where it is missing the value stays as it was (the default), unless `required`.
 * `where` starts every message: "<path>: node 'conv1'".  Numbers are converted exactly or refused:
 * a whole number may be stored as a real one or as a boolean, if nothing is lost. */
CFP_CHECKED cfp_status cfp_h5_int(int *value, cfp_ctx *ctx, const cfp_h5_group *group,
                                  const char *where, const char *name, bool required);
CFP_CHECKED cfp_status cfp_h5_ints(int *value, int n, cfp_ctx *ctx, const cfp_h5_group *group,
                                   const char *where, const char *name, bool required);
CFP_CHECKED cfp_status cfp_h5_double(double *value, cfp_ctx *ctx, const cfp_h5_group *group,
                                     const char *where, const char *name, bool required);
CFP_CHECKED cfp_status cfp_h5_doubles(double *value, int n, cfp_ctx *ctx, const cfp_h5_group *group,
                                      const char *where, const char *name, bool required);
/* The caller's string; "" where it is missing and not required. */
CFP_CHECKED cfp_status cfp_h5_string(char **value, cfp_ctx *ctx, const cfp_h5_group *group,
                                     const char *where, const char *name, bool required);
/* An attribute, or a data set of one axis: *n strings, the caller's: one cfp_free each and one for
 * the array (also after a failure: *n says how many). */
CFP_CHECKED cfp_status cfp_h5_attr_strings(char ***value, int *n, cfp_ctx *ctx,
                                           const cfp_h5_group *group, const char *where,
                                           const char *name);
CFP_CHECKED cfp_status cfp_h5_data_strings(char ***value, int *n, cfp_ctx *ctx,
                                           const cfp_h5_group *group, const char *where,
                                           const char *name);
void cfp_h5_free_strings(char **value, int n);

/* A data set of real numbers with exactly `rank` axes; extents go to dims.  *value is the caller's;
 * NULL where it is missing and not required.  NaN and Inf are refused. */
CFP_CHECKED cfp_status cfp_h5_floats(float **value, int dims[CFP_H5_MAX_RANK], int rank,
                                     cfp_ctx *ctx, const cfp_h5_group *group, const char *where,
                                     const char *name, bool required);
/* Rows first..first+rows of axis 0, as `element`s.  The class of the data set must fit: real for
 * F32, bytes for U8, whole numbers for I32. */
CFP_CHECKED cfp_status cfp_h5_rows(void *out, cfp_ctx *ctx, const cfp_h5_group *group,
                                   const cfp_h5_dataset *dataset, cfp_h5_element element,
                                   int64_t first, int64_t rows);
