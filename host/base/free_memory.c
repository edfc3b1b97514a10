/* free_memory.c - how much memory could still be had; see base.h. */
#include "base.h"
#include <stdio.h>

/* Reads a number of bytes from a file that holds one number, or lines of "Name:  number kB".
 * SIZE_MAX if there is none (control groups write "max"). */
static size_t bytes_in_file(const char *path, const char *format, size_t unit)
{
    size_t value = SIZE_MAX;
    char line[256];
    unsigned long long number;
    FILE *file = fopen(path, "r");
    while (file != NULL && value == SIZE_MAX && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, format, &number) == 1)
            value = (size_t)number * unit;
    if (file != NULL)
        fclose(file);
    return value;
}

size_t cfp_free_memory(void)
{
    const size_t machine = bytes_in_file("/proc/meminfo", "MemAvailable: %llu kB", 1024);
    const size_t limit = bytes_in_file("/sys/fs/cgroup/memory.max", "%llu", 1);
    const size_t used = bytes_in_file("/sys/fs/cgroup/memory.current", "%llu", 1);
    size_t min = machine < SIZE_MAX / 4 ? machine : SIZE_MAX / 4; /* unknown: no limit */
    if (limit == SIZE_MAX || used == SIZE_MAX)
        return min;
    const size_t group = limit > used ? limit - used : 0;
    return group < min ? group : min;
}
