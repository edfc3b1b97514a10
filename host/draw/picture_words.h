/* picture_words.h - what a picture says about its explanation: class, question, layers; and how a
 * line that is too long is broken, so that nothing of it is lost. */
#pragma once
#include "../method/contrast.h"
#include "figure.h"

enum { CFP_WORDS_BYTES = 512, CFP_WORDS_PARTS = 12, CFP_WORDS_LINES = 24 };

/* Statements that stand side by side while there is room. */
typedef struct cfp_words {
    int n;
    char part[CFP_WORDS_PARTS][CFP_WORDS_BYTES];
} cfp_words;

typedef struct cfp_lines {
    int n;
    char line[CFP_WORDS_LINES][CFP_WORDS_BYTES];
} cfp_lines;

/* Adds a statement. */
void cfp_words_add(cfp_words *words, const char *format, ...) CFP_PRINTF(2, 3);

/* "clockwise  61.0 %", of a head that has a name "verb: cut  61.0 %"; for a contrast "A: clockwise
 * 61.0 %" and "minus B: ...". */
void cfp_words_class(cfp_words *out, const cfp_explanation *explanation);
/* Rule and theta, the model, the clip. */
void cfp_words_question(cfp_words *out, const cfp_explanation *explanation);
/* The depth of a tube's layer, its selected kernels, and the time steps of its map. */
void cfp_words_layer(cfp_words *out, const cfp_explanation *explanation, const cfp_tube *tube);
/* How many time steps the tube's map has, if they are fewer than the frames; else "". */
void cfp_words_time(char *out, size_t bytes, const cfp_explanation *explanation,
                    const cfp_tube *tube);
/* How many kernels of the layer both classes of a contrast select, and how many only one. */
void cfp_words_both(char *out, size_t bytes, const cfp_layer *a, const cfp_layer *b);

/* What a tube's picture says below it: layer and kernel, class, question. */
void cfp_words_caption(cfp_words *out, const cfp_explanation *explanation, const cfp_tube *tube);

/* Puts the statements on lines of at most `width` in the current font of cr, with `between` between
 * two of one line.  A statement that is too long is broken at its spaces.  Only a word that is too
 * long alone stays too long. */
void cfp_words_break(cfp_lines *out, cairo_t *cr, double width, const cfp_words *words,
                     const char *between);
