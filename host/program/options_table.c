/* options_table.c - every option of every command: the rows.  See options.h for the columns. */
#include <stddef.h>
#include "../backend/backend.h"
#include "../method/input_check.h"
#include "../write/writer.h"
#include "options.h"
#include "terminal.h"

const char *const cfp_precision_names[] = {"fp32", "tf32", "bf16", "fp16"};
static const char *const canvas_names[] = {"model", "source"};

#define FIELD(member) .field = offsetof(cfp_config, member)
#define FLAG .type = CFP_OPTION_FLAG
#define INT(low, high) .type = CFP_OPTION_INT, .least = (low), .most = (high)
#define BYTES(low, high) .type = CFP_OPTION_BYTES, .least = (low), .most = (high)
#define REAL(low, high) .type = CFP_OPTION_REAL, .least = (low), .most = (high)
#define CHOICE(names, n) .type = CFP_OPTION_CHOICE, .choice = (names), .n_choices = (n)
#define TEXT(called) .type = CFP_OPTION_TEXT, .argument = (called)
#define WORD(text, value) .word = (text), .word_value = (value)

#define WRITES (CFP_CMD_EXPLAIN | CFP_CMD_CONTRAST) /* tubes and a folder */
#define EXPLAINS (WRITES | CFP_CMD_BENCH)
#define READS_CLIPS (WRITES | CFP_CMD_PREDICT | CFP_CMD_SWEEP)

