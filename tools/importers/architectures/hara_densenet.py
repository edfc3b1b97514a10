"""3-D DenseNets of Hara, Kataoka and Satoh (CVPR 2018), and their files of 2018 and 2020.

https://github.com/kenshohara/3D-ResNets-PyTorch. The two years name their modules differently: the first layers are
conv0 and so on in 2018, conv1 in 2020; those of a dense layer norm.1, conv.1, norm.2, conv.2 in 2018 (PyTorch allowed
the dot then), without the dot in 2020.
"""
from __future__ import annotations

from typing import Dict, NamedTuple, Sequence, Tuple

from ..checkpoint import Checkpoint
from ..network import Network
from . import Build, Layout, Width
from .hara_resnet import UNKNOWN_ORDER


class Names(NamedTuple):
    """What the years call differently."""
    stem: str                                       # behind features.conv, .norm, .relu and .pool
    dot: str                                        # between norm, relu, conv and 1, 2
    pool: str                                       # the function before the classifier


OF_2018, OF_2020 = Names("0", ".", "avg_pool3d"), Names("1", "", "adaptive_avg_pool3d")
GROWTH = 32
BOTTLENECK = 4                                      # a dense layer's 1x1x1 kernels for each that it adds


def _dense_layer(net: Network, at: str, x: str, growth: int, dot: str) -> str:
    """Appends `growth` new channels to those that it reads."""
    y = net.apply(f"{at}.relu{dot}1", "relu", net.batchnorm(f"{at}.norm{dot}1", x))
    y = net.conv(f"{at}.conv{dot}1", y, BOTTLENECK * growth, 1)
    y = net.apply(f"{at}.relu{dot}2", "relu", net.batchnorm(f"{at}.norm{dot}2", y))
    y = net.conv(f"{at}.conv{dot}2", y, growth, 3, 1, 1)
    return net.apply(f"{at}.cat", "concat", x, y)


def _transition(net: Network, at: str, x: str) -> str:
    x = net.apply(f"{at}.relu", "relu", net.batchnorm(f"{at}.norm", x))
    x = net.conv(f"{at}.conv", x, net.shape(x)[0] // 2, 1)
    return net.avgpool(f"{at}.pool", x, 2, 2)


def densenet(blocks: Sequence[int], names: Names) -> Build:
    """blocks: how many dense layers each has."""
    def build(net: Network, classes: int, width: Width) -> str:
        x = net.conv(f"features.conv{names.stem}", "input", width(64), 7, (1, 2, 2), 3)
        x = net.apply(f"features.relu{names.stem}", "relu", net.batchnorm(f"features.norm{names.stem}", x))
        x = net.maxpool(f"features.pool{names.stem}", x, 3, 2, 1)
        for block, layers in enumerate(blocks, 1):
            if block > 1:
                x = _transition(net, f"features.transition{block - 1}", x)
            for i in range(1, layers + 1):
                x = _dense_layer(net, f"features.denseblock{block}.denselayer{i}", x, width(GROWTH), names.dot)
        x = net.apply("relu", "relu", net.batchnorm("features.norm5", x))
        return net.linear("classifier", net.apply(names.pool, "globalavgpool", x), classes)
    return build


def _has_names_of_2018(checkpoint: Checkpoint) -> bool:
    return any(".norm.1." in key for key in checkpoint.tensors)


TOLD_BY_NAMES = {year: f"its modules are named as in {year}" for year in (2018, 2020)}


def _layouts(*blocks: int) -> Tuple[Layout, ...]:
    return (Layout("hara2020", densenet(blocks, OF_2020), "hara-2020", 400, "classifier.weight",
                   "kenshohara/3D-ResNets-PyTorch", lambda c: not _has_names_of_2018(c), UNKNOWN_ORDER[2020],
                   TOLD_BY_NAMES[2020]),
            Layout("hara2018", densenet(blocks, OF_2018), "hara-2018", 400, "classifier.weight",
                   "kenshohara/video-classification-3d-cnn-pytorch", _has_names_of_2018, (), TOLD_BY_NAMES[2018]))


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "densenet-121": _layouts(6, 12, 24, 16),
    "densenet-169": _layouts(6, 12, 32, 32),
    "densenet-201": _layouts(6, 12, 48, 32),
}
