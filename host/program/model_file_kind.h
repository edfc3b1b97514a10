/* model_file_kind.h - tells a file that is no model file by what it is, and says what to do. */
#pragma once
#include "commands.h"

/* CFP_FORMAT if MODEL is a checkpoint, an ONNX file, a video, a folder, ...: the message says how
 * to make a model file of it, or that MODEL and CLIP look swapped.  CFP_OK if it is an HDF5 file,
 * or if nothing is known of it: then whoever opens it says what is wrong. */
CFP_CHECKED cfp_status cfp_check_model_file(cfp_session *session, const char *path);
