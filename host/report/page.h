/* page.h - the pages, put together at build time (cmake/pages.cmake) from the files beside this
 * one.
 *
 * A page is whole in itself: style, script and D3 are in it, and its Content-Security-Policy lets
 * nothing else run or load.  Data stand between its two halves, as JSON whose '<' are escaped. */
#pragma once
#include "../base/json.h"
#include "../base/newfile.h"

typedef struct cfp_page {
    const char *before, *after; /* of the data */
    size_t before_bytes, after_bytes;
} cfp_page;

extern const cfp_page cfp_page_report;   /* one explanation */
extern const cfp_page cfp_page_contrast; /* two classes of one clip */
extern const cfp_page cfp_page_index;    /* many explanations, as a table */
extern const cfp_page cfp_page_classes;  /* the classes of many explanations, as a table */
extern const cfp_page cfp_page_class;    /* many explanations of one class, added up */

/* The part before the data; json then writes the data behind it.  After cfp_json_close: the rest.
 */
CFP_CHECKED cfp_status cfp_page_begin(const cfp_page *page, cfp_json *json, cfp_newfile *file);
CFP_CHECKED cfp_status cfp_page_end(const cfp_page *page, cfp_newfile *file);
