/* page.h - the pages, put together at build time (cmake/pages.cmake) from the files beside this
 * one.
 *
 * A page is whole in itself: style, script and D3 are in it, and its Content-Security-Policy lets
 * nothing else run or load.  Data stand between its two halves, as JSON whose '<' are escaped. */
#pragma once
#include "../../base/base.h"

typedef struct cfp_page {
    const char *before, *after; /* of the data */
    size_t before_bytes, after_bytes;
} cfp_page;

extern const cfp_page cfp_page_report; /* one explanation */
extern const cfp_page cfp_page_index;  /* many of them, as a table */
