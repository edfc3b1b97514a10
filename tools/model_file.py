"""Write model files of cfp-gpu: a network as HDF5, one group a node, weights kept as they were trained.

    with ModelFile("motion.h5", name="motion", classes=[...], output="fc", channels=3, frames=16, height=64,
                   width=64, mean=[...], std=[...]) as m:
        m.add_node("conv1", "conv3d", ["input"], weight=w, stride=(1, 2, 2), pad_begin=1, pad_end=1)
        m.add_node("fc", "linear", ["pool"], weight=w, bias=b)

What the program refuses to load is refused here, too, by the name of the node: an unknown op or attribute, a missing
input, a cycle, weights of the wrong rank, NaN and Inf. Only the program checks whether shapes fit along the graph. The
file appears under its name only when it is complete.
"""
from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

import h5py
import numpy as np

INT, FLOAT, TRIPLE, WORD = "int32", "float64", "int32[3]", "a word"
LONGEST_NAME, MOST_INPUTS = 60000, 4000  # HDF5 keeps a link's name, and an attribute of 16 bytes a string, within 64 KB
WORDS = {"mode": ("constant", "replicate", "reflect")}   # of a pad
FILTERS = ("bilinear", "antialias")
VALUES, STANDARDISE, VOLUME_AXES = ("bytes", "numbers"), ("none", "clip", "nonzero", "range"), ("xyz", "zyx")


@dataclass(frozen=True)
class Op:
    """What a node of one op may and must have."""
    attributes: Dict[str, str]                 # name -> INT, FLOAT, WORD or TRIPLE (the order is T, H, W)
    required: Sequence[str] = ()               # attributes without a default
    datasets: Sequence[str] = ()
    optional: Sequence[str] = ()               # datasets that may be left out
    inputs: Sequence[Optional[int]] = (1, 1)   # least and most; None: any number


_PADDING = {"pad_begin": TRIPLE, "pad_end": TRIPLE}
_POOL = {"kernel": TRIPLE, "stride": TRIPLE, **_PADDING, "ceil_mode": INT}
_PLAIN = ("relu", "relu6", "silu", "sigmoid", "hardswish", "hardsigmoid", "softmax", "identity", "flatten", "globalavgpool",
          "gelu", "gelu_tanh", "mish", "tanh")

OPS: Dict[str, Op] = {
    "conv3d": Op({"stride": TRIPLE, "dilation": TRIPLE, **_PADDING, "groups": INT},
                 datasets=("weight", "bias"), optional=("bias",)),
    "linear": Op({}, datasets=("weight", "bias"), optional=("bias",)),
    "batchnorm": Op({"eps": FLOAT}, datasets=("gamma", "beta", "mean", "var")),
    "instancenorm": Op({"eps": FLOAT}, datasets=("gamma", "beta"), optional=("gamma", "beta")),
    "groupnorm": Op({"groups": INT, "eps": FLOAT}, required=("groups",), datasets=("gamma", "beta"), optional=("gamma", "beta")),
    "layernorm": Op({"eps": FLOAT}, datasets=("gamma", "beta"), optional=("gamma", "beta")),
    **{name: Op({}) for name in _PLAIN},
    "leakyrelu": Op({"negative_slope": FLOAT}),
    "prelu": Op({}, datasets=("slope",)),
    "elu": Op({"alpha": FLOAT, "scale": FLOAT, "input_scale": FLOAT}),
    "softplus": Op({"beta": FLOAT, "threshold": FLOAT}),
    "clip": Op({"min": FLOAT, "max": FLOAT}),
    "maxpool3d": Op(_POOL, required=("kernel",)),
    "avgpool3d": Op({**_POOL, "count_include_pad": INT}, required=("kernel",)),
    "add": Op({}, inputs=(2, None)),
    "mul": Op({}, inputs=(2, None)),
    "concat": Op({"axis": INT}, inputs=(1, None)),
    "upsample": Op({"factor": TRIPLE}, required=("factor",)),
    "pad": Op({**_PADDING, "value": FLOAT, "channels_begin": INT, "channels_end": INT, "mode": WORD}),
    "slice": Op({"axis": INT, "start": INT, "stop": INT, "step": INT}, required=("axis", "start", "stop")),
    "channel_shuffle": Op({"groups": INT}, required=("groups",)),
}


