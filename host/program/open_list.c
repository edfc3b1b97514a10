/* open_list.c - see open_list.h.  The kinds of lists lie in datasets/kinds: beside a program that
 * was just built, in share/cfp-gpu where it is installed. */
#include "open_list.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FOLDERS = 3, ROOM = PATH_MAX + 64 };

/* The folder of the program's file, without a slash at its end. */
static bool program_folder(char out[PATH_MAX])
{
    const ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (length < 1)
        return false;
    out[length] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

cfp_status cfp_session_open_list(cfp_dataset *out, cfp_session *session, const char *path)
{
    const cfp_config *config = &session->config;
    char program[PATH_MAX], beside[ROOM], shared[ROOM];
    const char *folder[FOLDERS];
    int n = 0;
    if (program_folder(program)) {
        snprintf(beside, sizeof beside, "%s/datasets/kinds", program);
        snprintf(shared, sizeof shared, "%s/../share/cfp-gpu/datasets/kinds", program);
        folder[n++] = beside;
        folder[n++] = shared;
    }
    folder[n++] = CFP_KINDS_DIR;
    const cfp_dataset_options options = {.kind = config->kind,
                                         .root = config->roots.text,
                                         .n_roots = config->roots.n,
                                         .subset = config->subset,
                                         .kind_folder = folder,
                                         .n_kind_folders = n};
    return cfp_dataset_open(out, &session->ctx, path, &options);
}
