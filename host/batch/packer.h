/* packer.h - copies the groups of clips from several HDF5 files into one, in a process of its own.
 *
 * HDF5 copies packed data as it is, so nothing is unpacked.  HDF5 crashes on damaged files; then
 * the other process ends, and this one says which file it was. */
#pragma once
#include "../base/base.h"

typedef struct cfp_pack_request { /* borrowed */
    const char *path;             /* to write; replaced if it exists; "": only look for the clips */
    int n;
    const char *const *source; /* [n] the file that has /clips/<group[i]> */
    const char *const *group;  /* [n] */
} cfp_pack_request;

/* Writes the file and waits until it is on the disk; or only looks whether each source can be
 * opened and has its clip.  If a source cannot be read, *bad is its number; else -1. */
CFP_CHECKED cfp_status cfp_pack_clips(cfp_ctx *ctx, const cfp_pack_request *request, int *bad);

/* The other process: reads one request from the socket, and answers. */
void cfp_pack_serve(int socket);
