"""The user's own module: made by the factory named on the command line, filled with the weights of a checkpoint.

The factory is the user's code and is run; the checkpoint is data and is not (checkpoint.py).
"""
from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from typing import Dict, Optional, Sequence

import torch
from torch import nn

from .checkpoint import match, read_checkpoint
from .failure import ImportFailure
from .network import Network


def keywords(pairs: Sequence[str]) -> Dict[str, object]:
    """key=value pairs; a value is a Python literal where it reads as one, else text."""
    out = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ImportFailure(f"--arg {pair}: key=value is wanted")
        try:
            out[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            out[key] = text
    return out


def make_module(spec: str, arguments: Dict[str, object], weights: Optional[Path]) -> nn.Module:
    """The module that `pkg.mod:factory` makes, in eval mode. The current directory is searched first."""
    module_name, colon, path = spec.partition(":")
    if not colon or not module_name or not path:
        raise ImportFailure(f"{spec}: a module and what makes the network in it are wanted: pkg.mod:factory")
    sys.path.insert(0, "")
    try:
        factory = importlib.import_module(module_name)
        for name in path.split("."):
            factory = getattr(factory, name)
    except (Exception, SystemExit) as problem:  # whatever the user's code raises
        raise ImportFailure(f"{spec}: cannot be imported: {_words(problem)}") from None
    try:
        module = factory(**arguments) if callable(factory) and not isinstance(factory, nn.Module) else factory
    except (Exception, SystemExit) as problem:
        raise ImportFailure(f"{spec}: making it failed: {_words(problem)}") from None
    if not isinstance(module, nn.Module):
        raise ImportFailure(f"{spec}: gives {type(module).__name__} and no torch.nn.Module")
    if weights is not None:
        _load(spec, module, weights)
    return module.eval()


def _load(spec: str, module: nn.Module, weights: Path) -> None:
    state = {key: tensor for key, tensor in module.state_dict().items() if not key.endswith("num_batches_tracked")}
    wanted = Network(1, 1, 1, 1)  # a description of nothing but tensors
    wanted.wanted = {key: tuple(tensor.shape) for key, tensor in state.items()}
    tensors = match(wanted, read_checkpoint(weights), f"checkpoint of {spec}", floats=False)
    with torch.no_grad():
        for key, tensor in state.items():
            tensor.copy_(torch.from_numpy(tensors[key]))


def _words(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
