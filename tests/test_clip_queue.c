/* test_clip_queue.c - checks clips that are decoded ahead.  The queue must yield what cfp_clip_open
 * gives for each path in turn, whatever fails and whenever the reader stops. */
#include "../host/clip/clip_queue.h"
#include "clip_files.h"
#include <hdf5.h>
#include <pthread.h>

enum { FRAMES = 4, SIDE = 2, FILES = 12, MISSING = 3, BROKEN = 7, SHORT = 5, MOST_LINES = 64 };

static const char *paths[FILES];
static char names[FILES][16];

/* What reached the caller, in order: clips as "+ path", failures as "- message", notes "! line". */
typedef struct story {
    int n;
    char line[MOST_LINES][256];
    pthread_t thread; /* that may tell it */
    int strangers;    /* lines that another thread told */
    int progress;
} story;

static void tell(story *s, const char *mark, const char *text)
{
    s->strangers += !pthread_equal(pthread_self(), s->thread);
    if (s->n < MOST_LINES)
        snprintf(s->line[s->n++], sizeof s->line[0], "%s %.250s", mark, text);
}

static void tell_note(void *cookie, cfp_level level, const char *line)
{
    tell(cookie, level == CFP_LOG_WARNING ? "!" : "?", line);
}

static void tell_progress(void *cookie, const char *what, int64_t done, int64_t total)
{
    story *s = cookie;
    s->strangers += !pthread_equal(pthread_self(), s->thread);
    s->progress += strcmp(what, "decode") == 0 && done >= 0 && total >= done;
}

static cfp_ctx ctx_of(story *s)
{
    *s = (story){.thread = pthread_self()};
    return (cfp_ctx){.log = tell_note, .progress = tell_progress, .cookie = s};
}

/* The level of all bytes of frame 0 of file i.  Each of its 20 frames is one level higher. */
static int level_of(int i)
{
    return 1 + 20 * i;
}

static void write_frames_npy(const char *path, int first, int frames)
{
    char header[96];
    snprintf(header, sizeof header,
             "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 2, 2, 3), }  \n", frames);
    write_npy(path, 1, header, frames);
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    if (file == NULL)
        return;
    fseek(file, (long)(10 + strlen(header)), SEEK_SET);
    for (int i = 0; i < frames * 12; i++)
        fputc(first + i / 12, file);
    fclose(file);
}

