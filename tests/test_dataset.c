/* test_dataset.c - lists of clips through dataset.h: what a caller gets, the comparison with a
 * model's classes, and memory that runs out.  check_dataset.py has the kinds, by the program. */
#include "../host/dataset/dataset.h"
#include "scratch.h"
#include "test.h"

static char folder[SCRATCH_PATH];

static const char *put(const char *name, const char *text)
{
    static char path[2 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    return path;
}

static cfp_status open_list(cfp_dataset *out, cfp_ctx *ctx, const char *name, const char *kind)
{
    char path[2 * SCRATCH_PATH];
    const char *const kinds[] = {"no such folder", CFP_TEST_KINDS};
    const cfp_dataset_options options = {.kind = kind, .kind_folder = kinds, .n_kind_folders = 2};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return cfp_dataset_open(out, ctx, path, &options);
}

static void a_list_is_an_array_of_clips(void)
{
    cfp_ctx ctx = {0};
    cfp_dataset d;
    put("a.mp4", "x");
    put("list.csv", "a.mp4,left,4,9\nb.mp4,right\na.mp4,left,4,9\na.mp4,right,1.5s,\n");
    CHECK_EQ(open_list(&d, &ctx, "list.csv", NULL), CFP_OK);
    CHECK_STR(d.kind, "paths");
    CHECK_EQ(d.n, 4);
    CHECK_EQ(d.n_labels, 1);
    CHECK_STR(d.label_name[0], "class");
    CHECK_STR(d.clip[0].id, "a.mp4#4-9");
    CHECK_EQ(d.clip[0].window, CFP_WINDOW_FRAMES);
    CHECK_NEAR(d.clip[0].stop, 9, 0);
    CHECK(d.clip[0].path != NULL && d.clip[1].path == NULL);
    CHECK_EQ(d.clip[1].reason, CFP_CLIP_MISSING);
    CHECK_EQ(d.clip[2].reason, CFP_CLIP_REPEATED);
    CHECK_EQ(d.clip[2].twin, 1);
    CHECK_EQ(d.clip[3].window, CFP_WINDOW_SECONDS);
    CHECK(d.clip[3].stop < 0);
    CHECK_EQ(d.count[CFP_CLIP_FOUND], 2);
    cfp_dataset_free(&d);
    for (int i = 0; i < CFP_CLIP_REASONS; i++)
        CHECK(*cfp_dataset_reason_word((cfp_dataset_reason)i) != '\0' &&
              *cfp_dataset_reason_text((cfp_dataset_reason)i) != '\0');
}

/* Spelling that data sets change does not matter, unless two classes differ only by it. */
static void labels_find_their_classes(void)
{
    static const char *const classes[] = {"BaseballPitch", "air drumming", "wave", "Wave",
                                          "kick_ball"};
    static const int want[] = {0, 1, 1, 2, 3, -1, 4, -1};
    cfp_ctx ctx = {0};
    cfp_dataset d;
    cfp_class_match match[CFP_DATASET_LABELS];
    int best;
    put("names",
        "a baseball_pitch\nb Air-Drumming\nc air drumming\nd wave\ne Wave\nf WAVE\ng kick ball\n"
        "h kick bal\n");
    CHECK_EQ(open_list(&d, &ctx, "names", NULL), CFP_OK);
    CHECK_EQ(cfp_class_match_all(match, &best, &ctx, &d, classes, 5), CFP_OK);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(match[best].class_of[i], want[i]);
    CHECK_EQ(match[best].known, 6);
    CHECK_EQ(match[best].n_unknown_labels, 2);
    CHECK_EQ(match[best].n_examples, 2);
    CHECK_STR(match[best].example[1].near, "kick_ball");
    CHECK(!match[best].by_index);
    cfp_class_match_free(&match[0]);

    /* A model whose classes have only numbers, and a list that has only names: nothing fits. */
    static const char *const numbered[] = {"class 0", "class 1"};
    CHECK_EQ(cfp_class_match_find(&match[0], &ctx, &d, 0, numbered, 2), CFP_OK);
    CHECK(match[0].by_index && match[0].known == 0 && match[0].unknown == 8);
    cfp_class_match_free(&match[0]);
    cfp_dataset_free(&d);
}

/* Every allocation fails once: the list is refused for want of memory, and nothing leaks. */
static void memory_may_run_out(void)
{
    static const char *const classes[] = {"Archery", "Bowling"};
    put("classInd.txt", "1 Archery\n2 Bowling\n");
    put("v.avi", "x");
    put("train", "Archery/v_Archery_g01_c01.avi 1\nBowling/v_Bowling_g01_c01.avi 2\n");
    bool done = false;
    int64_t n = 1;
    for (; !done && n < 5000; n++) {
        cfp_ctx ctx = {.fail_allocation = n};
        cfp_dataset d;
        cfp_class_match match = {0};
        cfp_status status = open_list(&d, &ctx, "train", NULL);
        if (status == CFP_OK)
            status = cfp_class_match_find(&match, &ctx, &d, 0, classes, 2);
        CHECK(status == CFP_OK || status == CFP_NOMEM);
        CHECK(status == CFP_OK || ctx.message[0] != '\0');
        done = ctx.fail_allocation > 0;
        cfp_class_match_free(&match);
        cfp_dataset_free(&d);
    }
    CHECK(done && n > 50);
}

int main(void)
{
    scratch_open(folder);
    a_list_is_an_array_of_clips();
    labels_find_their_classes();
    memory_may_run_out();
    scratch_remove(folder);
    return test_result();
}
