"""S3D (Xie et al., ECCV 2018), Inception with separable convolutions, as torchvision has it.

https://github.com/pytorch/vision, torchvision/models/video/s3d.py. The head is fully convolutional: the classifier sees
every place of a 2x7x7 average pool, and the logits are the mean over these places.
"""
from __future__ import annotations

from typing import Dict, NamedTuple, Tuple

from ..network import Network, Three
from . import Layout, Width

EPS = 1e-3
HEAD_POOL = (2, 7, 7)


class Inception(NamedTuple):
    """Channels of the four branches; the second and third have a 1x1x1 convolution first."""
    b0: int
    b1_first: int
    b1: int
    b2_first: int
    b2: int
    b3: int


class MaxPool(NamedTuple):
    kernel: Three
    stride: Three
    padding: Three


BODY = {                                             # features.5 ... features.15
    5: Inception(64, 96, 128, 16, 32, 32),
    6: Inception(128, 128, 192, 32, 96, 64),
    7: MaxPool(3, 2, 1),
    8: Inception(192, 96, 208, 16, 48, 64),
    9: Inception(160, 112, 224, 24, 64, 64),
    10: Inception(128, 128, 256, 24, 64, 64),
    11: Inception(112, 144, 288, 32, 64, 64),
    12: Inception(256, 160, 320, 32, 128, 128),
    13: MaxPool(2, 2, 0),
    14: Inception(256, 160, 320, 32, 128, 128),
    15: Inception(384, 192, 384, 48, 128, 128),
}


def _conv(net: Network, at: str, x: str, out: int, kernel: Three = 1, stride: Three = 1, padding: Three = 0) -> str:
    x = net.conv(f"{at}.0", x, out, kernel, stride, padding)
    return net.apply(f"{at}.2", "relu", net.batchnorm(f"{at}.1", x, EPS))


def _separable(net: Network, at: str, x: str, out: int, kernel: int, stride: int) -> str:
    pad = kernel // 2
    x = _conv(net, f"{at}.0", x, out, (1, kernel, kernel), (1, stride, stride), (0, pad, pad))
    return _conv(net, f"{at}.1", x, out, (kernel, 1, 1), (stride, 1, 1), (pad, 0, 0))


def _inception(net: Network, at: str, x: str, block: Inception, width: Width) -> str:
    b0 = _conv(net, f"{at}.branch0", x, width(block.b0))
    b1 = _conv(net, f"{at}.branch1.0", x, width(block.b1_first))
    b1 = _separable(net, f"{at}.branch1.1", b1, width(block.b1), 3, 1)
    b2 = _conv(net, f"{at}.branch2.0", x, width(block.b2_first))
    b2 = _separable(net, f"{at}.branch2.1", b2, width(block.b2), 3, 1)
    b3 = net.maxpool(f"{at}.branch3.0", x, 3, 1, 1)
    b3 = _conv(net, f"{at}.branch3.1", b3, width(block.b3))
    return net.apply(f"{at}.cat", "concat", b0, b1, b2, b3)


def build(net: Network, classes: int, width: Width) -> str:
    x = _separable(net, "features.0", "input", width(64), 7, 2)
    x = net.maxpool("features.1", x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    x = _conv(net, "features.2", x, width(64))
    x = _separable(net, "features.3", x, width(192), 3, 1)
    x = net.maxpool("features.4", x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for number, part in BODY.items():
        at = f"features.{number}"
        x = net.maxpool(at, x, *part) if isinstance(part, MaxPool) else _inception(net, at, x, part, width)
    kernel = [min(k, n) for k, n in zip(HEAD_POOL, net.shape(x)[1:])]   # a small input leaves less than the pool takes
    x = net.avgpool("avgpool", x, kernel, 1)
    x = net.conv("classifier.1", x, classes, 1, bias=True)
    return net.apply("mean", "globalavgpool", x)


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "s3d": (Layout("torchvision", build, "torchvision-s3d", 400, "classifier.1.weight", "pytorch/vision"),),
}
