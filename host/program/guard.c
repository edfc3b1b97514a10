/* guard.c - see guard.h.  The line is made before the file is read: a signal handler may only write
 * it.
 *
 * The thread that crashed runs the handler, so each thread has its own line. */
#include "guard.h"
#include "../base/text_shown.h"
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 512 };

static _Thread_local char crash_line[LINE]; /* empty: this thread is not guarded */

static void end_with(const char *line)
{
    static bool said; /* if two threads crash at once, the first prints its line and ends both */
    while (__atomic_test_and_set(&said, __ATOMIC_RELAXED))
        pause();
    if (write(STDERR_FILENO, line, strlen(line)) < 0) {
        /* there is no other place for the message */
    }
    _exit(1);
}

enum { N_CRASHES_CAUGHT = 4 };
static const int crashes[N_CRASHES_CAUGHT] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
static struct sigaction before[N_CRASHES_CAUGHT]; /* the handlers of crash.c, if there are any */

static void on_crash(int number, siginfo_t *info, void *context)
{
    if (crash_line[0] != '\0')
        end_with(crash_line);
    for (int i = 0; i < N_CRASHES_CAUGHT; i++)
        if (crashes[i] == number && before[i].sa_flags & SA_SIGINFO)
            before[i].sa_sigaction(number, info, context);
    signal(number, SIG_DFL); /* no file was being read: crash as usual */
    raise(number);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { N_CRASHES = 0 };
#else
enum { N_CRASHES = N_CRASHES_CAUGHT };
#endif

/* Sets the handlers.  They are never removed, because other threads may still be guarded. */
static void handle_crashes(void)
{
    static bool done; /* only the first thread sets them */
    const struct sigaction action = {.sa_sigaction = on_crash,
                                     .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK)};
    if (__atomic_test_and_set(&done, __ATOMIC_RELAXED))
        return;
    for (int i = 0; i < N_CRASHES; i++)
        sigaction(crashes[i], &action, &before[i]);
}

void cfp_guard_begin(const char *path)
{
    char shown[LINE - 100];
    cfp_shown_text(shown, sizeof shown, path);
    snprintf(crash_line, LINE, "cfp-gpu: %s: damaged: a library crashed while reading it\n", shown);
    handle_crashes();
}

void cfp_guard_end(void)
{
    crash_line[0] = '\0';
}
