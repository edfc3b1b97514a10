/* keep.c - see keep.h. */
#include "keep.h"
#include <string.h>

struct cfp_keep_block {
    cfp_keep_block *older;
    size_t used, size;
    char text[];
};

enum { BLOCK_BYTES = 1 << 16 };

const char cfp_keep_failed[] = "out of memory";

const char *cfp_keep_text(cfp_keep *keep, cfp_ctx *ctx, const char *text, size_t length)
{
    cfp_keep_block *block = keep->block;
    if (block == NULL || block->size - block->used <= length) {
        const size_t size = length < BLOCK_BYTES ? BLOCK_BYTES : length + 1;
        block = cfp_alloc(ctx, 1, sizeof *block + size);
        if (block == NULL)
            return NULL;
        block->older = keep->block;
        block->size = size;
        keep->block = block;
    }
    char *copy = block->text + block->used;
    memcpy(copy, text, length);
    copy[length] = '\0';
    block->used += length + 1;
    return copy;
}

void cfp_keep_free(cfp_keep *keep)
{
    while (keep->block != NULL) {
        cfp_keep_block *older = keep->block->older;
        cfp_free(keep->block);
        keep->block = older;
    }
}
