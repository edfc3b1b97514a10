/* replay.c - runs a fuzz harness without libFuzzer: on its seeds, and on changes of them that a
 * fixed random seed makes.
 *
 *     fuzz_NAME FOLDER CHANGES     every file of the folder, and CHANGES changes of each */
#include "fuzz.h"
#include <dirent.h>

enum { MOST_BYTES = 1 << 20 };

static uint64_t state = 0x9E3779B97F4A7C15u;

static size_t below(size_t n) /* xorshift64*: the same on every machine */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (size_t)((state * 0x2545F4914F6CDD1Du) >> 33) % n;
}

/* One to four changes: a bit, a byte, a piece taken out or doubled, the end cut off. */
static size_t change(uint8_t *data, size_t size)
{
    for (size_t times = 1 + below(4); times > 0 && size > 0; times--) {
        const size_t at = below(size), length = 1 + below(size - at < 16 ? size - at : 16);
        switch (below(5)) {
        case 0:
            data[at] ^= (uint8_t)(1u << below(8));
            break;
        case 1:
            data[at] = (uint8_t)below(256);
            break;
        case 2:
            memmove(data + at, data + at + length, size - at - length);
            size -= length;
            break;
        case 3:
            if (size + length <= MOST_BYTES) {
                memmove(data + at + length, data + at, size - at);
                size += length;
            }
            break;
        default:
            size = below(8) == 0 ? at : size;
        }
    }
    return size;
}

/* A block of exactly that size, so that a sanitizer sees who reads on behind it. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

int main(int argc, char **argv)
{
    static uint8_t seed[MOST_BYTES], changed[MOST_BYTES];
    int files = 0, good = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: %s FOLDER CHANGES\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    alarm(300); /* what does not end is ended */
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file == NULL)
            continue;
        const size_t size = fread(seed, 1, sizeof seed, file);
        fclose(file);
        files++;
        fuzz_good = 0;
        run(seed, size);
        good += fuzz_good > 0;
        for (int k = atoi(argv[2]); k > 0; k--) {
            memcpy(changed, seed, size);
            run(changed, change(changed, size));
        }
    }
    if (folder != NULL)
        closedir(folder);
    printf("%d seeds, %s changes of each\n", files, argv[2]);
    if (good == 0)
        fprintf(stderr, "%s: none of the seeds is what the parser takes\n", argv[0]);
    return good > 0 ? 0 : 1;
}
