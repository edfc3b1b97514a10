/* h5_wire.h - the messages between the program and the child process that reads an HDF5 file.
 *
 * A socket carries a request with the path that it is about, then a reply with as many bytes as it
 * announces.  The contents of a group are sent in words of eight bytes.  Rows of a data set go
 * through shared memory, the window.  Neither side trusts a length that the other one sends. */
#pragma once
#include "h5_file.h"

enum { CFP_H5_LONGEST_PATH = 1 << 17 };

typedef enum cfp_h5_what {
    CFP_H5_ASK_GROUP, /* attributes and children, as words */
    CFP_H5_ASK_TEXT,  /* a data set of strings, as words */
    CFP_H5_ASK_ROWS,  /* rows of a data set, written to the window */
    CFP_H5_ASK_BYTES  /* a list of bytes in a data set of lists, as words: a text of any bytes */
} cfp_h5_what;

typedef struct cfp_h5_request {
    int32_t what, element;
    int64_t first, rows; /* ASK_ROWS; ASK_BYTES: first alone */
    int64_t bytes;       /* ASK_ROWS: size of the window; else the largest allowed answer */
    int64_t path_bytes;  /* length of the path that follows, which has no zero byte at its end */
} cfp_h5_request;

typedef struct cfp_h5_reply {
    int64_t refused; /* 0: done; 1: refused, and the bytes are a text that says why */
    int64_t bytes;   /* number of bytes that follow */
} cfp_h5_reply;

/* A growing list of words; `full` after memory ran out or the limit `most` was reached. */
typedef struct cfp_h5_words {
    uint64_t *word;
    size_t n, capacity, max;
    bool full;
} cfp_h5_words;

void cfp_h5_add(cfp_h5_words *words, int64_t number);
void cfp_h5_add_text(cfp_h5_words *words, const char *text, size_t bytes);
/* Adds n numbers, which the caller then writes; NULL if they do not fit. */
uint64_t *cfp_h5_add_numbers(cfp_h5_words *words, size_t n);

/* Reads words.  A read beyond the end, or of something that is not there, sets `bad`. */
typedef struct cfp_h5_cursor {
    const uint64_t *word;
    size_t n, at;
    bool bad;
} cfp_h5_cursor;

int64_t cfp_h5_take(cfp_h5_cursor *cursor);
/* A number of things.  `bad` if there are fewer words left than things. */
int64_t cfp_h5_take_count(cfp_h5_cursor *cursor);
/* A string; never NULL, and without a zero byte inside. */
const char *cfp_h5_take_text(cfp_h5_cursor *cursor);
const uint64_t *cfp_h5_take_numbers(cfp_h5_cursor *cursor, int64_t n);
