/* egocentric.c - see egocentric.h. */
#include "egocentric.h"
#include "../base/infile.h"
#include "../base/list_file.h"
#include "../clip/mask_file.h"
#include "boxes.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static cfp_status refuse(cfp_ctx *ctx, const char *path, int64_t line, const char *what,
                         const char *text)
{
    return cfp_fail(ctx, CFP_FORMAT, "%s:%lld: %s: '%.60s'", path, (long long)line, what, text);
}

/* --- EPIC-KITCHENS-55: boxes of objects --- */

static const double EPIC_WIDTH = 1920, EPIC_HEIGHT = 1080;

typedef struct epic_columns {
    int video, frame, boxes;
} epic_columns;

static bool find_columns(epic_columns *out, const cfp_list_line *line)
{
    *out = (epic_columns){-1, -1, -1};
    for (int f = 0; f < line->n; f++) {
        if (strcmp(line->field[f], "video_id") == 0)
            out->video = f;
        else if (strcmp(line->field[f], "frame") == 0)
            out->frame = f;
        else if (strcmp(line->field[f], "bounding_boxes") == 0)
            out->boxes = f;
    }
    return out->video >= 0 && out->frame >= 0 && out->boxes >= 0;
}

cfp_status cfp_epic_boxes_are(bool *are, cfp_ctx *ctx, const char *path)
{
    cfp_list_file file;
    cfp_list_line line;
    epic_columns columns;
    *are = false;
    cfp_status status = cfp_list_file_open(&file, ctx, path);
    if (status == CFP_FORMAT) { /* no text: the reader of plain boxes says so */
        ctx->message[0] = '\0';
        status = CFP_OK;
    } else if (status == CFP_OK && cfp_list_file_next(&line, &file, ctx) == CFP_OK) {
        *are = find_columns(&columns, &line);
    }
    cfp_list_file_close(&file);
    return status;
}

/* Reads a number and moves *text behind it and behind blanks. */
static bool take_number(double *out, const char **text)
{
    char *end;
    *out = strtod(*text, &end);
    if (end == *text || !isfinite(*out))
        return false;
    *text = end + strspn(end, " \t\r\n");
    return true;
}

static bool take_sign(const char **text, char sign)
{
    *text += strspn(*text, " \t\r\n");
    if (**text != sign)
        return false;
    ++*text;
    *text += strspn(*text, " \t\r\n");
    return true;
}

/* Draws "[(top, left, height, width), ...]".  inside NULL: only checks the text. */
static bool draw_boxes(uint8_t *inside, const cfp_clip *clip, const char *text)
{
    const double x = clip->source_width / EPIC_WIDTH, y = clip->source_height / EPIC_HEIGHT;
    if (!take_sign(&text, '['))
        return false;
    for (bool first = true; !take_sign(&text, ']'); first = false) {
        double box[4];
        if ((!first && !take_sign(&text, ',')) || !take_sign(&text, '('))
            return false;
        for (int i = 0; i < 4; i++)
            if ((i > 0 && !take_sign(&text, ',')) || !take_number(&box[i], &text))
                return false;
        if (!take_sign(&text, ')') || box[2] < 0 || box[3] < 0)
            return false;
        if (inside != NULL)
            cfp_boxes_draw(inside, clip, box[1] * x, box[0] * y, box[3] * x, box[2] * y);
    }
    return *text == '\0';
}

/* The number from 1 that EPIC gives to frame t of the clip.  A video's frames are numbered by their
 * place, from 0; images have EPIC's own numbers in their names. */
static int64_t epic_frame(const cfp_clip *clip, int t)
{
    return clip->index[t] + (clip->index[0] == clip->place);
}

static cfp_status take_row(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip,
                           const cfp_list_line *line, const epic_columns *columns)
{
    const int64_t pixels = (int64_t)clip->height * clip->width;
    const char *frame = line->field[columns->frame], *boxes = line->field[columns->boxes];
    const size_t digits = strspn(frame, "0123456789");
    if (digits == 0 || digits > 10 || frame[digits] != '\0')
        return refuse(ctx, path, line->number, "no number of a frame", frame);
    if (!draw_boxes(NULL, clip, boxes))
        return refuse(ctx, path, line->number, "no boxes [(top, left, height, width), ...]", boxes);
    for (int t = 0; t < clip->frames; t++)
        if (epic_frame(clip, t) == strtoll(frame, NULL, 10)) {
            out->known[t] = 1;
            draw_boxes(out->inside + t * pixels, clip, boxes);
        }
    return CFP_OK;
}

