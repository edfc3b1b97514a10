/* h5_file.h - reads HDF5 files that may be damaged or hostile: models, clips, explanations.
 *
 * The HDF5 library trusts the addresses and lengths in a file, opens other files that the file
 * names, and loads code for unknown filters.  So this process never reads a file with it.  A child
 * process does (h5_child.c).  The child cannot open anything, its memory and time are limited, and
 * it returns plain numbers and text.  This side checks every length that the child claims.
 *
 * It reads objects that hard links lead to, and data sets that lie in the file itself: contiguous,
 * compact or chunked, with the filters that are built into HDF5.  Everything else is refused by
 * name.
 *
 * Only one thread at a time may use a file.  Several threads may each read a file of their own. The
 * thread that opens a file must live until the file is closed. */
#pragma once
#include "../base/base.h"

enum { CFP_H5_MAX_RANK = 5 };

typedef struct cfp_h5 cfp_h5; /* an open file */

typedef enum cfp_h5_kind {
    CFP_H5_MISSING,
    CFP_H5_GROUP,
    CFP_H5_DATASET,
    CFP_H5_UNREAD /* exists, but is not read: a soft link, or neither a group nor a data set */
} cfp_h5_kind;

/* The class of a value: the type in which it is given, whatever its width and byte order in the
 * file.
 */
typedef enum cfp_h5_class {
    CFP_H5_SIGNED,   /* int64_t */
    CFP_H5_UNSIGNED, /* uint64_t */
    CFP_H5_REAL,     /* double */
    CFP_H5_TEXT,     /* strings in UTF-8 */
    CFP_H5_BYTES,    /* data sets: each element is a list of bytes, such as a JPEG */
    CFP_H5_NO_CLASS  /* anything else */
} cfp_h5_class;

/* The types in which elements of data sets can be read into memory. */
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
    cfp_h5_element element; /* the type that needs no conversion, or CFP_H5_NO_ELEMENT */
    int rank;
    int64_t size[CFP_H5_MAX_RANK]; /* of the first CFP_H5_MAX_RANK axes */
    int64_t n;                     /* number of elements; -1: more than int64 can count */
    int64_t stored;                /* bytes that it takes in the file */
    int64_t offset;                /* where they begin, if they are in one piece; else -1 */
} cfp_h5_dataset;

typedef struct cfp_h5_child {
    const char *name;
    cfp_h5_kind kind;
    const char *refusal;    /* why it is not read: "is a soft link ..."; NULL: it can be read */
    cfp_h5_dataset dataset; /* if it is a data set that can be read */
} cfp_h5_child;

typedef struct cfp_h5_attribute {
    const char *name;
    const char *refusal;
    cfp_h5_class class;
    int64_t n;              /* number of values, in any shape */
    const uint64_t *number; /* [n] int64_t, uint64_t or double, according to the class */
    const uint64_t *texts;  /* CFP_H5_TEXT: n strings in the format of h5_wire.h */
    size_t n_words;
} cfp_h5_attribute;

/* The contents of a group. */
typedef struct cfp_h5_group {
    cfp_h5 *file;
    char *path;
    int n_attributes, n_children;
    cfp_h5_attribute *attribute; /* [n_attributes] */
    cfp_h5_child *child;         /* [n_children], sorted by name */
    uint64_t *answer;            /* memory of names and values */
    char **child_path;           /* [n_children] */
} cfp_h5_group;

/* Opens a file.  CFP_IO if it cannot be opened or is not a regular file; CFP_FORMAT if it is not an
 * HDF5 file or is damaged.  cfp_h5_close accepts *file NULL, and sets it to NULL. */
CFP_CHECKED cfp_status cfp_h5_open(cfp_h5 **out, cfp_ctx *ctx, const char *path);
void cfp_h5_close(cfp_h5 **file);

/* Lists attributes and children of the group at `path` ("/", "graph", "graph/conv1").
 * cfp_h5_group_free accepts an empty group. */
