/* text.h - prints names from outside (files, nodes, classes) so that they are safe on a terminal
 * and fit into columns.  Widths are in characters, not in bytes. */
#pragma once
#include <stdio.h>

/* Prints the text, with unsafe characters escaped (text_shown.h), and spaces up to `width`
 * characters. */
void cfp_print_text(FILE *file, const char *text, int width);
int cfp_text_width(const char *text);
