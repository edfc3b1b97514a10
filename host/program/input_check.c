/* input_check.c - see input_check.h.
 *
 * The thresholds were chosen with three trained networks, on clips as they were trained and as a
 * wrong /input would give them.  One is a C3D of 101 classes without batch norm, trained on BGR
 * from 0 to 255: it got two clips of its classes, and 13 clips of other classes, seven windows of
 * each. The others are weights/motion.h5 and motion-colour.h5, with 8 and 17 classes and batch
 * norm: they got their 8 clips, three windows of each, and those 15 clips.
 *
 * A network is *much surer* of a clip in another way if the entropy falls to a quarter, the
 * probability is above 0.8 and the peak is 0.2 higher.  Entropy alone misleads.  The logits of
 * convolutions and ReLU grow with the input: with 0..255 less the mean, the C3D had entropies below
 * 0.1 for all windows, although it recognises nothing in that range.  So the peak must be higher,
 * too: the distance of the top logit from the mean, in standard deviations of all logits.  It does
 * not change when all logits grow.
 *
 * One clip proves little: with the right /input, the C3D is much surer of 35 % of the clips of
 * other classes in some wrong way.  So a warning needs three clips that agree on the way, at least
 * half of all clips that were looked at, and no clip whose peak is lower in that way.  At most six
 * clips are looked at.  How often a run over 15 clips (or all there are) is warned of, among 400
 * drawings of clips and windows:
 *
 *   clips and /input                                 one clip was enough    now
 *   C3D, of its classes, right /input                0                      0
 *   C3D, of other classes, right /input              0.90                   0.005
 *   motion-colour, right /input                      0.62                   0.02
 *   motion, right /input, its clips or the others    0                      0
 *   C3D, red and blue swapped                        0.82                   0.42
 *   C3D, 0..1 normalised, or -1..1, not 0..255       0.82, 0.79             0.37, 0.35
 *   motion, 0..255, less its mean or not, not 0..1   0.96, 0.96             0.70, 0.68
 *
 * Most misses are networks that are sure although the range is wrong.  For example, scale 1 with
 * the mean and deviation of 0..1 gives an entropy of 0; cfp_input_check_numbers detects it.  With
 * two classes the peak is always 1, so such a network gets no warning.
 *
 * With a sigmoid head each class is a separate yes-or-no question.  The entropy is then the mean of
 * the entropies of these answers, and that of a guess is log 2.  The thresholds are the same, but
 * no network with such a head was measured. */
#include "input_check.h"
#include "../network/trace.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const double unsure = 0.2;     /* above this fraction of the entropy of a guess */
static const double much_less = 0.25; /* below this fraction of the entropy with /input as it is */
static const double clear_answer = 0.8; /* the probability of the top class is above this */
static const double stands_out_more =
    0.2; /* the peak is higher than with /input as it is by this */
enum {
    ENOUGH = 3, /* clips that must agree */
    MOST = 6    /* clips that are looked at, without --check-input always */
};
static const double same_range =
    0.4; /* ranges whose black and white differ by less than this fraction are the same */

const char *const cfp_input_checking_names[] = {"auto", "always", "never"};

typedef struct range { /* a common preprocessing; mean and std are red, green, blue */
    const char *name;
    float scale, mean[3], std[3];
} range;

static const range ranges[] = {
    {"0..255 (scale 1, mean 0, std 1)", 1, {0, 0, 0}, {1, 1, 1}},
    {"0..255 less their mean (scale 1, mean 114.8 107.7 99.5, std 1)",
     1,
     {114.7748f, 107.7354f, 99.4750f},
     {1, 1, 1}},
    {"0..1 (scale 255, mean 0, std 1)", 255, {0, 0, 0}, {1, 1, 1}},
    {"0..1, normalised (scale 255, mean 0.43 0.39 0.38, std 0.23 0.22 0.22)",
     255,
     {0.43216f, 0.394666f, 0.37645f},
     {0.22803f, 0.22145f, 0.216989f}},
    {"-1..1 (scale 127.5, mean 1, std 1)", 127.5f, {1, 1, 1}, {1, 1, 1}},
};

/* The number that a byte becomes, as a mean over the channels. */
static double becomes(int byte, float scale, const float *mean, const float *std, int channels)
{
    double sum = 0;
    for (int c = 0; c < channels; c++)
        sum += ((double)byte / (double)scale - (double)mean[c]) / (double)std[c];
    return sum / channels;
}

static void warn(cfp_input_check *check, const char *format, ...) CFP_PRINTF(2, 3);
static void warn(cfp_input_check *check, const char *format, ...)
{
    if (check->n_warnings == CFP_INPUT_MAX_WARNINGS)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(check->warning[check->n_warnings++], sizeof check->warning[0], format, arguments);
    va_end(arguments);
}

