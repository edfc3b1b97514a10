/* decoder.h - decodes clips in another process, into memory that both processes see.
 *
 * A library that decodes may crash on a clip, or never come back.  Then the clip fails, with the
 * reason, and the next one gets a new process. */
#pragma once
#include "batch.h"
#include "helper.h"

/* Memory for the frames of several clips: `n` slots of `slot_bytes`. */
typedef struct cfp_frame_memory {
    int fd; /* -1: none */
    uint8_t *at;
    size_t slot_bytes;
    int n;
} cfp_frame_memory;

CFP_CHECKED cfp_status cfp_frame_memory_open(cfp_frame_memory *out, cfp_ctx *ctx,
                                             const cfp_input_spec *input, int n);
void cfp_frame_memory_close(cfp_frame_memory *memory); /* accepts one that is not open */

typedef struct cfp_decoder { /* one helper process, and what it needs to know */
    cfp_helper helper;
    const cfp_frame_memory *memory;
    const cfp_input_spec *input;
    int64_t max_memory;
    int windows;              /* of each clip */
    double seconds;           /* a window may take so long */
    const volatile int *stop; /* non-zero: give up */
} cfp_decoder;

/* Starts the process, unless it is there. */
CFP_CHECKED cfp_status cfp_decoder_start(cfp_decoder *decoder, cfp_ctx *ctx);
/* Decodes window number `window` of a clip, from 0, into a slot.  On success the caller frees *out;
 * `note` is the first warning about the clip, or "".  CFP_INTERRUPTED after *stop; other statuses
 * are about the clip, and ctx has the message. */
CFP_CHECKED cfp_status cfp_decoder_read(cfp_clip *out, cfp_decoder *decoder, cfp_ctx *ctx,
                                        const cfp_batch_item *item, int window, int slot,
                                        char note[512]);
void cfp_decoder_close(cfp_decoder *decoder);

/* The other process: answers requests until the socket closes. */
void cfp_decoder_serve(int socket, int memory);
