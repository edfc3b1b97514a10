/* fuzz_list.c - fuzzes the lists of data sets.  The first byte chooses the separator and the kind,
 * the others are the list.  Any bytes must give lines of fields, or be refused in one line. */
#include "../../host/dataset/kind.h"
#include "fuzz.h"

enum { FORMS = 2 };

int fuzz_good;

/* One kind of words and one of a table, which use all that a description can say. */
static const char *const description[FORMS] = {
    "separator = blank\nheader = no\n"
    "column = clip : -F[0-9]+-F[0-9]+$\ncolumn = number optional : ^[0-9]+$\ncolumn = rest "
    "optional rest\n"
    "part = clip session first last : ^(.*)-F([0-9]+)-F([0-9]+)$\n"
    "id = {clip}\nclip = {session:folder}/{first:06}_{last:012}\nvideo = {session:under}\n"
    "frames = {first} {last}\nlabel = class\nnumber = {number}\nfirst-number = 1\nlabel = "
    "noun\nname = {rest:first}\n",
    "separator = comma-or-blank\nheader = maybe\nwords = 2\ncomments = yes\n"
    "column = clip|path\ncolumn = label optional\ncolumn = start optional\ncolumn = stop optional\n"
    "id = {clip}#{start}-{stop}\nid = {clip}\nvideo = {clip}\nframes = {start} {stop}\nsubset = "
    "{list}\n"
    "label = class\nname-or-number = {label}\n",
};
static cfp_kind kind[FORMS];

static void read_kinds(void)
{
    cfp_ctx ctx = {0};
    for (int i = 0; i < FORMS && kind[i].name == NULL; i++) {
        fuzz_put_file("x.kind", (const uint8_t *)description[i], strlen(description[i]));
        MUST(cfp_kind_read(&kind[i], &ctx, fuzz_file) == CFP_OK);
    }
}

/* Fields are texts within the line; lines have ascending numbers; the end is reached. */
static void read_fields(cfp_list_file *file, cfp_ctx *ctx)
{
    cfp_list_line line;
    int64_t last = 0;
    size_t bytes = 0;
    for (;;) {
        if (cfp_list_file_next(&line, file, ctx) != CFP_OK) {
            MUST(ctx->message[0] != '\0');
            return;
        }
        if (line.n == 0)
            break;
        MUST(line.number > last && line.n <= CFP_LIST_FIELDS);
        last = line.number;
        for (int f = 0; f < line.n; f++)
            bytes += strlen(line.field[f]);
    }
    MUST(bytes <= file->bytes);
    fuzz_good += last > 0;
}

static void read_lines(const cfp_kind *of, cfp_list_file *file, cfp_ctx *ctx)
{
    char why[256], room[CFP_TEMPLATE_ROOM], text[CFP_TEMPLATE_ROOM];
    cfp_kind_fit fit;
    static cfp_kind_line values;
    cfp_list_line line;
    if (cfp_kind_begin(&fit, of, file, ctx, why) != NULL)
        return;
    cfp_kind_start(&values, of, "folder/list_test_split1.txt", room);
    while (cfp_list_file_next(&line, file, ctx) == CFP_OK && line.n > 0) {
        if (cfp_kind_take(&values, of, &fit, &line, why) != NULL) {
            MUST(memchr(why, '\0', sizeof why) != NULL);
            continue;
        }
        const cfp_values of_line = {of->n_values, of->value_name, values.value};
        for (int i = 0; i < of->n_places; i++)
            if (cfp_template_fill(text, &of->place[i].at, &of_line))
                MUST(strlen(text) < sizeof text);
        MUST(of->column[0].optional || values.value[0][0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char separators[] = {',', ' ', '\t', ','};
    cfp_ctx ctx = {0};
    cfp_list_file file;
    if (size < 1)
        return 0;
    read_kinds();
    if (cfp_list_file_take(&file, &ctx, "list", data + 1, size - 1) == CFP_OK) {
        file.separator = separators[data[0] & 3];
        file.comments = (data[0] & 4) != 0;
        file.most = (data[0] >> 3) & 3;
        read_fields(&file, &ctx);
        MUST(strchr(",\t ", cfp_list_file_separator(&file)) != NULL);
        read_lines(&kind[(data[0] >> 5) & 1], &file, &ctx);
    } else {
        MUST(ctx.message[0] != '\0');
    }
    cfp_list_file_close(&file);
    return 0;
}
