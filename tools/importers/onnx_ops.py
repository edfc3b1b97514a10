"""One function for every ONNX operation that can be imported (opset 9 to 28), and a table of them at the end.

A function reads an operation through its Call and returns the view of its output, or a list of views.
"""
from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Callable, Dict, List, Optional, Sequence, Union

import numpy as np

from .lowering import SELU_ALPHA, SELU_SCALE, Lowering
from .network import same_padding
from .onnx_fold import axes_of, reshape_target, slice_arguments, split_sizes
from .onnx_read import Operation
from .reasons import normalises, without_counterpart
from .views import AXES, Unmapped, View, repeated, size_of, times

Value = Union[View, np.ndarray, None]


@dataclass
class Call:
    net: Lowering
    name: str                   # a new one: of the node that may be made
    operation: Operation
    inputs: List[Value]
    opset: int

    def attribute(self, key: str, default=None):
        return self.operation.attributes.get(key, default)

    def view(self, at: int = 0) -> View:
        value = self.input(at)
        if not isinstance(value, View):
            raise Unmapped(f"input {at} is {'missing' if value is None else 'constant'}")
        return value

    def input(self, at: int) -> Value:
        return self.inputs[at] if at < len(self.inputs) else None

    def constant(self, at: int, default=None):
        """Input `at`, an array; or the default if it is left out."""
        value = self.input(at)
        if isinstance(value, View):
            raise Unmapped(f"input {at} ({self.operation.inputs[at]}) is no constant")
        return default if value is None else value

    def wanted(self, at: int) -> np.ndarray:
        value = self.constant(at)
        if value is None:
            raise Unmapped(f"input {at} is missing")
        return value

    def constants(self) -> List[Optional[np.ndarray]]:
        """The inputs after the first, in their places."""
        return [None, *(self.constant(at) for at in range(1, len(self.inputs)))]

    def number(self, at: int, default=None) -> Optional[float]:
        value = self.constant(at)
        return default if value is None or value.size == 0 else float(value.reshape(-1)[0])

    def pair(self):
        """(view, constant or view) of an operation of two, the view first; and whether they changed places."""
        first, second = self.input(0), self.input(1)
        if first is None or second is None:
            raise Unmapped("two inputs are wanted")
        return (first, second, False) if isinstance(first, View) else (second, first, True)


def _window(call: Call, kernel: Sequence[int]):
    """stride, padding and dilation of a Conv or a pool over its input."""
    if len(kernel) != 3:
        raise Unmapped(f"a window over {len(kernel)} dimensions; 3 are wanted (T, H, W)")
    strides, dilation = (tuple(call.attribute(key, (1, 1, 1))) for key in ("strides", "dilations"))
    pads = tuple(call.attribute("pads", (0,) * 6))
    auto = call.attribute("auto_pad", "NOTSET")
    if not len(strides) == len(dilation) == len(pads) // 2 == 3 or min(strides) < 1:
        raise Unmapped(f"strides {list(strides)}, dilations {list(dilation)}, pads {list(pads)}")
    padding = pads[:3], pads[3:]
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
        padding = same_padding(call.net.shape(call.net.volume(call.view()))[1:], reach, strides)
        padding = padding if auto == "SAME_UPPER" else padding[::-1]
    elif auto == "VALID":
        padding = (0, 0, 0), (0, 0, 0)
    elif auto != "NOTSET":
        raise Unmapped(f"auto_pad {auto}")
    return strides, padding, dilation


def _conv(call: Call) -> View:
    x, weight = call.view(), call.wanted(1)
    if weight.ndim != 5:
        raise Unmapped(f"a convolution over {weight.ndim - 2} dimensions; 3 are wanted (T, H, W)")
    strides, padding, dilation = _window(call, weight.shape[2:])
    return call.net.convolution(call.name, x, weight, call.constant(2), strides, padding, dilation,
                                call.attribute("group", 1))


