"""R(2+1)D networks in the code of Hara and others (2020); the idea is of Tran et al. (CVPR 2018).

https://github.com/kenshohara/3D-ResNets-PyTorch. Every k x k x k convolution is a spatial one (_s) and a temporal
one (_t) with a batch norm and a relu between them.
"""
from __future__ import annotations

from typing import Callable, Dict, NamedTuple, Sequence, Tuple

from ..network import Network
from . import Build, Layout, Width
from .hara_resnet import UNKNOWN_ORDER


class Block(NamedTuple):
    expansion: int
    add: Callable[..., str]


def between(before: int, after: int, kernel: int) -> int:
    """As many spatial kernels as give the pair no more weights than the k x k x k convolution has."""
    return before * after * kernel ** 3 // (before * kernel ** 2 + kernel * after)


def _factored(net: Network, at: str, number: int, x: str, after: int, kernel: int,
              stride: Tuple[int, int]) -> str:
    """at: '' or a block's name and a dot; stride: in time, in space. Ends with the batch norm of the temporal one."""
    half, (in_time, in_space) = kernel // 2, stride
    x = net.conv(f"{at}conv{number}_s", x, between(net.shape(x)[0], after, kernel), (1, kernel, kernel),
                 (1, in_space, in_space), (0, half, half))
    x = net.apply(f"{at}relu", "relu", net.batchnorm(f"{at}bn{number}_s", x))
    x = net.conv(f"{at}conv{number}_t", x, after, (kernel, 1, 1), (in_time, 1, 1), (half, 0, 0))
    return net.batchnorm(f"{at}bn{number}_t", x)


def _basic(net: Network, at: str, x: str, planes: int, stride: int) -> str:
    x = net.apply(f"{at}.relu", "relu", _factored(net, f"{at}.", 1, x, planes, 3, (stride, stride)))
    return _factored(net, f"{at}.", 2, x, planes, 3, (1, 1))


def _bottleneck(net: Network, at: str, x: str, planes: int, stride: int) -> str:
    x = net.conv(f"{at}.conv1", x, planes, 1)
    x = net.apply(f"{at}.relu", "relu", net.batchnorm(f"{at}.bn1", x))
    x = net.apply(f"{at}.relu", "relu", _factored(net, f"{at}.", 2, x, planes, 3, (stride, stride)))
    x = net.conv(f"{at}.conv3", x, planes * BOTTLENECK.expansion, 1)
    return net.batchnorm(f"{at}.bn3", x)


BASIC, BOTTLENECK = Block(1, _basic), Block(4, _bottleneck)


def resnet2p1d(block: Block, layers: Sequence[int]) -> Build:
    def build(net: Network, classes: int, width: Width) -> str:
        x = net.apply("relu", "relu", _factored(net, "", 1, "input", width(64), 7, (1, 2)))
        x = net.maxpool("maxpool", x, 3, 2, 1)
        for stage, count in enumerate(layers):
            planes = width(64 * 2 ** stage)
            for i in range(count):
                at, stride = f"layer{stage + 1}.{i}", 2 if stage > 0 and i == 0 else 1
                y = block.add(net, at, x, planes, stride)
                if stride > 1 or net.shape(x)[0] != net.shape(y)[0]:
                    x = net.batchnorm(f"{at}.downsample.1",
                                      net.conv(f"{at}.downsample.0", x, planes * block.expansion, 1, stride))
                x = net.apply(f"{at}.relu", "relu", net.apply(f"{at}.add", "add", y, x))
        return net.linear("fc", net.apply("avgpool", "globalavgpool", x), classes)
    return build


def _layouts(block: Block, *layers: int) -> Tuple[Layout, ...]:
    return (Layout("hara2020", resnet2p1d(block, layers), "hara-2020", 700, "fc.weight",
                   "kenshohara/3D-ResNets-PyTorch", unknown_order=UNKNOWN_ORDER[2020]),)


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "resnet2p1d-18": _layouts(BASIC, 2, 2, 2, 2),
    "resnet2p1d-34": _layouts(BASIC, 3, 4, 6, 3),
    "resnet2p1d-50": _layouts(BOTTLENECK, 3, 4, 6, 3),
}
