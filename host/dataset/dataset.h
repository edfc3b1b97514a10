/* dataset.h - a list of clips as data sets publish it: which clips, where they lie, what they show.
 *
 * A list is an annotation file of a data set or a plain text list.  Its kind (kinetics, ucf101,
 * paths ...) is a small text file that says which columns the list has, what identifies a clip,
 * where clips lie below a root and which labels they carry (README.md).  The kinds lie in
 * datasets/kinds; this room knows none of them by name.
 *
 * Nothing is decoded here.  A clip is found by a look at the file system: a video, a folder of
 * images, a tar of images, a frames.db or an array, as cfp_clip_open takes them.
 *
 * A list that is malformed is refused as a whole, with its line: such a list is the wrong file or
 * was damaged, and nobody wants to learn that after a night.  A clip that is not there is no error:
 * it stays in the array, without a path, and says its reason. */
#pragma once
#include "../base/base.h"

enum { CFP_DATASET_LABELS = 4 }; /* the most labels that a clip carries: action, verb, noun ... */

typedef enum cfp_dataset_reason {
    CFP_CLIP_FOUND,       /* it resolves: clip.path is where it lies */
    CFP_CLIP_MISSING,     /* at none of the places of its kind, below no root */
    CFP_CLIP_EMPTY,       /* a file of no bytes, or a folder or tar whose frames cannot be told */
    CFP_CLIP_UNREADABLE,  /* it is there, and may not be read */
    CFP_CLIP_NO_FRAMES,   /* the folder or tar has no frame of the window */
    CFP_CLIP_BAD_WINDOW,  /* the list says that it stops before it starts */
    CFP_CLIP_REPEATED,    /* an earlier line says the same */
    CFP_CLIP_CONTRADICTS, /* an earlier line has its id, with another window or label */
    CFP_CLIP_BAD_LABEL,   /* the data set's own class list has no such number or name */
    CFP_CLIP_LEFT_OUT,    /* not in the subset that was asked for; never in the array */
    CFP_CLIP_REASONS
} cfp_dataset_reason;

typedef struct cfp_dataset_label {
    const char *name; /* NULL: the list has no name, and no class list was found */
    int64_t index;    /* from 0, in the order of the data set's own class list; -1: unknown */
} cfp_dataset_label;

typedef enum cfp_dataset_window {
    CFP_WINDOW_WHOLE,   /* the whole clip */
    CFP_WINDOW_FRAMES,  /* frames start to stop; stop is the first that is not in it */
    CFP_WINDOW_SECONDS, /* seconds start to stop */
} cfp_dataset_window;

typedef struct cfp_dataset_clip {
    const char *id;   /* the annotation's own; no two clips that resolve have the same */
    const char *path; /* of a file or folder, for cfp_clip_open; NULL unless it resolves */
    cfp_dataset_label label[CFP_DATASET_LABELS]; /* of dataset.label_name; {NULL, -1}: none */
    cfp_dataset_window window;
    /* Frames are numbered as cfp_sampling.start is: by the numbers in the names where the clip is a
     * folder, a tar or a frames.db whose names have them; else by their place, from 0.  Whatever
     * the annotation's own convention is, it has been applied.  stop < 0: up to the end. */
    double start, stop;
    const char *list; /* the file that it is from: dataset.path, if that is no pattern */
    int64_t line;     /* of that file, from 1 */
    int64_t twin;     /* CFP_CLIP_REPEATED, CFP_CLIP_CONTRADICTS: the line of the earlier one */
    cfp_dataset_reason reason;
    const char *why; /* the reason in more words; NULL: there are no more */
} cfp_dataset_clip;

