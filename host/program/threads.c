/* threads.c - how many threads can be made here, asked before OpenMP makes them: its runtime ends
 * the process where one cannot be made (a limit of processes, or of memory). */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include "commands.h"

enum { ASKED_FOR_AT_MOST = 1024 };

/* Threads that the process may use: a container or taskset may leave it fewer than there are. */
static int usable_threads(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void *wait_for(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* How many threads there can be at a time, this one included, up to `wanted`; *error says why there
 * are no more. */
static int threads_that_start(int wanted, int *error)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread[ASKED_FOR_AT_MOST];
    int n = 0;
    *error = 0;
    pthread_mutex_lock(&gate);
    while (n + 1 < wanted && n < ASKED_FOR_AT_MOST && *error == 0) {
        *error = pthread_create(&thread[n], NULL, wait_for, &gate);
        n += *error == 0;
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    return *error == 0 ? wanted : n + 1;
}

cfp_status cfp_session_choose_threads(cfp_session *session)
{
    const int asked = (int)session->config.threads;
    const int wanted = asked > 0 ? asked : usable_threads();
    int error;
    session->threads = threads_that_start(wanted, &error);
    if (session->threads == wanted)
        return CFP_OK;
    if (asked > 0)
        return cfp_fail(&session->ctx, CFP_NOMEM, "--threads: %d: no more than %d can be made: %s",
                        asked, session->threads, strerror(error));
    cfp_log(&session->ctx, CFP_LOG_WARNING, "%d threads instead of %d: no more can be made: %s",
            session->threads, wanted, strerror(error));
    return CFP_OK;
}
