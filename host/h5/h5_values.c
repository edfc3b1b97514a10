/* h5_values.c - see h5_walk.h.  Converts values of attributes, and strings, from any type in the
 * file.  Numbers become int64, uint64 or double.  Precision is lost only for long doubles, and for
 * integers of more than 53 bits that are read as real numbers.  Types that are neither numbers nor
 * text are refused. */
#include "h5_walk.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char damaged[] = "cannot be read (damaged?)";
/* The most strings for each byte of the file.  References to strings hardly compress, except in
 * files that are made to. */
enum { MAX_PACKED_TEXT = 100, LONGEST_TEXT = 1 << 20, MAX_TEXTS = 1 << 24, SMALL = 1 << 16 };

const char *cfp_h5_type_refusal(cfp_h5_class *class, hid_t type)
{
    *class = CFP_H5_NO_CLASS;
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        if (H5Tget_size(type) > sizeof(int64_t))
            return "is made of whole numbers of more than 64 bits";
        *class = H5Tget_sign(type) == H5T_SGN_NONE ? CFP_H5_UNSIGNED : CFP_H5_SIGNED;
        return NULL;
    case H5T_FLOAT:
        *class = CFP_H5_REAL;
        return NULL;
    case H5T_STRING:
        *class = CFP_H5_TEXT;
        return NULL;
    case H5T_NO_CLASS:
        return damaged;
    default: /* refused for data sets; attributes have more cases */
        return NULL;
    }
}

static const char *other_class(hid_t type)
{
    switch (H5Tget_class(type)) {
    case H5T_BITFIELD:
        return "is a bit field, neither a number nor text";
    case H5T_OPAQUE:
        return "is made of bytes without a meaning, neither numbers nor text";
    case H5T_COMPOUND:
        return "is a compound, neither a number nor text";
    case H5T_REFERENCE:
        return "is a reference, neither a number nor text";
    case H5T_VLEN:
        return "is a list of variable length, neither a number nor text";
    case H5T_TIME:
        return "is a time, neither a number nor text";
    default:
        return damaged;
    }
}

/* The values of an attribute during conversion. */
typedef struct values {
    hid_t type;  /* of one element; for an array type, its base */
    hid_t whole; /* the type of the attribute */
    int64_t n;
    void *data; /* [n] of `type`, in memory for n x 8 bytes */
} values;

/* Takes an array type apart: its base, times its number of elements. */
static const char *unfold(values *v)
{
    while (H5Tget_class(v->type) == H5T_ARRAY) {
        hsize_t size[H5S_MAX_RANK];
        const int rank = H5Tget_array_dims2(v->type, size);
        const hid_t base = H5Tget_super(v->type);
        H5Tclose(v->type);
        v->type = base;
        if (rank < 0 || base < 0)
            return damaged;
        for (int a = 0; a < rank; a++)
            if (size[a] > INT32_MAX || __builtin_mul_overflow(v->n, (int64_t)size[a], &v->n))
                return damaged;
    }
    return NULL;
}

static bool convert(values *v, hid_t from, hid_t to)
{
    return v->n == 0 || H5Tconvert(from, to, (size_t)v->n, v->data, NULL, H5P_DEFAULT) >= 0;
}

/* The number of a member of an enum, as int64; false if HDF5 reports an error. */
static bool member_value(int64_t *value, hid_t type, hid_t base, unsigned i)
{
    uint64_t bits = 0;
    *value = 0;
    if (H5Tget_size(base) > sizeof bits || H5Tget_member_value(type, i, &bits) < 0 ||
        H5Tconvert(base, H5T_NATIVE_INT64, 1, &bits, NULL, H5P_DEFAULT) < 0)
        return false;
    memcpy(value, &bits, sizeof *value);
    return true;
}

/* Converts booleans: enums with the members FALSE and TRUE.  Any other value is refused. */
static const char *check_members(const values *v, hid_t base)
{
    const int members = H5Tget_nmembers(v->type);
    int64_t found = 0, value;
    for (int i = 0; i < members; i++) {
        if (!member_value(&value, v->type, base, (unsigned)i))
            return damaged;
        char *const name = H5Tget_member_name(v->type, (unsigned)i);
        const bool reversed = name != NULL && ((strcasecmp(name, "TRUE") == 0 && value != 1) ||
                                               (strcasecmp(name, "FALSE") == 0 && value != 0));
        H5free_memory(name);
        if (reversed)
            return "is an enum in which FALSE is not 0 or TRUE is not 1";
        for (int64_t k = 0; k < v->n; k++)
            found += ((const int64_t *)v->data)[k] == value;
    }
    return found >= v->n ? NULL : "has a value that its enum does not have";
}

