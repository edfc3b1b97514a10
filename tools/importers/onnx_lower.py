"""Turns an ONNX graph, operation by operation, into a network of SPEC 2."""
from __future__ import annotations

from collections import ChainMap
from functools import partial
from typing import Callable, Dict, List, MutableMapping, Tuple

import numpy as np

from .failure import ImportFailure
from .finish import Refusal, bare, refuse
from .lowering import Lowering
from .onnx_fold import constant, fold, foldable
from .onnx_layout import entry, layouts, size_of_axis
from .onnx_names import Labels, names_of
from .onnx_ops import OPERATIONS, Call, refuse_alone
from .onnx_read import Graph, Operation, no_clip
from .pathways import NODE, slow_frames
from .profiles import Profile
from .progress import report
from .reasons import without_counterpart
from .views import Unmapped

_UNKNOWN = object()  # what an operation without a counterpart, and whatever reads it, gives


_MOST_FOLDED = 1 << 28  # elements, of all constants that were computed


def layout_of(graph: Graph, frames: int, size: int) -> str:
    """What the dimensions of the graph's input are, of onnx_layout.py. frames, size: for what the file leaves open."""
    if graph.slow:
        return "NCTHW"
    for layout in layouts(graph.shape):
        walk = _Walk(graph, _network(graph, layout, 3, frames, size), layout, probe=True)
        walk.run()
        if walk.reached_kernels():
            return layout
    if len(graph.shape) != len("NCTHW"):
        raise no_clip(graph.path, graph.input, graph.shape)
    return "NCTHW"                    # lower_onnx() says what is wrong


def _network(graph: Graph, layout: str, channels: int, frames: int, size: int) -> Lowering:
    batch, *fixed = (size_of_axis(layout, graph.shape, letter) for letter in "NCTHW")
    given = (channels, frames, size, size)
    return Lowering(min(batch or 1, 1 << 31), *(of_file or of_profile for of_file, of_profile in zip(fixed, given)))


def lower_onnx(graph: Graph, profile: Profile, layout: str = "NCTHW"
               ) -> Tuple[Lowering, object, Callable[[Lowering], Dict[str, str]]]:
    """The network, its output, and what its nodes are to be called. ImportFailure lists all that has no counterpart."""
    walk = _Walk(graph, _network(graph, layout, profile.channels, profile.frames, profile.size), layout)
    walk.run()
    refuse(graph.path, walk.refusals, walk.skipped)
    several = isinstance(graph.output, dict)
    for output in graph.output.values() if several else [graph.output]:
        if output not in walk.values:
            raise ImportFailure(f"{graph.path}: nothing makes its output {output}")
    made = {head: walk.values[name] for head, name in graph.output.items()} if several else walk.values[graph.output]
    return walk.net, made, partial(names_of, graph, walk.labels)


class _Walk:
    """Evaluates a graph's operations in their order."""

    def __init__(self, graph: Graph, net: Lowering, layout: str, probe: bool = False):
        """probe: as far as the first kernel layer, and nothing is raised."""
        self.graph, self.net, self.probe = graph, net, probe
        self.values: Dict[str, object] = {"": None, **graph.constants,
                                          graph.input: entry(layout, (net.batch, *net.input))}
        if graph.slow:
            self.values[graph.slow] = net.view(net.take_frames(NODE, "input", slow_frames(net.input[1], graph.ratio)))
        self.labels = Labels()
        self.refusals: List[Refusal] = []
        self.skipped = False
        self.folded = 0

    def reached_kernels(self) -> bool:
        return any(node.op in ("conv3d", "linear") for node in self.net.nodes.values())

    def run(self) -> None:
        self._operations(self.graph.operations, self.values)

    def _operations(self, operations: List[Operation], values: MutableMapping[str, object]) -> None:
        for done, operation in enumerate(operations):
            if not self.probe:
                report("map its operations", done, len(operations))
            if self.probe and self.reached_kernels():
                return
            label = self.labels.of(operation)
            missing = [name for name in operation.inputs if name not in values]
            if missing and self.probe:
                return
            if missing:
                raise ImportFailure(
                    f"{self.graph.path}: {self.graph.label(operation)}: reads {missing[0]}, which nothing before it makes")
            results = self._results(label, operation, values)
            results += [_UNKNOWN] * len(operation.outputs)
            values.update({name: value for name, value in zip(operation.outputs, results) if name})

    def _results(self, label: str, operation: Operation, values: MutableMapping[str, object]) -> List[object]:
        try:
            results = self._branch(operation, values) if operation.op == "If" else _evaluate(
                self.net, label, operation, [values[name] for name in operation.inputs], self.graph.opset)
            self.skipped = self.skipped or not results
            self.folded += sum(result.size for result in results if isinstance(result, np.ndarray))
            if self.folded > _MOST_FOLDED:
                raise ImportFailure(
                    f"{self.graph.path}: {self.graph.label(operation)}: its constants are more than fits into memory")
            return results
        except (Unmapped, ImportFailure) as problem:
            reason, instead = bare(problem, label), getattr(problem, "instead", None)
        except Exception as problem:  # a damaged file: attributes of other types, sizes that do not fit ...
            reason, instead = f"does not fit together ({problem})", None
        self.refusals.append(Refusal(self.graph.label(operation), operation.op, reason))
        return [] if instead is None else [instead]

    def _branch(self, operation: Operation, values: MutableMapping[str, object]) -> List[object]:
        """What the branch gives that the condition chooses. It may hide a name of the graph around it."""
        condition = values[operation.inputs[0]]
        if condition is _UNKNOWN:
            return []
        if not isinstance(condition, np.ndarray) or condition.size != 1:
            raise Unmapped("chooses between two ways by the values of the clip; a model file has one way")
        body = operation.branches["then_branch" if condition.reshape(-1)[0] else "else_branch"]
        inner = ChainMap(dict(body.constants), values)
        self._operations(body.operations, inner)
        return [inner[name] for name in body.outputs]


def _evaluate(net: Lowering, label: str, operation: Operation, inputs: List[object], opset: int) -> List[object]:
    if operation.op == "Constant":
        return [constant(operation.attributes)]
    if operation.op not in OPERATIONS and not foldable(operation.op):
        raise without_counterpart(operation.op, inputs)
    if any(value is _UNKNOWN for value in inputs):
        refuse_alone(Call(net, label, operation, [None if value is _UNKNOWN else value for value in inputs], opset))
        return []
    if all(value is None or isinstance(value, np.ndarray) for value in inputs) and foldable(operation.op):
        return fold(operation.op, operation.attributes, inputs, len(operation.outputs))
    if operation.op not in OPERATIONS:
        raise without_counterpart(operation.op, inputs)
    made = OPERATIONS[operation.op](Call(net, label, operation, inputs, opset))
    return made if isinstance(made, list) else [made]
