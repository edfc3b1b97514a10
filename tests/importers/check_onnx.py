#!/usr/bin/env python3
"""Compares import-onnx with PyTorch: networks that PyTorch exported, graphs built by hand, files that must be refused.

    check_onnx.py [--cfp BIN]

Every file is run in float64 by tools/run_model_file.py and, with --cfp, by the program itself.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

try:
    import h5py  # noqa: F401
    import numpy as np
    import onnx
    import torch
    import torch.nn.functional as F
except ImportError as missing:
    print(f"skipped: {missing} (needs the Python packages torch, h5py, numpy and onnx)")
    sys.exit(77)

from onnx import TensorProto, helper  # noqa: E402
from onnx_graphs import CASES, X, Built, branch  # noqa: E402
from importer_tool import Checks, FileModel, Tool, difference, hold  # noqa: E402
from small_networks import NETWORKS, ClipNorms, Ops, SHAPE, Untraceable, clip, made  # noqa: E402

PREPROCESSING = ("--mean", "0.4", "--std", "0.2")
CLOSE = 1e-6     # constants are kept as float32


def export(module, path, opset, x=None, **options):
    """PyTorch's exporter, batch norms kept apart. False where it refuses."""
    if torch.__version__ >= "2":
        options["dynamo"] = False
    options.setdefault("training", torch.onnx.TrainingMode.PRESERVE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, clip() if x is None else x, str(path), opset_version=opset, **options)
    except Exception:
        return False
    return True


# -- networks that PyTorch exports ------------------------------------------------------------------------------------

def check_exported(checks, tool, folder, cfp):
    opsets, tensors = set(), 0
    for network in (*NETWORKS.values(), Untraceable):
        exported = 0
        for opset in (9, 11, 13, 17):
            module, path, out = made(network), folder / "net.onnx", folder / "net.h5"
            if not export(module, path, opset):
                continue
            exported += 1
            if network is ClipNorms and opset < 17:   # then a LayerNorm is ten operations
                bad = folder / "old.h5"
                checks.refused(f"ClipNorms, opset {opset}", tool(path, bad, *PREPROCESSING), bad, "layer/ReduceMean")
                continue
            what = f"{network.__name__}, opset {opset}"
            if checks.mapped(what, tool(path, out, *PREPROCESSING)):
                # fc7 takes up the bias that is added by hand; proj gives T x H x W x C there and C x T x H x W here
                file, count = hold(checks, what, out, module, clip(), CLOSE, other=("fc7", "proj"))
                opsets.add(opset)
                tensors += count
        checks.that(f"{network.__name__}: exported", exported >= 2, f"at {exported} of 4 opsets")
        if cfp:
            check_program(checks, network.__name__, cfp, out, folder)
    checks.that("exports: opsets", opsets == {9, 11, 13, 17}, opsets)
    checks.that("exports: tensors held", tensors > 150, tensors)


def check_program(checks, what, cfp, path, folder):
    """The program's logits are those of PyTorch running the same file."""
    file = FileModel(path)
    frames, height, width = (int(file.input[key]) for key in ("frames", "height", "width"))
    pixels = np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), np.uint8)
    np.save(folder / "clip.npy", pixels)
    said = subprocess.run([cfp, "predict", path, folder / "clip.npy", "--json", "-q", "--top", str(len(file.classes))],
                          capture_output=True, text=True)
    if checks.that(f"{what}: cfp-gpu predict", said.returncode == 0, said.stderr):
        top = {entry["index"]: entry["logit"] for entry in json.loads(said.stdout)["clips"][0]["top"]}
        values = file.tensors(file.normalise(pixels[None]))
        last = file.nodes[file.output][0]
        logits = values[last["inputs"][0] if last["op"] == "softmax" else file.output]
        got = torch.tensor([top[i] for i in range(len(file.classes))])
        checks.that(f"{what}: cfp-gpu predict", difference(got, logits) < 1e-4, f"{got} and {logits}")


def check_names(checks, tool, folder):
    path, out = folder / "names.onnx", folder / "names.h5"
    export(made(Ops), path, 13)
    tool(path, out, *PREPROCESSING)
    ops = {name: str(attributes["op"]) for name, (attributes, _) in FileModel(out).nodes.items()}
    wanted = {
        "conv1": "conv3d", "bn1": "batchnorm", "relu": "relu", "act6": "relu6", "silu": "silu", "hswish": "hardswish",
        "gates.0.reduce": "conv3d", "gates.0.mul": "mul", "gates.1.gate": "hardsigmoid", "head.fc": "linear"
    }
    checks.that("names are the modules' paths", wanted.items() <= ops.items(), ops)
    checks.that("every pattern is one node", len(ops) == 26, sorted(ops))
    export(made(NETWORKS["Constants"]), path, 13)
    tool(path, out, *PREPROCESSING)
    ops = sorted(str(attributes["op"]) for attributes, _ in FileModel(out).nodes.values())
    checks.that("gates spelt by hand are one node each", "silu" in ops and "hardswish" in ops and "sigmoid" not in ops,
                ops)


