/* cfp.h - Class Feature Pyramids as a library: the one public header of libcfp.
 *
 * libcfp explains what a 3-D convolutional network bases a prediction on.  You open a model and a
 * device, read a clip, and ask a question about a class.  You get the pyramid of kernels that the
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
 *               the function was to give are then NULL, and plain results are not to be read.
 *   Ownership   What cfp_open_X, cfp_read_X, cfp_make_X or cfp_explain_X gives is yours.  Give it
 *               back with the function that its comment names.  That function takes the address of
 *               your handle, sets the handle to NULL, and accepts a handle that is NULL.  Pointers
 *               inside a result belong to the handle that was asked, and live as long as it does.
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
 * What a program must know of the library in its process (host/README.md says more):
 *
 *   - It never prints, exits, or changes signal handlers, the environment or the working folder.
 *   - It reads HDF5 files (models, clips in .h5) in a child process, which it forks and ends before
 *     the function returns.  A handler of SIGCHLD may see that child.  Do not reap children that
 *     you did not start while cfp_open_model or cfp_read_clip runs.  Do not be inside HDF5 in
 *     another thread meanwhile; the library's own threads take turns.
 *   - It sets FFmpeg's log to quiet for the whole process, and oneDNN to AVX2 where `lanes` asks.
 *   - What a library below does when it crashes or calls exit() is not caught, unlike in the
 *     program cfp-gpu.  OpenMP's threads stay after the last function, so fork() afterwards only to
 *     call exec().
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
    CFP_USAGE,       /* an argument asks for what does not exist */
    CFP_NOMEM,       /* memory, or the limit on it, is used up */
    CFP_IO,          /* the file system said no */
    CFP_FORMAT,      /* a file was read and is not what it claims to be */
    CFP_SHAPE,       /* shapes do not fit */
    CFP_UNSUPPORTED, /* known, and not supported */
    CFP_DEVICE,      /* the device cannot be used */
    CFP_INTERRUPTED, /* cfp_interrupt asked for it */
    CFP_STATUS_COUNT
} cfp_status;

typedef enum cfp_level { CFP_LOG_ERROR, CFP_LOG_WARNING, CFP_LOG_INFO } cfp_level;

/* "out of memory", for statuses that came without a message.  Any thread. */
CFP_API const char *cfp_status_text(cfp_status status);
/* Version of the library that runs, "0.1.0".  Any thread. */
CFP_API const char *cfp_version(void);

/* --- handles --- */

typedef struct cfp_context cfp_context;
typedef struct cfp_device cfp_device;
typedef struct cfp_model cfp_model;
typedef struct cfp_clip cfp_clip;
typedef struct cfp_explainer cfp_explainer;
typedef struct cfp_explanation cfp_explanation;

/* --- context --- */

typedef struct cfp_settings { /* all zero: silent, no limit but the memory that is free */
    /* Called by the thread that works, with one line without a newline.  NULL: silent. */
    void (*log)(void *cookie, cfp_level level, const char *line);
    /* Called now and then: `done` of `total` of `what` ("decode", "write").  NULL: nobody. */
    void (*progress)(void *cookie, const char *what, int64_t done, int64_t total);
    void *cookie;       /* handed to both */
    int64_t max_memory; /* bytes that files and the network may make it take; 0: what is free */
} cfp_settings;

/* settings NULL: all zero.  CFP_NOMEM; *out is then NULL.  Close with cfp_close_context. */
CFP_API cfp_status cfp_open_context(cfp_context **out, const cfp_settings *settings);
CFP_API void cfp_close_context(cfp_context **context);
/* What failed last, "clip.mp4: no video in it"; "" if nothing has failed.  It belongs to the
 * context and changes with the next failure. */
CFP_API const char *cfp_message(cfp_context *context);
/* true: functions that run, and all that follow, soon return CFP_INTERRUPTED.  false: no more. */
CFP_API void cfp_interrupt(cfp_context *context, bool on);

/* --- device --- */

typedef struct cfp_device_settings { /* all zero: the defaults */
    const char *name;                /* "auto", "cpu", "cuda", "cuda:1", "ref"; NULL: "auto" */
    int threads;                     /* of the processor; 0: all that the process may use */
    const char *precision;           /* "fp32", "tf32", "bf16", "fp16"; NULL: "fp32" */
    const char *module_dir; /* absolute folder of cfp_cuda.so; NULL: where it was installed */
    const char *lanes;      /* cpu: "avx512", "avx2", "plain": none wider; NULL: the widest */
} cfp_device_settings;

