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

const char *cfp_labels_read(cfp_dataset_clip *clip, bool *names, cfp_keep *keep, cfp_ctx *ctx,
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
        const bool either = cfp_template_fill(text, &label->either, values);
        if (!either && !cfp_template_fill(text, &label->text, values))
            continue;
        *names |= either && !is_whole(text);
        if ((clip->label[i].name = cfp_keep_text(keep, ctx, text, strlen(text))) == NULL)
            return "out of memory";
    }
    return NULL;
}

/* Turns labels that are numbers on every line into numbers. */
static void settle_either(cfp_dataset *d, const cfp_kind_label *label, int which)
{
    for (int i = 0; i < d->n; i++) {
        cfp_dataset_label *mine = &d->clip[i].label[which];
        if (mine->name == NULL)
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

cfp_status cfp_labels_settle(cfp_dataset *dataset, bool names, cfp_keep *keep, cfp_ctx *ctx,
                             const cfp_kind *kind, const char *const *folder, int n_folders)
{
    for (int i = 0; i < kind->n_labels; i++) {
        cfp_class_list list;
        if (kind->label[i].either.n > 0 && !names)
            settle_either(dataset, &kind->label[i], i);
        if (kind->label[i].either.n > 0 && names)
            continue; /* names that the user chose: no list of a data set has them */
        CFP_TRY(cfp_class_list_find(&list, keep, ctx, &kind->label[i], folder, n_folders));
        if (list.file != NULL)
            apply(dataset, i, &list);
        dataset->class_list[i] = list.file;
        cfp_class_list_free(&list);
    }
    return CFP_OK;
}
