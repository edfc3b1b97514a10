/* labels.h - the labels of the clips, as names and numbers; private to host/dataset/. */
#pragma once
#include "kind.h"

/* Reads the labels of a line.  Returns NULL, or what is wrong (in `why`). */
const char *cfp_labels_read(cfp_dataset_clip *clip, cfp_keep *keep, cfp_ctx *ctx,
                            const cfp_kind *kind, const cfp_values *values, char why[256]);
/* When all lines are read: labels that are numbers on every line are numbers; class lists, which
 * are looked for in the folders, give each number its name and each name its number.  Where the
 * list of clips and the class list contradict one another, the clip gets the reason
 * CFP_CLIP_BAD_LABEL. */
CFP_CHECKED cfp_status cfp_labels_settle(cfp_dataset *dataset, cfp_keep *keep, cfp_ctx *ctx,
                                         const cfp_kind *kind, const char *const *folder,
                                         int n_folders);