def check_batch_norms_folded(checks, tool, folder):
    path, out, module = folder / "folded.onnx", folder / "folded.h5", made(Ops)
    export(module, path, 13, training=torch.onnx.TrainingMode.EVAL)
    if checks.mapped("batch norms folded by the exporter", tool(path, out, *PREPROCESSING)):
        file, _ = hold(checks, "batch norms folded by the exporter", out, module, clip(), 1e-5, tensors=False)
        checks.that("batch norms folded by the exporter: none is left", "bn1" not in file.nodes)


def check_sizes(checks, tool, folder):
    """A free batch is one clip; free T, H, W come from the options, fixed ones from the file."""
    path, out, module = folder / "free.onnx", folder / "free.h5", made(NETWORKS["Means"])
    export(module, path, 13, input_names=["clip"], dynamic_axes={"clip": {0: "batch", 2: "t", 3: "h", 4: "w"}})
    checks.refused("free sizes", tool(path, out, *PREPROCESSING), out, "free.onnx", "--frames", "--size")
    checks.refused("free height and width", tool(path, out, *PREPROCESSING, "--frames", "8"), out, "--size")
    if checks.mapped("sizes by options", tool(path, out, *PREPROCESSING, "--frames", "6", "--size", "12")):
        x = torch.randn(1, 3, 6, 12, 12)
        hold(checks, "sizes by options", out, module, x, CLOSE)
    checks.mapped("sizes by profile", tool(path, out, "--profile", "x3d-s"))
    checks.that("sizes by profile", tuple(FileModel(out).input[key] for key in ("frames", "height")) == (13, 160))
    out.unlink()
    ended = tool(path, out)
    checks.that("no preprocessing", ended.status == 2 and "--profile" in ended.err and ended.err.count("\n") == 1, ended)
    checks.refused("a profile of two channels", tool(path, out, "--profile", "i3d-flow"), out, "reads 3 channels, i3d-flow gives 2")

    export(made(NETWORKS["Flat"]), path, 13)
    checks.mapped("fixed sizes beat the profile's", tool(path, out, "--profile", "torchvision-112"))
    found = FileModel(out).input
    checks.that("fixed sizes beat the profile's",
                [found[key] for key in ("frames", "height", "width")] == list(SHAPE[1:]), found)
    out.unlink()
    checks.refused("other frames than fixed", tool(path, out, *PREPROCESSING, "--frames", "16"), out, "--frames 16",
                   "8")
    checks.refused("another size than fixed", tool(path, out, *PREPROCESSING, "--size", "32"), out, "--size 32", "16")
    names = folder / "names.txt"
    names.write_text("one\ntwo\nthree\nfour\nfive\n")
    checks.mapped("class names", tool(path, out, *PREPROCESSING, "--classes", names))
    checks.that("class names", FileModel(out).classes == ["one", "two", "three", "four", "five"])
    out.unlink()
    names.write_text("one\ntwo\n")
    checks.refused("too few class names", tool(path, out, *PREPROCESSING, "--classes", names), out, "names.txt", "5")


# -- graphs by hand ---------------------------------------------------------------------------------------------------

def check_built(checks, tool, folder):
    for name, (build, opset, shape, kind) in CASES.items():
        b = Built(opset, shape, kind)
        x = torch.from_numpy(np.random.default_rng(0).uniform(-4, 8, (1, *shape[1:])))
        y = build(b, x).flatten(1)
        path, out = folder / "built.onnx", folder / "built.h5"
        onnx.save(b.scored(y.shape[1]), str(path))
        want = y @ torch.from_numpy(b.weights["score"]).double().T
        if checks.mapped(name, tool(path, out, *PREPROCESSING)):
            got = FileModel(out, torch.float64)(x)
            checks.that(name, difference(got, want) < CLOSE, f"{got.tolist()} and {want.tolist()}")


def check_program_on_built(checks, tool, folder, cfp):
    """What the program may see otherwise than PyTorch: asymmetric padding, cut-off windows, padded channels."""
    for name, (build, opset, shape, kind) in CASES.items():
        if any(word in name
               for word in ("SAME", "ceil_mode", "Pad", "constants added", "Gather", "expand")) and opset > 9:
            b = Built(opset, (1, 3, 4, 6, 6), kind)
            shape = (1, 4, 4, 6, 8)
            b.shape = (1, 3, *shape[2:])
            b.weight("stem", 4, 3, 1, 1, 1)
            b.add("Conv", ["x", "stem"], "in")
            x = torch.zeros(shape, dtype=torch.float64)
            start = len(b.nodes)
            elements = build(b, x).numel()
            for node in b.nodes[start:]:
                node.input[:] = ["in" if key == "x" else key for key in node.input]
            path, out = folder / "program.onnx", folder / "program.h5"
            onnx.save(b.scored(elements), str(path))
            if checks.mapped(name, tool(path, out, *PREPROCESSING)):
                check_program(checks, name, cfp, out, folder)


