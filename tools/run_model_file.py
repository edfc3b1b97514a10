#!/usr/bin/env python3
"""Run a model file of cfp-gpu with PyTorch, to check the file.

It reads the file alone, and shares no code with the module that was trained nor with the program.
"""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import h5py
import numpy as np
import torch
import torch.nn.functional as F


def _pads(attrs: dict) -> List[int]:
    """pad_begin and pad_end as F.pad wants them: last axis first."""
    begin, end = attrs.get("pad_begin", [0, 0, 0]), attrs.get("pad_end", [0, 0, 0])
    return [int(v) for axis in (2, 1, 0) for v in (begin[axis], end[axis])]


def _triple(attrs: dict, key: str, default) -> tuple:
    return tuple(int(v) for v in attrs.get(key, default))


def _conv3d(x, attrs, data):
    return F.conv3d(F.pad(x, _pads(attrs)), data["weight"], data.get("bias"), _triple(attrs, "stride", (1, 1, 1)),
                    0, _triple(attrs, "dilation", (1, 1, 1)), int(attrs.get("groups", 1)))


def _overhang(size: int, kernel: int, stride: int, begin: int, end: int) -> int:
    """Cells behind the padding that the last window of ceil_mode reaches; it must start inside or in the left padding."""
    windows = -(-(size + begin + end - kernel) // stride) + 1
    if (windows - 1) * stride >= size + begin:
        windows -= 1
    return max(0, (windows - 1) * stride + kernel - (size + begin + end))


def _pool3d(x, attrs, average: bool):
    kernel = _triple(attrs, "kernel", None)
    stride = _triple(attrs, "stride", kernel)
    pads, beyond = _pads(attrs), [0] * 6                       # last axis first: begin, end
    if attrs.get("ceil_mode", 0):
        for i, axis in enumerate((2, 1, 0)):
            beyond[2 * i + 1] = _overhang(x.shape[2 + axis], kernel[axis], stride[axis], *pads[2 * i:2 * i + 2])
    if not average:
        return F.max_pool3d(F.pad(F.pad(x, pads, value=-float("inf")), beyond, value=-float("inf")), kernel, stride)
    # A window's divisor counts its real cells, and with count_include_pad the padded ones; never those beyond.
    counted = F.pad(torch.ones_like(x[:1, :1]), pads, value=float(attrs.get("count_include_pad", 1)))
    sums = [F.avg_pool3d(F.pad(t, beyond), kernel, stride, divisor_override=1) for t in (F.pad(x, pads), counted)]
    return sums[0] / sums[1]


def _pad(x, attrs):
    mode = attrs.get("mode", "constant")
    if mode != "constant":
        return F.pad(x, _pads(attrs), mode=mode)
    channels = [int(attrs.get("channels_begin", 0)), int(attrs.get("channels_end", 0))]
    return F.pad(x, _pads(attrs) + channels, value=float(attrs.get("value", 0)))


def _slice(x, attrs):
    index = [slice(None)] * x.ndim
    index[int(attrs["axis"])] = slice(int(attrs["start"]), int(attrs["stop"]), int(attrs.get("step", 1)))
    return x[tuple(index)]


def _shuffle(x, attrs):
    groups = int(attrs["groups"])
    return x.unflatten(1, (groups, x.shape[1] // groups)).transpose(1, 2).flatten(1, 2)


def _group_norm(x, groups, attrs, data):
    return F.group_norm(x, groups, data.get("gamma"), data.get("beta"), float(attrs.get("eps", 1e-5)))


def _elu(x, alpha, scale, input_scale):
    return scale * torch.where(x > 0, x, alpha * torch.expm1(input_scale * x.clamp(max=0)))


def _vector(x):
    """N x C as the program has it: N x C x 1 x 1 x 1, which a product with a map repeats over T, H and W."""
    return x[:, :, None, None, None]


def _product(xs):
    out = xs[0]
    for x in xs[1:]:
        out = out * x
    return out


OPS = {
    "conv3d": lambda xs, a, d: _conv3d(xs[0], a, d),
    "linear": lambda xs, a, d: _vector(F.linear(xs[0].flatten(1), d["weight"], d.get("bias"))),
    "batchnorm": lambda xs, a, d: F.batch_norm(xs[0], d["mean"], d["var"], d["gamma"], d["beta"],
                                               eps=float(a.get("eps", 1e-5))),
    "instancenorm": lambda xs, a, d: _group_norm(xs[0], xs[0].shape[1], a, d),
    "groupnorm": lambda xs, a, d: _group_norm(xs[0], int(a["groups"]), a, d),
    "layernorm": lambda xs, a, d: F.layer_norm(xs[0].movedim(1, -1), xs[0].shape[1:2], d.get("gamma"), d.get("beta"),
                                               float(a.get("eps", 1e-5))).movedim(-1, 1),
    "relu": lambda xs, a, d: F.relu(xs[0]),
    "relu6": lambda xs, a, d: F.relu6(xs[0]),
    "silu": lambda xs, a, d: F.silu(xs[0]),
    "sigmoid": lambda xs, a, d: torch.sigmoid(xs[0]),
    "hardswish": lambda xs, a, d: F.hardswish(xs[0]),
    "hardsigmoid": lambda xs, a, d: F.hardsigmoid(xs[0]),
    "leakyrelu": lambda xs, a, d: F.leaky_relu(xs[0], float(a.get("negative_slope", 0.01))),
    "prelu": lambda xs, a, d: F.prelu(xs[0], d["slope"]),
    "elu": lambda xs, a, d: _elu(xs[0], *(float(a.get(key, 1)) for key in ("alpha", "scale", "input_scale"))),
    "gelu": lambda xs, a, d: F.gelu(xs[0]),
    "gelu_tanh": lambda xs, a, d: F.gelu(xs[0], approximate="tanh"),
    "mish": lambda xs, a, d: F.mish(xs[0]),
    "tanh": lambda xs, a, d: torch.tanh(xs[0]),
    "softplus": lambda xs, a, d: F.softplus(xs[0], float(a.get("beta", 1)), float(a.get("threshold", 20))),
    "clip": lambda xs, a, d: xs[0].clamp(float(a.get("min", -1)), float(a.get("max", 1))),
    "softmax": lambda xs, a, d: F.softmax(xs[0], 1),
    "identity": lambda xs, a, d: xs[0],
    "flatten": lambda xs, a, d: _vector(xs[0].flatten(1)),
    "globalavgpool": lambda xs, a, d: xs[0].mean((2, 3, 4), keepdim=True),
    "maxpool3d": lambda xs, a, d: _pool3d(xs[0], a, False),
    "avgpool3d": lambda xs, a, d: _pool3d(xs[0], a, True),
    "add": lambda xs, a, d: sum(xs[1:], xs[0]),
    "mul": lambda xs, a, d: _product(xs),
    "concat": lambda xs, a, d: torch.cat(xs, int(a.get("axis", 1))),
    "upsample": lambda xs, a, d: F.interpolate(xs[0], scale_factor=[float(n) for n in a["factor"]], mode="nearest"),
    "pad": lambda xs, a, d: _pad(xs[0], a),
    "slice": lambda xs, a, d: _slice(xs[0], a),
    "channel_shuffle": lambda xs, a, d: _shuffle(xs[0], a),
}


def _plain(value):
    """Text of a fixed or of a variable length as str; anything else as it is."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [_plain(v) for v in value]
    return value


class FileModel:
    """A model file in memory. model(x) takes N x C x T x H x W, already normalised, and returns the output."""

    def __init__(self, path: Union[str, Path], dtype: torch.dtype = torch.float32, head: Optional[str] = None):
        """head: of a network with several classifiers, the one that is asked; default: the first."""
        with h5py.File(path, "r") as f:
            self.name = _plain(f.attrs["name"])
            heads = _plain(f.attrs["heads"]) if "heads" in f.attrs else []
            head = head or (heads[0] if heads else None)
            self.output = _plain(f.attrs["outputs"])[heads.index(head)] if heads else _plain(f.attrs["output"])
            self.classes = _plain((f["classes"][head] if heads else f["classes"])[:])
            self.input = {k: _plain(v) for k, v in f["input"].attrs.items()}
            self.nodes = {name: ({k: _plain(v) for k, v in g.attrs.items()}, {k: torch.from_numpy(d[()]).to(dtype) for k, d in g.items()})
                          for name, g in f["graph"].items()}
        self.dtype = dtype

    def order(self) -> List[str]:
        done: List[str] = []
        waiting = dict(self.nodes)
        while waiting:
            ready = [n for n, (a, _) in waiting.items() if all(i == "input" or i in done for i in a["inputs"])]
            if not ready:
                raise ValueError(f"{', '.join(waiting)}: a cycle or a missing input")
            done += ready
            for n in ready:
                del waiting[n]
        return done

    def normalise(self, frames: np.ndarray) -> torch.Tensor:
        """uint8 N x T x H x W x 3 RGB -> the network's input."""
        x = torch.from_numpy(np.ascontiguousarray(frames)).to(self.dtype)
        if self.input["color"] == "BGR":
            x = x.flip(-1)
        mean, std = (torch.as_tensor(self.input[k], dtype=self.dtype) for k in ("mean", "std"))
        return ((x / float(self.input["scale"]) - mean) / std).permute(0, 4, 1, 2, 3).contiguous()

    @torch.no_grad()
    def tensors(self, x: torch.Tensor) -> Dict[str, torch.Tensor]:
        """Every node's tensor."""
        values = {"input": x.to(self.dtype)}
        for name in self.order():
            attrs, data = self.nodes[name]
            values[name] = OPS[attrs["op"]]([values[i] for i in attrs["inputs"]], attrs, data)
        return values

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.tensors(x)[self.output].flatten(1)

    def scores(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Logits and probabilities, N x classes each: what the softmax or sigmoid at the end reads and gives, or the output and
        its softmax."""
        values, last = self.tensors(x), self.output
        while self.nodes[last][0]["op"] == "identity" or (self.nodes[last][0]["op"] in ("flatten", "globalavgpool") and
                                                          values[self.nodes[last][0]["inputs"][0]][0, 0].numel() == 1):
            last = self.nodes[last][0]["inputs"][0]
        given = values[last].flatten(1)
        if self.nodes[last][0]["op"] not in ("softmax", "sigmoid"):
            return given, given.softmax(1)
        read = self.nodes[last][0]["inputs"][0]
        return values[read].flatten(1), given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("clip", type=Path, help=".npy, uint8 T x H x W x 3 RGB, of the model's own size")
    args = parser.parse_args()
    model = FileModel(args.model)
    logits, probabilities = model.scores(model.normalise(np.load(args.clip)[None]))
    for p, c, z in sorted(zip(probabilities[0].tolist(), model.classes, logits[0].tolist()), reverse=True)[:5]:
        print(f"{p:.6f}  {z:12.6f}  {c}")


if __name__ == "__main__":
    main()
