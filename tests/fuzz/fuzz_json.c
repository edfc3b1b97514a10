/* fuzz_json.c - fuzzes JSON in both directions.  Any text must be written as valid JSON that is
 * safe to show, and read back unchanged.  Any bytes may be read as the run.json of a folder. */
#include "../../host/base/json.h"
#include "../../host/base/text_shown.h"
#include "../../host/files/run_list.h"
#include "fuzz.h"
#include <fcntl.h>

int fuzz_good;
static int folder = -1;

static void put(const char *bytes, size_t size)
{
    fuzz_put_file("run.json", (const uint8_t *)bytes, size);
    if (folder < 0)
        folder = open(fuzz_folder, O_RDONLY | O_DIRECTORY);
}

static void read_back(cfp_run_list *list)
{
    cfp_ctx ctx = {0};
    MUST(cfp_run_list_read(list, &ctx, folder, "run.json") == CFP_OK);
    MUST(list->there);
    for (int i = 0; i < list->n; i++) {
        const char *const name = list->name[i];
        MUST(!cfp_run_list_is_ours(name) || (name[0] != '/' && strstr(name, "..") != name));
        MUST(cfp_run_list_has(list, name));
    }
}

/* {"files": [text]} */
static void emit(const char *text)
{
    cfp_run_list list;
    cfp_json json;
    bool good = true;
    cfp_json_to_memory(&json, NULL, 1);
    json.in_html = strlen(text) % 2 == 1;
    cfp_json_object(&json);
    cfp_json_key(&json, "files");
    cfp_json_array(&json);
    cfp_json_string(&json, text);
    cfp_json_array_end(&json);
    cfp_json_object_end(&json);
    MUST(cfp_json_close(&json) == CFP_OK);
    for (const char *c = json.text; *c != '\0';) {
        const int n = cfp_shown_length(c);
        MUST(n > 0 || *c == '\n');
        c += n > 0 ? n : 1;
    }
    for (const char *c = text; *c != '\0' && good; c++) {
        const int n = cfp_utf8_length(c);
        good = n > 0;
        c += n - 1;
    }
    put(json.text, json.length);
    read_back(&list);
    MUST(!list.broken && list.n == 1 && (!good || strcmp(list.name[0], text) == 0));
    cfp_run_list_free(&list);
    cfp_json_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cfp_run_list list;
    char *text = fuzz_text(data, size), shown[64];
    put(text, size);
    read_back(&list);
    fuzz_good += list.n > 1;
    cfp_run_list_free(&list);
    emit(text);
    cfp_shown_text(shown, sizeof shown, text);
    for (const char *c = shown; *c != '\0'; c += cfp_shown_length(c))
        MUST(cfp_shown_length(c) > 0);
    free(text);
    return 0;
}
