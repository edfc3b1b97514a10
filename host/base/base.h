/* base.h - what every file of cfp-gpu leans on: status, one error message, memory, logging.
 *
 * There are no globals.  A cfp_ctx is created by main (or by a test) and handed down; the deepest
 * function that knows what is wrong writes the whole message, callers only forward the status.
 * Not here: printing, exiting, reading the environment.  Those belong to host/program/. */
#pragma once
#include "../cfp.h" /* cfp_status, cfp_level */

/* On a function whose loops are faster in wider registers: it is compiled for AVX2, too, and the
 * one that this machine runs is chosen when the program starts.  The numbers are the same. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&       \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CFP_WIDE __attribute__((target_clones("avx2", "default"), optimize("O3")))
#else
#define CFP_WIDE
#endif

#if defined(__GNUC__)
#define CFP_CHECKED __attribute__((warn_unused_result))
#define CFP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define CFP_CHECKED
#define CFP_PRINTF(fmt, args)
#endif

/* One per thread of work.  {0} is valid: silent, unlimited memory, never interrupted. */
typedef struct cfp_ctx {
    char message[1024]; /* what failed last, complete: "<file or option>: <what is wrong>" */
    void (*log)(void *cookie, cfp_level level, const char *line); /* NULL: silent */
    /* Called now and then from long loops; done of total in the unit of `what`.  NULL: none. */
    void (*progress)(void *cookie, const char *what, int64_t done, int64_t total);
    /* Told of each file or folder that is being made and is not finished (there), and again when it
     * has its final name or is gone (!there): what is to be removed if the program must end at
     * once. NULL: nobody is told. */
    void (*partial)(void *cookie, const char *path, bool there);
    void *cookie;                    /* handed to the callbacks */
    const volatile int *interrupted; /* non-zero asks for CFP_INTERRUPTED; NULL: never */
    int64_t max_memory;   /* bytes that files may make it take; 0: what is free (--max-memory) */
    int64_t memory_taken; /* of them, for what was read from files */
    /* For the tests: the allocation that counts this down to 0 fails.  0: none ever does. */
    int64_t fail_allocation;
} cfp_ctx;

/* Records the message (printf style, no trailing newline) in ctx and returns `status`. */
cfp_status cfp_fail(cfp_ctx *ctx, cfp_status status, const char *format, ...) CFP_PRINTF(3, 4);

void cfp_log(cfp_ctx *ctx, cfp_level level, const char *format, ...) CFP_PRINTF(3, 4);
void cfp_progress(cfp_ctx *ctx, const char *what, int64_t done, int64_t total);
void cfp_partial(cfp_ctx *ctx, const char *path, bool there);
CFP_CHECKED cfp_status cfp_check_interrupt(cfp_ctx *ctx); /* CFP_INTERRUPTED once asked for */

/* Zeroed memory for count x size bytes, aligned to 64 (a cache line, an AVX-512 register).
 * NULL with the message set when it does not fit or count x size overflows; count 0 gives a valid
 * pointer.  The caller frees with cfp_free, which accepts NULL. */
void *cfp_alloc(cfp_ctx *ctx, size_t count, size_t size);
void cfp_free(void *memory);
char *cfp_strdup(cfp_ctx *ctx, const char *text);
/* A new string, printf style; NULL when memory is out. */
char *cfp_format(cfp_ctx *ctx, const char *format, ...) CFP_PRINTF(2, 3);

/* Forwards a failure.  Leaks nothing by construction: what a function acquires hangs off a struct
 * that its caller frees once, whatever happened. */
#define CFP_TRY(expression)                                                                        \
    do {                                                                                           \
        cfp_status status_ = (expression);                                                         \
        if (status_ != CFP_OK)                                                                     \
            return status_;                                                                        \
    } while (0)

/* Allocates into pointer or returns CFP_NOMEM. */
#define CFP_TRY_ALLOC(ctx, pointer, count)                                                         \
    do {                                                                                           \
        if (((pointer) = cfp_alloc(ctx, (size_t)(count), sizeof *(pointer))) == NULL)              \
            return CFP_NOMEM;                                                                      \
    } while (0)

/* Bytes that the machine could still give and, in a container, that its control group allows. */
size_t cfp_free_memory(void);

double cfp_now_ms(void); /* monotonic clock, milliseconds */

static inline int cfp_min_int(int a, int b)
{
    return a < b ? a : b;
}
static inline int cfp_max_int(int a, int b)
{
    return a > b ? a : b;
}
