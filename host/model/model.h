/* model.h - a trained network as a graph: the contents of a model file, checked and sorted.
 *
 * An open model does not change.  It lies in host memory and does not depend on a backend.  The
 * nodes are in topological order: forwards runs the network, backwards descends from the class. */
#pragma once
#include "../base/tensor.h"

#define CFP_MAX_INPUTS 4096 /* of one node; far more than any published network has */

typedef enum cfp_op {
#define OP(id, name, min, max, class) CFP_OP_##id,
#include "ops.def"
#undef OP
    CFP_OP_COUNT
} cfp_op;

typedef enum cfp_op_class { CFP_CLASS_KERNEL, CFP_CLASS_POINTWISE, CFP_CLASS_PASS } cfp_op_class;

typedef struct cfp_op_info {
    const char *name; /* as in the file */
    int min_inputs, max_inputs;
    cfp_op_class class;
} cfp_op_info;

extern const cfp_op_info cfp_op_table[CFP_OP_COUNT];

/* The numbers that an activation has as attributes. */
enum { CFP_PARAMETERS = 3 };
typedef struct cfp_parameter {
    const char *name; /* NULL: the op has no more */
    double standard;  /* of a file that does not have the attribute */
    double least;
} cfp_parameter;
extern const cfp_parameter cfp_op_parameters[CFP_OP_COUNT][CFP_PARAMETERS];

/* The window of a convolution or a pool.  Indices 0, 1, 2 are T, H, W. */
typedef struct cfp_window {
    int kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
} cfp_window;

#define CFP_ALL_DEPTHS -1 /* in the place of a deepest depth: no layer is too deep */

/* What a pad puts around T, H, W: `value`, the element at the edge, or those behind the edge
 * mirrored. */
typedef enum cfp_pad_mode { CFP_PAD_CONSTANT, CFP_PAD_REPLICATE, CFP_PAD_REFLECT } cfp_pad_mode;
extern const char *const cfp_pad_modes[]; /* names by cfp_pad_mode, then NULL */

typedef struct cfp_node {
    char *name;
    cfp_op op;
    int n_inputs;
    int *input; /* [n_inputs] node numbers, all smaller than the number of this node */
    int n_consumers;
    int *consumer;   /* [n_consumers] node numbers, each once, ascending */
    cfp_shape shape; /* of the output, n = 1 */

    /* Attributes; each op has only some of them (SPEC: model file). */
    cfp_window window; /* conv3d, maxpool3d, avgpool3d; pad: pad_begin, pad_end only */
    int groups; /* conv3d (linear: 1), channel_shuffle, groupnorm, instancenorm (one a channel) */
    bool ceil_mode;                   /* maxpool3d, avgpool3d */
    bool count_include_pad;           /* avgpool3d */
    float parameter[CFP_PARAMETERS];  /* activations: cfp_op_parameters names them */
    float value;                      /* pad */
    cfp_pad_mode pad_mode;            /* pad */
    int factor[3];                    /* upsample: of T, H, W */
    int channels_begin, channels_end; /* pad */
    int axis, start, stop, step;      /* slice; axis 1..4 = C, T, H, W; concat: axis */

    /* Parameters.  weight and bias are what the network computes with: a batch norm that was folded
     * into the layer is included.  kernel_mean comes from the kernels as trained. */
    float *weight;       /* (O, I/groups, kT, kH, kW) of conv3d; (O, I) of linear; O is shape.c */
    int kernel_channels; /* I/groups, as the weight has it; must fit the input's channels */
    float *bias;         /* [O] or NULL */
    int channels;        /* batchnorm: C of its parameters; must fit the input's channels.  prelu:
                            the number of slopes; one, or as many as the input has channels */
    float *slope;        /* prelu: [shape.c] once the shapes are known */
    float *scale; /* batchnorm: gamma / sqrt(var + eps), [C]; output = input * scale + shift */
    float *shift; /* batchnorm: beta - mean * scale, [C] */
    /* Norms by the clip's own statistics have gamma and beta there.  channels 0: the file has
     * neither, and they are 1 and 0. */
    double eps; /* of those norms */

    /* Kernel layers: */
    float *kernel_mean;  /* (O, I/groups): mean over the taps of the kernels as trained */
    float *kernel_scale; /* [O] scale of the batch norm that directly follows, or NULL.  SPEC's K'
                            is kernel_mean times kernel_scale */
    int depth;           /* SPEC "Depth"; -1 if this is not a kernel layer, or if no route from the
                            class reaches it */
    /* The node whose tensor is this node's output.  Identities, and batch norms folded into a
     * convolution, compute nothing and have another node's number; all others have their own. */
    int alias;

    int64_t parameters; /* count of trained numbers (weights, bias, the batch norm's four) */
    double flop;        /* for one clip: 2 for each multiply-add of conv3d and linear, else 0 */
} cfp_node;