def _pool(op: str) -> Callable[[Call], View]:
    def pool(call: Call) -> View:
        kernel = tuple(call.attribute("kernel_shape", ()))
        strides, padding, dilation = _window(call, kernel)
        if dilation != (1, 1, 1):
            raise Unmapped(f"dilations {list(dilation)}")
        if len([output for output in call.operation.outputs if output]) > 1:
            raise Unmapped("the indices of the maxima are read: no counterpart")
        more = {"count_include_pad": call.attribute("count_include_pad", 0)} if op == "avgpool3d" else {}
        return call.net.pool(call.name, call.view(), op, kernel, strides, padding, bool(call.attribute("ceil_mode", 0)),
                             **more)
    return pool


def _global_average(call: Call) -> View:
    return call.net.adaptive_mean(call.name, call.view(), (1, 1, 1))


def _global_maximum(call: Call) -> View:
    return call.net.adaptive_maximum(call.name, call.view(), (1, 1, 1))


def _reduce(method: Callable) -> Callable[[Call], View]:
    """method: of Lowering."""
    def reduce(call: Call) -> View:
        x, axes = call.view(), axes_of(call.operation.attributes, call.constants())
        if not axes and call.attribute("noop_with_empty_axes", 0):
            return x
        return method(call.net, call.name, x, axes or None, bool(call.attribute("keepdims", 1)))
    return reduce


def _batch_normalisation(call: Call) -> View:
    if call.attribute("training_mode", 0):
        raise Unmapped("in training mode: export the model after .eval()")
    gamma, beta, mean, var = (call.wanted(at) for at in range(1, 5))
    eps = float(call.attribute("epsilon", 1e-5))
    return call.net.normalisation(call.name, call.view(), gamma, beta, mean, var, eps)


def _gemm(call: Call) -> View:
    x, weight, bias = call.view(), call.wanted(1), call.constant(2)
    if call.attribute("transA", 0):
        raise Unmapped("of its transposed input")
    weight = weight if call.attribute("transB", 0) else weight.T
    alpha = call.attribute("alpha", 1.0)
    weight = weight if alpha == 1 else weight.astype(np.float64) * alpha
    return call.net.fully_connected(call.name, x, weight, None if bias is None else bias * call.attribute("beta", 1.0))


def _matmul(call: Call) -> View:
    x, weight, swapped = call.pair()
    if swapped or isinstance(weight, View):
        raise Unmapped("a product of a constant and a tensor; constant weights come second" if swapped else
                       "a product of two tensors, as attention has it: no counterpart")
    return call.net.fully_connected(call.name, x, weight.T, None)


def _add(call: Call) -> View:
    x, other, _ = call.pair()
    if isinstance(other, View):
        return call.net.joined_by(call.name, "add", x, other)
    return call.net.scaled(call.name, x, shift=other)


def _mul(call: Call) -> View:
    x, other, _ = call.pair()
    if isinstance(other, View):
        return call.net.joined_by(call.name, "mul", x, other)
    return call.net.scaled(call.name, x, scale=other)


def _sub(call: Call) -> View:
    x, other, swapped = call.pair()
    if isinstance(other, View):
        raise Unmapped("a difference of two tensors: no counterpart", x)
    return call.net.scaled(call.name, x, -1.0, other) if swapped else call.net.scaled(call.name, x, 1.0, -other)


def _div(call: Call) -> View:
    x, other, swapped = call.pair()
    if isinstance(other, View) or swapped:
        raise Unmapped("a division by a tensor: no counterpart", x if isinstance(x, View) else other)
    return call.net.scaled(call.name, x, scale=1 / other.astype(np.float64))


def _sum(call: Call) -> View:
    total = call.view()
    for at in range(1, len(call.inputs)):
        name = call.name if at == len(call.inputs) - 1 else f"{call.name}.{at}"
        total = call.net.joined_by(name, "add", total, call.view(at))
    return total


def _activation(op: str) -> Callable[[Call], View]:
    return lambda call: call.net.activation(call.name, call.view(), op)


def _leaky(call: Call) -> View:
    return call.net.leaky(call.name, call.view(), float(call.attribute("alpha", 0.01)))


def _prelu(call: Call) -> View:
    return call.net.prelu(call.name, call.view(), call.wanted(1))


