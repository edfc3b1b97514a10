/* model.h - a trained network as a graph: what SPEC's model file holds, checked and in order.
 *
 * A model is immutable once open, lives in host memory and knows no backend.  Nodes stand in
 * topological order: walk forwards to run the network, backwards to descend from the class. */
#pragma once
#include "../base/tensor.h"

#define CFP_MAX_INPUTS 4096 /* of one node; a sanity bound, far above any published network */

typedef enum cfp_op {
#define OP(id, name, least, most, class) CFP_OP_##id,
#include "ops.def"
#undef OP
    CFP_OP_COUNT
} cfp_op;

typedef enum cfp_op_class { CFP_CLASS_KERNEL, CFP_CLASS_POINTWISE, CFP_CLASS_PASS } cfp_op_class;

typedef struct cfp_op_info {
    const char *name; /* as in the file */
    int least_inputs, most_inputs;
    cfp_op_class class;
} cfp_op_info;

extern const cfp_op_info cfp_op_table[CFP_OP_COUNT];

/* A window that slides over T, H, W: of a convolution or a pool.  Indices 0, 1, 2 are T, H, W. */
typedef struct cfp_window {
    int kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
} cfp_window;

typedef struct cfp_node {
    char *name;
    cfp_op op;
    int n_inputs;
    int *input; /* [n_inputs] node numbers, all smaller than this node's own */
    int n_consumers;
    int *consumer;   /* [n_consumers] node numbers, each once, ascending */
    cfp_shape shape; /* of the output, n = 1 */

    /* Attributes; which of them mean something is the op's business (SPEC: model file). */
    cfp_window window;      /* conv3d, maxpool3d, avgpool3d; pad: pad_begin, pad_end only */
    int groups;             /* conv3d (linear: 1), channel_shuffle */
    bool ceil_mode;         /* maxpool3d, avgpool3d */
    bool count_include_pad; /* avgpool3d */
    float negative_slope;   /* leakyrelu */
    float value;            /* pad */
    int channels_begin, channels_end; /* pad */
    int axis, start, stop, step;      /* slice; axis 1..4 = C, T, H, W */

    /* Parameters.  Kernel layers keep what the network computes with: where a batch norm is folded
     * in, weight and bias are the folded ones; the kernels as trained live on in kernel_mean. */
    float *weight;       /* (O, I/groups, kT, kH, kW) of conv3d; (O, I) of linear; O is shape.c */
    int kernel_channels; /* I/groups as the weight has it; must fit the input's channels */
    float *bias;         /* [O] or NULL */
    int channels;        /* batchnorm: of its parameters; must fit the input's */
    float *scale; /* batchnorm: gamma / sqrt(var + eps), [C]; output = input * scale + shift */
    float *shift; /* batchnorm: beta - mean * scale, [C] */

    /* Kernel layers: */
    float *kernel_mean;  /* (O, I/groups): mean over the taps of the kernels as trained */
    float *kernel_scale; /* [O] scale of the batch norm that directly follows, else NULL: SPEC's K'
                            is kernel_mean times kernel_scale */
    int depth;           /* SPEC "Depth"; -1 where no route from the class comes by, or no kernel
                            layer */
    /* Folding: the node whose tensor this node's output is.  Its own number, except for identities
     * and for batch norms folded into a convolution: those compute nothing. */
    int alias;

    int64_t parameters; /* numbers as trained (weights, bias, batch norm's four) */
    double flop;        /* of one clip; 1 multiply-add = 2 (conv3d, linear), others 0 */
} cfp_node;

typedef struct cfp_input_spec { /* SPEC: /input */
    int channels, frames, height, width;
    int frame_stride;
    int resize[2];    /* height, width that a frame is stretched to before the crop; 0, 0: none */
    int resize_short; /* where there is no resize: of the short side; 0: straight to height x width
                       */
    bool antialias;   /* resize_filter "antialias"; false: "bilinear" */
    bool bgr;
    float scale;
    float *mean, *std; /* [channels], in scaled units */
} cfp_input_spec;

/* As the file calls it. */
static inline const char *cfp_resize_filter(const cfp_input_spec *spec)
{
    return spec->antialias ? "antialias" : "bilinear";
}

/* The one place that says what a byte becomes: value[level] is what channel c of the network reads,
 * and cfp_input_color which of a pixel's R, G, B it takes.  Whoever brings frames to a network
 * looks up here, so that every device computes with the same numbers to the last bit. */
static inline void cfp_input_values(float value[256], const cfp_input_spec *spec, int c)
{
    for (int level = 0; level < 256; level++)
        value[level] = ((float)level / spec->scale - spec->mean[c]) / spec->std[c];
}
static inline int cfp_input_color(const cfp_input_spec *spec, int c)
{
    return spec->bgr ? 2 - c % 3 : c % 3; /* more than three channels start again */
}

