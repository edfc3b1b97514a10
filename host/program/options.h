/* options.h - the options of the command line as data: one row for each option.
 *
 * A row of cfp_options[] says everything about an option: the parser, the range check, the default,
 * --help, the man pages, the completions and run.json all use it.  An option has several rows if it
 * has different meanings in different commands (--top). */
#pragma once
#include "../base/nearest.h"
#include "../clip/clip.h"
#include "../files/run.h"
#include "../method/query.h"

/* A bit for each command; see cfp_option.commands. */
enum {
    CFP_CMD_EXPLAIN = 1,
    CFP_CMD_PREDICT = 2,
    CFP_CMD_INSPECT = 4,
    CFP_CMD_BENCH = 8,
    CFP_CMD_DEVICES = 16,
    CFP_CMD_VIEW = 32,
    CFP_CMD_REPORT = 64,
    CFP_CMD_SWEEP = 128,
    CFP_CMD_EVALUATE = 256,
    CFP_CMD_CONTRAST = 512,
    CFP_CMD_AGGREGATE = 1024,
    CFP_CMD_DATASET = 2048,
    CFP_CMD_BATCH = 4096,
    CFP_CMD_RERUN = 8192,
    CFP_CMD_ALL = 16383
};

enum { CFP_MAX_OPTIONS = 112, CFP_MAX_TEXTS = 16 };

/* The values of an option that may be given several times, in their order. */
typedef struct cfp_texts {
    int n;
    const char *text[CFP_MAX_TEXTS];
    char *joined; /* with ", " between them; owned; NULL: none */
} cfp_texts;

typedef struct cfp_command cfp_command;

/* The values of all options, and the operands.  Strings point into argv or are literals; only
 * `operand` and the `joined` of cfp_texts are allocated.  Whole numbers are int64_t, whatever range
 * their row allows. */
typedef struct cfp_config {
    const cfp_command *command;
    int n_operands;
    const char **operand;
    /* input */
    int64_t start;             /* -1: centred */
    double start_seconds;      /* -1: `start` counts; else it is a time, which takes its place */
    int64_t windows;           /* 1: the one of --start */
    int64_t sample;            /* 0: a window, 1: uniform */
    int64_t stride;            /* 0: the model's */
    int64_t track;             /* 0: the first */
    const char *show_channels; /* NULL: as the model file says */
    int64_t check_input;       /* cfp_input_checking */
    /* lists of clips */
    const char *kind, *subset; /* NULL: by content; all */
    cfp_texts roots;
    const char *model_file; /* dataset: NULL: none */
    /* batch */
    const char *keep, *shard;      /* shard NULL: all of the list */
    int64_t shard_clips, decoders; /* 0: chosen by the program */
    double time_limit;             /* seconds for decoding a clip */
    /* question */
    const char *head;       /* of a network with several; NULL: not given */
    const char *class_name; /* NULL: the top predicted class */
    const char *against;    /* contrast: the other class */
    int64_t clips;          /* aggregate: how many are listed for each kernel */
    int64_t rule, depth, top, propagate, normalise, class_relevance, mask, target, steps;
    double turn_down;
    const char *baseline; /* a word of cfp_baseline_names, or a clip */
    double theta;
    /* sweep: lists, separated by commas */
    const char *thetas, *rules, *masks, *propagates, *normalises, *class_relevances;
    int64_t top_classes;    /* 0: not given */
    const char *csv, *plot; /* NULL: standard output, none */
    /* evaluate */
    const char *metrics, *methods, *shares; /* lists */
    const char *fill;                       /* a word of cfp_fill_names, or a clip */
    int64_t draws, gradient_steps, base, unit, order;
    const char *mask_file; /* NULL: none */
    double tolerance;
    /* tubes */
    const char *layers; /* NULL: all */
    int64_t tubes, interp;
    /* output */
    const char *output, *formats; /* output NULL: named after the clip */
    int64_t colormap, canvas;
    double alpha;   /* or CFP_ALPHA_SALIENCY */
    double fps;     /* of movies; 0: the clip's */
    int64_t movies; /* 0: of all layers */
    int64_t links;  /* 0: all */
    bool json, quiet;
    int64_t progress; /* cfp_progress_mode */
    /* device */
    const char *device;
    const char *autotune; /* NULL: no */
    int64_t threads, precision, seed;
    int64_t max_memory; /* bytes; 0: what is free */
    /* bench */
    int64_t runs, warmup, batch; /* batch 0: chosen by the program */
    bool profile;                /* explain too */
    /* The value of each row as the user typed it, or the default; NULL: none, or an option of
     * another command. */
    const char *text[CFP_MAX_OPTIONS];
    bool given[CFP_MAX_OPTIONS]; /* [row] the user typed it */
} cfp_config;