typedef struct cfp_dataset {
    const char *path;                           /* of the list, or a pattern */
    const char *kind;                           /* its name: "kinetics" */
    const char *kind_file;                      /* the description that was used */
    int n_labels;                               /* 0: the list has no labels */
    const char *label_name[CFP_DATASET_LABELS]; /* "class"; "verb", "noun" */
    const char *class_list[CFP_DATASET_LABELS]; /* the file the names are from; NULL: none found */
    int n;
    cfp_dataset_clip *clip;            /* [n] in the order of the list */
    int64_t count[CFP_CLIP_REASONS];   /* of the lines, by reason */
    struct cfp_dataset_memory *memory; /* of every string; internal */
} cfp_dataset;

typedef struct cfp_dataset_options {
    const char *kind;        /* a name, or a path of a description; NULL: by content */
    const char *const *root; /* [n_roots] folders in which clips are looked for, in this order */
    int n_roots;             /* 0: the folder of the list */
    const char *subset;      /* "train", "test" ...: only these lines; NULL: all */
    /* [n_kind_folders] where descriptions lie; the first that exists is used. */
    const char *const *kind_folder;
    int n_kind_folders;
} cfp_dataset_options;

/* Reads a list and looks for its clips.  A path with *, ? or [ that is no file is a pattern: all
 * files that it matches are one list, in the order of their names (HMDB-51 has a file for each
 * class).  CFP_USAGE (an unknown kind, a subset or root that does not
 * exist), CFP_IO, CFP_FORMAT (a malformed list: the message begins with FILE:LINE), CFP_NOMEM,
 * CFP_INTERRUPTED.  On failure *out is empty.  Everything in *out belongs to it and lives until
 * cfp_dataset_free. */
CFP_CHECKED cfp_status cfp_dataset_open(cfp_dataset *out, cfp_ctx *ctx, const char *path,
                                        const cfp_dataset_options *options);
void cfp_dataset_free(cfp_dataset *dataset); /* accepts {0} */

/* For files: "found", "missing", "repeated" ... */
const char *cfp_dataset_reason_word(cfp_dataset_reason reason);
/* For people: "no such file or folder" ... */
const char *cfp_dataset_reason_text(cfp_dataset_reason reason);

/* What a list's labels are for a model. */
typedef struct cfp_class_match {
    int32_t *class_of; /* [dataset.n] the model's class of each clip; -1: no label, or unknown */
    int64_t known, unknown, unlabelled; /* clips, without those that an earlier line has */
    bool by_index;  /* the labels were taken as indices, since one side has no names */
    int n_examples; /* unknown labels, each once, in the order of the list; 5 at most */
    struct {
        const char *label; /* borrowed from the data set; NULL: it has only an index */
        int64_t index;
        const char *list; /* the file and the line where it is first; borrowed */
        int64_t line;
        const char *near; /* a class of the model that is spelled alike; NULL: none.  Borrowed */
    } example[5];
    int64_t n_unknown_labels; /* different ones */
} cfp_class_match;

/* Compares label number `label` of the list with the classes of a model, by name where both have
 * names: exactly, then without regard to case, spaces, '_' and '-'.  Otherwise by index.  Names as
 * "class 7", which importers give to a network without names, count as none.  CFP_NOMEM. */
CFP_CHECKED cfp_status cfp_class_match_find(cfp_class_match *out, cfp_ctx *ctx,
                                            const cfp_dataset *dataset, int label,
                                            const char *const *class_name, int n_classes);
/* The same for each label of the list: out[dataset.n_labels], which the caller frees.  *best is the
 * label that the model answers with: the one most of whose clips it knows (0 if it knows none). */
CFP_CHECKED cfp_status cfp_class_match_all(cfp_class_match out[CFP_DATASET_LABELS], int *best,
                                           cfp_ctx *ctx, const cfp_dataset *dataset,
                                           const char *const *class_name, int n_classes);
/* Logs a warning for each thing to know before the first clip runs: how many labels are unknown,
 * the first few with similar names, that labels were taken by index.  `model` is for messages. */
void cfp_class_match_warn(const cfp_class_match *match, cfp_ctx *ctx, const cfp_dataset *dataset,
                          const char *model);
void cfp_class_match_free(cfp_class_match *match); /* accepts {0} */
