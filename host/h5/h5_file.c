/* h5_file.c - see h5_file.h.  Opens files, starts the child process and sends it requests.
 *
 * While it waits for the child it checks the clock, the child's processor time and interrupts.  If
 * the child dies or does not finish, the file is reported as damaged, because HDF5 crashes or hangs
 * on some damaged files. */
#define _GNU_SOURCE
#include "h5_file.h"
#include "../base/hdf5_lock.h"
#include "h5_ask.h"
#include "h5_child.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MB = 1 << 20, WAIT_MS = 100 };

/* Limits for one answer, far above what any machine needs.  The limit by the clock is larger than
 * that of processor time, because other processes or a slow disk may delay the child. */
enum { MIN_SECONDS = 2, BYTES_PER_SECOND = 20 * MB, CLOCK_TIMES = 20 };
/* Memory for reading, in addition to the size of the file: HDF5 unpacks whole chunks. */
enum { MIN_MEMORY = 256 * MB, MAX_MEMORY = 512 * MB, MEMORY_PER_BYTE = 64 };

struct cfp_h5 {
    char *path;
    int fd, socket, window; /* negative: not open */
    pid_t child;            /* 0: there is none, or it has ended */
    bool hung;              /* it was killed because it did not answer */
    int64_t bytes;
    int64_t budget; /* bytes of this process's memory that reading may still take */
};

const char *cfp_h5_path(const cfp_h5 *file)
{
    return file->path;
}

int64_t cfp_h5_bytes(const cfp_h5 *file)
{
    return file->bytes;
}

cfp_status cfp_h5_take_memory(cfp_h5 *file, cfp_ctx *ctx, const char *where, const char *name,
                              int64_t bytes)
{
    const int64_t left = file->budget - ctx->memory_taken;
    if (bytes > left)
        return cfp_fail(ctx, CFP_NOMEM,
                        "%s: '%s' takes %.1f MB of memory, %.1f MB of %.1f MB are left "
                        "(--max-memory)",
                        where, name, (double)bytes / MB, (double)(left > 0 ? left : 0) / MB,
                        (double)file->budget / MB);
    ctx->memory_taken += bytes;
    return CFP_OK;
}

/* Returns the wait status of the child; -1 if other code has already collected it, or if the kernel
 * cannot end it now. */
static int end_child(cfp_h5 *file, bool at_once)
{
    int status = -1;
    if (file->child <= 0)
        return -1;
    if (at_once)
        kill(file->child, SIGKILL);
    for (long ns = 20000; ns < 100000000; ns += ns / 8) { /* about a second: a disk may hang */
        const pid_t done = waitpid(file->child, &status, WNOHANG);
        if (done == file->child || (done < 0 && errno != EINTR))
            break;
        nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
    }
    file->child = 0;
    return status;
}

/* Sets the message after the child has ended without an answer. */
static cfp_status died(cfp_h5 *file, cfp_ctx *ctx)
{
    const int status = end_child(file, false);
    if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return cfp_fail(ctx, CFP_NOMEM, "%s: the process that reads it was killed (out of memory?)",
                        file->path);
    if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == CFP_H5_CANNOT_BEGIN)
        return cfp_fail(ctx, CFP_IO,
                        "%s: the process that reads it gets no descriptors (ulimit -n)",
                        file->path);
    return cfp_fail(ctx, CFP_FORMAT, "%s: damaged (HDF5 crashed while reading it)", file->path);
}

