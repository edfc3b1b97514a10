/* sim_module.h - the simulator's module in a test: opening its device, and variables inside it. */
#pragma once
#include "../../host/backend/backend.h"
#include "../test.h"
#include <dlfcn.h>

static const char *modules; /* the directory of cfp_cudasim.so, absolute; set by main */

/* A variable of the module, which must be loaded.  NULL, and the test fails, if it has none. */
static int *counter(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/cfp_cudasim.so", modules);
    void *module = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    int *count = module != NULL ? dlsym(module, name) : NULL;
    CHECK(count != NULL);
    if (module != NULL)
        dlclose(module);
    return count;
}
