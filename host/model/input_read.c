/* input_read.c - reads /input of a model file: how a clip becomes what the network sees.  The file
 * is not trusted. */
#include "input_read.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct reader {
    cfp_ctx *ctx;
    const cfp_h5_group *group;
    const char *where;
} reader;

static cfp_status check_extent(const reader *r, const char *name, int value, int min, int max)
{
    if (value < min || value > max)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: '%s' is %d, expected %d to %d", r->where, name,
                        value, min, max);
    return CFP_OK;
}

/* The input values of 0 and 255 must be finite.  A ReLU would silently turn a NaN into 0. */
static cfp_status check_normalised(const reader *r, const cfp_input_spec *in)
{
    for (int c = 0; c < in->channels; c++) {
        const float black = (0.0f / in->scale - in->mean[c]) / in->std[c];
        const float white = (255.0f / in->scale - in->mean[c]) / in->std[c];
        if (!isfinite(black) || !isfinite(white))
            return cfp_fail(r->ctx, CFP_FORMAT,
                            "%s: 'scale' %g, 'mean' %g and 'std' %g turn bytes into no numbers",
                            r->where, (double)in->scale, (double)in->mean[c], (double)in->std[c]);
    }
    return CFP_OK;
}

static cfp_status read_normalisation(const reader *r, cfp_input_spec *in)
{
    double scale = 0, *number;
    CFP_TRY(cfp_h5_double(&scale, r->ctx, r->group, r->where, "scale", true));
    if (!(scale > 0))
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: 'scale' is %g", r->where, scale);
    in->scale = (float)scale;
    CFP_TRY_ALLOC(r->ctx, in->mean, in->channels);
    CFP_TRY_ALLOC(r->ctx, in->std, in->channels);
    CFP_TRY_ALLOC(r->ctx, number, in->channels);
    cfp_status status =
        cfp_h5_doubles(number, in->channels, r->ctx, r->group, r->where, "mean", true);
    for (int c = 0; c < in->channels && status == CFP_OK; c++)
        in->mean[c] = (float)number[c];
    if (status == CFP_OK)
        status = cfp_h5_doubles(number, in->channels, r->ctx, r->group, r->where, "std", true);
    for (int c = 0; c < in->channels && status == CFP_OK; c++) {
        in->std[c] = (float)number[c];
        if (!(in->std[c] > 0))
            status = cfp_fail(r->ctx, CFP_FORMAT, "%s: 'std' is %g", r->where, number[c]);
    }
    cfp_free(number);
    return status == CFP_OK ? check_normalised(r, in) : status;
}

static cfp_status read_words(const reader *r, cfp_input_spec *in)
{
    char *crop = NULL, *color = NULL;
    cfp_status status = cfp_h5_string(&crop, r->ctx, r->group, r->where, "crop", true);
    if (status == CFP_OK)
        status = cfp_h5_string(&color, r->ctx, r->group, r->where, "color", true);
    if (status == CFP_OK && strcmp(crop, "center") != 0)
        status = cfp_fail(r->ctx, CFP_UNSUPPORTED, "%s: crop '%s'; only 'center' is known",
                          r->where, crop);
    if (status == CFP_OK && strcmp(color, "RGB") != 0 && strcmp(color, "BGR") != 0)
        status = cfp_fail(r->ctx, CFP_UNSUPPORTED, "%s: color '%s' is neither RGB nor BGR",
                          r->where, color);
    if (status == CFP_OK && in->channels == 2 && strcmp(color, "RGB") != 0)
        status = cfp_fail(r->ctx, CFP_UNSUPPORTED,
                          "%s: color '%s' with 2 channels; optical flow (u, v) has 'RGB'", r->where,
                          color);
    if (status == CFP_OK)
        in->bgr = strcmp(color, "BGR") == 0;
    cfp_free(crop);
    cfp_free(color);
    return status;
}

/* An optional attribute that is one of some words; *out stays if it is not there. */
static cfp_status read_choice(int *out, const reader *r, const char *name, const char *const *words)
{
    char *word = NULL;
    if (cfp_h5_find_attribute(r->group, name) == NULL)
        return CFP_OK;
    CFP_TRY(cfp_h5_string(&word, r->ctx, r->group, r->where, name, true));
    int i = 0;
    while (words[i] != NULL && strcmp(words[i], word) != 0)
        i++;
    cfp_status status = CFP_OK;
    if (words[i] == NULL)
        status = cfp_fail(r->ctx, CFP_UNSUPPORTED, "%s: %s '%s' is none of %s, %s%s%s", r->where,
                          name, word, words[0], words[1], words[2] != NULL ? ", " : "",
                          words[2] != NULL ? "..." : "");
    *out = i;
    cfp_free(word);
    return status;
}

/* Optional: which channels of numbers are shown. */
static cfp_status read_show(const reader *r, cfp_input_spec *in)
{
    const cfp_h5_attribute *a = cfp_h5_find_attribute(r->group, "show_channels");
    char list[64];
    int show[3];
    if (a == NULL)
        return CFP_OK;
    if (a->n != 1 && a->n != 3)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: 'show_channels' has %lld numbers, expected 1 or 3",
                        r->where, (long long)a->n);
    CFP_TRY(cfp_h5_ints(show, (int)a->n, r->ctx, r->group, r->where, "show_channels", true));
    snprintf(list, sizeof list, a->n == 3 ? "%d,%d,%d" : "%d", show[0], show[a->n / 2],
             show[a->n - 1]);
    char where[600];
    snprintf(where, sizeof where, "%s: show_channels", r->where);
    return cfp_input_show(in, r->ctx, where, list) == CFP_OK ? CFP_OK : CFP_FORMAT;
}

