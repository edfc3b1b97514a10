"""Read a published checkpoint and hold it against a description."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Tuple

import numpy as np

from . import torch_file
from .failure import ImportFailure, listed
from .network import Network

WRAPPERS = ("state_dict", "model_state", "model_state_dict", "model")


@dataclass(frozen=True)
class Checkpoint:
    path: Path
    tensors: Dict[str, np.ndarray]     # by their keys without `module.`: float32, or whole numbers; no num_batches_tracked
    parallel: bool                     # the keys had the `module.` of DataParallel
    counted: bool                      # there was a num_batches_tracked: saved by PyTorch 0.4.1 or later

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
    except torch_file.RefusedName as problem:
        raise ImportFailure(f"{path}: refused: it holds more than tensors ({problem}), and what a pickle names is never run; save "
                            "the state_dict alone: torch.save(model.state_dict(), ...)") from None
    except Exception:                  # whatever a damaged pickle or zip raises, an absurd length's MemoryError included
        raise ImportFailure(f"{path}: cannot be read as a PyTorch checkpoint: damaged, cut off, or of another kind") from None


def read_checkpoint(path: Path) -> Checkpoint:
    """Tensors of a .pth, .pt, .pth.tar, .pyth, ... whatever it is wrapped in. ImportFailure says what is wrong with it."""
    path = Path(path)
    loaded = _load(path)
    while isinstance(loaded, dict) and not _is_state(loaded):
        inner = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), dict)), None)
        if inner is None:
            break
        loaded = inner
    if not _is_state(loaded):
        raise ImportFailure(f"{path}: holds no state_dict of tensors (looked under {', '.join(WRAPPERS)})")
    parallel = all(key.startswith("module.") for key in loaded)
    keys = {key: key[len("module."):] if parallel else key for key in loaded}
    tensors = {name: _array(path, name, loaded[key]) for key, name in keys.items() if not name.endswith("num_batches_tracked")}
    return Checkpoint(path, tensors, parallel, any(name.endswith("num_batches_tracked") for name in keys.values()))


def _is_state(value: object) -> bool:
    return isinstance(value, dict) and len(value) > 0 and all(
        isinstance(key, str) and isinstance(tensor, torch_file.Tensor) for key, tensor in value.items())


def _array(path: Path, name: str, tensor: torch_file.Tensor) -> np.ndarray:
    try:
        array = tensor.array()
    except Exception:                  # as in _load
        raise ImportFailure(f"{path}: {name}: damaged or cut off") from None
    if array.dtype.kind != "f":
        return array
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ImportFailure(f"{path}: {name}: has NaN or Inf")
    return array


def match(net: Network, checkpoint: Checkpoint, what: str, floats: bool = True) -> Dict[str, np.ndarray]:
    """The tensors that `net` wants, or an ImportFailure that lists every missing, unexpected and mis-shaped one.

    floats: none of them may be whole numbers (a module's index buffer is).
    """
    shapes = checkpoint.shapes
    missing = [key for key in net.wanted if key not in shapes]
    unexpected = [key for key in shapes if key not in net.wanted]
    misshaped = [f"{key} is {_times(shapes[key])} and not {_times(shape)}" for key, shape in net.wanted.items()
                 if key in shapes and shapes[key] != shape]
    words = [f"{title}: {listed(keys)}" for title, keys in (("missing", missing), ("unexpected", unexpected),
                                                           ("mis-shaped", misshaped)) if keys]
    if words:
        raise ImportFailure(f"{checkpoint.path}: is no {what}: {'; '.join(words)}")
    for key in net.wanted:
        if floats and checkpoint.tensors[key].dtype != np.float32:
            raise ImportFailure(f"{checkpoint.path}: {key}: {checkpoint.tensors[key].dtype} is no floating-point tensor")
    return {key: checkpoint.tensors[key] for key in net.wanted}


def _times(shape: Tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
