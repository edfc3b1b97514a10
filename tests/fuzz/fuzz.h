/* fuzz.h - what every fuzz harness uses.
 *
 * A harness passes bytes to one parser of the program and checks what must hold for any bytes.
 * Built by clang with libFuzzer, it searches for bytes that break the parser (tools/test --full).
 * Built with replay.c, it runs its seeds and some changes of them (every tools/test). */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How often the parser accepted the bytes.  Seeds that it never accepts would test nothing. */
extern int fuzz_good;

/* Ends the process if the condition does not hold, in every build. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy of the bytes with a 0 after them.  The caller frees it. */
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

/* Splits a text into at most `most` lines, each ended by 0.  Returns their number. */
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

/* A folder for this process, in memory if possible, and a file in it.  Both are removed at the end.
 * Not every harness needs them. */
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
