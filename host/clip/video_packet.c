/* video_packet.c - see video_packet.h.  The headers are those of the codecs' standards. */
#include "video_packet.h"
#include <string.h>

typedef struct unit { /* a part of a packet: a NAL unit, or what follows a start code */
    const uint8_t *at;
    size_t bytes;
} unit;

typedef struct units { /* goes through the units of a packet */
    const uint8_t *at, *end;
    int length_bytes;
    bool broken;
} units;

/* --- units --- */

/* The next 00 00 01 at or behind `at`, or `end`. */
static const uint8_t *find_code(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 3) {
        const uint8_t *one = memchr(at + 2, 1, (size_t)(end - at - 2));
        if (one == NULL)
            return end;
        if (one[-1] == 0 && one[-2] == 0)
            return one - 2;
        at = one - 1;
    }
    return end;
}

static bool next_by_length(units *u, unit *out)
{
    const size_t left = (size_t)(u->end - u->at);
    size_t length = 0;
    if (left == 0)
        return false;
    for (int i = 0; i < u->length_bytes && (size_t)i < left; i++)
        length = length << 8 | u->at[i];
    u->broken =
        left < (size_t)u->length_bytes || length == 0 || length > left - (size_t)u->length_bytes;
    if (u->broken)
        return false;
    *out = (unit){u->at + u->length_bytes, length};
    u->at += (size_t)u->length_bytes + length;
    return true;
}

static bool next_unit(units *u, unit *out)
{
    if (u->length_bytes > 0)
        return next_by_length(u, out);
    const uint8_t *begin = find_code(u->at, u->end);
    if (begin == u->end || begin + 3 == u->end)
        return false;
    u->at = find_code(begin + 3, u->end);
    *out = (unit){begin + 3, (size_t)(u->at - begin - 3)};
    return true;
}

