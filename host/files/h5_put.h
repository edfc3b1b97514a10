/* h5_put.h - an HDF5 file in the making: attributes, groups and arrays, each in one call.
 *
 * Arrays of CFP_H5_SMALL bytes and more are chunked (a frame of a volume, CFP_H5_CHUNK rows of a
 * list), shuffled and deflated.  No times are stored and the file format is pinned: equal contents,
 * equal bytes.  Every call reports a full disk as soon as it shows. */
#pragma once
#include "h5_sink.h"
#include "output.h"

enum { CFP_H5_SMALL = 4096, CFP_H5_CHUNK = 1 << 16 };

typedef struct cfp_h5_file {
    cfp_output *output; /* whose growing file it is */
    cfp_h5_sink sink;
    hid_t access, group, link; /* property lists */
    hid_t text;                /* strings of variable length in UTF-8 */
    hid_t id;
    H5E_auto2_t print; /* how this thread's failures in HDF5 are printed otherwise */
    void *print_to;
} cfp_h5_file;

typedef struct cfp_h5_array { /* its element in the file and in memory, and its extent */
    hid_t stored, native;
    int rank;
    hsize_t size[4];
} cfp_h5_array;

/* Whatever open returns, close is to follow, in the same thread and soon: between them no other
 * thread can open or write an HDF5 file (hdf5_lock.h).  It takes what came of filling the file and
 * returns the first failure, its own included: what closing could not write. */
CFP_CHECKED cfp_status cfp_h5_file_open(cfp_h5_file *out, cfp_output *output);
CFP_CHECKED cfp_status cfp_h5_file_close(cfp_h5_file *f, cfp_status status);

CFP_CHECKED cfp_status cfp_h5_put_text(cfp_h5_file *f, hid_t at, const char *name,
                                       const char *value);
CFP_CHECKED cfp_status cfp_h5_put_int(cfp_h5_file *f, hid_t at, const char *name, int32_t value);
CFP_CHECKED cfp_status cfp_h5_put_long(cfp_h5_file *f, hid_t at, const char *name, int64_t value);
CFP_CHECKED cfp_status cfp_h5_put_float(cfp_h5_file *f, hid_t at, const char *name, float value);
CFP_CHECKED cfp_status cfp_h5_put_double(cfp_h5_file *f, hid_t at, const char *name, double value);

cfp_h5_array cfp_h5_list_floats(int64_t n);
cfp_h5_array cfp_h5_list_ints(int64_t n);
cfp_h5_array cfp_h5_volume(int t, int h, int w); /* of floats */
CFP_CHECKED cfp_status cfp_h5_put_array(cfp_h5_file *f, hid_t at, const char *name, cfp_h5_array a,
                                        const void *data);

/* The group of that name, made where it is missing; the caller closes it. */
CFP_CHECKED cfp_status cfp_h5_put_group(cfp_h5_file *f, hid_t *out, hid_t at, const char *name);

/* In pieces: a data set (negative: refused, which h5_check tells) and n of its rows from row `at`.
 */
hid_t cfp_h5_create_array(const cfp_h5_file *f, hid_t at, const char *name, const cfp_h5_array *a);
bool cfp_h5_put_rows(hid_t set, hid_t native, int64_t at, int64_t n, const void *data);
/* The status so far; `good`: HDF5 did not complain. */
CFP_CHECKED cfp_status cfp_h5_check(cfp_h5_file *f, bool good);