class ModelFileError(ValueError):
    pass


def _whole(node: str, key: str, value) -> np.int32:
    try:
        whole = int(value)
    except (OverflowError, ValueError):    # Inf, NaN
        whole = None
    if whole != value:
        raise ModelFileError(f"{node}: {key} must be whole, not {value}")
    if not -(1 << 31) <= whole < 1 << 31:
        raise ModelFileError(f"{node}: {key} {value} does not fit 32 bits")
    return np.int32(whole)


def _attribute(node: str, key: str, kind: str, value) -> Union[np.ndarray, np.generic]:
    if kind == FLOAT:
        if not np.isfinite(value):
            raise ModelFileError(f"{node}: {key} is {value}")
        return np.float64(value)
    if kind == WORD:
        if value not in WORDS[key]:
            raise ModelFileError(f"{node}: {key} {value!r} is none of {', '.join(WORDS[key])}")
        return value
    if kind == INT:
        return _whole(node, key, value)
    triple = [value] * 3 if np.ndim(value) == 0 else list(value)
    if len(triple) != 3 or any(np.ndim(v) for v in triple):
        raise ModelFileError(f"{node}: {key} must be three whole numbers (T, H, W), not {value}")
    return np.array([_whole(node, key, v) for v in triple], np.int32)


def _check_scaling(scale: float, mean: Sequence[float], std: Sequence[float]) -> None:
    """Refuses what the program cannot compute with, in its own float32."""
    with np.errstate(all="ignore"):
        scale32, mean32, std32 = np.float32(scale), np.asarray(mean, np.float32), np.asarray(std, np.float32)
        values = [1 / scale32, 1 / std32, (0 / scale32 - mean32) / std32, (255 / scale32 - mean32) / std32]
    if not (scale32 > 0 and (std32 > 0).all() and all(np.isfinite(v).all() for v in [scale32, mean32, std32, *values])):
        raise ModelFileError("input: scale, mean and std do not give numbers that fit float32")


def _check_numbers(channels: int, values: Optional[str], standardise: str, volume_axes: str,
                   show: Optional[Sequence[int]], color: str) -> None:
    for key, value, words in (("values", values, (None, *VALUES)), ("standardise", standardise, STANDARDISE),
                              ("volume_axes", volume_axes, VOLUME_AXES)):
        if value not in words:
            raise ModelFileError(f"input: {key} must be one of {', '.join(word for word in words if word)}, not {value}")
    numbers = values == "numbers" or (values is None and channels not in (2, 3))
    if values == "bytes" and channels not in (2, 3):
        raise ModelFileError(f"input: values bytes with {channels} channels; bytes are of 2 or 3")
    if not numbers and (standardise != "none" or show is not None):
        raise ModelFileError("input: standardise and show_channels need values numbers")
    if numbers and channels > 1 and color == "BGR":
        raise ModelFileError(f"input: color BGR with numbers of {channels} channels, which have no colours")
    if show is not None and (len(show) not in (1, 3) or not all(0 <= c < channels for c in show)):
        raise ModelFileError(f"input: show_channels must be one channel or three of 0 to {channels - 1}, not {list(show)}")


def _text(value: str) -> str:
    """What HDF5 can keep: a file's name may hold bytes that are no UTF-8."""
    return value.replace("\0", "?").encode("utf-8", "replace").decode()


def _fixed(value: Union[str, Sequence[str]]) -> np.ndarray:
    """A string, or a list of them, all of one length: HDF5 is not safe with variable ones in damaged files."""
    data = np.array(value.encode() if isinstance(value, str) else [v.encode() for v in value], dtype=bytes)
    return data.astype(h5py.string_dtype("utf-8", max(1, data.dtype.itemsize)))


