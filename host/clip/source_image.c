/* source_image.c - reads an image file as a clip.  The pages of a TIFF are frames.  A picture of
 * another kind is shown in every frame.
 *
 * An animated PNG or GIF is a video (source_video.c). */
#include "../base/infile.h"
#include "image_decode.h"
#include "pictures_inside.h"
#include "tiff_decode.h"
#include <string.h>
#include <sys/stat.h>

/* --- TIFF --- */

enum { READ_WHOLE = 1 << 26 }; /* files up to this size are read whole, larger ones by page */

typedef struct tiff_state {
    FILE *file;
    uint8_t *bytes;
    cfp_tiff *tiff;
} tiff_state;

static bool tiff_matches(const cfp_path_facts *facts)
{
    return facts->error == 0 && cfp_is_tiff(facts->head, (size_t)facts->head_bytes);
}

static cfp_status tiff_open(cfp_source *source, cfp_ctx *ctx)
{
    tiff_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    struct stat facts;
    size_t n_bytes = 0;
    if (stat(source->path, &facts) == 0 && facts.st_size <= READ_WHOLE)
        CFP_TRY(cfp_image_read_file(&state->bytes, &n_bytes, ctx, source->path));
    else
        CFP_TRY(cfp_infile_open(&state->file, ctx, source->path));
    CFP_TRY(cfp_tiff_open(&state->tiff, ctx, source->path, state->file, state->bytes, n_bytes));
    source->frames = cfp_tiff_pages(state->tiff);
    source->exact = true;
    return CFP_OK;
}

static cfp_status tiff_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                            const cfp_sink *sink)
{
    const tiff_state *state = source->state;
    for (int i = 0; i < n_wanted; i++) {
        const cfp_image *image;
        CFP_TRY(cfp_check_interrupt(ctx));
        cfp_progress(ctx, "decode", i, n_wanted);
        CFP_TRY(cfp_tiff_page(&image, state->tiff, ctx, wanted[i]));
        CFP_TRY(sink->take(sink->cookie, ctx, wanted[i], image));
    }
    return CFP_OK;
}

static void tiff_close(cfp_source *source)
{
    tiff_state *state = source->state;
    if (state == NULL)
        return;
    cfp_tiff_close(&state->tiff);
    if (state->file != NULL)
        fclose(state->file);
    cfp_free(state->bytes);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_tiff = {
    .name = "TIFF",
    .matches = tiff_matches,
    .open = tiff_open,
    .read = tiff_read,
    .close = tiff_close,
};

/* --- other pictures --- */

typedef struct image_state {
    cfp_image_decoder *decoder;
} image_state;

/* True for an animated PNG; its header says so before the first picture. */
static bool is_animated_png(const cfp_path_facts *facts)
{
    enum { LOOK = 1 << 16 };
    uint8_t bytes[LOOK];
    FILE *file = NULL;
    size_t n_bytes = 0;
    if (facts->head[0] == 0x89 && cfp_infile_open(&file, NULL, facts->path) == CFP_OK) {
        n_bytes = fread(bytes, 1, LOOK, file);
        fclose(file);
    }
    return n_bytes > 0 && cfp_pictures_inside(bytes, n_bytes) > 1;
}

/* Also looks at the name, because a video can begin like a picture (a series of JPEGs). */
static bool image_matches(const cfp_path_facts *facts)
{
    return facts->error == 0 && !facts->is_folder && cfp_is_image_name(facts->path) &&
           cfp_is_image_head(facts->head, (size_t)facts->head_bytes) && !is_animated_png(facts);
}

static cfp_status image_open(cfp_source *source, cfp_ctx *ctx)
{
    image_state *state;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    CFP_TRY(cfp_image_decoder_open(&state->decoder, ctx));
    source->frames = 1;
    source->exact = true;
    return CFP_OK;
}

static cfp_status image_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                             const cfp_sink *sink)
{
    const image_state *state = source->state;
    uint8_t *bytes;
    size_t n_bytes = 0;
    const cfp_image *image = NULL;
    CFP_TRY(cfp_check_interrupt(ctx));
    cfp_status status = cfp_image_read_file(&bytes, &n_bytes, ctx, source->path);
    if (status == CFP_OK)
        status = cfp_image_decode(&image, state->decoder, ctx, source->path, bytes, n_bytes);
    if (status == CFP_OK && n_wanted > 0)
        status = sink->take(sink->cookie, ctx, wanted[0], image);
    cfp_free(bytes);
    return status;
}

static void image_close(cfp_source *source)
{
    image_state *state = source->state;
    if (state == NULL)
        return;
    cfp_image_decoder_close(&state->decoder);
    cfp_free(state);
    source->state = NULL;
}

const cfp_source_kind cfp_source_image = {
    .name = "image",
    .matches = image_matches,
    .open = image_open,
    .read = image_read,
    .close = image_close,
};