void cfp_input_check_numbers(cfp_input_check *out, const cfp_input_spec *spec)
{
    const double white = 255.0 / (double)spec->scale;
    const double low = becomes(0, spec->scale, spec->mean, spec->std, spec->channels);
    const double high = becomes(255, spec->scale, spec->mean, spec->std, spec->channels);
    double mean = 0;
    if (spec->numbers) /* their range is not known */
        return;
    for (int c = 0; c < spec->channels; c++)
        mean += (double)spec->mean[c] / spec->channels;

    if (mean > white)
        warn(out,
             "/input mean is %.4g, and white is %.4g (255 / scale): is scale %.6g right, or the "
             "mean "
             "one of 0..255?",
             mean, white, (double)spec->scale);
    else if (high - low > 300)
        warn(
            out,
            "/input scale %.6g, mean and std turn the bytes into %.4g to %.4g: are they numbers of "
            "0..1, for scale 255?",
            (double)spec->scale, low, high);
    else if (high - low < 0.5)
        warn(out,
             "/input scale %.6g, mean and std turn the bytes into no more than %.4g to %.4g: is "
             "scale "
             "or std too large?",
             (double)spec->scale, low, high);
    else if (mean > 0 && mean < 0.02 * white)
        warn(
            out,
            "/input mean is %.4g, next to nothing where white is %.4g (255 / scale): is scale %.6g "
            "right?",
            mean, white, (double)spec->scale);
}

static void ask_softmax(cfp_input_answer *a, const float *logits, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp((double)logits[i] - (double)logits[a->top]);
    for (int i = 0; i < n; i++) {
        const double below = (double)logits[i] - (double)logits[a->top];
        a->entropy += exp(below) / sum * (log(sum) - below);
    }
    a->probability = 1 / sum;
}

static void ask_sigmoid(cfp_input_answer *a, const float *logits, int n)
{
    for (int i = 0; i < n; i++) { /* the entropy of p and 1 - p, without log of 0 */
        const double z = fabs((double)logits[i]), rest = exp(-z);
        a->entropy += (log1p(rest) + z * rest / (1 + rest)) / n;
    }
    a->probability = 1 / (1 + exp(-(double)logits[a->top]));
}

/* The answer of the network in numbers. */
static cfp_input_answer summarise(const char *way, const cfp_model *model, const float *logits)
{
    const int n = model->n_classes;
    cfp_input_answer a = {.way = way, .number = -1};
    double mean = 0, spread = 0;
    for (int i = 1; i < n; i++)
        a.top = logits[i] > logits[a.top] ? i : a.top;
    for (int i = 0; i < n; i++)
        mean += (double)logits[i] / n;
    for (int i = 0; i < n; i++)
        spread += ((double)logits[i] - mean) * ((double)logits[i] - mean) / n;
    a.peak = spread > 0 ? ((double)logits[a.top] - mean) / sqrt(spread) : 0;
    if (model->head == CFP_HEAD_SIGMOID)
        ask_sigmoid(&a, logits, n);
    else
        ask_softmax(&a, logits, n);
    return a;
}

/* Of a network with several heads, the first is asked: its logits are the first of all. */
static const cfp_model *asked(const cfp_model *model)
{
    return model->n_heads > 0 ? &model->view[0] : model;
}

/* The entropy of a guess: all classes are equally probable. */
static double of_a_guess(const cfp_model *model)
{
    return log(model->head == CFP_HEAD_SIGMOID ? 2 : model->n_classes);
}

static bool is_much_surer(const cfp_input_answer *other, const cfp_input_answer *own, double guess)
{
    return own->entropy > unsure * guess && other->entropy < much_less * own->entropy &&
           other->probability > clear_answer && other->peak > own->peak + stands_out_more;
}

static bool is_own_range(const range *r, const cfp_input_spec *spec)
{
    const double black = becomes(0, spec->scale, spec->mean, spec->std, 3);
    const double white = becomes(255, spec->scale, spec->mean, spec->std, 3);
    const double low = becomes(0, r->scale, r->mean, r->std, 3);
    const double high = becomes(255, r->scale, r->mean, r->std, 3);
    return fmax(fabs(black - low), fabs(white - high)) <
           same_range * fmax(white - black, high - low);
}

/* Buffers for one check: the network's input, and its answer. */
typedef struct look {
    cfp_trace *trace;
    const cfp_clip *clip;
    float *input, *logits;
    const cfp_input_evidence *evidence;
    bool all; /* ask in every way; else only where a warning is still possible */
} look;

/* A warning about this way is still possible: no clip is against it, and there are clips left. */
static bool is_open(const cfp_input_evidence *e, int way)
{
    return e->against[way] == 0 && e->surer[way] + MOST - e->looks >= ENOUGH;
}

/* Runs the network on the clip, prepared as `spec` says, and adds its answer.  If the answer has
 * NaN or infinity (overflow), none is added. */
