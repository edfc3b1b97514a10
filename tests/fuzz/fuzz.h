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
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How often the bytes were what the parser takes: seeds that never are would test nothing. */
extern int fuzz_good;

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

/* A folder of this process, in memory where there is one, and a file in it; gone at the end.  Not
 * every harness needs it. */
static char fuzz_folder[64], fuzz_file[96];

static void fuzz_clean_up(void)
{
    unlink(fuzz_file);
    rmdir(fuzz_folder);
}

__attribute__((unused)) static void fuzz_put_file(const char *name, const uint8_t *data,
                                                  size_t size)
{
    if (fuzz_folder[0] == '\0') {
        snprintf(fuzz_folder, sizeof fuzz_folder, "%s/fuzz-%d",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
        snprintf(fuzz_file, sizeof fuzz_file, "%s/%s", fuzz_folder, name);
        MUST(mkdir(fuzz_folder, 0700) == 0);
        atexit(fuzz_clean_up);
    }
    FILE *file = fopen(fuzz_file, "wb");
    MUST(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}
