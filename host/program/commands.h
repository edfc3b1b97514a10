/* commands.h - the commands of the program, one row each, and the steps that they share.
 *
 * To add a command: a row in commands.c, a file cmd_NAME.c, a bit in options.h. */
#pragma once
#include "../base/json.h"
#include "../clip/clip_list.h"
#include "../clip/clip_queue.h"
#include "../write/writer.h"
#include "options.h"
#include "terminal.h"
#include "text.h"

/* One run of the program, from the command line to the exit status.  main closes it. */
typedef struct cfp_session {
    cfp_ctx ctx;
    cfp_config config;
    cfp_terminal terminal;
    int argc;
    char **argv;
    char **words; /* rerun: the words of argv, owned; NULL behind the last.  Else NULL */
    cfp_device device;
    cfp_model model;
    cfp_clip_list listed;  /* the CLIPs, folders of clips replaced by what is in them */
    cfp_clip clip;         /* of commands that read one clip */
    uint8_t *clip_buffer;  /* memory for its frames from which the device can copy by itself; NULL:
                              ordinary memory */
    cfp_clip other;        /* the clip that --baseline names */
    cfp_clip_queue *clips; /* of commands that read several clips */
    uint64_t staged; /* the ticket for frames->wait of the current clip; 0: nothing to wait for */
    cfp_analyser *analyser;
    float *logits;        /* [n_classes] */
    char device_name[24]; /* of the device in use: "ref", "cpu", "cuda:0" */
    int threads;          /* that the command runs on */
} cfp_session;

struct cfp_command {
    const char *name;
    unsigned bit;
    const char *operands;           /* as in the usage line */
    int min_operands, max_operands; /* max_operands -1: any number */
    const char *summary;            /* one line for the overview */
    const char *about;              /* a paragraph for --help */
    const char *examples[2];        /* without "cfp-gpu" */
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
cfp_status cfp_cmd_batch(cfp_session *session);
cfp_status cfp_cmd_dataset(cfp_session *session);
cfp_status cfp_cmd_view(cfp_session *session);
/* rerun: makes argc and argv of the session those of the command that run.json records, with the
 * options of this command line behind the recorded ones. */
CFP_CHECKED cfp_status cfp_rerun_prepare(cfp_session *session);
/* After the command line is parsed: no clip was added to the recorded one. */
CFP_CHECKED cfp_status cfp_rerun_check(cfp_session *session);
cfp_status cfp_cmd_report(cfp_session *session);

/* Prints the help of one command, or of the program (NULL).  Of a command one screen, or all. */
void cfp_help(const cfp_command *command, bool all);
/* What --help and the man pages say about the program, and about each word in `operands`. */
typedef struct cfp_operand {
    const char *name, *meaning; /* NULL, NULL ends the list */
} cfp_operand;
extern const char cfp_about[];
extern const cfp_operand cfp_operands[];
/* The formats that --format of a command accepts; the list ends with NULL. */
const cfp_writer *const *cfp_command_writers(const cfp_command *command);
/* True if the command takes it. */
bool cfp_takes_operand(const cfp_command *command, const cfp_operand *operand);

/* The environment variable CFP_LANES, or NULL: which instructions the cpu backend may use
 * (cfp_device_request). */
const char *cfp_lanes_wanted(void);

/* Steps that several commands take, in the order in which they take them. */

/* Sets session->threads to --threads, else to what the machine has.  Without --threads it may be
 * less, if no more threads can be started. */
CFP_CHECKED cfp_status cfp_session_choose_threads(cfp_session *session);
CFP_CHECKED cfp_status cfp_session_open_device(cfp_session *session);
/* Of a network with several heads: chooses one, unless the command takes all of them. */
CFP_CHECKED cfp_status cfp_session_open_model(cfp_session *session);
/* listed: edges are listed, because the command reads them one by one.  query NULL: forward passes
 * only. */
CFP_CHECKED cfp_status cfp_session_open_analyser(cfp_session *session, const cfp_query *query,
                                                 bool listed);
/* The same for session->model, or a view of it.  The options of the run do not get its target. */
CFP_CHECKED cfp_status cfp_session_open_analyser_of(cfp_session *session, const cfp_model *model,
                                                    const cfp_query *query, bool listed);
CFP_CHECKED cfp_status cfp_session_open_clip(cfp_session *session, const char *path);
/* Opens another clip, sampled by the same options.  The caller closes it. */
CFP_CHECKED cfp_status cfp_session_read_clip(cfp_clip *clip, cfp_session *session,
                                             const char *path);
/* CFP_USAGE if the clip that an option names has not as many frames as the clip that it is compared
 * with. */
CFP_CHECKED cfp_status cfp_session_check_frames(cfp_session *session, const char *option,
                                                const cfp_clip *other, const cfp_clip *clip);
/* Memory for the frames of session->clip from which the device copies faster.  NULL if ordinary
 * memory is as fast, or if there is none. */
uint8_t *cfp_session_clip_buffer(cfp_session *session);
/* Opens the clip that --baseline names, if it names one, and gives it to the trace. */
CFP_CHECKED cfp_status cfp_session_open_baseline(cfp_session *session, const cfp_query *query);
/* Replaces each operand from number `first` on that is a folder of clips by its clips. */
CFP_CHECKED cfp_status cfp_session_list_clips(cfp_session *session, int first);
/* Starts to decode the operands from number `first` on, ahead of their use (session_clips.c). held:
 * how many clips the caller holds at a time. */
CFP_CHECKED cfp_status cfp_session_open_clips(cfp_session *session, int first, int held);
/* How many windows of each clip are read. */
int cfp_session_windows(const cfp_session *session);
/* The next window of these clips; call it once for each window of each operand. */
CFP_CHECKED cfp_status cfp_session_next_clip(cfp_session *session, cfp_clip **clip);
CFP_CHECKED cfp_status cfp_session_give_back(cfp_session *session, cfp_clip *clip);
/* Leaves out the next windows, those of a clip that has failed.  The message stays. */
void cfp_session_skip_windows(cfp_session *session, int windows);
/* The index of --class; -1 if it was not given. */
CFP_CHECKED cfp_status cfp_session_class(int *out, cfp_session *session);
void cfp_session_close(cfp_session *session);

/* The absolute path of report.html in a folder, which must hold a complete run; the caller frees it
 * with free().  numbers_too: explanation.h5 must belong to that run, too. */
CFP_CHECKED cfp_status cfp_report_path(char **out, cfp_ctx *ctx, const char *directory,
                                       bool numbers_too);

/* For profilers: mark a part of the run as a range, and start and stop the recording of --profile.
 * They do nothing if there is no device, or if it has no profiler. */
void cfp_session_range_begin(cfp_session *session, cfp_range_kind kind, const char *name);
void cfp_session_range_end(cfp_session *session);
void cfp_session_profile(cfp_session *session, bool on);

/* Runs the network on a clip; the logits go to session->logits. */
CFP_CHECKED cfp_status cfp_session_forward(cfp_session *session, const cfp_clip *clip);
/* Begins and ends the JSON that --json prints on standard output. */
void cfp_session_json(cfp_json *json, cfp_session *session);
CFP_CHECKED cfp_status cfp_session_json_close(cfp_json *json);
/* Writes a time in milliseconds, rounded to a microsecond. */
void cfp_json_put_ms(cfp_json *json, const char *key, double ms);
/* GFLOP of the network for one clip. */
double cfp_model_gflop(const cfp_model *model);
