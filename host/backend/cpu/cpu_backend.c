/* cpu_backend.c - the backend `cpu`: oneDNN's convolutions, our own kernels, and ref for the rest.
 *
 * This file opens the backend, gives out memory, and chooses the kernel for each step. */
#include "cpu.h"
#include "../ref/ref.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

typedef struct cpu_plan {
    const cpu_kernel *kernel; /* NULL: ref */
    void *own;
} cpu_plan;

/* The first kernel that accepts a step runs it. */
static const cpu_kernel *const kernels[] = {
    &cpu_linear,  &cpu_winograd,  &cpu_winograd_groups, &cpu_grouped,   &cpu_stem,
    &cpu_conv,    &cpu_batchnorm, &cpu_groupnorm,       &cpu_layernorm, &cpu_activation,
    &cpu_add,     &cpu_mul,       &cpu_maxpool,         &cpu_avgpool,   &cpu_globalavgpool,
    &cpu_flatten, &cpu_channels,  &cpu_positions,       &cpu_repeats,   &cpu_joins,
};

static void cpu_close(cfp_backend **backend)
{
    if (*backend == NULL)
        return;
    cpu_dnnl_close(&(*backend)->dnnl);
    cfp_free((*backend)->workspace);
    cfp_free(*backend);
    *backend = NULL;
}

cfp_status cpu_open_with(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request,
                         const cpu_lanes *lanes)
{
    static const char *const precision[] = {"fp32", "tf32", "bf16", "fp16"};
    *out = NULL;
    if (request->precision != CFP_FP32)
        return cfp_fail_option(ctx, CFP_UNSUPPORTED, "precision",
                               " %s: the cpu backend computes in fp32",
                               precision[request->precision]);
    if (request->threads < 0)
        return cfp_fail_option(ctx, CFP_USAGE, "threads", ": %d is less than 0", request->threads);
    CFP_TRY_ALLOC(ctx, *out, 1);
    cfp_backend *backend = *out;
    backend->ctx = ctx;
    backend->lanes = lanes;
    backend->threads = request->threads > 0 ? request->threads : omp_get_num_procs();
    const cfp_status st = cpu_dnnl_open(&backend->dnnl, ctx);
    if (st != CFP_OK) {
        cpu_close(out);
        return st;
    }
    char library[40];
    cpu_dnnl_describe(library, sizeof library);
    snprintf(backend->description, sizeof backend->description, "%s, %s, %d thread%s", library,
             lanes->name, backend->threads, backend->threads == 1 ? "" : "s");
    return CFP_OK;
}

/* Chooses the widest instruction set of this machine, or the wanted one, so that a large machine
 * can show what a smaller one does. */
static cfp_status choose_lanes(const cpu_lanes **out, cfp_ctx *ctx, const char *wanted)
{
    static const char *const word[] = {"avx512", "avx2", "plain"};
    const cpu_lanes *const lanes[] = {cpu_lanes_avx512(), cpu_lanes_avx2(), cpu_lanes_plain()};
    for (int i = 0; i < 3; i++) {
        if (lanes[i] == NULL || (wanted != NULL && strcmp(wanted, word[i]) != 0))
            continue;
        *out = lanes[i];
        if (wanted != NULL && i > 0) /* oneDNN in blocks of 8 needs that much */
            cpu_dnnl_limit_to_avx2();
        return CFP_OK;
    }
    return cfp_fail(ctx, CFP_USAGE,
                    "CFP_LANES: %s: is none of avx512, avx2, plain that can run here", wanted);
}

static cfp_status cpu_open(cfp_backend **out, cfp_ctx *ctx, const cfp_device_request *request)
{
    const cpu_lanes *lanes = NULL;
    *out = NULL;
    CFP_TRY(choose_lanes(&lanes, ctx, request->lanes));
    return cpu_open_with(out, ctx, request, lanes);
}

static const char *cpu_describe(const cfp_backend *backend)
{
    return backend->description;
}

/* Large pieces are not zeroed, because a step writes its whole tensor.  They begin on a huge page:
 * that saves page faults at the first use and TLB misses later. */
static cfp_status cpu_alloc(cfp_backend *backend, void **out, size_t bytes)
{
    cfp_ctx *ctx = backend->ctx;
    if (bytes < HUGE_PAGE || ctx->fail_allocation > 0) { /* a test that counts cfp_alloc */
        *out = cfp_alloc(ctx, bytes, 1);
        return *out == NULL ? CFP_NOMEM : CFP_OK;
    }
    const size_t rounded = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    *out = rounded < bytes ? NULL : aligned_alloc(HUGE_PAGE, rounded);
    if (*out == NULL)
        return cfp_fail(ctx, CFP_NOMEM, "out of memory: %.1f MiB asked for",
                        (double)bytes / 1048576.0);
    (void)madvise(*out, rounded, MADV_HUGEPAGE); /* if this fails, small pages are used */
    return CFP_OK;
}

static void cpu_release(cfp_backend *backend, void *memory)
{
    (void)backend;
    cfp_free(memory);
}

cfp_status cpu_workspace(char **out, cfp_backend *backend, size_t bytes)
{
    if (bytes > backend->workspace_bytes) {
        cfp_free(backend->workspace);
        backend->workspace_bytes = 0;
        CFP_TRY_ALLOC(backend->ctx, backend->workspace, bytes);
        backend->workspace_bytes = bytes;
    }
    *out = backend->workspace;
    return CFP_OK;
}

