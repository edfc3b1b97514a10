"""3-D ResNets, ResNeXt and wide ResNet of Hara, Kataoka and Satoh (CVPR 2018), and their files of 2018 and 2020.

https://github.com/kenshohara/3D-ResNets-PyTorch. The two years name their modules alike; they differ in how clips are
normalised (profiles.py), in the shortcut of resnet-18 and -34, which the keys of a file tell (type A has no weights), and
in the stem of ResNeXt and wide ResNet: 64 channels in 2018, as wide as the first stage in 2020. The published code cuts the
gradient off in shortcut A (`out.data`); here it flows, as it does in the network that was published.
"""
from __future__ import annotations

from typing import Callable, Dict, NamedTuple, Sequence, Tuple

from ..checkpoint import Checkpoint
from ..network import Network
from . import Build, Layout, Width


PROJECT = {2018: "kenshohara/video-classification-3d-cnn-pytorch", 2020: "kenshohara/3D-ResNets-PyTorch"}
CLASSES = {2018: 400, 2020: 700}                  # of the published files: Kinetics-400, Kinetics-700

UNKNOWN_ORDER = {2018: (), 2020: (400, 600, 700)} # not the alphabet's: as in a csv of the authors (issue 211 of the project)

TOLD_BY = {2018: "taken for a file of 2018 (its keys begin with module., or it counts no batches); if it is of the code of 2020: "
                 "--profile hara-2020",
           2020: "taken for a file of 2020 (no module. before its keys, or 700 classes and more); if it is of the code of 2018: "
                 "--profile hara-2018"}


class Block(NamedTuple):
    expansion: int
    add: Callable[..., str]


def _basic(net: Network, at: str, x: str, planes: int, stride: int, groups: int) -> str:
    x = net.conv(f"{at}.conv1", x, planes, 3, stride, 1)
    x = net.apply(f"{at}.relu", "relu", net.batchnorm(f"{at}.bn1", x))
    x = net.conv(f"{at}.conv2", x, planes, 3, 1, 1)
    return net.batchnorm(f"{at}.bn2", x)


def _bottleneck(expansion: int) -> Block:
    def add(net: Network, at: str, x: str, planes: int, stride: int, groups: int) -> str:
        x = net.conv(f"{at}.conv1", x, planes, 1)
        x = net.apply(f"{at}.relu", "relu", net.batchnorm(f"{at}.bn1", x))
        x = net.conv(f"{at}.conv2", x, planes, 3, stride, 1, groups=groups)
        x = net.apply(f"{at}.relu", "relu", net.batchnorm(f"{at}.bn2", x))
        x = net.conv(f"{at}.conv3", x, planes * expansion, 1)
        return net.batchnorm(f"{at}.bn3", x)
    return Block(expansion, add)


BASIC, BOTTLENECK, DOUBLE = Block(1, _basic), _bottleneck(4), _bottleneck(2)


def _shortcut(net: Network, at: str, x: str, channels: int, stride: int, kind: str) -> str:
    """A: strided by a pool of one cell, zero channels appended. B: 1x1x1 convolution and batch norm."""
    if kind == "B":
        x = net.conv(f"{at}.downsample.0", x, channels, 1, stride)
        return net.batchnorm(f"{at}.downsample.1", x)
    before = net.shape(x)[0]
    x = net.avgpool(f"{at}.downsample.pool", x, 1, stride) if stride > 1 else x
    return net.pad(f"{at}.downsample.pad", x, channels_end=channels - before)


def resnet(block: Block, layers: Sequence[int], planes: int = 64, groups: int = 1, shortcut: str = "B", stem: int = 64) -> Build:
    """planes: of the first stage's blocks; each further stage has twice as many and half the resolution."""
    def build(net: Network, classes: int, width: Width) -> str:
        x = net.conv("conv1", "input", width(stem), 7, (1, 2, 2), 3)
        x = net.apply("relu", "relu", net.batchnorm("bn1", x))
        x = net.maxpool("maxpool", x, 3, 2, 1)
        for stage, count in enumerate(layers):
            inner = width(planes * 2 ** stage, max(8, groups))
            for i in range(count):
                at, stride = f"layer{stage + 1}.{i}", 2 if stage > 0 and i == 0 else 1
                y = block.add(net, at, x, inner, stride, groups)
                if stride > 1 or net.shape(x)[0] != net.shape(y)[0]:
                    x = _shortcut(net, at, x, net.shape(y)[0], stride, shortcut)
                x = net.apply(f"{at}.relu", "relu", net.apply(f"{at}.add", "add", y, x))
        return net.linear("fc", net.apply("avgpool", "globalavgpool", x), classes)
    return build


def is_2018(checkpoint: Checkpoint) -> bool:
    """The files of 2018 were saved from DataParallel, before PyTorch counted batches; those of 2020 from the bare model.

    Kinetics-700 and what was joined to it are younger than 2018.
    """
    classes = {tensor.shape[0] for key, tensor in checkpoint.tensors.items() if key in ("fc.weight", "classifier.weight")}
    return (checkpoint.parallel or not checkpoint.counted) and not classes & {700, 1039, 1139}


def _layouts(block: Block, layers: Sequence[int], planes: int = 64, groups: int = 1, first: int = 2020) -> Tuple[Layout, ...]:
    """first: the year whose layout --random makes."""
    def layout(year: int, shortcut: str, recognise: Callable[[Checkpoint], bool]) -> Layout:
        name = f"hara{year}" + ("-shortcut-a" if shortcut == "A" else "")
        build = resnet(block, layers, planes, groups, shortcut, stem=planes if year == 2020 else 64)
        return Layout(name, build, f"hara-{year}", CLASSES[year], "fc.weight", PROJECT[year], recognise,
                      UNKNOWN_ORDER[year], TOLD_BY[year])

    def has_shortcut_a(checkpoint: Checkpoint) -> bool:
        return not any(".downsample." in key for key in checkpoint.tensors)
    found = (layout(2020, "B", lambda c: not is_2018(c) and not has_shortcut_a(c)),
             layout(2018, "B", lambda c: is_2018(c) and not has_shortcut_a(c)),
             layout(2020, "A", lambda c: not is_2018(c) and has_shortcut_a(c)),
             layout(2018, "A", lambda c: is_2018(c) and has_shortcut_a(c)))
    return tuple(sorted(found, key=lambda one: str(first) not in one.name))


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "resnet-18": _layouts(BASIC, (2, 2, 2, 2)),
    "resnet-34": _layouts(BASIC, (3, 4, 6, 3)),
    "resnet-50": _layouts(BOTTLENECK, (3, 4, 6, 3)),
    "resnet-101": _layouts(BOTTLENECK, (3, 4, 23, 3)),
    "resnet-152": _layouts(BOTTLENECK, (3, 8, 36, 3)),
    "resnet-200": _layouts(BOTTLENECK, (3, 24, 36, 3)),
    "resnext-101": _layouts(DOUBLE, (3, 4, 23, 3), planes=128, groups=32, first=2018),
    "wide-resnet-50": _layouts(DOUBLE, (3, 4, 6, 3), planes=128, first=2018),
}
