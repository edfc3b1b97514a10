/* commands.c - the table of commands; see commands.h. */
#include "commands.h"

const cfp_command cfp_commands[] = {
    {.name = "explain",
     .bit = CFP_CMD_EXPLAIN,
     .operands = "MODEL CLIP",
     .least = 2,
     .most = 2,
     .summary = "which kernels a class rests on, and where they fire in the clip",
     .about =
         "Runs MODEL on CLIP once, descends from the class to the kernels it rests on, layer by "
         "layer, and writes the pyramid, the saliency tubes and overlays of the clip into a "
         "folder.",
     .examples =
         {"explain weights/motion.h5 datasets/motion/clockwise.mp4 -o clockwise",
          "explain model.h5 clip.mp4 --class \"playing tennis\" --theta 0.7 --propagate path"},
     .run = cfp_cmd_explain},
    {.name = "contrast",
     .bit = CFP_CMD_CONTRAST,
     .operands = "MODEL CLIP",
     .least = 2,
     .most = 2,
     .summary = "what two classes of one clip rest on together, and what only one does",
     .about =
         "Runs MODEL on CLIP once and descends twice, from class A (--class) and from class B "
         "(--against). Writes which kernels and links both select, which only A and which only B, "
         "and where in the clip the tubes of A are above those of B, and below. Each tube is from "
         "0 to 1, so a difference is from -1 to 1, and its colours are never stretched.",
     .examples = {"contrast weights/motion.h5 datasets/motion/clockwise.mp4 --class clockwise "
                  "--against counter-clockwise -o contrast",
                  "contrast model.h5 clip.mp4 --class 3 --against 17 --rule grad --format json"},
     .run = cfp_cmd_contrast},
    {.name = "aggregate",
     .bit = CFP_CMD_AGGREGATE,
     .operands = "DIR|FILE...",
     .least = 1,
     .most = -1,
     .summary = "what a class rests on over many clips",
     .about =
         "Adds up explanations by their class: in how many clips each kernel and each edge is "
         "selected, how relevant it is on average, in which clips it is most relevant, and how "
         "well the clips agree on it. All must be of one model and of the same options. A file "
         "that cannot be read is reported, the others are added up; the exit status is then 1.",
     .examples = {"aggregate out/* -o classes", "aggregate run/shard-00000.h5 --class clockwise"},
     .run = cfp_cmd_aggregate},
    {.name = "view",
     .bit = CFP_CMD_VIEW,
     .operands = "DIR",
     .least = 1,
     .most = 1,
     .summary = "where the report of an explanation is, as a URL for a browser",
     .about =
         "Prints the file:// URL of DIR/report.html, which explain wrote. It opens nothing; the "
         "page works from the disk, without a network.",
     .examples = {"view clockwise", "view clockwise --json"},
     .run = cfp_cmd_view},
    {.name = "report",
     .bit = CFP_CMD_REPORT,
     .operands = "DIR...",
     .least = 1,
     .most = -1,
     .summary = "a page that lists explanations, with links to their reports",
     .about =
         "Makes one page of the explanations in each DIR (formats h5 and html of explain): a frame "
         "under its tube, class, probability, clip and more in a table that can be sorted and "
         "filtered, with links to the reports. A folder that lacks one of these files is reported, "
         "the others are listed; the exit status is then 1.",
     .examples = {"report clockwise growing", "report out/* -o out/index.html"},
     .run = cfp_cmd_report},
    {.name = "predict",
     .bit = CFP_CMD_PREDICT,
     .operands = "MODEL CLIP...",
     .least = 2,
     .most = -1,
     .summary = "the most probable classes of each clip",
     .about =
         "Runs MODEL on each CLIP and shows the most probable classes. A clip that cannot be "
         "read is reported, the others go on; the exit status is then 1. The next clips are "
         "decoded while the network runs on one: on a GPU by as many threads as --threads says, "
         "on the processor by one, and another for every eight.",
     .examples = {"predict weights/motion.h5 datasets/motion/*.mp4",
                  "predict model.h5 clip.mp4 --top 10 --json"},
     .run = cfp_cmd_predict},
    {.name = "sweep",
     .bit = CFP_CMD_SWEEP,
     .operands = "MODEL CLIP...",
     .least = 2,
     .most = -1,
     .summary = "how many kernels each threshold selects, in every layer, as a table",
     .about =
         "Runs MODEL once on each CLIP and counts what explain would select at every threshold "
         "and for every combination of options: a row for each clip, class, combination, "
         "threshold and layer. A clip that cannot be read is reported, the others go on; the exit "
         "status is then 1.",
     .examples = {"sweep weights/motion.h5 datasets/motion/clockwise.mp4 --theta 0:1:0.02 --csv "
                  "clockwise.csv --plot clockwise.png",
                  "sweep model.h5 *.mp4 --theta 0.2,0.6 --rule cfp,grad --top-classes 5"},
     .run = cfp_cmd_sweep},
    {.name = "evaluate",
     .bit = CFP_CMD_EVALUATE,
     .operands = "MODEL CLIP...",
     .least = 2,
     .most = -1,
     .summary = "does the pyramid name the kernels that matter? as a table",
     .about =
         "Takes kernels out of MODEL and measures what that does to the class of each CLIP: a row "
         "for each clip, class, layer, method, metric and share, beside what random kernels of the "
         "same number do. A clip that cannot be read is reported, the others go on; the exit "
         "status is then 1.",
     .examples = {"evaluate weights/motion.h5 datasets/motion/clockwise.mp4 --csv clockwise.csv",
                  "evaluate model.h5 *.mp4 --metrics kernel-drop,kernel-rank --methods "
                  "cfp,grad,exact --share 0.25"},
     .run = cfp_cmd_evaluate},
    {.name = "inspect",
     .bit = CFP_CMD_INSPECT,
     .operands = "MODEL",
     .least = 1,
     .most = 1,
     .summary = "every node of a network: shape, parameters, GFLOP, depth",
     .about =
         "Checks MODEL and shows every node in the order in which it is computed: its op, the "
         "shape it gives (channels x frames x rows x columns), parameters as trained, GFLOP of "
         "one clip (a multiply-add is 2 FLOP), and its depth below the class.",
     .examples = {"inspect weights/motion.h5", "inspect model.h5 --json"},
     .run = cfp_cmd_inspect},
    {.name = "bench",
     .bit = CFP_CMD_BENCH,
     .operands = "MODEL",
     .least = 1,
     .most = 1,
     .summary = "times the forward pass, the back-step and the tubes apart",
     .about =
         "Explains a clip of random frames again and again and shows the time of the forward "
         "pass, of the back-step (the whole descent; edges are selected and counted, but listed "
         "for --tubes kernels alone) and of the tubes (made and resized to the clip): median, "
         "least and most.",
     .examples = {"bench weights/motion.h5 --runs 20",
                  "bench model.h5 --rule grad --threads 4 --json"},
     .run = cfp_cmd_bench},
    {.name = "devices",
     .bit = CFP_CMD_DEVICES,
     .operands = "",
     .least = 0,
     .most = 0,
     .summary = "what can run here, and why not",
     .about = "Shows each device that --device can name, whether it can be used here and, where "
              "not, what is missing.",
     .examples = {"devices", "devices --json"},
     .run = cfp_cmd_devices},
};

const int cfp_n_commands = sizeof cfp_commands / sizeof *cfp_commands;
