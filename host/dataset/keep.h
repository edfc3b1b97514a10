/* keep.h - memory for many short strings that live as long as their data set; private to
 * host/dataset/.
 *
 * A list of 100,000 lines makes half a million strings.  They are placed one behind the other in
 * large blocks, and are freed together. */
#pragma once
#include "../base/base.h"

typedef struct cfp_keep_block cfp_keep_block;

typedef struct cfp_keep {  /* {0}: empty */
    cfp_keep_block *block; /* the newest */
} cfp_keep;

/* A copy of `length` bytes of text, ended with '\0'.  NULL when memory is out. */
const char *cfp_keep_text(cfp_keep *keep, cfp_ctx *ctx, const char *text, size_t length);
/* What functions that return a problem as text return when memory is out: compare the pointer. */
extern const char cfp_keep_failed[];
void cfp_keep_free(cfp_keep *keep);
