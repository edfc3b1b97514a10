"""The description of a network: its nodes in the order of execution, the shape of every tensor, and the weights it needs.

    net = Network(channels=3, frames=16, height=112, width=112)
    x = net.conv("conv1", "input", 64, kernel=7, stride=(1, 2, 2), padding=3)
    x = net.apply("relu", "relu", net.batchnorm("bn1", x))

Nodes are named as the framework names its modules, so that a user recognises them and the keys of a checkpoint are known:
`conv1` needs `conv1.weight`. A module that is called again, and a function, is named as torch.fx does: relu, relu_1, add.
checkpoint.py or random_weights.py give the tensors; write_model() joins them with the description. For three numbers
(T, H, W) one may be given, which then counts for all three.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Dict, List, Sequence, Tuple, Union

from .failure import ImportFailure

Shape = Tuple[int, int, int, int]                 # C, T, H, W
Three = Union[int, Sequence[int]]
Padding = Union[int, Sequence[int], Tuple[Sequence[int], Sequence[int]], str]
SAME = "same"                                     # TensorFlow's: as much as makes the output ceil(size / stride), the odd one behind
_BATCHNORM = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
_MOST_ELEMENTS = 1 << 32                          # of one tensor


@dataclass
class Node:
    name: str
    op: str                                       # of SPEC 2
    inputs: List[str]
    shape: Shape                                  # of the output
    attributes: Dict[str, object] = field(default_factory=dict)
    parameters: Dict[str, str] = field(default_factory=dict)  # dataset of SPEC 2 -> the checkpoint's key


def three(value: Three) -> Tuple[int, int, int]:
    values = (value,) * 3 if isinstance(value, int) else tuple(value)
    if len(values) != 3:
        raise ValueError(f"{value!r}: three numbers are wanted: T, H, W")
    return values


def same_padding(size: Sequence[int], kernel: Three, stride: Three) -> Tuple[Tuple[int, ...], Tuple[int, ...]]:
    """TensorFlow's SAME for an input of `size` (T, H, W): (begin, end)."""
    total = [max(0, (math.ceil(n / s) - 1) * s + k - n) for n, k, s in zip(size, three(kernel), three(stride))]
    return tuple(p // 2 for p in total), tuple(p - p // 2 for p in total)


class Network:
    """See the module. Every method that adds a node returns its name, to be the input of the next."""

    def __init__(self, channels: int, frames: int, height: int, width: int):
        self.input: Shape = (channels, frames, height, width)
        self.nodes: Dict[str, Node] = {}
        self.wanted: Dict[str, Tuple[int, ...]] = {}  # the checkpoint's key -> shape

    def shape(self, name: str) -> Shape:
        return self.input if name == "input" else self.nodes[name].shape

    def _add(self, name: str, op: str, inputs: Sequence[str], shape: Shape, attributes: dict, parameters: Dict[str, str]) -> str:
        if min(shape) < 1:
            raise ImportFailure(f"{name}: nothing is left of {' x '.join(map(str, self.shape(inputs[0])))}: "
                                "more --frames or a larger --size is wanted")
        if math.prod(shape) > _MOST_ELEMENTS:
            raise ImportFailure(f"{name}: {' x '.join(map(str, shape))} is too large")
        unique, repeat = name, 0
        while unique in self.nodes:
            if parameters:
                raise ValueError(f"{name}: two nodes of that name have weights")
            repeat += 1
            unique = f"{name}_{repeat}"
        self.nodes[unique] = Node(unique, op, list(inputs), shape, attributes, parameters)
        return unique

    def _want(self, key: str, *shape: int) -> str:
        self.wanted[key] = tuple(shape)
        return key

    def _window(self, x: str, kernel: Three, stride: Three, padding: Padding, dilation: Three = 1, ceil: bool = False):
        """Attributes of a window and the T, H, W that it leaves."""
        size, kernel, stride, dilation = self.shape(x)[1:], three(kernel), three(stride), three(dilation)
        if padding == SAME:
            begin, end = same_padding(size, kernel, stride)
        elif not isinstance(padding, int) and len(padding) == 2:
            begin, end = three(padding[0]), three(padding[1])
        else:
            begin = end = three(padding)
        left = []
        for n, k, s, d, b, e in zip(size, kernel, stride, dilation, begin, end):
            span = n + b + e - (d * (k - 1) + 1)
            out = (-(-span // s) if ceil else span // s) + 1
            left.append(out - 1 if ceil and (out - 1) * s >= n + b else out)  # the last window must start inside
        return dict(stride=stride, pad_begin=begin, pad_end=end), tuple(left)

    def conv(self, name: str, x: str, out: int, kernel: Three, stride: Three = 1, padding: Padding = 0, *,
             dilation: Three = 1, groups: int = 1, bias: bool = False) -> str:
        """conv3d with `name`.weight (out x in/groups x kernel) and, with bias, `name`.bias.

        padding: one number, T H W, (begin, end), or SAME.
        """
        channels = self.shape(x)[0]
        if channels % groups or out % groups:
            raise ValueError(f"{name}: {channels} -> {out} channels do not divide into {groups} groups")
        window, size = self._window(x, kernel, stride, padding, dilation)
        parameters = {"weight": self._want(f"{name}.weight", out, channels // groups, *three(kernel))}
        if bias:
            parameters["bias"] = self._want(f"{name}.bias", out)
        return self._add(name, "conv3d", [x], (out, *size), dict(window, dilation=three(dilation), groups=groups), parameters)

    def linear(self, name: str, x: str, out: int, bias: bool = True) -> str:
        """linear over C x 1 x 1 x 1, with `name`.weight (out x C) and `name`.bias."""
        channels, *size = self.shape(x)
        if size != [1, 1, 1]:
            raise ValueError(f"{name}: linear reads C x 1 x 1 x 1, not {self.shape(x)}")
        parameters = {"weight": self._want(f"{name}.weight", out, channels)}
        if bias:
            parameters["bias"] = self._want(f"{name}.bias", out)
        return self._add(name, "linear", [x], (out, 1, 1, 1), {}, parameters)

    def batchnorm(self, name: str, x: str, eps: float = 1e-5) -> str:
        """batchnorm with `name`.weight, .bias, .running_mean and .running_var."""
        shape = self.shape(x)
        parameters = {dataset: self._want(f"{name}.{key}", shape[0]) for dataset, key in _BATCHNORM.items()}
        return self._add(name, "batchnorm", [x], shape, {"eps": eps}, parameters)

    def _pool(self, name: str, op: str, x: str, kernel: Three, stride: Three, padding: Padding, ceil: bool, **more) -> str:
        window, size = self._window(x, kernel, stride, padding, ceil=ceil)
        attributes = dict(window, kernel=three(kernel), ceil_mode=int(ceil), **more)
        return self._add(name, op, [x], (self.shape(x)[0], *size), attributes, {})

    def maxpool(self, name: str, x: str, kernel: Three, stride: Three, padding: Padding = 0, ceil: bool = False) -> str:
        """Padding never wins, as in PyTorch. If zeros shall compete, put pad() before the pool."""
        return self._pool(name, "maxpool3d", x, kernel, stride, padding, ceil)

    def avgpool(self, name: str, x: str, kernel: Three, stride: Three, padding: Padding = 0, ceil: bool = False,
                count_include_pad: bool = True) -> str:
        return self._pool(name, "avgpool3d", x, kernel, stride, padding, ceil, count_include_pad=int(count_include_pad))

    def pad(self, name: str, x: str, begin: Three = 0, end: Three = 0, channels_end: int = 0) -> str:
        """Adds zeros around T, H, W and after the channels."""
        begin, end = three(begin), three(end)
        c, *size = self.shape(x)
        shape = (c + channels_end, *(n + b + e for n, b, e in zip(size, begin, end)))
        return self._add(name, "pad", [x], shape, dict(pad_begin=begin, pad_end=end, value=0.0, channels_end=channels_end), {})

    def slice(self, name: str, x: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """x[start:stop:step] on axis 1 (C), 2 (T), 3 (H) or 4 (W)."""
        shape = list(self.shape(x))
        shape[axis - 1] = len(range(start, min(stop, shape[axis - 1]), step))
        return self._add(name, "slice", [x], tuple(shape), dict(axis=axis, start=start, stop=stop, step=step), {})

    def take_frames(self, name: str, x: str, frames: Sequence[int]) -> str:
        """x at those frames, in that order: slices of equal step, each put at its place among zeros, and their sum."""
        runs: List[List[int]] = []
        for f in frames:
            run = runs[-1] if runs else None
            fits = run is not None and (len(run) == 1 and f > run[0] or len(run) > 1 and f - run[-1] == run[1] - run[0])
            run.append(f) if fits else runs.append([f])
        if len(runs) == 1:
            return self.slice(name, x, 2, runs[0][0], runs[0][-1] + 1, runs[0][1] - runs[0][0] if len(runs[0]) > 1 else 1)
        parts, done = [], 0
        for i, run in enumerate(runs):
            part = self.slice(f"{name}.frames_{i}", x, 2, run[0], run[-1] + 1, run[1] - run[0] if len(run) > 1 else 1)
            parts.append(self.pad(f"{name}.place_{i}", part, (done, 0, 0), (len(frames) - done - len(run), 0, 0)))
            done += len(run)
        return self.apply(name, "add", *parts)

    def apply(self, name: str, op: str, *inputs: str, **attributes) -> str:
        """What has neither weights nor a window: activations, add, mul, concat, globalavgpool, flatten, ..."""
        shapes = [self.shape(x) for x in inputs]
        c, t, h, w = shapes[0]
        if op in ("add", "mul"):
            shape = tuple(max(sizes) for sizes in zip(*shapes))
            if any(n not in (1, m) for s in shapes for n, m in zip(s, shape)):
                raise ValueError(f"{name}: {op} of {shapes}")
        elif op == "concat":
            shape = (sum(s[0] for s in shapes), t, h, w)
            if any(s[1:] != (t, h, w) for s in shapes):
                raise ValueError(f"{name}: concat of {shapes}")
        elif op == "globalavgpool":
            shape = (c, 1, 1, 1)
        elif op == "flatten":
            shape = (c * t * h * w, 1, 1, 1)
        else:
            shape = shapes[0]
        return self._add(name, op, inputs, shape, attributes, {})
