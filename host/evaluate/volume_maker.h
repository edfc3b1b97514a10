/* volume_maker.h - what makes volumes, as its families of methods see it; private to
 * host/evaluate/. */
#pragma once
#include "random.h"
#include "volumes.h"

struct cfp_volume_maker {
    cfp_ctx *ctx;
    const cfp_model *model;
    cfp_device device;
    cfp_probe *probe; /* the caller's */
    cfp_volume_settings settings;
    const cfp_volume_ask *ask; /* [n_asks], the caller's */
    int n_asks;
    cfp_analyser *
        *analyser; /* [n_asks] of the kernel methods, opened when first needed; else NULL */
};

static inline cfp_shape cfp_maker_shape(const cfp_volume_maker *maker)
{
    return maker->model->node[0].shape;
}

/* The numbers that an ask goes by; interp, target and seed are always the maker's. */
static inline const cfp_volume_settings *cfp_ask_settings(const cfp_volume_maker *maker,
                                                          const cfp_volume_ask *ask)
{
    return ask->own != NULL ? ask->own : &maker->settings;
}

/* A further volume of zeros, for as many as the list has room for (cfp_volumes_room). */
CFP_CHECKED cfp_status cfp_volumes_room(cfp_volume_list *list, cfp_volume_maker *maker, int n);
CFP_CHECKED cfp_status cfp_volumes_add(cfp_volume **out, cfp_volume_list *list,
                                       cfp_volume_maker *maker, const cfp_volume_ask *ask,
                                       int node);
/* raw, t x h x w of the shape, resized to the clip and min-max normalised, goes to the volume. */
CFP_CHECKED cfp_status cfp_volume_from_raw(cfp_volume *volume, cfp_volume_maker *maker, float *raw,
                                           cfp_shape shape);
/* The stream of a method's random numbers.  Its name stands for it, not the caller's word. */
cfp_random cfp_volume_stream(const cfp_volume_maker *maker, const cfp_volume_ask *ask,
                             const cfp_volume_subject *subject);

/* The families. */
typedef cfp_status cfp_volume_family(cfp_volume_list *out, cfp_volume_maker *maker,
                                     const cfp_volume_ask *ask, const cfp_volume_subject *subject);
cfp_volume_family cfp_volumes_of_kernels, cfp_volumes_of_maps, cfp_volumes_of_gradients,
    cfp_volumes_of_occlusion, cfp_volumes_of_rise, cfp_volumes_of_controls;
