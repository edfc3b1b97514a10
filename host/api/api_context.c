/* api_context.c - cfp.h: contexts, messages, versions, and the words of its structs. */
#include "api.h"
#include "version.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cfp_status_text(cfp_status status)
{
    static const char *const text[CFP_STATUS_COUNT] = {
        [CFP_OK] = "ok",
        [CFP_USAGE] = "wrong usage",
        [CFP_NOMEM] = "out of memory",
        [CFP_IO] = "cannot read or write",
        [CFP_FORMAT] = "malformed file",
        [CFP_SHAPE] = "shapes do not fit",
        [CFP_UNSUPPORTED] = "not supported",
        [CFP_DEVICE] = "device not usable",
        [CFP_INTERRUPTED] = "interrupted",
    };
    const unsigned i = (unsigned)status;
    return i < CFP_STATUS_COUNT && text[i] != NULL ? text[i] : "unknown status";
}

const char *cfp_version(void)
{
    return CFP_GPU_VERSION;
}

/* Messages name a choice by its option, "--class-relevance".  The user of the library knows it as
 * the field class_relevance.  This is the only place that translates one to the other. */
void cfp_api_name_fields(char *text)
{
    char *to = text;
    char before = ' ';
    for (const char *from = text; *from != '\0';) {
        const bool option = strchr(" ('", before) != NULL && from[0] == '-' && from[1] == '-' &&
                            from[2] >= 'a' && from[2] <= 'z';
        if (!option) {
            before = *to++ = *from++;
            continue;
        }
        for (from += 2; (*from >= 'a' && *from <= 'z') || (*from == '-' && from[1] != '-'); from++)
            before = *to++ = *from == '-' ? '_' : *from;
    }
    *to = '\0';
}

static void say(void *cookie, cfp_level level, const char *line)
{
    cfp_context *context = cookie;
    char text[1024];
    snprintf(text, sizeof text, "%s", line);
    cfp_api_name_fields(text);
    context->settings.log(context->settings.cookie, level, text);
}

static void tell_progress(void *cookie, const char *what, int64_t done, int64_t total)
{
    cfp_context *context = cookie;
    context->settings.progress(context->settings.cookie, what, done, total);
}

cfp_status cfp_open_context(cfp_context **out, const cfp_settings *settings)
{
    static const cfp_settings defaults = {0};
    *out = calloc(1, sizeof **out); /* not cfp_alloc: there is no context yet for its message */
    if (*out == NULL)
        return CFP_NOMEM;
    cfp_context *context = *out;
    context->settings = settings != NULL ? *settings : defaults;
    context->ctx.cookie = context;
    context->ctx.log = context->settings.log != NULL ? say : NULL;
    context->ctx.progress = context->settings.progress != NULL ? tell_progress : NULL;
    context->ctx.max_memory = context->settings.max_memory > 0 ? context->settings.max_memory : 0;
    context->ctx.interrupted = &context->interrupted;
    return CFP_OK;
}

void cfp_close_context(cfp_context **context)
{
    free(*context);
    *context = NULL;
}

const char *cfp_message(cfp_context *context)
{
    memcpy(context->shown, context->ctx.message, sizeof context->shown);
    cfp_api_name_fields(context->shown);
    return context->shown;
}

void cfp_interrupt(cfp_context *context, bool on)
{
    __atomic_store_n(&context->interrupted, on, __ATOMIC_RELAXED);
}

int cfp_api_use_threads(int n)
{
    const int before = omp_get_max_threads();
    if (n != before)
        omp_set_num_threads(n);
    return before;
}

cfp_status cfp_api_word(int *out, cfp_ctx *ctx, const char *field, const char *word,
                        const char *const *names, int standard)
{
    char known[256] = "";
    *out = standard;
    for (int i = 0; names[i] != NULL && word != NULL; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", names[i]);
        if (strcmp(names[i], word) == 0) {
            *out = i;
            return CFP_OK;
        }
    }
    return word == NULL ? CFP_OK
                        : cfp_fail(ctx, CFP_USAGE, "%s: '%s' is none of %s", field, word, known);
}
