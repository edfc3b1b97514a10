"""Slow and SlowFast of depth 50 (Feichtenhofer et al., ICCV 2019), as PySlowFast, their authors' code, has them.

https://github.com/facebookresearch/SlowFast, slowfast/models/video_model_builder.py, resnet_helper.py and stem_helper.py.
The networks are those of slowfast.py under other names. SlowFast 4x16 takes every eighth frame for its slow pathway.
"""
from __future__ import annotations

from typing import Sequence

from ..network import Network
from ..pathways import NODE, slow_frames
from . import Width

_DEPTHS, _SLOW_TAPS, _FAST_TAPS = (3, 4, 6, 3), (1, 1, 3, 3), (3, 3, 3, 3)   # of the four stages; of conv a, in time


def _stem(net: Network, pathway: int, x: str, made: int, taps: int) -> str:
    at = f"s1.pathway{pathway}_stem"
    x = net.batchnorm(f"{at}.bn", net.conv(f"{at}.conv", x, made, (taps, 7, 7), (1, 2, 2), (taps // 2, 3, 3)))
    return net.maxpool(f"{at}.pool_layer", net.apply(f"{at}.relu", "relu", x), (1, 3, 3), (1, 2, 2), (0, 1, 1))


def _block(net: Network, at: str, x: str, inner: int, taps: int, stride: int, first: bool) -> str:
    shortcut, branch = x, f"{at}.branch2"
    if first:
        shortcut = net.batchnorm(f"{at}.branch1_bn", net.conv(f"{at}.branch1", x, inner * 4, 1, (1, stride, stride)))
    y = net.batchnorm(f"{branch}.a_bn", net.conv(f"{branch}.a", x, inner, (taps, 1, 1), 1, (taps // 2, 0, 0)))
    y = net.conv(f"{branch}.b", net.apply(f"{branch}.a_relu", "relu", y), inner, (1, 3, 3), (1, stride, stride), (0, 1, 1))
    y = net.apply(f"{branch}.b_relu", "relu", net.batchnorm(f"{branch}.b_bn", y))
    y = net.batchnorm(f"{branch}.c_bn", net.conv(f"{branch}.c", y, inner * 4, 1))
    return net.apply(f"{at}.relu", "relu", net.apply(f"{at}.add", "add", shortcut, y))


def _stage(net: Network, stage: int, pathway: int, x: str, inner: int, taps: Sequence[int]) -> str:
    for i in range(_DEPTHS[stage]):
        stride = 2 if stage > 0 and i == 0 else 1
        x = _block(net, f"s{stage + 2}.pathway{pathway}_res{i}", x, inner, taps[stage], stride, i == 0)
    return x


def slow(net: Network, classes: int, width: Width) -> str:
    x = _stem(net, 0, "input", width(64), 1)
    for stage in range(len(_DEPTHS)):
        x = _stage(net, stage, 0, x, width(64 << stage), _SLOW_TAPS)
    return net.linear("head.projection", net.apply("head.pathway0_avgpool", "globalavgpool", x), classes)


def slowfast(net: Network, classes: int, width: Width, ratio: int = 4, taps: int = 7) -> str:
    """ratio: frames of the fast pathway for one of the slow one; taps: of the fusing convolutions, in time."""
    s = _stem(net, 0, net.take_frames(NODE, "input", slow_frames(net.input[1], ratio)), width(64), 1)
    f = _stem(net, 1, "input", width(8), 5)
    for stage in range(len(_DEPTHS)):
        at = f"s{stage + 1}_fuse"
        x = net.conv(f"{at}.conv_f2s", f, net.shape(f)[0] * 2, (taps, 1, 1), (ratio, 1, 1), (taps // 2, 0, 0))
        x = net.apply(f"{at}.relu", "relu", net.batchnorm(f"{at}.bn", x))
        s = net.apply(f"{at}.cat", "concat", s, x)
        s = _stage(net, stage, 0, s, width(64 << stage), _SLOW_TAPS)
        f = _stage(net, stage, 1, f, width(8 << stage), _FAST_TAPS)
    s, f = (net.apply(f"head.pathway{i}_avgpool", "globalavgpool", x) for i, x in enumerate((s, f)))
    return net.linear("head.projection", net.apply("head.cat", "concat", s, f), classes)


def slowfast_4x16(net: Network, classes: int, width: Width) -> str:
    return slowfast(net, classes, width, ratio=8, taps=5)
