"""The same work in PyTorch, eager and compiled. It is timed as the program is, from a clip to results in host memory."""
from __future__ import annotations

import gc
import time
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import torch

from . import descent
from .report import first_line, median

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PUBLISHED_DEPTH = 2          # kernel layers below the classifier that are stepped through: --depth 3 of the published code

CANNOT = (RuntimeError, TypeError, ValueError, AssertionError, ImportError, MemoryError)  # as PyTorch says that it cannot


def arithmetic(precision: str) -> None:
    """tf32 is what PyTorch computes convolutions in by default; fp32 is exact."""
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"
    torch.backends.cudnn.benchmark = True


class Timer:
    def __init__(self, device: str, runs: int, warmup: int):
        self.device, self.runs, self.warmup = device, runs, max(1, warmup)  # the first run allocates, compiles, tunes

    def wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()

    def __call__(self, work: Callable[[], object]) -> float:
        """Median milliseconds."""
        times: List[float] = []
        for run in range(-self.warmup, self.runs):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            if run >= 0:
                times.append((time.perf_counter() - start) * 1e3)
        return median(times)


class Peer:
    """A network in one precision on one device; channels last, which PyTorch's convolutions like best."""

    def __init__(self, case, precision: str, batch: int, device: str):
        arithmetic(precision)
        self.case, self.device, self.dtype = case, device, DTYPES[precision]
        self.module = case.module().to(device=device, dtype=self.dtype, memory_format=torch.channels_last_3d)
        self.clip = torch.randn(batch, *case.input_shape())
        if device != "cpu":
            self.clip = self.clip.pin_memory()
        self.inputs: Dict[str, torch.Tensor] = {}
        self.outputs: Dict[str, torch.Tensor] = {}

    def put(self) -> torch.Tensor:
        return self.clip.to(self.device, self.dtype, non_blocking=True).contiguous(memory_format=torch.channels_last_3d)

    def forward(self, run: Optional[Callable] = None) -> torch.Tensor:
        with torch.no_grad():
            return (self.module if run is None else run)(self.put()).float().cpu()

    def kept(self, gradients: bool) -> torch.Tensor:
        """The logits; what every kernel layer reads and writes is kept."""
        kernels = (torch.nn.Conv3d, torch.nn.Linear)

        def keep(name):
            def hook(module, inputs, out):
                self.inputs[name], self.outputs[name] = inputs[0], out
            return hook
        hooks = [m.register_forward_hook(keep(name)) for name, m in self.module.named_modules() if isinstance(m, kernels)]
        with torch.set_grad_enabled(gradients):
            logits = self.module(self.put().requires_grad_(gradients))
        for hook in hooks:
            hook.remove()
        return logits

    def descend(self) -> Callable[[], object]:
        names = self.case.chain(PUBLISHED_DEPTH)
        if not names:
            raise RuntimeError("the published code has no way for branches")
        class_index = int(self.kept(False)[0].argmax())
        modules = dict(self.module.named_modules())
        layers, inputs = [modules[n] for n in names], [self.inputs[n] for n in names]
        return lambda: [descent.descend(layers, inputs, class_index, item) for item in range(len(self.clip))]

    def gradients(self) -> Callable[[], object]:
        """The gradient of the top class at what each kernel layer reads, and the mean of activation times gradient."""
        logits = self.kept(True)
        score = logits.max(1)[0].sum()
        inputs = list({id(x): x for x in self.inputs.values() if x.requires_grad}.values())

        def work():
            found = torch.autograd.grad(score, inputs, retain_graph=True)
            return torch.cat([(x * g).flatten(2).mean(2).flatten() if x.ndim == 5 else (x * g).flatten()
                              for x, g in zip(inputs, found)]).cpu()
        return work

    def tubes(self) -> Callable[[], object]:
        """Of every convolution half of its channels summed, resized to the clip, scaled to [0, 1]."""
        self.kept(False)
        maps = [x for x in self.outputs.values() if x.ndim == 5]
        masks = [(torch.arange(x.shape[1], device=x.device) % 2).to(x.dtype).reshape(1, -1, 1, 1, 1) for x in maps]
        size = tuple(self.clip.shape[2:])

        def work():
            for x, mask in zip(maps, masks):
                tube = torch.nn.functional.interpolate((x * mask).sum(1, keepdim=True).float(), size, mode="trilinear",
                                                       align_corners=False)
                low, high = tube.amin((2, 3, 4), keepdim=True), tube.amax((2, 3, 4), keepdim=True)
                ((tube - low) / (high - low).clamp_min(1e-20)).cpu()
        return work


def measure(case, precision: str, batch: int, device: str, timer: Timer, ways: Sequence[str]) -> Tuple[Dict[str, Dict[str, float]],
                                                                                               List[str]]:
    """({"eager": {stage: ms}, "compile": {"forward": ms}} of the `ways` that are asked for, what PyTorch could not do)."""
    found: Dict[str, Dict[str, float]] = {way: {} for way in ways}
    notes: List[str] = []
    where = f"{case.name}, {precision}, batch {batch}"

    def attempt(way: str, stage: str, work: Callable[[], Callable[[], object]]) -> None:
        try:
            found[way][stage] = timer(work())
        except CANNOT as problem:
            notes.append(f"{where}: PyTorch {way} {stage}: {first_line(problem)}")
    try:
        peer = Peer(case, precision, batch, device)
    except CANNOT as problem:
        return found, [f"{where}: PyTorch: {first_line(problem)}"]
    if "eager" in ways:
        attempt("eager", "forward", lambda: peer.forward)
        attempt("eager", "descent", peer.descend)
        attempt("eager", "grad", peer.gradients)
        attempt("eager", "tubes", peer.tubes)
    peer.inputs.clear(), peer.outputs.clear()
    if "compile" in ways and hasattr(torch, "compile"):
        torch._dynamo.reset()
        fast = torch.compile(peer.module, mode="default" if device == "cpu" else "max-autotune")
        attempt("compile", "forward", lambda: lambda: peer.forward(fast))
    elif "compile" in ways:
        notes.append(f"torch.compile: PyTorch {torch.__version__} has none")
    return found, notes


def release() -> None:
    """Frees the device memory that PyTorch keeps, because the program, another process, is timed next."""
    gc.collect()
    if hasattr(torch, "compile"):
        torch._dynamo.reset()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def floors(device: str, timer: Timer, small: bool) -> Tuple[Dict[str, float], float]:
    """(FLOP/s of a large matrix product in each precision, bytes/s of a large copy), measured."""
    n = 256 if small else 8192
    peaks: Dict[str, float] = {}
    for precision, dtype in DTYPES.items():
        arithmetic(precision)
        try:
            a, b = (torch.randn(n, n).to(device, dtype) for _ in range(2))
            peaks[precision] = 2.0 * n ** 3 / (timer(lambda: a @ b) * 1e-3)
        except RuntimeError:
            continue                            # a processor without fp16
    source = torch.ones((1 << 20) if small else (1 << 28), device=device)
    to = torch.empty_like(source)
    return peaks, 2.0 * source.numel() * 4 / (timer(lambda: to.copy_(source)) * 1e-3)


def versions(device: str) -> Dict[str, str]:
    found = {"PyTorch": torch.__version__}
    if device != "cpu":
        found.update({"PyTorch's CUDA": str(torch.version.cuda), "PyTorch's cuDNN": str(torch.backends.cudnn.version())})
    return found
