"""torchvision's own video networks. Their width is fixed, so `width` is left alone."""
from __future__ import annotations

from torchvision.models import video

FIXED_WIDTH = ("r3d-18", "mc3-18", "r2plus1d-18", "s3d")


def _resnet(make):
    def build(classes, width, channels, frames, size):
        return make(num_classes=classes)
    return build


def _s3d(classes, width, channels, frames, size):
    """The pool of the head is 2x7x7, or all there is where a small clip leaves less."""
    module = video.s3d(num_classes=classes)

    def halved(n, times):
        for _ in range(times):
            n = (n + 1) // 2
        return n // 2                                # features.13 pads nothing
    module.avgpool.kernel_size = (min(2, halved(frames, 2)), *(min(7, halved(size, 4)),) * 2)
    return module


NETWORKS = {
    ("r3d-18", "torchvision"): _resnet(video.r3d_18),
    ("mc3-18", "torchvision"): _resnet(video.mc3_18),
    ("r2plus1d-18", "torchvision"): _resnet(video.r2plus1d_18),
    ("s3d", "torchvision"): _s3d,
}
