/* fuzz_classes.c - fuzzes --class.  The first line is what was typed, the others are the classes of
 * a model.  It must name one of them, or be refused in one line. */
#include "../../host/model/model.h"
#include "fuzz.h"

enum { MOST_CLASSES = 64 };

int fuzz_good;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *line[MOST_CLASSES + 1];
    const int n = fuzz_lines(text, line, MOST_CLASSES + 1) - 1;
    char name[] = "model", path[] = "model.h5";
    const cfp_model model = {.path = path, .name = name, .class_name = line + 1, .n_classes = n};
    cfp_ctx ctx = {0};
    int found = -1;
    if (n > 0 && cfp_model_class(&found, &ctx, &model, line[0]) == CFP_OK)
        MUST(found >= 0 && found < n);
    else
        MUST(n < 1 || ctx.message[0] != '\0');
    for (int i = 0; i < n; i++) { /* every name finds its class, where no other has it */
        int namesakes = 0;
        for (int k = 0; k < n; k++)
            namesakes += strcmp(line[1 + i], line[1 + k]) == 0;
        if (namesakes == 1)
            MUST(cfp_model_class(&found, &ctx, &model, line[1 + i]) == CFP_OK && found == i);
        fuzz_good += namesakes == 1;
    }
    free(text);
    return 0;
}
