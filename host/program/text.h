/* text.h - names from outside (files, nodes, classes) on a terminal: nothing in them may move the
 * cursor or break a line, and columns are counted in characters, not in bytes. */
#pragma once
#include <stdio.h>

/* Control characters as \xNN; padded with blanks to `width` characters. */
void cfp_print_text(FILE *file, const char *text, int width);
int cfp_text_width(const char *text);
