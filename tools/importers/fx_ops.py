"""One function for every module, function and method of PyTorch that can be imported, and tables of them at the end.

Each has the signature of the original, with the Call in front, so that Python binds the arguments.
"""
from __future__ import annotations

import builtins
import operator
from math import prod
from typing import Callable, Dict, List, Optional, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import fx_activations
from .fx_call import Call, array, of, viewed  # noqa: F401 (others take them from here)
from .network import three
from .reasons import normalises, without_counterpart
from .views import Unmapped, View, repeated, size_of


# -- convolutions, linear layers, batch norms -------------------------------------------------------------------------

def _conv(call, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    weight = array(weight)
    if weight.ndim != 5:
        raise Unmapped(f"a convolution over {weight.ndim - 2} dimensions; 3 are wanted (T, H, W)")
    dilation = _three(dilation)
    if padding == "same":  # PyTorch's own: the odd one behind, and only where the stride is 1
        total = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation)]
        begin = tuple(n // 2 for n in total)
        end = tuple(n - b for n, b in zip(total, begin))
    else:
        begin = end = (0, 0, 0) if padding == "valid" else _three(padding)
    return call.net.convolution(call.name, viewed(input), weight, array(bias), _three(stride), (begin, end), dilation,
                                groups)


def _conv_module(call, module, input):
    if module.padding_mode in ("replicate", "reflect") and isinstance(module, nn.Conv3d):
        around = list(module._reversed_padding_repeated_twice)        # of W, H, T, before and after each
        begin, end = ([0, 0, *around[side::2][::-1]] for side in (0, 1))
        input = call.net.padded_by_itself(f"{call.name}.pad", viewed(input), begin, end, module.padding_mode)
        return _conv(call, input, module.weight, module.bias, module.stride, 0, module.dilation, module.groups)
    if module.padding_mode != "zeros":
        raise Unmapped(f"padding_mode {module.padding_mode}: no counterpart")
    return _conv(call, input, module.weight, module.bias, module.stride, module.padding, module.dilation, module.groups)


def _linear(call, input, weight, bias=None):
    return call.net.fully_connected(call.name, viewed(input), array(weight), array(bias))


def _matmul(call, input, other):
    if not isinstance(input, View) or isinstance(other, View):
        raise Unmapped("a product of two tensors, as attention has it: no counterpart" if isinstance(input, View) else
                       "a product of a constant and a tensor; constant weights come second")
    return call.net.fully_connected(call.name, input, array(other).T, None)


def _batch_norm(call, input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if training or running_mean is None or running_var is None:
        raise Unmapped("statistics of the clip itself, for there are no running ones (track_running_stats): no counterpart", viewed(input))
    mean, var = array(running_mean), array(running_var)
    gamma = np.ones_like(mean) if weight is None else array(weight)
    beta = np.zeros_like(mean) if bias is None else array(bias)
    return call.net.normalisation(call.name, viewed(input), gamma, beta, mean, var, float(eps))


def _batch_norm_module(call, module, input):
    return _batch_norm(call, input, module.running_mean, module.running_var, module.weight, module.bias, eps=module.eps)


# -- softmax ------------------------------------------------------------------------------------------------------------

def _softmax(call, input, dim=None, _stacklevel=3, dtype=None):
    if dim is None:
        raise Unmapped("softmax without its dim")
    return call.net.softmax(call.name, viewed(input), dim)


def _log_softmax(call, input, dim=None, _stacklevel=3, dtype=None):
    if dim is None:
        raise Unmapped("log_softmax without its dim")
    return call.net.log_softmax(call.name, viewed(input), dim)


# -- sums, products, constants ----------------------------------------------------------------------------------------

def _add(call, input, other, *, alpha=1):
    if isinstance(input, View) and isinstance(other, View):
        if alpha != 1:
            raise Unmapped(f"alpha {alpha}")
        return call.net.joined_by(call.name, "add", input, other)
    if isinstance(input, View):
        return call.net.scaled(call.name, input, shift=array(other) * alpha)
    return call.net.scaled(call.name, other, alpha, array(input))


def _mul(call, input, other):
    if isinstance(input, View) and isinstance(other, View):
        return call.net.joined_by(call.name, "mul", input, other)
    x, factor = (input, other) if isinstance(input, View) else (other, input)
    return call.net.scaled(call.name, x, scale=array(factor))


def _sub(call, input, other, *, alpha=1):
    if isinstance(input, View) and isinstance(other, View):
        raise Unmapped("a difference of two tensors: no counterpart", input)
    if isinstance(input, View):
        return call.net.scaled(call.name, input, 1.0, -array(other) * alpha)
    return call.net.scaled(call.name, other, -alpha, array(input))


def _div(call, input, other):
    if isinstance(other, View):
        raise Unmapped("a division by a tensor: no counterpart", input if isinstance(input, View) else other)
    return call.net.scaled(call.name, input, scale=1 / np.asarray(array(other), np.float64))


def _neg(call, input):
    return call.net.scaled(call.name, viewed(input), scale=-1.0)


def _overwriting(function: Callable) -> Callable:
    def overwriting(call, input, *args, **kwargs):
        if isinstance(input, View):
            call.in_place(input)
        return function(call, input, *args, **kwargs)
    return overwriting


# -- pools and means --------------------------------------------------------------------------------------------------

def _max_pool(call, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    if return_indices:
        raise Unmapped("the indices of the maxima are read: no counterpart")
    if _three(dilation) != (1, 1, 1):
        raise Unmapped(f"dilation {dilation}")
    kernel, pad = _three(kernel_size), _three(padding)
    return call.net.pool(call.name, viewed(input), "maxpool3d", kernel, _three(stride or kernel), (pad, pad),
                         bool(ceil_mode))


def _avg_pool(call, input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
              divisor_override=None):
    if divisor_override is not None:
        raise Unmapped(f"divisor_override {divisor_override}")
    kernel, pad = _three(kernel_size), _three(padding)
    return call.net.pool(call.name, viewed(input), "avgpool3d", kernel, _three(stride or kernel), (pad, pad),
                         bool(ceil_mode), count_include_pad=int(bool(count_include_pad)))


def _max_pool_module(call, module, input):
    return _max_pool(call, input, module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode,
                     module.return_indices)


def _avg_pool_module(call, module, input):
    return _avg_pool(call, input, module.kernel_size, module.stride, module.padding, module.ceil_mode,
                     module.count_include_pad, module.divisor_override)


def _adaptive_avg_pool(call, input, output_size):
    sizes = (output_size,) * 3 if output_size is None or isinstance(output_size, int) else tuple(output_size)
    return call.net.adaptive_mean(call.name, viewed(input), sizes)


def _adaptive_max_pool(call, input, output_size, return_indices=False):
    if return_indices:
        raise Unmapped("the indices of the maxima are read: no counterpart")
    sizes = (output_size,) * 3 if output_size is None or isinstance(output_size, int) else tuple(output_size)
    return call.net.adaptive_maximum(call.name, viewed(input), sizes)


def _amax(call, input, dim=(), keepdim=False):
    return call.net.maximum(call.name, viewed(input), ([dim] if isinstance(dim, int) else list(dim)) or None, keepdim)


def _max(call, input, dim=None, keepdim=False):
    """With a dim it gives the indices too, which have no counterpart."""
    if dim is None:
        return _amax(call, input)
    if not isinstance(dim, int):
        raise Unmapped("the larger of two tensors")
    return _amax(call, input, dim, keepdim), None


def _mean(call, input, dim=None, keepdim=False, *, dtype=None):
    dims = [dim] if isinstance(dim, int) else dim
    return call.net.mean(call.name, viewed(input), dims or None, keepdim)


# -- parts and wholes -------------------------------------------------------------------------------------------------

def _cat(call, tensors, dim=0):
    return call.net.concatenated(call.name, [t if isinstance(t, View) else array(t) for t in tensors], dim)


def _pad(call, input, pad, mode="constant", value=None):
    if mode not in ("constant", "replicate", "reflect"):
        raise Unmapped(f"mode {mode}: no counterpart")
    pad = [int(n) for n in pad]
    if len(pad) % 2 or len(pad) > 2 * viewed(input).rank:
        raise Unmapped(f"padding {pad}")
    before, after = pad[0::2][::-1], pad[1::2][::-1]  # given from the last dimension on
    rest = [0] * (input.rank - len(before))
    if mode != "constant":
        return call.net.padded_by_itself(call.name, input, rest + before, rest + after, mode)
    return call.net.padded(call.name, input, rest + before, rest + after, value or 0.0)


def _pad_module_by(mode: str) -> Callable:
    return lambda call, module, input: _pad(call, input, module.padding, mode)


def _interpolate(call, input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None,
                 antialias=False):
    if mode not in ("nearest", "nearest-exact"):
        raise Unmapped(f"mode {mode}: no counterpart; only the nearest neighbour is taken", viewed(input))
    before = viewed(input).shape[2:]
    if size is not None:
        sizes = [size] * len(before) if isinstance(size, int) else list(size)
        factors = [n / m for n, m in zip(sizes, before)]
    else:
        factors = [scale_factor] * len(before) if isinstance(scale_factor, (int, float)) else list(scale_factor)
    return call.net.upsampled(call.name, input, [float(factor) for factor in factors])


def _pad_module(call, module, input):
    return _pad(call, input, module.padding, value=getattr(module, "value", 0.0))


def _getitem(call, x, index):
    if isinstance(x, (list, tuple)):
        return x[index]
    index = index if isinstance(index, tuple) else (index,)
    given = sum(part is not None and part is not Ellipsis for part in index)
    if any(part is Ellipsis for part in index):
        at = next(i for i, part in enumerate(index) if part is Ellipsis)
        index = (*index[:at], *(slice(None),) * (x.rank - given), *index[at + 1:])
    dim, cuts, gone, new, listed = 0, [], [], [], None
    for i, part in enumerate(index):
        if part is None:
            new.append(i - len(gone))
            continue
        if isinstance(part, int) and not isinstance(part, bool):
            size = size_of(x.dims[x.position(dim)])
            if not -size <= part < size:
                raise Unmapped(f"takes {part} of {size}")
            cuts.append((dim, slice(part % size, part % size + 1)))
            gone.append(dim)
        elif isinstance(part, slice):
            cuts.append((dim, part))
        elif isinstance(part, (list, torch.Tensor, np.ndarray)) and listed is None and np.ndim(part) == 1:
            listed = dim, [int(n) for n in part]
        else:
            raise Unmapped(f"an index {part!r}")
        dim += 1
    if listed:
        if gone:
            raise Unmapped("indices of both a number and a list")
        x = call.net.taken(call.name, x, *listed)
    x = call.net.sliced(call.name, x, cuts)
    return x.squeezed(gone).unsqueezed(new)


def _select(call, input, dim, index):
    return call.net.item(call.name, viewed(input), dim, index)


def _narrow(call, input, dim, start, length):
    return call.net.sliced(call.name, viewed(input), [(dim, slice(start, start + length))])


def _index_select(call, input, dim, index):
    return call.net.taken(call.name, viewed(input), dim, array(index).reshape(-1).tolist())


def _split(call, tensor, split_size_or_sections, dim=0):
    size = size_of(viewed(tensor).dims[tensor.position(dim)])
    sizes = split_size_or_sections
    if isinstance(sizes, int):
        sizes = [min(sizes, size - start) for start in range(0, size, sizes)]
    return call.net.parts(call.name, tensor, dim, list(sizes))


def _chunk(call, input, chunks, dim=0):
    return _split(call, input, -(-size_of(viewed(input).dims[input.position(dim)]) // chunks), dim)


def _unbind(call, input, dim=0):
    size = size_of(viewed(input).dims[input.position(dim)])
    return [call.net.item(f"{call.name}.{i}", input, dim, i) for i in range(size)]


# -- the same elements otherwise arranged -----------------------------------------------------------------------------

def _reshape(call, input, *shape):
    return viewed(input).reshaped(_listed(shape), call.name)


def _flatten(call, input, start_dim=0, end_dim=-1):
    start, end = viewed(input).position(start_dim), input.position(end_dim)
    shape = input.shape
    return input.reshaped((*shape[:start], prod(shape[start:end + 1]), *shape[end + 1:]), call.name)


def _unflatten(call, input, dim, sizes):
    dim = viewed(input).position(dim)
    sizes = list(sizes)
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = input.shape[dim] // -prod(sizes)
    return input.reshaped((*input.shape[:dim], *sizes, *input.shape[dim + 1:]), call.name)


def _permute(call, input, *dims):
    return viewed(input).permuted(_listed(dims), call.name)


def _transpose(call, input, dim0, dim1):
    order = list(range(viewed(input).rank))
    first, second = input.position(dim0), input.position(dim1)
    order[first], order[second] = second, first
    return input.permuted(order, call.name)


def _squeeze(call, input, dim=None):
    return viewed(input).squeezed([dim] if isinstance(dim, int) else dim)


def _unsqueeze(call, input, dim):
    return viewed(input).unsqueezed([dim])


def _expand(call, input, *sizes):
    return viewed(input).expanded(_listed(sizes))


def _repeat(call, input, *sizes):
    return repeated(viewed(input), _listed(sizes))


def _view_as(call, input, other):
    return viewed(input).reshaped(tuple(other.shape), call.name)


def _expand_as(call, input, other):
    return viewed(input).expanded(other.shape)


def _channel_shuffle(call, input, groups):
    n, channels, *rest = viewed(input).shape
    if groups < 1 or channels % groups:
        raise Unmapped(f"{groups} groups of {channels} channels")
    split = input.reshaped((n, groups, channels // groups, *rest), call.name)
    return split.permuted((0, 2, 1, *range(3, split.rank)), call.name).reshaped(input.shape, call.name)


def _unchanged(call, input, *args, **kwargs):
    return viewed(input)


def _clone(call, input, memory_format=None):
    """A copy in new memory: an in-place operation on it does not change the original."""
    x = call.net.settled(viewed(input))
    return call.net.activation(call.name, x, "identity")


def _to(call, input, *args, copy=False, **kwargs):
    kinds = [some.dtype if isinstance(some, torch.Tensor) else some for some in (*args, *kwargs.values())]
    if any(isinstance(kind, torch.dtype) and not kind.is_floating_point for kind in kinds):
        raise Unmapped("a tensor made whole numbers")
    return _clone(call, input) if copy else viewed(input)


def _type_as(call, input, other):
    return _to(call, input, other)


def _dropout(call, input, p=0.5, training=True, inplace=False):
    if training and p > 0:
        raise Unmapped("is on although the module is in eval mode: its `training` is not self.training")
    return viewed(input)


# -- what is asked of a tensor ----------------------------------------------------------------------------------------

def _getattr(call, x, key):
    if isinstance(x, tuple) and key == "values":   # of a maximum
        return x[0]
    if not isinstance(x, View):
        raise Unmapped(f"attribute {key}")
    if key == "data":
        return x
    if key == "shape":
        return torch.Size(x.shape)
    if key == "ndim":
        return x.rank
    if key in ("is_cuda", "is_quantized", "is_sparse", "is_mkldnn", "is_nested", "is_meta", "requires_grad"):
        return False
    if key in ("device", "dtype", "layout"):
        return {"device": torch.device("cpu"), "dtype": torch.float32, "layout": torch.strided}[key]
    if key == "T" and x.rank == 2 or key == "mT" and x.rank >= 2:
        return _transpose(call, x, -2, -1)
    raise Unmapped(f"attribute {key}")


def _size(call, x, dim=None):
    return torch.Size(x.shape) if dim is None else x.shape[x.position(dim)]


def _dim(call, x):
    return x.rank


def _numel(call, x):
    return prod(x.shape)


def _new(value: Optional[float]) -> Callable:
    """new_zeros, new_ones; new_full where the value is None."""
    def new(call, x, *size, fill_value=None, dtype=None, device=None, requires_grad=False):
        size = (*size, fill_value) if value is None and fill_value is not None else size
        return torch.full(_listed(size[:-1] if value is None else size), float(size[-1] if value is None else value))
    return new


def _like(value: Optional[float]) -> Callable:
    def like(call, input, fill_value=value, dtype=None, layout=None, device=None, memory_format=None):
        return torch.full(input.shape, float(fill_value))
    return like


def _layer_norm(call, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    size = 1 if isinstance(normalized_shape, int) else len(normalized_shape)
    dims = range(max(0, viewed(input).rank - size), input.rank)
    return call.net.layer_norm(call.name, "LayerNorm", input, list(dims), array(weight), array(bias), float(eps))


def _group_norm(call, input, num_groups, weight=None, bias=None, eps=1e-5):
    return call.net.group_norm(call.name, "GroupNorm", viewed(input), int(num_groups), array(weight), array(bias), float(eps))


def _instance_norm(call, input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1,
                   eps=1e-5):
    if not use_input_stats:
        return _batch_norm(call, input, running_mean, running_var, weight, bias, eps=eps)
    return call.net.instance_norm(call.name, "InstanceNorm", viewed(input), array(weight), array(bias), float(eps))


def _instance_norm_module(call, module, input):
    return _instance_norm(call, input, module.running_mean, module.running_var, module.weight, module.bias,
                          module.running_mean is None, eps=module.eps)


def _three(value) -> tuple:
    values = (value,) if isinstance(value, int) else tuple(value)
    return three(values * 3 if len(values) == 1 else values)


def _listed(values: Sequence) -> List[int]:
    return list(values[0] if len(values) == 1 and isinstance(values[0], (tuple, list)) else values)


_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

MODULES: Dict[type, Callable] = {
    **fx_activations.MODULES,
    **{module: of(_unchanged) for module in (*_DROPOUTS, nn.Identity)},
    **{module: _batch_norm_module for module in _BATCH_NORMS},
    **{module: _conv_module for module in (nn.Conv1d, nn.Conv2d, nn.Conv3d)},
    nn.Linear: of(_linear, "weight", "bias"),
    nn.Softmax: of(_softmax, "dim"),
    nn.LogSoftmax: of(_log_softmax, "dim"),
    nn.MaxPool3d: _max_pool_module,
    nn.AvgPool3d: _avg_pool_module,
    nn.AdaptiveAvgPool3d: of(_adaptive_avg_pool, "output_size"),
    nn.AdaptiveMaxPool3d: of(_adaptive_max_pool, "output_size", "return_indices"),
    nn.ConstantPad3d: _pad_module,
    nn.Upsample: of(_interpolate, "size", "scale_factor", "mode"),
    nn.ReplicationPad3d: _pad_module_by("replicate"),
    nn.ReflectionPad3d: _pad_module_by("reflect"),
    nn.Flatten: of(_flatten, "start_dim", "end_dim"),
    nn.Unflatten: lambda call, module, input: _unflatten(call, input, module.dim, module.unflattened_size),
    nn.ChannelShuffle: of(_channel_shuffle, "groups"),
    nn.LayerNorm: of(_layer_norm, "normalized_shape", "weight", "bias", "eps"),
    nn.GroupNorm: of(_group_norm, "num_groups", "weight", "bias", "eps"),
    **{module: _instance_norm_module for module in (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)},
}
if hasattr(nn, "ZeroPad3d"):  # not in PyTorch 1.13
    MODULES[nn.ZeroPad3d] = _pad_module



def refuse_alone(module: nn.Module) -> None:
    """Raises Unmapped for a module that cannot be mapped whatever it reads."""
    if isinstance(module, (nn.Conv1d, nn.Conv2d)):
        raise Unmapped(f"a convolution over {module.weight.ndim - 2} dimensions; 3 are wanted (T, H, W)")
    if isinstance(module, nn.Conv3d) and module.padding_mode == "circular":
        raise Unmapped(f"padding_mode {module.padding_mode}: no counterpart")
    if isinstance(module, nn.MaxPool3d) and (module.return_indices or _three(module.dilation) != (1, 1, 1)):
        raise Unmapped(f"dilation {module.dilation}" if not module.return_indices else "the indices of the maxima are read: no counterpart")
    if isinstance(module, nn.AvgPool3d) and module.divisor_override is not None:
        raise Unmapped(f"divisor_override {module.divisor_override}")
    if isinstance(module, _BATCH_NORMS) and module.running_mean is None:
        raise Unmapped("statistics of the clip itself, for there are no running ones (track_running_stats): no counterpart")


METHODS: Dict[str, Callable] = {
    **fx_activations.METHODS,
    **{name: _unchanged for name in ("contiguous", "detach", "float", "double", "cpu")}, "to": _to, "type_as": _type_as,
    "amax": _amax, "max": _max, "add": _add,
    "add_": _overwriting(_add), "mul": _mul, "mul_": _overwriting(_mul), "sub": _sub, "sub_": _overwriting(_sub),
    "clone": _clone, "div": _div, "div_": _overwriting(_div), "neg": _neg,
    "softmax": _softmax, "log_softmax": _log_softmax, "mean": _mean, "matmul": _matmul, "view": _reshape,
    "reshape": _reshape, "flatten": _flatten, "unflatten": _unflatten, "permute": _permute, "transpose": _transpose,
    "squeeze": _squeeze, "unsqueeze": _unsqueeze, "expand": _expand, "expand_as": _expand_as, "repeat": _repeat, "view_as": _view_as,
    "reshape_as": _view_as, "swapaxes": _transpose, "swapdims": _transpose, "mm": _matmul, "chunk": _chunk,
    "split": _split, "unbind": _unbind, "select": _select, "narrow": _narrow, "index_select": _index_select,
    "size": _size, "dim": _dim, "numel": _numel, "nelement": _numel, "ndimension": _dim, "new_zeros": _new(0), "new_ones": _new(1),
    "new_full": _new(None), "__len__": lambda call, x: x.shape[0], "bmm": _matmul, "detach_": _unchanged,
}

FUNCTIONS: Dict[Callable, Callable] = {
    **fx_activations.FUNCTIONS,
    F.softmax: _softmax, torch.softmax: _softmax, F.log_softmax: _log_softmax,
    torch.log_softmax: _log_softmax, torch.conv3d: _conv, F.conv3d: _conv, torch.conv2d: _conv,
    F.conv2d: _conv, F.linear: _linear, torch.matmul: _matmul, operator.matmul: _matmul, F.batch_norm: _batch_norm,
    operator.add: _add, torch.add: _add, operator.iadd: _overwriting(_add), operator.mul: _mul, torch.mul: _mul,
    torch.multiply: _mul, operator.imul: _overwriting(_mul), operator.sub: _sub, torch.sub: _sub,
    operator.isub: _overwriting(_sub), operator.truediv: _div, torch.div: _div, torch.true_divide: _div,
    operator.itruediv: _overwriting(_div), operator.neg: _neg, torch.neg: _neg, F.max_pool3d: _max_pool,
    torch.max_pool3d: _max_pool, F.avg_pool3d: _avg_pool, F.adaptive_avg_pool3d: _adaptive_avg_pool,
    F.adaptive_max_pool3d: _adaptive_max_pool, torch.amax: _amax, torch.max: _max,
    torch.mean: _mean, torch.cat: _cat, F.pad: _pad, F.interpolate: _interpolate, F.upsample: _interpolate, operator.getitem: _getitem, torch.select: _select,
    torch.narrow: _narrow, torch.index_select: _index_select, torch.split: _split, torch.chunk: _chunk,
    torch.unbind: _unbind, torch.reshape: _reshape, torch.flatten: _flatten, torch.permute: _permute,
    torch.transpose: _transpose, torch.squeeze: _squeeze, torch.unsqueeze: _unsqueeze,
    F.channel_shuffle: _channel_shuffle, F.dropout: _dropout, torch.dropout: _dropout, torch.clone: _clone,
    F.dropout3d: _dropout, builtins.getattr: _getattr, torch.numel: _numel, torch.zeros_like: _like(0),
    torch.ones_like: _like(1), torch.full_like: _like(None), torch.bmm: _matmul, torch.mm: _matmul,
    torch.swapaxes: _transpose, torch.swapdims: _transpose,
    F.layer_norm: _layer_norm, F.group_norm: _group_norm, F.instance_norm: _instance_norm,
    torch.layer_norm: lambda call, *args, cudnn_enable=True, **kwargs: _layer_norm(call, *args, **kwargs),
}
for _name in ("concat", "concatenate"):  # other names of torch.cat, by version
    if hasattr(torch, _name):
        FUNCTIONS[getattr(torch, _name)] = _cat
