"""Reads model files of SPEC section 2 into a plain Graph, and writes them.

This is part of the independent oracle.  It was written from the specification, not from the C reader.
So if one of the two misreads the specification, they differ.
"""
from dataclasses import dataclass, field

import h5py
import numpy as np

KERNEL_OPS = ("conv3d", "linear")
CLIP_NORMS = ("instancenorm", "groupnorm", "layernorm")
ACTIVATIONS = ("relu", "relu6", "silu", "sigmoid", "hardswish", "hardsigmoid", "leakyrelu", "prelu", "elu",
               "gelu", "gelu_tanh", "mish", "tanh", "softplus", "clip")

# Every op of the table in SPEC 2 -> its attributes with the default that a missing one takes
# (PyTorch's).  None: there is no default, or it follows another attribute (see attribute()).
OPS = {
    "conv3d": {"stride": (1, 1, 1), "dilation": (1, 1, 1), "pad_begin": (0, 0, 0),
               "pad_end": (0, 0, 0), "groups": 1},
    "linear": {},
    "batchnorm": {"eps": 1e-5},
    "instancenorm": {"eps": 1e-5}, "groupnorm": {"groups": None, "eps": 1e-5}, "layernorm": {"eps": 1e-5},
    "relu": {}, "relu6": {}, "silu": {}, "sigmoid": {}, "hardswish": {}, "hardsigmoid": {},
    "softmax": {}, "identity": {}, "flatten": {}, "globalavgpool": {},
    "leakyrelu": {"negative_slope": 0.01},
    "prelu": {}, "gelu": {}, "gelu_tanh": {}, "mish": {}, "tanh": {},
    "elu": {"alpha": 1.0, "scale": 1.0, "input_scale": 1.0},
    "softplus": {"beta": 1.0, "threshold": 20.0},
    "clip": {"min": -1.0, "max": 1.0},
    "maxpool3d": {"kernel": None, "stride": None, "pad_begin": (0, 0, 0), "pad_end": (0, 0, 0),
                  "ceil_mode": 0},
    "avgpool3d": {"kernel": None, "stride": None, "pad_begin": (0, 0, 0), "pad_end": (0, 0, 0),
                  "ceil_mode": 0, "count_include_pad": 1},
    "add": {}, "mul": {}, "concat": {"axis": 1}, "upsample": {"factor": None},
    "pad": {"pad_begin": (0, 0, 0), "pad_end": (0, 0, 0), "value": 0.0, "channels_begin": 0,
            "channels_end": 0, "mode": "constant"},
    "slice": {"axis": None, "start": 0, "stop": None, "step": 1},
    "channel_shuffle": {"groups": None},
}
FLOAT_ATTRIBUTES = ("eps", "negative_slope", "value", "alpha", "scale", "input_scale", "beta", "threshold", "min", "max")


@dataclass
class Node:
    """One node of the graph.  Its tensor is C x T x H x W (vectors are C x 1 x 1 x 1)."""
    name: str
    op: str
    inputs: list                                  # node names, or "input"
    attrs: dict = field(default_factory=dict)     # as stored: what is missing takes its default
    weights: dict = field(default_factory=dict)   # name -> float32 array

    def attribute(self, name):
        """The stored value, or PyTorch's default (SPEC 2: a missing attribute)."""
        if name in self.attrs:
            return self.attrs[name]
        if name == "stride" and self.op in ("maxpool3d", "avgpool3d"):
            return self.attribute("kernel")       # a pool's stride defaults to its window
        return OPS[self.op][name]


@dataclass
class Graph:
    name: str
    output: str
    nodes: dict          # name -> Node, in topological order
    input: dict          # the attributes of /input
    classes: list

    def kernel_layers(self):
        return [n for n in self.nodes.values() if n.op in KERNEL_OPS]

    def consumers(self):
        """Tensor name -> the nodes that read it, one entry for each reading."""
        out = {name: [] for name in ["input", *self.nodes]}
        for node in self.nodes.values():
            for source in node.inputs:
                out[source].append(node)
        return out

    def logits_node(self):
        """The node whose tensor holds the logits: what the head reads, or the output where there is no head."""
        head = self._head_node()
        return head.inputs[0] if head else self.output

    def head(self):
        """What makes probabilities of the logits: "sigmoid", or "softmax" also where there is no head."""
        node = self._head_node()
        return node.op if node else "softmax"

    def _head_node(self):
        """The softmax or sigmoid that the graph ends in, identities aside, or None."""
        node = self.nodes[self.output]
        while node.op == "identity" and node.inputs[0] != "input":
            node = self.nodes[node.inputs[0]]
        return node if node.op in ("softmax", "sigmoid") else None

    def probabilities(self, logits):
        """SPEC 2 "The class scores": a sigmoid head's are of each class by itself, all others are a softmax."""
        head, logits = self._head_node(), np.asarray(logits, np.float64)
        if head is not None and head.op == "sigmoid":
            return 1 / (1 + np.exp(-logits))
        odds = np.exp(logits - logits.max())
        return odds / odds.sum()


