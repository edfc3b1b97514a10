/* test_output.c - checks that an output file is complete or absent: after a refusal, on a full
 * disk, after an interrupt, and without memory. */
#include "../host/files/output.h"
#include "made_explanation.h"
#include "scratch.h"
#include "test.h"
#include <signal.h>
#include <sys/resource.h>

#define ALL "h5,json,tree,png,frames,mp4,gif,stack,html"

static void a_new_file_appears_when_it_is_whole(void)
{
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    cfp_ctx ctx = {0};
    cfp_newfile file;
    scratch_open(folder);
    snprintf(path, sizeof path, "%s/x.csv", folder);

    CHECK_EQ(cfp_newfile_open(&file, &ctx, path), CFP_OK);
    fputs("one", file.stream);
    CHECK(!scratch_has(folder, "x.csv"));
    CHECK_EQ(scratch_walk(folder, ".tmp", false), 1);
    CHECK_EQ(cfp_newfile_commit(&file), CFP_OK);
    char *text = scratch_text(folder, "x.csv");
    CHECK_STR(text, "one");
    free(text);

    CHECK_EQ(cfp_newfile_open(&file, &ctx, path), CFP_OK); /* once more, in vain */
    fputs("two", file.stream);
    cfp_newfile_abandon(&file);
    text = scratch_text(folder, "x.csv");
    CHECK_STR(text, "one");
    free(text);
    CHECK_EQ(scratch_walk(folder, "", false), 1);
    scratch_remove(folder);
}

/* Nothing waits for the other end of a pipe, and nothing takes its place. */
static void what_is_no_file_is_refused(void)
{
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    cfp_ctx ctx = {0};
    cfp_newfile file;
    scratch_open(folder);
    snprintf(path, sizeof path, "%s/pipe", folder);
    CHECK_EQ(mkfifo(path, 0600), 0);
    CHECK_EQ(cfp_newfile_open(&file, &ctx, path), CFP_IO);
    CHECK_HAS(ctx.message, "/pipe: is not a regular file");
    snprintf(path, sizeof path, "%s/link", folder);
    CHECK_EQ(symlink("pipe", path), 0);
    CHECK_EQ(cfp_newfile_open(&file, &ctx, path), CFP_IO);
    CHECK_HAS(ctx.message, "/link: is not a regular file");
    CHECK_EQ(cfp_newfile_open(&file, &ctx, "/dev/full"), CFP_IO);
    CHECK_STR(ctx.message, "/dev/full: is not a regular file");
    CHECK_EQ(cfp_newfile_open(&file, &ctx, folder), CFP_IO);
    CHECK_HAS(ctx.message, ": Is a directory");
    CHECK_EQ(scratch_walk(folder, "", false), 2);
    scratch_remove(folder);
}

static void temporary_files_of_dead_processes_are_swept(void)
{
    static const char *const there[] = {".cfp-1-0.tmp", ".cfp-99999999-7.tmp", ".cfp-1-0.tmp2",
                                        ".cfp-x-0.tmp", "cfp-1-0.tmp"};
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    cfp_ctx ctx = {0};
    cfp_newfile one, other;
    scratch_open(folder);
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, there[i]);
        fclose(fopen(path, "wb"));
    }
    snprintf(path, sizeof path, "%s/one", folder);
    CHECK_EQ(cfp_newfile_open(&one, &ctx, path), CFP_OK);
    CHECK(!scratch_has(folder, there[0]) && !scratch_has(folder, there[1]));
    CHECK_EQ(scratch_walk(folder, "", false), 4);
    snprintf(path, sizeof path, "%s/other", folder);
    CHECK_EQ(cfp_newfile_open(&other, &ctx, path), CFP_OK); /* the first one lives */
    CHECK_EQ(cfp_newfile_commit(&one), CFP_OK);
    CHECK_EQ(cfp_newfile_commit(&other), CFP_OK);
    CHECK(scratch_has(folder, "one") && scratch_has(folder, "other"));
    scratch_remove(folder);
}

