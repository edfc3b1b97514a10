/* clip.c - reads the frames that a model sees from a path: finds the kind of source, chooses the
 * frames, and resizes each frame as the source delivers it.
 *
 * The length of a video is a guess until the video has been decoded.  So clip.c samples by the
 * guess, reads, and samples again by the length that reading found.  If the guess was right, which
 * is usual, that is all.  If not, the wanted frames are read in a second pass. */
#include "clip.h"
#include "../base/infile.h"
#include "clip_list.h"
#include "clip_source.h"
#include "geometry.h"
#include "other_files.h"
#include "values.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The first kind that matches a path reads it.  The last one matches any file. */
static const cfp_source_kind *const kinds[] = {
    &cfp_source_db,  &cfp_source_folder, &cfp_source_npy,   &cfp_source_h5,    &cfp_source_nifti,
    &cfp_source_tar, &cfp_source_tiff,   &cfp_source_image, &cfp_source_video,
};

typedef struct opening { /* the state of one cfp_clip_open */
    cfp_clip *clip;
    const cfp_input_spec *spec;
    const cfp_frames *given; /* NULL: the path leads to the source */
    const cfp_sampling *sampling;
    cfp_source source;
    int32_t *wanted; /* [n_wanted] the sampled places, ascending, each once; memory for [frames] */
    int n_wanted;
    int32_t *index; /* [frames] as sampled by the true length */
    uint8_t *have;  /* [frames] 1: this frame of the clip has been read */
    bool enlarged;  /* see cfp_geometry */
} opening;

bool cfp_has_suffix(const char *path, const char *suffix)
{
    const size_t a = strlen(path), b = strlen(suffix);
    return a >= b && strcasecmp(path + a - b, suffix) == 0;
}

cfp_status cfp_source_check_size(cfp_ctx *ctx, const char *path, int64_t frames, int64_t height,
                                 int64_t width)
{
    if (frames < 1 || height < 1 || width < 1)
        return cfp_fail(ctx, CFP_FORMAT, "%s: it is empty: %lld frames of %lld x %lld", path,
                        (long long)frames, (long long)width, (long long)height);
    if (frames > INT32_MAX || height > CFP_MAX_FRAME_SIDE || width > CFP_MAX_FRAME_SIDE ||
        height * width > CFP_MAX_FRAME_PIXELS)
        return cfp_fail(ctx, CFP_FORMAT,
                        "%s: %lld frames of %lld x %lld: larger than any clip (limits: a side of "
                        "%d, %d pixels)",
                        path, (long long)frames, (long long)width, (long long)height,
                        CFP_MAX_FRAME_SIDE, CFP_MAX_FRAME_PIXELS);
    return CFP_OK;
}

cfp_status cfp_sample_indices(int32_t *index, bool *looped, cfp_ctx *ctx, int frames, int stride,
                              int64_t start, int64_t source_frames)
{
    if (frames < 1 || stride < 1)
        return cfp_fail(ctx, CFP_USAGE, "--stride: %d: frames are at least 1 apart", stride);
    if (start < -1 || start >= source_frames || source_frames < 1)
        return cfp_fail(ctx, CFP_USAGE, "--start: %lld is not in the source, which has %lld frames",
                        (long long)start, (long long)source_frames);
    const int64_t span = (int64_t)(frames - 1) * stride + 1;
    if (start == -1)
        start = source_frames > span ? (source_frames - span) / 2 : 0;
    *looped = start + span > source_frames;
    for (int i = 0; i < frames; i++)
        index[i] = (int32_t)((start + (int64_t)i * stride) % source_frames);
    return CFP_OK;
}

int64_t cfp_window_start(int64_t source_frames, int frames, int stride, int windows, int window)
{
    const int64_t span = (int64_t)(frames - 1) * stride + 1;
    const int64_t room = source_frames > span ? source_frames - span : 0;
    return windows > 1 ? room * window / (windows - 1) : room / 2;
}

int64_t cfp_uniform_place(int i, int frames, int64_t part_frames)
{
    return (2 * (int64_t)i + 1) * part_frames / (2 * (int64_t)frames);
}

const char *cfp_source_axes(int channels, int64_t given)
{
    if (channels == 2)
        return "the model reads optical flow: T x H x W x 2 (u, v)";
    return given == 2 ? "a clip is T x H x W x 3; the model does not read optical flow (u, v)"
                      : "a clip is T x H x W x 3";
}

