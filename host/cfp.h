/* cfp.h - Class Feature Pyramids as a library: the one public header of libcfp.
 *
 * libcfp explains what a prediction of a 3-D convolutional network rests on.  You open a model and
 * a device, read a clip, and ask a question about a class.  You get the pyramid of kernels that the
 * class rests on, and tubes: where and when in the clip those kernels fire.
 *
 *     cfp_open_context        error text, log, limits
 *     cfp_open_device         where the network runs
 *     cfp_open_model          the network
 *     cfp_open_explainer      the network on the device, ready for one question
 *     cfp_read_clip           frames from a file; cfp_make_clip: from memory
 *     cfp_explain_clips       the answer
 *     cfp_get_layer, _tube    walk through it;  cfp_draw_overlay;  cfp_write_explanation
 *
 * Rules that hold for every function here:
 *
 *   Errors      A function that can fail returns a cfp_status.  CFP_OK is 0.  After any other
 *               status, cfp_message() of the context tells in one line what is wrong.  Handles that
 *               the function should have given are then NULL; do not read its other results.
 *   Ownership   You own the handles that cfp_open_X, cfp_read_X, cfp_make_X and cfp_explain_X give.
 *               Close each with the function that its comment names.  That function takes the
 *               address of your handle, sets the handle to NULL, and accepts a handle that is NULL.
 *               Pointers inside a result belong to the handle that it was read from, and are valid
 *               until that handle is closed.
 *               Text and arrays that you pass in are copied, unless the comment says otherwise.
 *   Lifetime    Close in the opposite order.  An explainer needs its model and its device.  An
 *               explanation needs its model and its clip, but no explainer and no device.
 *               Everything needs its context.
 *   Threads     A context, and all that was opened with it, is used by one thread at a time.  Two
 *               threads that work at once open a context and a device each.  They may share models
 *               and clips: both never change once they are open.  cfp_interrupt may be called
 *               from any thread and from a signal handler.
 *   Words       Choices are given as the words of the command line, such as "grad".  NULL is the
 *               default.  cfp-gpu explain --help says what each word means.  Messages name a field
 *               of a struct as `field: what is wrong`.
 *   Numbers     All reals are finite.  Indices count from 0.  Arrays are in C order: the last
 *               index moves fastest.
 *
 * What a program must know about the library in its process (host/README.md says more):
 *
 *   - It never prints, exits, or changes signal handlers, the environment or the working folder.
 *   - It reads HDF5 files (models, clips in .h5) in a child process, which it forks and ends before
 *     the function returns.  A handler of SIGCHLD may see that child.  Do not reap children that
 *     you did not start while cfp_open_model or cfp_read_clip runs.  Do not call HDF5 in another
 *     thread at that time; the library's own threads take turns.
 *   - It sets FFmpeg's log to quiet for the whole process, and limits oneDNN to AVX2 if `lanes`
 * says so.
 *   - If a library that it uses crashes or calls exit(), this is not caught, unlike in the program
 *     cfp-gpu.  OpenMP's threads stay after the last function, so fork() afterwards only to call
 *     exec().
 *
 * Version 0.x: a struct may grow from one minor version to the next.  Then the number in the
 * library's name changes too (libcfp.so.N), so a program never meets a layout it was not built for.
 */
#ifndef CFP_H
#define CFP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CFP_API __attribute__((visibility("default")))
#else
#define CFP_API
#endif

/* --- status and version --- */

typedef enum cfp_status {
    CFP_OK,
    CFP_USAGE,       /* an argument is not valid */
    CFP_NOMEM,       /* memory, or the limit on it, is used up */
    CFP_IO,          /* a file cannot be opened, read or written */
    CFP_FORMAT,      /* a file was read and is not what it claims to be */
    CFP_SHAPE,       /* shapes do not fit */
    CFP_UNSUPPORTED, /* a valid request that this build or device does not support */
    CFP_DEVICE,      /* the device cannot be used */
    CFP_INTERRUPTED, /* cfp_interrupt was called */
    CFP_STATUS_COUNT
} cfp_status;

typedef enum cfp_level { CFP_LOG_ERROR, CFP_LOG_WARNING, CFP_LOG_INFO } cfp_level;

/* A status in words, such as "out of memory".  Any thread may call it. */
CFP_API const char *cfp_status_text(cfp_status status);
/* The version of the library that runs, such as "0.1.0".  Any thread may call it. */
CFP_API const char *cfp_version(void);

/* --- handles --- */

