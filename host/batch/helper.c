/* helper.c - see helper.h. */
#define _GNU_SOURCE
#include "helper.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { LONGEST_TEXT = 1 << 20, MEMORY_FD = 3, SPARE_FD = MEMORY_FD + 1 };

/* Copies a descriptor to a number that the file actions below do not overwrite. */
static int out_of_the_way(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, SPARE_FD);
}

static int spawn(int *pid, const char *what, int end, int memory)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none;
    char name[] = "cfp-gpu", word[32], self[24];
    char *const arguments[] = {name, word, self, NULL};
    snprintf(word, sizeof word, "%s", what);
    snprintf(self, sizeof self, "%ld", (long)getpid());
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawn_file_actions_adddup2(&files, end, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (memory >= 0)
        posix_spawn_file_actions_adddup2(&files, memory, MEMORY_FD);
    const int error = posix_spawn(pid, "/proc/self/exe", &files, &how, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    return error;
}

cfp_status cfp_helper_start(cfp_helper *out, cfp_ctx *ctx, const char *what, int memory)
{
    int ends[2];
    *out = (cfp_helper){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return cfp_fail(ctx, CFP_IO, "%s: no process can be started: %s", what, strerror(errno));
    const int end = out_of_the_way(ends[1]), shared = out_of_the_way(memory);
    const int error =
        end < 0 || (memory >= 0 && shared < 0) ? errno : spawn(&out->pid, what, end, shared);
    if (end >= 0)
        close(end);
    if (shared >= 0)
        close(shared);
    close(ends[1]);
    if (error == 0) {
        out->socket = ends[0];
        return CFP_OK;
    }
    close(ends[0]);
    out->pid = 0;
    return cfp_fail(ctx, CFP_IO, "%s: no process can be started: %s", what, strerror(error));
}

enum { ENDING_MS = 100, KILLED_MS = 2000 };

/* Waits a little for a process that is ending; not for ever, since one that waits for a disk that
 * does not answer cannot even be killed. */
static pid_t wait_for_end(int pid, int *status, int ms)
{
    enum { EVERY_US = 2000 };
    pid_t done = 0;
    for (int waited = 0; waited < ms * 1000 && done == 0; waited += EVERY_US) {
        done = waitpid(pid, status, WNOHANG);
        if (done < 0 && errno == EINTR)
            done = 0;
        if (done == 0)
            usleep(EVERY_US);
    }
    return done;
}

void cfp_helper_end(cfp_helper *helper, char *how, size_t bytes)
{
    int status = 0;
    if (helper->pid <= 0)
        return;
    const pid_t done = how == NULL ? 0 : wait_for_end(helper->pid, &status, ENDING_MS);
    const bool ended = done == helper->pid;
    if (how != NULL && !ended)
        snprintf(how, bytes, "closed its connection");
    else if (how != NULL && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        snprintf(how, bytes, "was killed (signal 9; out of memory?)");
    else if (how != NULL && WIFSIGNALED(status))
        snprintf(how, bytes, "crashed (signal %d, %s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (how != NULL)
        snprintf(how, bytes, "ended (status %d)", WEXITSTATUS(status));
    if (!ended) {
        kill(helper->pid, SIGKILL);
        wait_for_end(helper->pid, &status, KILLED_MS);
    }
    close(helper->socket);
    *helper = (cfp_helper){.socket = -1};
}

bool cfp_helper_lives(cfp_helper *helper)
{
    if (helper->pid <= 0)
        return false;
    if (waitpid(helper->pid, NULL, WNOHANG) == 0)
        return true;
    close(helper->socket);
    *helper = (cfp_helper){.socket = -1};
    return false;
}

bool cfp_wire_send_text(int socket, const char *text)
{
    const uint32_t length = (uint32_t)strlen(text);
    return cfp_write_whole(socket, &length, sizeof length) && cfp_write_whole(socket, text, length);
}

bool cfp_wire_receive_text(int socket, cfp_ctx *ctx, char **text)
{
    uint32_t length;
    *text = NULL;
    if (!cfp_read_whole(socket, &length, sizeof length) || length > LONGEST_TEXT ||
        (*text = cfp_alloc(ctx, (size_t)length + 1, 1)) == NULL)
        return false;
    return cfp_read_whole(socket, *text, length);
}

cfp_wire_wait cfp_wire_wait_for(int socket, double seconds, const volatile int *stop)
{
    enum { LOOK_EVERY_MS = 50 };
    const double until = cfp_now_ms() + 1e3 * seconds;
    for (;;) {
        struct pollfd one = {.fd = socket, .events = POLLIN};
        if (poll(&one, 1, LOOK_EVERY_MS) > 0)
            return CFP_WIRE_READY;
        if (stop != NULL && *stop != 0)
            return CFP_WIRE_STOPPED;
        if (cfp_now_ms() > until)
            return CFP_WIRE_LATE;
    }
}
