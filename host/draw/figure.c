/* figure.c - see figure.h. */
#include "figure.h"
#include "../base/text_shown.h"
#include "png_file.h"
#include "../files/versions.h"
#include <string.h>

#define FONT "DejaVu Sans"
#define ELLIPSIS "\xe2\x80\xa6"

const char *cfp_figure_version(void)
{
    return cairo_version_string();
}

static cfp_status check(cfp_ctx *ctx, cairo_status_t status)
{
    if (status == CAIRO_STATUS_SUCCESS)
        return CFP_OK;
    return cfp_fail(ctx, status == CAIRO_STATUS_NO_MEMORY ? CFP_NOMEM : CFP_UNSUPPORTED,
                    "drawing with cairo: %s", cairo_status_to_string(status));
}

/* Makes the drawing context for a new surface. */
static cfp_status begin(cfp_figure *out, bool transparent)
{
    out->cr = cairo_create(out->surface);
    const cfp_status status = check(out->ctx, cairo_status(out->cr));
    if (status != CFP_OK) {
        cfp_figure_close(out);
        return status;
    }
    if (!transparent) {
        cairo_set_source_rgb(out->cr, 1, 1, 1);
        cairo_paint(out->cr);
    }
    return CFP_OK;
}

cfp_status cfp_figure_open(cfp_figure *out, cfp_ctx *ctx, int width, int height, bool transparent)
{
    *out = (cfp_figure){.ctx = ctx, .width = width, .height = height};
    out->surface = cairo_image_surface_create(
        transparent ? CAIRO_FORMAT_ARGB32 : CAIRO_FORMAT_RGB24, width, height);
    return begin(out, transparent);
}

/* True for code points that are not characters.  Cairo refuses them like bytes that are not
 * UTF-8. */
static bool is_noncharacter(const char *text, int length)
{
    const unsigned char *c = (const unsigned char *)text;
    if (length == 3 && c[0] == 0xef)
        return (c[1] == 0xb7 && c[2] >= 0x90 && c[2] <= 0xaf) || (c[1] == 0xbf && c[2] >= 0xbe);
    return length == 4 && (c[1] & 0x0f) == 0x0f && c[2] == 0xbf && c[3] >= 0xbe;
}

/* Copies text, replacing bytes that are not UTF-8, because cairo stops at them.  Names of files can
 * hold any bytes. */
static void copy_utf8(char *to, size_t capacity, const char *text)
{
    size_t n = 0;
    while (*text != '\0' && n + 4 < capacity) {
        const int length = cfp_utf8_length(text);
        const bool control = (unsigned char)*text < 0x20 || *text == 0x7f;
        if (length == 0 || control || is_noncharacter(text, length)) {
            to[n++] = '?';
            text += length > 0 ? length : 1;
            continue;
        }
        memcpy(to + n, text, (size_t)length);
        n += (size_t)length;
        text += length;
    }
    to[n] = '\0';
}

static cairo_status_t to_file(void *cookie, const unsigned char *data, unsigned length)
{
    return fwrite(data, 1, length, cookie) == length ? CAIRO_STATUS_SUCCESS
                                                     : CAIRO_STATUS_WRITE_ERROR;
}

cfp_status cfp_figure_open_svg(cfp_figure *out, cfp_output *output, int width, int height)
{
    *out = (cfp_figure){.ctx = output->ctx, .width = width, .height = height};
    out->surface = cairo_svg_surface_create_for_stream(to_file, output->file.stream, width, height);
    return begin(out, false);
}

cfp_status cfp_figure_open_pdf(cfp_figure *out, cfp_output *output, double width, double height,
                               const char *title)
{
    char shown[CFP_FIGURE_TEXT];
    *out = (cfp_figure){.ctx = output->ctx, .width = (int)width, .height = (int)height};
    out->surface = cairo_pdf_surface_create_for_stream(to_file, output->file.stream, width, height);
    copy_utf8(shown, sizeof shown, title);
    cairo_pdf_surface_set_metadata(out->surface, CAIRO_PDF_METADATA_TITLE, shown);
    /* Without a date, equal figures are equal files. */
    cairo_pdf_surface_set_metadata(out->surface, CAIRO_PDF_METADATA_CREATE_DATE, "");
    return begin(out, true);
}

cfp_status cfp_figure_finish(cfp_figure *figure)
{
    CFP_TRY(check(figure->ctx, cairo_status(figure->cr)));
    cairo_surface_finish(figure->surface);
    const cairo_status_t status = cairo_surface_status(figure->surface);
    return status == CAIRO_STATUS_WRITE_ERROR
               ? CFP_OK /* commit reports it, with the name of the file */
               : check(figure->ctx, status);
}

void cfp_figure_close(cfp_figure *figure)
{
    cairo_destroy(figure->cr);
    cairo_surface_destroy(figure->surface);
    *figure = (cfp_figure){0};
}

/* Converts a row of cairo's pixels, which are premultiplied by their opacity, to the bytes of a
 * PNG. */
