/* manual.c - cfp-manual FOLDER: writes man1/, and the completions for bash, zsh and fish.
 *
 * The build runs this program; it is not installed.  See manual.h. */
#include "manual.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static FILE *begin(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

static void finish(FILE *file)
{
    if (ferror(file) || fclose(file) != 0) {
        perror("cfp-manual");
        exit(1);
    }
}

static void write_pages(const char *folder)
{
    char name[128];
    FILE *file = begin(folder, "man1/cfp-gpu.1");
    manual_page(file);
    finish(file);
    for (int i = 0; i < cfp_n_commands; i++) {
        snprintf(name, sizeof name, "man1/cfp-gpu-%s.1", cfp_commands[i].name);
        file = begin(folder, name);
        manual_page_of(file, &cfp_commands[i]);
        finish(file);
    }
}

static void write_completion(const char *folder, const char *name, void (*write)(FILE *))
{
    FILE *file = begin(folder, name);
    write(file);
    finish(file);
}

int main(int argc, char **argv)
{
    char pages[4096];
    if (argc != 2) {
        fprintf(stderr, "usage: cfp-manual FOLDER\n");
        return 2;
    }
    snprintf(pages, sizeof pages, "%s/man1", argv[1]);
    mkdir(argv[1], 0777);
    mkdir(pages, 0777); /* if it cannot be made, fopen fails and tells */
    write_pages(argv[1]);
    write_completion(argv[1], "cfp-gpu.bash", manual_bash);
    write_completion(argv[1], "_cfp-gpu", manual_zsh);
    write_completion(argv[1], "cfp-gpu.fish", manual_fish);
    return 0;
}
