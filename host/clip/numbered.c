/* numbered.c - see numbered.h. */
#include "numbered.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Sets digits and n_digits; false where there are none. */
static bool find_number(cfp_numbered *item, bool has_suffix)
{
    const char *dot = has_suffix ? strrchr(item->name, '.') : NULL;
    const char *end = dot != NULL ? dot : item->name + strlen(item->name);
    while (end > item->name && !is_digit(end[-1]))
        end--;
    const char *begin = end;
    while (begin > item->name && is_digit(begin[-1]))
        begin--;
    if (begin == end)
        return false;
    while (begin < end - 1 && *begin == '0')
        begin++;
    item->digits = begin;
    item->n_digits = (int)(end - begin);
    return true;
}

static cfp_status make_room(cfp_numbered_list *list, cfp_ctx *ctx)
{
    if (list->count < list->room)
        return CFP_OK;
    if (list->room > INT_MAX / 2)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "more than %d frames", list->room);
    const int room = cfp_max_int(64, 2 * list->room);
    cfp_numbered *item;
    CFP_TRY_ALLOC(ctx, item, room);
    if (list->count > 0)
        memcpy(item, list->item, (size_t)list->count * sizeof *item);
    cfp_free(list->item);
    list->item = item;
    list->room = room;
    return CFP_OK;
}

cfp_status cfp_numbered_add(cfp_numbered_list *list, cfp_ctx *ctx, const char *name,
                            bool has_suffix, bool *added)
{
    *added = false;
    CFP_TRY(make_room(list, ctx));
    if (strlen(name) > INT_MAX / 2)
        return CFP_OK;
    cfp_numbered item = {.name = cfp_strdup(ctx, name)};
    if (item.name == NULL)
        return CFP_NOMEM;
    *added = find_number(&item, has_suffix);
    if (*added)
        list->item[list->count++] = item;
    else
        cfp_free(item.name);
    return CFP_OK;
}

static int compare_numbers(const cfp_numbered *a, const cfp_numbered *b)
{
    if (a->n_digits != b->n_digits)
        return a->n_digits < b->n_digits ? -1 : 1;
    return memcmp(a->digits, b->digits, (size_t)a->n_digits);
}

static int compare_items(const void *left, const void *right)
{
    const cfp_numbered *a = left, *b = right;
    const int order = compare_numbers(a, b);
    return order != 0 ? order : strcmp(a->name, b->name);
}

cfp_status cfp_numbered_sort(cfp_numbered_list *list, cfp_ctx *ctx, const char *path)
{
    if (list->count > 1)
        qsort(list->item, (size_t)list->count, sizeof *list->item, compare_items);
    for (int i = 1; i < list->count; i++)
        if (compare_numbers(&list->item[i - 1], &list->item[i]) == 0)
            return cfp_fail(ctx, CFP_FORMAT,
                            "%s: '%s' and '%s' have the same frame number: one clip is one series",
                            path, list->item[i - 1].name, list->item[i].name);
    return CFP_OK;
}

void cfp_numbered_free(cfp_numbered_list *list)
{
    for (int i = 0; i < list->count; i++)
        cfp_free(list->item[i].name);
    cfp_free(list->item);
    *list = (cfp_numbered_list){0};
}
