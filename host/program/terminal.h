/* terminal.h - standard error: log lines, the progress bar, the one line of an error.
 *
 * The bar is drawn only on a terminal, only for what takes longer than a second, and is gone before
 * anything else is printed.  It is that of the outermost work that has begun and not ended (clips),
 * with the rate and the time left; a step of it that takes longer than a second itself (forward)
 * stands behind.  Standard output is not touched here: it carries results. */
#pragma once
#include "../base/base.h"

typedef enum cfp_progress_mode {
    CFP_PROGRESS_AUTO, /* a bar, where standard error is a terminal */
    CFP_PROGRESS_NONE,
    CFP_PROGRESS_JSON, /* one JSON object a line */
    CFP_PROGRESS_COUNT
} cfp_progress_mode;

extern const char *const cfp_progress_names[]; /* by cfp_progress_mode */

typedef struct cfp_work {
    char what[32];
    double started_ms, shown_ms;
    int64_t first, done, total; /* first: `done` when it was first heard of */
} cfp_work;

enum { CFP_WORKS = 4 }; /* within each other; what is deeper is not shown */

typedef struct cfp_terminal {
    cfp_progress_mode mode;
    bool quiet; /* -q: warnings and errors only */
    bool bar;   /* a bar can be drawn */
    bool color; /* NO_COLOR is not set */
    bool drawn; /* a bar is on the screen now */
    cfp_work
        work[CFP_WORKS]; /* the first is what the user waits for, the next a step of that ... */
    int n_works;
    double shown_ms; /* when the bar was drawn */
} cfp_terminal;

void cfp_terminal_open(cfp_terminal *terminal, cfp_progress_mode mode, bool quiet);

/* The callbacks of a cfp_ctx whose cookie is a cfp_terminal. */
void cfp_terminal_log(void *cookie, cfp_level level, const char *line);
void cfp_terminal_progress(void *cookie, const char *what, int64_t done, int64_t total);

/* Takes the bar away. */
void cfp_terminal_clear(cfp_terminal *terminal);
/* "cfp-gpu: <message>", on one line whatever the message holds. */
void cfp_terminal_error(cfp_terminal *terminal, const char *message);
