/* lines.h - the lines of manifest.jsonl: one JSON object a clip.
 *
 *     {"id":...,"clip":...,"label":...,"status":"ok","reason":null,"top":[{"index","name",
 *      "probability"}],"rank":1,"shard":"shard-00000.h5","ms":{"decode":...,"network":...}}
 *
 * Only this file writes such lines, always with these members in this order, so it can tell what
 * one says without a parser: a quote inside a string is escaped, so that "status":"ok" with its
 * quotes cannot be part of a name. */
#pragma once
#include "../model/model.h"
#include "batch.h"

typedef struct cfp_batch_times { /* milliseconds */
    double decode, network;
} cfp_batch_times;

typedef struct cfp_batch_scores { /* of the classes, for the members top and rank */
    const cfp_model *model;
    const float *order; /* [n_classes] the largest comes first */
    const float *probability;
} cfp_batch_scores;

/* The line of a clip, without a line feed; the caller frees it with cfp_free.  `note` is a warning
 * about a clip that was explained; "": none. */
CFP_CHECKED cfp_status cfp_line_done(char **out, cfp_ctx *ctx, const cfp_batch_item *item,
                                     int shard, const char *note, const cfp_batch_scores *scores,
                                     const cfp_batch_times *ms);
CFP_CHECKED cfp_status cfp_line_failed(char **out, cfp_ctx *ctx, const cfp_batch_item *item,
                                       cfp_batch_status status, const char *reason);

/* What a line says.  False: it is no whole line.  *id is the id as the line has it, in quotes, and
 * points into the line; rank is that of the label among the classes, from 1; 0: there is none. */
typedef struct cfp_line_facts {
    const char *id;
    size_t id_length;
    cfp_batch_status status;
    int rank;
} cfp_line_facts;
bool cfp_line_read(cfp_line_facts *out, const char *line, size_t length);
/* The id as a line has it; the caller frees it with cfp_free. */
char *cfp_line_id(cfp_ctx *ctx, const char *id);
/* The reason of a line as it was given, for the summary; the caller frees it; NULL: none. */
char *cfp_line_reason(cfp_ctx *ctx, const char *line);
