/* write_class.c - see write_class.h. */
#include "write_class.h"
#include <math.h>
#include <string.h>

cfp_status cfp_class_files_open(cfp_class_files *out, cfp_output *output,
                                const cfp_explained_head *head)
{
    *out = (cfp_class_files){.output = output, .head = head};
    CFP_TRY(cfp_output_begin(output, "class.h5"));
    CFP_TRY(cfp_class_h5_begin(out));
    cfp_output_swap(output, &out->h5_growing);
    CFP_TRY(cfp_output_begin(output, "class.json"));
    cfp_json_to_file(&out->json, output->ctx, output->file.stream, output->file.path, 3);
    cfp_class_json_begin(out);
    cfp_output_swap(output, &out->json_growing);
    return out->json.status;
}

/* Adds a row to the table of classes, with means over the layers below the class. */
static cfp_status add_row(cfp_class_files *files, const cfp_class_facts *facts)
{
    const cfp_tally *tally = facts->tally;
    CFP_TRY_ROOM(files->output->ctx, files->row, files->n_rows, files->capacity);
    cfp_class_row row = {.index = facts->index, .clips = facts->n_clips};
    int layers = 0;
    for (int l = 0; l < tally->n; l++) {
        const cfp_tally_layer *layer = &tally->layer[l];
        for (int o = 0; o < layer->n_kernels; o++)
            row.kernels += layer->count[o] > 0;
        if (layer->depth == 0)
            continue;
        layers++;
        row.consistency += layer->consistency;
        row.random += layer->random;
    }
    row.consistency = layers > 0 ? row.consistency / layers : NAN;
    row.random = layers > 0 ? row.random / layers : NAN;
    row.name = cfp_strdup(files->output->ctx, facts->name);
    files->row[files->n_rows++] = row;
    return row.name == NULL ? CFP_NOMEM : CFP_OK;
}

cfp_status cfp_class_files_add(cfp_class_files *files, const cfp_class_facts *facts)
{
    cfp_output *output = files->output;
    cfp_output_swap(output, &files->h5_growing);
    cfp_status status = cfp_class_h5_add(files, facts);
    cfp_output_swap(output, &files->h5_growing);
    CFP_TRY(status);
    CFP_TRY(cfp_class_json_add(files, facts));
    CFP_TRY(cfp_class_page(files, facts));
    files->clips += facts->n_clips;
    return add_row(files, facts);
}

static cfp_status end_h5(cfp_class_files *files)
{
    cfp_output_swap(files->output, &files->h5_growing);
    CFP_TRY(cfp_class_h5_end(files, CFP_OK));
    return cfp_output_commit(files->output);
}

static cfp_status end_json(cfp_class_files *files)
{
    cfp_output_swap(files->output, &files->json_growing);
    cfp_json_array_end(&files->json);
    cfp_json_put_int(&files->json, "clips", files->clips);
    cfp_json_object_end(&files->json);
    CFP_TRY(cfp_json_close(&files->json));
    return cfp_output_commit(files->output);
}

cfp_status cfp_class_files_finish(cfp_class_files *files)
{
    CFP_TRY(end_h5(files));
    CFP_TRY(end_json(files));
    return cfp_classes_page(files);
}

void cfp_class_files_close(cfp_class_files *files)
{
    /* After an error the file is still open; the error of closing it does not matter any more. */
    const cfp_status status = cfp_class_h5_end(files, CFP_IO);
    (void)status;
    cfp_growing_abandon(&files->h5_growing);
    cfp_growing_abandon(&files->json_growing);
    cfp_json_free(&files->json);
    for (int i = 0; i < files->n_rows; i++)
        cfp_free(files->row[i].name);
    cfp_free(files->row);
    *files = (cfp_class_files){0};
}
