"""ONNX graphs that PyTorch's exporter never writes, built by hand, and what each computes in PyTorch.

CASES: name -> (build, opset, shape, kind); build(b, x) adds the nodes from x to y to a Built and returns y.
"""
import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

X = (1, 4, 4, 6, 8)


class Built:
    """A graph from x to y, then every element of y into three scores."""

    def __init__(self, opset=13, shape=X, kind=np.float32):
        self.opset, self.shape, self.kind, self.nodes, self.weights = opset, shape, kind, [], {}
        self.random = np.random.default_rng(1)

    def weight(self, name, *shape, low=-1.0):
        self.weights[name] = self.random.uniform(low, 1, shape).astype(self.kind)
        return torch.from_numpy(self.weights[name]).double()

    def constant(self, name, values, kind=np.int64):
        self.weights[name] = np.asarray(values, kind)
        return name

    def add(self, op, inputs, outputs, **attributes):
        inputs, outputs = ([names] if isinstance(names, str) else names for names in (inputs, outputs))
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"{op}_{len(self.nodes)}", **attributes))

    def unsqueeze(self, source, target, axis):
        """Its axes are an attribute before opset 13, an input after."""
        if self.opset < 13:
            self.add("Unsqueeze", source, target, axes=[axis])
        else:
            self.add("Unsqueeze", [source, self.constant("axes", [axis])], target)

    def model(self, output="y", opset=None):
        kind = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE,
                np.float16: TensorProto.FLOAT16}[self.kind]
        graph = helper.make_graph(self.nodes, "graph", [helper.make_tensor_value_info("x", kind, self.shape)],
                                  [helper.make_tensor_value_info(output, kind, None)],
                                  [numpy_helper.from_array(array, name) for name, array in self.weights.items()])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset or self.opset)])

    def scored(self, elements):
        self.weight("score", 3, elements)
        self.add("Flatten", "y", "flat")
        self.add("Gemm", ["flat", "score"], "scores", transB=1)
        return self.model("scores")


def branch(op, source, inputs=(), constants=(), **attributes):
    """A branch of an If: one operation over a tensor of the graph around it."""
    node = helper.make_node(op, [source, *inputs], ["branch_out"], name=f"{op}_of_branch", **attributes)
    return helper.make_graph([node], "branch", [], [helper.make_tensor_value_info("branch_out", TensorProto.FLOAT, None)],
                             [numpy_helper.from_array(np.asarray(values), name) for name, values in constants])


CASES = {}


def case(name, *opsets, shape=X, kind=np.float32):
    """Registers a function that adds nodes from x to y and returns what y is, in PyTorch."""
    def register(build):
        for opset in opsets:
            CASES[f"{name}, opset {opset}"] = (build, opset, shape, kind)
        return build
    return register


