/* libav.h - FFmpeg's libavcodec and libavformat, which are loaded when they are first needed.
 *
 * The two load 72 other libraries, which takes 20 ms.  All else that `cfp-gpu --help` does
 * takes 14. So the program is not linked with the two: cfp_libav_codec and cfp_libav_format load
 * them, and find the functions in the lists below.  Callers write FFmpeg's own names.  A call of a
 * function that is in neither list is an error of the linker.  libavutil and libswscale are small,
 * and linked as usual. */
#pragma once
#include "base.h"
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

/* Load libavcodec, or both libraries.  Any thread may call them, at any time; only the first call
 * takes long.  CFP_UNSUPPORTED if a library is missing; the message starts with `where`, the file
 * that it is needed for.  Nothing in the lists may be called before. */
CFP_CHECKED cfp_status cfp_libav_codec(cfp_ctx *ctx, const char *where);
CFP_CHECKED cfp_status cfp_libav_format(cfp_ctx *ctx, const char *where);

/* FFmpeg 6.1 moved the function that finds the display matrix. */
#define CFP_LIBAV_MOVED_SIDE_DATA (LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 30, 100))
#if CFP_LIBAV_MOVED_SIDE_DATA
#define CFP_SIDE_DATA_OF_CODEC(F) F(av_packet_side_data_get)
#define CFP_SIDE_DATA_OF_FORMAT(F)
#else
#define CFP_SIDE_DATA_OF_CODEC(F)
#define CFP_SIDE_DATA_OF_FORMAT(F) F(av_stream_get_side_data)
#endif

/* clang-format off */
#define CFP_LIBAVCODEC(F) \
    F(av_new_packet) F(av_packet_alloc) F(av_packet_clone) F(av_packet_free) \
    F(av_packet_rescale_ts) F(av_packet_unref) F(av_parser_close) F(av_parser_init) \
    F(av_parser_parse2) F(avcodec_alloc_context3) F(avcodec_default_get_buffer2) \
    F(avcodec_descriptor_get) F(avcodec_find_decoder) F(avcodec_find_encoder) \
    F(avcodec_find_encoder_by_name) F(avcodec_flush_buffers) F(avcodec_free_context) \
    F(avcodec_get_name) F(avcodec_open2) F(avcodec_parameters_from_context) \
    F(avcodec_parameters_to_context) F(avcodec_receive_frame) F(avcodec_receive_packet) \
    F(avcodec_send_frame) F(avcodec_send_packet) CFP_SIDE_DATA_OF_CODEC(F)

#define CFP_LIBAVFORMAT(F) \
    F(av_interleaved_write_frame) F(av_read_frame) F(av_seek_frame) F(av_write_trailer) \
    F(avformat_alloc_context) F(avformat_alloc_output_context2) F(avformat_close_input) \
    F(avformat_find_stream_info) F(avformat_free_context) F(avformat_index_get_entries_count) \
    F(avformat_new_stream) F(avformat_open_input) F(avformat_write_header) \
    F(avio_alloc_context) F(avio_closep) F(avio_context_free) F(avio_flush) F(avio_open) \
    CFP_SIDE_DATA_OF_FORMAT(F)
/* clang-format on */

#define CFP_LIBAV_MEMBER(name) __typeof__(name) *name##_;
typedef struct cfp_libav_table {
    CFP_LIBAVCODEC(CFP_LIBAV_MEMBER)
    CFP_LIBAVFORMAT(CFP_LIBAV_MEMBER)
} cfp_libav_table;
#undef CFP_LIBAV_MEMBER

extern cfp_libav_table cfp_libav; /* filled by the two functions above */

/* FFmpeg's names stand for the functions that were found. */
#define av_interleaved_write_frame cfp_libav.av_interleaved_write_frame_
#define av_new_packet cfp_libav.av_new_packet_
#define av_packet_alloc cfp_libav.av_packet_alloc_
#define av_packet_clone cfp_libav.av_packet_clone_
#define av_packet_free cfp_libav.av_packet_free_
#define av_packet_rescale_ts cfp_libav.av_packet_rescale_ts_
#define av_packet_side_data_get cfp_libav.av_packet_side_data_get_
#define av_packet_unref cfp_libav.av_packet_unref_
#define av_parser_close cfp_libav.av_parser_close_
#define av_parser_init cfp_libav.av_parser_init_
#define av_parser_parse2 cfp_libav.av_parser_parse2_
#define av_read_frame cfp_libav.av_read_frame_
#define av_seek_frame cfp_libav.av_seek_frame_
#define av_stream_get_side_data cfp_libav.av_stream_get_side_data_
#define av_write_trailer cfp_libav.av_write_trailer_
#define avcodec_alloc_context3 cfp_libav.avcodec_alloc_context3_
#define avcodec_default_get_buffer2 cfp_libav.avcodec_default_get_buffer2_
#define avcodec_descriptor_get cfp_libav.avcodec_descriptor_get_
#define avcodec_find_decoder cfp_libav.avcodec_find_decoder_
#define avcodec_find_encoder cfp_libav.avcodec_find_encoder_
#define avcodec_find_encoder_by_name cfp_libav.avcodec_find_encoder_by_name_
#define avcodec_flush_buffers cfp_libav.avcodec_flush_buffers_
#define avcodec_free_context cfp_libav.avcodec_free_context_
#define avcodec_get_name cfp_libav.avcodec_get_name_
#define avcodec_open2 cfp_libav.avcodec_open2_
#define avcodec_parameters_from_context cfp_libav.avcodec_parameters_from_context_
#define avcodec_parameters_to_context cfp_libav.avcodec_parameters_to_context_
#define avcodec_receive_frame cfp_libav.avcodec_receive_frame_
#define avcodec_receive_packet cfp_libav.avcodec_receive_packet_
#define avcodec_send_frame cfp_libav.avcodec_send_frame_
#define avcodec_send_packet cfp_libav.avcodec_send_packet_
#define avformat_alloc_context cfp_libav.avformat_alloc_context_
#define avformat_alloc_output_context2 cfp_libav.avformat_alloc_output_context2_
#define avformat_close_input cfp_libav.avformat_close_input_
#define avformat_find_stream_info cfp_libav.avformat_find_stream_info_
#define avformat_free_context cfp_libav.avformat_free_context_
#define avformat_index_get_entries_count cfp_libav.avformat_index_get_entries_count_
#define avformat_new_stream cfp_libav.avformat_new_stream_
#define avformat_open_input cfp_libav.avformat_open_input_
#define avformat_write_header cfp_libav.avformat_write_header_
#define avio_alloc_context cfp_libav.avio_alloc_context_
#define avio_closep cfp_libav.avio_closep_
#define avio_context_free cfp_libav.avio_context_free_
#define avio_flush cfp_libav.avio_flush_
#define avio_open cfp_libav.avio_open_