/* FNV-1a, carried on. */
static uint32_t add_to_sum(uint32_t sum, const uint8_t *bytes, size_t n)
{
    while (n > 1 && bytes[n - 1] == 0) /* zeros may stand before the next start code */
        n--;
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

/* --- H.264 --- */

typedef struct payload { /* the bytes of a unit without the 03 of 00 00 03 */
    const uint8_t *at, *end;
    int zeros;
} payload;

static int next_byte(payload *p)
{
    if (p->zeros >= 2 && p->at < p->end && *p->at == 3) {
        p->at++;
        p->zeros = 0;
    }
    if (p->at == p->end)
        return -1;
    p->zeros = *p->at == 0 ? p->zeros + 1 : 0;
    return *p->at++;
}

static int next_number(payload *p) /* ff ff ... n */
{
    int sum = 0, byte;
    while ((byte = next_byte(p)) == 0xff && sum < 1 << 20)
        sum += byte;
    return byte < 0 ? -1 : sum + byte;
}

/* A message "recovery point": exact from this frame on in the order of display. */
static bool is_exact_recovery(unit sei)
{
    enum { RECOVERY_POINT = 6 };
    payload p = {sei.at + 1, sei.at + sei.bytes, 0};
    for (;;) {
        const int kind = next_number(&p);
        const int size = next_number(&p);
        if (kind < 0 || size < 1)
            return false;
        const int first = next_byte(&p); /* recovery_frame_cnt 0: "1"; exact_match_flag: "1" */
        if (kind == RECOVERY_POINT)
            return first >= 0 && (first & 0xc0) == 0xc0;
        for (int i = 1; i < size; i++)
            next_byte(&p);
    }
}

/* The first slice of a picture, whose first number is 0 (bit 1).  The next says the kind: 2 or 7
 * are I. */
static bool is_intra_slice(unit slice)
{
    return slice.bytes >= 3 && ((slice.at[1] & 0x70) == 0x30 || (slice.at[1] & 0x7f) == 0x08);
}

static void look_at_h264(cfp_packet_facts *f, units *u)
{
    enum { SLICE = 1, PART_A, PART_B, PART_C, IDR, SEI, SPS, PPS, END_SEQUENCE = 10, END_STREAM };
    int pictures = 0, idr = 0, others = 0;
    bool recovery = false, intra = false, sps = false, pps = false;
    for (unit nal; next_unit(u, &nal);) {
        const int kind = nal.at[0] & 31;
        f->known &= nal.bytes >= 2 && (nal.at[0] & 0x80) == 0 && (kind < PART_A || kind > PART_C);
        if (!f->known)
            return;
        if ((kind == SLICE || kind == IDR) && (nal.at[1] & 0x80) != 0) {
            pictures++;
            intra = is_intra_slice(nal);
        }
        idr += kind == IDR;
        others += kind == SLICE;
        recovery |= kind == SEI && is_exact_recovery(nal);
        sps |= kind == SPS;
        pps |= kind == PPS;
        f->ends |= kind == END_SEQUENCE || kind == END_STREAM;
        if (kind == SPS)
            f->sets_sum = add_to_sum(f->sets_sum, nal.at, nal.bytes);
    }
    f->known &= pictures == 1 && (idr == 0 || others == 0);
    f->shown = true;
    f->sets = sps || pps;
    f->all_sets = sps && pps;
    if (idr > 0)
        f->start = CFP_START_CLEAN;
    else if (recovery && intra)
        f->start = CFP_START_LOOSE;
}

/* --- HEVC --- */

static void look_at_hevc(cfp_packet_facts *f, units *u)
{
    enum {
        LAST_TRAILING = 9,
        BLA = 16,
        LAST_BLA = 18,
        IDR = 19,
        LAST_IDR = 20,
        CRA = 21,
        LAST_SLICE = 31,
        SPS = 33,
        PPS = 34,
        END_SEQUENCE = 36,
        END_STREAM = 37
    };
    int pictures = 0;
    bool sps = false, pps = false;
    for (unit nal; next_unit(u, &nal);) {
        const int kind = nal.at[0] >> 1 & 63;
        const bool base = nal.bytes >= 3 && (nal.at[0] & 1) == 0 && nal.at[1] >> 3 == 0;
        f->known &= nal.bytes >= 2 && (nal.at[0] & 0x80) == 0;
        f->ends |= kind == END_SEQUENCE || kind == END_STREAM;
        if (!f->known)
            return;
        if (!base) /* another layer, which is not decoded */
            continue;
        sps |= kind == SPS;
        pps |= kind == PPS;
        if (kind == SPS)
            f->sets_sum = add_to_sum(f->sets_sum, nal.at, nal.bytes);
        if (kind > LAST_SLICE)
            continue;
        f->known &= kind <= LAST_TRAILING || (kind >= IDR && kind <= CRA);
        if ((nal.at[2] & 0x80) == 0) /* not the first slice of a picture */
            continue;
        pictures++;
        f->drops |= kind >= IDR && kind <= LAST_IDR && (nal.at[2] & 0x40) != 0;
        if (kind >= IDR && kind <= CRA)
            f->start = CFP_START_CLEAN;
    }
    f->known &= pictures == 1;
    f->shown = true;
    f->sets = sps || pps;
    f->all_sets = sps && pps;
}

/* --- MPEG-1, 2 and 4 --- */

static void look_at_mpeg2(cfp_packet_facts *f, units *u)
{
    enum { PICTURE = 0, SEQUENCE = 0xb3, EXTENSION = 0xb5, END = 0xb7, CODING = 8, FRAME = 3 };
    enum { INTRA = 1, BOTH_WAYS = 3 };
    int pictures = 0, kind = 0;
    bool sequence = false;
    for (unit part; next_unit(u, &part);) {
        const uint8_t *p = part.at;
        if (p[0] == SEQUENCE && part.bytes >= 4) {
            sequence |= pictures == 0;
            f->sets_sum = add_to_sum(f->sets_sum, p + 1, 3); /* width and height */
        } else if (p[0] == PICTURE && part.bytes >= 3) {
            pictures++;
            kind = p[2] >> 3 & 7;
        } else if (p[0] == EXTENSION && part.bytes >= 4 && p[1] >> 4 == CODING) {
            f->known &= (p[3] & 3) == FRAME; /* else a field: half a frame */
        }
        f->ends |= p[0] == END;
    }
    f->known &= pictures == 1 && kind >= INTRA && kind <= BOTH_WAYS;
    f->shown = true;
    f->is_b = kind == BOTH_WAYS;
    f->sets = sequence;
    f->all_sets = sequence;
    if (kind == INTRA && sequence)
        f->start = CFP_START_CLEAN;
}

static void look_at_mpeg4(cfp_packet_facts *f, units *u, size_t n_bytes)
{
    enum { LAYER = 0x20, LAST_LAYER = 0x2f, END = 0xb1, PICTURE = 0xb6, INTRA = 0, BOTH_WAYS = 2 };
    enum { LARGEST_EMPTY = 12 }; /* a picture of no more bytes says only "as before" */
    int pictures = 0, kind = 0;
    for (unit part; next_unit(u, &part);) {
        if (part.at[0] == PICTURE && part.bytes >= 2) {
            pictures++;
            kind = part.at[1] >> 6;
        } else if (part.at[0] >= LAYER && part.at[0] <= LAST_LAYER) {
            f->sets_sum = add_to_sum(f->sets_sum, part.at, part.bytes);
            f->sets = f->all_sets = true;
        }
        f->ends |= part.at[0] == END;
    }
    f->known &= pictures == 1 && n_bytes > LARGEST_EMPTY;
    f->shown = true;
    f->is_b = kind == BOTH_WAYS;
    if (kind == INTRA)
        f->start = CFP_START_CLEAN;
}

/* --- VP8, VP9, AV1 --- */

static void look_at_vp8(cfp_packet_facts *f, const uint8_t *bytes)
{
    f->shown = (bytes[0] & 0x10) != 0;
    if ((bytes[0] & 1) == 0)
        f->start = CFP_START_CLEAN;
}

/* One frame of VP9; returns 1 if it is shown. */
static int look_at_vp9_frame(cfp_packet_facts *f, const uint8_t *bytes, size_t n_bytes, bool first)
{
    const bool again = (bytes[0] & 8) != 0, key = (bytes[0] & 4) == 0, shown = (bytes[0] & 2) != 0;
    f->known &= bytes[0] >> 6 == 2 && (bytes[0] & 0x30) != 0x30; /* profiles 0 to 2 */
    f->known &= again || !key || (n_bytes > 4 && memcmp(bytes + 1, "\x49\x83\x42", 3) == 0);
    if (first && !again && key && shown)
        f->start = CFP_START_CLEAN;
    return again || shown;
}

/* A packet may hold several frames, and ends in an index of their sizes then. */
static void look_at_vp9(cfp_packet_facts *f, const uint8_t *bytes, size_t n_bytes)
{
    const int mark = bytes[n_bytes - 1];
    const size_t count = (mark & 7) + 1, width = (mark >> 3 & 3) + 1, index = 2 + count * width;
    int shown = 0;
    if ((mark & 0xe0) != 0xc0 || n_bytes <= index || bytes[n_bytes - index] != mark) {
        shown = look_at_vp9_frame(f, bytes, n_bytes, true);
    } else {
        const uint8_t *size_at = bytes + n_bytes - index + 1;
        size_t at = 0;
        for (size_t i = 0; i < count; i++, size_at += width) {
            size_t size = 0;
            for (size_t b = width; b-- > 0;)
                size = size << 8 | size_at[b];
            f->known &= size > 0 && size <= n_bytes - index - at;
            if (!f->known)
                return;
            shown += look_at_vp9_frame(f, bytes + at, size, i == 0);
            at += size;
        }
    }
    f->known &= shown == 1;
    f->shown = true;
}

/* The number of AV1 at *at: 7 bits a byte, the lowest first. */
static bool read_leb128(size_t *value, const uint8_t **at, const uint8_t *end)
{
    *value = 0;
    for (int i = 0; i < 5; i++) {
        if (*at == end)
            return false;
        const uint8_t byte = *(*at)++;
        *value |= (size_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

static void look_at_av1(cfp_packet_facts *f, const uint8_t *at, const uint8_t *end)
{
    enum { SEQUENCE = 1, FRAME_HEADER = 3, FRAME = 6 };
    int shown = 0;
    bool sequence = false, first = true;
    while (at < end) {
        const int kind = at[0] >> 3 & 15;
        const bool extended = (at[0] & 4) != 0, sized = (at[0] & 2) != 0;
        size_t size = 0;
        f->known &= (at[0] & 0x80) == 0 && end - at > (extended ? 2 : 1);
        if (!f->known)
            return;
        at += extended ? 2 : 1;
        f->known = !sized || read_leb128(&size, &at, end);
        if (!sized)
            size = (size_t)(end - at);
        f->known &= size <= (size_t)(end - at);
        if (!f->known)
            return;
        if (kind == SEQUENCE && size >= 1) {
            sequence = true;
            f->known &= (at[0] & 8) == 0; /* a still picture */
            f->sets_sum = add_to_sum(f->sets_sum, at, size);
        } else if ((kind == FRAME || kind == FRAME_HEADER) && size >= 1) {
            const bool again = (at[0] & 0x80) != 0;
            shown += again || (at[0] & 0x10) != 0;
            if (first && sequence && (at[0] & 0xf0) == 0x10) /* a key frame, shown */
                f->start = CFP_START_CLEAN;
            first = false;
        }
        at += size;
    }
    f->known &= shown == 1;
    f->shown = true;
    f->sets = f->all_sets = sequence;
}

/* --- all --- */

static int length_bytes(const AVCodecParameters *codec)
{
    const uint8_t *e = codec->extradata;
    if (codec->codec_id == AV_CODEC_ID_H264 && codec->extradata_size >= 7 && e[0] == 1)
        return (e[4] & 3) + 1;
    if (codec->codec_id == AV_CODEC_ID_HEVC && codec->extradata_size >= 23 &&
        (e[0] != 0 || e[1] != 0 || e[2] > 1)) /* not a start code */
        return (e[21] & 3) + 1;
    return 0;
}

bool cfp_packet_reader_begin(cfp_packet_reader *out, const AVCodecParameters *codec)
{
    const AVCodecDescriptor *about = avcodec_descriptor_get(codec->codec_id);
    *out = (cfp_packet_reader){.codec = codec->codec_id, .length_bytes = length_bytes(codec)};
    switch (codec->codec_id) {
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_HEVC:
        out->order = CFP_ORDER_BY_TIME;
        return codec->field_order == AV_FIELD_UNKNOWN || codec->field_order == AV_FIELD_PROGRESSIVE;
    case AV_CODEC_ID_MPEG1VIDEO:
    case AV_CODEC_ID_MPEG2VIDEO:
    case AV_CODEC_ID_MPEG4:
        out->order = CFP_ORDER_BY_KIND;
        return true;
    case AV_CODEC_ID_VP8:
    case AV_CODEC_ID_VP9:
    case AV_CODEC_ID_AV1:
        return true;
    case AV_CODEC_ID_FFV1:
    case AV_CODEC_ID_GIF:
        out->first_only = true;
        return true;
    default:
        out->any_start = about != NULL && (about->props & AV_CODEC_PROP_INTRA_ONLY) != 0 &&
                         (about->props & AV_CODEC_PROP_REORDER) == 0;
        return out->any_start;
    }
}

/* True if the segments before the picture's data follow each other. */
static bool is_jpeg(const uint8_t *bytes, size_t n_bytes)
{
    enum { START_OF_SCAN = 0xda, SMALLEST_MARK = 0xc0 };
    size_t at = 2;
    if (n_bytes < 4 || bytes[0] != 0xff || bytes[1] != 0xd8)
        return false;
    while (at + 4 <= n_bytes && bytes[at] == 0xff && bytes[at + 1] >= SMALLEST_MARK) {
        if (bytes[at + 1] == START_OF_SCAN)
            return true;
        at += 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);
    }
    return false;
}

static bool is_whole(const cfp_packet_reader *reader, const uint8_t *bytes, size_t n_bytes)
{
    if (reader->codec == AV_CODEC_ID_MJPEG)
        return is_jpeg(bytes, n_bytes);
    if (reader->codec == AV_CODEC_ID_GIF) /* ends with a block of no bytes, or the trailer */
        return bytes[n_bytes - 1] == 0 || bytes[n_bytes - 1] == 0x3b;
    return true;
}

cfp_packet_facts cfp_packet_look(const cfp_packet_reader *reader, const uint8_t *bytes,
                                 size_t n_bytes)
{
    cfp_packet_facts f = {.known = n_bytes > 0};
    units u = {bytes, bytes + n_bytes, reader->length_bytes, false};
    if (!f.known)
        return f;
    switch (reader->codec) {
    case AV_CODEC_ID_H264:
        look_at_h264(&f, &u);
        break;
    case AV_CODEC_ID_HEVC:
        look_at_hevc(&f, &u);
        break;
    case AV_CODEC_ID_MPEG1VIDEO:
    case AV_CODEC_ID_MPEG2VIDEO:
        look_at_mpeg2(&f, &u);
        break;
    case AV_CODEC_ID_MPEG4:
        look_at_mpeg4(&f, &u, n_bytes);
        break;
    case AV_CODEC_ID_VP8:
        look_at_vp8(&f, bytes);
        break;
    case AV_CODEC_ID_VP9:
        look_at_vp9(&f, bytes, n_bytes);
        break;
    case AV_CODEC_ID_AV1:
        look_at_av1(&f, bytes, bytes + n_bytes);
        break;
    default:
        f.shown = true;
        f.known = is_whole(reader, bytes, n_bytes);
        f.start = reader->any_start ? CFP_START_CLEAN : CFP_START_NONE;
    }
    f.known &= !u.broken;
    return f;
}
