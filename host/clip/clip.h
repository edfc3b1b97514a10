/* clip.h - reads frames for a model from any source: samples, resizes and crops them to uint8 RGB.
 *
 * A clip holds exactly the frames that are shown, written and fed to the network (SPEC "Geometry").
 * Only the last step, (v/scale - mean)/std, is done by cfp_clip_normalise.  The kinds of source are
 * the rows of a table in clip.c.  A new kind is one file source_NAME.c and one row. */
#pragma once
#include "../model/model.h"

typedef struct cfp_sampling {
    /* The number of the first frame, in the numbers of cfp_clip.index; -1: the middle of the
     * source. If the files of a folder have numbers and this one is missing, the window starts with
     * the next number that exists, and a warning says so. */
    int64_t start;
    int stride; /* distance between frames; 0: the model's frame_stride */
    /* The window starts with the frame that is shown at `seconds`, counted from the first frame. */
    bool by_time;
    double seconds;
    /* Of `windows` windows that are spread evenly over the source, number `window`, from 0; then
     * the fields above do not count.  Below 2: only one window. */
    int windows, window;
    /* The frames are spread over the source, or over its part that begins as said above and has
     * `part_frames` frames or `part_seconds` seconds (0: it ends with the source; start -1: it
     * begins with it): cfp_uniform_place.  `stride` and `windows` do not count. */
    bool uniform;
    int64_t part_frames;
    double part_seconds;
    bool unhashed; /* nobody asks for cfp_clip.sha256 */
    bool by_place; /* start is a place, from 0, even where names have numbers */
    int track;     /* the video track, from 1; 0: the first, with a warning if there are several */
} cfp_sampling;

typedef struct cfp_clip {
    char *path;
    char sha256[65]; /* of the file; for a folder: of the sampled files' bytes in clip order */
    int frames, height, width;
    uint8_t *rgb; /* frames x height x width x 3; optical flow: u, v, 128 */
    bool lent;    /* rgb belongs to the caller of cfp_clip_open_in */
    bool numbers; /* floats lie behind rgb (cfp_input_floats), and rgb only shows them */
    int channels; /* of the model's input */
    bool given;   /* made of frames in memory; path is only a name for messages */
    /* [frames] the number of each frame in the source: the number in the file's name where names
     * have one (numbered.h), else the place, from 0. */
    int32_t *index;
    int32_t place; /* of the first frame, from 0; equals index[0] where names have no numbers */
    int track;     /* as requested */
    double fps;    /* average rate of the source; 0 where it has none (folders, arrays) */
    int stride;    /* distance between the sampled frames in the source; uniform: the mean one */
    bool looped;   /* the source was shorter than the window */
    /* The frames are spread over the `part_frames` places from `part_first` on. */
    bool uniform;
    int64_t part_first, part_frames;
    int64_t source_frames;
    int source_width, source_height; /* as displayed: after rotation */
    /* Column u of the crop lies at x = left + (u + 0.5) * step_x - 0.5 in pixels of the source. */
    double left, top, step_x, step_y;
} cfp_clip;

/* Reads a clip for the model input `spec`: RGB frames where it has 3 channels, optical flow where
 * it has 2 (only arrays of T x H x W x 2 hold flow).  Where spec->numbers is set, an array of T x H
 * x W x channels is read; for one channel also T x H x W, and pictures, which become grey.
 *
 * Errors: CFP_IO, CFP_FORMAT (broken or empty source), CFP_USAGE (start is behind the end,
 * or is a time and the source has none; the message starts with "--start: "), CFP_UNSUPPORTED,
 * CFP_NOMEM.  Other messages start with the path. On failure *out is empty.
 *
 * Warnings are logged if the source is too short (it is looped), if it is damaged (the frames that
 * decode are used), and if the resized frame would not cover the crop (it is enlarged).  Details
 * are in geometry.h, frame_rgb.h and at the top of each source_NAME.c. */
CFP_CHECKED cfp_status cfp_clip_open(cfp_clip *out, cfp_ctx *ctx, const char *path,
                                     const cfp_input_spec *spec, const cfp_sampling *sampling);
/* The same, but the frames are written to `buffer`, which has cfp_clip_bytes(spec) bytes.  It
 * belongs to the caller and must live longer than the clip. */
CFP_CHECKED cfp_status cfp_clip_open_in(cfp_clip *out, cfp_ctx *ctx, const char *path,
                                        const cfp_input_spec *spec, const cfp_sampling *sampling,
                                        uint8_t *buffer);
/* Frames in memory.  The caller keeps them. */
typedef struct cfp_frames {
    const uint8_t *pixels; /* count x height x width x 3 (RGB), or x 2 (u, v) where the model reads
                              optical flow, or x its channels where it reads numbers */
    int64_t count;
    int height, width;
    double fps; /* 0: unknown */
} cfp_frames;

/* As cfp_clip_open, but from frames in memory.  `name` takes the place of the path in messages. */
CFP_CHECKED cfp_status cfp_clip_from_frames(cfp_clip *out, cfp_ctx *ctx, const char *name,
                                            const cfp_frames *frames, const cfp_input_spec *spec,
                                            const cfp_sampling *sampling);
/* The numbers of the frames of a source, as cfp_sampling.start and cfp_clip.index have them, in
 * ascending order.  Nothing is decoded: this is quick for folders, tars and frames.db.  *number is
 * NULL if frames are numbered by their place, from 0; *frames is 0 if their number is only known
 * after decoding (a video).  The caller frees *number with cfp_free.  Statuses as cfp_clip_open. */
CFP_CHECKED cfp_status cfp_clip_numbers(int64_t **number, int64_t *frames, cfp_ctx *ctx,
                                        const char *path);
size_t cfp_clip_bytes(const cfp_input_spec *spec); /* of rgb */
void cfp_clip_free(cfp_clip *clip);

/* Writes what the network reads (cfp_input_normalise), the channels in the order RGB or BGR of
 * `spec`.  Two channels are red and green. */
void cfp_clip_normalise(float *out, const cfp_clip *clip, const cfp_input_spec *spec);

/* The places of the frames that are sampled from a source of `source_frames` frames (SPEC
 * "Sampling").  A window spans (frames - 1) * stride + 1 frames.  A centred one starts at
 * (source_frames - span) / 2, rounded down.  A source that is too short is looped.  CFP_USAGE if
 * `start` lies outside the source. */
CFP_CHECKED cfp_status cfp_sample_indices(int32_t *index, bool *looped, cfp_ctx *ctx, int frames,
                                          int stride, int64_t start, int64_t source_frames);
/* Uniform sampling: the place of frame i of `frames`, from 0, of a part of `part_frames` frames.
 * The part is cut into `frames` segments of equal length.  The frame is the one in the middle of
 * segment i: floor((i + 1/2) * part_frames / frames).  TSN's test code does so, and SampleFrames of
 * mmaction2 with clip_len 1 and test_mode.  A part of fewer frames shows some of them twice. */
int64_t cfp_uniform_place(int i, int frames, int64_t part_frames);
/* The place where window number `window` of `windows` begins: the first at the start of the source,
 * the last so that it ends with it, the others evenly between; a single one in the middle.  A
 * window spans (frames - 1) * stride + 1 frames. */
int64_t cfp_window_start(int64_t source_frames, int frames, int stride, int windows, int window);