/* oneDNN reads the number of threads from the OpenMP settings of the calling thread. */
static void use_threads(const cfp_backend *backend)
{
    omp_set_num_threads(backend->threads);
}

/* Kernel layers, and tensors of whole blocks, are blocked.  Ops that only move or pool keep the
 * layout of their source, so the clip stays plain until a convolution reads it. */
static int choose_block(const cfp_backend *backend, const cfp_step *step,
                        const cfp_tensor *const *src)
{
    if (cfp_is_kernel_layer(step->node) || step->node->op == CFP_OP_FLATTEN)
        return backend->lanes->width;
    for (int k = 1; k < step->n_src; k++)
        if (src[k]->block != src[0]->block)
            return backend->lanes->width;
    return src[0]->block;
}

static void close_plan(cpu_plan *plan)
{
    if (plan->kernel != NULL && plan->kernel->close != NULL)
        plan->kernel->close(plan->own);
    else
        cfp_free(plan->own);
    *plan = (cpu_plan){0};
}

static cfp_status cpu_step_open(cfp_backend *backend, cfp_step *step, const cfp_tensor *const *src,
                                cfp_tensor *dst)
{
    cpu_plan *plan;
    use_threads(backend);
    dst->block = choose_block(backend, step, src);
    step->scratch_bytes = 0;
    step->plan = NULL;
    CFP_TRY_ALLOC(backend->ctx, plan, 1);
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0] && plan->kernel == NULL; i++)
        if (kernels[i]->takes(backend, step, src, dst))
            plan->kernel = kernels[i];

    cfp_status st = CFP_OK;
    if (plan->kernel != NULL && plan->kernel->open != NULL)
        st = plan->kernel->open(&plan->own, backend, step, src, dst);
    if (st == CFP_UNSUPPORTED) {
        close_plan(plan);
        step->scratch_bytes = 0;
        st = CFP_OK;
    }
    if (st != CFP_OK) {
        close_plan(plan);
        cfp_free(plan);
        return cfp_fail_node(backend->ctx, st, step->model, step->node, "%s",
                             backend->ctx->message);
    }
    step->plan = plan;
    return CFP_OK;
}

static void cpu_step_close(cfp_backend *backend, cfp_step *step)
{
    (void)backend;
    if (step->plan != NULL)
        close_plan(step->plan);
    cfp_free(step->plan);
    step->plan = NULL;
}

static cfp_status cpu_step_forward(cfp_backend *backend, const cfp_step *step,
                                   const cfp_tensor *const *src, cfp_tensor *dst, void *scratch)
{
    const cpu_plan *plan = step->plan;
    if (plan->kernel == NULL)
        return ref_step_forward(backend, step, src, dst, scratch);
    use_threads(backend);
    const cfp_status st = plan->kernel->forward(plan->own, backend, step, src, dst, scratch);
    if (st != CFP_OK)
        return cfp_fail_node(backend->ctx, st, step->model, step->node, "%s",
                             backend->ctx->message);
    return CFP_OK;
}

static cfp_status cpu_step_backward(cfp_backend *backend, const cfp_step *step,
                                    const cfp_tensor *const *src, const cfp_tensor *dst,
                                    const cfp_tensor *diff_dst, cfp_tensor *const *diff_src,
                                    void *scratch)
{
    const cpu_plan *plan = step->plan;
    if (plan->kernel == NULL || plan->kernel->backward == NULL)
        return ref_step_backward(backend, step, src, dst, diff_dst, diff_src, scratch);
    use_threads(backend);
    const cfp_status st =
        plan->kernel->backward(plan->own, backend, step, src, dst, diff_dst, diff_src, scratch);
    if (st != CFP_OK)
        return cfp_fail_node(backend->ctx, st, step->model, step->node, "%s",
                             backend->ctx->message);
    return CFP_OK;
}

const cfp_backend_api cfp_backend_cpu = {
    .abi = CFP_BACKEND_ABI,
    .size = sizeof(cfp_backend_api),
    .name = "cpu",
    .host_memory = true,
    .open = cpu_open,
    .close = cpu_close,
    .describe = cpu_describe,
    .alloc = cpu_alloc,
    .release = cpu_release,
    .host_alloc = cpu_alloc,
    .host_release = cpu_release,
    .free_bytes = ref_free_bytes,
    .tensor_bytes = ref_tensor_bytes,
    .upload = cpu_upload,
    .download = cpu_download,
    .step_open = cpu_step_open,
    .step_forward = cpu_step_forward,
    .step_backward = cpu_step_backward,
    .step_close = cpu_step_close,
    .channel_mean = cpu_channel_mean,
    .channel_sum = cpu_channel_sum,
    .gate = cpu_gate,
    .replace = cpu_replace,
    .accumulate = cpu_accumulate,
    .copy = cpu_copy,
    .seed = ref_seed,
    .blend = cpu_blend,
    .turn = cpu_turn,
    .weigh_pairs = cpu_weigh_pairs,
    .pick_edges = ref_pick_edges,
    .fill = ref_fill,
    .put = ref_put,
    .fetch = ref_fetch,
    .route = ref_route,
    .back_step = cpu_back_step,
    .list_edges = cpu_list_edges,
    .frames = &ref_frames,
};
