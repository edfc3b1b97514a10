/* base.c - see base.h. */
#include "base.h"
#include "text_shown.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

CFP_PRINTF(3, 0)
static void record(cfp_ctx *ctx, const char *option, const char *format, va_list args)
{
    if (ctx == NULL)
        return;
    /* The arguments may point into the old message, so the new one is written elsewhere first. */
    char text[sizeof ctx->message];
    int used = 0;
    if (option != NULL)
        used = snprintf(text, sizeof text, "--%.40s", option);
    vsnprintf(text + used, sizeof text - (size_t)used, format, args);
    /* Names of files can hold any bytes.  The message stays one line that is safe to show. */
    cfp_shown_text(ctx->message, sizeof ctx->message, text);
    ctx->blames_option = option != NULL;
}

cfp_status cfp_fail(cfp_ctx *ctx, cfp_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(ctx, NULL, format, args);
    va_end(args);
    return status;
}

cfp_status cfp_fail_option(cfp_ctx *ctx, cfp_status status, const char *option, const char *format,
                           ...)
{
    va_list args;
    va_start(args, format);
    record(ctx, option, format, args);
    va_end(args);
    return status;
}

void cfp_log(cfp_ctx *ctx, cfp_level level, const char *format, ...)
{
    if (ctx == NULL || ctx->log == NULL)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ctx->log(ctx->cookie, level, line);
}

void cfp_progress(cfp_ctx *ctx, const char *what, int64_t done, int64_t total)
{
    if (ctx != NULL && ctx->progress != NULL)
        ctx->progress(ctx->cookie, what, done, total);
}

void cfp_partial(cfp_ctx *ctx, const char *path, bool there)
{
    if (ctx != NULL && ctx->partial != NULL)
        ctx->partial(ctx->cookie, path, there);
}

cfp_status cfp_check_interrupt(cfp_ctx *ctx)
{
    if (ctx != NULL && ctx->interrupted != NULL &&
        __atomic_load_n(ctx->interrupted, __ATOMIC_RELAXED)) /* another thread may have asked */
        return cfp_fail(ctx, CFP_INTERRUPTED, "interrupted");
    return CFP_OK;
}

void *cfp_alloc(cfp_ctx *ctx, size_t count, size_t size)
{
    enum { ALIGNMENT = 64 };
    if (ctx != NULL && ctx->fail_allocation > 0 && --ctx->fail_allocation == 0) {
        cfp_fail(ctx, CFP_NOMEM, "out of memory (an allocation was made to fail)");
        return NULL;
    }
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - ALIGNMENT) {
        cfp_fail(ctx, CFP_NOMEM, "out of memory: %zu x %zu bytes asked for", count, size);
        return NULL;
    }
    const size_t rounded = (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT; /* never 0 bytes */
    void *memory = aligned_alloc(ALIGNMENT, rounded);
    if (memory == NULL) {
        cfp_fail(ctx, CFP_NOMEM, "out of memory: %.1f MiB asked for", (double)bytes / 1048576.0);
        return NULL;
    }
    return memset(memory, 0, rounded);
}

void *cfp_enlarge(cfp_ctx *ctx, void *old, size_t n, size_t capacity, size_t size)
{
    void *larger = cfp_alloc(ctx, capacity, size);
    if (larger == NULL)
        return NULL;
    if (n > 0)
        memcpy(larger, old, n * size);
    cfp_free(old);
    return larger;
}

void cfp_free(void *memory)
{
    free(memory);
}

char *cfp_strdup(cfp_ctx *ctx, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = cfp_alloc(ctx, bytes, 1);
    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

char *cfp_format(cfp_ctx *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : cfp_alloc(ctx, (size_t)length + 1, 1);
    if (text != NULL) {
        va_start(args, format);
        vsnprintf(text, (size_t)length + 1, format, args);
        va_end(args);
    }
    return text;
}

double cfp_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}
