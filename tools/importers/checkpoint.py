"""Read a published checkpoint and compare it with the description of a network."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np

from . import torch_file, torch_pickle
from .failure import ImportFailure, listed
from .network import Network

WRAPPERS = ("state_dict", "model_state", "model_state_dict", "model")
PREFIXES = ("module.", "model.", "net.", "backbone.", "network.")  # DataParallel's, and where trainers keep a network


@dataclass(frozen=True)
class Checkpoint:
    path: Path
    tensors: Dict[str, np.ndarray]     # by their keys without `prefix`: float32, or whole numbers; no num_batches_tracked
    parallel: bool                     # the keys had the `module.` of DataParallel
    counted: bool                      # there was a num_batches_tracked: saved by PyTorch 0.4.1 or later
    prefix: str = ""                   # what every key of the file starts with, of PREFIXES

    @property
    def shapes(self) -> Dict[str, Tuple[int, ...]]:
        return {key: tensor.shape for key, tensor in self.tensors.items()}


def _load(path: Path) -> object:
    with open(path, "rb"):             # a missing or unreadable file says so itself
        pass
    try:
        if torch_file.is_torchscript(path):
            raise ImportFailure(f"{path}: is a TorchScript program, not a checkpoint: torch.save(model.state_dict(), ...) makes one")
        return torch_file.read_torch_file(path)
    except ImportFailure:
        raise
    except torch_pickle.RefusedName as problem:
        raise ImportFailure(f"{path}: refused: it holds more than tensors ({problem}), and what a pickle names is never run; save "
                            "the state_dict alone: torch.save(model.state_dict(), ...)") from None
    except torch_pickle.Damaged as problem:
        raise ImportFailure(f"{path}: cannot be read as a PyTorch checkpoint, damaged or of another kind: {problem}") from None
    except Exception:                  # whatever a damaged pickle or zip raises, an absurd length's MemoryError included
        raise ImportFailure(f"{path}: cannot be read as a PyTorch checkpoint: damaged, cut off, or of another kind") from None


def read_checkpoint(path: Path) -> Checkpoint:
    """The tensors of a .pth, .pt, .pth.tar, .pyth, ..., in any wrapping. Raises ImportFailure with what is wrong."""
    path = Path(path)
    loaded = _load(path)
    wrappers: List[object] = []        # a wrapper may hold itself
    while isinstance(loaded, dict) and not _is_state(loaded) and not any(loaded is one for one in wrappers):
        wrappers.append(loaded)
        loaded = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), dict)), None)
    if not _is_state(loaded):
        raise ImportFailure(f"{path}: holds no state_dict of tensors (looked under {', '.join(WRAPPERS)})")
    prefix = ""
    while more := next((p for p in PREFIXES if all(key.startswith(prefix + p) for key in loaded)), ""):
        prefix += more
    counts = {key for key in loaded if key.endswith("num_batches_tracked")}
    tensors, elements = {}, 0
    for key in [key for key in loaded if key not in counts]:
        array = _array(path, key, loaded[key])
        tensors[key[len(prefix):]] = array
        elements += array.size
        if elements > path.stat().st_size:  # two layers may share a tensor, but not thousands
            raise ImportFailure(f"{path}: {key}: its tensors are larger than the file: they share their storages")
    return Checkpoint(path, tensors, "module." in prefix, bool(counts), prefix)


def _is_state(value: object) -> bool:
    return isinstance(value, dict) and len(value) > 0 and all(
        isinstance(key, str) and isinstance(tensor, torch_file.Tensor) for key, tensor in value.items())


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


def _closest(net: Network, checkpoint: Checkpoint) -> Dict[str, np.ndarray]:
    """The tensors by the keys that `net` knows most of: without the checkpoint's prefix, or more or fewer parts of what all
    of its keys start with. A user's own module may have its weights in `model`, and a trainer's may be in `encoder`."""
    whole = {checkpoint.prefix + key: tensor for key, tensor in checkpoint.tensors.items()}
    shared = os.path.commonprefix([key.split(".")[:-1] for key in whole])[:8]
    cuts = [len(".".join([*shared[:n], ""])) for n in range(len(shared) + 1)]
    ways = [checkpoint.tensors, *({key[cut:]: tensor for key, tensor in whole.items()} for cut in cuts)]
    return max(ways, key=lambda tensors: len(tensors.keys() & net.wanted.keys()))


def match(net: Network, checkpoint: Checkpoint, what: str, floats: bool = True) -> Dict[str, np.ndarray]:
    """The tensors that `net` needs. Raises ImportFailure with every tensor that is missing, unexpected or of the wrong shape.

    floats: no tensor may hold integers (as the index buffer of a module does).
    """
    tensors = _closest(net, checkpoint)
    shapes = {key: tensor.shape for key, tensor in tensors.items()}
    missing = [key for key in net.wanted if key not in shapes]
    unexpected = [key for key in shapes if key not in net.wanted]
    misshaped = [f"{key} is {_times(shapes[key])} and not {_times(shape)}" for key, shape in net.wanted.items()
                 if key in shapes and shapes[key] != shape]
    words = [f"{title}: {listed(keys)}" for title, keys in (("missing", missing), ("unexpected", unexpected),
                                                           ("mis-shaped", misshaped)) if keys]
    if words:
        raise ImportFailure(f"{checkpoint.path}: is no {what}: {'; '.join(words)}")
    for key in net.wanted:
        if floats and tensors[key].dtype != np.float32:
            raise ImportFailure(f"{checkpoint.path}: {key}: {tensors[key].dtype} is no floating-point tensor")
    return {key: tensors[key] for key in net.wanted}


def _times(shape: Tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
