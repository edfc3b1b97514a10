/* link_ids.h - "<layer>:<kernel>", the ids of kernels in JSON files of links.
 *
 * A deep residual network has millions of links, and each link repeats two ids.  So each id is
 * formatted once per kernel, and copied for each link. */
#pragma once
#include "../base/json.h"
#include "links.h"

typedef struct cfp_link_ids { /* the ids as JSON strings, one for each selected kernel */
    char *text;
    int64_t *start; /* [n_kernels + 1] where each id starts in text; kernels are numbered by
                       links->base */
} cfp_link_ids;

/* Makes the ids.  links must outlive them.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_link_ids_open(cfp_link_ids *out, const cfp_links *links);
void cfp_link_ids_close(cfp_link_ids *ids);
/* Writes "key": the id of kernel `number`, which must be selected. */
void cfp_link_ids_put(cfp_json *json, const char *key, const cfp_link_ids *ids, int32_t number);