/* How the numbers of a clip are standardised, each channel by itself, before scale, mean and std:
 * not; to mean 0 and deviation 1; the same over the numbers that are not 0, where zeros stay 0; to
 * 0..1. */
typedef enum cfp_standardise {
    CFP_STANDARDISE_NONE,
    CFP_STANDARDISE_CLIP,
    CFP_STANDARDISE_NONZERO,
    CFP_STANDARDISE_RANGE
} cfp_standardise;
extern const char *const cfp_standardise_names[]; /* by cfp_standardise; NULL ends the list */

typedef struct cfp_input_spec { /* SPEC: /input */
    int channels, frames, height, width;
    int frame_stride;
    int resize[2];    /* height, width to which a frame is stretched before the crop; 0, 0: none */
    int resize_short; /* without `resize`: length of the short side; 0: stretch to height x width */
    bool antialias;   /* resize_filter "antialias"; false: "bilinear" */
    bool bgr;
    float scale;
    float *mean, *std; /* [channels], in units of v/scale */
    /* The clip is kept as numbers, one for each channel and pixel, beside the pictures that show
     * it.  Always so unless the network reads 2 or 3 channels of bytes. */
    bool numbers;
    cfp_standardise standardise; /* of numbers */
    bool slices_along_z;         /* frames of a NIfTI volume: along z; false: along x */
    int n_show, show[3];         /* of numbers: the channels that are shown; 0: the first */
} cfp_input_spec;

/* The memory of a clip: frames x height x width x 3 bytes, the pictures.  A clip of numbers has
 * channels x frames x height x width floats behind them, at cfp_input_floats. */
size_t cfp_input_bytes(const cfp_input_spec *spec);
static inline size_t cfp_input_picture_bytes(const cfp_input_spec *spec)
{
    return (size_t)spec->frames * (size_t)spec->height * (size_t)spec->width * 3;
}
float *cfp_input_floats(uint8_t *memory, const cfp_input_spec *spec);
/* Writes what the network reads: 1 x channels x frames x height x width in plain order, each value
 * (v/scale - mean)/std. */
void cfp_input_normalise(float *out, const uint8_t *memory, const cfp_input_spec *spec);
/* A list of channels, "0" or "3,1,0", becomes spec->show.  CFP_USAGE, and the message starts with
 * `option`, if it is none, or if the clips of the model show their own colours. */
CFP_CHECKED cfp_status cfp_input_show(cfp_input_spec *spec, cfp_ctx *ctx, const char *option,
                                      const char *list);

/* The name of the filter, as model files write it. */
static inline const char *cfp_resize_filter(const cfp_input_spec *spec)
{
    return spec->antialias ? "antialias" : "bilinear";
}

/* What channel c of the network reads: the colour cfp_input_color of each pixel, turned into
 * value[level].  All devices use these two functions, so they all compute with the same bits. */
static inline void cfp_input_values(float value[256], const cfp_input_spec *spec, int c)
{
    for (int level = 0; level < 256; level++)
        value[level] = ((float)level / spec->scale - spec->mean[c]) / spec->std[c];
}
static inline int cfp_input_color(const cfp_input_spec *spec, int c)
{
    return spec->bgr ? 2 - c % 3 : c % 3; /* more than three channels start again */
}

/* How scores become probabilities (SPEC "The class scores"). */
typedef enum cfp_head {
    CFP_HEAD_SOFTMAX, /* softmax over the classes; also if the graph ends in neither */
    CFP_HEAD_SIGMOID  /* sigmoid of each class: several labels can be true, the sum is not 1 */
} cfp_head;
extern const char *const cfp_head_names[]; /* by cfp_head */

