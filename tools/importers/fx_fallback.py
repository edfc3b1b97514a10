"""A module that torch.fx cannot trace, by way of PyTorch's own ONNX exporter, which runs it on an example clip."""
from __future__ import annotations

import contextlib
import inspect
import io
import os
import warnings

import torch
from torch import nn

from .failure import ImportFailure
from .onnx_read import Graph, graph_of
from .profiles import Profile

OPSET = 17  # the newest that both PyTorch 1.13 and its Python 3.11 write


def exported(what: str, module: nn.Module, profile: Profile) -> Graph:
    """Batch norms stay apart (PRESERVE): the exporter would fold them into their convolutions."""
    kind = next((p.dtype for p in module.parameters()), torch.float32)
    example = torch.zeros(1, profile.channels, profile.frames, profile.size, profile.size, dtype=kind)
    options = dict(opset_version=OPSET, training=torch.onnx.TrainingMode.PRESERVE)
    if "dynamo" in inspect.signature(
            torch.onnx.export).parameters:  # PyTorch 2: the exporter that names nodes by module
        options["dynamo"] = False
    file, forward = io.BytesIO(), module.forward
    module.forward = lambda clip: forward(clip)  # else the exporter makes inputs of arguments that have defaults
    try:
        with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (example,), file, **options)
    except Exception as problem:  # whatever the exporter or the module raises
        reason = str(problem).strip().splitlines() or [type(problem).__name__]
        raise ImportFailure(f"{what}: can be neither traced by torch.fx nor exported as ONNX: {reason[0]}") from None
    finally:
        del module.forward
    try:
        return graph_of(what, file.getvalue())
    except ImportError as problem:
        raise ImportFailure(f"{what}: to read what was exported, Python's onnx is wanted ({problem})") from None
