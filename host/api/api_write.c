/* api_write.c - cfp.h: the files of an explanation.
 *
 * run.json lists the options with which the command line would write the same explanation. */
#include "../write/writer.h"
#include "api.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_FORMATS "h5,html,sheet,mp4"
enum { N_OPTIONS = 28, FEW_MOVIES = 6, MAX_LINKS = 100000 };

typedef struct written_options {
    int n;
    cfp_run_option option[N_OPTIONS];
    char number[N_OPTIONS][32];
} written_options;

static void put(written_options *o, const char *name, const char *value)
{
    o->option[o->n].name = name;
    o->option[o->n++].value = value;
}

/* If value is `stands_for`, the word is written instead of the number. */
static void put_int(written_options *o, const char *name, int64_t value, const char *word,
                    int64_t stands_for)
{
    char *text = o->number[o->n];
    snprintf(text, sizeof o->number[0], "%lld", (long long)value);
    o->option[o->n].kind = CFP_RUN_NUMBER;
    put(o, name, word != NULL && value == stands_for ? word : text);
}

/* With the fewest digits that read back as the same number. */
static void put_real(written_options *o, const char *name, double value)
{
    char *text = o->number[o->n];
    o->option[o->n].kind = CFP_RUN_NUMBER;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof o->number[0], "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    put(o, name, text);
}

static void list_options(written_options *o, const api_explanation *made, const char *formats,
                         const cfp_drawing *how)
{
    const cfp_explanation *e = &made->explanation;
    const cfp_query *q = &e->query;
    const cfp_sampling *sampling = &((const api_clip *)e->clip)->sampling;
    put_int(o, "start", sampling->start, "centre", -1);
    put(o, "sample", "window");
    put_int(o, "stride", sampling->stride, "model", 0);
    put_int(o, "track", sampling->track, "first", 0);
    put(o, "class", e->model->class_name[e->class_index]);
    put(o, "rule", cfp_rule_names[q->rule]);
    put_real(o, "theta", q->theta);
    put_int(o, "depth", q->depth, "all", CFP_ALL_DEPTHS);
    put_int(o, "top", q->top, "all", 0);
    put(o, "propagate", cfp_propagate_names[q->propagate]);
    put(o, "normalise", cfp_normalise_names[q->normalise]);
    put(o, "class-relevance", cfp_class_relevance_names[q->class_relevance]);
    put(o, "target", cfp_target_names[q->target]);
    put(o, "mask", cfp_mask_names[q->mask]);
    put(o, "baseline", cfp_baseline_word(q));
    put_int(o, "steps", q->steps, NULL, 0);
    put(o, "tubes", cfp_tubes_names[q->tubes]);
    put(o, "layers", q->layers != NULL ? q->layers : "");
    put(o, "interp", cfp_interp_names[e->interp]);
    put(o, "format", formats != NULL ? formats : DEFAULT_FORMATS);
    put_int(o, "movies", formats != NULL ? 0 : FEW_MOVIES, "all", 0);
    put_int(o, "links", MAX_LINKS, NULL, 0);
    put(o, "colormap", how->colormap != NULL ? how->colormap : "inferno");
    if (how->alpha < 0)
        put(o, "alpha", "saliency");
    else
        put_real(o, "alpha", how->alpha);
    put(o, "canvas", how->canvas != NULL ? how->canvas : "model");
    put(o, "device", made->ran_on.name);
    put_int(o, "threads", made->ran_on.threads, NULL, 0);
    put(o, "precision", cfp_api_precision_names[made->ran_on.precision]);
}

static cfp_status write_files(cfp_ctx *ctx, api_explanation *made, const char *folder,
                              const char *formats, const cfp_drawing *how)
{
    static const char *const canvases[] = {"model", "source", NULL};
    static char caller[] = "libcfp";
    char *const argv[] = {caller};
    written_options options = {0};
    int colormap, canvas;
    CFP_TRY(cfp_api_colormap(&colormap, ctx, how));
    CFP_TRY(cfp_api_word(&canvas, ctx, "canvas", how->canvas, canvases, 0));
    if (canvas == 1 && made->explanation.clip->given)
        return cfp_fail(ctx, CFP_USAGE, "canvas: source: %s is in memory, not in a file",
                        made->explanation.clip->path);
    list_options(&options, made, formats, how);
    const cfp_run run = {.argc = 1,
                         .argv = argv,
                         .n_options = options.n,
                         .option = options.option,
                         .device = made->ran_on.name,
                         .device_detail = made->ran_on.described,
                         .precision = cfp_api_precision_names[made->ran_on.precision],
                         .seed = made->explanation.query.seed,
                         .threads = made->ran_on.threads,
                         .colormap = (cfp_colormap)colormap,
                         .movies = formats != NULL ? 0 : FEW_MOVIES,
                         .links = MAX_LINKS,
                         .alpha = how->alpha,
                         .canvas_source = canvas == 1};
    CFP_TRY(cfp_directory_check(ctx, folder));
    return cfp_write(ctx, folder, formats != NULL ? formats : DEFAULT_FORMATS, &made->explanation,
                     &run, NULL);
}

cfp_status cfp_write_explanation(cfp_context *context, const cfp_explanation *explanation,
                                 const char *folder, const char *formats,
                                 const cfp_drawing *drawing)
{
    api_explanation copy = *(const api_explanation *)explanation; /* cfp_write sets its time */
    cfp_drawing how;
    cfp_default_drawing(&how);
    if (drawing != NULL)
        how = *drawing;
    const int before = cfp_api_use_threads(copy.ran_on.threads);
    const cfp_status status = write_files(&context->ctx, &copy, folder, formats, &how);
    cfp_api_use_threads(before);
    return status;
}