/* Converts numbers to int64, uint64 or double, in place. */
static const char *to_numbers(cfp_h5_class *class, values *v)
{
    const bool is_enum = H5Tget_class(v->type) == H5T_ENUM;
    const hid_t base = is_enum ? H5Tget_super(v->type) : H5Tcopy(v->type);
    const char *why = base < 0 ? damaged : cfp_h5_type_refusal(class, base);
    if (why == NULL && *class == CFP_H5_NO_CLASS)
        why = other_class(base);
    if (why == NULL && is_enum)
        *class = CFP_H5_SIGNED;
    const hid_t native = *class == CFP_H5_REAL       ? H5T_NATIVE_DOUBLE
                         : *class == CFP_H5_UNSIGNED ? H5T_NATIVE_UINT64
                                                     : H5T_NATIVE_INT64;
    if (why == NULL && !convert(v, base, native))
        why = damaged;
    if (why == NULL && is_enum)
        why = check_members(v, base);
    if (base >= 0)
        H5Tclose(base);
    return why;
}

/* A string of fixed width, without its padding; NULL if it has a zero byte inside. */
static const char *trimmed(size_t *length, const char *text, size_t width, H5T_str_t fill)
{
    *length = strnlen(text, width);
    if (fill == H5T_STR_NULLTERM)
        return text;
    for (size_t i = *length; i < width; i++)
        if (text[i] != '\0')
            return NULL;
    while (fill == H5T_STR_SPACEPAD && *length > 0 && text[*length - 1] == ' ')
        --*length;
    return text;
}

static const char *add_fixed(cfp_h5_words *out, hid_t type, const char *data, int64_t n)
{
    const size_t width = H5Tget_size(type);
    for (int64_t i = 0; i < n; i++) {
        size_t length;
        const char *const text =
            trimmed(&length, data + (size_t)i * width, width, H5Tget_strpad(type));
        if (text == NULL)
            return "is text with a zero byte inside";
        cfp_h5_add_text(out, text, length);
    }
    return NULL;
}

/* In a sound file, strings of variable length do not share bytes.  If they add up to more than the
 * file holds, they are repeated references and are refused. */
static const char *add_variable(const cfp_h5_reader *reader, cfp_h5_words *out, char *const *text,
                                int64_t n)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < n; i++) {
        const size_t length = text[i] == NULL ? 0 : strlen(text[i]);
        bytes += (int64_t)length;
        if (length > LONGEST_TEXT)
            return "has a string of more than a million bytes";
        if (bytes > reader->file_bytes)
            return "claims more text than the file has bytes";
        cfp_h5_add_text(out, text[i] == NULL ? "" : text[i], length);
    }
    return NULL;
}

static const char *add_texts(const cfp_h5_reader *reader, cfp_h5_words *out, const values *v)
{
    if (H5Tis_variable_str(v->type) > 0)
        return add_variable(reader, out, v->data, v->n);
    return add_fixed(out, v->type, v->data, v->n);
}

/* Reads an attribute, and writes its class, the number of its values and the values. */
static const char *add_values(const cfp_h5_reader *reader, cfp_h5_words *out, hid_t attribute,
                              values *v, hid_t space)
{
    cfp_h5_class class = CFP_H5_TEXT;
    const char *why = v->n < 0 ? damaged : unfold(v);
    const int64_t width = why == NULL ? (int64_t)H5Tget_size(v->type) : 0;
    int64_t bytes;
    if (why == NULL && (width < 1 || __builtin_mul_overflow(v->n, width, &bytes) ||
                        bytes > reader->file_bytes + SMALL))
        why = "claims more than the file holds";
    if (why != NULL)
        return why;
    v->data = calloc((size_t)v->n + 1, width > 8 ? (size_t)width : 8);
    if (v->data == NULL || (v->n > 0 && H5Aread(attribute, v->whole, v->data) < 0))
        return damaged;
    if (H5Tget_class(v->type) == H5T_STRING) {
        cfp_h5_add(out, class);
        cfp_h5_add(out, v->n);
        why = add_texts(reader, out, v);
    } else if ((why = to_numbers(&class, v)) == NULL) {
        cfp_h5_add(out, class);
        cfp_h5_add(out, v->n);
        uint64_t *const to = cfp_h5_add_numbers(out, (size_t)v->n);
        if (to != NULL)
            memcpy(to, v->data, (size_t)v->n * sizeof *to);
    }
    if (v->data != NULL && v->n > 0 && H5Tis_variable_str(v->type) > 0)
        H5Dvlen_reclaim(v->whole, space, H5P_DEFAULT, v->data);
    return why;
}

void cfp_h5_add_attribute(cfp_h5_reader *reader, cfp_h5_words *out, hid_t object, const char *name)
{
    const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    const hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    values v = {.whole = attribute < 0 ? -1 : H5Aget_type(attribute)};
    v.type = v.whole < 0 ? -1 : H5Tcopy(v.whole);
    v.n = space < 0 ? -1 : (int64_t)H5Sget_simple_extent_npoints(space);
    cfp_h5_add_text(out, name, strlen(name));
    const size_t at = out->n;
    cfp_h5_add_text(out, "", 0);
    const char *const why =
        v.type < 0 || space < 0 ? damaged : add_values(reader, out, attribute, &v, space);
    if (why != NULL && !out->full) { /* go back to the place of the refusal */
        out->n = at;
        cfp_h5_add_text(out, why, strlen(why));
    }
    free(v.data);
    if (v.type >= 0)
        H5Tclose(v.type);
    if (v.whole >= 0)
        H5Tclose(v.whole);
    if (space >= 0)
        H5Sclose(space);
    if (attribute >= 0)
        H5Aclose(attribute);
}

