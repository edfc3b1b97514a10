/* guard.c - see guard.h.  The handler only writes bytes that were made ready before. */
#include "guard.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char line[512];
static size_t line_length;

static void on_crash(int number)
{
    (void)number;
    if (write(STDERR_FILENO, line, line_length) < 0) {
        /* nobody to tell */
    }
    _exit(1);
}

#if defined(__SANITIZE_ADDRESS__)
enum { N_CRASHES = 0 };
#else
enum { N_CRASHES = 4 };
#endif

static void handle_crashes(void (*handler)(int))
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
    const struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};
    for (int i = 0; i < N_CRASHES; i++)
        sigaction(crashes[i], &action, NULL);
}

void cfp_guard_begin(const char *path)
{
    snprintf(line, sizeof line, "cfp-gpu: %.400s: damaged: a library crashed while reading it\n",
             path);
    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 && c[1] != '\0')
            *c = ' ';
    line_length = strlen(line);
    handle_crashes(on_crash);
}

void cfp_guard_end(void)
{
    handle_crashes(SIG_DFL);
}
