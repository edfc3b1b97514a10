/* commands.h - the commands of the program, one row each, and what they share.
 *
 * Adding a command: a row in commands.c, a file cmd_NAME.c, a bit in options.h. */
#pragma once
#include "../base/json.h"
#include "../clip/clip_queue.h"
#include "../write/writer.h"
#include "options.h"
#include "terminal.h"
#include "text.h"

/* One run of the program, from the command line to the exit status; freed once, by main. */
typedef struct cfp_session {
    cfp_ctx ctx;
    cfp_config config;
    cfp_terminal terminal;
    int argc;
    char **argv;
    cfp_device device;
    cfp_model model;
    cfp_clip clip;         /* of commands that read one */
    uint8_t *clip_room;    /* where its frames lie, if the device can copy from there by itself */
    cfp_clip other;        /* that --baseline names */
    cfp_clip_queue *clips; /* of those that read several */
    uint64_t staged;       /* frames_wait's number of the clip at hand; 0: nothing to wait for */
    cfp_analyser *analyser;
    float *logits;        /* [n_classes] */
    char device_name[24]; /* what runs: "ref", "cpu", "cuda:0" */
    int threads;          /* that it runs on */
} cfp_session;

struct cfp_command {
    const char *name;
    unsigned bit;
    const char *operands;    /* as in the usage line */
    int least, most;         /* operands; most -1: any number */
    const char *summary;     /* one line for the overview */
    const char *about;       /* a paragraph for --help */
    const char *examples[2]; /* without "cfp-gpu" */
    cfp_status (*run)(cfp_session *session);
};

extern const cfp_command cfp_commands[];
extern const int cfp_n_commands;

cfp_status cfp_cmd_explain(cfp_session *session);
cfp_status cfp_cmd_contrast(cfp_session *session);
cfp_status cfp_cmd_aggregate(cfp_session *session);
cfp_status cfp_cmd_predict(cfp_session *session);
cfp_status cfp_cmd_sweep(cfp_session *session);
cfp_status cfp_cmd_evaluate(cfp_session *session);
cfp_status cfp_cmd_inspect(cfp_session *session);
cfp_status cfp_cmd_bench(cfp_session *session);
cfp_status cfp_cmd_devices(cfp_session *session);
cfp_status cfp_cmd_view(cfp_session *session);
cfp_status cfp_cmd_report(cfp_session *session);

/* --help: of one command, or of the program (NULL). */
void cfp_help(const cfp_command *command);
/* What --help and the man pages say of the program, and of the words in `operands`. */
typedef struct cfp_operand {
    const char *name, *meaning; /* NULL, NULL ends the list */
} cfp_operand;
extern const char cfp_about[];
extern const cfp_operand cfp_operands[];
/* True if the command takes it. */
bool cfp_takes_operand(const cfp_command *command, const cfp_operand *operand);

/* CFP_LANES of the environment: which instructions the cpu backend keeps to (cfp_device_request).
 */
const char *cfp_lanes_wanted(void);

/* Steps that several commands take, in the order in which they take them. */
/* session->threads: --threads, or what the machine has; fewer where no more can be made. */
CFP_CHECKED cfp_status cfp_session_choose_threads(cfp_session *session);
CFP_CHECKED cfp_status cfp_session_open_device(cfp_session *session);
CFP_CHECKED cfp_status cfp_session_open_model(cfp_session *session);
/* listed: somebody will read the edges one by one. */
CFP_CHECKED cfp_status cfp_session_open_analyser(cfp_session *session, const cfp_query *query,
                                                 bool listed);
CFP_CHECKED cfp_status cfp_session_open_clip(cfp_session *session, const char *path);
/* Any other clip, with the same options of sampling. */
CFP_CHECKED cfp_status cfp_session_read_clip(cfp_clip *clip, cfp_session *session,
                                             const char *path);
/* A clip that an option names has as many frames as the clip it is compared with. */
CFP_CHECKED cfp_status cfp_session_check_frames(cfp_session *session, const char *option,
                                                const cfp_clip *other, const cfp_clip *clip);
/* Memory for the frames of session->clip; NULL: ordinary memory is as good, or all there is. */
uint8_t *cfp_session_clip_room(cfp_session *session);
/* The clip that --baseline names, where it names one, beside session->clip; the trace is told. */
CFP_CHECKED cfp_status cfp_session_open_baseline(cfp_session *session, const cfp_query *query);
/* Operands from `first` on, decoded ahead (session_clips.c) into session->clips. */
CFP_CHECKED cfp_status cfp_session_open_clips(cfp_session *session, int first);
/* The next of them, which there must be, one at a time; and where it goes when it is done with. */
CFP_CHECKED cfp_status cfp_session_next_clip(cfp_session *session, cfp_clip **clip);
CFP_CHECKED cfp_status cfp_session_give_back(cfp_session *session, cfp_clip *clip);
/* rank: [n_classes], the numbers of the classes, the largest logit first, ties by the lower number.
 */
void cfp_rank_classes(int *rank, const float *logits, int n_classes);
/* --class as a number; -1 where it was not given. */
CFP_CHECKED cfp_status cfp_session_class(int *out, cfp_session *session);
void cfp_session_close(cfp_session *session);

/* The absolute path of the report in a folder, which must hold a whole run: realpath's, so free()
 * it.  numbers_too: explanation.h5 must be of that run as well. */
CFP_CHECKED cfp_status cfp_report_path(char **out, cfp_ctx *ctx, const char *directory,
                                       bool numbers_too);

/* For profilers: a range around a part of the run, and --profile's part that is worth recording.
 * Without a device, or on one without a profiler, they do nothing. */
void cfp_session_range_begin(cfp_session *session, cfp_range_kind kind, const char *name);
void cfp_session_range_end(cfp_session *session);
void cfp_session_profile(cfp_session *session, bool on);

/* The forward pass over a clip into session->logits. */
CFP_CHECKED cfp_status cfp_session_forward(cfp_session *session, const cfp_clip *clip);
/* What --json prints: opened on standard output, closed and freed by the other. */
void cfp_session_json(cfp_json *json, cfp_session *session);
CFP_CHECKED cfp_status cfp_session_json_close(cfp_json *json);
/* A time, to the microsecond: more digits would be noise. */
void cfp_json_put_ms(cfp_json *json, const char *key, double ms);
/* GFLOP of one clip through the network. */
double cfp_model_gflop(const cfp_model *model);
