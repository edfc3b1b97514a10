/* mask_file.c - see mask_file.h. */
#include "mask_file.h"
#include "../base/infile.h"
#include "../h5/h5_file.h"
#include "clip_source.h"
#include "npy_header.h"
#include "image_decode.h"
#include "tiff_decode.h"
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Numbers of an .npy, little-endian as this machine has them. */
typedef struct number_type {
    const char *descr;
    int bytes;
    char kind; /* u: whole numbers; f: real ones */
} number_type;

static const number_type number_types[] = {
    {"|b1", 1, 'u'}, {"|u1", 1, 'u'}, {"|i1", 1, 'u'}, {"<u2", 2, 'u'},
    {"<i2", 2, 'u'}, {"<u4", 4, 'u'}, {"<i4", 4, 'u'}, {"<u8", 8, 'u'},
    {"<i8", 8, 'u'}, {"<f4", 4, 'f'}, {"<f8", 8, 'f'},
};

struct cfp_mask_file {
    cfp_ctx *ctx;
    const char *path; /* the caller's */
    cfp_mask_facts facts;
    cfp_mask_frame frame;
    size_t room; /* of frame.inside */
    /* .npy */
    FILE *npy;
    const number_type *type;
    off_t first;
    uint8_t *bytes; /* of one frame */
    /* HDF5 */
    cfp_h5 *h5;
    cfp_h5_group root;
    const cfp_h5_dataset *mask;
    /* pictures */
    cfp_source source; /* kind NULL: none */
};

static cfp_status make_room(cfp_mask_file *f, int height, int width)
{
    const size_t n = (size_t)height * (size_t)width;
    f->frame.height = height;
    f->frame.width = width;
    f->frame.known = true;
    if (n <= f->room)
        return CFP_OK;
    cfp_free(f->frame.inside);
    f->room = 0;
    CFP_TRY_ALLOC(f->ctx, f->frame.inside, n);
    f->room = n;
    return CFP_OK;
}

static cfp_status set_size(cfp_mask_file *f, const int64_t *size)
{
    CFP_TRY(cfp_source_check_size(f->ctx, f->path, size[0], size[1], size[2]));
    f->facts.frames = size[0];
    return make_room(f, (int)size[1], (int)size[2]);
}

/* --- .npy --- */

static cfp_status check_length(cfp_mask_file *f)
{
    struct stat facts;
    const int64_t bytes = (int64_t)f->frame.height * f->frame.width * f->type->bytes;
    f->first = ftello(f->npy);
    if (f->first < 0 || fstat(fileno(f->npy), &facts) != 0)
        return cfp_fail(f->ctx, CFP_IO, "%s: %s", f->path, strerror(errno));
    if (((int64_t)facts.st_size - f->first) / bytes < f->facts.frames)
        return cfp_fail(f->ctx, CFP_FORMAT, "%s: truncated: %lld frames need %lld bytes", f->path,
                        (long long)f->facts.frames, (long long)(bytes * f->facts.frames));
    CFP_TRY_ALLOC(f->ctx, f->bytes, bytes);
    return CFP_OK;
}

static cfp_status open_npy(cfp_mask_file *f)
{
    cfp_npy_header header;
    CFP_TRY(cfp_infile_open(&f->npy, f->ctx, f->path));
    CFP_TRY(cfp_npy_begin(&header, f->ctx, f->path, f->npy));
    for (size_t i = 0; i < sizeof number_types / sizeof *number_types; i++)
        if (strcmp(header.descr, number_types[i].descr) == 0)
            f->type = &number_types[i];
    if (f->type == NULL)
        return cfp_fail(f->ctx, CFP_UNSUPPORTED,
                        "%s: numbers of type '%s'; a mask has booleans, integers, float32 or "
                        "float64 in the order of bytes of this machine",
                        f->path, header.descr);
    if (header.fortran_order)
        return cfp_fail(f->ctx, CFP_UNSUPPORTED,
                        "%s: the array is in Fortran order (save np.ascontiguousarray of it)",
                        f->path);
    if (header.rank != 3)
        return cfp_fail(f->ctx, CFP_SHAPE, "%s: an array of shape %s; a mask is T x H x W", f->path,
                        header.shape_text);
    CFP_TRY(set_size(f, header.shape));
    return check_length(f);
}

static double real_at(const uint8_t *bytes, const number_type *type, size_t i)
{
    float single;
    double number;
    if (type->bytes == (int)sizeof single) {
        memcpy(&single, bytes + i * sizeof single, sizeof single);
        return (double)single;
    }
    memcpy(&number, bytes + i * sizeof number, sizeof number);
    return number;
}

static bool whole_is_zero(const uint8_t *bytes, const number_type *type, size_t i)
{
    for (int b = 0; b < type->bytes; b++)
        if (bytes[i * (size_t)type->bytes + (size_t)b] != 0)
            return false;
    return true;
}

static cfp_status read_npy(cfp_mask_file *f, int64_t k)
{
    const size_t n = (size_t)f->frame.height * (size_t)f->frame.width;
    const size_t bytes = n * (size_t)f->type->bytes;
    if (fseeko(f->npy, f->first + (off_t)bytes * k, SEEK_SET) != 0 ||
        fread(f->bytes, 1, bytes, f->npy) != bytes)
        return cfp_fail(f->ctx, CFP_IO, "%s: frame %lld cannot be read", f->path, (long long)k);
    f->frame.known = true;
    for (size_t i = 0; i < n; i++)
        if (f->type->kind == 'f') {
            const double x = real_at(f->bytes, f->type, i);
            f->frame.known &= !isnan(x);
            f->frame.inside[i] = x != 0;
        } else {
            f->frame.inside[i] = !whole_is_zero(f->bytes, f->type, i);
        }
    return CFP_OK;
}

