/* clip_source.h - the interface of a kind of clip (a video, a folder, an array ...); private to
 * host/clip/.
 *
 * clip.c lists the frames it wants.  The source goes through its file once and passes each wanted
 * frame to a sink, which resizes it at once.  So no source holds more than one frame.  The length
 * of a video is known only after decoding; the same pass through the file finds it. To add a kind:
 * write source_NAME.c, declare its row below, and add the row to the table in clip.c.
 */
#pragma once
#include "../base/base.h"
#include "../base/hash.h"

/* The largest side and the most pixels of a frame (8K video has 2^25 pixels).  A file that claims
 * more is taken for broken, and refused before memory is allocated. */
#define CFP_MAX_FRAME_SIDE (1 << 16)
#define CFP_MAX_FRAME_PIXELS (1 << 27)

typedef struct cfp_image { /* as displayed: rotated, without gaps between rows */
    int width, height;
    uint8_t *rgb;        /* height x width x 3 */
    const float *values; /* height x width x channels, in the place of rgb; of clips of numbers */
} cfp_image;

typedef struct cfp_sink {
    cfp_status (*take)(void *cookie, cfp_ctx *ctx, int32_t frame, const cfp_image *image);
    void *cookie;
} cfp_sink;

typedef struct cfp_path_facts { /* what is known of a path before its kind is chosen */
    const char *path;
    int error; /* errno of stat; 0: it exists */
    bool is_folder;
    int head_bytes;
    uint8_t head[16]; /* the first bytes of a file */
} cfp_path_facts;

typedef struct cfp_source {
    const struct cfp_source_kind *kind;
    const char *path; /* belongs to the caller */
    int channels;     /* of the model's input: 3 (red, green, blue) or 2 (optical flow); of numbers
                       * any */
    bool numbers;     /* arrays give cfp_image.values; of one channel, pictures will do as well */
    bool bytes;       /* the numbers are bytes, 0 to 255; true until `open` says otherwise */
    bool slices_along_z; /* see cfp_input_spec */
    int64_t frames;      /* their number; if !exact, a guess from the header, or 0: unknown */
    bool exact;
    /* [frames] the frames' own numbers, ascending; NULL: a frame's number is its place, from 0.
     * Belongs to the kind. */
    const int64_t *number;
    int track;  /* the video track to read, from 1; 0: the first */
    double fps; /* average; 0 where frames have no times */
    /* [frames] from when on each frame is shown, in seconds from the first one on, ascending; NULL:
     * fps says it.  Belongs to the kind. */
    const double *time;
    double seconds;                 /* where `time` is known: when the last frame ends */
    const struct cfp_frames *given; /* of cfp_source_memory */
    void *state;                    /* belongs to the kind */
} cfp_source;

typedef struct cfp_source_kind {
    const char *name;
    bool flow;   /* an array: may hold optical flow (2 channels), and numbers */
    bool tracks; /* may hold several video tracks */
    bool (*matches)(const cfp_path_facts *facts);
    /* Sets frames, exact, fps, state.  close is called afterwards, whether open fails or not. */
    CFP_CHECKED cfp_status (*open)(cfp_source *source, cfp_ctx *ctx);
    /* Passes the frames wanted[0..n_wanted) to the sink, in ascending order.  Frames behind the end
     * are left out.  Afterwards source->frames is right; if `exact` was true and is false now, it
     * has changed, and the frames that were passed count for nothing.  May be called again. */
    CFP_CHECKED cfp_status (*read)(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted,
                                   int n_wanted, const cfp_sink *sink);
    /* Adds the stored bytes of one frame to the sum; NULL: the sum is that of the file. */
    CFP_CHECKED cfp_status (*digest)(cfp_source *source, cfp_ctx *ctx, cfp_sha256 *sum,
                                     int32_t frame);
    void (*close)(cfp_source *source); /* accepts a state that is NULL or incomplete */
} cfp_source_kind;

extern const cfp_source_kind cfp_source_db, cfp_source_folder, cfp_source_npy, cfp_source_h5,
    cfp_source_image, cfp_source_memory, cfp_source_nifti, cfp_source_tar, cfp_source_tiff,
    cfp_source_video;

/* CFP_FORMAT unless frames x height x width x 3 is within the limits above and of int32. */
CFP_CHECKED cfp_status cfp_source_check_size(cfp_ctx *ctx, const char *path, int64_t frames,
                                             int64_t height, int64_t width);
/* For messages: what shape an array must have, "a clip is T x H x W x 3", and why. */
const char *cfp_source_axes(int channels, int64_t given);
/* The same for numbers: sets a message that begins with what is there. */
CFP_CHECKED cfp_status cfp_source_refuse_shape(cfp_ctx *ctx, const cfp_source *source,
                                               const char *there);
/* Optical flow is kept as pictures: u in red, v in green, 128 (no motion) in blue.  A source reads
 * its bytes to cfp_source_bytes(); for flow these are u, v of each pixel.  cfp_source_spread then
 * turns them into red, green, blue in place.  For RGB it does nothing. */
uint8_t *cfp_source_bytes(const cfp_image *image, int channels);
void cfp_source_spread(const cfp_image *image, int channels);
/* True if the path ends in this suffix, in upper or lower case. */
bool cfp_has_suffix(const char *path, const char *suffix);
