/* h5_walk.c - see h5_walk.h.  Groups, links and data sets; h5_values.c converts values. */
#include "h5_walk.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The highest ratio of compression that is believed.  deflate shrinks zeros about a thousand times.
 * A data set that claims a higher ratio is refused. */
enum { MAX_PACKED = 1100, ALWAYS_FITS = 1 << 20 };

bool cfp_h5_refuse(cfp_h5_reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reader->refusal, sizeof reader->refusal, format, args);
    va_end(args);
    return false;
}

static void add_words(cfp_h5_words *out, const char *text)
{
    cfp_h5_add_text(out, text, strlen(text));
}

/* Opens the object that a link leads to; negative if it is not followed, and *why says why. */
static hid_t open_child(hid_t group, const char *name, const char **why)
{
    H5L_info_t link;
    *why = "cannot be read (damaged?)";
    if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0)
        return -1;
    switch (link.type) {
    case H5L_TYPE_HARD:
        return H5Oopen(group, name, H5P_DEFAULT);
    case H5L_TYPE_SOFT:
        *why = "is a soft link, which is not followed; a hard link would be";
        return -1;
    case H5L_TYPE_EXTERNAL:
        *why = "is a link to another file; only what lies in this file is read";
        return -1;
    default:
        *why = "is a link of a kind that is not known";
        return -1;
    }
}

