/* helper.h - a process that does one dangerous thing: decodes clips, or packs shards.
 *
 * It is this program again, started with a word that the command line does not show.  A helper that
 * crashes or hangs takes nothing with it.  A new program rather than a fork, because a fork beside
 * other threads inherits their locks, and CUDA does not survive one. */
#pragma once
#include "../base/base.h"
#include "../base/whole.h"

#define CFP_HELPER_DECODES "batch-decodes"
#define CFP_HELPER_PACKS "batch-packs"

typedef struct cfp_helper {
    int pid;    /* 0: none */
    int socket; /* -1: none */
} cfp_helper;

/* Starts the program with the word `what` and the number of this process.  Its standard input is a
 * socket; `memory` is its file descriptor 3, if it is not negative.  On failure *out is empty. */
CFP_CHECKED cfp_status cfp_helper_start(cfp_helper *out, cfp_ctx *ctx, const char *what,
                                        int memory);
/* Ends it at once, and says in words how it had ended, if it had: "was killed by signal 11
 * (Segmentation fault)".  Accepts one that is not started. */
void cfp_helper_end(cfp_helper *helper, char *how, size_t bytes);

/* True if it is running.  One that has ended meanwhile, without work, is forgotten. */
bool cfp_helper_lives(cfp_helper *helper);

/* Both sides talk by cfp_write_whole and cfp_read_whole (whole.h), and send text by these.  False:
 * the other side is gone. */
bool cfp_wire_send_text(int socket, const char *text);
/* The caller frees *text (cfp_free).  False also where memory is out. */
bool cfp_wire_receive_text(int socket, cfp_ctx *ctx, char **text);

typedef enum cfp_wire_wait { CFP_WIRE_READY, CFP_WIRE_LATE, CFP_WIRE_STOPPED } cfp_wire_wait;
/* Waits until there is something to read, for `seconds`; *stop non-zero: gives up. */
cfp_wire_wait cfp_wire_wait_for(int socket, double seconds, const volatile int *stop);
