/* tiff_decode.c - see tiff_decode.h. */
#include "tiff_decode.h"
#include <string.h>
#include <tiffio.h>

enum { MAX_PAGES = 1 << 20, LARGEST_ALLOCATION = 1 << 30 };

struct cfp_tiff {
    const char *name;
    FILE *file;
    const uint8_t *bytes; /* [n_bytes], if there is no file */
    uint64_t n_bytes, at;
    TIFF *tiff;
    uint64_t *page; /* [n_pages] offset of the directory of each page */
    int n_pages, capacity;
    char error[256]; /* the first error that libtiff reported; empty: none */
    bool warned;     /* libtiff has logged a warning */
    cfp_image image;
    size_t image_bytes; /* size of the memory at image.rgb */
};

bool cfp_is_tiff(const uint8_t *head, size_t n_bytes)
{
    return n_bytes >= 4 && (memcmp(head, "II*\0", 4) == 0 || memcmp(head, "MM\0*", 4) == 0 ||
                            memcmp(head, "II+\0", 4) == 0 || memcmp(head, "MM\0+", 4) == 0);
}

/* --- functions that libtiff calls --- */

static tmsize_t read_bytes(thandle_t cookie, void *to, tmsize_t bytes)
{
    cfp_tiff *t = cookie;
    if (t->file != NULL)
        return (tmsize_t)fread(to, 1, (size_t)bytes, t->file);
    const uint64_t left = t->at < t->n_bytes ? t->n_bytes - t->at : 0;
    const uint64_t got = (uint64_t)bytes < left ? (uint64_t)bytes : left;
    if (got > 0)
        memcpy(to, t->bytes + t->at, got);
    t->at += got;
    return (tmsize_t)got;
}

static tmsize_t write_nothing(thandle_t cookie, void *from, tmsize_t bytes)
{
    (void)cookie, (void)from, (void)bytes;
    return 0;
}

static toff_t seek_to(thandle_t cookie, toff_t offset, int whence)
{
    cfp_tiff *t = cookie;
    if (t->file != NULL)
        return fseeko(t->file, (off_t)offset, whence) == 0 ? (toff_t)ftello(t->file) : (toff_t)-1;
    const uint64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? t->at : t->n_bytes;
    return t->at = from + offset;
}

static int close_nothing(thandle_t cookie)
{
    (void)cookie;
    return 0;
}

static toff_t size_of(thandle_t cookie)
{
    const cfp_tiff *t = cookie;
    return t->n_bytes;
}

/* Gives libtiff direct access to memory; files are read in pieces.  (libtiff 4.5 rounds those
 * pieces to multiples of 1024 bytes, and then refuses uncompressed tiles of other sizes.) */
static int map_bytes(thandle_t cookie, void **base, toff_t *size)
{
    const cfp_tiff *t = cookie;
    *base = (void *)(uintptr_t)t->bytes;
    *size = t->n_bytes;
    return t->bytes != NULL;
}

static void unmap_nothing(thandle_t cookie, void *base, toff_t size)
{
    (void)cookie, (void)base, (void)size;
}

static int keep_error(TIFF *tiff, void *cookie, const char *module, const char *format,
                      va_list values)
{
    cfp_tiff *t = cookie;
    (void)tiff, (void)module;
    if (t->error[0] == '\0')
        vsnprintf(t->error, sizeof t->error, format, values);
    return 1; /* handled: libtiff prints nothing */
}

static int keep_warning(TIFF *tiff, void *cookie, const char *module, const char *format,
                        va_list values)
{
    cfp_tiff *t = cookie;
    (void)tiff, (void)module, (void)format, (void)values;
    t->warned = true;
    return 1;
}

/* --- pages --- */

static cfp_status fail_tiff(const cfp_tiff *t, cfp_ctx *ctx, const char *what)
{
    return cfp_fail(ctx, CFP_FORMAT, "%s: cannot be decoded: %s", t->name,
                    t->error[0] != '\0' ? t->error : what);
}

static cfp_status add_page(cfp_tiff *t, cfp_ctx *ctx, uint64_t offset)
{
    if (t->n_pages == MAX_PAGES)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: more than %d pages", t->name, MAX_PAGES);
    CFP_TRY_ROOM(ctx, t->page, t->n_pages, t->capacity);
    t->page[t->n_pages++] = offset;
    return CFP_OK;
}

