/* check_backends.h - what the files of check_backends share: the state of a check, and of one case.
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
    float unit;                /* the number that stands for 1 in a gradient of the device */
    bool exact;                /* the next values must equal ref's, but for the sign of zero */
    char where[128];           /* what is being checked, for messages */
    const struct trial *trial; /* the case that is being checked; NULL: none */
    int compared, failed;
    double worst; /* largest relative difference of this op */
} check;

/* In which layout the sources of a step are. */
typedef enum source_layout {
    PLAIN,      /* as the clip: block 1 */
    CHOSEN,     /* as the device would lay them out itself */
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

/* Prints what failed and in which case. */
void check_failed(check *k, const char *what);
/* Rounds x to numbers that the storage type of the precision holds exactly.  ref and the device
 * both get them, so any difference comes from what the device computes. */
void make_exact(const check *k, float *x, int64_t count);

/* Compares plain values with ref's; prints and counts differences. */
void check_values(check *k, const char *what, const float *got, const float *right, int64_t count);
/* Compares a device tensor with ref's plain values, and the lanes after its last channel with 0. */
CFP_CHECKED cfp_status check_tensor(check *k, const char *what, const cfp_tensor *got,
                                    const float *right);

/* Allocates memory on the device for x.  spoil fills it with NaN, unused lanes included, so that
 * missing writes show. */
CFP_CHECKED cfp_status device_tensor_open(check *k, cfp_tensor *x);
CFP_CHECKED cfp_status device_tensor_spoil(check *k, cfp_tensor *x);
void device_tensor_free(check *k, cfp_tensor *x);

/* Memory on the device that holds a copy of `from`, or 0xff in every byte.  give_back copies it to
 * `to`, unless that is NULL, and frees it. */
struct lent {
    void *memory;
    size_t bytes;
};
CFP_CHECKED cfp_status lend(check *k, struct lent *out, const void *from, size_t bytes);
CFP_CHECKED cfp_status give_back(check *k, struct lent *lent, void *to);

/* Gives x the block and type that the device chooses for the output of a 1x1x1 convolution of this
 * shape: the layout of a tensor inside a network. */
CFP_CHECKED cfp_status choose_layout(check *k, cfp_tensor *x);

/* Runs the case on ref.  The caller closes the trial, after a failure, too. */
CFP_CHECKED cfp_status trial_open(check *k, trial *t, const op_case *c, uint64_t seed);
void trial_close(check *k, trial *t);
/* Prepares the same case on the device.  `backward` is as in cfp_step.  The caller calls
 * trial_device_close, after a failure, too. */
CFP_CHECKED cfp_status trial_device_open(check *k, trial *t, source_layout layout, bool backward);
void trial_device_close(check *k, trial *t);
CFP_CHECKED cfp_status trial_forward(check *k, trial *t);
CFP_CHECKED cfp_status trial_forward_in_place(check *k, trial *t); /* residual's memory = dst's */
/* Computes the gradients of the sources whose bit is set in `wanted`. */
CFP_CHECKED cfp_status trial_backward(check *k, trial *t, unsigned wanted);

/* Times the steps of usual networks that match. */
void check_bench(check *k);

/* Sets `unit`.  Call it before anything that compares gradients. */
CFP_CHECKED cfp_status check_unit(check *k);
/* Checks channel_mean to seed, upload and download, with every block size that the device uses. */
void check_primitives(check *k);
/* Checks route, back_step and list_edges on random layers, with every rule and option. */
void check_relevance(check *k, int cases); /* cases: random layers; every 40 hold large ones too */
enum { CFP_RELEVANCE_CASES = 160 };

/* Checks weigh_pairs on every case of a kernel layer. */
void check_pairs(check *k);

/* The functions of sub-table frames, and the host memory that frames come from. */
void check_frames(check *k);