CFP_CHECKED cfp_status cfp_h5_look(cfp_h5_group *out, cfp_h5 *file, cfp_ctx *ctx, const char *path);
void cfp_h5_group_free(cfp_h5_group *group);

/* NULL if there is none with this name. */
const cfp_h5_attribute *cfp_h5_find_attribute(const cfp_h5_group *group, const char *name);
const cfp_h5_child *cfp_h5_find_child(const cfp_h5_group *group, const char *name);
/* Finds the data set with this name; an error if there is none. */
CFP_CHECKED cfp_status cfp_h5_find_dataset(const cfp_h5_dataset **out, cfp_ctx *ctx,
                                           const cfp_h5_group *group, const char *where,
                                           const char *name);

/* Reads the attribute `name`.  If it is missing, *value is left as it was, so it can hold a
 * default; if it is `required`, a missing attribute is an error.  `where` is the start of every
 * message:
 * "<path>: node 'conv1'".  Numbers are converted only if nothing is lost: an integer may be stored
 * as a real number or as a boolean. */
CFP_CHECKED cfp_status cfp_h5_int(int *value, cfp_ctx *ctx, const cfp_h5_group *group,
                                  const char *where, const char *name, bool required);
CFP_CHECKED cfp_status cfp_h5_ints(int *value, int n, cfp_ctx *ctx, const cfp_h5_group *group,
                                   const char *where, const char *name, bool required);
CFP_CHECKED cfp_status cfp_h5_double(double *value, cfp_ctx *ctx, const cfp_h5_group *group,
                                     const char *where, const char *name, bool required);
CFP_CHECKED cfp_status cfp_h5_doubles(double *value, int n, cfp_ctx *ctx, const cfp_h5_group *group,
                                      const char *where, const char *name, bool required);
/* The caller frees the string.  It is "" if the attribute is missing and not required. */
CFP_CHECKED cfp_status cfp_h5_string(char **value, cfp_ctx *ctx, const cfp_h5_group *group,
                                     const char *where, const char *name, bool required);
/* Read *n strings from an attribute, or from a data set with one axis.  The caller frees them with
 * cfp_h5_free_strings, also after a failure. */
CFP_CHECKED cfp_status cfp_h5_attr_strings(char ***value, int *n, cfp_ctx *ctx,
                                           const cfp_h5_group *group, const char *where,
                                           const char *name);
CFP_CHECKED cfp_status cfp_h5_data_strings(char ***value, int *n, cfp_ctx *ctx,
                                           const cfp_h5_group *group, const char *where,
                                           const char *name);
void cfp_h5_free_strings(char **value, int n);

/* Reads a data set of real numbers that has exactly `rank` axes, and their lengths into dims.  The
 * caller frees *value.  It is NULL if the data set is missing and not required.  NaN and Inf are
 * refused. */
CFP_CHECKED cfp_status cfp_h5_floats(float **value, int dims[CFP_H5_MAX_RANK], int rank,
                                     cfp_ctx *ctx, const cfp_h5_group *group, const char *where,
                                     const char *name, bool required);
/* Reads the rows [first, first + rows) of axis 0.  CFP_H5_F32 wants a data set of real numbers,
 * CFP_H5_U8 one of bytes, CFP_H5_I32 one of integers. */
CFP_CHECKED cfp_status cfp_h5_rows(void *out, cfp_ctx *ctx, const cfp_h5_group *group,
                                   const cfp_h5_dataset *dataset, cfp_h5_element element,
                                   int64_t first, int64_t rows);
/* Reads element number `row` of a data set of CFP_H5_BYTES with one axis.  The caller frees *bytes,
 * also after a failure. */
CFP_CHECKED cfp_status cfp_h5_byte_list(uint8_t **bytes, size_t *n_bytes, cfp_ctx *ctx,
                                        const cfp_h5_group *group, const cfp_h5_dataset *dataset,
                                        int64_t row);
