/* text.h - names from outside (files, nodes, classes) on a terminal: nothing in them may move the
 * cursor, break a line, turn the direction of writing or hide; columns are counted in characters,
 * not in bytes. */
#pragma once
#include <stdio.h>

/* What may not be shown is escaped (text_shown.h); padded with blanks to `width` characters. */
void cfp_print_text(FILE *file, const char *text, int width);
int cfp_text_width(const char *text);
