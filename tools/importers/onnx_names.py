"""Names the nodes of a model file after those of an ONNX graph, so that a user recognises the modules.

PyTorch writes scopes: `/layer1/layer1.0/conv1/Conv` is module layer1.0.conv1; Add in its block, layer1.0.add. If a graph
has no such names, the weights of a kernel layer often do (`layer1.0.conv1.weight`). All other nodes keep their ONNX names.
"""
from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from .lowering import Lowering
from .onnx_read import Graph, Operation

_WEIGHTED = ("Conv", "Gemm", "MatMul", "BatchNormalization")


def module_path(scopes: Sequence[str]) -> str:
    """['layer1', 'layer1.0', 'conv1'] -> 'layer1.0.conv1': a scope that repeats the one before goes on from there."""
    path: List[str] = []
    for scope in scopes:
        if path and scope.startswith(path[-1] + "."):
            path[-1] = scope
        else:
            path.append(scope)
    return ".".join(path)


class Labels:
    """A unique name for every operation that is come to: its own, or that of its output."""

    def __init__(self):
        self.operations: Dict[str, Operation] = {}

    def of(self, operation: Operation) -> str:
        label = unique = _clean(operation.name) or _clean("".join(operation.outputs[:1])) or _clean(
            operation.op) or "node"
        repeat = 0
        while unique in self.operations or unique == "input":
            repeat += 1
            unique = f"{label}_{repeat}"
        self.operations[unique] = operation
        return unique


def _clean(name: str) -> str:
    """A name that a model file may have: without '/', which would be a group in a group."""
    name = "".join(c for c in name.replace("/", ".") if c.isprintable()).strip(".")
    return name[len("node_"):] or name if name.startswith("node_") else name  # which PyTorch 2 puts before every name


def names_of(graph: Graph, labels: Labels, net: Lowering) -> Dict[str, str]:
    """label -> name, for the nodes that were made of operations of those labels."""
    by_label = labels.operations
    made = [(name, *_scopes(by_label[name])) for name in net.nodes if name in by_label]
    inner = {tuple(scopes[:i]) for _, scopes, _ in made for i in range(len(scopes))}
    last = {tuple(scopes): name for name, scopes, _ in made}
    out = {}
    for name, scopes, op in made:
        path = module_path(scopes)
        if path and tuple(scopes) not in inner and last[tuple(scopes)] == name:
            out[name] = path                                    # what a module without modules in it gives
        elif path:
            out[name] = f"{path}.{op}"
        else:
            out[name] = _of_weight(graph, by_label[name]) or op or name
    for name in net.nodes:                                      # parts of an operation: label.0, label.1
        whole = name.rpartition(".")[0]
        if name not in by_label and whole in by_label:
            scopes, op = _scopes(by_label[whole])
            out[name] = ".".join(filter(None, (module_path(scopes), op or whole))) + name[len(whole):]
    return out


def _scopes(operation: Operation) -> Tuple[List[str], str]:
    """The scopes in an operation's name, and its name within them."""
    if not operation.name.startswith("/"):
        return [], ""
    *scopes, op = [clean for clean in map(_clean, operation.name.split("/")) if clean] or [""]
    return scopes, op.lower()


def _of_weight(graph: Graph, operation: Operation) -> str:
    """The module whose parameter the operation reads."""
    weight = operation.inputs[1] if operation.op in _WEIGHTED and len(operation.inputs) > 1 else ""
    path, _, parameter = weight.rpartition(".")
    return _clean(path) if parameter == "weight" and weight in graph.constants else ""
