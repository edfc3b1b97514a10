/* test_h5_file.c - checks every type that an attribute or a data set of an HDF5 file may have.  It
 * must be converted without loss, or refused by name.  Nothing outside the file may be opened. */
#include "../host/h5/h5_file.h"
#include "scratch.h"
#include "test.h"
#include <fcntl.h>
#include <hdf5.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static cfp_ctx ctx;

/* Attributes: what is written, and what is read as int[n] and as double[n], or the refusal. */
enum { SCALAR = -1, EMPTY = -2, MOST = 4 };

/* Makes a file that is complete once it is closed, even if objects in it are still open. */
static hid_t new_file(const char *name)
{
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    const hid_t file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    CHECK(file >= 0);
    H5Pclose(access);
    return file;
}

static hid_t space_of(int n)
{
    const hsize_t size = n < 0 ? 1 : (hsize_t)n;
    return n == SCALAR  ? H5Screate(H5S_SCALAR)
           : n == EMPTY ? H5Screate(H5S_NULL)
                        : H5Screate_simple(1, &size, NULL);
}

static void put(hid_t at, const char *name, hid_t stored, hid_t given, int n, const void *data)
{
    const hid_t space = space_of(n);
    const hid_t id = H5Acreate2(at, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
    CHECK(id >= 0);
    if (n != EMPTY)
        CHECK(H5Awrite(id, given, data) >= 0);
    H5Aclose(id);
    H5Sclose(space);
}

static hid_t half(void)
{
    const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

static hid_t enum_of(hid_t base, const char *first, const char *second, int a, int b)
{
    const hid_t type = H5Tenum_create(base), native = H5T_NATIVE_INT;
    int value[2] = {a, b};
    H5Tconvert(native, base, 1, &value[0], NULL, H5P_DEFAULT);
    H5Tconvert(native, base, 1, &value[1], NULL, H5P_DEFAULT);
    H5Tenum_insert(type, first, &value[0]);
    H5Tenum_insert(type, second, &value[1]);
    return type;
}

typedef struct row {
    const char *name;
    hid_t stored, given;
    int n; /* values that are written */
    union {
        int8_t i8[MOST];
        int16_t i16[MOST];
        int64_t i64[MOST];
        uint64_t u64[MOST];
        double f64[MOST];
        uint8_t bytes[32];
    } data;
    int wanted;            /* values that are asked for */
    const char *no_int;    /* why it cannot be read as int[wanted]; NULL: it can */
    const char *no_double; /* or no double */
    double value[MOST];    /* as which it is read */
} row;

static void check_row(const cfp_h5_group *group, const row *r)
{
    int whole[MOST];
    double real[MOST];
    cfp_status status = cfp_h5_ints(whole, r->wanted, &ctx, group, "F", r->name, true);
    const char *const why = r->no_int != NULL ? r->no_int : "";
    if ((status == CFP_OK) != (r->no_int == NULL)) {
        fprintf(stderr, "%s as int: %s\n", r->name, status == CFP_OK ? "taken" : ctx.message);
        CHECK(false);
    } else if (status != CFP_OK) {
        CHECK_HAS(ctx.message, why);
        CHECK_HAS(ctx.message, r->name);
    }
    for (int i = 0; i < r->wanted && status == CFP_OK; i++)
        CHECK_EQ(whole[i], r->value[i]);
    status = cfp_h5_doubles(real, r->wanted, &ctx, group, "F", r->name, true);
    if ((status == CFP_OK) != (r->no_double == NULL)) {
        fprintf(stderr, "%s as double: %s\n", r->name, status == CFP_OK ? "taken" : ctx.message);
        CHECK(false);
    } else if (status != CFP_OK)
        CHECK_HAS(ctx.message, r->no_double);
    for (int i = 0; i < r->wanted && status == CFP_OK; i++)
        CHECK(real[i] == r->value[i]);
}

/* The table, a function a kind. */
static row rows[64];
static int n_rows;

static void add(row one)
{
    rows[n_rows++] = one;
}

static const char *const wide = "beyond what 32 bits hold", *const part = "not a whole number";

/* clang-format off */
static void add_whole_numbers(void)
{
    const hid_t i64 = H5T_NATIVE_INT64, u64 = H5T_NATIVE_UINT64;
    add((row){"i8", H5T_STD_I8LE, i64, SCALAR, {.i64 = {-7}}, 1, NULL, NULL, {-7}});
    add((row){"i8be", H5T_STD_I8BE, i64, 1, {.i64 = {-128}}, 1, NULL, NULL, {-128}});
    add((row){"u8", H5T_STD_U8LE, i64, 3, {.i64 = {0, 1, 255}}, 3, NULL, NULL, {0, 1, 255}});
    add((row){"i16", H5T_STD_I16LE, i64, SCALAR, {.i64 = {-300}}, 1, NULL, NULL, {-300}});
    add((row){"i16be", H5T_STD_I16BE, i64, 3, {.i64 = {1, -2, 3}}, 3, NULL, NULL, {1, -2, 3}});
    add((row){"u16be", H5T_STD_U16BE, i64, SCALAR, {.i64 = {65535}}, 1, NULL, NULL, {65535}});
    add((row){"i32", H5T_STD_I32LE, i64, 3, {.i64 = {1, 2, 3}}, 3, NULL, NULL, {1, 2, 3}});
    add((row){"i32be", H5T_STD_I32BE, i64, 3, {.i64 = {1, 2, -3}}, 3, NULL, NULL, {1, 2, -3}});
    add((row){"u32", H5T_STD_U32LE, i64, SCALAR, {.i64 = {4000000000}}, 1, wide, NULL, {4e9}});
    add((row){"u32be", H5T_STD_U32BE, i64, SCALAR, {.i64 = {5}}, 1, NULL, NULL, {5}});
    add((row){ "i64", H5T_STD_I64LE, i64, SCALAR, {.i64 = {-2147483648}}, 1, NULL, NULL, {-2147483648}});
    add((row){"i64be", H5T_STD_I64BE, i64, SCALAR, {.i64 = {6}}, 1, NULL, NULL, {6}});
    add((row){ "i64 wide", H5T_STD_I64LE, i64, SCALAR, {.i64 = {2147483648}}, 1, wide, NULL, {0x1p31}});
    add((row){ "i64 least", H5T_STD_I64LE, i64, SCALAR, {.i64 = {INT64_MIN}}, 1, wide, NULL, {-0x1p63}});
    add((row){"u64", H5T_STD_U64LE, u64, SCALAR, {.u64 = {UINT64_MAX}}, 1, wide, NULL, {0x1p64}});
    add((row){"u64be", H5T_STD_U64BE, u64, SCALAR, {.u64 = {9}}, 1, NULL, NULL, {9}});
}

static void add_real_numbers(void)
{
    const hid_t f64 = H5T_NATIVE_DOUBLE, f16 = half();
    add((row){"f16", f16, f64, 3, {.f64 = {2, -3, 0}}, 3, NULL, NULL, {2, -3, 0}});
    add((row){"f16 parts", f16, f64, 3, {.f64 = {0x1p-24, 65504, .5}}, 3, part, NULL, {0x1p-24, 65504, .5}});
    add((row){"f32", H5T_IEEE_F32LE, f64, SCALAR, {.f64 = {.25}}, 1, part, NULL, {.25}});
    add((row){"f32be", H5T_IEEE_F32BE, f64, 3, {.f64 = {1, 2, 3}}, 3, NULL, NULL, {1, 2, 3}});
    add((row){"f64", H5T_IEEE_F64LE, f64, SCALAR, {.f64 = {1e-5}}, 1, part, NULL, {1e-5}});
    add((row){"f64be", H5T_IEEE_F64BE, f64, SCALAR, {.f64 = {-4}}, 1, NULL, NULL, {-4}});
    add((row){"f64 wide", H5T_IEEE_F64LE, f64, SCALAR, {.f64 = {1e300}}, 1, wide, NULL, {1e300}});
    add((row){ "long double", H5T_NATIVE_LDOUBLE, f64, SCALAR, {.f64 = {2.5}}, 1, part, NULL, {2.5}});
    add((row){"nan", H5T_IEEE_F64LE, f64, SCALAR, {.f64 = {NAN}}, 1, part, "not finite", {0}});
    add((row){"inf", H5T_IEEE_F32BE, f64, SCALAR, {.f64 = {INFINITY}}, 1, part, "not finite", {0}});
}

/* Booleans are enums; an array may be the type of a single value. */
static void add_enums_and_arrays(void)
{
    const hsize_t three = 3;
    const hid_t yes_no = enum_of(H5T_STD_I8LE, "FALSE", "TRUE", 0, 1);
    const hid_t wide_yes_no = enum_of(H5T_STD_I32BE, "FALSE", "TRUE", 0, 1);
    const hid_t lies = enum_of(H5T_STD_I8LE, "FALSE", "TRUE", 1, 0);
    const hid_t colours = enum_of(H5T_STD_U16LE, "RED", "BLUE", 7, 300);
    const hid_t triple = H5Tarray_create2(H5T_STD_I16BE, 1, &three);
    const hid_t native_triple = H5Tarray_create2(H5T_NATIVE_INT64, 1, &three);
    const hid_t yes_triple = H5Tarray_create2(yes_no, 1, &three);
    add((row){"yes", yes_no, yes_no, SCALAR, {.i8 = {1}}, 1, NULL, NULL, {1}});
    add((row){"yesses", yes_no, yes_no, 3, {.i8 = {1, 0, 1}}, 3, NULL, NULL, {1, 0, 1}});
    add((row){"all yes", yes_no, yes_no, 3, {.i8 = {1, 1, 1}}, 3, NULL, NULL, {1, 1, 1}});
    add((row){"wide yes", wide_yes_no, wide_yes_no, 3, {.bytes = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}}, 3, NULL, NULL, {1, 0, 1}});
    add((row){"no member", yes_no, yes_no, SCALAR, {.i8 = {2}}, 1, "enum does not have", "enum does not have", {0}});
    add((row){"lies", lies, lies, SCALAR, {.i8 = {0}}, 1, "FALSE is not 0", "FALSE is not 0", {0}});
    add((row){"colour", colours, colours, SCALAR, {.i16 = {300}}, 1, NULL, NULL, {300}});
    add((row){ "triple", triple, native_triple, SCALAR, {.i64 = {4, -5, 6}}, 3, NULL, NULL, {4, -5, 6}});
    add((row){ "yes triple", yes_triple, yes_triple, SCALAR, {.i8 = {1, 1, 0}}, 3, NULL, NULL, {1, 1, 0}});
}

static void add_refused(void)
{
    const hid_t i64 = H5T_NATIVE_INT64, f64 = H5T_NATIVE_DOUBLE;
    const hid_t compound = H5Tcreate(H5T_COMPOUND, 16), list = H5Tvlen_create(H5T_NATIVE_INT);
    const hid_t opaque = H5Tcreate(H5T_OPAQUE, 8), huge = H5Tcopy(H5T_STD_I64LE);
    H5Tinsert(compound, "r", 0, H5T_NATIVE_DOUBLE);
    H5Tinsert(compound, "i", 8, H5T_NATIVE_DOUBLE);
    H5Tset_size(huge, 16);
    add((row){"too few", H5T_STD_I32LE, i64, 2, {.i64 = {1, 1}}, 3, "has 2 values, expected 3", "has 2 values", {0}});
    add((row){"scalar for three", H5T_STD_I32LE, i64, SCALAR, {.i64 = {1}}, 3, "has 1 values, expected 3", "has 1 values", {0}});
    add((row){"empty", H5T_STD_I32LE, i64, EMPTY, {{0}}, 1, "has 0 values", "has 0 values", {0}});
    add((row){ "empty real", H5T_IEEE_F64LE, f64, EMPTY, {{0}}, 3, "has 0 values", "has 0 values", {0}});
    add((row){ "bits", H5T_STD_B8LE, H5T_STD_B8LE, SCALAR, {.i8 = {1}}, 1, "bit field", "bit field", {0}});
    add((row){ "opaque", opaque, opaque, SCALAR, {.i8 = {1}}, 1, "without a meaning", "without", {0}});
    add((row){ "complex", compound, compound, SCALAR, {.f64 = {1, 0}}, 1, "compound", "compound", {0}});
    add((row){"lists", list, list, SCALAR, {{0}}, 1, "variable length", "variable length", {0}});
    add((row){ "huge", huge, huge, SCALAR, {.i64 = {1}}, 1, "more than 64 bits", "more than 64", {0}});
    add((row){"reference", H5T_STD_REF_OBJ, H5T_STD_REF_OBJ, SCALAR, {{0}}, 1, "reference", "reference", {0}});
}
/* clang-format on */

static void numbers(void)
{
    const hid_t file = new_file("numbers.h5");
    add_whole_numbers();
    add_real_numbers();
    add_enums_and_arrays();
    add_refused();
    const hid_t named = H5Tcopy(H5T_STD_I16BE); /* a committed type is as good as any */
    CHECK(H5Tcommit2(file, "named", named, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    add((row){"committed", named, H5T_NATIVE_INT64, SCALAR, {.i64 = {-8}}, 1, NULL, NULL, {-8}});
    for (int i = 0; i < n_rows; i++)
        put(file, rows[i].name, rows[i].stored, rows[i].given, rows[i].n, &rows[i].data);
    H5Fclose(file);

    cfp_h5 *in;
    cfp_h5_group root;
    CHECK_EQ(cfp_h5_open(&in, &ctx, "numbers.h5"), CFP_OK);
    CHECK_EQ(cfp_h5_look(&root, in, &ctx, "/"), CFP_OK);
    CHECK_EQ(root.n_attributes, n_rows);
    for (int i = 0; i < n_rows; i++)
        check_row(&root, &rows[i]);
    int value = 5;
    CHECK_EQ(cfp_h5_int(&value, &ctx, &root, "F", "nowhere", false), CFP_OK);
    CHECK_EQ(value, 5);
    CHECK_EQ(cfp_h5_int(&value, &ctx, &root, "F", "nowhere", true), CFP_FORMAT);
    char *text = NULL;
    CHECK_EQ(cfp_h5_string(&text, &ctx, &root, "F", "i32", true), CFP_FORMAT);
    CHECK_HAS(ctx.message, "F: 'i32' is not a list of strings");
    cfp_h5_group_free(&root);
    cfp_h5_close(&in);
}

static hid_t text_of(size_t size, H5T_str_t fill, H5T_cset_t set)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size);
    H5Tset_strpad(type, fill);
    H5Tset_cset(type, set);
    return type;
}

static void check_text(const cfp_h5_group *g, const char *name, const char *wanted)
{
    char *text = NULL;
    CHECK_EQ(cfp_h5_string(&text, &ctx, g, "F", name, true), CFP_OK);
    CHECK_STR(text == NULL ? "(none)" : text, wanted);
    cfp_free(text);
}

static void texts(void)
{
    const char *const variable[] = {"k\xc3\xbcss", "", NULL};
    const hid_t any = text_of(H5T_VARIABLE, H5T_STR_NULLTERM, H5T_CSET_UTF8);
    const hid_t any_ascii = text_of(H5T_VARIABLE, H5T_STR_NULLTERM, H5T_CSET_ASCII);
    const hid_t ends = text_of(6, H5T_STR_NULLTERM, H5T_CSET_ASCII);
    const hid_t nulls = text_of(4, H5T_STR_NULLPAD, H5T_CSET_UTF8);
    const hid_t spaces = text_of(4, H5T_STR_SPACEPAD, H5T_CSET_ASCII);
    const hid_t file = new_file("texts.h5");
    put(file, "variable", any, any, SCALAR, &variable[0]);
    put(file, "ascii", any_ascii, any_ascii, 1, &variable[0]);
    put(file, "null", any, any, SCALAR, &variable[2]);
    put(file, "list", any, any, 2, variable);
    put(file, "terminated", ends, ends, SCALAR, "ab\0cd");
    put(file, "null-padded", nulls, nulls, SCALAR, "ab\0\0");
    put(file, "full", nulls, nulls, SCALAR, "abcd");
    put(file, "space-padded", spaces, spaces, 1, "ab  ");
    put(file, "zero inside", nulls, nulls, SCALAR, "a\0bc");
    put(file, "empty", any, any, EMPTY, NULL);
    put(file, "fixed list", nulls, nulls, 2, "ab\0\0cdef");
    H5Fclose(file);

    cfp_h5 *in;
    cfp_h5_group root;
    char *text = NULL, **list = NULL;
    int n = 0;
    CHECK_EQ(cfp_h5_open(&in, &ctx, "texts.h5"), CFP_OK);
    CHECK_EQ(cfp_h5_look(&root, in, &ctx, "/"), CFP_OK);
    check_text(&root, "variable", "k\xc3\xbcss");
    check_text(&root, "ascii", "k\xc3\xbcss");
    check_text(&root, "null", "");
    check_text(&root, "terminated", "ab");
    check_text(&root, "null-padded", "ab");
    check_text(&root, "full", "abcd");
    check_text(&root, "space-padded", "ab");
    CHECK_EQ(cfp_h5_string(&text, &ctx, &root, "F", "zero inside", true), CFP_FORMAT);
    CHECK_HAS(ctx.message, "F: 'zero inside' is text with a zero byte");
    CHECK_EQ(cfp_h5_string(&text, &ctx, &root, "F", "empty", true), CFP_FORMAT);
    CHECK_HAS(ctx.message, "has 0 values, expected 1");
    CHECK_EQ(cfp_h5_int(&n, &ctx, &root, "F", "full", true), CFP_FORMAT);
    CHECK_HAS(ctx.message, "'full' is text, not a whole number");
    CHECK_EQ(cfp_h5_attr_strings(&list, &n, &ctx, &root, "F", "fixed list"), CFP_OK);
    CHECK_EQ(n, 2);
    CHECK_STR(list[0], "ab");
    CHECK_STR(list[1], "cdef");
    cfp_h5_free_strings(list, n);
    CHECK_EQ(cfp_h5_attr_strings(&list, &n, &ctx, &root, "F", "list"), CFP_OK);
    CHECK_EQ(n, 2);
    CHECK_STR(list[1], "");
    cfp_h5_free_strings(list, n);
    cfp_h5_group_free(&root);
    cfp_h5_close(&in);
}

/* Data sets. */
enum { ROWS = 64, COLUMNS = 3 };

static hid_t chunks(void)
{
    const hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(how, 2, (hsize_t[]){16, COLUMNS});
    return how;
}

static void put_floats(hid_t file, const char *name, hid_t stored, hid_t how)
{
    float data[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++)
        data[i] = (float)(i % 50) * .25f;
    const hid_t space = H5Screate_simple(2, (hsize_t[]){ROWS, COLUMNS}, NULL);
    const hid_t set = H5Dcreate2(file, name, stored, space, H5P_DEFAULT, how, H5P_DEFAULT);
    CHECK(set >= 0);
    CHECK(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(how);
}

static void data_sets(void)
{
    static const char *const good[] = {"plain",   "big",     "double",   "half",
                                       "compact", "chunked", "deflated", "packed",
                                       "checked", "nbit",    "scaled"};
    hid_t how;
    const hid_t file = new_file("data.h5");
    put_floats(file, "plain", H5T_IEEE_F32LE, H5Pcreate(H5P_DATASET_CREATE));
    put_floats(file, "big", H5T_IEEE_F32BE, H5Pcreate(H5P_DATASET_CREATE));
    put_floats(file, "double", H5T_IEEE_F64LE, H5Pcreate(H5P_DATASET_CREATE));
    put_floats(file, "half", half(), H5Pcreate(H5P_DATASET_CREATE));
    put_floats(file, "whole", H5T_STD_I32LE, H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_layout(how = H5Pcreate(H5P_DATASET_CREATE), H5D_COMPACT);
    put_floats(file, "compact", H5T_IEEE_F32LE, how);
    put_floats(file, "chunked", H5T_IEEE_F32LE, chunks());
    H5Pset_deflate(how = chunks(), 4);
    put_floats(file, "deflated", H5T_IEEE_F32LE, how);
    H5Pset_shuffle(how = chunks());
    H5Pset_deflate(how, 4);
    put_floats(file, "packed", H5T_IEEE_F64BE, how);
    H5Pset_fletcher32(how = chunks());
    put_floats(file, "checked", H5T_IEEE_F32LE, how);
    H5Pset_nbit(how = chunks());
    put_floats(file, "nbit", H5T_IEEE_F32LE, how);
    H5Pset_scaleoffset(how = chunks(), H5Z_SO_FLOAT_DSCALE, 2);
    put_floats(file, "scaled", H5T_IEEE_F32LE, how);
    H5Fclose(file);

    cfp_h5 *in;
    cfp_h5_group root;
    CHECK_EQ(cfp_h5_open(&in, &ctx, "data.h5"), CFP_OK);
    CHECK_EQ(cfp_h5_look(&root, in, &ctx, "/"), CFP_OK);
    for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
        int dims[CFP_H5_MAX_RANK] = {0}, wrong = 0;
        float *value = NULL, line[COLUMNS] = {0};
        const cfp_status status = cfp_h5_floats(&value, dims, 2, &ctx, &root, "F", good[k], true);
        if (status != CFP_OK)
            fprintf(stderr, "%s\n", ctx.message);
        CHECK_EQ(status, CFP_OK);
        CHECK_EQ(dims[0], ROWS);
        CHECK_EQ(dims[1], COLUMNS);
        for (int i = 0; value != NULL && i < ROWS * COLUMNS; i++)
            wrong += !(fabsf(value[i] - (float)(i % 50) * .25f) <= (k == 10 ? .01f : 0));
        CHECK_EQ(wrong, 0);
        const cfp_h5_child *const child = cfp_h5_find_child(&root, good[k]);
        CHECK_EQ(cfp_h5_rows(line, &ctx, &root, &child->dataset, CFP_H5_F32, 20, 1), CFP_OK);
        CHECK_NEAR(line[1], 61 % 50 * .25, k == 10 ? .01 : 0);
        CHECK_EQ(cfp_h5_rows(line, &ctx, &root, &child->dataset, CFP_H5_F32, ROWS, 1), CFP_FORMAT);
        CHECK_EQ(cfp_h5_rows(line, &ctx, &root, &child->dataset, CFP_H5_U8, 0, 1), CFP_FORMAT);
        cfp_free(value);
    }
    int dims[CFP_H5_MAX_RANK];
    float *value;
    CHECK_EQ(cfp_h5_floats(&value, dims, 2, &ctx, &root, "F", "whole", true), CFP_FORMAT);
    CHECK_HAS(ctx.message, "F: 'whole' does not hold floating-point numbers");
    CHECK_EQ(cfp_h5_floats(&value, dims, 3, &ctx, &root, "F", "plain", true), CFP_SHAPE);
    CHECK_EQ(cfp_h5_floats(&value, dims, 2, &ctx, &root, "F", "nowhere", false), CFP_OK);
    CHECK(value == NULL);
    cfp_h5_group_free(&root);
    cfp_h5_close(&in);
}

/* A user-defined link.  The reader must not follow it. */
static hid_t lead(const char *name, hid_t group, const void *value, size_t bytes, hid_t access,
                  hid_t transfer)
{
    (void)name, (void)value, (void)bytes, (void)access, (void)transfer;
    _exit(42);
    return group;
}

static size_t pass(unsigned flags, size_t n, const unsigned values[], size_t bytes, size_t *room,
                   void **data)
{
    (void)flags, (void)n, (void)values, (void)room, (void)data;
    return bytes;
}

static void put_refused(hid_t file)
{
    const hid_t space = H5Screate_simple(2, (hsize_t[]){ROWS, COLUMNS}, NULL);
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(how, "pipe", 0, H5F_UNLIMITED);
    H5Dclose(H5Dcreate2(file, "external", H5T_IEEE_F32LE, space, H5P_DEFAULT, how, H5P_DEFAULT));
    how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_virtual(how, space, "data.h5", "plain", space);
    H5Dclose(H5Dcreate2(file, "virtual", H5T_IEEE_F32LE, space, H5P_DEFAULT, how, H5P_DEFAULT));
    how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_virtual(how, space, ".", "chunked", space);
    H5Dclose(
        H5Dcreate2(file, "virtual here", H5T_IEEE_F32LE, space, H5P_DEFAULT, how, H5P_DEFAULT));
    H5Lcreate_soft("/chunked", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("data.h5", "/plain", file, "elsewhere", H5P_DEFAULT, H5P_DEFAULT);
    const H5L_class_t own = {.version = H5L_LINK_CLASS_T_VERS, .id = 200, .trav_func = lead};
    CHECK(H5Lregister(&own) >= 0);
    CHECK(H5Lcreate_ud(file, "own", (H5L_type_t)200, "x", 1, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    const H5Z_class2_t filter = {.version = H5Z_CLASS_T_VERS,
                                 .id = 32000,
                                 .encoder_present = 1,
                                 .decoder_present = 1,
                                 .name = "other",
                                 .filter = pass};
    CHECK(H5Zregister(&filter) >= 0);
    H5Pset_filter(how = chunks(), 32000, 0, 0, NULL);
    put_floats(file, "filter", H5T_IEEE_F32LE, how);
    H5Dclose(
        H5Dcreate2(file, "nothing", H5T_IEEE_F32LE, space, H5P_DEFAULT, chunks(), H5P_DEFAULT));
    H5Dclose(
        H5Dcreate2(file, "never", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    const hid_t partly =
        H5Dcreate2(file, "part", H5T_IEEE_F32LE, space, H5P_DEFAULT, chunks(), H5P_DEFAULT);
    const float first[16 * COLUMNS] = {0};
    const hid_t memory = H5Screate_simple(2, (hsize_t[]){16, COLUMNS}, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, (hsize_t[]){0, 0}, NULL, (hsize_t[]){16, COLUMNS},
                        NULL);
    CHECK(H5Dwrite(partly, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, first) >= 0);
    H5Dclose(partly);
}

static void refused(void)
{
    static const char *const name[][2] = {
        {"external", "another file"},  {"virtual", "virtual data set"},
        {"virtual here", "virtual"},   {"soft", "soft link"},
        {"elsewhere", "another file"}, {"own", "kind that is not known"},
        {"filter", "a filter that"},   {"nothing", "chunks were never written"},
        {"never", "nothing was ever"}, {"part", "some of its chunks"},
        {"named", "neither a group"},  {"around", "not a data set"},
    };
    CHECK_EQ(mkfifo("pipe", 0600), 0); /* if the pipe is opened, the test does not end */
    const hid_t file = new_file("refused.h5");
    put_refused(file);
    put_floats(file, "chunked", H5T_IEEE_F32LE, chunks());
    H5Tcommit2(file, "named", H5Tcopy(H5T_IEEE_F32LE), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    CHECK(H5Lcreate_hard(file, "/", file, "around", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    CHECK(H5Lcreate_hard(file, "/chunked", file, "twice", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(file);

    cfp_h5 *in;
    cfp_h5_group root, again;
    int dims[CFP_H5_MAX_RANK];
    float *value;
    CHECK_EQ(cfp_h5_open(&in, &ctx, "refused.h5"), CFP_OK);
    CHECK_EQ(cfp_h5_look(&root, in, &ctx, "/"), CFP_OK);
    for (size_t k = 0; k < sizeof name / sizeof *name; k++) {
        CHECK_EQ(cfp_h5_floats(&value, dims, 2, &ctx, &root, "F", name[k][0], true), CFP_FORMAT);
        CHECK_HAS(ctx.message, name[k][0]);
        CHECK_HAS(ctx.message, name[k][1]);
    }
    CHECK_EQ(cfp_h5_floats(&value, dims, 2, &ctx, &root, "F", "twice", true),
             CFP_OK); /* a hard link */
    cfp_free(value);
    /* Groups that hold themselves do no harm, because the reader only looks names up. */
    CHECK_EQ(cfp_h5_look(&again, in, &ctx, "around/around/around"), CFP_OK);
    CHECK_EQ(again.n_children, root.n_children);
    cfp_h5_group_free(&again);
    CHECK_EQ(cfp_h5_look(&again, in, &ctx, "elsewhere"), CFP_FORMAT);
    CHECK_HAS(ctx.message, "refused.h5: 'elsewhere' is a link to another file");
    CHECK_EQ(cfp_h5_look(&again, in, &ctx, "around/./.."), CFP_FORMAT);
    cfp_h5_group_free(&root);
    cfp_h5_close(&in);
    CHECK_EQ(cfp_h5_open(&in, &ctx, "pipe"), CFP_IO);
    CHECK_HAS(ctx.message, "pipe: is not a regular file");
    CHECK_EQ(cfp_h5_open(&in, &ctx, "."), CFP_IO);
    CHECK_EQ(cfp_h5_open(&in, &ctx, "/dev/null"), CFP_IO);
    CHECK_EQ(cfp_h5_open(&in, &ctx, "not there"), CFP_IO);
    CHECK(in == NULL);
}

/* A line of a file of /proc, or "". */
static void line_of(char line[256], const char *path, const char *begins)
{
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, 256, file) != NULL)
        if (strncmp(line, begins, strlen(begins)) == 0) {
            fclose(file);
            return;
        }
    line[0] = '\0';
    if (file != NULL)
        fclose(file);
}

/* The reading process can get no further file descriptors. */
static void locked_up(void)
{
    char path[128], line[256], mine[256];
    int child = 0, found = 0;
    cfp_h5 *in;
    CHECK_EQ(cfp_h5_open(&in, &ctx, "data.h5"), CFP_OK);
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%d", &child) != 1)
        fprintf(stderr, "not checked: this kernel does not tell of children\n");
    if (file != NULL)
        fclose(file);
    snprintf(path, sizeof path, "/proc/%d/status", child);
    line_of(mine, "/proc/self/status", "Seccomp:");
    line_of(line, path, "Seccomp:");
    if (child > 0 && mine[0] != '\0')
        CHECK_STR(line, "Seccomp:\t2\n"); /* a filter */
    snprintf(path, sizeof path, "/proc/%d/limits", child);
    line_of(line, path, "Max open files");
    if (child > 0)
        CHECK_HAS(line, " 0  ");
    line_of(line, path, "Max address space");
    if (child > 0)
        CHECK(strstr(line, "unlimited  ") == NULL);
    for (int fd = 6; fd < 300 && child > 0; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", child, fd);
        found += access(path, F_OK) == 0;
    }
    CHECK_EQ(found, 0); /* three descriptors, and /dev/null three times */
    cfp_h5_close(&in);
}

/* Memory is counted, an interrupt ends the reading, and no descriptor and no process is left. */
static void limits(void)
{
    cfp_h5 *in;
    cfp_h5_group root;
    int dims[CFP_H5_MAX_RANK];
    float *value;
    cfp_ctx little = {.max_memory = ROWS * COLUMNS * 4 + 100};
    CHECK_EQ(cfp_h5_open(&in, &little, "data.h5"), CFP_OK);
    CHECK_EQ(cfp_h5_look(&root, in, &little, "/"), CFP_OK);
    CHECK_EQ(cfp_h5_floats(&value, dims, 2, &little, &root, "F", "plain", true), CFP_OK);
    cfp_free(value);
    CHECK_EQ(cfp_h5_floats(&value, dims, 2, &little, &root, "F", "plain", true), CFP_NOMEM);
    CHECK_HAS(little.message, "F: 'plain' takes");
    CHECK_HAS(little.message, "--max-memory");
    cfp_h5_group_free(&root);
    const int asked = 1;
    little.interrupted = &asked;
    CHECK_EQ(cfp_h5_look(&root, in, &little, "/") == CFP_OK ||
                 strcmp(little.message, "interrupted") == 0,
             true);
    cfp_h5_group_free(&root);
    cfp_h5_close(&in);
}

static int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 200; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

int main(void)
{
    char folder[SCRATCH_PATH], back[SCRATCH_PATH];
    scratch_open(folder);
    CHECK(getcwd(back, sizeof back) != NULL && chdir(folder) == 0);
    numbers();
    texts();
    data_sets();
    const int before = open_descriptors();
    refused();
    limits();
    locked_up();
    CHECK_EQ(open_descriptors(), before);
    CHECK_EQ(chdir(back), 0);
    scratch_remove(folder);
    return test_result();
}
