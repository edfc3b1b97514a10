/* write_h5.h - puts one explanation into an HDF5 file that is being written (SPEC 3): the whole of
 * explanation.h5, or the group of a clip in a shard of batch (SPEC 9). */
#pragma once
#include "../files/h5_put.h"
#include "../files/run.h"

/* Fills the open group `at`. */
CFP_CHECKED cfp_status cfp_h5_put_explanation(cfp_h5_file *file, hid_t at,
                                              const cfp_explanation *explanation,
                                              const cfp_run *run, const cfp_h5_parts *parts);
