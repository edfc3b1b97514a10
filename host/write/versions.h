/* versions.h - what the writers of this folder stand on, for run.json. */
#pragma once
#include "../base/base.h"

void cfp_h5_version(char *text, size_t bytes);
const char *cfp_png_version(void);
const char *cfp_figure_version(void); /* cairo */
const char *cfp_video_version(void);  /* libav* as a whole */
