/* test_text.c - checks how names from files are shown on a terminal.  They must not move the
 * cursor, break the line, change the direction of writing or hide characters. */
#include "../host/program/text.h"
#include "../host/base/text_shown.h"
#include "test.h"
#include <stdlib.h>

/* The UTF-8 of a code point. */
static void encode(char text[5], uint32_t code)
{
    int n = 0;
    if (code < 0x80) {
        text[n++] = (char)code;
    } else if (code < 0x800) {
        text[n++] = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        text[n++] = (char)(0xe0 | code >> 12);
        text[n++] = (char)(0x80 | (code >> 6 & 0x3f));
    } else {
        text[n++] = (char)(0xf0 | code >> 18);
        text[n++] = (char)(0x80 | (code >> 12 & 0x3f));
        text[n++] = (char)(0x80 | (code >> 6 & 0x3f));
    }
    if (code >= 0x80)
        text[n++] = (char)(0x80 | (code & 0x3f));
    text[n] = '\0';
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

/* Unicode's categories Cc, Cf, Zl and Zp, as far as terminals obey or hide them. */
static void every_character_that_acts_is_escaped(void)
{
    static const uint32_t acts[][2] = {
        {0x01, 0x1f},       {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
        {0x180e, 0x180e},   {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x2064},
        {0x2066, 0x206f},   {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0001, 0xe0001},
        {0xe0020, 0xe007f},
    };
    for (size_t k = 0; k < sizeof acts / sizeof *acts; k++)
        for (uint32_t code = acts[k][0]; code <= acts[k][1]; code++) {
            char text[5], shown[32];
            encode(text, code);
            CHECK(cfp_shown_length(text) == -(int)strlen(text));
            cfp_shown_text(shown, sizeof shown, text);
            CHECK(is_ascii(shown) && shown[0] == '\\');
            CHECK_EQ(cfp_text_width(text), strlen(shown));
            CHECK_EQ(strtoul(shown + 2, NULL, 16), code);
        }
}

static void other_characters_stay(void)
{
    static const char *const shown[] = {"sauter \xc3\xa0 la perche", "\xe5\xa4\xaa\xe6\xa5\xb5",
                                        "\xd7\xa7\xd7\xa4\xd7\xa5", "\xf0\x9f\x98\x80", "a\\b ~"};
    for (size_t k = 0; k < sizeof shown / sizeof *shown; k++) {
        char text[64];
        cfp_shown_text(text, sizeof text, shown[k]);
        CHECK_STR(text, shown[k]);
    }
}

static void bytes_that_are_no_characters_are_escaped(void)
{
    static const char *const cases[][2] = {
        {"\xff", "\\xff"},
        {"\xc0\x80", "\\xc0\\x80"},
        {"\x9b"
         "31m",
         "\\x9b31m"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char text[64];
        cfp_shown_text(text, sizeof text, cases[k][0]);
        CHECK_STR(text, cases[k][1]);
    }
}

/* No escape and no character is cut in the middle. */
static void what_does_not_fit_is_cut_between_characters(void)
{
    char text[64];
    for (size_t room = 1; room < 24; room++) {
        cfp_shown_text(text, room,
                       "\xc3\xa9\x1b\xe2\x80\xae"
                       "ab");
        CHECK(strlen(text) < room);
        CHECK(strncmp(text, "\xc3\xa9\\x1b\\u202eab", strlen(text)) == 0);
        const size_t n = strlen(text);
        CHECK(n == 0 || n == 2 || n == 6 || n == 12 || n == 13 || n == 14);
    }
}

static void columns_count_what_is_shown(void)
{
    char text[64] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    cfp_print_text(file, "\xc3\xa9\x1b\n", 12);
    fputc('|', file);
    fclose(file);
    CHECK_STR(text, "\xc3\xa9\\x1b\\x0a   |");
}

/* Messages are one line that is safe to show, whatever a name holds. */
static void messages_are_one_line(void)
{
    cfp_ctx ctx = {0};
    (void)cfp_fail_option(&ctx, CFP_USAGE, "theta", ": %s", "a\nb");
    CHECK(ctx.blames_option && strcmp(ctx.message, "--theta: a\\x0ab") == 0);
    (void)cfp_fail(&ctx, CFP_IO, "%s: %s", "a\nb\xc2\x85\xe2\x80\xa8", "no");
    CHECK(!ctx.blames_option);
    CHECK_STR(ctx.message, "a\\x0ab\\u0085\\u2028: no");
}

int main(void)
{
    every_character_that_acts_is_escaped();
    other_characters_stay();
    bytes_that_are_no_characters_are_escaped();
    what_does_not_fit_is_cut_between_characters();
    columns_count_what_is_shown();
    messages_are_one_line();
    return test_result();
}
