/* window.c - see window.h. */
#include "window.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits, then perhaps a point and more digits. */
static bool read_decimal(double *out, const char *text, size_t length)
{
    const size_t whole = strspn(text, "0123456789");
    const size_t rest = text[whole] == '.' ? 1 + strspn(text + whole + 1, "0123456789") : 0;
    if (whole == 0 || whole > 15 || rest > 30 || whole + rest != length || rest == 1)
        return false;
    *out = strtod(text, NULL);
    return true;
}

bool cfp_seconds_read(double *out, const char *text)
{
    double value = 0, part;
    for (int colons = 0;; colons++) {
        const char *colon = strchr(text, ':');
        size_t length = colon == NULL ? strlen(text) : (size_t)(colon - text);
        if (colon == NULL && colons == 0 && length > 1 && text[length - 1] == 's')
            length--;
        if (!read_decimal(&part, text, length) || (colons > 0 && part >= 60) || colons > 2 ||
            (colon != NULL && part != floor(part)))
            return false;
        value = 60 * value + part;
        if (colon == NULL)
            break;
        text = colon + 1;
    }
    *out = value;
    return true;
}

static bool means_seconds(const char *text)
{
    return strpbrk(text, ":s") != NULL;
}

static const char *refuse(char why[256], const char *text, const char *what)
{
    snprintf(why, 256, "'%.80s' is no %s", text, what);
    return why;
}

/* A frame, or a time that says that it is one. */
static const char *read_frame(cfp_window *out, bool is_stop, const char *text, char why[256])
{
    double value;
    if (means_seconds(text)) {
        if (!cfp_seconds_read(&value, text))
            return refuse(why, text, "time: 12.5s or 00:00:12.5");
        out->seconds = true;
    } else if (read_decimal(&value, text, strlen(text)) && value == floor(value)) {
        out->frames = true;
    } else {
        return refuse(why, text, "number of a frame, and no time (12.5s, 00:00:12.5)");
    }
    *(is_stop ? (out->seconds ? &out->to : &out->last)
              : (out->seconds ? &out->from : &out->first)) = value;
    return NULL;
}

static const char *read_frames(cfp_window *out, const cfp_kind *kind, const cfp_values *values,
                               char why[256])
{
    char text[CFP_TEMPLATE_ROOM];
    const char *problem = NULL;
    for (int i = 0; i < 2 && problem == NULL; i++)
        if (cfp_template_fill(text, &kind->frames[i], values))
            problem = read_frame(out, i == 1, text, why);
    if (problem == NULL && out->frames && out->seconds)
        return "start and stop are a frame and a time: give both as frames or both as times";
    return problem;
}

const char *cfp_window_read(cfp_window *out, const cfp_kind *kind, const cfp_values *values,
                            char why[256])
{
    char text[CFP_TEMPLATE_ROOM];
    *out = (cfp_window){.first = (double)kind->first_frame, .last = -1, .to = -1};
    const char *problem = read_frames(out, kind, values, why);
    for (int i = 0; i < 2 && problem == NULL; i++)
        if (cfp_template_fill(text, &kind->seconds[i], values)) {
            out->seconds = true;
            if (!cfp_seconds_read(i == 0 ? &out->from : &out->to, text))
                problem = refuse(why, text, "time in seconds or hours:minutes:seconds");
        }
    return problem;
}

void cfp_window_apply(cfp_dataset_clip *clip, const cfp_window *window, const cfp_kind *kind,
                      const cfp_found *found, bool numbered)
{
    clip->stop = -1;
    if (found->cut || (!window->frames && !window->seconds))
        return;
    if (window->seconds && !(window->frames && (found->is_folder || found->is_tar))) {
        clip->window = CFP_WINDOW_SECONDS;
        clip->start = window->from;
        clip->stop = window->to;
    } else {
        const int64_t shift = numbered ? 0 : kind->first_frame;
        clip->window = CFP_WINDOW_FRAMES;
        clip->start = window->first - (double)shift;
        clip->stop = window->last < 0 ? -1 : window->last + kind->inclusive - (double)shift;
    }
    if (clip->start < 0 || (clip->stop >= 0 && clip->stop <= clip->start))
        clip->reason = CFP_CLIP_BAD_WINDOW;
}
