/* cmd_predict.c - cfp-gpu predict: the most probable classes of each clip, over one window of it or
 * several.
 *
 * A clip that cannot be read is reported, and the next one follows.  The exit status is then 1. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../method/actions.h"
#include "input_check.h"
#include "commands.h"
#include "../method/window_scores.h"

typedef struct prediction { /* buffers and counts of one run, used for every clip */
    cfp_window_scores scores;
    int n_top;
    cfp_actions actions; /* of a network with several heads */
    int n_windows;
    int32_t *index;              /* [n_windows x frames] which frames each window has */
    int *top;                    /* [n_windows x heads] the most probable class of each window */
    float *top_probability;      /* [n_windows x heads] */
    cfp_input_check numbers;     /* of the model alone: the check of each clip starts with a copy */
    cfp_input_check check;       /* of the current clip */
    cfp_input_evidence evidence; /* of the clips so far */
} prediction;

/* The n_top most probable classes of a network, or of one of its heads. */
static void json_top(cfp_json *json, const cfp_model *of, const prediction *p)
{
    const int first = of->first_class;
    cfp_json_key(json, "top");
    cfp_json_array(json);
    for (int k = 0; k < cfp_min_int(p->n_top, of->n_classes); k++) {
        cfp_json_object(json);
        const int i = p->scores.rank[first + k];
        cfp_json_put_int(json, "index", i);
        cfp_json_put_string(json, "name", of->class_name[i]);
        cfp_json_put_float(json, "probability", p->scores.probability[first + i]);
        cfp_json_put_float(json, "logit", p->scores.logit[first + i]);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

static void json_action(cfp_json *json, const cfp_model *model, const cfp_actions *actions, int k)
{
    cfp_json_object(json);
    cfp_json_put_float(json, "probability", (float)actions->probability[k]);
    cfp_json_key(json, "classes");
    cfp_json_array(json);
    for (int h = 0; h < model->n_heads; h++) {
        const int i = actions->class_index[k * model->n_heads + h];
        cfp_json_object(json);
        cfp_json_put_string(json, "head", model->view[h].head_name);
        cfp_json_put_int(json, "index", i);
        cfp_json_put_string(json, "name", model->view[h].class_name[i]);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
    cfp_json_object_end(json);
}

static void json_heads(cfp_json *json, const cfp_model *model, const prediction *p)
{
    cfp_json_key(json, "heads");
    cfp_json_array(json);
    for (int h = 0; h < model->n_heads; h++) {
        cfp_json_object(json);
        cfp_json_put_string(json, "head", model->view[h].head_name);
        json_top(json, &model->view[h], p);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
    cfp_json_key(json, "actions");
    cfp_json_array(json);
    for (int k = 0; k < p->actions.n; k++)
        json_action(json, model, &p->actions, k);
    cfp_json_array_end(json);
}

static void json_indices(cfp_json *json, const int32_t *index, int frames)
{
    cfp_json_key(json, "indices");
    cfp_json_array(json);
    for (int t = 0; t < frames; t++)
        cfp_json_int(json, index[t]);
    cfp_json_array_end(json);
}

/* The most probable class of a window.  part: the number of the window, or of one of its heads. */
static void json_window_top(cfp_json *json, const cfp_model *of, const prediction *p, int part)
{
    cfp_json_put_int(json, "index", p->top[part]);
    cfp_json_put_string(json, "name", of->class_name[p->top[part]]);
    cfp_json_put_float(json, "probability", p->top_probability[part]);
}

static void json_window_heads(cfp_json *json, const cfp_model *model, const prediction *p,
                              int window)
{
    cfp_json_key(json, "heads");
    cfp_json_array(json);
    for (int h = 0; h < model->n_heads; h++) {
        cfp_json_object(json);
        cfp_json_put_string(json, "head", model->view[h].head_name);
        json_window_top(json, &model->view[h], p, window * model->n_heads + h);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

/* What each window alone says. */
static void json_windows(cfp_json *json, const cfp_session *session, const prediction *p)
{
    const cfp_model *model = &session->model;
    const int frames = model->input.frames;
    cfp_json_key(json, "windows");
    cfp_json_array(json);
    for (int w = 0; w < p->n_windows; w++) {
        cfp_json_object(json);
        json_indices(json, p->index + (int64_t)w * frames, frames);
        if (model->n_heads == 0)
            json_window_top(json, model, p, w);
        else
            json_window_heads(json, model, p, w);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

static void json_clip(cfp_json *json, const cfp_session *session, const char *path,
                      const prediction *p)
{
    const cfp_model *model = &session->model;
    cfp_json_object(json);
    cfp_json_put_string(json, "clip", path);
    if (p->n_windows == 1)
        json_indices(json, p->index, session->model.input.frames);
    else
        json_windows(json, session, p);
    if (model->head_name != NULL)
        cfp_json_put_string(json, "head", model->head_name);
    if (model->n_heads > 0)
        json_heads(json, model, p);
    else
        json_top(json, model, p);
    if (p->check.n_warnings > 0) {
        cfp_json_key(json, "warnings");
        cfp_json_array(json);
        for (int i = 0; i < p->check.n_warnings; i++)
            cfp_json_string(json, p->check.warning[i]);
        cfp_json_array_end(json);
    }
    cfp_json_object_end(json);
}

static void print_top(const cfp_model *of, const prediction *p)
{
    for (int k = 0; k < cfp_min_int(p->n_top, of->n_classes); k++) {
        const int i = p->scores.rank[of->first_class + k];
        printf("  %7.3f %%  %5d  ", 100.0 * (double)p->scores.probability[of->first_class + i], i);
        cfp_print_text(stdout, of->class_name[i], 0);
        printf("\n");
    }
}

/* Prints the heads one after the other, then the most probable actions. */
static void print_heads(const cfp_model *model, const prediction *p)
{
    for (int h = 0; h < model->n_heads; h++) {
        printf("  ");
        cfp_print_text(stdout, model->view[h].head_name, 0);
        printf("\n");
        print_top(&model->view[h], p);
    }
    printf("  action\n");
    for (int k = 0; k < p->actions.n; k++) {
        const int *const c = p->actions.class_index + k * model->n_heads;
        printf("  %7.3f %%  ", 100.0 * p->actions.probability[k]);
        for (int h = 0; h < model->n_heads; h++)
            printf(h == 0 ? "%5d" : ",%d", c[h]);
        printf("  ");
        for (int h = 0; h < model->n_heads; h++) {
            printf(h == 0 ? "" : " ");
            cfp_print_text(stdout, model->view[h].class_name[c[h]], 0);
        }
        printf("\n");
    }
}

static void print_clip(const cfp_session *session, const char *path, const prediction *p)
{
    cfp_print_text(stdout, path, 0);
    printf("\n");
    if (session->model.n_heads > 0)
        print_heads(&session->model, p);
    else
        print_top(&session->model, p);
}

/* Logs what is suspicious in /input.  With --check-input always it also logs each answer that the
 * judgement rests on. */
static cfp_status check_input(cfp_session *session, const cfp_clip *clip, prediction *p)
{
    cfp_ctx *ctx = &session->ctx;
    p->check = p->numbers;
    const cfp_input_checking checking = (cfp_input_checking)session->config.check_input;
    CFP_TRY(cfp_input_check_clip(&p->check, &p->evidence, cfp_analyser_network(session->analyser),
                                 clip, session->logits, checking));
    for (int i = 0; checking == CFP_CHECK_ALWAYS && i < p->check.n_answers; i++) {
        const cfp_input_answer *a = &p->check.answer[i];
        cfp_log(ctx, CFP_LOG_INFO, "%s: %s: '%s' %.3f, entropy %.2f nats, peak %.2f%s", clip->path,
                a->way, session->model.class_name[a->top], a->probability, a->entropy, a->peak,
                a->much_surer ? ": much surer" : "");
    }
    for (int i = p->numbers.n_warnings; i < p->check.n_warnings; i++)
        cfp_log(ctx, CFP_LOG_WARNING, "%s: %s", clip->path, p->check.warning[i]);
    return CFP_OK;
}

static cfp_status predict_window(cfp_session *session, const cfp_clip *clip, int window,
                                 prediction *p)
{
    CFP_TRY(cfp_session_forward(session, clip));
    cfp_window_scores_add(&p->scores, session->logits);
    const int parts = p->scores.n_parts;
    memcpy(p->top + window * parts, p->scores.top, (size_t)parts * sizeof *p->top);
    memcpy(p->top_probability + window * parts, p->scores.top_probability,
           (size_t)parts * sizeof *p->top_probability);
    memcpy(p->index + (int64_t)window * clip->frames, clip->index,
           (size_t)clip->frames * sizeof *p->index);
    return window == 0 ? check_input(session, clip, p) : CFP_OK;
}

static cfp_status predict_windows(cfp_session *session, prediction *p)
{
    CFP_TRY(cfp_window_scores_begin(&p->scores, &session->ctx, &session->model));
    for (int w = 0; w < p->n_windows; w++) {
        cfp_clip *clip;
        cfp_status status = cfp_session_next_clip(session, &clip);
        if (status == CFP_OK) {
            status = predict_window(session, clip, w, p);
            const cfp_status given_back = cfp_session_give_back(session, clip);
            status = status != CFP_OK ? status : given_back;
        }
        if (status != CFP_OK) {
            cfp_session_skip_windows(session, p->n_windows - w - 1);
            return status;
        }
    }
    if (session->model.n_heads > 0)
        cfp_actions_find(&p->actions, &session->model, p->scores.probability);
    return CFP_OK;
}

static cfp_status predict_next(cfp_session *session, const char *path, prediction *p,
                               cfp_json *json)
{
    cfp_status status = predict_windows(session, p);
    cfp_terminal_clear(&session->terminal); /* the results may go to the same terminal */
    errno = 0;
    if (status == CFP_OK && json != NULL)
        json_clip(json, session, path, p);
    else if (status == CFP_OK)
        print_clip(session, path, p);
    const int error = errno;
    if (status == CFP_OK && ferror(stdout)) /* a signal ends a write that waits */
        status = cfp_check_interrupt(&session->ctx);
    if (status == CFP_OK && ferror(stdout))
        status = cfp_fail(&session->ctx, CFP_IO, "standard output: %s",
                          error != 0 ? strerror(error) : "write failed");
    return status;
}

/* A clip that fails is logged at once; the others go on.  Stops when interrupted. */
static cfp_status predict_clips(cfp_session *session, prediction *p, cfp_json *json)
{
    cfp_ctx *ctx = &session->ctx;
    cfp_status result = CFP_OK;
    const int n_clips = session->config.n_operands - 1;
    for (int i = 1; i < session->config.n_operands; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        if (n_clips > 1)
            cfp_progress(ctx, "clips", i - 1, n_clips);
        const cfp_status status = predict_next(session, session->config.operand[i], p, json);
        if (status == CFP_INTERRUPTED ||
            ferror(stdout)) /* the results cannot be written any more */
            return status;
        if (status != CFP_OK) {
            cfp_terminal_error(&session->terminal, ctx->message);
            ctx->message[0] = '\0'; /* it has been logged */
            result = result == CFP_OK ? status : result;
        }
    }
    if (n_clips > 1)
        cfp_progress(ctx, "clips", n_clips, n_clips);
    return result;
}

static cfp_status predict_to_json(cfp_session *session, prediction *p)
{
    cfp_json json;
    cfp_session_json(&json, session);
    cfp_json_object(&json);
    cfp_json_key(&json, "clips");
    cfp_json_array(&json);
    const cfp_status status = predict_clips(session, p, &json);
    cfp_json_array_end(&json);
    cfp_json_object_end(&json);
    const cfp_status closed = cfp_session_json_close(&json);
    return status != CFP_OK ? status : closed;
}

static cfp_status predict(cfp_session *session, prediction *p)
{
    const int parts = cfp_max_int(session->model.n_heads, 1);
    CFP_TRY_ALLOC(&session->ctx, p->top, p->n_windows * parts);
    CFP_TRY_ALLOC(&session->ctx, p->top_probability, p->n_windows * parts);
    CFP_TRY_ALLOC(&session->ctx, p->index, (int64_t)p->n_windows * session->model.input.frames);
    p->n_top = (int)session->config.top;
    if (session->model.n_heads > 0)
        CFP_TRY(cfp_actions_open(&p->actions, &session->ctx, &session->model, p->n_top));
    if (session->config.check_input != CFP_CHECK_NEVER)
        cfp_input_check_numbers(&p->numbers, &session->model.input);
    for (int i = 0; i < p->numbers.n_warnings; i++)
        cfp_log(&session->ctx, CFP_LOG_WARNING, "%s: %s", session->model.path,
                p->numbers.warning[i]);
    if (session->model.n_heads == 0 && session->model.head == CFP_HEAD_SIGMOID)
        cfp_log(&session->ctx, CFP_LOG_INFO,
                "%s: each class has a probability of its own (sigmoid): they need not add up to 1",
                session->model.path);
    return session->config.json ? predict_to_json(session, p) : predict_clips(session, p, NULL);
}

cfp_status cfp_cmd_predict(cfp_session *session)
{
    prediction p = {.n_windows = cfp_session_windows(session)};
    CFP_TRY(cfp_session_list_clips(session, 1));
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(cfp_session_open_clips(
        session, 1, 1)); /* before the network is planned, so that decoding starts now */
    CFP_TRY(cfp_session_open_analyser(session, NULL, false));
    const cfp_status status = predict(session, &p);
    cfp_window_scores_free(&p.scores);
    cfp_free(p.top);
    cfp_free(p.top_probability);
    cfp_free(p.index);
    cfp_actions_close(&p.actions);
    return status;
}
