/* versions.h - the versions of the libraries that the writers use, for run.json. */
#pragma once
#include "../base/base.h"

/* Call this before any other use of HDF5, while there is only one thread.  HDF5 then prints
 * nothing, loads no plugins and does no work when the process ends.  False: out of memory. */
bool cfp_h5_begin(void);
void cfp_h5_version(char *text, size_t bytes);
const char *cfp_png_version(void);
const char *cfp_figure_version(void); /* cairo */
const char *cfp_video_version(void);  /* libav* as a whole */
