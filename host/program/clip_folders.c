/* clip_folders.c - see clip_folders.h. */
#include "clip_folders.h"
#include "../files/output.h"
#include "request.h"
#include <stdlib.h>
#include <strings.h>

static int compare(const void *a, const void *b)
{
    return strcasecmp(*(char *const *)a, *(char *const *)b);
}

/* The clip's name as a part of a path. */
static char *safe_stem(cfp_ctx *ctx, const char *clip)
{
    char *stem = cfp_clip_stem(ctx, clip);
    char *safe = stem == NULL ? NULL : cfp_output_safe_name(ctx, stem);
    cfp_free(stem);
    return safe;
}

/* Where `name` stands among the first n of the sorted names, or where it would stand. */
static int place_of(char *const *sorted, int n, const char *name, bool *there)
{
    int low = 0, high = n;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (compare(&sorted[middle], &name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < n && compare(&sorted[low], &name) == 0;
    return low;
}

/* The name with the first number that makes it a new one. */
static cfp_status make_new(char **name, cfp_ctx *ctx, char *const *sorted, int n)
{
    bool there;
    char *stem = *name;
    place_of(sorted, n, stem, &there);
    for (int k = 2; there; k++) {
        char *numbered = cfp_format(ctx, "%s-%d", stem, k);
        if (*name != stem)
            cfp_free(*name);
        *name = numbered;
        if (numbered == NULL)
            break;
        place_of(sorted, n, numbered, &there);
    }
    if (*name != stem)
        cfp_free(stem);
    return *name == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status name_clips(char **name, char **sorted, cfp_session *session, int n)
{
    for (int i = 0; i < n; i++) {
        bool there;
        name[i] = safe_stem(&session->ctx, session->config.operand[1 + i]);
        if (name[i] == NULL)
            return CFP_NOMEM;
        CFP_TRY(make_new(&name[i], &session->ctx, sorted, i));
        const int place = place_of(sorted, i, name[i], &there);
        for (int k = i; k > place; k--)
            sorted[k] = sorted[k - 1];
        sorted[place] = name[i];
    }
    return CFP_OK;
}

/* Puts the names into --output, or appends "-" and `done`. */
static cfp_status place_folders(cfp_clip_folders *out, cfp_session *session, const char *done)
{
    const char *const output = session->config.output;
    for (int i = 0; i < out->n; i++) {
        char *path = output != NULL ? cfp_format(&session->ctx, "%s/%s", output, out->path[i])
                                    : cfp_format(&session->ctx, "%s-%s", out->path[i], done);
        if (path == NULL)
            return CFP_NOMEM;
        cfp_free(out->path[i]);
        out->path[i] = path;
    }
    return CFP_OK;
}

cfp_status cfp_clip_folders_make(cfp_clip_folders *out, cfp_session *session, const char *done)
{
    char **sorted;
    cfp_ctx *ctx = &session->ctx;
    const int n = session->config.n_operands - 1;
    out->several = n > 1 || session->listed.expanded;
    CFP_TRY_ALLOC(ctx, out->path, n);
    out->n = n;
    if (!out->several)
        return cfp_output_directory(&out->path[0], session, done);
    if (session->config.output != NULL)
        CFP_TRY(cfp_directory_check(ctx, session->config.output));
    CFP_TRY_ALLOC(ctx, sorted, n);
    const cfp_status status = name_clips(out->path, sorted, session, n);
    cfp_free(sorted);
    return status == CFP_OK ? place_folders(out, session, done) : status;
}

void cfp_clip_folders_free(cfp_clip_folders *folders)
{
    for (int i = 0; i < folders->n; i++)
        cfp_free(folders->path[i]);
    cfp_free(folders->path);
    *folders = (cfp_clip_folders){0};
}
