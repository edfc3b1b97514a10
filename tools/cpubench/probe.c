/* probe.c - measures the speed of the processor at this moment: GFLOP/s of fused multiply-adds in
 * registers.
 *
 *     probe THREADS      for each line on standard input, prints a number 50 ms later
 *
 * Clocks of shared machines change within seconds.  tools/compare-torch runs the probe before and
 * after everything that it times, and takes the highest speed for the ceiling of the processor. The
 * probe uses no memory and is not part of the program. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
enum { CHAINS = 12, MOST_THREADS = 4096 }; /* chains: latency times units, and a few more */

typedef float lanes __attribute__((vector_size(4 * LANES)));
static volatile float sink[MOST_THREADS][16]; /* a cache line a thread; volatile: the work is done
                                                 though nobody reads it */

/* Values stay near 1: x * 0.999 + 0.001. */
static void multiply_add(int thread, long steps)
{
    lanes x[CHAINS] = {{0}}, factor = {0}, more = {0};
    for (int i = 0; i < LANES; i++) {
        factor[i] = 0.999f;
        more[i] = 0.001f;
        for (int c = 0; c < CHAINS; c++)
            x[c][i] = 1 + (float)(c + 1) / 64;
    }
    for (long s = 0; s < steps; s++)
        for (int c = 0; c < CHAINS; c++)
            x[c] = x[c] * factor + more;
    for (int c = 1; c < CHAINS; c++)
        x[0] += x[c];
    sink[thread][0] = x[0][0] + x[0][LANES - 1];
}

/* Seconds that every thread's `steps` take together, once all of them are awake. */
static double measure(int threads, long steps)
{
    double start = 0, end = 0;
#pragma omp parallel num_threads(threads)
    {
        multiply_add(omp_get_thread_num(), steps / 8);
#pragma omp barrier
#pragma omp single
        start = omp_get_wtime();
        multiply_add(omp_get_thread_num(), steps);
#pragma omp barrier
#pragma omp single
        end = omp_get_wtime();
    }
    return end - start;
}

/* The least of some: threads that have just been woken may share a processor for a while. */
static double least_of_some(int threads, long steps)
{
    double least = measure(threads, steps);
    for (int i = 1; i < 12; i++) {
        const double seconds = measure(threads, steps);
        least = seconds < least ? seconds : least;
    }
    return least;
}

/* How many steps take 4 ms, by the best of a few of one thread: another process may take a
 * processor for milliseconds. */
static long calibrated(void)
{
    long steps = 1000;
    for (;; steps *= 2) {
        double least = 1;
        for (int i = 0; i < 10; i++) {
            const double start = omp_get_wtime();
            multiply_add(0, steps);
            const double seconds = omp_get_wtime() - start;
            least = seconds < least ? seconds : least;
        }
        if (least > 1e-3)
            return (long)((double)steps * 4e-3 / least);
    }
}

int main(int argc, char **argv)
{
    const int threads = argc == 2 ? atoi(argv[1]) : 0;
    char line[64];
    if (threads < 1 || threads > MOST_THREADS) {
        fprintf(stderr, "usage: probe THREADS\n");
        return 2;
    }
    const long steps = calibrated();
    while (fgets(line, sizeof line, stdin) != NULL) {
        const double seconds = least_of_some(threads, steps);
        printf("%.3f\n", 2e-9 * LANES * CHAINS * (double)steps * threads / seconds);
        fflush(stdout);
    }
    return 0;
}
