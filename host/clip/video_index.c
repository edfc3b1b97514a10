/* video_index.c - see video_index.h. */
#include "video_index.h"
#include <stdlib.h>
#include <string.h>

typedef struct making {
    cfp_video_index *index;
    cfp_video_file *video;
    cfp_packet_reader reader;
    int room;
    bool has_b, ended, no_starts;     /* no_starts: a decoder may begin nowhere behind here */
    bool later_sets;                  /* a packet behind the first one carries settings */
    uint32_t sets_sum;                /* of the first settings; 0: none were met */
    AVCodecParserContext *parser;     /* of H.264 and HEVC: reads the header of each picture */
    AVCodecContext *settings;         /* for it */
    int64_t pts_before, place_before; /* of the packet before, by its time and by its header */
    int64_t duration;                 /* of the last packet read */
    bool good;
} making;

static cfp_status make_room(making *m)
{
    cfp_video_index *index = m->index;
    if (index->n < m->room)
        return CFP_OK;
    if (index->n > INT32_MAX / 2)
        return cfp_fail(m->video->ctx, CFP_UNSUPPORTED, "%s: more than %d packets", m->video->path,
                        INT32_MAX / 2);
    cfp_video_packet_entry *more;
    m->room = m->room > 0 ? 2 * m->room : 1024;
    CFP_TRY_ALLOC(m->video->ctx, more, m->room);
    if (index->n > 0)
        memcpy(more, index->packet, (size_t)index->n * sizeof *more);
    cfp_free(index->packet);
    index->packet = more;
    return CFP_OK;
}

/* Headers are read as the decoder reads them, so that a damaged one is noticed. */
static cfp_status open_parser(making *m, const AVCodecParameters *codec)
{
    if (m->reader.order != CFP_ORDER_BY_TIME)
        return CFP_OK;
    m->parser = av_parser_init(codec->codec_id);
    m->settings = avcodec_alloc_context3(NULL);
    if (m->settings == NULL || avcodec_parameters_to_context(m->settings, codec) < 0)
        return cfp_fail(m->video->ctx, CFP_NOMEM, "%s: out of memory", m->video->path);
    m->good = m->parser != NULL;
    if (m->good)
        m->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
    return CFP_OK;
}

static void close_parser(making *m)
{
    if (m->parser != NULL)
        av_parser_close(m->parser);
    avcodec_free_context(&m->settings);
}

/* True if the header of the picture can be read, is that of a frame and not of half a frame, and
 * puts it in the same place among its neighbours as its time does. */
static bool header_fits(making *m, const AVPacket *p, cfp_packet_start start)
{
    uint8_t *data;
    int bytes;
    if (m->parser == NULL)
        return true;
    m->parser->picture_structure = AV_PICTURE_STRUCTURE_UNKNOWN;
    m->parser->output_picture_number = INT32_MIN;
    av_parser_parse2(m->parser, m->settings, &data, &bytes, p->data, p->size, p->pts, p->dts, 0);
    const int64_t place = m->parser->output_picture_number;
    const enum AVPictureStructure structure = m->parser->picture_structure;
    const bool later = place > m->place_before;
    const bool good =
        place != INT32_MIN &&
        (structure == AV_PICTURE_STRUCTURE_FRAME ||
         (m->reader.codec == AV_CODEC_ID_HEVC && structure == AV_PICTURE_STRUCTURE_UNKNOWN)) &&
        (start != CFP_START_NONE || m->index->n == 0 || later == (p->pts > m->pts_before));
    m->place_before = place;
    m->pts_before = p->pts;
    return good;
}

/* True if the packet changes how the ones behind it are read: a new palette, a new header. */
static bool changes_decoder(const AVPacket *packet)
{
    for (int i = 0; i < packet->side_data_elems; i++) {
        const enum AVPacketSideDataType type = packet->side_data[i].type;
        if (type == AV_PKT_DATA_PALETTE || type == AV_PKT_DATA_NEW_EXTRADATA ||
            type == AV_PKT_DATA_PARAM_CHANGE)
            return true;
    }
    return false;
}

/* Where settings stand in the packets, a decoder may begin only where it finds them: where all are
 * repeated, or while only those of the first packet are in force. */
