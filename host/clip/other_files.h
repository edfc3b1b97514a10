/* other_files.h - tells files that are no clips by what they are; private to host/clip/. */
#pragma once
#include "clip_source.h"

/* What the file is, and what to give instead: "a playlist, which ...".  NULL: not known here, and
 * perhaps a video. */
const char *cfp_other_file(const cfp_path_facts *facts);
