/* fuzz_packet.c - fuzzes the headers in packets of video.  The first byte chooses the codec, the
 * others are a packet. */
#include "../../host/clip/video_packet.h"
#include "fuzz.h"

int fuzz_good;

static const enum AVCodecID codecs[] = {
    AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG4, AV_CODEC_ID_VP8,
    AV_CODEC_ID_VP9,  AV_CODEC_ID_AV1,  AV_CODEC_ID_MJPEG,      AV_CODEC_ID_GIF,
};
enum { N_CODECS = sizeof codecs / sizeof *codecs };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t extra[32] = {1, 0, 0, 0, 3}; /* of mp4: each unit begins with its length, 4 bytes */
    extra[21] = 3;
    AVCodecParameters codec = {.extradata = extra, .field_order = AV_FIELD_PROGRESSIVE};
    cfp_packet_reader reader;
    cfp_ctx ctx = {0};
    MUST(cfp_libav_codec(&ctx, "packet") == CFP_OK); /* it has the list of codecs */
    if (size == 0)
        return 0;
    const int which = data[0] % (N_CODECS + 2);
    codec.codec_id = codecs[which % N_CODECS];
    codec.extradata_size = which >= N_CODECS ? (int)sizeof extra : 0;
    MUST(cfp_packet_reader_begin(&reader, &codec));
    uint8_t *packet =
        malloc(size - 1 > 0 ? size - 1 : 1); /* its own memory: no byte too many is read */
    if (packet == NULL)
        return 0;
    memcpy(packet, data + 1, size - 1);
    const cfp_packet_facts facts = cfp_packet_look(&reader, packet, size - 1);
    fuzz_good += facts.known;
    MUST(!facts.known || size > 1);
    MUST(facts.start == CFP_START_NONE || facts.start == CFP_START_LOOSE ||
         facts.start == CFP_START_CLEAN);
    MUST(facts.sets || !facts.all_sets);
    free(packet);
    return 0;
}
