/* volumes.c - see volumes.h.  Has the table of methods, and what all families of methods use. */
#include "volume_maker.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const cfp_volume_names[] = {
    "cfp",         "cfp-path",         "reference",      "grad",
    "grad-masked", "saliency-tubes",   "gradcam",        "gradcam-frame",
    "gradcam++",   "hirescam",         "gradient-input", "integrated-gradients",
    "smoothgrad",  "occlusion",        "rise",           "random",
    "centre",      "frame-difference", "activation",     NULL};

static cfp_volume_family *const family[CFP_VOLUME_COUNT] = {
    [CFP_VOLUME_CFP] = cfp_volumes_of_kernels,
    [CFP_VOLUME_CFP_PATH] = cfp_volumes_of_kernels,
    [CFP_VOLUME_REFERENCE] = cfp_volumes_of_kernels,
    [CFP_VOLUME_GRAD] = cfp_volumes_of_kernels,
    [CFP_VOLUME_GRAD_MASKED] = cfp_volumes_of_kernels,
    [CFP_VOLUME_SALIENCY_TUBES] = cfp_volumes_of_maps,
    [CFP_VOLUME_GRADCAM] = cfp_volumes_of_maps,
    [CFP_VOLUME_GRADCAM_FRAME] = cfp_volumes_of_maps,
    [CFP_VOLUME_GRADCAM_PP] = cfp_volumes_of_maps,
    [CFP_VOLUME_HIRESCAM] = cfp_volumes_of_maps,
    [CFP_VOLUME_GRADIENT_INPUT] = cfp_volumes_of_gradients,
    [CFP_VOLUME_INTEGRATED_GRADIENTS] = cfp_volumes_of_gradients,
    [CFP_VOLUME_SMOOTHGRAD] = cfp_volumes_of_gradients,
    [CFP_VOLUME_OCCLUSION] = cfp_volumes_of_occlusion,
    [CFP_VOLUME_RISE] = cfp_volumes_of_rise,
    [CFP_VOLUME_RANDOM] = cfp_volumes_of_controls,
    [CFP_VOLUME_CENTRE] = cfp_volumes_of_controls,
    [CFP_VOLUME_FRAME_DIFFERENCE] = cfp_volumes_of_controls,
    [CFP_VOLUME_ACTIVATION] = cfp_volumes_of_maps,
};

int cfp_volume_named(const char *name)
{
    for (int m = 0; m < CFP_VOLUME_COUNT; m++)
        if (strcmp(cfp_volume_names[m], name) == 0)
            return m;
    return -1;
}

/* README.md says where each number comes from. */
cfp_volume_settings cfp_volume_settings_default(void)
{
    return (cfp_volume_settings){.target = CFP_TARGET_BY_HEAD,
                                 .ig_steps = 50,
                                 .smoothgrad_draws = 25,
                                 .smoothgrad_noise = 0.15,
                                 .rise_masks = 500,
                                 .rise_grid = {4, 7, 7},
                                 .rise_keep = 0.5};
}

void cfp_volumes_free(cfp_volume_list *list)
{
    for (int i = 0; i < list->n; i++)
        cfp_free(list->volume[i].s);
    cfp_free(list->volume);
    *list = (cfp_volume_list){0};
}

cfp_status cfp_volumes_reserve(cfp_volume_list *list, cfp_volume_maker *maker, int n)
{
    CFP_TRY_ALLOC(maker->ctx, list->volume, n);
    return CFP_OK;
}

cfp_status cfp_volumes_add(cfp_volume **out, cfp_volume_list *list, cfp_volume_maker *maker,
                           const cfp_volume_ask *ask, int node)
{
    cfp_volume *volume = &list->volume[list->n];
    *volume = (cfp_volume){.ask = ask, .node = node, .theta = NAN};
    CFP_TRY_ALLOC(maker->ctx, volume->s, cfp_positions(cfp_maker_shape(maker)));
    list->n++;
    *out = volume;
    return CFP_OK;
}

cfp_status cfp_volume_from_raw(cfp_volume *volume, cfp_volume_maker *maker, float *raw,
                               cfp_shape shape)
{
    const cfp_shape clip = cfp_maker_shape(maker);
    cfp_tube tube = {.t = shape.t, .h = shape.h, .w = shape.w, .raw = raw};
    tube.min = tube.max = raw[0];
    for (int64_t p = 1; p < cfp_positions(shape); p++) {
        tube.min = fminf(tube.min, raw[p]);
        tube.max = fmaxf(tube.max, raw[p]);
    }
    return cfp_tube_render(volume->s, maker->ctx, &tube, clip.t, clip.h, clip.w,
                           maker->settings.interp);
}

cfp_random cfp_volume_stream(const cfp_volume_maker *maker, const cfp_volume_ask *ask,
                             const cfp_volume_subject *subject)
{
    cfp_random stream = cfp_random_seed(maker->settings.seed);
    stream = cfp_random_of_text(stream, subject->name);
    stream = cfp_random_of_number(stream, (uint64_t)subject->class_index);
    return cfp_random_of_text(stream, cfp_volume_names[ask->method]);
}

/* --- the maker --- */

cfp_status cfp_volume_maker_open(cfp_volume_maker **out, cfp_ctx *ctx, const cfp_model *model,
                                 const cfp_device *device, cfp_probe *probe,
                                 const cfp_volume_settings *settings, const cfp_volume_ask *ask,
                                 int n_asks)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->model = model;
    (*out)->device = *device;
    (*out)->probe = probe;
    (*out)->settings = *settings;
    (*out)->ask = ask;
    (*out)->n_asks = n_asks;
    CFP_TRY_ALLOC(ctx, (*out)->analyser, n_asks);
    return CFP_OK;
}

void cfp_volume_maker_close(cfp_volume_maker **maker)
{
    if (*maker == NULL)
        return;
    for (int a = 0; (*maker)->analyser != NULL && a < (*maker)->n_asks; a++)
        cfp_analyser_close(&(*maker)->analyser[a]);
    cfp_free((*maker)->analyser);
    cfp_free(*maker);
    *maker = NULL;
}

cfp_status cfp_volumes_make(cfp_volume_list *out, cfp_volume_maker *maker, int ask,
                            const cfp_volume_subject *subject)
{
    *out = (cfp_volume_list){0};
    const cfp_status status = family[maker->ask[ask].method](out, maker, &maker->ask[ask], subject);
    if (status != CFP_OK)
        cfp_volumes_free(out);
    return status;
}