static cfp_status take_rows(cfp_truth *out, cfp_ctx *ctx, cfp_list_file *file, const cfp_clip *clip)
{
    const char *name;
    int length;
    cfp_list_line line;
    epic_columns columns;
    int64_t rows = 0;
    cfp_source_name(&name, &length, clip->path);
    CFP_TRY(cfp_list_file_next(&line, file, ctx));
    find_columns(&columns, &line);
    for (;;) {
        CFP_TRY(cfp_list_file_next(&line, file, ctx));
        if (line.n == 0)
            break;
        if (line.n <= columns.video || line.n <= columns.frame || line.n <= columns.boxes)
            return refuse(ctx, file->path, line.number, "columns are missing", line.field[0]);
        const char *video = line.field[columns.video];
        if (strlen(video) != (size_t)length || memcmp(video, name, (size_t)length) != 0)
            continue;
        rows++;
        CFP_TRY(take_row(out, ctx, file->path, clip, &line, &columns));
    }
    return rows > 0 ? CFP_OK
                    : cfp_fail(ctx, CFP_FORMAT, "%s: no row of the video '%.*s'", file->path,
                               length, name);
}

cfp_status cfp_epic_boxes_read(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip)
{
    cfp_list_file file;
    cfp_status status = cfp_list_file_open(&file, ctx, path);
    if (status == CFP_OK)
        status = take_rows(out, ctx, &file, clip);
    cfp_list_file_close(&file);
    return status;
}

/* --- EGTEA Gaze+: names of clips --- */

enum { MOST_DIGITS = 15 };

/* The length of "-123456" (with a letter: "-F001392") at the end of the name; 0: it is not there,
 * or it is no number of a frame or millisecond. */
static int number_at_end(const char *name, int length, bool letter)
{
    int at = length;
    while (at > 0 && isdigit((unsigned char)name[at - 1]))
        at--;
    if (at == length || length - at > MOST_DIGITS || (letter && (at == 0 || name[--at] != 'F')) ||
        at == 0 || name[at - 1] != '-')
        return 0;
    return length - at + 1;
}

/* True for "OP01-R01-PastaSalad": three words, of which the second is R and digits. */
static bool is_session(const char *name, int length)
{
    const char *first = memchr(name, '-', (size_t)length);
    if (first == NULL || first == name || first[1] != 'R' || !isdigit((unsigned char)first[2]))
        return false;
    const char *second = memchr(first + 1, '-', (size_t)(name + length - first - 1));
    return second != NULL && second + 1 < name + length;
}

int cfp_egtea_session(const char *name, int length, int64_t *first)
{
    const bool letter[] = {true, true, false, false}; /* -start-stop-Fstart-Fstop, from the end */
    int at = length;
    int64_t frame = 0;
    for (int i = 0; i < 4; i++) {
        const int n = number_at_end(name, at, letter[i]);
        if (n == 0) {
            at = length;
            frame = 0;
            break;
        }
        at -= n;
        if (i == 1)
            frame = strtoll(name + at + 2, NULL, 10);
    }
    if (first != NULL)
        *first = frame;
    return is_session(name, at) ? at : 0;
}

/* The frame of the session's video that frame t of the clip is. */
static int64_t session_frame(const cfp_clip *clip, int t)
{
    const char *name;
    int length;
    int64_t first;
    cfp_source_name(&name, &length, clip->path);
    cfp_egtea_session(name, length, &first);
    return first + clip->index[t];
}

/* --- EGTEA Gaze+: gaze --- */

static const double GAZE_WIDTH = 1280, GAZE_HEIGHT = 960, GAZE_RADIUS = 1280 / 30.0;

typedef struct gaze { /* the mean fixation of a frame of the clip */
    double x, y;
    int n;
} gaze;

