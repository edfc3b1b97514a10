"""Makes the user's module by the factory on the command line, and fills it with the weights of a checkpoint.

The factory is the user's code and is run. The checkpoint is only read (checkpoint.py).
"""
from __future__ import annotations

import ast
import importlib
import sys
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from .checkpoint import Checkpoint, match
from .failure import ImportFailure, listed
from .network import Network


def keywords(pairs: Sequence[str]) -> Dict[str, object]:
    """key=value pairs; a value is a Python literal if it can be read as one, otherwise text."""
    out = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ImportFailure(f"--arg {pair}: key=value is wanted")
        try:
            out[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            out[key] = text
    return out


def find_factory(spec: str) -> object:
    """What `pkg.mod:name` is. The current directory is searched first."""
    module_name, colon, path = spec.partition(":")
    if not colon or not module_name or not path:
        raise ImportFailure(f"{spec}: a module and what makes the network in it are wanted: pkg.mod:factory")
    if module_name.endswith(".py"):
        raise ImportFailure(f"{spec}: leave out .py: {module_name[:-3].replace('/', '.')}:{path}")
    sys.path.insert(0, "")
    try:
        found = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as problem:  # whatever the user's code raises
        raise ImportFailure(f"{spec}: cannot be imported: {words(problem)}") from None
    return found


def make_module(spec: str, factory: object, arguments: Dict[str, object], checkpoint: Optional[Checkpoint]
                ) -> Tuple[nn.Module, Sequence[str]]:
    """The module that the factory makes, in eval mode, with those weights; and what a user should know of them."""
    try:
        module = factory(**arguments) if callable(factory) and not isinstance(factory, nn.Module) else factory
    except (Exception, SystemExit) as problem:
        raise ImportFailure(f"{spec}: making it failed: {words(problem)}") from None
    if not isinstance(module, nn.Module):
        raise ImportFailure(f"{spec}: gives {type(module).__name__} and no torch.nn.Module")
    _refuse_empty(spec, module)
    notes = _load(spec, module, checkpoint) if checkpoint is not None else ()
    try:
        module.eval()
    except (Exception, SystemExit) as problem:
        raise ImportFailure(f"{spec}: its eval() failed: {words(problem)}") from None
    kinds = nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm
    stuck = [name for name, part in module.named_modules() if part.training and isinstance(part, kinds)]
    if stuck:
        raise ImportFailure(f"{spec}: {listed(stuck)}: in training mode even after eval()")
    return module, notes


def channels_read(module: nn.Module) -> int:
    """The channels of its clip, as its first convolution says. 3, if there is any that reads 3."""
    read = [part.in_channels for part in module.modules() if isinstance(part, nn.Conv3d)]
    return 3 if 3 in read or not read else read[0]


def _refuse_empty(spec: str, module: nn.Module) -> None:
    for key, tensor in (*module.named_parameters(), *module.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise ImportFailure(f"{spec}: {key}: has no size yet: make a lazy module with its sizes, or run it once")
        if tensor.is_meta:
            raise ImportFailure(f"{spec}: {key}: has no values, for it is on the device meta")


def _load(spec: str, module: nn.Module, checkpoint: Checkpoint) -> Sequence[str]:
    state = _state(spec, module)
    counters = {key: tensor for key, tensor in state.items() if key.endswith("num_batches_tracked")}
    wanted = Network(1, 1, 1, 1)  # a description of nothing but tensors
    wanted.wanted = {key: tuple(tensor.shape) for key, tensor in state.items() if key not in counters}
    tensors, notes = match(wanted, checkpoint, f"checkpoint of {spec}", floats=False)
    loaded = {key: torch.from_numpy(np.array(tensor)).to(state[key].dtype) for key, tensor in tensors.items()}
    try:
        module.load_state_dict({**counters, **loaded}, strict=True)
    except (Exception, SystemExit) as problem:
        raise ImportFailure(f"{spec}: loading {checkpoint.path} failed: {words(problem)}") from None
    kept = _state(spec, module)  # its load_state_dict() may be its own
    lost = [key for key, tensor in loaded.items() if key not in kept or not torch.equal(kept[key].cpu(), tensor)]
    if lost:
        raise ImportFailure(f"{spec}: did not take what {checkpoint.path} has for {listed(lost)}")
    return [f"{checkpoint.path}: {text}" for text in notes]


def _state(spec: str, module: nn.Module) -> Dict[str, torch.Tensor]:
    try:
        state = dict(module.state_dict())
    except (Exception, SystemExit) as problem:
        raise ImportFailure(f"{spec}: its state_dict() failed: {words(problem)}") from None
    others = [key for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise ImportFailure(f"{spec}: {listed(others)}: a state that is no tensor is not read from a checkpoint")
    return state


def words(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__


def out_of_memory(problem: BaseException) -> bool:
    """PyTorch's allocator raises a RuntimeError like any other."""
    return isinstance(problem, MemoryError) or isinstance(problem, RuntimeError) and "allocate" in str(problem)