typedef struct cfp_context cfp_context;
typedef struct cfp_device cfp_device;
typedef struct cfp_model cfp_model;
typedef struct cfp_clip cfp_clip;
typedef struct cfp_explainer cfp_explainer;
typedef struct cfp_explanation cfp_explanation;

/* --- context --- */

typedef struct cfp_settings { /* all zero: no log, no limit but the memory that is free */
    /* Called with one line without a newline, by the thread that called the library.  NULL: no log.
     */
    void (*log)(void *cookie, cfp_level level, const char *line);
    /* Called from time to time: `done` of `total` steps of `what` ("decode", "write").  NULL: not
     * called. */
    void (*progress)(void *cookie, const char *what, int64_t done, int64_t total);
    void *cookie;       /* passed to both */
    int64_t max_memory; /* limit on the bytes for files and the network; 0: what is free */
} cfp_settings;

/* settings NULL: all zero.  CFP_NOMEM; *out is then NULL.  Close with cfp_close_context. */
CFP_API cfp_status cfp_open_context(cfp_context **out, const cfp_settings *settings);
CFP_API void cfp_close_context(cfp_context **context);
/* The message of the last failure, such as "clip.mp4: no video in it"; "" if nothing has failed. It
 * belongs to the context and changes with the next failure. */
CFP_API const char *cfp_message(cfp_context *context);
/* true: the function that runs, and all that are called later, soon return CFP_INTERRUPTED.  false:
 * functions work again. */
CFP_API void cfp_interrupt(cfp_context *context, bool on);

/* --- device --- */

typedef struct cfp_device_settings { /* all zero: the defaults */
    const char *name;                /* "auto", "cpu", "cuda", "cuda:1", "ref"; NULL: "auto" */
    int threads;                     /* of the processor; 0: all that the process may use */
    const char *precision;           /* "fp32", "tf32", "bf16", "fp16"; NULL: "fp32" */
    const char *module_dir; /* absolute folder of cfp_cuda.so; NULL: where it was installed */
    const char
        *lanes; /* cpu: the widest instructions it may use: "avx512", "avx2", "plain"; NULL: all */
} cfp_device_settings;

/* settings NULL: the defaults.  "auto" takes cuda if it can be used, else cpu; the log says which.
 * CFP_USAGE (an unknown word), CFP_DEVICE (it cannot be used), CFP_UNSUPPORTED (a precision that it
 * lacks), CFP_NOMEM.  Like every function here it restores the number of OpenMP threads of the
 * calling thread.  Close with cfp_close_device. */
CFP_API cfp_status cfp_open_device(cfp_device **out, cfp_context *context,
                                   const cfp_device_settings *settings);
CFP_API void cfp_close_device(cfp_device **device);
/* A description, such as "oneDNN 2.6.3, AVX-512, 2 threads".  It belongs to the device. */
CFP_API const char *cfp_device_text(const cfp_device *device);

typedef struct cfp_device_facts {
    char name[16];    /* "cpu" */
    bool ready;       /* it can be opened */
    char detail[256]; /* what it is, or why it cannot be opened */
} cfp_device_facts;

/* Describes device i of those that this build knows.  Returns false if there are no more.  It opens
 * the device to find out, so it takes a while.  Of settings, lanes and module_dir are read; it may
 * be NULL. */
CFP_API bool cfp_describe_device(cfp_device_facts *out, int i, const cfp_device_settings *settings);

/* --- model --- */

/* Reads and checks a model file (HDF5).  CFP_IO, CFP_FORMAT, CFP_SHAPE, CFP_UNSUPPORTED, CFP_NOMEM,
 * CFP_INTERRUPTED; the message names file and node.  Close with cfp_close_model. */
CFP_API cfp_status cfp_open_model(cfp_model **out, cfp_context *context, const char *path);
/* The same for one head of a network that has several classifiers, such as "verb" and "noun".
 * cfp_open_model opens the first head.  CFP_USAGE: there is no such head. */
CFP_API cfp_status cfp_open_head(cfp_model **out, cfp_context *context, const char *path,
                                 const char *head);
CFP_API void cfp_close_model(cfp_model **model);

