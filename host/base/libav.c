/* libav.c - see libav.h.
 *
 * The libraries are never unloaded, because some of those that they load leave threads and handlers
 * behind.  Their names hold the major version of the headers, so that the structs fit. */
#include "libav.h"
#include <dlfcn.h>
#include <libavutil/macros.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

cfp_libav_table cfp_libav;

typedef struct function {
    const char *name;
    size_t at; /* its place in cfp_libav */
} function;

typedef struct library {
    const char *name;
    const function *functions;
    size_t n;
    bool loaded;
} library;

#define FUNCTION(name) {#name, offsetof(cfp_libav_table, name##_)},
static const function of_codec[] = {CFP_LIBAVCODEC(FUNCTION)};
static const function of_format[] = {CFP_LIBAVFORMAT(FUNCTION)};

static library codec = {"libavcodec.so." AV_STRINGIFY(LIBAVCODEC_VERSION_MAJOR), of_codec,
                        sizeof of_codec / sizeof *of_codec, false};
static library format = {"libavformat.so." AV_STRINGIFY(LIBAVFORMAT_VERSION_MAJOR), of_format,
                         sizeof of_format / sizeof *of_format, false};
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static cfp_status fail(cfp_ctx *ctx, const char *where, const library *l)
{
    const char *why = dlerror(); /* it names the library */
    return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: FFmpeg cannot be loaded: %s", where,
                    why != NULL ? why : l->name);
}

/* Loads a library that is not loaded yet, and finds its functions. */
static cfp_status load(library *l, cfp_ctx *ctx, const char *where)
{
    void *handle = dlopen(l->name, RTLD_LAZY | RTLD_LOCAL);
    if (handle == NULL)
        return fail(ctx, where, l);
    for (size_t i = 0; i < l->n; i++) {
        void *found = dlsym(handle, l->functions[i].name);
        if (found == NULL)
            return fail(ctx, where, l);
        memcpy((char *)&cfp_libav + l->functions[i].at, &found, sizeof found);
    }
    l->loaded = true;
    return CFP_OK;
}

static cfp_status need(library *l, cfp_ctx *ctx, const char *where)
{
    pthread_mutex_lock(&one_at_a_time);
    const cfp_status status = l->loaded ? CFP_OK : load(l, ctx, where);
    pthread_mutex_unlock(&one_at_a_time);
    return status;
}

cfp_status cfp_libav_codec(cfp_ctx *ctx, const char *where)
{
    return need(&codec, ctx, where);
}

cfp_status cfp_libav_format(cfp_ctx *ctx, const char *where)
{
    CFP_TRY(need(&codec, ctx, where));
    return need(&format, ctx, where);
}
