/* input_check.h - does /input of a model file describe the clips that the network was trained on?
 *
 * A file can say RGB although the network was trained on BGR, or 0..1 instead of 0..255.  Then all
 * shapes fit, but the answers are nonsense.  There are two checks, and neither proves anything:
 *   - numbers, without a clip: a scale, mean or std that no training uses.
 *   - clips: the network also runs on each clip with red and blue swapped, and in the other common
 *     ranges.  If it is much surer of its answers then, the file is suspicious.  One clip says
 *     little: a network is often surer of a wrong reading of a clip that shows none of its classes.
 *     So a warning needs several clips that agree.
 * The second takes up to six forward passes for a clip, so it is made only if the network is unsure
 * of its answer.  input_check.c tells how the thresholds were chosen. */
#pragma once
#include "../clip/clip.h"
#include "../network/trace.h"

typedef enum cfp_input_checking {
    CFP_CHECK_AUTO, /* check the clip if the network is unsure */
    CFP_CHECK_ALWAYS,
    CFP_CHECK_NEVER
} cfp_input_checking;
extern const char *const cfp_input_checking_names[]; /* by cfp_input_checking */

enum { CFP_INPUT_MAX_WARNINGS = 3, CFP_INPUT_MOST_WAYS = 8 };

typedef struct cfp_input_answer { /* the network's answer to the clip, prepared in one way */
    const char *way;              /* "red and blue swapped" */
    double entropy,
        probability; /* entropy of the probabilities, in nats; probability of the top class */
    double peak;     /* (top logit - mean of all) / standard deviation of all, whatever the scale of
                        logits is */
    int top;
    int number;      /* of the way: an index of cfp_input_evidence; -1: as /input says */
    bool much_surer; /* than the answer to the clip as /input says */
} cfp_input_answer;

/* What the clips so far say about each way.  {0} at the start. */
typedef struct cfp_input_evidence {
    int looks;                        /* clips of which the network was unsure */
    int surer[CFP_INPUT_MOST_WAYS];   /* of those: in how many it was much surer with this way */
    int against[CFP_INPUT_MOST_WAYS]; /* in how many its answer stood out less */
    bool told_color, told_range;      /* the warning was given */
} cfp_input_evidence;

typedef struct cfp_input_check {
    int n_warnings;
    char warning[CFP_INPUT_MAX_WARNINGS][256];
    int n_answers; /* 0: the clip was not checked; the first answer is that to the clip as /input
                      says */
    cfp_input_answer answer[CFP_INPUT_MOST_WAYS];
} cfp_input_check;

/* Adds a warning if no training uses the numbers of /input. */
void cfp_input_check_numbers(cfp_input_check *out, const cfp_input_spec *spec);

/* Looks at a clip and adds what it says to the evidence.  Adds a warning for the colour order or
 * for the range, once each, when the clips so far agree that another fits better.  `logits` are the
 * answer with /input as it is.  Only for networks of 3 channels. */
CFP_CHECKED cfp_status cfp_input_check_clip(cfp_input_check *out, cfp_input_evidence *evidence,
                                            cfp_trace *trace, const cfp_clip *clip,
                                            const float *logits, cfp_input_checking checking);
