/* fuzz_npy.c - fuzzes the dictionary at the head of an .npy file. */
#include "../../host/clip/npy_header.h"
#include "fuzz.h"

int fuzz_good;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cfp_npy_header header;
    char *text = fuzz_text(data, size);
    if (cfp_npy_parse(&header, text)) {
        fuzz_good++;
        MUST(header.rank >= 0 && header.rank <= CFP_NPY_MAX_DIMENSIONS + 1);
        MUST(memchr(header.descr, '\0', sizeof header.descr) != NULL);
        MUST(memchr(header.shape_text, '\0', sizeof header.shape_text) != NULL);
        for (int i = 0; i < header.rank && i < CFP_NPY_MAX_DIMENSIONS; i++)
            MUST(header.shape[i] >= 0);
    } else {
        MUST(header.wrong != NULL);
    }
    free(text);
    return 0;
}
