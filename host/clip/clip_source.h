/* clip_source.h - what a kind of clip must answer, one row a kind; private to host/clip/.
 *
 * A source pushes: clip.c says which frames it wants, the source walks through its file once and
 * hands each wanted frame to a sink, which resizes it at once.  So no source ever holds more than
 * one frame.  A video does not know its length before it has been decoded; the same walk tells.
 * To add a kind: source_NAME.c, its row declared below, one line in the table of clip.c. */
#pragma once
#include "../base/base.h"
#include "../base/hash.h"

/* No side and no frame of a source is larger (8K video has 2^25 pixels): what claims more is
 * broken, and is refused before memory is asked for. */
#define CFP_MAX_FRAME_SIDE (1 << 16)
#define CFP_MAX_FRAME_PIXELS (1 << 27)

typedef struct cfp_image { /* as displayed, rows without gaps */
    int width, height;
    uint8_t *rgb; /* height x width x 3 */
} cfp_image;

typedef struct cfp_sink {
    cfp_status (*take)(void *cookie, cfp_ctx *ctx, int32_t frame, const cfp_image *image);
    void *cookie;
} cfp_sink;

typedef struct cfp_path_facts { /* what a path is, before anything is opened */
    const char *path;
    int error; /* errno of stat; 0: it exists */
    bool is_folder;
    int head_bytes;
    uint8_t head[16]; /* the first bytes of a file */
} cfp_path_facts;

typedef struct cfp_source {
    const struct cfp_source_kind *kind;
    const char *path; /* the caller's */
    int channels;     /* that the model reads: 3 (red, green, blue) or 2 (optical flow) */
    int64_t frames;   /* how many there are; where !exact a guess from the header, 0: none */
    bool exact;
    /* [frames] what the source itself calls its frames, ascending; NULL: a frame's number is its
     * place, from 0.  The kind's own. */
    const int64_t *number;
    int track;                      /* the video track that is asked for, from 1; 0: the first */
    double fps;                     /* average; 0 where the kind has no time */
    const struct cfp_frames *given; /* of cfp_source_memory */
    void *state;                    /* the kind's own */
} cfp_source;

typedef struct cfp_source_kind {
    const char *name;
    bool flow;   /* can hold optical flow: clips of 2 channels */
    bool tracks; /* can hold several video tracks */
    bool (*matches)(const cfp_path_facts *facts);
    /* Sets frames, exact, fps, state.  close is called afterwards whatever open returns. */
    CFP_CHECKED cfp_status (*open)(cfp_source *source, cfp_ctx *ctx);
    /* Hands over frames wanted[0..n_wanted), each once and ascending; those behind the end are
     * left out.  Afterwards frames is exact.  May be called again. */
    CFP_CHECKED cfp_status (*read)(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted,
                                   int n_wanted, const cfp_sink *sink);
    /* Adds the stored bytes of one frame to the sum; NULL: the sum is that of the file. */
    CFP_CHECKED cfp_status (*digest)(cfp_source *source, cfp_ctx *ctx, cfp_sha256 *sum,
                                     int32_t frame);
    void (*close)(cfp_source *source); /* accepts a state that is NULL or half made */
} cfp_source_kind;

extern const cfp_source_kind cfp_source_db, cfp_source_folder, cfp_source_npy, cfp_source_h5,
    cfp_source_image, cfp_source_memory, cfp_source_tiff, cfp_source_video;

/* Frames x height x width x 3 within the limits above and int32?  Else CFP_FORMAT. */
CFP_CHECKED cfp_status cfp_source_check_size(cfp_ctx *ctx, const char *path, int64_t frames,
                                             int64_t height, int64_t width);
/* What an array must be: for messages, "a clip is T x H x W x 3" and why. */
const char *cfp_source_axes(int channels, int64_t given);
/* Optical flow is kept as pictures: u in red, v in green, blue 128 (no motion).  In place: the
 * bytes u, v of each pixel, read to cfp_source_bytes(), become red, green, blue.  Nothing to do for
 * RGB. */
uint8_t *cfp_source_bytes(const cfp_image *image, int channels);
void cfp_source_spread(const cfp_image *image, int channels);
/* The path ends in this suffix, whatever its case. */
bool cfp_has_suffix(const char *path, const char *suffix);
