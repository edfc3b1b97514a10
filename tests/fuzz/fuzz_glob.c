/* fuzz_glob.c - fuzzes --layers.  The first line is a pattern, the others are names of layers.
 * Matching must always end, and "*" must match every name. */
#include "../../host/method/rules.h"
#include "fuzz.h"

enum { MOST_NAMES = 16, MOST_BYTES = 4096 };

int fuzz_good;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size < MOST_BYTES ? size : MOST_BYTES), *line[MOST_NAMES + 1];
    const int n = fuzz_lines(text, line, MOST_NAMES + 1) - 1;
    cfp_node node[MOST_NAMES] = {{0}};
    cfp_query query = cfp_query_default(), all = query;
    query.layers = line[0];
    all.layers = "*";
    for (int i = 0; i < n; i++) {
        node[i] = (cfp_node){.name = line[i + 1], .op = CFP_OP_CONV3D};
        if (strlen(line[i + 1]) > 255)
            line[i + 1][255] = '\0';
    }
    const cfp_model model = {.node = node, .n_nodes = n};
    for (int i = 0; i < n; i++) {
        const bool wanted = cfp_tube_wanted(&model, &query, i);
        fuzz_good += wanted;
        MUST(!wanted || cfp_tube_wanted(&model, &all, i));
        if (strpbrk(line[0], "*?[\\") == NULL)
            MUST(wanted == (strcmp(line[0], line[i + 1]) == 0));
    }
    free(text);
    return 0;
}
