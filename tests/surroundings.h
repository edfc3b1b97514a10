/* surroundings.h - records the state of a process that a library must not change: signal handlers,
 * environment, number of OpenMP threads, working folder, standard output. */
#pragma once
#include "test.h"
#include <omp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

typedef struct surroundings {
    struct sigaction action[32];
    sigset_t mask;
    int threads, variables;
    char folder[4096];
    struct stat out;
} surroundings;

static inline void look_around(surroundings *s)
{
    memset(s, 0, sizeof *s);
    for (int i = 1; i < 32; i++)
        sigaction(i, NULL, &s->action[i]);
    pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
    s->threads = omp_get_max_threads();
    for (char **v = environ; *v != NULL; v++)
        s->variables++;
    if (getcwd(s->folder, sizeof s->folder) == NULL)
        abort();
    fflush(NULL);
    fstat(STDOUT_FILENO, &s->out);
}

static inline void check_surroundings(const surroundings *before, const surroundings *after)
{
    CHECK_EQ(after->out.st_size, 0);
    for (int i = 1; i < 32; i++)
        CHECK(before->action[i].sa_handler == after->action[i].sa_handler &&
              before->action[i].sa_flags == after->action[i].sa_flags);
    CHECK(memcmp(&before->mask, &after->mask, sizeof before->mask) == 0);
    CHECK_EQ(before->threads, after->threads);
    CHECK_EQ(before->variables, after->variables);
    CHECK_STR(before->folder, after->folder);
}