bool cfp_egtea_gaze_is(const char *path)
{
    cfp_ctx silent = {0};
    FILE *file;
    char head[5] = "";
    if (cfp_infile_open(&file, &silent, path) != CFP_OK)
        return false;
    const size_t n = fread(head, 1, 4, file);
    fclose(file);
    return n == 4 && (memcmp(head, "##", 2) == 0 || memcmp(head, "Time", 4) == 0 ||
                      isdigit((unsigned char)head[0]) != 0);
}

/* A whole number, or hours:minutes:seconds:frames at 24 frames a second. */
static bool read_frame(int64_t *out, const char *text)
{
    int h, m, s, f, used = 0;
    char *end;
    if (sscanf(text, "%3d:%2d:%2d:%2d%n", &h, &m, &s, &f, &used) == 4 && text[used] == '\0') {
        *out = ((int64_t)h * 3600 + m * 60 + s) * 24 + f;
        return true;
    }
    *out = strtoll(text, &end, 10);
    return end != text && *end == '\0';
}

static cfp_status take_sample(gaze *of, cfp_ctx *ctx, const char *path, const cfp_clip *clip,
                              const cfp_list_line *line)
{
    const bool old = line->n == 7;
    int64_t frame;
    char *x_end, *y_end;
    if (line->n != 7 && line->n != 26)
        return refuse(ctx, path, line->number, "no sample of gaze: 7 or 26 columns",
                      line->field[0]);
    const char *x_text = line->field[old ? 3 : 5], *y_text = line->field[old ? 4 : 6];
    const double x = strtod(x_text, &x_end), y = strtod(y_text, &y_end);
    if (!read_frame(&frame, line->field[line->n - 2]) || *x_end != '\0' || *y_end != '\0' ||
        x_end == x_text || y_end == y_text)
        return refuse(ctx, path, line->number, "no frame, or no place of gaze", x_text);
    const bool fixed = strcmp(line->field[line->n - 1], "Fixation") == 0;
    if (!fixed || !(x >= 0 && x < GAZE_WIDTH && y >= 0 && y < GAZE_HEIGHT))
        return CFP_OK;
    for (int t = 0; t < clip->frames; t++)
        if (session_frame(clip, t) == frame)
            of[t] = (gaze){of[t].x + x, of[t].y + y, of[t].n + 1};
    return CFP_OK;
}

/* A pixel is inside if its centre is less than the radius from the place, in pixels of the gaze. */
static void draw_disc(uint8_t *inside, const cfp_clip *clip, double x, double y)
{
    const double scale_x = GAZE_WIDTH / clip->source_width,
                 scale_y = GAZE_HEIGHT / clip->source_height;
    for (int h = 0; h < clip->height; h++)
        for (int w = 0; w < clip->width; w++) {
            const double dx = (clip->left + (w + 0.5) * clip->step_x) * scale_x - x;
            const double dy = (clip->top + (h + 0.5) * clip->step_y) * scale_y - y;
            if (dx * dx + dy * dy < GAZE_RADIUS * GAZE_RADIUS)
                inside[(int64_t)h * clip->width + w] = 1;
        }
}

static cfp_status take_samples(gaze *of, cfp_ctx *ctx, cfp_list_file *file, const cfp_clip *clip)
{
    cfp_list_line line;
    int64_t samples = 0;
    file->separator = ' ';
    file->comments = true;
    for (;;) {
        CFP_TRY(cfp_list_file_next(&line, file, ctx));
        if (line.n == 0)
            break;
        if (strcmp(line.field[0], "Time") == 0 || (line.n > 1 && strcmp(line.field[1], "MSG") == 0))
            continue;
        samples++;
        CFP_TRY(take_sample(of, ctx, file->path, clip, &line));
        CFP_TRY(cfp_check_interrupt(ctx));
    }
    return samples > 0 ? CFP_OK
                       : cfp_fail(ctx, CFP_FORMAT, "%s: no sample of gaze in it", file->path);
}

cfp_status cfp_egtea_gaze_read(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip)
{
    cfp_list_file file;
    gaze *of;
    CFP_TRY_ALLOC(ctx, of, clip->frames);
    cfp_status status = cfp_list_file_open(&file, ctx, path);
    if (status == CFP_OK)
        status = take_samples(of, ctx, &file, clip);
    for (int t = 0; t < clip->frames && status == CFP_OK; t++)
        if (of[t].n > 0) {
            out->known[t] = 1;
            draw_disc(out->inside + (int64_t)t * clip->height * clip->width, clip,
                      of[t].x / of[t].n, of[t].y / of[t].n);
        }
    cfp_list_file_close(&file);
    cfp_free(of);
    return status;
}

