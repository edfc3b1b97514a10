/* cudnn_conv.c - one convolution by cuDNN: its graph of operations, the plan that is chosen for it
 * among those that cuDNN offers, and its execution.
 *
 * The plan is the first offer of cuDNN's heuristics that gives the same bits in every run, keeps
 * the precision, fits into the workspace and needs no compiler at run time.  (With a GPU present
 * cuDNN also offers kernels that it would compile.  Without those, a machine without a GPU plans
 * the same as one with it.) */
#include "cudnn_inside.h"
#include <assert.h>
#include <stdio.h>

/* --- the graph ---
 *
 * Forward it is conv -> ADD z -> ADD bias -> RELU, without the operations that the spec does not
 * ask for.  cuDNN's prebuilt engines accept this order only, and only with the bias.  For any other
 * cuDNN offers engines that are compiled at run time, or none.  In bf16 and fp16, x, w, y, z and
 * bias all have that type, and tensors between operations are float32; for a float32 bias there is
 * no prebuilt engine. */

/* The numbers by which cuDNN knows the tensors. */
enum { CUDA_CONV_X = 1, CUDA_CONV_W, CUDA_CONV_Y, CUDA_CONV_Z, CUDA_CONV_BIAS };
enum { RANK = 5, FIRST_VIRTUAL = 100 };

typedef struct dims { /* N C T H W; of weights K, C/groups, taps */
    int64_t d[RANK];
} dims;

typedef struct builder {
    cuda_descs *descs;
    const cuda_conv_spec *spec;
    dims result;
    int left; /* operations after the current one */
    int n;    /* operations so far */
    cuda_desc op[4];
} builder;

static dims activations(const cuda_conv_spec *spec, int channels, const int size[3])
{
    return (dims){{spec->n, channels, size[0], size[1], size[2]}};
}

static dims weights(const cuda_conv_spec *spec)
{
    const int *k = spec->kernel;
    return (dims){{spec->y_channels, spec->x_channels / spec->groups, k[0], k[1], k[2]}};
}

static cudnnDataType_t type_of(const cuda_conv_spec *spec)
{
    static const cudnnDataType_t types[] = {CUDNN_DATA_FLOAT, CUDNN_DATA_FLOAT, CUDNN_DATA_BFLOAT16,
                                            CUDNN_DATA_HALF};
    return types[spec->precision];
}

