/* cmd_predict.c - cfp-gpu predict: the most probable classes of each clip.
 *
 * One bad clip among many is reported and passed over; the exit status tells of it. */
#include <stdio.h>
#include <string.h>
#include "commands.h"

typedef struct prediction { /* scratch of one run, reused from clip to clip */
    float *probability;     /* [n_classes] */
    int *rank;              /* [n_classes] class numbers, most probable first up to n_top */
    int n_top;
} prediction;

/* The n_top largest logits, ties by the lower class number: repeated selection, as N is small. */
static void rank_classes(prediction *p, const float *logits, int n_classes)
{
    for (int i = 0; i < n_classes; i++)
        p->rank[i] = i;
    for (int k = 0; k < p->n_top; k++) {
        int best = k;
        for (int i = k + 1; i < n_classes; i++) {
            const float a = logits[p->rank[i]], b = logits[p->rank[best]];
            if (a > b || (a == b && p->rank[i] < p->rank[best]))
                best = i;
        }
        const int swapped = p->rank[k];
        p->rank[k] = p->rank[best];
        p->rank[best] = swapped;
    }
}

static void json_clip(cfp_json *json, const cfp_session *session, const prediction *p)
{
    const cfp_clip *clip = &session->clip;
    cfp_json_object(json);
    cfp_json_put_string(json, "clip", clip->path);
    cfp_json_key(json, "indices");
    cfp_json_array(json);
    for (int t = 0; t < clip->frames; t++)
        cfp_json_int(json, clip->index[t]);
    cfp_json_array_end(json);
    cfp_json_key(json, "top");
    cfp_json_array(json);
    for (int k = 0; k < p->n_top; k++) {
        cfp_json_object(json);
        cfp_json_put_int(json, "index", p->rank[k]);
        cfp_json_put_string(json, "name", session->model.class_name[p->rank[k]]);
        cfp_json_put_float(json, "probability", p->probability[p->rank[k]]);
        cfp_json_put_float(json, "logit", session->logits[p->rank[k]]);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
    cfp_json_object_end(json);
}

static void print_clip(const cfp_session *session, const prediction *p)
{
    cfp_print_text(stdout, session->clip.path, 0);
    printf("\n");
    for (int k = 0; k < p->n_top; k++) {
        printf("  %7.3f %%  %5d  ", 100.0 * (double)p->probability[p->rank[k]], p->rank[k]);
        cfp_print_text(stdout, session->model.class_name[p->rank[k]], 0);
        printf("\n");
    }
}

static cfp_status predict_clip(cfp_session *session, const char *path, prediction *p)
{
    const cfp_model *model = &session->model;
    cfp_clip_free(&session->clip);
    CFP_TRY(cfp_session_open_clip(session, path));
    CFP_TRY(cfp_session_forward(session));
    cfp_softmax(p->probability, session->logits, model->n_classes);
    rank_classes(p, session->logits, model->n_classes);
    return CFP_OK;
}

/* Goes on after a clip that failed, says so at once and remembers it; stops when interrupted. */
static cfp_status predict_clips(cfp_session *session, prediction *p, cfp_json *json)
{
    cfp_ctx *ctx = &session->ctx;
    cfp_status result = CFP_OK;
    for (int i = 1; i < session->config.n_operands; i++) {
        CFP_TRY(cfp_check_interrupt(ctx));
        const cfp_status status = predict_clip(session, session->config.operand[i], p);
        if (status == CFP_INTERRUPTED)
            return status;
        if (status != CFP_OK) {
            cfp_terminal_error(&session->terminal, ctx->message);
            ctx->message[0] = '\0'; /* said */
            result = result == CFP_OK ? status : result;
        } else if (json != NULL) {
            json_clip(json, session, p);
        } else {
            print_clip(session, p);
        }
    }
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
    const int n_classes = session->model.n_classes;
    CFP_TRY_ALLOC(&session->ctx, p->probability, n_classes);
    CFP_TRY_ALLOC(&session->ctx, p->rank, n_classes);
    p->n_top = cfp_min_int((int)session->config.top, n_classes);
    return session->config.json ? predict_to_json(session, p) : predict_clips(session, p, NULL);
}

cfp_status cfp_cmd_predict(cfp_session *session)
{
    prediction p = {0};
    CFP_TRY(cfp_session_open_device(session));
    CFP_TRY(cfp_session_open_model(session));
    CFP_TRY(cfp_session_open_trace(session, NULL));
    const cfp_status status = predict(session, &p);
    cfp_free(p.rank);
    cfp_free(p.probability);
    return status;
}
