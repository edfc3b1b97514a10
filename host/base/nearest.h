/* nearest.h - "did you mean ...?": finds the name that a mistyped word means. */
#pragma once
#include "base.h"

/* The name that is most like the word, or NULL if none is similar.  A name of which the word is the
 * beginning, or that begins the word, is similar, too.  names: an array of n elements of `stride`
 * bytes, each of which begins with a const char *. */
const char *cfp_nearest(const char *word, const void *names, int n, size_t stride);
