/* test_stage.c - checks that the files of a run appear together: the program is killed at every
 * step, finds leftovers or obstacles, runs twice at once; and an incomplete folder is reported. */
#include "../host/files/run_list.h"
#include "../host/files/stage.h"
#include "made_explanation.h"
#include "scratch.h"
#include "test.h"
#include <errno.h>
#include <omp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

/* These replace the functions of the C library that change a folder.  Each call counts kill_at
 * down. The call that reaches 0 ends the process first, as kill -9 would. */
static int kill_at;

static void maybe_die(void)
{
    if (kill_at > 0 && --kill_at == 0)
        kill(getpid(), SIGKILL);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    maybe_die();
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

int unlinkat(int folder, const char *name, int flags)
{
    maybe_die();
    return (int)syscall(SYS_unlinkat, folder, name, flags);
}

int mkdirat(int folder, const char *name, mode_t mode)
{
    maybe_die();
    return (int)syscall(SYS_mkdirat, folder, name, mode);
}

int fsync(int fd) /* no machine stops here */
{
    (void)fd;
    maybe_die();
    return 0;
}

static const cfp_run_need json_need[] = {{"pyramid.json", "json"}};

/* theta tells runs apart: it is in run.json and in pyramid.json. */
static cfp_status write_run(const char *folder, const char *formats, double theta, char *message)
{
    struct made m;
    char value[16];
    snprintf(value, sizeof value, "%g", theta);
    const cfp_run_option option[] = {{.name = "theta", .value = value}};
    made_open(&m, 2, 4, 6);
    m.e.query.theta = theta;
    m.run.option = option;
    m.run.n_options = 1;
    const cfp_status status = made_write(&m, folder, formats);
    if (message != NULL)
        strcpy(message, m.toy.ctx.message);
    made_close(&m);
    return status;
}

static int in_child(const char *folder, const char *formats, double theta, int dies_at)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        kill_at = dies_at;
        _exit((int)write_run(folder, formats, theta, NULL));
    }
    int how = -1;
    CHECK_EQ(waitpid(child, &how, 0), child);
    return how;
}

static bool says_theta(const char *folder, const char *file, const char *words)
{
    char *text = scratch_text(folder, file);
    const bool says = strstr(text, words) != NULL;
    free(text);
    return says;
}