static void write_frames_h5(const char *path, int first, int frames)
{
    uint8_t bytes[20 * 12];
    const hsize_t size[4] = {(hsize_t)frames, 2, 2, 3};
    for (int i = 0; i < frames * 12; i++)
        bytes[i] = (uint8_t)(first + i / 12);
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(4, size, NULL);
    const hid_t set =
        H5Dcreate2(file, "frames", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    CHECK(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Fclose(file);
}

static void write_files(void)
{
    for (int i = 0; i < FILES; i++) {
        snprintf(names[i], sizeof names[i], i % 2 ? "%d.h5" : "%d.npy", i);
        paths[i] = names[i];
        if (i == MISSING)
            continue;
        if (i == BROKEN)
            write_file(paths[i], "no HDF5 file", 12);
        else
            (i % 2 ? write_frames_h5 : write_frames_npy)(paths[i], level_of(i),
                                                         i == SHORT ? FRAMES - 1 : 20);
    }
}

static cfp_clip_queue_request request_of(const cfp_input_spec *spec, int n, int threads)
{
    return (cfp_clip_queue_request){.input = spec,
                                    .path = paths,
                                    .n_paths = n,
                                    .sampling = {.start = 0, .stride = 1},
                                    .threads = threads,
                                    .held = 1};
}

static void tell_clip(story *s, const cfp_clip *clip)
{
    char text[64];
    snprintf(text, sizeof text, "%s %d %d", clip->path, clip->rgb[0],
             clip->rgb[(FRAMES - 1) * SIDE * SIDE * 3]);
    tell(s, "+", text);
}

/* One after the other, as without a queue. */
static void tell_plainly(story *s)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    cfp_ctx ctx = ctx_of(s);
    for (int i = 0; i < FILES; i++) {
        cfp_clip clip;
        if (cfp_clip_open(&clip, &ctx, paths[i], &spec, &(cfp_sampling){.start = 0, .stride = 1}) ==
            CFP_OK)
            tell_clip(s, &clip);
        else
            tell(s, "-", ctx.message);
        cfp_clip_free(&clip);
    }
}

static void the_story_is_the_same_with_any_number_of_threads(void)
{
    static const int threads[] = {0, 1, 2, 5, FILES + 8};
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    story right, got;
    tell_plainly(&right);
    CHECK_EQ(right.n, FILES + 1); /* and the note of the short one */
    CHECK_HAS(right.line[0], "+ 0.npy 1 4");
    CHECK_HAS(right.line[MISSING], "- 3.h5: No such file");
    CHECK_HAS(right.line[SHORT], "! 5.h5: 3 frames, the window needs 4: looped");
    CHECK_HAS(right.line[BROKEN + 1], "- 7.h5: is not an HDF5 file");
    for (size_t k = 0; k < sizeof threads / sizeof threads[0]; k++) {
        const cfp_clip_queue_request request = request_of(&spec, FILES, threads[k]);
        cfp_clip_queue *queue;
        cfp_clip *clip;
        cfp_ctx ctx = ctx_of(&got);
        CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
        for (int i = 0; i < FILES; i++) {
            const cfp_status status = cfp_clip_queue_next(queue, &clip);
            CHECK_EQ(status, i == MISSING ? CFP_IO : i == BROKEN ? CFP_FORMAT : CFP_OK);
            CHECK((clip == NULL) == (status != CFP_OK));
            if (clip != NULL)
                tell_clip(&got, clip);
            else
                tell(&got, "-", ctx.message);
            cfp_clip_queue_give_back(queue, clip);
        }
        CHECK_EQ(cfp_clip_queue_next(queue, &clip), CFP_OK);
        CHECK(clip == NULL);
        cfp_clip_queue_close(&queue);
        CHECK(queue == NULL);
        CHECK_EQ(got.n, right.n);
        for (int i = 0; i < right.n; i++)
            CHECK_STR(got.line[i], right.line[i]);
        CHECK_EQ(got.strangers, 0);
        CHECK(got.progress >= FILES - 2); /* of each that could be opened */
    }
}

static void several_clips_may_be_held(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    cfp_clip_queue_request request = request_of(&spec, MISSING, 1);
    cfp_clip_queue *queue;
    cfp_clip *clip[MISSING];
    story s;
    cfp_ctx ctx = ctx_of(&s);
    request.held = 3;
    CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(cfp_clip_queue_next(queue, &clip[i]), CFP_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_STR(clip[i]->path, paths[i]);
        CHECK_EQ(clip[i]->rgb[0], level_of(i)); /* none was written over */
        CHECK(clip[i]->lent);
    }
    cfp_clip_queue_give_back(queue, clip[1]);
    cfp_clip_queue_give_back(queue, clip[0]);
    cfp_clip_queue_close(&queue); /* with one in hand */
}

/* A caller that never gives clips back gets an error and does not wait for ever. */
static void holding_every_slot_is_refused(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    const cfp_clip_queue_request request = request_of(&spec, MISSING, 1); /* 1 + 1 slots */
    cfp_clip_queue *queue;
    cfp_clip *clip[3];
    story s;
    cfp_ctx ctx = ctx_of(&s);
    CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
    CHECK_EQ(cfp_clip_queue_next(queue, &clip[0]), CFP_OK);
    CHECK_EQ(cfp_clip_queue_next(queue, &clip[1]), CFP_OK);
    CHECK_EQ(cfp_clip_queue_next(queue, &clip[2]), CFP_NOMEM);
    CHECK_STR(ctx.message, "2.npy: no free slot: 2 clips are held");
    cfp_clip_queue_give_back(queue, clip[0]);
    CHECK_EQ(cfp_clip_queue_next(queue, &clip[2]), CFP_OK);
    CHECK_EQ(clip[2]->rgb[0], level_of(2));
    CHECK_EQ(clip[1]->rgb[0], level_of(1));
    cfp_clip_queue_close(&queue);
}

/* Memory for frames that is counted, and only the caller's thread may ask for. */
typedef struct rooms {
    pthread_t thread;
    int taken, given, strangers, fail_at;
    void *last;
} rooms;

static cfp_status take_room(void *cookie, void **out, size_t bytes)
{
    rooms *r = cookie;
    r->strangers += !pthread_equal(pthread_self(), r->thread);
    CHECK_EQ(bytes, FRAMES * SIDE * SIDE * 3);
    if (++r->taken == r->fail_at) {
        r->taken--;
        return CFP_DEVICE;
    }
    r->last = *out = malloc(bytes);
    return CFP_OK;
}

static void give_room(void *cookie, void *memory)
{
    rooms *r = cookie;
    r->strangers += !pthread_equal(pthread_self(), r->thread);
    r->given++;
    free(memory);
}

static void frames_lie_in_the_memory_that_was_given(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    cfp_clip_queue_request request = request_of(&spec, MISSING, 2);
    for (int taken = 0; taken <= MISSING; taken++) { /* closed after so many */
        rooms r = {.thread = pthread_self()};
        cfp_clip_queue *queue;
        story s;
        cfp_ctx ctx = ctx_of(&s);
        request.alloc = take_room;
        request.release = give_room;
        request.cookie = &r;
        CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
        for (int i = 0; i < taken; i++) {
            cfp_clip *clip;
            CHECK_EQ(cfp_clip_queue_next(queue, &clip), CFP_OK);
            cfp_clip_queue_give_back(queue, clip);
        }
        cfp_clip_queue_close(&queue);
        CHECK_EQ(r.taken, 3); /* two threads and one held */
        CHECK_EQ(r.given, 3);
        CHECK_EQ(r.strangers, 0);
    }
    for (int fail_at = 1; fail_at <= 3; fail_at++) {
        rooms r = {.thread = pthread_self(), .fail_at = fail_at};
        cfp_clip_queue *queue;
        cfp_ctx ctx = {0};
        request.cookie = &r;
        CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_DEVICE);
        CHECK(queue == NULL);
        CHECK_EQ(r.given, r.taken);
    }
}

