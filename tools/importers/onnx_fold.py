"""Computes operations on constants in numpy: the arithmetic on shapes that exporters leave, and arithmetic on weights.

fold(op, ...) is called only if every input is known. Shape arithmetic uses no operations but those of the table.
"""
from __future__ import annotations

from math import prod
from typing import Callable, Dict, List, Optional, Sequence

import numpy as np

from .views import Unmapped

MOST_ELEMENTS = 1 << 26  # of a folded constant: a damaged file must not fill the memory
_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
          11: np.float64, 12: np.uint32, 13: np.uint64}


def _whole(values) -> List[int]:
    return [int(value) for value in np.asarray(values).reshape(-1)]


def _bounded(shape: Sequence[int]) -> List[int]:
    shape = _whole(shape)
    if min(shape, default=0) < 0 or prod(shape) > MOST_ELEMENTS:
        raise Unmapped(f"a constant of {shape} elements")
    return shape


def _type(code: int) -> type:
    if code not in _TYPES:
        raise Unmapped(f"numbers of type {code}")
    return _TYPES[code]


def reshape_target(target: Sequence[int], old: Sequence[int], keep_zero: bool) -> List[int]:
    """Reshape's own rule: 0 takes the size that was there, unless allowzero."""
    return [old[i] if size == 0 and not keep_zero else size for i, size in enumerate(_whole(target))]


def axes_of(attributes: dict, inputs: Sequence[Optional[np.ndarray]], at: int = 1) -> Optional[List[int]]:
    """axes: an attribute in older opsets, an input in newer ones; None if there are none."""
    given = inputs[at] if len(inputs) > at and inputs[at] is not None else attributes.get("axes")
    return None if given is None else _whole(given)


def slice_arguments(attributes: dict, inputs: Sequence[Optional[np.ndarray]]):
    """[(axis, start, stop, step)] of a Slice."""
    if "starts" in attributes:
        starts, ends, axes, steps = attributes["starts"], attributes["ends"], attributes.get("axes"), None
    else:
        starts, ends, axes, steps = (*inputs[1:], None, None)[:4]
    starts, ends = _whole(starts), _whole(ends)
    axes = list(range(len(starts))) if axes is None else _whole(axes)
    steps = [1] * len(starts) if steps is None else _whole(steps)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Unmapped("as many starts as ends, axes and steps are wanted")
    return list(zip(axes, starts, ends, steps))


def _slice(a, x, *rest):
    index = [slice(None)] * x.ndim
    for axis, start, stop, step in slice_arguments(a, (x, *rest)):
        index[axis] = slice(start, None if step < 0 and stop < -x.shape[axis] else stop, step)
    return x[tuple(index)]


def _squeeze(a, x, *rest):
    axes = axes_of(a, (x, *rest))
    return np.squeeze(x, None if axes is None else tuple(axes))


def _unsqueeze(a, x, *rest):
    return np.expand_dims(x, tuple(axes_of(a, (x, *rest))))


def _constant_of_shape(a, shape):
    return np.full(_bounded(shape), np.asarray(a.get("value", np.float32(0))).reshape(-1)[0])


def _divide(a, x, y):
    if np.issubdtype(np.asarray(x).dtype, np.integer):
        return np.trunc(x / y).astype(np.asarray(x).dtype)  # towards zero, as C does
    return np.divide(x, y)


def _range(a, start, limit, delta):
    count = int(max(0, np.ceil((limit - start) / delta)))
    _bounded([count])
    return (start + np.arange(count) * delta).astype(np.asarray(start).dtype)


def _reduce(function: Callable) -> Callable:
    def reduce(a, x, *rest):
        axes = axes_of(a, (x, *rest))
        return np.asarray(function(x, axis=None if axes is None else tuple(axes), keepdims=bool(a.get("keepdims", 1))))
    return reduce


def _expand(a, x, shape):
    shape = np.broadcast_shapes(x.shape, _bounded(shape))
    _bounded(shape)
    return np.broadcast_to(x, shape)


def _concat(a, *xs):
    _bounded([sum(x.size for x in xs)])
    return np.concatenate(xs, a["axis"])


def _matmul(a, x, y):
    stacked = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    _bounded([*stacked, *x.shape[-2:-1], *y.shape[-1:]])
    return np.matmul(x, y)


def _dropout(a, x, ratio=None, training=None):
    if training is not None and training.any():
        raise Unmapped("in training mode: export the model after .eval()")
    return x


