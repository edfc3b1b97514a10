/* crash.c - see crash.h.  The stack tells whose code crashed: that of the innermost frame which is
 * not in the C library. */
#include "crash.h"
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include "../base/base.h"

enum { EXIT_FAILED = 1, FRAMES = 64, LINE = 256, PATIENCE = 2 };

static char stack[1 << 16]; /* for the handler: the crash may be an overflow of the usual stack */
static volatile sig_atomic_t ended, end_status;
static pid_t owner;
static char said[LINE]; /* the last line that a library printed and that was held back */

/* Writes "cfp-gpu: " and the parts, up to NULL, as one line, and ends the process. */
static void end_with(const char *const *part)
{
    static bool spoken; /* if two threads crash at once, the first prints its line and ends both */
    char line[LINE * 2] = "cfp-gpu: ";
    size_t n = strlen(line);
    if (ended)
        _exit(end_status);
    while (__atomic_test_and_set(&spoken, __ATOMIC_RELAXED))
        pause();
    for (; *part != NULL; part++)
        for (const char *c = *part; *c != '\0' && n < sizeof line - 1; c++)
            line[n++] = *c;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0) {
        /* there is no other place for the message */
    }
    _exit(EXIT_FAILED);
}

/* ---- signals ---- */

static const char *file_name(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool is_c_library(const char *name)
{
    static const char *const begin[] = {"libc.so",    "libc-",    "libm.so",
                                        "libpthread", "ld-linux", "linux-vdso"};
    for (size_t i = 0; i < sizeof begin / sizeof begin[0]; i++)
        if (strncmp(name, begin[i], strlen(begin[i])) == 0)
            return true;
    return false;
}

static const void *program_counter(const void *context)
{
    const mcontext_t *const m = &((const ucontext_t *)context)->uc_mcontext;
#if defined(__x86_64__)
    return (const void *)(uintptr_t)m->gregs[REG_RIP];
#elif defined(__aarch64__)
    return (const void *)(uintptr_t)m->pc;
#else
    (void)m;
    return NULL;
#endif
}

/* True for code of the program, and of libcfp if that is a shared library. */
static bool is_ours(const Dl_info *at)
{
    Dl_info own;
    const uintptr_t code[] = {(uintptr_t)cfp_crash_begin, (uintptr_t)cfp_fail};
    for (size_t i = 0; i < sizeof code / sizeof code[0]; i++)
        if (dladdr((const void *)code[i], &own) != 0 && own.dli_fbase == at->dli_fbase)
            return true;
    return false;
}

/* The name of the library that crashed; NULL if it was our own code. */
static const char *culprit(const void *context)
{
    void *frame[FRAMES];
    const int n = backtrace(frame, FRAMES);
    const void *const crashed = program_counter(context);
    int first = 0;
    while (first < n &&
           frame[first] != crashed) /* the frames before it are those of this handler */
        first++;
    for (int i = first; i < n; i++) {
        Dl_info at;
        if (dladdr(frame[i], &at) == 0 || at.dli_fname == NULL) {
            if (frame[i] == NULL)
                continue;                    /* a null pointer was called: look at the caller */
            return "code that oneDNN makes"; /* code in no file was made at run time */
        }
        if (is_ours(&at))
            return NULL;
        if (!is_c_library(file_name(at.dli_fname)))
            return file_name(at.dli_fname);
    }
    return first < n ? "the C library" : NULL;
}

static const char *name_of(int number)
{
    switch (number) {
    case SIGSEGV:
        return "segmentation fault";
    case SIGBUS:
        return "bus error";
    case SIGFPE:
        return "arithmetic exception";
    case SIGILL:
        return "illegal instruction";
    default:
        return "abort";
    }
}

static void end_for(const char *library, int number)
{
    end_with((const char *const[]){library, ": crashed (", name_of(number),
                                   "); libraries may do so when memory runs out", NULL});
}

static void on_patience(int number)
{
    (void)number;
    end_for("a library", SIGSEGV);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    const bool sent = info->si_code <= 0 && number != SIGABRT; /* another process sent the signal */
    signal(number, SIG_DFL);
    if (!sent && getpid() == owner) {
        signal(SIGALRM, on_patience); /* should the loader's lock be taken */
        alarm(PATIENCE);
        const char *const library = culprit(context);
        if (library != NULL)
            end_for(library, number);
        alarm(0);
    }
    raise(number); /* as it would have ended without us */
}

static void catch_crashes(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    const struct sigaction action = {.sa_sigaction = on_crash,
                                     .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK)};
    void *frame[2];
    (void)backtrace(frame, 2); /* the first call may load a library: not in the handler */
    sigaltstack(&own, NULL);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        sigaction(crashes[i], &action, NULL);
#else
    (void)on_crash;
    (void)stack;
#endif
}

