/* input_check.h - does /input of a model file say how the network was shown its clips?
 *
 * A file can say RGB of a network that was trained on BGR, or 0..1 of one that saw 0..255: all
 * shapes fit, and the answers are nonsense.  Two looks, of which neither proves anything: numbers:
 * scale, mean and std that no training has, seen without a clip; clip: the network runs on the clip
 * as other files would have it, with red and blue swapped and in the other common ranges.  Where it
 * is much surer so, the file is suspected. The second costs up to six forward passes, so it is
 * taken only where the network is unsure of its answer.  input_check.c says what the margins rest
 * on. */
#pragma once
#include "../clip/clip.h"
#include "../network/trace.h"

typedef enum cfp_input_checking {
    CFP_CHECK_AUTO, /* look at the clip where the network is unsure */
    CFP_CHECK_ALWAYS,
    CFP_CHECK_NEVER
} cfp_input_checking;
extern const char *const cfp_input_checking_names[]; /* by cfp_input_checking */

enum { CFP_INPUT_MOST_WARNINGS = 3, CFP_INPUT_MOST_WAYS = 8 };

typedef struct cfp_input_answer { /* what the network says of the clip, shown in one way */
    const char *way;              /* "red and blue swapped" */
    double entropy, probability;  /* of the head, in nats; of the top class */
    double peak; /* (top logit - mean) / standard deviation of all: the scale of logits aside */
    int top;
} cfp_input_answer;

typedef struct cfp_input_check {
    int n_warnings;
    char warning[CFP_INPUT_MOST_WARNINGS][256];
    int n_answers; /* 0: the clip was not looked at; the first is that of the file's own way */
    cfp_input_answer answer[CFP_INPUT_MOST_WAYS];
} cfp_input_check;

/* Adds a warning where the numbers of /input are none that a network is trained with. */
void cfp_input_check_numbers(cfp_input_check *out, const cfp_input_spec *spec);

/* Adds a warning for the colour order and one for the range, each where the network is much surer
 * in another way; `logits` are its answer in the file's own.  Networks of 3 channels only. */
CFP_CHECKED cfp_status cfp_input_check_clip(cfp_input_check *out, cfp_trace *trace,
                                            const cfp_clip *clip, const float *logits,
                                            cfp_input_checking checking);
