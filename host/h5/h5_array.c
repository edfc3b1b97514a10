/* h5_array.c - see h5_file.h: data sets. */
#include "h5_ask.h"
#include <math.h>
#include <string.h>

enum { MAX_EXTENT = 1 << 24, MAX_TEXTS = 1 << 24 };

static cfp_status copy_list(char ***value, int *n, cfp_ctx *ctx, const cfp_h5_group *group,
                            const cfp_h5_words *words, const char *where, const char *name)
{
    enum { EACH = 128 + sizeof(char *) }; /* memory of a short string */
    cfp_h5_cursor from = {.word = words->word, .n = words->n};
    const int64_t count = cfp_h5_take_count(&from);
    const int64_t bytes = (int64_t)(words->n * sizeof *words->word) + count * EACH;
    if (from.bad || count > MAX_TEXTS)
        return cfp_fail(ctx, CFP_FORMAT, "%s: damaged", cfp_h5_path(group->file));
    CFP_TRY(cfp_h5_take_memory(group->file, ctx, where, name, bytes));
    CFP_TRY_ALLOC(ctx, *value, count);
    *n = (int)count;
    for (int i = 0; i < *n; i++)
        if (((*value)[i] = cfp_strdup(ctx, cfp_h5_take_text(&from))) == NULL)
            return CFP_NOMEM;
    return from.bad ? cfp_fail(ctx, CFP_FORMAT, "%s: damaged", cfp_h5_path(group->file)) : CFP_OK;
}

cfp_status cfp_h5_data_strings(char ***value, int *n, cfp_ctx *ctx, const cfp_h5_group *group,
                               const char *where, const char *name)
{
    const cfp_h5_dataset *dataset;
    cfp_h5_words words = {0};
    *value = NULL;
    *n = 0;
    CFP_TRY(cfp_h5_find_dataset(&dataset, ctx, group, where, name));
    if (dataset->class != CFP_H5_TEXT || dataset->rank > 1)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is not a list of strings", where, name);
    cfp_status status =
        cfp_h5_ask_words(&words, group->file, ctx, where, CFP_H5_ASK_TEXT, dataset->path);
    if (status == CFP_OK)
        status = copy_list(value, n, ctx, group, &words, where, name);
    cfp_free(words.word);
    return status;
}

static cfp_status check_floats(int dims[CFP_H5_MAX_RANK], cfp_ctx *ctx,
                               const cfp_h5_dataset *dataset, int rank, const char *where,
                               const char *name)
{
    int64_t n = 1;
    if (dataset->class != CFP_H5_REAL)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' does not hold floating-point numbers", where,
                        name);
    if (dataset->rank != rank)
        return cfp_fail(ctx, CFP_SHAPE, "%s: '%s' has %d axes, expected %d", where, name,
                        dataset->rank, rank);
    for (int a = 0; a < rank; a++) {
        if (dataset->size[a] < 1 || dataset->size[a] > MAX_EXTENT ||
            n > ((int64_t)1 << 40) / dataset->size[a])
            return cfp_fail(ctx, CFP_SHAPE, "%s: '%s' has an absurd extent %lld", where, name,
                            (long long)dataset->size[a]);
        dims[a] = (int)dataset->size[a];
        n *= dims[a];
    }
    return n == dataset->n ? CFP_OK : cfp_fail(ctx, CFP_FORMAT, "%s: '%s' is damaged", where, name);
}

static cfp_status read_floats(float **value, cfp_ctx *ctx, const cfp_h5_group *group,
                              const cfp_h5_dataset *dataset, const char *where, const char *name)
{
    CFP_TRY(cfp_h5_take_memory(group->file, ctx, where, name, 4 * dataset->n));
    CFP_TRY_ALLOC(ctx, *value, dataset->n);
    CFP_TRY(
        cfp_h5_ask_rows(*value, group->file, ctx, where, dataset, CFP_H5_F32, 0, dataset->size[0]));
    for (int64_t i = 0; i < dataset->n; i++)
        if (!isfinite((*value)[i]))
            return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' holds %s at %lld", where, name,
                            isnan((*value)[i]) ? "NaN" : "Inf", (long long)i);
    return CFP_OK;
}

