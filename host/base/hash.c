/* hash.c - see hash.h. */
#include "hash.h"
#include "infile.h"
#include <errno.h>
#include <libavutil/mem.h>
#include <libavutil/sha.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PIECE = 1 << 20, DIGEST = 32, MB = 1000000, LARGE = 50 * MB };

struct cfp_sha256 {
    struct AVSHA *sha;
};

cfp_status cfp_sha256_open(cfp_sha256 **out, cfp_ctx *ctx)
{
    *out = NULL;
    cfp_sha256 *sum;
    CFP_TRY_ALLOC(ctx, sum, 1);
    sum->sha = av_sha_alloc();
    if (sum->sha == NULL) {
        cfp_free(sum);
        return cfp_fail(ctx, CFP_NOMEM, "out of memory: no memory for a checksum");
    }
    av_sha_init(sum->sha, 8 * DIGEST);
    *out = sum;
    return CFP_OK;
}

void cfp_sha256_update(cfp_sha256 *sum, const void *data, size_t bytes)
{
    av_sha_update(sum->sha, data, bytes);
}

void cfp_sha256_finish(char hex[65], cfp_sha256 *sum)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[DIGEST];
    av_sha_final(sum->sha, digest);
    for (int i = 0; i < DIGEST; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * DIGEST] = '\0';
}

void cfp_sha256_close(cfp_sha256 **sum)
{
    if (*sum != NULL)
        av_free((*sum)->sha);
    cfp_free(*sum);
    *sum = NULL;
}

static cfp_status add_pieces(cfp_sha256 *sum, cfp_ctx *ctx, const char *path, FILE *file,
                             uint8_t *piece)
{
    struct stat facts;
    size_t got;
    int64_t done = 0;
    const int64_t total = fstat(fileno(file), &facts) == 0 ? (int64_t)facts.st_size : 0;
    while ((got = fread(piece, 1, PIECE, file)) > 0) {
        cfp_sha256_update(sum, piece, got);
        done += (int64_t)got;
        if (total >= LARGE)
            cfp_progress(ctx, "hash MB", done / MB, total / MB);
        CFP_TRY(cfp_check_interrupt(ctx));
    }
    if (ferror(file))
        return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    return CFP_OK;
}

cfp_status cfp_sha256_add_file(cfp_sha256 *sum, cfp_ctx *ctx, const char *path)
{
    FILE *file;
    CFP_TRY(cfp_infile_open(&file, ctx, path));
    uint8_t *piece = cfp_alloc(ctx, PIECE, 1);
    const cfp_status status = piece == NULL ? CFP_NOMEM : add_pieces(sum, ctx, path, file, piece);
    cfp_free(piece);
    fclose(file);
    return status;
}

cfp_status cfp_sha256_file(char hex[65], cfp_ctx *ctx, const char *path)
{
    cfp_sha256 *sum;
    CFP_TRY(cfp_sha256_open(&sum, ctx));
    const cfp_status status = cfp_sha256_add_file(sum, ctx, path);
    if (status == CFP_OK)
        cfp_sha256_finish(hex, sum);
    cfp_sha256_close(&sum);
    return status;
}

struct cfp_hashing {
    cfp_ctx ctx; /* of the thread; it reports no progress */
    char *path;
    char hex[65];
    cfp_status status;
    volatile int stop;
    bool running;
    pthread_t thread;
};

static void *hash(void *cookie)
{
    cfp_hashing *h = cookie;
    h->status = cfp_sha256_file(h->hex, &h->ctx, h->path);
    return NULL;
}

/* The main thread alone handles signals, so this thread blocks them. */
static int start(cfp_hashing *h)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int wrong = pthread_create(&h->thread, NULL, hash, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return wrong;
}

cfp_status cfp_hashing_begin(cfp_hashing **out, cfp_ctx *ctx, const char *path)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    cfp_hashing *h = *out;
    h->ctx.interrupted = &h->stop;
    if ((h->path = cfp_strdup(ctx, path)) == NULL)
        return CFP_NOMEM;
    h->running = start(h) == 0;
    if (!h->running)
        hash(h); /* no thread could be started: do it here */
    return CFP_OK;
}

/* Waits for the thread, and checks for an interrupt from time to time. */
static cfp_status wait_patiently(cfp_hashing *h, cfp_ctx *ctx)
{
    enum { LOOK_EVERY_MS = 20 };
    while (h->running) {
        CFP_TRY(cfp_check_interrupt(ctx));
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_EVERY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        h->running = pthread_timedjoin_np(h->thread, NULL, &until) == ETIMEDOUT;
    }
    return CFP_OK;
}

static void wait_for(cfp_hashing *h)
{
    if (h->running)
        pthread_join(h->thread, NULL);
    h->running = false;
}

cfp_status cfp_hashing_finish(char hex[65], cfp_hashing *hashing, cfp_ctx *ctx)
{
    CFP_TRY(wait_patiently(hashing, ctx));
    if (hashing->status != CFP_OK)
        return cfp_fail(ctx, hashing->status, "%s", hashing->ctx.message);
    memcpy(hex, hashing->hex, sizeof hashing->hex);
    return CFP_OK;
}

void cfp_hashing_close(cfp_hashing **hashing)
{
    cfp_hashing *h = *hashing;
    *hashing = NULL;
    if (h == NULL)
        return;
    h->stop = 1;
    wait_for(h);
    cfp_free(h->path);
    cfp_free(h);
}
