/* csv.h - writes a table of comma-separated values row by row (RFC 4180, UTF-8, rows end in LF).
 *
 * Rows are written as they come, so a table of any length needs only one buffer of memory.  A run
 * that fails or is interrupted leaves whole rows, never part of a row:
 *
 *     a file      is written under a temporary name.  cfp_csv_commit gives it its final name.
 *                 cfp_csv_keep_part names it "<name>.part", so that an incomplete table never has
 * the final name a stream    is cut back to its last whole row, if it is a regular file
 *
 * On a terminal, characters that could move the cursor are escaped (text_shown.h).  In files, every
 * name is written byte by byte.
 *
 * The first error is remembered, and later calls do nothing.  So a caller checks only the last call
 * of each row. */
#pragma once
#include "../base/newfile.h"

typedef struct cfp_csv {
    cfp_ctx *ctx;
    cfp_newfile file; /* empty if the table goes to a stream */
    int descriptor;
    const char *name; /* for messages; borrowed */
    char *text;       /* rows and fields that are not written yet */
    size_t length, capacity;
    size_t whole; /* the length of the text up to the end of its last whole row */
    bool in_row;  /* the row has a field already, so a comma comes next */
    bool shown;   /* the table goes to a terminal: control characters are escaped */
    int64_t rows; /* rows written, with the header */
    cfp_status status;
} cfp_csv;

/* Opens a table in the file `path`, or (cfp_csv_open_stream) in an open stream, which stays the
 * caller's; `name` is for messages.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_csv_open(cfp_csv *out, cfp_ctx *ctx, const char *path);
CFP_CHECKED cfp_status cfp_csv_open_stream(cfp_csv *out, cfp_ctx *ctx, FILE *stream,
                                           const char *name);

void cfp_csv_text(cfp_csv *csv, const char *text); /* NULL: an empty field */
void cfp_csv_int(cfp_csv *csv, int64_t value);
void cfp_csv_number(cfp_csv *csv, double value); /* %.9g */
CFP_CHECKED cfp_status cfp_csv_end_row(cfp_csv *csv);

/* Writes the rows in the buffer. */
CFP_CHECKED cfp_status cfp_csv_flush(cfp_csv *csv);
/* Writes the remaining rows and gives a file its final name.  The csv is empty afterwards. */
CFP_CHECKED cfp_status cfp_csv_commit(cfp_csv *csv);
/* For a run that failed or was interrupted: keeps the finished rows of a file as "<name>.part" and
 * returns that name, which the caller frees with cfp_free.  *rows gets their number.  Returns NULL
 * if there is nothing to keep (a stream, or no row but the header) or the file cannot be kept.  The
 * csv is empty afterwards. */
char *cfp_csv_keep_part(cfp_csv *csv, int64_t *rows);
/* Discards the table and removes an unfinished file; accepts {0}. */
void cfp_csv_abandon(cfp_csv *csv);