/* --- EGTEA Gaze+: hands --- */

/* The number of the frame, if the file is a mask of this clip or session: "NAME_000123.png". */
static bool is_mask(int64_t *number, const char *file, const char *name, int length)
{
    const char *dot = strrchr(file, '.');
    if (dot == NULL || strncmp(file, name, (size_t)length) != 0 ||
        isalnum((unsigned char)file[length]))
        return false;
    const char *digits = dot;
    while (digits > file + length && isdigit((unsigned char)digits[-1]))
        digits--;
    if (digits == dot || dot - digits > MOST_DIGITS)
        return false;
    *number = strtoll(digits, NULL, 10);
    return true;
}

/* The frame t of the clip that a file is the mask of; -1: none. */
static int frame_of_mask(const char *file, const cfp_clip *clip)
{
    const char *name;
    int length;
    int64_t number;
    cfp_source_name(&name, &length, clip->path);
    const int session = cfp_egtea_session(name, length, NULL);
    const bool own = is_mask(&number, file, name, length);
    if (!own && (session == 0 || !is_mask(&number, file, name, session) ||
                 strstr(file + session, "-F") != NULL)) /* of another clip of the session */
        return -1;
    for (int t = 0; t < clip->frames; t++)
        if (number == (own ? clip->index[t] : session_frame(clip, t)))
            return t;
    return -1;
}

bool cfp_egtea_hands_are(const char *path, const cfp_clip *clip)
{
    const char *name;
    int length;
    int64_t number;
    bool found = false;
    cfp_source_name(&name, &length, clip->path);
    const int session = cfp_egtea_session(name, length, NULL);
    DIR *folder = session == 0 ? NULL : opendir(path);
    if (folder == NULL)
        return false;
    for (const struct dirent *entry; !found && (entry = readdir(folder)) != NULL;)
        found = is_mask(&number, entry->d_name, name, session);
    closedir(folder);
    return found;
}

/* Draws a picture of any size over the frame: it shows all of the source's frame. */
static void draw_picture(uint8_t *inside, const cfp_clip *clip, const cfp_mask_frame *frame)
{
    for (int h = 0; h < clip->height; h++)
        for (int w = 0; w < clip->width; w++) {
            const double x = (clip->left + (w + 0.5) * clip->step_x) / clip->source_width;
            const double y = (clip->top + (h + 0.5) * clip->step_y) / clip->source_height;
            const int u = cfp_min_int(frame->width - 1, cfp_max_int(0, (int)(x * frame->width)));
            const int v = cfp_min_int(frame->height - 1, cfp_max_int(0, (int)(y * frame->height)));
            inside[(int64_t)h * clip->width + w] |= frame->inside[(int64_t)v * frame->width + u];
        }
}

static cfp_status take_hands(cfp_truth *out, cfp_ctx *ctx, const char *path, const cfp_clip *clip,
                             int t)
{
    cfp_mask_file *file;
    const cfp_mask_frame *frame;
    CFP_TRY(cfp_mask_file_open(&file, ctx, path));
    const cfp_status status = cfp_mask_file_read(&frame, file, 0);
    if (status == CFP_OK) {
        out->known[t] = 1;
        draw_picture(out->inside + (int64_t)t * clip->height * clip->width, clip, frame);
    }
    cfp_mask_file_close(&file);
    return status;
}

cfp_status cfp_egtea_hands_read(cfp_truth *out, cfp_ctx *ctx, const char *path,
                                const cfp_clip *clip)
{
    DIR *folder = opendir(path);
    cfp_status status = CFP_OK;
    if (folder == NULL)
        return cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    for (const struct dirent *entry; status == CFP_OK && (entry = readdir(folder)) != NULL;) {
        const int t = frame_of_mask(entry->d_name, clip);
        if (t < 0)
            continue;
        char *file = cfp_format(ctx, "%s/%s", path, entry->d_name);
        status = file == NULL ? CFP_NOMEM : take_hands(out, ctx, file, clip, t);
        cfp_free(file);
    }
    closedir(folder);
    return status;
}