cfp_status cfp_source_refuse_shape(cfp_ctx *ctx, const cfp_source *source, const char *there)
{
    if (source->channels == 1)
        return cfp_fail(ctx, CFP_SHAPE,
                        "%s: %s; the model reads one channel: T x H x W, or T x H x W x 1",
                        source->path, there);
    return cfp_fail(ctx, CFP_SHAPE, "%s: %s; the model reads %d channels: T x H x W x %d",
                    source->path, there, source->channels, source->channels);
}

uint8_t *cfp_source_bytes(const cfp_image *image, int channels)
{
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    return image->rgb + (3 - (size_t)channels) * pixels; /* the end of the memory for RGB */
}

void cfp_source_spread(const cfp_image *image, int channels)
{
    if (channels == 3)
        return;
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    const uint8_t *from = cfp_source_bytes(image, channels);
    for (size_t p = 0; p < pixels; p++) { /* writing never overtakes reading */
        const uint8_t u = from[2 * p], v = from[2 * p + 1];
        image->rgb[3 * p] = u;
        image->rgb[3 * p + 1] = v;
        image->rgb[3 * p + 2] = 128;
    }
}

static cfp_status look_at(cfp_path_facts *facts, cfp_ctx *ctx, const char *path)
{
    *facts = (cfp_path_facts){.path = path};
    struct stat status;
    if (stat(path, &status) != 0) {
        facts->error = errno; /* the path may still be a video in a frames.db: see source_db.c */
        return CFP_OK;
    }
    facts->is_folder = S_ISDIR(status.st_mode);
    if (facts->is_folder)
        return CFP_OK;
    if (!S_ISREG(status.st_mode))
        return cfp_fail(ctx, CFP_IO, "%s: neither a file nor a folder", path);
    FILE *file;
    CFP_TRY(cfp_infile_open(&file, ctx, path));
    facts->head_bytes = (int)fread(facts->head, 1, sizeof facts->head, file);
    fclose(file);
    if (facts->head_bytes == 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: the file is empty", path);
    return CFP_OK;
}

static cfp_status open_given(cfp_source *source, cfp_ctx *ctx, const char *name,
                             const cfp_input_spec *spec, int track, const cfp_frames *given)
{
    *source = (cfp_source){.kind = &cfp_source_memory,
                           .path = name,
                           .channels = spec->channels,
                           .numbers = spec->numbers,
                           .bytes = true,
                           .given = given};
    if (track > 1)
        return cfp_fail(ctx, CFP_USAGE, "--track: %d: %s is no video with tracks", track, name);
    return source->kind->open(source, ctx);
}

/* Flow and numbers lie in arrays.  A network of one channel also sees pictures, in grey. */
static cfp_status check_kind(cfp_ctx *ctx, const cfp_source_kind *kind, const char *path,
                             const cfp_input_spec *spec)
{
    if (kind->flow || (spec->numbers ? spec->channels == 1 : spec->channels == 3))
        return CFP_OK;
    if (spec->numbers)
        return cfp_fail(ctx, CFP_UNSUPPORTED,
                        "%s: not an array: the model reads %d channels of numbers, from an .npy or "
                        ".h5 of T x H x W x %d",
                        path, spec->channels, spec->channels);
    return cfp_fail(ctx, CFP_UNSUPPORTED,
                    "%s: not an array: the model reads optical flow, from an .npy or .h5 of "
                    "T x H x W x 2 (u, v as bytes, 128 no motion)",
                    path);
}

static cfp_status find_source(cfp_source *source, cfp_ctx *ctx, const char *path,
                              const cfp_input_spec *spec, int track)
{
    cfp_path_facts facts;
    CFP_TRY(look_at(&facts, ctx, path));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i]->matches(&facts)) {
            *source = (cfp_source){.kind = kinds[i],
                                   .path = path,
                                   .channels = spec->channels,
                                   .numbers = spec->numbers,
                                   .bytes = true,
                                   .slices_along_z = spec->slices_along_z,
                                   .track = track};
            if (track > 1 && !kinds[i]->tracks)
                return cfp_fail(ctx, CFP_USAGE, "--track: %d: %s is no video with tracks", track,
                                path);
            CFP_TRY(check_kind(ctx, kinds[i], path, spec));
            if (kinds[i] == &cfp_source_video && cfp_other_file(&facts) != NULL)
                return cfp_fail(ctx, CFP_FORMAT, "%s: %s", path, cfp_other_file(&facts));
            return source->kind->open(source, ctx);
        }
    if (cfp_is_url(path))
        return cfp_fail(ctx, CFP_IO, "%s: is a URL: download the clip first, and give its path",
                        path);
    return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(facts.error));
}