/* A reader that waits until the test lets it continue. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static int begun, ended;

static void stand_still(const char *path)
{
    (void)path;
    __atomic_add_fetch(&begun, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void go_away(void)
{
    __atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
}

static int asked_to_stop;

static void *ask_to_stop(void *cookie)
{
    (void)cookie;
    usleep(60000);
    __atomic_store_n(&asked_to_stop, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void an_interrupt_ends_the_waiting(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    cfp_clip_queue_request request = request_of(&spec, FILES, 2);
    cfp_clip_queue *queue;
    cfp_clip *clip;
    pthread_t asker;
    story s;
    cfp_ctx ctx = ctx_of(&s);
    ctx.interrupted = &asked_to_stop;
    request.begin_read = stand_still;
    request.end_read = go_away;
    begun = ended = 0;
    pthread_mutex_lock(&gate);
    CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
    CHECK_EQ(pthread_create(&asker, NULL, ask_to_stop, NULL), 0);
    CHECK_EQ(cfp_clip_queue_next(queue, &clip), CFP_INTERRUPTED); /* though nothing moves */
    CHECK(clip == NULL);
    CHECK_STR(ctx.message, "interrupted");
    CHECK_EQ(cfp_clip_queue_next(queue, &clip), CFP_INTERRUPTED);
    pthread_mutex_unlock(&gate);
    cfp_clip_queue_close(&queue);
    pthread_join(asker, NULL);
    CHECK_EQ(begun, ended);
    CHECK(begun <= 3); /* as many as there are slots: memory is bounded */
    CHECK_EQ(s.n, 0);
}