/* ---- standard error ---- */

#ifdef __GLIBC__
static char pending[LINE]; /* the begin of a line that may be a library's */
static size_t n_pending;
static bool holding; /* the rest of the line is held back */
static bool second_line;

/* How lines begin that libraries print for want of memory; a blank one goes before libgomp's, and
 * the last three follow HDF5's first. */
static const char *const foreign[] = {
    "\nlibgomp: ", "libgomp: ", "terminate called ", "  what():  ", "Fontconfig ", "x264 [",
    "Svt[",        "HDF5: ",    "HDF5-DIAG: ",       "  #0",        "    major: ", "    minor: "};

static bool may_be_foreign(bool *is)
{
    bool may = false;
    *is = false;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        const size_t n = strlen(foreign[i]);
        *is = *is || (n_pending >= n && memcmp(pending, foreign[i], n) == 0);
        may = may || (n_pending < n && memcmp(pending, foreign[i], n_pending) == 0);
    }
    return may;
}

static void pass_on(const char *text, size_t n)
{
    while (n > 0) {
        const ssize_t done = write(STDERR_FILENO, text, n);
        if (done <= 0)
            return;
        text += done;
        n -= (size_t)done;
    }
}

/* The held line has ended.  HDF5 says "HDF5: infinite loop closing library" in two. */
static void end_held_line(void)
{
    static const char two[] = "HDF5: infinite loop";
    if (!second_line && n_pending >= sizeof two - 1 && memcmp(pending, two, sizeof two - 1) == 0) {
        second_line = true;
        return;
    }
    second_line = false;
    const size_t blank = pending[0] == '\n';
    memcpy(said, pending + blank, n_pending - blank);
    said[n_pending - blank] = '\0';
    holding = false;
    n_pending = 0;
}

/* One character more of a line whose begin is pending. */
static void sort_out(char c)
{
    bool is = false;
    pending[n_pending++] = c;
    const bool may = may_be_foreign(&is);
    holding = is;
    if (is || may)
        return;
    pass_on(pending, n_pending);
    n_pending = 0;
}

/* Everything passes at once but the begin of a line that may be a library's: it waits until that is
 * known. */
static ssize_t filter(void *cookie, const char *text, size_t size)
{
    static bool at_begin = true; /* of a line */
    size_t passed = 0;
    (void)cookie;
    if (ended)
        return (ssize_t)size;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (!holding && n_pending == 0 && !at_begin) { /* in the middle of a line */
            at_begin = c == '\n';
            continue;
        }
        pass_on(text + passed, i - passed);
        passed = i + 1;
        if (!holding)
            sort_out(c);
        else if (c == '\n')
            end_held_line();
        else if (n_pending < LINE - 1 && !second_line)
            pending[n_pending++] = c;
        at_begin = !holding && n_pending == 0 && c == '\n';
    }
    pass_on(text + passed, size - passed);
    return (ssize_t)size;
}

static void filter_stderr(void)
{
    const cookie_io_functions_t own = {.write = filter};
    FILE *const filtered = fopencookie(NULL, "w", own);
    if (filtered == NULL)
        return;
    setvbuf(filtered, NULL, _IONBF, 0);
    stderr = filtered; /* glibc: a variable like any other */
}

static void stop_filter(void)
{
    if (!holding)
        pass_on(pending, n_pending);
    n_pending = 0;
}
#else
static void filter_stderr(void) {}
static void stop_filter(void) {}
#endif

/* ---- exit ---- */

static void on_exit_by_others(void)
{
    if (ended || getpid() != owner)
        return;
    end_with((const char *const[]){
        "out of memory: ", said[0] != '\0' ? said : "a library ended the program", NULL});
}

void cfp_crash_begin(void)
{
    owner = getpid();
    filter_stderr();
    catch_crashes();
    (void)atexit(on_exit_by_others); /* no memory for it: then exit() is what it is */
}

void cfp_crash_end(int status)
{
    stop_filter();
    end_status = status;
    ended = 1;
}
