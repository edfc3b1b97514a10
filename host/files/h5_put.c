/* h5_put.c - see h5_put.h. */
#include "h5_put.h"
#include "../base/hdf5_lock.h"
#include "versions.h"
#include <math.h>
#include <string.h>

/* Attributes of a group lie in its header, however many there are.  HDF5 1.10 crashes when it
 * copies a group (H5Ocopy) whose strings lie in an index instead. */
enum { MOST_ATTRIBUTES = 64 };

/* Rows of all frames in one chunk of a half volume.  Frames that follow each other are alike, and
 * deflate sees only 32 KB back. */
enum { HALF_ROWS = 8 };

bool cfp_h5_begin(void)
{
    return H5dont_atexit() >= 0 && H5Eset_auto2(H5E_DEFAULT, NULL, NULL) >= 0 &&
           H5PLset_loading_state(0) >= 0;
}

void cfp_h5_version(char *text, size_t bytes)
{
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, bytes, "%u.%u.%u", major, minor, release);
}

static herr_t first_message(unsigned n, const H5E_error2_t *error, void *text)
{
    if (n == 0 && error->desc != NULL)
        snprintf(text, 128, "%s", error->desc);
    return 0;
}

cfp_status cfp_h5_check(cfp_h5_file *f, bool good)
{
    const char *path = f->output->file.path;
    if (f->sink.error != 0)
        return cfp_fail(f->output->ctx, CFP_IO, "%s: %s", path, strerror(f->sink.error));
    if (good)
        return CFP_OK;
    char text[128] = "unknown error";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_message, text);
    return cfp_fail(f->output->ctx, CFP_IO, "%s: HDF5: %s", path, text);
}