static void put_file(const char *folder, const char *name)
{
    char path[3 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    if (file != NULL) {
        fputs(name, file);
        fclose(file);
    }
}

static bool still_has(const char *folder, const char *name)
{
    return says_theta(folder, name, name);
}

/* The folder must hold the old run, the new run, or be reported as incomplete.  No file of the
 * user's may be lost. */
static bool check_state(const char *folder, int k)
{
    cfp_ctx ctx = {0};
    const cfp_status status = cfp_run_check(&ctx, folder, json_need, 1);
    const bool old = scratch_has(folder, "tree.json");
    CHECK(still_has(folder, "notes.txt") && still_has(folder, "overlay/mine.png"));
    if (status != CFP_OK) {
        CHECK_HAS(ctx.message, "incomplete");
        return false;
    }
    /* Of the old run: tree.json, overlay/b.png.  Of the new: frames of b. */
    CHECK_EQ(says_theta(folder, "run.json", old ? "\"0.6\"" : "\"0.7\""), 1);
    CHECK_EQ(says_theta(folder, "pyramid.json", old ? "\"theta\": 0.6" : "\"theta\": 0.7"), 1);
    CHECK_EQ(scratch_has(folder, "overlay/b.png"), old);
    CHECK_EQ(scratch_has(folder, "overlay/b/000000.png"), !old);
    CHECK(old || k > 0);
    return true;
}

static void a_kill_at_any_step_leaves_no_mixture(void)
{
    int how = -1, incomplete = 0, whole = 0, k;
    for (k = 1; k < 400 && how != 0; k++) {
        char folder[SCRATCH_PATH];
        scratch_open(folder);
        CHECK_EQ(write_run(folder, "json,tree,png", 0.6, NULL), CFP_OK);
        put_file(folder, "notes.txt");
        put_file(folder, "overlay/mine.png");
        how = in_child(folder, "json,frames", 0.7, k);
        CHECK(how == 0 || (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL));
        if (check_state(folder, k))
            whole++;
        else
            incomplete++;
        CHECK_EQ(write_run(folder, "json,frames", 0.7, NULL), CFP_OK); /* and all is well again */
        CHECK(check_state(folder, k) && !scratch_has(folder, "tree.json"));
        CHECK(!scratch_has(folder, ".cfp-run"));
        scratch_remove(folder);
    }
    CHECK_EQ(how, 0); /* it came to its end */
    CHECK(incomplete >= 3 && whole >= 10);
}

/* The next run has other formats: files of the dead one do not stay as if they were its own. */
static void what_a_dead_run_had_moved_goes_with_it(void)
{
    int how = -1;
    for (int k = 1; k < 400 && how != 0; k++) {
        char folder[SCRATCH_PATH];
        scratch_open(folder);
        how = in_child(folder, "json,png,frames", 0.7, k);
        CHECK_EQ(write_run(folder, "json", 0.8, NULL), CFP_OK);
        CHECK_EQ(scratch_walk(folder, "", false), 2);
        CHECK(!scratch_has(folder, "overlay"));
        scratch_remove(folder);
    }
    CHECK_EQ(how, 0);
}

static void two_runs_at_once_both_end_whole(void)
{
    char folder[SCRATCH_PATH];
    scratch_open(folder);
    char path[2 * SCRATCH_PATH];
    snprintf(path, sizeof path, "%s/overlay", folder);
    CHECK_EQ(mkdir(path, 0777), 0);
    put_file(folder, "notes.txt");
    put_file(folder, "overlay/mine.png");
    for (int round = 0; round < 10; round++) {
        pid_t child[3];
        for (int i = 0; i < 3; i++)
            if ((child[i] = fork()) == 0)
                _exit((int)write_run(folder, i == 0 ? "json,tree,png" : "json,frames",
                                     i == 0 ? 0.6 : 0.7, NULL));
        for (int i = 0; i < 3; i++) {
            int how = -1;
            CHECK_EQ(waitpid(child[i], &how, 0), child[i]);
            CHECK_EQ(how, 0);
        }
        CHECK(check_state(folder, 1));
        CHECK(!scratch_has(folder, ".cfp-run"));
    }
    scratch_remove(folder);
}

static void a_folder_that_another_run_holds_is_refused(void)
{
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH], message[1024];
    scratch_open(folder);
    CHECK_EQ(write_run(folder, "json", 0.6, NULL), CFP_OK);
    snprintf(path, sizeof path, "%s/.cfp-run", folder);
    CHECK_EQ(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/.cfp-run/lock", folder);
    const int lock = open(path, O_RDWR | O_CREAT, 0666);
    CHECK_EQ(flock(lock, LOCK_EX), 0);
    CHECK_EQ(write_run(folder, "json", 0.7, message), CFP_IO);
    CHECK_HAS(message, ": another run is writing into it");
    CHECK(says_theta(folder, "run.json", "\"0.6\""));
    close(lock); /* it is dead */
    CHECK_EQ(write_run(folder, "json", 0.7, NULL), CFP_OK);
    CHECK(!scratch_has(folder, ".cfp-run"));
    scratch_remove(folder);
}

static void leftovers_are_swept(void)
{
    static const char *const left[] = {".cfp-12345-0.tmp", "overlay/.cfp-12345-1.tmp",
                                       "overlay/b/.cfp-12345-2.tmp", ".cfp-run/new/a/b.png",
                                       ".cfp-run/lock"};
    static const char *const folders[] = {"overlay", "overlay/b", ".cfp-run", ".cfp-run/new",
                                          ".cfp-run/new/a"};
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    scratch_open(folder);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
        CHECK_EQ(mkdir(path, 0777), 0);
    }
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        put_file(folder, left[i]);
    CHECK_EQ(write_run(folder, "json", 0.6, NULL), CFP_OK);
    CHECK_EQ(scratch_walk(folder, "", false), 2);
    CHECK(!scratch_has(folder, ".cfp-run"));
    scratch_remove(folder);
}

