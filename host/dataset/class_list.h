/* class_list.h - the names of a data set's classes, by number; private to host/dataset/. */
#pragma once
#include "kind.h"

typedef struct cfp_class_list {
    const char *file; /* NULL: none was found */
    int n;
    const char **name; /* [n] NULL: the file has no such number */
    int *by_name;      /* [n] numbers, in the order of their names */
} cfp_class_list;

/* Reads the first of the label's class lists that lies in one of the folders.  A list has lines of
 * `number name`, `name number` or names alone, or is a table with a column id, verb_id or noun_id,
 * whose next column is the name.  Numbers begin at 0 or at 1.  *out is empty if there is none.
 * CFP_FORMAT (the message begins with FILE:LINE), CFP_IO, CFP_NOMEM.  Strings go to `keep`. */
CFP_CHECKED cfp_status cfp_class_list_find(cfp_class_list *out, cfp_keep *keep, cfp_ctx *ctx,
                                           const cfp_kind_label *label, const char *const *folder,
                                           int n_folders);
/* The number of a name; -1: there is none. */
int cfp_class_list_number(const cfp_class_list *list, const char *name);
void cfp_class_list_free(cfp_class_list *list); /* accepts {0} */
