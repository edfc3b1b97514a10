/* list_file.h - the lines of a text file as fields: comma-separated values or words.
 *
 * Lines end in LF, CR LF or CR.  A byte order mark at the beginning of the file is left out.  Blank
 * lines are skipped.  A field that begins with a quote (") goes to the next lone quote; it may hold
 * separators and line ends, and "" in it is one quote.  Blanks around a field do not count. */
#pragma once
#include "base.h"

enum { CFP_LIST_FIELDS = 64 };

typedef struct cfp_list_file {
    const char *path; /* for messages; borrowed */
    char *text;       /* the whole file; owned */
    size_t bytes;
    bool comments;  /* skip lines that begin with '#' */
    char separator; /* ',', '\t', or ' ' for any run of blanks */
    int most;       /* fields of a line; the last one takes the rest of it; 0: no limit */
    /* where the next line is read */
    size_t at;
    int64_t line;  /* number of the line at `at`, from 1 */
    char *scratch; /* [bytes + 1] the fields of the current line; owned */
} cfp_list_file;

typedef struct cfp_list_line {
    int64_t number; /* from 1; of its first line, where a quoted field spans several */
    int n;
    const char *field[CFP_LIST_FIELDS]; /* valid until the next line is read */
} cfp_list_line;

/* Reads a file of at most 1 GiB.  CFP_IO; CFP_FORMAT where it is no text (a byte 0, UTF-16, an
 * empty file).  The caller closes it, after a failure too. */
CFP_CHECKED cfp_status cfp_list_file_open(cfp_list_file *out, cfp_ctx *ctx, const char *path);
/* The same from memory; the bytes are copied. */
CFP_CHECKED cfp_status cfp_list_file_take(cfp_list_file *out, cfp_ctx *ctx, const char *path,
                                          const void *bytes, size_t n);
/* ',' if the first line has a comma outside of quotes, else '\t' if it has a tab, else ' '. */
char cfp_list_file_separator(const cfp_list_file *file);
void cfp_list_file_rewind(cfp_list_file *file);
/* line->n is 0 at the end.  CFP_FORMAT, with FILE:LINE: a quote that is not closed, text behind a
 * quoted field, too many fields. */
CFP_CHECKED cfp_status cfp_list_file_next(cfp_list_line *line, cfp_list_file *file, cfp_ctx *ctx);
void cfp_list_file_close(cfp_list_file *file); /* accepts {0} */
