/* numbered.c - see numbered.h. */
#include "numbered.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cfp_status grow(cfp_numbered_list *list, cfp_ctx *ctx)
{
    if (list->count < list->capacity)
        return CFP_OK;
    if (list->capacity > INT_MAX / 2)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "more than %d frames", list->capacity);
    CFP_TRY_ROOM(ctx, list->item, list->count, list->capacity);
    return CFP_OK;
}

static size_t stem_length(const char *name, bool has_suffix)
{
    const char *dot = has_suffix ? strrchr(name, '.') : NULL;
    return dot != NULL ? (size_t)(dot - name) : strlen(name);
}

cfp_status cfp_numbered_add(cfp_numbered_list *list, cfp_ctx *ctx, const char *name,
                            bool has_suffix, bool *added)
{
    const size_t length = stem_length(name, has_suffix);
    *added = false;
    if (strcspn(name, "0123456789") >= length || length > INT_MAX / 2)
        return CFP_OK;
    CFP_TRY(grow(list, ctx));
    cfp_numbered item = {.name = cfp_strdup(ctx, name)};
    if (item.name == NULL)
        return CFP_NOMEM;
    item.stem = (cfp_stem){item.name, item.name + length};
    list->item[list->count++] = item;
    *added = true;
    return CFP_OK;
}

void cfp_numbered_free(cfp_numbered_list *list)
{
    for (int i = 0; i < list->count; i++)
        cfp_free(list->item[i].name);
    cfp_free(list->item);
    cfp_free(list->reading);
    cfp_free(list->number);
    *list = (cfp_numbered_list){0};
}

/* --- orders --- */

static cfp_difference difference(const cfp_numbered *a, const cfp_numbered *b)
{
    return cfp_natural_compare(a->stem, b->stem, a->reading);
}

static int compare_items(const void *left, const void *right)
{
    const cfp_numbered *a = left, *b = right;
    const int order = difference(a, b).order;
    return order != 0 ? order : strcmp(a->name, b->name);
}

/* Number `which` of a name, from 0; -1: the last. */
static bool find_number(cfp_token *out, const cfp_numbered *item, int which)
{
    const char *at = item->stem.begin;
    bool found = false;
    for (int n = 0;;) {
        const cfp_token token = cfp_token_next(&at, item->stem, item->reading);
        if (token.kind == CFP_TOKEN_END)
            return found && which < 0;
        if (token.kind != CFP_TOKEN_NUMBER)
            continue;
        *out = token;
        found = true;
        if (n++ == which)
            return true;
    }
}

static int compare_numbers(const cfp_numbered *a, const cfp_numbered *b, int which)
{
    cfp_token x, y;
    if (!find_number(&x, a, which) || !find_number(&y, b, which))
        return 0;
    return cfp_token_compare(&x, &y);
}

static int compare_last_numbers(const void *left, const void *right)
{
    const cfp_numbered *a = left, *b = right;
    const int order = compare_numbers(a, b, -1);
    return order != 0 ? order : strcmp(a->name, b->name);
}

static cfp_status refuse_pair(const cfp_numbered *pair, cfp_ctx *ctx, const char *path)
{
    return cfp_fail(ctx, CFP_FORMAT,
                    "%s: '%s' and '%s' have the same frame number: one clip is one series", path,
                    pair[0].name, pair[1].name);
}

static void say_reading(const cfp_numbered *pair, cfp_ctx *ctx, const char *path, const char *taken,
                        const char *other)
{
    cfp_log(ctx, CFP_LOG_WARNING,
            "%s: the frame names can be read in two ways: '%s' is put before '%s' by %s; by %s it "
            "would come after it",
            path, pair[0].name, pair[1].name, taken, other);
}

/* --- other readings that the names allow --- */

/* Finds the first neighbours that another reading would swap, or NULL.  numbers_only: only where
 * that reading compares numbers. */
static const cfp_numbered *turned_by(const cfp_numbered_list *list, const cfp_reading *other,
                                     bool numbers_only)
{
    const cfp_numbered *first = NULL;
    for (int i = 1; i < list->count; i++) {
        const cfp_numbered *a = &list->item[i - 1], *b = &list->item[i];
        const cfp_difference d = cfp_natural_compare(a->stem, b->stem, other);
        if (numbers_only && !d.by_number)
            return NULL;
        if (d.order > 0 && first == NULL)
            first = a;
    }
    return first;
}

