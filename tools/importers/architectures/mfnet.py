"""MF-Net: multi-fiber networks of Chen et al. (ECCV 2018).

https://github.com/cypw/PyTorch-MFNet. Batch norm and relu stand before every convolution. A unit's convolutions have 16
groups, the fibers; two 1x1x1 convolutions before them, the multiplexer, are where fibers exchange what they know.
"""
from __future__ import annotations

from typing import Dict, Tuple

from ..network import Network, Three
from . import Layout, Width

FIBERS = 16
STAGES = (("conv2", 3, (2, 1, 1)), ("conv3", 4, (1, 2, 2)), ("conv4", 6, (1, 2, 2)), ("conv5", 3, (1, 2, 2)))


def _conv(net: Network, at: str, x: str, out: int, kernel: Three = 1, stride: Three = 1, padding: Three = 0,
          groups: int = 1) -> str:
    x = net.apply(f"{at}.relu", "relu", net.batchnorm(f"{at}.bn", x))
    return net.conv(f"{at}.conv", x, out, kernel, stride, padding, groups=groups)


def _unit(net: Network, at: str, x: str, out: int, stride: Three, first: bool) -> str:
    """The first unit of a stage changes resolution and channels, and its shortcut with them."""
    multiplexed = _conv(net, f"{at}.conv_i1", x, out // 4)
    multiplexed = _conv(net, f"{at}.conv_i2", multiplexed, net.shape(x)[0])
    y = net.apply(f"{at}.add", "add", x, multiplexed)
    y = _conv(net, f"{at}.conv_m1", y, out, 3, stride, 1, FIBERS)
    if first:
        y = _conv(net, f"{at}.conv_m2", y, out)
        x = _conv(net, f"{at}.conv_w1", x, out, 1, stride)
    else:
        y = _conv(net, f"{at}.conv_m2", y, out, (1, 3, 3), 1, (0, 1, 1), FIBERS)
    return net.apply(f"{at}.add", "add", y, x)


def _build(net: Network, classes: int, width: Width) -> str:
    x = net.conv("conv1.conv", "input", width(16, FIBERS), (3, 5, 5), (1, 2, 2), (1, 2, 2))
    x = net.apply("conv1.relu", "relu", net.batchnorm("conv1.bn", x))
    x = net.maxpool("maxpool", x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for i, (stage, units, stride) in enumerate(STAGES):
        for unit in range(1, units + 1):
            x = _unit(net, f"{stage}.B{unit:02}", x, width(96 * 2 ** i, FIBERS), stride if unit == 1 else 1, unit == 1)
    x = net.apply("tail.relu", "relu", net.batchnorm("tail.bn", x))
    return net.linear("classifier", net.apply("globalpool.avg", "globalavgpool", x), classes)


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "mfnet": (Layout("mfnet", _build, "mfnet", 400, "classifier.weight", "cypw/PyTorch-MFNet"),),
}
