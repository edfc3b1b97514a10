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
    char shown[sizeof((cfp_ctx *)NULL)->message]; /* the text that cfp_message returned */
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
    int64_t taken; /* bytes that count as taken from the context's limit */
} api_model;

typedef struct api_clip {
    cfp_clip clip; /* first */
    cfp_sampling sampling;
} api_clip;

struct cfp_explainer {
    api_device *device;
    const cfp_model *model;
    cfp_analyser *analyser;
    bool asks; /* it was opened with a question */
    cfp_interp interp;
    char *layers; /* of the question; NULL: all */
    int clips, thetas;
    const cfp_clip *other; /* cfp_set_baseline */
};

typedef struct api_explanation {
    cfp_explanation explanation; /* first */
    char *layers, *baseline;     /* its query points to these */
    api_device ran_on; /* what run.json says about the device; the device in it is not open */
} api_explanation;

/* Replaces, in place, each option in a message by the field of that name: "--class-relevance"
 * becomes "class_relevance". */
void cfp_api_name_fields(char *text);

/* Sets OpenMP's number of threads and returns the old one.  It belongs to the calling thread, so
 * each function of cfp.h sets it back with a second call. */
int cfp_api_use_threads(int n);

/* The index of `word` in names, which end with NULL; `standard` if word is NULL.  CFP_USAGE if it
 * is none of them; the message starts with the field. */
CFP_CHECKED cfp_status cfp_api_word(int *out, cfp_ctx *ctx, const char *field, const char *word,
                                    const char *const *names, int standard);

extern const char *const cfp_api_precision_names[]; /* by cfp_precision */

/* Translates a question to a query.  Its strings are not copied. */
CFP_CHECKED cfp_status cfp_api_query(cfp_query *query, cfp_interp *interp, cfp_ctx *ctx,
                                     const cfp_model *model, const cfp_question *question);
/* CFP_SHAPE if the clip was read for another model. */
CFP_CHECKED cfp_status cfp_api_check_clip(cfp_ctx *ctx, const cfp_model *model,
                                          const cfp_clip *clip);
/* CFP_USAGE if there is no such class; -1 is accepted. */
CFP_CHECKED cfp_status cfp_api_check_class(cfp_ctx *ctx, const cfp_model *model, int class_index);
CFP_CHECKED cfp_status cfp_api_colormap(int *out, cfp_ctx *ctx, const cfp_drawing *drawing);
