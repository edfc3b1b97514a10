/* text.c - see text.h. */
#include "text.h"
#include "../base/text_shown.h"

int cfp_text_width(const char *text)
{
    int width = 0;
    while (*text != '\0') {
        char escape[CFP_ESCAPE_ROOM];
        const int n = cfp_shown_length(text);
        width += n > 0 ? 1 : cfp_shown_escape(escape, text, -n);
        text += n > 0 ? n : -n;
    }
    return width;
}

void cfp_print_text(FILE *file, const char *text, int width)
{
    const int used = width > 0 ? cfp_text_width(text) : 0;
    while (*text != '\0') {
        char escape[CFP_ESCAPE_ROOM];
        const int n = cfp_shown_length(text);
        if (n > 0)
            fwrite(text, 1, (size_t)n, file);
        else
            fwrite(escape, 1, (size_t)cfp_shown_escape(escape, text, -n), file);
        text += n > 0 ? n : -n;
    }
    fprintf(file, "%*s", used < width ? width - used : 0, "");
}
