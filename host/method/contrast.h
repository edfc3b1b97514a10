/* contrast.h - two classes of one clip, side by side: what both rest on, and what only one does.
 *
 * The two explanations come from one forward pass (cfp_explain_classes).  Class A becomes the
 * contrast: it points to B, and its tubes become difference tubes. */
#pragma once
#include "explain.h"

/* a->against = b, and a's tubes become those of either class, in the order of layers of both.  Each
 * has in `minus` what B has in its place.  A class that did not reach a layer, or did not select a
 * kernel, has a tube of one zero there, which renders as zeros.  b must outlive a. */
CFP_CHECKED cfp_status cfp_make_contrast(cfp_explanation *a, cfp_ctx *ctx,
                                         const cfp_explanation *b);

/* False where the tube of a class in a contrast only stands in for one that the class does not
 * have. */
bool cfp_contrast_own_tube(const cfp_explanation *of, const cfp_tube *tube);

/* The layer of the pyramid that belongs to this node, or NULL. */
const cfp_layer *cfp_pyramid_layer(const cfp_pyramid *pyramid, int node);

typedef enum cfp_side { CFP_SIDE_BOTH, CFP_SIDE_A, CFP_SIDE_B, CFP_SIDES } cfp_side;
extern const char *const cfp_side_names[]; /* both only_a only_b */

/* A layer that A or B visited; a or b may be NULL. */
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
