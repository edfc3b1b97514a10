/* paper_svg.c - writes a page as SVG: each shape is one element, and text is text.
 *
 * Each text says how long it is, so it keeps its place if the reader has another font. */
#include "paper.h"
#include "../base/json.h"
#include <math.h>
#include <stdlib.h>

static const char fonts[] = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/* Writes a number with at most two decimals.  (printf would use the comma of some languages.) */
static void put_number(FILE *file, double value)
{
    const long hundredths = lround(value * 100);
    const long size = labs(hundredths);
    fprintf(file, "%s%ld", hundredths < 0 ? "-" : "", size / 100);
    if (size % 10 != 0)
        fprintf(file, ".%02ld", size % 100);
    else if (size % 100 != 0)
        fprintf(file, ".%ld", size % 100 / 10);
}

static void put_attribute(FILE *file, const char *name, double value)
{
    fprintf(file, " %s=\"", name);
    put_number(file, value);
    fputc('"', file);
}

static void put_escaped(FILE *file, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        default:
            fputc(*text, file);
        }
}

static void put_place(FILE *file, const cfp_item *s)
{
    put_attribute(file, "x", s->x);
    put_attribute(file, "y", s->y);
    put_attribute(file, "width", s->width);
    put_attribute(file, "height", s->height);
}

static void put_line(FILE *file, const cfp_item *s)
{
    fputs("<polyline points=\"", file);
    for (int k = 0; k < 2 * s->n_points; k++) {
        if (k > 0)
            fputc(k % 2 == 0 ? ' ' : ',', file);
        put_number(file, s->point[k]);
    }
    fprintf(file, "\" fill=\"none\" stroke=\"#%06x\" stroke-linejoin=\"round\"",
            (unsigned)s->colour);
    put_attribute(file, "stroke-width", s->width);
    fputs("/>\n", file);
}

static void put_text(FILE *file, const cfp_item *s)
{
    if (s->text[0] == '\0')
        return;
    fputs("<text xml:space=\"preserve\" style=\"white-space:pre\"", file);
    put_attribute(file, "x", s->x);
    put_attribute(file, "y", s->y);
    put_attribute(file, "font-size", s->size);
    put_attribute(file, "textLength", s->width);
    fprintf(file, " lengthAdjust=\"spacingAndGlyphs\" fill=\"#%06x\"%s>", (unsigned)s->colour,
            s->bold ? " font-weight=\"bold\"" : "");
    put_escaped(file, s->text);
    fputs("</text>\n", file);
}

typedef struct bytes {
    cfp_ctx *ctx;
    uint8_t *data;
    size_t n, capacity;
} bytes;

static cairo_status_t append(void *to, const unsigned char *data, unsigned length)
{
    bytes *b = to;
    if (b->capacity - b->n < length) {
        const size_t capacity = 2 * (b->capacity + length);
        uint8_t *larger = cfp_alloc(b->ctx, capacity, 1);
        if (larger == NULL)
            return CAIRO_STATUS_NO_MEMORY;
        if (b->n > 0)
            memcpy(larger, b->data, b->n);
        cfp_free(b->data);
        b->data = larger;
        b->capacity = capacity;
    }
    memcpy(b->data + b->n, data, length);
    b->n += length;
    return CAIRO_STATUS_SUCCESS;
}

/* An image as a PNG in base64. */
static cfp_status put_image(cfp_output *output, const cfp_item *s)
{
    FILE *file = output->file.stream;
    bytes png = {.ctx = output->ctx};
    cfp_json text;
    cfp_status status = CFP_OK;
    const cairo_status_t written = cairo_surface_write_to_png_stream(s->image, append, &png);
    if (written != CAIRO_STATUS_SUCCESS)
        status = cfp_fail(output->ctx, CFP_NOMEM, "drawing with cairo: %s",
                          cairo_status_to_string(written));
    cfp_json_to_memory(&text, output->ctx, 0);
    if (status == CFP_OK) {
        cfp_json_base64(&text, png.data, png.n);
        status = text.status;
    }
    if (status == CFP_OK) {
        fputs("<image", file);
        put_place(file, s);
        fprintf(file, " preserveAspectRatio=\"none\" xlink:href=\"data:image/png;base64,%.*s\"/>\n",
                (int)text.length - 2, text.text + 1); /* without the quotes of JSON */
    }
    cfp_json_free(&text);
    cfp_free(png.data);
    return status;
}

static cfp_status put_shape(cfp_output *output, const cfp_item *s)
{
    FILE *file = output->file.stream;
    switch (s->kind) {
    case CFP_ITEM_AREA:
        fputs("<rect", file);
        put_place(file, s);
        fprintf(file, " fill=\"#%06x\"/>\n", (unsigned)s->colour);
        return CFP_OK;
    case CFP_ITEM_LINE:
        put_line(file, s);
        return CFP_OK;
    case CFP_ITEM_IMAGE:
        return put_image(output, s);
    case CFP_ITEM_TEXT:
        put_text(file, s);
        return CFP_OK;
    }
    return CFP_OK;
}

cfp_status cfp_paper_to_svg(const cfp_paper *paper, cfp_output *output, const char *title)
{
    FILE *file = output->file.stream;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
          "xmlns:xlink=\"http://www.w3.org/1999/xlink\" version=\"1.1\" "
          "width=\"",
          file);
    put_number(file, paper->width);
    fputs("pt\" height=\"", file);
    put_number(file, paper->height);
    fputs("pt\" viewBox=\"0 0 ", file);
    put_number(file, paper->width);
    fputc(' ', file);
    put_number(file, paper->height);
    fprintf(file, "\" font-family=\"%s\">\n<title>", fonts);
    put_escaped(file, title);
    fputs("</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n", file);
    for (int i = 0; i < paper->n; i++)
        CFP_TRY(put_shape(output, &paper->item[i]));
    fputs("</svg>\n", file);
    return CFP_OK; /* cfp_output_commit reports a full disk */
}
