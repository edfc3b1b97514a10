/* contrast.h - compares two classes of one clip: which kernels both rest on, and which only one.
 *
 * The two explanations come from one forward pass (cfp_explain_classes).  That of class A becomes
 * the contrast: it points to that of class B, and its tubes become difference tubes. */
#pragma once
#include "explain.h"

/* Makes a contrast of a: a->against becomes b, and a gets a tube for each tube that either class
 * has, by layer.  Each tube has in `minus` the tube of B that belongs to it.  If a class did not
 * reach a layer, or did not select a kernel, its tube there is a single 0, which renders as zeros.
 * b must outlive a. */
CFP_CHECKED cfp_status cfp_make_contrast(cfp_explanation *a, cfp_ctx *ctx,
                                         const cfp_explanation *b);

/* False: the class has no such tube, and `tube` is the single 0 that takes its place. */
bool cfp_contrast_own_tube(const cfp_explanation *of, const cfp_tube *tube);

/* The layer of the pyramid that belongs to this node, or NULL. */
const cfp_layer *cfp_pyramid_layer(const cfp_pyramid *pyramid, int node);

typedef enum cfp_side { CFP_SIDE_BOTH, CFP_SIDE_A, CFP_SIDE_B, CFP_SIDES } cfp_side;
extern const char *const cfp_side_names[]; /* both only_a only_b */

/* A layer that A or B visited.  NULL: that class did not. */
typedef struct cfp_contrast_layer {
    int node, depth, n_kernels;
    const cfp_layer *a, *b;
    int32_t *kernel[CFP_SIDES]; /* ascending */
    int n[CFP_SIDES];
} cfp_contrast_layer;

typedef struct cfp_contrast_layers {
    int n;
    cfp_contrast_layer *layer; /* [n] in the order of pyramids */
} cfp_contrast_layers;

CFP_CHECKED cfp_status cfp_contrast_layers_open(cfp_contrast_layers *out, cfp_ctx *ctx,
                                                const cfp_explanation *a);
void cfp_contrast_layers_close(cfp_contrast_layers *layers);