typedef struct cfp_model_facts {
    const char *path, *name, *source, *licence; /* "" if the file has none */
    int classes;
    int nodes;     /* of the graph; node 0 is the clip */
    int max_depth; /* of the deepest kernel layer; the classifier has depth 0 */
    int64_t parameters;
    double gflop; /* of one clip; a multiply-add is 2 FLOP */
    /* What the network reads, and how a frame becomes its numbers: a frame is resized, its middle
     * is cropped to height x width, and a byte becomes (byte / scale - mean) / std. */
    /* channels 3: colour; 2: optical flow; others, or where the file says so: any numbers */
    int channels, frames, height, width;
    int frame_stride; /* the network was trained on every N-th frame of its sources */
    int resize_height, resize_width; /* before the crop; 0, 0: see resize_short */
    int resize_short;          /* the short side before the crop; 0: straight to height x width */
    const char *resize_filter; /* "bilinear" or "antialias" */
    const char *color;         /* "RGB" or "BGR" */
    float scale;
    const float *mean, *std; /* [channels] */
    const char *head;        /* "softmax" or "sigmoid": how logits become probabilities */
    bool own_head;           /* the graph itself ends with it */
    int logits;              /* the node that gives the logits */
    const char *head_name;   /* of several classifiers, this one's name; "": the file names none */
} cfp_model_facts;

CFP_API void cfp_describe_model(cfp_model_facts *out, const cfp_model *model);
/* NULL if there is no such class. */
CFP_API const char *cfp_class_name(const cfp_model *model, int class_index);
/* Finds a class by its name, or by its index as text.  CFP_USAGE if there is none; the message then
 * lists similar names. */
CFP_API cfp_status cfp_find_class(int *out, cfp_context *context, const cfp_model *model,
                                  const char *name_or_index);

typedef struct cfp_node_facts {
    const char *name, *op;               /* "layer4.2.conv3", "conv3d" */
    int inputs;                          /* number of nodes that it reads */
    const int *input;                    /* [inputs] */
    int channels, frames, height, width; /* of its output; of a kernel layer channels = kernels */
    int64_t parameters;
    double gflop;
    int depth; /* of a kernel layer; -1: not a kernel layer, or not reached from the class */
} cfp_node_facts;

/* Returns false if there is no node i.  Nodes are in the order in which they are computed. */
CFP_API bool cfp_describe_node(cfp_node_facts *out, const cfp_model *model, int node);

/* --- clip --- */

typedef struct cfp_clip_settings { /* cfp_default_clip_settings sets the defaults */
    int64_t start; /* first frame of the window; -1: the window is in the middle of the source */
    int stride;    /* frames apart; 0: the model's */
    int track;     /* which track of a video, counted from 1; 0: the first */
} cfp_clip_settings;

CFP_API void cfp_default_clip_settings(cfp_clip_settings *out);

/* Reads a clip and prepares it for this model: from a video file, a folder of images, a TIFF, a
 * frames.db, or an array in .npy or .h5.  settings NULL: the defaults.  CFP_IO, CFP_FORMAT,
 * CFP_USAGE (start or track is not in the source), CFP_UNSUPPORTED, CFP_NOMEM, CFP_INTERRUPTED.  A
 * source that is too short is looped, with a warning in the log.  Close with cfp_close_clip. */
CFP_API cfp_status cfp_read_clip(cfp_clip **out, cfp_context *context, const cfp_model *model,
                                 const char *path, const cfp_clip_settings *settings);
/* The same for frames in memory.  pixels has frames x height x width x 3 bytes (RGB), or x 2 (u, v;
 * 128 is no motion) for a model of optical flow.  The size is free: the frames are sampled, resized
 * and cropped like those of a file.  pixels is copied.  fps 0: unknown.  name: the name of the clip
 * in messages and files. */
CFP_API cfp_status cfp_make_clip(cfp_clip **out, cfp_context *context, const cfp_model *model,
                                 const char *name, const uint8_t *pixels, int64_t frames,
                                 int height, int width, double fps,
                                 const cfp_clip_settings *settings);
CFP_API void cfp_close_clip(cfp_clip **clip);

typedef struct cfp_clip_facts {
    const char *path;          /* or the name given to cfp_make_clip */
    const char *sha256;        /* of the source, as README.md of the project says; 64 digits */
    int frames, height, width; /* as the model reads it */
    const uint8_t *rgb;        /* [frames][height][width][3]; of flow u, v, 128 */
    const int32_t *index;      /* [frames] number of each frame in the source */
    int stride;
    bool looped;
    double fps;                                   /* of the source; 0: unknown */
    int64_t source_frames;                        /* of the whole source, */
    int source_height, source_width;              /* and its size */
    double crop_left, crop_top, crop_dx, crop_dy; /* column u of the clip lies in the source at
                                                     left + (u + 0.5) * dx - 0.5; rows alike */
} cfp_clip_facts;

CFP_API void cfp_describe_clip(cfp_clip_facts *out, const cfp_clip *clip);

/* --- question and explainer --- */

