"""The published architectures: one row for each architecture, one file for each family.

A layout is one way that an architecture's checkpoints were published: how its modules are called, what its file looks like,
and how its network was shown its clips. The first layout of an architecture is the one that --random makes.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, Tuple

from ..checkpoint import Checkpoint
from ..network import Network

Width = Callable[..., int]
"""width(channels, multiple=8): that many channels, scaled by --width to a multiple; itself at --width 1."""
Build = Callable[[Network, int, Width], str]
"""build(net, classes, width): adds every node to net and returns the name of the output (the logits)."""


@dataclass(frozen=True)
class Layout:
    name: str
    build: Build
    profile: str                                    # of profiles.py
    classes: int                                    # of the published checkpoint
    classifier: str                                 # the key whose first extent is the number of classes
    source: str                                     # the project that published it
    recognise: Callable[[Checkpoint], bool] = lambda checkpoint: True
    unknown_order: Tuple[int, ...] = ()             # numbers of classes whose order was never published
    told_by: str = ""                               # where the profile rests on a sign in the file: which, in words


def scaled(factor: float) -> Width:
    def width(channels: int, multiple: int = 8) -> int:
        return channels if factor == 1 else max(multiple, round(channels * factor / multiple) * multiple)
    return width


def _table() -> Dict[str, Tuple[Layout, ...]]:
    from . import c3d, hara_densenet, hara_resnet, hara_resnet2p1d, i3d, mfnet, s3d, slowfast, torchvision_resnet, x3d
    return {**hara_resnet.ARCHITECTURES, **hara_densenet.ARCHITECTURES, **hara_resnet2p1d.ARCHITECTURES,
            **mfnet.ARCHITECTURES, **i3d.ARCHITECTURES,
            **torchvision_resnet.ARCHITECTURES, **s3d.ARCHITECTURES, **c3d.ARCHITECTURES, **x3d.ARCHITECTURES,
            **slowfast.ARCHITECTURES}


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = _table()
