/* elements.h - turns the numbers of an array, of any usual type, into floats; private to
 * host/clip/.
 */
#pragma once
#include "../base/base.h"

typedef struct cfp_element_type {
    char kind; /* 'u' or 'i': whole numbers, without or with a sign; 'f': real ones */
    int bytes; /* 1, 2, 4 or 8; of 'f': 2, 4 or 8 */
    bool big_endian;
} cfp_element_type;

/* Reads a type as NumPy writes it, such as "<f4", "|u1" or "|b1" (which counts as bytes).  False:
 * it is none that is known. */
bool cfp_element_parse(cfp_element_type *out, const char *descr);
/* out[i] = element i of `from`, the elements `step` bytes apart. */
void cfp_element_floats(float *out, const uint8_t *from, size_t step, size_t n,
                        cfp_element_type type);
