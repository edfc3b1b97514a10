"""Why an operation of a framework has no counterpart in a model file, in the framework's words.

The names are those of PyTorch's modules and functions and of ONNX's operations, in small letters and without underscores.
"""
from __future__ import annotations

import re
from typing import Dict, List, Optional, Sequence, Tuple

from .views import REPEATED, Unmapped, View

_LETTERS = "NCTHW"
_NONE = "no counterpart"
_KINDS: Tuple[Tuple[str, str, bool], ...] = (  # names; why; whether what it gives has the shape of what it reads
    ("softsign hardshrink softshrink tanhshrink shrink threshold thresholdedrelu logsigmoid glu "
     "erf", "an activation that a model file does not have", True),
    ("groupnorm groupnormalization localresponsenorm lrn", "normalises channels by the clip's own values", True),
    ("instancenorm instancenormalization meanvariancenormalization", "normalises by the clip's own mean and variance over T, H and W", True),
    ("layernorm layernormalization rmsnorm rmsnormalization simplifiedlayernormalization lpnormalization normalize",
     "normalises by the clip's own values", True),
    ("convtranspose", "a transposed convolution", False),
    ("deformconv", "a deformable convolution", False),
    ("upsample resize interpolate upsamplingnearest upsamplingbilinear pixelshuffle depthtospace gridsample affinegrid",
     "resizes or warps the map", False),
    ("rnn lstm gru rnncell lstmcell grucell", "is recurrent", False),
    ("multiheadattention scaleddotproductattention attention transformer transformerencoder transformerencoderlayer",
     "attention, which is a product of two tensors", False),
    ("bmm matmul mm baddbmm bilinear", "a product of two tensors", False),
    ("einsum", "an einsum; of constant weights, a linear layer or a convolution does the same", False),
    ("setitem", "writes into a part of a tensor", False),
    ("stack concatfromsequence", "joins tensors along a new dimension", False),
    ("roll", "moves values from one end of an axis to the other", False),
    ("circularpad reflectionpad1d reflectionpad2d replicationpad1d replicationpad2d", "pads by other values than a constant", False),
    ("avgpool1d avgpool2d adaptiveavgpool1d adaptiveavgpool2d maxpool1d maxpool2d adaptivemaxpool1d adaptivemaxpool2d",
     "a pool over fewer dimensions; 3 are wanted (T, H, W)", False),
    ("lppool lppool1d lppool2d globallppool fractionalmaxpool3d maxunpool3d maxunpool", "a pool that a model file does not have", False),
    ("loop scan", "a loop over the values of the clip", False),
    ("cumsum cumprod sort topk argmax argmin nonzero onehot unique", "orders or counts the values of the clip", False),
    ("sum reducesum prod reduceprod std var norm reducel1 reducel2 reducemin min amin logsumexp reducelogsumexp",
     "a reduction that a model file does not have", False),
    ("sin cos abs exp log sqrt rsqrt pow square sign floor ceil round reciprocal where greater less equal gt lt ge le eq ne maximum minimum",
     "arithmetic on the values of the clip that a model file does not have", True),
)
_WHY: Dict[str, Tuple[str, bool]] = {name: (why, same) for names, why, same in _KINDS for name in names.split()}


def without_counterpart(title: str, inputs: Sequence[object] = ()) -> Unmapped:
    """title: the operation as the framework calls it. Of an operation that keeps the shape, the first input stands for what it
    gives, so that what comes after it is looked at, too."""
    name = re.sub(r"[^a-z0-9]", "", title.rpartition(".")[2].lower())
    why, same = _WHY.get(name) or _WHY.get(re.sub(r"[123]d$", "", name)) or ("", False)
    first = next((value for value in inputs if isinstance(value, View)), None) if same else None
    return Unmapped(f"{why}: {_NONE}" if why else _NONE, first)


def normalises(title: str, x: View, dims: Optional[Sequence[int]]) -> Unmapped:
    """Of a norm over those dimensions of x."""
    letters = axes_of(x, dims)
    mixed = [what for what, some in (("channels", "C"), ("positions", "THW")) if set(some) & set(letters)]
    return Unmapped(f"{title} over {','.join(letters)} mixes {' and '.join(mixed)}: {_NONE}" if mixed else
                    f"{title}: {_NONE}", x)


def axes_of(x: View, dims: Optional[Sequence[int]]) -> List[str]:
    """The letters of the axes that those dimensions are (None: all)."""
    over = range(x.rank) if dims is None else [x.position(dim) for dim in dims]
    axes = {atom.axis for dim in over for atom in x.dims[dim] if atom.axis != REPEATED}
    return [letter for axis, letter in enumerate(_LETTERS) if axis in axes]