typedef struct cfp_question {    /* cfp_default_question sets the defaults of the command line */
    const char *rule;            /* "cfp", "reference", "grad" */
    double theta;                /* threshold in [0, 1] */
    int depth;                   /* how many kernel layers to descend; -1: all */
    int top;                     /* max number of inputs of each kernel; 0: no limit */
    const char *propagate;       /* "edge", "path" */
    const char *normalise;       /* "minmax", "max" */
    const char *class_relevance; /* "weights", "contribution", "contrast" */
    const char *target;          /* "odds", "margin", "logit"; NULL: by the model's head */
    const char *mask;            /* "selected", "none" */
    const char *baseline;        /* "zero", "blank", "freeze", "reverse", "shuffle", "clip" */
    int steps;                   /* 1 to 1000 */
    double turn_down;            /* in (0, 1]; 0: 1, the network as it is */
    uint64_t seed;               /* of "shuffle" */
    const char *tubes;           /* "layers", "kernels", "none" */
    const char *layers;          /* pattern of layer names ("layer4.*") whose tubes are made */
    const char *interp;          /* how tubes are resized to the clip: "linear", "spline" */
} cfp_question;

CFP_API void cfp_default_question(cfp_question *out);
/* The method as it was published: rule "cfp", theta 0.6. */
CFP_API void cfp_published_question(cfp_question *out);

/* Plans the network on the device for batches of exactly `clips` clips, and allocates all memory
 * for it.  question NULL: it can only predict.  theta[thetas]: several thresholds, answered
 * together, instead of question->theta; NULL and 0: only question->theta.  Rule grad with mask
 * selected takes only one theta.  clips x thetas is at most 16384.  CFP_USAGE, CFP_UNSUPPORTED,
 * CFP_NOMEM, CFP_DEVICE, CFP_INTERRUPTED.  The model must come from the context of the device, or
 * from one that is closed later.  Close with cfp_close_explainer. */
CFP_API cfp_status cfp_open_explainer(cfp_explainer **out, cfp_device *device,
                                      const cfp_model *model, const cfp_question *question,
                                      int clips, const double *theta, int thetas);
CFP_API void cfp_close_explainer(cfp_explainer **explainer);
/* Sets the clip that baseline "clip" compares with.  Call it before the first cfp_explain_clips.
 * The clip must have as many source frames as the clips that are explained, and must be closed
 * after the explainer. */
CFP_API void cfp_set_baseline(cfp_explainer *explainer, const cfp_clip *other);

/* Runs only the forward pass.  clip[clips]: as many clips as the explainer was opened for.  Fills
 * logits[clips][classes] and probabilities[clips][classes], which may be NULL.  CFP_SHAPE (a clip
 * was read for another model), CFP_FORMAT (the network gives NaN or infinity), CFP_DEVICE,
 * CFP_INTERRUPTED. */
CFP_API cfp_status cfp_predict_clips(float *logits, float *probabilities, cfp_explainer *explainer,
                                     const cfp_clip *const *clip);
/* Explains a batch: forward pass, descent and tubes.  class_index[clips]: the class to explain in
 * each clip, -1: the most probable one; NULL: -1 for all.  out[clips][thetas] receives the
 * explanations; close each with cfp_close_explanation.  After a failure all of out is NULL.
 * Statuses as above, and CFP_USAGE if a class does not exist or the explainer was opened without a
 * question.
 */
CFP_API cfp_status cfp_explain_clips(cfp_explanation **out, cfp_explainer *explainer,
                                     const cfp_clip *const *clip, const int *class_index);
CFP_API void cfp_close_explanation(cfp_explanation **explanation);

/* --- walking through an explanation --- */

typedef struct cfp_explanation_facts {
    int class_index;
    const float *logits, *probabilities; /* [classes] of the model */
    int classes;
    double theta;
    int layers; /* kernel layers in the pyramid */
    int tubes;
    double forward_ms, descent_ms, tubes_ms; /* of the whole batch */
} cfp_explanation_facts;

CFP_API void cfp_describe_explanation(cfp_explanation_facts *out,
                                      const cfp_explanation *explanation);

typedef struct cfp_kernel_edge { /* kernel `kernel` of a layer rests on what it reads ... */
    int32_t kernel, channel;     /* ... in this channel */
    float relevance;             /* in [0, 1] */
} cfp_kernel_edge;

typedef struct cfp_layer_facts {
    int node; /* of the model */
    const char *name;
    int depth;
    int kernels;
    const float *relevance; /* [kernels] in [0, 1]; 0 where not selected */
    int selected;
    const int32_t *selected_kernel; /* [selected] ascending */
    int64_t edges;
    const cfp_kernel_edge *edge; /* [edges] by kernel, then by channel */
} cfp_layer_facts;

