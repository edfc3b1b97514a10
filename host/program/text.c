/* text.c - see text.h. */
#include "text.h"
#include <stdbool.h>

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

int cfp_text_width(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        if (is_control(*text))
            width += 4;
        else if (((unsigned char)*text & 0xc0) != 0x80) /* not inside a UTF-8 sequence */
            width++;
    return width;
}

void cfp_print_text(FILE *file, const char *text, int width)
{
    const int used = cfp_text_width(text);
    for (; *text != '\0'; text++)
        if (is_control(*text))
            fprintf(file, "\\x%02x", (unsigned)*text);
        else
            fputc(*text, file);
    fprintf(file, "%*s", used < width ? width - used : 0, "");
}
