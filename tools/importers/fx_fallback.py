"""Imports a module that torch.fx cannot trace. PyTorch's ONNX exporter runs it on an example clip and exports it."""
from __future__ import annotations

import contextlib
import inspect
import io
import os
import sys
import warnings
from pathlib import Path
from typing import Optional, Sequence, Set, Tuple

import torch
from torch import nn

from .failure import ImportFailure
from .module_factory import out_of_memory, words
from .onnx_read import Graph, graph_of
from .profiles import Profile
from .views import times

_TO_PYTHON = ("__bool__", "__int__", "__float__", "__index__", "item", "tolist", "numpy")


def _values_read(module: nn.Module, clip: torch.Tensor) -> Set[Tuple[str, int]]:
    """Where the module's code makes numbers of Python's from tensors. The exporter warns of its sizes too, which it keeps
    in tensors and which are no secret here."""
    found: Set[Tuple[str, int]] = set()

    def recording(method):
        def record(tensor, *args, **kwargs):
            frame = sys._getframe(1)
            found.add((frame.f_code.co_filename, frame.f_lineno))
            return method(tensor, *args, **kwargs)
        return record

    own = {name: vars(torch.Tensor)[name] for name in _TO_PYTHON if name in vars(torch.Tensor)}
    methods = {name: getattr(torch.Tensor, name) for name in _TO_PYTHON}
    try:
        for name, method in methods.items():
            setattr(torch.Tensor, name, recording(method))
        with torch.no_grad():
            module(clip)
    except (Exception, SystemExit):  # verify.py runs it too, and says so
        pass
    finally:
        for name in _TO_PYTHON:
            setattr(torch.Tensor, name, own[name]) if name in own else delattr(torch.Tensor, name)
    return found


OPSET = 17  # the newest that both PyTorch 1.13 and its Python 3.11 write


def exported(what: str, module: nn.Module, profile: Profile, heads: Sequence[str] = ()) -> Tuple[Graph, Optional[str]]:
    """The graph, and the places in the module's code where values of the clip became Python numbers. What is computed with
    these is fixed. Batch norms stay separate (PRESERVE): the exporter would fold them into their convolutions."""
    kind = next((p.dtype for p in module.parameters()), torch.float32)
    shape = 1, profile.channels, profile.frames, profile.size, profile.size
    try:
        example = torch.zeros(shape, dtype=kind)
    except (MemoryError, RuntimeError):  # the latter is the allocator's
        raise ImportFailure(f"{what}: not enough memory to run it on a clip of {times(shape)}") from None
    options = dict(opset_version=OPSET, training=torch.onnx.TrainingMode.PRESERVE)
    if "dynamo" in inspect.signature(
            torch.onnx.export).parameters:  # PyTorch 2: the exporter that names nodes by module
        options["dynamo"] = False
    file, forward = io.BytesIO(), module.forward
    module.forward = lambda clip: forward(clip)  # else the exporter makes inputs of arguments that have defaults
    try:
        with warnings.catch_warnings(record=True) as warned, open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            warnings.simplefilter("always")
            torch.onnx.export(module, (example,), file, **options)
    except (Exception, SystemExit) as problem:  # whatever the exporter or the module raises
        if out_of_memory(problem):
            raise ImportFailure(f"{what}: not enough memory to run it on a clip of {times(shape)}") from None
        raise ImportFailure(f"{what}: can be neither traced by torch.fx nor exported as ONNX: "
                            f"{words(problem).splitlines()[0]}") from None
    finally:
        del module.forward
    try:
        read = _values_read(module, example)
        where = next((f"{Path(w.filename).name}:{w.lineno}" for w in warned
                      if issubclass(w.category, torch.jit.TracerWarning) and (w.filename, w.lineno) in read), None)
        return graph_of(what, file.getvalue(), heads), where
    except ImportError as problem:
        raise ImportFailure(f"{what}: to read what was exported, Python's onnx is wanted ({problem})") from None