/* If all names have the same words with numbers between them: how many numbers; else 0. */
static int count_columns(const cfp_numbered_list *list)
{
    int columns = 0;
    for (int i = 0; i < list->count; i++) {
        const cfp_numbered *a = &list->item[0], *b = &list->item[i];
        const char *x = a->stem.begin, *y = b->stem.begin;
        for (columns = 0;;) {
            const cfp_token p = cfp_token_next(&x, a->stem, a->reading);
            const cfp_token q = cfp_token_next(&y, b->stem, b->reading);
            if (p.kind != q.kind || (p.kind == CFP_TOKEN_TEXT &&
                                     (p.end - p.begin != q.end - q.begin ||
                                      memcmp(p.begin, q.begin, (size_t)(p.end - p.begin)) != 0)))
                return 0;
            if (p.kind == CFP_TOKEN_END)
                break;
            columns += p.kind == CFP_TOKEN_NUMBER;
        }
    }
    return columns;
}

/* True if the last numbers of all names differ, so that they could be frame numbers. */
static bool last_numbers_differ(const cfp_numbered_list *list, cfp_ctx *ctx, cfp_status *status)
{
    cfp_numbered *copy = cfp_alloc(ctx, (size_t)list->count, sizeof *copy);
    if (copy == NULL) {
        *status = CFP_NOMEM;
        return false;
    }
    memcpy(copy, list->item, (size_t)list->count * sizeof *copy);
    qsort(copy, (size_t)list->count, sizeof *copy, compare_last_numbers);
    bool differ = true;
    for (int i = 1; i < list->count && differ; i++)
        differ = compare_numbers(&copy[i - 1], &copy[i], -1) != 0;
    cfp_free(copy);
    return differ;
}

static const cfp_numbered *turned_by_last_number(const cfp_numbered_list *list, cfp_ctx *ctx,
                                                 cfp_status *status)
{
    const cfp_numbered *first = NULL;
    for (int i = 1; i < list->count && first == NULL; i++)
        if (compare_numbers(&list->item[i - 1], &list->item[i], -1) > 0)
            first = &list->item[i - 1];
    if (first == NULL || count_columns(list) < 2 || !last_numbers_differ(list, ctx, status))
        return NULL;
    return first;
}

/* Logs one warning if another reading is equally good and gives another order. */
static cfp_status say_what_was_taken(const cfp_numbered_list *list, cfp_ctx *ctx, const char *path)
{
    const cfp_reading *taken = list->reading;
    cfp_reading other = *taken;
    const cfp_numbered *pair = NULL;
    cfp_status status = CFP_OK;
    if (taken->has_points) {
        other.point = taken->point != 0 ? 0 : taken->spare_point;
        if ((pair = turned_by(list, &other, false)) != NULL) {
            static const char *const words[] = {"two whole numbers with a point between them",
                                                "decimal numbers"};
            const bool decimals = taken->point != 0;
            say_reading(pair, ctx, path, words[decimals], words[!decimals]);
            return CFP_OK;
        }
    }
    other = *taken;
    other.signs = false;
    if ((pair = turned_by(list, &other, true)) != NULL) {
        say_reading(pair, ctx, path, "negative numbers", "numbers behind a hyphen");
        return CFP_OK;
    }
    other = *taken;
    other.thousands = "";
    if (taken->thousands[0] != '\0' && strchr("_ .", taken->thousands[0]) != NULL &&
        (pair = turned_by(list, &other, false)) != NULL) {
        say_reading(pair, ctx, path, "numbers with separated thousands", "several numbers");
        return CFP_OK;
    }
    if ((pair = turned_by_last_number(list, ctx, &status)) != NULL)
        say_reading(pair, ctx, path, "all numbers from left to right", "the last number alone");
    return status;
}

/* --- sorting --- */

/* True if some neighbours differ in a word before they differ in a number. */
static bool words_differ(const cfp_numbered_list *list)
{
    for (int i = 1; i < list->count; i++)
        if (!difference(&list->item[i - 1], &list->item[i]).by_number)
            return true;
    return false;
}

static cfp_status sort_by_last_number(cfp_numbered_list *list, cfp_ctx *ctx, const char *path)
{
    qsort(list->item, (size_t)list->count, sizeof *list->item, compare_last_numbers);
    for (int i = 1; i < list->count; i++)
        if (compare_numbers(&list->item[i - 1], &list->item[i], -1) == 0)
            return refuse_pair(&list->item[i - 1], ctx, path);
    const cfp_numbered *pair = turned_by(list, list->reading, false);
    if (pair != NULL)
        say_reading(pair, ctx, path, "the last number", "the whole name from left to right");
    return CFP_OK;
}

/* If all neighbours differ first in the same number of the name, and it is an integer, it becomes
 * the frame number. */