/* Waits until the queue shows the next clip, with a time limit. */
static const uint8_t *look_for_a_second(cfp_clip_queue *queue)
{
    const uint8_t *rgb = NULL;
    for (int i = 0; i < 1000 && (rgb = cfp_clip_queue_peek(queue)) == NULL; i++)
        usleep(1000);
    return rgb;
}

static void the_next_clip_is_seen_once_it_is_there(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    cfp_clip_queue_request request = request_of(&spec, 2, 1);
    cfp_clip_queue *queue;
    cfp_clip *clip[2];
    story s;
    cfp_ctx ctx = ctx_of(&s);
    request.path = paths + SHORT - 1;
    request.begin_read = stand_still;
    pthread_mutex_lock(&gate);
    CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
    CHECK(cfp_clip_queue_peek(queue) == NULL); /* and nobody waited */
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 2; i++) {
        const uint8_t *const seen = look_for_a_second(queue);
        CHECK(seen != NULL && seen[0] == level_of(SHORT - 1 + i));
        CHECK_EQ(s.n, 0); /* the note of the short one has time until its turn */
        CHECK_EQ(cfp_clip_queue_next(queue, &clip[i]), CFP_OK);
        CHECK(clip[i]->rgb == seen);
    }
    CHECK_EQ(s.n, 1);
    CHECK(cfp_clip_queue_peek(queue) == NULL); /* behind the last */
    cfp_clip_queue_close(&queue);
}

static void a_clip_that_cannot_be_read_is_not_seen(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    cfp_clip_queue_request request = request_of(&spec, 2, 1);
    cfp_clip_queue *queue;
    cfp_clip *clip;
    story s;
    cfp_ctx ctx = ctx_of(&s);
    request.path = paths + BROKEN - 1;
    CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
    CHECK_EQ(cfp_clip_queue_next(queue, &clip), CFP_OK);
    usleep(50000); /* time enough to fail */
    CHECK(cfp_clip_queue_peek(queue) == NULL);
    CHECK_STR(ctx.message, "");
    CHECK_EQ(cfp_clip_queue_next(queue, &clip), CFP_FORMAT);
    cfp_clip_queue_close(&queue);
}

static void nothing_is_read_beyond_the_slots(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    cfp_clip_queue_request request = request_of(&spec, FILES, 2);
    cfp_clip_queue *queue;
    cfp_clip *clip;
    story s;
    cfp_ctx ctx = ctx_of(&s);
    request.begin_read = stand_still; /* the gate is open: it only counts */
    begun = 0;
    CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
    CHECK_EQ(cfp_clip_queue_next(queue, &clip), CFP_OK);
    usleep(100000); /* time enough to do wrong */
    CHECK(__atomic_load_n(&begun, __ATOMIC_RELAXED) <= 3);
    cfp_clip_queue_close(&queue);
    CHECK(begun <= 3);
}

static void no_paths_are_no_clips(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    const cfp_clip_queue_request request = request_of(&spec, 0, 4);
    cfp_clip_queue *queue;
    cfp_clip *clip;
    cfp_ctx ctx = {0};
    CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
    CHECK_EQ(cfp_clip_queue_next(queue, &clip), CFP_OK);
    CHECK(clip == NULL);
    cfp_clip_queue_close(&queue);
    cfp_clip_queue_close(&queue); /* again: nothing */
}

/* Whatever allocation fails, it is said, and nothing is leaked (the sanitizers see to that). */
static void opening_survives_lack_of_memory(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    const cfp_clip_queue_request request = request_of(&spec, FILES, 3);
    int64_t k = 1;
    for (cfp_status status = CFP_NOMEM; status != CFP_OK; k++) {
        cfp_ctx ctx = {.fail_allocation = k};
        cfp_clip_queue *queue;
        status = cfp_clip_queue_open(&queue, &ctx, &request);
        CHECK(status == CFP_OK || (status == CFP_NOMEM && queue == NULL));
        CHECK(status == CFP_OK || strstr(ctx.message, "out of memory") != NULL);
        cfp_clip_queue_close(&queue);
    }
    CHECK_EQ(k, 8 + 1); /* of the queue, threads, slots, and memory for each of four clips: the one
                           that did not fail */
}

