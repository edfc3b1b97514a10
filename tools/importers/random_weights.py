"""Random weights with realistic batch-norm statistics: the same seed gives the same numbers on every machine.

A batch norm of a trained network holds the mean and the variance of its input. With other numbers the activations vanish or
grow without bound within a few layers. So the network is run, layer by layer, on clips of noise, and every batch norm gets
roughly the statistics of its input. Kernels are approximately normal (sums of four 16-bit uniform numbers) and scaled by
their fan-in (He et al. 2015). Kernels that no batch norm follows are scaled by the size of their output.

The numbers are the same everywhere for two reasons. NumPy guarantees the bits of PCG64. And statistics, in float64, are
rounded to six binary digits before the next layer runs, so two machines that differ in the sixteenth decimal write the same.
"""
from __future__ import annotations

import hashlib
import math
from typing import Callable, Dict

import numpy as np

from .network import Network, Node
from .progress import report

_SUM_STD = math.sqrt(4 * (65536 ** 2 - 1) / 12)   # of the sum of four uniform 16-bit numbers
_DIGITS = 6                                       # binary digits kept of what is measured
_CELLS = (1, 4, 16, 64)                           # pixels and frames: the grains of the noise
_SHARES = ((0.1, 0.3, 0.35, 0.25), (0.8, 0.1, 0.05, 0.05))  # of the variance, a clip a row
_FRAMES, _SIZE = 16, 64                           # at most, of the clips of noise


class _Stream:
    """Random numbers of one tensor: they depend on the seed and the tensor's key, not on what else is in the network."""

    def __init__(self, seed: int, key: str):
        digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
        self._bits = np.random.PCG64(int.from_bytes(digest[:16], "little"))

    def normal(self, *shape: int) -> np.ndarray:
        """Mean 0, variance 1."""
        words = self._bits.random_raw(int(np.prod(shape))).astype("<u8", copy=False).view("<u2").reshape(-1, 4)
        return ((words.sum(1, dtype=np.int64) - 2 * 65535.0) / _SUM_STD).reshape(shape)

    def between(self, low: float, high: float, count: int) -> np.ndarray:
        return low + (high - low) * ((self._bits.random_raw(count) >> np.uint64(40)).astype(np.float64) / 2.0 ** 24)


