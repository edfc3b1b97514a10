/* h5_read.c - see h5_read.h. */
#include "h5_read.h"
#include <limits.h>
#include <math.h>
#include <string.h>

static bool exists(hid_t object, const char *name, bool attribute)
{
    return attribute ? H5Aexists(object, name) > 0 : H5Lexists(object, name, H5P_DEFAULT) > 0;
}

static cfp_status missing(cfp_ctx *ctx, const char *where, const char *name, bool required)
{
    return required ? cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is missing", where, name) : CFP_OK;
}

/* Numbers of an attribute into `out` of memory type `type`; n = 0 means a scalar. */
static cfp_status read_numbers(void *out, hid_t type, int n, cfp_ctx *ctx, hid_t object,
                               const char *where, const char *name)
{
    const hid_t attr = H5Aopen(object, name, H5P_DEFAULT);
    const hid_t space = attr < 0 ? -1 : H5Aget_space(attr);
    const hid_t stored = attr < 0 ? -1 : H5Aget_type(attr);
    const H5T_class_t class = stored < 0 ? H5T_NO_CLASS : H5Tget_class(stored);
    const bool whole = H5Tequal(type, H5T_NATIVE_INT) > 0;
    cfp_status status = CFP_OK;

    if (attr < 0 || space < 0 || stored < 0)
        status = cfp_fail(ctx, CFP_FORMAT, "%s: '%s' cannot be read", where, name);
    else if (class != H5T_INTEGER && class != H5T_ENUM && (whole || class != H5T_FLOAT))
        status = cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is not %s", where, name,
                          whole ? "a whole number" : "a number");
    else if (H5Sget_simple_extent_npoints(space) != (n == 0 ? 1 : n))
        status = cfp_fail(ctx, CFP_FORMAT, "%s: '%s' has %lld values, expected %d", where, name,
                          (long long)H5Sget_simple_extent_npoints(space), n == 0 ? 1 : n);
    else if (H5Aread(attr, class == H5T_ENUM ? H5T_NATIVE_INT8 : type, out) < 0)
        status = cfp_fail(ctx, CFP_FORMAT, "%s: '%s' cannot be read", where, name);
    else if (class == H5T_ENUM && whole) /* h5py writes booleans so */
        *(int *)out = *(signed char *)out;
    if (stored >= 0)
        H5Tclose(stored);
    if (space >= 0)
        H5Sclose(space);
    if (attr >= 0)
        H5Aclose(attr);
    return status;
}

cfp_status cfp_h5_int(int *value, cfp_ctx *ctx, hid_t object, const char *where, const char *name,
                      bool required)
{
    if (!exists(object, name, true))
        return missing(ctx, where, name, required);
    return read_numbers(value, H5T_NATIVE_INT, 0, ctx, object, where, name);
}

cfp_status cfp_h5_ints(int *value, int n, cfp_ctx *ctx, hid_t object, const char *where,
                       const char *name, bool required)
{
    if (!exists(object, name, true))
        return missing(ctx, where, name, required);
    return read_numbers(value, H5T_NATIVE_INT, n, ctx, object, where, name);
}

cfp_status cfp_h5_doubles(double *value, int n, cfp_ctx *ctx, hid_t object, const char *where,
                          const char *name, bool required)
{
    if (!exists(object, name, true))
        return missing(ctx, where, name, required);
    CFP_TRY(read_numbers(value, H5T_NATIVE_DOUBLE, n, ctx, object, where, name));
    for (int i = 0; i < (n == 0 ? 1 : n); i++)
        if (!isfinite(value[i]))
            return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is not finite", where, name);
    return CFP_OK;
}

cfp_status cfp_h5_double(double *value, cfp_ctx *ctx, hid_t object, const char *where,
                         const char *name, bool required)
{
    return cfp_h5_doubles(value, 0, ctx, object, where, name, required);
}

/* An attribute or a dataset, so that strings are read by one piece of code. */
struct source {
    hid_t id, space, type;
    bool attribute;
};

