"""What every function of fx_ops.py and fx_activations.py gets and uses."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np
import torch

from .lowering import Lowering
from .views import Unmapped, View


@dataclass
class Call:
    net: Lowering
    name: str                          # of the node that may be made
    overwritten: Optional[View] = None  # what an in-place operation changed

    def in_place(self, x: View, really: bool = True) -> None:
        if really:
            self.overwritten = x


def array(value) -> Optional[np.ndarray]:
    """A tensor or a number as an array."""
    if isinstance(value, View):
        raise Unmapped("weights that are no constants")
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if value.is_complex():
            raise Unmapped("complex numbers")
        return value.to({torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.uint8: torch.float64,
                         torch.bool: torch.float64}.get(value.dtype, value.dtype)).numpy()  # -1 is no byte
    return None if value is None else np.asarray(value)


def viewed(x) -> View:
    if not isinstance(x, View):
        raise Unmapped("reads no tensor that depends on the input")
    return x


def of(function: Callable, *attributes: str) -> Callable:
    """A module that is `function` with its own attributes as arguments, by the function's names for them."""
    def of_module(call, module, input):
        return function(call, input, **{key: getattr(module, key) for key in attributes})
    return of_module