static cfp_status find_numbers(cfp_numbered_list *list, cfp_ctx *ctx, bool by_last)
{
    int column = -1;
    if (list->count == 1 && count_columns(list) != 1)
        return CFP_OK;
    for (int i = 1; i < list->count && !by_last; i++) {
        const cfp_numbered *a = &list->item[i - 1], *b = &list->item[i];
        int n = 0;
        while (compare_numbers(a, b, n) == 0)
            n++;
        if (i > 1 && n != column)
            return CFP_OK;
        column = n;
    }
    int64_t *number;
    CFP_TRY_ALLOC(ctx, number, list->count);
    for (int i = 0; i < list->count; i++) {
        cfp_token token;
        if (!find_number(&token, &list->item[i], column) || !cfp_token_value(&number[i], &token)) {
            cfp_free(number);
            return CFP_OK;
        }
    }
    list->number = number;
    return CFP_OK;
}

static cfp_status choose_reading(cfp_numbered_list *list, cfp_ctx *ctx)
{
    cfp_stem *stem;
    CFP_TRY_ALLOC(ctx, list->reading, 1);
    CFP_TRY_ALLOC(ctx, stem, list->count);
    for (int i = 0; i < list->count; i++) {
        stem[i] = list->item[i].stem;
        list->item[i].reading = list->reading;
    }
    *list->reading = cfp_reading_choose(stem, list->count);
    cfp_free(stem);
    return CFP_OK;
}

cfp_status cfp_numbered_sort(cfp_numbered_list *list, cfp_ctx *ctx, const char *path)
{
    if (list->count == 0)
        return CFP_OK;
    CFP_TRY(choose_reading(list, ctx));
    qsort(list->item, (size_t)list->count, sizeof *list->item, compare_items);
    for (int i = 1; i < list->count; i++)
        if (difference(&list->item[i - 1], &list->item[i]).order == 0)
            return refuse_pair(&list->item[i - 1], ctx, path);
    const bool by_last = words_differ(list);
    if (by_last)
        CFP_TRY(sort_by_last_number(list, ctx, path));
    else
        CFP_TRY(say_what_was_taken(list, ctx, path));
    return find_numbers(list, ctx, by_last);
}

/* --- gaps --- */

/* Writes the missing numbers in short, as "2, 4, 6-11, ...".  Returns how many there are. */
static int64_t list_missing(char *text, size_t capacity, const cfp_numbered_list *list)
{
    enum { SHOWN = 5 };
    int64_t missing = 0;
    size_t used = 0;
    int ranges = 0;
    text[0] = '\0';
    for (int i = 1; i < list->count; i++) {
        const int64_t from = list->number[i - 1] + 1, to = list->number[i] - 1;
        if (to < from)
            continue;
        missing += to - from + 1;
        if (ranges++ > SHOWN || used >= capacity)
            continue;
        const char *comma = ranges > 1 ? ", " : "";
        if (ranges > SHOWN)
            used += (size_t)snprintf(text + used, capacity - used, "%s...", comma);
        else if (from == to)
            used +=
                (size_t)snprintf(text + used, capacity - used, "%s%lld", comma, (long long)from);
        else
            used += (size_t)snprintf(text + used, capacity - used, "%s%lld-%lld", comma,
                                     (long long)from, (long long)to);
    }
    return missing;
}

/* The distance between consecutive numbers; 0 if it varies. */
static int64_t regular_step(const cfp_numbered_list *list)
{
    const int64_t step = list->number[1] - list->number[0];
    for (int i = 2; i < list->count; i++)
        if (list->number[i] - list->number[i - 1] != step)
            return 0;
    return step;
}

static void warn_of_gaps(const cfp_numbered_list *list, cfp_ctx *ctx, const char *path)
{
    if (list->number == NULL || list->count < 2)
        return;
    const int64_t first = list->number[0], last = list->number[list->count - 1];
    int64_t span;
    if (__builtin_sub_overflow(last, first, &span) || span == list->count - 1)
        return;
    char text[256], step[64] = "";
    const int64_t missing = list_missing(text, sizeof text, list);
    if (list->count > 2 && regular_step(list) > 0)
        snprintf(step, sizeof step, "; one in %lld is there", (long long)regular_step(list));
    cfp_log(ctx, CFP_LOG_WARNING,
            "%s: %lld of the frame numbers %lld to %lld are missing (%s)%s: --stride counts the %d "
            "frames that are there",
            path, (long long)missing, (long long)first, (long long)last, text, step, list->count);
}
/* True if the numbers fit where a clip keeps them. */
static bool fit_int32(const cfp_numbered_list *list)
{
    return list->number != NULL && list->number[0] >= INT32_MIN &&
           list->number[list->count - 1] <= INT32_MAX;
}

cfp_status cfp_numbered_frames(cfp_source *source, cfp_ctx *ctx, cfp_numbered_list *list,
                               const char *path)
{
    CFP_TRY(cfp_numbered_sort(list, ctx, path));
    warn_of_gaps(list, ctx, path);
    source->frames = list->count;
    if (fit_int32(list))
        source->number = list->number;
    source->exact = true;
    return CFP_OK;
}
