/* labels.c - see labels.h. */
#include "labels.h"
#include "class_list.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_whole(const char *text)
{
    const size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 10 && text[digits] == '\0';
}

static const char *read_number(int64_t *out, const char *text, const cfp_kind_label *label,
                               char why[256])
{
    if (is_whole(text)) {
        *out = strtol(text, NULL, 10) - label->first_number;
        if (*out >= 0)
            return NULL;
    }
    snprintf(why, 256, "'%.60s' is no number of a class: they are whole, from %d", text,
             (int)label->first_number);
    return why;
}

const char *cfp_labels_read(cfp_dataset_clip *clip, cfp_keep *keep, cfp_ctx *ctx,
                            const cfp_kind *kind, const cfp_values *values, char why[256])
{
    char text[CFP_TEMPLATE_ROOM];
    for (int i = 0; i < CFP_DATASET_LABELS; i++)
        clip->label[i] = (cfp_dataset_label){NULL, -1};
    for (int i = 0; i < kind->n_labels; i++) {
        const cfp_kind_label *label = &kind->label[i];
        const char *problem = NULL;
        if (cfp_template_fill(text, &label->number, values))
            problem = read_number(&clip->label[i].index, text, label, why);
        if (problem != NULL)
            return problem;
        if (!cfp_template_fill(text, &label->either, values) &&
            !cfp_template_fill(text, &label->text, values))
            continue;
        if ((clip->label[i].name = cfp_keep_text(keep, ctx, text, strlen(text))) == NULL)
            return cfp_keep_failed;
    }
    return NULL;
}

/* True if a label is no number.  Only clips that are there are asked, if any is: where a path has
 * blanks and is not found, nobody knows where its label begins. */
static bool are_names(const cfp_dataset *d, int which)
{
    bool any = false, there = false;
    for (int i = 0; i < d->n; i++) {
        const char *name = d->clip[i].label[which].name;
        const bool found = d->clip[i].reason != CFP_CLIP_MISSING;
        if (found && !there)
            any = false;
        there |= found;
        if (name != NULL && (found || !there))
            any |= !is_whole(name);
    }
    return any;
}

/* Turns labels that are numbers into numbers. */
static void settle_either(cfp_dataset *d, const cfp_kind_label *label, int which)
{
    for (int i = 0; i < d->n; i++) {
        cfp_dataset_label *mine = &d->clip[i].label[which];
        if (mine->name == NULL || !is_whole(mine->name))
            continue;
        mine->index = strtol(mine->name, NULL, 10) - label->first_number;
        mine->name = NULL;
    }
}

/* False if the class list contradicts the label. */
static bool complete(cfp_dataset_label *label, const cfp_class_list *list)
{
    if (label->name == NULL && label->index < 0)
        return true;
    if (label->index >= list->n)
        return false;
    if (label->name == NULL) {
        label->name = list->name[label->index];
        return true;
    }
    const int number = cfp_class_list_number(list, label->name);
    if (number < 0 || (label->index >= 0 && label->index != number))
        return false;
    label->index = number;
    return true;
}

static void apply(cfp_dataset *d, int which, const cfp_class_list *list)
{
    for (int i = 0; i < d->n; i++)
        if (!complete(&d->clip[i].label[which], list) && d->clip[i].reason == CFP_CLIP_FOUND) {
            d->clip[i].reason = CFP_CLIP_BAD_LABEL;
            d->clip[i].path = NULL;
        }
}

cfp_status cfp_labels_settle(cfp_dataset *dataset, cfp_keep *keep, cfp_ctx *ctx,
                             const cfp_kind *kind, const char *const *folder, int n_folders)
{
    for (int i = 0; i < kind->n_labels; i++) {
        cfp_class_list list;
        if (kind->label[i].either.n > 0 && are_names(dataset, i))
            continue; /* names that the user chose: no list of a data set has them */
        if (kind->label[i].either.n > 0)
            settle_either(dataset, &kind->label[i], i);
        CFP_TRY(cfp_class_list_find(&list, keep, ctx, &kind->label[i], folder, n_folders));
        if (list.file != NULL)
            apply(dataset, i, &list);
        dataset->class_list[i] = list.file;
        cfp_class_list_free(&list);
    }
    return CFP_OK;
}