/* Filters that are built into HDF5.  Others would have to be loaded as code. */
static const char *filter_refusal(hid_t how)
{
    static const H5Z_filter_t known[] = {H5Z_FILTER_DEFLATE,    H5Z_FILTER_SHUFFLE,
                                         H5Z_FILTER_FLETCHER32, H5Z_FILTER_SZIP,
                                         H5Z_FILTER_NBIT,       H5Z_FILTER_SCALEOFFSET};
    const int n = H5Pget_nfilters(how);
    if (n < 0)
        return "cannot be read (damaged?)";
    for (int i = 0; i < n; i++) {
        unsigned flags = 0, config = 0;
        size_t values = 0;
        const H5Z_filter_t filter =
            H5Pget_filter2(how, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        bool there = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            there = there || filter == known[k];
        if (!there)
            return "is packed with a filter that HDF5 does not bring along";
        if (H5Zfilter_avail(filter) <= 0)
            return "is packed with a filter that this HDF5 was built without (szip?)";
    }
    return NULL;
}

/* All chunks must exist: HDF5 would read a missing one as the fill value. */
static const char *chunk_refusal(hid_t dataset, hid_t how, hid_t space)
{
    hsize_t size[H5S_MAX_RANK], chunk[H5S_MAX_RANK], there = 0, wanted = 1;
    const int rank = H5Sget_simple_extent_dims(space, size, NULL);
    if (rank < 1 || H5Pget_chunk(how, H5S_MAX_RANK, chunk) != rank ||
        H5Dget_num_chunks(dataset, space, &there) < 0)
        return "cannot be read (damaged?)";
    for (int a = 0; a < rank; a++) {
        const hsize_t along = chunk[a] == 0 ? 0 : size[a] / chunk[a] + (size[a] % chunk[a] != 0);
        if (along == 0)
            return NULL; /* it is empty */
        if (wanted > there / along)
            return "is not all there: some of its chunks were never written";
        wanted *= along;
    }
    return there >= wanted ? NULL : "is not all there: some of its chunks were never written";
}

static const char *layout_refusal(hid_t dataset, hid_t how, hid_t space)
{
    if (H5Pget_external_count(how) != 0)
        return "keeps its data in another file; only what lies in this file is read";
    if (H5Pget_layout(how) == H5D_CHUNKED) {
        const char *const why = filter_refusal(how);
        return why != NULL ? why : chunk_refusal(dataset, how, space);
    }
    if (H5Pget_layout(how) != H5D_CONTIGUOUS && H5Pget_layout(how) != H5D_COMPACT)
        return "cannot be read (damaged?)";
    return NULL;
}

static cfp_h5_element element_of(hid_t type)
{
    return H5Tequal(type, H5T_NATIVE_FLOAT) > 0   ? CFP_H5_F32
           : H5Tequal(type, H5T_NATIVE_UINT8) > 0 ? CFP_H5_U8
           : H5Tequal(type, H5T_NATIVE_INT32) > 0 ? CFP_H5_I32
                                                  : CFP_H5_NO_ELEMENT;
}

/* The number of elements, or -1 if it does not fit int64. */
static int64_t count_of(hid_t space)
{
    hsize_t size[H5S_MAX_RANK];
    const int rank = H5Sget_simple_extent_dims(space, size, NULL);
    int64_t n = H5Sget_simple_extent_type(space) == H5S_NULL ? 0 : 1;
    for (int a = 0; a < rank; a++)
        if (size[a] > INT64_MAX || __builtin_mul_overflow(n, (int64_t)size[a], &n))
            return -1;
    return rank < 0 ? -1 : n;
}

/* The size of a user block in front of the HDF5 data.  With one, versions of HDF5 disagree on what
 * offsets are relative to. */
static bool has_userblock(hid_t dataset)
{
    const hid_t file = H5Iget_file_id(dataset);
    const hid_t how = file < 0 ? -1 : H5Fget_create_plist(file);
    hsize_t bytes = 1;
    if (how >= 0 && H5Pget_userblock(how, &bytes) < 0)
        bytes = 1;
    if (how >= 0)
        H5Pclose(how);
    if (file >= 0)
        H5Fclose(file);
    return bytes != 0;
}

/* Writes the facts of a data set in words.  Returns why it is not read, or NULL if it is. */
static const char *add_facts(cfp_h5_words *out, hid_t dataset, hid_t how, hid_t type, hid_t space)
{
    hsize_t size[H5S_MAX_RANK] = {0};
    cfp_h5_class class;
    const char *why = cfp_h5_type_refusal(&class, type);
    const int rank = H5Sget_simple_extent_dims(space, size, NULL);
    const int64_t n = count_of(space);
    if (cfp_h5_is_bytes(type))
        class = CFP_H5_BYTES;
    if (why == NULL && rank < 0)
        why = "cannot be read (damaged?)";
    if (why == NULL)
        why = layout_refusal(dataset, how, space);
    if (why != NULL)
        return why;
    const int64_t width = (int64_t)H5Tget_size(type),
                  stored = (int64_t)H5Dget_storage_size(dataset);
    int64_t bytes;
    if (n > 0 && stored == 0)
        return "is not there: nothing was ever written into it";
    if (n < 0 || __builtin_mul_overflow(n, width, &bytes) ||
        bytes / MAX_PACKED > stored + ALWAYS_FITS / MAX_PACKED)
        return "claims more numbers than the bytes that the file holds of it could pack";
    if (H5Pget_layout(how) != H5D_CHUNKED && stored < bytes)
        return "claims more numbers than the file holds of it";
    const haddr_t offset =
        H5Pget_layout(how) == H5D_CONTIGUOUS ? H5Dget_offset(dataset) : HADDR_UNDEF;
    const bool whole =
        offset != HADDR_UNDEF && offset <= INT64_MAX && stored == bytes && !has_userblock(dataset);
    const int64_t facts[] = {class, width, element_of(type), stored, whole ? (int64_t)offset : -1,
                             n,     rank};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        cfp_h5_add(out, facts[i]);
    for (int a = 0; a < CFP_H5_MAX_RANK; a++)
        cfp_h5_add(out, size[a] > INT64_MAX ? INT64_MAX : (int64_t)size[a]);
    return NULL;
}

static const char *add_dataset(cfp_h5_words *out, hid_t dataset)
{
    const hid_t how = H5Dget_create_plist(dataset);
    if (how >= 0 && H5Pget_layout(how) == H5D_VIRTUAL) { /* its shape depends on other files */
        H5Pclose(how);
        return "is a virtual data set, which shows other files; only what lies in this file is "
               "read";
    }
    const hid_t type = H5Dget_type(dataset);
    const hid_t space = H5Dget_space(dataset);
    const char *const why = how < 0 || type < 0 || space < 0
                                ? "cannot be read (damaged?)"
                                : add_facts(out, dataset, how, type, space);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    if (how >= 0)
        H5Pclose(how);
    return why;
}

/* Writes a child: its name, its kind, why it is not read, and the facts of a data set. */
static void add_child(cfp_h5_words *out, hid_t group, const char *name)
{
    const char *why;
    add_words(out, name);
    const size_t at = out->n;
    const hid_t id = open_child(group, name, &why);
    cfp_h5_kind kind = CFP_H5_UNREAD;
    cfp_h5_add(out, 0);
    add_words(out, "");
    if (id >= 0 && H5Iget_type(id) == H5I_GROUP) {
        kind = CFP_H5_GROUP;
        why = NULL;
    } else if (id >= 0 && H5Iget_type(id) == H5I_DATASET) {
        kind = CFP_H5_DATASET;
        why = add_dataset(out, id);
    } else if (id >= 0)
        why = "is neither a group nor a data set";
    if (id >= 0)
        H5Oclose(id);
    if (why != NULL && !out->full) { /* go back to the place of the kind */
        out->n = at;
        cfp_h5_add(out, CFP_H5_UNREAD);
        add_words(out, why);
    } else if (!out->full)
        out->word[at] = (uint64_t)kind;
}

typedef struct walk {
    cfp_h5_reader *reader;
    cfp_h5_words *out;
    int64_t n;
} walk;

static herr_t see_attribute(hid_t object, const char *name, const H5A_info_t *facts, void *data)
{
    (void)facts;
    walk *w = data;
    cfp_h5_add_attribute(w->reader, w->out, object, name);
    w->n++;
    return w->out->full ? -1 : 0;
}

static herr_t see_child(hid_t group, const char *name, const H5L_info_t *link, void *data)
{
    (void)link;
    walk *w = data;
    add_child(w->out, group, name);
    w->n++;
    return w->out->full ? -1 : 0;
}

/* Opens the object at a path, following only hard links; negative if it is refused. */
static hid_t open_path(cfp_h5_reader *reader, const char *path)
{
    hid_t at = H5Oopen(reader->file, "/", H5P_DEFAULT);
    const char *why = "cannot be read (damaged?)";
    while (at >= 0 && *(path += strspn(path, "/")) != '\0') {
        const size_t length = strcspn(path, "/");
        char *name = strndup(path, length);
        const hid_t parent = at;
        const htri_t there =
            name == NULL || strcmp(name, ".") == 0 ? 0 : H5Lexists(parent, name, H5P_DEFAULT);
        at = there > 0 ? open_child(parent, name, &why) : -1;
        if (at < 0)
            cfp_h5_refuse(reader, "'%.600s' %s", name == NULL ? "" : name,
                          there == 0 ? "is missing" : why);
        H5Oclose(parent);
        free(name);
        path += length;
        if (at < 0)
            return -1;
    }
    if (at < 0)
        cfp_h5_refuse(reader, "cannot be read (damaged?)");
    return at;
}

static bool walk_list(cfp_h5_reader *reader, cfp_h5_words *out, hid_t group, bool children)
{
    walk w = {.reader = reader, .out = out};
    const size_t at = out->n;
    hsize_t from = 0;
    cfp_h5_add(out, 0);
    const herr_t done =
        children ? H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &from, see_child, &w)
                 : H5Aiterate2(group, H5_INDEX_NAME, H5_ITER_INC, &from, see_attribute, &w);
    if (out->full)
        return cfp_h5_refuse(reader, "holds more than a file of %lld bytes can",
                             (long long)reader->file_bytes);
    if (done < 0)
        return cfp_h5_refuse(reader, "its %s cannot be read (damaged?)",
                             children ? "list of objects" : "attributes");
    out->word[at] = (uint64_t)w.n;
    return true;
}

