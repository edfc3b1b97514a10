/* clip.h - frames for a model: any source of SPEC "CLIP" -> sampled, resized, cropped, uint8 RGB.
 *
 * What a clip holds is exactly what is shown, written and fed (SPEC "Geometry"); only the last
 * step, (v/scale - mean)/std, is left to cfp_clip_normalise.  Sources are rows of a table in
 * clip.c; adding one is one file source_NAME.c and one row. */
#pragma once
#include "../model/model.h"

typedef struct cfp_sampling {
    /* The first frame's number, as cfp_clip.index gives it; -1: the window is centred.  Where the
     * names of a folder's files carry numbers and this one is missing, the window starts with the
     * next that is there, and a warning says so. */
    int64_t start;
    int stride;    /* frames apart; 0: the model's frame_stride */
    bool by_place; /* start counts from 0, whatever numbers names carry */
    int track;     /* of a video with several: which one, from 1; 0: the first, with a warning */
} cfp_sampling;

typedef struct cfp_clip {
    char *path;
    char sha256[65]; /* of the file; of a folder: of the sampled files' bytes in clip order */
    int frames, height, width;
    uint8_t *rgb; /* frames x height x width x 3; optical flow: u, v, 128 */
    bool lent;    /* rgb is not the clip's: see cfp_clip_open_in */
    bool given;   /* made of frames in memory: path is only what it is called */
    /* [frames] numbers in the source: those in the names of a folder's files, where names have one
     * (numbered.h); else places, from 0. */
    int32_t *index;
    int32_t place; /* of the first frame, from 0; equals index[0] where names have no numbers */
    int track;     /* as asked for */
    double fps;    /* of the source (average rate); 0 where it has none (folders, arrays) */
    int stride;    /* frames apart in the source, as sampled */
    bool looped;   /* the source was shorter than the window */
    int64_t source_frames;
    int source_width, source_height; /* as displayed: after rotation */
    /* Where the crop lies in the source, in source pixels: x = left + (u + 0.5) * step_x - 0.5 */
    double left, top, step_x, step_y;
} cfp_clip;

/* Reads a clip for `spec`: RGB where it has 3 channels, optical flow where it has 2 (arrays of
 * T x H x W x 2 only); other counts are refused.  Failures: CFP_IO, CFP_FORMAT (broken or empty
 * source), CFP_USAGE (start behind the end; the message starts with "--start: "), CFP_UNSUPPORTED,
 * CFP_NOMEM; the message starts with the path.  On failure *out is empty.  Warnings are logged
 * where a source is too short and looped, where it is damaged (what decodes is used), and where its
 * shape does not let the resized frame cover the crop (it is resized further).  geometry.h,
 * frame_rgb.h and the head of each source_NAME.c say the rest. */
CFP_CHECKED cfp_status cfp_clip_open(cfp_clip *out, cfp_ctx *ctx, const char *path,
                                     const cfp_input_spec *spec, const cfp_sampling *sampling);
/* The same, with its frames in `room` for cfp_clip_bytes(spec), which stays the caller's and
 * outlives the clip. */
CFP_CHECKED cfp_status cfp_clip_open_in(cfp_clip *out, cfp_ctx *ctx, const char *path,
                                        const cfp_input_spec *spec, const cfp_sampling *sampling,
                                        uint8_t *room);
/* Frames in memory, which stay the caller's. */
typedef struct cfp_frames {
    const uint8_t *pixels; /* count x height x width x 3 (RGB), or x 2 (u, v) where the model reads
                              optical flow */
    int64_t count;
    int height, width;
    double fps; /* 0: unknown */
} cfp_frames;

/* The same of frames in memory; `name` takes the place of the path. */
CFP_CHECKED cfp_status cfp_clip_from_frames(cfp_clip *out, cfp_ctx *ctx, const char *name,
                                            const cfp_frames *frames, const cfp_input_spec *spec,
                                            const cfp_sampling *sampling);
size_t cfp_clip_bytes(const cfp_input_spec *spec); /* of rgb */
void cfp_clip_free(cfp_clip *clip);

/* What the network reads: out is 1 x channels x frames x height x width, plain; channel order
 * RGB or BGR as `spec` says, (v/scale - mean)/std; of 2 channels red and green.  More than 3, which
 * no clip has (bench makes its own frames), start again with the first. */
void cfp_clip_normalise(float *out, const cfp_clip *clip, const cfp_input_spec *spec);

/* The frame numbers that are sampled from a source of `source_frames` (SPEC "Sampling"): centred
 * window start = (source_frames - span) / 2 rounded down with span = (frames - 1) * stride + 1,
 * looped where too short.  CFP_USAGE where start lies outside the source. */
CFP_CHECKED cfp_status cfp_sample_indices(int32_t *index, bool *looped, cfp_ctx *ctx, int frames,
                                          int stride, int64_t start, int64_t source_frames);