cfp_status cfp_clip_numbers(int64_t **number, int64_t *frames, cfp_ctx *ctx, const char *path)
{
    cfp_source source = {0};
    *number = NULL;
    const cfp_input_spec colours = {.channels = 3};
    cfp_status status = find_source(&source, ctx, path, &colours, 0);
    *frames = source.exact ? source.frames : 0;
    if (status == CFP_OK && source.number != NULL) {
        *number = cfp_alloc(ctx, (size_t)source.frames, sizeof **number);
        if (*number == NULL)
            status = CFP_NOMEM;
        else
            memcpy(*number, source.number, (size_t)source.frames * sizeof **number);
    }
    if (source.kind != NULL)
        source.kind->close(&source);
    return status;
}

/* The sink: resizes a frame of the source into each place of the clip that shows it. */
static cfp_status take_frame(void *cookie, cfp_ctx *ctx, int32_t frame, const cfp_image *image)
{
    opening *o = cookie;
    cfp_clip *clip = o->clip;
    const size_t frame_bytes = (size_t)clip->height * (size_t)clip->width * 3;
    cfp_geometry geometry;
    CFP_TRY(cfp_geometry_plan(&geometry, ctx, image, o->spec));
    o->enlarged |= geometry.enlarged;

    const uint8_t *done = NULL;
    for (int i = 0; i < clip->frames; i++) {
        if (clip->index[i] != frame)
            continue;
        uint8_t *out = clip->rgb + frame_bytes * (size_t)i;
        if (clip->numbers)
            CFP_TRY(cfp_values_take(clip, ctx, o->spec, i, image, &geometry));
        else if (done != NULL)
            memcpy(out, done, frame_bytes);
        else
            CFP_TRY(cfp_geometry_apply(out, ctx, image, &geometry, clip->width, clip->height));
        done = out;
        o->have[i] = 1;
    }
    if (frame == clip->index[0]) {
        clip->source_width = image->width;
        clip->source_height = image->height;
        clip->step_x = (double)image->width / geometry.resized_width;
        clip->step_y = (double)image->height / geometry.resized_height;
        clip->left = geometry.left * clip->step_x;
        clip->top = geometry.top * clip->step_y;
    }
    return CFP_OK;
}