static void names_of_layers_become_names_of_files(void)
{
    static const char *const cases[][2] = {
        {"layer4.0.conv1", "layer4.0.conv1"},
        {"..", "%2E."},
        {".hidden", "%2Ehidden"},
        {"a/b", "a%2Fb"},
        {"50%", "50%25"},
        {"tab\there", "tab%09here"},
        {"größe 1", "größe 1"},
        {"", "%"},
        {"turn\u202eed", "turn%E2%80%AEed"},
        {"c1\xc2\x9b"
         "31m",
         "c1%C2%9B31m"},
        {"no\xff utf-8", "no%FF utf-8"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char *safe = cfp_output_safe_name(NULL, cases[k][0]);
        CHECK_STR(safe, cases[k][1]);
        cfp_free(safe);
    }
    char longer[400] = "";
    while (strlen(longer) < 390)
        strcat(longer, "ü");
    char *one = cfp_output_safe_name(NULL, longer);
    strcat(longer, "x");
    char *other = cfp_output_safe_name(NULL, longer);
    CHECK(strlen(one) <= 220 && strlen(other) <= 220);
    CHECK(strcmp(one, other) != 0);
    CHECK(strncmp(one, longer, 200) == 0);
    cfp_free(one);
    cfp_free(other);
}

static void formats_are_checked(void)
{
    cfp_ctx ctx = {0};
    CHECK_EQ(cfp_formats_check(&ctx, cfp_writers, ALL), CFP_OK);
    CHECK_EQ(cfp_formats_check(&ctx, cfp_writers, "png"), CFP_OK);
    const char *const bad[] = {"htm", "h5,webp", "h5 ,json", "", "h5,,json", "H5"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        CHECK_EQ(cfp_formats_check(&ctx, cfp_writers, bad[k]), CFP_USAGE);
        CHECK_HAS(ctx.message,
                  "is not a format; there are h5, json, tree, png, sheet, frames, mp4, gif, "
                  "stack, figure, html");
        CHECK(strncmp(ctx.message, "--format: ", 10) == 0);
    }
}

static void folders_that_cannot_be_are_refused(void)
{
    struct made m;
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    made_open(&m, 2, 4, 4);
    scratch_open(folder);
    snprintf(path, sizeof path, "%s/file", folder);
    fclose(fopen(path, "wb"));
    CHECK_EQ(made_write(&m, path, "json"), CFP_IO);
    CHECK_HAS(m.toy.ctx.message, "file: is a file where a folder is needed");
    snprintf(path, sizeof path, "%s/file/below", folder);
    CHECK_EQ(made_write(&m, path, "json"), CFP_IO);
    CHECK_HAS(m.toy.ctx.message, "file: is a file where a folder is needed");
    CHECK_EQ(made_write(&m, "/proc/nowhere/out", "json"), CFP_IO);
    CHECK_HAS(m.toy.ctx.message, "/proc/nowhere: ");
    CHECK_EQ(made_write(&m, "", "json"), CFP_USAGE);
    snprintf(path, sizeof path, "%s/new/er", folder);
    CHECK_EQ(made_write(&m, path, "json"), CFP_OK);
    CHECK(scratch_has(path, "pyramid.json") && scratch_has(path, "run.json"));
    snprintf(path, sizeof path, "%s/new/er/pyramid.json", folder); /* a folder in a file's place */
    unlink(path);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/new/er", folder);
    CHECK_EQ(made_write(&m, path, "json"), CFP_IO);
    CHECK_HAS(m.toy.ctx.message, "pyramid.json: Is a directory");
    CHECK(scratch_has(path, "run.json")); /* the folder is as it was */
    scratch_remove(folder);
    made_close(&m);
}

/* A file may grow to `bytes`, as if the disk were full then. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void a_full_disk_fails_and_leaves_nothing_half_written(void)
{
    static const char *const formats[] = {"h5",  "json", "tree",  "png", "frames",
                                          "mp4", "gif",  "stack", "html"};
    static const char *const files[] = {"explanation.h5", "pyramid.json",         "tree.json",
                                        "overlay/b.png",  "overlay/b/000000.png", "overlay/b.mp4",
                                        "overlay/b.gif",  "overlay/b/stack.png",  "report.html"};
    struct made m;
    made_open(&m, 3, 60, 60);
    signal(SIGXFSZ, SIG_IGN);
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        const int most = strcmp(formats[k], "html") == 0 ? 500000 : 200000; /* D3 is in it */
        for (int bytes = 0; bytes < 2 * most; bytes = 3 * bytes + 20) {
            char folder[SCRATCH_PATH];
            scratch_open(folder);
            limit_files((rlim_t)bytes);
            const cfp_status status = made_write(&m, folder, formats[k]);
            limit_files(RLIM_INFINITY);
            if (status != CFP_OK) {
                CHECK_EQ(status, CFP_IO);
                CHECK_HAS(m.toy.ctx.message, ": File too large");
                CHECK(!scratch_has(folder, "run.json"));
            }
            CHECK(status == CFP_OK || bytes < most);
            CHECK(status != CFP_OK || bytes >= 20);
            if (bytes == 0) {
                CHECK(!scratch_has(folder, files[k]));
                CHECK_HAS(m.toy.ctx.message, files[k]);
            }
            if (status != CFP_OK)
                CHECK_EQ(scratch_walk(folder, "", false), 0);
            CHECK(!scratch_has(folder, ".cfp-run"));
            scratch_remove(folder);
        }
    }
    made_close(&m);
}

