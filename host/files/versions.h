/* versions.h - what the writers of this folder stand on, for run.json. */
#pragma once
#include "../base/base.h"

/* To be called before anything else of HDF5, from the only thread: it stays silent from then on,
 * loads no code and leaves nothing to the end of the process.  False: memory is out. */
bool cfp_h5_begin(void);
void cfp_h5_version(char *text, size_t bytes);
const char *cfp_png_version(void);
const char *cfp_figure_version(void); /* cairo */
const char *cfp_video_version(void);  /* libav* as a whole */
