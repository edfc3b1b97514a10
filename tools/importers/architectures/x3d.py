"""X3D (Feichtenhofer, CVPR 2020), sizes XS, S, M and L, as pytorchvideo has it.

https://github.com/facebookresearch/pytorchvideo, pytorchvideo/models/x3d.py. XS, S and M are one network, shown clips
of different sizes; L is deeper. Logits come out: the softmax that pytorchvideo puts behind them is left to the reader.
"""
from __future__ import annotations

import math
from typing import Dict, Tuple

from ..network import Network
from . import Build, Layout, Width

CHANNELS = (24, 48, 96, 192)                         # of the four stages
BLOCKS = (1, 2, 5, 3)                                # times the factor of the depth


def _inner(channels: int) -> int:
    """Channels of the depth-wise convolution between those of a block's ends."""
    return channels * 9 // 4


def _squeezed(channels: int) -> int:
    """A sixteenth in steps of 8: the nearest one, or the next if that falls short by more than a tenth."""
    nearest = max(8, int(channels / 16 + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels / 16 else nearest


def _squeeze_excitation(net: Network, at: str, x: str) -> str:
    """Every channel times a gate that is made from the means of all."""
    channels = net.shape(x)[0]
    gate = net.apply(f"{at}.mean", "globalavgpool", x)
    gate = net.conv(f"{at}.block.0", gate, _squeezed(channels), 1, bias=True)
    gate = net.apply(f"{at}.block.1", "relu", gate)
    gate = net.conv(f"{at}.block.2", gate, channels, 1, bias=True)
    gate = net.apply(f"{at}.block.3", "sigmoid", gate)
    return net.apply(f"{at}.mul", "mul", x, gate)


def _block(net: Network, at: str, x: str, out: int, stride: int, squeeze: bool) -> str:
    shortcut, strides, inner = x, (1, stride, stride), _inner(out)
    if stride > 1:
        shortcut = net.conv(f"{at}.branch1_conv", x, out, 1, strides)
        if net.shape(x)[0] != out:
            shortcut = net.batchnorm(f"{at}.branch1_norm", shortcut)
    branch = f"{at}.branch2"
    y = net.conv(f"{branch}.conv_a", x, inner, 1)
    y = net.apply(f"{branch}.act_a", "relu", net.batchnorm(f"{branch}.norm_a", y))
    y = net.conv(f"{branch}.conv_b", y, inner, 3, strides, 1, groups=inner)
    y = net.batchnorm(f"{branch}.norm_b.0", y)
    y = _squeeze_excitation(net, f"{branch}.norm_b.1", y) if squeeze else y
    y = net.conv(f"{branch}.conv_c", net.apply(f"{branch}.act_b", "silu", y), out, 1)
    y = net.batchnorm(f"{branch}.norm_c", y)
    return net.apply(f"{at}.activation", "relu", net.apply(f"{at}.add", "add", shortcut, y))


def _stem(net: Network, out: int) -> str:
    """pytorchvideo's own names: conv_t is the spatial convolution, conv_xy the temporal one."""
    x = net.conv("blocks.0.conv.conv_t", "input", out, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    x = net.conv("blocks.0.conv.conv_xy", x, out, (5, 1, 1), 1, (2, 0, 0), groups=out)
    return net.apply("blocks.0.activation", "relu", net.batchnorm("blocks.0.norm", x))


def _head(net: Network, x: str, classes: int, inner: int, out: int) -> str:
    """The pool takes the whole map, so output_pool, after proj, would average a single cell."""
    at = "blocks.5.pool"
    x = net.batchnorm(f"{at}.pre_norm", net.conv(f"{at}.pre_conv", x, inner, 1))
    x = net.apply(f"{at}.pool", "globalavgpool", net.apply(f"{at}.pre_act", "relu", x))
    x = net.apply(f"{at}.post_act", "relu", net.conv(f"{at}.post_conv", x, out, 1))
    return net.linear("blocks.5.proj", x, classes)


def x3d(depth: float) -> Build:
    def build(net: Network, classes: int, width: Width) -> str:
        x = _stem(net, width(CHANNELS[0]))
        for stage, (channels, blocks) in enumerate(zip(CHANNELS, BLOCKS), 1):
            for i in range(math.ceil(blocks * depth)):
                x = _block(net, f"blocks.{stage}.res_blocks.{i}", x, width(channels), 2 if i == 0 else 1, i % 2 == 0)
        return _head(net, x, classes, _inner(width(CHANNELS[-1])), width(2048))
    return build


def _layouts(size: str, depth: float) -> Tuple[Layout, ...]:
    return (Layout("pytorchvideo", x3d(depth), f"x3d-{size}", 400, "blocks.5.proj.weight",
                   "facebookresearch/pytorchvideo"),)


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "x3d-xs": _layouts("xs", 2.2),
    "x3d-s": _layouts("s", 2.2),
    "x3d-m": _layouts("m", 2.2),
    "x3d-l": _layouts("l", 5.0),
}
