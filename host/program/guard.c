/* guard.c - see guard.h.  The handler only writes bytes that were made ready before. */
#include "guard.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static char crash_line[512], endless_line[512];

static void end_with(const char *line)
{
    if (write(STDERR_FILENO, line, strlen(line)) < 0) {
        /* nobody to tell */
    }
    _exit(1);
}

static void on_crash(int number)
{
    (void)number;
    end_with(crash_line);
}

static void on_timer(int number)
{
    (void)number;
    end_with(endless_line);
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

static void make_line(char *line, size_t size, const char *path, const char *what)
{
    snprintf(line, size, "cfp-gpu: %.400s: damaged: %s\n", path, what);
    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 && c[1] != '\0')
            *c = ' ';
}

static void limit_time(int seconds)
{
    const struct itimerval limit = {.it_value.tv_sec = seconds};
    signal(SIGPROF, seconds > 0 ? on_timer : SIG_IGN);
    setitimer(ITIMER_PROF, &limit, NULL);
}

void cfp_guard_begin(const char *path, int seconds)
{
    make_line(crash_line, sizeof crash_line, path, "a library crashed while reading it");
    make_line(endless_line, sizeof endless_line, path, "a library does not come to its end");
    handle_crashes(on_crash);
    limit_time(seconds);
}

void cfp_guard_end(void)
{
    limit_time(0);
    handle_crashes(SIG_DFL);
}

int cfp_guard_seconds(const char *path)
{
    enum { LEAST = 10, BYTES_PER_SECOND = 20 << 20 };
    struct stat facts;
    return LEAST + (stat(path, &facts) == 0 ? (int)(facts.st_size / BYTES_PER_SECOND) : 0);
}