/* What turns a network's scores into probabilities (SPEC "The class scores"). */
typedef enum cfp_head {
    CFP_HEAD_SOFTMAX, /* over the classes; also where the graph has neither */
    CFP_HEAD_SIGMOID  /* of each class by itself: several labels can hold, the sum is not 1 */
} cfp_head;
extern const char *const cfp_head_names[]; /* by cfp_head */

/* Changes weights as they were trained, before anything is made of them: called for each kernel
 * layer, whose weight[n] it may write. */
typedef struct cfp_weight_change {
    void (*layer)(void *cookie, const cfp_node *node, float *weight, int64_t n);
    void *cookie;
} cfp_weight_change;

typedef struct cfp_model {
    char *path, *name, *source, *licence; /* source, licence: "" where the file has none */
    char sha256[65];                      /* of the file, once somebody has computed it (hash.h) */
    cfp_input_spec input;
    int n_nodes;
    cfp_node *node; /* [n_nodes], topological; node[0] is the clip (op INPUT) */
    int output;     /* the node named by the file */
    int logits;     /* what the softmax or sigmoid at the graph's end reads, else the output */
    cfp_head head;  /* what makes probabilities of the logits */
    bool own_head;  /* the graph itself ends in that softmax or sigmoid */
    int n_classes;
    char **class_name;               /* [n_classes] */
    int max_depth;                   /* deepest kernel layer */
    const cfp_weight_change *change; /* while it is opened; NULL: none */
} cfp_model;

/* Reads and checks a model file.  Everything SPEC asks to refuse is refused here, with file and
 * node in the message (CFP_FORMAT, CFP_SHAPE, CFP_UNSUPPORTED, CFP_IO, CFP_NOMEM).  On failure
 * *out is empty.  cfp_model_free accepts an empty model. */
CFP_CHECKED cfp_status cfp_model_open(cfp_model *out, cfp_ctx *ctx, const char *path);
void cfp_model_free(cfp_model *model);
/* The same model with other weights: its nodes have the same numbers. */
CFP_CHECKED cfp_status cfp_model_open_changed(cfp_model *out, cfp_ctx *ctx, const char *path,
                                              const cfp_weight_change *change);

/* For graphs made in memory (tests): node[1..] have name, op, input, attributes and parameters
 * (batchnorm: channels, scale and shift; kernel layers: shape.c, kernel_channels, groups, window,
 * weight, bias) set, node[0] is the clip with its shape; order is any.  Sorts,
 * computes shapes, consumers, folding, kernel means, depth.  cfp_model_open ends in it. */
CFP_CHECKED cfp_status cfp_model_finish(cfp_model *model, cfp_ctx *ctx, const char *output);

static inline bool cfp_is_kernel_layer(const cfp_node *node)
{
    return cfp_op_table[node->op].class == CFP_CLASS_KERNEL;
}
static inline bool cfp_is_activation(const cfp_node *node)
{
    return cfp_op_table[node->op].class == CFP_CLASS_POINTWISE;
}
/* Channels of the tensor that a kernel layer reads, and those that one kernel of it reads. */
static inline int cfp_channels_in(const cfp_model *model, const cfp_node *node)
{
    return model->node[node->input[0]].shape.c;
}
static inline int cfp_channels_per_group(const cfp_model *model, const cfp_node *node)
{
    return cfp_channels_in(model, node) / node->groups;
}
/* The first input channel that kernel `o` reads; it reads cfp_channels_per_group from there. */
static inline int cfp_first_channel(const cfp_model *model, const cfp_node *node, int o)
{
    const int kernels_per_group = node->shape.c / node->groups;
    return o / kernels_per_group * cfp_channels_per_group(model, node);
}

/* SPEC "Routing": the channel of input `k` that output channel `j` of a node comes from, or -1
 * where it comes from nowhere (or from another input).  Not for kernel layers. */
int cfp_route(const cfp_model *model, int node, int k, int j);

/* The output shape of `node` from its inputs' shapes and its attributes; refuses by name. */
CFP_CHECKED cfp_status cfp_node_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node);

/* SPEC "The map": the node whose tensor shows what kernel layer `node` found. */
int cfp_map_node(const cfp_model *model, int node);

/* Node number by name, or -1. */
int cfp_model_find(const cfp_model *model, const char *name);
/* A message that starts "<path>: node '<name>': " and goes on as given; returns status. */
cfp_status cfp_fail_node(cfp_ctx *ctx, cfp_status status, const cfp_model *model,
                         const cfp_node *node, const char *format, ...) CFP_PRINTF(5, 6);

/* Class number by name (exactly, then without case) or by index; on failure CFP_USAGE with near
 * names in the message, which starts with "--class: ". */
CFP_CHECKED cfp_status cfp_model_class(int *out, cfp_ctx *ctx, const cfp_model *model,
                                       const char *name_or_index);
