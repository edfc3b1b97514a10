/* h5_walk.h - answers requests with the HDF5 library, in words (h5_wire.h).
 *
 * Only the child process calls these functions, after h5_child.c has taken its rights away. */
#pragma once
#include "h5_wire.h"
#include <hdf5.h>

typedef struct cfp_h5_reader {
    hid_t file;
    int64_t file_bytes;
    int window;         /* descriptor of the shared memory */
    char *path;         /* path of the open data set; it stays open for the next rows */
    hid_t dataset;      /* the open data set; negative: none */
    char refusal[1024]; /* why the last request was refused */
} cfp_h5_reader;

/* Each answers one request.  They return false if they refuse it; reader->refusal then says why. */
bool cfp_h5_walk_group(cfp_h5_reader *reader, cfp_h5_words *out, const char *path);
bool cfp_h5_walk_text(cfp_h5_reader *reader, cfp_h5_words *out, const char *path);
bool cfp_h5_walk_bytes(cfp_h5_reader *reader, cfp_h5_words *out, const char *path, int64_t row);
bool cfp_h5_walk_rows(cfp_h5_reader *reader, const cfp_h5_request *request, const char *path);

/* Sets reader->refusal in the style of printf; returns false. */
bool cfp_h5_refuse(cfp_h5_reader *reader, const char *format, ...) CFP_PRINTF(2, 3);

/* In h5_values.c.  Finds the class of a type.  Returns why values of this type are not read, or
 * NULL if they are. */
const char *cfp_h5_type_refusal(cfp_h5_class *class, hid_t type);
/* True if each element of this type is a list of bytes. */
bool cfp_h5_is_bytes(hid_t type);
/* Adds one such list to the answer.  Returns why it is not read, or NULL if it is. */
const char *cfp_h5_add_bytes(cfp_h5_reader *reader, cfp_h5_words *out, hid_t dataset, int64_t row);
/* Adds an attribute to the answer, or the reason why it is not read. */
void cfp_h5_add_attribute(cfp_h5_reader *reader, cfp_h5_words *out, hid_t object, const char *name);
/* Adds the strings of a data set to the answer: their number, then each.  Returns why they are not
 * read, or NULL if they are. */
const char *cfp_h5_add_strings(cfp_h5_reader *reader, cfp_h5_words *out, hid_t dataset);
