"""C3D (Tran et al., ICCV 2015), as jfzhang95/pytorch-video-recognition and most PyTorch ports name its layers.

https://github.com/jfzhang95/pytorch-video-recognition, network/C3D_model.py. fc6 reads every cell of the last map, so
that its number of inputs goes with the size of the clip.
"""
from __future__ import annotations

from typing import Dict, Tuple

from ..network import Network
from . import Layout, Width

STAGES = (                                           # convolutions, channels
    (("conv1",), 64),
    (("conv2",), 128),
    (("conv3a", "conv3b"), 256),
    (("conv4a", "conv4b"), 512),
    (("conv5a", "conv5b"), 512),
)


def build(net: Network, classes: int, width: Width) -> str:
    x = "input"
    for number, (convs, channels) in enumerate(STAGES, 1):
        for name in convs:
            x = net.apply("relu", "relu", net.conv(name, x, width(channels), 3, 1, 1, bias=True))
        window = (1, 2, 2) if number == 1 else 2     # the first pool keeps the frames
        x = net.maxpool(f"pool{number}", x, window, window, (0, 1, 1) if number == 5 else 0)
    x = net.apply("flatten", "flatten", x)
    for name in ("fc6", "fc7"):
        x = net.apply("relu", "relu", net.linear(name, x, width(4096)))
    return net.linear("fc8", x, classes)


ARCHITECTURES: Dict[str, Tuple[Layout, ...]] = {
    "c3d": (Layout("jfzhang95", build, "c3d", 487, "fc8.weight", "jfzhang95/pytorch-video-recognition"),),
}
