/* fuzz_model.c - a model file, out of memory: read, or refused by one line that names the file.
 *
 * HDF5 itself is read through the same door as in the program. */
#include "../../host/model/model.h"
#include "fuzz.h"
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[64];
    cfp_ctx ctx = {0};
    cfp_model model;
    if (fd < 0)
        fd = memfd_create("model", 0);
    MUST(fd >= 0 && ftruncate(fd, 0) == 0);
    MUST(size == 0 || pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (cfp_model_open(&model, &ctx, path) == CFP_OK) {
        MUST(model.n_classes >= 1 && model.n_nodes >= 2);
        for (int i = 0; i < model.n_nodes; i++)
            for (int k = 0; k < model.node[i].n_inputs; k++)
                MUST(model.node[i].input[k] < i); /* in the order of the data flow */
        cfp_model_free(&model);
    } else {
        MUST(ctx.message[0] != '\0');
    }
    return 0;
}
