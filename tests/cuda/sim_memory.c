/* sim_memory.c - see sim_memory.h. */
#include "sim_memory.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
enum { APART = 0 };
#else
enum { APART = 1 };
#endif
enum { ALIGNMENT = 256, PAGE = 4096 };
enum { EVERY = 8 }; /* time that it may, it is shut: then every page faults once more */

/* Pieces that are taken, by address; between two of them there is a gap that belongs to nobody. */
typedef struct piece {
    struct piece *next;
    char *memory;
    size_t bytes;
} piece;
static piece *pieces;
static char *first_byte; /* of the device's memory, if it is a separate range */

void sim_give_up(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    fprintf(stderr, "cudasim: ");
    vfprintf(stderr, format, words);
    fprintf(stderr, "\n");
    va_end(words);
    abort();
}

char *sim_device_first(void)
{
    if (APART && first_byte == NULL) {
        void *const all = mmap(NULL, SIM_DEVICE_BYTES, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (all == MAP_FAILED)
            sim_give_up("no addresses for the device's memory");
        first_byte = all;
    }
    return first_byte;
}

static size_t used; /* the end of the highest piece so far, in whole pages */
static bool is_open;

static void protect(int how)
{
    if (APART && used > 0 && mprotect(first_byte, used, how) != 0)
        sim_give_up("mprotect failed");
}

void sim_device_opens(void)
{
    if (!is_open)
        protect(PROT_READ | PROT_WRITE);
    is_open = true;
}

void sim_device_shuts(void)
{
    static unsigned asked;
    if (!is_open || asked++ % EVERY != 0)
        return;
    protect(PROT_NONE);
    is_open = false;
}

/* Raises `used` to the end of a piece. */
static void reach(const char *end)
{
    const size_t bytes = APART ? ((size_t)(end - first_byte) + PAGE - 1) / PAGE * PAGE : 0;
    if (bytes <= used)
        return;
    used = bytes;
    if (is_open)
        protect(PROT_READ | PROT_WRITE);
}

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The first gap that is large enough.  *at: its place in the list. */
static char *find_gap(piece ***at, size_t bytes)
{
    char *free_from = sim_device_first();
    for (*at = &pieces; **at != NULL; *at = &(**at)->next) {
        if ((size_t)((**at)->memory - free_from) >= rounded(bytes) + ALIGNMENT)
            return free_from;
        free_from = (**at)->memory + rounded((**at)->bytes) + ALIGNMENT;
    }
    const size_t left = SIM_DEVICE_BYTES - (size_t)(free_from - first_byte);
    return left >= rounded(bytes) + ALIGNMENT ? free_from : NULL;
}

void *sim_device_alloc(size_t bytes)
{
    piece **at = &pieces;
    piece *const taken = malloc(sizeof *taken);
    char *const memory = APART ? find_gap(&at, bytes) : aligned_alloc(ALIGNMENT, rounded(bytes));
    if (taken == NULL || memory == NULL) {
        free(taken);
        return NULL;
    }
    *taken = (piece){*at, memory, bytes};
    *at = taken;
    reach(memory + bytes);
    sim_device_opens();
    memset(memory, 0xff, bytes);
    return memory;
}

void sim_device_free(void *memory)
{
    if (memory == NULL)
        return;
    piece **at = &pieces;
    while (*at != NULL && (*at)->memory != memory)
        at = &(*at)->next;
    piece *const p = *at;
    if (p == NULL)
        sim_give_up("%p is given back, but is no device memory that was taken", memory);
    *at = p->next;
    if (!APART)
        free(memory);
    free(p);
}

bool sim_is_device(const void *memory, size_t bytes)
{
    const char *const from = memory;
    for (const piece *p = pieces; p != NULL; p = p->next)
        if (from >= p->memory && from < p->memory + p->bytes)
            return bytes <= (size_t)(p->memory + p->bytes - from);
    return false;
}

void sim_want_device(const void *memory, size_t bytes, const char *who)
{
    if (bytes > 0 && !sim_is_device(memory, bytes))
        sim_give_up("%s: %p, %zu bytes, is no device memory", who, memory, bytes);
}
