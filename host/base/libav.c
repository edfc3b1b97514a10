/* libav.c - see libav.h.
 *
 * The libraries are never unloaded, because some of those that they load leave threads and handlers
 * behind.  Their names hold the major version of the headers, so that the structs fit. */
#include "libav.h"
#include "hdf5_lock.h"
#include <dlfcn.h>
#include <libavutil/macros.h>
#include <stddef.h>
#include <stdatomic.h>
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
    atomic_bool loaded;
} library;

#define FUNCTION(name) {#name, offsetof(cfp_libav_table, name##_)},
static const function of_codec[] = {CFP_LIBAVCODEC(FUNCTION)};
static const function of_format[] = {CFP_LIBAVFORMAT(FUNCTION)};

static library codec = {"libavcodec.so." AV_STRINGIFY(LIBAVCODEC_VERSION_MAJOR), of_codec,
                        sizeof of_codec / sizeof *of_codec, false};
static library format = {"libavformat.so." AV_STRINGIFY(LIBAVFORMAT_VERSION_MAJOR), of_format,
                         sizeof of_format / sizeof *of_format, false};

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
    atomic_store(&l->loaded, true);
    return CFP_OK;
}

/* The lock is that of HDF5: a reader that is forked while another thread loads a library inherits
 * the loader's own lock, locked, and may wait for it for ever. */
static cfp_status need(library *l, cfp_ctx *ctx, const char *where)
{
    if (atomic_load(&l->loaded))
        return CFP_OK;
    cfp_hdf5_lock();
    const cfp_status status = atomic_load(&l->loaded) ? CFP_OK : load(l, ctx, where);
    cfp_hdf5_unlock();
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
