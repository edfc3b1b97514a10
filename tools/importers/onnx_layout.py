"""What the dimensions of an ONNX file's input are.

No file says it. But a convolution, or whatever else computes, reads N x C x T x H x W, and exporters put transpositions and
reshapes in front of it for any other order. So every order is tried until the graph comes to its first kernel layer.
"""
from __future__ import annotations

from itertools import permutations
from typing import Dict, List, Optional, Sequence, Tuple

from .views import AXES, Atom, Dim, View, joined

ONE = "1"                             # a dimension of size 1 that is no axis: several clips of one video, as mmaction2 has them
_LETTERS = "NCTHW"
_USUAL = ("CTHW", "TCHW", "THWC")
_ORDERS = (*_USUAL, *(order for order in map("".join, permutations("CTHW")) if order not in _USUAL))
_LAYOUTS: Dict[int, Tuple[str, ...]] = {
    4: ("NTHW", *_ORDERS), 5: tuple(f"N{order}" for order in _ORDERS), 6: tuple(f"N{ONE}{order}" for order in _ORDERS)}

Sizes = Tuple[Optional[int], ...]


def layouts(shape: Sizes) -> List[str]:
    """Those that an input of this shape may have, the usual first: a letter of NCTHW a dimension, or ONE. C may be missing."""
    return [layout for layout in _LAYOUTS.get(len(shape), ())
            if all(letter != ONE or size in (1, None) for letter, size in zip(layout, shape))]


def size_of_axis(layout: str, shape: Sizes, letter: str) -> Optional[int]:
    """None where the file leaves it open, 1 where the input has no such dimension."""
    return shape[layout.index(letter)] if letter in layout else 1


def entry(layout: str, sizes: Sequence[int]) -> View:
    """The file's input over the node `input`; sizes: of N, C, T, H, W."""
    dims: List[Dim] = [joined([Atom(AXES[at], sizes[at], 1)]) if (at := _LETTERS.find(letter)) >= 0 else () for letter in layout]
    return View("input", tuple(dims))


def words(layout: str, shape: Sequence[Optional[int]]) -> str:
    """'1 x 8 x 3 x 32 x 32 (N x T x C x H x W)'"""
    return f"{' x '.join(str(size or '?') for size in shape)} ({' x '.join(layout)})"


def places(layout: str, shape: Sizes) -> Dict[str, str]:
    """Of --frames and --size: which dimension of the input each is."""
    def where(letters: str) -> str:
        at = [layout.index(letter) for letter in letters]
        return f"{' and '.join(letters)}, dimension{'s' if len(at) > 1 else ''} {' and '.join(map(str, at))} of its input {words(layout, shape)}"
    return {"frames": where("T"), "size": where("HW")}