/* settings NULL: the defaults.  "auto" takes cuda if it can be used, else cpu; the log says which.
 * CFP_USAGE (an unknown word), CFP_DEVICE (it cannot be used), CFP_UNSUPPORTED (a precision that it
 * lacks), CFP_NOMEM.  The number of OpenMP threads of the calling thread is as before afterwards;
 * this holds for every function here.  Close with cfp_close_device. */
CFP_API cfp_status cfp_open_device(cfp_device **out, cfp_context *context,
                                   const cfp_device_settings *settings);
CFP_API void cfp_close_device(cfp_device **device);
/* What it is: "oneDNN 2.6.3, AVX-512, 2 threads".  It belongs to the device. */
CFP_API const char *cfp_device_text(const cfp_device *device);

typedef struct cfp_device_facts {
    char name[16];    /* "cpu" */
    bool ready;       /* it can be opened */
    char detail[256]; /* what it is, or why it cannot be opened */
} cfp_device_facts;

/* Device i of those that this build knows; false behind the last.  It opens the device to see, so
 * it takes a while.  settings: lanes and module_dir are read; may be NULL. */
CFP_API bool cfp_describe_device(cfp_device_facts *out, int i, const cfp_device_settings *settings);

/* --- model --- */

/* Reads and checks a model file (HDF5).  CFP_IO, CFP_FORMAT, CFP_SHAPE, CFP_UNSUPPORTED, CFP_NOMEM,
 * CFP_INTERRUPTED; the message names file and node.  Close with cfp_close_model. */
CFP_API cfp_status cfp_open_model(cfp_model **out, cfp_context *context, const char *path);
CFP_API void cfp_close_model(cfp_model **model);

typedef struct cfp_model_facts {
    const char *path, *name, *source, *licence; /* "" where the file has none */
    int classes;
    int nodes;     /* of the graph; node 0 is the clip */
    int max_depth; /* of the deepest kernel layer; the classifier has depth 0 */
    int64_t parameters;
    double gflop; /* of one clip; a multiply-add is 2 FLOP */
    /* What the network reads, and how a frame becomes its numbers: a frame is resized, its middle
     * is cropped to height x width, and a byte becomes (byte / scale - mean) / std. */
    int channels, frames, height, width; /* channels 3: colour; 2: optical flow */
    int frame_stride;                    /* frames apart in the source */
    int resize_height, resize_width;     /* before the crop; 0, 0: see resize_short */
    int resize_short;          /* the short side before the crop; 0: straight to height x width */
    const char *resize_filter; /* "bilinear" or "antialias" */
    const char *color;         /* "RGB" or "BGR" */
    float scale;
    const float *mean, *std; /* [channels] */
    const char *head;        /* "softmax" or "sigmoid": what makes probabilities of the logits */
    bool own_head;           /* the graph itself ends in it */
    int logits;              /* the node that gives the logits */
} cfp_model_facts;

CFP_API void cfp_describe_model(cfp_model_facts *out, const cfp_model *model);
/* NULL where there is no such class. */
CFP_API const char *cfp_class_name(const cfp_model *model, int class_index);
/* By name, or by index written as a number.  CFP_USAGE; the message then has near names. */
CFP_API cfp_status cfp_find_class(int *out, cfp_context *context, const cfp_model *model,
                                  const char *name_or_index);

typedef struct cfp_node_facts {
    const char *name, *op;               /* "layer4.2.conv3", "conv3d" */
    int inputs;                          /* number of nodes that it reads */
    const int *input;                    /* [inputs] */
    int channels, frames, height, width; /* of its output; of a kernel layer channels = kernels */
    int64_t parameters;
    double gflop;
    int depth; /* of a kernel layer; -1: no kernel layer, or not on the way from the class */
} cfp_node_facts;

/* false where there is no such node.  Nodes are in the order in which they are computed. */
CFP_API bool cfp_describe_node(cfp_node_facts *out, const cfp_model *model, int node);

/* --- clip --- */