cfp_status cfp_h5_file_open(cfp_h5_file *out, cfp_output *output)
{
    *out = (cfp_h5_file){.output = output, .id = H5I_INVALID_HID};
    cfp_hdf5_lock();
    H5Eget_auto2(H5E_DEFAULT, &out->print, &out->print_to);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    out->access = H5Pcreate(H5P_FILE_ACCESS);
    out->group = H5Pcreate(H5P_GROUP_CREATE);
    out->link = H5Pcreate(H5P_LINK_CREATE);
    out->text = H5Tcopy(H5T_C_S1);
    const hid_t how = H5Pcreate(H5P_FILE_CREATE);
    const bool good =
        H5Pset_libver_bounds(out->access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0 &&
        H5Pset_obj_track_times(how, 0) >= 0 && H5Pset_obj_track_times(out->group, 0) >= 0 &&
        H5Pset_attr_phase_change(out->group, MOST_ATTRIBUTES, 0) >= 0 &&
        H5Pset_char_encoding(out->link, H5T_CSET_UTF8) >= 0 &&
        H5Tset_size(out->text, H5T_VARIABLE) >= 0 && H5Tset_cset(out->text, H5T_CSET_UTF8) >= 0 &&
        cfp_h5_sink_open(&out->sink, out->access, fileno(output->file.stream)) &&
        (out->id = H5Fcreate(output->file.path, H5F_ACC_TRUNC, how, out->access)) >= 0;
    const cfp_status status = cfp_h5_check(out, good);
    H5Pclose(how);
    return status;
}

cfp_status cfp_h5_file_close(cfp_h5_file *f, cfp_status status)
{
    const bool good = f->id < 0 || H5Fclose(f->id) >= 0;
    if (status == CFP_OK)
        status = cfp_h5_check(f, good);
    H5Tclose(f->text);
    H5Pclose(f->link);
    H5Pclose(f->group);
    H5Pclose(f->access);
    cfp_h5_sink_close(&f->sink);
    H5Eset_auto2(H5E_DEFAULT, f->print, f->print_to);
    cfp_hdf5_unlock();
    return status;
}

static cfp_status put_attribute(cfp_h5_file *f, hid_t at, const char *name, const hid_t type[2],
                                const void *value)
{
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t id = H5Acreate2(at, name, type[0], space, H5P_DEFAULT, H5P_DEFAULT);
    const bool good = id >= 0 && H5Awrite(id, type[1], value) >= 0;
    const cfp_status status = cfp_h5_check(f, good);
    if (id >= 0)
        H5Aclose(id);
    H5Sclose(space);
    return status;
}

cfp_status cfp_h5_put_text(cfp_h5_file *f, hid_t at, const char *name, const char *value)
{
    return put_attribute(f, at, name, (hid_t[]){f->text, f->text}, &value);
}
cfp_status cfp_h5_put_int(cfp_h5_file *f, hid_t at, const char *name, int32_t value)
{
    return put_attribute(f, at, name, (hid_t[]){H5T_STD_I32LE, H5T_NATIVE_INT32}, &value);
}
cfp_status cfp_h5_put_long(cfp_h5_file *f, hid_t at, const char *name, int64_t value)
{
    return put_attribute(f, at, name, (hid_t[]){H5T_STD_I64LE, H5T_NATIVE_INT64}, &value);
}
cfp_status cfp_h5_put_float(cfp_h5_file *f, hid_t at, const char *name, float value)
{
    return put_attribute(f, at, name, (hid_t[]){H5T_IEEE_F32LE, H5T_NATIVE_FLOAT}, &value);
}
cfp_status cfp_h5_put_double(cfp_h5_file *f, hid_t at, const char *name, double value)
{
    return put_attribute(f, at, name, (hid_t[]){H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE}, &value);
}

cfp_h5_array cfp_h5_list_floats(int64_t n)
{
    return (cfp_h5_array){H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 1, {(hsize_t)n}};
}
cfp_h5_array cfp_h5_list_ints(int64_t n)
{
    return (cfp_h5_array){H5T_STD_I32LE, H5T_NATIVE_INT32, 1, {(hsize_t)n}};
}
cfp_h5_array cfp_h5_volume(int t, int h, int w)
{
    return (cfp_h5_array){
        H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 3, {(hsize_t)t, (hsize_t)h, (hsize_t)w}};
}

/* Attributes of an array by its name. */
static bool describe(cfp_h5_file *f, hid_t set, const char *name)
{
    for (const cfp_h5_words *w = f->words; w != NULL && w->array != NULL; w++)
        if (strcmp(w->array, name) == 0)
            return cfp_h5_put_text(f, set, "description", w->description) == CFP_OK &&
                   cfp_h5_put_text(f, set, "units", w->units) == CFP_OK;
    return true;
}

hid_t cfp_h5_create_array(cfp_h5_file *f, hid_t at, const char *name, const cfp_h5_array *a)
{
    enum { LEVEL = 1 }; /* 4 takes a third longer to write a ResNet-50, and saves one percent */
    hsize_t bytes = H5Tget_size(a->stored), chunk[4] = {0};
    for (int d = 0; d < a->rank; d++)
        bytes *= chunk[d] = a->size[d];
    const hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    bool good = H5Pset_obj_track_times(how, 0) >= 0;
    if (bytes >= CFP_H5_SMALL) {
        if (H5Tget_size(a->stored) == sizeof(uint16_t) && a->rank == 3)
            chunk[1] = chunk[1] < HALF_ROWS ? chunk[1] : HALF_ROWS;
        else
            chunk[0] = a->rank >= 3 ? 1 : chunk[0] < CFP_H5_CHUNK ? chunk[0] : CFP_H5_CHUNK;
        good = good && H5Pset_chunk(how, a->rank, chunk) >= 0 && H5Pset_shuffle(how) >= 0 &&
               H5Pset_deflate(how, LEVEL) >= 0;
    }
    const hid_t space = H5Screate_simple(a->rank, a->size, NULL);
    const hid_t set =
        good ? H5Dcreate2(at, name, a->stored, space, f->link, how, H5P_DEFAULT) : H5I_INVALID_HID;
    H5Sclose(space);
    H5Pclose(how);
    if (set >= 0 && !describe(f, set, name)) {
        H5Dclose(set);
        return H5I_INVALID_HID;
    }
    return set;
}

bool cfp_h5_put_rows(hid_t set, hid_t native, int64_t at, int64_t n, const void *data)
{
    const hid_t space = H5Dget_space(set);
    hsize_t start[4] = {0}, count[4] = {0};
    const int rank = H5Sget_simple_extent_dims(space, count, NULL);
    start[0] = (hsize_t)at;
    count[0] = (hsize_t)n;
    const hid_t memory = H5Screate_simple(rank, count, NULL);
    const bool good = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                      H5Dwrite(set, native, memory, space, H5P_DEFAULT, data) >= 0;
    H5Sclose(memory);
    H5Sclose(space);
    return good;
}

cfp_status cfp_h5_put_array(cfp_h5_file *f, hid_t at, const char *name, cfp_h5_array a,
                            const void *data)
{
    CFP_TRY(cfp_check_interrupt(f->output->ctx));
    const hid_t set = cfp_h5_create_array(f, at, name, &a);
    bool good = set >= 0;
    if (good && a.size[0] > 0)
        good = H5Dwrite(set, a.native, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    const cfp_status status = cfp_h5_check(f, good);
    if (set >= 0)
        good = H5Dclose(set) >= 0;
    return status != CFP_OK ? status : cfp_h5_check(f, good);
}

/* The bits of the half float that is nearest to x, of the multiples of 1/2048 from -1 to 1.  Such a
 * number is 0, or both floats hold it in normal form: the exponents differ by 127 - 15. */
static uint16_t half_bits(float x)
{
    const float rounded = rintf(x * 2048) / 2048;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    const uint32_t size = (bits & 0x7FFFFFFF) == 0 ? 0 : ((bits & 0x7FFFFFFF) >> 13) - (112 << 10);
    return (uint16_t)((bits >> 31) << 15 | size);
}

/* IEEE 754 binary16, little-endian. */
static hid_t half_type(void)
{
    const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    const bool good = H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_size(type, 2) >= 0 &&
                      H5Tset_ebias(type, 15) >= 0;
    if (good)
        return type;
    H5Tclose(type);
    return H5I_INVALID_HID;
}

cfp_status cfp_h5_put_half(cfp_h5_file *f, hid_t at, const char *name, int t, int h, int w,
                           const float *data)
{
    const int64_t n = (int64_t)t * h * w;
    uint16_t *half;
    CFP_TRY_ALLOC(f->output->ctx, half, n);
    for (int64_t i = 0; i < n; i++)
        half[i] = half_bits(data[i]);
    const hid_t type = half_type(); /* the same in memory: HDF5 converts nothing */
    const cfp_h5_array a = {type, type, 3, {(hsize_t)t, (hsize_t)h, (hsize_t)w}};
    cfp_status status = cfp_h5_check(f, type >= 0);
    if (status == CFP_OK)
        status = cfp_h5_put_array(f, at, name, a, half);
    cfp_free(half);
    if (type >= 0)
        H5Tclose(type);
    return status;
}

cfp_status cfp_h5_put_group(cfp_h5_file *f, hid_t *out, hid_t at, const char *name)
{
    *out = H5Lexists(at, name, H5P_DEFAULT) > 0
               ? H5Gopen2(at, name, H5P_DEFAULT)
               : H5Gcreate2(at, name, f->link, f->group, H5P_DEFAULT);
    const cfp_status status = cfp_h5_check(f, *out >= 0);
    if (status != CFP_OK && *out >= 0)
        H5Gclose(*out);
    return status;
}
