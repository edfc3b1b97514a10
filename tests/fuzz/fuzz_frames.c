/* fuzz_frames.c - fuzzes the order of frames in a folder.  Each line is a file name.  None may be
 * lost, and the order must not depend on the order in which the folder lists them. */
#include "../../host/clip/numbered.h"
#include "fuzz.h"

enum { MOST_NAMES = 64 };

static cfp_status sort(cfp_numbered_list *list, char *const *name, int n, bool backwards,
                       bool suffix)
{
    cfp_ctx ctx = {0};
    int count = 0;
    *list = (cfp_numbered_list){0};
    for (int i = 0; i < n; i++) {
        bool added;
        MUST(cfp_numbered_add(list, &ctx, name[backwards ? n - 1 - i : i], suffix, &added) ==
             CFP_OK);
        count += added;
    }
    MUST(list->count == count);
    const cfp_status status = cfp_numbered_sort(list, &ctx, "folder");
    MUST(status == CFP_OK || ctx.message[0] != '\0');
    MUST(list->count == count);
    return status;
}

int fuzz_good;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *line[MOST_NAMES];
    const int n = fuzz_lines(text, line, MOST_NAMES);
    const bool suffix = size % 2 == 0;
    cfp_numbered_list one, other;
    const cfp_status status = sort(&one, line, n, false, suffix);
    MUST(status == sort(&other, line, n, true, suffix));
    fuzz_good += status == CFP_OK && one.count > 1;
    for (int i = 0; status == CFP_OK && i < one.count; i++)
        MUST(strcmp(one.item[i].name, other.item[i].name) == 0);
    cfp_numbered_free(&one);
    cfp_numbered_free(&other);
    free(text);
    return 0;
}
