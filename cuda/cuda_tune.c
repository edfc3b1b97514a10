/* cuda_tune.c - see tune.h. */
#include "tune.h"
#include "cuda_backend.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CANDIDATES = 8, LINE_BYTES = 1024 };

typedef struct choice {
    cuda_conv_words conv;
    int candidate;
    int64_t engine;
    float ms;
    int used; /* 0: not used in this run; else its place in the order of use, from 1 */
} choice;

struct cuda_tuning {
    const char *path, *device;
    choice *choice;
    int n, capacity, used;
};

static cfp_status add(cuda_tuning *t, cfp_ctx *ctx, const choice *made)
{
    if (t->n == t->capacity) {
        choice *more;
        CFP_TRY_ALLOC(ctx, more, 2 * t->capacity + 64);
        if (t->n > 0)
            memcpy(more, t->choice, (size_t)t->n * sizeof *more);
        cfp_free(t->choice);
        t->choice = more;
        t->capacity = 2 * t->capacity + 64;
    }
    t->choice[t->n++] = *made;
    return CFP_OK;
}

/* The last choice for a convolution counts: it was added because earlier ones were out of date. */
static choice *find(cuda_tuning *t, const char *conv)
{
    for (int i = t->n - 1; i >= 0; i--)
        if (strcmp(t->choice[i].conv.text, conv) == 0)
            return &t->choice[i];
    return NULL;
}

/* False if the line is not a whole line of such a file.  *mine: it is for this device. */
static bool parse(const char *line, const char *device, choice *out, bool *mine)
{
    const char *tab = strchr(line, '\t'), *end = tab != NULL ? strchr(tab + 1, '\t') : NULL;
    int length = 0;
    *out = (choice){.used = 0};
    if (end == NULL || (size_t)(end - tab) > sizeof out->conv.text)
        return false;
    memcpy(out->conv.text, tab + 1, (size_t)(end - tab - 1));
    *mine = strlen(device) == (size_t)(tab - line) && memcmp(line, device, strlen(device)) == 0;
    return sscanf(end, "\t%d\t%" SCNd64 "\t%f%n", &out->candidate, &out->engine, &out->ms,
                  &length) == 3 &&
           strcmp(end + length, "\n") == 0 && out->candidate >= 0 && out->candidate < CANDIDATES &&
           isfinite(out->ms) && out->ms >= 0;
}

static cfp_status read_lines(cuda_tuning *t, cfp_ctx *ctx, FILE *file)
{
    char line[LINE_BYTES];
    for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        choice known;
        bool mine;
        if (!parse(line, t->device, &known, &mine))
            return cfp_fail_option(ctx, CFP_FORMAT, "autotune",
                                   ": %s: line %d is no choice of autotune", t->path, number);
        if (mine)
            CFP_TRY(add(t, ctx, &known));
    }
    return CFP_OK;
}

static cfp_status file_failed(const cuda_tuning *t, cfp_ctx *ctx)
{
    return cfp_fail_option(ctx, CFP_IO, "autotune", ": %s: %s", t->path, strerror(errno));
}

/* Creates the file if it is missing, so that a failure is reported before anything is measured. */
static cfp_status read_file(cuda_tuning *t, cfp_ctx *ctx)
{
    struct stat facts;
    const int made = open(t->path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);
    FILE *file = made < 0 ? NULL : fdopen(made, "r");
    if (file == NULL || fstat(made, &facts) != 0) {
        const cfp_status status = file_failed(t, ctx);
        if (file != NULL)
            fclose(file);
        return status;
    }
    cfp_status status = CFP_OK;
    if (!S_ISREG(facts.st_mode)) /* reading a pipe would wait */
        status = cfp_fail_option(ctx, CFP_IO, "autotune", ": %s: is no plain file", t->path);
    if (status == CFP_OK)
        status = read_lines(t, ctx, file);
    if (status == CFP_OK && ferror(file))
        status = file_failed(t, ctx);
    fclose(file);
    return status;
}

