/* cmd_contrast.c - cfp-gpu contrast: one clip, two classes -> what both rest on, and what only one
 * does (SPEC 8).
 *
 * The clip is decoded once and the network runs on it once.  Then come two descents.  The writers
 * of host/write and host/report describe the files: write_contrast.c, write_h5.c, write_html.c. */
#include "../method/contrast.h"
#include "commands.h"
#include "request.h"

static cfp_status check_classes(const cfp_session *session, cfp_ctx *ctx)
{
    if (session->config.class_name == NULL)
        return cfp_fail(ctx, CFP_USAGE, "--class: missing; contrast needs two classes");
    if (session->config.against == NULL)
        return cfp_fail(ctx, CFP_USAGE, "--against: missing; contrast needs two classes");
    return CFP_OK;
}

static cfp_status find_classes(int *out, cfp_session *session)
{
    const cfp_model *model = &session->model;
    CFP_TRY(cfp_session_class(&out[0], session));
    CFP_TRY(
        cfp_model_class_of(&out[1], &session->ctx, model, "--against", session->config.against));
    if (out[0] == out[1])
        return cfp_fail(&session->ctx, CFP_USAGE, "--against: '%s' is also the class of --class",
                        model->class_name[out[1]]);
    return CFP_OK;
}

static cfp_status explain_both(cfp_session *session, cfp_result *result, const int *class_index)
{
    cfp_explanation both[2];
    cfp_session_profile(session, true);
    const cfp_status status =
        cfp_explain_classes(both, session->analyser, &session->clip, class_index, 2,
                            (cfp_interp)session->config.interp);
    cfp_session_profile(session, false);
    CFP_TRY(status);
    result->explanation = both[0];
    result->against = both[1];
    result->explanation.ms.descent += both[1].ms.descent;
    result->explanation.ms.tubes += both[1].ms.tubes;
    return cfp_make_contrast(&result->explanation, &session->ctx, &result->against);
}

/* If nothing is selected for one class, the contrast only shows the other class. */
static void warn_of_nothing(cfp_session *session, const cfp_explanation *e)
{
    for (; e != NULL; e = e->against)
        if (e->pyramid.n_layers > 0 && e->pyramid.layer[0].n_children == 0)
            cfp_log(&session->ctx, CFP_LOG_WARNING, "nothing is selected below '%s' for class '%s'",
                    session->model.node[e->pyramid.layer[0].node].name,
                    session->model.class_name[e->class_index]);
}

static cfp_status contrast(cfp_session *session, cfp_result *result)
{
    const cfp_config *config = &session->config;
    const cfp_query query = cfp_config_query(config);
    int class_index[2];

    CFP_TRY(check_classes(session, &session->ctx));
    CFP_TRY(cfp_check_request(session, cfp_contrast_writers, &query));
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(find_classes(class_index, session));
    CFP_TRY(cfp_session_open_analyser(session, &query, true));
    const double start = cfp_now_ms();
    CFP_TRY(cfp_session_open_clip(session, config->operand[1]));
    CFP_TRY(cfp_session_open_baseline(session, &query));
    const double decode_ms = cfp_now_ms() - start;
    /* Not before HDF5's processes have been forked; see cmd_explain.c. */
    CFP_TRY(cfp_hashing_begin(&result->hashing, &session->ctx, config->operand[0]));
    CFP_TRY(cfp_directory_check(&session->ctx, result->directory));
    CFP_TRY(explain_both(session, result, class_index));
    result->explanation.ms.decode = decode_ms;
    warn_of_nothing(session, &result->explanation);
    return cfp_deliver(session, result, NULL);
}

cfp_status cfp_cmd_contrast(cfp_session *session)
{
    cfp_result result = {0};
    cfp_status status = cfp_output_directory(&result.directory, session, "contrasted");
    if (status == CFP_OK)
        status = contrast(session, &result);
    cfp_result_free(&result);
    return status;
}
