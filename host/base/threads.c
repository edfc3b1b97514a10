/* threads.c - see threads.h: makes the threads, and lets them end again. */
#include "threads.h"
#include <pthread.h>
#include <sched.h>

enum { ASKED_FOR_AT_MOST = 1024 };

int cfp_usable_threads(void)
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

int cfp_threads_that_start(int wanted, int *error)
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
