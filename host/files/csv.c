/* csv.c - see csv.h. */
#include "csv.h"
#include "../base/text_shown.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_AT = 1 << 16 };

cfp_status cfp_csv_open(cfp_csv *out, cfp_ctx *ctx, const char *path)
{
    *out = (cfp_csv){.ctx = ctx};
    CFP_TRY(cfp_newfile_open(&out->file, ctx, path));
    out->name = out->file.path;
    out->descriptor = fileno(out->file.stream);
    return CFP_OK;
}

cfp_status cfp_csv_open_stream(cfp_csv *out, cfp_ctx *ctx, FILE *stream, const char *name)
{
    *out = (cfp_csv){.ctx = ctx, .name = name, .descriptor = fileno(stream)};
    out->shown = isatty(out->descriptor) == 1;
    if (fflush(stream) == 0)
        return CFP_OK;
    const int error = errno;
    *out = (cfp_csv){0};
    return cfp_fail(ctx, CFP_IO, "%s: %s", name, strerror(error));
}

static void append(cfp_csv *csv, const char *text, size_t length)
{
    if (csv->status != CFP_OK)
        return;
    if (csv->length + length > csv->capacity) {
        const size_t capacity = 2 * (csv->length + length) + FLUSH_AT;
        char *grown = cfp_alloc(csv->ctx, capacity, 1);
        if (grown == NULL) {
            csv->status = CFP_NOMEM;
            return;
        }
        if (csv->length > 0)
            memcpy(grown, csv->text, csv->length);
        cfp_free(csv->text);
        csv->text = grown;
        csv->capacity = capacity;
    }
    memcpy(csv->text + csv->length, text, length);
    csv->length += length;
}

static void begin_field(cfp_csv *csv)
{
    if (csv->in_row)
        append(csv, ",", 1);
    csv->in_row = true;
}

/* Appends one character, a quote doubled.  Returns how many bytes of `text` were used. */
static int append_character(cfp_csv *csv, const char *text)
{
    char escape[CFP_ESCAPE_ROOM];
    const int shown = cfp_shown_length(text), length = cfp_utf8_length(text);
    if (*text == '"')
        append(csv, "\"", 1);
    if (csv->shown && shown < 0)
        append(csv, escape, (size_t)cfp_shown_escape(escape, text, -shown));
    else if (length > 0)
        append(csv, text, (size_t)length);
    else
        append(csv, "\xef\xbf\xbd", 3); /* U+FFFD replaces bytes that are not UTF-8 */
    return csv->shown && shown < 0 ? -shown : length > 0 ? length : 1;
}

void cfp_csv_text(cfp_csv *csv, const char *text)
{
    begin_field(csv);
    if (text == NULL)
        return;
    const bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    if (quoted)
        append(csv, "\"", 1);
    while (*text != '\0')
        text += append_character(csv, text);
    if (quoted)
        append(csv, "\"", 1);
}

void cfp_csv_int(cfp_csv *csv, int64_t value)
{
    char text[24];
    begin_field(csv);
    append(csv, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

void cfp_csv_number(cfp_csv *csv, double value)
{
    char text[32];
    begin_field(csv);
    append(csv, text, (size_t)snprintf(text, sizeof text, "%.9g", value));
}

cfp_status cfp_csv_end_row(cfp_csv *csv)
{
    append(csv, "\n", 1);
    csv->in_row = false;
    if (csv->status != CFP_OK)
        return csv->status;
    csv->whole = csv->length;
    return csv->length < FLUSH_AT ? CFP_OK : cfp_csv_flush(csv);
}

/* Counts the rows in the first `length` bytes of the text.  *end is where the last complete row
 * ends. */
static int64_t rows_within(const cfp_csv *csv, size_t length, size_t *end)
{
    bool quoted = false;
    int64_t rows = 0;
    *end = 0;
    for (size_t i = 0; i < length; i++) {
        quoted ^= csv->text[i] == '"';
        if (csv->text[i] == '\n' && !quoted) {
            *end = i + 1;
            rows++;
        }
    }
    return rows;
}

/* The last write stopped `extra` bytes into a row.  Cuts these bytes off the file, if possible. */
static void cut_back(const cfp_csv *csv, size_t extra)
{
    struct stat about;
    if (extra == 0 || fstat(csv->descriptor, &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_size < (off_t)extra)
        return;
    if (ftruncate(csv->descriptor, about.st_size - (off_t)extra) == 0)
        lseek(csv->descriptor, about.st_size - (off_t)extra, SEEK_SET);
}

cfp_status cfp_csv_flush(cfp_csv *csv)
{
    size_t done = 0, end;
    int error = 0;
    if (csv->status != CFP_OK)
        return csv->status;
    while (done < csv->whole && error == 0) {
        const ssize_t n = write(csv->descriptor, csv->text + done, csv->whole - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            error = n == 0 ? ENOSPC : errno;
    }
    csv->rows += rows_within(csv, done, &end);
    if (error != 0) {
        cut_back(csv, done - end);
        csv->status = cfp_fail(csv->ctx, CFP_IO, "%s: %s", csv->name, strerror(error));
        return csv->status;
    }
    if (csv->length > csv->whole)
        memmove(csv->text, csv->text + csv->whole, csv->length - csv->whole);
    csv->length -= csv->whole;
    csv->whole = 0;
    return CFP_OK;
}

cfp_status cfp_csv_commit(cfp_csv *csv)
{
    cfp_status status = cfp_csv_flush(csv);
    if (status == CFP_OK && csv->file.stream != NULL)
        status = cfp_newfile_commit(&csv->file);
    if (status == CFP_OK)
        cfp_csv_abandon(csv);
    return status;
}

char *cfp_csv_keep_part(cfp_csv *csv, int64_t *rows)
{
    char *part = NULL;
    *rows = 0;
    if (csv->ctx == NULL)
        return NULL; /* it was never opened */
    if (csv->status == CFP_OK) {
        const cfp_ctx before = *csv->ctx; /* keeps the message: it says why the run ended */
        if (cfp_csv_flush(csv) != CFP_OK)
            *csv->ctx = before;
    }
    *rows = csv->rows - 1; /* without the header */
    if (csv->file.temp != NULL && *rows > 0)
        part = cfp_format(csv->ctx, "%s.part", csv->file.path);
    if (part != NULL && rename(csv->file.temp, part) != 0) {
        cfp_free(part);
        part = NULL;
    }
    if (part != NULL) {
        cfp_free(csv->file.temp); /* cfp_newfile_abandon then has no file to remove */
        csv->file.temp = NULL;
    }
    cfp_csv_abandon(csv);
    return part;
}

void cfp_csv_abandon(cfp_csv *csv)
{
    cfp_newfile_abandon(&csv->file);
    cfp_free(csv->text);
    *csv = (cfp_csv){0};
}
