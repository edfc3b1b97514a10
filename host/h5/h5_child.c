/* h5_child.c - see h5_child.h.  The child gives up its rights, then answers requests until the
 * parent closes the socket.
 *
 * It asks to be killed when its parent ends; it closes all descriptors but three and
 * drops its environment; it forbids itself new descriptors (RLIMIT_NOFILE); it limits its memory; a
 * seccomp filter allows only the system calls for reading, memory and time.  If the kernel has no
 * seccomp, the other limits remain.  The parent limits its time. */
#define _GNU_SOURCE
#include "h5_child.h"
#include "../base/whole.h"
#include "h5_source.h"
#include "h5_walk.h"
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

/* Descriptors from this number on are closed. */
enum { SOCKET = 3, THE_FILE = 4, WINDOW = 5, LAST = 5, ASIDE = 10 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { REPORTS = 1 }; /* show the reports of a sanitizer */
#else
enum { REPORTS = 0 };
#endif

static void keep_descriptors(const cfp_h5_errand *errand)
{
    const int mine[] = {fcntl(errand->socket, F_DUPFD, ASIDE), fcntl(errand->file, F_DUPFD, ASIDE),
                        fcntl(errand->window, F_DUPFD, ASIDE)};
    const int nothing = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < (REPORTS ? 2 : 3); fd++)
        if (nothing < 0)
            close(fd);
        else
            dup2(nothing, fd); /* libc writes to standard error if it finds its heap damaged */
    for (int i = 0; i < 3; i++)
        if (mine[i] < 0 || dup2(mine[i], SOCKET + i) < 0)
            _exit(CFP_H5_CANNOT_BEGIN);
    if (close_range(LAST + 1, ~0U, 0) != 0)
        for (int fd = LAST + 1; fd < 65536; fd++)
            close(fd);
}

static void limit(int what, rlim_t max)
{
    const struct rlimit none = {max, max};
    setrlimit(what, &none);
}

/* Limits the memory to the present size of the process and what reading may take. */
static void limit_memory(int64_t bytes)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    const bool known = file != NULL && fscanf(file, "%llu", &pages) == 1;
    if (file != NULL)
        fclose(file);
    if (known)
        limit(RLIMIT_AS, (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)bytes);
}

/* All other system calls fail with EPERM. */
static void filter_calls(void)
{
    static const int allowed[] = {
        SCMP_SYS(read),         SCMP_SYS(pread64),        SCMP_SYS(write),
        SCMP_SYS(recvfrom),     SCMP_SYS(recvmsg),        SCMP_SYS(sendto),
        SCMP_SYS(sendmsg),      SCMP_SYS(lseek),          SCMP_SYS(fstat),
        SCMP_SYS(close),        SCMP_SYS(mmap),           SCMP_SYS(munmap),
        SCMP_SYS(mremap),       SCMP_SYS(mprotect),       SCMP_SYS(madvise),
        SCMP_SYS(brk),          SCMP_SYS(futex),          SCMP_SYS(exit),
        SCMP_SYS(exit_group),   SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday),
        SCMP_SYS(getrandom),    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),    SCMP_SYS(getpid),
        SCMP_SYS(gettid),       SCMP_SYS(sched_yield),    SCMP_SYS(restart_syscall),
    };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return;
    bool good = true;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        good = good && seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) == 0;
    /* abort() sends a signal to its own process */
    good = good && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())) == 0;
    if (good)
        seccomp_load(filter);
    seccomp_release(filter);
}

/* A crash ends the child: the parent's handlers are removed.  Other signals are blocked. */
static void forget_handlers(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigset_t all;
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes && !REPORTS; i++)
        signal(crashes[i], SIG_DFL);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

static void lock_up(const cfp_h5_errand *errand)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != errand->parent)
        _exit(2);
    forget_handlers();
    keep_descriptors(errand);
    environ = NULL; /* HDF5 would look there for plugins to load */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
    limit_memory(errand->memory);
    limit(RLIMIT_CORE, 0);
    if (!REPORTS) /* a report may need to open a file */
        limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, 0);
    filter_calls();
}

static void answer(bool good, const cfp_h5_reader *reader, const cfp_h5_words *out)
{
    const cfp_h5_reply reply = {
        .refused = !good,
        .bytes = (int64_t)(good ? out->n * sizeof *out->word : strlen(reader->refusal)),
    };
    if (!cfp_write_whole(SOCKET, &reply, sizeof reply) ||
        !cfp_write_whole(SOCKET, good ? (const void *)out->word : reader->refusal,
                         (size_t)reply.bytes))
        _exit(0); /* the parent has closed its end */
}

static void serve(cfp_h5_reader *reader)
{
    cfp_h5_request request;
    while (cfp_read_whole(SOCKET, &request, sizeof request)) {
        if (request.path_bytes < 0 || request.path_bytes > CFP_H5_LONGEST_PATH || request.bytes < 0)
            _exit(2);
        char *path = calloc(1, (size_t)request.path_bytes + 1);
        if (path == NULL || !cfp_read_whole(SOCKET, path, (size_t)request.path_bytes))
            _exit(2);
        cfp_h5_words out = {.max = (size_t)request.bytes / sizeof *out.word};
        const bool good = request.what == CFP_H5_ASK_GROUP  ? cfp_h5_walk_group(reader, &out, path)
                          : request.what == CFP_H5_ASK_TEXT ? cfp_h5_walk_text(reader, &out, path)
                          : request.what == CFP_H5_ASK_BYTES
                              ? cfp_h5_walk_bytes(reader, &out, path, request.first)
                              : cfp_h5_walk_rows(reader, &request, path);
        answer(good, reader, &out);
        free(out.word);
        free(path);
    }
}

void cfp_h5_run_child(const cfp_h5_errand *errand)
{
    lock_up(errand);
    cfp_h5_reader reader = {.window = WINDOW,
                            .file_bytes = errand->file_bytes,
                            .dataset = -1,
                            .file = cfp_h5_source_open(THE_FILE)};
    const cfp_h5_words nothing = {0};
    if (reader.file < 0)
        cfp_h5_refuse(&reader, "is not an HDF5 file, or a damaged one");
    answer(reader.file >= 0, &reader, &nothing);
    if (reader.file >= 0)
        serve(&reader);
    _exit(0);
}
