"""Turns a traced module, node by node, into a network of SPEC 2.

A value that depends on the clip becomes a view of a node of the network. Everything else (sizes, weights, arithmetic on
them) is computed by Python and PyTorch, because every size is known.
"""
from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

import torch
from torch import fx, nn

from .finish import Refusal, bare, refuse
from .fx_ops import FUNCTIONS, METHODS, MODULES, Call, refuse_alone
from .failure import ImportFailure
from .fx_trace import operation_of
from .heads import by_name, in_order
from .lowering import Lowering
from .profiles import Profile
from .progress import report
from .reasons import without_counterpart
from .views import Unmapped, View

_UNKNOWN = object()  # what an operation without a counterpart, and whatever reads it, gives
_STALE = object()    # a tensor that an in-place operation on another view of its memory has changed


class Walk:
    """Evaluates the nodes of a graph in their order; the tracer's Known."""

    def __init__(self, what: str, module: nn.Module, profile: Profile, names: Optional[Dict[fx.Node, str]] = None):
        self.what, self.module, self.names = what, module, {} if names is None else names
        self.net = Lowering(1, profile.channels, profile.frames, profile.size, profile.size)
        self.net.shown = profile.name.partition(",")[0]
        self.values: Dict[fx.Node, object] = {}
        self.refusals: List[Refusal] = []
        self.skipped = False

    def step(self, node: fx.Node) -> None:
        call = Call(self.net, self.names.get(node, node.name))
        try:
            self.values[node] = _evaluate(self.what, self.module, node, call, self.values)
            self.skipped = self.skipped or self.values[node] is _UNKNOWN
        except (Unmapped, ImportFailure) as problem:
            instead = getattr(problem, "instead", None)
            self._refuse(node, call, bare(problem, call.name), _UNKNOWN if instead is None else instead)
        except Exception as problem:  # arguments that fx_ops.py does not know, sizes that do not fit ...
            self._refuse(node, call, f"does not fit together ({problem})", _UNKNOWN)
        if call.overwritten is not None and isinstance(self.values[node], View):
            _overwrite(self.net, call.overwritten, self.values[node], self.values)

    def _refuse(self, node: fx.Node, call: Call, reason: str, value: object) -> None:
        self.refusals.append(Refusal(call.name, _title(self.module, node), reason))
        self.values[node] = value

    def constant(self, node: fx.Node) -> Tuple[bool, object]:
        held: list = []
        _collect(self.values[node], held)
        return not held, self.values[node]

    def length(self, node: fx.Node) -> Optional[int]:
        value = self.values.get(node)
        if isinstance(value, View):
            return value.shape[0] if value.rank else None
        return len(value) if isinstance(value, (tuple, list, torch.Tensor)) else None


def lower_traced(what: str, module: nn.Module, graph: fx.Graph, names: Dict[fx.Node, str], profile: Profile,
                 heads: Sequence[str] = ()) -> Tuple[Lowering, object]:
    """The network and its output; of several heads {name: output}. ImportFailure lists every operation that has no counterpart."""
    walk = Walk(what, module, profile, names)
    read = _needed(module, graph)
    for done, node in enumerate(graph.nodes):
        if node in read:
            report("map its operations", done, len(graph.nodes))
            walk.step(node)
    refuse(what, walk.refusals, walk.skipped)
    return walk.net, _score(what, walk.values[next(node for node in graph.nodes if node.op == "output")], heads)


def _needed(module: nn.Module, graph: fx.Graph) -> set:
    """What the output depends on, and what may change a tensor in place."""
    read = set()
    for node in reversed(graph.nodes):
        if node.op == "output" or node in read or _changes(module, node):
            read.add(node)
            read.update(node.all_input_nodes)
    return read


def _changes(module: nn.Module, node: fx.Node) -> bool:
    """Whether it may work in place."""
    if node.op == "call_module":
        return bool(getattr(module.get_submodule(node.target), "inplace", False))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    flagged = node.kwargs.get("inplace") or "out" in node.kwargs or any(arg is True for arg in node.args)
    return name.endswith("_") or name in ("iadd", "isub", "imul", "itruediv") or bool(flagged)