# -- the input's layout ----------------------------------------------------------------------------------------------

LAYOUTS = {  # the letters of the input's dimensions -> what the graph does to have N C T H W: operations with an input of constants
    "NCTHW": (), "NTCHW": (("Transpose", [0, 2, 1, 3, 4]),), "NTHWC": (("Transpose", [0, 4, 1, 2, 3]),), "NCHWT": (("Transpose", [0, 1, 4, 2, 3]),),
    "N1CTHW": (("Reshape", [-1, 3, 4, 6, 8]),), "N1TCHW": (("Squeeze", [1]), ("Transpose", [0, 2, 1, 3, 4])),
    "N1THWC": (("Transpose", [0, 1, 5, 2, 3, 4]), ("Reshape", [1, 3, 4, 6, 8])), "CTHW": (("Unsqueeze", [0]),),
    "TCHW": (("Transpose", [1, 0, 2, 3]), ("Unsqueeze", [0])), "THWC": (("Unsqueeze", [0]), ("Transpose", [0, 4, 1, 2, 3])),
    "NTHW": (("Unsqueeze", [1]),)}


def in_layout(layout, sizes, free=""):
    """A graph over an input in that layout; free: the letters of the dimensions that the file leaves open."""
    channels = sizes["C"] if "C" in layout else 1
    b = Built(13, tuple(None if letter in free else sizes.get(letter, 1) for letter in layout))
    b.weight("w", 5, channels, 3, 2, 1)
    last = "x"
    for i, (op, values) in enumerate(LAYOUTS[layout]):
        if op == "Transpose":
            b.add(op, last, f"in{i}", perm=values)
        else:
            b.add(op, [last, b.constant(f"k{i}", values)], f"in{i}")
        last = f"in{i}"
    b.add("Conv", [last, "w"], "c"), b.add("GlobalAveragePool", "c", "g"), b.add("Flatten", "g", "y")
    return b


def check_layouts(checks, tool, folder, cfp):
    """Any order of the dimensions, three channels or another number; what the file leaves open comes from the options."""
    path, out = folder / "layout.onnx", folder / "layout.h5"
    sizes = {"C": 3, "T": 4, "H": 6, "W": 8}
    for layout in LAYOUTS:
        b = in_layout(layout, sizes)
        onnx.save(b.model(), str(path))
        if checks.mapped(f"layout {layout}", tool(path, out, *PREPROCESSING)):
            x = torch.randn(1, sizes["C"] if "C" in layout else 1, 4, 6, 8, dtype=torch.float64)
            want = F.conv3d(x, torch.from_numpy(b.weights["w"]).double()).mean((2, 3, 4))
            checks.that(f"layout {layout}", difference(FileModel(out, torch.float64)(x), want) < CLOSE)
    for channels, options in ((1, ("--mean", "0.4", "--std", "0.2")), (5, ("--mean", "1", "2", "3", "4", "5", "--std", "2")),
                              (2, ("--mean", "0", "--std", "1"))):
        for layout in ("NCTHW", "NTHWC", "NTCHW"):
            onnx.save(in_layout(layout, {**sizes, "C": channels}).model(), str(path))
            if checks.mapped(f"{channels} channels, {layout}", tool(path, out, *options)):
                found = FileModel(out).input
                checks.that(f"{channels} channels, {layout}", (found["channels"], len(found["mean"])) == (channels, channels), found)
    out.unlink()
    checks.refused("as many means as channels", tool(path, out, "--mean", "1", "2", "3", "--std", "1"), out, "--mean: 2 numbers are wanted")
    same = {"C": 3, "T": 8, "H": 32, "W": 32}
    onnx.save(in_layout("NTCHW", same).model(), str(path))
    checks.mapped("T before C", tool(path, out, *PREPROCESSING, "--frames", 8, "--size", 32))
    out.unlink()
    checks.refused("T before C, other frames", tool(path, out, *PREPROCESSING, "--frames", 16), out,
                   "--frames 16: ", "reads 8, and that is fixed (T, dimension 1 of its input 1 x 8 x 3 x 32 x 32 (N x T x C x H x W))")
    onnx.save(in_layout("NTHWC", same, free="NTHW").model(), str(path))
    checks.refused("channels last, free", tool(path, out, *PREPROCESSING), out, "--frames (T, dimension 1 of its input ? x ? x ? x ? x 3",
                   "--size (H and W, dimensions 2 and 3 of")
    if checks.mapped("channels last, free", tool(path, out, *PREPROCESSING, "--frames", 8, "--size", 32)):
        found = FileModel(out).input
        checks.that("channels last, free", [found[key] for key in ("channels", "frames", "height", "width")] == [3, 8, 32, 32], found)
        if cfp:
            check_program(checks, "channels last", cfp, out, folder)
    out.unlink()
    b = Built(13, (1, 10, 3, 4, 6, 8))
    b.weight("w", 5, 3, 1, 1, 1), b.add("Reshape", ["x", b.constant("k", [-1, 3, 4, 6, 8])], "in"), b.add("Conv", ["in", "w"], "y")
    onnx.save(b.model(), str(path))
    checks.refused("ten clips at once", tool(path, out, *PREPROCESSING), out, "1 x 10 x 3 x 4 x 6 x 8, 10 clips at once")