/* Changes weights as they were trained, before anything is made of them: called for each kernel
 * layer, whose weight[n] it may write. */
typedef struct cfp_weight_change {
    void (*layer)(void *cookie, const cfp_node *node, float *weight, int64_t n);
    void *cookie;
} cfp_weight_change;

/* A network may have several classifiers, such as one for the verb and one for the noun of an
 * action.  Each is a HEAD: a name, an output node and a list of classes.  A model with heads has
 * the logits of all heads side by side.  Its last node, which is in no file, joins them, and its
 * classes are those of the first head, then those of the second, and so on.  Each of its VIEWS is
 * the same network with one head alone, as if the file had only that `output`. */
typedef struct cfp_model cfp_model;
struct cfp_model {
    char *path, *name, *source, *licence; /* source, licence: "" if the file has none */
    char sha256[65];                      /* of the file; empty until it is computed (hash.h) */
    cfp_input_spec input;
    int n_nodes;
    cfp_node *node; /* [n_nodes], topological; node[0] is the clip (op INPUT) */
    int output;     /* the output node that the file names */
    int logits;     /* the node before the final softmax or sigmoid, else the output node */
    cfp_head head;  /* how logits become probabilities */
    bool own_head;  /* the graph contains that softmax or sigmoid */
    int n_classes;
    char **class_name;               /* [n_classes] */
    int max_depth;                   /* deepest kernel layer */
    const cfp_weight_change *change; /* while it is opened; NULL: none */
    char *head_name;                 /* of a network with one head: its name; NULL: it has none */
    int n_heads;                     /* 0: the network has one classifier */
    cfp_model *view;                 /* [n_heads]; they borrow what they share with the model */
    int first_class;                 /* of a view: its first class among those of all heads */
    bool heads_agree; /* all heads give each layer that they share the same depth, and have the same
                       * kind of target: they can be explained after one forward pass */
};

/* Reads and checks a model file.  Errors: CFP_FORMAT, CFP_SHAPE, CFP_UNSUPPORTED, CFP_IO,
 * CFP_NOMEM; the message names file and node.  On failure *out is empty.  cfp_model_free accepts an
 * empty model. */
CFP_CHECKED cfp_status cfp_model_open(cfp_model *out, cfp_ctx *ctx, const char *path);
void cfp_model_free(cfp_model *model);
/* The same model with other weights: its nodes have the same numbers. */
CFP_CHECKED cfp_status cfp_model_open_changed(cfp_model *out, cfp_ctx *ctx, const char *path,
                                              const cfp_weight_change *change);

/* Completes a graph that was made in memory: sorts the nodes, and computes shapes, consumers,
 * folding, kernel means and depths.  cfp_model_open and the tests call it.
 * Before: node[0] is the clip, with its shape.  node[1..], in any order, have name, op, input,
 * attributes and parameters (batchnorm: channels, scale, shift; kernel layers: shape.c,
 * kernel_channels, groups, window, weight, bias). */
CFP_CHECKED cfp_status cfp_model_finish(cfp_model *model, cfp_ctx *ctx, const char *output);
/* The same for a model with heads.  Before: each of model->view[n_heads] has its head_name, its
 * n_classes and class_name.  output[n_heads]: the names of their output nodes. */
CFP_CHECKED cfp_status cfp_model_finish_heads(cfp_model *model, cfp_ctx *ctx, char *const *output);

static inline bool cfp_is_kernel_layer(const cfp_node *node)
{
    return cfp_op_table[node->op].class == CFP_CLASS_KERNEL;
}
static inline bool cfp_is_activation(const cfp_node *node)
{
    return cfp_op_table[node->op].class == CFP_CLASS_POINTWISE;
}
/* The axis along which a concat joins: 1 (C) unless another is given. */
static inline int cfp_concat_axis(const cfp_node *node)
{
    return node->axis == 0 ? 1 : node->axis;
}
/* A norm by the clip's own mean and variance. */
static inline bool cfp_is_clip_norm(cfp_op op)
{
    return op == CFP_OP_INSTANCENORM || op == CFP_OP_GROUPNORM || op == CFP_OP_LAYERNORM;
}
/* The number of channels of the tensor that a kernel layer reads, and the number that one of its
 * kernels reads. */
