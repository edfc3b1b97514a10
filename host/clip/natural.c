/* natural.c - see natural.h. */
#include "natural.h"
#include <stdlib.h>
#include <string.h>

enum { GROUP = 3 }; /* digits between two separators of thousands */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_letter(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (unsigned char)c >= 0x80;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* --- tokens --- */

/* Length in bytes of a sign: '-', '+' or U+2212 (the minus sign of Unicode); 0: there is none. */
static int sign_length(const char *at, const char *end)
{
    if (at < end && (*at == '-' || *at == '+'))
        return 1;
    return end - at >= 3 && memcmp(at, "\xe2\x88\x92", 3) == 0 ? 3 : 0;
}

/* True where a number begins: at a digit, or at a sign before a digit.  A hyphen is not a sign:
 * "2024-01-02", "clip-7". */
static bool number_begins(const char *at, cfp_stem stem, const cfp_reading *reading)
{
    if (is_digit(*at))
        return true;
    const int sign = reading->signs ? sign_length(at, stem.end) : 0;
    if (sign == 0 || at + sign >= stem.end || !is_digit(at[sign]))
        return false;
    if (at == stem.begin)
        return true;
    return !is_digit(at[-1]) && (!is_letter(at[-1]) || reading->letter_signs);
}

/* The end of the groups of thousands that follow the digits [begin, end), as in "1,000,000"; `end`
 * if there are none. */
static const char *skip_groups(const char *begin, const char *end, const char *stop,
                               const char *separator)
{
    const ptrdiff_t length = (ptrdiff_t)strlen(separator);
    if (length == 0 || end - begin > GROUP || *begin == '0')
        return end;
    const char *at = end;
    while (stop - at >= GROUP + length && memcmp(at, separator, (size_t)length) == 0) {
        const char *group = skip_digits(at + length, stop);
        if (group - at != GROUP + length)
            return end; /* "1,5" has no thousands */
        at = group;
    }
    return at;
}

static cfp_token read_number(const char **at, cfp_stem stem, const cfp_reading *reading)
{
    cfp_token token = {.kind = CFP_TOKEN_NUMBER, .negative = !is_digit(**at) && **at != '+'};
    if (!is_digit(**at))
        *at += sign_length(*at, stem.end);
    token.begin = *at;
    token.end = skip_digits(token.begin, stem.end);
    token.end = skip_groups(token.begin, token.end, stem.end, reading->thousands);
    *at = token.end;
    if (reading->point != 0 && stem.end - *at > 1 && **at == reading->point && is_digit((*at)[1])) {
        token.fraction = *at + 1;
        *at = token.end = skip_digits(token.fraction, stem.end);
    }
    return token;
}

cfp_token cfp_token_next(const char **at, cfp_stem stem, const cfp_reading *reading)
{
    if (*at >= stem.end)
        return (cfp_token){.kind = CFP_TOKEN_END, .begin = stem.end, .end = stem.end};
    if (number_begins(*at, stem, reading))
        return read_number(at, stem, reading);
    cfp_token token = {.kind = CFP_TOKEN_TEXT, .begin = *at};
    while (*at < stem.end && !number_begins(*at, stem, reading))
        ++*at;
    token.end = *at;
    return token;
}

/* --- comparing --- */

/* Gives the digits of the integer part one by one, without leading zeros and separators. */
static const char *next_digit(const char *at, const char *end)
{
    while (at < end && !is_digit(*at))
        at++;
    return at;
}

static const char *whole_end(const cfp_token *token)
{
    return token->fraction != NULL ? token->fraction - 1 : token->end;
}

static const char *first_digit(const cfp_token *token)
{
    const char *at = token->begin;
    while (at < whole_end(token) && !(is_digit(*at) && *at != '0'))
        at++;
    return at;
}

static int count_digits(const char *at, const char *end)
{
    int count = 0;
    for (; at < end; at++)
        count += is_digit(*at);
    return count;
}

static int compare_wholes(const cfp_token *a, const cfp_token *b)
{
    const char *x = first_digit(a), *y = first_digit(b);
    const char *const x_end = whole_end(a), *const y_end = whole_end(b);
    const int n = count_digits(x, x_end), m = count_digits(y, y_end);
    if (n != m)
        return n < m ? -1 : 1;
    for (int i = 0; i < n; i++) {
        x = next_digit(x, x_end);
        y = next_digit(y, y_end);
        if (*x != *y)
            return *x < *y ? -1 : 1;
        x++;
        y++;
    }
    return 0;
}

static int compare_fractions(const cfp_token *a, const cfp_token *b)
{
    const char *x = a->fraction != NULL ? a->fraction : a->end;
    const char *y = b->fraction != NULL ? b->fraction : b->end;
    while (x < a->end || y < b->end) { /* missing digits count as zeros */
        const char p = x < a->end ? *x++ : '0', q = y < b->end ? *y++ : '0';
        if (p != q)
            return p < q ? -1 : 1;
    }
    return 0;
}

static bool is_zero(const cfp_token *token)
{
    for (const char *at = token->begin; at < token->end; at++)
        if (is_digit(*at) && *at != '0')
            return false;
    return true;
}

int cfp_token_compare(const cfp_token *a, const cfp_token *b)
{
    const bool below = a->negative && !is_zero(a), other_below = b->negative && !is_zero(b);
    if (below != other_below)
        return below ? -1 : 1;
    const int wholes = compare_wholes(a, b);
    const int order = wholes != 0 ? wholes : compare_fractions(a, b);
    return below ? -order : order;
}

static int compare_texts(const cfp_token *a, const cfp_token *b)
{
    const char *x = a->begin, *y = b->begin;
    for (; x < a->end && y < b->end; x++, y++)
        if (lower(*x) != lower(*y))
            return (unsigned char)lower(*x) < (unsigned char)lower(*y) ? -1 : 1;
    return (x < a->end) - (y < b->end);
}

cfp_difference cfp_natural_compare(cfp_stem a, cfp_stem b, const cfp_reading *reading)
{
    cfp_difference d = {0};
    const char *x = a.begin, *y = b.begin;
    for (;; d.token++) {
        const cfp_token p = cfp_token_next(&x, a, reading), q = cfp_token_next(&y, b, reading);
        if (p.kind == CFP_TOKEN_NUMBER && q.kind == CFP_TOKEN_NUMBER) {
            d.order = cfp_token_compare(&p, &q);
            d.by_number = true;
        } else {
            d.order = compare_texts(&p, &q);
            d.by_number = false;
        }
        if (d.order != 0 || (p.kind == CFP_TOKEN_END && q.kind == CFP_TOKEN_END))
            return d;
    }
}

bool cfp_token_value(int64_t *out, const cfp_token *token)
{
    int64_t value = 0;
    if (token->fraction != NULL)
        return false;
    for (const char *at = token->begin; at < token->end; at++)
        if (is_digit(*at) && (__builtin_mul_overflow(value, 10, &value) ||
                              __builtin_add_overflow(value, *at - '0', &value)))
            return false;
    *out = token->negative ? -value : value;
    return true;
}

/* --- which reading fits --- */

static int compare_stems(const void *left, const void *right)
{
    const cfp_stem *a = left, *b = right;
    const size_t n = (size_t)(a->end - a->begin), m = (size_t)(b->end - b->begin);
    const int order = memcmp(a->begin, b->begin, n < m ? n : m);
    return order != 0 ? order : (n > m) - (n < m);
}

/* True if a name begins with these bytes and continues with a digit.  The names are sorted, so such
 * names are neighbours. */
static bool goes_on_with_digit(const cfp_stem *stem, int count, const char *begin, size_t length)
{
    int low = 0, high = count;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        const cfp_stem *s = &stem[middle];
        const size_t n = (size_t)(s->end - s->begin);
        const int order = memcmp(s->begin, begin, n < length ? n : length);
        if (order == 0 && n > length && is_digit(s->begin[length]))
            return true;
        if (order < 0 || (order == 0 && (n <= length || s->begin[length] < '0')))
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* True if hyphens after letters are minus signs: there is "t-1" and also "t0". */
static bool letters_take_signs(const cfp_stem *stem, int count)
{
    for (int i = 0; i < count; i++)
        for (const char *at = stem[i].begin + 1; at < stem[i].end - 1; at++)
            if (sign_length(at, stem[i].end) == 1 && is_digit(at[1]) && is_letter(at[-1]) &&
                goes_on_with_digit(stem, count, stem[i].begin, (size_t)(at - stem[i].begin)))
                return true;
    return false;
}

typedef struct separated { /* statistics of one separator between two digits */
    int fits;              /* names with proper groups of thousands: "1,000" */
    int misfits;           /* names with other digits around it: "1,5", "01,000" */
    bool round;            /* some group ends with a zero */
    const char *prefix;    /* the part before the number, of the first name that fits */
    size_t prefix_length;
} separated;

static bool stands_between_digits(const char *at, cfp_stem stem, const char *separator)
{
    const ptrdiff_t length = (ptrdiff_t)strlen(separator);
    return stem.end - at > length && memcmp(at, separator, (size_t)length) == 0 &&
           is_digit(at[-1]) && is_digit(at[length]);
}

/* Looks at the first place in a name where the separator is between digits. */
static void look_at_separator(separated *s, cfp_stem stem, const char *separator)
{
    const char *at = stem.begin + 1;
    while (at < stem.end - 1 && !stands_between_digits(at, stem, separator))
        at++;
    if (at >= stem.end - 1)
        return;
    const char *begin = at;
    while (begin > stem.begin && is_digit(begin[-1]))
        begin--;
    const char *const end = skip_groups(begin, at, stem.end, separator);
    if (end == at) {
        s->misfits++;
        return;
    }
    s->round |= end[-1] == '0';
    if (s->fits++ == 0) {
        s->prefix = stem.begin;
        s->prefix_length = (size_t)(begin - stem.begin);
    }
}

/* True if every name continues after the prefix with groups of thousands or with a number of at
 * most three digits, and some have the latter. */
static bool counts_up_to_thousands(const separated *s, const cfp_stem *stem, int count,
                                   const char *separator)
{
    int plain = 0;
    for (int i = 0; i < count; i++) {
        const size_t length = (size_t)(stem[i].end - stem[i].begin);
        if (length <= s->prefix_length || memcmp(stem[i].begin, s->prefix, s->prefix_length) != 0)
            return false;
        const char *begin = stem[i].begin + s->prefix_length;
        const char *end = skip_digits(begin, stem[i].end);
        if (end == begin || end - begin > GROUP)
            return false;
        plain += skip_groups(begin, end, stem[i].end, separator) == end;
    }
    return plain > 0;
}

/* The separators of thousands.  '_', ' ' and '.' often have other meanings, so they count only if
 * there are also numbers below 1000.  The others are nearly always separators: comma, apostrophe,
 * U+2019 (curved apostrophe), U+00A0, U+2009 and U+202F (no-break and thin spaces), U+066C
 * (Arabic).
 */
static const char *find_thousands(const cfp_stem *stem, int count)
{
    static const char *const candidates[] = {
        ",", "'", "\xe2\x80\x99", "\xc2\xa0", "\xe2\x80\x89", "\xe2\x80\xaf", "\xd9\xac", "_",
        " ", "."};
    enum { SURE = 7, ALL = sizeof candidates / sizeof candidates[0] };
    for (size_t k = 0; k < ALL; k++) {
        separated s = {0};
        for (int i = 0; i < count; i++)
            look_at_separator(&s, stem[i], candidates[k]);
        if (s.fits == 0 || s.misfits > 0)
            continue;
        if (k < SURE)
            return candidates[k];
        /* Decimals beside integers are not padded, so none of them ends with a zero. */
        if ((*candidates[k] != '.' || s.round) &&
            counts_up_to_thousands(&s, stem, count, candidates[k]))
            return candidates[k];
    }
    return "";
}

typedef struct decimals { /* statistics of the points between two digits */
    int count;
    bool chain;                /* "1.2.3": a date, a version */
    bool round;                /* some end with a zero ("1.10"): decimals without padding do not */
    bool same_wholes;          /* the number before the point is the same in all */
    int min, max;              /* fewest and most digits after the point */
    int64_t low, high;         /* least and greatest number after the point */
    const char *begin, *point; /* the integer part of the first */
} decimals;

static void look_at_point(decimals *d, cfp_stem stem, const char *at, char c)
{
    const char *begin = at, *const end = skip_digits(at + 1, stem.end);
    while (begin > stem.begin && is_digit(begin[-1]))
        begin--;
    d->chain |= (end < stem.end - 1 && *end == c && is_digit(end[1])) ||
                (begin - stem.begin > 1 && begin[-1] == c && is_digit(begin[-2]));
    const int width = (int)(end - at) - 1;
    const cfp_token token = {.begin = at + 1, .end = end};
    int64_t value = INT64_MAX;
    (void)cfp_token_value(&value, &token);
    if (d->count++ == 0)
        *d = (decimals){1, d->chain, false, true, width, width, value, value, begin, at};
    d->round |= width > 1 && end[-1] == '0';
    d->same_wholes = d->same_wholes && at - begin == d->point - d->begin &&
                     memcmp(begin, d->begin, (size_t)(at - begin)) == 0;
    d->min = cfp_min_int(d->min, width);
    d->max = cfp_max_int(d->max, width);
    d->low = value < d->low ? value : d->low;
    d->high = value > d->high ? value : d->high;
}

/* True for a counter after a fixed number: "shot1.0001", "shot1.0002". */
static bool counts(const decimals *d)
{
    return d->same_wholes && d->min == d->max && d->high - d->low < 2 * (int64_t)d->count;
}

static void find_decimals(cfp_reading *reading, const cfp_stem *stem, int count)
{
    static const char points[] = {'.', ','};
    for (size_t k = 0; k < sizeof points && !reading->has_points; k++) {
        decimals d = {0};
        for (int i = 0; i < count && points[k] != reading->thousands[0]; i++)
            for (const char *at = stem[i].begin + 1; at < stem[i].end - 1; at++)
                if (*at == points[k] && is_digit(at[-1]) && is_digit(at[1]))
                    look_at_point(&d, stem[i], at, points[k]);
        if (d.count == 0 || d.chain)
            continue;
        reading->has_points = true;
        reading->spare_point = points[k];
        if (!counts(&d) && !(d.round && d.min < d.max))
            reading->point = points[k];
    }
}

cfp_reading cfp_reading_choose(cfp_stem *stem, int count)
{
    cfp_reading reading = {.signs = true};
    if (count > 1)
        qsort(stem, (size_t)count, sizeof *stem, compare_stems);
    reading.letter_signs = letters_take_signs(stem, count);
    reading.thousands = find_thousands(stem, count);
    find_decimals(&reading, stem, count);
    return reading;
}