# -- stamps, external data, refusals ----------------------------------------------------------------------------------

def simple(opset=13, shape=X):
    b = Built(opset, shape)
    b.weight("w", 3, shape[1] or 3, 1, 1, 1)
    b.add("Conv", ["x", "w"], "c")
    b.add("GlobalAveragePool", "c", "g")
    b.add("Flatten", "g", "y")
    return b


def check_opsets(checks, tool, folder):
    path, out = folder / "opset.onnx", folder / "opset.h5"
    for opset in (9, 18, 21, 22, 25, 28):
        onnx.save(simple().model(opset=opset), str(path))
        checks.mapped(f"opset {opset}", tool(path, out, *PREPROCESSING))
    out.unlink()
    for opset in (1, 8, 29, 99):
        onnx.save(simple().model(opset=opset), str(path))
        checks.refused(f"opset {opset}", tool(path, out, *PREPROCESSING), out, "opset.onnx", f"opset {opset};",
                       "9 to 28")


def external(folder, location="weights.bin", offset=0, length=None):
    """simple(), its weights in a file beside it."""
    model = simple().model()
    tensor = model.graph.initializer[0]
    (folder / "weights.bin").write_bytes(b"\0" * offset + tensor.raw_data)
    length = len(tensor.raw_data) if length is None else length
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    (folder / "external.onnx").write_bytes(model.SerializeToString())
    return folder / "external.onnx"


def check_external_data(checks, tool, folder):
    out, x = folder / "external.h5", torch.randn(X)
    for offset in (0, 4096):
        if checks.mapped("external data", tool(external(folder, offset=offset), out, *PREPROCESSING)):
            w = torch.from_numpy(simple().weights["w"]).double()
            checks.that("external data",
                        difference(FileModel(out, torch.float64)(x),
                                   F.conv3d(x.double(), w).mean((2, 3, 4))) < CLOSE)
        out.unlink(missing_ok=True)
    path = external(folder)
    (folder / "weights.bin").unlink()
    checks.refused("external data missing", tool(path, out, *PREPROCESSING), out, "external.onnx", "weights.bin",
                   "missing")
    checks.refused("external data cut off", tool(external(folder, length=10 ** 6), out, *PREPROCESSING), out,
                   "too short")
    checks.refused("external data of another length", tool(external(folder, length=8), out, *PREPROCESSING), out, "w",
                   "data")
    checks.mapped("external data without a length", tool(external(folder, length=-1), out, *PREPROCESSING))
    out.unlink(missing_ok=True)
    with open(folder / "weights.bin", "ab") as sparse:
        sparse.truncate(1 << 42)
    checks.mapped("external data with more behind", tool(folder / "external.onnx", out, *PREPROCESSING))
    out.unlink(missing_ok=True)
    (folder / "else").mkdir()
    (folder / "else" / "net.onnx").write_bytes((folder / "external.onnx").read_bytes())
    (folder / "else" / "weights.bin").symlink_to(folder / "weights.bin")
    checks.refused("external data by a link", tool(folder / "else" / "net.onnx", out, *PREPROCESSING), out, "a link")
    for location in ("/etc/hostname", "../weights.bin"):
        checks.refused("external data elsewhere", tool(external(folder, location), out, *PREPROCESSING), out, location,
                       "beside")


