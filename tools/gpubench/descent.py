"""The back-step of the published code, in PyTorch, as its users run it: a Python loop over the selected kernels.

For each selected kernel it multiplies the mean over the kernel's taps by the mean activation of each input, divides by the
sum, and scales between minimum and maximum. Inputs that reach theta are selected in the layer below. Grouped kernels are
expanded as in the published code. It is written from the method (SPEC 1, rule reference), not copied. In one thing it is
faster: a kernel that several others demand is visited once, in the published code once for each path to it.
"""
from __future__ import annotations

from typing import Dict, List, Sequence, Set

import torch

THETA = 0.6


def scaled(values: torch.Tensor) -> torch.Tensor:
    low, high = values.min(), values.max()
    return (values - low) / (high - low)        # 0/0 is NaN, which reaches no theta: nothing is selected


def class_step(weight: torch.Tensor, class_index: int, theta: float) -> List[int]:
    """The classifier's weights alone, scaled over the whole matrix."""
    rows = scaled(weight.flatten(1))
    return torch.nonzero(rows[class_index] >= theta).flatten().tolist()


def kernel_step(kernel: torch.Tensor, activation: torch.Tensor, groups: int, theta: float) -> List[int]:
    """Inputs of one kernel: kernel is I/groups x taps, activation C x T x H x W, pooled anew at every visit as published."""
    means = kernel.flatten(1).mean(1)
    if groups > 1:
        means = means.repeat_interleave(groups)
    values = means * activation.mean((1, 2, 3))
    values = values / values.sum()
    return torch.nonzero(scaled(values) >= theta).flatten().tolist()


def descend(layers: Sequence[torch.nn.Module], inputs: Sequence[torch.Tensor], class_index: int, item: int = 0,
            theta: float = THETA) -> List[Set[int]]:
    """layers: the classifier, then the layers before it; inputs: the input of each, N x C x T x H x W.

    Returns the selected kernels of each layer before the classifier, and of the one that would come next.
    """
    selected: List[Set[int]] = [set(class_step(layers[0].weight, class_index, theta))]
    for layer, x in zip(layers[1:], inputs[1:]):
        found: Dict[int, None] = {}
        for kernel in sorted(selected[-1]):
            found.update(dict.fromkeys(kernel_step(layer.weight[kernel], x[item], getattr(layer, "groups", 1), theta)))
        selected.append(set(found))
    return selected