static void windows_are_spread_evenly(void)
{
    CHECK_EQ(cfp_window_start(10, 4, 1, 1, 0), 3); /* one: in the middle, as without windows */
    CHECK_EQ(cfp_window_start(10, 4, 1, 4, 0), 0);
    CHECK_EQ(cfp_window_start(10, 4, 1, 4, 1), 2);
    CHECK_EQ(cfp_window_start(10, 4, 1, 4, 3), 6);   /* ends with the source */
    CHECK_EQ(cfp_window_start(10, 4, 3, 3, 2), 0);   /* span 10: there is only one place */
    CHECK_EQ(cfp_window_start(5, 4, 3, 3, 2), 0);    /* too short: it is looped */
    CHECK_EQ(cfp_window_start(100, 1, 1, 3, 1), 49); /* 99 / 2, down */
    CHECK_EQ(cfp_window_start(INT32_MAX, 1, 1, 1000, 999), INT32_MAX - 1);
}

/* Each path gives its windows one after the other; a path that fails gives as many failures. */
static void windows_come_in_order(void)
{
    const cfp_input_spec spec = spec_of(FRAMES, SIDE, SIDE, 0);
    cfp_clip_queue_request request = request_of(&spec, MISSING + 1, 3);
    cfp_clip_queue *queue;
    story told;
    cfp_ctx ctx = ctx_of(&told);
    request.sampling.windows = 3;
    CHECK_EQ(cfp_clip_queue_open(&queue, &ctx, &request), CFP_OK);
    for (int turn = 0; turn < 3 * (MISSING + 1); turn++) {
        cfp_clip *clip = NULL;
        const cfp_status status = cfp_clip_queue_next(queue, &clip);
        CHECK_EQ(status == CFP_OK, turn / 3 != MISSING);
        if (status != CFP_OK || clip == NULL)
            continue;
        CHECK_STR(clip->path, paths[turn / 3]);
        CHECK_EQ(clip->index[0], (20 - FRAMES) * (turn % 3) / 2);
        cfp_clip_queue_give_back(queue, clip);
    }
    cfp_clip *clip;
    CHECK_EQ(cfp_clip_queue_next(queue, &clip), CFP_OK);
    CHECK(clip == NULL);
    cfp_clip_queue_close(&queue);
}

/* What TSN's test code gives: int(tick / 2 + tick * i) with tick = frames of the source / T. */
static void uniform_takes_the_middle_of_each_segment(void)
{
    static const struct {
        int64_t source;
        int frames, place[16];
    } known[] = {
        {24, 16, {0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 23}},
        {300, 8, {18, 56, 93, 131, 168, 206, 243, 281}},
        {5, 8, {0, 0, 1, 2, 2, 3, 4, 4}},
        {8, 8, {0, 1, 2, 3, 4, 5, 6, 7}},
        {100, 1, {50}},
        {1, 3, {0, 0, 0}},
        {2147483647, 2, {536870911, 1610612735}},
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        for (int i = 0; i < known[k].frames; i++)
            CHECK_EQ(cfp_uniform_place(i, known[k].frames, known[k].source), known[k].place[i]);
}

int main(void)
{
    char folder[] = "clip-queue-XXXXXX";
    if (!enter_folder(folder))
        return 1;
    write_files();
    the_story_is_the_same_with_any_number_of_threads();
    windows_are_spread_evenly();
    uniform_takes_the_middle_of_each_segment();
    windows_come_in_order();
    several_clips_may_be_held();
    holding_every_slot_is_refused();
    frames_lie_in_the_memory_that_was_given();
    an_interrupt_ends_the_waiting();
    the_next_clip_is_seen_once_it_is_there();
    a_clip_that_cannot_be_read_is_not_seen();
    nothing_is_read_beyond_the_slots();
    no_paths_are_no_clips();
    opening_survives_lack_of_memory();
    leave_folder(folder);
    return test_result();
}