def same(x, kernel, stride, dilation=(1, 1, 1), lower=False, value=0.0):
    pads = []
    for size, k, s, d in list(zip(x.shape[2:], kernel, stride, dilation))[::-1]:
        total = max(0, (-(-size // s) - 1) * s + d * (k - 1) + 1 - size)
        small, large = total // 2, total - total // 2
        pads += [large, small] if lower else [small, large]
    return F.pad(x, pads, value=value)


for lower in (False, True):
    @case(f"Conv auto_pad {'SAME_LOWER' if lower else 'SAME_UPPER'}", 9, 13)
    def _(b, x, lower=lower):
        w, bias = b.weight("w", 6, 2, 3, 4, 2), b.weight("bias", 6)
        b.add("Conv", ["x", "w", "bias"], "y", auto_pad="SAME_LOWER" if lower else "SAME_UPPER", strides=[2, 3, 1],
              dilations=[1, 1, 2], group=2)
        return F.conv3d(same(x, (3, 4, 2), (2, 3, 1), (1, 1, 2), lower), w, bias, (2, 3, 1), 0, (1, 1, 2), 2)

    @case(f"MaxPool auto_pad {'SAME_LOWER' if lower else 'SAME_UPPER'}", 9, 12)
    def _(b, x, lower=lower):
        b.add("MaxPool", "x", "y", auto_pad="SAME_LOWER" if lower else "SAME_UPPER", kernel_shape=[2, 3, 4],
              strides=[1, 2, 3])
        return F.max_pool3d(same(x, (2, 3, 4), (1, 2, 3), lower=lower, value=-float("inf")), (2, 3, 4), (1, 2, 3))

    @case(f"AveragePool auto_pad {'SAME_LOWER' if lower else 'SAME_UPPER'}", 9, 19)
    def _(b, x, lower=lower):  # count_include_pad is 0 by default
        b.add("AveragePool", "x", "y", auto_pad="SAME_LOWER" if lower else "SAME_UPPER", kernel_shape=[2, 3, 4],
              strides=[1, 2, 3])
        total, count = (F.avg_pool3d(same(t, (2, 3, 4), (1, 2, 3), lower=lower), (2, 3, 4), (1, 2, 3))
                        for t in (x, torch.ones_like(x)))
        return total / count


@case("Conv auto_pad VALID and asymmetric pads", 11)
def _(b, x):
    w, v = b.weight("w", 5, 4, 2, 2, 2), b.weight("v", 3, 5, 2, 2, 2)
    b.add("Conv", ["x", "w"], "a", auto_pad="VALID")
    b.add("Conv", ["a", "v"], "y", pads=[1, 0, 2, 0, 1, 1], strides=[1, 2, 2])
    return F.conv3d(F.pad(F.conv3d(x, w), (2, 1, 0, 1, 1, 0)), v, None, (1, 2, 2))


@case("AveragePool counting its padding", 11)
def _(b, x):
    b.add("AveragePool", "x", "y", kernel_shape=[3, 2, 2], strides=[2, 2, 2], pads=[1, 1, 0, 1, 0, 1],
          count_include_pad=1)
    return F.avg_pool3d(F.pad(x, (0, 1, 1, 0, 1, 1)), (3, 2, 2), 2)


@case("pools with ceil_mode", 10, 19)
def _(b, x):
    b.add("MaxPool", "x", "a", kernel_shape=[1, 3, 3], strides=[1, 2, 2], ceil_mode=1)
    b.add("AveragePool", "a", "y", kernel_shape=[3, 2, 2], strides=[2, 2, 2], ceil_mode=1)
    return F.avg_pool3d(F.max_pool3d(x, (1, 3, 3), (1, 2, 2), ceil_mode=True), (3, 2, 2), 2, ceil_mode=True,
                        count_include_pad=False)


@case("pool of the whole map, GlobalAveragePool of a point", 13)
def _(b, x):
    b.add("AveragePool", "x", "a", kernel_shape=[4, 6, 8])
    b.add("GlobalAveragePool", "a", "y")
    return x.mean((2, 3, 4), keepdim=True)


@case("Split by attribute", 9, 11)
def _(b, x):
    b.add("Split", "x", ["p", "q"], axis=1, split=[1, 3])
    b.add("Concat", ["q", "p"], "y", axis=1)
    return torch.cat([x[:, 1:], x[:, :1]], 1)


@case("Split by input and into equal parts", 13, 18)
def _(b, x):
    b.constant("sizes", [1, 2, 1])
    b.add("Split", ["x", "sizes"], ["p", "q", "r"], axis=-4)
    b.add("Split", "q", ["s", "t"], axis=1, **({"num_outputs": 2} if b.opset >= 18 else {}))
    b.add("Concat", ["t", "r", "p", "s"], "y", axis=1)
    return x[:, [2, 3, 0, 1]]


@case("Split into parts of which the last is smaller", 18)
def _(b, x):
    b.add("Split", "x", ["p", "q", "r"], axis=4, num_outputs=3)
    b.add("Add", ["p", "q"], "y")
    return x[..., :3] + x[..., 3:6]


@case("HardSwish", 14, 21)
def _(b, x):
    b.add("HardSwish", "x", "y")
    return F.hardswish(x)


@case("x * HardSigmoid(x), x * Sigmoid(x), and a Sigmoid that is read twice", 9, 14)
def _(b, x):
    b.add("HardSigmoid", "x", "h", alpha=1 / 6, beta=0.5)
    b.add("Mul", ["h", "x"], "a")
    b.add("Sigmoid", "a", "s")
    b.add("Mul", ["a", "s"], "t")
    b.add("Sigmoid", "t", "u")
    b.add("Mul", ["t", "u"], "v")
    b.add("Add", ["v", "u"], "y")
    t = F.silu(F.hardswish(x))
    return F.silu(t) + torch.sigmoid(t)


@case("Clip by attributes", 9, 10)
def _(b, x):
    b.add("Clip", "x", "a", min=0.0, max=6.0)
    b.add("Clip", "a", "b", min=0.0)
    b.add("Clip", "b", "y")
    return F.relu6(x)


@case("Clip by inputs", 11, 13)
def _(b, x):
    b.constant("zero", 0, np.float32), b.constant("six", 6, np.float32), b.constant("inf", np.inf, np.float32)
    b.add("Dropout", "x", ["kept", ""])
    b.add("Clip", ["kept", "zero", "inf"], "a")
    b.add("Clip", ["a", "", "six"], "y")
    return F.relu6(x)


@case("BatchNormalization, LeakyRelu, Dropout, Identity", 9, 15)
def _(b, x):
    gamma, beta, mean = (b.weight(key, 4) for key in ("gamma", "beta", "mean"))
    var = b.weight("var", 4, low=0.5)
    b.add("BatchNormalization", ["x", "gamma", "beta", "mean", "var"], "a", epsilon=0.01)
    b.add("LeakyRelu", "a", "c")
    b.add("LeakyRelu", "c", "d", alpha=0.3)
    b.add("Dropout", "d", ["e", "mask"])
    b.add("Identity", "e", "y")
    return F.leaky_relu(F.leaky_relu(F.batch_norm(x, mean, var, gamma, beta, eps=0.01)), 0.3)


@case("PRelu, Elu, Selu, Softplus, Tanh", 9, 16)
def _(b, x):
    slope = b.weight("slope", 4, 1, 1, 1)
    b.weights["one"] = np.float32([0.3])
    b.add("PRelu", ["x", "slope"], "a")
    b.add("Elu", "a", "c", alpha=0.6)
    b.add("PRelu", ["c", "one"], "d")
    b.add("Selu", "d", "e")
    b.add("Softplus", "e", "f")
    b.add("Tanh", "f", "y")
    x = F.prelu(F.elu(F.prelu(x, slope.reshape(4)), 0.6), torch.tensor([0.3]).float().double())
    return torch.tanh(F.softplus(F.selu(x)))


@case("Celu, Gelu, Mish", 20, 22)
def _(b, x):
    b.add("Celu", "x", "a", alpha=0.6)
    b.add("Gelu", "a", "c")
    b.add("Gelu", "c", "d", approximate="tanh")
    b.add("Mish", "d", "y")
    return F.mish(F.gelu(F.gelu(F.celu(x, 0.6)), approximate="tanh"))


@case("InstanceNormalization, of groups too", 9, 18)
def _(b, x):
    gamma, beta = b.weight("gamma", 4), b.weight("beta", 4)
    two, zero = b.weight("two", 2), b.weight("zero", 2)
    b.add("InstanceNormalization", ["x", "gamma", "beta"], "a", epsilon=0.01)
    b.add("Reshape", ["a", b.constant("groups", [0, 2, -1])], "g")
    b.add("InstanceNormalization", ["g", "two", "zero"], "n")
    b.add("Reshape", ["n", b.constant("back", X)], "y")
    x = F.instance_norm(x, weight=gamma, bias=beta, eps=0.01)
    return F.group_norm(x, 2, two.repeat_interleave(2), zero.repeat_interleave(2))


@case("LayerNormalization of channels", 17, 22)
def _(b, x):
    gamma, beta = b.weight("gamma", 4), b.weight("beta", 4)
    b.add("Transpose", "x", "t", perm=[0, 2, 3, 4, 1])
    b.add("LayerNormalization", ["t", "gamma", "beta"], "n", epsilon=0.01)
    b.add("Transpose", "n", "y", perm=[0, 4, 1, 2, 3])
    return F.layer_norm(x.movedim(1, -1), (4,), gamma, beta, 0.01).movedim(-1, 1)


@case("GroupNormalization of a number a group", 18, 20)
def _(b, x):
    gamma, beta = b.weight("gamma", 2), b.weight("beta", 2)
    b.add("GroupNormalization", ["x", "gamma", "beta"], "y", num_groups=2)
    return F.group_norm(x, 2, gamma.repeat_interleave(2), beta.repeat_interleave(2))


@case("GroupNormalization of a number a channel", 21, 23)
def _(b, x):
    gamma, beta = b.weight("gamma", 4), b.weight("beta", 4)
    b.add("GroupNormalization", ["x", "gamma", "beta"], "y", num_groups=2)
    return F.group_norm(x, 2, gamma, beta)


@case("Pad by edges and by reflection, Concat along T", 11, 13)
def _(b, x):
    b.constant("pads", [0, 0, 1, 0, 2, 0, 0, 0, 1, 3])
    b.add("Pad", ["x", "pads"], "a", mode="edge")
    b.add("Pad", ["x", "pads"], "c", mode="reflect")
    b.add("Concat", ["a", "c"], "y", axis=2)
    return torch.cat([F.pad(x, (2, 3, 0, 1, 1, 0), mode=mode) for mode in ("replicate", "reflect")], 2)


@case("Resize by whole factors", 11, 13)
def _(b, x):
    b.constant("none", [], np.float32), b.constant("scales", [1, 1, 1, 2, 3], np.float32), b.constant("sizes", [1, 4, 8, 12, 24])
    b.add("Resize", ["x", "none", "scales"], "a", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    b.add("Resize", ["a", "none", "none", "sizes"], "y", mode="nearest")
    return F.interpolate(F.interpolate(x, scale_factor=(1, 2, 3)), scale_factor=(2, 1, 1))


@case("Gelu written out in another order", 9, 13)
def _(b, x):
    b.constant("root", 2 ** -0.5, np.float32), b.constant("one", 1, np.float32), b.constant("half", 0.5, np.float32)
    b.add("Mul", ["root", "x"], "a")
    b.add("Erf", "a", "c")
    b.add("Add", ["one", "c"], "d")
    b.add("Mul", ["half", "d"], "e")
    b.add("Mul", ["e", "x"], "y")
    return F.gelu(x)


@case("ReduceMean by attribute", 9, 13)
def _(b, x):
    b.add("ReduceMean", "x", "a", axes=[-1, 3])
    b.add("ReduceMean", "a", "y", axes=[4, 2, 3], keepdims=0)
    return x.mean((2, 3, 4))


@case("ReduceMean by input", 18, 20)
def _(b, x):
    b.constant("hw", [3, 4]), b.constant("c", [2])
    b.add("ReduceMean", ["x", "hw"], "a", keepdims=0)
    b.add("ReduceMean", "a", "b", noop_with_empty_axes=1)
    b.add("Identity", "b", "y")
    return x.mean((3, 4))


@case("a permuted MatMul and its bias", 9, 13)
def _(b, x):
    w, bias = b.weight("w", 4, 5), b.weight("bias", 5)
    b.add("Transpose", "x", "a", perm=[0, 2, 3, 4, 1])
    b.add("MatMul", ["a", "w"], "m")
    b.add("Add", ["bias", "m"], "c")
    b.add("Transpose", "c", "y", perm=[0, 4, 1, 2, 3])
    return F.linear(x.permute(0, 2, 3, 4, 1), w.T, bias).permute(0, 4, 1, 2, 3)


@case("Gemm with alpha and beta, MatMul and Add", 9, 13)
def _(b, x):
    w, bias, v, shift = b.weight("w", 4 * 6, 7), b.weight("bias", 7), b.weight("v", 7, 5), b.weight("shift", 1, 5)
    b.add("AveragePool", "x", "p", kernel_shape=[4, 1, 8])
    b.add("Flatten", "p", "a")
    b.add("Gemm", ["a", "w", "bias"], "g", alpha=0.5, beta=2.0)
    b.add("MatMul", ["g", "v"], "m")
    b.add("Add", ["m", "shift"], "y")
    return (x.mean((2, 4)).flatten(1) @ w * 0.5 + bias * 2) @ v + shift


@case("channels last, flattened", 9, 13)
def _(b, x):
    w = b.weight("w", 4 * 4 * 6 * 8, 5)
    b.add("Transpose", "x", "a", perm=[0, 2, 3, 4, 1])
    b.constant("shape", [0, -1])
    b.add("Reshape", ["a", "shape"], "f")
    b.add("MatMul", ["f", "w"], "y")
    return x.permute(0, 2, 3, 4, 1).flatten(1) @ w


@case("constants added and multiplied", 9, 14)
def _(b, x):
    scale, shift = b.weight("scale", 1, 4, 1, 1, 1, low=0.5), b.weight("shift", 4, 1, 1, 1)
    b.constant("two", 2, np.float32), b.constant("one", [1], np.float32)
    for op, inputs, output in (("Mul", ["x", "scale"], "a"), ("Add", ["shift", "a"], "b"), ("Sub", ["two", "b"], "c"),
                               ("Div", ["c", "scale"], "d"), ("Sub", ["d", "shift"], "e"), ("Mul", ["one", "e"], "y")):
        b.add(op, inputs, output)
    return (2 - (x * scale + shift)) / scale - shift


@case("Pad by attribute, on C too", 9, 10)
def _(b, x):
    b.add("Pad", "x", "y", pads=[0, 1, 0, 2, 0, 0, 2, 1, 0, 3], value=0.5)
    return F.pad(x, (0, 3, 2, 0, 0, 1, 1, 2), value=0.5)


@case("Pad by input, cutting", 11, 13)
def _(b, x):
    b.constant("pads", [0, 0, -1, 2, 0, 0, 0, 0, -3, 1]), b.constant("value", -1, np.float32)
    b.add("Pad", ["x", "pads", "value"], "y", mode="constant")
    return F.pad(x, (0, 1, 2, -3, -1, 0), value=-1)


@case("Pad of named axes", 18, 21)
def _(b, x):
    b.constant("pads", [1, 2, 3, 4]), b.constant("axes", [-1, 2])
    b.add("Pad", ["x", "pads", "", "axes"], "y")
    return F.pad(x, (1, 3, 0, 0, 2, 4))


@case("Slice by attributes", 9)
def _(b, x):
    b.add("Slice", "x", "y", axes=[3, 4], starts=[-4, 1], ends=[-1, 2 ** 31 - 1])
    return x[:, :, :, -4:-1, 1:]


@case("Slice by inputs, with steps", 10, 13)
def _(b, x):
    for key, values in (("starts", [-3, 1]), ("ends", [2 ** 63 - 1, -1]), ("axes", [-2, 2]), ("steps", [2, 1])):
        b.constant(key, values)
    b.add("Slice", ["x", "starts", "ends", "axes", "steps"], "y")
    return x[:, :, 1:-1, -3::2]


@case("Gather of frames, of one frame, of channels", 9, 13)
def _(b, x):
    b.constant("frames", [3, 0, -3, 0]), b.constant("last", -1), b.constant("even", [0, 2])
    b.add("Gather", ["x", "frames"], "a", axis=2)
    b.add("Gather", ["x", "last"], "one", axis=2)
    b.add("Gather", ["one", "even"], "two", axis=1)
    b.add("Gather", ["a", "even"], "b", axis=1)
    b.unsqueeze("two", "c", 2)
    b.add("Add", ["b", "c"], "y")
    return x[:, [0, 2]][:, :, [3, 0, 1, 0]] + x[:, [0, 2], -1:]


@case("channel shuffle", 9, 13)
def _(b, x):
    b.constant("split", [0, 2, 2, 4, 6, 8]), b.constant("back", [1, -1, 4, 6, 8])
    b.add("Reshape", ["x", "split"], "a")
    b.add("Transpose", "a", "c", perm=[0, 2, 1, 3, 4, 5])
    b.add("Reshape", ["c", "back"], "y")
    return x[:, [0, 2, 1, 3]]


@case("shape arithmetic", 9, 13)
def _(b, x):
    b.add("Shape", "x", "shape")
    b.constant("zero", 0), b.constant("minus", [-1]), b.constant("two", 2)
    b.add("Gather", ["shape", "zero"], "n", axis=0)
    b.add("Mul", ["n", "two"], "n2")
    b.add("Div", ["n2", "two"], "n1")
    b.add("Cast", "n1", "cast", to=TensorProto.INT64)
    b.unsqueeze("cast", "list", 0)
    b.add("Concat", ["list", "minus"], "target", axis=0)
    b.add("Reshape", ["x", "target"], "y")
    return x.flatten(1)


@case("zero channels made of the shape, and what the exporter makes of expand()", 9, 13)
def _(b, x):
    b.constant("target", [1, 3, 4, 6, 8])
    b.add("ConstantOfShape", "target", "zeros", value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.25]))
    b.add("Concat", ["zeros", "x"], "a", axis=1)
    b.add("GlobalAveragePool", "a", "g")
    b.constant("ones", [1, 7, 4, 6, 8]), b.constant("minus", -1)
    b.add("Equal", ["ones", "minus"], "equal")
    b.add("Where", ["equal", "ones", "ones"], "to")
    b.add("Expand", ["g", "to"], "e")
    b.add("Mul", ["a", "e"], "y")
    a = torch.cat([torch.full((1, 3, 4, 6, 8), 0.25, dtype=x.dtype), x], 1)
    return a * a.mean((2, 3, 4), keepdim=True)


@case("Squeeze, Unsqueeze, Flatten from another axis", 9, 13)
def _(b, x):
    b.add("ReduceMean", "x", "a", axes=[3])
    axes = {"squeeze": [3], "unsqueeze": [-2]}
    for op, key, (source, target) in (("Squeeze", "squeeze", ("a", "b")), ("Unsqueeze", "unsqueeze", ("b", "c"))):
        if b.opset < 13:
            b.add(op, source, target, axes=axes[key])
        else:
            b.add(op, [source, b.constant(key, axes[key])], target)
    b.add("Relu", "c", "d")
    b.add("Flatten", "d", "e", axis=-5)
    b.add("Flatten", "e", "y", axis=1)
    return F.relu(x.mean(3)).flatten(1)


@case("Softmax over channels", 9, 13)
def _(b, x):
    b.add("GlobalAveragePool", "x", "a")
    b.add("Flatten", "a", "f")
    b.add("Softmax", "f", "y")
    return x.mean((2, 3, 4)).softmax(1)


@case("Sum of three", 9, 13)
def _(b, x):
    b.add("Relu", "x", "a")
    b.add("Sum", ["x", "a", "x"], "y")
    return 2 * x + F.relu(x)


@case("weights of constants multiplied", 13)
def _(b, x):
    w, s = b.weight("w", 5, 4, 1, 1, 1), b.weight("s", 5, 1, 1, 1, 1)
    b.add("Mul", ["w", "s"], "ws")
    b.add("Conv", ["x", "ws"], "y")
    return F.conv3d(x, w * s)


@case("double precision", 13, kind=np.float64)
def _(b, x):
    w = b.weight("w", 5, 4, 3, 3, 3)
    b.add("Conv", ["x", "w"], "y")
    return F.conv3d(x, w)


@case("a batch of two that its constants know", 13, shape=(2, *X[1:]))
def _(b, x):
    b.constant("shape", [2, 4, 192]), b.constant("back", [2, 4, 4, 6, 8]), b.constant("pairs", [2, 2, 2, 4, 6, 8])
    b.add("Reshape", ["x", "shape"], "a")
    b.add("Reshape", ["a", "back"], "c")
    b.add("Reshape", ["c", "pairs"], "p")
    b.add("Transpose", "p", "q", perm=[0, 2, 1, 3, 4, 5])
    b.add("Reshape", ["q", "back"], "y")
    return x[:, [0, 2, 1, 3]]


@case("GlobalMaxPool and ReduceMax", 13, 18)
def _(b, x):
    b.add("GlobalMaxPool", "x", "a")
    if b.opset < 18:
        b.add("ReduceMax", "x", "m", axes=[2, -2, -1], keepdims=1)
    else:
        b.add("ReduceMax", ["x", b.constant("over", [2, -2, -1])], "m", keepdims=1)
    b.add("Concat", ["a", "m"], "y", axis=1)
    return x.amax((2, 3, 4), keepdim=True).repeat(1, 2, 1, 1, 1)


@case("If by a size, as the exporter spells squeeze()", 11, 13, 21)
def _(b, x):
    b.add("GlobalAveragePool", "x", "g")
    b.constant("three", [3]), b.constant("two", [2]), b.constant("one", [1])
    previous = "g"
    for step, (place, then) in enumerate((("three", True), ("two", True), ("two", False))):
        b.add("Shape", previous if then else "x", f"shape{step}")
        b.add("Gather", [f"shape{step}", place], f"size{step}", axis=0)
        b.add("Equal", [f"size{step}", "one"], f"single{step}")
        axis = {"three": 3, "two": 2}[place]
        new = dict(axes=[axis]) if b.opset < 13 else dict(inputs=["axis"], constants=[("axis", [axis])])
        other = branch("NotKnownAtAll", "nowhere") if then else branch("Identity", previous)
        b.add("If", f"single{step}", f"s{step}", then_branch=branch("Squeeze", previous, **new) if then else branch("Nonsense", previous),
              else_branch=other)
        previous = f"s{step}"
    b.add("Relu", previous, "y")
    return F.relu(x.mean((2, 3, 4), keepdim=True)).flatten(1)[..., None]


@case("an If in an If, of weights", 13)
def _(b, x):
    w = b.weight("w", 5, 4, 1, 1, 1)
    b.constant("yes", True, np.bool_), b.constant("no", [False], np.bool_)
    inner = helper.make_node("If", ["no"], ["inner_out"], then_branch=branch("Relu", "x"), else_branch=branch("Conv", "x", ["w"]))
    body = helper.make_graph([inner, helper.make_node("Sigmoid", ["inner_out"], ["unread"])], "outer", [],
                             [helper.make_tensor_value_info("inner_out", TensorProto.FLOAT, None)])
    b.add("If", "yes", "y", then_branch=body, else_branch=branch("Relu", "x"))
    return F.conv3d(x, w)


@case("as_strided that changes nothing, as the dynamo exporter spells it", 20)
def _(b, x):
    b.add("GlobalAveragePool", "x", "g"), b.add("Relu", "g", "r"), b.constant("row", [-1])
    b.add("Reshape", ["r", "row"], "f"), b.constant("at", np.arange(4).reshape(1, 4, 1, 1, 1))
    b.add("Gather", ["f", "at"], "a", axis=0), b.add("Sigmoid", "a", "y")
    return torch.sigmoid(F.relu(x.mean((2, 3, 4), keepdim=True)))


@case("as_strided that transposes back, and one that takes every second", 13)
def _(b, x):
    b.add("ReduceMean", "x", "m", axes=[3, 4], keepdims=0)              # N x C x T
    b.add("Transpose", "m", "t", perm=[0, 2, 1]), b.constant("rows", [1, 16]), b.add("Reshape", ["t", "rows"], "f")
    b.constant("at", (np.arange(4)[:, None] + 4 * np.arange(4)[None, :]))  # element (c, t) of T x C
    b.add("Gather", ["f", "at"], "a", axis=1)
    b.constant("five", [1, 4, 4, 1, 1]), b.add("Reshape", ["a", "five"], "v")
    b.constant("half", [[0], [2]]), b.add("Gather", ["v", "half"], "h", axis=1)
    b.constant("back", [1, 2, 4, 1, 1]), b.add("Reshape", ["h", "back"], "y")
    return x.mean((3, 4), keepdim=True)[:, ::2]


@case("Tile of sizes of 1", 9, 13)
def _(b, x):
    b.add("GlobalAveragePool", "x", "g"), b.add("Tile", ["g", b.constant("counts", [1, 1, 4, 6, 8])], "t"), b.add("Mul", ["x", "t"], "y")
    return x * x.mean((2, 3, 4), keepdim=True)


@case("CastLike of tensors and of weights", 15, 28)
def _(b, x):
    w = b.weight("w", 5, 4, 1, 1, 1)
    b.constant("float", 0, np.float32), b.add("CastLike", ["w", "float"], "v"), b.add("Conv", ["x", "v"], "c"), b.add("CastLike", ["c", "x"], "y")
    return F.conv3d(x, w)


@case("Swish", 24, 28)
def _(b, x):
    b.add("Swish", "x", "a"), b.add("Swish", "a", "y", alpha=1.0)
    return F.silu(F.silu(x))
