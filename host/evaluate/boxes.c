/* boxes.c - see boxes.h. */
#include "boxes.h"
#include "../base/infile.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_LINE = 1024, FIELDS = 5 };

/* A pixel of the clip is inside if its centre is, in coordinates of the source. */
void cfp_boxes_draw(uint8_t *inside, const cfp_clip *clip, double left, double top, double width,
                    double height)
{
    for (int h = 0; h < clip->height; h++)
        for (int w = 0; w < clip->width; w++) {
            const double x = clip->left + (w + 0.5) * clip->step_x;
            const double y = clip->top + (h + 0.5) * clip->step_y;
            if (x >= left && x < left + width && y >= top && y < top + height)
                inside[(int64_t)h * clip->width + w] = 1;
        }
}

/* True: the line is five numbers with commas between them, and nothing else. */
static bool parse(double field[FIELDS], const char *line)
{
    for (int i = 0; i < FIELDS; i++) {
        char *end;
        field[i] = strtod(line, &end);
        if (end == line || !isfinite(field[i]))
            return false;
        while (*end == ' ' || *end == '\t')
            end++;
        if (*end != (i < FIELDS - 1 ? ',' : '\0'))
            return false;
        line = end + 1;
    }
    return true;
}

static bool is_header(const char *line)
{
    while (*line == ' ' || *line == '"' || *line == '\'')
        line++;
    return isalpha((unsigned char)*line) != 0;
}

static cfp_status take_line(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip,
                            const char *line, int number)
{
    const int64_t pixels = (int64_t)clip->height * clip->width;
    double field[FIELDS];
    if (!parse(field, line))
        return cfp_fail(ctx, CFP_FORMAT, "%s: line %d is not frame,x,y,width,height: '%.60s'", path,
                        number, line);
    if (field[3] < 0 || field[4] < 0 || field[0] != floor(field[0]))
        return cfp_fail(ctx, CFP_FORMAT, "%s: line %d: %s: '%.60s'", path, number,
                        field[0] != floor(field[0]) ? "a frame is a whole number"
                                                    : "a width or height is below 0",
                        line);
    for (int t = 0; t < clip->frames; t++)
        if ((double)clip->index[t] == field[0]) {
            out->known[t] = 1;
            cfp_boxes_draw(out->inside + t * pixels, clip, field[1], field[2], field[3], field[4]);
        }
    return CFP_OK;
}

static cfp_status read_lines(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip,
                             FILE *file)
{
    char line[LONGEST_LINE];
    for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        size_t length = strlen(line);
        if (length == sizeof line - 1 && line[length - 1] != '\n')
            return cfp_fail(ctx, CFP_FORMAT, "%s: line %d is too long", path, number);
        while (length > 0 && isspace((unsigned char)line[length - 1]))
            line[--length] = '\0';
        if (length == 0 || (number == 1 && is_header(line)))
            continue;
        CFP_TRY(take_line(out, ctx, path, clip, line, number));
    }
    return ferror(file) ? cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno)) : CFP_OK;
}

cfp_status cfp_boxes_read(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip)
{
    FILE *file;
    CFP_TRY(cfp_infile_open(&file, ctx, path));
    const cfp_status status = read_lines(out, ctx, path, clip, file);
    fclose(file);
    return status;
}
