"""Read a published checkpoint and hold it against a description. Nothing in the file is ever run.

torch.load(weights_only=True) is the only way in: its unpickler knows tensors and plain containers and refuses all else.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Tuple

import numpy as np

from .failure import ImportFailure, listed
from .network import Network

WRAPPERS = ("state_dict", "model_state", "model_state_dict", "model")


@dataclass(frozen=True)
class Checkpoint:
    path: Path
    tensors: Dict[str, np.ndarray]     # float32, by their keys without `module.`; no num_batches_tracked
    parallel: bool                     # the keys had the `module.` of DataParallel
    counted: bool                      # there was a num_batches_tracked: saved by PyTorch 0.4.1 or later

    @property
    def shapes(self) -> Dict[str, Tuple[int, ...]]:
        return {key: tensor.shape for key, tensor in self.tensors.items()}


def read_checkpoint(path: Path) -> Checkpoint:
    """Tensors of a .pth, .pt, .pth.tar, .pyth, ... whatever it is wrapped in. ImportFailure says what is wrong with it."""
    import torch
    path = Path(path)
    with open(path, "rb"):             # a missing or unreadable file says so itself
        pass
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as problem:       # whatever a damaged file makes torch raise
        raise ImportFailure(f"{path}: {_reason(problem)}") from None
    while isinstance(loaded, dict) and not _is_state(loaded):
        inner = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), dict)), None)
        if inner is None:
            break
        loaded = inner
    if not _is_state(loaded):
        raise ImportFailure(f"{path}: holds no state_dict of tensors (looked under {', '.join(WRAPPERS)})")
    parallel = all(key.startswith("module.") for key in loaded)
    keys = {key: key[len("module."):] if parallel else key for key in loaded}
    tensors = {}
    for key, name in keys.items():
        if not name.endswith("num_batches_tracked"):
            tensors[name] = _array(path, name, loaded[key])
    return Checkpoint(path, tensors, parallel, any(name.endswith("num_batches_tracked") for name in keys.values()))


def _is_state(value: object) -> bool:
    import torch
    return isinstance(value, dict) and len(value) > 0 and all(
        isinstance(key, str) and isinstance(tensor, torch.Tensor) for key, tensor in value.items())


def _array(path: Path, name: str, tensor) -> np.ndarray:
    if tensor.is_sparse or tensor.is_quantized or not tensor.is_floating_point():
        raise ImportFailure(f"{path}: {name}: {tensor.dtype} is no plain floating-point tensor")
    array = tensor.detach().float().numpy()
    if not np.isfinite(array).all():
        raise ImportFailure(f"{path}: {name}: has NaN or Inf")
    return array


def _reason(problem: Exception) -> str:
    text = str(problem)
    refused = re.search(r"(?:Unsupported (?:class|global|operand)|GLOBAL)\s+:?\s*([\w.]+)", text)
    if refused:
        return (f"refused: it holds more than tensors ({refused.group(1)}), and what is in a pickle is never run; save the "
                "state_dict alone: torch.save(model.state_dict(), ...)")
    return "cannot be read as a PyTorch checkpoint: damaged or cut off?"


def match(net: Network, checkpoint: Checkpoint, what: str) -> Dict[str, np.ndarray]:
    """The tensors that `net` wants, or an ImportFailure that lists every missing, unexpected and mis-shaped one."""
    shapes = checkpoint.shapes
    missing = [key for key in net.wanted if key not in shapes]
    unexpected = [key for key in shapes if key not in net.wanted]
    misshaped = [f"{key} is {_times(shapes[key])} and not {_times(shape)}" for key, shape in net.wanted.items()
                 if key in shapes and shapes[key] != shape]
    words = [f"{title}: {listed(keys)}" for title, keys in (("missing", missing), ("unexpected", unexpected),
                                                           ("mis-shaped", misshaped)) if keys]
    if words:
        raise ImportFailure(f"{checkpoint.path}: is no {what}: {'; '.join(words)}")
    return {key: checkpoint.tensors[key] for key in net.wanted}


def _times(shape: Tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
