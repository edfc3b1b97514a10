/* link_ids.h - "<layer>:<kernel>", the names of kernels in JSON files of links.
 *
 * A deep residual network has millions of links, and each repeats two of them.  So they are spelled
 * once a kernel and copied. */
#pragma once
#include "../base/json.h"
#include "links.h"

typedef struct cfp_link_ids { /* JSON strings, one for each selected kernel */
    char *text;
    int64_t *start; /* [n_kernels + 1] into text, by the numbers of links->base */
} cfp_link_ids;

/* On failure *out is empty. */
CFP_CHECKED cfp_status cfp_link_ids_open(cfp_link_ids *out, const cfp_links *links);
void cfp_link_ids_close(cfp_link_ids *ids);
/* "key": the id of kernel `number`, which is selected. */
void cfp_link_ids_put(cfp_json *json, const char *key, const cfp_link_ids *ids, int32_t number);
