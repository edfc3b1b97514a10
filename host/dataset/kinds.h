/* kinds.h - the kinds that there are, and the one that a list is; private to host/dataset/. */
#pragma once
#include "kind.h"

/* Reads the descriptions and chooses one: that which options->kind names, else the one whose
 * columns and forms the list has.  Statuses as cfp_dataset_open.  The caller frees *out with
 * cfp_kind_free, after a failure too. */
CFP_CHECKED cfp_status cfp_kinds_choose(cfp_kind *out, cfp_ctx *ctx, cfp_list_file *list,
                                        const cfp_dataset_options *options);
/* The first of the folders that exists; NULL: none does. */
const char *cfp_kinds_folder(const cfp_dataset_options *options);