/* A run.json from elsewhere may list anything. */
static void only_what_explain_made_is_removed(void)
{
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    scratch_open(folder);
    snprintf(path, sizeof path, "%s/out", folder);
    CHECK_EQ(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/out/overlay", folder);
    CHECK_EQ(mkdir(path, 0777), 0);
    put_file(folder, "precious.png");
    put_file(folder, "out/notes.txt");
    put_file(folder, "out/tree.json");
    snprintf(path, sizeof path, "%s/out/overlay/away.png", folder);
    CHECK_EQ(symlink("../../precious.png", path), 0);
    snprintf(path, sizeof path, "%s/out/overlay/up", folder);
    CHECK_EQ(symlink("../..", path), 0);
    snprintf(path, sizeof path, "%s/out/run.json", folder);
    FILE *file = fopen(path, "wb");
    fprintf(file,
            "{\"files\":[\"tree.json\",\"notes.txt\",\"../precious.png\",\"overlay/away.png\","
            "\"overlay/../../precious.png\",\"overlay/up/precious.png\",\"\",\"/\","
            "\"overlay/\",\"overlay//\",1,null,{}]}");
    fclose(file);
    snprintf(path, sizeof path, "%s/out", folder);
    CHECK_EQ(write_run(path, "json", 0.6, NULL), CFP_OK);
    CHECK(!scratch_has(folder, "out/tree.json"));
    CHECK(still_has(folder, "precious.png") && still_has(folder, "out/notes.txt"));
    CHECK(scratch_has(folder, "out/overlay/away.png"));
    scratch_remove(folder);
}

static void links_and_pipes_stand_in_the_way(void)
{
    static const char *const ways[] = {"overlay", "overlay/b", "overlay/b/000000.png",
                                       "explanation.h5"};
    char folder[SCRATCH_PATH], out[SCRATCH_PATH + 8], path[2 * SCRATCH_PATH], message[1024];
    for (int way = 0; way < 8; way++) {
        const char *const name = ways[way / 2];
        scratch_open(folder);
        snprintf(out, sizeof out, "%s/out", folder);
        CHECK_EQ(write_run(out, "json", 0.6, NULL), CFP_OK);
        snprintf(path, sizeof path, "%s/elsewhere", folder);
        CHECK_EQ(mkdir(path, 0777), 0);
        for (int parts = 1; parts < 4; parts++) { /* the folders above it */
            const char *const ends[] = {"", "overlay", "overlay/b"};
            snprintf(path, sizeof path, "%s/%s", out, ends[parts - 1]);
            if (strncmp(name, ends[parts - 1], strlen(ends[parts - 1])) == 0 &&
                strcmp(name, ends[parts - 1]) != 0)
                mkdir(path, 0777);
        }
        snprintf(path, sizeof path, "%s/%s", out, name);
        const bool is_folder = way < 4;
        if (way % 2 == 0 || is_folder)
            CHECK_EQ(way % 2 == 0 && is_folder ? symlink("../elsewhere", path) : mkfifo(path, 0600),
                     0);
        else { /* a socket */
            struct sockaddr_un address = {.sun_family = AF_UNIX};
            const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
            CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
            close(fd);
        }
        CHECK_EQ(write_run(out, "h5,json,frames", 0.7, message), CFP_IO);
        CHECK_HAS(message, name);
        CHECK_HAS(message, is_folder ? "links are not followed" : "is not a regular file");
        CHECK(says_theta(out, "run.json", "\"0.6\"") && !scratch_has(out, ".cfp-run"));
        snprintf(path, sizeof path, "%s/elsewhere", folder);
        CHECK_EQ(scratch_walk(path, "", false), 0);
        scratch_remove(folder);
    }
}

static void folders_may_have_any_name(void)
{
    static const char *const names[] = {"new\nline", "-o",    "a/../b",
                                        "link",      "x//y/", "\xff\x1b[31m"};
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    scratch_open(folder);
    CHECK_EQ(chdir(folder), 0);
    CHECK_EQ(mkdir("a", 0777), 0);
    CHECK_EQ(mkdir("target", 0777), 0);
    CHECK_EQ(symlink("target", "link"), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int again = 0; again < 2; again++) {
            CHECK_EQ(write_run(names[i], "json,png", 0.6, NULL), CFP_OK);
            CHECK(scratch_has(names[i], "run.json") && scratch_has(names[i], "overlay/b.png"));
        }
    CHECK_EQ(write_run(".", "json", 0.6, NULL), CFP_OK);
    CHECK(scratch_has("target", "run.json"));
    CHECK_EQ(chdir(".."), 0);
    snprintf(path, sizeof path, "%s/target", folder);
    scratch_remove(folder);
}

/* A failed run leaves the folders as they were: also those that it made. */
static void what_was_made_for_a_failed_run_is_removed(void)
{
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH];
    struct made m;
    made_open(&m, 2, 4, 6);
    int interrupted = 1;
    m.toy.ctx.interrupted = &interrupted;
    scratch_open(folder);
    snprintf(path, sizeof path, "%s/a/b//c/", folder);
    CHECK_EQ(made_write(&m, path, "json"), CFP_INTERRUPTED);
    CHECK(!scratch_has(folder, "a"));
    put_file(folder, "user");
    snprintf(path, sizeof path, "%s/user", folder);
    CHECK_EQ(made_write(&m, path, "json"), CFP_IO);
    CHECK(still_has(folder, "user"));
    scratch_remove(folder);
    made_close(&m);
}