/* Optional: clips of numbers.  Bytes of 2 or 3 channels are the default where there are so many. */
static cfp_status read_numbers(const reader *r, cfp_input_spec *in)
{
    static const char *const values[] = {"bytes", "numbers", NULL};
    static const char *const axes[] = {"xyz", "zyx", NULL};
    const bool may_be_bytes = in->channels == 2 || in->channels == 3;
    int numbers = !may_be_bytes, along_z = 0, standardise = CFP_STANDARDISE_NONE;
    CFP_TRY(read_choice(&numbers, r, "values", values));
    CFP_TRY(read_choice(&standardise, r, "standardise", cfp_standardise_names));
    CFP_TRY(read_choice(&along_z, r, "volume_axes", axes));
    if (!numbers && !may_be_bytes)
        return cfp_fail(r->ctx, CFP_UNSUPPORTED,
                        "%s: values 'bytes' with %d channels; bytes are of 2 or 3", r->where,
                        in->channels);
    if (!numbers && standardise != CFP_STANDARDISE_NONE)
        return cfp_fail(r->ctx, CFP_UNSUPPORTED,
                        "%s: standardise '%s' of bytes; it needs values 'numbers'", r->where,
                        cfp_standardise_names[standardise]);
    if (numbers && in->channels > 1 && in->bgr)
        return cfp_fail(r->ctx, CFP_UNSUPPORTED,
                        "%s: color 'BGR' with numbers of %d channels, which have no colours",
                        r->where, in->channels);
    in->numbers = numbers;
    in->standardise = (cfp_standardise)standardise;
    in->slices_along_z = along_z;
    return read_show(r, in);
}

/* Optional: older files do not have it and mean "bilinear". */
static cfp_status read_filter(const reader *r, cfp_input_spec *in)
{
    char *filter = NULL;
    if (cfp_h5_find_attribute(r->group, "resize_filter") == NULL)
        return CFP_OK;
    cfp_status status = cfp_h5_string(&filter, r->ctx, r->group, r->where, "resize_filter", true);
    if (status == CFP_OK)
        in->antialias = strcmp(filter, "antialias") == 0;
    if (status == CFP_OK && !in->antialias && strcmp(filter, "bilinear") != 0)
        status =
            cfp_fail(r->ctx, CFP_UNSUPPORTED,
                     "%s: resize_filter '%s' is neither bilinear nor antialias", r->where, filter);
    cfp_free(filter);
    return status;
}

/* Optional.  With it, resize_short is ignored; it is for readers that do not know `resize`. */
static cfp_status read_resize(const reader *r, cfp_input_spec *in)
{
    if (cfp_h5_find_attribute(r->group, "resize") == NULL)
        return CFP_OK;
    CFP_TRY(cfp_h5_ints(in->resize, 2, r->ctx, r->group, r->where, "resize", true));
    if (in->resize[0] < in->height || in->resize[1] < in->width || in->resize[0] > 1 << 15 ||
        in->resize[1] > 1 << 15)
        return cfp_fail(r->ctx, CFP_FORMAT,
                        "%s: 'resize' is %d x %d, expected %d x %d (the crop) to %d x %d", r->where,
                        in->resize[0], in->resize[1], in->height, in->width, 1 << 15, 1 << 15);
    return CFP_OK;
}

cfp_status cfp_input_read(cfp_input_spec *in, cfp_ctx *ctx, const cfp_h5_group *group,
                          const char *where)
{
    const reader r = {ctx, group, where};
    CFP_TRY(cfp_h5_int(&in->channels, ctx, group, where, "channels", true));
    CFP_TRY(cfp_h5_int(&in->frames, ctx, group, where, "frames", true));
    CFP_TRY(cfp_h5_int(&in->height, ctx, group, where, "height", true));
    CFP_TRY(cfp_h5_int(&in->width, ctx, group, where, "width", true));
    CFP_TRY(cfp_h5_int(&in->frame_stride, ctx, group, where, "frame_stride", true));
    CFP_TRY(cfp_h5_int(&in->resize_short, ctx, group, where, "resize_short", true));
    CFP_TRY(check_extent(&r, "channels", in->channels, 1, 1 << 12));
    CFP_TRY(check_extent(&r, "frames", in->frames, 1, 1 << 16));
    CFP_TRY(check_extent(&r, "height", in->height, 1, 1 << 15));
    CFP_TRY(check_extent(&r, "width", in->width, 1, 1 << 15));
    CFP_TRY(check_extent(&r, "frame_stride", in->frame_stride, 1, 1 << 20));
    CFP_TRY(check_extent(&r, "resize_short", in->resize_short, 0, 1 << 15));
    CFP_TRY(read_resize(&r, in));
    CFP_TRY(read_filter(&r, in));
    CFP_TRY(read_words(&r, in));
    CFP_TRY(read_numbers(&r, in));
    return read_normalisation(&r, in);
}