cfp_status cfp_h5_floats(float **value, int dims[CFP_H5_MAX_RANK], int rank, cfp_ctx *ctx,
                         const cfp_h5_group *group, const char *where, const char *name,
                         bool required)
{
    const cfp_h5_dataset *dataset;
    *value = NULL;
    if (!required && cfp_h5_find_child(group, name) == NULL)
        return CFP_OK;
    CFP_TRY(cfp_h5_find_dataset(&dataset, ctx, group, where, name));
    CFP_TRY(check_floats(dims, ctx, dataset, rank, where, name));
    const cfp_status status = read_floats(value, ctx, group, dataset, where, name);
    if (status != CFP_OK) {
        cfp_free(*value);
        *value = NULL;
    }
    return status;
}

cfp_status cfp_h5_rows(void *out, cfp_ctx *ctx, const cfp_h5_group *group,
                       const cfp_h5_dataset *dataset, cfp_h5_element element, int64_t first,
                       int64_t rows)
{
    const char *const path = cfp_h5_path(group->file);
    const bool whole = dataset->class == CFP_H5_SIGNED || dataset->class == CFP_H5_UNSIGNED;
    const bool fits = element == CFP_H5_F32 ? dataset->class == CFP_H5_REAL
                      : element == CFP_H5_I32
                          ? whole
                          : dataset->class == CFP_H5_UNSIGNED && dataset->element_bytes == 1;
    if (!fits)
        return cfp_fail(ctx, CFP_FORMAT, "%s: '%s' does not hold %s", path, dataset->path,
                        element == CFP_H5_F32   ? "floating-point numbers"
                        : element == CFP_H5_I32 ? "whole numbers"
                                                : "bytes");
    /* Counts against --max-memory.  The caller gives the memory back. */
    int64_t bytes = dataset->element_bytes;
    for (int a = 1; a < dataset->rank && a < CFP_H5_MAX_RANK; a++)
        if (__builtin_mul_overflow(bytes, dataset->size[a], &bytes))
            bytes = INT64_MAX / 2;
    if (__builtin_mul_overflow(bytes, rows, &bytes))
        bytes = INT64_MAX / 2;
    CFP_TRY(cfp_h5_take_memory(group->file, ctx, path, dataset->path, bytes));
    ctx->memory_taken -= bytes;
    return cfp_h5_ask_rows(out, group->file, ctx, path, dataset, element, first, rows);
}

cfp_status cfp_h5_byte_list(uint8_t **bytes, size_t *n_bytes, cfp_ctx *ctx,
                            const cfp_h5_group *group, const cfp_h5_dataset *dataset, int64_t row)
{
    const char *const path = cfp_h5_path(group->file);
    cfp_h5_words words = {0};
    *bytes = NULL;
    *n_bytes = 0;
    cfp_status status = cfp_h5_ask_bytes(&words, group->file, ctx, path, dataset->path, row);
    cfp_h5_cursor from = {.word = words.word, .n = words.n};
    const int64_t n = status == CFP_OK ? cfp_h5_take(&from) : 0;
    const uint64_t *const at =
        status == CFP_OK && n >= 0 ? cfp_h5_take_numbers(&from, n / 8 + 1) : NULL;
    if (status == CFP_OK && at == NULL)
        status = cfp_fail(ctx, CFP_FORMAT, "%s: damaged", path);
    if (status == CFP_OK && (*bytes = cfp_alloc(ctx, (size_t)n, 1)) == NULL)
        status = CFP_NOMEM;
    if (status == CFP_OK) {
        memcpy(*bytes, at, (size_t)n);
        *n_bytes = (size_t)n;
    }
    cfp_free(words.word);
    return status;
}
