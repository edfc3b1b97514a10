"""The networks that are timed. Each is described once, and made as a model file and a PyTorch module with equal weights."""
from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Tuple

ROOT = Path(__file__).resolve().parents[2]
SEED, CLASSES = 7, 400

# name: frames, size; as cuda/README.md has them
NETWORKS: Dict[str, Tuple[int, int]] = {
    "resnet-50": (16, 224), "resnet-101": (16, 224), "resnet-152": (16, 224), "resnext-101": (16, 224), "mfnet": (16, 224),
    "i3d": (16, 224), "densenet-121": (16, 112), "resnet2p1d-34": (16, 112), "x3d-m": (16, 224),
    "motion": (0, 0)}                         # the one that ships: its own weights and size
MORE: Dict[str, Tuple[int, int]] = {          # of tools/compare-torch besides
    "r3d-18": (16, 112), "mc3-18": (16, 112), "r2plus1d-18": (16, 112), "s3d": (16, 224), "slowfast-r50": (32, 224)}

# A demand goes through these to the one tensor that they read; at a sum the published code follows the first (SPEC 1).
PASSED = {"batchnorm", "relu", "relu6", "silu", "sigmoid", "hardswish", "hardsigmoid", "leakyrelu", "softmax", "identity", "flatten",
          "maxpool3d", "avgpool3d", "globalavgpool", "add", "mul"}
KERNEL_LAYERS = ("conv3d", "linear")


def torch_module(name: str, layout: str, width: Callable[..., int], shape: Tuple[int, int, int], weights: Mapping):
    """The PyTorch module that the tests of the importers know by that name, with these weights (arrays of NumPy, one after the
    other: a mapping that reads each from a file holds one at a time). shape: channels, frames, size."""
    import torch
    sys.path.insert(0, str(ROOT / "tests" / "importers"))
    networks = importlib.import_module("networks").NETWORKS
    if (name, layout) not in networks:
        raise RuntimeError(f"{name}: no PyTorch module is here (torchvision is missing)")
    module = networks[name, layout](CLASSES, width, *shape).eval().requires_grad_(False)
    into = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    lost = sorted({key for key in into if not key.endswith("num_batches_tracked")} ^ set(weights))
    if lost:
        raise RuntimeError(f"{name}: the PyTorch module does not take the weights: {', '.join(lost[:5])}")
    for key in weights:
        if into[key].shape != weights[key].shape:
            raise RuntimeError(f"{name}: the PyTorch module does not take the weights: {key}")
        into[key].copy_(torch.from_numpy(weights[key]))
    return module


class Case:
    """One network at one size. width, frames and size: None as published, else made small (for tests)."""

    def __init__(self, name: str, width: Optional[float] = None, frames: Optional[int] = None, size: Optional[int] = None):
        self.name = name
        self.shipped = name == "motion"
        self.tensors: Optional[dict] = None
        self.lacks: Optional[ImportError] = None  # the Python package without which only a model file that is there can be timed
        self.small = (width, frames, size) != (None, None, None)
        if self.shipped:
            return
        try:
            architectures = importlib.import_module("importers.architectures")
        except ImportError as problem:
            self.lacks = problem
            return
        network = importlib.import_module("importers.network")
        profiles = importlib.import_module("importers.profiles").PROFILES
        self.layout = architectures.ARCHITECTURES[name][0]
        self.factor = width or 1
        self.width = architectures.scaled(self.factor)
        frames, size = (given or published for given, published in zip((frames, size), {**NETWORKS, **MORE}[name]))
        self.profile = replace(profiles[self.layout.profile], frames=frames, size=size, frame_stride=1, resize=None, resize_short=0)
        self.net = network.Network(self.profile.channels, frames, size, size)
        self.output = self._build(self.net)

    def _build(self, net) -> str:
        return self.layout.build(net, CLASSES, self.width)

    def weights(self) -> dict:
        if self.tensors is None:
            self.tensors = importlib.import_module("importers.random_weights").random_weights(self.net, self._build, SEED)
        return self.tensors

    def model_file(self, folder: Path) -> Path:
        """The model file, which is made if it is missing. Raises ImportError if Python has no h5py."""
        if self.shipped:
            return ROOT / "weights" / "motion.h5"
        stem = self.name
        if self.small and not self.lacks:         # never taken for the published one, nor for one of another size
            stem += "-" + "x".join(str(n) for n in (self.factor, self.profile.frames, self.profile.size))
        path = folder / f"{stem}.h5"
        if self.lacks and (self.small or not path.is_file()):
            raise self.lacks
        if not path.is_file():
            write = importlib.import_module("importers.write")
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / f"{stem}.part.h5"
            part.unlink(missing_ok=True)          # of a run that was interrupted
            write.write_model(part, self.net, self.output, self.weights(), self.profile, [f"class {i}" for i in range(CLASSES)],
                              name=self.name, source=f"random weights, seed {SEED}")
            part.rename(path)
        return path

    def input_shape(self) -> Tuple[int, int, int, int]:
        return (3, 16, 64, 64) if self.shipped else self.net.input

    def module(self):
        """The network in PyTorch, with the weights of the model file; the one that ships with PyTorch's random ones."""
        if self.shipped:
            return importlib.import_module("motion_net").MotionNet().eval().requires_grad_(False)
        if self.lacks:
            raise self.lacks
        channels, frames, size, _ = self.net.input
        module = torch_module(self.name, self.layout.name, self.width, (channels, frames, size), self.weights())
        for inner in module.modules():
            if hasattr(inner, "inplace"):
                inner.inplace = False         # what hooks keep must stay as it was
        return module

    def chain(self, depth: int) -> List[str]:
        """The classifier and up to `depth` kernel layers before it, as the published code walks; [] if there is a branch."""
        if self.shipped:
            return []
        names: List[str] = []
        at = self.output
        while len(names) <= depth:
            while at in self.net.nodes and self.net.nodes[at].op in PASSED:
                at = self.net.nodes[at].inputs[0]
            node = self.net.nodes.get(at)
            if node is None or node.op not in KERNEL_LAYERS:
                return []
            names.append(at)
            at = node.inputs[0]
        return names

    def traffic(self) -> Optional[Tuple[int, int]]:
        """Numbers that a clip's forward pass has to move (each kernel layer reads its input and writes its output, once; the rest
        fused), and weights."""
        if self.shipped or self.lacks:
            return None

        def count(shape) -> int:
            total = 1
            for n in shape:
                total *= n
            return total
        moved = 0
        for node in self.net.nodes.values():
            if node.op in KERNEL_LAYERS:
                source = node.inputs[0]
                moved += count(node.shape) + count(self.net.nodes[source].shape if source in self.net.nodes else self.net.input)
        weights = sum(count(shape) for key, shape in self.net.wanted.items() if key.endswith("weight") and len(shape) > 1)
        return moved, weights