static void every_allocation_may_fail(const char *formats, int tubes)
{
    struct made m;
    made_open(&m, 2, 4, 6);
    cfp_status status = CFP_NOMEM;
    const int all = m.e.tubes.n;
    m.e.tubes.n = tubes;
    for (int k = 1; status != CFP_OK && k < 5000; k++) {
        char folder[SCRATCH_PATH];
        scratch_open(folder);
        m.toy.ctx.fail_allocation = k;
        status = made_write(&m, folder, k < 20 ? ALL : formats);
        CHECK(status == CFP_OK || status == CFP_NOMEM);
        CHECK_EQ(scratch_has(folder, "run.json"), status == CFP_OK);
        CHECK(!scratch_has(folder, ".cfp-run") || scratch_has(folder, CFP_STAGE_READY));
        scratch_remove(folder);
    }
    CHECK_EQ(status, CFP_OK);
    m.toy.ctx.fail_allocation = 0;
    m.e.tubes.n = all;
    made_close(&m);
}

typedef struct stop {
    volatile int interrupted;
    int after;
    int64_t done, total;
} stop;

static void count_steps(void *cookie, const char *what, int64_t done, int64_t total)
{
    stop *s = cookie;
    CHECK_STR(what, "write");
    CHECK_EQ(done, s->done + 1);
    s->done = done;
    s->total = total;
    if (done == s->after)
        s->interrupted = 1;
}

static void an_interrupt_leaves_nothing_half_written(void)
{
    struct made m;
    made_open(&m, 2, 4, 6);
    stop s = {.after = -1};
    m.toy.ctx.progress = count_steps;
    m.toy.ctx.cookie = &s;
    m.toy.ctx.interrupted = &s.interrupted;
    char folder[SCRATCH_PATH];
    scratch_open(folder);
    CHECK_EQ(made_write(&m, folder, ALL), CFP_OK);
    CHECK_EQ(s.total, 6 * 3 + 3); /* three tubes in six formats, three files */
    CHECK_EQ(s.done, s.total);
    scratch_remove(folder);
    for (int after = 0; after < 20; after += 3) {
        s = (stop){.after = after, .interrupted = after == 0};
        scratch_open(folder);
        CHECK_EQ(made_write(&m, folder, ALL), CFP_INTERRUPTED);
        CHECK_EQ(scratch_walk(folder, "", false), 0);
        CHECK(!scratch_has(folder, ".cfp-run") && !scratch_has(folder, "overlay"));
        scratch_remove(folder);
    }
    made_close(&m);
}

int main(void)
{
    a_new_file_appears_when_it_is_whole();
    what_is_no_file_is_refused();
    temporary_files_of_dead_processes_are_swept();
    names_of_layers_become_names_of_files();
    formats_are_checked();
    folders_that_cannot_be_are_refused();
    a_full_disk_fails_and_leaves_nothing_half_written();
    every_allocation_may_fail("h5,json,tree,frames", 3);
    every_allocation_may_fail("png", 3);
    every_allocation_may_fail("gif,stack", 1); /* a figure takes its time */
    an_interrupt_leaves_nothing_half_written();
    return test_result();
}
