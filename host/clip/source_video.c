/* source_video.c - reads video files of any kind that libavformat knows.
 *
 * A frame's number is its place among the decoded frames.  An index of the packets tells it without
 * decoding (video_index.h), and then only what the wanted frames need is decoded (video_window.h).
 * Where the index is not to be trusted, the whole video is decoded.  The container's count of
 * frames is only a first guess then, because it is wrong in broken and trimmed files. */
#include "clip_source.h"
#include "frame_rgb.h"
#include "video_window.h"
#include <string.h>

typedef struct video_state {
    cfp_video_file video;
    cfp_video_index index;
    cfp_frame_rgb rgb;
    bool used;    /* packets have been read; to start again, the file must be opened again */
    double *time; /* [time_room] when each frame is shown, as found by decoding */
    int64_t time_room;
    bool timed;    /* all frames so far have a time, and the times ascend */
    double begins; /* the file's own time of the first frame */
} video_state;

static bool video_matches(const cfp_path_facts *facts)
{
    return facts->error == 0 && !facts->is_folder;
}

/* A file that was cut off between two packets has no damage: its frames only end too early.  How
 * many there should be is not compared, because the header's rate is only an average. */
static void warn_if_cut_off(const cfp_source *source, cfp_ctx *ctx)
{
    const video_state *state = source->state;
    /* Some headers count from 0, even if the first frame comes later. */
    const double held = source->seconds + (state->begins > 0 ? state->begins : 0);
    const double claimed = cfp_video_seconds(&state->video);
    const double some = source->fps > 0 ? 2 / source->fps : 0;
    if (source->time != NULL && held < 0.9 * claimed - some)
        cfp_log(ctx, CFP_LOG_WARNING,
                "%s: it claims to last %.4g s, its %lld frames end after %.4g s", source->path,
                claimed, (long long)source->frames, held);
}

static cfp_status video_open(cfp_source *source, cfp_ctx *ctx)
{
    video_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    CFP_TRY(cfp_video_open(&state->video, ctx, source->path, source->track));
    if (state->video.tracks > 1 && source->track == 0)
        cfp_log(ctx, CFP_LOG_WARNING,
                "%s: it has %d video tracks: the first one is read; --track chooses another",
                source->path, state->video.tracks);
    source->frames = cfp_video_frames(&state->video);
    source->fps = cfp_video_fps(&state->video);
    CFP_TRY(cfp_video_index_make(&state->index, &state->video));
    state->used = state->index.n > 0;
    if (!state->index.trusted)
        return CFP_OK;
    source->frames = state->index.frames;
    source->time = state->index.time;
    source->seconds = state->index.seconds;
    state->begins = state->index.begins;
    source->exact = true;
    warn_if_cut_off(source, ctx);
    return CFP_OK;
}

typedef struct taking {
    cfp_source *source;
    cfp_ctx *ctx;
    const cfp_sink *sink;
} taking;

/* Passes the frame that was decoded on to the sink. */
static cfp_status take_decoded(void *cookie, int32_t frame)
{
    const taking *t = cookie;
    video_state *state = t->source->state;
    CFP_TRY(cfp_frame_to_rgb(&state->rgb, t->ctx, t->source->path, state->video.frame,
                             cfp_video_matrix(&state->video)));
    return t->sink->take(t->sink->cookie, t->ctx, frame, &state->rgb.image);
}

/* Notes when the frame that was decoded is shown. */
static cfp_status note_time(video_state *state, cfp_ctx *ctx, int64_t frame)
{
    const cfp_video_file *video = &state->video;
    const int64_t pts = video->frame->best_effort_timestamp;
    const double unit = av_q2d(video->demuxer->streams[video->stream]->time_base);
    if (frame == state->time_room) {
        double *more;
        state->time_room = frame == 0 ? 1024 : 2 * frame;
        CFP_TRY_ALLOC(ctx, more, state->time_room);
        if (frame > 0)
            memcpy(more, state->time, (size_t)frame * sizeof *more);
        cfp_free(state->time);
        state->time = more;
    }
    state->time[frame] = (double)pts * unit;
    state->timed &=
        pts != AV_NOPTS_VALUE && (frame == 0 || state->time[frame] > state->time[frame - 1]);
    return CFP_OK;
}

