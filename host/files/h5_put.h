/* h5_put.h - writes an HDF5 file: attributes, groups and arrays, one call for each.
 *
 * Arrays of at least CFP_H5_SMALL bytes are chunked, shuffled and deflated.  A chunk is one frame
 * of a volume, a few rows of all frames of a half volume, or CFP_H5_CHUNK rows of a list.  Times
 * are not stored and the version of the file format is fixed, so equal contents give equal bytes.
 * Every call returns CFP_IO as soon as the disk is full. */
#pragma once
#include "h5_sink.h"
#include "output.h"

enum { CFP_H5_SMALL = 4096, CFP_H5_CHUNK = 1 << 16 };

/* What an array holds, for whoever opens the file: its attributes description and units. */
typedef struct cfp_h5_words {
    const char *array; /* its name, wherever in the file it is; NULL ends a table */
    const char *description, *units;
} cfp_h5_words;

typedef struct cfp_h5_file {
    cfp_output *output; /* its open file receives the bytes */
    cfp_h5_sink sink;
    hid_t access, group, link; /* property lists */
    hid_t text;                /* the type of strings: variable length, UTF-8 */
    hid_t id;
    const cfp_h5_words *words; /* set after opening: arrays get attributes; NULL: they get none */
    H5E_auto2_t print; /* how HDF5 printed errors of this thread before; restored on close */
    void *print_to;
} cfp_h5_file;

typedef struct cfp_h5_array { /* the type of an element in the file and in memory, and the shape */
    hid_t stored, native;
    int rank;
    hsize_t size[4];
} cfp_h5_array;

/* Opens and closes the file.  Call close even if open fails, in the same thread and soon: until
 * then no other thread can open or write an HDF5 file (hdf5_lock.h).  `status` is the result of
 * writing the contents.  close returns it, or its own error if `status` is CFP_OK. */
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
/* Writes t x h x w numbers from -1 to 1 as half floats (IEEE 754 binary16), each rounded to a
 * multiple of 1/2048.  A half float has no finer step below 1, so the largest error is the same,
 * 1/4096, and the file is a fifth smaller. */
CFP_CHECKED cfp_status cfp_h5_put_half(cfp_h5_file *f, hid_t at, const char *name, int t, int h,
                                       int w, const float *data);
CFP_CHECKED cfp_status cfp_h5_put_array(cfp_h5_file *f, hid_t at, const char *name, cfp_h5_array a,
                                        const void *data);

/* Opens the group `name`, and creates it if it does not exist.  The caller closes *out. */
CFP_CHECKED cfp_status cfp_h5_put_group(cfp_h5_file *f, hid_t *out, hid_t at, const char *name);

/* Writes an array in pieces.  create_array makes the data set; a negative id means that HDF5
 * refused, which cfp_h5_check reports.  put_rows writes n rows, starting at row `at`. */
hid_t cfp_h5_create_array(cfp_h5_file *f, hid_t at, const char *name, const cfp_h5_array *a);
bool cfp_h5_put_rows(hid_t set, hid_t native, int64_t at, int64_t n, const void *data);
/* Returns the first error so far.  good = false reports that a call of HDF5 failed. */
CFP_CHECKED cfp_status cfp_h5_check(cfp_h5_file *f, bool good);
