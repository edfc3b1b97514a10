/* fuzz.h - what every fuzz harness is made of.
 *
 * A harness reads bytes as one of the program's parsers does, and checks what must hold whatever
 * they are.  Built by clang with libFuzzer it looks for bytes that break it (tools/test --full);
 * built with replay.c it runs over its seeds and some changes of them (every tools/test). */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold, in every build. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The bytes with a 0 behind them; the caller's to free. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Its lines, each ended by 0; at most `most`.  Returns how many. */
static inline int fuzz_lines(char *text, char **line, int most)
{
    int n = 0;
    for (char *at = text; n < most && at != NULL;) {
        char *end = strchr(at, '\n');
        if (end != NULL)
            *end++ = '\0';
        line[n++] = at;
        at = end;
    }
    return n;
}