typedef enum cfp_option_type {
    CFP_OPTION_FLAG,   /* bool, takes no value */
    CFP_OPTION_INT,    /* int64_t in [min, max], or `word`, which means word_value */
    CFP_OPTION_REAL,   /* double in [min, max], or `word`, which means word_value */
    CFP_OPTION_MOMENT, /* start and start_seconds: as INT, or a time such as 12.5s, 00:01:02.5 */
    CFP_OPTION_BYTES,  /* int64_t in [min, max]; K, M, G or T may follow the number; or `word` */
    CFP_OPTION_CHOICE, /* int64_t: index into choice[] */
    CFP_OPTION_TEXT,   /* const char *, not empty */
    CFP_OPTION_TEXTS   /* cfp_texts: each use adds one */
} cfp_option_type;

typedef struct cfp_option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    cfp_option_type type;
    size_t field; /* offset in cfp_config */
    const char
        *argument; /* the name of the value in --help; NULL for CHOICE, whose choices are shown */
    const char *default_text;  /* the default, as it would be typed; NULL: none */
    const char *default_shown; /* what --help shows instead; NULL: default_text */
    double min, max;
    const char *word; /* INT, REAL, BYTES: a word that is accepted besides numbers, or NULL */
    int64_t word_value;
    const char *const *choice;
    int n_choices;
    const char *group; /* heading in --help; the rows of a group follow each other */
    unsigned commands; /* that accept it */
    unsigned ignoring; /* of those, the ones that have no use for it: their help does not show it */
    bool about_run;    /* it says where files go or what is shown meanwhile; results are the same */
    const char *help;
} cfp_option;

extern const cfp_option cfp_options[];
/* What --help and the manual show as the default of an option that has one. */
const char *cfp_default_shown(const cfp_option *option);
extern const int cfp_n_options;
extern const char *const cfp_precision_names[];

/* True if the command's help, man page and completions show the option. */
static inline bool cfp_option_shown(const cfp_option *option, unsigned command_bit)
{
    return (option->commands & ~option->ignoring & command_bit) != 0;
}

/* How run.json holds the value of an option: numbers as numbers, flags as true or false. */
cfp_run_value cfp_option_kind(const cfp_option *option);

/* Reads argv[2...] into *config.  The caller has set config->command; argv must outlive config.
 * CFP_USAGE, with the message "<option>: <what is wrong>"; CFP_NOMEM.  Call cfp_config_free after a
 * failure, too; it accepts an empty config. */
CFP_CHECKED cfp_status cfp_options_parse(cfp_config *config, cfp_ctx *ctx, int argc, char **argv);
void cfp_config_free(cfp_config *config);

/* Which frames the options ask for.  The logits of --windows windows are averaged by
 * cfp_window_scores (window_scores.h). */
cfp_sampling cfp_config_sampling(const cfp_config *config);
/* A time as the user types it, in seconds: 12.5s, 01:02.5 or 00:01:02.5.  False if it is none. */
bool cfp_parse_time(double *seconds, const char *text);
/* The question that the options ask. */
cfp_query cfp_config_query(const cfp_config *config);
/* Sets config->text of an option whose default depends on the model (--target). */
void cfp_config_set_text(cfp_config *config, const char *name, const char *value);
/* Writes "; did you mean 0.6?" if the text is a fraction that was typed as a percentage (60, 60%)
 * or with a decimal comma (0,6), and the fraction lies within min and max; else "". */
void cfp_suggest_fraction(char *out, size_t bytes, const char *text, double min, double max);