def check_refusals(checks, tool, folder):
    path, out = folder / "bad.onnx", folder / "bad.h5"

    def refused(what, model, *words, options=PREPROCESSING):
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        checks.refused(what, tool(path, out, *options), out, "bad.onnx", *words)

    def built(shape=X, **keywords):
        return Built(shape=shape, **keywords)

    refused("no ONNX file", b"This is a text and no network.\n" * 20, "ONNX")
    refused("an empty file", b"", "ONNX")
    refused("an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(500), "ONNX")
    checks.refused("no file", tool(folder / "none.onnx", out, *PREPROCESSING), out, "none.onnx", "No such file")
    checks.refused("a folder", tool(folder, out, *PREPROCESSING), out, str(folder))
    checks.refused("an output folder that is not there",
                   tool(export_simple(path), folder / "no" / "bad.h5", *PREPROCESSING), out)

    b = built()
    for op, inputs, output in (("ConvTranspose", ["x", "w"], "a"), ("GridSample", "a", "b"), ("Acos", "b", "c"),
                               ("Relu", "x", "d"), ("LRN", "d", "e"), ("Add", ["c", "e"], "y")):
        b.add(op, inputs, output)
    b.weight("w", 4, 4, 1, 1, 1)
    refused("all that is not mapped, at once", b.model(), "4 of its operations", "ConvTranspose_0 (ConvTranspose)",
            "GridSample_1 (GridSample)", "Acos_2 (Acos)", "LRN_4 (LRN)")
    b = built()
    b.weight("w", 4, 4, 1, 1), b.weight("scale", 8)
    for op, inputs, output, attributes in (
            ("LayerNormalization", ["x", "scale"], "a", {}), ("Softsign", "a", "b", {}), ("Shrink", "b", "c", {}), ("Resize", "c", "d", {"mode": "cubic"}),
            ("MeanVarianceNormalization", "d", "e", {}), ("Conv", ["e", "w"], "f", {}),
            ("Pad", ["f", b.constant("pads", [0] * 10)], "g", {"mode": "wrap"}), ("MaxPool", "g", "y", {"kernel_shape": [2, 2]})):
        b.add(op, inputs, output, **attributes)
    refused("what comes after it is listed, too, in the framework's words", b.model(), "8 of its operations",
            "LayerNormalization_0 (LayerNormalization): LayerNormalization over W mixes positions: no counterpart", "Softsign_1 (Softsign): an activation",
            "Shrink_2 (Shrink)", "Resize_3 (Resize): mode cubic", "MeanVarianceNormalization_4", "Conv_5 (Conv): a convolution over 2 dim",
            "Pad_6 (Pad): mode wrap", "MaxPool_7 (MaxPool): a window over 2")
    b = built()
    b.add("GlobalAveragePool", "x", "m"), b.add("Relu", "m", "r"), b.weight("w", 3, 4, 1, 1, 1), b.add("Conv", ["r", "w"], "z")
    b.add("If", "m", "y", then_branch=branch("Relu", "z"), else_branch=branch("Sigmoid", "z"))
    refused("a branch by the values of the clip", b.model(), "If_3 (If): chooses between two ways by the values of the clip")
    b = built()
    b.nodes.append(helper.make_node("Fused", ["x"], ["y"], name="odd", domain="com.example"))
    refused("an operation of another domain", b.model(), "odd (com.example.Fused)")
    b = built()
    b.add("Sigmoid", "x", "unread"), b.add("Erf", "unread", "unread2"), b.add("Identity", "x", "y")
    refused("no kernel layer", b.model(), "score a class")

    two_d = Built(shape=(1, 3, 16, 16))
    two_d.weight("w", 3, 3, 3, 3), two_d.add("Conv", ["x", "w"], "y")
    refused("a 2-D network", two_d.model(), "1 x 3 x 16 x 16", "N x C x T x H x W")
    b = built((1, 3, 1, 16, 16))
    b.weight("w", 3, 3, 3, 3), b.add("Squeeze", ["x", b.constant("axes", [2])], "a"), b.add("Conv", ["a", "w"], "y")
    refused("a 2-D convolution", b.model(), "Conv_1", "2 dimensions")
    for shape, words in (((1, 3, 4, 4), "1 x 3 x 4 x 4"), ((1, 1, 3, 4, 4, 4), "1 x 1 x 3 x 4 x 4 x 4"),
                         ((), "without a shape")):
        refused(f"an input {shape}", simple_of(shape), words)
    b = simple()
    model = b.model()
    model.graph.input.append(helper.make_tensor_value_info("flow", TensorProto.FLOAT, X))
    refused("two inputs", model, "x (", "flow (", "a slow and a fast one")
    model = simple().model()
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, None))
    refused("two outputs", model, "y, c", "one output")
    model = simple().model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    refused("an input of bytes", model, "floating-point")
    for value in (np.nan, np.inf):
        b = simple()
        b.weights["w"][1, 2] = value
        onnx.save(b.model(), str(path))
        checks.refused(f"{value} in the weights", tool(path, out, *PREPROCESSING), out, "Conv_0", "NaN or Inf")
    b = simple()
    b.weights["w"] = b.weights["w"][:, :3]
    refused("weights of other channels", b.model(), "Conv_0", "4 channels")
    model = simple().model()
    model.graph.node[1].input[0] = "nowhere"
    refused("an edge from nowhere", model, "GlobalAveragePool_1", "nowhere")
    model = simple().model()
    model.graph.node.insert(0, model.graph.node.pop())
    refused("an order that does not run", model, "Flatten_2", "reads g")
    refused("no scores", simple().model("c"), "score a class")
    refused("an output that nothing makes", simple().model("z"), "z")
    model = simple().model()
    model.graph.initializer[0].dims[0] = 7
    refused("weights that do not fit their shape", model, "w", "data")

    def one(op, *, constants=(), opset=13, shape=X, **attributes):
        b = built(shape, opset=opset)
        names = [b.constant(f"k{i}", *value) if value is not None else "" for i, value in enumerate(constants)]
        b.add(op, ["x", *names], "a", **attributes)
        b.add("GlobalAveragePool", "a", "y")
        return b.model()

    f = np.float32
    refused("Pad by wrapping", one("Pad", constants=[([0] * 4 + [1] + [0] * 5,)], mode="wrap"), "Pad_0", "mode wrap")
    refused("Pad of channels by reflection", one("Pad", constants=[([0, 1] + [0] * 8,)], mode="reflect"), "Pad_0", "only T, H and W")
    refused("Pad of the batch", one("Pad", constants=[([1] + [0] * 9,)]), "Pad_0", "batch")
    refused("MaxPool with dilation", one("MaxPool", kernel_shape=[2, 2, 2], dilations=[1, 2, 1]), "MaxPool_0",
            "dilations")
    refused("AveragePool with dilation", one("AveragePool", kernel_shape=[2, 2, 2], dilations=[2, 2, 2], opset=19),
            "dilations")
    refused("a 2-D pool", one("MaxPool", kernel_shape=[2, 2]), "MaxPool_0", "2 dimensions")
    refused("a pool that sees padding alone", one("AveragePool", kernel_shape=[1, 2, 2], pads=[0, 2, 0, 0, 0, 0]),
            "not smaller")
    refused("HardSigmoid of another slope", one("HardSigmoid"), "HardSigmoid_0", "0.2")
    refused("Clip to a single number", one("Clip", constants=[(1, f), (1, f)]), "1 ... 1")
    refused("a mean over channels", one("ReduceMean", axes=[1]), "ReduceMean_0", "mean over dimensions [1]")
    refused("a mean over everything", one("ReduceMean"), "mean over")
    refused("a slice backwards", one("Slice", constants=[([-1],), ([-9],), ([2],), ([-1],)]), "Slice_0", "step -1")
    refused("a slice of nothing", one("Slice", constants=[([3],), ([3],), ([2],)]), "takes nothing")
    refused("Gather out of range", one("Gather", constants=[([7],)], axis=2), "takes [7] of 4")
    refused("Gather of rows out of order", one("Gather", constants=[([0, 3, 1],)], axis=3), "along H")
    refused("a transposition", one("Transpose", perm=[0, 1, 3, 2, 4]), "GlobalAveragePool_1", "rearrangement")
    refused("a reshape across", one("Reshape", constants=[([1, 3, 4, 8, 8],)]), "Reshape_0", "across")
    refused("a reshape to other sizes", one("Reshape", constants=[([1, 5, 4, 8, 8],)]), "Reshape_0",
            "1 x 4 x 4 x 6 x 8")
    refused("a constant of other sizes", one("Add", constants=[(np.zeros((4, 6, 8)), f)]), "Add_0", "4 x 6 x 8")
    refused("a constant along W", one("Mul", constants=[(np.arange(8), f)]), "Mul_0", "one a channel")
    refused("a concatenation with weights", one("Concat", constants=[(np.random.rand(*X), f)], axis=1), "Concat_0",
            "constants")
    refused("Softmax over H", one("Softmax", axis=3), "Softmax_0", "another dimension")
    refused("Cast to whole numbers", one("Cast", to=TensorProto.INT64), "Cast_0")
    refused("BatchNormalization in training",
            one("BatchNormalization", constants=[(np.ones(4), f)] * 4, training_mode=1, opset=14),
            "BatchNormalization_0", "training")
    refused("Dropout in training", one("Dropout", constants=[(0.5, f), (True, np.bool_)]), "Dropout_0", "training",
            "not looked at")
    b = simple()
    b.add("Identity", "x", "g")
    refused("two nodes of one output", b.model(), "g: two nodes make it")
    for order, shape in (((0, 3, 2, 1), (1, 2, 3, 4)), ((0, 2, 1), (1, 4, 6))):
        b = Built()
        b.weight("w", 24, 4, 1, 1, 1), b.add("Conv", ["x", "w"], "c"), b.add("GlobalAveragePool", "c", "g")
        b.add("Reshape", ["g", b.constant("shape", shape)], "r"), b.add("Transpose", "r", "t", perm=order)
        b.add("Flatten", "t", "y")
        refused("classes in another order", b.model("t"), "in another order")
        if len(shape) == 4:                    # of three axes; the flattened one of two is a channel_shuffle
            refused("classes in another order, flattened", b.model("y"), "in another order")
    check_large(refused, one)
    b = built()
    b.add("Concat", ["x", "x"], "a", axis=0), b.add("GlobalAveragePool", "a", "y")
    refused("a concatenation along the batch", b.model(), "Concat_0", "along N")
    b = built()
    b.add("MaxPool", "x", ["a", "indices"], kernel_shape=[2, 2, 2]), b.add("Sub", ["a", "a"], "y")
    refused("indices of maxima, a difference of tensors", b.model(), "indices", "MaxPool_0")
    b = built()
    b.add("Flatten", "x", "f"), b.add("Transpose", "f", "t"), b.add("MatMul", ["f", "t"], "y")
    refused("a product of two tensors", b.model(), "MatMul_2", "two tensors")
    b = built((1, 3, 4, 6, 6))
    refused("a wrong profile", simple(shape=(1, 4, 4, 6, 6)).model(), "reads 4 channels, x3d-s gives 3", options=("--profile", "x3d-s"))
    checks.that("wrong usage", tool(path).status == 2)