/* Processor seconds that the child has used so far. */
static double child_seconds(const cfp_h5 *file)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(file->child, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

typedef struct patience {
    double processor, clock_ms; /* deadlines */
} patience;

static patience begin_waiting(const cfp_h5 *file, int64_t bytes)
{
    const double seconds = MIN_SECONDS + ((double)file->bytes + (double)bytes) / BYTES_PER_SECOND;
    return (patience){child_seconds(file) + seconds, cfp_now_ms() + 1e3 * CLOCK_TIMES * seconds};
}

/* Waits until the socket has something to read. */
static cfp_status wait_for_answer(cfp_h5 *file, cfp_ctx *ctx, const patience *p)
{
    for (;;) {
        struct pollfd one = {.fd = file->socket, .events = POLLIN};
        if (poll(&one, 1, WAIT_MS) > 0)
            return CFP_OK;
        const cfp_status asked = cfp_check_interrupt(ctx);
        if (asked != CFP_OK) {
            end_child(file, true);
            return asked;
        }
        if (child_seconds(file) > p->processor || cfp_now_ms() > p->clock_ms) {
            end_child(file, true);
            file->hung = true;
            return cfp_fail(ctx, CFP_FORMAT, "%s: damaged (HDF5 does not come to its end)",
                            file->path);
        }
    }
}

static cfp_status receive(cfp_h5 *file, cfp_ctx *ctx, void *to, size_t bytes, const patience *p)
{
    char *at = to;
    while (bytes > 0) {
        CFP_TRY(wait_for_answer(file, ctx, p));
        const ssize_t n = recv(file->socket, at, bytes, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return died(file, ctx);
        at += n;
        bytes -= (size_t)n;
    }
    return CFP_OK;
}

static cfp_status send_request(cfp_h5 *file, cfp_ctx *ctx, const void *from, size_t bytes)
{
    const char *at = from;
    while (bytes > 0) {
        const ssize_t n = send(file->socket, at, bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return died(file, ctx);
        at += n;
        bytes -= (size_t)n;
    }
    return CFP_OK;
}

/* Reads the text of a refusal and makes it the end of the message. */
static cfp_status refused(cfp_h5 *file, cfp_ctx *ctx, const char *where, int64_t bytes,
                          const patience *p)
{
    char why[1024] = "";
    if (bytes < 0 || bytes >= (int64_t)sizeof why)
        return cfp_fail(ctx, CFP_FORMAT, "%s: damaged", where);
    CFP_TRY(receive(file, ctx, why, (size_t)bytes, p));
    return cfp_fail(ctx, CFP_FORMAT, "%s: %s", where, why);
}

/* Receives the reply to the last request.  The caller frees *words. */
static cfp_status take_reply(cfp_h5_words *words, cfp_h5 *file, cfp_ctx *ctx, const char *where,
                             int64_t most, const patience *p)
{
    cfp_h5_reply reply;
    CFP_TRY(receive(file, ctx, &reply, sizeof reply, p));
    if (reply.refused != 0)
        return refused(file, ctx, where, reply.bytes, p);
    if (reply.bytes < 0 || reply.bytes > most || reply.bytes % 8 != 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: damaged (it claims %lld bytes)", file->path,
                        (long long)reply.bytes);
    words->n = (size_t)reply.bytes / sizeof *words->word;
    CFP_TRY_ALLOC(ctx, words->word, words->n);
    return receive(file, ctx, words->word, (size_t)reply.bytes, p);
}

static cfp_status ask(cfp_h5_words *words, cfp_h5 *file, cfp_ctx *ctx, const char *where,
                      cfp_h5_request request, const char *path)
{
    const patience p = begin_waiting(file, request.bytes);
    request.path_bytes = (int64_t)strlen(path);
    if (request.path_bytes > CFP_H5_LONGEST_PATH)
        return cfp_fail(ctx, CFP_FORMAT, "%s: the name of an object is too long", file->path);
    if (file->child <= 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: damaged (HDF5 crashed while reading it)", file->path);
    CFP_TRY(send_request(file, ctx, &request, sizeof request));
    CFP_TRY(send_request(file, ctx, path, (size_t)request.path_bytes));
    return take_reply(words, file, ctx, where, request.what == CFP_H5_ASK_ROWS ? 0 : request.bytes,
                      &p);
}

cfp_status cfp_h5_ask_words(cfp_h5_words *words, cfp_h5 *file, cfp_ctx *ctx, const char *where,
                            cfp_h5_what what, const char *path)
{
    /* A number of one byte becomes a word of eight, and each name takes up to three words more. */
    const int64_t most = MB + 32 * file->bytes;
    *words = (cfp_h5_words){0};
    return ask(words, file, ctx, where, (cfp_h5_request){.what = what, .bytes = most}, path);
}

cfp_status cfp_h5_ask_bytes(cfp_h5_words *words, cfp_h5 *file, cfp_ctx *ctx, const char *where,
                            const char *path, int64_t row)
{
    *words = (cfp_h5_words){0};
    return ask(words, file, ctx, where,
               (cfp_h5_request){.what = CFP_H5_ASK_BYTES, .first = row, .bytes = MB + file->bytes},
               path);
}

/* Reads rows straight from the file, without HDF5: they lie in one piece and need no conversion. */
static cfp_status read_bytes(cfp_h5 *file, cfp_ctx *ctx, int fd, const char *where,
                             const cfp_h5_dataset *dataset, char *to, int64_t at, int64_t bytes)
{
    enum { PIECE = 64 * MB };
    while (bytes > 0) {
        CFP_TRY(cfp_check_interrupt(ctx));
        const ssize_t n = pread(fd, to, (size_t)(bytes < PIECE ? bytes : PIECE), (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return cfp_fail(ctx, n < 0 ? CFP_IO : CFP_FORMAT, "%s: '%s' cannot be read: %s", where,
                            dataset->path, n < 0 ? strerror(errno) : "the file ends before");
        to += n;
        at += n;
        bytes -= n;
    }
    (void)file;
    return CFP_OK;
}

/* Reads rows through the window.  Its memory is allocated before the child writes to it. */
static cfp_status read_window(cfp_h5 *file, cfp_ctx *ctx, const char *where,
                              const cfp_h5_dataset *dataset, cfp_h5_request request, void *out)
{
    int wrong = ftruncate(file->window, (off_t)request.bytes) != 0 ? errno : EINTR;
    while (wrong == EINTR) { /* a signal came, perhaps an interrupt */
        CFP_TRY(cfp_check_interrupt(ctx));
        wrong = posix_fallocate(file->window, 0, (off_t)request.bytes);
    }
    cfp_h5_words none = {0};
    cfp_status status = CFP_OK;
    if (wrong != 0)
        status = cfp_fail(ctx, CFP_NOMEM, "%s: no memory to read '%s': %s", where, dataset->path,
                          strerror(wrong));
    if (status == CFP_OK)
        status = ask(&none, file, ctx, where, request, dataset->path);
    cfp_free(none.word);
    if (status == CFP_OK)
        status = read_bytes(file, ctx, file->window, where, dataset, out, 0, request.bytes);
    if (ftruncate(file->window, 0) != 0 && status == CFP_OK)
        status = cfp_fail(ctx, CFP_IO, "%s: %s", where, strerror(errno));
    return status;
}

cfp_status cfp_h5_ask_rows(void *out, cfp_h5 *file, cfp_ctx *ctx, const char *where,
                           const cfp_h5_dataset *dataset, cfp_h5_element element, int64_t first,
                           int64_t rows)
{
    int64_t bytes = element == CFP_H5_U8 ? 1 : 4;
    for (int a = 1; a < dataset->rank; a++)
        if (__builtin_mul_overflow(bytes, dataset->size[a], &bytes))
            return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is damaged", where, dataset->path);
    const int64_t row = bytes;
    int64_t start, end;
    if (dataset->rank < 1 || dataset->rank > CFP_H5_MAX_RANK || first < 0 || rows < 0 ||
        first > dataset->size[0] || rows > dataset->size[0] - first ||
        __builtin_mul_overflow(row, rows, &bytes) || __builtin_mul_overflow(row, first, &start) ||
        __builtin_add_overflow(start, bytes, &end))
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' has no such rows", where, dataset->path);
    if (bytes == 0)
        return CFP_OK;
    if (dataset->offset >= 0 && dataset->element == element) {
        if (end > dataset->stored || dataset->offset > INT64_MAX - end)
            return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is damaged", where, dataset->path);
        return read_bytes(file, ctx, file->fd, where, dataset, out, dataset->offset + start, bytes);
    }
    return read_window(file, ctx, where, dataset,
                       (cfp_h5_request){.what = CFP_H5_ASK_ROWS,
                                        .element = element,
                                        .first = first,
                                        .rows = rows,
                                        .bytes = bytes},
                       out);
}

static int64_t child_memory(const cfp_h5 *file)
{
    const int64_t holds = file->bytes < INT64_MAX / MEMORY_PER_BYTE / 2
                              ? MAX_MEMORY + MEMORY_PER_BYTE * file->bytes
                              : INT64_MAX / 2;
    const int64_t most = holds < file->budget ? holds : file->budget;
    return most > MIN_MEMORY ? most : MIN_MEMORY;
}

/* Starts the child.  Signals are blocked meanwhile, so that the child never runs the handlers of
 * this program. */
static cfp_status start_child(cfp_h5 *file, cfp_ctx *ctx)
{
    int ends[2];
    sigset_t all, before;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return cfp_fail(ctx, CFP_IO, "%s: no socket to read it through: %s", file->path,
                        strerror(errno));
    file->socket = ends[0];
    const cfp_h5_errand errand = {.socket = ends[1],
                                  .file = file->fd,
                                  .window = file->window,
                                  .file_bytes = file->bytes,
                                  .memory = child_memory(file),
                                  .parent = getpid()};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    cfp_hdf5_lock(); /* the child must not inherit HDF5 in the middle of a call */
    const pid_t child = fork();
    if (child == 0)
        cfp_h5_run_child(&errand);
    const int wrong = errno;
    cfp_hdf5_unlock();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (child < 0)
        return cfp_fail(ctx, CFP_NOMEM, "%s: no process to read it in: %s", file->path,
                        strerror(wrong));
    file->child = child;
    return CFP_OK;
}

static cfp_status open_regular(cfp_h5 *file, cfp_ctx *ctx)
{
    struct stat facts;
    if (stat(file->path, &facts) != 0)
        return cfp_fail(ctx, CFP_IO, "%s: %s", file->path, strerror(errno));
    /* Checked before it is opened, because opening some devices has effects, and again after. */
    if (S_ISREG(facts.st_mode)) {
        file->fd = open(file->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (file->fd < 0 || fstat(file->fd, &facts) != 0)
            return cfp_fail(ctx, CFP_IO, "%s: %s", file->path, strerror(errno));
    }
    if (!S_ISREG(facts.st_mode))
        return cfp_fail(ctx, CFP_IO, "%s: %s", file->path,
                        S_ISDIR(facts.st_mode) ? "is a folder" : "is not a regular file");
    file->bytes = (int64_t)facts.st_size;
    return CFP_OK;
}

/* In a sanitizer build another thread may hold the allocator's lock at the fork.  The child then
 * hangs at its first allocation, before its first reply.  (glibc's allocator has no such problem.)
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MAX_TRIES = 5 };
#else
enum { MAX_TRIES = 1 };
#endif

static cfp_status first_reply(cfp_h5 *file, cfp_ctx *ctx)
{
    CFP_TRY(start_child(file, ctx));
    const patience p = begin_waiting(file, 0);
    cfp_h5_words none = {0};
    const cfp_status status = take_reply(&none, file, ctx, file->path, 0, &p);
    cfp_free(none.word);
    return status;
}

static cfp_status open_file(cfp_h5 *file, cfp_ctx *ctx, const char *path)
{
    if ((file->path = cfp_strdup(ctx, path)) == NULL)
        return CFP_NOMEM;
    CFP_TRY(open_regular(file, ctx));
    file->budget =
        ctx->max_memory > 0 ? ctx->max_memory : (int64_t)cfp_free_memory() + ctx->memory_taken;
    file->window = memfd_create("cfp-gpu", MFD_CLOEXEC);
    if (file->window < 0)
        return cfp_fail(ctx, CFP_NOMEM, "%s: no memory to read it through: %s", path,
                        strerror(errno));
    cfp_status status = first_reply(file, ctx);
    for (int tries = 1; file->hung && tries < MAX_TRIES; tries++) {
        close(file->socket);
        file->socket = -1;
        file->hung = false;
        ctx->message[0] = '\0';
        status = first_reply(file, ctx);
    }
    return status;
}

cfp_status cfp_h5_open(cfp_h5 **out, cfp_ctx *ctx, const char *path)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->fd = (*out)->socket = (*out)->window = -1;
    const cfp_status status = open_file(*out, ctx, path);
    if (status != CFP_OK)
        cfp_h5_close(out);
    return status;
}

void cfp_h5_close(cfp_h5 **file)
{
    cfp_h5 *f = *file;
    *file = NULL;
    if (f == NULL)
        return;
    end_child(f, true);
    const int open[] = {f->socket, f->window, f->fd};
    for (int i = 0; i < 3; i++)
        if (open[i] >= 0)
            close(open[i]);
    cfp_free(f->path);
    cfp_free(f);
}
