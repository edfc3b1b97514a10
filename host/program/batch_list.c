/* batch_list.c - see batch_list.h. */
#include "batch_list.h"
#include "open_list.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_CLIPS = 64, FEWEST_SHARDS = 16, MOST_PARTS = 1000000 };

cfp_status cfp_batch_part(int *part, int *n_parts, cfp_ctx *ctx, const char *shard)
{
    int i, n, end = 0;
    *part = 0;
    *n_parts = 1;
    if (shard == NULL)
        return CFP_OK;
    if (sscanf(shard, "%d/%d%n", &i, &n, &end) != 2 || shard[end] != '\0' || n < 1 ||
        n > MOST_PARTS || strspn(shard, "0123456789/") != strlen(shard))
        return cfp_fail(ctx, CFP_USAGE, "--shard: '%s' is not I/N, such as 1/4", shard);
    if (i < 1 || i > n)
        return cfp_fail(ctx, CFP_USAGE, "--shard: %s: part %d is not from 1 to %d", shard, i, n);
    *part = i - 1;
    *n_parts = n;
    return CFP_OK;
}

/* How many clips a shard has, where the user does not say: 64, or fewer in a short list, so that
 * there are 16 shards for --shard to divide.  It depends on the list alone. */
static int shard_clips(const cfp_config *config, int n)
{
    if (config->shard_clips > 0)
        return (int)config->shard_clips;
    return cfp_max_int(1, cfp_min_int(MOST_CLIPS, (n + FEWEST_SHARDS - 1) / FEWEST_SHARDS));
}

/* In a list of one's own files, a file that is missing is an error.  In a published list it is
 * usual: videos disappear from the web. */
static cfp_batch_status status_of(const cfp_dataset *dataset, cfp_dataset_reason reason)
{
    const bool again = reason == CFP_CLIP_REPEATED;
    return !again && strcmp(dataset->kind, "paths") == 0 ? CFP_BATCH_FAILED : CFP_BATCH_SKIPPED;
}

/* Where the network's window of frames begins: in the middle of the part that the list names.  Of a
 * part in seconds, only the decoder knows how many frames it has. */
static int64_t first_frame(const cfp_session *session, const cfp_dataset_clip *clip)
{
    const cfp_input_spec *input = &session->model.input;
    const int64_t stride =
        session->config.stride > 0 ? session->config.stride : input->frame_stride;
    const int64_t span = (input->frames - 1) * stride + 1;
    const int64_t start = (int64_t)clip->start, stop = (int64_t)clip->stop;
    if (session->config.windows > 1 || session->config.sample == 1)
        return start; /* of the first window, or of the part over which frames are spread */
    return stop < 0 || stop - start <= span ? start : start + (stop - start - span) / 2;
}

static cfp_sampling sampling_of(const cfp_session *session, const cfp_dataset_clip *clip)
{
    cfp_sampling sampling = cfp_config_sampling(&session->config);
    if (clip->window != CFP_WINDOW_WHOLE)
        sampling.by_time = clip->window == CFP_WINDOW_SECONDS;
    if (clip->window == CFP_WINDOW_FRAMES)
        sampling.start = first_frame(session, clip);
    if (clip->window == CFP_WINDOW_FRAMES && clip->stop > clip->start)
        sampling.part_frames = (int64_t)clip->stop - (int64_t)clip->start;
    if (clip->window == CFP_WINDOW_SECONDS)
        sampling.seconds = clip->start;
    if (clip->window == CFP_WINDOW_SECONDS && clip->stop > clip->start)
        sampling.part_seconds = clip->stop - clip->start;
    return sampling;
}

