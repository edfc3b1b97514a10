/* page.h - the HTML pages, assembled at build time (cmake/pages.cmake) from the files in this
 * folder.
 *
 * A page is self-contained: it holds its style, its script and D3, and its Content-Security-Policy
 * forbids to run or load anything else.  The data is embedded as JSON in which '<' is escaped. */
#pragma once
#include "../base/json.h"
#include "../base/newfile.h"

typedef struct cfp_page {
    const char *before, *after; /* the parts of the page before and after its data */
    size_t before_bytes, after_bytes;
} cfp_page;

extern const cfp_page cfp_page_report;   /* one explanation */
extern const cfp_page cfp_page_contrast; /* two classes of one clip */
extern const cfp_page cfp_page_heads;    /* one class of each head of a network */
extern const cfp_page cfp_page_index;    /* many explanations, as a table */
extern const cfp_page cfp_page_classes;  /* the classes of many explanations, as a table */
extern const cfp_page cfp_page_class;    /* many explanations of one class, added up */

/* cfp_page_begin writes the part before the data; then write the data to json, and close it with
 * cfp_json_close.  cfp_page_end writes the rest. */
CFP_CHECKED cfp_status cfp_page_begin(const cfp_page *page, cfp_json *json, cfp_newfile *file);
CFP_CHECKED cfp_status cfp_page_end(const cfp_page *page, cfp_newfile *file);

/* Writes "top": the most probable classes, and the explained class if it is not among them
 * (write_html.c). */
void cfp_report_top(cfp_json *json, const struct cfp_explanation *explanation);
