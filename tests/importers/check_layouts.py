#!/usr/bin/env python3
"""Compares every architecture of tools/import-checkpoint with the recorded layouts of published checkpoints.

A record holds the name and shape of every tensor, and every leaf module in the order in which it ran, with its parameters
and the shape of its output. The importer must describe exactly these for an input of the recorded size, and must recognise
the layout in such a file.

Usage: check_layouts.py FOLDER
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from importers.architectures import ARCHITECTURES, scaled  # noqa: E402
from importers.checkpoint import Checkpoint  # noqa: E402
from importers.network import Network, three  # noqa: E402

OPS = {"Conv3d": "conv3d", "BatchNorm3d": "batchnorm", "MaxPool3d": "maxpool3d", "AvgPool3d": "avgpool3d", "Linear": "linear",
       "ReLU": "relu", "Sigmoid": "sigmoid", "Swish": "silu"}
SHORTCUT_A = ("hara2018-resnet-18", "hara2018-resnet-34")


def which(record):
    """(architecture, layout) of a record."""
    name = record["arch"]
    if name.startswith("hara"):
        layout, arch = name.split("-", 1)
        return arch, layout + ("-shortcut-a" if name in SHORTCUT_A else "")
    if name.startswith("torchvision-"):
        return name.split("-", 1)[1], None
    if name.startswith("i3d-"):
        return "i3d", name.split("-", 1)[1]
    return name, None


def as_checkpoint(record):
    """What reading such a file would give: names and shapes alone."""
    class Tensor:
        def __init__(self, shape):
            self.shape, self.ndim = tuple(shape), len(shape)
    tensors = {key: Tensor(shape) for key, shape in record["state_dict"] if not key.endswith("num_batches_tracked")}
    old = record["arch"].startswith("hara2018")
    return Checkpoint(Path(record["arch"]), tensors, parallel=old, counted=not old)


def differences(record):
    arch, name = which(record)
    checkpoint = as_checkpoint(record)
    layouts = ARCHITECTURES[arch]
    layout = next(one for one in layouts if name in (None, one.name))
    seen = next((one for one in layouts if one.recognise(checkpoint)), None)
    if seen is not layout:
        yield f"recognised as {seen and seen.name}, it is {layout.name}"
    several = isinstance(record["input"][0], list)         # SlowFast: the slow pathway is made from the fast one's frames
    _, channels, frames, height, width = record["input"][-1] if several else record["input"]
    net = Network(channels, frames, height, width)
    classes = checkpoint.tensors[layout.classifier].shape[0]
    output = layout.build(net, classes, scaled(1))
    if net.shape(output) != (classes, 1, 1, 1):
        yield f"the output {output} is {net.shape(output)}"

    want = {key: tuple(shape) for key, shape in record["state_dict"] if not key.endswith("num_batches_tracked")}
    for key in want.keys() | net.wanted.keys():
        if want.get(key) != net.wanted.get(key):
            yield f"{key}: {net.wanted.get(key)}, published {want.get(key)}"

    calls = {}
    for path, kind, parameters, shape in record["execution"]:
        calls[path] = calls.get(path, -1) + 1
        node = net.nodes.get(path if calls[path] == 0 else f"{path}_{calls[path]}")
        if node is None:
            # Dropout and Identity do nothing; a pool of the whole map is globalavgpool, under the same name or its module's.
            if kind in ("Conv3d", "BatchNorm3d", "Linear", "MaxPool3d"):
                yield f"{path}: {kind} has no node"
            continue
        yield from unlike(net, node, kind, parameters, shape)


def unlike(net, node, kind, parameters, shape):
    """How a node differs from the recorded module."""
    if kind in OPS and node.op != OPS[kind] and (kind, node.op) != ("AvgPool3d", "globalavgpool"):
        yield f"{node.name}: {node.op}, published {kind}"
        return
    vector = kind == "Linear" or len(shape) == 1           # a linear layer over channels-last has its channels behind
    if list(node.shape) != ([shape[-1], 1, 1, 1] if vector else list(shape)):
        yield f"{node.name}: {node.shape}, published {shape}"
    if node.op in ("conv3d", "maxpool3d", "avgpool3d"):
        if tuple(node.attributes["stride"]) != three(tuple_or_int(parameters["stride"])):
            yield f"{node.name}: stride {node.attributes['stride']}, published {parameters['stride']}"
    if node.op == "conv3d":
        for key in ("groups", "dilation"):
            value = parameters[key] if key == "groups" else tuple(parameters[key])
            if node.attributes[key] != value:
                yield f"{node.name}: {key} {node.attributes[key]}, published {value}"
        padding = three(tuple_or_int(parameters["padding"]))
        if any(padding) and not node.attributes["pad_begin"] == node.attributes["pad_end"] == padding:
            yield f"{node.name}: padding {node.attributes['pad_begin']}, published {padding}"
        if ("bias" in node.parameters) != parameters["bias"]:
            yield f"{node.name}: bias"
    if node.op in ("maxpool3d", "avgpool3d"):
        if tuple(node.attributes["kernel"]) != three(tuple_or_int(parameters["kernel_size"])):
            yield f"{node.name}: kernel {node.attributes['kernel']}, published {parameters['kernel_size']}"
    if node.op == "batchnorm" and node.attributes["eps"] != parameters["eps"]:
        yield f"{node.name}: eps {node.attributes['eps']}, published {parameters['eps']}"


def tuple_or_int(value):
    return value if isinstance(value, int) else tuple(value)


def main():
    files = sorted(Path(sys.argv[1]).glob("*.json"))
    if not files:
        print(f"skipped: no records in {sys.argv[1]}")
        return 77
    failed, found = 0, set()
    for path in files:
        record = json.loads(path.read_text())
        found.add(which(record)[0])
        wrong = list(differences(record)) if which(record)[0] in ARCHITECTURES else ["no such architecture"]
        failed += bool(wrong)
        if wrong:
            print(f"FAIL {path.stem}: {len(wrong)}")
            print(*(f"  {line}" for line in wrong[:8]), sep="\n")
    print(f"{len(files)} layouts, {failed} failed; without a record: "
          f"{', '.join(sorted(set(ARCHITECTURES) - found)) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
