/* h5_read.h - attributes and datasets out of an HDF5 file, each call with its refusal in words.
 *
 * `where` starts every message: "<path>: node 'conv1'" or "<path>".  The file is not trusted: types
 * and ranks are checked, and a dataset that claims more numbers than its bytes on disk could hold
 * is refused before memory is taken. */
#pragma once
#include "../base/base.h"
#include <hdf5.h>

enum { CFP_H5_MAX_RANK = 5 };

/* Attribute `name` of the object; where it is missing the value stays as it was (the default),
 * unless `required`. */
CFP_CHECKED cfp_status cfp_h5_int(int *value, cfp_ctx *ctx, hid_t object, const char *where,
                                  const char *name, bool required);
CFP_CHECKED cfp_status cfp_h5_double(double *value, cfp_ctx *ctx, hid_t object, const char *where,
                                     const char *name, bool required);
CFP_CHECKED cfp_status cfp_h5_ints(int *value, int n, cfp_ctx *ctx, hid_t object, const char *where,
                                   const char *name, bool required);
CFP_CHECKED cfp_status cfp_h5_doubles(double *value, int n, cfp_ctx *ctx, hid_t object,
                                      const char *where, const char *name, bool required);
/* The caller's string; "" where missing and not required. */
CFP_CHECKED cfp_status cfp_h5_string(char **value, cfp_ctx *ctx, hid_t object, const char *where,
                                     const char *name, bool required);
/* A 1-D (or scalar) attribute or dataset of strings, fixed or variable length: *n strings, the
 * caller's: one cfp_free each and one for the array (also after a failure: *n says how many). */
CFP_CHECKED cfp_status cfp_h5_attr_strings(char ***value, int *n, cfp_ctx *ctx, hid_t object,
                                           const char *where, const char *name);
CFP_CHECKED cfp_status cfp_h5_data_strings(char ***value, int *n, cfp_ctx *ctx, hid_t object,
                                           const char *where, const char *name);
void cfp_h5_free_strings(char **value, int n);

/* A float dataset of exactly `rank` axes; extents go to dims.  *value is the caller's; NULL where
 * it is missing and not required.  NaN and Inf are refused. */
CFP_CHECKED cfp_status cfp_h5_floats(float **value, int dims[CFP_H5_MAX_RANK], int rank,
                                     cfp_ctx *ctx, hid_t object, const char *where,
                                     const char *name, bool required);
