"""Traces a PyTorch module with torch.fx, and names every node after its module.

The names are those of torchvision's feature extraction: a module's path (layer4.2.conv3), with _1, _2, ... when it is
called again; a function by the path of the module that calls it and its own name (layer4.2.add, layer4.2.relu_1).
"""
from __future__ import annotations

import contextlib
import dis
import inspect
import operator
import re
import sys
from typing import Callable, Dict, Iterable, Iterator, Optional, Protocol, Tuple

import torch
from torch import fx, nn
from torch.nn.modules import module as _hooks


_NOT_COMPUTED_WITH = ("extra_repr", "reset_parameters", "train", "_check_input_dim")


def operation_of(module: nn.Module, leaves: Iterable[type]) -> Optional[type]:
    """Which of `leaves`, module classes that are one operation, it is. None if it, or a subclass, computes something else: has
    another forward(), or another of the methods that forward() may call."""
    kinds = type(module).__mro__
    leaf = next((kind for kind in kinds if kind in leaves), None)
    if leaf is None or "forward" in vars(module):
        return None
    own = {name for kind in kinds[:kinds.index(leaf)] for name in vars(kind) if hasattr(leaf, name)}
    return None if any(not name.startswith("__") and name not in _NOT_COMPUTED_WITH for name in own) else leaf


class Known(Protocol):
    """Computes what each node is, as it is recorded."""
    names: Dict[fx.Node, str]

    def step(self, node: fx.Node) -> None: ...
    def constant(self, node: fx.Node) -> Tuple[bool, object]:
        """Whether the value of the node is known whatever the clip, and the value."""
    def length(self, node: fx.Node) -> Optional[int]:
        """How many items it has; None if that is not known."""


class Tracer(fx.Tracer):
    """Sizes, and what is computed of sizes and weights alone, are no proxies but Python's numbers and tensors: so `len(x.shape)`,
    `range(t)` and torch.zeros(n, c) run as they are. leaves: module classes that are one operation."""

    def __init__(self, leaves: Iterable[type], known: Known):
        super().__init__()
        self.leaves, self.known = tuple(leaves), known
        self.names = known.names
        self._paths = [""]
        self._computing = False

    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        if isinstance(module, self.leaves):
            return operation_of(module, self.leaves) is not None
        return super().is_leaf_module(module, path)

    def getattr(self, name, value, cache):
        """torch.fx gives a proxy for a module's weights; what computes a node wants the weights."""
        return value if self._computing else super().getattr(name, value, cache)

    def call_module(self, module, forward, args, kwargs):
        if self._computing:
            return forward(*args, **kwargs)
        self._paths.append(self.path_of_module(module))
        try:
            return super().call_module(module, forward, args, kwargs)
        finally:
            self._paths.pop()

    def create_node(self, kind, target, args, kwargs, name=None, type_expr=None):
        node = super().create_node(kind, target, args, kwargs, name, type_expr)
        if kind == "call_module":
            wanted = str(target)
        else:
            function = re.sub(r"_[0-9]+$", "", node.name)  # torch.fx counts over the whole graph
            wanted = f"{self._paths[-1]}.{function}" if self._paths[-1] else function
        unique, repeat, taken = wanted, 0, set(self.names.values())
        while unique in taken:
            repeat += 1
            unique = f"{wanted}_{repeat}"
        self.names[node] = unique
        if kind != "output":
            self._computing = True
            self.known.step(node)
            self._computing = False
        return node

    def create_proxy(self, kind, target, args, kwargs, *more, **others):
        proxy = super().create_proxy(kind, target, args, kwargs, *more, **others)
        constant, value = self.known.constant(proxy.node) if kind in ("call_function", "call_method") else (False, None)
        return value if constant else proxy

    def length(self, node: fx.Node) -> Optional[int]:
        return self.known.length(node)


_MOST_ITEMS = 256
# what a tensor has that is no method; torch.fx only looks at an attribute when it is used
_ATTRIBUTES = {"shape", "ndim", "device", "dtype", "layout", "is_cuda", "is_quantized", "is_sparse", "is_mkldnn", "is_nested", "is_meta",
               "requires_grad", "grad", "data", "T", "mT"}


def _attribute(proxy: fx.Proxy, name: str) -> object:
    if name in _ATTRIBUTES:
        return proxy.tracer.create_proxy("call_function", getattr, (proxy, name), {})
    return fx.proxy.Attribute(proxy, name)


def _length(proxy: fx.Proxy) -> int:
    """Of a tensor, or of a list of tensors."""
    length = proxy.tracer.length(proxy.node)
    if length is None:
        raise TypeError("len() of what is not known")
    return length


def _iterate(proxy: fx.Proxy) -> Iterator[fx.Proxy]:
    """`a, b = x.chunk(2, 1)`, `for part in x.unbind(1)`. Of an unknown tensor, as many as are unpacked; PyTorch 1.13 looks that
    up as Python before 3.11 has it."""
    length = proxy.tracer.length(proxy.node)
    if length is not None and length <= _MOST_ITEMS:
        return (proxy[i] for i in range(length))
    frame = sys._getframe(1)  # the module's code
    at = next((step for step in dis.get_instructions(frame.f_code) if step.offset == frame.f_lasti), None)
    if at is not None and at.opname == "UNPACK_SEQUENCE":
        return (proxy[i] for i in range(at.argval))
    raise TypeError("a loop over a tensor")


def _in_place(function: Callable, name: str) -> Callable:
    """`x += y` changes x for every reader, but torch.fx records x + y. The name stays that of torch.fx."""
    def record(proxy: fx.Proxy, other: object) -> fx.Proxy:
        return proxy.tracer.create_proxy("call_function", function, (proxy, other), {}, name=name)
    return record


_RECORDED = {
    "__getattr__": _attribute, "__len__": _length, "__iter__": _iterate, "__iadd__": _in_place(operator.iadd, "add"), "__isub__": _in_place(operator.isub, "sub"),
    "__imul__": _in_place(operator.imul, "mul"), "__itruediv__": _in_place(operator.itruediv, "truediv")
}


@contextlib.contextmanager
def _recording() -> Iterator[None]:
    """What torch.fx's proxies lack."""
    published = {name: vars(fx.Proxy)[name] for name in _RECORDED if name in vars(fx.Proxy)}
    for name, method in _RECORDED.items():
        setattr(fx.Proxy, name, method)
    try:
        yield
    finally:
        for name in _RECORDED:
            setattr(fx.Proxy, name, published[name]) if name in published else delattr(fx.Proxy, name)


def trace(module: nn.Module, leaves: Iterable[type], known: Known) -> fx.Graph:
    """The graph; known.names has the names of its nodes. Raises what the module's code raises when it gets the proxies of torch.fx."""
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        raise TypeError("the forward() of its class is not all that it does: hooks, or a forward() of its own")
    if _hooks._global_forward_hooks or _hooks._global_forward_pre_hooks:
        raise TypeError("there are forward hooks of every module")
    tracer = Tracer(leaves, known)
    rest = list(inspect.signature(module.forward).parameters.values())[1:]
    defaults = {parameter.name: parameter.default for parameter in rest if parameter.default is not parameter.empty}
    with torch.no_grad(), _recording():
        return tracer.trace(module, defaults or None)  # as if called with the clip alone
