/* api.h - what the functions of cfp.h share: the handles as they are inside, and small helpers.
 *
 * A handle of cfp.h points to a struct of the library itself (cfp_model, cfp_device, cfp_clip,
 * cfp_explanation).  Here that struct is the first member of a larger one, which keeps what only
 * the public interface needs.  So one pointer is both. */
#pragma once
#include "../method/explain.h"

struct cfp_context {
    cfp_ctx ctx;
    cfp_settings settings;
    volatile int interrupted;
    char shown[sizeof((cfp_ctx *)NULL)->message]; /* the message as cfp_message gave it */
};

typedef struct api_device {
    cfp_device device; /* first: see above */
    cfp_context *context;
    int threads;
    cfp_precision precision;
    char name[24]; /* "cpu", "cuda:0" */
    char described[256];
} api_device;

typedef struct api_model {
    cfp_model model; /* first */
    cfp_context *context;
    int64_t taken; /* of the context's memory */
} api_model;

typedef struct api_clip {
    cfp_clip clip; /* first */
    cfp_sampling sampling;
} api_clip;

struct cfp_explainer {
    api_device *device;
    const cfp_model *model;
    cfp_analyser *analyser;
    bool asks; /* a question was given */
    cfp_interp interp;
    char *layers; /* of the question; NULL: all */
    int clips, thetas;
    const cfp_clip *other; /* cfp_set_baseline */
};

typedef struct api_explanation {
    cfp_explanation explanation; /* first */
    char *layers, *baseline;     /* what its query points to */
    api_device ran_on;           /* what run.json says of the device; nothing in it is open */
} api_explanation;

/* The path, or whatever a message starts with, as `--option: ` is on the command line, becomes
 * `field: `.  In place. */
void cfp_api_name_fields(char *text);

/* OpenMP's number of threads belongs to the calling thread, so a library gives it back.
 *     const int before = cfp_api_use_threads(n);   ...   cfp_api_use_threads(before);   */
int cfp_api_use_threads(int n);

/* The index of `word` among names (NULL-terminated); NULL is `fallback`.  CFP_USAGE: "field: ...".
 */
CFP_CHECKED cfp_status cfp_api_word(int *out, cfp_ctx *ctx, const char *field, const char *word,
                                    const char *const *names, int fallback);

extern const char *const cfp_api_precision_names[]; /* by cfp_precision */

/* A question as the method asks it; its strings stay the caller's. */
CFP_CHECKED cfp_status cfp_api_query(cfp_query *query, cfp_interp *interp, cfp_ctx *ctx,
                                     const cfp_model *model, const cfp_question *question);
/* CFP_SHAPE where the clip was read for another model. */
CFP_CHECKED cfp_status cfp_api_check_clip(cfp_ctx *ctx, const cfp_model *model,
                                          const cfp_clip *clip);
/* CFP_USAGE where there is no such class; -1 is any. */
CFP_CHECKED cfp_status cfp_api_check_class(cfp_ctx *ctx, const cfp_model *model, int class_index);
CFP_CHECKED cfp_status cfp_api_colormap(int *out, cfp_ctx *ctx, const cfp_drawing *drawing);
