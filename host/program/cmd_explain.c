/* cmd_explain.c - cfp-gpu explain: one clip, one class -> the pyramid, its tubes, their pictures.
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
static void warn_of_nothing(cfp_session *session, const cfp_result *result, const cfp_query *query)
{
    const cfp_explanation *e = &result->explanation;
    const cfp_layer *end = dead_end(&e->pyramid);
    const bool grad = query->rule == CFP_RULE_GRAD;
    if (end != NULL)
        cfp_log(&session->ctx, CFP_LOG_WARNING,
                "nothing is selected below '%s': none of its input channels %s '%s'%s",
                session->model.node[end->node].name,
                grad ? "speaks for" : "has a relevance of at least theta for",
                session->model.class_name[e->class_index],
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

static cfp_status explain(cfp_session *session, cfp_result *result)
{
    const cfp_config *config = &session->config;
    const cfp_query query = cfp_config_query(config);
    int class_index;

    CFP_TRY(cfp_check_request(session, cfp_writers, &query));
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(cfp_session_class(&class_index, session));
    CFP_TRY(cfp_session_open_analyser(session, &query, true));
    const double start = cfp_now_ms();
    CFP_TRY(cfp_session_open_clip(session, config->operand[1]));
    CFP_TRY(cfp_session_open_baseline(session, &query));
    const double decode_ms = cfp_now_ms() - start;
    /* Starts a thread, so it comes after HDF5's processes have been forked (host/h5): a fork beside
     * another thread breaks the allocator of a sanitizer. */
    CFP_TRY(cfp_hashing_begin(&result->hashing, &session->ctx, config->operand[0]));
    CFP_TRY(cfp_directory_check(&session->ctx, result->directory));
    cfp_session_profile(session, true);
    const cfp_status status = cfp_explain(&result->explanation, session->analyser, &session->clip,
                                          class_index, (cfp_interp)config->interp);
    cfp_session_profile(session, false);
    CFP_TRY(status);
    result->explanation.ms.decode = decode_ms;
    warn_of_nothing(session, result, &query);
    tell_of_saturation(session, &result->explanation);
    return cfp_deliver(session, result);
}

cfp_status cfp_cmd_explain(cfp_session *session)
{
    cfp_result result = {0};
    cfp_status status = cfp_output_directory(&result.directory, session, "explained");
    if (status == CFP_OK)
        status = explain(session, &result);
    cfp_result_free(&result);
    return status;
}
