/* h5_wire.h - what the program and the child process that reads an HDF5 file say to each other.
 *
 * Over a socket: a request and the path it is about; a reply and as many bytes as it says.  What a
 * group holds is told in words of eight bytes.  Rows of a data set go through shared memory, the
 * window.  Neither side trusts a length of the other. */
#pragma once
#include "h5_file.h"

enum { CFP_H5_LONGEST_PATH = 1 << 17 };

typedef enum cfp_h5_what {
    CFP_H5_ASK_GROUP, /* attributes and children, in words */
    CFP_H5_ASK_TEXT,  /* a data set of strings, in words */
    CFP_H5_ASK_ROWS   /* rows of a data set, into the window */
} cfp_h5_what;

typedef struct cfp_h5_request {
    int32_t what, element;
    int64_t first, rows; /* ASK_ROWS */
    int64_t bytes;       /* ASK_ROWS: of the window; else: the most that the answer may have */
    int64_t path_bytes;  /* that follow, without a zero byte */
} cfp_h5_request;

typedef struct cfp_h5_reply {
    int64_t refused; /* 0: done; 1: what follows is text that says why */
    int64_t bytes;   /* that follow */
} cfp_h5_reply;

/* Words that grow; `full` where memory or the limit is out. */
typedef struct cfp_h5_words {
    uint64_t *word;
    size_t n, room, most;
    bool full;
} cfp_h5_words;

void cfp_h5_add(cfp_h5_words *words, int64_t number);
void cfp_h5_add_text(cfp_h5_words *words, const char *text, size_t bytes);
/* Room for n numbers, or NULL. */
uint64_t *cfp_h5_add_numbers(cfp_h5_words *words, size_t n);

/* Reading them.  Whatever is asked for beyond the end, or does not fit, makes it `bad`. */
typedef struct cfp_h5_cursor {
    const uint64_t *word;
    size_t n, at;
    bool bad;
} cfp_h5_cursor;

int64_t cfp_h5_take(cfp_h5_cursor *cursor);
/* A number of things, each of which takes a word at least. */
int64_t cfp_h5_take_count(cfp_h5_cursor *cursor);
/* Never NULL; ends with a zero byte and holds no other. */
const char *cfp_h5_take_text(cfp_h5_cursor *cursor);
const uint64_t *cfp_h5_take_numbers(cfp_h5_cursor *cursor, int64_t n);
