/* api_device.c - cfp.h: devices. */
#include "api.h"
#include "../base/threads.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const cfp_api_precision_names[] = {"fp32", "tf32", "bf16", "fp16", NULL};

/* The folder of cfp_cuda.so: LIBRARY_FOLDER/cfp-gpu, or the one above it.  The library finds its
 * own folder, because the program that uses it may be anywhere.  Returns false if it cannot. */
static bool module_folder(char out[PATH_MAX])
{
    static const char *const places[] = {"cfp-gpu", "../cfp-gpu"};
    char library[PATH_MAX];
    Dl_info facts;
    void *self = NULL;
    cfp_status (*const open)(cfp_device **, cfp_context *, const cfp_device_settings *) =
        cfp_open_device;
    memcpy(&self, &open, sizeof self);
    if (dladdr(self, &facts) == 0 || facts.dli_fname == NULL || facts.dli_fname[0] != '/')
        return false;
    snprintf(library, sizeof library, "%s", facts.dli_fname);
    *strrchr(library, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (snprintf(out, PATH_MAX, "%s/%s", library, places[i]) < PATH_MAX &&
            access(out, X_OK) == 0)
            return true;
    return false;
}

/* Checks how many threads can be started, because OpenMP ends the process if it cannot start one.
 */
static cfp_status choose_threads(int *out, cfp_ctx *ctx, int asked)
{
    int error;
    if (asked < 0 || asked > 1024)
        return cfp_fail(ctx, CFP_USAGE, "threads: %d is not within 0 to 1024", asked);
    const int wanted = asked > 0 ? asked : cfp_usable_threads();
    *out = cfp_threads_that_start(wanted, &error);
    if (*out < wanted && asked > 0)
        return cfp_fail(ctx, CFP_NOMEM, "threads: %d: no more than %d can be made: %s", asked, *out,
                        strerror(error));
    if (*out < wanted)
        cfp_log(ctx, CFP_LOG_WARNING, "%d threads instead of %d: no more can be made: %s", *out,
                wanted, strerror(error));
    return CFP_OK;
}

static void name_device(api_device *device, const char *asked)
{
    const cfp_backend_api *api = device->device.api;
    const char *const ordinal = strchr(asked, ':');
    const char *const number = ordinal != NULL ? ordinal : ":0";
    snprintf(device->name, sizeof device->name, "%s%s", api->name, api->host_memory ? "" : number);
    snprintf(device->described, sizeof device->described, "%s",
             api->describe(device->device.backend));
}

static cfp_status open_device(api_device *device, const cfp_device_settings *s)
{
    cfp_ctx *ctx = &device->context->ctx;
    const char *const name = s->name != NULL ? s->name : "auto";
    char folder[PATH_MAX];
    int precision;
    CFP_TRY(cfp_api_word(&precision, ctx, "precision", s->precision, cfp_api_precision_names,
                         CFP_FP32));
    CFP_TRY(choose_threads(&device->threads, ctx, s->threads));
    device->precision = (cfp_precision)precision;
    const cfp_device_request request = {.threads = device->threads,
                                        .precision = device->precision,
                                        .module_dir = s->module_dir           ? s->module_dir
                                                      : module_folder(folder) ? folder
                                                                              : NULL,
                                        .lanes = s->lanes};
    CFP_TRY(cfp_device_open(&device->device, ctx, name, &request));
    if (device->device.api == &cfp_backend_ref)
        device->threads = 1; /* ref never uses more */
    name_device(device, name);
    return CFP_OK;
}

cfp_status cfp_open_device(cfp_device **out, cfp_context *context,
                           const cfp_device_settings *settings)
{
    static const cfp_device_settings defaults = {0};
    api_device *device;
    *out = NULL;
    CFP_TRY_ALLOC(&context->ctx, device, 1);
    device->context = context;
    const int before = cfp_api_use_threads(1);
    const cfp_status status = open_device(device, settings != NULL ? settings : &defaults);
    cfp_api_use_threads(before);
    if (status != CFP_OK)
        cfp_free(device);
    else
        *out = &device->device;
    return status;
}

void cfp_close_device(cfp_device **device)
{
    if (*device != NULL)
        cfp_device_close(*device);
    cfp_free(*device);
    *device = NULL;
}

const char *cfp_device_text(const cfp_device *device)
{
    return ((const api_device *)device)->described;
}

bool cfp_describe_device(cfp_device_facts *out, int i, const cfp_device_settings *settings)
{
    char folder[PATH_MAX];
    cfp_device_row row;
    cfp_device_request request = {0};
    const int before = cfp_api_use_threads(1);
    if (settings != NULL)
        request =
            (cfp_device_request){.lanes = settings->lanes, .module_dir = settings->module_dir};
    if (request.module_dir == NULL && module_folder(folder))
        request.module_dir = folder;
    const bool there = cfp_device_list(&row, i, &request);
    cfp_api_use_threads(before);
    *out = (cfp_device_facts){.ready = there && row.ready};
    if (there) {
        snprintf(out->name, sizeof out->name, "%s", row.name);
        snprintf(out->detail, sizeof out->detail, "%s", row.detail);
    }
    return there;
}
