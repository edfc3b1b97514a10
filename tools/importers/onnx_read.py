"""Reads an ONNX file into plain Python: its operations in order, its constants as arrays, its one input and its output.

Weights in separate files (external data) are read from the folder of the model, and from no other folder.
"""
from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from .failure import ImportFailure
from .heads import by_name
from .onnx_layout import layouts
from . import pathways

OPSETS = range(9, 29)                     # to that of onnx 1.23
_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}  # of a number, by data_type


@dataclass
class Operation:
    name: str                             # '' where the file has none
    op: str                               # with its domain where that is not ONNX's own
    inputs: List[str]                     # '' where an optional one is left out
    outputs: List[str]
    attributes: Dict[str, object]
    branches: Dict[str, Body] = field(default_factory=dict)  # then_branch and else_branch of an If

    @property
    def reads(self) -> List[str]:
        """Its inputs, and what its branches read of the graph around it."""
        return self.inputs + [name for body in self.branches.values() for name in body.captured]


@dataclass
class Body:
    """A branch of an If."""
    constants: Dict[str, np.ndarray]
    operations: List[Operation]           # those that the outputs depend on
    outputs: List[str]

    @property
    def captured(self) -> List[str]:
        made = {*self.constants, *(name for operation in self.operations for name in operation.outputs)}
        read = [name for operation in self.operations for name in operation.reads] + self.outputs
        return [name for name in dict.fromkeys(read) if name and name not in made]


@dataclass
class Graph:
    path: Path
    opset: int
    input: str
    shape: Tuple[Optional[int], ...]      # of the input; None: any
    output: object                        # its name; of several heads {head: name}
    constants: Dict[str, np.ndarray]
    operations: List[Operation]           # those that the output depends on
    slow: str = ""                        # of two pathways: the input of the slow one; `input` is the fast one's
    ratio: int = 1                        # and the frames of the fast one for one of the slow one

    def label(self, operation: Operation) -> str:
        return operation.name or next((output for output in operation.outputs if output), "(no name)")


def read_onnx(path: Path, heads: Sequence[str] = (), alpha: Optional[int] = None) -> Graph:
    return graph_of(path, Path(path).read_bytes(), heads, alpha)


def graph_of(path: Path, data: bytes, heads: Sequence[str] = (), alpha: Optional[int] = None) -> Graph:
    """path: the path of `data`, for messages and for external data. heads: the names of several classifiers. Raises
    ImportFailure with what is wrong."""
    import onnx
    from google.protobuf.message import DecodeError
    model = onnx.ModelProto()
    try:
        with warnings.catch_warnings(record=True) as warned:  # protobuf only warns of an end that comes too early
            warnings.simplefilter("always")
            model.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError):
        warned = True
    if warned:
        raise ImportFailure(f"{path}: is no ONNX file, or damaged or cut off")
    if not model.graph.node or not model.opset_import:
        raise ImportFailure(f"{path}: is no ONNX model: {'no graph' if not model.graph.node else 'no opset'} in it")
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset not in OPSETS:
        raise ImportFailure(f"{path}: is of opset {opset}; {OPSETS[0]} to {OPSETS[-1]} are read")
    try:
        return _graph(path, model.graph, opset, heads, alpha)
    except (ValueError, TypeError, AttributeError, OverflowError, KeyError, IndexError) as problem:
        raise ImportFailure(f"{path}: damaged: {problem}") from None


def _graph(path: Path, graph, opset: int, heads: Sequence[str], alpha: Optional[int] = None) -> Graph:
    if graph.sparse_initializer:
        raise ImportFailure(f"{path}: {graph.sparse_initializer[0].values.name}: sparse weights are not read")
    constants = {_text(tensor.name): _array(path, tensor) for tensor in graph.initializer}
    inputs = [value for value in graph.input if _text(value.name) not in constants]
    if len(inputs) not in (1, 2) or (len(graph.output) != 1 and not heads):
        read, given = (", ".join(_text(value.name) for value in values) or "none" for values in (inputs, graph.output))
        raise ImportFailure(f"{path}: one input, or a slow and a fast one, and one output are wanted, not {read} and {given}"
                            + ("; --head-names imports several outputs" if len(inputs) in (1, 2) else ""))
    given = {name: name for name in (_text(value.name) for value in graph.output)}
    output = by_name(path, heads, given) if heads else next(iter(given))
    if len(inputs) == 2:
        at, ratio, shape = pathways.told(path, [_text(value.name) for value in inputs], [_input_shape(path, value) for value in inputs], alpha)
        slow, fast = _text(inputs[at].name), inputs[1 - at]
    elif alpha is not None:
        raise ImportFailure(f"--alpha {alpha}: {path} reads one clip")
    else:
        shape, slow, fast, ratio = _input_shape(path, inputs[0]), "", inputs[0], 1
    operations = [_operation(path, node) for node in graph.node]
    made = {*constants, *(_text(value.name) for value in inputs)}
    for name in (name for operation in operations for name in operation.outputs if name):
        if name in made:
            raise ImportFailure(f"{path}: {name}: two nodes make it")
        made.add(name)
    return Graph(path, opset, _text(fast.name), shape, output, constants,
                 _needed(operations, list(output.values()) if heads else [output]), slow, ratio)


