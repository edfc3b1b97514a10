/* commands.c - the table of commands; see commands.h. */
#include "commands.h"

const cfp_command cfp_commands[] = {
    {.name = "explain",
     .bit = CFP_CMD_EXPLAIN,
     .operands = "MODEL CLIP...",
     .min_operands = 2,
     .max_operands = -1,
     .summary = "which kernels a class rests on, and where they fire in the clip",
     .about =
         "Runs MODEL on CLIP once. Starts at the class and selects, layer by layer, the kernels "
         "that the class rests on. Writes this pyramid, its saliency tubes and overlays of the "
         "clip into a folder. Of several clips, or a folder of clips, each gets a folder of its "
         "own; a clip that fails is reported and the others go on, and the exit status is then 1.",
     .examples =
         {"explain weights/motion.h5 datasets/motion/clockwise.mp4 -o clockwise",
          "explain model.h5 clip.mp4 --class \"playing tennis\" --theta 0.7 --propagate path"},
     .run = cfp_cmd_explain},
    {.name = "contrast",
     .bit = CFP_CMD_CONTRAST,
     .operands = "MODEL CLIP",
     .min_operands = 2,
     .max_operands = 2,
     .summary = "what two classes of one clip rest on together, and what only one does",
     .about =
         "Runs MODEL on CLIP once and explains two classes: A (--class) and B (--against). Writes "
         "which kernels and links both select, which only A selects and which only B. Also writes "
         "the difference of their tubes. Each tube has values from 0 to 1, so the difference is "
         "from -1 (only B) to 1 (only A). Its colours always cover this whole range.",
     .examples = {"contrast weights/motion.h5 datasets/motion/clockwise.mp4 --class clockwise "
                  "--against counter-clockwise -o contrast",
                  "contrast model.h5 clip.mp4 --class 3 --against 17 --rule grad --format json"},
     .run = cfp_cmd_contrast},
    {.name = "aggregate",
     .bit = CFP_CMD_AGGREGATE,
     .operands = "DIR|FILE...",
     .min_operands = 1,
     .max_operands = -1,
     .summary = "what a class rests on over many clips",
     .about =
         "Combines explanations by class. For each kernel and each edge it counts the clips that "
         "select it, and averages its relevance. It lists the clips in which a kernel is most "
         "relevant, and tells how well the clips of a class agree. All explanations must come from "
         "one model and the same options. A file that cannot be read is reported and the others "
         "are used; the exit status is then 1.",
     .examples = {"aggregate out/* -o classes", "aggregate run/shard-00000.h5 --class clockwise"},
     .run = cfp_cmd_aggregate},
    {.name = "batch",
     .bit = CFP_CMD_BATCH,
     .operands = "MODEL LIST",
     .min_operands = 2,
     .max_operands = 2,
     .summary = "explain all clips of a list into one folder; can be stopped and go on",
     .about =
         "Explains every clip of LIST with MODEL. The folder gets shard-*.h5 with the "
         "explanations, index.h5, which shows all shards as one file, manifest.jsonl with a line "
         "for each clip, and run.json. Clips are decoded ahead, in processes of their own. The "
         "same command, started again, goes on where it was stopped, however that happened, and "
         "tries failed clips again. Several processes, on one machine or on many, may work in one "
         "folder at the same time. If a clip failed, the exit status is 1.",
     .examples = {"batch weights/motion.h5 datasets/motion/clips.csv -o motion-run",
                  "batch model.h5 val.csv --root /data/kinetics/val -o run --shard 1/8"},
     .run = cfp_cmd_batch},
    {.name = "dataset",
     .bit = CFP_CMD_DATASET,
     .operands = "LIST",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "which clips of a list are there, and why others are not",
     .about =
         "Reads LIST and looks for its clips: nothing is decoded, and no network runs. Prints the "
         "clips that are found, with the window and the label of each, and counts the others by "
         "reason. If a clip is not found, the exit status is 1.",
     .examples = {"dataset datasets/motion/clips.csv",
                  "dataset EPIC_100_validation.csv --root /data/epic --model model.h5"},
     .run = cfp_cmd_dataset},
    {.name = "view",
     .bit = CFP_CMD_VIEW,
     .operands = "DIR",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "print the URL of an explanation's report",
     .about =
         "Prints the file:// URL of DIR/report.html, which explain wrote, for a browser. Instead "
         "of DIR, any file in it may be given. It does not open the browser. The page works "
         "without a server and without a network.",
     .examples = {"view clockwise", "view clockwise --json"},
     .run = cfp_cmd_view},
    {.name = "report",
     .bit = CFP_CMD_REPORT,
     .operands = "DIR...",
     .min_operands = 1,
     .max_operands = -1,
     .summary = "make a page that lists explanations, with links to their reports",
     .about =
         "Makes one page that lists the explanation in each DIR (explain must have written the "
         "formats h5 and html): a frame with its overlay, the class, the probability, the clip and "
         "more. The table can be sorted and filtered, and each row links to its report. A folder "
         "that lacks one of these files is reported, and the others are listed; the exit status is "
         "then 1.",
     .examples = {"report clockwise growing", "report out/* -o out/index.html"},
     .run = cfp_cmd_report},
    {.name = "rerun",
     .bit = CFP_CMD_RERUN,
     .operands = "RUN.JSON",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "explain again as a run.json says, with other options",
     .about =
         "Runs again what RUN.JSON records: explain or contrast, with the same model, clip and "
         "options. RUN.JSON comes first; instead of it, its folder may be given. Any option of "
         "that "
         "command may follow and takes the place of the recorded one; with another --rule, the "
         "options of the question have their defaults. The files go to the folder of --output, by "
         "default that of RUN.JSON with -rerun behind its name. If the model has changed, or the "
         "clip, where it is a file, nothing is run.",
     .examples = {"rerun clockwise/run.json --theta 0.3 -o clockwise-0.3",
                  "rerun clockwise --rule cfp"},
     .run = NULL}, /* it becomes the command that is run again: cmd_rerun.c */
    {.name = "predict",
     .bit = CFP_CMD_PREDICT,
     .operands = "MODEL CLIP...",
     .min_operands = 2,
     .max_operands = -1,
     .summary = "the most probable classes of each clip",
     .about =
         "Runs MODEL on each CLIP and prints the most probable classes. A clip that cannot be read "
         "is reported and the others go on; the exit status is then 1. The next clips are decoded "
         "while the network runs: if it runs on a GPU, by as many threads as --threads says; if it "
         "runs on the processor, by one thread and one more for every eight of --threads.",
     .examples = {"predict weights/motion.h5 datasets/motion/*.mp4",
                  "predict model.h5 clip.mp4 --top 10 --json"},
     .run = cfp_cmd_predict},
    {.name = "sweep",
     .bit = CFP_CMD_SWEEP,
     .operands = "MODEL CLIP...",
     .min_operands = 2,
     .max_operands = -1,
     .summary = "how many kernels each threshold selects, in every layer, as a table",
     .about =
         "Runs MODEL once on each CLIP and counts the kernels that explain would select, for every "
         "threshold and every combination of options. The table has one row for each clip, class, "
         "combination, threshold and layer. A clip that cannot be read is reported and the others "
         "go on; the exit status is then 1.",
     .examples = {"sweep weights/motion.h5 datasets/motion/clockwise.mp4 --theta 0:1:0.02 --csv "
                  "clockwise.csv --plot clockwise.png",
                  "sweep model.h5 *.mp4 --theta 0.2,0.6 --rule cfp,grad --top-classes 5"},
     .run = cfp_cmd_sweep},
    {.name = "evaluate",
     .bit = CFP_CMD_EVALUATE,
     .operands = "MODEL CLIP...",
     .min_operands = 2,
     .max_operands = -1,
     .summary = "measure whether the pyramid names the kernels that matter, as a table",
     .about =
         "Removes kernels from MODEL and measures what that does to the class of each CLIP. The "
         "table has one row for each clip, class, layer, method, metric and fraction of kernels, "
         "and compares it with as many random kernels. A clip that cannot be read is reported and "
         "the others go on; the exit status is then 1.",
     .examples = {"evaluate weights/motion.h5 datasets/motion/clockwise.mp4 --csv clockwise.csv",
                  "evaluate model.h5 *.mp4 --metrics kernel-drop,kernel-rank --methods "
                  "cfp,grad,exact --share 0.25"},
     .run = cfp_cmd_evaluate},
    {.name = "inspect",
     .bit = CFP_CMD_INSPECT,
     .operands = "MODEL",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "every node of a network: shape, parameters, GFLOP, depth",
     .about =
         "Checks MODEL and lists its nodes in the order in which they are computed: the op, the "
         "shape of the output (channels x frames x rows x columns), the number of trained "
         "parameters, GFLOP for one clip (a multiply-add counts as 2 FLOP), and the depth below "
         "the class.",
     .examples = {"inspect weights/motion.h5", "inspect model.h5 --json"},
     .run = cfp_cmd_inspect},
    {.name = "bench",
     .bit = CFP_CMD_BENCH,
     .operands = "MODEL",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "measure the time of the forward pass, the back-step and the tubes",
     .about =
         "Explains a clip of random frames several times and prints the median, minimum and "
         "maximum time of three parts: the forward pass; the back-step, which is the whole descent "
         "(edges are selected and counted, but listed only with --tubes kernels); and the tubes, "
         "computed and resized to the clip.",
     .examples = {"bench weights/motion.h5 --runs 20",
                  "bench model.h5 --rule grad --threads 4 --json"},
     .run = cfp_cmd_bench},
    {.name = "devices",
     .bit = CFP_CMD_DEVICES,
     .operands = "",
     .min_operands = 0,
     .max_operands = 0,
     .summary = "which devices can be used here, and why others cannot",
     .about =
         "Lists each device that --device accepts, tells whether it can be used on this machine "
         "and, if not, what is missing.",
     .examples = {"devices", "devices --json"},
     .run = cfp_cmd_devices},
};

const int cfp_n_commands = sizeof cfp_commands / sizeof *cfp_commands;