typedef struct cfp_clip_settings { /* cfp_default_clip_settings sets the defaults */
    int64_t start; /* first frame of the window; -1: the window is in the middle of the source */
    int stride;    /* frames apart; 0: the model's */
    int track;     /* of a video with several, from 1; 0: the first */
} cfp_clip_settings;

CFP_API void cfp_default_clip_settings(cfp_clip_settings *out);

/* Reads a clip as this model wants it: a video file, a folder of images, a TIFF, a frames.db, or an
 * array in .npy or .h5.  settings NULL: the defaults.  CFP_IO, CFP_FORMAT, CFP_USAGE (start or
 * track is not in the source), CFP_UNSUPPORTED, CFP_NOMEM, CFP_INTERRUPTED.  A source that is too
 * short is looped, with a warning in the log.  Close with cfp_close_clip. */
CFP_API cfp_status cfp_read_clip(cfp_clip **out, cfp_context *context, const cfp_model *model,
                                 const char *path, const cfp_clip_settings *settings);
/* The same of frames in memory: pixels is frames x height x width x 3 bytes (RGB), or x 2 (u, v;
 * 128 is no motion) for a model of optical flow.  Any size; they are sampled, resized and cropped
 * as those of a file.  Nothing points to pixels afterwards.  fps 0: unknown.  name: what messages
 * and files call the clip. */
CFP_API cfp_status cfp_make_clip(cfp_clip **out, cfp_context *context, const cfp_model *model,
                                 const char *name, const uint8_t *pixels, int64_t frames,
                                 int height, int width, double fps,
                                 const cfp_clip_settings *settings);
CFP_API void cfp_close_clip(cfp_clip **clip);

typedef struct cfp_clip_facts {
    const char *path;          /* or the name that cfp_make_clip was given */
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
    double theta;                /* threshold in [0, 1]; 0.6 */
    int depth;                   /* kernel layers to go down; -1: all */
    int top;                     /* at most so many inputs of each kernel; 0: no limit */
    const char *propagate;       /* "edge", "path" */
    const char *normalise;       /* "minmax", "max" */
    const char *class_relevance; /* "weights", "contribution", "contrast" */
    const char *target;          /* "odds", "margin", "logit"; NULL: by the model's head */
    const char *mask;            /* "selected", "none" */
    const char *baseline;        /* "zero", "blank", "freeze", "reverse", "shuffle", "clip" */
    int steps;                   /* 1 to 1000 */
    uint64_t seed;               /* of "shuffle" */
    const char *tubes;           /* "layers", "kernels", "none" */
    const char *layers;          /* pattern of layer names ("layer4.*") whose tubes are made */
    const char *interp;          /* how tubes are resized to the clip: "linear", "spline" */
} cfp_question;

CFP_API void cfp_default_question(cfp_question *out);

/* Plans the network on the device for batches of exactly `clips` clips, and takes all memory that
 * it needs.  question NULL: it can only predict.  theta[thetas]: thresholds that are answered
 * together, instead of question->theta; NULL and 0: that one alone.  Rule grad with mask selected
 * answers one theta at a time.  At most 16384 clips x thetas.  CFP_USAGE, CFP_UNSUPPORTED,
 * CFP_NOMEM, CFP_DEVICE, CFP_INTERRUPTED.  The model must be of the device's context or of one that
 * lives as long.  Close with cfp_close_explainer. */
CFP_API cfp_status cfp_open_explainer(cfp_explainer **out, cfp_device *device,
                                      const cfp_model *model, const cfp_question *question,
                                      int clips, const double *theta, int thetas);
CFP_API void cfp_close_explainer(cfp_explainer **explainer);
/* The clip that baseline "clip" compares with, before the first question.  It must have as many
 * source frames as the clips that are explained, and outlive the explainer. */
CFP_API void cfp_set_baseline(cfp_explainer *explainer, const cfp_clip *other);

/* The forward pass alone.  clip[clips], as the explainer was opened for.  logits and probabilities:
 * [clips][classes] each; probabilities may be NULL.  CFP_SHAPE (a clip was read for another
 * model), CFP_FORMAT (the network gives NaN or infinity), CFP_DEVICE, CFP_INTERRUPTED. */
CFP_API cfp_status cfp_predict_clips(float *logits, float *probabilities, cfp_explainer *explainer,
                                     const cfp_clip *const *clip);