static const uint8_t *row_of(const cfp_pixels *pixels, int y, uint8_t *buffer)
{
    cairo_surface_t *const surface = ((const cfp_figure *)pixels->data)->surface;
    const uint8_t *from = cairo_image_surface_get_data(surface) +
                          (size_t)y * (size_t)cairo_image_surface_get_stride(surface);
    uint8_t *to = buffer;
    for (int x = 0; x < pixels->width; x++, from += 4, to += pixels->channels) {
        uint32_t word;
        memcpy(&word, from, 4);
        const int opaque = pixels->channels == 4 ? (int)(word >> 24) : 255;
        for (int c = 0; c < 3; c++) {
            /* Resampling overshoots at edges, so a colour may be larger than the opacity. */
            const int v = (int)(word >> (16 - 8 * c) & 255);
            to[c] = (uint8_t)(opaque == 0 ? 0 : cfp_min_int((v * 255 + opaque / 2) / opaque, 255));
        }
        if (pixels->channels == 4)
            to[3] = (uint8_t)opaque;
    }
    return buffer;
}

cfp_status cfp_figure_check(const cfp_figure *figure)
{
    return check(figure->ctx, cairo_status(figure->cr));
}

cfp_status cfp_figure_read(const cfp_figure *figure, uint8_t *rgb)
{
    CFP_TRY(cfp_figure_check(figure));
    const cfp_pixels pixels = {
        .height = figure->height, .width = figure->width, .channels = 3, .data = figure};
    cairo_surface_flush(figure->surface);
    for (int y = 0; y < figure->height; y++)
        row_of(&pixels, y, rgb + (size_t)y * (size_t)figure->width * 3);
    return CFP_OK;
}

cfp_status cfp_figure_write(cfp_output *output, const char *name, const cfp_figure *figure)
{
    CFP_TRY(
        check(output->ctx, cairo_status(figure->cr))); /* the first error of all drawing calls */
    cairo_surface_flush(figure->surface);
    const bool opaque = cairo_image_surface_get_format(figure->surface) == CAIRO_FORMAT_RGB24;
    const cfp_pixels pixels = {.height = figure->height,
                               .width = figure->width,
                               .channels = opaque ? 3 : 4,
                               .dpi = figure->dpi,
                               .row = row_of,
                               .data = figure};
    return cfp_png_write(output, name, &pixels);
}

cairo_surface_t *cfp_figure_image(cfp_ctx *ctx, int width, int height)
{
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height);
    if (check(ctx, cairo_surface_status(image)) == CFP_OK)
        return image;
    cairo_surface_destroy(image);
    return NULL;
}

void cfp_figure_fill(cairo_surface_t *image, const uint8_t *rgb, size_t stride,
                     const float *opacity)
{
    const int H = cairo_image_surface_get_height(image), W = cairo_image_surface_get_width(image);
    const size_t step = (size_t)cairo_image_surface_get_stride(image);
    cairo_surface_flush(image);
    for (int y = 0; y < H; y++) {
        uint8_t *to = cairo_image_surface_get_data(image) + (size_t)y * step;
        const uint8_t *from = rgb + (size_t)y * stride;
        for (int x = 0; x < W; x++, to += 4, from += 3) {
            const float opaque =
                opacity == NULL ? 1.0f : opacity[(size_t)y * (size_t)W + (size_t)x];
            uint32_t word = (uint32_t)(255.0f * opaque + 0.5f) << 24;
            for (int c = 0; c < 3; c++)
                word |= (uint32_t)((float)from[c] * opaque + 0.5f) << (16 - 8 * c);
            memcpy(to, &word, 4);
        }
    }
    cairo_surface_mark_dirty(image);
}

void cfp_figure_draw(const cfp_figure *figure, cairo_surface_t *image)
{
    cairo_t *cr = figure->cr;
    cairo_save(cr);
    cairo_rectangle(cr, 0, 0, 1, 1);
    cairo_scale(cr, 1.0 / cairo_image_surface_get_width(image),
                1.0 / cairo_image_surface_get_height(image));
    cairo_set_source_surface(cr, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_BEST);
    cairo_pattern_set_extend(cairo_get_source(cr),
                             CAIRO_EXTEND_PAD); /* so that edges do not fade */
    cairo_fill(cr);
    cairo_restore(cr);
}

void cfp_figure_font(cairo_t *cr, double size, bool bold)
{
    cairo_font_options_t *plain = cairo_font_options_create();
    cairo_font_options_set_antialias(plain, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(plain, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(plain, CAIRO_HINT_METRICS_OFF);
    cairo_set_font_options(cr, plain);
    cairo_font_options_destroy(plain);
    cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
}

bool cfp_figure_has_font(cairo_t *cr)
{
    return cairo_scaled_font_get_type(cairo_get_scaled_font(cr)) != CAIRO_FONT_TYPE_USER;
}

double cfp_figure_text_width(cairo_t *cr, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

double cfp_figure_fit(char *shown, cairo_t *cr, double max_width, const char *text)
{
    copy_utf8(shown, CFP_FIGURE_TEXT - sizeof ELLIPSIS, text);
    size_t n = strlen(shown);
    double width = cfp_figure_text_width(cr, shown);
    while (max_width > 0 && width > max_width && n > 0) {
        do
            n--;
        while (n > 0 && ((unsigned char)shown[n] & 0xc0) == 0x80);
        strcpy(shown + n, ELLIPSIS); /* copy_utf8 left enough space for it */
        width = cfp_figure_text_width(cr, shown);
    }
    return width;
}

void cfp_figure_text(cairo_t *cr, double x, double y, double align, double max_width,
                     const char *text)
{
    char shown[CFP_FIGURE_TEXT];
    const double width = cfp_figure_fit(shown, cr, max_width, text);
    cairo_move_to(cr, x - align * width, y);
    cairo_show_text(cr, shown);
}
