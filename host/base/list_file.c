/* list_file.c - see list_file.h. */
#include "list_file.h"
#include "infile.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_BYTES = 1 << 30 };

static cfp_status check_text(cfp_list_file *file, cfp_ctx *ctx)
{
    const char *text = file->text;
    if (file->bytes >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return cfp_fail(ctx, CFP_FORMAT, "%s: the text is UTF-16; save it as UTF-8", file->path);
    const char *zero = memchr(text, 0, file->bytes);
    if (zero != NULL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: no text: byte %lld is 0", file->path,
                        (long long)(zero - text));
    if (file->bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        file->bytes -= 3;
        memmove(file->text, file->text + 3, file->bytes + 1);
    }
    if (file->text[strspn(file->text, " \t\r\n")] == '\0')
        return cfp_fail(ctx, CFP_FORMAT, "%s: the file is empty", file->path);
    CFP_TRY_ALLOC(ctx, file->scratch, file->bytes + 1);
    cfp_list_file_rewind(file);
    return CFP_OK;
}

cfp_status cfp_list_file_take(cfp_list_file *out, cfp_ctx *ctx, const char *path, const void *bytes,
                              size_t n)
{
    *out = (cfp_list_file){.path = path, .separator = ',', .bytes = n};
    CFP_TRY_ALLOC(ctx, out->text, n + 1);
    if (n > 0)
        memcpy(out->text, bytes, n);
    return check_text(out, ctx);
}

static cfp_status read_all(cfp_list_file *file, cfp_ctx *ctx, FILE *stream)
{
    struct stat facts;
    if (fstat(fileno(stream), &facts) != 0)
        return cfp_fail(ctx, CFP_IO, "%s: %s", file->path, strerror(errno));
    if (facts.st_size > MOST_BYTES)
        return cfp_fail(ctx, CFP_FORMAT, "%s: larger than any list (1 GiB)", file->path);
    file->bytes = (size_t)facts.st_size;
    CFP_TRY_ALLOC(ctx, file->text, file->bytes + 1);
    if (fread(file->text, 1, file->bytes, stream) != file->bytes)
        return cfp_fail(ctx, CFP_IO, "%s: it cannot be read", file->path);
    return check_text(file, ctx);
}

cfp_status cfp_list_file_open(cfp_list_file *out, cfp_ctx *ctx, const char *path)
{
    FILE *stream;
    *out = (cfp_list_file){.path = path, .separator = ','};
    CFP_TRY(cfp_infile_open(&stream, ctx, path));
    const cfp_status status = read_all(out, ctx, stream);
    fclose(stream);
    return status;
}

void cfp_list_file_rewind(cfp_list_file *file)
{
    file->at = 0;
    file->line = 1;
}

static bool ends_line(char c)
{
    return c == '\n' || c == '\r' || c == '\0';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Moves behind blank lines and comments. */
static void skip_empty(cfp_list_file *file)
{
    for (;;) {
        const char *c = file->text + file->at;
        while (is_blank(*c))
            c++;
        if (file->comments && *c == '#')
            while (!ends_line(*c))
                c++;
        if (!ends_line(*c) || *c == '\0') {
            if (*c == '\0')
                file->at = file->bytes;
            return;
        }
        c += c[0] == '\r' && c[1] == '\n' ? 2 : 1;
        file->at = (size_t)(c - file->text);
        file->line++;
    }
}

char cfp_list_file_separator(const cfp_list_file *file)
{
    cfp_list_file copy = *file;
    cfp_list_file_rewind(&copy);
    skip_empty(&copy);
    bool quoted = false, tab = false, behind = false;
    for (const char *c = copy.text + copy.at; *c != '\0' && (quoted || !ends_line(*c)); c++) {
        quoted ^= *c == '"';
        if (*c == ',' && !quoted)
            return ',';
        tab |= *c == '\t' && !quoted && behind;
        behind |= !is_blank(*c);
    }
    return tab ? '\t' : ' ';
}

static bool separates(const cfp_list_file *file, char c)
{
    return file->separator == ' ' ? is_blank(c) : c == file->separator;
}

/* Copies a field in quotes from *from to *to.  Both move behind it. */
static cfp_status take_quoted(cfp_list_file *file, cfp_ctx *ctx, const char **from, char **to)
{
    const int64_t first = file->line;
    const char *c = *from + 1;
    for (; *c != '"' || c[1] == '"'; c++) {
        if (*c == '\0')
            return cfp_fail(ctx, CFP_FORMAT, "%s:%lld: a quote (\") is not closed", file->path,
                            (long long)first);
        c += *c == '"';
        file->line += *c == '\n' || (*c == '\r' && c[1] != '\n');
        *(*to)++ = *c;
    }
    c++;
    while (is_blank(*c) && !separates(file, *c))
        c++;
    if (!ends_line(*c) && !separates(file, *c))
        return cfp_fail(ctx, CFP_FORMAT, "%s:%lld: text behind a field in quotes", file->path,
                        (long long)file->line);
    *from = c;
    return CFP_OK;
}

/* The same for a field without quotes. */
static void take_bare(const cfp_list_file *file, const char **from, char **to, bool is_last)
{
    const char *c = *from, *end = c;
    while (!ends_line(*c) && (is_last || !separates(file, *c))) {
        end = is_blank(*c) ? end : c + 1;
        c++;
    }
    memcpy(*to, *from, (size_t)(end - *from));
    *to += end - *from;
    *from = c;
}

static cfp_status take_field(cfp_list_line *line, cfp_list_file *file, cfp_ctx *ctx,
                             const char **from, char **to)
{
    if (line->n == CFP_LIST_FIELDS)
        return cfp_fail(ctx, CFP_FORMAT, "%s:%lld: more than %d fields", file->path,
                        (long long)line->number, CFP_LIST_FIELDS);
    while (is_blank(**from) && !(file->separator == '\t' && **from == '\t'))
        ++*from;
    line->field[line->n++] = *to;
    if (**from == '"')
        CFP_TRY(take_quoted(file, ctx, from, to));
    else
        take_bare(file, from, to, file->most > 0 && line->n == file->most);
    *(*to)++ = '\0';
    return CFP_OK;
}

cfp_status cfp_list_file_next(cfp_list_line *line, cfp_list_file *file, cfp_ctx *ctx)
{
    skip_empty(file);
    line->n = 0;
    line->number = file->line;
    if (file->at >= file->bytes)
        return CFP_OK;
    const char *from = file->text + file->at;
    char *to = file->scratch;
    for (;;) {
        CFP_TRY(take_field(line, file, ctx, &from, &to));
        if (file->separator == ' ')
            while (is_blank(*from))
                from++;
        if (ends_line(*from))
            break;
        from += file->separator != ' ';
    }
    if (*from != '\0')
        from += from[0] == '\r' && from[1] == '\n' ? 2 : 1;
    file->at = (size_t)(from - file->text);
    file->line++;
    return CFP_OK;
}

void cfp_list_file_close(cfp_list_file *file)
{
    cfp_free(file->text);
    cfp_free(file->scratch);
    *file = (cfp_list_file){0};
}
