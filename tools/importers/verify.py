"""Compares an imported network with the module from which it came.

A tracer follows one path through a module's code. If the code looks at the clip (`if x.mean() > 0`), another clip takes another
path, and neither the graph of torch.fx nor that of ONNX shows it. So both are run on clips that differ in level and contrast.
"""
from __future__ import annotations

import copy
import warnings
from typing import Dict, List, Optional, Sequence

import numpy as np
import torch
from run_model_file import OPS
from torch import nn

from .failure import ImportFailure
from .heads import by_name, in_order
from .module_factory import out_of_memory, words
from .network import Network
from .progress import report
from .views import times

CLIPS = ((0.0, 1.0), (-2.0, 0.3), (2.0, 50.0), (1.0, 0.0))   # mean and deviation
CLIP_NORMS = ("instancenorm", "groupnorm", "layernorm")
CLOSE = 1e-3                                    # of the largest score: rounding is far below, another path far above


def run_network(net: Network, tensors: Dict[str, np.ndarray], outputs: List[str], x: torch.Tensor) -> List[torch.Tensor]:
    """The scores of N x C x T x H x W, of each output."""
    values = {"input": x}
    last_reader = {name: node.name for node in net.nodes.values() for name in node.inputs}
    for node in net.nodes.values():
        data = {dataset: torch.from_numpy(np.array(tensors[key])).to(x.dtype) for dataset, key in node.parameters.items()}
        values[node.name] = OPS[node.op]([values[name] for name in node.inputs], node.attributes, data)
        for name in set(node.inputs):
            if last_reader[name] == node.name and name not in outputs:
                del values[name]
    return [values[output].flatten(1) for output in outputs]


def check_same(what: str, module: nn.Module, net: Network, tensors: Dict[str, np.ndarray], outputs: List[str],
               heads: Sequence[str] = ()) -> Optional[str]:
    """ImportFailure where the network's scores are not the module's. What a user should know, if that was not asked."""
    kind = next((p.dtype for p in module.parameters()), torch.float32)
    if kind in (torch.float16, torch.bfloat16):  # which PyTorch does not convolve on every CPU
        try:
            module, kind = copy.deepcopy(module).float(), torch.float32
        except Exception:  # whatever the module's code does
            return f"{what}: was not run to compare, for it is in half precision and cannot be copied"
    generator = torch.Generator().manual_seed(1)
    agree, normed = [], any(node.op in CLIP_NORMS for node in net.nodes.values())
    for clip, (mean, deviation) in enumerate(CLIPS):
        report("compare with the module", clip, len(CLIPS))
        try:
            deviation = deviation or (0.01 if normed else 0.0)  # a norm of a constant clip is a norm of its rounding
            x = mean + deviation * torch.randn(1, *net.input, generator=generator)
            want = _scores(what, module, x.to(kind, copy=True), heads)  # its own: it may change its input
            with torch.no_grad():
                got = run_network(net, tensors, outputs, x)
                got = [one.log_softmax(1) for one in got] if net.ends_in_log else got
        except (MemoryError, RuntimeError) as problem:
            if not out_of_memory(problem):
                raise ImportFailure(f"{what}: a fault of this importer: what it made of the module does not run: {words(problem)}") from None
            raise ImportFailure(f"{what}: not enough memory to run it on a clip of {times((1, *net.input))}") from None
        agree.append(_all_close(got, want))
        if not agree[-1] and not _all_close(_scores(what, module, x.to(kind, copy=True), heads), want):
            raise ImportFailure(f"{what}: gives other scores each time that it is run: are there random numbers in it?")
    report("compare with the module", len(CLIPS), len(CLIPS))
    if not any(agree):
        raise ImportFailure(f"{what}: what was traced gives other scores than the module, on each of {len(agree)} clips: its code looks "
                            "at the clip itself (if x.mean() > 0), or this importer has a fault")
    if not all(agree):
        raise ImportFailure(f"{what}: what was traced does not compute what the module does on every clip ({sum(agree)} of {len(agree)} "
                            "agree): its code looks at the clip itself (if x.mean() > 0)")
    return None


def _all_close(got: Sequence[torch.Tensor], want: Sequence[torch.Tensor]) -> bool:
    """Of each head."""
    return len(got) == len(want) and all(_close(*pair) for pair in zip(got, want))


def _close(got: torch.Tensor, want: torch.Tensor) -> bool:
    return got.shape == want.shape and bool((got - want).abs().max() <= CLOSE * max(float(want.abs().max()), 1e-6))


def _scores(what: str, module: nn.Module, x: torch.Tensor, heads: Sequence[str]) -> List[torch.Tensor]:
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = module(x)
            if heads:
                made = list((by_name if isinstance(made, dict) else in_order)(what, heads, made).values())
            elif isinstance(made, dict):
                made = list(made.values())[:1]
            made = list(made) if isinstance(made, (tuple, list)) else [made]
            return [one.float().reshape(1, -1) for one in (made if heads else made[:1])]
    except (Exception, SystemExit) as problem:  # whatever the module's code raises
        if out_of_memory(problem):
            raise
        raise ImportFailure(f"{what}: running it on a clip failed: {words(problem)}") from None
