/* terminal.h - standard error: log lines, the progress bar, the one line of an error.
 *
 * The bar is drawn only on a terminal, and only for work that takes longer than a second.  It is
 * erased before anything else is printed.  Works can be nested: the bar shows the outermost
 * (clips), with the rate and the time left, and after it the step inside (forward), if that takes
 * longer than a second, too.  Standard output is for results; nothing here writes to it. */
#pragma once
#include "../base/base.h"

typedef enum cfp_progress_mode {
    CFP_PROGRESS_AUTO, /* a bar if standard error is a terminal */
    CFP_PROGRESS_NONE,
    CFP_PROGRESS_JSON, /* lines of one JSON object each */
    CFP_PROGRESS_COUNT
} cfp_progress_mode;

extern const char *const cfp_progress_names[]; /* by cfp_progress_mode */

typedef struct cfp_work {
    char what[32];
    double started_ms, shown_ms;
    int64_t first, done, total; /* first: the value of `done` in the first report */
} cfp_work;

enum { CFP_WORKS = 4 }; /* nested works that are shown; deeper ones are not */

typedef struct cfp_terminal {
    cfp_progress_mode mode;
    bool quiet;               /* -q: warnings and errors only */
    bool silent;              /* errors only: another process of the job says the rest */
    bool bar;                 /* a bar can be drawn */
    bool color;               /* NO_COLOR is not set */
    bool drawn;               /* a bar is on the screen now */
    cfp_work work[CFP_WORKS]; /* the first is the outermost, the next is a step of it, and so on */
    int n_works;
    double shown_ms; /* when the bar was drawn */
    /* Of the outermost work, if it goes on after failures: how many of `done` failed. */
    bool counts_failures;
    int64_t failed;
} cfp_terminal;

void cfp_terminal_open(cfp_terminal *terminal, cfp_progress_mode mode, bool quiet);

/* The callbacks of a cfp_ctx whose cookie is a cfp_terminal. */
void cfp_terminal_log(void *cookie, cfp_level level, const char *line);
void cfp_terminal_progress(void *cookie, const char *what, int64_t done, int64_t total);

/* Erases the bar. */
void cfp_terminal_clear(cfp_terminal *terminal);
/* Prints "cfp-gpu: <message>" on one line, whatever characters the message has. */
void cfp_terminal_error(cfp_terminal *terminal, const char *message);