/* Appends the whole line or, on a full disk, nothing: the next run would refuse half a line. */
static cfp_status append_line(const cuda_tuning *t, cfp_ctx *ctx, const choice *made)
{
    char line[LINE_BYTES];
    const int length = snprintf(line, sizeof line, "%s\t%s\t%d\t%" PRId64 "\t%.6g\n", t->device,
                                made->conv.text, made->candidate, made->engine, (double)made->ms);
    const int file = open(t->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    struct stat before;
    if (file < 0 || fstat(file, &before) != 0) {
        const cfp_status status = file_failed(t, ctx);
        if (file >= 0)
            close(file);
        return status;
    }
    cfp_status status = CFP_OK;
    errno = 0;
    const ssize_t written = write(file, line, (size_t)length);
    if (written != length) {
        if (written >= 0 && errno == 0)
            errno = ENOSPC;
        status = file_failed(t, ctx);
        if (ftruncate(file, before.st_size) != 0)
            cfp_log(ctx, CFP_LOG_WARNING, "%s: its last line is not whole", t->path);
    }
    if (close(file) != 0 && status == CFP_OK)
        status = file_failed(t, ctx);
    return status;
}

cfp_status cuda_tuning_open(cuda_tuning **out, cfp_ctx *ctx, const char *path, const char *device)
{
    *out = NULL;
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->path = path;
    (*out)->device = device;
    const cfp_status status = read_file(*out, ctx);
    if (status != CFP_OK)
        cuda_tuning_close(out);
    return status;
}

void cuda_tuning_close(cuda_tuning **tuning)
{
    if (*tuning == NULL)
        return;
    cfp_free((*tuning)->choice);
    cfp_free(*tuning);
    *tuning = NULL;
}

/* Measures candidate `nth`.  If it is faster than *best, or *best is NULL, it becomes *best. */
static cfp_status try_candidate(cuda_conv **best, choice *made, cfp_backend *backend,
                                const cuda_conv_spec *spec, int nth)
{
    cuda_conv *conv;
    float ms = 0;
    CFP_TRY(cuda_conv_open_nth(&conv, backend->dnn, backend->ctx, spec, nth));
    const cfp_status status = cuda_time_conv(&ms, backend, conv, spec);
    if (status == CFP_OK && (*best == NULL || ms < made->ms)) {
        cuda_conv *const slower = *best;
        *best = conv;
        conv = slower;
        made->candidate = nth;
        made->engine = cuda_conv_get_facts(*best).engine;
        made->ms = ms;
    }
    cuda_conv_close(&conv);
    return status;
}

static cfp_status measure(cuda_conv **out, cuda_tuning *t, cfp_backend *backend,
                          const cuda_conv_spec *spec)
{
    choice made = {.conv = cuda_conv_in_words(spec)};
    cfp_status status = CFP_OK;
    *out = NULL;
    for (int nth = 0; nth < CANDIDATES && status == CFP_OK; nth++)
        status = try_candidate(out, &made, backend, spec, nth);
    if ((status == CFP_UNSUPPORTED || status == CFP_NOMEM) && *out != NULL)
        status = CFP_OK; /* no more candidates, or no memory to measure them */
    if (status == CFP_OK)
        status = append_line(t, backend->ctx, &made);
    if (status == CFP_OK)
        status = add(t, backend->ctx, &made);
    if (status != CFP_OK)
        cuda_conv_close(out);
    return status;
}

/* Opens the known choice.  *out is NULL if that candidate is another engine now or does not exist.
 */
static cfp_status follow(cuda_conv **out, const choice *known, cfp_backend *backend,
                         const cuda_conv_spec *spec)
{
    const cfp_status status =
        cuda_conv_open_nth(out, backend->dnn, backend->ctx, spec, known->candidate);
    if (status == CFP_OK && cuda_conv_get_facts(*out).engine != known->engine)
        cuda_conv_close(out);
    return status == CFP_UNSUPPORTED ? CFP_OK : status;
}

cfp_status cuda_tuning_conv_open(cuda_conv **out, cuda_tuning *tuning, cfp_backend *backend,
                                 const cuda_conv_spec *spec)
{
    const cuda_conv_words words = cuda_conv_in_words(spec);
    const choice *known = find(tuning, words.text);
    *out = NULL;
    if (known != NULL)
        CFP_TRY(follow(out, known, backend, spec));
    if (*out == NULL)
        CFP_TRY(measure(out, tuning, backend, spec));
    choice *const taken = find(tuning, words.text);
    if (taken->used == 0)
        taken->used = ++tuning->used;
    return CFP_OK;
}

bool cuda_tuning_row(const cuda_tuning *tuning, int i, cfp_tuned *row)
{
    for (int k = 0; k < tuning->n; k++) {
        const choice *c = &tuning->choice[k];
        if (c->used != i + 1)
            continue;
        *row = (cfp_tuned){c->conv.text, c->candidate, c->engine, c->ms};
        return true;
    }
    return false;
}
