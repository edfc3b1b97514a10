/* class_page.c - the pages of aggregate: report.html, a table of the classes, and
 * class/<index>.html, one class.
 *
 * The data of a class has for each layer: "kernel" (the kernels that any clip selects), and for
 * each of them "count", "relevance", "top" and "edges".  "top" lists at most TOP clips as [clip,
 * relevance]. "edges" lists the EDGES channels that the kernel asks for most often, as [channel,
 * clips]. */
#include "../write/write_class.h"
#include "page.h"

enum { EDGES = 6, TOP = 9 };

/* --- one class --- */

static void put_clips(cfp_json *json, const cfp_class_facts *facts)
{
    cfp_json_key(json, "clips");
    cfp_json_array(json);
    for (int i = 0; i < facts->n_clips; i++) {
        cfp_json_object(json);
        cfp_json_put_string(json, "id", facts->clip[i].id);
        cfp_json_put_string(json, "href", facts->clip[i].href);
        cfp_json_put_double(json, "probability", facts->clip[i].probability);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

static void put_top(cfp_json *json, const cfp_tally_top *top, int n)
{
    cfp_json_array(json);
    for (int k = 0; k < cfp_min_int(n, TOP) && top[k].relevance > 0; k++) {
        cfp_json_array(json);
        cfp_json_int(json, top[k].clip);
        cfp_json_float(json, top[k].relevance);
        cfp_json_array_end(json);
    }
    cfp_json_array_end(json);
}

static bool more_often(const cfp_tally_edge *a, const cfp_tally_edge *b)
{
    return a->clips != b->clips ? a->clips > b->clips : a->sum > b->sum;
}

/* Writes the most frequent of one kernel's edges, which are edge[first] to edge[behind - 1]. */
static void put_edges(cfp_json *json, const cfp_tally_edge *edge, int64_t first, int64_t behind)
{
    const cfp_tally_edge *best[EDGES];
    int n = 0;
    for (int64_t e = first; e < behind; e++) {
        int at = n;
        while (at > 0 && more_often(&edge[e], best[at - 1]))
            at--;
        if (at == EDGES)
            continue;
        n = cfp_min_int(n + 1, EDGES);
        for (int k = n - 1; k > at; k--)
            best[k] = best[k - 1];
        best[at] = &edge[e];
    }
    cfp_json_array(json);
    for (int k = 0; k < n; k++) {
        cfp_json_array(json);
        cfp_json_int(json, best[k]->channel);
        cfp_json_int(json, best[k]->clips);
        cfp_json_array_end(json);
    }
    cfp_json_array_end(json);
}

static void put_all_edges(cfp_json *json, const cfp_tally_layer *layer)
{
    cfp_json_put_int(json, "n_edges", layer->n_edges);
    cfp_json_key(json, "edges");
    cfp_json_array(json);
    for (int o = 0, e = 0; o < layer->n_kernels; o++) {
        const int first = e;
        while (e < layer->n_edges && layer->edge[e].kernel == o)
            e++;
        if (layer->count[o] > 0)
            put_edges(json, layer->edge, first, e);
    }
    cfp_json_array_end(json);
}

static void put_kernels(cfp_json *json, const cfp_tally *tally, const cfp_tally_layer *layer)
{
    static const char *const lists[] = {"kernel", "count", "relevance", "top"};
    for (int list = 0; list < 4; list++) {
        cfp_json_key(json, lists[list]);
        cfp_json_array(json);
        for (int o = 0; o < layer->n_kernels; o++) {
            if (layer->count[o] == 0)
                continue;
            if (list == 0)
                cfp_json_int(json, o);
            else if (list == 1)
                cfp_json_int(json, layer->count[o]);
            else if (list == 2)
                cfp_json_float(json, (float)(layer->sum[o] / tally->n_clips));
            else
                put_top(json, layer->top + (int64_t)o * tally->max_top, tally->max_top);
        }
        cfp_json_array_end(json);
    }
}

static void put_layers(cfp_json *json, const cfp_tally *tally)
{
    cfp_json_key(json, "layers");
    cfp_json_array(json);
    for (int l = 0; l < tally->n; l++) {
        const cfp_tally_layer *layer = &tally->layer[l];
        cfp_json_object(json);
        cfp_json_put_string(json, "name", layer->name);
        cfp_json_put_int(json, "depth", layer->depth);
        cfp_json_put_int(json, "channels", layer->n_kernels);
        cfp_json_put_double(json, "consistency", layer->consistency);
        cfp_json_put_double(json, "random", layer->random);
        put_kernels(json, tally, layer);
        put_all_edges(json, layer);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
}

static cfp_status fill_class(cfp_json *json, const cfp_class_files *files,
                             const cfp_class_facts *facts)
{
    cfp_newfile *file = &files->output->file;
    CFP_TRY(cfp_page_begin(&cfp_page_class, json, file));
    cfp_json_object(json);
    cfp_class_json_options(json, files->head);
    cfp_json_put_int(json, "index", facts->index);
    cfp_json_put_string(json, "name", facts->name);
    cfp_json_put_int(json, "consistency_clips", cfp_tally_sets(facts->tally));
    put_clips(json, facts);
    put_layers(json, facts->tally);
    cfp_json_object_end(json);
    CFP_TRY(cfp_json_close(json));
    return cfp_page_end(&cfp_page_class, file);
}

cfp_status cfp_class_page(cfp_class_files *files, const cfp_class_facts *facts)
{
    char name[32];
    cfp_json json = {0};
    snprintf(name, sizeof name, "class/%d.html", facts->index);
    CFP_TRY(cfp_output_begin(files->output, name));
    const cfp_status status = fill_class(&json, files, facts);
    cfp_json_free(&json);
    CFP_TRY(status);
    return cfp_output_commit(files->output);
}

/* --- the table --- */

static cfp_status fill_table(cfp_json *json, const cfp_class_files *files)
{
    cfp_newfile *file = &files->output->file;
    CFP_TRY(cfp_page_begin(&cfp_page_classes, json, file));
    cfp_json_object(json);
    cfp_class_json_options(json, files->head);
    cfp_json_put_int(json, "clips", files->clips);
    cfp_json_key(json, "rows");
    cfp_json_array(json);
    for (int i = 0; i < files->n_rows; i++) {
        const cfp_class_row *row = &files->row[i];
        char href[32];
        snprintf(href, sizeof href, "class/%d.html", row->index);
        cfp_json_object(json);
        cfp_json_put_int(json, "index", row->index);
        cfp_json_put_string(json, "name", row->name);
        cfp_json_put_string(json, "href", href);
        cfp_json_put_int(json, "clips", row->clips);
        cfp_json_put_int(json, "kernels", row->kernels);
        cfp_json_put_double(json, "consistency", row->consistency);
        cfp_json_put_double(json, "random", row->random);
        cfp_json_object_end(json);
    }
    cfp_json_array_end(json);
    cfp_json_object_end(json);
    CFP_TRY(cfp_json_close(json));
    return cfp_page_end(&cfp_page_classes, file);
}

cfp_status cfp_classes_page(cfp_class_files *files)
{
    cfp_json json = {0};
    CFP_TRY(cfp_output_begin(files->output, "report.html"));
    const cfp_status status = fill_table(&json, files);
    cfp_json_free(&json);
    CFP_TRY(status);
    return cfp_output_commit(files->output);
}