def sort_topologically(nodes):
    """SPEC 2: "the order is whatever the edges say: a reader sorts"."""
    order, state = {}, {}
    for root in sorted(nodes):
        stack = [(root, iter(nodes[root].inputs))]
        if root in state:
            continue
        state[root] = "open"
        while stack:
            name, sources = stack[-1]
            for source in sources:
                if source == "input" or state.get(source) == "done":
                    continue
                if source not in nodes:
                    raise ValueError(f"{name}: input {source!r} does not exist")
                if state.get(source) == "open":
                    raise ValueError(f"{source}: is on a cycle")
                state[source] = "open"
                stack.append((source, iter(nodes[source].inputs)))
                break
            else:
                state[name] = "done"
                order[name] = nodes[name]
                stack.pop()
    return order


def _text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _plain(value):
    """An HDF5 attribute as a Python int, float, str, or a tuple of them."""
    if isinstance(value, (bytes, str)):
        return _text(value)
    array = np.asarray(value)
    if array.dtype.kind in "OS":
        return tuple(_text(v) for v in array.ravel())
    return array.item() if array.ndim == 0 else tuple(array.tolist())


def read_model(path, head=None):
    """head: of a network with several classifiers, the one whose Graph is wanted."""
    with h5py.File(path, "r") as f:
        if _plain(f.attrs["cfp_format"]) != "model" or int(f.attrs["cfp_version"]) != 1:
            raise ValueError(f"{path}: not a cfp model of version 1")
        nodes = {}
        for name, group in f["graph"].items():
            attrs = {key: _plain(value) for key, value in group.attrs.items()}
            op, inputs = attrs.pop("op"), list(attrs.pop("inputs"))
            if op not in OPS:
                raise ValueError(f"{name}: unknown op {op!r}")
            weights = {key: np.asarray(data, np.float32) for key, data in group.items()}
            nodes[name] = Node(name, op, inputs, attrs, weights)
        if head is None:
            output, classes = _plain(f.attrs["output"]), f["classes"]
        else:
            at = list(_plain(f.attrs["heads"])).index(head)
            output, classes = _plain(f.attrs["outputs"])[at], f["classes"][head]
        return Graph(_plain(f.attrs["name"]), output, sort_topologically(nodes),
                     {key: _plain(value) for key, value in f["input"].attrs.items()},
                     [_text(c) for c in classes[()]])


def write_model(path, graph, heads=None):
    """heads: {name: Graph}, the classifiers of a network that has several; `graph` is any of them."""
    text = h5py.string_dtype("utf-8")
    with h5py.File(path, "w") as f:
        f.attrs["cfp_format"], f.attrs["cfp_version"], f.attrs["name"] = "model", np.int32(1), graph.name
        if heads:
            f.attrs.create("heads", np.array(list(heads), object), dtype=text)
            f.attrs.create("outputs", np.array([g.output for g in heads.values()], object), dtype=text)
        else:
            f.attrs["output"] = graph.output
        for where, one in ({f"classes/{name}": g for name, g in heads.items()} if heads else {"classes": graph}).items():
            f.create_dataset(where, data=np.array(one.classes, object), dtype=text)
        group = f.create_group("input")
        for key, value in graph.input.items():
            group.attrs[key] = _stored(value, key in ("scale", "mean", "std"))
        for node in graph.nodes.values():
            group = f.create_group("graph/" + node.name)
            group.attrs["op"] = node.op
            group.attrs.create("inputs", np.array(node.inputs, object), dtype=text)
            for key, value in node.attrs.items():
                group.attrs[key] = _stored(value, key in FLOAT_ATTRIBUTES)
            for key, value in node.weights.items():
                group[key] = np.asarray(value, np.float32)


def _stored(value, is_float):
    """SPEC 2: attributes are strings, int32 or float64."""
    if isinstance(value, str):
        return value
    return np.asarray(value, np.float64 if is_float else np.int32)[()]


def prepare_clip(graph, frames):
    """The input tensor C x T x H x W: (v / scale - mean) / std, in the colour order of the model.

    frames: uint8 T x H x W x 3 RGB, already sampled, resized and cropped (SPEC 5, Geometry).
    """
    spec = graph.input
    pixels = frames[..., ::-1] if spec.get("color", "RGB") == "BGR" else frames
    mean, std = (np.asarray(spec[key], np.float64) for key in ("mean", "std"))
    x = (pixels.astype(np.float64) / spec["scale"] - mean) / std
    return np.ascontiguousarray(x.transpose(3, 0, 1, 2)).astype(np.float32)
