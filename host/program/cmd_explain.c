/* cmd_explain.c - cfp-gpu explain: one clip, one class -> the pyramid, its tubes, their pictures.
 * Of a network with several heads: the same for a class of each head.  Of several clips: the same
 * for each of them, in a folder of its own (clip_folders.h).  The network is loaded once.
 *
 * Read explain() and explain_clip() first: they show the whole command on one screen.  The options,
 * the model and the output folder are checked before the network runs. */
#include <stdio.h>
#include "clip_folders.h"
#include "commands.h"
#include "request.h"

/* If no layer of the pyramid has a selected input: the first layer, that of the class.  Else NULL.
 */
static const cfp_layer *dead_end(const cfp_pyramid *pyramid)
{
    for (int l = 0; l < pyramid->n_layers; l++)
        if (pyramid->layer[l].n_children > 0)
            return NULL;
    return pyramid->n_layers > 0 ? &pyramid->layer[0] : NULL;
}

/* Logs why an explanation is empty or has no tubes. */
static void warn_of_nothing(cfp_session *session, const cfp_explanation *e, const cfp_query *query)
{
    const cfp_layer *end = dead_end(&e->pyramid);
    const bool grad = query->rule == CFP_RULE_GRAD;
    if (end != NULL)
        cfp_log(&session->ctx, CFP_LOG_WARNING,
                "nothing is selected below '%s': none of its input channels %s '%s'%s",
                e->model->node[end->node].name,
                grad ? "speaks for" : "has a relevance of at least theta for",
                e->model->class_name[e->class_index],
                !grad                                  ? ""
                : e->query.target == CFP_TARGET_LOGIT  ? " (activation times gradient of the logit "
                                                         "is nowhere above 0)"
                : e->query.target == CFP_TARGET_MARGIN ? " (activation times gradient of the "
                                                         "margin is nowhere above 0)"
                                                       : " (activation times gradient of the "
                                                         "log-odds is nowhere above 0)");
    else if (query->tubes != CFP_TUBES_NONE && e->tubes.n == 0)
        cfp_log(&session->ctx, CFP_LOG_WARNING,
                "no tubes: the descent reached no conv3d layer that --layers and --depth allow");
}

/* An explanation says little if most kernels of most layers are selected.  Logs which options
 * select fewer. */
static void tell_of_saturation(cfp_session *session, const cfp_explanation *e)
{
    const cfp_saturation s = cfp_pyramid_saturation(&e->pyramid);
    const cfp_query *q = &e->query;
    const bool higher = q->theta < 1, grad = q->rule == CFP_RULE_GRAD;
    char help[160];
    if (!s.most || (grad && !higher))
        return;
    snprintf(help, sizeof help, "%s%s%s%s%s", grad ? "" : "--rule grad",
             q->rule == CFP_RULE_CFP && q->normalise == CFP_NORMALISE_MINMAX ? ", --normalise max"
                                                                             : "",
             !grad && higher ? " or " : "", higher ? "a higher --theta" : "",
             !grad && higher && q->propagate == CFP_PROPAGATE_EDGE ? ", best with --propagate path"
                                                                   : "");
    cfp_log(&session->ctx, CFP_LOG_INFO,
            "saturated: at least 90 %% of the kernels are selected in %d of %d layers, which tells "
            "little about the class; try %s",
            s.saturated, s.layers, help);
}

/* --- one class, or one class of each head --- */

static cfp_status explain_one(cfp_session *session, cfp_result *result, int class_index)
{
    return cfp_explain(&result->explanation, session->analyser, &session->clip, class_index,
                       (cfp_interp)session->config.interp);
}

