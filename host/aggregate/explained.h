/* explained.h - reads explanations back: explanation.h5 (SPEC 3), or one of a shard of batch (SPEC
 * 9), which holds a group for each clip.
 *
 * Files may come from anywhere: host/h5 reads them, and every number is checked here. */
#pragma once
#include "../h5/h5_file.h"

/* The options that must agree where explanations are added up; names as the command line has them,
 * "model" (its SHA-256) among them. */
enum { CFP_EXPLAINED_OPTIONS = 15, CFP_EXPLAINED_EXTRA = 3 };
extern const char *const cfp_explained_options[CFP_EXPLAINED_OPTIONS];
/* The last CFP_EXPLAINED_EXTRA need not be there: SPEC 3 does not name them.  They are compared
 * where both files have them. */

typedef struct cfp_explained_head {
    char *id;   /* of the clip: its path, or its name in the shard */
    char *clip; /* its path */
    char *model;
    char *class_name;
    int class_index;
    double probability;
    /* As text; "": the file does not say.  A seed is there only where frames were shuffled. */
    char *option[CFP_EXPLAINED_OPTIONS];
} cfp_explained_head;

typedef struct cfp_explained_layer {
    char *name, *op;
    int depth, n_kernels;
    int n_selected;
    int32_t *selected; /* ascending */
    float *relevance;  /* [n_kernels] */
    int64_t n_edges;
    int32_t *edge; /* [n_edges][2]: kernel, channel that it reads */
    float *edge_relevance;
} cfp_explained_layer;

typedef struct cfp_explained_layers {
    int n;
    cfp_explained_layer *layer; /* by name */
} cfp_explained_layers;

typedef struct cfp_explained_file { /* open */
    cfp_ctx *ctx;
    char *path;
    cfp_h5 *file;
    cfp_h5_group root;
    cfp_h5_group clips; /* of a shard; else without a file */
    bool shard;
    int n; /* explanations */
} cfp_explained_file;

/* CFP_FORMAT where it is no explanation and no shard.  cfp_explained_close accepts {0}. */
CFP_CHECKED cfp_status cfp_explained_open(cfp_explained_file *out, cfp_ctx *ctx, const char *path);
void cfp_explained_close(cfp_explained_file *file);

/* Explanation `i` of the file.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_explained_head_read(cfp_explained_head *out, cfp_explained_file *file,
                                               int i);
void cfp_explained_head_free(cfp_explained_head *head);
CFP_CHECKED cfp_status cfp_explained_layers_read(cfp_explained_layers *out,
                                                 cfp_explained_file *file, int i);
void cfp_explained_layers_free(cfp_explained_layers *layers);