/* Makes the noted times known, counted from the first frame. */
static void give_times(cfp_source *source)
{
    video_state *state = source->state;
    const double first = state->time[0];
    if (!state->timed)
        return;
    for (int64_t i = 0; i < source->frames; i++)
        state->time[i] -= first;
    state->begins = first;
    source->time = state->time;
    source->seconds = state->time[source->frames - 1] + (source->fps > 0 ? 1 / source->fps : 0);
}

/* Decodes from the first frame to the last, or to the last wanted one if the length is known. */
static cfp_status walk(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                       const cfp_sink *sink, int64_t *count)
{
    video_state *state = source->state;
    cfp_video_file *video = &state->video;
    int next = 0;
    for (*count = 0; !source->exact || next < n_wanted; ++*count) {
        bool more;
        CFP_TRY(cfp_video_next(video, &more));
        if (!more)
            break;
        if (*count == INT32_MAX)
            return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: more than %d frames", source->path,
                            INT32_MAX);
        if (*count % 16 == 0 && *count <= source->frames)
            cfp_progress(ctx, "decode", *count, source->frames);
        if (!source->exact)
            CFP_TRY(note_time(state, ctx, *count));
        if (next == n_wanted || *count != wanted[next])
            continue;
        taking t = {source, ctx, sink};
        CFP_TRY(take_decoded(&t, wanted[next++]));
    }
    return CFP_OK;
}

static void warn_of_damage(const cfp_source *source, cfp_ctx *ctx, int64_t claimed)
{
    const video_state *state = source->state;
    const int64_t count = source->frames;
    if (state->video.damage > 0)
        cfp_log(ctx, CFP_LOG_WARNING, "%s: damaged: %lld errors, %lld frames could be decoded",
                source->path, (long long)state->video.damage, (long long)count);
    else if (source->time != NULL)
        warn_if_cut_off(source, ctx);
    else if (count <
             claimed - cfp_max_int(2, (int)(claimed / 10))) /* cut off between two packets */
        cfp_log(ctx, CFP_LOG_WARNING, "%s: it claims %lld frames, it holds %lld", source->path,
                (long long)claimed, (long long)count);
}

static cfp_status video_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                             const cfp_sink *sink)
{
    video_state *state = source->state;
    int64_t count = 0;
    if (state->index.trusted) {
        taking t = {source, ctx, sink};
        const cfp_video_taker taker = {take_decoded, &t};
        CFP_TRY(cfp_video_window(&state->video, &state->index, source->track, wanted, n_wanted,
                                 &taker, &state->index.trusted));
        if (state->index.trusted)
            return CFP_OK;
        source->exact = false; /* damage: the frames that decode are counted */
        source->time = NULL;
    }
    if (state->used) {
        cfp_video_close(&state->video);
        CFP_TRY(cfp_video_open(&state->video, ctx, source->path, source->track));
    }
    state->used = true;
    state->timed |= !source->exact;
    CFP_TRY(walk(source, ctx, wanted, n_wanted, sink, &count));
    if (source->exact)
        return CFP_OK;
    if (count == 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: none of its frames can be decoded", source->path);
    const int64_t claimed = source->frames;
    source->frames = count;
    give_times(source);
    warn_of_damage(source, ctx, claimed);
    cfp_progress(ctx, "decode", count, count);
    return CFP_OK;
}

static void video_close(cfp_source *source)
{
    video_state *state = source->state;
    if (state == NULL)
        return;
    cfp_video_close(&state->video);
    cfp_video_index_free(&state->index);
    cfp_frame_rgb_free(&state->rgb);
    cfp_free(state->time);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_video = {
    .name = "video",
    .tracks = true,
    .matches = video_matches,
    .open = video_open,
    .read = video_read,
    .close = video_close,
};
