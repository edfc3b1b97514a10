/* h5_walk.h - the child's side: what HDF5 finds in the file, as words (h5_wire.h).
 *
 * These functions call HDF5.  Only the child process does, which h5_child.c has locked up before.
 */
#pragma once
#include "h5_wire.h"
#include <hdf5.h>

typedef struct cfp_h5_reader {
    hid_t file;
    int64_t file_bytes;
    int window;         /* descriptor of the shared memory */
    char *path;         /* of the data set that is open; it is kept open for the next rows */
    hid_t dataset;      /* negative: none */
    char refusal[1024]; /* what is wrong, once something is */
} cfp_h5_reader;

/* Each answers one request; false: it is refused, `refusal` says why. */
bool cfp_h5_walk_group(cfp_h5_reader *reader, cfp_h5_words *out, const char *path);
bool cfp_h5_walk_text(cfp_h5_reader *reader, cfp_h5_words *out, const char *path);
bool cfp_h5_walk_rows(cfp_h5_reader *reader, const cfp_h5_request *request, const char *path);

/* printf style; returns false. */
bool cfp_h5_refuse(cfp_h5_reader *reader, const char *format, ...) CFP_PRINTF(2, 3);

/* h5_values.c.  The class of a type, and NULL or why its values are not read. */
const char *cfp_h5_type_refusal(cfp_h5_class *class, hid_t type);
/* One attribute, or why it is not read. */
void cfp_h5_add_attribute(cfp_h5_reader *reader, cfp_h5_words *out, hid_t object, const char *name);
/* The strings of a data set: a number, and each of them; NULL or why they are not read. */
const char *cfp_h5_add_strings(cfp_h5_reader *reader, cfp_h5_words *out, hid_t dataset);