def _rounded(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """x to _DIGITS binary digits of `scale`, both of one shape."""
    _, exponent = np.frexp(scale)
    step = np.ldexp(1.0, exponent - _DIGITS)
    return np.round(x / step) * step


def _noise(net: Network, seed: int) -> np.ndarray:
    """Two clips of mean 0 and variance 1, coarse and fine at once as pictures are: one smooth, one busy."""
    shape = (len(_SHARES), *net.input)
    x = np.zeros(shape)
    for i, cell in enumerate(_CELLS):
        cells = _Stream(seed, f"clip:{cell}").normal(*shape[:2], *(-(-n // cell) for n in shape[2:]))
        for axis in (2, 3, 4):
            cells = np.repeat(cells, cell, axis)
        amount = np.sqrt([shares[i] for shares in _SHARES]).reshape(-1, 1, 1, 1, 1)
        x += amount * cells[:, :, :shape[2], :shape[3], :shape[4]]
    return x


def random_weights(net: Network, build: Callable[[Network], object], seed: int) -> Dict[str, np.ndarray]:
    """A float32 tensor for every key that `net` wants; build(other) describes the same network for another size of clip.

    The network is run at 64 x 64, in seconds for the largest; so the weights for any larger clip are the same. A linear layer
    that reads a flattened map (C3D's fc6) has other weights for every size: it is drawn for its own, unmeasured.
    """
    channels, frames, height, width = net.input
    small = Network(channels, min(frames, _FRAMES), min(height, _SIZE), min(width, _SIZE))
    build(small)
    tensors = _measured(small, seed)
    for node in net.nodes.values():
        if node.op in ("conv3d", "linear") and small.wanted[node.parameters["weight"]] != net.wanted[node.parameters["weight"]]:
            _draw_kernels(net, node, seed, tensors)
    return tensors


def _measured(net: Network, seed: int) -> Dict[str, np.ndarray]:
    import torch
    from run_model_file import OPS
    tensors: Dict[str, np.ndarray] = {}
    normed = {node.inputs[0] for node in net.nodes.values() if node.op == "batchnorm"}
    summed = {name for node in net.nodes.values() if node.op == "add" for name in node.inputs}
    last_reader = {name: node.name for node in net.nodes.values() for name in node.inputs}
    values = {"input": torch.from_numpy(_noise(net, seed))}

    def run(node: Node) -> torch.Tensor:
        data = {dataset: torch.from_numpy(tensors[key]).double() for dataset, key in node.parameters.items() if key in tensors}
        if node.op == "conv3d" and node.attributes["groups"] == node.shape[0]:
            return OPS[node.op]([_widened(values[node.inputs[0]], node)], _without_padding(node), data)
        return OPS[node.op]([values[name] for name in node.inputs], node.attributes, data)

    with torch.no_grad():
        for done, node in enumerate(net.nodes.values()):
            report("draw weights", done, len(net.nodes))
            if node.op in ("conv3d", "linear"):
                _draw_kernels(net, node, seed, tensors)
                if node.name not in normed:
                    _scale_kernels(node, seed, tensors, run(node).numpy())
            elif node.op == "batchnorm":
                _draw_batchnorm(node, seed, tensors, values[node.inputs[0]].numpy(),
                                0.1 if node.name in summed else 1.0)
            values[node.name] = run(node)
            for name in set(node.inputs):
                if last_reader[name] == node.name:
                    del values[name]
    return tensors


def _widened(x, node: Node):
    """What a depthwise convolution reads, its H and W continued and not padded with zeros.

    The deepest maps are 2 x 2 here: at their border a kernel that has nothing but its own channel sees little, and makes less
    than on the larger maps that the network is for; over fifty blocks that adds up.
    """
    import torch.nn.functional as F
    (_, top, left), (_, bottom, right) = node.attributes["pad_begin"], node.attributes["pad_end"]
    return F.pad(x, (left, right, top, bottom, 0, 0), mode="replicate")


def _without_padding(node: Node) -> dict:
    return {**node.attributes, "pad_begin": (node.attributes["pad_begin"][0], 0, 0),
            "pad_end": (node.attributes["pad_end"][0], 0, 0)}


def _draw_kernels(net: Network, node: Node, seed: int, tensors: Dict[str, np.ndarray]) -> None:
    key = node.parameters["weight"]
    shape = net.wanted[key]
    std = math.sqrt(2 / math.prod(shape[1:]))
    tensors[key] = (_Stream(seed, key).normal(*shape) * std).astype(np.float32)
    if "bias" in node.parameters:
        bias = node.parameters["bias"]
        tensors[bias] = np.zeros(net.wanted[bias], np.float32)


def _scale_kernels(node: Node, seed: int, tensors: Dict[str, np.ndarray], made: np.ndarray) -> None:
    """Outputs of variance about 1, and of mean about 0 in every channel that has cells enough to tell."""
    made = made.reshape(*made.shape[:2], -1)
    factor = 2.0 ** -round(math.log2(max(float(made.std()), 1e-30)))   # a power of 2: exact
    tensors[node.parameters["weight"]] *= np.float32(factor)
    if "bias" in node.parameters:
        key = node.parameters["bias"]
        mean = np.zeros(len(tensors[key]))
        if made.shape[0] * made.shape[2] >= 64:
            mean = made.mean((0, 2)) * factor
            mean = _rounded(mean, np.ones_like(mean))
        tensors[key] = (_Stream(seed, key).between(-0.3, 0.3, len(mean)) - mean).astype(np.float32)


def _draw_batchnorm(node: Node, seed: int, tensors: Dict[str, np.ndarray], x: np.ndarray, gain: float) -> None:
    """gain: a residual's last batch norm is small in trained networks, or sums would grow with every block."""
    count = x.shape[1]

    def draw(dataset: str, low: float, high: float) -> np.ndarray:
        return _Stream(seed, node.parameters[dataset]).between(low, high, count)
    axes = (0, 2, 3, 4)
    mean, var = x.mean(axes), x.var(axes)
    # Half of a channel's own, of few cells no variance is certain. And the squared means: without them every batch norm would
    # blow up small differences, rounding errors among them, until after a hundred layers nothing else is left.
    var = (var + var.mean()) / 2 + (mean ** 2).mean() + 1e-4
    var = _rounded(var, var)
    mean = _rounded(mean, np.sqrt(var))
    made = {"gamma": draw("gamma", 0.5 * gain, 1.5 * gain), "beta": draw("beta", -0.4, 0.4),
            "mean": mean + draw("mean", -0.2, 0.2) * np.sqrt(var), "var": var * draw("var", 0.7, 1.4)}
    for dataset, value in made.items():
        tensors[node.parameters[dataset]] = value.astype(np.float32)
