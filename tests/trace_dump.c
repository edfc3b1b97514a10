/* trace_dump.c - writes every tensor and every gradient of a network on one clip, for
 * tests/oracle/.
 *
 *     cfp-trace-dump MODEL CLIP OUT.h5 [--device D] [--class K]
 *
 * It writes /value/<node> and /grad/<node>, float32 C x T x H x W.  The first is the node's output,
 * the second the gradient of the logit of class K at that output, with nothing masked.  Nodes that
 * were fused into others have no tensor and are absent. */
#include "../host/clip/clip.h"
#include "../host/network/trace.h"
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool write_tensor(hid_t group, const char *name, const cfp_device *device,
                         const cfp_tensor *x)
{
    const cfp_shape s = x->shape;
    const hsize_t dims[4] = {(hsize_t)s.c, (hsize_t)s.t, (hsize_t)s.h, (hsize_t)s.w};
    float *plain = malloc((size_t)cfp_count(s) * sizeof *plain);
    bool ok = device->api->download(device->backend, plain, x) == CFP_OK;
    const hid_t space = H5Screate_simple(4, dims, NULL);
    const hid_t set =
        H5Dcreate2(group, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ok = ok && H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, plain) >= 0;
    H5Dclose(set);
    H5Sclose(space);
    free(plain);
    return ok;
}

struct dump {
    cfp_ctx ctx;
    cfp_device device;
    cfp_model model;
    cfp_clip clip;
    cfp_trace *trace;
    float *input, *logits;
};

static cfp_status forward_and_back(struct dump *d, const char *const *arg, int class_index)
{
    const cfp_device_request any = {0};
    const cfp_sampling whole = {.start = -1};
    const cfp_trace_request all = {
        .backward = true, .clip_gradient = true, .depth = CFP_ALL_DEPTHS, .keep_all = true};
    CFP_TRY(cfp_device_open(&d->device, &d->ctx, arg[3], &any));
    CFP_TRY(cfp_model_open(&d->model, &d->ctx, arg[0]));
    CFP_TRY(cfp_clip_open(&d->clip, &d->ctx, arg[1], &d->model.input, &whole));
    CFP_TRY(cfp_trace_open(&d->trace, &d->ctx, &d->model, &d->device, &all));
    CFP_TRY_ALLOC(&d->ctx, d->input, cfp_count(d->model.node[0].shape));
    CFP_TRY_ALLOC(&d->ctx, d->logits, d->model.n_classes);
    cfp_clip_normalise(d->input, &d->clip, &d->model.input);
    CFP_TRY(cfp_trace_forward(d->trace, d->input, d->logits));
    for (int c = 0; c < d->model.n_classes; c++) /* the target: one logit */
        d->logits[c] = c == class_index;
    CFP_TRY(cfp_backward_start(d->trace, d->logits));
    for (int i = d->model.logits; i > 0; i--) {
        CFP_TRY(cfp_backward_tail(d->trace, i, NULL));
        CFP_TRY(cfp_backward_head(d->trace, i, NULL, NULL));
    }
    return CFP_OK;
}

static bool write_all(struct dump *d, const char *path)
{
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t values = H5Gcreate2(file, "value", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t grads = H5Gcreate2(file, "grad", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = file >= 0 && values >= 0 && grads >= 0;
    for (int i = 1; i < d->model.n_nodes && ok; i++) {
        const cfp_node *node = &d->model.node[i];
        const cfp_tensor *x = cfp_trace_value(d->trace, i);
        const cfp_tensor *g;
        if (x == NULL || node->kernel_scale != NULL)
            continue; /* fused into another; or the memory holds the output of the folded batch norm
                       */
        ok = cfp_trace_gradient(&g, d->trace, i) == CFP_OK &&
             write_tensor(values, node->name, &d->device, x);
        /* The gradient at a fused activation has been taken through it in place: what is left is
         * the gradient of the node before. */
        const int s = d->trace->step_of[d->trace->holder[i]];
        const cfp_node *fused = s < 0 ? NULL : d->trace->step[s].step.activation;
        const cfp_node *whose = fused == NULL ? node : &d->model.node[fused->input[0]];
        if (node->op == CFP_OP_IDENTITY)
            continue; /* shares its source's gradient, which has other readers too */
        if (g != NULL && ok && H5Lexists(grads, whose->name, H5P_DEFAULT) <= 0)
            ok = write_tensor(grads, whose->name, &d->device, g);
    }
    H5Gclose(values);
    H5Gclose(grads);
    return H5Fclose(file) >= 0 && ok;
}

int main(int argc, char **argv)
{
    const char *arg[4] = {NULL, NULL, NULL, "ref"};
    int n = 0, class_index = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            arg[3] = argv[++i];
        else if (strcmp(argv[i], "--class") == 0 && i + 1 < argc)
            class_index = atoi(argv[++i]);
        else if (n < 3)
            arg[n++] = argv[i];
    }
    struct dump d = {0};
    if (n < 3 || forward_and_back(&d, arg, class_index) != CFP_OK) {
        fprintf(stderr, "cfp-trace-dump: %s\n", n < 3 ? "MODEL CLIP OUT.h5" : d.ctx.message);
        return 1;
    }
    const bool ok = write_all(&d, arg[2]);
    cfp_trace_close(&d.trace);
    cfp_clip_free(&d.clip);
    cfp_model_free(&d.model);
    cfp_device_close(&d.device);
    cfp_free(d.input);
    cfp_free(d.logits);
    return ok ? 0 : 1;
}