def _gather(a, x, indices):
    _bounded([x.size // max(1, x.shape[a.get("axis", 0)]), np.size(indices)])
    return np.take(x, np.asarray(indices, np.int64), axis=a.get("axis", 0))


def constant(attributes: dict) -> np.ndarray:
    for key, kind in (("value", None), ("value_float", np.float32), ("value_floats", np.float32),
                      ("value_int", np.int64), ("value_ints", np.int64)):
        if key in attributes:
            return np.asarray(attributes[key], kind)
    raise Unmapped("a constant of an unknown kind")


def split_sizes(attributes: dict, inputs: Sequence[Optional[np.ndarray]], size: int, outputs: int) -> List[int]:
    """Split: sizes as attribute (before opset 13) or input, or equal parts, the last one smaller."""
    given = inputs[1] if len(inputs) > 1 and inputs[1] is not None else attributes.get("split")
    if given is not None:
        return _whole(given)
    most = -(-size // int(attributes.get("num_outputs", outputs)))
    return [min(most, size - start) for start in range(0, size, most)]


def _split(a, x, *rest, outputs):
    axis = a.get("axis", 0)
    sizes = split_sizes(a, (x, *rest), x.shape[axis], outputs)
    return np.split(x, np.cumsum(sizes)[:-1], axis)


_FOLD: Dict[str, Callable] = {
    "Shape": lambda a, x: np.asarray(x.shape, np.int64)[a.get("start", 0):a.get("end")],
    "Size": lambda a, x: np.asarray(x.size, np.int64),
    "Identity": lambda a, x: x,
    "Dropout": _dropout,
    "Cast": lambda a, x: x.astype(_type(a["to"])),
    "CastLike": lambda a, x, y: x.astype(np.asarray(y).dtype),
    "ConstantOfShape": _constant_of_shape,
    "Reshape": lambda a, x, shape: x.reshape(reshape_target(shape, x.shape, bool(a.get("allowzero", 0)))),
    "Flatten": lambda a, x: x.reshape(prod(x.shape[:a.get("axis", 1)]), -1),
    "Transpose": lambda a, x: np.transpose(x, a.get("perm")),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Slice": _slice,
    "Gather": _gather,
    "Expand": _expand,
    "Range": _range,
    "Add": lambda a, x, y: np.add(x, y),
    "Sub": lambda a, x, y: np.subtract(x, y),
    "Mul": lambda a, x, y: np.multiply(x, y),
    "Div": _divide,
    "Mod": lambda a, x, y: np.fmod(x, y) if a.get("fmod", 0) else np.mod(x, y),
    "Pow": lambda a, x, y: np.power(x, y).astype(np.asarray(x).dtype),
    "Sqrt": lambda a, x: np.sqrt(x),
    "Reciprocal": lambda a, x: 1 / x,
    "Exp": lambda a, x: np.exp(x),
    "Neg": lambda a, x: -x,
    "Abs": lambda a, x: np.abs(x),
    "Floor": lambda a, x: np.floor(x),
    "Ceil": lambda a, x: np.ceil(x),
    "Round": lambda a, x: np.round(x),
    "Sigmoid": lambda a, x: 1 / (1 + np.exp(-x)),
    "Min": lambda a, *xs: np.minimum.reduce(np.broadcast_arrays(*xs)),
    "Max": lambda a, *xs: np.maximum.reduce(np.broadcast_arrays(*xs)),
    "Equal": lambda a, x, y: np.equal(x, y),
    "Less": lambda a, x, y: np.less(x, y),
    "Greater": lambda a, x, y: np.greater(x, y),
    "Not": lambda a, x: np.logical_not(x),
    "And": lambda a, x, y: np.logical_and(x, y),
    "Or": lambda a, x, y: np.logical_or(x, y),
    "Where": lambda a, c, x, y: np.where(c, x, y),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMean": _reduce(np.mean),
    "MatMul": _matmul,
}


_BROADCAST = {"Add", "Sub", "Mul", "Div", "Mod", "Pow", "Min", "Max", "Equal", "Less", "Greater", "And", "Or", "Where"}


def foldable(op: str) -> bool:
    return op in _FOLD or op == "Split"


def fold(op: str, attributes: dict, inputs: Sequence[Optional[np.ndarray]], outputs: int) -> List[np.ndarray]:
    """The outputs of an operation on constants. Raises ValueError and the like if they do not fit."""
    inputs = list(inputs)
    while inputs and inputs[-1] is None:
        inputs.pop()
    if op in _BROADCAST:
        _bounded(np.broadcast_shapes(*(np.shape(value) for value in inputs)))
    with np.errstate(all="ignore"):
        if op == "Split":
            return _split(attributes, *inputs, outputs=outputs)
        return [np.asarray(_FOLD[op](attributes, *inputs))]