def _put_text(attributes: h5py.AttributeManager, key: str, value: Union[str, Sequence[str]]) -> None:
    data = _fixed(value)
    if data.nbytes > LONGEST_NAME:   # more than HDF5 keeps: in a list each string takes as much as the longest
        attributes.create(key, value, dtype=h5py.string_dtype("utf-8"))
    else:
        attributes.create(key, data, dtype=data.dtype)


def _check_name(node: str) -> None:
    if "\0" in node or _text(node) != node:
        raise ModelFileError(f"{node!a}: a node's name must be valid UTF-8 without NUL")
    if len(node.encode()) > LONGEST_NAME:
        raise ModelFileError(f"{node[:40]}...: a node's name of {len(node.encode())} bytes; HDF5 takes {LONGEST_NAME}")


def _check_place(path: Path) -> None:
    """Refuses what a file cannot be put in the place of; it would replace a device."""
    if not path.parent.is_dir():
        code = errno.ENOTDIR if path.parent.exists() else errno.ENOENT
        raise OSError(code, os.strerror(code), str(path.parent))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise ModelFileError(f"{path}: is there already and no regular file")


def _check_weights(node: str, op: str, attributes: dict, data: Dict[str, np.ndarray]) -> None:
    for key, array in data.items():
        if not np.isfinite(array).all():
            raise ModelFileError(f"{node}: {key} has NaN or Inf")
    if op in ("conv3d", "linear"):
        rank = 5 if op == "conv3d" else 2
        weight = data["weight"]
        if weight.ndim != rank or 0 in weight.shape:
            raise ModelFileError(f"{node}: weight has shape {weight.shape}, {rank} dimensions are wanted")
        if "bias" in data and data["bias"].shape != weight.shape[:1]:
            raise ModelFileError(f"{node}: bias has shape {data['bias'].shape}, weight {weight.shape}")
        groups = int(attributes.get("groups", 1))
        if groups < 1 or weight.shape[0] % groups:
            raise ModelFileError(f"{node}: {weight.shape[0]} kernels do not divide into {groups} groups")
    if op == "prelu" and (data["slope"].ndim != 1 or not data["slope"].size):
        raise ModelFileError(f"{node}: slope has shape {data['slope'].shape}, a vector is wanted")
    if op == "clip" and not float(attributes.get("min", -1)) < float(attributes.get("max", 1)):
        raise ModelFileError(f"{node}: min {attributes.get('min', -1)} is not below max {attributes.get('max', 1)}")
    if op in ("instancenorm", "groupnorm", "layernorm"):
        if len(data) == 1 or any(array.shape != data["gamma"].shape or array.ndim != 1 for array in data.values()):
            raise ModelFileError(f"{node}: gamma and beta must be two vectors of one length, or both left out")
        if not float(attributes.get("eps", 1e-5)) > 0:
            raise ModelFileError(f"{node}: eps is {attributes['eps']}")
    if op == "batchnorm":
        shapes = {array.shape for array in data.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise ModelFileError(f"{node}: gamma, beta, mean and var must be four vectors of one length")


def _heads(classes, output) -> List[str]:
    """The names of the heads; none if the network has one classifier without a name."""
    if not isinstance(output, dict):
        if isinstance(classes, dict):
            raise ModelFileError("classes: of several heads, but there is one output")
        return []
    if not isinstance(classes, dict) or list(classes) != list(output) or not output:
        raise ModelFileError(f"classes: one list for each of the heads {', '.join(output)} is wanted")
    for head in output:
        if not head or head[0] == "." or any(c in head for c in "/=,") or _text(head) != head:
            raise ModelFileError(f"head {head!a}: it is empty, begins with '.', or has one of / = ,")
    if len(set(output.values())) != len(output):
        raise ModelFileError("outputs: two heads have one node")
    return list(output)


class ModelFile:
    """A model file being written. Use it as a context manager, or call close()."""

    def __init__(self, path: Union[str, Path], *, name: str, classes: Union[Sequence[str], Dict[str, Sequence[str]]],
                 output: Union[str, Dict[str, str]], channels: int,
                 frames: int, height: int, width: int, mean: Sequence[float], std: Sequence[float], scale: float = 255.0,
                 frame_stride: int = 1, resize_short: int = 0, resize: Optional[Sequence[int]] = None, color: str = "RGB",
                 source: str = "", licence: str = "", resize_filter: str = "bilinear", halves: bool = False,
                 values: Optional[str] = None, standardise: str = "none", volume_axes: str = "xyz",
                 show_channels: Optional[Sequence[int]] = None):
        """halves: weights of two bytes, rounded; a reader makes float32 of them. resize: (height, width) that a frame is stretched to before the crop, instead of resize_short. resize_filter: one of
        FILTERS; "antialias" is PIL's and torchvision's BILINEAR. A network with several classifiers ("heads") has
        classes={"verb": [...], "noun": [...]} and output={"verb": node, "noun": node}.
        values: "numbers" for clips that are no bytes (the default but for 2 or 3 channels), which standardise, volume_axes and show_channels are about."""
        _check_numbers(channels, values, standardise, volume_axes, show_channels, color)
        if len(mean) != channels or len(std) != channels or not np.all(np.asarray(std) > 0) or not scale > 0:
            raise ModelFileError(f"input: {channels} means, {channels} positive stds and a positive scale are wanted")
        _check_scaling(scale, mean, std)
        if color not in ("RGB", "BGR"):
            raise ModelFileError(f"input: color must be RGB or BGR, not {color}")
        if resize_filter not in FILTERS:
            raise ModelFileError(f"input: resize_filter must be {' or '.join(FILTERS)}, not {resize_filter}")
        if min(channels, frames, height, width, frame_stride) < 1 or resize_short < 0:
            raise ModelFileError("input: sizes and frame_stride must be at least 1")
        if resize is not None and (len(resize) != 2 or resize[0] < height or resize[1] < width):
            raise ModelFileError(f"input: resize {tuple(resize)} does not cover {height} x {width}")
        if channels > MOST_INPUTS:
            raise ModelFileError(f"input: {channels} channels; HDF5 takes {MOST_INPUTS} means")
        sizes = {key: _whole("input", key, value) for key, value in dict(
            channels=channels, frames=frames, height=height, width=width, frame_stride=frame_stride,
            resize_short=resize_short).items()}
        resize = resize and [_whole("input", "resize", side) for side in resize]
        heads = _heads(classes, output)
        for label in [label for one in (classes.values() if heads else [classes]) for label in one]:
            if _text(label) != label:
                raise ModelFileError(f"classes: {label!a}: no name, it holds what is no character")
        self.path, self.outputs = Path(path), list(output.values()) if heads else [output]
        self._weight_type = np.float16 if halves else np.float32
        _check_place(self.path)
        self._inputs: Dict[str, List[str]] = {}
        # In memory until it is complete: HDF5 does not survive a disk that fills up while it has a file open.
        self._file = h5py.File(self.path.name, "w", libver=("earliest", "v110"), track_order=False, driver="core",
                               backing_store=False, block_size=1 << 24)
        f = self._file
        f.attrs["cfp_version"] = np.int32(1)
        for key, value in dict(cfp_format="model", name=name, source=source, licence=licence).items():
            if value or key == "name":
                _put_text(f.attrs, key, _text(value))
        if heads:
            _put_text(f.attrs, "heads", heads)
            _put_text(f.attrs, "outputs", [output[head] for head in heads])
        else:
            _put_text(f.attrs, "output", _text(output))
        for where, labels in ([(f"classes/{head}", classes[head]) for head in heads] or [("classes", classes)]):
            names = _fixed(list(labels))
            f.create_dataset(where, data=names, dtype=names.dtype)
        spec = f.create_group("input").attrs
        for key, value in sizes.items():
            spec[key] = value
        if resize is not None:
            spec["resize"] = np.asarray(resize, np.int32)
        if resize_filter != "bilinear":   # the default: older readers then read the file too
            _put_text(spec, "resize_filter", resize_filter)
        _put_text(spec, "crop", "center")
        _put_text(spec, "color", color)
        for key, value, default in (("values", values, None), ("standardise", standardise, "none"), ("volume_axes", volume_axes, "xyz")):
            if value != default:
                _put_text(spec, key, value)
        if show_channels is not None:
            spec["show_channels"] = np.asarray(show_channels, np.int32)
        spec["scale"] = np.float64(scale)
        spec["mean"], spec["std"] = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        f.create_group("graph")

    def add_node(self, name: str, op: str, inputs: Sequence[str], **values) -> str:
        """Add a node: attributes and datasets by their names, one number standing for three. Returns the name."""
        if op not in OPS:
            raise ModelFileError(f"{name}: unknown op {op}")
        spec = OPS[op]
        if not name or "/" in name or name in ("input", ".") or name in self._inputs:
            raise ModelFileError(f"{name!r}: a node's name must be new, not empty, not 'input' and without '/'")
        _check_name(name)
        least, most = spec.inputs
        if isinstance(inputs, str) or len(inputs) < least or (most is not None and len(inputs) > most):
            raise ModelFileError(f"{name}: {op} cannot have the inputs {inputs!r}")
        if len(inputs) > MOST_INPUTS:
            raise ModelFileError(f"{name}: {len(inputs)} inputs; HDF5 takes {MOST_INPUTS}")
        for one in inputs:
            _check_name(one)
        values = {key: value for key, value in values.items() if value is not None}
        unknown = set(values) - set(spec.attributes) - set(spec.datasets)
        missing = (set(spec.required) | set(spec.datasets) - set(spec.optional)) - set(values)
        if unknown or missing:
            words = [f"{what} {', '.join(sorted(keys))}" for what, keys in (("unknown", unknown), ("missing", missing)) if keys]
            raise ModelFileError(f"{name}: {op}: {'; '.join(words)}")
        attributes = {k: _attribute(name, k, kind, values[k]) for k, kind in spec.attributes.items() if k in values}
        with np.errstate(over="ignore"):   # becomes Inf, and is refused as that
            data = {k: np.ascontiguousarray(values[k], self._weight_type) for k in spec.datasets if k in values}
        _check_weights(name, op, attributes, data)

        group = self._file["graph"].create_group(name)
        _put_text(group.attrs, "op", op)
        _put_text(group.attrs, "inputs", inputs)
        for key, value in attributes.items():
            if isinstance(value, str):
                _put_text(group.attrs, key, value)
            else:
                group.attrs[key] = value
        for key, array in data.items():
            group.create_dataset(key, data=array)
        self._inputs[name] = list(inputs)
        return name

    def _check_graph(self) -> None:
        for output in self.outputs:
            if output not in self._inputs:
                raise ModelFileError(f"{output}: the output is no node")
        for name, inputs in self._inputs.items():
            for i in inputs:
                if i != "input" and i not in self._inputs:
                    raise ModelFileError(f"{name}: its input {i} is no node")
        ready, waiting = {"input"}, dict(self._inputs)
        while waiting:
            found = [name for name, inputs in waiting.items() if all(i in ready for i in inputs)]
            if not found:
                raise ModelFileError(f"{', '.join(sorted(waiting))}: a cycle")
            ready.update(found)
            for name in found:
                del waiting[name]

    def close(self) -> None:
        """Write the file: it appears under its name whole, or not at all (ModelFileError, OSError)."""
        try:
            self._check_graph()
            self._file.flush()
            image = self._file.id.get_file_image()
        finally:
            self.discard()
        _check_place(self.path)
        part = self.path.with_name(self.path.name + ".part")
        try:
            part.unlink(missing_ok=True)   # of an importer that was killed
            with open(part, "xb") as file:
                file.write(image)
            os.replace(part, self.path)
        except BaseException as problem:   # Ctrl-C too
            part.unlink(missing_ok=True)
            if isinstance(problem, OSError):
                problem.filename, problem.filename2 = str(self.path), None
            raise

    def discard(self) -> None:
        self._file.close()

    def __enter__(self) -> "ModelFile":
        return self

    def __exit__(self, kind, value, trace) -> None:
        self.discard() if kind else self.close()
