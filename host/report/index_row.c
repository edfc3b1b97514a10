/* index_row.c - see index_row.h. */
#include "index_row.h"
#include "../backend/render_math.h"
#include "../h5/h5_file.h"
#include "../draw/colormap.h"
#include "jpeg.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SIDE = 16384 };

/* A file that is being read.  reader_free frees everything in it. */
typedef struct reader {
    cfp_ctx *ctx;
    const char *path;
    cfp_index_row *row;
    cfp_h5 *file;
    cfp_h5_group group; /* the current group */
    int depth;          /* depth of the layer that `tube` names */
    int frames, height, width;
    uint8_t *rgb;   /* height x width x 3 */
    float *volume;  /* height x width, or NULL */
    uint8_t *small; /* the picture, reduced */
    cfp_jpeg *jpeg;
} reader;

static cfp_status look_at(reader *r, const char *path)
{
    cfp_h5_group_free(&r->group);
    return cfp_h5_look(&r->group, r->file, r->ctx, path);
}

/* Reads element `at` along axis 0 of a dataset.  Its other axes must have the lengths in `size`. */
static cfp_status read_slice(void *out, reader *r, const char *name, cfp_h5_element element,
                             int rank, const int64_t *size, int64_t at)
{
    const cfp_h5_dataset *data;
    CFP_TRY(cfp_h5_find_dataset(&data, r->ctx, &r->group, r->path, name));
    bool good = data->rank == rank && at < data->size[0];
    for (int i = 1; i < rank; i++)
        good = good && data->size[i] == size[i];
    if (!good)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: '%s' has another shape than the clip", r->path,
                        data->path);
    return cfp_h5_rows(out, r->ctx, &r->group, data, element, at, 1);
}

static cfp_status read_root(reader *r)
{
    char *format = NULL;
    cfp_index_row *row = r->row;
    CFP_TRY(cfp_h5_string(&format, r->ctx, &r->group, r->path, "cfp_format", false));
    const bool mine = strcmp(format, "explanation") == 0;
    cfp_free(format);
    if (!mine)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: not an explanation", r->path);
    CFP_TRY(cfp_h5_string(&row->class_name, r->ctx, &r->group, r->path, "class_name", true));
    CFP_TRY(cfp_h5_string(&row->clip, r->ctx, &r->group, r->path, "clip", true));
    CFP_TRY(cfp_h5_string(&row->model, r->ctx, &r->group, r->path, "model", true));
    CFP_TRY(cfp_h5_string(&row->rule, r->ctx, &r->group, r->path, "rule", true));
    CFP_TRY(cfp_h5_int(&row->class_index, r->ctx, &r->group, r->path, "class_index", true));
    CFP_TRY(cfp_h5_double(&row->probability, r->ctx, &r->group, r->path, "probability", true));
    return cfp_h5_double(&row->theta, r->ctx, &r->group, r->path, "theta", true);
}

/* Reads one layer of /pyramid, the current group.  The picture shows the layer of the smallest
 * depth that has a tube. */
static cfp_status read_layer(reader *r, const cfp_h5_group *tubes, const char *name)
{
    int depth = 0;
    const cfp_h5_dataset *selected;
    CFP_TRY(cfp_h5_int(&depth, r->ctx, &r->group, r->path, "depth", true));
    CFP_TRY(cfp_h5_find_dataset(&selected, r->ctx, &r->group, r->path, "selected"));
    if (selected->rank != 1 || selected->n < 0 || selected->n > INT32_MAX - r->row->kernels)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: /pyramid/%s: 'selected' is not a list", r->path,
                        name);
    r->row->layers++;
    r->row->kernels += (int)selected->n;
    const bool nearer = *r->row->tube == '\0' || depth < r->depth;
    if (!nearer || cfp_h5_find_child(tubes, name) == NULL)
        return CFP_OK;
    cfp_free(r->row->tube);
    r->row->tube = cfp_strdup(r->ctx, name);
    r->depth = depth;
    return r->row->tube == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status read_layers(reader *r, const cfp_h5_group *pyramid, const cfp_h5_group *tubes)
{
    if ((r->row->tube = cfp_strdup(r->ctx, "")) == NULL)
        return CFP_NOMEM;
    for (int i = 0; i < pyramid->n_children; i++) {
        char *path = cfp_format(r->ctx, "pyramid/%s", pyramid->child[i].name);
        if (path == NULL)
            return CFP_NOMEM;
        cfp_status status = look_at(r, path);
        cfp_free(path);
        if (status == CFP_OK)
            status = read_layer(r, tubes, pyramid->child[i].name);
        CFP_TRY(status);
    }
    return CFP_OK;
}

/* Reads the layers.  The current group is the root.  An explanation without tubes has no /tubes. */
static cfp_status read_pyramid(reader *r)
{
    cfp_h5_group pyramid = {0}, tubes = {0};
    cfp_status status = CFP_OK;
    if (cfp_h5_find_child(&r->group, "tubes") != NULL)
        status = cfp_h5_look(&tubes, r->file, r->ctx, "tubes");
    if (status == CFP_OK)
        status = cfp_h5_look(&pyramid, r->file, r->ctx, "pyramid");
    if (status == CFP_OK)
        status = read_layers(r, &pyramid, &tubes);
    cfp_h5_group_free(&pyramid);
    cfp_h5_group_free(&tubes);
    return status;
}