static void source_close(struct source *s)
{
    if (s->type >= 0)
        H5Tclose(s->type);
    if (s->space >= 0)
        H5Sclose(s->space);
    if (s->id >= 0 && s->attribute)
        H5Aclose(s->id);
    else if (s->id >= 0)
        H5Dclose(s->id);
}

static void source_open(struct source *s, hid_t object, const char *name, bool attribute)
{
    *s = (struct source){-1, -1, -1, attribute};
    s->id = attribute ? H5Aopen(object, name, H5P_DEFAULT) : H5Dopen2(object, name, H5P_DEFAULT);
    if (s->id < 0)
        return;
    s->space = attribute ? H5Aget_space(s->id) : H5Dget_space(s->id);
    s->type = attribute ? H5Aget_type(s->id) : H5Dget_type(s->id);
}

static herr_t source_read(const struct source *s, hid_t type, void *out)
{
    return s->attribute ? H5Aread(s->id, type, out)
                        : H5Dread(s->id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
}

static cfp_status read_variable(char **text, const struct source *s, int n, cfp_ctx *ctx,
                                const char *where, const char *name)
{
    char **raw;
    CFP_TRY_ALLOC(ctx, raw, n);
    cfp_status status = CFP_OK;
    if (source_read(s, s->type, raw) < 0)
        status = cfp_fail(ctx, CFP_FORMAT, "%s: '%s' cannot be read", where, name);
    for (int i = 0; i < n && status == CFP_OK; i++)
        if ((text[i] = cfp_strdup(ctx, raw[i] != NULL ? raw[i] : "")) == NULL)
            status = CFP_NOMEM;
    for (int i = 0; i < n; i++)
        H5free_memory(raw[i]);
    cfp_free(raw);
    return status;
}

static cfp_status read_fixed(char **text, const struct source *s, int n, cfp_ctx *ctx,
                             const char *where, const char *name)
{
    const size_t width = H5Tget_size(s->type);
    if (width == 0 || width > 1 << 20)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' has strings of %zu bytes", where, name, width);
    char *raw;
    CFP_TRY_ALLOC(ctx, raw, (size_t)n * width + 1);
    cfp_status status = CFP_OK;
    if (source_read(s, s->type, raw) < 0)
        status = cfp_fail(ctx, CFP_FORMAT, "%s: '%s' cannot be read", where, name);
    for (int i = 0; i < n && status == CFP_OK; i++)
        if ((text[i] = cfp_format(ctx, "%.*s", (int)width, raw + (size_t)i * width)) == NULL)
            status = CFP_NOMEM;
    cfp_free(raw);
    return status;
}

static cfp_status read_strings(char ***value, int *n, cfp_ctx *ctx, const struct source *s,
                               const char *where, const char *name)
{
    if (s->id < 0 || s->space < 0 || s->type < 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is missing or cannot be read", where, name);
    const hssize_t count = H5Sget_simple_extent_npoints(s->space);
    if (H5Tget_class(s->type) != H5T_STRING || H5Sget_simple_extent_ndims(s->space) > 1)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is not a list of strings", where, name);
    if (count < 0 || count > 1 << 24)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' lists %lld strings", where, name,
                        (long long)count);
    CFP_TRY_ALLOC(ctx, *value, count);
    *n = (int)count;
    if (count == 0)
        return CFP_OK;
    return H5Tis_variable_str(s->type) > 0 ? read_variable(*value, s, *n, ctx, where, name)
                                           : read_fixed(*value, s, *n, ctx, where, name);
}

static cfp_status strings(char ***value, int *n, cfp_ctx *ctx, hid_t object, const char *where,
                          const char *name, bool attribute)
{
    struct source s;
    *value = NULL;
    *n = 0;
    if (!exists(object, name, attribute))
        return missing(ctx, where, name, true);
    source_open(&s, object, name, attribute);
    const cfp_status status = read_strings(value, n, ctx, &s, where, name);
    source_close(&s);
    return status;
}

cfp_status cfp_h5_attr_strings(char ***value, int *n, cfp_ctx *ctx, hid_t object, const char *where,
                               const char *name)
{
    return strings(value, n, ctx, object, where, name, true);
}

cfp_status cfp_h5_data_strings(char ***value, int *n, cfp_ctx *ctx, hid_t object, const char *where,
                               const char *name)
{
    return strings(value, n, ctx, object, where, name, false);
}

void cfp_h5_free_strings(char **value, int n)
{
    for (int i = 0; value != NULL && i < n; i++)
        cfp_free(value[i]);
    cfp_free(value);
}

cfp_status cfp_h5_string(char **value, cfp_ctx *ctx, hid_t object, const char *where,
                         const char *name, bool required)
{
    char **list = NULL;
    int n = 0;
    if (!exists(object, name, true)) {
        CFP_TRY(missing(ctx, where, name, required));
        return (*value = cfp_strdup(ctx, "")) == NULL ? CFP_NOMEM : CFP_OK;
    }
    cfp_status status = cfp_h5_attr_strings(&list, &n, ctx, object, where, name);
    if (status == CFP_OK && n != 1)
        status = cfp_fail(ctx, CFP_FORMAT, "%s: '%s' has %d values, expected 1", where, name, n);
    if (status == CFP_OK) {
        *value = list[0];
        list[0] = NULL;
    }
    cfp_h5_free_strings(list, n);
    return status;
}

static cfp_status check_floats(int64_t *count, int dims[CFP_H5_MAX_RANK], int rank, cfp_ctx *ctx,
                               const struct source *s, const char *where, const char *name)
{
    hsize_t extent[H5S_MAX_RANK];
    const int stored_rank = H5Sget_simple_extent_ndims(s->space);
    if (H5Tget_class(s->type) != H5T_FLOAT)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' does not hold floating-point numbers", where,
                        name);
    if (stored_rank != rank)
        return cfp_fail(ctx, CFP_SHAPE, "%s: '%s' has %d axes, expected %d", where, name,
                        stored_rank, rank);
    H5Sget_simple_extent_dims(s->space, extent, NULL);
    *count = 1;
    for (int a = 0; a < rank; a++) {
        if (extent[a] < 1 || extent[a] > 1 << 24 ||
            *count > ((int64_t)1 << 40) / (int64_t)extent[a])
            return cfp_fail(ctx, CFP_SHAPE, "%s: '%s' has an absurd extent %llu", where, name,
                            (unsigned long long)extent[a]);
        dims[a] = (int)extent[a];
        *count *= dims[a];
    }
    /* deflate packs zeros about a thousand times, nothing packs them further */
    const hsize_t on_disk = H5Dget_storage_size(s->id);
    if ((double)*count * 4 > 1100.0 * (double)on_disk)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' claims %lld numbers, the file holds %llu bytes",
                        where, name, (long long)*count, (unsigned long long)on_disk);
    return CFP_OK;
}

