#!/usr/bin/env python3
"""The job of `cfp-gpu batch` as a PyTorch user writes it. tools/compare-batch starts it as a process of its own.

    batch_peer.py MODE SPEC CLIPS OUT.h5 BATCH WORKERS THREADS

A DataLoader decodes the clips of the text file CLIPS in worker processes (PyAV where it is installed, else OpenCV), the
network runs on batches of them, Grad-CAM explains the top class on the last map of positions, and a clip's logits and its
heat map go into OUT.h5.

MODE is eager (the module as it is; the gradient by autograd, from the logits back to that map and no further) or best (the
module traced, frozen and optimised for inference; the gradient in closed form, which a pooled mean before a linear
classifier has: the class's row of weights).  The last line says as JSON: seconds from the loaded network to the closed
file, the number of clips, the decoder's name.
"""
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import cv2  # noqa: E402
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from cpubench.worker import in_place, module_of  # noqa: E402

try:
    import av
except ImportError:
    av = None


def window(total, frames):
    """The frames in the middle of a clip of that many; a short clip repeats its last frame."""
    first = max(0, (total - frames) // 2)
    return [min(first + t, total - 1) for t in range(frames)]


def decode_av(path, frames):
    """Seeks to the window, decodes it, and stops behind it."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        wanted = window(stream.frames, frames)
        tick = 1 / (stream.average_rate * stream.time_base)      # of the time base, a frame
        start = stream.start_time or 0
        if wanted[0]:
            container.seek(int(start + wanted[0] * tick), stream=stream, backward=True)
        found = {}
        for frame in container.decode(stream):
            number = round((frame.pts - start) / tick)
            if wanted[0] <= number <= wanted[-1]:
                found[number] = frame.to_ndarray(format="rgb24")
            if number >= wanted[-1]:
                break
    return [found[number] for number in wanted]


def decode_cv(path, frames):
    reader = cv2.VideoCapture(path)
    wanted = window(int(reader.get(cv2.CAP_PROP_FRAME_COUNT)), frames)
    reader.set(cv2.CAP_PROP_POS_FRAMES, wanted[0])
    found = {}
    for number in range(wanted[0], wanted[-1] + 1):
        there, picture = reader.read()
        if not there:
            break
        found[number] = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return [found[number] for number in wanted]


class Clips(torch.utils.data.Dataset):
    """[C, T, H, W] float32 of each clip: stretched to the network's size, normalised as its model file says."""

    def __init__(self, paths, spec):
        self.paths, self.spec = paths, spec

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, number):
        channels, frames, size = self.spec["shape"]
        pictures = (decode_av if av else decode_cv)(self.paths[number], frames)
        small = np.stack([cv2.resize(p, (size, size), interpolation=cv2.INTER_LINEAR) for p in pictures]).astype(np.float32)
        if self.spec["color"] == "BGR":
            small = small[..., ::-1]
        small /= np.float32(self.spec["scale"])
        small -= np.array(self.spec["mean"], np.float32)
        small /= np.array(self.spec["std"], np.float32)
        return torch.from_numpy(np.ascontiguousarray(small.transpose(3, 0, 1, 2)))


def last_map(module, x):
    """The module that gives the last tensor of several positions, and the classifier behind it."""
    seen = []
    hooks = [m.register_forward_hook(lambda m, _, out: seen.append((m, out)))
             for m in module.modules() if not list(m.children())]
    with torch.no_grad():
        module(x)
    for hook in hooks:
        hook.remove()
    maps = [k for k, (m, out) in enumerate(seen) if torch.is_tensor(out) and out.dim() == 5 and out[0, 0].numel() > 1]
    linear = [m for m, _ in seen if isinstance(m, (torch.nn.Linear, torch.nn.Conv3d))][-1]
    return seen[maps[-1]][0], linear


class Eager:
    """Grad-CAM by hooks and autograd.  Before the map nothing asks for a gradient, so nothing is kept for one."""

    def __init__(self, spec, x):
        self.module = module_of(spec)
        self.at, _ = last_map(self.module, x)
        in_place(self.module, x)
        self.map = None
        self.at.register_forward_hook(self.keep)

    def keep(self, module, inputs, output):
        self.map = output.detach().requires_grad_(True)
        return self.map.clone()                   # what follows may work in place

    def __call__(self, x):
        with torch.enable_grad():
            logits = self.module(x)
            top = logits.argmax(1)
            gradient, = torch.autograd.grad(logits.gather(1, top[:, None]).sum(), self.map)
        weights = gradient.mean((2, 3, 4), keepdim=True)
        return logits.detach(), torch.relu((weights * self.map.detach()).sum(1))


class Best:
    """Traced and frozen: the network gives its logits and its last map."""

    class Both(torch.nn.Module):
        def __init__(self, module, at):
            super().__init__()
            self.module, self.seen = module, None
            at.register_forward_hook(self.keep)

        def keep(self, module, inputs, output):
            self.seen = output

        def forward(self, x):
            logits = self.module(x)
            return logits, self.seen.clone()

    def __init__(self, spec, x):
        module = module_of(spec)
        at, linear = last_map(module, x)
        self.row = linear.weight.detach().flatten(1)
        both = self.Both(module, at).eval()
        with torch.no_grad():
            self.run = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(both, x, check_trace=False)))
            for _ in range(2):
                self.run(x)

    def __call__(self, x):
        with torch.no_grad():
            logits, seen = self.run(x)
            weights = self.row[logits.argmax(1)] / seen[0, 0].numel()
            return logits, torch.relu(torch.einsum("nk,nkthw->nthw", weights, seen))


def main():
    mode, spec, clips, out, batch, workers, threads = sys.argv[1:]
    spec, batch, workers = json.loads(spec), int(batch), int(workers)
    torch.set_num_threads(int(threads))
    cv2.setNumThreads(1)
    channels, frames, size = spec["shape"]
    run = {"eager": Eager, "best": Best}[mode](spec, torch.zeros(batch, channels, frames, size, size))
    paths = Path(clips).read_text().split("\n")[:-1]
    start = time.perf_counter()
    loader = torch.utils.data.DataLoader(Clips(paths, spec), batch_size=batch, num_workers=workers)
    with h5py.File(out, "w") as file:
        for k, x in enumerate(loader):
            for n, (logits, heat) in enumerate(zip(*run(x))):
                group = file.create_group(f"clips/{k * batch + n:06d}")
                group["logits"] = logits.numpy()
                group.create_dataset("map", data=heat.numpy(), chunks=True, compression="gzip", shuffle=True)
    print(json.dumps({"seconds": time.perf_counter() - start, "clips": len(paths),
                      "decoder": f"PyAV {av.__version__}" if av else f"OpenCV {cv2.__version__}"}))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)                                   # a DataLoader's workers can hang at exit; the file is closed