def _text(value) -> str:
    """Protobuf gives a string that is no UTF-8 as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _operation(path: Path, node) -> Operation:
    domain = "" if node.domain in ("", "ai.onnx") else f"{_text(node.domain)}."
    return Operation(_text(node.name), domain + _text(node.op_type), [_text(name) for name in node.input],
                     [_text(name) for name in node.output], _attributes(path, node), _branches(path, node))


def _branches(path: Path, node) -> Dict[str, Body]:
    return {_text(attribute.name): _body(path, attribute.g) for attribute in node.attribute
            if node.op_type == "If" and attribute.name in ("then_branch", "else_branch")}


def _body(path: Path, graph) -> Body:
    constants = {_text(tensor.name): _array(path, tensor) for tensor in graph.initializer}
    outputs = [_text(value.name) for value in graph.output]
    return Body(constants, _needed([_operation(path, node) for node in graph.node], outputs), outputs)


def _input_shape(path: Path, value) -> Tuple[Optional[int], ...]:
    import onnx
    kind = value.type.tensor_type
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)
    if kind.elem_type not in floats:
        raise ImportFailure(f"{path}: input {_text(value.name)}: is no floating-point tensor")
    shape = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in kind.shape.dim)
    if not layouts(shape):
        raise no_clip(path, _text(value.name), shape)
    return shape


def no_clip(path: Path, name: str, shape: Tuple[Optional[int], ...]) -> ImportFailure:
    words = " x ".join(str(size or "?") for size in shape) or "without a shape"
    several = len(shape) == 6 and (shape[1] or 1) > 1
    return ImportFailure(f"{path}: input {name}: is {words}{f', {shape[1]} clips at once' if several else ''}; one clip, "
                         "N x C x T x H x W or in another order, is wanted")


def _attributes(path: Path, node) -> Dict[str, object]:
    import onnx
    from onnx import helper
    out = {}
    for attribute in node.attribute:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            continue
        value = helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = _array(path, value)
        elif isinstance(value, bytes):
            value = _text(value)
        elif not isinstance(value, (int, float)):
            value = list(value) if hasattr(value, "__len__") else value
        out[_text(attribute.name)] = value
    return out


def _needed(operations: List[Operation], outputs: List[str]) -> List[Operation]:
    """Dropout's mask, an auxiliary head and the like are left out."""
    wanted, kept = set(outputs), []
    for operation in reversed(operations):
        if wanted & set(operation.outputs):
            kept.append(operation)
            wanted.update(operation.reads)
    return kept[::-1]


def _array(path: Path, tensor) -> np.ndarray:
    import onnx
    from onnx import numpy_helper
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    if external:
        copy.raw_data = _external_data(path, tensor)
        copy.data_location = onnx.TensorProto.DEFAULT
        del copy.external_data[:]
    try:
        array = np.asarray(numpy_helper.to_array(copy))
    except Exception as problem:  # whatever a damaged tensor makes onnx and numpy raise
        raise ImportFailure(
            f"{path}: {_text(tensor.name) or 'a constant'}: its data cannot be read ({problem})") from None
    if array.shape != tuple(tensor.dims) or array.size != prod(tensor.dims):
        raise ImportFailure(f"{path}: {_text(tensor.name) or 'a constant'}: its data does not fit its shape")
    return array


def _external_data(path: Path, tensor) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = Path(entries.get("location", ""))
    if location.is_absolute() or ".." in location.parts or not location.parts:
        raise ImportFailure(
            f"{path}: {_text(tensor.name)}: its external data is said to be in '{location}', not beside the model")
    offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
    folder = Path(path).parent
    file = folder / location
    if not file.is_file():
        raise ImportFailure(f"{path}: its external data {location} ({_text(tensor.name)}) is missing beside it")
    if folder.resolve() not in file.resolve().parents:
        raise ImportFailure(
            f"{path}: {_text(tensor.name)}: its external data {location} is a link to elsewhere, not beside the model")
    if offset < 0 or offset + max(length, 0) > file.stat().st_size:
        raise ImportFailure(f"{path}: its external data {location} is too short for {_text(tensor.name)}")
    if tensor.data_type not in _BYTES or min(tensor.dims, default=0) < 0:
        raise ImportFailure(f"{path}: {_text(tensor.name)}: numbers of type {tensor.data_type}, {list(tensor.dims)} of them")
    needed = prod(tensor.dims) * _BYTES[tensor.data_type]
    if offset + needed > file.stat().st_size or length not in (-1, needed):
        raise ImportFailure(f"{path}: {_text(tensor.name)}: its data in {location} does not fit its shape")
    with open(file, "rb") as data:
        data.seek(offset)
        return data.read(needed)