def _elu(scale: float = 1.0, alpha: float = 1.0, celu: bool = False) -> Callable[[Call], View]:
    """Elu; with those numbers Selu; Celu divides by its alpha inside."""
    def elu(call: Call) -> View:
        a = float(call.attribute("alpha", alpha))
        if celu and not a > 0:
            raise Unmapped(f"alpha {a:g}; a number above 0 is wanted", call.view())
        return call.net.activation(call.name, call.view(), "elu", alpha=a, scale=float(call.attribute("gamma", scale)),
                                   input_scale=1 / a if celu else 1.0)
    return elu


def _gelu(call: Call) -> View:
    kind = call.attribute("approximate", "none")
    return call.net.activation(call.name, call.view(), "gelu_tanh" if kind == "tanh" else "gelu")


def _softplus(call: Call) -> View:
    return call.net.activation(call.name, call.view(), "softplus", beta=1.0, threshold=20.0)


def _hard_sigmoid(call: Call) -> View:
    alpha, beta = call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    if abs(alpha - 1 / 6) > 1e-6 or beta != 0.5:
        raise Unmapped(f"alpha {alpha:g}, beta {beta:g}; 1/6 and 0.5 are known")
    return call.net.activation(call.name, call.view(), "hardsigmoid")


def _clip(call: Call) -> View:
    if call.opset < 11:
        return call.net.clamped(call.name, call.view(), call.attribute("min"), call.attribute("max"))
    return call.net.clamped(call.name, call.view(), call.number(1), call.number(2))


def _swish(call: Call) -> View:
    if call.attribute("alpha", 1.0) != 1:
        raise Unmapped(f"alpha {call.attribute('alpha'):g}; 1 is known")
    return call.net.activation(call.name, call.view(), "silu")


def _softmax(call: Call) -> View:
    x = call.view()
    axis = x.position(call.attribute("axis", -1 if call.opset >= 13 else 1))
    if call.opset < 13 and size_of(x.dims[axis]) != prod(x.shape[axis:]):
        raise Unmapped(f"softmax over all from dimension {axis} of {times(x.shape)} on, as before opset 13")
    return (call.net.log_softmax if call.operation.op == "LogSoftmax" else call.net.softmax)(call.name, x, axis)


def _concat(call: Call) -> View:
    return call.net.concatenated(call.name, [value for value in call.inputs if value is not None],
                                 call.attribute("axis"))


def _pad(call: Call) -> View:
    x = call.view()
    mode = _PAD_MODES.get(call.attribute("mode", "constant"))
    if mode is None:
        raise Unmapped(f"mode {call.attribute('mode')}: no counterpart")
    old = call.opset < 11
    pads = list(call.attribute("pads", ())) if old else [int(n) for n in call.wanted(1)]
    value = call.attribute("value", 0.0) if old else call.number(2, 0.0)
    axes = call.constant(3)
    axes = list(range(x.rank)) if axes is None else [x.position(int(axis)) for axis in axes]
    if len(pads) != 2 * len(axes):
        raise Unmapped(f"pads {pads} of {len(axes)} dimensions")
    begin, end = ([dict(zip(axes, side)).get(dim, 0) for dim in range(x.rank)]
                  for side in (pads[:len(axes)], pads[len(axes):]))
    if x.rank != len(AXES) and not any(pads):
        return x
    if mode != "constant":
        return call.net.padded_by_itself(call.name, x, begin, end, mode)
    return call.net.padded(call.name, x, begin, end, value)


