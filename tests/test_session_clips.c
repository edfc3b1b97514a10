/* test_session_clips.c - checks how `predict` copies clips to a device.  The copy of a decoded clip
 * must begin before the network runs on the clip before it.  Its memory must not be written again
 * before the copy has ended.
 *
 * The device is ref, which claims to have memory apart from the host's. */
#include "../host/program/commands.h"
#include "clip_files.h"

enum { FRAMES = 4, SIDE = 2, FILES = 5, BROKEN = 2, MOST = 32 };

/* What the device was asked for, in order. */
typedef struct event {
    char what; /* 's'taged, 'w'aited */
    const uint8_t *rgb;
    uint64_t number;
} event;
static event events[MOST];
static int n_events;
static uint64_t staged_so_far;
static cfp_status staging;

static cfp_status note_stage(cfp_backend *backend, const uint8_t *rgb, size_t bytes, uint64_t *done)
{
    (void)backend;
    CHECK_EQ(bytes, FRAMES * SIDE * SIDE * 3);
    *done = 0;
    if (staging != CFP_OK)
        return staging;
    for (int i = 0; i < n_events; i++) /* as it lies there already */
        if (events[i].what == 's' && events[i].rgb == rgb)
            *done = events[i].number;
    if (*done == 0) {
        *done = ++staged_so_far;
        if (n_events < MOST)
            events[n_events++] = (event){'s', rgb, *done};
    }
    return CFP_OK;
}

static cfp_status note_wait(cfp_backend *backend, uint64_t done)
{
    (void)backend;
    for (int i = 0; i < n_events; i++)
        if (events[i].what == 's' && events[i].number == done)
            events[i].rgb = NULL; /* forgotten */
    if (n_events < MOST)
        events[n_events++] = (event){'w', NULL, done};
    return CFP_OK;
}

static const cfp_frames_api frames = {.stage = note_stage, .wait = note_wait};

static void write_clips(const char *names[FILES])
{
    for (int i = 0; i < FILES; i++) {
        static char name[FILES][16];
        char header[96];
        snprintf(name[i], sizeof name[i], "%d.ppms", i);
        names[i] = name[i];
        if (i == BROKEN) {
            write_file(name[i], "nothing", 7);
            continue;
        }
        CHECK_EQ(mkdir(name[i], 0777), 0);
        for (int t = 0; t < FRAMES; t++) {
            snprintf(header, sizeof header, "%s/%d.ppm", name[i], t);
            write_ppm(header, 10 * i + t);
        }
    }
}

static int begun; /* paths */

static void count_read(const char *path)
{
    (void)path;
    __atomic_add_fetch(&begun, 1, __ATOMIC_RELEASE);
}

static void open_session(cfp_session *session, cfp_backend_api *api, const char **names)
{
    const cfp_device_request any = {0};
    n_events = 0;
    staged_so_far = 0;
    CHECK_EQ(cfp_device_open(&session->device, &session->ctx, "ref", &any), CFP_OK);
    *api = *session->device.api;
    api->host_memory = false;
    api->frames = &frames;
    session->device.api = api;
    session->model.input = spec_of(FRAMES, SIDE, SIDE, 0);
    const cfp_clip_queue_request request = {.input = &session->model.input,
                                            .path = names,
                                            .n_paths = FILES,
                                            .sampling = {.start = -1},
                                            .threads = 1,
                                            .held = 2,
                                            .begin_read = count_read};
    begun = 0;
    CHECK_EQ(cfp_clip_queue_open(&session->clips, &session->ctx, &request), CFP_OK);
}

static void close_session(cfp_session *session)
{
    cfp_clip_queue_close(&session->clips);
    cfp_device_close(&session->device);
}

/* Until clip i is begun: the one thread is done with those before. */
static void let_it_come_to(int i)
{
    for (int ms = 0; ms < 10000 && __atomic_load_n(&begun, __ATOMIC_ACQUIRE) <= i; ms++)
        usleep(1000);
    CHECK(__atomic_load_n(&begun, __ATOMIC_ACQUIRE) > i);
}

static void the_next_clip_is_staged_behind_the_one_at_hand(const char **names)
{
    cfp_session session = {0};
    cfp_backend_api api;
    cfp_clip *clip = NULL;
    open_session(&session, &api, names);
    let_it_come_to(2);
    CHECK_EQ(cfp_session_next_clip(&session, &clip), CFP_OK);
    CHECK_EQ(n_events, 2);
    CHECK(events[0].rgb == clip->rgb);
    CHECK(events[1].rgb != NULL && events[1].rgb != clip->rgb && events[1].rgb[0] == 10);
    CHECK_EQ(cfp_session_give_back(&session, clip), CFP_OK);
    CHECK_EQ(n_events, 3);
    CHECK(events[2].what == 'w' && events[2].number == 1);

    let_it_come_to(BROKEN + 1);
    CHECK_EQ(cfp_session_next_clip(&session, &clip), CFP_OK);
    CHECK_EQ(clip->rgb[0], 10);
    CHECK_EQ(n_events, 3); /* it is there already, and no clip after it */
    CHECK_STR(session.ctx.message, "");
    CHECK_EQ(cfp_session_give_back(&session, clip), CFP_OK);
    CHECK(n_events == 4 && events[3].what == 'w' && events[3].number == 2);

    CHECK(cfp_session_next_clip(&session, &clip) != CFP_OK);
    CHECK_HAS(session.ctx.message, names[BROKEN]);
    for (int i = BROKEN + 1; i < FILES; i++) {
        CHECK_EQ(cfp_session_next_clip(&session, &clip), CFP_OK);
        CHECK_EQ(clip->rgb[0], 10 * i);
        CHECK_EQ(cfp_session_give_back(&session, clip), CFP_OK);
        CHECK(events[n_events - 1].what == 'w');
    }
    CHECK_EQ(staged_so_far, FILES - 1); /* every clip that there is, once */
    close_session(&session);
}

/* A device without memory for more clips says so at the upload, if it then still has none. */
static void what_cannot_be_staged_is_no_failure(const char **names)
{
    cfp_session session = {0};
    cfp_backend_api api;
    cfp_clip *clip = NULL;
    staging = CFP_NOMEM;
    open_session(&session, &api, names);
    CHECK_EQ(cfp_session_next_clip(&session, &clip), CFP_OK);
    CHECK_STR(session.ctx.message, "");
    CHECK_EQ(cfp_session_give_back(&session, clip), CFP_OK);
    CHECK(n_events == 1 && events[0].what == 'w' && events[0].number == 0);
    staging = CFP_OK;
    close_session(&session);
}

int main(void)
{
    char folder[] = "session-clips-XXXXXX";
    const char *names[FILES];
    if (!enter_folder(folder))
        return 1;
    write_clips(names);
    the_next_clip_is_staged_behind_the_one_at_hand(names);
    what_cannot_be_staged_is_no_failure(names);
    leave_folder(folder);
    return test_result();
}