static cfp_status explain_reason(cfp_batch_plan *plan, cfp_ctx *ctx, int i)
{
    const cfp_dataset_clip *clip = &plan->dataset.clip[i];
    const char *why = clip->why != NULL ? clip->why : cfp_dataset_reason_text(clip->reason);
    plan->text[i] = clip->twin > 0 ? cfp_format(ctx, "%s (line %lld)", why, (long long)clip->twin)
                                   : cfp_strdup(ctx, why);
    plan->item[i].skip = plan->text[i];
    return plan->text[i] == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status fill_item(cfp_batch_plan *plan, cfp_session *session, int i)
{
    const cfp_dataset *d = &plan->dataset;
    const cfp_dataset_clip *clip = &d->clip[i];
    if (clip->window != CFP_WINDOW_WHOLE && clip->stop < 0 && session->config.windows > 1)
        return cfp_fail(&session->ctx, CFP_USAGE,
                        "--windows: %s names no end of '%s': windows cannot be spread over a part "
                        "without an end",
                        d->path, clip->id);
    plan->item[i] =
        (cfp_batch_item){.id = clip->id,
                         .clip = clip->path,
                         .label = d->n_labels > 0 ? clip->label[0].name : NULL,
                         .class_index = plan->match.class_of != NULL ? plan->match.class_of[i] : -1,
                         .part = clip->window == CFP_WINDOW_FRAMES    ? CFP_PART_FRAMES
                                 : clip->window == CFP_WINDOW_SECONDS ? CFP_PART_SECONDS
                                                                      : CFP_PART_ALL,
                         .part_frames = (int64_t)(clip->stop - clip->start),
                         .sampling = sampling_of(session, clip),
                         .stop = clip->window == CFP_WINDOW_SECONDS ? clip->stop : -1};
    if (clip->reason == CFP_CLIP_FOUND)
        return CFP_OK;
    plan->item[i].skip_as = status_of(d, clip->reason);
    return explain_reason(plan, &session->ctx, i);
}

/* Labels that are only numbers. */
static cfp_status name_label(cfp_batch_plan *plan, cfp_ctx *ctx, int i)
{
    const cfp_dataset *d = &plan->dataset;
    if (d->n_labels == 0 || plan->item[i].label != NULL || plan->text[i] != NULL ||
        d->clip[i].label[0].index < 0)
        return CFP_OK;
    plan->text[i] = cfp_format(ctx, "%lld", (long long)d->clip[i].label[0].index);
    plan->item[i].label = plan->text[i];
    return plan->text[i] == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status match_labels(cfp_batch_plan *plan, cfp_session *session)
{
    const cfp_model *model = &session->model;
    if (plan->dataset.n_labels == 0)
        return CFP_OK;
    CFP_TRY(cfp_class_match_find(&plan->match, &session->ctx, &plan->dataset, 0,
                                 (const char *const *)model->class_name, model->n_classes));
    cfp_class_match_warn(&plan->match, &session->ctx, &plan->dataset, model->path);
    return CFP_OK;
}

cfp_status cfp_batch_plan_open(cfp_batch_plan *plan, cfp_session *session, const char *path)
{
    cfp_ctx *ctx = &session->ctx;
    *plan = (cfp_batch_plan){0};
    CFP_TRY(cfp_batch_part(&plan->list.part, &plan->list.n_parts, ctx, session->config.shard));
    CFP_TRY(cfp_session_open_list(&plan->dataset, session, path));
    const int n = plan->dataset.n;
    if (plan->dataset.count[CFP_CLIP_FOUND] == 0)
        return cfp_fail(
            ctx, CFP_IO,
            "%s: none of its clips is there (%d in the list); cfp-gpu dataset tells why", path, n);
    CFP_TRY(match_labels(plan, session));
    CFP_TRY_ALLOC(ctx, plan->item, n);
    CFP_TRY_ALLOC(ctx, plan->text, n);
    for (int i = 0; i < n; i++) {
        CFP_TRY(fill_item(plan, session, i));
        CFP_TRY(name_label(plan, ctx, i));
    }
    plan->list.n = n;
    plan->list.item = plan->item;
    plan->list.shard_clips = shard_clips(&session->config, n);
    return CFP_OK;
}

void cfp_batch_plan_free(cfp_batch_plan *plan)
{
    for (int i = 0; plan->text != NULL && i < plan->dataset.n; i++)
        cfp_free(plan->text[i]);
    cfp_free(plan->text);
    cfp_free(plan->item);
    cfp_class_match_free(&plan->match);
    cfp_dataset_free(&plan->dataset);
    *plan = (cfp_batch_plan){0};
}
