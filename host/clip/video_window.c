/* video_window.c - see video_window.h.
 *
 * A packet's time is replaced by its place in the index before the decoder gets it.  The decoder
 * hands it on to the frame, which so says from which packet it comes. */
#include "video_window.h"

typedef struct reading {
    cfp_video_file *video;
    const cfp_video_index *index;
    int track;
    int32_t next;  /* the packet that goes to the decoder next; -1: nothing has been read */
    int32_t clean; /* errors before this packet do no harm */
    bool pending;  /* the next packet is in video->packet already */
    bool lost;     /* the frames cannot be had in this way */
} reading;

static bool is_same(const AVPacket *packet, const cfp_video_packet_entry *entry)
{
    return packet->pts == entry->pts && packet->size == entry->bytes && packet->pos == entry->pos;
}

/* Asks the demuxer to go to packet k, and reads up to it.  *there says if it was found. */
static cfp_status seek(reading *r, int32_t k, bool *there)
{
    enum { MOST_BEHIND = 1 << 14 };
    const cfp_video_packet_entry *entry = &r->index->packet[k];
    int64_t time = entry->dts;
    if (time == AV_NOPTS_VALUE || (entry->pts != AV_NOPTS_VALUE && entry->pts < time))
        time = entry->pts;
    *there = false;
    if (time == AV_NOPTS_VALUE ||
        av_seek_frame(r->video->demuxer, r->video->stream, time, AVSEEK_FLAG_BACKWARD) < 0)
        return cfp_check_interrupt(r->video->ctx);
    for (int i = 0; i < MOST_BEHIND; i++) {
        bool more;
        CFP_TRY(cfp_video_packet(r->video, &more));
        if (!more || (entry->pos >= 0 && r->video->packet->pos > entry->pos))
            return CFP_OK;
        if (is_same(r->video->packet, entry)) {
            *there = true;
            return CFP_OK;
        }
    }
    return CFP_OK;
}

/* Opens the file again and reads, without decoding, up to packet k. */
static cfp_status read_up_to(reading *r, int32_t k)
{
    cfp_video_file *video = r->video;
    const char *path = video->path;
    cfp_ctx *ctx = video->ctx;
    cfp_video_close(video);
    CFP_TRY(cfp_video_open(video, ctx, path, r->track));
    for (int32_t i = 0; i <= k && !r->lost; i++) {
        bool more;
        CFP_TRY(cfp_video_packet(video, &more));
        r->lost = !more || !is_same(video->packet, &r->index->packet[i]);
    }
    return CFP_OK;
}

/* The first packet may hold settings that stand nowhere else. */
static void show_first(const reading *r)
{
    avcodec_send_packet(r->video->decoder, r->index->first);
    avcodec_flush_buffers(r->video->decoder);
}

static cfp_status go_to(reading *r, int32_t k)
{
    bool there;
    const bool fresh = r->next < 0;
    CFP_TRY(seek(r, k, &there));
    if (!there)
        CFP_TRY(read_up_to(r, k));
    else if (!fresh)
        avcodec_flush_buffers(r->video->decoder);
    if (k > 0 && !r->lost)
        show_first(r);
    r->video->drained = false;
    r->next = k;
    r->pending = true;
    return CFP_OK;
}

static cfp_status feed(reading *r)
{
    cfp_video_file *video = r->video;
    bool more = true;
    if (!r->pending)
        CFP_TRY(cfp_video_packet(video, &more));
    r->pending = false;
    if (!more) {
        r->lost |= r->next < r->index->n;
        video->drained = true;
        avcodec_send_packet(video->decoder, NULL);
        return CFP_OK;
    }
    if (r->next == r->index->n || !is_same(video->packet, &r->index->packet[r->next])) {
        r->lost = true;
        return CFP_OK;
    }
    video->packet->pts = r->next;
    video->packet->dts = AV_NOPTS_VALUE;
    r->lost |= avcodec_send_packet(video->decoder, video->packet) < 0 && r->next >= r->clean;
    r->next++;
    return CFP_OK;
}

/* The number of the frame that was decoded; -1: of no use. */
static int32_t number_of(reading *r, const AVFrame *frame)
{
    if (frame->pts < 0 || frame->pts >= r->next) {
        r->lost = true;
        return -1;
    }
    const cfp_video_packet_entry *entry = &r->index->packet[frame->pts];
    if (entry->order < r->index->packet[r->clean].order)
        return -1;
    r->lost |= frame->decode_error_flags != 0 || (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0;
    return entry->frame;
}

/* Decodes up to this frame. */
static cfp_status decode(reading *r, int32_t wanted)
{
    cfp_video_file *video = r->video;
    while (!r->lost) {
        const int error = avcodec_receive_frame(video->decoder, video->frame);
        if (error == 0) {
            const int32_t number = number_of(r, video->frame);
            r->lost |= number > wanted;
            if (number == wanted)
                return CFP_OK;
        } else if (error == AVERROR(EAGAIN) && !video->drained) {
            CFP_TRY(feed(r));
        } else if (error == AVERROR(ENOMEM)) {
            return cfp_fail(video->ctx, CFP_NOMEM, "%s: out of memory", video->path);
        } else {
            r->lost |= video->drained || r->next > r->clean;
        }
    }
    return CFP_OK;
}

cfp_status cfp_video_window(cfp_video_file *video, const cfp_video_index *index, int track,
                            const int32_t *wanted, int n, const cfp_video_taker *taker, bool *exact)
{
    reading r = {.video = video, .index = index, .track = track, .next = -1};
    *exact = true;
    for (int i = 0; i < n && wanted[i] < index->frames; i++) {
        int32_t from;
        const int32_t clean = cfp_video_index_start(index, wanted[i], &from);
        cfp_progress(video->ctx, "decode", i, n);
        if (r.next < 0 || clean > r.next) {
            CFP_TRY(go_to(&r, from));
            r.clean = clean;
        }
        if (!r.lost)
            CFP_TRY(decode(&r, wanted[i]));
        *exact = !r.lost;
        if (r.lost)
            return CFP_OK;
        CFP_TRY(taker->take(taker->cookie, wanted[i]));
    }
    return CFP_OK;
}