static cfp_packet_start start_of(making *m, const cfp_packet_facts *f)
{
    if (m->index->n == 0)
        return m->reader.first_only ? CFP_START_CLEAN : f->start;
    m->no_starts |= f->sets && f->start == CFP_START_NONE;
    m->later_sets |= f->sets;
    return m->no_starts || (m->later_sets && !f->all_sets) ? CFP_START_NONE : f->start;
}

static cfp_status add_packet(making *m)
{
    const AVPacket *p = m->video->packet;
    const cfp_packet_facts f = cfp_packet_look(&m->reader, p->data, (size_t)p->size);
    CFP_TRY(make_room(m));
    m->good &= f.known && !m->ended && (m->index->n == 0 || (!f.drops && !changes_decoder(p)));
    m->good = m->good && header_fits(m, p, f.start);
    m->good &= f.sets_sum == 0 || m->sets_sum == 0 || f.sets_sum == m->sets_sum;
    m->sets_sum = m->sets_sum != 0 ? m->sets_sum : f.sets_sum;
    m->ended = f.ends;
    m->has_b |= f.is_b;
    m->duration = p->duration;
    const bool shown = f.shown && (p->flags & AV_PKT_FLAG_DISCARD) == 0;
    m->index->packet[m->index->n] = (cfp_video_packet_entry){.pts = p->pts,
                                                             .dts = p->dts,
                                                             .pos = p->pos,
                                                             .order = f.is_b ? 1 : 0,
                                                             .bytes = p->size,
                                                             .frame = shown ? 0 : -1,
                                                             .start = start_of(m, &f)};
    m->index->n++;
    return CFP_OK;
}

static cfp_status read_packets(making *m)
{
    cfp_video_file *video = m->video;
    for (;;) {
        bool more;
        CFP_TRY(cfp_video_packet(video, &more));
        m->good &= video->damage == 0;
        if (!more || !m->good)
            return CFP_OK;
        CFP_TRY(add_packet(m));
        if (m->index->n == 1 && (m->index->first = av_packet_clone(video->packet)) == NULL)
            return cfp_fail(video->ctx, CFP_NOMEM, "%s: out of memory", video->path);
    }
}

/* Sets `order` of each packet.  A B frame comes before the last other frame before it. */
static void order_packets(making *m)
{
    cfp_video_index *index = m->index;
    int64_t waiting = -1, count = 0;
    for (int32_t i = 0; i < index->n; i++) {
        cfp_video_packet_entry *p = &index->packet[i];
        if (m->reader.order == CFP_ORDER_BY_TIME) {
            m->good &= p->pts != AV_NOPTS_VALUE;
            p->order = p->pts;
        } else if (m->reader.order == CFP_ORDER_STORED) {
            p->order = i;
        } else if (p->order == 1) { /* a B frame */
            m->good &= waiting >= 0;
            p->order = count++;
        } else {
            if (waiting >= 0)
                index->packet[waiting].order = count++;
            waiting = i;
        }
    }
    if (waiting >= 0)
        index->packet[waiting].order = count;
}

typedef struct place {
    int64_t order;
    int32_t packet;
} place;

static int compare_places(const void *left, const void *right)
{
    const place *a = left, *b = right;
    return (a->order > b->order) - (a->order < b->order);
}

/* Numbers the frames.  Two frames at one time have no order. */
static cfp_status number_frames(making *m)
{
    cfp_video_index *index = m->index;
    place *places;
    CFP_TRY_ALLOC(m->video->ctx, places, index->n);
    for (int32_t i = 0; i < index->n; i++)
        if (index->packet[i].frame == 0)
            places[index->frames++] = (place){index->packet[i].order, i};
    qsort(places, (size_t)index->frames, sizeof *places, compare_places);
    index->packet_of = cfp_alloc(m->video->ctx, (size_t)index->frames, sizeof *index->packet_of);
    for (int32_t f = 0; f < index->frames && index->packet_of != NULL; f++) {
        m->good &= f == 0 || places[f].order != places[f - 1].order;
        index->packet_of[f] = places[f].packet;
        index->packet[places[f].packet].frame = f;
    }
    cfp_free(places);
    return index->packet_of == NULL ? CFP_NOMEM : CFP_OK;
}

/* A decoder holds some frames back, and then always gives the one that is first in the order of
 * display.  True if all come out in order. */
