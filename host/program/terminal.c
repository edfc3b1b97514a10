/* terminal.c - see terminal.h. */
#include "terminal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "text.h"

const char *const cfp_progress_names[] = {"auto", "none", "json"};

enum { PATIENCE_MS = 1000, EVERY_MS = 100 };

void cfp_terminal_open(cfp_terminal *terminal, cfp_progress_mode mode, bool quiet)
{
    const char *const kind = getenv("TERM");
    const char *const no_color = getenv("NO_COLOR");
    *terminal = (cfp_terminal){.mode = mode, .quiet = quiet};
    terminal->bar = mode == CFP_PROGRESS_AUTO && !quiet && isatty(STDERR_FILENO) && kind != NULL &&
                    strcmp(kind, "dumb") != 0;
    terminal->color = terminal->bar && (no_color == NULL || *no_color == '\0');
}

void cfp_terminal_clear(cfp_terminal *terminal)
{
    if (terminal->drawn)
        fputs("\r\033[K", stderr);
    terminal->drawn = false;
}

void cfp_terminal_error(cfp_terminal *terminal, const char *message)
{
    cfp_terminal_clear(terminal);
    fputs("cfp-gpu: ", stderr);
    cfp_print_text(stderr, message, 0);
    fputc('\n', stderr);
}

void cfp_terminal_log(void *cookie, cfp_level level, const char *line)
{
    static const char *const prefix[] = {"error: ", "warning: ", ""};
    cfp_terminal *terminal = cookie;
    if ((level == CFP_LOG_INFO && terminal->quiet) || (level != CFP_LOG_ERROR && terminal->silent))
        return;
    cfp_terminal_clear(terminal);
    fprintf(stderr, "cfp-gpu: %s", prefix[level]);
    cfp_print_text(stderr, line, 0);
    fputc('\n', stderr);
}

/* A line of JSON.  Work that goes on after failures also says how many there were, how many units a
 * second are done, and how many seconds are left (null: not known yet). */
static void print_json(const cfp_terminal *terminal, const cfp_work *work, double now)
{
    const double seconds = (now - work->started_ms) * 1e-3;
    fprintf(stderr, "{\"progress\":\"%s\",\"done\":%lld,\"total\":%lld,\"seconds\":%.3f",
            work->what, (long long)work->done, (long long)work->total, seconds);
    if (terminal->counts_failures && work == &terminal->work[0]) {
        const double rate = seconds > 0 ? (double)(work->done - work->first) / seconds : 0;
        fprintf(stderr, ",\"failed\":%lld,\"per_second\":%.3f,\"seconds_left\":",
                (long long)terminal->failed, rate);
        if (rate > 0)
            fprintf(stderr, "%.1f", (double)(work->total - work->done) / rate);
        else
            fprintf(stderr, "null");
    }
    fprintf(stderr, "}\n");
}

static void draw_bar(cfp_terminal *terminal, double now)
{
    enum { CELLS = 30, MINUTE = 60 };
    struct winsize window = {0};
    const cfp_work *w = &terminal->work[0], *inner = &terminal->work[terminal->n_works - 1];
    const double share = (double)w->done / (double)w->total;
    const double per_ms = (double)(w->done - w->first) / (now - w->started_ms);
    char bar[CELLS + 1], line[256], left[32], step[96] = "", failed[48] = "";
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < (int)(share * CELLS) ? '#' : '.';
    bar[CELLS] = '\0';
    if (inner != w && now - inner->started_ms >= PATIENCE_MS)
        snprintf(step, sizeof step, "  %s %lld/%lld", inner->what, (long long)inner->done,
                 (long long)inner->total);
    if (terminal->counts_failures && terminal->failed > 0)
        snprintf(failed, sizeof failed, ", %lld failed", (long long)terminal->failed);
    const int length = snprintf(line, sizeof line, "%s [%s] %3.0f%%  %lld/%lld%s", w->what, bar,
                                100 * share, (long long)w->done, (long long)w->total, failed);
    if (per_ms > 0) {
        const double seconds = (double)(w->total - w->done) / per_ms * 1e-3;
        if (seconds < 2 * MINUTE)
            snprintf(left, sizeof left, "%.0f s", seconds);
        else
            snprintf(left, sizeof left, "%.0f min", seconds / MINUTE);
        snprintf(line + length, sizeof line - (size_t)length, "  %.3g/s  %s left%s", per_ms * 1e3,
                 left, step);
    } else {
        snprintf(line + length, sizeof line - (size_t)length, "%s", step);
    }
    const int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1
                            ? window.ws_col - 1
                            : 79;
    fprintf(stderr, "\r\033[K%s%.*s%s", terminal->color ? "\033[36m" : "", columns, line,
            terminal->color ? "\033[0m" : "");
    fflush(stderr);
    terminal->drawn = true;
    terminal->shown_ms = now;
}

/* Finds or begins the work of that name, and ends the works inside it.  NULL if it is nested too
 * deep. */
static cfp_work *find_work(cfp_terminal *terminal, const char *what)
{
    for (int k = 0; k < terminal->n_works; k++)
        if (strncmp(what, terminal->work[k].what, sizeof terminal->work[k].what - 1) == 0) {
            terminal->n_works = k + 1;
            return &terminal->work[k];
        }
    if (terminal->n_works == CFP_WORKS)
        return NULL;
    cfp_work *work = &terminal->work[terminal->n_works++];
    *work = (cfp_work){.first = INT64_MAX};
    snprintf(work->what, sizeof work->what, "%s", what);
    return work;
}

void cfp_terminal_progress(void *cookie, const char *what, int64_t done, int64_t total)
{
    cfp_terminal *terminal = cookie;
    if (total <= 0 || terminal->silent || (!terminal->bar && terminal->mode != CFP_PROGRESS_JSON))
        return;
    const double now = cfp_now_ms();
    cfp_work *work = find_work(terminal, what);
    if (work == NULL)
        return;
    if (done <= work->first) { /* it starts, or starts again */
        work->started_ms = now;
        work->shown_ms = 0;
        work->first = done;
    }
    work->done = done;
    work->total = total;
    const bool ends = done >= total;
    if (terminal->mode == CFP_PROGRESS_JSON && (ends || now - work->shown_ms >= EVERY_MS)) {
        print_json(terminal, work, now);
        work->shown_ms = now;
    }
    if (terminal->bar && now - terminal->shown_ms >= EVERY_MS &&
        now - terminal->work[0].started_ms >= PATIENCE_MS)
        draw_bar(terminal, now);
    if (ends)
        terminal->n_works--; /* it is the innermost */
    if (terminal->n_works == 0)
        cfp_terminal_clear(terminal);
}