def _resize(call: Call) -> View:
    """Resize and Upsample: by the nearest neighbour and whole factors, where every element is repeated."""
    x, mode = call.view(), call.attribute("mode", "nearest")
    if mode != "nearest":
        raise Unmapped(f"mode {mode}: no counterpart; only the nearest neighbour is taken", x)
    old = call.operation.op == "Upsample" or call.opset < 11
    scales, sizes = call.constant(1 if old else 2), None if old else call.constant(3)
    if call.attribute("scales") is not None:
        scales = np.asarray(call.attribute("scales"))
    if call.attribute("axes") is not None:
        raise Unmapped("axes: the factors of all dimensions are wanted", x)
    factors = [n / m for n, m in zip(sizes, x.shape)] if sizes is not None and sizes.size else [float(n) for n in (() if scales is None else scales.reshape(-1))]
    if len(factors) != x.rank or any(factor != 1 for factor in factors[:2]):
        raise Unmapped(f"resizes {times(x.shape)} by {factors}", x)
    how = "asymmetric" if old else call.attribute("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if old else call.attribute("nearest_mode", "round_prefer_floor")
    if not (how == "asymmetric" and rounding == "floor" or how in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel") and rounding.startswith("round_prefer")):
        raise Unmapped(f"coordinates {how} with nearest_mode {rounding}: not every element is repeated equally: no counterpart", x)
    return call.net.upsampled(call.name, x, factors[2:])


def _slice(call: Call) -> View:
    x = call.view()
    parts = slice_arguments(call.operation.attributes, call.constants())
    return call.net.sliced(call.name, x, [(axis, slice(start, stop, step)) for axis, start, stop, step in parts])


def _gather(call: Call) -> View:
    x, indices, axis = call.view(), call.wanted(1), call.attribute("axis", 0)
    if indices.ndim == 0:
        return call.net.item(call.name, x, axis, int(indices))
    if indices.ndim > 1:
        return call.net.strided(call.name, x, axis, indices)
    return call.net.taken(call.name, x, axis, indices.tolist())


def _split(call: Call) -> List[View]:
    x, axis = call.view(), call.attribute("axis", 0)
    size = size_of(x.dims[x.position(axis)])
    sizes = split_sizes(call.operation.attributes, call.constants(), size, len(call.operation.outputs))
    return call.net.parts(call.name, x, axis, sizes)


def _reshape(call: Call) -> View:
    x = call.view()
    return x.reshaped(reshape_target(call.wanted(1), x.shape, bool(call.attribute("allowzero", 0))), call.name)


def _flatten(call: Call) -> View:
    x, axis = call.view(), call.attribute("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    return x.reshaped((prod(x.shape[:axis]), prod(x.shape[axis:])), call.name)


def _transpose(call: Call) -> View:
    x = call.view()
    return x.permuted(call.attribute("perm", range(x.rank)[::-1]), call.name)


def _squeeze(call: Call) -> View:
    return call.view().squeezed(axes_of(call.operation.attributes, call.constants()))


def _unsqueeze(call: Call) -> View:
    axes = axes_of(call.operation.attributes, call.constants())
    if axes is None:
        raise Unmapped("no axes")
    return call.view().unsqueezed(axes)


def _expand(call: Call) -> View:
    x, shape = call.view(), [int(n) for n in call.wanted(1)]
    return x.expanded([1] * (x.rank - len(shape)) + shape)


def _clip_norm(method: Callable, *more: Callable[[Call, View], object]) -> Callable[[Call], View]:
    """method: of Lowering; more: its arguments before gamma and beta."""
    def norm(call: Call) -> View:
        x = call.view()
        if len([output for output in call.operation.outputs if output]) > 1:
            raise Unmapped("its mean or deviation is read: no counterpart", x)
        eps = float(call.attribute("epsilon", 1e-5))
        return method(call.net, call.name, call.operation.op, x, *(part(call, x) for part in more), call.constant(1), call.constant(2), eps)
    return norm


def _group_norm(call: Call) -> View:
    """Before opset 21 scale and bias are one number a group."""
    x, groups = call.view(), int(call.attribute("num_groups", 0))
    channels = x.shape[1] if x.rank > 1 else 0
    gamma, beta = (np.repeat(v, channels // groups) if 0 < groups == v.size and channels % groups == 0 else v
                   for v in (call.wanted(1), call.wanted(2)))
    return call.net.group_norm(call.name, call.operation.op, x, groups, gamma, beta, float(call.attribute("epsilon", 1e-5)))


def _normalisation(axes: Callable[[Call, View], Sequence[int]]) -> Callable[[Call], View]:
    def normalisation(call: Call) -> View:
        x = call.view()
        raise normalises(call.operation.op, x, axes(call, x))
    return normalisation


def _from_axis(call: Call, x: View) -> List[int]:
    return list(range(x.position(call.attribute("axis", -1)), x.rank))


def _tile(call: Call) -> View:
    return repeated(call.view(), [int(n) for n in call.wanted(1)])


def _shape(call: Call) -> np.ndarray:
    return np.asarray(call.view().shape, np.int64)[call.attribute("start", 0):call.attribute("end")]


def _size(call: Call) -> np.ndarray:
    return np.asarray(prod(call.view().shape), np.int64)


def _cast(call: Call) -> View:
    if call.attribute("to") not in (1, 10, 11, 16):
        raise Unmapped("a tensor made whole numbers")
    return call.view()


def _cast_like(call: Call) -> View:
    like = call.input(1)
    if isinstance(like, np.ndarray) and like.dtype.kind != "f":
        raise Unmapped("a tensor made whole numbers")
    return call.view()


def _dropout(call: Call) -> View:
    if call.opset >= 12 and call.number(2, 0):
        raise Unmapped("in training mode: export the model after .eval()")
    return call.view()


def _unchanged(call: Call) -> View:
    return call.view()


_PAD_MODES = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}   # ONNX's word -> ours
_NORMS = ("RMSNormalization", "MeanVarianceNormalization")


def refuse_alone(call: Call) -> None:
    """Raises Unmapped for an operation that cannot be mapped whatever it reads."""
    op, weight = call.operation.op, call.input(1)
    dimensions = weight.ndim - 2 if op == "Conv" and isinstance(weight, np.ndarray) else len(call.attribute("kernel_shape", (1, 1, 1)))
    if op in _NORMS:
        raise without_counterpart(op)
    if op == "Conv" and dimensions != 3:
        raise Unmapped(f"a convolution over {dimensions} dimensions; 3 are wanted (T, H, W)")
    if op in ("AveragePool", "MaxPool") and dimensions != 3:
        raise Unmapped(f"a window over {dimensions} dimensions; 3 are wanted (T, H, W)")
    if op in ("Resize", "Upsample") and call.attribute("mode", "nearest") != "nearest":
        raise Unmapped(f"mode {call.attribute('mode')}: no counterpart; only the nearest neighbour is taken")
    if op == "Pad" and call.attribute("mode", "constant") not in _PAD_MODES:
        raise Unmapped(f"mode {call.attribute('mode')}: no counterpart")


OPERATIONS: Dict[str, Callable[[Call], Union[Value, List[View]]]] = {
    "Add": _add, "AveragePool": _pool("avgpool3d"), "BatchNormalization": _batch_normalisation, "Cast": _cast, "CastLike": _cast_like,
    "Clip": _clip, "Concat": _concat, "Conv": _conv, "Div": _div, "Dropout": _dropout, "Expand": _expand,
    "Flatten": _flatten, "Gather": _gather, "Gemm": _gemm, "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_maximum, "HardSigmoid": _hard_sigmoid, "HardSwish": _activation("hardswish"),
    "Identity": _unchanged, "LeakyRelu": _leaky, "PRelu": _prelu, "Elu": _elu(), "Selu": _elu(SELU_SCALE, SELU_ALPHA), "Celu": _elu(celu=True),
    "Gelu": _gelu, "Mish": _activation("mish"), "Tanh": _activation("tanh"), "Erf": _activation("erf"), "Softplus": _softplus, "LogSoftmax": _softmax, "MatMul": _matmul, "MaxPool": _pool("maxpool3d"), "Mul": _mul, "Pad": _pad,
    "ReduceMax": _reduce(Lowering.maximum), "ReduceMean": _reduce(Lowering.mean),
    "Relu": _activation("relu"), "Resize": _resize, "Upsample": _resize, "Reshape": _reshape, "Shape": _shape, "Sigmoid": _activation("sigmoid"),
    "Size": _size, "Slice": _slice, "Softmax": _softmax, "Split": _split, "Squeeze": _squeeze, "Sub": _sub,
    "Sum": _sum, "Swish": _swish, "Tile": _tile, "Transpose": _transpose, "Unsqueeze": _unsqueeze,
    "RMSNormalization": _normalisation(_from_axis), "GroupNormalization": _group_norm,
    "LayerNormalization": _clip_norm(Lowering.layer_norm, _from_axis),
    "InstanceNormalization": _clip_norm(Lowering.instance_norm),
    "MeanVarianceNormalization": _normalisation(lambda call, x: [x.position(axis) for axis in call.attribute("axes", [0, 2, 3])]),
}
