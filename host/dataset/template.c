/* template.c - see template.h. */
#include "template.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    int change;
} changes[] = {{"first", CFP_FIRST_WORD}, {"folder", CFP_FOLDER_NAME}, {"under", CFP_UNDERSCORES}};

static int find_value(const cfp_values *names, const char *name, size_t length)
{
    for (int i = 0; i < names->n; i++)
        if (strlen(names->name[i]) == length && memcmp(names->name[i], name, length) == 0)
            return i;
    return -1;
}

/* Reads what stands behind the ':' of "{name:how}". */
static bool read_change(cfp_template *t, const char *how, size_t length)
{
    if (length == 2 && how[0] == '0' && how[1] >= '1' && how[1] <= '9') {
        t->piece[t->n].digits = how[1] - '0';
        return true;
    }
    if (length == 3 && how[0] == '0' && isdigit((unsigned char)how[1]) &&
        isdigit((unsigned char)how[2])) {
        t->piece[t->n].digits = 10 * (how[1] - '0') + how[2] - '0';
        return t->piece[t->n].digits > 0 && t->piece[t->n].digits <= 20;
    }
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (strlen(changes[i].word) == length && memcmp(changes[i].word, how, length) == 0) {
            t->piece[t->n].change = changes[i].change;
            return true;
        }
    return false;
}

/* Reads "{name}" or "{name:how}" without its braces. */
static const char *read_value(cfp_template *t, const char *inside, size_t length,
                              const cfp_values *names, char wrong[128])
{
    const char *colon = memchr(inside, ':', length);
    const size_t name_length = colon == NULL ? length : (size_t)(colon - inside);
    t->piece[t->n].value = find_value(names, inside, name_length);
    if (t->piece[t->n].value < 0) {
        snprintf(wrong, 128, "no column or part is called '%.*s'", (int)(name_length % 64), inside);
        return wrong;
    }
    if (colon != NULL && !read_change(t, colon + 1, length - name_length - 1)) {
        snprintf(wrong, 128, "'%.*s' is none of 06, first, folder, under",
                 (int)((length - name_length - 1) % 64), colon + 1);
        return wrong;
    }
    t->n++;
    return NULL;
}

const char *cfp_template_read(cfp_template *out, cfp_keep *keep, cfp_ctx *ctx, const char *text,
                              const cfp_values *names, char wrong[128])
{
    *out = (cfp_template){0};
    while (*text != '\0') {
        if (out->n == CFP_TEMPLATE_PIECES)
            return "too many parts in one text";
        if (*text == '{') {
            const size_t length = strcspn(text, "}");
            if (text[length] == '\0')
                return "a { without its }";
            const char *problem = read_value(out, text + 1, length - 1, names, wrong);
            if (problem != NULL)
                return problem;
            text += length + 1;
            continue;
        }
        const size_t length = strcspn(text, "{");
        out->piece[out->n].text = cfp_keep_text(keep, ctx, text, length);
        if (out->piece[out->n++].text == NULL)
            return cfp_keep_failed;
        text += length;
    }
    return NULL;
}

/* "417" or "417.5" as 417 with zeros in front.  Returns its length; -1: it is no number. */
static int put_number(char *out, size_t room, const char *value, int digits)
{
    const size_t whole = strspn(value, "0123456789");
    const char *rest = value + whole;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (whole == 0 || whole > 18 || *rest != '\0')
        return -1;
    return snprintf(out, room, "%0*lld", digits, strtoll(value, NULL, 10));
}

static int put_value(char *out, size_t room, const cfp_template *t, int piece, const char *value)
{
    if (t->piece[piece].digits > 0)
        return put_number(out, room, value, t->piece[piece].digits);
    size_t length = strlen(value);
    if (t->piece[piece].change == CFP_FIRST_WORD)
        length = strcspn(value, " \t");
    if (length >= room)
        return -1;
    for (size_t i = 0; i < length; i++) {
        const bool replaced = (t->piece[piece].change == CFP_FOLDER_NAME && value[i] == '/') ||
                              (t->piece[piece].change == CFP_UNDERSCORES && value[i] == ' ');
        out[i] = replaced ? '_' : value[i];
    }
    return (int)length;
}

bool cfp_template_fill(char out[CFP_TEMPLATE_ROOM], const cfp_template *template,
                       const cfp_values *values)
{
    size_t at = 0;
    for (int i = 0; i < template->n; i++) {
        const size_t room = CFP_TEMPLATE_ROOM - at;
        int length;
        if (template->piece[i].text != NULL) {
            length = snprintf(out + at, room, "%s", template->piece[i].text);
        } else {
            const char *value = values->value[template->piece[i].value];
            if (value == NULL || *value == '\0')
                return false;
            length = put_value(out + at, room, template, i, value);
        }
        if (length < 0 || (size_t)length >= room)
            return false;
        at += (size_t)length;
    }
    out[at] = '\0';
    return template->n > 0;
}