/* clang-format off */
const cfp_option cfp_options[] = {
    {"start", 0, INT(0, 2147483647), FIELD(start), .argument = "FRAME", .fallback = "centre",
     WORD("centre", -1), .group = "Input", .commands = READS_CLIPS,
     .help = "first frame of the window. In a folder of images and in a frames.db this is the number in the frame's name, as annotations mean it, whether names begin at 0 or 1; where names have no single number, and in every other source, it is the frame's place, counted from 0. centre puts the window in the middle of the source"},
    {"stride", 0, INT(1, 100000), FIELD(stride), .argument = "N", .fallback = "model",
     WORD("model", 0), .group = "Input", .commands = READS_CLIPS,
     .help = "every N-th frame is read, of those that are there; model takes what the model was trained with. A source that is too short is looped"},
    {"track", 0, INT(1, 1000), FIELD(track), .argument = "N", .fallback = "first", WORD("first", 0),
     .group = "Input", .commands = READS_CLIPS,
     .help = "which video track is read, where a video has several; cover pictures are no tracks"},
    {"check-input", 0, CHOICE(cfp_input_checking_names, 3), FIELD(check_input), .fallback = "auto",
     .group = "Input", .commands = CFP_CMD_PREDICT,
     .help = "warn where the model's /input looks wrong, by running it on the clip with red and blue swapped and in other ranges: auto, the first three clips that it is unsure of; always, and show each answer"},

    {"class", 0, TEXT("NAME|INDEX"), FIELD(class_name), .group = "Question",
     .commands = CFP_CMD_EXPLAIN | CFP_CMD_BENCH,
     .help = "the class to explain [default: the top predicted one]"},
    {"class", 0, TEXT("NAME|INDEX"), FIELD(class_name), .group = "Question",
     .commands = CFP_CMD_CONTRAST, .help = "class A. This option is needed"},
    {"against", 0, TEXT("NAME|INDEX"), FIELD(against), .group = "Question",
     .commands = CFP_CMD_CONTRAST, .help = "class B. This option is needed"},
    {"class", 0, TEXT("LIST"), FIELD(class_name), .group = "Question",
     .commands = CFP_CMD_AGGREGATE,
     .help = "the classes to add up, by name or index, with commas between [default: all that were explained]"},
    {"clips", 0, INT(0, 1000), FIELD(clips), .argument = "N", .fallback = "9", .group = "Question",
     .commands = CFP_CMD_AGGREGATE,
     .help = "how many clips are listed of each kernel: those in which it is most relevant"},
    {"class", 0, TEXT("LIST"), FIELD(class_name), .group = "Question", .commands = CFP_CMD_SWEEP,
     .help = "the classes to explain, by name or index, with commas between [default: the top predicted one of each clip]"},
    {"top-classes", 0, INT(1, 1000000), FIELD(top_classes), .argument = "N", .group = "Question",
     .commands = CFP_CMD_SWEEP, .help = "instead of --class: the N most probable classes of each clip"},
    {"theta", 0, TEXT("A:B:STEP|LIST"), FIELD(thetas), .group = "Question", .commands = CFP_CMD_SWEEP,
     .help = "thresholds: from A to B in steps of STEP, such as 0:1:0.02, or numbers with commas between. This option is needed"},
    {"rule", 0, TEXT("LIST"), FIELD(rules), .fallback = "cfp", .group = "Question", .commands = CFP_CMD_SWEEP,
     .help = "of cfp, reference, grad: see explain. Every combination of this list and the next four is one series of rows; an option that a rule does not know makes no further series"},
    {"mask", 0, TEXT("LIST"), FIELD(masks), .fallback = "selected", .group = "Question",
     .commands = CFP_CMD_SWEEP, .help = "of selected, none, for rule grad"},
    {"propagate", 0, TEXT("LIST"), FIELD(propagates), .fallback = "edge", .group = "Question",
     .commands = CFP_CMD_SWEEP, .help = "of edge, path, for the rules cfp and reference"},
    {"normalise", 0, TEXT("LIST"), FIELD(normalises), .fallback = "minmax", .group = "Question",
     .commands = CFP_CMD_SWEEP, .help = "of minmax, max, for rule cfp"},
    {"class-relevance", 0, TEXT("LIST"), FIELD(class_relevances), .fallback = "weights",
     .group = "Question", .commands = CFP_CMD_SWEEP,
     .help = "of weights, contribution, contrast, for the rules cfp and reference"},
    {"rule", 0, CHOICE(cfp_rule_names, CFP_RULE_COUNT), FIELD(rule), .fallback = "cfp",
     .group = "Question", .commands = EXPLAINS,
     .help = "how a kernel's inputs are scored: cfp, mean kernel times mean activation; reference, as the published code does; grad, activation times gradient"},
    {"theta", 0, REAL(0, 1), FIELD(theta), .argument = "X", .fallback = "0.6",
     .group = "Question", .commands = EXPLAINS, .help = "relevance from which an input is selected"},
    {"depth", 0, INT(0, 65535), FIELD(depth), .argument = "D", .fallback = "all",
     WORD("all", CFP_ALL_DEPTHS), .group = "Question", .commands = EXPLAINS | CFP_CMD_SWEEP,
     .help = "how many kernel layers to go down; the classifier has depth 0"},
    {"top", 0, INT(1, 1000000), FIELD(top), .argument = "N", .fallback = "all", WORD("all", 0),
     .group = "Question", .commands = EXPLAINS,
     .help = "keep at most the N most relevant inputs of each kernel"},
    {"propagate", 0, CHOICE(cfp_propagate_names, 2), FIELD(propagate), .fallback = "edge",
     .group = "Question", .commands = EXPLAINS,
     .help = "what theta is held against: each edge, or the product along the path from the class"},
    {"normalise", 0, CHOICE(cfp_normalise_names, 2), FIELD(normalise), .fallback = "minmax",
     .group = "Question", .commands = EXPLAINS,
     .help = "how rule cfp scales: between least and most, or by the most alone, so that what contributes nothing has relevance 0"},
    {"class-relevance", 0, CHOICE(cfp_class_relevance_names, 3), FIELD(class_relevance),
     .fallback = "weights", .group = "Question", .commands = EXPLAINS,
     .help = "at the classifier: its weights alone; weights times activations; or contrast, what speaks for the class against its rivals (--target) in this clip"},
    {"target", 0, CHOICE(cfp_target_names, 3), FIELD(target), .fallback = "odds",
     .group = "Question", .commands = EXPLAINS | CFP_CMD_SWEEP,
     .help = "the number that rule grad and --class-relevance contrast explain: odds, the log-odds of the class, by which a softmax decides; margin, its logit minus the mean of all logits; logit, its logit alone, which is all that a model with a sigmoid at its end has"},
    {"mask", 0, CHOICE(cfp_mask_names, 2), FIELD(mask), .fallback = "selected",
     .group = "Question", .commands = EXPLAINS,
     .help = "rule grad: the gradient goes on through selected kernels alone, or through all of them"},
    {"baseline", 0, TEXT("zero|blank|freeze|reverse|shuffle|CLIP"), FIELD(baseline),
     .fallback = "zero", .group = "Question", .commands = EXPLAINS,
     .help = "rule grad: what activations are compared with: zero, or what they are for a blank clip, for this clip frozen at its middle frame, reversed or with its frames shuffled by --seed, or for another clip"},
    {"steps", 0, INT(1, CFP_MOST_STEPS), FIELD(steps), .argument = "N", .fallback = "1",
     .group = "Question", .commands = EXPLAINS,
     .help = "rule grad: 1 takes the gradient at the clip; more take the mean of the gradients at N points between the clip of --baseline (zero: a blank one) and this one, as integrated gradients do"},

    {"tubes", 0, CHOICE(cfp_tubes_names, 3), FIELD(tubes), .fallback = "layers",
     .group = "Tubes", .commands = EXPLAINS,
     .help = "saliency tubes of each layer, of each selected kernel besides, or none"},
    {"layers", 0, TEXT("GLOB"), FIELD(layers), .group = "Tubes", .commands = EXPLAINS,
     .help = "only the tubes of layers whose name matches, such as 'layer4.*' [default: all]"},
    {"interp", 0, CHOICE(cfp_interp_names, 2), FIELD(interp), .fallback = "linear",
     .group = "Tubes", .commands = EXPLAINS,
     .help = "how tubes are resized to the clip; spline is cubic, as published"},

    {"top", 0, INT(1, 1000000), FIELD(top), .argument = "N", .fallback = "5",
     .group = "Output", .commands = CFP_CMD_PREDICT, .help = "how many classes of each clip are shown"},
    {"output", 'o', TEXT("DIR"), FIELD(output), .fallback = "classes", .group = "Output",
     .commands = CFP_CMD_AGGREGATE,
     .help = "folder for the files; made where it is missing, files of the same name are replaced, and run.json lists what belongs to the run"},
    {"output", 'o', TEXT("DIR"), FIELD(output), .group = "Output", .commands = CFP_CMD_CONTRAST,
     .help = "folder for the files; made where it is missing, files of the same name are replaced, and run.json lists what belongs to the run [default: CLIP-contrasted, here]"},
    {"output", 'o', TEXT("DIR"), FIELD(output), .group = "Output", .commands = CFP_CMD_EXPLAIN,
     .help = "folder for the files; made where it is missing, files of the same name are replaced, and run.json lists what belongs to the run [default: CLIP-explained, here]"},
    {"output", 'o', TEXT("FILE"), FIELD(output), .fallback = "index.html", .group = "Output",
     .commands = CFP_CMD_REPORT, .help = "the page; its links are relative, so that it and the folders can move together"},
    {"format", 0, TEXT("LIST"), FIELD(formats), .fallback = "h5,json,png,mp4,html",
     .group = "Output", .commands = WRITES,
     .help = "what is written, with commas between; run.json always is"},
    {"colormap", 0, CHOICE(cfp_colormap_names + CFP_COLORMAP_COUNT, CFP_COLORMAP_END - CFP_COLORMAP_COUNT),
     FIELD(colormap), .fallback = "coolwarm", .group = "Output", .commands = CFP_CMD_CONTRAST,
     .help = "colours of the difference of the tubes, from -1 (only B) to 1 (only A): coolwarm, from blue over grey to red; or blackwhite, from black over grey to white"},
    {"colormap", 0, CHOICE(cfp_colormap_names, CFP_COLORMAP_COUNT), FIELD(colormap),
     .fallback = "jet", .group = "Output", .commands = CFP_CMD_EXPLAIN, .help = "colours of the overlay"},
    {"alpha", 0, REAL(0, 1), FIELD(alpha), .argument = "X", .fallback = "0.5",
     .group = "Output", .commands = WRITES,
     .help = "how much of the overlay covers the clip: 0 none, 1 all"},
    {"canvas", 0, CHOICE(canvas_names, 2), FIELD(canvas), .fallback = "model",
     .group = "Output", .commands = WRITES,
     .help = "what is drawn on: the frames as the model saw them, or the source's, uncropped"},
    {"csv", 0, TEXT("FILE"), FIELD(csv), .group = "Output", .commands = CFP_CMD_SWEEP,
     .help = "the table of rows. A run that breaks off keeps its whole rows as FILE.part [default: standard output]"},
    {"plot", 0, TEXT("FILE"), FIELD(plot), .group = "Output", .commands = CFP_CMD_SWEEP,
     .help = "a figure of the table, .png or .svg: the share of selected kernels against theta, a line for each depth, a panel for each series; more than fit on a page go to FILE-2 and so on"},
    {"json", 0, FLAG, FIELD(json), .group = "Output", .commands = CFP_CMD_ALL,
     .help = "results as one JSON object on standard output"},
    {"progress", 0, CHOICE(cfp_progress_names, CFP_PROGRESS_COUNT), FIELD(progress),
     .fallback = "auto", .group = "Output", .commands = CFP_CMD_ALL,
     .help = "on standard error: a bar where it is a terminal, nothing, or lines of JSON"},
    {"quiet", 'q', FLAG, FIELD(quiet), .group = "Output", .commands = CFP_CMD_ALL,
     .help = "only warnings and errors on standard error"},

    {"runs", 0, INT(1, 100000), FIELD(runs), .argument = "N", .fallback = "10",
     .group = "Measurement", .commands = CFP_CMD_BENCH, .help = "runs that are measured"},
    {"warmup", 0, INT(0, 100000), FIELD(warmup), .argument = "N", .fallback = "2",
     .group = "Measurement", .commands = CFP_CMD_BENCH, .help = "runs before those"},
    {"batch", 0, INT(1, 1024), FIELD(batch), .argument = "N", .fallback = "1",
     .group = "Measurement", .commands = CFP_CMD_BENCH, .help = "clips that run at once"},
    {"profile", 0, FLAG, FIELD(profile), .group = "Measurement", .commands = EXPLAINS,
     .help = "for a profiler (nsys, ncu) that starts with the CUDA profiler API: it records the measured runs alone, of explain the clip alone, without loading; kernels are launched one by one, in the ranges of their nodes"},

    {"device", 0, TEXT("auto|cpu|cuda[:N]|ref"), FIELD(device), .fallback = "auto",
     .group = "Device", .commands = CFP_CMD_ALL,
     .help = "where the network runs; auto is cuda where that can be, else cpu. See cfp-gpu devices"},
    {"threads", 0, INT(1, 4096), FIELD(threads), .argument = "N", .fallback = "all",
     WORD("all", 0), .group = "Device", .commands = CFP_CMD_ALL,
     .help = "threads of the processor; all that the process may use"},
    {"max-memory", 0, BYTES(1 << 20, 0x1p60), FIELD(max_memory), .argument = "BYTES",
     .fallback = "free", WORD("free", 0), .group = "Device",
     .commands = EXPLAINS | CFP_CMD_PREDICT | CFP_CMD_INSPECT | CFP_CMD_REPORT | CFP_CMD_AGGREGATE,
     .help = "memory of this machine that models, clips and explanations may take, such as 512M or 4G; a file that claims more is refused. free: what the machine has free"},
    {"precision", 0, CHOICE(cfp_precision_names, 4), FIELD(precision), .fallback = "fp32",
     .group = "Device", .commands = CFP_CMD_ALL,
     .help = "arithmetic inside the network; what a device lacks is refused"},
    {"autotune", 0, TEXT("FILE"), FIELD(autotune), .group = "Device",
     .commands = WRITES | CFP_CMD_PREDICT | CFP_CMD_BENCH | CFP_CMD_SWEEP,
     .help = "cuda: time several of cuDNN's plans for each convolution and take the fastest. Choices are added to FILE, and those in it are followed, so that a run can be repeated [default: cuDNN's first choice]"},
    {"seed", 0, INT(0, 9007199254740992), FIELD(seed), .argument = "N", .fallback = "0",
     .group = "Device", .commands = CFP_CMD_ALL,
     .help = "of whatever is random: the clip of bench, the frames of --baseline shuffle, the clips that aggregate compares where there are too many for all pairs"},
};
/* clang-format on */

const int cfp_n_options = sizeof cfp_options / sizeof *cfp_options;
_Static_assert(sizeof cfp_options / sizeof *cfp_options <= CFP_MAX_OPTIONS, "cfp_config.text");