/* Reads the size of /clip/frames.  /clip is the current group afterwards. */
static cfp_status read_size(reader *r)
{
    const cfp_h5_dataset *data;
    CFP_TRY(look_at(r, "clip"));
    CFP_TRY(cfp_h5_find_dataset(&data, r->ctx, &r->group, r->path, "frames"));
    bool good = data->rank == 4 && data->size[3] == 3;
    for (int i = 0; i < 3; i++)
        good = good && data->size[i] >= 1 && data->size[i] <= MAX_SIDE;
    if (!good)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: /clip/frames is not T x H x W x 3", r->path);
    r->frames = (int)data->size[0];
    r->height = (int)data->size[1];
    r->width = (int)data->size[2];
    return CFP_OK;
}

static cfp_status read_tube(reader *r, int64_t at)
{
    const int64_t H = r->height, W = r->width;
    CFP_TRY_ALLOC(r->ctx, r->volume, H * W);
    char *path = cfp_format(r->ctx, "tubes/%s", r->row->tube);
    if (path == NULL)
        return CFP_NOMEM;
    cfp_status status = look_at(r, path);
    cfp_free(path);
    return status != CFP_OK
               ? status
               : read_slice(r->volume, r, "tube", CFP_H5_F32, 3, (int64_t[]){0, H, W}, at);
}

/* Draws the middle frame with the tube over it, as explain does by default. */
static cfp_status draw(reader *r)
{
    const int64_t H = r->height, W = r->width, at = r->frames / 2;
    cfp_overlay overlay = {.height = r->height,
                           .width = r->width,
                           .seen_height = r->height,
                           .seen_width = r->width,
                           .alpha = 0.5};
    CFP_TRY_ALLOC(r->ctx, r->rgb, 3 * H * W);
    CFP_TRY(read_slice(r->rgb, r, "frames", CFP_H5_U8, 4, (int64_t[]){0, H, W, 3}, at));
    if (*r->row->tube == '\0')
        return CFP_OK;
    CFP_TRY(read_tube(r, at));
    cfp_colormap_table(overlay.colour, CFP_COLORMAP_INFERNO);
    for (int y = 0; y < r->height; y++)
        for (int x = 0; x < r->width; x++)
            cfp_overlay_pixel(&overlay, r->rgb, r->volume, y, x);
    return CFP_OK;
}

static cfp_status shrink(reader *r)
{
    const int longer = cfp_max_int(r->height, r->width);
    const int n = cfp_min_int((longer + CFP_INDEX_PICTURE - 1) / CFP_INDEX_PICTURE,
                              cfp_min_int(r->height, r->width));
    const int H = r->height / n, W = r->width / n;
    CFP_TRY_ALLOC(r->ctx, r->small, (size_t)H * (size_t)W * 3);
    cfp_shrink(r->small, r->rgb, r->height, r->width, n);
    r->height = H;
    r->width = W;
    return CFP_OK;
}

static cfp_status encode(reader *r)
{
    const uint8_t *bytes;
    CFP_TRY(cfp_jpeg_open(&r->jpeg, r->ctx, r->path, r->height, r->width));
    CFP_TRY(cfp_jpeg_encode(r->jpeg, r->small, &bytes, &r->row->jpeg_bytes));
    CFP_TRY_ALLOC(r->ctx, r->row->jpeg, r->row->jpeg_bytes);
    memcpy(r->row->jpeg, bytes, r->row->jpeg_bytes);
    return CFP_OK;
}

static cfp_status read_all(reader *r)
{
    if (access(r->path, R_OK) != 0)
        return cfp_fail(r->ctx, CFP_IO, "%s: %s%s", r->path, strerror(errno),
                        errno == ENOENT ? "; explain --format h5 makes it" : "");
    CFP_TRY(cfp_h5_open(&r->file, r->ctx, r->path));
    CFP_TRY(look_at(r, "/"));
    CFP_TRY(read_root(r));
    CFP_TRY(read_pyramid(r));
    CFP_TRY(read_size(r));
    CFP_TRY(draw(r));
    CFP_TRY(shrink(r));
    return encode(r);
}

cfp_status cfp_index_row_read(cfp_index_row *out, cfp_ctx *ctx, const char *path)
{
    *out = (cfp_index_row){0};
    reader r = {.ctx = ctx, .path = path, .row = out};
    const cfp_status status = read_all(&r);
    cfp_h5_group_free(&r.group);
    cfp_h5_close(&r.file);
    cfp_jpeg_close(&r.jpeg);
    cfp_free(r.rgb);
    cfp_free(r.volume);
    cfp_free(r.small);
    if (status != CFP_OK)
        cfp_index_row_free(out);
    return status;
}

void cfp_index_row_free(cfp_index_row *row)
{
    cfp_free(row->class_name);
    cfp_free(row->clip);
    cfp_free(row->model);
    cfp_free(row->rule);
    cfp_free(row->tube);
    cfp_free(row->jpeg);
    cfp_free(row->folder);
    cfp_free(row->href);
    *row = (cfp_index_row){0};
}