static cfp_status ask(cfp_input_check *out, look *l, const cfp_input_spec *spec, const char *name,
                      int way)
{
    cfp_ctx *ctx = l->trace->ctx;
    if (!l->all && !is_open(l->evidence, way))
        return CFP_OK;
    cfp_clip_normalise(l->input, l->clip, spec);
    const cfp_status status = cfp_trace_forward(l->trace, l->input, l->logits);
    if (status == CFP_FORMAT) {
        ctx->message[0] = '\0';
        return CFP_OK;
    }
    CFP_TRY(status);
    cfp_input_answer *answer = &out->answer[out->n_answers++];
    *answer = summarise(name, asked(l->trace->model), l->logits);
    answer->number = way;
    answer->much_surer = is_much_surer(answer, &out->answer[0], of_a_guess(asked(l->trace->model)));
    return CFP_OK;
}

enum { SWAPPED = 0 /* its way; range i has the way 1 + i */ };

static cfp_status ask_all(cfp_input_check *out, look *l)
{
    const cfp_input_spec *own = &l->trace->model->input;
    cfp_input_spec spec = *own;
    spec.bgr = !own->bgr;
    CFP_TRY(ask(out, l, &spec, "red and blue swapped", SWAPPED));
    for (int i = 0; i < (int)(sizeof ranges / sizeof *ranges); i++) {
        float mean[3], std[3];
        if (is_own_range(&ranges[i], own))
            continue;
        for (int c = 0; c < 3; c++) {
            mean[c] = ranges[i].mean[own->bgr ? 2 - c : c];
            std[c] = ranges[i].std[own->bgr ? 2 - c : c];
        }
        spec = *own;
        spec.scale = ranges[i].scale;
        spec.mean = mean;
        spec.std = std;
        CFP_TRY(ask(out, l, &spec, ranges[i].name, 1 + i));
    }
    return CFP_OK;
}

static void count(cfp_input_evidence *e, const cfp_input_check *check)
{
    const cfp_input_answer *own = &check->answer[0];
    e->looks++;
    for (int i = 1; i < check->n_answers; i++) {
        const cfp_input_answer *a = &check->answer[i];
        e->surer[a->number] += a->much_surer;
        e->against[a->number] += a->peak < own->peak;
    }
}

static bool is_strong(const cfp_input_evidence *e, int way)
{
    return e->surer[way] >= ENOUGH && e->against[way] == 0 && 2 * e->surer[way] >= e->looks;
}

/* Warns of what the clips so far agree on; the numbers are those of this clip. */
static void judge(cfp_input_check *out, cfp_input_evidence *e, const cfp_model *model)
{
    const cfp_input_answer *own = &out->answer[0], *best = NULL;
    for (int i = 1; i < out->n_answers; i++) {
        const cfp_input_answer *other = &out->answer[i];
        if (!other->much_surer || !is_strong(e, other->number))
            continue;
        if (other->number == SWAPPED && !e->told_color) {
            e->told_color = true;
            warn(out,
                 "in %d of %d clips the model is surer with red and blue swapped (entropy %.2f "
                 "instead of %.2f nats): is /input color %s right?",
                 e->surer[SWAPPED], e->looks, other->entropy, own->entropy,
                 model->input.bgr ? "BGR" : "RGB");
        } else if (other->number != SWAPPED && (best == NULL || other->peak > best->peak)) {
            best = other;
        }
    }
    if (best == NULL || e->told_range)
        return;
    e->told_range = true;
    warn(out,
         "in %d of %d clips the model is surer where bytes become %s (entropy %.2f instead of %.2f "
         "nats): are /input scale, mean and std right?",
         e->surer[best->number], e->looks, best->way, best->entropy, own->entropy);
}

static bool any_open(const cfp_input_evidence *e)
{
    for (int way = 0; way < CFP_INPUT_MOST_WAYS; way++)
        if (is_open(e, way))
            return true;
    return false;
}

cfp_status cfp_input_check_clip(cfp_input_check *out, cfp_input_evidence *evidence,
                                cfp_trace *trace, const cfp_clip *clip, const float *logits,
                                cfp_input_checking checking)
{
    const cfp_model *model = trace->model;
    const cfp_input_spec *spec = &model->input;
    const int n = model->n_classes;
    const bool all = checking == CFP_CHECK_ALWAYS;
    if (checking == CFP_CHECK_NEVER || spec->channels != 3 || spec->numbers ||
        (!all && !any_open(evidence)))
        return CFP_OK;
    const cfp_input_answer own = summarise("as /input says", asked(model), logits);
    const bool sure = !(own.entropy > unsure * of_a_guess(asked(model)));
    if (!all && sure)
        return CFP_OK;
    out->answer[out->n_answers++] = own;
    look l = {.trace = trace, .clip = clip, .evidence = evidence, .all = all};
    const size_t numbers = 3 * (size_t)spec->frames * (size_t)spec->height * (size_t)spec->width;
    l.input = cfp_alloc(trace->ctx, numbers, sizeof *l.input);
    l.logits = cfp_alloc(trace->ctx, (size_t)n, sizeof *l.logits);
    const cfp_status status = l.input == NULL || l.logits == NULL ? CFP_NOMEM : ask_all(out, &l);
    cfp_free(l.input);
    cfp_free(l.logits);
    if (status == CFP_OK && !sure) {
        count(evidence, out);
        judge(out, evidence, asked(model));
    }
    return status;
}
