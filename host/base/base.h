/* base.h - what every other file uses: status codes, error messages, memory and logging.
 *
 * There are no global variables.  main (or a test) creates a cfp_ctx and passes it down.  The
 * function that finds an error writes the whole message into it; its callers only return the
 * status.  Nothing here prints, exits or reads the environment: host/program/ does. */
#pragma once
#include "../cfp.h" /* cfp_status, cfp_level */

/* Marks a function whose loops run faster in wide registers.  The compiler makes a second version
 * of it for AVX2.  The version to run is chosen at program start.  Both give the same numbers. */
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

/* The surroundings of a piece of work: its error message, its callbacks and its limits.  Each
 * thread has its own.  {0} is valid: no log, no memory limit, no interrupt. */
typedef struct cfp_ctx {
    char message[1024]; /* the last error, in full: "<file or option>: <what is wrong>" */
    bool blames_option; /* the message is about an option, and already begins with its name */
    void (*log)(void *cookie, cfp_level level, const char *line); /* NULL: no log */
    /* Long loops call this from time to time: `done` of `total` units of `what`.  NULL: no one. */
    void (*progress)(void *cookie, const char *what, int64_t done, int64_t total);
    /* Called with there = true when an unfinished file or folder is made at `path`, and with false
     * when it has got its final name or was removed.  So the caller knows what to remove if the
     * program has to end at once.  NULL: no one. */
    void (*partial)(void *cookie, const char *path, bool there);
    void *cookie;                    /* passed to the callbacks */
    const volatile int *interrupted; /* non-zero: stop with CFP_INTERRUPTED; NULL: never */
    int64_t max_memory;   /* bytes that the contents of files may take; 0: what is free */
    int64_t memory_taken; /* bytes that they have taken so far */
    /* For tests: counts down with each allocation; the one that reaches 0 fails.  0: none fails. */
    int64_t fail_allocation;
} cfp_ctx;

/* Records the message (printf style, no trailing newline) in ctx and returns `status`. */
cfp_status cfp_fail(cfp_ctx *ctx, cfp_status status, const char *format, ...) CFP_PRINTF(3, 4);
/* The same for an option that cannot be taken: "--<option><format>".  Callers do not put the name
 * of a node or a device in front of it. */
cfp_status cfp_fail_option(cfp_ctx *ctx, cfp_status status, const char *option, const char *format,
                           ...) CFP_PRINTF(4, 5);

void cfp_log(cfp_ctx *ctx, cfp_level level, const char *format, ...) CFP_PRINTF(3, 4);
void cfp_progress(cfp_ctx *ctx, const char *what, int64_t done, int64_t total);
void cfp_partial(cfp_ctx *ctx, const char *path, bool there);
CFP_CHECKED cfp_status cfp_check_interrupt(cfp_ctx *ctx); /* CFP_INTERRUPTED after a request */

/* Returns count x size bytes of zeroed memory, aligned to 64 bytes (a cache line, an AVX-512
 * register).  Returns NULL and sets the message when memory is out or count x size overflows.  A
 * count of 0 gives a valid pointer.  The caller frees the memory with cfp_free, which accepts NULL.
 */
void *cfp_alloc(cfp_ctx *ctx, size_t count, size_t size);
void cfp_free(void *memory);
char *cfp_strdup(cfp_ctx *ctx, const char *text);
/* A new string in the style of printf; NULL when memory is out.  The caller frees it. */
char *cfp_format(cfp_ctx *ctx, const char *format, ...) CFP_PRINTF(2, 3);

/* Returns from the calling function if the expression failed.  Nothing leaks: a function keeps what
 * it acquires in a struct, and its caller frees that struct after success and failure alike. */
#define CFP_TRY(expression)                                                                        \
    do {                                                                                           \
        cfp_status status_ = (expression);                                                         \
        if (status_ != CFP_OK)                                                                     \
            return status_;                                                                        \
    } while (0)

/* Allocates `count` elements for `pointer`, or returns CFP_NOMEM from the calling function. */
#define CFP_TRY_ALLOC(ctx, pointer, count)                                                         \
    do {                                                                                           \
        if (((pointer) = cfp_alloc(ctx, (size_t)(count), sizeof *(pointer))) == NULL)              \
            return CFP_NOMEM;                                                                      \
    } while (0)

/* Returns room for `capacity` elements of `size` bytes.  It begins with the first n of `old`, which
 * is freed; the rest is 0.  NULL: out of memory, and `old` stays as it is. */
void *cfp_enlarge(cfp_ctx *ctx, void *old, size_t n, size_t capacity, size_t size);

/* Makes room for one element more in array[capacity], n of which are used.  Returns CFP_NOMEM from
 * the calling function, which loses nothing. */
#define CFP_TRY_ROOM(ctx, array, n, capacity)                                                      \
    do {                                                                                           \
        if ((n) >= (capacity)) {                                                                   \
            void *larger_ =                                                                        \
                cfp_enlarge((ctx), (array), (size_t)(n), 2 * (size_t)(n) + 16, sizeof *(array));   \
            if (larger_ == NULL)                                                                   \
                return CFP_NOMEM;                                                                  \
            (array) = larger_;                                                                     \
            (capacity) = 2 * (n) + 16;                                                             \
        }                                                                                          \
    } while (0)

/* Bytes of memory that this process could still get: the machine's, or what the control group of a
 * container leaves, whichever is less. */
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
