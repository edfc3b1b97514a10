/* backend.c - finds a backend by name and opens its device.
 *
 * ref and cpu are built in.  Any other NAME is a module, cfp_NAME.so, that exports one table.  It
 * is searched by absolute path beside the program and in the library directory, never in the
 * current directory.  A module is never unloaded, because device libraries leave threads and
 * handlers behind. */
#include "backend.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef CFP_MODULE_DIR /* the build may name where modules are installed */
#define CFP_MODULE_DIR ""
#endif

typedef struct device_name { /* "cuda:1" taken apart */
    char word[16];
    int ordinal; /* -1: none given */
} device_name;

static const cfp_backend_api *const built_in[] = {&cfp_backend_ref, &cfp_backend_cpu};

static const cfp_backend_api *find_built_in(const char *word)
{
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        if (strcmp(built_in[i]->name, word) == 0)
            return built_in[i];
    return NULL;
}

/* A name has only lower-case letters, digits and '_', so it cannot lead out of the directories. */
static cfp_status parse_name(device_name *out, cfp_ctx *ctx, const char *text)
{
    const size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    const char *number = text + length;
    *out = (device_name){.ordinal = -1};
    if (length == 0 || length >= sizeof out->word || (*number != '\0' && *number != ':'))
        return cfp_fail_option(ctx, CFP_USAGE, "device",
                               ": '%s' is none of auto, ref, cpu, cuda, cuda:N", text);
    memcpy(out->word, text, length);
    if (*number == '\0')
        return CFP_OK;
    if (strcmp(out->word, "auto") == 0 || find_built_in(out->word) != NULL)
        return cfp_fail_option(ctx, CFP_USAGE, "device",
                               ": '%s': there is only one %s, it has no number", text, out->word);

    const char *digits = number + 1;
    if (digits[0] == '\0' || strlen(digits) > 3 || digits[strspn(digits, "0123456789")] != '\0')
        return cfp_fail_option(ctx, CFP_USAGE, "device",
                               ": '%s': after the colon goes a number, 0 to 999", text);
    out->ordinal = atoi(digits);
    return CFP_OK;
}