static cfp_status read_floats(float **value, int dims[CFP_H5_MAX_RANK], int rank, cfp_ctx *ctx,
                              const struct source *s, const char *where, const char *name)
{
    int64_t count = 0;
    if (s->id < 0 || s->space < 0 || s->type < 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' cannot be read", where, name);
    CFP_TRY(check_floats(&count, dims, rank, ctx, s, where, name));
    CFP_TRY_ALLOC(ctx, *value, count);
    if (source_read(s, H5T_NATIVE_FLOAT, *value) < 0)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' cannot be read (a damaged file?)", where, name);
    for (int64_t i = 0; i < count; i++)
        if (!isfinite((*value)[i]))
            return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' holds %s at %lld", where, name,
                            isnan((*value)[i]) ? "NaN" : "Inf", (long long)i);
    return CFP_OK;
}

cfp_status cfp_h5_floats(float **value, int dims[CFP_H5_MAX_RANK], int rank, cfp_ctx *ctx,
                         hid_t object, const char *where, const char *name, bool required)
{
    struct source s;
    if (!exists(object, name, false))
        return missing(ctx, where, name, required);
    source_open(&s, object, name, false);
    const cfp_status status = read_floats(value, dims, rank, ctx, &s, where, name);
    source_close(&s);
    if (status != CFP_OK) {
        cfp_free(*value);
        *value = NULL;
    }
    return status;
}