bool cfp_h5_walk_group(cfp_h5_reader *reader, cfp_h5_words *out, const char *path)
{
    const hid_t group = open_path(reader, path);
    if (group < 0)
        return false;
    const bool good =
        H5Iget_type(group) == H5I_GROUP
            ? walk_list(reader, out, group, false) && walk_list(reader, out, group, true)
            : cfp_h5_refuse(reader, "'%.600s' is not a group", path);
    H5Oclose(group);
    return good;
}

/* The data set is checked again, because the request may come without one for its group. */
static bool open_dataset(cfp_h5_reader *reader, const char *path)
{
    if (reader->path != NULL && strcmp(reader->path, path) == 0)
        return true;
    if (reader->dataset >= 0)
        H5Oclose(reader->dataset);
    free(reader->path);
    reader->path = NULL;
    reader->dataset = open_path(reader, path);
    if (reader->dataset < 0)
        return false;
    cfp_h5_words facts = {.max = 64};
    const char *const why = H5Iget_type(reader->dataset) == H5I_DATASET
                                ? add_dataset(&facts, reader->dataset)
                                : "is not a data set";
    free(facts.word);
    if (why != NULL)
        return cfp_h5_refuse(reader, "'%.600s' %s", path, why);
    reader->path = strdup(path);
    return reader->path != NULL || cfp_h5_refuse(reader, "out of memory");
}

