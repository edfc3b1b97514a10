"""Turns the operations of a framework into nodes of SPEC 2. The importers of ONNX files and PyTorch modules share it.

An importer walks its graph in the order of execution and calls one method here for every operation. It passes the name
of the operation, the views that it reads and its constants as arrays, and gets a view of the new node. An operation
without a counterpart raises Unmapped. Operations that only move elements make no node (see views.py). tidy.py handles
patterns of several nodes.
"""
from __future__ import annotations

from math import prod
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from .network import Network
from .reasons import axes_of, normalises
from .views import AXES, C, H, N, REPEATED, T, W, Dim, Unmapped, View, joined, real, size_of, times, whole

LETTERS = "NCTHW"
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
POINTWISE = ("relu", "relu6", "leakyrelu", "silu", "sigmoid", "hardswish", "hardsigmoid", "prelu", "elu", "gelu", "gelu_tanh",
             "mish", "tanh", "softplus", "clip")
MOST_CHANNELS, MOST_ELEMENTS = 1 << 20, 1 << 31  # of a node: a damaged file must not fill the memory
Constant = Union[float, np.ndarray]
Three = Tuple[int, int, int]
Padding = Tuple[Sequence[int], Sequence[int]]    # begin and end of T, H, W


class Lowering(Network):
    """A network under construction, with the tensors that its nodes want."""

    def __init__(self, batch: int, channels: int, frames: int, height: int, width: int):
        """batch: what the graph's constants take the batch to be; it is in no file."""
        super().__init__(channels, frames, height, width)
        self.batch = batch
        self.shown: Optional[str] = None         # the profile that says how many channels a clip has, where one does
        self.tensors: Dict[str, np.ndarray] = {}
        self.shifted: set = set()                # batch norms that stand for a product or a sum with constants
        self.logs: set = set()                   # identities that stand for a log_softmax
        self.ends_in_log = False                 # the output is the logits of the log_softmax that was left out
        self._settled: Dict[Tuple[str, Tuple[Dim, ...]], View] = {}

    # -- views --------------------------------------------------------------------------------------------------------

    def entry(self) -> View:
        return self.view("input")

    def view(self, node: str) -> View:
        """The node as N x C x T x H x W."""
        return View(node, whole((self.batch, *self.shape(node))))

    def settled(self, x: View) -> View:
        """The same tensor as a view of a node with the same order, if a flatten or a channel_shuffle can make that node."""
        key = (x.node, x.dims)
        if key not in self._settled:
            self._settled[key] = self._settle(x)
        return self._settled[key]

    def _settle(self, x: View) -> View:
        base = [dim for dim in whole((1, *self.shape(x.node))) if dim]
        places = [i for i, dim in enumerate(x.dims) if dim and not _is_batch(dim)]
        dims = [x.dims[i] for i in places]
        if dims == base or not dims or any(REPEATED in (a.axis for a in dim) for dim in dims):
            return x
        if len(dims) == len(base) and dims[1:] == base[1:] and _shuffled(dims[0]):
            name = self.apply(self._free(x.made_by), "channel_shuffle", x.node, groups=_shuffled(dims[0]))
        elif len(dims) == 1 and dims[0] == joined(atom for dim in base for atom in dim):
            name = self.apply(self._free(x.made_by), "flatten", x.node)
        else:
            return x
        after = [dim for dim in whole((1, *self.shape(name))) if dim]
        order = dict(zip(places, after))
        return View(name, tuple(order.get(i, dim) for i, dim in enumerate(x.dims)))

    def volume(self, x: View) -> str:
        """The node that is x, N x C x T x H x W."""
        x = self.settled(x)
        if x.dims != self.view(x.node).dims:
            raise Unmapped(f"reads {times(x.shape)}, a rearrangement of {x.node} that a model file has no op for" if x.rank == 5 else
                           f"reads {times(x.shape)}; N x C x T x H x W is wanted")
        return x.node

    def axis(self, x: View, dim: int) -> int:
        """The node's axis (1 = C ... 4 = W) that dimension `dim` of a settled view is."""
        dim = x.position(dim)
        if x.dims == self.view(x.node).dims:
            return dim
        for axis, base in zip(AXES, self.view(x.node).dims):
            if base and x.dims[dim] == base:
                return axis
        if dim == 1 and not x.dims[1] and self.shape(x.node)[0] == 1:
            return C
        raise Unmapped(f"dimension {dim} of {times(x.shape)} is no axis of {x.node}")

    def _add(self, name, op, inputs, shape, attributes, parameters) -> str:
        if prod(shape) > MOST_ELEMENTS or op != "flatten" and shape[0] > MOST_CHANNELS:
            raise Unmapped(f"{times(shape)} is more than fits into memory")
        return super()._add(name, op, inputs, shape, attributes, parameters)

    def _free(self, name: Optional[str]) -> str:
        """A name for a node that has none in the framework: `name`, or name_1 and so on."""
        unique, repeat = name or "flatten", 0
        while unique in self.nodes or unique == "input":
            repeat += 1
            unique = f"{name}_{repeat}"
        return unique

    def _with(self, x: View, node: str) -> View:
        """x's dimensions over `node`, which has x's shape."""
        return View(node, x.dims)

    # -- kernel layers and batch norm ---------------------------------------------------------------------------------

    def convolution(self, name: str, x: View, weight: np.ndarray, bias: Optional[np.ndarray], stride: Three,
                    padding: Padding, dilation: Three, groups: int) -> View:
        if weight.ndim != 5:
            raise Unmapped(f"a convolution over {weight.ndim - 2} dimensions; 3 are wanted (T, H, W)")
        node, out = self.volume(x), weight.shape[0]
        channels = self.shape(node)[0]
        fits = groups > 0 and out % groups == 0 and weight.shape[1] * groups == channels
        if node == "input" and groups == 1 and self.shown and not fits:
            given = "--mean has" if self.shown == "of the options" else f"{self.shown} gives"
            raise Unmapped(f"the network reads {weight.shape[1]} channel{'s' if weight.shape[1] > 1 else ''}, {given} {channels}")
        if not fits or bias is not None and bias.shape != (out,):
            raise Unmapped(f"{channels} channels, {groups} groups and weights {times(weight.shape)} do not go together")
        return self.view(self._conv(name, node, weight, bias, stride, padding, dilation, groups))

    def _conv(self, name, node, weight, bias, stride=(1, 1, 1), padding=((0, 0, 0), (0, 0, 0)), dilation=(1, 1, 1),
              groups=1) -> str:
        _window(stride, padding, dilation)
        made = self.conv(self._free(name), node, weight.shape[0], weight.shape[2:], stride, padding, dilation=dilation,
                         groups=groups, bias=bias is not None)
        return self._fill(made, weight=weight, bias=bias)

    def _fill(self, name: str, **data: Optional[np.ndarray]) -> str:
        for dataset, array in data.items():
            if array is not None:
                self.tensors[self.nodes[name].parameters[dataset]] = array
        return name

    def fully_connected(self, name: str, x: View, weight: np.ndarray, bias: Optional[np.ndarray]) -> View:
        """x times the transposed weight (O x I), over the last dimension: linear, or conv3d 1x1x1 at every T, H, W."""
        x = self.settled(x)
        if weight.ndim != 2 or not x.dims or size_of(x.dims[-1]) != weight.shape[1] or 0 in weight.shape:
            raise Unmapped(f"weights {times(weight.shape)} over {times(x.shape)}")
        if bias is not None:
            bias = np.broadcast_to(np.squeeze(bias), weight.shape[:1])
        shape, last = self.shape(x.node), x.dims[-1]
        if size_of(last) == prod(shape) > shape[0]:  # all of the node's elements, in another order than its own
            weight = _columns_in_order(weight, last, shape)
            flat = self.apply(self._free(f"{name}.flatten"), "flatten", x.node)
            x = View(flat, (*x.dims[:-1], self.view(flat).dims[C]))
            shape, last = self.shape(x.node), x.dims[-1]
        if last != whole((1, shape[0]))[1]:
            raise Unmapped(f"a linear layer over another dimension than the channels of {times(x.shape)}")
        if prod(shape[1:]) == 1:
            made = self._fill(self.linear(self._free(name), x.node, weight.shape[0], bias is not None), weight=weight,
                              bias=bias)
        else:
            made = self._conv(name, x.node, weight.reshape(*weight.shape, 1, 1, 1), bias)
        return View(made, (*x.dims[:-1], self.view(made).dims[C]))

    def normalisation(self, name: str, x: View, gamma, beta, mean, var, eps: float) -> View:
        x = self.settled(x)
        if x.rank < 2 or self.axis(x, 1) != C:
            raise Unmapped(f"a batch norm over another dimension than the channels of {times(x.shape)}")
        return self._with(x, self._normalise(name, x.node, gamma, beta, mean, var, eps))

    def _normalise(self, name: str, node: str, gamma, beta, mean, var, eps: float) -> str:
        data = dict(gamma=gamma, beta=beta, mean=mean, var=var)
        channels = self.shape(node)[0]
        wrong = [key for key, array in data.items() if array.shape != (channels,)]
        if wrong:
            raise Unmapped(f"{wrong[0]} {times(data[wrong[0]].shape)} over {channels} channels")
        if not (np.asarray(var, np.float32).astype(np.float64) + eps > 0).all():
            raise Unmapped("a variance plus eps is not positive")
        return self._fill(self.batchnorm(self._free(name), node, eps), **data)

    def group_norm(self, name: str, title: str, x: View, groups: int, gamma, beta, eps: float) -> View:
        """Over each group of channels at all positions. gamma, beta: one number a channel, or None."""
        x = self.settled(x)
        axes = {atom.axis for dim in x.dims for atom in dim if atom.axis not in (N, REPEATED)}
        if x.rank < 2 or self.axis(x, 1) != C or any(n > 1 and axis not in axes for axis, n in zip(AXES[1:], self.shape(x.node))):
            raise Unmapped(f"{title} over another dimension than the channels of {times(x.shape)}", x)
        channels = self.shape(x.node)[0]
        if groups < 1 or channels % groups:
            raise Unmapped(f"{groups} groups do not divide {channels} channels", x)
        if groups == channels:
            return self._with(x, self._clip_norm(name, "instancenorm", x.node, gamma, beta, eps))
        return self._with(x, self._clip_norm(name, "groupnorm", x.node, gamma, beta, eps, groups=groups))

    def instance_norm(self, name: str, title: str, x: View, gamma, beta, eps: float) -> View:
        """Over all dimensions after the second, which may be groups of channels (so exporters spell a GroupNorm). gamma, beta: one
        number for each of the second dimension."""
        x, kept = self.settled(x), x.dims[1] if x.rank > 2 else ()
        channels, *size = self.shape(x.node)
        left = sorted((atom.axis, atom.size) for dim in x.dims[2:] for atom in dim)
        groups = kept[0].size if kept else 1
        rest = sorted((axis, n) for axis, n in zip(AXES[1:], (channels // groups, *size)) if n > 1)
        whole_groups = not kept or len(kept) == 1 and kept[0].axis == C and kept[0].size * kept[0].stride == channels
        if x.rank < 3 or not whole_groups or left != rest:
            raise normalises(title, x, range(min(2, x.rank), x.rank))
        gamma, beta = (None if v is None else np.repeat(np.asarray(v).reshape(-1), channels // groups) for v in (gamma, beta))
        op, more = ("instancenorm", {}) if groups == channels else ("groupnorm", {"groups": groups})
        return self._with(x, self._clip_norm(name, op, x.node, gamma, beta, eps, **more))

    def layer_norm(self, name: str, title: str, x: View, dims: Sequence[int], gamma, beta, eps: float) -> View:
        """Over those dimensions: the channels of each position, or all of the clip. gamma, beta: of their shape, or None."""
        x = self.settled(x)
        channels, *size = self.shape(x.node)
        over = sorted((atom.axis, atom.size) for dim in dims for atom in x.dims[dim])
        if over == [(C, channels)] and all(dim == () or _is_batch(dim) or dim[0].axis != C for i, dim in enumerate(x.dims) if i not in dims):
            return self._with(x, self._clip_norm(name, "layernorm", x.node, gamma, beta, eps))
        if over != [(axis, n) for axis, n in zip(AXES[1:], (channels, *size)) if n > 1]:
            raise normalises(title, x, dims)
        for value in (gamma, beta):
            if value is not None and np.asarray(value).std() > 0:
                raise Unmapped(f"{title} over {','.join(axes_of(x, dims))} has another weight at each position: no counterpart", x)
        gamma, beta = (None if v is None else np.full(channels, np.asarray(v).reshape(-1)[0]) for v in (gamma, beta))
        return self._with(x, self._clip_norm(name, "groupnorm", x.node, gamma, beta, eps, groups=1))

    def _clip_norm(self, name: str, op: str, node: str, gamma, beta, eps: float, **attributes) -> str:
        channels, data = self.shape(node)[0], {}
        if gamma is not None or beta is not None:
            data = {"gamma": np.ones(channels) if gamma is None else gamma, "beta": np.zeros(channels) if beta is None else beta}
            data = {key: np.asarray(value, np.float32).reshape(-1) for key, value in data.items()}
            wrong = [key for key, value in data.items() if value.shape != (channels,)]
            if wrong:
                raise Unmapped(f"{wrong[0]} {times(data[wrong[0]].shape)} over {channels} channels")
        made = self._free(name)
        parameters = {key: self._want(f"{made}.{'weight' if key == 'gamma' else 'bias'}", channels) for key in data}
        self._add(made, op, [node], self.shape(node), dict(attributes, eps=float(eps)), parameters)
        return self._fill(made, **data)

    # -- element by element -------------------------------------------------------------------------------------------

    def activation(self, name: str, x: View, op: str, **attributes: float) -> View:
        x = self.settled(x)
        return self._with(x, self.apply(name, op, x.node, **attributes))

    def softmax(self, name: str, x: View, dim: int) -> View:
        x = self.settled(x)
        if self.axis(x, dim) != C:
            raise Unmapped(f"softmax over another dimension than the channels of {times(x.shape)}", x)
        return self._with(x, self.apply(name, "softmax", x.node))

    def log_softmax(self, name: str, x: View, dim: int) -> View:
        """Stands for its input until finish.py knows whether it is the end: there the softmax of both is the same."""
        x = self.settled(x)
        if self.axis(x, dim) != C:
            raise Unmapped(f"log_softmax over another dimension than the channels of {times(x.shape)}")
        made = self.apply(name, "identity", x.node)
        self.logs.add(made)
        return self._with(x, made)

    def clamped(self, name: str, x: View, least: Optional[float], most: Optional[float]) -> View:
        huge = float(np.finfo(np.float32).max)
        least, most = -huge if least is None else float(least), huge if most is None else float(most)
        if least <= -huge and most >= huge:
            return x
        before = self.nodes.get(x.node)
        if before is not None and before.op == "relu" and least <= 0 and most == 6:  # as PyTorch exports ReLU6
            return self.activation(name, View(before.inputs[0], x.dims), "relu6")
        if least == 0 and (most == 6 or most >= huge):
            return self.activation(name, x, "relu6" if most == 6 else "relu")
        if not least < most:
            raise Unmapped(f"clips to {least:g} ... {most:g}, a single number", x)
        return self.activation(name, x, "clip", min=least, max=most)

    def leaky(self, name: str, x: View, slope: float) -> View:
        """A slope below 0 is a prelu's, whose backward pass reads what the activation reads."""
        if slope < 0:
            return self.prelu(name, x, np.asarray([slope], np.float32))
        return self.activation(name, x, "leakyrelu", negative_slope=slope)

    def prelu(self, name: str, x: View, slope: np.ndarray) -> View:
        """slope: one number, or one a channel, in any shape."""
        x, slope = self.settled(x), np.asarray(slope, np.float32).reshape(-1)
        if slope.size != 1 and (slope.size != self.shape(x.node)[0] or x.rank < 2 or self.axis(x, 1) != C):
            raise Unmapped(f"{slope.size} slopes for {times(x.shape)}; one, or one a channel, is wanted", x)
        made = self._free(name)
        key = self._want(f"{made}.slope", slope.size)
        self._add(made, "prelu", [x.node], self.shape(x.node), {}, {"slope": key})
        return self._with(x, self._fill(made, slope=slope))

    def joined_by(self, name: str, op: str, a: View, b: View) -> View:
        """a + b (op add) or a * b (mul), the sizes broadcast."""
        a, b = self.settled(a), self.settled(b)
        rank, dims = max(a.rank, b.rank), []
        for one, other in zip(*(((),) * (rank - view.rank) + view.dims for view in (a, b))):
            if 1 not in (size_of(one), size_of(other)) and size_of(one) != size_of(other):
                raise Unmapped(f"{op} of {times(a.shape)} and {times(b.shape)}")
            mine, its = real(one), real(other)
            if mine and its and mine != its:
                raise Unmapped(f"{op} of {times(a.shape)} and {times(b.shape)}, whose elements are in different orders")
            dims.append(mine or its or one or other)
        shapes = self.shape(a.node), self.shape(b.node)
        if any(1 not in sizes and sizes[0] != sizes[1] for sizes in zip(*shapes)) or prod(
                map(max, *shapes)) * self.batch != prod(size_of(real(dim)) for dim in dims):
            raise Unmapped(
                f"{op} of {times(a.shape)} and {times(b.shape)}: along different axes of {a.node} and {b.node}")
        return View(self.apply(name, op, a.node, b.node), tuple(dims))

    def scaled(self, name: str, x: View, scale: Constant = 1.0, shift: Constant = 0.0) -> View:
        """x * scale + shift, numbers or one number a channel: a batch norm of mean 0 and var + eps = 1."""
        x = self.settled(x)
        gamma, beta = (self._per_channel(x, np.asarray(value, np.float64)) for value in (scale, shift))
        if (gamma == 1).all() and (beta == 0).all():
            return x
        made = self._normalise(name, x.node, gamma, beta, np.zeros_like(gamma), np.ones_like(gamma), 0.0)
        self.shifted.add(made)
        return self._with(x, made)

    def _per_channel(self, x: View, value: np.ndarray) -> np.ndarray:
        channels = self.shape(x.node)[0]
        shape = (1,) * (x.rank - value.ndim) + value.shape
        long = [dim for dim, size in enumerate(shape) if size != 1]
        if len(shape) > x.rank or len(long) > 1 or long and (shape[long[0]] != channels or self.axis(x, long[0]) != C):
            raise Unmapped(
                f"a constant {times(value.shape)} with {times(x.shape)}: one number, or one a channel, is wanted")
        return np.broadcast_to(value.reshape(-1), (channels,)).copy()

    # -- pools and means ----------------------------------------------------------------------------------------------

    def pool(self, name: str, x: View, op: str, kernel: Three, stride: Three, padding: Padding, ceil: bool,
             **more: int) -> View:
        """op: maxpool3d or avgpool3d (with count_include_pad)."""
        node = self.volume(x)
        _window(stride, padding, (1, 1, 1), kernel)
        if not ceil:
            padding = padding[0], _read_padding(self.shape(node)[1:], kernel, stride, padding)
        if any(pad >= k for side in padding for pad, k in zip(side, kernel)):
            raise Unmapped(f"padding {list(map(list, padding))} is not smaller than the kernel {list(kernel)}")
        if op == "avgpool3d" and tuple(kernel) == self.shape(node)[1:] and not any(map(any, padding)):
            return self.view(self.apply(name, "globalavgpool", node))
        add = self.avgpool if op == "avgpool3d" else self.maxpool
        return self.view(add(name, node, kernel, stride, padding, ceil, **more))

    def mean(self, name: str, x: View, dims: Optional[Sequence[int]], keep: bool) -> View:
        """The mean over those dimensions (None: all): globalavgpool, or avgpool3d if T, H or W stays."""
        return self._reduced(name, x, "mean", dims, keep)

    def maximum(self, name: str, x: View, dims: Optional[Sequence[int]], keep: bool) -> View:
        """The same of the largest: maxpool3d."""
        return self._reduced(name, x, "maximum", dims, keep)

    def _reduced(self, name: str, x: View, what: str, dims: Optional[Sequence[int]], keep: bool) -> View:
        x = self.settled(x)
        over = {x.position(dim) for dim in (range(x.rank) if dims is None else dims)}
        atoms = [atom for dim in over for atom in x.dims[dim] if atom.axis != REPEATED]
        size = self.shape(x.node)
        axes = {atom.axis for atom in atoms}
        if axes & {N, C} or any(prod(a.size for a in atoms if a.axis == axis) != size[axis - 1] for axis in axes):
            raise Unmapped(f"a {what} over dimensions {sorted(over)} of {times(x.shape)}; T, H and W are wanted")
        kernel = tuple(n if axis in axes else 1 for axis, n in zip((T, H, W), size[1:]))
        node = x.node
        point = over >= {T, H, W} and x.dims == self.view(node).dims and not self._is_vector(node)
        if what == "maximum":
            node = self.maxpool(name, node, kernel, kernel) if axes or point else node
        elif kernel == size[1:] and (axes or point):  # of a point too: the nodes are the same for every size of the clip
            node = self.apply(name, "globalavgpool", node)
        elif axes:
            node = self.avgpool(name, node, kernel, kernel)
        return View(node, tuple(() if i in over else dim for i, dim in enumerate(x.dims) if keep or i not in over))

    def adaptive_mean(self, name: str, x: View, sizes: Sequence[Optional[int]]) -> View:
        """AdaptiveAvgPool3d: an average pool if the sizes divide the map."""
        return self._adaptive(name, x, "avgpool3d", sizes, count_include_pad=0)

    def adaptive_maximum(self, name: str, x: View, sizes: Sequence[Optional[int]]) -> View:
        return self._adaptive(name, x, "maxpool3d", sizes)

    def _adaptive(self, name: str, x: View, op: str, sizes: Sequence[Optional[int]], **more: int) -> View:
        size = self.shape(self.volume(x))[1:]
        sizes = [n if wanted is None else wanted for n, wanted in zip(size, sizes)]
        if any(wanted < 1 or n % wanted for n, wanted in zip(size, sizes)):
            raise Unmapped(f"an adaptive pool from {times(size)} to {times(sizes)}, which does not divide it")
        kernel = tuple(n // wanted for n, wanted in zip(size, sizes))
        if kernel == (1, 1, 1) and (prod(size) > 1 or self._is_vector(self.volume(x))):
            return x
        return self.pool(name, x, op, kernel, kernel, ((0, 0, 0), (0, 0, 0)), False, **more)

    def _is_vector(self, name: str) -> bool:
        """Whether a linear layer or a flatten made it: it never had positions."""
        while name in self.nodes and self.nodes[name].op in ("batchnorm", "softmax", "identity", *POINTWISE):
            name = self.nodes[name].inputs[0]
        return name in self.nodes and self.nodes[name].op in ("linear", "flatten")

    # -- parts and wholes ---------------------------------------------------------------------------------------------

    def sliced(self, name: str, x: View, parts: Sequence[Tuple[int, slice]]) -> View:
        """x[start:stop:step] along dimensions, as in Python. The last node is `name`, others `name`.2 by dimension."""
        cuts = []
        for dim, part in parts:
            dim = x.position(dim)
            size = size_of(x.dims[dim])
            if part.step is not None and part.step < 1:
                raise Unmapped(f"a slice with step {part.step}")
            taken = range(*part.indices(size))
            if not taken:
                raise Unmapped(f"[{part.start}:{part.stop}:{part.step}] takes nothing of {size}")
            cuts += [(dim, taken)] if len(taken) < size else []
        for i, (dim, taken) in enumerate(cuts):
            x = self._sliced(name if i == len(cuts) - 1 else self._free(f"{name}.{dim}"), x, dim, taken)
        return x

    def _sliced(self, name: str, x: View, dim: int, taken: range) -> View:
        x = self.settled(x)
        axis = self.axis(x, dim)
        if axis == N:
            raise Unmapped("a part of the batch")
        made = self.slice(name, x.node, axis, taken[0], taken[-1] + 1, taken.step if len(taken) > 1 else 1)
        return self._resized(x, dim, made, axis)

    def _resized(self, x: View, dim: int, node: str, axis: int) -> View:
        """x over `node`, which differs along `axis` = dimension `dim`."""
        return View(node, tuple(self.view(node).dims[axis] if i == dim else d for i, d in enumerate(x.dims)))

    def item(self, name: str, x: View, dim: int, index: int) -> View:
        """x[index] along a dimension, which then is gone."""
        dim = x.position(dim)
        size = size_of(x.dims[dim])
        if not -size <= index < size:
            raise Unmapped(f"takes {index} of {size}")
        return self.sliced(name, x, [(dim, slice(index % size, index % size + 1))]).squeezed([dim])

    def taken(self, name: str, x: View, dim: int, indices: Sequence[int]) -> View:
        """x at those indices along a dimension: a slice if they are evenly spaced; otherwise only along T."""
        x = self.settled(x)
        axis, size = self.axis(x, dim), size_of(x.dims[x.position(dim)])
        if not len(indices) or any(not -size <= i < size for i in indices):
            raise Unmapped(f"takes {list(indices)} of {size}")
        indices = [int(i) % size for i in indices]
        steps = {b - a for a, b in zip(indices, indices[1:])} or {1}
        if len(steps) == 1 and min(steps) > 0:
            return self.sliced(name, x, [(dim, slice(indices[0], indices[-1] + 1, min(steps)))])
        if axis != T:
            raise Unmapped(f"takes {indices} along {LETTERS[axis]}; only frames (T) are taken out of order")
        return self._resized(x, x.position(dim), self.take_frames(name, x.node, indices), T)

    def strided(self, name: str, x: View, dim: int, indices: np.ndarray) -> View:
        """x at indices of several dimensions, in the place of one: what as_strided becomes. Known if each element is taken once,
        in steps, as a reshape and a permutation do, or if the flat list of them is known to taken()."""
        dim = x.position(dim)
        shape, size = indices.shape, size_of(x.dims[dim])
        flat = indices.astype(np.int64).reshape(-1)
        at = np.where(flat < 0, flat + size, flat).reshape(shape)
        steps = [int(at.take(1, axis).reshape(-1)[0] - at.reshape(-1)[0]) if n > 1 else 0 for axis, n in enumerate(shape)]
        order = sorted(range(len(shape)), key=lambda axis: -steps[axis])
        dense = np.arange(at.size).reshape([shape[axis] for axis in order]).transpose(np.argsort(order))
        if at.size != size or not (at == dense).all():
            made = self.taken(name, x, dim, at.reshape(-1).tolist())
            return made.reshaped((*made.shape[:dim], *shape, *made.shape[dim + 1:]), name)
        split = x.reshaped((*x.shape[:dim], *(shape[axis] for axis in order), *x.shape[dim + 1:]), name)
        back = [dim + at for at in np.argsort(order).tolist()]
        return split.permuted([*range(dim), *back, *range(dim + len(shape), split.rank)], name)

    def parts(self, name: str, x: View, dim: int, sizes: Sequence[int]) -> List[View]:
        """x in pieces along a dimension; slices name.0, name.1, ..."""
        if sum(sizes) != size_of(x.dims[x.position(dim)]) or min(sizes, default=0) < 1:
            raise Unmapped(f"splits {times(x.shape)} into {list(sizes)}")
        ends = np.cumsum(sizes).tolist()
        return [self.sliced(f"{name}.{i}", x, [(dim, slice(end - size, end))])
                for i, (end, size) in enumerate(zip(ends, sizes))]

    def concatenated(self, name: str, parts: Sequence[Union[View, np.ndarray]], dim: int) -> View:
        """Concatenates along C, T, H or W. Constant channels before or after a single tensor are padding."""
        views = [self.settled(part) for part in parts if isinstance(part, View)]
        first, dim = views[0], views[0].position(dim)
        axis = self.axis(first, dim)
        for view in views:
            if self.axis(view, dim) != axis or axis == N:
                raise Unmapped(f"a concatenation along {LETTERS[self.axis(view, dim)]} of {times(view.shape)}")
            if view.dims[:dim] + view.dims[dim + 1:] != first.dims[:dim] + first.dims[dim + 1:]:
                raise Unmapped(f"a concatenation of {times(first.shape)} and {times(view.shape)}")
        if len(views) < len(parts) and axis != C:
            raise Unmapped(f"a concatenation with constants along {LETTERS[axis]}: no counterpart")
        if len(views) < len(parts):
            made = self._constant_channels(name, parts, first, dim)
        elif axis == C:
            made = self.apply(name, "concat", *(view.node for view in views))
        else:
            made = self._joined_along(name, axis, [view.node for view in views])
        return self._resized(first, dim, made, axis)

    def _joined_along(self, name: str, axis: int, nodes: List[str]) -> str:
        shape = list(self.shape(nodes[0]))
        if any(n != m for node in nodes for at, (n, m) in enumerate(zip(self.shape(node), shape), C) if at != axis):
            raise Unmapped(f"a concatenation along {LETTERS[axis]} of tensors that differ elsewhere")
        shape[axis - 1] = sum(self.shape(node)[axis - 1] for node in nodes)
        return self._add(name, "concat", nodes, tuple(shape), {"axis": axis}, {})

    def upsampled(self, name: str, x: View, factors: Sequence[float]) -> View:
        """By the nearest neighbour, each element repeated that many times along T, H, W."""
        node, whole_ones = self.volume(x), [int(round(factor)) for factor in factors]
        if len(factors) != 3 or any(factor < 1 or abs(n - factor) > 1e-6 for n, factor in zip(whole_ones, factors)):
            raise Unmapped(f"resizes {times(x.shape)} {' x '.join(f'{factor:g}' for factor in factors)} times; whole numbers of T, H, W are wanted", x)
        c, *size = self.shape(node)
        shape = (c, *(n * factor for n, factor in zip(size, whole_ones)))
        return self.view(self._add(name, "upsample", [node], shape, {"factor": tuple(whole_ones)}, {}))

    def _constant_channels(self, name: str, parts: Sequence[Union[View, np.ndarray]], x: View, dim: int) -> str:
        at = [i for i, part in enumerate(parts) if isinstance(part, View)]
        constants = [np.asarray(part) for part in parts if not isinstance(part, View)]
        values = {float(v) for constant in constants for v in (constant.min(), constant.max())}
        fits = all(
            constant.ndim == x.rank and np.delete(constant.shape, dim).tolist() == np.delete(x.shape, dim).tolist()
            for constant in constants)
        if len(at) != 1 or len(values) != 1 or not fits:
            raise Unmapped("a concatenation with constants that are no padding of one tensor by one number")
        before, after = (sum(np.shape(part)[dim] for part in some) for some in (parts[:at[0]], parts[at[0] + 1:]))
        return self.padding(name, x.node, (before, 0, 0, 0), (after, 0, 0, 0), values.pop())

    def padded(self, name: str, x: View, begin: Sequence[int], end: Sequence[int], value: float) -> View:
        """A constant around every dimension; negative amounts cut off."""
        node = self.volume(x)
        if begin[N] or end[N]:
            raise Unmapped("padding of the batch")
        cut = [(dim, slice(max(0, -begin[dim]), max(0, size + min(0, end[dim])))) for dim, size in enumerate(x.shape)]
        begin, end = ([max(0, n) for n in amounts] for amounts in (begin, end))
        grows = any(begin + end)
        node = self.sliced(f"{name}.cut" if grows else name, self.view(node), cut).node
        return self.view(self.padding(name, node, begin[1:], end[1:], float(value)) if grows else node)

    def padded_by_itself(self, name: str, x: View, begin: Sequence[int], end: Sequence[int], mode: str) -> View:
        """mode: replicate or reflect."""
        node = self.volume(x)
        if any((*begin[:T], *end[:T])) or min((*begin, *end)) < 0:
            raise Unmapped(f"mode {mode} with padding {list(begin)} and {list(end)}; only T, H and W are padded so", x)
        size = self.shape(node)[1:]
        if mode == "reflect" and any(n >= s for side in (begin[2:], end[2:]) for n, s in zip(side, size)):
            raise Unmapped(f"reflects {list(begin[2:])} and {list(end[2:])} of {times(size)}; less than all is wanted", x)
        if not any((*begin, *end)):
            return x
        shape = (self.shape(node)[0], *(n + b + e for n, b, e in zip(size, begin[2:], end[2:])))
        attributes = dict(pad_begin=tuple(begin[2:]), pad_end=tuple(end[2:]), value=0.0, channels_begin=0, channels_end=0, mode=mode)
        return self.view(self._add(self._free(name), "pad", [node], shape, attributes, {}))

    def padding(self, name: str, node: str, begin: Sequence[int], end: Sequence[int], value: float) -> str:
        """Node `pad`; begin and end are of C, T, H, W."""
        shape = tuple(n + b + e for n, b, e in zip(self.shape(node), begin, end))
        attributes = dict(pad_begin=tuple(begin[1:]), pad_end=tuple(end[1:]), value=value, channels_begin=begin[0],
                          channels_end=end[0])
        return self._add(name, "pad", [node], shape, attributes, {})


def _read_padding(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int],
                  padding: Padding) -> Tuple[int, ...]:
    """The end padding; where it is more than a window (so ceil_mode is spelt in opset 9) only what windows reach."""
    end = []
    for n, k, s, before, after in zip(size, kernel, stride, *padding):
        last = (n + before + after - k) // s * s + k
        end.append(after if after < k else max(0, last - n - before))
    return tuple(end)


def _is_batch(dim: Dim) -> bool:
    return len(dim) == 1 and dim[0].axis == N


def _shuffled(dim: Dim) -> int:
    """The groups of a channel shuffle (channels as groups x the rest, transposed), or 0."""
    if len(dim) == 2 and all(atom.axis == C for atom in dim):
        inner, outer = dim
        if inner.stride == 1 and outer.stride == inner.size:
            return outer.size
    return 0


def _columns_in_order(weight: np.ndarray, last: Dim, shape: Sequence[int]) -> np.ndarray:
    """Columns of a linear layer that reads a node's elements in the order `last`, for one that reads them flattened."""
    if any(atom.axis not in (C, T, H, W) for atom in last):
        raise Unmapped("a linear layer over repeated elements or the batch")
    step = {axis: prod(shape[axis:]) for axis in (C, T, H, W)}
    position = np.zeros(1, np.int64)
    for atom in last:
        position = (position[:, None] + np.arange(atom.size) * atom.stride * step[atom.axis]).reshape(-1)
    ordered = np.empty_like(weight)
    ordered[:, position] = weight
    return ordered


def _window(stride: Sequence[int], padding: Padding, dilation: Sequence[int],
            kernel: Sequence[int] = (1, 1, 1)) -> None:
    for what, values, least in (("stride", stride, 1), ("padding", (*padding[0], *padding[1]), 0),
                                ("dilation", dilation, 1), ("kernel", kernel, 1)):
        if len(values) != (6 if what == "padding" else 3) or min(values) < least:
            raise Unmapped(
                f"{what} {list(values)}; {'6' if what == 'padding' else '3'} numbers from {least} are wanted")