/* --- HDF5 --- */

static cfp_status open_h5(cfp_mask_file *f)
{
    CFP_TRY(cfp_h5_open(&f->h5, f->ctx, f->path));
    CFP_TRY(cfp_h5_look(&f->root, f->h5, f->ctx, "/"));
    if (cfp_h5_find_child(&f->root, "mask") == NULL)
        return cfp_fail(f->ctx, CFP_FORMAT, "%s: it has no dataset /mask", f->path);
    CFP_TRY(cfp_h5_find_dataset(&f->mask, f->ctx, &f->root, f->path, "mask"));
    if (f->mask->class != CFP_H5_UNSIGNED || f->mask->element_bytes != 1)
        return cfp_fail(f->ctx, CFP_UNSUPPORTED, "%s: /mask is not uint8", f->path);
    if (f->mask->rank != 3)
        return cfp_fail(f->ctx, CFP_SHAPE, "%s: /mask has %d axes; a mask is T x H x W", f->path,
                        f->mask->rank);
    return set_size(f, f->mask->size);
}

static cfp_status read_h5(cfp_mask_file *f, int64_t k)
{
    CFP_TRY(cfp_h5_rows(f->frame.inside, f->ctx, &f->root, f->mask, CFP_H5_U8, k, 1));
    for (size_t i = 0; i < (size_t)f->frame.height * (size_t)f->frame.width; i++)
        f->frame.inside[i] = f->frame.inside[i] != 0;
    return CFP_OK;
}

/* --- pictures --- */

static cfp_status open_pictures(cfp_mask_file *f, const cfp_source_kind *kind)
{
    f->source = (cfp_source){.kind = kind, .path = f->path, .channels = 3};
    CFP_TRY(kind->open(&f->source, f->ctx));
    f->facts.still = kind == &cfp_source_image;
    f->facts.frames = f->facts.still ? 1 : f->source.frames;
    f->facts.number = f->source.number;
    return CFP_OK;
}

static cfp_status take_picture(void *cookie, cfp_ctx *ctx, int32_t k, const cfp_image *image)
{
    cfp_mask_file *f = cookie;
    (void)ctx;
    (void)k;
    CFP_TRY(make_room(f, image->height, image->width));
    for (size_t i = 0; i < (size_t)image->height * (size_t)image->width; i++)
        f->frame.inside[i] =
            (image->rgb[3 * i] | image->rgb[3 * i + 1] | image->rgb[3 * i + 2]) != 0;
    return CFP_OK;
}

/* --- any --- */

static cfp_status open_file(cfp_mask_file *f)
{
    uint8_t head[16] = {0};
    FILE *file;
    CFP_TRY(cfp_infile_open(&file, f->ctx, f->path));
    const size_t n = fread(head, 1, sizeof head, file);
    fclose(file);
    if (n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0)
        return open_npy(f);
    if (n >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0)
        return open_h5(f);
    const bool tiff = cfp_is_tiff(head, n);
    if (tiff || cfp_is_image_head(head, n))
        return open_pictures(f, tiff ? &cfp_source_tiff : &cfp_source_image);
    return cfp_fail(f->ctx, CFP_FORMAT,
                    "%s: no mask: neither .npy, HDF5, a picture nor a .csv of boxes", f->path);
}

cfp_status cfp_mask_file_open(cfp_mask_file **out, cfp_ctx *ctx, const char *path)
{
    struct stat facts;
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->ctx = ctx;
    (*out)->path = path;
    cfp_status status;
    if (stat(path, &facts) != 0)
        status = cfp_fail(ctx, CFP_IO, "%s: %s", path, strerror(errno));
    else if (S_ISDIR(facts.st_mode))
        status = open_pictures(*out, &cfp_source_folder);
    else
        status = open_file(*out);
    if (status != CFP_OK)
        cfp_mask_file_close(out);
    return status;
}

void cfp_mask_file_close(cfp_mask_file **file)
{
    cfp_mask_file *f = *file;
    if (f == NULL)
        return;
    if (f->npy != NULL)
        fclose(f->npy);
    if (f->source.kind != NULL)
        f->source.kind->close(&f->source);
    cfp_h5_group_free(&f->root);
    cfp_h5_close(&f->h5);
    cfp_free(f->bytes);
    cfp_free(f->frame.inside);
    cfp_free(f);
    *file = NULL;
}

cfp_mask_facts cfp_mask_file_facts(const cfp_mask_file *file)
{
    return file->facts;
}

cfp_status cfp_mask_file_read(const cfp_mask_frame **out, cfp_mask_file *file, int64_t k)
{
    const int32_t wanted = (int32_t)k;
    const cfp_sink sink = {take_picture, file};
    *out = &file->frame;
    if (file->npy != NULL)
        return read_npy(file, k);
    if (file->h5 != NULL)
        return read_h5(file, k);
    return file->source.kind->read(&file->source, file->ctx, &wanted, 1, &sink);
}