static int compare_int32(const void *left, const void *right)
{
    const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

static void find_wanted(opening *o)
{
    const int frames = o->clip->frames;
    memcpy(o->wanted, o->clip->index, (size_t)frames * sizeof *o->wanted);
    qsort(o->wanted, (size_t)frames, sizeof *o->wanted, compare_int32);
    o->n_wanted = 0;
    for (int i = 0; i < frames; i++)
        if (i == 0 || o->wanted[i] != o->wanted[o->n_wanted - 1])
            o->wanted[o->n_wanted++] = o->wanted[i];
    memset(o->have, 0, (size_t)frames);
}

/* Reads the frames of clip->index in one pass through the source. */
static cfp_status read_sampled(opening *o, cfp_ctx *ctx)
{
    const cfp_sink sink = {take_frame, o};
    find_wanted(o);
    CFP_TRY(o->source.kind->read(&o->source, ctx, o->wanted, o->n_wanted, &sink));
    cfp_progress(ctx, "decode", o->n_wanted, o->n_wanted); /* or all that follows counts as part */
    return CFP_OK;
}

/* Finds the place of the frame number that --start gives.  Numbers ascend. */
static cfp_status find_start(int64_t *start, const cfp_source *source, cfp_ctx *ctx)
{
    if (source->number == NULL || *start < 0)
        return CFP_OK;
    const int64_t asked = *start;
    int64_t place = 0;
    while (place < source->frames && source->number[place] < asked)
        place++;
    if (place == source->frames)
        return cfp_fail(ctx, CFP_USAGE,
                        "--start: %lld is not in the source, whose frames have the numbers %lld to "
                        "%lld",
                        (long long)asked, (long long)source->number[0],
                        (long long)source->number[source->frames - 1]);
    if (source->number[place] != asked)
        cfp_log(ctx, CFP_LOG_WARNING,
                "%s: no frame has the number %lld of --start: the window starts with number %lld",
                source->path, (long long)asked, (long long)source->number[place]);
    *start = place;
    return CFP_OK;
}

static cfp_status fail_behind_end(cfp_ctx *ctx, double asked, double length)
{
    return cfp_fail(ctx, CFP_USAGE,
                    "--start: %.6gs is behind the end of the clip, which is %.6g s long", asked,
                    length);
}

/* Finds the place of the frame that is shown at the time that --start gives. */
static cfp_status find_time(int64_t *start, const cfp_source *source, cfp_ctx *ctx, double asked)
{
    const double slack = 1e-6; /* times are typed with so many digits */
    if (source->time == NULL && source->fps <= 0)
        return cfp_fail(
            ctx, CFP_USAGE,
            "--start: %.6gs: the frames of %s have no times: give the number of a frame", asked,
            source->path);
    const double length =
        source->time != NULL ? source->seconds : (double)source->frames / source->fps;
    if (asked >= length)
        return fail_behind_end(ctx, asked, length);
    if (source->time == NULL) {
        *start = (int64_t)((asked + slack) * source->fps);
        if (*start >= source->frames)
            *start = source->frames - 1;
        return CFP_OK;
    }
    int64_t low = 0, high = source->frames; /* the last one that is shown by then */
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (source->time[middle] <= asked + slack)
            low = middle;
        else
            high = middle;
    }
    *start = low;
    return CFP_OK;
}

/* The place of the first frame, or -1: centred.  The length of the source may be a guess. */
static cfp_status choose_start(int64_t *start, const opening *o, cfp_ctx *ctx)
{
    const cfp_sampling *sampling = o->sampling;
    *start = sampling->start;
    if (sampling->windows > 1 && !sampling->uniform)
        *start = cfp_window_start(o->source.frames, o->clip->frames, o->clip->stride,
                                  sampling->windows, sampling->window);
    else if (sampling->by_time)
        return find_time(start, &o->source, ctx, sampling->seconds);
    else if (!sampling->by_place)
        return find_start(start, &o->source, ctx);
    return CFP_OK;
}

/* The place behind the part of the source over which the frames are spread. */
static cfp_status find_part_end(int64_t *end, const opening *o, cfp_ctx *ctx, int64_t first)
{
    /* A frame that is first shown where the part ends is not in it; times are rounded. */
    const double nearly = 1e-3;
    const cfp_source *source = &o->source;
    const cfp_sampling *sampling = o->sampling;
    const double stop = sampling->seconds + sampling->part_seconds - nearly;
    const double length = source->time != NULL ? source->seconds
                          : source->fps > 0    ? (double)source->frames / source->fps
                                               : 0;
    *end = source->frames;
    if (sampling->by_time && sampling->part_seconds > 0 && stop < length) {
        CFP_TRY(find_time(end, source, ctx, stop));
        ++*end;
    } else if (!sampling->by_time && sampling->part_frames > 0) {
        const bool numbered = source->number != NULL && !sampling->by_place;
        const int64_t past = (numbered ? sampling->start : first) + sampling->part_frames;
        int64_t place = first;
        while (place < source->frames && (numbered ? source->number[place] : place) < past)
            place++;
        *end = place;
    }
    if (*end <= first)
        *end = first + 1;
    return CFP_OK;
}

/* Spreads the frames over the part of the source that begins at `first`. */
static cfp_status sample_uniformly(int32_t *index, opening *o, cfp_ctx *ctx, int64_t first)
{
    cfp_clip *clip = o->clip;
    int64_t end;
    CFP_TRY(find_part_end(&end, o, ctx, first));
    const int64_t part = end - first;
    for (int i = 0; i < clip->frames; i++)
        index[i] = (int32_t)(first + cfp_uniform_place(i, clip->frames, part));
    clip->part_first = first;
    clip->part_frames = part;
    clip->stride = cfp_max_int(1, (int)((part + clip->frames / 2) / clip->frames));
    return CFP_OK;
}

