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
    if (level == CFP_LOG_INFO && terminal->quiet)
        return;
    cfp_terminal_clear(terminal);
    fprintf(stderr, "cfp-gpu: %s", prefix[level]);
    cfp_print_text(stderr, line, 0);
    fputc('\n', stderr);
}

static void draw_bar(cfp_terminal *terminal, int64_t done, int64_t total, double elapsed_ms)
{
    enum { CELLS = 30 };
    struct winsize window = {0};
    const double share = (double)done / (double)total;
    const double per_ms = (double)(done - terminal->first) / elapsed_ms;
    char bar[CELLS + 1], line[256];
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < (int)(share * CELLS) ? '#' : '.';
    bar[CELLS] = '\0';
    int length = snprintf(line, sizeof line, "%s [%s] %3.0f%%  %lld/%lld  %.3g/s", terminal->what,
                          bar, 100 * share, (long long)done, (long long)total, per_ms * 1e3);
    if (per_ms > 0)
        snprintf(line + length, sizeof line - (size_t)length, "  %.0f s left",
                 (double)(total - done) / per_ms * 1e-3);
    const int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1
                            ? window.ws_col - 1
                            : 79;
    fprintf(stderr, "\r\033[K%s%.*s%s", terminal->color ? "\033[36m" : "", columns, line,
            terminal->color ? "\033[0m" : "");
    fflush(stderr);
    terminal->drawn = true;
}

void cfp_terminal_progress(void *cookie, const char *what, int64_t done, int64_t total)
{
    cfp_terminal *terminal = cookie;
    if (total <= 0 || (!terminal->bar && terminal->mode != CFP_PROGRESS_JSON))
        return;
    const double now = cfp_now_ms();
    const bool starts =
        strncmp(what, terminal->what, sizeof terminal->what - 1) != 0 || done <= terminal->first;
    if (starts) {
        snprintf(terminal->what, sizeof terminal->what, "%s", what);
        terminal->started_ms = now;
        terminal->shown_ms = 0;
        terminal->first = done;
    }
    const bool ends = done >= total;
    if (!ends && now - terminal->shown_ms < EVERY_MS)
        return;
    const double elapsed = now - terminal->started_ms;
    if (terminal->mode == CFP_PROGRESS_JSON) {
        fprintf(stderr, "{\"progress\":\"%s\",\"done\":%lld,\"total\":%lld,\"seconds\":%.3f}\n",
                terminal->what, (long long)done, (long long)total, elapsed * 1e-3);
        terminal->shown_ms = now;
    } else if (ends) {
        cfp_terminal_clear(terminal);
    } else if (elapsed >= PATIENCE_MS) {
        draw_bar(terminal, done, total, elapsed);
        terminal->shown_ms = now;
    }
    if (ends)
        terminal->what[0] = '\0'; /* the next run over the same work starts anew */
}
