/* index_row.c - see index_row.h. */
#include "index_row.h"
#include "../../backend/render_math.h"
#include "../../model/h5_read.h"
#include "../colormap.h"
#include "jpeg.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_SIDE = 16384, MOST_NAME = 4096 };

/* One file while it is read; everything in it is freed in one place. */
typedef struct reader {
    cfp_ctx *ctx;
    const char *path;
    cfp_index_row *row;
    hid_t file, group; /* 0 or less: not open */
    int depth;         /* of the layer that `tube` names */
    int frames, height, width;
    uint8_t *rgb;   /* height x width x 3 */
    float *volume;  /* height x width, or NULL */
    uint8_t *small; /* the picture, smaller */
    cfp_jpeg *jpeg;
} reader;

/* Element `at` of axis 0 of a dataset whose other axes must have `size`; false: it is not so. */
static bool read_slice(void *out, const reader *r, const char *name, hid_t type, int rank,
                       const hsize_t *size, hsize_t at)
{
    hsize_t found[H5S_MAX_RANK], start[4] = {at}, count[4] = {1};
    const hid_t data = H5Dopen2(r->file, name, H5P_DEFAULT);
    const hid_t space = data < 0 ? -1 : H5Dget_space(data);
    bool good = space >= 0 && H5Sget_simple_extent_ndims(space) == rank &&
                H5Sget_simple_extent_dims(space, found, NULL) == rank && at < found[0];
    for (int i = 1; i < rank && good; i++) {
        good = found[i] == size[i];
        count[i] = size[i];
    }
    const hid_t memory = good ? H5Screate_simple(rank, count, NULL) : -1;
    good = good && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
           H5Dread(data, type, memory, space, H5P_DEFAULT, out) >= 0;
    if (memory >= 0)
        H5Sclose(memory);
    if (space >= 0)
        H5Sclose(space);
    if (data >= 0)
        H5Dclose(data);
    return good;
}

static cfp_status read_root(reader *r)
{
    char *format = NULL;
    cfp_index_row *row = r->row;
    CFP_TRY(cfp_h5_string(&format, r->ctx, r->file, r->path, "cfp_format", false));
    const bool mine = strcmp(format, "explanation") == 0;
    cfp_free(format);
    if (!mine)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: not an explanation", r->path);
    CFP_TRY(cfp_h5_string(&row->class_name, r->ctx, r->file, r->path, "class_name", true));
    CFP_TRY(cfp_h5_string(&row->clip, r->ctx, r->file, r->path, "clip", true));
    CFP_TRY(cfp_h5_string(&row->model, r->ctx, r->file, r->path, "model", true));
    CFP_TRY(cfp_h5_string(&row->rule, r->ctx, r->file, r->path, "rule", true));
    CFP_TRY(cfp_h5_int(&row->class_index, r->ctx, r->file, r->path, "class_index", true));
    CFP_TRY(cfp_h5_double(&row->probability, r->ctx, r->file, r->path, "probability", true));
    return cfp_h5_double(&row->theta, r->ctx, r->file, r->path, "theta", true);
}

/* One layer of /pyramid; the least deep one with a tube is what the picture shows. */
static cfp_status read_layer(reader *r, hid_t layer, const char *name)
{
    int depth = 0;
    CFP_TRY(cfp_h5_int(&depth, r->ctx, layer, r->path, "depth", true));
    const hid_t data = H5Lexists(layer, "selected", H5P_DEFAULT) > 0
                           ? H5Dopen2(layer, "selected", H5P_DEFAULT)
                           : -1;
    const hid_t space = data < 0 ? -1 : H5Dget_space(data);
    const hssize_t n = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    if (space >= 0)
        H5Sclose(space);
    if (data >= 0)
        H5Dclose(data);
    if (n < 0 || n > INT32_MAX - r->row->kernels)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: /pyramid/%s: 'selected' cannot be read", r->path,
                        name);
    r->row->layers++;
    r->row->kernels += (int)n;
    const bool nearer = *r->row->tube == '\0' || depth < r->depth;
    char *tube = nearer ? cfp_format(r->ctx, "tubes/%s", name) : NULL;
    if (nearer && tube == NULL)
        return CFP_NOMEM;
    const bool there = nearer && H5Lexists(r->file, "tubes", H5P_DEFAULT) > 0 &&
                       H5Lexists(r->file, tube, H5P_DEFAULT) > 0;
    cfp_free(tube);
    if (!there)
        return CFP_OK;
    cfp_free(r->row->tube);
    r->row->tube = cfp_strdup(r->ctx, name);
    r->depth = depth;
    return r->row->tube == NULL ? CFP_NOMEM : CFP_OK;
}