def check_large(refused, one):
    """A small file that asks for much memory."""
    def folded(what, *nodes, words="a constant of"):
        b = Built(opset=11)
        for op, inputs, output, attributes in nodes:
            b.add(op, [b.constant(f"k{len(b.weights)}", key) if isinstance(key, list) else key for key in inputs], output,
                  **attributes)
        b.add("ReduceSum", "big", "sum", keepdims=0), b.add("Add", ["x", "sum"], "y")
        refused(what, b.model(), words)

    row = "ConstantOfShape", [[1 << 14, 1]], "row", {}
    column = "ConstantOfShape", [[1, 1 << 14]], "column", {}
    whole = "Cast", ["row"], "whole", {"to": TensorProto.INT64}
    folded("a constant", ("ConstantOfShape", [[1 << 40]], "big", {}))
    folded("a product", row, column, ("MatMul", ["row", "column"], "big", {}))
    folded("a broadcast", row, column, ("Add", ["row", "column"], "big", {}))
    folded("a Gather", row, column, whole, ("Gather", ["column", "whole"], "big", {"axis": 0}))
    folded("a Concat", row, ("Concat", ["row"] * (1 << 13), "big", {"axis": 1}))
    refused("channels", one("Pad", constants=[([0] * 6 + [1 << 21] + [0] * 3,)]), "is more than fits")
    refused("frames", one("Pad", constants=[([0, 0, 1 << 31] + [0] * 7,)]), "is more than fits")
    refused("a wide clip", one("Relu", shape=(1, 3, 1 << 11, 1 << 11, 1 << 11)), "a clip of", "is more than fits")