/* Replaces places by the source's own frame numbers. */
static void name_frames(cfp_clip *clip, const cfp_source *source)
{
    clip->place = clip->index[0];
    for (int i = 0; i < clip->frames && source->number != NULL; i++)
        clip->index[i] = (int32_t)source->number[clip->index[i]];
}

/* Samples by the length that is known.  A guess is of no use (*sampled false) if it is 0, less than
 * --start, or if a time is to be found; then frame 0 is read to find the length. */
static cfp_status sample(int32_t *index, bool *sampled, opening *o, cfp_ctx *ctx)
{
    const cfp_source *source = &o->source;
    int64_t start = 0;
    *sampled = source->exact || (source->frames > 0 && !o->sampling->by_time);
    if (*sampled)
        CFP_TRY(choose_start(&start, o, ctx));
    *sampled &= source->exact || start < source->frames;
    if (*sampled && o->sampling->uniform)
        return sample_uniformly(index, o, ctx, start < 0 ? 0 : start);
    return !*sampled ? CFP_OK
                     : cfp_sample_indices(index, &o->clip->looped, ctx, o->clip->frames,
                                          o->clip->stride, start, source->frames);
}

static cfp_status read_frames(opening *o, cfp_ctx *ctx)
{
    cfp_source *source = &o->source;
    cfp_clip *clip = o->clip;
    const size_t index_bytes = (size_t)clip->frames * sizeof *clip->index;
    for (bool done = false; !done;) {
        const bool sure = source->exact;
        bool sampled, again;
        CFP_TRY(sample(clip->index, &sampled, o, ctx));
        CFP_TRY(read_sampled(o, ctx));
        if (sure && source->exact)
            break;
        source->exact = true;
        CFP_TRY(sample(o->index, &again, o, ctx));
        done = sampled && memcmp(o->index, clip->index, index_bytes) == 0;
    }
    for (int i = 0; i < clip->frames; i++)
        if (!o->have[i])
            return cfp_fail(ctx, CFP_FORMAT, "%s: frame %d could not be read", clip->path,
                            (int)clip->index[i]);
    clip->source_frames = source->frames;
    clip->fps = source->fps;
    return CFP_OK;
}

static cfp_status hash_clip(opening *o, cfp_ctx *ctx)
{
    cfp_clip *clip = o->clip;
    cfp_source *source = &o->source;
    if (source->kind->digest == NULL)
        return cfp_sha256_file(clip->sha256, ctx, clip->path);
    cfp_sha256 *sum;
    CFP_TRY(cfp_sha256_open(&sum, ctx));
    cfp_status status = CFP_OK;
    for (int i = 0; i < clip->frames && status == CFP_OK; i++)
        status = source->kind->digest(source, ctx, sum, clip->index[i]);
    if (status == CFP_OK)
        cfp_sha256_finish(clip->sha256, sum);
    cfp_sha256_close(&sum);
    return status;
}

static cfp_status check_spec(cfp_ctx *ctx, const char *path, const cfp_input_spec *spec)
{
    if (!spec->numbers && spec->channels != 2 && spec->channels != 3)
        return cfp_fail(ctx, CFP_UNSUPPORTED,
                        "%s: the model reads %d channels; bytes give 3 (red, green, blue) or 2 "
                        "(optical flow)",
                        path, spec->channels);
    const bool resizes = spec->resize[0] != 0 || spec->resize[1] != 0;
    if (spec->frames < 1 || spec->height < 1 || spec->width < 1 || spec->resize_short < 0 ||
        (resizes && (spec->resize[0] < spec->height || spec->resize[1] < spec->width)))
        return cfp_fail(ctx, CFP_SHAPE, "%s: the model asks for %d frames of %d x %d", path,
                        spec->frames, spec->width, spec->height);
    return CFP_OK;
}

