/* test_guard.c - checks that a crash while a file is read ends in one line that names the file of
 * the crashed thread, whatever other threads do.  Anywhere else a crash must stay a crash. */
#include "../host/program/guard.h"
#include "test.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void *begin(void *path)
{
    cfp_guard_begin(path);
    return NULL;
}

static void *begin_and_end(void *path)
{
    cfp_guard_begin(path);
    cfp_guard_end();
    return NULL;
}

/* Runs at the same time, and has ended when this one returns. */
static void another_thread(void *(*work)(void *))
{
    pthread_t other;
    if (pthread_create(&other, NULL, work, "other.mp4") != 0 || pthread_join(other, NULL) != 0)
        _exit(43);
}

static void *crash_while_another_reads(void *path)
{
    cfp_guard_begin(path);
    another_thread(begin);
    raise(SIGSEGV);
    return NULL;
}

static void *crash_when_another_is_done(void *path)
{
    cfp_guard_begin(path);
    another_thread(begin_and_end);
    abort();
}

static void *crash_after_the_guard(void *path)
{
    cfp_guard_begin(path);
    cfp_guard_end();
    abort();
}

/* Runs it in a child process, in which another thread reads "other.mp4".  Returns the wait status,
 * and what the child wrote to standard error. */
static int status_of(void *(*crash)(void *), char text[512])
{
    int ends[2], status = 0;
    CHECK_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0}; /* no core file */
        pthread_t mine;
        setrlimit(RLIMIT_CORE, &none);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        cfp_guard_begin("main.mp4");
        if (pthread_create(&mine, NULL, crash, "mine\n.mp4") == 0)
            pthread_join(mine, NULL);
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

int main(void)
{
    char text[512];
    void *(*const guarded[])(void *) = {crash_while_another_reads, crash_when_another_is_done};
    for (int i = 0; i < 2; i++) {
        const int status = status_of(guarded[i], text);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        CHECK_STR(text, "cfp-gpu: mine\\x0a.mp4: damaged: a library crashed while reading it\n");
    }
    const int status = status_of(crash_after_the_guard, text);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_STR(text, "");
    return test_result();
}
