/* index_page.c - writes the page that lists many explanations; see index_row.h and index.html. */
#include "index_row.h"
#include "page.h"

static void put_row(cfp_json *json, const cfp_index_row *row)
{
    cfp_json_object(json);
    cfp_json_put_string(json, "folder", row->folder);
    cfp_json_put_string(json, "href", row->href);
    cfp_json_put_string(json, "class", row->class_name);
    cfp_json_put_int(json, "index", row->class_index);
    cfp_json_put_double(json, "probability", row->probability);
    cfp_json_put_string(json, "clip", row->clip);
    cfp_json_put_string(json, "model", row->model);
    cfp_json_put_string(json, "rule", row->rule);
    cfp_json_put_double(json, "theta", row->theta);
    cfp_json_put_int(json, "layers", row->layers);
    cfp_json_put_int(json, "kernels", row->kernels);
    cfp_json_put_string(json, "tube", *row->tube != '\0' ? row->tube : NULL);
    cfp_json_key(json, "picture");
    cfp_json_base64(json, row->jpeg, row->jpeg_bytes);
    cfp_json_object_end(json);
}

static cfp_status fill(cfp_newfile *file, cfp_json *json, const cfp_index_row *row, int n)
{
    CFP_TRY(cfp_page_begin(&cfp_page_index, json, file));
    cfp_json_object(json);
    cfp_json_key(json, "rows");
    cfp_json_array(json);
    for (int i = 0; i < n; i++)
        put_row(json, &row[i]);
    cfp_json_array_end(json);
    cfp_json_object_end(json);
    CFP_TRY(cfp_json_close(json));
    return cfp_page_end(&cfp_page_index, file);
}

cfp_status cfp_write_index(cfp_ctx *ctx, const char *path, const cfp_index_row *row, int n)
{
    cfp_newfile file;
    cfp_json json = {0};
    CFP_TRY(cfp_newfile_open(&file, ctx, path));
    cfp_status status = fill(&file, &json, row, n);
    cfp_json_free(&json);
    if (status == CFP_OK)
        status = cfp_newfile_commit(&file);
    else
        cfp_newfile_abandon(&file);
    return status;
}
