/* test_terminal.c - checks when the progress bar shows and what it says, on a pseudo-terminal. */
#define _XOPEN_SOURCE 700
#include "../host/program/terminal.h"
#include "test.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LATER_MS = 1050 }; /* a bar comes after a second */

static void wait_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static int terminal, theirs, before; /* the two ends of the terminal; a copy of standard error */

/* Makes the terminal standard error, or restores it.  Failed checks are printed there. */
static void turn(bool to_terminal)
{
    fflush(stderr);
    dup2(to_terminal ? theirs : before, STDERR_FILENO);
}

static bool take_terminal(void)
{
    terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        return false;
    theirs = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    before = dup(STDERR_FILENO);
    setenv("TERM", "xterm", 1);
    setenv("NO_COLOR", "1", 1);
    return theirs >= 0 && before >= 0;
}

static cfp_terminal opened(cfp_progress_mode mode, bool quiet)
{
    cfp_terminal t;
    turn(true);
    cfp_terminal_open(&t, mode, quiet);
    turn(false);
    return t;
}

static void report(cfp_terminal *t, const char *what, int64_t done, int64_t total)
{
    turn(true);
    cfp_terminal_progress(t, what, done, total);
    turn(false);
}

/* Returns what was written since the last call.  The kernel delivers it in pieces at any time, so a
 * mark is sent after it, and awaited. */
static const char *look(void)
{
    enum { PATIENCE_MS = 30000, MARK = 1 };
    static char text[4096];
    struct pollfd ready = {.fd = terminal, .events = POLLIN};
    const char mark = MARK;
    size_t length = 0;
    CHECK_EQ(write(theirs, &mark, 1), 1);
    while (length == 0 || text[length - 1] != MARK) {
        if (length + 1 >= sizeof text || poll(&ready, 1, PATIENCE_MS) != 1)
            break;
        const ssize_t n = read(terminal, text + length, sizeof text - 1 - length);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    CHECK(length > 0 && text[length - 1] == MARK);
    text[length > 0 ? length - 1 : 0] = '\0';
    return text;
}

static void short_work_shows_nothing(cfp_terminal *t)
{
    for (int k = 1; k <= 5; k++)
        report(t, "plan", k, 5);
    CHECK_STR(look(), "");
    CHECK_EQ(t->n_works, 0);
}

static void long_work_says_how_fast_it_goes_and_how_long_it_takes(cfp_terminal *t)
{
    report(t, "resize", 0, 52);
    wait_ms(LATER_MS);
    report(t, "resize", 13, 52);
    const char *text = look();
    char *end;
    CHECK_HAS(text, "resize [#######.......................]  25%  13/52  ");
    const char *rate = strstr(text, "13/52  ");
    const double per_s = rate != NULL ? strtod(rate + 7, &end) : 0;
    CHECK(per_s > 0 && per_s < 13);
    CHECK(rate != NULL && strncmp(end, "/s  ", 4) == 0);
    const double left = rate != NULL ? strtod(end + 4, &end) : 0;
    CHECK(rate != NULL && strcmp(end, " s left") == 0);
    CHECK_NEAR(left, 39 / per_s, 0.51 + 0.01 * left);
    turn(true);
    cfp_terminal_log(t, CFP_LOG_WARNING, "a line between");
    turn(false);
    CHECK_STR(look(), "\r\033[Kcfp-gpu: warning: a line between\r\n");
    wait_ms(110);
    report(t, "resize", 14, 52);
    CHECK_HAS(look(), "14/52");
    report(t, "resize", 52, 52);
    CHECK_STR(look(), "\r\033[K"); /* it is gone */
    CHECK_EQ(t->n_works, 0);
}

static void a_step_within_does_not_take_the_bar(cfp_terminal *t)
{
    report(t, "clips", 0, 400);
    for (int k = 0; k <= 8; k++) /* a step that is over, as most are */
        report(t, "forward", k, 8);
    report(t, "forward", 0, 8);
    wait_ms(LATER_MS);
    report(t, "forward", 3, 8);
    const char *text = look();
    CHECK_HAS(text, "clips [..............................]   0%  0/400  forward 3/8");
    CHECK(strstr(text, "left") == NULL); /* nobody knows yet */
    report(t, "clips", 1, 400);
    CHECK_EQ(t->n_works, 1);
    wait_ms(110);
    report(t, "clips", 2, 400);
    text = look();
    CHECK_HAS(text, "2/400");
    CHECK_HAS(text, " min left");
    CHECK(strstr(text, "forward") == NULL);
    report(t, "clips", 400, 400);
}

/* As when standard error is a file, and under -q. */
static void elsewhere_nothing_is_shown(void)
{
    cfp_terminal quiet = opened(CFP_PROGRESS_AUTO, true), none = opened(CFP_PROGRESS_NONE, false);
    FILE *file = tmpfile();
    CHECK(!quiet.bar && !none.bar && file != NULL);
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    cfp_terminal piped;
    cfp_terminal_open(&piped, CFP_PROGRESS_AUTO, false);
    cfp_terminal_progress(&piped, "resize", 0, 52);
    wait_ms(LATER_MS);
    cfp_terminal_progress(&piped, "resize", 13, 52);
    turn(false);
    CHECK_EQ(lseek(fileno(file), 0, SEEK_END), 0);
    fclose(file);
}

int main(void)
{
    if (!take_terminal()) {
        printf("skipped: no pseudo-terminal is to be had here\n");
        return 77;
    }
    cfp_terminal t = opened(CFP_PROGRESS_AUTO, false);
    CHECK(t.bar);
    short_work_shows_nothing(&t);
    long_work_says_how_fast_it_goes_and_how_long_it_takes(&t);
    a_step_within_does_not_take_the_bar(&t);
    elsewhere_nothing_is_shown();
    close(theirs);
    close(terminal);
    return test_result();
}
