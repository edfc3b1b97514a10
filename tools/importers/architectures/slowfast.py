"""Slow and SlowFast of depth 50 (Feichtenhofer et al., ICCV 2019), as pytorchvideo has them.

https://github.com/facebookresearch/pytorchvideo, pytorchvideo/models/resnet.py and slowfast.py. A pathway is a
ResNet-50; SlowFast runs two, and puts behind the channels of the slow one what a strided convolution makes of the fast
one. pytorchvideo takes both clips as inputs; here the slow pathway's frames are taken from the fast one's within the
network.
"""
from __future__ import annotations

from typing import Dict, NamedTuple, Sequence, Tuple

from ..network import Network
from ..pathways import NODE, slow_frames
from . import Build, Layout, Width, pyslowfast

BLOCKS = (3, 4, 6, 3)                                # of the four stages
RATIO = 4                                            # frames of the fast pathway for one of the slow pathway


class Pathway(NamedTuple):
    channels: int                                    # of the stem and of the first stage's blocks
    stem_taps: int                                   # in time, of the first convolution
    taps: Sequence[int]                              # and of conv_a, a stage each


SLOW, FAST = Pathway(64, 1, (1, 1, 3, 3)), Pathway(8, 5, (3, 3, 3, 3))


def _stem(net: Network, at: str, x: str, path: Pathway, width: Width) -> str:
    x = net.conv(f"{at}.conv", x, width(path.channels), (path.stem_taps, 7, 7), (1, 2, 2), (path.stem_taps // 2, 3, 3))
    x = net.apply(f"{at}.activation", "relu", net.batchnorm(f"{at}.norm", x))
    return net.maxpool(f"{at}.pool", x, (1, 3, 3), (1, 2, 2), (0, 1, 1))


def _block(net: Network, at: str, x: str, inner: int, taps: int, stride: int, first: bool) -> str:
    shortcut, branch = x, f"{at}.branch2"
    if first:
        shortcut = net.conv(f"{at}.branch1_conv", x, inner * 4, 1, (1, stride, stride))
        shortcut = net.batchnorm(f"{at}.branch1_norm", shortcut)
    y = net.conv(f"{branch}.conv_a", x, inner, (taps, 1, 1), 1, (taps // 2, 0, 0))
    y = net.apply(f"{branch}.act_a", "relu", net.batchnorm(f"{branch}.norm_a", y))
    y = net.conv(f"{branch}.conv_b", y, inner, (1, 3, 3), (1, stride, stride), (0, 1, 1))
    y = net.apply(f"{branch}.act_b", "relu", net.batchnorm(f"{branch}.norm_b", y))
    y = net.batchnorm(f"{branch}.norm_c", net.conv(f"{branch}.conv_c", y, inner * 4, 1))
    return net.apply(f"{at}.activation", "relu", net.apply(f"{at}.add", "add", shortcut, y))


def _stage(net: Network, at: str, x: str, path: Pathway, stage: int, width: Width) -> str:
    """stage: 0 to 3. All but the first halve the resolution."""
    inner = width(path.channels * 2 ** stage)
    for i in range(BLOCKS[stage]):
        stride = 2 if stage > 0 and i == 0 else 1
        x = _block(net, f"{at}.res_blocks.{i}", x, inner, path.taps[stage], stride, i == 0)
    return x


def slow(net: Network, classes: int, width: Width) -> str:
    x = _stem(net, "blocks.0", "input", SLOW, width)
    for stage in range(len(BLOCKS)):
        x = _stage(net, f"blocks.{stage + 1}", x, SLOW, stage, width)
    return net.linear("blocks.5.proj", net.apply("blocks.5.pool", "globalavgpool", x), classes)


def _fuse(net: Network, at: str, slow_x: str, fast_x: str) -> str:
    x = net.conv(f"{at}.conv_fast_to_slow", fast_x, net.shape(fast_x)[0] * 2, (7, 1, 1), (RATIO, 1, 1), (3, 0, 0))
    x = net.apply(f"{at}.activation", "relu", net.batchnorm(f"{at}.norm", x))
    return net.apply(f"{at}.cat", "concat", slow_x, x)


def slowfast(net: Network, classes: int, width: Width) -> str:
    s = net.take_frames(NODE, "input", slow_frames(net.input[1], RATIO))
    s = _stem(net, "blocks.0.multipathway_blocks.0", s, SLOW, width)
    f = _stem(net, "blocks.0.multipathway_blocks.1", "input", FAST, width)
    for stage in range(len(BLOCKS)):
        s = _fuse(net, f"blocks.{stage}.multipathway_fusion", s, f)
        at = f"blocks.{stage + 1}.multipathway_blocks"
        s, f = _stage(net, f"{at}.0", s, SLOW, stage, width), _stage(net, f"{at}.1", f, FAST, stage, width)
    s, f = net.apply("blocks.5.pool.0", "globalavgpool", s), net.apply("blocks.5.pool.1", "globalavgpool", f)
    return net.linear("blocks.6.proj", net.apply("blocks.5.cat", "concat", s, f), classes)


def _theirs(build: Build, profile: str) -> Layout:
    return Layout("pyslowfast", build, profile, 400, "head.projection.weight", "facebookresearch/SlowFast",
                  lambda checkpoint: "s1.pathway0_stem.conv.weight" in checkpoint.tensors)


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "slow-r50": (Layout("pytorchvideo", slow, "slow-r50", 400, "blocks.5.proj.weight", "facebookresearch/pytorchvideo",
                        lambda checkpoint: "blocks.5.proj.weight" in checkpoint.tensors),
                 _theirs(pyslowfast.slow, "slow-r50")),
    "slowfast-r50": (Layout("pytorchvideo", slowfast, "slowfast-r50", 400, "blocks.6.proj.weight", "facebookresearch/pytorchvideo",
                            lambda checkpoint: "blocks.6.proj.weight" in checkpoint.tensors),
                     _theirs(pyslowfast.slowfast, "slowfast-r50")),
    "slowfast-r50-4x16": (_theirs(pyslowfast.slowfast_4x16, "slowfast-r50"),),
}
