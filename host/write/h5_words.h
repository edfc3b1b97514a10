/* h5_words.h - what the arrays of each HDF5 file hold, in words. */
#pragma once
#include "../files/h5_put.h"

extern const cfp_h5_words cfp_explanation_words[], cfp_contrast_words[], cfp_class_words[];
