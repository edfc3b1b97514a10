/* source_tar.c - reads frame images out of a tar (or .tar.gz) without unpacking it.
 *
 * Frames are sorted by name and numbered as in a folder of images (numbered.h).  A tar can only be
 * read from its beginning: one pass lists the names when it is opened, one more takes the wanted
 * images.  A plain tar is passed through by seeking from header to header.
 *
 * libarchive reads the tar; it is built without where the library was not there. */
#include "image_decode.h"
#include "numbered.h"
#include <string.h>
#ifdef CFP_HAS_ARCHIVE
#include <archive.h>
#include <archive_entry.h>
#endif

static bool tar_matches(const cfp_path_facts *facts)
{
    return facts->error == 0 && !facts->is_folder &&
           (cfp_has_suffix(facts->path, ".tar") || cfp_has_suffix(facts->path, ".tar.gz") ||
            cfp_has_suffix(facts->path, ".tgz"));
}

#ifdef CFP_HAS_ARCHIVE

enum { BLOCK_BYTES = 1 << 16, LARGEST_IMAGE = 1 << 28 };

typedef struct picture { /* the bytes of a frame that was wanted */
    int32_t frame;
    uint8_t *bytes; /* NULL: not yet read */
    size_t n_bytes;
} picture;

typedef struct tar_state {
    cfp_numbered_list files; /* names are paths in the tar */
    cfp_image_decoder *decoder;
    picture *picture; /* [n_pictures] ascending by frame; the last that were read, for the digest */
    int n_pictures;
} tar_state;

static cfp_status fail_tar(const cfp_source *source, cfp_ctx *ctx, struct archive *tar)
{
    const char *why = tar == NULL ? NULL : archive_error_string(tar);
    return cfp_fail(ctx, CFP_FORMAT, "%s: no tar of frames that can be read (%.200s)", source->path,
                    why != NULL ? why : "damaged");
}

/* The caller frees *out, after a failure too. */
static cfp_status begin(struct archive **out, const cfp_source *source, cfp_ctx *ctx)
{
    *out = archive_read_new();
    if (*out == NULL)
        return cfp_fail(ctx, CFP_NOMEM, "%s: out of memory", source->path);
    archive_read_support_filter_gzip(*out);
    archive_read_support_format_tar(*out);
    return archive_read_open_filename(*out, source->path, BLOCK_BYTES) == ARCHIVE_OK
               ? CFP_OK
               : fail_tar(source, ctx, *out);
}

/* The next file in the tar that is an image; *name is NULL behind the last. */
static cfp_status next_image(const char **name, struct archive_entry **entry, struct archive *tar,
                             const cfp_source *source, cfp_ctx *ctx)
{
    for (;;) {
        *name = NULL;
        CFP_TRY(cfp_check_interrupt(ctx));
        const int result = archive_read_next_header(tar, entry);
        if (result == ARCHIVE_EOF)
            return CFP_OK;
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return fail_tar(source, ctx, tar);
        const char *path = archive_entry_pathname(*entry);
        if (path == NULL) /* the locale cannot show the name */
            path = archive_entry_pathname_utf8(*entry);
        if (path == NULL || archive_entry_filetype(*entry) != AE_IFREG)
            continue;
        const char *slash = strrchr(path, '/'), *base = slash == NULL ? path : slash + 1;
        *name = path;
        if (base[0] != '.' && cfp_is_image_name(base))
            return CFP_OK;
    }
}

static cfp_status list_names(cfp_source *source, cfp_ctx *ctx, struct archive *tar)
{
    tar_state *state = source->state;
    for (;;) {
        struct archive_entry *entry;
        const char *name;
        bool added;
        CFP_TRY(next_image(&name, &entry, tar, source, ctx));
        if (name == NULL)
            break;
        CFP_TRY(cfp_numbered_add(&state->files, ctx, name, true, &added));
    }
    return state->files.count > 0
               ? CFP_OK
               : cfp_fail(ctx, CFP_FORMAT,
                          "%s: no frame images (.jpg, .png, ... with a number in the name) in it",
                          source->path);
}

static cfp_status tar_open(cfp_source *source, cfp_ctx *ctx)
{
    tar_state *state;
    struct archive *tar;
    CFP_TRY_ALLOC(ctx, state, 1);
    source->state = state;
    cfp_status status = begin(&tar, source, ctx);
    if (status == CFP_OK)
        status = list_names(source, ctx, tar);
    archive_read_free(tar);
    CFP_TRY(status);
    CFP_TRY(cfp_numbered_frames(source, ctx, &state->files, source->path));
    return cfp_image_decoder_open(&state->decoder, ctx);
}

static void drop_pictures(tar_state *state)
{
    for (int i = 0; i < state->n_pictures; i++)
        cfp_free(state->picture[i].bytes);
    cfp_free(state->picture);
    state->picture = NULL;
    state->n_pictures = 0;
}