static cfp_status read_pyramid(reader *r)
{
    H5G_info_t about;
    if (H5Lexists(r->file, "pyramid", H5P_DEFAULT) > 0)
        r->group = H5Gopen2(r->file, "pyramid", H5P_DEFAULT);
    if (r->group <= 0 || H5Gget_info(r->group, &about) < 0)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: /pyramid cannot be read", r->path);
    r->row->tube = cfp_strdup(r->ctx, "");
    if (r->row->tube == NULL)
        return CFP_NOMEM;
    for (hsize_t i = 0; i < about.nlinks; i++) {
        char name[MOST_NAME];
        const ssize_t length = H5Lget_name_by_idx(r->group, ".", H5_INDEX_NAME, H5_ITER_INC, i,
                                                  name, sizeof name, H5P_DEFAULT);
        const bool fits = length > 0 && length < (ssize_t)sizeof name;
        const hid_t layer = fits ? H5Gopen2(r->group, name, H5P_DEFAULT) : -1;
        if (layer < 0)
            return cfp_fail(r->ctx, CFP_FORMAT, "%s: a layer of /pyramid cannot be read", r->path);
        const cfp_status status = read_layer(r, layer, name);
        H5Gclose(layer);
        CFP_TRY(status);
    }
    return CFP_OK;
}

/* The size of /clip/frames. */
static cfp_status read_size(reader *r)
{
    hsize_t size[H5S_MAX_RANK] = {0};
    const bool there = H5Lexists(r->file, "clip", H5P_DEFAULT) > 0 &&
                       H5Lexists(r->file, "clip/frames", H5P_DEFAULT) > 0;
    const hid_t data = there ? H5Dopen2(r->file, "clip/frames", H5P_DEFAULT) : -1;
    const hid_t space = data < 0 ? -1 : H5Dget_space(data);
    bool good = space >= 0 && H5Sget_simple_extent_ndims(space) == 4 &&
                H5Sget_simple_extent_dims(space, size, NULL) == 4 && size[3] == 3;
    for (int i = 0; i < 3; i++)
        good = good && size[i] >= 1 && size[i] <= MOST_SIDE;
    if (space >= 0)
        H5Sclose(space);
    if (data >= 0)
        H5Dclose(data);
    if (!good)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: /clip/frames is not T x H x W x 3", r->path);
    r->frames = (int)size[0];
    r->height = (int)size[1];
    r->width = (int)size[2];
    return CFP_OK;
}

/* The middle frame, with the tube over it as explain draws it by default. */
static cfp_status draw(reader *r)
{
    const hsize_t H = (hsize_t)r->height, W = (hsize_t)r->width, at = (hsize_t)r->frames / 2;
    cfp_overlay overlay = {.height = r->height,
                           .width = r->width,
                           .seen_height = r->height,
                           .seen_width = r->width,
                           .alpha = 0.5};
    CFP_TRY_ALLOC(r->ctx, r->rgb, 3 * H * W);
    if (!read_slice(r->rgb, r, "clip/frames", H5T_NATIVE_UINT8, 4, (hsize_t[]){0, H, W, 3}, at))
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: /clip/frames cannot be read", r->path);
    if (*r->row->tube == '\0')
        return CFP_OK;
    CFP_TRY_ALLOC(r->ctx, r->volume, H * W);
    char *name = cfp_format(r->ctx, "tubes/%s/tube", r->row->tube);
    if (name == NULL)
        return CFP_NOMEM;
    const bool good = read_slice(r->volume, r, name, H5T_NATIVE_FLOAT, 3, (hsize_t[]){0, H, W}, at);
    cfp_free(name);
    if (!good)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: the tube of %s cannot be read", r->path,
                        r->row->tube);
    cfp_colormap_table(overlay.colour, CFP_COLORMAP_JET);
    for (int y = 0; y < r->height; y++)
        for (int x = 0; x < r->width; x++)
            cfp_overlay_pixel(&overlay, r->rgb, r->volume, y, x);
    return CFP_OK;
}

/* Means of n x n pixels; what is left at the right and the bottom is cut off. */
static cfp_status shrink(reader *r)
{
    const int longer = cfp_max_int(r->height, r->width);
    const int n = cfp_min_int((longer + CFP_INDEX_PICTURE - 1) / CFP_INDEX_PICTURE,
                              cfp_min_int(r->height, r->width));
    const int H = r->height / n, W = r->width / n;
    CFP_TRY_ALLOC(r->ctx, r->small, (size_t)H * (size_t)W * 3);
    for (int p = 0; p < H * W * 3; p++) {
        const int y = p / (3 * W), x = p / 3 % W, c = p % 3;
        int sum = 0;
        for (int k = 0; k < n * n; k++)
            sum += r->rgb[((y * n + k / n) * r->width + x * n + k % n) * 3 + c];
        r->small[p] = (uint8_t)((sum + n * n / 2) / (n * n));
    }
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
    struct stat facts;
    if (stat(r->path, &facts) == 0 && !S_ISREG(facts.st_mode)) /* a pipe would wait for ever */
        return cfp_fail(r->ctx, CFP_IO, "%s: is not a regular file", r->path);
    r->file = H5Fopen(r->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (r->file < 0)
        return cfp_fail(r->ctx, CFP_FORMAT, "%s: not an HDF5 file, or a broken one", r->path);
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
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* the message is ours */
    const cfp_status status = read_all(&r);
    if (r.group > 0)
        H5Gclose(r.group);
    if (r.file > 0)
        H5Fclose(r.file);
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
