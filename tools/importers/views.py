"""Represents a tensor of a framework as a view of a node of the network.

Frameworks reshape, permute and squeeze freely, but a model file knows only C x T x H x W. So a tensor is represented as
the elements of one node in another order. Every dimension of the tensor is a product of atoms. An atom is a part of one
axis of the node. Flattening joins atoms, `view(N, g, C // g, T, H, W)` splits one, and a transposition moves them. Only
when an operation computes with the view is it decided which op of SPEC 2 it is: none, flatten or channel_shuffle.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

N, C, T, H, W = AXES = range(5)   # as SPEC 2 counts a slice's axis
REPEATED = -1                     # no axis of the node: the same elements again (expand)


class Unmapped(Exception):
    """Why something has no counterpart in SPEC 2; whoever knows the node adds its name.

    instead: what may stand for the result, so that later operations can be looked at."""

    def __init__(self, why: str, instead: Optional[View] = None):
        super().__init__(why)
        self.instead = instead


class Atom(NamedTuple):
    """`size` steps of `stride` along an axis of the node."""
    axis: int
    size: int
    stride: int


Dim = Tuple[Atom, ...]


def joined(atoms: Iterable[Atom]) -> Dim:
    """The same order of elements in the fewest atoms, without those of size 1."""
    out: List[Atom] = []
    for atom in atoms:
        if atom.size == 1:
            continue
        if out and out[-1].axis == atom.axis != REPEATED and out[-1].stride == atom.size * atom.stride:
            atom = Atom(atom.axis, out.pop().size * atom.size, atom.stride)
        out.append(atom)
    return tuple(out)


def whole(shape: Sequence[int]) -> Tuple[Dim, ...]:
    """The dimensions of a tensor N x C x T x H x W that is its node."""
    return tuple(joined([Atom(axis, size, 1)]) for axis, size in zip(AXES, shape))


def size_of(dim: Dim) -> int:
    return prod(atom.size for atom in dim)


def real(dim: Dim) -> Dim:
    return tuple(atom for atom in dim if atom.axis != REPEATED)


@dataclass(frozen=True)
class View:
    node: str
    dims: Tuple[Dim, ...]
    made_by: Optional[str] = None  # what last changed the order; the name of the flatten or shuffle that it may become

    @property
    def shape(self) -> Tuple[int, ...]:
        return tuple(size_of(dim) for dim in self.dims)

    @property
    def rank(self) -> int:
        return len(self.dims)

    def position(self, dim: int) -> int:
        if not -self.rank <= dim < self.rank:
            raise Unmapped(f"dimension {dim} of {times(self.shape)}")
        return dim % self.rank

    def permuted(self, order: Sequence[int], by: str) -> View:
        order = [self.position(dim) for dim in order]
        if sorted(order) != list(range(self.rank)):
            raise Unmapped(f"the order {order} of {self.rank} dimensions")
        return replace(self, dims=tuple(self.dims[dim] for dim in order), made_by=by)

    def reshaped(self, shape: Sequence[int], by: str) -> View:
        """`shape` may have one -1."""
        shape, total = [int(size) for size in shape], prod(self.shape)
        if shape.count(-1) == 1:
            shape[shape.index(-1)] = total // max(1, -prod(shape))
        if prod(shape) != total or min(shape, default=1) < 1:
            raise Unmapped(f"reshapes {times(self.shape)} to {times(shape)}")
        left = list(joined(atom for dim in self.dims for atom in dim))
        return replace(self, dims=tuple(joined(_taken(left, size, self.shape, shape)) for size in shape), made_by=by)

    def squeezed(self, dims: Optional[Sequence[int]] = None) -> View:
        """Without those dimensions of size 1; all of them by default."""
        gone = range(self.rank) if dims is None else [self.position(dim) for dim in dims]
        return replace(self, dims=tuple(dim for i, dim in enumerate(self.dims) if i not in gone or dim))

    def unsqueezed(self, dims: Sequence[int]) -> View:
        rank = self.rank + len(dims)
        new = {dim % rank for dim in dims if -rank <= dim < rank}
        if len(new) != len(dims):
            raise Unmapped(f"new dimensions {list(dims)} in {times(self.shape)}")
        old = iter(self.dims)
        return replace(self, dims=tuple(() if i in new else next(old) for i in range(rank)))

    def expanded(self, shape: Sequence[int]) -> View:
        """Broadcast to `shape`, where -1 keeps a size. What adds or multiplies it takes the repetition for granted."""
        dims = ((),) * (len(shape) - self.rank) + self.dims
        if len(dims) != len(shape):
            raise Unmapped(f"expands {times(self.shape)} to {times(shape)}")
        out = []
        for dim, size in zip(dims, shape):
            size = max(size_of(dim), 1) if size in (-1, 1) else int(size)
            if dim and size_of(dim) != size or size < 1:
                raise Unmapped(f"expands {times(self.shape)} to {times(shape)}")
            out.append(dim if dim or size == 1 else (Atom(REPEATED, size, 0),))
        return replace(self, dims=tuple(out))


def repeated(x: View, counts: Sequence[int]) -> View:
    """x that many times along each dimension: of dimensions of size 1, as expanded()."""
    x = replace(x, dims=((),) * (len(counts) - x.rank) + x.dims)
    if len(counts) != x.rank or any(count != 1 and size_of(dim) != 1 for count, dim in zip(counts, x.dims)):
        raise Unmapped(f"repeats {times(x.shape)} {times(counts)} times: no counterpart; only a size of 1 is repeated")
    return x.expanded([count if size_of(dim) == 1 else size_of(dim) for count, dim in zip(counts, x.dims)])


def _taken(left: List[Atom], size: int, old: Sequence[int], new: Sequence[int]) -> List[Atom]:
    """Takes atoms of together `size` from the front of `left`, splitting the last where it is larger."""
    out = []
    while size > 1:
        atom = left.pop(0)
        if atom.size > size and atom.size % size == 0:
            inner = atom.size // size
            out.append(Atom(atom.axis, size, atom.stride * inner))
            left.insert(0, Atom(atom.axis, inner, atom.stride))
            return out
        if size % atom.size:
            raise Unmapped(f"reshapes {times(old)} to {times(new)}, across its dimensions")
        out.append(atom)
        size //= atom.size
    return out


def times(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
