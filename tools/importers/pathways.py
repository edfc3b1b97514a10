"""Networks of two pathways, such as SlowFast: which frames of one clip each of them sees.

PySlowFast and pytorchvideo hand such a network two clips, and take the slow one's frames from the fast one's: of T frames
T / alpha, the first and the last among them (PackPathway). A model file's network reads one clip, the fast pathway's. The
slow pathway's frames are taken from it within the network.
"""
from __future__ import annotations

import argparse
from typing import List, Optional, Sequence, Tuple

import numpy as np

from .failure import ImportFailure

NODE = "slow_pathway"
RATIOS = (2, 4, 8, 16, 3, 5, 6)        # that are tried where nothing says it
Sizes = Tuple[Optional[int], ...]


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--alpha", type=int, metavar="N", help="of a network that reads two clips, a slow and a fast one: frames of the "
                        "fast one for one of the slow one (default: told by the network)")


def slow_frames(frames: int, ratio: int) -> List[int]:
    """torch.linspace(0, frames - 1, frames // ratio).long(), in the same float32: 0 4 8 13 17 22 26 31 of 32. Of more than 64
    frames PyTorch itself rounds one or another frame differently, as the processor has it."""
    if ratio < 1 or frames % ratio:
        raise ImportFailure(f"{NODE}: --frames must be a multiple of {ratio}, not {frames}")
    count, last = frames // ratio, np.float32(frames - 1)
    step = last / np.float32(max(count - 1, 1))
    return [int(step * np.float32(i) if 2 * i < count or count == 1 else last - step * np.float32(count - 1 - i)) for i in range(count)]


def check(alpha: int) -> None:
    if alpha < 2:
        raise ImportFailure(f"--alpha: {alpha} is less than 2")


def told(what: object, names: Sequence[str], shapes: Sequence[Sizes], alpha: Optional[int]) -> Tuple[int, int, Sizes]:
    """Which of a file's two inputs is the slow one, the ratio, and the sizes of the fast one, as both together tell them."""
    said = " and ".join(f"{name} ({' x '.join(str(size or '?') for size in shape)})" for name, shape in zip(names, shapes))
    if alpha is not None:
        check(alpha)
    if any(len(shape) != 5 for shape in shapes):
        raise ImportFailure(f"{what}: reads {said}; two clips, N x C x T x H x W, are wanted")
    frames = [shape[2] for shape in shapes]
    if None in frames:
        if alpha is None:
            raise ImportFailure(f"{what}: reads {said}, which leaves frames open: --alpha says how many frames of the fast one are for one of the slow one")
        slow, ratio = 0, alpha         # both packages put it first
        if frames[1] is None and frames[0] is not None:
            frames[1] = frames[0] * alpha
    else:
        slow = 0 if frames[0] <= frames[1] else 1
        few, many = frames[slow], frames[1 - slow]
        if few == many:
            raise ImportFailure(f"{what}: reads {said}, clips of equally many frames; a slow and a fast one are wanted")
        if many % few:
            raise ImportFailure(f"{what}: reads {said}: {many} frames are no whole multiple of {few}")
        ratio = many // few
    if alpha not in (None, ratio):
        raise ImportFailure(f"--alpha {alpha}: {what} reads {said}, {ratio} frames for one")
    if frames[1 - slow] is not None and frames[slow] is not None and frames[slow] * ratio != frames[1 - slow]:
        raise ImportFailure(f"--alpha {alpha}: does not fit {said}")
    whole = []
    for axis, (a, b) in enumerate(zip(*shapes)):
        if axis != 2 and None not in (a, b) and a != b:
            raise ImportFailure(f"{what}: reads {said}, which differ in more than their frames; two pathways read one clip")
        whole.append(frames[1 - slow] if axis == 2 else a or b)
    return slow, ratio, tuple(whole)
