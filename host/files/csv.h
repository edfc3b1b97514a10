/* csv.h - a table of comma-separated values that grows row by row (RFC 4180, UTF-8, rows end in
 * LF).
 *
 * Rows go out as they come, so a table of any length needs no more memory than one buffer.  What a
 * failed or interrupted run leaves is whole rows, never part of one:
 *
 *     a file      grows under a temporary name.  cfp_csv_commit gives it its own name;
 *                 cfp_csv_keep_part gives it "<name>.part", so that no result lies under the final
 *                 name that is not complete
 *     a stream    is cut back to its last whole row, where it is a regular file
 *
 * What goes to a terminal is for a person: text_shown.h says what is escaped there.  Everywhere
 * else the table has every name byte by byte.
 *
 * The first failure is remembered, and later calls do nothing: only the last call of a row is to be
 * checked. */
#pragma once
#include "../base/newfile.h"

typedef struct cfp_csv {
    cfp_ctx *ctx;
    cfp_newfile file; /* empty where the table goes to a stream */
    int descriptor;
    const char *name; /* for messages; borrowed */
    char *text;       /* what is not yet written */
    size_t length, room;
    size_t whole; /* of the text: it ends with a row */
    bool in_row;  /* a field stands before the next one */
    bool shown;   /* on a terminal: names are escaped where they would move its cursor */
    int64_t rows; /* that were written, the header's included */
    cfp_status status;
} cfp_csv;

/* On failure *out is empty. */
CFP_CHECKED cfp_status cfp_csv_open(cfp_csv *out, cfp_ctx *ctx, const char *path);
CFP_CHECKED cfp_status cfp_csv_open_stream(cfp_csv *out, cfp_ctx *ctx, FILE *stream,
                                           const char *name);

void cfp_csv_text(cfp_csv *csv, const char *text); /* NULL: an empty field */
void cfp_csv_int(cfp_csv *csv, int64_t value);
void cfp_csv_number(cfp_csv *csv, double value); /* %.9g */
CFP_CHECKED cfp_status cfp_csv_end_row(cfp_csv *csv);

/* Writes the rows that wait in the buffer. */
CFP_CHECKED cfp_status cfp_csv_flush(cfp_csv *csv);
/* Writes what is left and gives a file its name.  The csv is empty afterwards. */
CFP_CHECKED cfp_status cfp_csv_commit(cfp_csv *csv);
/* For a run that broke off: keeps the rows of a file as "<name>.part" and returns that name, the
 * caller's to cfp_free.  NULL: there is nothing to keep (no row but the header, a stream), or it
 * cannot be kept.  The csv is empty afterwards. */
char *cfp_csv_keep_part(cfp_csv *csv, int64_t *rows);
/* Forgets everything; accepts {0}. */
void cfp_csv_abandon(cfp_csv *csv);
