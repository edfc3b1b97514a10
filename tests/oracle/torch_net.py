"""Runs a Graph (SPEC section 2) with PyTorch, and returns every tensor and every gradient of a logit.

Tensors are 1 x C x T x H x W inside, and are returned as numpy C x T x H x W.  The vectors that linear
and flatten make are C x 1 x 1 x 1.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

from model_io import CLIP_NORMS

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def _amounts(begin, end):
    """[T, H, W] paddings in the order of F.pad: the last axis first."""
    return [v for axis in (2, 1, 0) for v in (int(begin[axis]), int(end[axis]))]


def pool_geometry(size, kernel, stride, begin, end, ceil_mode):
    """(output size, cells that the last window needs beyond the padding) along one axis.

    With ceil_mode the last window must start inside the input or the left padding, as in PyTorch.
    """
    span = size + begin + end - kernel
    out = (math.ceil(span / stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (out - 1) * stride >= size + begin:
        out -= 1
    return out, max(0, (out - 1) * stride + kernel - (size + begin + end))


def _pool(node, x):
    kernel, stride, begin, end = (
        tuple(int(v) for v in node.attribute(a)) for a in ("kernel", "stride", "pad_begin", "pad_end"))
    beyond = [pool_geometry(x.shape[2 + a], kernel[a], stride[a], begin[a], end[a],
                            node.attribute("ceil_mode"))[1] for a in range(3)]
    far = [e + b for e, b in zip(end, beyond)]
    if node.op == "maxpool3d":          # padding never wins
        return F.max_pool3d(F.pad(x, _amounts(begin, far), value=-math.inf), kernel, stride)
    # The divisor counts the cells of a window that are real, or (count_include_pad) real or
    # padding; never those that only ceil_mode's last window reaches.
    counted = torch.ones((1, 1) + x.shape[2:], dtype=x.dtype)
    if node.attribute("count_include_pad"):
        counted = F.pad(F.pad(counted, _amounts(begin, end), value=1.0), _amounts((0, 0, 0), beyond))
    else:
        counted = F.pad(counted, _amounts(begin, far))
    total = F.avg_pool3d(F.pad(x, _amounts(begin, far)), kernel, stride, divisor_override=1)
    return total / F.avg_pool3d(counted, kernel, stride, divisor_override=1)


def _conv3d(node, x, weight):
    x = F.pad(x, _amounts(node.attribute("pad_begin"), node.attribute("pad_end")))
    stride, dilation = (tuple(int(v) for v in node.attribute(a)) for a in ("stride", "dilation"))
    return F.conv3d(x, weight("weight"), weight("bias"), stride, 0, dilation, int(node.attribute("groups")))


def _linear(node, x, weight):
    if x.shape[2:] != (1, 1, 1):
        raise ValueError(f"{node.name}: linear reads C x 1 x 1 x 1, not {tuple(x.shape[1:])}")
    return F.linear(x.reshape(1, -1), weight("weight"), weight("bias")).reshape(1, -1, 1, 1, 1)


def _batchnorm(node, x, weight):
    return F.batch_norm(x, weight("mean"), weight("var"), weight("gamma"), weight("beta"), False, 0.0,
                        float(node.attribute("eps")))


def _clip_norm(node, x, weight):
    """A norm by the clip's own mean and variance, written out."""
    c, over = x.shape[1], (1,) if node.op == "layernorm" else (2, 3, 4, 5)
    groups = {"layernorm": None, "instancenorm": c, "groupnorm": node.attrs.get("groups")}[node.op]
    y = x if groups is None else x.reshape(1, int(groups), c // int(groups), *x.shape[2:])
    y = y - y.mean(over, keepdim=True)
    y = (y / torch.sqrt((y * y).mean(over, keepdim=True) + float(node.attribute("eps")))).reshape(x.shape)
    if weight("gamma") is None:
        return y
    return y * weight("gamma").reshape(1, c, 1, 1, 1) + weight("beta").reshape(1, c, 1, 1, 1)


def _pad_by_itself(node, x):
    """Replicate or reflect: which element each place is a copy of, axis by axis."""
    for axis, begin, end in zip((2, 3, 4), node.attribute("pad_begin"), node.attribute("pad_end")):
        size, places = x.shape[axis], range(-int(begin), x.shape[axis] + int(end))
        last = size - 1
        if node.attribute("mode") == "replicate":
            at = [min(max(p, 0), last) for p in places]
        else:
            at = [last - abs(last - abs(p)) for p in places]
        x = x.index_select(axis, torch.tensor(at))
    return x


def _pad(node, x):
    if node.attribute("mode") != "constant":
        return _pad_by_itself(node, x)
    before, after = int(node.attribute("channels_begin")), int(node.attribute("channels_end"))
    amounts = _amounts(node.attribute("pad_begin"), node.attribute("pad_end"))
    return F.pad(x, amounts + [before, after], value=float(node.attribute("value")))


def _slice(node, x):
    index = [slice(None)] * 5
    stop = node.attribute("stop")
    index[int(node.attribute("axis"))] = slice(int(node.attribute("start")),
                                               None if stop is None else int(stop),
                                               int(node.attribute("step")))
    return x[tuple(index)]


def _shuffle(node, x):
    groups = int(node.attribute("groups"))
    parts = x.reshape(1, groups, x.shape[1] // groups, *x.shape[2:])
    return parts.transpose(1, 2).reshape(x.shape)


def _fold(function, inputs):
    total = inputs[0]
    for other in inputs[1:]:
        total = function(total, other)
    return total


SIMPLE = {
    "relu": F.relu, "relu6": F.relu6, "silu": F.silu, "sigmoid": torch.sigmoid,
    "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid,
    "softmax": lambda x: torch.softmax(x, 1),
    "identity": lambda x: x.clone(),       # a clone: its gradient is its own
    "flatten": lambda x: x.reshape(1, -1, 1, 1, 1),
    "globalavgpool": lambda x: x.mean((2, 3, 4), keepdim=True),
    "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "mish": F.mish, "tanh": torch.tanh,
}


def _elu(x, alpha, scale, input_scale):
    return scale * torch.where(x > 0, x, alpha * (torch.exp(input_scale * x.clamp(max=0)) - 1))


PARAMETRIC = {                             # activations with numbers: function, their attributes in its order
    "leakyrelu": (F.leaky_relu, ("negative_slope",)), "elu": (_elu, ("alpha", "scale", "input_scale")),
    "softplus": (F.softplus, ("beta", "threshold")), "clip": (torch.clamp, ("min", "max")),
}


def apply_node(node, inputs):
    """The output of one node for torch inputs 1 x C x T x H x W."""
    x = inputs[0]

    def weight(name):
        return torch.from_numpy(node.weights[name]).to(x.dtype) if name in node.weights else None

    if node.op in SIMPLE:
        return SIMPLE[node.op](x)
    if node.op in PARAMETRIC:
        function, names = PARAMETRIC[node.op]
        return function(x, *(float(node.attribute(name)) for name in names))
    if node.op == "prelu":
        return F.prelu(x, weight("slope"))
    if node.op in ("add", "mul"):          # torch broadcasting covers SPEC 2's
        return _fold(torch.add if node.op == "add" else torch.mul, inputs)
    if node.op == "concat":
        return torch.cat(inputs, int(node.attribute("axis")))
    if node.op == "upsample":
        for axis, factor in zip((2, 3, 4), node.attribute("factor")):
            x = x.repeat_interleave(int(factor), axis)
        return x
    if node.op in ("maxpool3d", "avgpool3d"):
        return _pool(node, x)
    if node.op in CLIP_NORMS:
        return _clip_norm(node, x, weight)
    if node.op in ("conv3d", "linear", "batchnorm"):
        return {"conv3d": _conv3d, "linear": _linear, "batchnorm": _batchnorm}[node.op](node, x, weight)
    return {"pad": _pad, "slice": _slice, "channel_shuffle": _shuffle}[node.op](node, x)


def _tensor(array, dtype):
    return torch.from_numpy(np.ascontiguousarray(array)).to(DTYPES[dtype]).unsqueeze(0)


def _array(tensor):
    return tensor.detach().squeeze(0).numpy()


def run(graph, x, dtype="float32"):
    """Tensor name -> C x T x H x W, "input" included; x is the prepared clip."""
    values = {"input": _tensor(x, dtype)}
    with torch.no_grad():
        for node in graph.nodes.values():
            values[node.name] = apply_node(node, [values[i] for i in node.inputs])
    return {name: _array(value) for name, value in values.items()}


def run_turned(graph, x, other, turned, dtype="float32"):
    """As run, with the tensors of `turned` (name -> factor) moved towards those of `other`: y becomes
    b + factor * (y - b)."""
    values = {"input": _tensor(x, dtype)}
    with torch.no_grad():
        for node in graph.nodes.values():
            value = apply_node(node, [values[i] for i in node.inputs])
            if node.name in turned:
                base = _tensor(other[node.name], dtype)
                value = base + turned[node.name] * (value - base)
            values[node.name] = value
    return {name: _array(value) for name, value in values.items()}


def gradients(graph, x, class_index, dtype="float32"):
    """(values, gradients) of the logit of class_index at every tensor, "input" included.

    A tensor that the logit does not depend on has the gradient 0.
    """
    values = {"input": _tensor(x, dtype).requires_grad_()}
    for node in graph.nodes.values():
        values[node.name] = apply_node(node, [values[i] for i in node.inputs])
        values[node.name].retain_grad()
    values[graph.logits_node()].reshape(-1)[class_index].backward()
    grads = {name: np.zeros(v.shape[1:], v.detach().numpy().dtype) if v.grad is None else _array(v.grad)
             for name, v in values.items()}
    return {name: _array(value) for name, value in values.items()}, grads


def backward_node(node, inputs, grad_output, dtype="float32"):
    """Backward-data of one node: the gradient at each of its inputs (numpy in, numpy out)."""
    leaves = [_tensor(value, dtype).requires_grad_() for value in inputs]
    apply_node(node, leaves).backward(_tensor(grad_output, dtype))
    return [_array(leaf.grad) for leaf in leaves]
