"""Activations of PyTorch, with tables of them at the end; see fx_ops.py."""
from __future__ import annotations

from typing import Callable, Dict

import torch
import torch.nn.functional as F
from torch import nn

from .fx_call import array, of, viewed
from .lowering import SELU_ALPHA, SELU_SCALE
from .views import Unmapped, View


def _activation(op: str) -> Callable:
    def activation(call, input, inplace=False):
        call.in_place(viewed(input), inplace)
        return call.net.activation(call.name, input, op)
    return activation


def _activation_(op: str) -> Callable:
    return lambda call, input: _activation(op)(call, input, True)


def _leaky_relu(call, input, negative_slope=0.01, inplace=False):
    call.in_place(viewed(input), inplace)
    return call.net.leaky(call.name, input, float(negative_slope))


def _prelu(call, input, weight):
    return call.net.prelu(call.name, viewed(input), array(weight))


def _elu(call, input, alpha=1.0, inplace=False, scale=1.0, input_scale=1.0):
    call.in_place(viewed(input), inplace)
    return call.net.activation(call.name, input, "elu", alpha=float(alpha), scale=float(scale), input_scale=float(input_scale))


def _selu(call, input, inplace=False):
    return _elu(call, input, SELU_ALPHA, inplace, SELU_SCALE)


def _celu(call, input, alpha=1.0, inplace=False):
    if not alpha > 0:
        raise Unmapped(f"alpha {alpha:g}; a number above 0 is wanted", viewed(input))
    return _elu(call, input, alpha, inplace, 1.0, 1 / alpha)


def _gelu(call, input, approximate="none"):
    return call.net.activation(call.name, viewed(input), "gelu_tanh" if approximate == "tanh" else "gelu")


def _softplus(call, input, beta=1, threshold=20):
    if not (beta > 0 and threshold >= 0):
        raise Unmapped(f"beta {beta:g}, threshold {threshold:g}; numbers above 0 are wanted", viewed(input))
    return call.net.activation(call.name, viewed(input), "softplus", beta=float(beta), threshold=float(threshold))


def _clamp(call, input, min=None, max=None):
    if isinstance(min, (View, torch.Tensor)) or isinstance(max, (View, torch.Tensor)):
        raise Unmapped("clamped by tensors")
    return call.net.clamped(call.name, viewed(input), min, max)


def _hardtanh(call, input, min_val=-1.0, max_val=1.0, inplace=False):
    call.in_place(viewed(input), inplace)
    return call.net.clamped(call.name, input, min_val, max_val)


def _clamp_(call, input, min=None, max=None):
    call.in_place(viewed(input))
    return _clamp(call, input, min, max)


_SIMPLE = {"relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU, "sigmoid": nn.Sigmoid, "hardswish": nn.Hardswish,
           "hardsigmoid": nn.Hardsigmoid, "mish": nn.Mish, "tanh": nn.Tanh}

MODULES: Dict[type, Callable] = {
    **{module: of(_activation(op), *(("inplace",) if op not in ("sigmoid", "tanh") else ())) for op, module in _SIMPLE.items()},
    nn.LeakyReLU: of(_leaky_relu, "negative_slope", "inplace"),
    nn.PReLU: of(_prelu, "weight"),
    nn.ELU: of(_elu, "alpha", "inplace"),
    nn.SELU: of(_selu, "inplace"),
    nn.CELU: of(_celu, "alpha", "inplace"),
    nn.GELU: of(_gelu, "approximate"),
    nn.Softplus: of(_softplus, "beta", "threshold"),
    nn.Hardtanh: of(_hardtanh, "min_val", "max_val", "inplace"),
}

METHODS: Dict[str, Callable] = {
    **{op: _activation(op) for op in ("relu", "sigmoid", "tanh")},
    **{f"{op}_": _activation_(op) for op in ("relu", "sigmoid", "tanh")},
    "clamp": _clamp, "clip": _clamp, "clamp_": _clamp_, "erf": _activation("erf"), "prelu": _prelu,
}

FUNCTIONS: Dict[Callable, Callable] = {
    torch.relu: _activation("relu"), torch.relu_: _activation_("relu"), F.relu: _activation("relu"),
    F.relu_: _activation_("relu"), F.relu6: _activation("relu6"), F.silu: _activation("silu"),
    torch.sigmoid: _activation("sigmoid"), F.sigmoid: _activation("sigmoid"), F.hardswish: _activation("hardswish"),
    F.hardsigmoid: _activation("hardsigmoid"), F.leaky_relu: _leaky_relu, F.hardtanh: _hardtanh, torch.clamp: _clamp,
    torch.clip: _clamp, F.prelu: _prelu, torch.prelu: _prelu, F.elu: _elu, F.selu: _selu, torch.selu: _selu, F.celu: _celu, torch.celu: _celu,
    torch.erf: _activation("erf"), torch.special.erf: _activation("erf"), F.gelu: _gelu, F.mish: _activation("mish"),
    torch.tanh: _activation("tanh"), F.tanh: _activation("tanh"), F.softplus: _softplus,
}
