"""A PyTorch module that reads two clips, as one that reads one: SlowFast as PySlowFast and pytorchvideo have it."""
from __future__ import annotations

import inspect
from typing import List, Optional

import torch
from torch import nn

from .failure import ImportFailure
from .pathways import RATIOS, slow_frames
from .profiles import Profile


def _takes_two(module: nn.Module) -> bool:
    """forward(slow, fast); else forward([slow, fast])."""
    wanted = [parameter for parameter in inspect.signature(module.forward).parameters.values()
              if parameter.default is parameter.empty and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)]
    return len(wanted) > 1


def join(module: nn.Module, frames: int, ratio: int) -> None:
    """From now on it reads the fast clip alone. Its parts keep their names, for it gets a class, not a module around it."""
    count = len(slow_frames(frames, ratio))
    kind, two, at = type(module), _takes_two(module), torch.linspace(0, frames - 1, count).long()

    class Joined(kind):
        def forward(self, clip):
            slow = clip.index_select(2, at)
            return kind.forward(self, slow, clip) if two else kind.forward(self, [slow, clip])

    Joined.__name__, Joined.__qualname__, Joined.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    module.__class__ = Joined


def _ratios(module: nn.Module, profile: Profile) -> List[int]:
    """Those with which it runs on two clips."""
    kind = next((p.dtype for p in module.parameters()), torch.float32)
    found = []
    for ratio in RATIOS:
        if profile.frames % ratio or profile.frames == ratio:
            continue
        try:
            fast = torch.zeros(1, profile.channels, profile.frames, profile.size, profile.size, dtype=kind)
            slow = fast[:, :, :profile.frames // ratio]
            with torch.no_grad():
                module(slow, fast) if _takes_two(module) else module([slow, fast])
        except (Exception, SystemExit):  # whatever the module's code raises
            continue
        found.append(ratio)
    return found


def ratio_of(what: object, module: nn.Module, profile: Profile) -> Optional[int]:
    """The one ratio with which it runs on two clips; None if there is none. ImportFailure if there are several."""
    found = _ratios(module, profile)
    if len(found) > 1:
        raise ImportFailure(f"{what}: reads a second input: a slow and a fast clip, it seems, but its layers do not tell how many frames of the "
                            f"fast one are for one of the slow one: --alpha says it (it runs with {', '.join(map(str, sorted(found)))})")
    return found[0] if found else None