def export_simple(path):
    onnx.save(simple().model(), str(path))
    return path


def simple_of(shape):
    model = simple().model()
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, shape or None))
    return model


HEADS = {  # what stands behind five scores z, and the probabilities that it gives
    "none": ((), lambda z: z.softmax(1)),
    "sigmoid": (("Sigmoid",), torch.sigmoid),
    "sigmoid, then nothing new": (("Identity", "Sigmoid", "Identity", "Flatten"), torch.sigmoid),
    "softmax": (("Softmax",), lambda z: z.softmax(1)),
    "softmax twice": (("Softmax", "Softmax"), lambda z: z.softmax(1).softmax(1)),
    "softmax of a sigmoid": (("Sigmoid", "Softmax"), lambda z: z.sigmoid().softmax(1)),
    "log_softmax": (("LogSoftmax", "Flatten"), lambda z: z.softmax(1)),
}


def with_head(ops, pooled=False):
    """Five scores of a 1x1x1 convolution; pooled: they are averaged after the head."""
    b = Built(shape=(1, 3, 2, 4, 4))
    b.weight("w", 5, 3, 1, 1, 1), b.weight("b", 5)
    b.add("Conv", ["x", "w", "b"] if pooled else ["mean", "w", "b"], "z0")
    if not pooled:
        b.nodes.reverse(), b.add("GlobalAveragePool", "x", "mean"), b.nodes.reverse()
    for i, op in enumerate(ops):
        b.add(op, f"z{i}", f"z{i + 1}", **({"axis": 1} if op in ("Softmax", "LogSoftmax") else {}))
    if pooled:
        b.add("GlobalAveragePool", f"z{len(ops)}", "mean")
    b.add("Flatten", "mean" if pooled else f"z{len(ops)}", "y")
    return b