bool cfp_h5_walk_text(cfp_h5_reader *reader, cfp_h5_words *out, const char *path)
{
    if (!open_dataset(reader, path))
        return false;
    const char *const why = cfp_h5_add_strings(reader, out, reader->dataset);
    if (why == NULL && out->full)
        return cfp_h5_refuse(reader, "'%.600s' holds more text than may be read of it", path);
    return why == NULL || cfp_h5_refuse(reader, "'%.600s' %s", path, why);
}

bool cfp_h5_walk_bytes(cfp_h5_reader *reader, cfp_h5_words *out, const char *path, int64_t row)
{
    if (!open_dataset(reader, path))
        return false;
    const char *const why = cfp_h5_add_bytes(reader, out, reader->dataset, row);
    if (why == NULL && out->full)
        return cfp_h5_refuse(reader, "'%.600s' holds more bytes than the file", path);
    return why == NULL || cfp_h5_refuse(reader, "'%.600s' %s", path, why);
}

static bool read_rows(const cfp_h5_reader *reader, const cfp_h5_request *request, void *to)
{
    hsize_t start[H5S_MAX_RANK] = {(hsize_t)request->first}, count[H5S_MAX_RANK] = {0};
    const hid_t type = request->element == CFP_H5_F32   ? H5T_NATIVE_FLOAT
                       : request->element == CFP_H5_I32 ? H5T_NATIVE_INT32
                                                        : H5T_NATIVE_UINT8;
    const hid_t space = H5Dget_space(reader->dataset);
    const int rank = H5Sget_simple_extent_dims(space, count, NULL);
    int64_t bytes = (int64_t)H5Tget_size(type);
    bool good = rank >= 1 && request->first >= 0 && request->rows >= 1 &&
                count[0] >= (hsize_t)request->first &&
                count[0] - (hsize_t)request->first >= (hsize_t)request->rows;
    count[0] = (hsize_t)request->rows;
    for (int a = 0; a < rank; a++)
        good = good && count[a] <= INT64_MAX &&
               !__builtin_mul_overflow(bytes, (int64_t)count[a], &bytes);
    good = good && bytes == request->bytes;
    const hid_t memory = good ? H5Screate_simple(rank, count, NULL) : -1;
    good = memory >= 0 &&
           H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
           H5Dread(reader->dataset, type, memory, space, H5P_DEFAULT, to) >= 0;
    if (memory >= 0)
        H5Sclose(memory);
    if (space >= 0)
        H5Sclose(space);
    return good;
}

bool cfp_h5_walk_rows(cfp_h5_reader *reader, const cfp_h5_request *request, const char *path)
{
    if (!open_dataset(reader, path))
        return false;
    const size_t bytes = (size_t)request->bytes;
    void *const window = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, reader->window, 0);
    if (window == MAP_FAILED)
        return cfp_h5_refuse(reader, "'%.600s' takes more memory than may be used for this file",
                             path);
    const bool good = read_rows(reader, request, window);
    munmap(window, bytes);
    return good || cfp_h5_refuse(reader, "'%.600s' cannot be read (damaged?)", path);
}
