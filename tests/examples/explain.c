/* explain.c - the smallest program on libcfp: explains the top class of a clip.
 *
 *     cc explain.c $(pkg-config --cflags --libs cfp) -o explain
 *     ./explain MODEL CLIP FOLDER */
#include <cfp/cfp.h>
#include <stdio.h>

static cfp_status explain(cfp_context *cfp, char **argv)
{
    cfp_device *device = NULL;
    cfp_model *model = NULL;
    cfp_explainer *explainer = NULL;
    cfp_clip *clip = NULL;
    cfp_explanation *answer = NULL;
    cfp_question question;
    cfp_layer_facts layer;
    cfp_status status;

    cfp_default_question(&question);
    if ((status = cfp_open_device(&device, cfp, NULL)) == CFP_OK &&
        (status = cfp_open_model(&model, cfp, argv[1])) == CFP_OK &&
        (status = cfp_open_explainer(&explainer, device, model, &question, 1, NULL, 0)) == CFP_OK &&
        (status = cfp_read_clip(&clip, cfp, model, argv[2], NULL)) == CFP_OK &&
        (status = cfp_explain_clips(&answer, explainer, (const cfp_clip *const *)&clip, NULL)) ==
            CFP_OK) {
        for (int i = 0; cfp_get_layer(&layer, answer, i); i++)
            printf("%d %s: %d of %d kernels\n", layer.depth, layer.name, layer.selected,
                   layer.kernels);
        status = cfp_write_explanation(cfp, answer, argv[3], "json,h5", NULL);
    }
    cfp_close_explanation(&answer);
    cfp_close_clip(&clip);
    cfp_close_explainer(&explainer);
    cfp_close_model(&model);
    cfp_close_device(&device);
    return status;
}

int main(int argc, char **argv)
{
    cfp_context *cfp;
    if (argc != 4 || cfp_open_context(&cfp, NULL) != CFP_OK)
        return 2;
    const cfp_status status = explain(cfp, argv);
    if (status != CFP_OK)
        fprintf(stderr, "explain: %s\n", cfp_message(cfp));
    cfp_close_context(&cfp);
    return status != CFP_OK;
}
