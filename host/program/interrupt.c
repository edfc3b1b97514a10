/* interrupt.c - see interrupt.h.
 *
 * A signal handler can run at any moment, so it only makes system calls and allocates no memory.
 * For the same reason it reads folders with getdents64 instead of readdir. */
#include "interrupt.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 1500,
    MAX_PARTIAL = 32,
    DEEPEST_FOLDER = 8,
    ENTRIES = 8192, /* bytes of a folder's entries that are read at a time */
    EXIT_INTERRUPTED = 130
};

typedef enum partial_state { EMPTY, CHANGING, THERE } partial_state;

typedef struct partial {
    int state;
    char path[PATH_MAX];
} partial;

/* Global variables, because a signal handler has no other access to them. */
static volatile int interrupted;
static int n_signals, said, patience_ms = PATIENCE_MS;
static partial partials[MAX_PARTIAL];
static pid_t owner; /* the process that made the files: its child processes must not remove them */

const volatile int *cfp_interrupt_flag(void)
{
    return &interrupted;
}

void cfp_interrupt_patience(int ms)
{
    __atomic_store_n(&patience_ms, ms, __ATOMIC_RELAXED);
}

void cfp_interrupt_said(void)
{
    __atomic_store_n(&said, 1, __ATOMIC_RELAXED);
}

static bool change(partial *p, int from, int to)
{
    return __atomic_compare_exchange_n(&p->state, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

void cfp_interrupt_partial(void *cookie, const char *path, bool there)
{
    (void)cookie;
    if (strlen(path) >= PATH_MAX)
        return;
    for (int i = 0; i < MAX_PARTIAL; i++) {
        partial *p = &partials[i];
        if (there && change(p, EMPTY, CHANGING)) {
            memcpy(p->path, path, strlen(path) + 1);
            __atomic_store_n(&p->state, THERE, __ATOMIC_RELEASE);
            return;
        }
        if (!there && change(p, THERE, CHANGING)) {
            const bool same = strcmp(p->path, path) == 0;
            __atomic_store_n(&p->state, same ? EMPTY : THERE, __ATOMIC_RELEASE);
            if (same)
                return;
        }
    }
}

/* --- the end --- */

struct entry { /* as the system call getdents64 writes it */
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

static void remove_tree(int folder, const char *name, int depth);

static void empty_folder(int folder, int depth)
{
    _Alignas(struct entry) char entries[ENTRIES];
    long got;
    while ((got = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0)
        for (long at = 0; at < got;) {
            const struct entry *e = (const struct entry *)(const void *)(entries + at);
            if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0)
                remove_tree(folder, e->name, depth);
            at += e->length;
        }
}

/* Removes a file, or a folder and what is in it.  Links are removed, not followed. */
static void remove_tree(int folder, const char *name, int depth)
{
    if (unlinkat(folder, name, 0) == 0 || depth == DEEPEST_FOLDER)
        return;
    const int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0)
        return;
    empty_folder(inner, depth + 1);
    close(inner);
    unlinkat(folder, name, AT_REMOVEDIR);
}

/* True if a line can be written without waiting.  A full pipe that nobody reads or a stopped
 * terminal would block the program for ever. */
static bool can_be_told(void)
{
    struct pollfd one = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&one, 1, 0) == 1 && (one.revents & POLLOUT) != 0;
}

static void end_now(void)
{
    static const char line[] = "cfp-gpu: interrupted\n";
    for (int i = 0; i < MAX_PARTIAL && getpid() == owner; i++)
        if (__atomic_load_n(&partials[i].state, __ATOMIC_ACQUIRE) == THERE)
            remove_tree(AT_FDCWD, partials[i].path, 0);
    if (!__atomic_load_n(&said, __ATOMIC_RELAXED) && can_be_told() &&
        write(STDERR_FILENO, line, sizeof line - 1) < 0) {
        /* there is no other place for the message */
    }
    _exit(EXIT_INTERRUPTED);
}

static void on_signal(int number)
{
    const int ms = __atomic_load_n(&patience_ms, __ATOMIC_RELAXED);
    const struct itimerval patience = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    (void)number;
    interrupted = 1;
    if (__atomic_fetch_add(&n_signals, 1, __ATOMIC_RELAXED) > 0)
        end_now();
    const int error = errno;
    setitimer(ITIMER_REAL, &patience, NULL);
    errno = error;
}

static void on_timer(int number)
{
    (void)number;
    end_now();
}

void cfp_interrupt_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction ends = {.sa_handler = on_timer};
    struct sigaction asks = {.sa_handler = on_signal}, before;
    owner = getpid();
    for (int i = 0; i < 3; i++) /* no other of these signals interrupts the handler */
        sigaddset(&asks.sa_mask, numbers[i]);
    sigaction(SIGALRM, &ends, NULL);
    for (int i = 0; i < 3; i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &asks, NULL);
}
