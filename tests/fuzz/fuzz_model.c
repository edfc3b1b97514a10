/* fuzz_model.c - fuzzes model files.  Each must be read, or refused by one line that names the
 * file.
 *
 * HDF5 is read in a child process, as in the program. */
#include "../../host/model/model.h"
#include "fuzz.h"

int fuzz_good;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cfp_ctx ctx = {0};
    cfp_model model;
    fuzz_put_file("model.h5", data, size);
    if (cfp_model_open(&model, &ctx, fuzz_file) == CFP_OK) {
        fuzz_good++;
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
