/* cmd_explain.c - cfp-gpu explain: one clip, one class -> the pyramid, its tubes, their pictures.
 * Of a network with several heads: the same for a class of each head.
 *
 * Read explain() first: it shows the whole command on one screen.  It checks the options, the model
 * and the output folder before it runs the network. */
#include <stdio.h>
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

static cfp_status explain(cfp_session *session, cfp_result *result, int **class_index)
{
    const cfp_config *config = &session->config;
    const cfp_query query = cfp_config_query(config);

    CFP_TRY(cfp_check_request(session, cfp_writers, &query));
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(find_classes(class_index, session));
    CFP_TRY(open_network(session, &query));
    const double start = cfp_now_ms();
    CFP_TRY(cfp_session_open_clip(session, config->operand[1]));
    CFP_TRY(cfp_session_open_baseline(session, &query));
    const double decode_ms = cfp_now_ms() - start;
    /* Starts a thread, so it comes after HDF5's processes have been forked (host/h5): a fork beside
     * another thread breaks the allocator of a sanitizer. */
    CFP_TRY(cfp_hashing_begin(&result->hashing, &session->ctx, config->operand[0]));
    CFP_TRY(cfp_directory_check(&session->ctx, result->directory));
    cfp_session_profile(session, true);
    const cfp_status status = session->model.n_heads > 0
                                  ? explain_heads(session, result, *class_index, &query)
                                  : explain_one(session, result, **class_index);
    cfp_session_profile(session, false);
    CFP_TRY(status);
    result->explanation.ms.decode = decode_ms;
    for (const cfp_explanation *e = &result->explanation; e != NULL; e = e->next) {
        warn_of_nothing(session, e, &query);
        tell_of_saturation(session, e);
    }
    return cfp_deliver(session, result);
}

cfp_status cfp_cmd_explain(cfp_session *session)
{
    cfp_result result = {0};
    int *class_index = NULL;
    cfp_status status = cfp_output_directory(&result.directory, session, "explained");
    if (status == CFP_OK)
        status = explain(session, &result, &class_index);
    cfp_free(class_index);
    cfp_result_free(&result);
    return status;
}