/* The absolute directory of the running program.  Here and below, out is [PATH_MAX]. */
static bool program_directory(char *out)
{
    char program[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    memcpy(out, program, (size_t)(slash - program) + 1);
    return true;
}

/* Copies directory i of those that modules are searched in; false behind the last. */
static bool module_directory(char *out, const cfp_device_request *request, int i)
{
    char program[PATH_MAX];
    int length = 0;
    out[0] = '\0';
    switch (i) {
    case 0:
        length = snprintf(out, PATH_MAX, "%s", request->module_dir ? request->module_dir : "");
        break;
    case 1:
        if (program_directory(program))
            length = snprintf(out, PATH_MAX, "%s", program);
        break;
    case 2:
        if (program_directory(program))
            length = snprintf(out, PATH_MAX, "%s/../lib/cfp-gpu", program);
        break;
    case 3:
        length = snprintf(out, PATH_MAX, "%s", CFP_MODULE_DIR);
        break;
    default:
        return false;
    }
    if (length >= PATH_MAX || out[0] != '/')
        out[0] = '\0'; /* not to be looked at: absolute paths only */
    return true;
}

/* Finds the first cfp_<word>.so that exists; false if there is none. */
static bool find_module(char *out, const char *word, const cfp_device_request *request)
{
    char directory[PATH_MAX];
    for (int i = 0; module_directory(directory, request, i); i++) {
        if (directory[0] == '\0')
            continue;
        const int length = snprintf(out, PATH_MAX, "%s/cfp_%s.so", directory, word);
        if (length < PATH_MAX && access(out, F_OK) == 0)
            return true;
    }
    return false;
}

/* Checks that no function is missing: that would crash much later.  A backend may lack a sub-table,
 * except for frames, but has no part of one. */
static bool sub_tables_are_complete(const cfp_backend_api *api)
{
    const cfp_frames_api *frames = api->frames;
    const cfp_render_api *render = api->render;
    const cfp_record_api *record = api->record;
    const cfp_profile_api *profile = api->profile;
    return frames && frames->upload && frames->stage && frames->wait &&
           (!render || (render->tube && render->overlay)) &&
           (!record || (record->begin && record->end && record->replay && record->release)) &&
           (!profile || (profile->range_begin && profile->range_end && profile->collect));
}

static bool is_complete(const cfp_backend_api *api)
{
    return api->name && api->open && api->close && api->describe && api->alloc && api->release &&
           api->host_alloc && api->host_release && api->free_bytes && api->tensor_bytes &&
           api->upload && api->download && api->step_open && api->step_forward &&
           api->step_backward && api->step_close && api->fill && api->put && api->fetch &&
           api->channel_mean && api->channel_sum && api->gate && api->replace && api->blend &&
           api->turn && api->accumulate && api->copy && api->seed && api->route && api->back_step &&
           api->weigh_pairs && api->pick_edges && api->list_edges && sub_tables_are_complete(api);
}

/* Messages here are only the reason; cfp_device_open puts "--device NAME: " in front. */
static cfp_status load_module(const cfp_backend_api **out, cfp_ctx *ctx, const char *word,
                              const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return cfp_fail(ctx, CFP_DEVICE, "%s", dlerror());
    const cfp_backend_api *api = dlsym(library, "cfp_backend_module");
    if (api == NULL)
        return cfp_fail(ctx, CFP_DEVICE, "%s: is no cfp-gpu module (no cfp_backend_module)", path);
    if (api->abi != CFP_BACKEND_ABI || api->size != sizeof *api)
        return cfp_fail(ctx, CFP_DEVICE,
                        "%s: built for module interface %u (%u bytes), this program has %u (%u "
                        "bytes): build both from one source",
                        path, api->abi, api->size, CFP_BACKEND_ABI, (unsigned)sizeof *api);
    if (!is_complete(api))
        return cfp_fail(ctx, CFP_DEVICE, "%s: its table lacks a function", path);
    if (strcmp(api->name, word) != 0)
        return cfp_fail(ctx, CFP_DEVICE, "%s: is the module of '%s'", path, api->name);
    *out = api;
    return CFP_OK;
}

static cfp_status no_module(cfp_ctx *ctx, const char *word)
{
    char directory[PATH_MAX];
    if (!program_directory(directory))
        snprintf(directory, sizeof directory, "its directory");
    return cfp_fail(
        ctx, CFP_DEVICE,
        "no module cfp_%s.so beside the program or in %.700s/../lib/cfp-gpu; this build "
        "is CPU only",
        word, directory);
}

/* Opens the device of a parsed name; the message is only the reason. */
static cfp_status open_named(cfp_device *out, cfp_ctx *ctx, const device_name *name,
                             const cfp_device_request *request)
{
    char path[PATH_MAX];
    cfp_device_request asked = *request;
    const cfp_backend_api *api = find_built_in(name->word);

    if (name->ordinal >= 0)
        asked.ordinal = name->ordinal;
    if (api == NULL) {
        if (!find_module(path, name->word, request))
            return no_module(ctx, name->word);
        CFP_TRY(load_module(&api, ctx, name->word, path));
    }
    cfp_backend *backend = NULL;
    CFP_TRY(api->open(&backend, ctx, &asked));
    *out = (cfp_device){api, backend};
    return CFP_OK;
}

/* The driver of NVIDIA's GPUs is loaded: there is a GPU, or one is expected. */
static bool has_gpu_driver(void)
{
    return access("/dev/nvidiactl", F_OK) == 0 || access("/dev/dxg", F_OK) == 0;
}

/* Opens cuda if it works here, else cpu; the log says which.  It says why not cuda only where there
 * is a GPU: elsewhere nothing is missing.  `cfp-gpu devices` always says why. */
static cfp_status open_auto(cfp_device *out, cfp_ctx *ctx, const cfp_device_request *request)
{
    const device_name cuda = {"cuda", -1}, cpu = {"cpu", -1};
    if (open_named(out, ctx, &cuda, request) == CFP_OK) {
        cfp_log(ctx, CFP_LOG_INFO, "device cuda: %s", out->api->describe(out->backend));
        return CFP_OK;
    }
    char why[sizeof ctx->message];
    snprintf(why, sizeof why, "%s", ctx->message);
    ctx->message[0] = '\0';
    CFP_TRY(open_named(out, ctx, &cpu, request));
    const char *const detail = out->api->describe(out->backend);
    if (has_gpu_driver())
        cfp_log(ctx, CFP_LOG_INFO, "device cpu: %s (not cuda: %s)", detail, why);
    else
        cfp_log(ctx, CFP_LOG_INFO, "device cpu: %s", detail);
    return CFP_OK;
}

static bool is_known_word(const char *word)
{
    return find_built_in(word) != NULL || strcmp(word, "cuda") == 0;
}

/* What people write for a GPU of NVIDIA. */
static const char *means_cuda(const char *word)
{
    static const char *const others[] = {"gpu", "nvidia", "cud", "CUDA", "GPU"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strncmp(word, others[i], strlen(others[i])) == 0)
            return "; did you mean cuda?";
    return "";
}

cfp_status cfp_device_open(cfp_device *out, cfp_ctx *ctx, const char *name,
                           const cfp_device_request *request)
{
    char path[PATH_MAX];
    device_name parsed;

    *out = (cfp_device){0};
    CFP_TRY(parse_name(&parsed, ctx, name));
    if (strcmp(parsed.word, "auto") == 0)
        return open_auto(out, ctx, request);
    if (!is_known_word(parsed.word) && !find_module(path, parsed.word, request))
        return cfp_fail_option(ctx, CFP_USAGE, "device",
                               ": '%s' is none of auto, ref, cpu, cuda, cuda:N, and there is no "
                               "module cfp_%s.so%s",
                               name, parsed.word, means_cuda(parsed.word));
    const cfp_status status = open_named(out, ctx, &parsed, request);
    if (status != CFP_OK && !ctx->blames_option)
        return cfp_fail(ctx, status, "--device %s: %s", name, ctx->message);
    return status;
}

size_t cfp_device_free(const char **whose, const cfp_device *device, const cfp_ctx *ctx)
{
    const size_t free_bytes = device->api->free_bytes(device->backend);
    const int64_t left = ctx->max_memory - ctx->memory_taken;
    *whose = "free";
    if (!device->api->host_memory || ctx->max_memory == 0 || left >= (int64_t)free_bytes)
        return free_bytes;
    *whose = "left of --max-memory";
    return left > 0 ? (size_t)left : 0;
}

void cfp_device_close(cfp_device *device)
{
    if (device->api != NULL)
        device->api->close(&device->backend);
    *device = (cfp_device){0};
}

bool cfp_device_list(cfp_device_row *row, int i, const cfp_device_request *request)
{
    static const device_name names[] = {{"ref", -1}, {"cpu", -1}, {"cuda", -1}};
    cfp_device device = {0};
    cfp_ctx ctx = {0};

    *row = (cfp_device_row){0};
    if (i < 0 || (size_t)i >= sizeof names / sizeof names[0])
        return false;
    row->ready = open_named(&device, &ctx, &names[i], request) == CFP_OK;
    snprintf(row->name, sizeof row->name, "%s", names[i].word);
    snprintf(row->detail, sizeof row->detail, "%.255s",
             row->ready ? device.api->describe(device.backend) : ctx.message);
    cfp_device_close(&device);
    return true;
}