def check_heads(checks, tool, folder, cfp):
    """The probabilities are those that the head gives; no second softmax is applied."""
    path, out = folder / "head.onnx", folder / "head.h5"
    frames = np.random.default_rng(2).integers(0, 256, (2, 4, 4, 3), np.uint8)
    np.save(folder / "head.npy", frames)
    x = torch.from_numpy((frames / 255 - 0.4) / 0.2).permute(3, 0, 1, 2)[None]
    for head, (ops, gives) in HEADS.items():
        b = with_head(ops)
        onnx.save(b.model(), str(path))
        ended = tool(path, out, *PREPROCESSING)
        said = ended.err.count("log_softmax at its end was left out")
        checks.that(f"head {head}", ended.status == 0 and said == ("LogSoftmax" in ops), ended)
        done = subprocess.run([cfp, "predict", out, folder / "head.npy", "--json", "-q", "--top", "5", "--check-input", "always"],
                              capture_output=True, text=True)
        if checks.that(f"head {head}: predict", done.returncode == 0, done.stderr):
            weight, bias = (torch.from_numpy(b.weights[name]).double() for name in "wb")
            want = gives(F.conv3d(x.mean((2, 3, 4), keepdim=True), weight, bias).flatten(1))[0].tolist()
            got = {entry["index"]: entry["probability"] for entry in json.loads(done.stdout)["clips"][0]["top"]}
            checks.that(f"head {head}: probabilities", all(abs(got[i] - p) < 1e-5 for i, p in enumerate(want)), f"{got}, {want}")
    onnx.save(with_head(("LogSoftmax", "Sigmoid")).model(), str(path))
    out.unlink()
    checks.refused("log_softmax inside", tool(path, out, *PREPROCESSING), out, "LogSoftmax_2 (log_softmax)", "at the end")
    onnx.save(with_head(("Softmax",), pooled=True).model(), str(path))
    ended = tool(path, out, *PREPROCESSING)
    checks.that("means of probabilities", ended.status == 0 and "means of probabilities (softmax at 32 positions)" in ended.err, ended)


def check_class_lists(checks, tool, folder):
    """As many outputs as a data set has classes say nothing; --classes does, and it must be as many."""
    path, out = folder / "many.onnx", folder / "many.h5"
    names = folder / "names.csv"
    b = Built(shape=(1, 3, 2, 4, 4))
    b.weight("w", 51, 3, 1, 1, 1), b.add("Conv", ["x", "w"], "c"), b.add("GlobalAveragePool", "c", "p"), b.add("Flatten", "p", "y")
    onnx.save(b.model(), str(path))
    ended = tool(path, out, *PREPROCESSING)
    checks.that("51 outputs", ended.status == 0 and "(class 0 ... class 50)" in ended.out and ended.err.count("\n") == 1
                and "--classes hmdb-51" in ended.err, ended)
    ended = tool(path, out, *PREPROCESSING, "--classes", "hmdb-51")
    checks.that("51 outputs of HMDB", ended.status == 0 and "(brush_hair ... wave)" in ended.out and ended.err == "", ended)
    names.write_text("name,id\n" + "".join(f"n{i},{i}\n" for i in reversed(range(51))))
    ended = tool(path, out, *PREPROCESSING, "--classes", names)
    checks.that("51 names by number", ended.status == 0 and "(n0 ... n50)" in ended.out, ended)
    out.unlink()
    names.write_text("a\nb\n")
    checks.refused("2 names of 51", tool(path, out, *PREPROCESSING, "--classes", names), out, "names.csv: 2 names", "51 classes")
    names.write_text("0 a\n0 b\n")
    checks.refused("a number twice", tool(path, out, *PREPROCESSING, "--classes", names), out, "names.csv:2: class 0 has two names")
    ended = tool(path, out, "--profile", "hara-2018")
    checks.that("a profile of other classes", ended.status == 0 and "(class 0 ... class 50)" in ended.out, ended)


def check_fuzz(checks, tool, folder):
    """Cut off at 30 places, 60 times some bytes changed: done, or one line and no file."""
    export(made(NETWORKS["Constants"]), folder / "whole.onnx", 13)
    whole = (folder / "whole.onnx").read_bytes()
    draw = random.Random(3)
    damaged = [whole[:len(whole) * i // 30] for i in range(30)]
    structure = [i for i in range(len(whole)) if i < 400 or i > len(whole) - 4000]  # more than weights
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            data[draw.choice(structure)] = draw.randrange(256)
        damaged.append(bytes(data))
    path, out = folder / "fuzz.onnx", folder / "fuzz.h5"
    ends = {0: 0, 1: 0}
    for i, data in enumerate(damaged):
        path.write_bytes(data)
        out.unlink(missing_ok=True)
        ended = tool(path, out, *PREPROCESSING)
        if ended.status == 0:
            checks.that(f"fuzz {i}", ended.err == "" and out.exists(), ended.err)
        else:
            checks.refused(f"fuzz {i}", ended, out)
        ends[ended.status] = ends.get(ended.status, 0) + 1
    checks.that("fuzz: some end in each way", ends[0] > 0 and ends[1] > 30, ends)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", metavar="BIN", help="the program, to run the files too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    checks, tool = Checks(), Tool("import-onnx")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_exported(checks, tool, folder, args.cfp)
        check_layouts(checks, tool, folder, args.cfp)
        for check in (check_names, check_batch_norms_folded, check_sizes, check_built, check_opsets,
                      check_external_data, check_class_lists, check_refusals, check_fuzz):
            check(checks, tool, folder)
        if args.cfp:
            check_heads(checks, tool, folder, args.cfp)
            check_program_on_built(checks, tool, folder, args.cfp)
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