/* Heads that do not agree are explained one by one, each by a network of its own. */
static cfp_status explain_apart(cfp_explanation *out, cfp_session *session, const int *class_index,
                                const cfp_query *query)
{
    for (int h = 0; h < session->model.n_heads; h++) {
        if (h > 0) {
            cfp_analyser_close(&session->analyser);
            CFP_TRY(cfp_session_open_analyser_of(session, &session->model.view[h], query, true));
            cfp_analyser_compare_with(session->analyser, &session->other);
        }
        CFP_TRY(cfp_explain(&out[h], session->analyser, &session->clip, class_index[h],
                            (cfp_interp)session->config.interp));
    }
    return CFP_OK;
}

/* Links the explanations of the heads, and adds up their times in the first. */
static void take_heads(cfp_result *result, cfp_explanation *of_head, int n, bool together)
{
    cfp_timings *ms = &of_head[0].ms;
    for (int h = 1; h < n; h++) {
        ms->forward = together ? of_head[h].ms.forward : ms->forward + of_head[h].ms.forward;
        ms->descent += of_head[h].ms.descent;
        ms->tubes += of_head[h].ms.tubes;
    }
    result->explanation = of_head[0];
    result->other = of_head; /* keeps the memory; its first place is taken by the last */
    result->n_others = n - 1;
    for (int h = 1; h < n; h++)
        of_head[h - 1] = of_head[h];
    of_head[n - 1] = (cfp_explanation){0};
    for (int k = 0; k + 1 < n - 1; k++)
        of_head[k].next = &of_head[k + 1];
    result->explanation.next = &of_head[0];
}

static cfp_status explain_heads(cfp_session *session, cfp_result *result, const int *class_index,
                                const cfp_query *query)
{
    const cfp_model *model = &session->model;
    const int n = model->n_heads;
    cfp_explanation *of_head;
    CFP_TRY_ALLOC(&session->ctx, of_head, n);
    const cfp_status status =
        model->heads_agree ? cfp_explain_heads(of_head, session->analyser, &session->clip,
                                               class_index, (cfp_interp)session->config.interp)
                           : explain_apart(of_head, session, class_index, query);
    for (int h = 0; h < n && status != CFP_OK; h++)
        cfp_explanation_free(&of_head[h]);
    if (status == CFP_OK)
        take_heads(result, of_head, n, model->heads_agree);
    else
        cfp_free(of_head);
    return status;
}

/* --- the command --- */

/* class_index: [n_heads], or [1] if the network has one classifier. */
static cfp_status find_classes(int **class_index, cfp_session *session)
{
    const cfp_model *model = &session->model;
    CFP_TRY_ALLOC(&session->ctx, *class_index, cfp_max_int(1, model->n_heads));
    if (model->n_heads > 0)
        return cfp_model_head_classes(*class_index, &session->ctx, model,
                                      session->config.class_name);
    return cfp_session_class(*class_index, session);
}

/* The network that is opened first: all of it, or of heads that do not agree the first. */
static cfp_status open_network(cfp_session *session, const cfp_query *query)
{
    const cfp_model *model = &session->model;
    if (model->n_heads > 0 && !model->heads_agree)
        return cfp_session_open_analyser_of(session, &model->view[0], query, true);
    return cfp_session_open_analyser(session, query, true);
}

typedef struct explaining { /* the state of one run of the command */
    cfp_session *session;
    cfp_query query;
    int *class_index;
    cfp_clip_folders folders; /* [clips] */
    cfp_json *json;           /* of several clips with --json: the object of all; else NULL */
} explaining;

/* If heads do not agree, the network of the last one is open.  The next clip starts with the first.
 */
static cfp_status open_first_head(explaining *w)
{
    const cfp_model *model = &w->session->model;
    if (model->n_heads == 0 || model->heads_agree)
        return CFP_OK;
    cfp_analyser_close(&w->session->analyser);
    return cfp_session_open_analyser_of(w->session, &model->view[0], &w->query, true);
}

