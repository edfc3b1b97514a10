/* check_backends.h - between the files of check-backends: what is checked, and one case under way.
 */
#pragma once
#include "random_case.h"

enum { MOST = MAX_SRC + 1 };

struct trial;

typedef struct check {
    cfp_ctx ctx;
    cfp_device device;
    cfp_precision precision;
    double tolerance;          /* of sums, relative to the largest value expected */
    double float_tolerance;    /* the same where the result is float32 whatever the precision */
    float unit;                /* what 1 is in a gradient */
    bool exact;                /* what is compared next has to be ref's, but for the sign of zero */
    char where[128];           /* what is being checked, for messages */
    const struct trial *trial; /* and its case; NULL: none */
    int compared, failed;
    double worst; /* largest relative difference of the op at hand */
} check;

/* How the sources of a step come to lie. */
typedef enum source_layout {
    PLAIN,      /* as the clip does: block 1 */
    CHOSEN,     /* as the device would have made them itself */
    MIXED_EVEN, /* sources 0 and 2 chosen, the others plain */
    MIXED_ODD,  /* 1 and 3 chosen */
    LAYOUTS
} source_layout;

/* One case on ref (plain, host) and on the device. */
typedef struct trial {
    const op_case *c;
    cfp_model model;
    cfp_step step;
    uint64_t seed;
    cfp_shape shape[MOST], out;                         /* of the sources, of the result */
    float *src[MOST], *dst, *diff_dst, *diff_src[MOST]; /* ref's, plain */
    cfp_tensor on_src[MOST], on_dst, on_diff_dst, on_diff_src[MOST]; /* the device's */
    void *scratch;
    bool is_open; /* step_open has succeeded */
} trial;

/* Prints what failed, and the case. */
void check_failed(check *k, const char *what);
/* Numbers that the precision's storage type holds exactly: given to ref and to the device alike, so
 * that what differs is what the device computes. */
void make_exact(const check *k, float *x, int64_t count);

/* Plain values against ref's; prints and counts. */
void check_values(check *k, const char *what, const float *got, const float *right, int64_t count);
/* A device tensor against ref's plain values, and the lanes behind its last channel against 0. */
CFP_CHECKED cfp_status check_tensor(check *k, const char *what, const cfp_tensor *got,
                                    const float *right);

/* Memory on the device for x.  spoil fills it with NaN, lanes included: what is not written then
 * shows. */
CFP_CHECKED cfp_status device_tensor_open(check *k, cfp_tensor *x);
CFP_CHECKED cfp_status device_tensor_spoil(check *k, cfp_tensor *x);
void device_tensor_free(check *k, cfp_tensor *x);

/* Memory on the device: with a copy of `from`, or with 0xff in every byte.  give_back copies it to
 * `to`, unless NULL, and releases it. */
struct lent {
    void *memory;
    size_t bytes;
};
CFP_CHECKED cfp_status lend(check *k, struct lent *out, const void *from, size_t bytes);
CFP_CHECKED cfp_status give_back(check *k, struct lent *lent, void *to);

/* x with the block and type that the device gives to the output of a 1x1x1 convolution of its
 * shape: how a tensor inside a network comes to lie. */
CFP_CHECKED cfp_status choose_layout(check *k, cfp_tensor *x);

/* Runs the case on ref.  The caller closes the trial, whatever happened. */
CFP_CHECKED cfp_status trial_open(check *k, trial *t, const op_case *c, uint64_t seed);
void trial_close(check *k, trial *t);
/* The same on the device; `backward` as cfp_step has it.  trial_device_close, whatever happened. */
CFP_CHECKED cfp_status trial_device_open(check *k, trial *t, source_layout layout, bool backward);
void trial_device_close(check *k, trial *t);
CFP_CHECKED cfp_status trial_forward(check *k, trial *t);
CFP_CHECKED cfp_status trial_forward_in_place(check *k, trial *t); /* residual's memory = dst's */
/* Into the sources whose bit is set in `wanted`. */
CFP_CHECKED cfp_status trial_backward(check *k, trial *t, unsigned wanted);

/* Times the steps of usual networks that match. */
void check_bench(check *k);

/* Finds what 1 is in a gradient; before all that compares one. */
CFP_CHECKED cfp_status check_unit(check *k);
/* channel_mean .. seed, upload and download, in every block that the device uses. */
void check_primitives(check *k);
/* route, back_step, list_edges: every rule and choice, on random layers. */
void check_relevance(check *k, int cases); /* cases: random layers; every 40 hold large ones too */
enum { CFP_RELEVANCE_CASES = 160 };

/* weigh_pairs, on every case of a kernel layer. */
void check_pairs(check *k);

/* The functions of sub-table frames, and the host memory that frames come from. */
void check_frames(check *k);