static cfp_status find_pages(cfp_tiff *t, cfp_ctx *ctx)
{
    do {
        uint32_t kind = 0;
        CFP_TRY(cfp_check_interrupt(ctx));
        TIFFGetFieldDefaulted(t->tiff, TIFFTAG_SUBFILETYPE, &kind);
        if ((kind & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) == 0)
            CFP_TRY(add_page(t, ctx, TIFFCurrentDirOffset(t->tiff)));
    } while (TIFFReadDirectory(t->tiff));
    if (t->error[0] != '\0' && t->n_pages > 0) /* the directory after the last good page is bad */
        cfp_log(ctx, CFP_LOG_WARNING, "%s: damaged behind page %d: %s", t->name, t->n_pages,
                t->error);
    else if (t->n_pages == 0)
        return fail_tiff(t, ctx, "it has no picture");
    return CFP_OK;
}

static cfp_status open_tiff(cfp_tiff *t, cfp_ctx *ctx)
{
    if (t->file != NULL) {
        if (fseeko(t->file, 0, SEEK_END) != 0 || ftello(t->file) < 0)
            return cfp_fail(ctx, CFP_IO, "%s: cannot be read", t->name);
        t->n_bytes = (uint64_t)ftello(t->file);
        rewind(t->file);
    }
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL)
        return cfp_fail(ctx, CFP_NOMEM, "%s: out of memory", t->name);
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_error, t);
    TIFFOpenOptionsSetWarningHandlerExtR(options, keep_warning, t);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, LARGEST_ALLOCATION);
    t->tiff = TIFFClientOpenExt(t->name, "r", t, read_bytes, write_nothing, seek_to, close_nothing,
                                size_of, map_bytes, unmap_nothing, options);
    TIFFOpenOptionsFree(options);
    return t->tiff != NULL ? find_pages(t, ctx) : fail_tiff(t, ctx, "not a TIFF file");
}

cfp_status cfp_tiff_open(cfp_tiff **out, cfp_ctx *ctx, const char *name, FILE *file,
                         const uint8_t *bytes, size_t n_bytes)
{
    CFP_TRY_ALLOC(ctx, *out, 1);
    **out = (cfp_tiff){.name = name, .file = file, .bytes = bytes, .n_bytes = n_bytes};
    const cfp_status status = open_tiff(*out, ctx);
    if (status != CFP_OK)
        cfp_tiff_close(out);
    return status;
}

void cfp_tiff_close(cfp_tiff **tiff)
{
    cfp_tiff *t = *tiff;
    *tiff = NULL;
    if (t == NULL)
        return;
    if (t->tiff != NULL)
        TIFFClose(t->tiff);
    cfp_free(t->page);
    cfp_free(t->image.rgb);
    cfp_free(t);
}

int cfp_tiff_pages(const cfp_tiff *tiff)
{
    return tiff->n_pages;
}

/* --- one page --- */

/* The tags of a page that are needed. */
typedef struct page_facts {
    uint32_t width, height;
    uint16_t orientation, photometric;
    bool premultiplied; /* the colours are multiplied by alpha */
} page_facts;

/* libtiff would multiply the colours by alpha.  It is told that they already are, so that it
 * returns them as stored. */
static void keep_colours(TIFF *tiff, page_facts *facts)
{
    uint16_t count = 0, *extra = NULL, samples = 1;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &count, &extra);
    if (count == 0 || count > samples)
        return;
    facts->premultiplied =
        extra[0] == EXTRASAMPLE_ASSOCALPHA && facts->photometric == PHOTOMETRIC_RGB;
    if (extra[0] != EXTRASAMPLE_UNASSALPHA)
        return;
    uint16_t changed[8] = {EXTRASAMPLE_ASSOCALPHA}; /* the others are unspecified */
    if (count <= sizeof changed / sizeof *changed)
        TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, count, changed);
}