static cuda_desc tensor(cuda_descs *descs, const cuda_conv_spec *spec, int64_t id, dims size)
{
    const int64_t *d = size.d;
    const int64_t row = d[4] * d[1], picture = d[3] * row, all = d[2] * picture;
    const int64_t strides[RANK] = {all, 1, picture, row, d[1]}, alignment = 16;
    const bool is_virtual = id >= FIRST_VIRTUAL; /* never stored in memory */
    const cudnnDataType_t type = is_virtual ? CUDNN_DATA_FLOAT : type_of(spec);

    const cuda_desc t = cuda_descs_make(descs, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    cuda_descs_set(descs, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    cuda_descs_set_ints(descs, t, CUDNN_ATTR_TENSOR_DIMENSIONS, RANK, d);
    cuda_descs_set_ints(descs, t, CUDNN_ATTR_TENSOR_STRIDES, RANK, strides);
    cuda_descs_set_ints(descs, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, 1, &id);
    cuda_descs_set_ints(descs, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 1, &alignment);
    cuda_descs_set(descs, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    return cuda_descs_finalize(descs, t);
}

/* The tensor that the next operation writes: the convolution's result if it is the last one. */
static cuda_desc result(builder *b)
{
    const int last = b->spec->backward ? CUDA_CONV_X : CUDA_CONV_Y;
    return tensor(b->descs, b->spec, b->left == 0 ? last : FIRST_VIRTUAL + b->left, b->result);
}

static void set_triple(cuda_descs *descs, cuda_desc desc, cudnnBackendAttributeName_t name,
                       const int values[3])
{
    const int64_t wide[3] = {values[0], values[1], values[2]};
    cuda_descs_set_ints(descs, desc, name, 3, wide);
}

static cuda_desc window(cuda_descs *descs, const cuda_conv_spec *spec)
{
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t axes = 3;

    const cuda_desc d = cuda_descs_make(descs, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    cuda_descs_set(descs, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
    cuda_descs_set(descs, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1,
                   &mode);
    cuda_descs_set_ints(descs, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 1, &axes);
    set_triple(descs, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, spec->dilation);
    set_triple(descs, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, spec->pad_begin);
    set_triple(descs, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, spec->pad_end);
    set_triple(descs, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, spec->stride);
    return cuda_descs_finalize(descs, d);
}

static cuda_desc add_convolution(builder *b)
{
    static const struct {
        cudnnBackendDescriptorType_t type;
        cudnnBackendAttributeName_t window, w, in, out;
    } form[2] = {
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y},
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX}};
    const cuda_conv_spec *spec = b->spec;
    const int way = spec->backward ? 1 : 0;
    const cuda_desc in =
        spec->backward
            ? tensor(b->descs, spec, CUDA_CONV_Y, activations(spec, spec->y_channels, spec->y))
            : tensor(b->descs, spec, CUDA_CONV_X, activations(spec, spec->x_channels, spec->x));
    const cuda_desc w = tensor(b->descs, spec, CUDA_CONV_W, weights(spec)), out = result(b);
    const cuda_desc around = window(b->descs, spec);

    const cuda_desc op = cuda_descs_make(b->descs, form[way].type);
    cuda_descs_set_desc(b->descs, op, form[way].window, around);
    cuda_descs_set_desc(b->descs, op, form[way].w, w);
    cuda_descs_set_desc(b->descs, op, form[way].in, in);
    cuda_descs_set_desc(b->descs, op, form[way].out, out);
    b->op[b->n++] = cuda_descs_finalize(b->descs, op);
    return out;
}

/* `operand` is NULL for a function of one tensor. */
static cuda_desc add_pointwise(builder *b, cudnnPointwiseMode_t mode, cuda_desc in,
                               cuda_desc operand)
{
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    const cudnnNanPropagation_t keeps = CUDNN_PROPAGATE_NAN;
    b->left--;
    const cuda_desc out = result(b);
    const cuda_desc what = cuda_descs_make(b->descs, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    cuda_descs_set(b->descs, what, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    cuda_descs_set(b->descs, what, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &sums);
    if (mode == CUDNN_POINTWISE_RELU_FWD) /* else an overflow that became NaN would become 0 */
        cuda_descs_set(b->descs, what, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION,
                       CUDNN_TYPE_NAN_PROPOGATION, 1, &keeps);
    cuda_descs_finalize(b->descs, what);

    const cuda_desc op = cuda_descs_make(b->descs, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    cuda_descs_set_desc(b->descs, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what);
    cuda_descs_set_desc(b->descs, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, in);
    if (operand != NULL)
        cuda_descs_set_desc(b->descs, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, operand);
    cuda_descs_set_desc(b->descs, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
    b->op[b->n++] = cuda_descs_finalize(b->descs, op);
    return out;
}

cuda_desc cuda_conv_graph(cuda_descs *descs, const cuda_conv_spec *spec)
{
    const dims y = activations(spec, spec->y_channels, spec->y);
    const dims bias = {{1, spec->y_channels, 1, 1, 1}};
    builder b = {.descs = descs, .spec = spec};
    b.result = spec->backward ? activations(spec, spec->x_channels, spec->x) : y;
    b.left = spec->adds + spec->bias + spec->relu;

    cuda_desc at = add_convolution(&b);
    if (spec->adds)
        at = add_pointwise(&b, CUDNN_POINTWISE_ADD, at, tensor(descs, spec, CUDA_CONV_Z, y));
    if (spec->bias)
        at = add_pointwise(&b, CUDNN_POINTWISE_ADD, at, tensor(descs, spec, CUDA_CONV_BIAS, bias));
    if (spec->relu)
        add_pointwise(&b, CUDNN_POINTWISE_RELU_FWD, at, NULL);

    const cuda_desc graph = cuda_descs_make(descs, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    cuda_descs_set(descs, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, b.n,
                   b.op);
    return cuda_descs_finalize(descs, graph);
}

/* --- the plan --- */

enum { MAX_OFFERS = 64 };

struct cuda_conv {
    cuda_descs descs; /* owns plan and the configuration it was made from */
    cuda_desc plan;
    const cuda_dnn *dnn; /* borrowed */
    cuda_conv_facts facts;
};

/* How many offers were refused for which reason, for the message if none is left. */
typedef struct refusals {
    int tensor_cores, nondeterministic, imprecise, compiled, workspace, unbuilt;
    char text[sizeof(((cuda_descs *)0)->text) +
              2]; /* ": " and cuDNN's text about the last unbuilt one */
} refusals;

/* Which of the acceptable plans is wanted, and those that come before it.  The heuristics often
 * offer one engine many times, so the order is: the first plan of each engine, then the others. */
enum { MAX_CANDIDATES = 16, FIRST = -1 }; /* FIRST: plan 0, without looking at others */
typedef struct search {
    int nth, passed;
    bool engines_again;                  /* second pass: other plans of each engine */
    uint64_t plan[MAX_CANDIDATES], hash; /* hashes of their JSON; of the last one */
    int64_t engine[MAX_CANDIDATES];
    refusals why;
} search;

/* The notes of an engine, as bits. */
typedef struct notes {
    unsigned numerical, behavior;
} notes;

static notes read_notes(cuda_descs *descs, cuda_desc engine)
{
    cudnnBackendNumericalNote_t numerical[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t behavior[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    notes found = {0};
    int n = cuda_descs_get(descs, engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                           CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, numerical);
    while (n-- > 0)
        found.numerical |= 1u << numerical[n];
    n = cuda_descs_get(descs, engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                       CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, behavior);
    while (n-- > 0)
        found.behavior |= 1u << behavior[n];
    return found;
}

static bool has(unsigned bits, int note)
{
    return (bits >> note & 1) != 0;
}

static bool acceptable(notes found, cfp_precision precision, refusals *why)
{
    const unsigned n = found.numerical;
    if (has(n, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC))
        why->nondeterministic++;
    else if (has(n, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) ||
             has(n, CUDNN_NUMERICAL_NOTE_FFT) || has(n, CUDNN_NUMERICAL_NOTE_WINOGRAD))
        why->imprecise++;
    else if (precision == CFP_FP32 && (has(n, CUDNN_NUMERICAL_NOTE_TENSOR_CORE) ||
                                       has(n, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)))
        why->tensor_cores++;
    else if (has(found.behavior, CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION))
        why->compiled++;
    else
        return true;
    return false;
}

/* A hash of cuDNN's full description of the plan; 0 after a failure. */
static uint64_t hash_plan(cuda_descs *descs, cuda_desc plan)
{
    static const int bytes = 1 << 18;
    cfp_ctx quiet = {0}; /* without memory the plan is skipped, like one without JSON */
    char *json = cfp_alloc(&quiet, (size_t)bytes, 1);
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    const int n = json == NULL
                      ? 0
                      : cuda_descs_get(descs, plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                       CUDNN_TYPE_CHAR, bytes, json);
    for (int i = 0; i < n; i++)
        hash = (hash ^ (uint8_t)json[i]) * 1099511628211u;
    cfp_free(json);
    return n > 0 ? hash : 0;
}

/* True if a plan of this engine has been seen and other engines come first. */
static bool waits(const search *s, int64_t engine)
{
    bool seen = false;
    for (int i = 0; i < s->passed; i++)
        seen |= s->engine[i] == engine;
    return seen && !s->engines_again;
}

/* True if this is plan `nth`.  Plans before it are noted; a plan that was noted before (heuristics
 * offer some twice) is skipped. */
static bool is_the_one(search *s, cuda_descs *descs, cuda_desc plan, int64_t engine)
{
    if (s->nth == FIRST)
        return true;
    s->hash = hash_plan(descs, plan);
    bool seen = s->hash == 0;
    for (int i = 0; i < s->passed; i++)
        seen |= s->plan[i] == s->hash;
    if (seen)
        return false;
    if (s->passed == s->nth)
        return true;
    s->engine[s->passed] = engine;
    s->plan[s->passed++] = s->hash;
    return false;
}

/* Makes `offer`, a configuration owned by `offers`, the plan of `conv` if it is acceptable and the
 * one that is wanted. */
static bool take(cuda_conv *conv, const cuda_conv_spec *spec, cuda_descs *offers, cuda_desc offer,
                 cuda_desc engine, search *s)
{
    refusals *const why = &s->why;
    cuda_descs made = {.n = 0};
    int64_t workspace = 0;
    cuda_descs_get(&made, offer, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                   &engine);
    cuda_descs_get(&made, engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1,
                   &conv->facts.engine);
    const notes found = read_notes(&made, engine);
    if (made.status == CUDNN_STATUS_SUCCESS &&
        (waits(s, conv->facts.engine) || !acceptable(found, spec->precision, why)))
        return false;

    const cuda_desc plan = cuda_descs_make(&made, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    cuda_descs_set_desc(&made, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, offer);
    cuda_descs_set_desc(&made, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, conv->dnn->device);
    cuda_descs_finalize(&made, plan);
    cuda_descs_get(&made, plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                   &workspace);
    const bool built = made.status == CUDNN_STATUS_SUCCESS;
    const bool fits = built && (uint64_t)workspace <= conv->dnn->workspace_cap;
    const bool taken = fits && is_the_one(s, &made, plan, conv->facts.engine);
    if (taken) {
        cuda_descs_move(&conv->descs, offers, offer);
        cuda_descs_move(&conv->descs, &made, plan);
        conv->plan = plan;
        conv->facts.plan = s->hash;
        conv->facts.workspace_bytes = (size_t)workspace;
        conv->facts.deterministic = !has(found.numerical, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
        conv->facts.tensor_cores = has(found.numerical, CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
    } else if (built) {
        why->workspace += !fits;
    } else {
        why->unbuilt++;
        snprintf(why->text, sizeof why->text, ": %s", made.text);
    }
    cuda_descs_free(&made);
    return taken;
}

/* Goes through the offers of one heuristic; true if one became the plan. */
static bool ask(cuda_conv *conv, const cuda_conv_spec *spec, cuda_desc graph,
                cudnnBackendHeurMode_t mode, search *s)
{
    cuda_descs offers = {.n = 0};
    cuda_desc offer[MAX_OFFERS];
    const cuda_desc heuristic = cuda_descs_make(&offers, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    const cuda_desc engine = cuda_descs_make(&offers, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    for (int i = 0; i < MAX_OFFERS; i++)
        offer[i] = cuda_descs_make(&offers, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    cuda_descs_set_desc(&offers, heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    cuda_descs_set_desc(&offers, heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, conv->dnn->device);
    cuda_descs_set(&offers, heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    cuda_descs_finalize(&offers, heuristic);
    const int n = cuda_descs_get(&offers, heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_OFFERS, offer);
    if (offers.status != CUDNN_STATUS_SUCCESS)
        snprintf(s->why.text, sizeof s->why.text, ": %s", offers.text);
    bool taken = false;
    for (int i = 0; i < n && !taken; i++)
        taken = take(conv, spec, &offers, offer[i], engine, s);
    cuda_descs_free(&offers);
    return taken;
}

static cfp_status no_plan(cfp_ctx *ctx, const cuda_conv_words *what, const refusals *why,
                          size_t cap)
{
    const int offered = why->tensor_cores + why->nondeterministic + why->imprecise + why->compiled +
                        why->workspace + why->unbuilt;
    if (offered == 0)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "%s: cuDNN offers no plan%s", what->text, why->text);
    return cfp_fail(ctx, CFP_UNSUPPORTED,
                    "%s: cuDNN offers no acceptable plan: %d use tensor cores, %d are not "
                    "deterministic, %d imprecise, %d must be compiled, %d need more than %zu bytes "
                    "of workspace, %d cannot be built%s",
                    what->text, why->tensor_cores, why->nondeterministic, why->imprecise,
                    why->compiled, why->workspace, cap, why->unbuilt, why->text);
}

static cfp_status plan(cuda_conv *conv, cfp_ctx *ctx, const cuda_conv_spec *spec, int nth)
{
    static const cudnnBackendHeurMode_t mode[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B,
                                                  CUDNN_HEUR_MODE_FALLBACK};
    const cuda_conv_words what = cuda_conv_in_words(spec);
    if (spec->x_channels % spec->groups != 0 || spec->y_channels % spec->groups != 0)
        return cfp_fail(ctx, CFP_SHAPE, "%s: channels do not divide into the groups", what.text);

    cuda_descs graph = {.n = 0};
    search s = {.nth = nth};
    const cuda_desc operations = cuda_conv_graph(&graph, spec);
    cfp_status status = CFP_OK;
    if (graph.status != CUDNN_STATUS_SUCCESS)
        status = cfp_fail(ctx, CFP_UNSUPPORTED, "%s: cuDNN refuses it: %s", what.text, graph.text);
    const int turns = nth == FIRST ? 1 : 2;
    bool taken = false;
    for (int i = 0; i < 3 * turns && status == CFP_OK && !taken; i++) {
        s.engines_again = i >= 3;
        taken = ask(conv, spec, operations, mode[i % 3], &s);
    }
    if (status == CFP_OK && !taken && s.passed > 0)
        status = cfp_fail(ctx, CFP_UNSUPPORTED, "%s: there are %d plans", what.text, s.passed);
    else if (status == CFP_OK && !taken)
        status = no_plan(ctx, &what, &s.why, conv->dnn->workspace_cap);
    cuda_descs_free(&graph);
    return status;
}

static cfp_status open_plan(cuda_conv **out, cuda_dnn *dnn, cfp_ctx *ctx,
                            const cuda_conv_spec *spec, int nth)
{
    assert(!spec->backward || !(spec->adds || spec->bias || spec->relu));
    *out = NULL;
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->dnn = dnn;
    const cfp_status status = plan(*out, ctx, spec, nth);
    if (status != CFP_OK)
        cuda_conv_close(out);
    return status;
}

cfp_status cuda_conv_open(cuda_conv **out, cuda_dnn *dnn, cfp_ctx *ctx, const cuda_conv_spec *spec)
{
    return open_plan(out, dnn, ctx, spec, FIRST);
}

cfp_status cuda_conv_open_nth(cuda_conv **out, cuda_dnn *dnn, cfp_ctx *ctx,
                              const cuda_conv_spec *spec, int nth)
{
    assert(nth >= 0 && nth < MAX_CANDIDATES);
    return open_plan(out, dnn, ctx, spec, nth);
}

cuda_conv_facts cuda_conv_get_facts(const cuda_conv *conv)
{
    return conv->facts;
}

cfp_status cuda_conv_run(const cuda_conv *conv, cfp_ctx *ctx, void *x, const void *w, void *y,
                         const void *z, const void *bias, void *workspace)
{
    const struct {
        int64_t id;
        const void *data;
    } operand[] = {{CUDA_CONV_X, x},
                   {CUDA_CONV_W, w},
                   {CUDA_CONV_Y, y},
                   {CUDA_CONV_Z, z},
                   {CUDA_CONV_BIAS, bias}};
    const void *data[5];
    int64_t id[5], n = 0;
    for (int i = 0; i < 5; i++) {
        if (operand[i].data == NULL)
            continue;
        id[n] = operand[i].id;
        data[n++] = operand[i].data;
    }
    if (conv->dnn->handle == NULL)
        return cfp_fail(ctx, CFP_DEVICE, "a convolution that was planned without a device ran");

    cuda_descs descs = {.n = 0};
    const cuda_desc pack = cuda_descs_make(&descs, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    cuda_descs_set_ints(&descs, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, n, id);
    cuda_descs_set(&descs, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n,
                   data);
    cuda_descs_set(&descs, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                   &workspace);
    cuda_descs_finalize(&descs, pack);
    if (descs.status == CUDNN_STATUS_SUCCESS)
        cuda_descs_note(&descs, cudnnBackendExecute(conv->dnn->handle, conv->plan, pack));
    cfp_status status = CFP_OK;
    if (descs.status != CUDNN_STATUS_SUCCESS)
        status = cfp_fail(ctx, CFP_DEVICE, "cuDNN engine %lld: %s", (long long)conv->facts.engine,
                          descs.text);
    cuda_descs_free(&descs);
    return status;
}

void cuda_conv_close(cuda_conv **conv)
{
    if (*conv == NULL)
        return;
    cuda_descs_free(&(*conv)->descs);
    cfp_free(*conv);
    *conv = NULL;
}
