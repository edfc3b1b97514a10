/* cudnn_conv_graph.c - see cudnn_conv_graph.h.
 *
 * Forward, the graph is conv -> ADD z -> ADD bias -> RELU with what is not asked for left out.
 * cuDNN's prebuilt engines take exactly this order, and only with the bias in it; any other falls
 * to engines that are compiled at run time, or to none.  The halves: x, w, y, z and bias are all of
 * the one type, what lies between operations is float32; with a float32 bias there is no prebuilt
 * engine. */
#include "cudnn_conv_graph.h"

enum { RANK = 5, FIRST_VIRTUAL = 100 };

typedef struct dims { /* N C T H W; of weights K, C/groups, taps */
    int64_t d[RANK];
} dims;

typedef struct builder {
    cuda_descs *descs;
    const cuda_conv_spec *spec;
    dims result;
    int left; /* operations still to come behind the current one */
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
    const bool is_virtual = id >= FIRST_VIRTUAL; /* lives in registers only */
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

/* What the next operation writes: a tensor of the caller's if it is the last one. */
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

/* `operand` NULL: a function of one tensor. */
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
    if (mode == CUDNN_POINTWISE_RELU_FWD) /* else an overflow that became NaN would look finite */
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
