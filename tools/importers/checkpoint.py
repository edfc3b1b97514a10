"""Reads a checkpoint and compares it with the description of a network.

Trainers keep a network's tensors in many places: bare, under `state_dict` or `model`, in keys that begin with `module.` or
`model.`; beside them lie a loss, metrics, or a second copy of the weights. So a file is read as one table: every tensor by
the path that leads to it. A place is a beginning that paths share. The network is at the place where all its tensors are.
"""
from __future__ import annotations

import argparse
import os
import re
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from . import torch_file, torch_pickle
from .failure import ImportFailure, listed
from .network import Network
from .progress import report

WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params",
            "state_dict_ema", "model_ema", "ema_state", "ema_state_dict", "ema")
PREFIXES = ("module.", "model.", "net.", "backbone.", "network.", "_orig_mod.")  # DataParallel's, and where trainers keep a network
_OWN = {*WRAPPERS, *(prefix[:-1] for prefix in PREFIXES)}
_COPY = re.compile(r"(^|_)(ema|swa|avg|averaged?|teacher|momentum|target|shadow|best)([_0-9]|$)")
# what lies beside a network's own layers and is none of them
_BESIDE = re.compile(r"((criterion|losse?s?|metrics?|acc|accuracy|ema|model_ema|teacher)"
                     r"|(.*_)?(loss|criterion|metrics?|acc|accuracy|auroc|f1|ema)(_(fn|func|fun|function|weights?|[0-9]+))?)\.")
Shape = Tuple[int, ...]
_MOST_DEPTH, _MOST_CUTS = 6, 12
_BATCHES = "num_batches_tracked"       # counts, that no network computes with