/* Explains clip number i, from 0, into its folder. */
static cfp_status explain_clip(explaining *w, int i, cfp_result *result)
{
    cfp_session *session = w->session;
    const double start = cfp_now_ms();
    CFP_TRY(cfp_session_open_clip(session, session->config.operand[1 + i]));
    CFP_TRY(cfp_session_open_baseline(session, &w->query));
    const double decode_ms = cfp_now_ms() - start;
    /* Starts a thread, so it comes after HDF5's processes have been forked (host/h5): a fork beside
     * another thread breaks the allocator of a sanitizer. */
    if (session->model.sha256[0] == '\0')
        CFP_TRY(cfp_hashing_begin(&result->hashing, &session->ctx, session->config.operand[0]));
    CFP_TRY(cfp_directory_check(&session->ctx, result->directory));
    cfp_session_profile(session, true);
    const cfp_status status = session->model.n_heads > 0
                                  ? explain_heads(session, result, w->class_index, &w->query)
                                  : explain_one(session, result, *w->class_index);
    cfp_session_profile(session, false);
    CFP_TRY(status);
    result->explanation.ms.decode = decode_ms;
    for (const cfp_explanation *e = &result->explanation; e != NULL; e = e->next) {
        warn_of_nothing(session, e, &w->query);
        tell_of_saturation(session, e);
    }
    return cfp_deliver(session, result, w->json);
}

static cfp_status explain_number(explaining *w, int i)
{
    cfp_session *session = w->session;
    cfp_result result = {0};
    if (w->folders.n > 1)
        cfp_progress(&session->ctx, "clips", i, w->folders.n);
    cfp_status status = i > 0 ? open_first_head(w) : CFP_OK;
    if (status == CFP_OK) {
        result.directory = cfp_strdup(&session->ctx, w->folders.path[i]);
        status = result.directory == NULL ? CFP_NOMEM : explain_clip(w, i, &result);
    }
    cfp_result_free(&result);
    cfp_clip_free(&session->clip);
    return status;
}

/* A clip that fails is logged at once, and the others go on.  Returns what the first said. */
static cfp_status explain_clips(explaining *w)
{
    cfp_session *session = w->session;
    cfp_ctx *ctx = &session->ctx;
    cfp_status result = CFP_OK;
    for (int i = 0; i < w->folders.n; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        const cfp_status status = explain_number(w, i);
        if (status == CFP_OK)
            continue;
        if (status == CFP_INTERRUPTED || w->folders.n == 1)
            return status;
        cfp_terminal_error(&session->terminal, ctx->message);
        ctx->message[0] = '\0'; /* it has been logged */
        result = result == CFP_OK ? status : result;
    }
    if (w->folders.n > 1)
        cfp_progress(ctx, "clips", w->folders.n, w->folders.n);
    return result;
}

/* Of several clips: {"clips": [what --json says of each]}. */
static cfp_status explain_to_json(explaining *w)
{
    cfp_json json;
    cfp_session_json(&json, w->session);
    cfp_json_object(&json);
    cfp_json_key(&json, "clips");
    cfp_json_array(&json);
    w->json = &json;
    const cfp_status status = explain_clips(w);
    cfp_json_array_end(&json);
    cfp_json_object_end(&json);
    const cfp_status closed = cfp_session_json_close(&json);
    return status != CFP_OK ? status : closed;
}

static cfp_status explain(explaining *w)
{
    cfp_session *session = w->session;
    CFP_TRY(cfp_check_request(session, cfp_writers, &w->query));
    CFP_TRY(cfp_session_list_clips(session, 1));
    CFP_TRY(cfp_clip_folders_make(&w->folders, session, "explained"));
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(find_classes(&w->class_index, session));
    CFP_TRY(open_network(session, &w->query));
    return session->config.json && w->folders.several ? explain_to_json(w) : explain_clips(w);
}

cfp_status cfp_cmd_explain(cfp_session *session)
{
    explaining w = {.session = session, .query = cfp_config_query(&session->config)};
    const cfp_status status = explain(&w);
    cfp_free(w.class_index);
    cfp_clip_folders_free(&w.folders);
    return status;
}
