/* options.h - the command line as data: one row an option, one row a command.
 *
 * A row of cfp_options[] says everything about an option: parsing, range check, default, --help and
 * the echo in run.json all read it, so none of them can disagree.  The same long name may have two
 * rows when two commands mean something different by it (--top). */
#pragma once
#include "../method/query.h"

/* One bit a command, for the rows' `commands`. */
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
    CFP_CMD_ALL = 2047
};

enum { CFP_MAX_OPTIONS = 96 };

typedef struct cfp_command cfp_command;

/* What a command is asked to do.  The strings point into argv or are literals; `operand` is the
 * only thing that is owned.  Numbers are int64_t whatever their range: the row checks it. */
typedef struct cfp_config {
    const cfp_command *command;
    int n_operands;
    const char **operand;
    /* input */
    int64_t start;       /* -1: centred */
    int64_t stride;      /* 0: the model's */
    int64_t track;       /* 0: the first */
    int64_t check_input; /* cfp_input_checking */
    /* question */
    const char *class_name; /* NULL: the top predicted class */
    const char *against;    /* contrast: the other class */
    int64_t clips;          /* aggregate: of each kernel so many are listed */
    int64_t rule, depth, top, propagate, normalise, class_relevance, mask, target, steps;
    double turn_down;
    const char *baseline; /* a word of cfp_baseline_names, or a clip */
    double theta;
    /* sweep: lists with commas between */
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
    double alpha;
    bool json, quiet;
    int64_t progress; /* cfp_progress_mode */
    /* device */
    const char *device;
    const char *autotune; /* NULL: no */
    int64_t threads, precision, seed;
    int64_t max_memory; /* bytes; 0: what is free */
    /* bench */
    int64_t runs, warmup, batch;
    bool profile; /* explain too */
    /* The value in force of every row, as it would be typed; NULL: none, or not of this command. */
    const char *text[CFP_MAX_OPTIONS];
} cfp_config;

typedef enum cfp_option_type {
    CFP_OPTION_FLAG,   /* bool, takes no value */
    CFP_OPTION_INT,    /* int64_t in [min, max], or `word` standing for word_value */
    CFP_OPTION_REAL,   /* double in [min, max] */
    CFP_OPTION_BYTES,  /* int64_t in [min, max], with K, M, G or T behind it; or `word` */
    CFP_OPTION_CHOICE, /* int64_t: index into choice[] */
    CFP_OPTION_TEXT    /* const char *, not empty */
} cfp_option_type;

typedef struct cfp_option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    cfp_option_type type;
    size_t field;             /* offset in cfp_config */
    const char *argument;     /* how --help calls the value; CHOICE: NULL, the choices are shown */
    const char *default_text; /* the default, as it would be typed; NULL: none */
    double min, max;
    const char *word; /* INT: a word that is allowed besides numbers, or NULL */
    int64_t word_value;
    const char *const *choice;
    int n_choices;
    const char *group; /* heading in --help; rows of one group stand together */
    unsigned commands;
    const char *help;
} cfp_option;

extern const cfp_option cfp_options[];
extern const int cfp_n_options;
extern const char *const cfp_precision_names[];

/* Reads argv[2...] for `config->command`, which the caller has set.  CFP_USAGE with the message
 * "<option>: <what is wrong>".  cfp_config_free accepts an empty config. */
CFP_CHECKED cfp_status cfp_options_parse(cfp_config *config, cfp_ctx *ctx, int argc, char **argv);
void cfp_config_free(cfp_config *config);

/* The part of a config that is the question. */
cfp_query cfp_config_query(const cfp_config *config);
/* Writes into `text` what the model made of an option that was not given (--target). */
void cfp_config_set_text(cfp_config *config, const char *name, const char *value);

/* Of `names` (each `stride` bytes apart, a const char * first) the one nearest to a mistyped word,
 * or NULL where none is near. */
const char *cfp_nearest(const char *word, const void *names, int n, size_t stride);