/* Layer i of the pyramid, by depth: layer 0 is the classifier.  Returns false if there is no layer
 * i.
 */
CFP_API bool cfp_get_layer(cfp_layer_facts *out, const cfp_explanation *explanation, int i);

typedef struct cfp_kernel_place {
    int32_t node, kernel;
} cfp_kernel_place;

/* Finds the kernels that compute `channel` of the input of layer i: an edge leads down to these.
 * There are several if the input is a sum, and none if it is the clip.  *n becomes their number;
 * the first `capacity` of them go to place[capacity], which may be NULL if capacity is 0.
 * CFP_USAGE, CFP_NOMEM. */
CFP_API cfp_status cfp_find_origins(cfp_kernel_place *place, int capacity, int *n,
                                    cfp_context *context, const cfp_explanation *explanation,
                                    int layer, int channel);

typedef struct cfp_tube_facts {
    int node; /* the kernel layer */
    const char *name;
    int kernel;       /* -1: of all selected kernels of the layer */
    int t, h, w;      /* size of the map that the network made */
    const float *raw; /* [t][h][w] */
    float min, max;   /* of raw */
} cfp_tube_facts;

/* Tube i: first those of layers, by depth, then those of kernels.  Returns false if there is no
 * tube i. */
CFP_API bool cfp_get_tube(cfp_tube_facts *out, const cfp_explanation *explanation, int i);

/* Computes tube i, resized to the clip and scaled to [0, 1], into volume[frames][height][width] of
 * the clip.  A constant map gives zeros.  CFP_USAGE, CFP_NOMEM. */
CFP_API cfp_status cfp_render_tube(float *volume, cfp_context *context,
                                   const cfp_explanation *explanation, int i);

typedef struct cfp_drawing { /* cfp_default_drawing sets the defaults */
    const char *colormap;    /* "jet", "turbo", "viridis", "inferno", "gray"; "inferno" */
    double alpha;            /* opacity of the overlay, in [0, 1]; 0.5.  -1: each pixel is as opaque
                                as it is salient */
    const char *canvas;      /* what is drawn on: "model", the frames as the network saw them, or
                                "source", those of the file, uncropped */
} cfp_drawing;

CFP_API void cfp_default_drawing(cfp_drawing *out);

/* Draws the clip with tube i over it into rgb[frames][height][width][3] of the clip.  drawing NULL:
 * the defaults; its canvas is not used.  CFP_USAGE, CFP_NOMEM. */
CFP_API cfp_status cfp_draw_overlay(uint8_t *rgb, cfp_context *context,
                                    const cfp_explanation *explanation, int i,
                                    const cfp_drawing *drawing);

/* Writes the files that cfp-gpu explain writes.  The folder is made if it does not exist.  All
 * files appear in it together, run.json last, or none does.  formats: words separated by commas,
 * such as "h5,json,png,sheet,mp4,gif,frames,stack,figure,html,tree"; NULL: "h5,html,sheet,mp4",
 * with movies of at most six layers.
 * CFP_USAGE (a format that does not exist, canvas "source" of a clip from memory), CFP_IO,
 * CFP_UNSUPPORTED, CFP_NOMEM, CFP_INTERRUPTED. */
CFP_API cfp_status cfp_write_explanation(cfp_context *context, const cfp_explanation *explanation,
                                         const char *folder, const char *formats,
                                         const cfp_drawing *drawing);

/* --- sweep --- */

typedef struct cfp_theta_count { /* what a threshold selects in one layer */
    int node;
    const char *name; /* the model's */
    int depth;
    double theta;
    int kernels, selected;
    int64_t edges;
    double
        jaccard; /* overlap of the selected kernels with those at the theta before it in the list */
} cfp_theta_count;

typedef struct cfp_theta_counts {
    int n;
    cfp_theta_count *row; /* [n] by theta, in your order, then by layer; the classifier first */
} cfp_theta_counts;

/* Counts the kernels that cfp_explain_clips would select at every theta, with one forward pass.
 * question->theta and question->tubes are not used.  A baseline other than "zero" and steps above 1
 * are refused.  class_index -1: the most probable class.  CFP_USAGE, CFP_SHAPE, CFP_NOMEM,
 * CFP_DEVICE, CFP_INTERRUPTED.  Free the result with cfp_free_counts. */
CFP_API cfp_status cfp_sweep_clip(cfp_theta_counts *out, cfp_device *device, const cfp_model *model,
                                  const cfp_question *question, const cfp_clip *clip,
                                  int class_index, const double *theta, int thetas);
CFP_API void cfp_free_counts(cfp_theta_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