/* Forward pass, descent and tubes of the batch.  class_index[clips]: the class to explain, -1: the
 * most probable one; NULL: -1 for all.  out[clips][thetas] receives the explanations.  Each is
 * yours: cfp_close_explanation.  On failure all of out is NULL.  Statuses as above; CFP_USAGE where
 * a class does not exist, or the explainer was opened without a question. */
CFP_API cfp_status cfp_explain_clips(cfp_explanation **out, cfp_explainer *explainer,
                                     const cfp_clip *const *clip, const int *class_index);
CFP_API void cfp_close_explanation(cfp_explanation **explanation);

/* --- walking through an explanation --- */

typedef struct cfp_explanation_facts {
    int class_index;
    const float *logits, *probabilities; /* [classes] of the model */
    int classes;
    double theta;
    int layers; /* visited kernel layers */
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

/* Layer i, by depth: the classifier is layer 0.  false where there is no such layer. */
CFP_API bool cfp_get_layer(cfp_layer_facts *out, const cfp_explanation *explanation, int i);

typedef struct cfp_kernel_place {
    int32_t node, kernel;
} cfp_kernel_place;

/* Which kernels make `channel` of what layer i reads: these are the next step down from an edge.
 * An addition gives several, the clip itself none.  *n becomes their number; the first `capacity`
 * of them go to place[capacity], which may be NULL if capacity is 0.  CFP_USAGE, CFP_NOMEM. */
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

/* Tube i: first those of layers, by depth, then those of kernels.  false where there is none. */
CFP_API bool cfp_get_tube(cfp_tube_facts *out, const cfp_explanation *explanation, int i);

/* Tube i resized to the clip and scaled to [0, 1]: volume is [frames][height][width] of the clip. A
 * map without contrast gives zeros.  CFP_USAGE, CFP_NOMEM. */
CFP_API cfp_status cfp_render_tube(float *volume, cfp_context *context,
                                   const cfp_explanation *explanation, int i);

typedef struct cfp_drawing { /* cfp_default_drawing sets the defaults */
    const char *colormap;    /* "jet", "turbo", "viridis", "inferno", "gray" */
    double alpha;            /* how much of the overlay covers the clip, in [0, 1]; 0.5 */
    const char *canvas;      /* what is drawn on: "model", the frames as the network saw them, or
                                "source", those of the file, uncropped */
} cfp_drawing;

CFP_API void cfp_default_drawing(cfp_drawing *out);

/* The clip with tube i over it: rgb is [frames][height][width][3] of the clip.  drawing NULL: the
 * defaults; its canvas is not read.  CFP_USAGE, CFP_NOMEM. */
CFP_API cfp_status cfp_draw_overlay(uint8_t *rgb, cfp_context *context,
                                    const cfp_explanation *explanation, int i,
                                    const cfp_drawing *drawing);

/* Writes the files that cfp-gpu explain writes.  folder is made where it is missing; all files
 * appear in it together, run.json last, or none does.  formats: words with commas between, such as
 * "h5,json,png,mp4,gif,frames,stack,html,tree"; NULL: "h5,json,png,mp4,html".  CFP_USAGE (a
 * format that does not exist, canvas "source" of a clip from memory), CFP_IO, CFP_UNSUPPORTED,
 * CFP_NOMEM, CFP_INTERRUPTED. */
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
    double jaccard; /* of the selected kernels with those at the theta before it in the list */
} cfp_theta_count;

typedef struct cfp_theta_counts {
    int n;
    cfp_theta_count *row; /* [n] by theta, in your order, then by layer; the classifier first */
} cfp_theta_counts;

/* How many kernels every theta selects, from one forward pass: what cfp_explain_clips would select,
 * without making it.  question->theta and ->tubes are not read; baseline other than "zero" and
 * steps above 1 are refused.  class_index -1: the most probable class.  CFP_USAGE, CFP_SHAPE,
 * CFP_NOMEM, CFP_DEVICE, CFP_INTERRUPTED.  Give back with cfp_free_counts. */
CFP_API cfp_status cfp_sweep_clip(cfp_theta_counts *out, cfp_device *device, const cfp_model *model,
                                  const cfp_question *question, const cfp_clip *clip,
                                  int class_index, const double *theta, int thetas);
CFP_API void cfp_free_counts(cfp_theta_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
