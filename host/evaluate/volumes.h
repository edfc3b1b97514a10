/* volumes.h - methods that give a number to each of the T x H x W voxels of a clip: where and when
 * the network looks.
 *
 * They are the tubes of the kernel methods, the usual methods of the field, and controls that do
 * not depend on the network.  README.md has the definition of each, and who published it. */
#pragma once
#include "../method/explain.h"
#include "probe.h"

typedef enum cfp_volume_method {
    CFP_VOLUME_CFP,
    CFP_VOLUME_CFP_PATH,
    CFP_VOLUME_REFERENCE,
    CFP_VOLUME_GRAD,
    CFP_VOLUME_GRAD_MASKED,
    CFP_VOLUME_SALIENCY_TUBES,
    CFP_VOLUME_GRADCAM,
    CFP_VOLUME_GRADCAM_FRAME,
    CFP_VOLUME_GRADCAM_PP,
    CFP_VOLUME_HIRESCAM,
    CFP_VOLUME_GRADIENT_INPUT,
    CFP_VOLUME_INTEGRATED_GRADIENTS,
    CFP_VOLUME_SMOOTHGRAD,
    CFP_VOLUME_OCCLUSION,
    CFP_VOLUME_RISE,
    CFP_VOLUME_RANDOM,
    CFP_VOLUME_CENTRE,
    CFP_VOLUME_FRAME_DIFFERENCE,
    CFP_VOLUME_ACTIVATION,
    CFP_VOLUME_COUNT
} cfp_volume_method;

extern const char *const cfp_volume_names[]; /* by method */
/* The method of this name, or -1. */
int cfp_volume_named(const char *name);

/* A method that is asked for. */
typedef struct cfp_volume_ask {
    const char *word; /* what rows call it */
    cfp_volume_method method;
    /* Kernel methods use the whole query; cfp_volume_query sets what the method decides.  Methods
     * on maps use query.layers: they look at every convolution that matches; NULL: at the last map.
     */
    cfp_query query;
    const cfp_clip *other; /* query.baseline CFP_BASELINE_CLIP: that clip; borrowed */
    /* The numbers of this ask alone (cfp_volume_option), borrowed; NULL: the maker's. */
    const struct cfp_volume_settings *own;
} cfp_volume_ask;
void cfp_volume_query(cfp_query *query, cfp_volume_method method);

/* The parameters of the methods.  cfp_volume_settings_default has the defaults. */
typedef struct cfp_volume_settings {
    cfp_target target; /* of all methods but the kernel methods, whose query has it */
    cfp_interp interp; /* how maps are resized to the clip */
    uint64_t seed;
    int ig_steps;                 /* integrated-gradients: points on the line from the blank clip */
    int smoothgrad_draws;         /* smoothgrad: noisy clips */
    double smoothgrad_noise;      /* smoothgrad: sigma, as a fraction of the range of the clip */
    int window[3], stride[3];     /* occlusion: T, H, W; 0: a quarter of the clip; half a window */
    int rise_masks, rise_grid[3]; /* rise: masks; their cells along T, H, W */
    double rise_keep;             /* rise: the fraction of cells that are shown */
} cfp_volume_settings;
cfp_volume_settings cfp_volume_settings_default(void);
/* Sets an option of a method: steps of integrated-gradients; draws and noise of smoothgrad; window
 * and stride of occlusion (4x28x28); masks, grid and keep of rise.  CFP_USAGE: the method has no
 * such option, or the value is missing (NULL) or not valid; the message starts with "--methods: ".
 */
CFP_CHECKED cfp_status cfp_volume_option(cfp_volume_settings *settings, cfp_ctx *ctx,
                                         cfp_volume_method method, const char *name,
                                         const char *value);

typedef struct cfp_volume {
    const cfp_volume_ask *ask;
    int node;     /* of the layer that it is made of; -1: none */
    double theta; /* of the kernel methods; else NaN */
    float *s;     /* [T x H x W] the higher, the more it matters; may be below 0 */
    char definition[256];
} cfp_volume;

typedef struct cfp_volume_list {
    int n;
    cfp_volume *volume;
} cfp_volume_list;
void cfp_volumes_free(cfp_volume_list *list); /* accepts {0} */

/* Makes volumes of any number of clips.  It owns the analysers of the kernel methods. */
typedef struct cfp_volume_maker cfp_volume_maker;
/* The caller owns the probe and the asks; they must outlive the maker. */
CFP_CHECKED cfp_status cfp_volume_maker_open(cfp_volume_maker **out, cfp_ctx *ctx,
                                             const cfp_model *model, const cfp_device *device,
                                             cfp_probe *probe, const cfp_volume_settings *settings,
                                             const cfp_volume_ask *ask, int n_asks);
void cfp_volume_maker_close(cfp_volume_maker **maker);

/* What is explained. */
typedef struct cfp_volume_subject {
    const float *input; /* C x T x H x W, normalised */
    int class_index;
    const char *name; /* the clip's: where random numbers come from */
} cfp_volume_subject;

/* Makes the volumes of ask number `ask`: one, or one for each layer.  CFP_UNSUPPORTED: the network
 * has nothing that the method could look at.  The caller frees *out (cfp_volumes_free).  On failure
 * *out is empty. */
CFP_CHECKED cfp_status cfp_volumes_make(cfp_volume_list *out, cfp_volume_maker *maker, int ask,
                                        const cfp_volume_subject *subject);