/* Counts the memory that HDF5 allocates for strings of variable length: a damaged heap can claim
 * any length, and repeated references can add up to any amount. */
typedef struct counted {
    size_t left;
} counted;

static void *take(size_t bytes, void *cookie)
{
    counted *c = cookie;
    if (bytes > c->left)
        return NULL;
    c->left -= bytes;
    return malloc(bytes);
}

static void give_back(void *memory, void *cookie)
{
    (void)cookie;
    free(memory);
}

static const char *read_texts(cfp_h5_reader *reader, cfp_h5_words *out, hid_t dataset, values *v)
{
    const bool variable = H5Tis_variable_str(v->type) > 0;
    const hid_t how = H5Pcreate(H5P_DATASET_XFER);
    counted c = {.left = (size_t)reader->file_bytes + (size_t)v->n};
    const char *why = NULL;
    v->data = calloc((size_t)v->n, H5Tget_size(v->type));
    if (v->data == NULL || how < 0 || H5Pset_vlen_mem_manager(how, take, &c, give_back, &c) < 0 ||
        H5Dread(dataset, v->type, H5S_ALL, H5S_ALL, how, v->data) < 0)
        why = variable ? "claims more text than the file has bytes, or is damaged" : damaged;
    if (why == NULL)
        why = add_texts(reader, out, v);
    /* The strings are not freed: a file has one such list, and then the process ends. */
    free(v->data);
    if (how >= 0)
        H5Pclose(how);
    return why;
}

const char *cfp_h5_add_strings(cfp_h5_reader *reader, cfp_h5_words *out, hid_t dataset)
{
    const hid_t space = H5Dget_space(dataset);
    values v = {.type = H5Dget_type(dataset)};
    const int64_t stored = (int64_t)H5Dget_storage_size(dataset);
    const char *why = NULL;
    v.n = space < 0 ? -1 : (int64_t)H5Sget_simple_extent_npoints(space);
    if (space < 0 || v.type < 0)
        why = damaged;
    else if (H5Tget_class(v.type) != H5T_STRING || H5Sget_simple_extent_ndims(space) > 1)
        why = "is not a list of strings";
    else if (v.n < 0 || v.n > MAX_TEXTS || H5Tget_size(v.type) > LONGEST_TEXT)
        why = "claims to be longer or wider than any list of names";
    else if (v.n > stored / 16 * MAX_PACKED_TEXT + SMALL)
        why = "claims more strings than the file holds";
    cfp_h5_add(out, v.n);
    if (why == NULL && v.n > 0)
        why = read_texts(reader, out, dataset, &v);
    if (v.type >= 0)
        H5Tclose(v.type);
    if (space >= 0)
        H5Sclose(space);
    return why;
}

bool cfp_h5_is_bytes(hid_t type)
{
    const hid_t base = H5Tget_class(type) == H5T_VLEN ? H5Tget_super(type) : -1;
    const bool bytes = base >= 0 && H5Tget_class(base) == H5T_INTEGER && H5Tget_size(base) == 1;
    if (base >= 0)
        H5Tclose(base);
    return bytes;
}

/* Reads one list.  The memory that HDF5 allocates for it is counted. */
static const char *read_list(cfp_h5_reader *reader, cfp_h5_words *out, hid_t dataset, hid_t type,
                             hid_t space)
{
    const hsize_t one = 1;
    const hid_t how = H5Pcreate(H5P_DATASET_XFER), memory = H5Screate_simple(1, &one, NULL);
    counted c = {.left = (size_t)reader->file_bytes};
    hvl_t list = {0};
    const bool good = how >= 0 && memory >= 0 &&
                      H5Pset_vlen_mem_manager(how, take, &c, give_back, &c) >= 0 &&
                      H5Dread(dataset, type, memory, space, how, &list) >= 0;
    if (good)
        cfp_h5_add_text(out, list.len > 0 ? list.p : "", list.len);
    free(list.p);
    if (memory >= 0)
        H5Sclose(memory);
    if (how >= 0)
        H5Pclose(how);
    return good ? NULL : "claims more bytes than the file has, or is damaged";
}

const char *cfp_h5_add_bytes(cfp_h5_reader *reader, cfp_h5_words *out, hid_t dataset, int64_t row)
{
    const hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    const hsize_t start = (hsize_t)row, one = 1;
    hsize_t size = 0;
    const char *why = NULL;
    if (space < 0 || type < 0)
        why = damaged;
    else if (!cfp_h5_is_bytes(type) || H5Sget_simple_extent_ndims(space) != 1)
        why = "is not a list of lists of bytes";
    else if (H5Sget_simple_extent_dims(space, &size, NULL) < 0 || row < 0 || start >= size ||
             H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &one, NULL) < 0)
        why = "has no such row";
    if (why == NULL)
        why = read_list(reader, out, dataset, type, space);
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    return why;
}