static void check_says(const char *folder, const char *words)
{
    cfp_ctx ctx = {0};
    CHECK_EQ(cfp_run_check(&ctx, folder, json_need, 1) == CFP_OK, 0);
    CHECK_HAS(ctx.message, words);
}

static void what_is_not_whole_is_said_to_be(void)
{
    char folder[SCRATCH_PATH], path[2 * SCRATCH_PATH], other[2 * SCRATCH_PATH];
    cfp_ctx ctx = {0};
    scratch_open(folder);
    check_says("no/where",
               "no/where/pyramid.json: No such file or directory; explain --format json");
    check_says(folder, "/pyramid.json: No such file or directory; explain --format json makes it");
    CHECK_EQ(write_run(folder, "json,png", 0.6, NULL), CFP_OK);
    CHECK_EQ(cfp_run_check(&ctx, folder, json_need, 1), CFP_OK);
    snprintf(path, sizeof path, "%s/pyramid.json", folder);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(mkfifo(path, 0600), 0);
    check_says(folder, "/pyramid.json: is not a regular file");
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(write_run(folder, "json,png", 0.6, NULL), CFP_OK);
    snprintf(path, sizeof path, "%s/overlay/a.png", folder);
    CHECK_EQ(unlink(path), 0);
    check_says(folder, "incomplete: overlay/a.png, which run.json lists, is missing");
    CHECK_EQ(write_run(folder, "tree", 0.6, NULL), CFP_OK);
    put_file(folder, "pyramid.json");
    check_says(folder, "incomplete: pyramid.json is not of the run that run.json tells of");
    snprintf(path, sizeof path, "%s/run.json", folder);
    snprintf(other, sizeof other, "%s/old.json", folder);
    CHECK_EQ(rename(path, other), 0);
    check_says(folder, "incomplete: run.json, which explain writes last, is missing");
    static const char *const broken[] = {"", "{", "[]]", "{\"files\":[\"a\"", "{\"files\":[\xff"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        FILE *file = fopen(path, "wb");
        fputs(broken[i], file);
        fclose(file);
        check_says(folder, "/run.json: is damaged");
    }
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(mkfifo(path, 0600), 0); /* nobody waits for it */
    check_says(folder, "/run.json: is damaged");
    scratch_remove(folder);
}

int main(void)
{
    omp_set_num_threads(1); /* a fork takes no threads along */
    a_kill_at_any_step_leaves_no_mixture();
    what_a_dead_run_had_moved_goes_with_it();
    two_runs_at_once_both_end_whole();
    a_folder_that_another_run_holds_is_refused();
    leftovers_are_swept();
    only_what_explain_made_is_removed();
    links_and_pipes_stand_in_the_way();
    folders_may_have_any_name();
    what_was_made_for_a_failed_run_is_removed();
    what_is_not_whole_is_said_to_be();
    return test_result();
}