static cfp_status look_at_page(page_facts *facts, cfp_tiff *t, cfp_ctx *ctx)
{
    uint16_t format = SAMPLEFORMAT_UINT;
    char why[1024] = "";
    *facts = (page_facts){.orientation = ORIENTATION_TOPLEFT};
    TIFFGetField(t->tiff, TIFFTAG_IMAGEWIDTH, &facts->width);
    TIFFGetField(t->tiff, TIFFTAG_IMAGELENGTH, &facts->height);
    TIFFGetField(t->tiff, TIFFTAG_PHOTOMETRIC, &facts->photometric);
    TIFFGetFieldDefaulted(t->tiff, TIFFTAG_ORIENTATION, &facts->orientation);
    TIFFGetFieldDefaulted(t->tiff, TIFFTAG_SAMPLEFORMAT, &format);
    CFP_TRY(cfp_source_check_size(ctx, t->name, 1, facts->height, facts->width));
    if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID)
        return cfp_fail(ctx, CFP_UNSUPPORTED,
                        "%s: a TIFF of %s; a frame has unsigned numbers of 8 or 16 bits", t->name,
                        format == SAMPLEFORMAT_IEEEFP ? "floating-point numbers"
                                                      : "signed or complex numbers");
    if (facts->photometric == PHOTOMETRIC_CIELAB || facts->photometric == PHOTOMETRIC_ICCLAB ||
        facts->photometric == PHOTOMETRIC_ITULAB) /* readers disagree on its conversion to RGB */
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: a TIFF in Lab colours; save it as RGB", t->name);
    if (!TIFFRGBAImageOK(t->tiff, why))
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: a TIFF that libtiff does not turn into RGB: %s",
                        t->name, why);
    keep_colours(t->tiff, facts);
    /* The rotation is done here, because libtiff can only mirror. */
    TIFFSetField(t->tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
    return CFP_OK;
}

static uint8_t undo_alpha(uint8_t value, uint8_t alpha)
{
    return alpha == 0 ? value : (uint8_t)cfp_min_int(255, 255 * value / alpha);
}

/* Copies the stored picture to t->image, rotated and mirrored by its orientation (1 to 8). */
static void turn_page(cfp_tiff *t, const uint32_t *raster, const page_facts *facts)
{
    const int o = facts->orientation >= 1 && facts->orientation <= 8 ? facts->orientation : 1;
    const int width = (int)facts->width, height = (int)facts->height;
    const bool transpose = o >= 5;
    const bool from_right = o == 2 || o == 3 || o == 7 || o == 8;
    const bool from_bottom = o == 3 || o == 4 || o == 6 || o == 7;
    t->image.width = transpose ? height : width;
    t->image.height = transpose ? width : height;
    uint8_t *out = t->image.rgb;
    for (int y = 0; y < t->image.height; y++)
        for (int x = 0; x < t->image.width; x++, out += 3) {
            const int u = transpose ? y : x, v = transpose ? x : y; /* in the stored picture */
            const size_t column = (size_t)(from_right ? width - 1 - u : u);
            const size_t row = (size_t)(from_bottom ? height - 1 - v : v);
            const uint32_t pixel = raster[row * facts->width + column];
            out[0] = TIFFGetR(pixel);
            out[1] = TIFFGetG(pixel);
            out[2] = TIFFGetB(pixel);
            for (int c = 0; facts->premultiplied && c < 3; c++)
                out[c] = undo_alpha(out[c], TIFFGetA(pixel));
        }
}

static cfp_status read_page(cfp_tiff *t, cfp_ctx *ctx, uint32_t *raster, const page_facts *facts)
{
    const size_t bytes = 3 * (size_t)facts->width * facts->height;
    t->warned = false;
    if (!TIFFReadRGBAImageOriented(t->tiff, facts->width, facts->height, raster,
                                   ORIENTATION_TOPLEFT, 1) ||
        t->error[0] != '\0')
        return fail_tiff(t, ctx, "broken data");
    if (t->warned)
        cfp_log(ctx, CFP_LOG_WARNING, "%s: damaged image, used as far as it could be decoded",
                t->name);
    if (bytes > t->image_bytes) {
        cfp_free(t->image.rgb);
        t->image_bytes = 0;
        CFP_TRY_ALLOC(ctx, t->image.rgb, bytes);
        t->image_bytes = bytes;
    }
    turn_page(t, raster, facts);
    return CFP_OK;
}

cfp_status cfp_tiff_page(const cfp_image **image, cfp_tiff *tiff, cfp_ctx *ctx, int page)
{
    page_facts facts;
    uint32_t *raster;
    tiff->error[0] = '\0';
    if (!TIFFSetSubDirectory(tiff->tiff, tiff->page[page]))
        return fail_tiff(tiff, ctx, "a page cannot be found");
    CFP_TRY(look_at_page(&facts, tiff, ctx));
    CFP_TRY_ALLOC(ctx, raster, (size_t)facts.width * facts.height);
    const cfp_status status = read_page(tiff, ctx, raster, &facts);
    cfp_free(raster);
    *image = &tiff->image;
    return status;
}
