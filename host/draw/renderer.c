/* renderer.c - see renderer.h. */
#include "renderer.h"
#include "../backend/render_math.h"

static size_t voxels_of(const int size[3])
{
    return (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
}
static size_t frame_bytes(const cfp_renderer *r)
{
    return (size_t)r->overlay.height * (size_t)r->overlay.width * 3;
}

static cfp_status open_there(cfp_renderer *r)
{
    const cfp_backend_api *api = r->device.api;
    const size_t voxels = voxels_of(r->size);
    void *memory;
    CFP_TRY(api->host_alloc(r->device.backend, &memory, voxels * sizeof(float)));
    r->volume = memory;
    CFP_TRY(api->alloc(r->device.backend, &memory,
                       (2 * voxels + CFP_RENDER_BOUNDS) * sizeof(float) + frame_bytes(r)));
    r->there.volume = memory;
    r->there.map = r->there.volume + voxels;
    r->there.bounds = r->there.map + voxels;
    r->there.rgb = (uint8_t *)(r->there.bounds + CFP_RENDER_BOUNDS);
    return CFP_OK;
}

static void close_there(cfp_renderer *r)
{
    if (r->there.volume != NULL)
        r->device.api->release(r->device.backend, r->there.volume);
    if (r->volume != NULL)
        r->device.api->host_release(r->device.backend, r->volume);
    r->there.volume = NULL;
    r->volume = NULL;
    r->device = (cfp_device){0};
}

cfp_status cfp_renderer_open(cfp_renderer *out, cfp_ctx *ctx, const cfp_device *device,
                             const int size[3], cfp_interp interp, const cfp_overlay *overlay)
{
    *out = (cfp_renderer){.ctx = ctx, .interp = interp, .size = {size[0], size[1], size[2]}};
    if (overlay != NULL)
        out->overlay = *overlay;
    if (device != NULL && device->api->render != NULL) {
        out->device = *device;
        const cfp_status status = open_there(out);
        if (status == CFP_OK)
            return CFP_OK;
        close_there(out);
        if (status != CFP_NOMEM)
            return status;
        cfp_log(ctx, CFP_LOG_INFO, "tubes are rendered on the host: %s", ctx->message);
    }
    out->volume = cfp_alloc(ctx, voxels_of(size), sizeof *out->volume);
    return out->volume != NULL ? CFP_OK : CFP_NOMEM;
}

void cfp_renderer_close(cfp_renderer *r)
{
    if (r->device.api != NULL)
        close_there(r);
    cfp_free(r->volume);
    cfp_free(r->minus);
    *r = (cfp_renderer){0};
}

static cfp_status render_there(cfp_renderer *r, const cfp_tube *tube)
{
    const cfp_backend_api *api = r->device.api;
    const int from[3] = {tube->t, tube->h, tube->w};
    const size_t bytes = voxels_of(r->size) * sizeof(float);
    r->away = true;
    if (cfp_tube_constant(tube))
        return api->fill(r->device.backend, r->there.volume, 0, bytes);
    const cfp_render op = {.map = r->there.map,
                           .from = {from[0], from[1], from[2]},
                           .to = {r->size[0], r->size[1], r->size[2]},
                           .volume = r->there.volume,
                           .bounds = r->there.bounds};
    CFP_TRY(api->put(r->device.backend, r->there.map, tube->raw, voxels_of(from) * sizeof(float)));
    return api->render->tube(r->device.backend, &op);
}

static cfp_status render_into(float *volume, cfp_renderer *r, const cfp_tube *tube)
{
    return cfp_tube_render(volume, r->ctx, tube, r->size[0], r->size[1], r->size[2], r->interp);
}

/* Both volumes are in [0, 1], so the difference is in [-1, 1]. */
static cfp_status subtract(cfp_renderer *r, const cfp_tube *tube)
{
    const size_t n = voxels_of(r->size);
    if (r->minus == NULL)
        CFP_TRY_ALLOC(r->ctx, r->minus, n);
    CFP_TRY(render_into(r->minus, r, tube));
    for (size_t p = 0; p < n; p++)
        r->volume[p] -= r->minus[p];
    return CFP_OK;
}

static cfp_status render_here(cfp_renderer *r, const cfp_tube *tube)
{
    r->away = false;
    CFP_TRY(render_into(r->volume, r, tube));
    if (tube->minus != NULL)
        CFP_TRY(subtract(r, tube->minus));
    if (r->device.api == NULL)
        return CFP_OK;
    return r->device.api->put(r->device.backend, r->there.volume, r->volume,
                              voxels_of(r->size) * sizeof(float));
}

cfp_status cfp_renderer_tube(cfp_renderer *r, const cfp_tube *tube)
{
    const bool fits = voxels_of((int[]){tube->t, tube->h, tube->w}) <= voxels_of(r->size);
    if (r->device.api == NULL)
        return render_here(r, tube);
    cfp_range_begin(r->device.api, r->device.backend, CFP_RANGE_TUBES, "render", 0);
    const cfp_status status = fits && r->interp == CFP_INTERP_LINEAR && tube->minus == NULL
                                  ? render_there(r, tube)
                                  : render_here(r, tube);
    cfp_range_end(r->device.api, r->device.backend);
    return status;
}

cfp_status cfp_renderer_volume(cfp_renderer *r)
{
    if (!r->away)
        return CFP_OK;
    r->away = false;
    return r->device.api->fetch(r->device.backend, r->volume, r->there.volume,
                                voxels_of(r->size) * sizeof(float));
}

cfp_status cfp_renderer_overlay(const cfp_renderer *r, uint8_t *rgb, int t)
{
    const cfp_backend_api *api = r->device.api;
    const size_t plane = (size_t)r->size[1] * (size_t)r->size[2];
    if (api != NULL) {
        CFP_TRY(api->put(r->device.backend, r->there.rgb, rgb, frame_bytes(r)));
        CFP_TRY(api->render->overlay(r->device.backend, &r->overlay, r->there.rgb,
                                     r->there.volume + (size_t)t * plane));
        return api->fetch(r->device.backend, rgb, r->there.rgb, frame_bytes(r));
    }
    for (int y = 0; y < r->overlay.height; y++)
        for (int x = 0; x < r->overlay.width; x++)
            cfp_overlay_pixel(&r->overlay, rgb, r->volume + (size_t)t * plane, y, x);
    return CFP_OK;
}
