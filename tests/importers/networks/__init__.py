"""The architectures as PyTorch modules, one file for each family. Imported networks are compared with them.

They are written from the papers and from what the published code does, and share no code with the importers. The keys
of a module's state_dict are those of the layout. Everything with a node in the model file is a separate module, relus
too, so that hooks see it. Its path is the node's name. (Most adds, concats and pads are functions.)
"""
from __future__ import annotations

from typing import Callable, Dict, FrozenSet, Tuple

from torch import nn

Make = Callable[..., nn.Module]
"""make(classes, width, channels, frames, size): width(channels, multiple=8) scales a number of channels."""


def _table() -> Dict[Tuple[str, str], Make]:
    from . import c3d, hara_densenet, hara_resnet, hara_resnet2p1d, i3d, mfnet, pyslowfast, slowfast, x3d
    own = {**hara_resnet.NETWORKS, **hara_densenet.NETWORKS, **hara_resnet2p1d.NETWORKS, **mfnet.NETWORKS, **i3d.NETWORKS,
           **c3d.NETWORKS, **x3d.NETWORKS, **slowfast.NETWORKS, **pyslowfast.NETWORKS}
    return {**own, **_torchvision().NETWORKS} if _torchvision() else own


def _torchvision():
    """None without torchvision: the others serve tools/gpu-bench then too."""
    try:
        from . import torchvision_networks
    except ImportError:
        return None
    return torchvision_networks


def _fixed_width() -> FrozenSet[str]:
    return frozenset(_torchvision().FIXED_WIDTH) if _torchvision() else frozenset()


NETWORKS: Dict[Tuple[str, str], Make] = _table()  # (architecture, layout)
FIXED_WIDTH = _fixed_width()                      # architectures whose modules take no notice of `width`