/* The wanted picture of this name that is not yet read; NULL: none. */
static picture *find_picture(const tar_state *state, const char *name)
{
    for (int i = 0; i < state->n_pictures; i++)
        if (state->picture[i].bytes == NULL &&
            strcmp(state->files.item[state->picture[i].frame].name, name) == 0)
            return &state->picture[i];
    return NULL;
}

static cfp_status take_bytes(picture *p, const cfp_source *source, cfp_ctx *ctx,
                             struct archive *tar, struct archive_entry *entry)
{
    const int64_t size = archive_entry_size(entry);
    if (size < 0 || size > LARGEST_IMAGE)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%.200s' is larger than an image can be",
                        source->path, archive_entry_pathname(entry));
    CFP_TRY_ALLOC(ctx, p->bytes, (size_t)size + 1);
    p->n_bytes = (size_t)size;
    for (size_t got = 0; got < p->n_bytes;) {
        const la_ssize_t n = archive_read_data(tar, p->bytes + got, p->n_bytes - got);
        if (n <= 0)
            return fail_tar(source, ctx, tar);
        got += (size_t)n;
    }
    return CFP_OK;
}

/* Passes through the tar until it has all that is wanted. */
static cfp_status collect(cfp_source *source, cfp_ctx *ctx, struct archive *tar)
{
    tar_state *state = source->state;
    for (int missing = state->n_pictures; missing > 0; missing--) {
        struct archive_entry *entry;
        const char *name;
        picture *p = NULL;
        while (p == NULL) {
            CFP_TRY(next_image(&name, &entry, tar, source, ctx));
            if (name == NULL)
                return cfp_fail(ctx, CFP_FORMAT, "%s: it changed while it was read", source->path);
            p = find_picture(state, name);
        }
        CFP_TRY(take_bytes(p, source, ctx, tar, entry));
        cfp_progress(ctx, "decode", state->n_pictures - missing, state->n_pictures);
    }
    return CFP_OK;
}

static cfp_status fetch(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted)
{
    tar_state *state = source->state;
    struct archive *tar;
    drop_pictures(state);
    CFP_TRY_ALLOC(ctx, state->picture, n_wanted);
    state->n_pictures = n_wanted;
    for (int i = 0; i < n_wanted; i++)
        state->picture[i].frame = wanted[i];
    cfp_status status = begin(&tar, source, ctx);
    if (status == CFP_OK)
        status = collect(source, ctx, tar);
    archive_read_free(tar);
    return status;
}

static cfp_status tar_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                           const cfp_sink *sink)
{
    const tar_state *state = source->state;
    CFP_TRY(fetch(source, ctx, wanted, n_wanted));
    for (int i = 0; i < n_wanted; i++) {
        const picture *p = &state->picture[i];
        const cfp_image *image;
        CFP_TRY(cfp_check_interrupt(ctx));
        CFP_TRY(cfp_image_decode(&image, state->decoder, ctx, state->files.item[p->frame].name,
                                 p->bytes, p->n_bytes));
        CFP_TRY(sink->take(sink->cookie, ctx, p->frame, image));
    }
    return CFP_OK;
}

static cfp_status tar_digest(cfp_source *source, cfp_ctx *ctx, cfp_sha256 *sum, int32_t frame)
{
    const tar_state *state = source->state;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < state->n_pictures; i++)
            if (state->picture[i].frame == frame) {
                cfp_sha256_update(sum, state->picture[i].bytes, state->picture[i].n_bytes);
                return CFP_OK;
            }
        CFP_TRY(fetch(source, ctx, &frame, 1));
    }
    return cfp_fail(ctx, CFP_FORMAT, "%s: it changed while it was read", source->path);
}

static void tar_close(cfp_source *source)
{
    tar_state *state = source->state;
    if (state == NULL)
        return;
    drop_pictures(state);
    cfp_numbered_free(&state->files);
    cfp_image_decoder_close(&state->decoder);
    cfp_free(state);
    source->state = NULL;
}

#else

static cfp_status tar_open(cfp_source *source, cfp_ctx *ctx)
{
    return cfp_fail(ctx, CFP_UNSUPPORTED,
                    "%s: this program was built without libarchive, which reads tars",
                    source->path);
}

static cfp_status tar_read(cfp_source *source, cfp_ctx *ctx, const int32_t *wanted, int n_wanted,
                           const cfp_sink *sink)
{
    (void)wanted;
    (void)n_wanted;
    (void)sink;
    return tar_open(source, ctx);
}

static cfp_status tar_digest(cfp_source *source, cfp_ctx *ctx, cfp_sha256 *sum, int32_t frame)
{
    (void)sum;
    (void)frame;
    return tar_open(source, ctx);
}

static void tar_close(cfp_source *source)
{
    source->state = NULL;
}

#endif

const cfp_source_kind cfp_source_tar = {
    .name = "tar of images",
    .matches = tar_matches,
    .open = tar_open,
    .read = tar_read,
    .digest = tar_digest,
    .close = tar_close,
};