class Place(NamedTuple):
    path: str                          # the keys that lead to the dictionary, joined by dots; "" for the file's own
    prefix: str                        # what the network's keys in it begin with

    def __str__(self) -> str:
        return " and ".join(filter(None, (self.path, f"the prefix {self.prefix}" if self.prefix else ""))) or "the file itself"

    def options(self) -> str:
        return " ".join(filter(None, (f"--key {self.path}" if self.path else "", f"--prefix {self.prefix}" if self.prefix else "")))


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of one place of a file. `at` gives those of another."""
    path: Path
    tensors: Dict[str, torch_file.Tensor]  # by their keys without the prefix; no num_batches_tracked
    parallel: bool                     # the keys had the `module.` of DataParallel
    counted: bool                      # there was a num_batches_tracked: saved by PyTorch 0.4.1 or later
    place: Place = Place("", "")
    table: Optional[_Table] = field(default=None, repr=False)
    notes: Tuple[str, ...] = ()        # what a user should know

    @property
    def shapes(self) -> Dict[str, Tuple[int, ...]]:
        return {key: tensor.shape for key, tensor in self.tensors.items()}

    def array(self, key: str) -> np.ndarray:
        """float32, or whole numbers. Raises ImportFailure."""
        return _array(self.path, key, self.tensors[key])

    def located(self, wanted: Mapping[str, Shape]) -> Optional[Checkpoint]:
        """That of the place where all of these keys are; None if there is none. ImportFailure if there are several, and the
        shapes do not tell which."""
        return self.table.located(wanted) if self.table else self

    def closest(self, wanted: Mapping[str, Shape]) -> Checkpoint:
        """The same, or the place that has most of them."""
        return self.table.closest(wanted) if self.table else self


class _Table:
    """All tensors of a file, and the places among them."""

    def __init__(self, path: Path, value: object, prefix: Optional[str]):
        """prefix: the only one that counts."""
        self.path, self.only = path, prefix
        self.dictionaries = _dictionaries(value)
        self.notes: Tuple[str, ...] = ()

    def keep(self, key: str) -> None:
        """Of the dictionaries, only that one and those in it."""
        kept = {path: found for path, found in self.dictionaries.items() if path == key or path.startswith(f"{key}.")}
        if not kept:
            raise ImportFailure(f"--key {key}: {self.path} has no tensors there; it has some under {listed(self._paths(), 8)}")
        self.dictionaries = kept

    def _paths(self) -> List[str]:
        return [path or "no key at all" for path in self.dictionaries]

    @cached_property
    def flat(self) -> Dict[str, Tuple[str, torch_file.Tensor]]:
        """path and key, joined -> the path, the tensor."""
        return {f"{path}.{key}" if path else key: (path, tensor)
                for path, found in self.dictionaries.items() for key, tensor in found.items()}

    def place(self, start: str) -> Place:
        """start: what the paths begin with."""
        inside = [path for path in self.dictionaries if path and start.startswith(f"{path}.")]
        path = max(inside, key=len, default="")
        return Place(path, start[len(path) + 1:] if path else start)

    def counts(self, wanted: Mapping[str, Shape]) -> Counter:
        """How many of the wanted keys each beginning leads to."""
        found: Counter = Counter()
        for whole in self.flat:
            cut = 0
            for _ in range(_MOST_CUTS):
                if whole[cut:] in wanted:
                    found[whole[:cut]] += 1
                cut = whole.find(".", cut) + 1
                if not cut:
                    break
        if self.only is None:
            return found
        return Counter({start: count for start, count in found.items() if self.place(start).prefix == self.only})

    def located(self, wanted: Mapping[str, Shape]) -> Optional[Checkpoint]:
        fitting = [start for start, count in self.counts(wanted).items() if count == len(wanted)]
        shaped = [start for start in fitting if all(self.flat[start + key][1].shape == shape for key, shape in wanted.items())]
        fitting = shaped or fitting
        if not fitting:
            return None
        ranked = sorted(fitting, key=lambda start: self.rank(start))
        first = ranked[0]
        others = [start for start in ranked[1:] if not self.same(first, start, wanted)]
        rivals = [start for start in others if self.rank(start) == self.rank(first)]
        if rivals:
            options = listed((self.place(start).options() or "--prefix ''" for start in (first, *rivals)), 6)
            raise ImportFailure(f"{self.path}: the network's tensors are there {1 + len(rivals)} times; choose one: {options}")
        notes = [f"its weights under {self.place(first)} were taken; those under {listed(map(str, map(self.place, others)), 3)} fit "
                 f"too ({self.place(others[0]).options()} takes them)"] if others else []
        return self.at(first, wanted, notes)

    def rank(self, start: str) -> Tuple[bool, bool]:
        """A copy comes last, and an unusual place after the usual ones."""
        parts = [part for part in start.lower().split(".") if part]
        return any(_COPY.search(part) for part in parts), not all(part in _OWN for part in parts)

    def same(self, first: str, second: str, wanted: Iterable[str]) -> bool:
        """Whether both have the same memory."""
        pairs = ((self.flat[first + key][1], self.flat[second + key][1]) for key in wanted)
        return all(a.storage is b.storage and (a.offset, a.shape, a.strides) == (b.offset, b.shape, b.strides) for a, b in pairs)

    def closest(self, wanted: Mapping[str, Shape]) -> Checkpoint:
        found = self.located(wanted)
        counts = self.counts(wanted)
        if found is None and self.only is not None and not any(
                key.startswith(self.only) for found in self.dictionaries.values() for key in found):
            raise ImportFailure(f"--prefix {self.only}: no key of {self.path} begins so; they begin with {listed(self._beginnings(), 8)}")
        if found is None and counts:
            most = max(counts.values())
            found = self.at(min((start for start, count in counts.items() if count == most), key=self.rank), wanted)
        return found or self.usual()

    def _beginnings(self) -> List[str]:
        return list(dict.fromkeys(key.partition(".")[0] + "." for found in self.dictionaries.values() for key in found))

    def usual(self) -> Checkpoint:
        """The place where a checkpoint's tensors usually are, or most of this file's."""
        def order(path: str) -> Tuple:
            parts = path.split(".") if path else []
            known = all(part in WRAPPERS for part in parts)
            return not known, [WRAPPERS.index(part) for part in parts] if known else [], -len(self.dictionaries[path])
        path = min(self.dictionaries, key=order)
        keys, prefix = list(self.dictionaries[path]), self.only or ""
        while self.only is None and (more := next((p for p in PREFIXES if all(key.startswith(prefix + p) for key in keys)), "")):
            prefix += more
        return self.at((f"{path}." if path else "") + prefix)

    def at(self, start: str, wanted: Iterable[str] = (), notes: Iterable[str] = ()) -> Checkpoint:
        """What is there, of the dictionaries that have wanted keys; without what only lies beside a network."""
        wanted = set(wanted)
        used = {self.flat[start + key][0] for key in wanted if start + key in self.flat} or {self.place(start).path}
        there = {whole[len(start):]: tensor for whole, (path, tensor) in self.flat.items()
                 if path in used and whole.startswith(start)}
        counted = any(key.endswith(_BATCHES) for key in there)
        tensors = {key: tensor for key, tensor in there.items() if not key.endswith(_BATCHES)}
        beside = [key for key in tensors if wanted and key not in wanted and _BESIDE.match(key)]
        said = [*self.notes, *notes, *([f"{listed(beside, 3)}: left out, for the network has no such tensors"] if beside else [])]
        place = self.place(start)
        return Checkpoint(self.path, {key: tensor for key, tensor in tensors.items() if key not in beside},
                          "module." in place.prefix, counted, place, self, tuple(said))


def _dictionaries(value: object) -> Dict[str, Dict[str, torch_file.Tensor]]:
    """Every dictionary that holds tensors by names, by its path. A dictionary may hold itself."""
    found: Dict[str, Dict[str, torch_file.Tensor]] = {}
    todo, seen = deque([("", value, 0)]), set()
    while todo:
        path, value, depth = todo.popleft()
        if id(value) in seen or depth > _MOST_DEPTH:
            continue
        seen.add(id(value))
        for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ():
            if isinstance(item, torch_file.Tensor) and isinstance(key, str):
                found.setdefault(path, {})[key] = item
            elif isinstance(item, (dict, list, tuple)):
                todo.append((f"{path}.{key}" if path else str(key), item, depth + 1))
    return found


def _load(path: Path) -> torch_file.Saved:
    with open(path, "rb"):             # a missing or unreadable file says so itself
        pass
    try:
        if torch_file.is_torchscript(path):
            raise ImportFailure(f"{path}: is a TorchScript program, not a checkpoint: torch.save(model.state_dict(), ...) makes one")
        return torch_file.read_torch_file(path)
    except ImportFailure:
        raise
    except torch_pickle.Damaged as problem:
        raise ImportFailure(f"{path}: cannot be read as a PyTorch checkpoint, damaged or of another kind: {problem}") from None
    except Exception:                  # whatever a damaged pickle or zip raises, an absurd length's MemoryError included
        raise ImportFailure(f"{path}: cannot be read as a PyTorch checkpoint: damaged, cut off, or of another kind") from None


def read_checkpoint(path: Path, key: Optional[str] = None, prefix: Optional[str] = None) -> Checkpoint:
    """The tensors of a .pth, .pt, .pth.tar, .pyth, ..., in any wrapping. Raises ImportFailure with what is wrong.

    key: the dictionary to look in, as --key; prefix: what the network's keys begin with, as --prefix.
    """
    path = Path(path)
    saved = _load(path)
    table = _Table(path, saved.value, f"{prefix}." if prefix and not prefix.endswith(".") else prefix)
    if not table.dictionaries:
        objects = f"; it holds {listed(saved.names, 3)}, and no code of a checkpoint is run: torch.save(model.state_dict(), ...) " \
                  "saves the tensors alone" if saved.names else ""
        raise ImportFailure(f"{path}: holds no state_dict of tensors (looked under {', '.join(WRAPPERS)} and every other key){objects}")
    for tensors in table.dictionaries.values():
        for name, tensor in tensors.items():
            if not tensor.is_sensible():
                raise ImportFailure(f"{path}: {name}: damaged or cut off: its shape makes no sense")
    if key is not None:
        table.keep(key)
    runs = [name for name in saved.names if _RUNS.match(name)]
    if runs:
        table.notes = (f"it names {listed(runs, 3)}, which no checkpoint needs; nothing of it was run",)
    return table.usual()


def add_arguments(parser: argparse.ArgumentParser, file: str) -> None:
    parser.add_argument("--key", metavar="KEY", help=f"where in {file} the tensors are, such as state_dict_ema, or keys "
                        "joined by dots; default: where they fit")
    parser.add_argument("--prefix", metavar="TEXT", help=f"what the network's keys in {file} begin with, such as "
                        "'teacher.'; default: what fits")
    parser.set_defaults(checkpoint_option=file)


def of_arguments(args: argparse.Namespace, path: Optional[Path]) -> Optional[Checkpoint]:
    """The checkpoint, if there is one, as --key and --prefix say."""
    for option in ("key", "prefix"):
        if path is None and getattr(args, option) is not None:
            raise ImportFailure(f"--{option} {getattr(args, option)}: goes with {args.checkpoint_option}")
    return read_checkpoint(path, args.key, args.prefix) if path is not None else None


_RUNS = re.compile(r"(os|posix|nt|subprocess|sys|shutil|socket|pty|runpy|importlib|ctypes|webbrowser)(\.|$)"
                   r"|(builtins|__builtin__)\.(eval|exec|execfile|compile|open|__import__|input)$")


def _array(path: Path, name: str, tensor: torch_file.Tensor) -> np.ndarray:
    try:
        array = tensor.array()
    except torch_pickle.Damaged as problem:
        raise ImportFailure(f"{path}: {name}: damaged or cut off: {problem}") from None
    except Exception:                  # as in _load
        raise ImportFailure(f"{path}: {name}: damaged or cut off") from None
    if array.dtype.kind != "f":
        return array
    if not np.isfinite(array).all():
        raise ImportFailure(f"{path}: {name}: has NaN or Inf")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ImportFailure(f"{path}: {name}: has a number that does not fit float32")
    return array


def _shared(wanted: Iterable[str]) -> List[str]:
    """The beginnings that all keys of a module share: "model." of a trainer that keeps its network there."""
    shared = os.path.commonprefix([key.split(".")[:-1] for key in wanted])[:8]
    return [".".join([*shared[:n], ""]) for n in range(1, len(shared) + 1)]


def match(net: Network, checkpoint: Checkpoint, what: str, floats: bool = True) -> Tuple[Dict[str, np.ndarray], Tuple[str, ...]]:
    """The tensors that `net` needs, and what a user should know of them. Raises ImportFailure with every tensor that is
    missing, unexpected or of the wrong shape.

    floats: no tensor may hold integers (as the index buffer of a module does).
    """
    start = ""
    found = checkpoint.located(net.wanted)
    for shared in _shared(net.wanted) if found is None else ():  # the module has a wrapper that the file lacks
        inner = checkpoint.located({key[len(shared):]: shape for key, shape in net.wanted.items()})
        found, start = (inner, shared) if inner else (found, start)
    found = found or checkpoint.closest(net.wanted)
    shapes = {start + key: shape for key, shape in found.shapes.items()}
    missing = [key for key in net.wanted if key not in shapes]
    unexpected = [key for key in shapes if key not in net.wanted]
    misshaped = [f"{key} is {_times(shapes[key])} and not {_times(shape)}" for key, shape in net.wanted.items()
                 if key in shapes and shapes[key] != shape]
    words = [f"{title}: {listed(keys)}" for title, keys in (("missing", missing), ("unexpected", unexpected),
                                                           ("mis-shaped", misshaped)) if keys]
    if words:
        raise ImportFailure(f"{found.path}: is no {what}: {'; '.join(words)}{_elsewhere(found)}")
    tensors, elements = {}, 0
    for done, key in enumerate(net.wanted):
        report("read the checkpoint", done, len(net.wanted))
        tensor = tensors[key] = found.array(key[len(start):])
        elements += tensor.size
        if elements > found.path.stat().st_size:  # two layers may share a tensor, but not thousands
            raise ImportFailure(f"{found.path}: {key}: its tensors are larger than the file: they share their storages")
        if floats and tensor.dtype != np.float32:
            raise ImportFailure(f"{found.path}: {key}: {tensor.dtype} is no floating-point tensor")
    return tensors, found.notes


def _elsewhere(found: Checkpoint) -> str:
    """Where it was looked for, if there was a choice."""
    if found.table is None or len(found.table.dictionaries) == 1 and not found.place.prefix:
        return ""
    return f" (under {found.place}; --key and --prefix choose another part of the file)"


def _times(shape: Tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
