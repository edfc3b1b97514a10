/* help_brief.c - see help_brief.h.  An option without a row is only named by the short --help. */
#include "help_brief.h"

enum {
    WRITES = CFP_CMD_EXPLAIN | CFP_CMD_CONTRAST,
    ANSWERS = WRITES | CFP_CMD_BATCH,
    TABLES = CFP_CMD_SWEEP | CFP_CMD_EVALUATE,
    CLIPS = ANSWERS | CFP_CMD_PREDICT | TABLES,
    LISTS = CFP_CMD_DATASET | CFP_CMD_BATCH,
    RUNS = CLIPS | CFP_CMD_BENCH
};

/* clang-format off */
const cfp_brief cfp_briefs[] = {
    {"output", CFP_CMD_EXPLAIN, "folder for the files [CLIP-explained]"},
    {"output", CFP_CMD_CONTRAST, "folder for the files [CLIP-contrasted]"},
    {"output", CFP_CMD_BATCH, "folder for the results (required)"},
    {"output", CFP_CMD_AGGREGATE, "folder for the files"},
    {"output", CFP_CMD_REPORT, "the page to write"},
    {"csv", TABLES, "file for the table [standard output]"},
    {"csv", CFP_CMD_DATASET, "file for a table with a row for each clip"},
    {"plot", CFP_CMD_SWEEP, "draw the table, as .png or .svg"},
    {"kind", LISTS, "what list it is: paths, kinetics, ucf101 ... [told by its content]"},
    {"root", LISTS, "the folder that holds the clips [the folder of LIST]"},
    {"subset", LISTS, "train, val, test ... [all lines]"},
    {"model", CFP_CMD_DATASET, "compare the labels with the classes of this model"},
    {"start", CLIPS, "first frame, or a time such as 12.5s"},
    {"stride", CLIPS, "take every N-th frame"},
    {"sample", CLIPS, "uniform: frames spread over the whole clip"},
    {"windows", CFP_CMD_PREDICT | CFP_CMD_SWEEP | CFP_CMD_BATCH, "average over N windows of each clip"},
    {"top", CFP_CMD_PREDICT, "how many classes to show"},
    {"class", CFP_CMD_EXPLAIN | CFP_CMD_BATCH | CFP_CMD_BENCH, "the class to explain [the most probable one]"},
    {"class", TABLES, "the classes to explain, by commas [the most probable one]"},
    {"class", CFP_CMD_CONTRAST, "class A (required)"},
    {"class", CFP_CMD_AGGREGATE, "the classes to add up [all]"},
    {"against", CFP_CMD_CONTRAST, "class B (required)"},
    {"clips", CFP_CMD_AGGREGATE, "how many clips to list for each kernel"},
    {"theta", CFP_CMD_SWEEP, "thresholds: from:to:step, or a list (required)"},
    {"rule", ANSWERS, "how kernels are scored: grad, cfp, reference [grad]"},
    {"rule", CFP_CMD_SWEEP, "a list of rules: cfp, reference, grad"},
    {"rule", CFP_CMD_BENCH, "cfp, reference or grad"},
    {"theta", ANSWERS, "least relevance to be selected [0.1; with --rule 0.6]"},
    {"theta", CFP_CMD_BENCH | CFP_CMD_EVALUATE, "least relevance to be selected"},
    {"depth", ANSWERS | TABLES, "how many layers to descend"},
    {"propagate", ANSWERS, "compare theta with edges, or with paths"},
    {"metrics", CFP_CMD_EVALUATE, "what to measure"},
    {"methods", CFP_CMD_EVALUATE, "whose answers to measure"},
    {"share", CFP_CMD_EVALUATE, "fractions of each layer's kernels to take out"},
    {"mask-file", CFP_CMD_EVALUATE, "where the object is, for energy, pointing ..."},
    {"tubes", WRITES | CFP_CMD_BENCH, "heat maps of layers, of kernels too, or none"},
    {"layers", WRITES | CFP_CMD_BENCH | CFP_CMD_EVALUATE, "only layers whose name matches, such as 'layer4.*' [all]"},
    {"format", WRITES, "which files to write; all: see --help all"},
    {"colormap", WRITES, "colours of the heat maps"},
    {"canvas", WRITES, "draw on the model's frames, or on the source"},
    {"keep", CFP_CMD_BATCH, "what to keep of each explanation"},
    {"shard", CFP_CMD_BATCH, "do part I of N, for job arrays [all]"},
    {"runs", CFP_CMD_BENCH, "how many runs to measure"},
    {"batch", CFP_CMD_BENCH, "how many clips to run at once"},
    {"json", CFP_CMD_ALL, "print the results as JSON"},
    {"quiet", CFP_CMD_ALL, "print only warnings and errors"},
    {"device", RUNS, "auto, cpu, cuda, cuda:N or ref"},
    {"threads", RUNS, "processor threads"},
};
/* clang-format on */

const int cfp_n_briefs = sizeof cfp_briefs / sizeof *cfp_briefs;
