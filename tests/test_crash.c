/* test_crash.c - checks that one line appears when a library crashes, exits or prints because
 * memory ran out.  Crashes of our own code and of forked processes, and our own output, must stay
 * unchanged. */
#include "../host/program/crash.h"
#include "test.h"
#include <cairo.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile uintptr_t nowhere = 8; /* volatile: the compiler is not to see the fault */

/* It reads the surface's fields in libcairo. */
static void crash_in_cairo(void)
{
    cairo_surface_flush((cairo_surface_t *)nowhere);
}

static void crash_in_cairo_after_the_end(void)
{
    cfp_crash_end(3);
    fputs("HDF5: infinite loop closing library\n      E,E,E\n", stderr);
    crash_in_cairo();
}

static void crash_in_ours(void)
{
    *(volatile int *)nowhere = 0;
}

/* In the C library, which only does what we ask for. */
static void crash_in_ours_below(void)
{
    memset((void *)nowhere, 0, 64 * nowhere);
}

static void abort_in_ours(void)
{
    abort();
}

static void signal_from_outside(void)
{
    kill(getpid(), SIGSEGV);
    pause();
}

static void crash_in_a_child(void)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0)
        crash_in_cairo();
    waitpid(child, &status, 0);
    cfp_crash_end(0);
    exit(WIFSIGNALED(status) ? 5 : 6);
}

static void exit_as_libgomp(void)
{
    fputs("\nlibgomp: ", stderr);
    fputs("Thread creation failed: Resource temporarily unavailable", stderr);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static void exit_in_silence(void)
{
    exit(EXIT_FAILURE);
}

static void print(void)
{
    fputs("\n  depth  lib", stderr);
    fputs("Fontconfig error: out of memory\n", stderr); /* not at the begin of a line: ours */
    fputs("Fontconfig error: Cannot load default config file: out of memory\n", stderr);
    fputs("terminate ", stderr);
    fputs("called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
          stderr);
    fputs("HDF5-DIAG: Error detected in HDF5\n  #000: a.c\n    major: Resource\n", stderr);
    fputs("HDF5: infinite loop closing library\n      FL,FL,FL\n", stderr);
    fputs("x264 [error]: malloc of size 168 failed\n", stderr);
    fputs("HDF5", stderr);
    fputs(" 1.10\n\r[##]  50%", stderr);
    fputs("\r\ncfp-gpu: a\n", stderr);
    fputs("F", stderr);
    cfp_crash_end(7);
    exit(7);
}

/* Runs it in a child process.  Returns the wait status, and what the child wrote to standard error.
 */
static int status_of(void (*work)(void), char text[512])
{
    int ends[2], status = 0;
    CHECK_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0}; /* no core file */
        setrlimit(RLIMIT_CORE, &none);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        cfp_crash_begin();
        work();
        _exit(42);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t n; length < 511 && (n = read(ends[0], text + length, 511 - length)) > 0;)
        length += (size_t)n;
    text[length] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void ends_with(void (*work)(void), int exit_status, const char *said)
{
    char text[512];
    const int status = status_of(work, text);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), exit_status);
    CHECK_STR(text, said);
}

static void stays_a_crash(void (*work)(void), int number)
{
    char text[512];
    const int status = status_of(work, text);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), number);
    CHECK_STR(text, "");
}

int main(void)
{
    ends_with(crash_in_cairo, 1,
              "cfp-gpu: libcairo.so.2: crashed (segmentation fault); libraries may do so when "
              "memory runs out\n");
    ends_with(crash_in_cairo_after_the_end, 3, "");
    ends_with(crash_in_a_child, 5, "");
    stays_a_crash(crash_in_ours, SIGSEGV);
    stays_a_crash(crash_in_ours_below, SIGSEGV);
    stays_a_crash(abort_in_ours, SIGABRT);
    stays_a_crash(signal_from_outside, SIGSEGV);
    ends_with(exit_as_libgomp, 1,
              "cfp-gpu: out of memory: libgomp: Thread creation failed: Resource temporarily "
              "unavailable\n");
    ends_with(exit_in_silence, 1, "cfp-gpu: out of memory: a library ended the program\n");
    ends_with(print, 7,
              "\n  depth  libFontconfig error: out of memory\nHDF5 1.10\n\r[##]  50%\r\n"
              "cfp-gpu: a\nF");
    return test_result();
}
