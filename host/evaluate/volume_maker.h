/* volume_maker.h - the inside of cfp_volume_maker, for the files that make volumes.  Private to
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

/* The settings of an ask.  interp, target and seed are always taken from the maker. */
static inline const cfp_volume_settings *cfp_ask_settings(const cfp_volume_maker *maker,
                                                          const cfp_volume_ask *ask)
{
    return ask->own != NULL ? ask->own : &maker->settings;
}

/* The first gives the list the capacity for n volumes.  The second adds a volume of zeros. */
CFP_CHECKED cfp_status cfp_volumes_reserve(cfp_volume_list *list, cfp_volume_maker *maker, int n);
CFP_CHECKED cfp_status cfp_volumes_add(cfp_volume **out, cfp_volume_list *list,
                                       cfp_volume_maker *maker, const cfp_volume_ask *ask,
                                       int node);
/* Resizes raw, t x h x w of the shape, to the clip and min-max normalises it, into the volume. */
CFP_CHECKED cfp_status cfp_volume_from_raw(cfp_volume *volume, cfp_volume_maker *maker, float *raw,
                                           cfp_shape shape);
/* The random stream of a method.  It depends on the method's name, not on the caller's word. */
cfp_random cfp_volume_stream(const cfp_volume_maker *maker, const cfp_volume_ask *ask,
                             const cfp_volume_subject *subject);

/* The families. */
typedef cfp_status cfp_volume_family(cfp_volume_list *out, cfp_volume_maker *maker,
                                     const cfp_volume_ask *ask, const cfp_volume_subject *subject);
cfp_volume_family cfp_volumes_of_kernels, cfp_volumes_of_maps, cfp_volumes_of_gradients,
    cfp_volumes_of_occlusion, cfp_volumes_of_rise, cfp_volumes_of_controls;