def _evaluate(what: str, module: nn.Module, node: fx.Node, call: Call, values: Dict[fx.Node, object]) -> object:
    if node.op == "placeholder":
        return _placeholder(what, node, call)
    if node.op == "get_attr":
        return _attribute(module, node.target)
    args, kwargs = (fx.node.map_arg(some, lambda n: values[n]) for some in (node.args, node.kwargs))
    held: list = []
    _collect((args, kwargs), held)
    if node.op == "output":
        return args[0]
    if _STALE in held:
        raise Unmapped("reads a tensor that was changed in place, in part or in another shape")
    if not held:
        return _concrete(module, node, args, kwargs)
    handler = _handler(module, node, held)
    if _UNKNOWN in held:
        if node.op == "call_module":
            refuse_alone(module.get_submodule(node.target))
        elif getattr(handler, "refuses", False):
            raise without_counterpart(_title(module, node))
        return _UNKNOWN
    if node.op == "call_module":
        return handler(call, module.get_submodule(node.target), *args, **kwargs)
    return handler(call, *args, **kwargs)


def _placeholder(what: str, node: fx.Node, call: Call) -> object:
    if node.prev.op == "root":
        return call.net.entry()
    if not node.args:
        raise Unmapped("a second input; one clip is all that a model file's network reads")
    return node.args[0]


def _attribute(module: nn.Module, path: str) -> object:
    *parents, last = path.split(".")
    return getattr(module.get_submodule(".".join(parents)), last)


def _collect(value: object, held: list) -> None:
    """Every View, and every value that represents one, in nested arguments."""
    if isinstance(value, View) or value is _UNKNOWN or value is _STALE:
        held.append(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            _collect(item, held)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, held)


def _handler(module: nn.Module, node: fx.Node, held: list):
    """held: what it reads. It reads the clip, or an unknown value, which may be a size."""
    sure = any(isinstance(value, View) for value in held)
    if node.op == "call_module":
        leaf = module.get_submodule(node.target)
        found = MODULES.get(operation_of(leaf, MODULES))
        if found and (leaf._forward_hooks or leaf._forward_pre_hooks):
            raise Unmapped("has forward hooks (weight_norm, spectral_norm ...): remove them first")
    else:
        found = (METHODS if node.op == "call_method" else FUNCTIONS).get(node.target)
    if found is None and (sure or getattr(node.target, "__module__", "") not in ("_operator", "math", "builtins")):
        raise without_counterpart(_title(module, node), held)
    return found


def _concrete(module: nn.Module, node: fx.Node, args: tuple, kwargs: dict) -> object:
    with torch.no_grad():
        if node.op == "call_module":
            return module.get_submodule(node.target)(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], node.target)(*args[1:], **kwargs)
        return node.target(*args, **kwargs)


def _overwrite(net: Lowering, old: View, new: View, values: Dict[fx.Node, object]) -> None:
    """Whoever holds the memory that an in-place operation changed sees the change, or must not be read any more."""
    for node, value in values.items():
        if value is new or not isinstance(value, View):
            continue
        if value.node == old.node:
            values[node] = new if value.dims == old.dims else _STALE
        elif old.node in _whole_of(net, value.node) or value.node in _whole_of(net, old.node):
            values[node] = _STALE


def _whole_of(net: Lowering, name: str) -> List[str]:
    """What a slice is a part of, and that of it."""
    out = []
    while name in net.nodes and net.nodes[name].op == "slice":
        name = net.nodes[name].inputs[0]
        out.append(name)
    return out


def _title(module: nn.Module, node: fx.Node) -> str:
    if node.op == "call_module":
        return type(module.get_submodule(node.target)).__name__
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


_HEADS = "; one tensor, a score a class, is wanted, or --head-names"


def _score(what: str, value: object, heads: Sequence[str]) -> object:
    if heads and isinstance(value, dict):
        return by_name(what, heads, value)
    if heads:
        return in_order(what, heads, value if isinstance(value, (tuple, list)) else [value])
    if isinstance(value, (tuple, list)) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        keys = ", ".join(map(str, value))
        raise ImportFailure(f"{what}: gives a dictionary ({keys}){_HEADS}")
    if isinstance(value, (tuple, list)):
        raise ImportFailure(f"{what}: gives {len(value)} results{_HEADS}")
    return value