/* Fills *o and its clip.  The caller frees both. */
static cfp_status open_clip(opening *o, cfp_ctx *ctx, const char *path,
                            const cfp_sampling *sampling)
{
    const cfp_input_spec *spec = o->spec;
    cfp_clip *clip = o->clip;
    CFP_TRY(check_spec(ctx, path, spec));
    clip->numbers = spec->numbers;
    clip->channels = spec->channels;
    clip->frames = spec->frames;
    clip->height = spec->height;
    clip->width = spec->width;
    clip->stride = sampling->stride != 0 ? sampling->stride : cfp_max_int(1, spec->frame_stride);
    if ((clip->path = cfp_strdup(ctx, path)) == NULL)
        return CFP_NOMEM;
    CFP_TRY_ALLOC(ctx, clip->index, clip->frames);
    CFP_TRY_ALLOC(ctx, o->wanted, clip->frames);
    CFP_TRY_ALLOC(ctx, o->have, clip->frames);
    CFP_TRY_ALLOC(ctx, o->index, clip->frames);
    if (clip->rgb == NULL)
        CFP_TRY_ALLOC(ctx, clip->rgb, cfp_clip_bytes(spec));

    clip->track = sampling->track;
    clip->uniform = sampling->uniform;
    CFP_TRY(o->given != NULL ? open_given(&o->source, ctx, path, spec, sampling->track, o->given)
                             : find_source(&o->source, ctx, path, spec, sampling->track));
    o->sampling = sampling;
    CFP_TRY(read_frames(o, ctx));
    if (clip->numbers)
        cfp_values_finish(clip, spec, o->source.bytes);
    if (!sampling->unhashed)
        CFP_TRY(hash_clip(o, ctx));
    if (clip->uniform && clip->part_frames < clip->frames)
        cfp_log(ctx, CFP_LOG_WARNING, "%s: %lld frames, the model reads %d: some are shown twice",
                path, (long long)clip->part_frames, clip->frames);
    if (clip->looped)
        cfp_log(ctx, CFP_LOG_WARNING, "%s: %lld frames, the window needs %lld: looped", path,
                (long long)clip->source_frames,
                (long long)(clip->frames - 1) * clip->stride + 1 + cfp_max_int(0, clip->index[0]));
    if (o->enlarged)
        cfp_log(ctx, CFP_LOG_WARNING,
                "%s: frames of %d x %d with the short side resized to %d do not cover the crop of "
                "%d x %d: resized further",
                path, clip->source_width, clip->source_height, spec->resize_short, clip->width,
                clip->height);
    name_frames(clip, &o->source);
    return CFP_OK;
}

cfp_status cfp_clip_open(cfp_clip *out, cfp_ctx *ctx, const char *path, const cfp_input_spec *spec,
                         const cfp_sampling *sampling)
{
    return cfp_clip_open_in(out, ctx, path, spec, sampling, NULL);
}

/* o has the clip, the spec and, where there are any, the frames. */
static cfp_status open_and_close(opening *o, cfp_ctx *ctx, const char *path,
                                 const cfp_sampling *sampling)
{
    const cfp_status status = open_clip(o, ctx, path, sampling);
    if (o->source.kind != NULL)
        o->source.kind->close(&o->source);
    cfp_free(o->wanted);
    cfp_free(o->have);
    cfp_free(o->index);
    if (status != CFP_OK)
        cfp_clip_free(o->clip);
    return status;
}

cfp_status cfp_clip_open_in(cfp_clip *out, cfp_ctx *ctx, const char *path,
                            const cfp_input_spec *spec, const cfp_sampling *sampling,
                            uint8_t *buffer)
{
    *out = (cfp_clip){.rgb = buffer, .lent = buffer != NULL};
    opening o = {.clip = out, .spec = spec};
    return open_and_close(&o, ctx, path, sampling);
}

cfp_status cfp_clip_from_frames(cfp_clip *out, cfp_ctx *ctx, const char *name,
                                const cfp_frames *frames, const cfp_input_spec *spec,
                                const cfp_sampling *sampling)
{
    *out = (cfp_clip){.given = true};
    opening o = {.clip = out, .spec = spec, .given = frames};
    return open_and_close(&o, ctx, name, sampling);
}

size_t cfp_clip_bytes(const cfp_input_spec *spec)
{
    return cfp_input_bytes(spec);
}

void cfp_clip_free(cfp_clip *clip)
{
    cfp_free(clip->path);
    if (!clip->lent)
        cfp_free(clip->rgb);
    cfp_free(clip->index);
    *clip = (cfp_clip){0};
}

void cfp_clip_normalise(float *out, const cfp_clip *clip, const cfp_input_spec *spec)
{
    cfp_input_normalise(out, clip->rgb, spec);
}