static inline int cfp_channels_in(const cfp_model *model, const cfp_node *node)
{
    return model->node[node->input[0]].shape.c;
}
static inline int cfp_channels_per_group(const cfp_model *model, const cfp_node *node)
{
    return cfp_channels_in(model, node) / node->groups;
}
/* The first input channel that kernel `o` reads.  It reads cfp_channels_per_group of them. */
static inline int cfp_first_channel(const cfp_model *model, const cfp_node *node, int o)
{
    const int kernels_per_group = node->shape.c / node->groups;
    return o / kernels_per_group * cfp_channels_per_group(model, node);
}

/* The channel of input `k` from which output channel `j` of a node comes (SPEC "Routing"); -1 if it
 * comes from another input, or from none.  Not for kernel layers. */
int cfp_route(const cfp_model *model, int node, int k, int j);

/* Computes the output shape of `node` from the shapes of its inputs and its attributes.  CFP_SHAPE
 * if they do not fit; the message names the node. */
CFP_CHECKED cfp_status cfp_node_shape(cfp_ctx *ctx, const cfp_model *model, cfp_node *node);

/* The node whose output is the map of kernel layer `node` (SPEC "Tubes"). */
int cfp_map_node(const cfp_model *model, int node);

/* --- heads (heads.c) --- */

/* Leaves a model with heads as the network with this head alone.  Its views are gone.  A model that
 * has no heads stays as it is. */
void cfp_model_keep_head(cfp_model *model, int head);
/* Finds a head by its name.  CFP_USAGE: there is none; the message starts with "--head: ". */
CFP_CHECKED cfp_status cfp_model_find_head(int *out, cfp_ctx *ctx, const cfp_model *model,
                                           const char *name);
/* Finds the classes that `--class HEAD=CLASS,HEAD=CLASS` names: class_index[n_heads], each counted
 * within its head; -1: of that head, none is named.  list NULL: all are -1. */
CFP_CHECKED cfp_status cfp_model_head_classes(int *class_index, cfp_ctx *ctx,
                                              const cfp_model *model, const char *list);
/* How many nodes come from the file, and the clip: all but the one that joins heads. */
static inline int cfp_model_file_nodes(const cfp_model *model)
{
    return model->n_nodes - (model->n_heads > 0);
}
/* Inside this folder, for graph.c.  The first adds the node that joins the logits of the views,
 * when shapes are known.  The second gives the views nodes of their own, when batch norms are
 * folded and depths are known. */
CFP_CHECKED cfp_status cfp_heads_join(cfp_model *model, cfp_ctx *ctx);
CFP_CHECKED cfp_status cfp_heads_make_views(cfp_model *model, cfp_ctx *ctx);
CFP_CHECKED cfp_status cfp_find_depths(cfp_model *model, cfp_ctx *ctx);
void cfp_heads_free(cfp_model *model);

/* Node number by name, or -1. */
int cfp_model_find(const cfp_model *model, const char *name);
/* Sets a message that starts "<path>: node '<name>': "; returns `status`. */
cfp_status cfp_fail_node(cfp_ctx *ctx, cfp_status status, const cfp_model *model,
                         const cfp_node *node, const char *format, ...) CFP_PRINTF(5, 6);

/* Writes which layers there are, for the message that a pattern matches none: "; near: a, b, c" or,
 * if there are few, "; there are a, b".  suits(cookie, node): whether the layer may be named. */
void cfp_model_near_layers(char *out, size_t bytes, const cfp_model *model, const char *glob,
                           bool (*suits)(const void *cookie, int node), const void *cookie);

/* Finds a class by its name (exactly, then without case) or by its index.  On failure CFP_USAGE;
 * the message starts with "--class: " and lists similar names.  If the model has a head_name,
 * "verb=cut" is the same as "cut". */
CFP_CHECKED cfp_status cfp_model_class(int *out, cfp_ctx *ctx, const cfp_model *model,
                                       const char *name_or_index);
/* The same for the class that another option names. */
CFP_CHECKED cfp_status cfp_model_class_of(int *out, cfp_ctx *ctx, const cfp_model *model,
                                          const char *option, const char *name_or_index);
