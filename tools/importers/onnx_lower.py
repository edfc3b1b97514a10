"""Turns an ONNX graph, operation by operation, into a network of SPEC 2."""
from __future__ import annotations

from functools import partial
from typing import Callable, Dict, List, Tuple

import numpy as np

from .failure import ImportFailure
from .finish import Refusal, bare, refuse
from .lowering import Lowering
from .onnx_fold import constant, fold, foldable
from .onnx_names import names_of, unique_labels
from .onnx_ops import OPERATIONS, Call
from .onnx_read import Graph, Operation
from .profiles import Profile
from .views import Unmapped

_UNKNOWN = object()  # what an operation without a counterpart, and whatever reads it, gives


_MOST_FOLDED = 1 << 28  # elements, of all constants that were computed


def lower_onnx(graph: Graph, profile: Profile) -> Tuple[Lowering, object, Callable[[Lowering], Dict[str, str]]]:
    """The network, its output, and what its nodes are to be called. ImportFailure lists all that has no counterpart."""
    batch, channels, frames, height, width = graph.shape
    net = Lowering(min(batch or 1, 1 << 31), channels or profile.channels, frames or profile.frames, height or profile.size,
                   width or profile.size)
    values: Dict[str, object] = {"": None, **graph.constants, graph.input: net.entry()}
    labels, refusals, skipped, folded = unique_labels(graph), [], False, 0
    for label, operation in zip(labels, graph.operations):
        missing = [name for name in operation.inputs if name not in values]
        if missing:
            raise ImportFailure(
                f"{graph.path}: {graph.label(operation)}: reads {missing[0]}, which nothing before it makes")
        inputs = [values[name] for name in operation.inputs]
        try:
            results = _evaluate(net, label, operation, inputs, graph.opset)
            skipped = skipped or not results
            folded += sum(result.size for result in results if isinstance(result, np.ndarray))
            if folded > _MOST_FOLDED:
                raise ImportFailure(f"{graph.path}: {graph.label(operation)}: its constants are more than fits into memory")
        except (Unmapped, ImportFailure) as problem:
            refusals.append(Refusal(graph.label(operation), operation.op, bare(problem, label)))
            results = []
        except Exception as problem:  # a damaged file: attributes of other types, sizes that do not fit ...
            refusals.append(Refusal(graph.label(operation), operation.op, f"does not fit together ({problem})"))
            results = []
        results += [_UNKNOWN] * len(operation.outputs)
        values.update({name: value for name, value in zip(operation.outputs, results) if name})
    refuse(graph.path, refusals, skipped)
    several = isinstance(graph.output, dict)
    for output in graph.output.values() if several else [graph.output]:
        if output not in values:
            raise ImportFailure(f"{graph.path}: nothing makes its output {output}")
    made = {head: values[name] for head, name in graph.output.items()} if several else values[graph.output]
    return net, made, partial(names_of, graph, labels)


def _evaluate(net: Lowering, label: str, operation: Operation, inputs: List[object], opset: int) -> List[object]:
    if operation.op == "Constant":
        return [constant(operation.attributes)]
    if operation.op not in OPERATIONS and not foldable(operation.op):
        raise Unmapped("no counterpart")
    if any(value is _UNKNOWN for value in inputs):
        return []
    if all(value is None or isinstance(value, np.ndarray) for value in inputs) and foldable(operation.op):
        return fold(operation.op, operation.attributes, inputs, len(operation.outputs))
    if operation.op not in OPERATIONS:
        raise Unmapped("no counterpart")
    made = OPERATIONS[operation.op](Call(net, label, operation, inputs, opset))
    return made if isinstance(made, list) else [made]