static bool come_in_order(const cfp_video_index *index, int held_back)
{
    enum { MOST = 32 };
    int32_t held[MOST + 1];
    int n = 0;
    int32_t next = 0;
    for (int32_t i = 0; i < index->n; i++) {
        if (index->packet[i].frame < 0)
            continue;
        held[n++] = index->packet[i].frame;
        if (n <= cfp_min_int(held_back, MOST))
            continue;
        int first = 0;
        for (int k = 1; k < n; k++)
            first = held[k] < held[first] ? k : first;
        if (held[first] != next++)
            return false;
        held[first] = held[--n];
    }
    return true;
}

static bool starts_clean(const making *m)
{
    const cfp_video_index *index = m->index;
    return index->n > 0 && index->frames > 0 && index->packet[0].start == CFP_START_CLEAN &&
           index->packet[index->packet_of[0]].order >= index->packet[0].order;
}

static cfp_status take_times(making *m)
{
    cfp_video_index *index = m->index;
    const double unit = av_q2d(m->video->demuxer->streams[m->video->stream]->time_base);
    const int64_t first = index->packet[index->packet_of[0]].pts;
    int64_t before = first;
    if (unit <= 0)
        return CFP_OK;
    CFP_TRY_ALLOC(m->video->ctx, index->time, index->frames);
    for (int32_t f = 0; f < index->frames; f++) {
        const int64_t pts = index->packet[index->packet_of[f]].pts;
        if (pts == AV_NOPTS_VALUE || pts < before) {
            cfp_free(index->time);
            index->time = NULL;
            return CFP_OK;
        }
        index->time[f] = (double)(pts - first) * unit;
        before = pts;
    }
    const double fps = cfp_video_fps(m->video);
    const double last = m->duration > 0 ? (double)m->duration * unit : fps > 0 ? 1 / fps : 0;
    index->seconds = index->time[index->frames - 1] + last;
    index->begins = (double)first * unit;
    /* Some files round times, to a millisecond say.  Then a frame may be shown that much earlier.
     */
    if (4 * unit * index->frames < index->seconds)
        for (int32_t f = 1; f < index->frames; f++)
            index->time[f] -= unit / 2;
    return CFP_OK;
}

/* What the container itself lists; it may list fewer, but not more. */
static bool is_complete(const cfp_video_file *video, const cfp_video_index *index)
{
    return avformat_index_get_entries_count(video->demuxer->streams[video->stream]) <= index->n;
}

cfp_status cfp_video_index_make(cfp_video_index *out, cfp_video_file *video)
{
    making m = {.index = out, .video = video, .good = true};
    const AVCodecParameters *codec = video->demuxer->streams[video->stream]->codecpar;
    *out = (cfp_video_index){0};
    if (!cfp_packet_reader_begin(&m.reader, codec))
        return CFP_OK;
    cfp_status status = open_parser(&m, codec);
    if (status == CFP_OK && m.good)
        status = read_packets(&m);
    close_parser(&m);
    CFP_TRY(status);
    if (!m.good || out->n == 0 || !is_complete(video, out))
        return CFP_OK;
    order_packets(&m);
    if (!m.good)
        return CFP_OK;
    CFP_TRY(number_frames(&m));
    const int held_back = cfp_max_int(codec->video_delay, video->decoder->has_b_frames);
    m.good &= starts_clean(&m) && come_in_order(out, held_back) && (!m.has_b || held_back > 0);
    if (m.good)
        CFP_TRY(take_times(&m));
    out->trusted = m.good;
    return CFP_OK;
}

void cfp_video_index_free(cfp_video_index *index)
{
    cfp_free(index->packet);
    cfp_free(index->packet_of);
    cfp_free(index->time);
    if (index->first != NULL)
        av_packet_free(&index->first);
    *index = (cfp_video_index){0};
}

static bool begins_before(const cfp_video_index *index, int32_t packet, int32_t wanted)
{
    return index->packet[packet].start != CFP_START_NONE &&
           index->packet[packet].order <= index->packet[wanted].order;
}

int32_t cfp_video_index_start(const cfp_video_index *index, int32_t frame, int32_t *from)
{
    const int32_t wanted = index->packet_of[frame];
    int32_t clean = wanted;
    while (clean > 0 && !begins_before(index, clean, wanted))
        clean--;
    *from = clean;
    if (index->packet[clean].start == CFP_START_LOOSE && clean > 0)
        do
            --*from;
        while (*from > 0 && index->packet[*from].start == CFP_START_NONE);
    return clean;
}
