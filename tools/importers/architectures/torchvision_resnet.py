"""torchvision's r3d_18, mc3_18 and r2plus1d_18 (Tran et al., CVPR 2018): one ResNet-18 with three kinds of convolution.

https://github.com/pytorch/vision, torchvision/models/video/resnet.py. A convolution is 3x3x3, or 1x3x3, or 1x3x3 and
then 3x1x1 with as many channels between as keep the number of weights.
"""
from __future__ import annotations

from typing import Callable, Dict, NamedTuple, Sequence, Tuple

from ..network import Network
from . import Build, Layout, Width


class Kind(NamedTuple):
    add: Callable[..., str]                          # (net, name, x, between, out, stride)
    strides_time: bool                               # a stride of 2 halves the frames too


def _simple(net: Network, name: str, x: str, between: int, out: int, stride: int) -> str:
    return net.conv(name, x, out, 3, stride, 1)


def _no_temporal(net: Network, name: str, x: str, between: int, out: int, stride: int) -> str:
    return net.conv(name, x, out, (1, 3, 3), (1, stride, stride), (0, 1, 1))


def _2plus1d(net: Network, name: str, x: str, between: int, out: int, stride: int) -> str:
    x = net.conv(f"{name}.0", x, between, (1, 3, 3), (1, stride, stride), (0, 1, 1))
    x = net.apply(f"{name}.2", "relu", net.batchnorm(f"{name}.1", x))
    return net.conv(f"{name}.3", x, out, (3, 1, 1), (stride, 1, 1), (1, 0, 0))


SIMPLE, NO_TEMPORAL, SEPARATE = Kind(_simple, True), Kind(_no_temporal, False), Kind(_2plus1d, True)


def _stem(net: Network, width: Width, kind: Kind) -> str:
    if kind is not SEPARATE:
        x = net.conv("stem.0", "input", width(64), (3, 7, 7), (1, 2, 2), (1, 3, 3))
        return net.apply("stem.2", "relu", net.batchnorm("stem.1", x))
    x = net.conv("stem.0", "input", width(45), (1, 7, 7), (1, 2, 2), (0, 3, 3))
    x = net.apply("stem.2", "relu", net.batchnorm("stem.1", x))
    x = net.conv("stem.3", x, width(64), (3, 1, 1), 1, (1, 0, 0))
    return net.apply("stem.5", "relu", net.batchnorm("stem.4", x))


def _block(net: Network, at: str, x: str, kind: Kind, out: int, stride: int) -> str:
    before = net.shape(x)[0]
    between = before * out * 27 // (before * 9 + 3 * out)            # both convolutions use the first one's
    y = kind.add(net, f"{at}.conv1.0", x, between, out, stride)
    y = net.apply(f"{at}.conv1.2", "relu", net.batchnorm(f"{at}.conv1.1", y))
    y = kind.add(net, f"{at}.conv2.0", y, between, out, 1)
    y = net.batchnorm(f"{at}.conv2.1", y)
    if stride > 1:
        x = net.conv(f"{at}.downsample.0", x, out, 1, (stride if kind.strides_time else 1, stride, stride))
        x = net.batchnorm(f"{at}.downsample.1", x)
    return net.apply(f"{at}.relu", "relu", net.apply(f"{at}.add", "add", y, x))


def resnet18(kinds: Sequence[Kind]) -> Build:
    """kinds: of the four stages."""
    def build(net: Network, classes: int, width: Width) -> str:
        x = _stem(net, width, kinds[0])
        for stage, kind in enumerate(kinds):
            for i in range(2):
                stride = 2 if stage > 0 and i == 0 else 1
                x = _block(net, f"layer{stage + 1}.{i}", x, kind, width(64 * 2 ** stage), stride)
        x = net.apply("avgpool", "globalavgpool", x)
        return net.linear("fc", x, classes)
    return build


def _layouts(*kinds: Kind) -> Tuple[Layout, ...]:
    return (Layout("torchvision", resnet18(kinds), "torchvision-112", 400, "fc.weight", "pytorch/vision"),)


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "r3d-18": _layouts(SIMPLE, SIMPLE, SIMPLE, SIMPLE),
    "mc3-18": _layouts(SIMPLE, NO_TEMPORAL, NO_TEMPORAL, NO_TEMPORAL),
    "r2plus1d-18": _layouts(SEPARATE, SEPARATE, SEPARATE, SEPARATE),
}
