/* explained.h - reads explanations: explanation.h5 (SPEC 3), or a shard of batch (SPEC 9), which
 * holds a group for each clip.
 *
 * Files may come from anywhere.  They are read by host/h5, and every number is checked here. */
#pragma once
#include "../h5/h5_file.h"

/* The options that must be equal in all explanations that are added up, with their names on the
 * command line; "model" (its SHA-256) is one of them.  The head, option CFP_EXPLAINED_HEAD, is ""
 * if the network names none. */
enum { CFP_EXPLAINED_OPTIONS = 16, CFP_EXPLAINED_EXTRA = 3, CFP_EXPLAINED_HEAD = 1 };
extern const char *const cfp_explained_options[CFP_EXPLAINED_OPTIONS];
/* The last CFP_EXPLAINED_EXTRA are in newer files only.  They are compared if both files have them.
 */

typedef struct cfp_explained_head {
    char *id;   /* id of the clip: its path, or its name in the shard */
    char *clip; /* path of the clip */
    char *model;
    char *class_name;
    int class_index;
    double probability;
    /* As text; "": not in the file.  A seed is kept only if frames were shuffled. */
    char *option[CFP_EXPLAINED_OPTIONS];
} cfp_explained_head;

typedef struct cfp_explained_layer {
    char *name, *op;
    int depth, n_kernels;
    int n_selected;
    int32_t *selected; /* [n_selected] ascending */
    float *relevance;  /* [n_kernels] */
    int64_t n_edges;
    int32_t *edge; /* [n_edges][2]: kernel, channel that it reads */
    float *edge_relevance;
} cfp_explained_layer;

typedef struct cfp_explained_layers {
    int n;
    cfp_explained_layer *layer; /* sorted by name */
} cfp_explained_layers;

typedef struct cfp_explained_file { /* an open file */
    cfp_ctx *ctx;
    char *path;
    cfp_h5 *file;
    cfp_h5_group root;
    cfp_h5_group clips; /* the group of a shard's clips; without a file if it is no shard */
    bool shard;
    int n; /* number of explanations */
} cfp_explained_file;

/* Opens a file.  CFP_FORMAT if it is neither an explanation nor a shard.  cfp_explained_close
 * accepts {0}. */
CFP_CHECKED cfp_status cfp_explained_open(cfp_explained_file *out, cfp_ctx *ctx, const char *path);
void cfp_explained_close(cfp_explained_file *file);

/* Reads explanation `i` of the file.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_explained_head_read(cfp_explained_head *out, cfp_explained_file *file,
                                               int i);
void cfp_explained_head_free(cfp_explained_head *head);
CFP_CHECKED cfp_status cfp_explained_layers_read(cfp_explained_layers *out,
                                                 cfp_explained_file *file, int i);
void cfp_explained_layers_free(cfp_explained_layers *layers);
