/* claims.h - several processes, on one machine or on many, share one folder: who does what.
 *
 *     WORK/owner-HOST-PID-N    the owner file of a process: names the process; touched every few
 *                              seconds while it lives
 *     WORK/NAME.claim          a claim: a hard link to the owner file of the process that holds it
 *
 * link() either makes the name or says that it exists, on NFS too, so one process gets it.  A claim
 * of a dead process is taken over.  A process is dead if it ran on this machine and is gone, or if
 * its owner file was not touched for a minute by the clock of the file server.
 *
 * Two processes may hold one claim for a moment, if one was stopped for longer than a minute.  So
 * whatever a claim protects must be right if it is done twice; claims only save work. */
#pragma once
#include "../base/base.h"

typedef struct cfp_claims cfp_claims;

typedef enum cfp_claim { CFP_CLAIM_TAKEN, CFP_CLAIM_HELD, CFP_CLAIM_FAILED } cfp_claim;

/* Makes the owner file in the folder `work`, which must exist, and starts the thread that touches
 * it.  On failure *out is NULL. */
CFP_CHECKED cfp_status cfp_claims_open(cfp_claims **out, cfp_ctx *ctx, const char *work);
/* Ends the thread and removes the owner file; accepts NULL inside.  Claims that are still held
 * count as a dead process's from then on. */
void cfp_claims_close(cfp_claims **claims);

/* Any thread may call these.  FAILED: the file system refused; errno is set. */
cfp_claim cfp_claims_take(cfp_claims *claims, const char *name);
void cfp_claims_release(cfp_claims *claims, const char *name);

/* A prefix of file names that no other process uses: "owner-HOST-PID-N".  Files that begin with it
 * are removed when the process is found dead. */
const char *cfp_claims_prefix(const cfp_claims *claims);
/* True if another process that is alive has an owner file here.  Removes what dead ones left. */
bool cfp_claims_others(cfp_claims *claims);
/* The owner file goes at once, so that others no longer see this process; claims stay. */
void cfp_claims_leave(cfp_claims *claims);
