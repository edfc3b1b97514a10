/* page.c - see page.h; writes the parts of a page before and after its data. */
#include "page.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static cfp_status put(cfp_newfile *file, const char *text, size_t bytes)
{
    return fwrite(text, 1, bytes, file->stream) == bytes
               ? CFP_OK
               : cfp_fail(file->ctx, CFP_IO, "%s: %s", file->path, strerror(errno));
}

cfp_status cfp_page_begin(const cfp_page *page, cfp_json *json, cfp_newfile *file)
{
    cfp_json_to_file(json, file->ctx, file->stream, file->path, 0);
    json->in_html = true;
    return put(file, page->before, page->before_bytes);
}

cfp_status cfp_page_end(const cfp_page *page, cfp_newfile *file)
{
    return put(file, page->after, page->after_bytes);
}
