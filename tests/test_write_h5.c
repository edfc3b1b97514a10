/* test_write_h5.c - reads explanation.h5 with HDF5 and checks that it holds what SPEC 3 says. */
#include "made_explanation.h"
#include "scratch.h"
#include "test.h"
#include <hdf5.h>

enum { FRAMES = 10, HEIGHT = 43, WIDTH = 45 };

/* A data set of the expected extent, into `out`. */
static void check_array(hid_t file, const char *name, hid_t type, int rank, const hsize_t *size,
                        void *out)
{
    hsize_t found[4] = {0};
    const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    CHECK(set >= 0);
    if (set < 0)
        return;
    const hid_t space = H5Dget_space(set);
    CHECK_EQ(H5Sget_simple_extent_dims(space, found, NULL), rank);
    for (int d = 0; d < rank; d++)
        CHECK_EQ(found[d], size[d]);
    if (memcmp(found, size, (size_t)rank * sizeof *size) == 0)
        CHECK(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    H5Sclose(space);
    H5Dclose(set);
}

static double number_attribute(hid_t file, const char *object, const char *name)
{
    double value = NAN;
    const hid_t id = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    H5Aread(id, H5T_NATIVE_DOUBLE, &value);
    H5Aclose(id);
    return value;
}

static void check_text_attribute(hid_t file, const char *object, const char *name,
                                 const char *expected)
{
    char *value = NULL;
    const hid_t id = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t type = H5Aget_type(id);
    CHECK(H5Tis_variable_str(type) > 0);
    CHECK_EQ(H5Tget_cset(type), H5T_CSET_UTF8);
    CHECK(H5Aread(id, type, &value) >= 0);
    CHECK_STR(value == NULL ? "" : value, expected);
    H5free_memory(value);
    H5Tclose(type);
    H5Aclose(id);
}

static void the_root_says_what_was_asked(hid_t file)
{
    check_text_attribute(file, "/", "cfp_format", "explanation");
    check_text_attribute(file, "/", "model", "net");
    check_text_attribute(file, "/", "model_sha256", "5a");
    check_text_attribute(file, "/", "clip", "clips/a \"clip\".mp4");
    check_text_attribute(file, "/", "clip_sha256", "c11b");
    check_text_attribute(file, "/", "class_name", "sauter à la perche");
    check_text_attribute(file, "/", "rule", "cfp");
    check_text_attribute(file, "/", "propagate", "edge");
    check_text_attribute(file, "/", "normalise", "minmax");
    check_text_attribute(file, "/", "class_relevance", "weights");
    check_text_attribute(file, "/", "interp", "linear");
    check_text_attribute(file, "/", "device", "ref");
    check_text_attribute(file, "/", "precision", "fp32");
    CHECK_EQ(number_attribute(file, "/", "cfp_version"), 1);
    CHECK_EQ(number_attribute(file, "/", "class_index"), 1);
    CHECK_EQ(number_attribute(file, "/", "depth"), CFP_ALL_DEPTHS);
    CHECK_NEAR(number_attribute(file, "/", "theta"), 0.6, 0);
    CHECK_NEAR(number_attribute(file, "/", "probability"), 0.75, 0);
    float two[2] = {0};
    check_array(file, "/logits", H5T_NATIVE_FLOAT, 1, (hsize_t[]){2}, two);
    CHECK(two[0] == -1 && two[1] == 2);
    check_array(file, "/probabilities", H5T_NATIVE_FLOAT, 1, (hsize_t[]){2}, two);
    CHECK(two[0] == 0.25f && two[1] == 0.75f);
}

static void the_pyramid_is_the_pyramid(hid_t file)
{
    int32_t selected[2] = {0}, edges[3][2] = {{0}};
    float relevance[3] = {0}, values[3] = {0};
    CHECK_EQ(number_attribute(file, "/pyramid/b", "depth"), 1);
    CHECK_EQ(number_attribute(file, "/pyramid/b", "channels"), 3);
    check_text_attribute(file, "/pyramid/b", "op", "conv3d");
    check_text_attribute(file, "/pyramid/fc", "op", "linear");
    check_array(file, "/pyramid/b/selected", H5T_NATIVE_INT32, 1, (hsize_t[]){2}, selected);
    CHECK(selected[0] == 0 && selected[1] == 2);
    check_array(file, "/pyramid/b/relevance", H5T_NATIVE_FLOAT, 1, (hsize_t[]){3}, relevance);
    CHECK(relevance[0] == 0.9f && relevance[1] == 0 && relevance[2] == 1);
    check_array(file, "/pyramid/b/edges", H5T_NATIVE_INT32, 2, (hsize_t[]){3, 2}, edges);
    CHECK(memcmp(edges, (int32_t[3][2]){{0, 1}, {2, 1}, {2, 2}}, sizeof edges) == 0);
    check_array(file, "/pyramid/b/edge_relevance", H5T_NATIVE_FLOAT, 1, (hsize_t[]){3}, values);
    CHECK(values[0] == 0.75f && values[1] == 1 && values[2] == 0.625f);
}

static void the_clip_and_tubes_are_whole(hid_t file, const struct made *m)
{
    static uint8_t rgb[FRAMES][HEIGHT][WIDTH][3];
    static float volume[FRAMES][HEIGHT][WIDTH];
    int32_t index[FRAMES] = {0};
    float raw[3] = {0};
    const hsize_t size[] = {FRAMES, HEIGHT, WIDTH, 3};
    check_array(file, "/clip/frames", H5T_NATIVE_UINT8, 4, size, rgb);
    CHECK(memcmp(rgb, m->clip.rgb, sizeof rgb) == 0);
    check_array(file, "/clip/indices", H5T_NATIVE_INT32, 1, size, index);
    CHECK(index[0] == 40 && index[FRAMES - 1] == 58);
    check_array(file, "/tubes/a/tube", H5T_NATIVE_FLOAT, 3, size, volume);
    CHECK_NEAR(volume[3][7][11], 11.0 / 44, 1e-6);
    check_array(file, "/tubes/a/raw", H5T_NATIVE_FLOAT, 3, size, volume);
    CHECK_NEAR(volume[9][42][44], 44, 0);
    CHECK_NEAR(number_attribute(file, "/tubes/a", "max"), 44, 0);
    CHECK_NEAR(number_attribute(file, "/tubes/b", "min"), 7, 0);
    volume[5][5][5] = 1;
    check_array(file, "/tubes/b/tube", H5T_NATIVE_FLOAT, 3, size, volume);
    CHECK_NEAR(volume[5][5][5], 0, 0); /* a constant map */
    check_array(file, "/kernel_tubes/b/2/raw", H5T_NATIVE_FLOAT, 3, (hsize_t[]){1, 1, 3}, raw);
    CHECK(raw[0] == -1 && raw[2] == 3);
    check_array(file, "/kernel_tubes/b/2/tube", H5T_NATIVE_FLOAT, 3, size, volume);
    CHECK_NEAR(volume[0][0][0], 0, 1e-6);
    CHECK_NEAR(volume[0][0][44], 1, 1e-6);
}

static hid_t written(struct made *m, const char *folder)
{
    char path[2 * SCRATCH_PATH];
    CHECK_EQ(made_write(m, folder, "h5"), CFP_OK);
    snprintf(path, sizeof path, "%s/explanation.h5", folder);
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    CHECK(file >= 0);
    return file;
}

/* Longer than a chunk, so that edges go out in pieces. */
static void many_edges_are_all_there(struct made *m, const char *folder)
{
    enum { MANY = 150001 };
    cfp_layer *layer = &m->e.pyramid.layer[1];
    cfp_edge *kept = layer->edge;
    const int64_t n = layer->n_edges;
    layer->edge = made_take(MANY, sizeof *layer->edge);
    layer->n_edges = MANY;
    for (int k = 0; k < MANY; k++)
        layer->edge[k] = (cfp_edge){k / 1000, k % 1000, (float)k / MANY};
    int32_t(*edges)[2] = made_take(MANY, sizeof *edges);
    float *values = made_take(MANY, sizeof *values);
    const hid_t file = written(m, folder);
    check_array(file, "/pyramid/b/edges", H5T_NATIVE_INT32, 2, (hsize_t[]){MANY, 2}, edges);
    check_array(file, "/pyramid/b/edge_relevance", H5T_NATIVE_FLOAT, 1, (hsize_t[]){MANY}, values);
    int wrong = 0;
    for (int k = 0; k < MANY; k++)
        wrong += edges[k][0] != k / 1000 || edges[k][1] != k % 1000 || values[k] != (float)k / MANY;
    CHECK_EQ(wrong, 0);
    H5Fclose(file);
    cfp_free(edges);
    cfp_free(values);
    cfp_free(layer->edge);
    layer->edge = kept;
    layer->n_edges = n;
}

static void grad_has_edges_and_says_what_it_is_the_gradient_of(struct made *m, const char *folder)
{
    const int n = m->e.tubes.n;
    m->e.query.rule = CFP_RULE_GRAD;
    m->e.query.target = CFP_TARGET_MARGIN;
    m->e.query.mask = CFP_MASK_NONE;
    m->e.query.baseline = CFP_BASELINE_CLIP;
    m->e.query.baseline_path = "other.npy";
    m->e.query.steps = 7;
    m->e.tubes.n = 0;
    const hid_t file = written(m, folder);
    CHECK(H5Lexists(file, "/pyramid/b/edges", H5P_DEFAULT) > 0);
    check_text_attribute(file, "/", "target", "margin");
    check_text_attribute(file, "/", "mask", "none");
    check_text_attribute(file, "/", "baseline", "other.npy");
    CHECK_EQ(number_attribute(file, "/", "steps"), 7);
    CHECK(H5Lexists(file, "/tubes", H5P_DEFAULT) > 0); /* empty */
    CHECK_EQ(H5Lexists(file, "/kernel_tubes", H5P_DEFAULT), 0);
    H5Fclose(file);
    m->e.tubes.n = n;
    m->e.query = cfp_query_default();
    m->e.query.target = CFP_TARGET_ODDS;
}

static void no_edges_is_an_empty_list(struct made *m, const char *folder)
{
    const int64_t n = m->e.pyramid.layer[2].n_edges;
    int32_t none[1][2];
    m->e.pyramid.layer[2].n_edges = 0;
    const hid_t file = written(m, folder);
    check_array(file, "/pyramid/a/edges", H5T_NATIVE_INT32, 2, (hsize_t[]){0, 2}, none);
    H5Fclose(file);
    m->e.pyramid.layer[2].n_edges = n;
}

int main(void)
{
    struct made m;
    char folder[SCRATCH_PATH];
    made_open(&m, FRAMES, HEIGHT, WIDTH);
    scratch_open(folder);
    const hid_t file = written(&m, folder);
    the_root_says_what_was_asked(file);
    the_pyramid_is_the_pyramid(file);
    the_clip_and_tubes_are_whole(file, &m);
    H5Fclose(file);
    many_edges_are_all_there(&m, folder);
    grad_has_edges_and_says_what_it_is_the_gradient_of(&m, folder);
    no_edges_is_an_empty_list(&m, folder);
    scratch_remove(folder);
    made_close(&m);
    return test_result();
}
