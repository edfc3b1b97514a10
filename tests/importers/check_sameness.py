#!/usr/bin/env python3
"""Checks that every architecture of tools/import-checkpoint computes what PyTorch computes: logits, tensors, gradients.

For every layout: random weights, a model file, a clip of noise. The program runs the file (helper trace_dump, which writes
every tensor and its gradient of one logit); PyTorch runs a module that was written for the purpose, or torchvision's own,
with the same weights. Compared are all outputs of its leaf modules that the program kept, in the names of SPEC 2's file:
logits within 1e-4, gradients within 1e-3, and all other tensors within 1e-3 (with random weights a rounding error grows from
layer to layer). For every kernel layer at least one output must have been compared.

The error of a tensor is max|a - b| / max|b|. A gradient jumps where an activation lies on the kink of a relu, or where two cells
of a max pool's window are equal, and rounding decides on which side: so PyTorch's backward pass takes its relus and the winners
of its max pools as the program had them, and where the two differ the values must be the same to rounding.

By default one network of each kind is compared; --all compares every layout.
Small: a quarter of the width, 8 x 40 x 40 (torchvision's: all of it, its ResNets 8 x 24 x 24), PyTorch in float64.
--full: every layout, of the published width and size (16 frames at most), PyTorch in float32.

Usage: check_sameness.py --dump TRACE_DUMP [--all] [--full] [--only ARCH[:LAYOUT]]... [--device cpu,ref]
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "tools"), str(HERE)]

SEED, CLASSES = 11, 23
TOLERANCE = {"logits": 1e-4, "value": 1e-3, "grad": 1e-3}
ON_THE_KINK = 1e-4                     # of the largest activation: nearer to 0 than this, either side is right
SMALL = 8, 40                          # frames, size
SMALLEST = {"c3d": (16, 40), "densenet-121": (16, 40), "densenet-169": (16, 40), "densenet-201": (16, 40),
            # of their full width: 12, 6, 3, 2 cells halve as oddly as 20, 10, 5, 3 do, in half the time
            "r3d-18": (8, 24), "mc3-18": (8, 24), "r2plus1d-18": (8, 24)}
FULL_FRAMES = 16                       # at most: I3D and S3D were tested on longer clips
# Without --all, one network of each kind: every file of tools/importers/architectures has at least one here. The deeper and
# wider ones of a family repeat its blocks; tests six and layouts count their layers and compare their shapes.
REPRESENTATIVES = ("resnet-18:hara2020-shortcut-a", "resnet-50:hara2020", "resnext-101:hara2018", "densenet-121:hara2020",
                   "resnet2p1d-18:hara2020", "mfnet:mfnet", "i3d:piergiaj", "i3d:hassony2", "i3d-cfp:cfp", "i3d-flow:hassony2",
                   "r2plus1d-18:torchvision", "mc3-18:torchvision", "s3d:torchvision", "c3d:jfzhang95", "x3d-s:pytorchvideo",
                   "slowfast-r50:pytorchvideo")
SHORTCUT_A = ("resnet-18", "resnet-34", "resnet-50")
KERNEL_LAYERS = ("conv3d", "linear")


class Reference:
    """A PyTorch module's outputs and gradients, by the names of the model file's nodes."""

    def __init__(self, module, tensors, dtype):
        import torch
        self.module = module.eval().requires_grad_(False)
        found = self.module.load_state_dict({key: torch.from_numpy(t) for key, t in tensors.items()}, strict=False)
        lost = [key for key in found.missing_keys if not key.endswith("num_batches_tracked")] + found.unexpected_keys
        if lost:
            raise AssertionError(f"the reference module does not take the weights: {', '.join(lost[:5])}")
        self.module.to(dtype)
        self.dtype = dtype
        for inner in self.module.modules():
            if hasattr(inner, "inplace"):
                inner.inplace = False

    def run(self, x, class_index, comparison):
        """Shows every leaf module's output and gradient to the comparison, C x T x H x W each; returns the logits."""
        import torch
        calls = {}

        def array(tensor):
            shape = tuple(tensor.shape[1:])
            if len(shape) == 4 and shape[:3] == (1, 1, 1):   # a linear over channels-last
                shape = (shape[3], 1, 1, 1)
            return tensor.detach().numpy().reshape(shape + (1,) * (4 - len(shape)))

        def forward_hook(path):
            def hook(module, inputs, out):
                calls[path] = calls.get(path, -1) + 1
                name = path if calls[path] == 0 else f"{path}_{calls[path]}"
                if out.ndim not in (2, 5):
                    return None
                comparison.see("value", name, array(out))
                if isinstance(module, torch.nn.ReLU):
                    positive = comparison.sides(name, array(inputs[0]))
                    if positive is not None:
                        out = inputs[0] * torch.from_numpy(positive).to(self.dtype).reshape(inputs[0].shape)
                elif isinstance(module, torch.nn.MaxPool3d):
                    x, winners = comparison.winners(name, module, inputs[0])
                    if winners is not None:
                        out = x.flatten(2).gather(2, winners.flatten(2)).reshape(out.shape)
                out.register_hook(lambda g: comparison.see("grad", name, array(g)))
                return out
            return hook
        hooks = [inner.register_forward_hook(forward_hook(path)) for path, inner in self.module.named_modules()
                 if not list(inner.children())]
        logits = self.module(torch.from_numpy(x).to(self.dtype).requires_grad_())
        logits = logits.reshape(logits.shape[:2] + (-1,)).mean(-1)   # I3D's own code leaves the mean over T to its caller
        logits[0, class_index].backward()
        for hook in hooks:
            hook.remove()
        return logits.detach().numpy()[0]


def relative_error(got, want):
    import numpy as np
    top = np.abs(want).max()
    return float(np.abs(got - want).max() / (top if top > 0 else 1.0))


class Comparison:
    """Tensors of the program's dump against those of PyTorch as they come."""

    def __init__(self, dump, net):
        self.dump, self.net = dump, net
        self.wrong, self.worst, self.compared = [], {"value": 0.0, "grad": 0.0, "kinks": 0}, set()

    def see(self, kind, name, want):
        if name not in self.dump[kind]:
            return
        got = self.dump[kind][name][()]
        if got.shape != want.shape:
            self.wrong.append(f"/{kind}/{name}: shape {got.shape}, PyTorch {want.shape}")
            return
        off = relative_error(got, want)
        self.worst[kind] = max(self.worst[kind], off)
        if not off < TOLERANCE[kind]:
            self.wrong.append(f"/{kind}/{name}: error {off:.1e}")
        self.compared.add((kind, name))

    def sides(self, name, x):
        """Where the program's relu `name` let its input through; x: PyTorch's. None where the program kept no such tensor."""
        import numpy as np
        if name not in self.dump["value"]:
            return None
        positive = self.dump["value"][name][()] > 0
        other = positive != (x > 0)
        self.worst["kinks"] += int(other.sum())
        if other.any() and np.abs(x[other]).max() > ON_THE_KINK * np.abs(x).max():
            self.wrong.append(f"/value/{name}: on another side than PyTorch's {np.abs(x[other]).max():.1e}")
        return positive

    def winners(self, name, pool, x):
        """(what the pool reads, the cell of it that each window of the program's pool took: of equal ones the first).

        A pool that pads its input itself has a pad node before it. The cells are None where the program kept no such tensor.
        """
        import torch
        before = self.net.nodes[name].inputs[0] if name in self.net.nodes else ""
        if before not in self.dump["value"]:
            return x, None
        read = torch.from_numpy(self.dump["value"][before][()])[None]
        if read.shape != x.shape:
            pad = self.net.nodes[before].attributes
            x = torch.nn.functional.pad(x, [n for axis in (2, 1, 0) for n in (pad["pad_begin"][axis], pad["pad_end"][axis])])
        return x, torch.nn.functional.max_pool3d(read, pool.kernel_size, pool.stride, pool.padding, pool.dilation,
                                                 pool.ceil_mode, return_indices=True)[1]


def uncovered(net, compared):
    """Kernel layers of which nothing was compared: neither their outputs, nor what single readers make of these."""
    readers = {}
    for node in net.nodes.values():
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    for node in net.nodes.values():
        if node.op not in KERNEL_LAYERS:
            continue
        at = node
        while at.name not in compared and len(readers.get(at.name, [])) == 1:
            at = readers[at.name][0]
            if at.op in KERNEL_LAYERS:
                break
        if at.name not in compared:
            yield node.name


class Subject:
    """One layout: described; and, once made, with random weights as a model file and as a PyTorch module."""

    def __init__(self, arch, layout, full):
        from importers.architectures import scaled
        from importers.network import Network
        from importers.profiles import PROFILES
        from networks import FIXED_WIDTH, NETWORKS
        published = PROFILES[layout.profile]
        fixed = arch in FIXED_WIDTH
        if full:
            frames, size = min(published.frames, FULL_FRAMES), published.size
        else:
            frames, size = SMALLEST.get(arch, SMALL)
        self.profile = replace(published, frames=frames, size=size, frame_stride=1, resize=None, resize_short=0)
        self.classes = layout.classes if full or fixed else CLASSES
        self.class_index = 7 % self.classes
        width = scaled(1 if full or fixed else 0.25)

        def build(network):
            return layout.build(network, self.classes, width)
        self.net = Network(self.profile.channels, frames, size, size)
        self.output, self._build = build(self.net), build
        self._module = lambda: NETWORKS[arch, layout.name](self.classes, width, self.profile.channels, frames, size)

    def make(self, folder):
        from importers.random_weights import random_weights
        from importers.write import write_model
        self.tensors = random_weights(self.net, self._build, SEED)
        self.path = os.path.join(folder, "model.h5")
        write_model(Path(self.path), self.net, self.output, self.tensors, self.profile,
                    [f"class {i}" for i in range(self.classes)], name="network")

    def clip(self, path):
        """Coarse and fine noise, written to `path` as bytes; returns it as the network reads it, 1 x C x T x H x W."""
        import numpy as np
        _, frames, height, width = self.net.input
        rng = np.random.default_rng(5)
        coarse = rng.normal(0, 40, (-(-frames // 8), -(-height // 8), -(-width // 8), self.profile.channels))
        for axis in range(3):
            coarse = np.repeat(coarse, 8, axis)
        coarse = coarse[:frames, :height, :width]
        pixels = (coarse + rng.normal(120, 30, coarse.shape)).clip(0, 255).astype(np.uint8)
        np.save(path, pixels)
        x = pixels[..., ::-1] if self.profile.color == "BGR" else pixels
        scale, mean, std = (np.array(v, np.float32) for v in (self.profile.scale, self.profile.mean, self.profile.std))
        return np.ascontiguousarray(((x.astype(np.float32) / scale - mean) / std).transpose(3, 0, 1, 2)[None])

    def reference(self, dtype):
        return Reference(self._module(), self.tensors, dtype)


def compare(subject, dump, x, dtype):
    """A finished Comparison of the program's dump with PyTorch on the clip x."""
    import numpy as np
    c = Comparison(dump, subject.net)
    logits = subject.reference(dtype).run(x, subject.class_index, c)
    c.logits = relative_error(dump["value"][subject.output][()].ravel(), logits)
    if not c.logits < TOLERANCE["logits"]:
        c.wrong.append(f"logits: error {c.logits:.1e}")
    if not (np.isfinite(logits).all() and np.ptp(logits) > 1e-3):
        c.wrong.append(f"logits from {logits.min():g} to {logits.max():g} tell nothing")
    bare = list(uncovered(subject.net, {name for kind, name in c.compared if kind == "value"}))
    if bare:
        c.wrong.append(f"nothing compared behind {len(bare)} kernel layers: {', '.join(bare[:5])}")
    return c


def check(subject, args, folder):
    """Checks one layout. Returns (a line for each fault, a summary)."""
    import h5py
    import torch
    subject.make(folder)
    clip, dump = (os.path.join(folder, name) for name in ("clip.npy", "dump.h5"))
    x = subject.clip(clip)
    wrong, seen = [], []
    for device in args.device.split(","):
        done = subprocess.run([args.dump, subject.path, clip, dump, "--device", device, "--class", str(subject.class_index)],
                              capture_output=True, text=True)
        if done.returncode:
            return [f"--device {device}: {done.stderr.strip()}"], ""
        with h5py.File(dump) as f:
            c = compare(subject, f, x, torch.float32 if args.full else torch.float64)
        os.unlink(dump)
        wrong += [f"--device {device}: {line}" for line in c.wrong]
        convs = sum(node.op == "conv3d" for node in subject.net.nodes.values())
        seen.append(f"{device}: {convs} convs, {len(c.compared)} tensors, logits {c.logits:.0e}, tensors {c.worst['value']:.0e}, "
                    f"gradients {c.worst['grad']:.0e}, {c.worst['kinks']} on a kink")
    return wrong, "; ".join(seen)


def families_without_representative():
    """Files of tools/importers/architectures none of whose layouts is a representative."""
    import importlib
    import pkgutil
    from importers import architectures
    for file in pkgutil.iter_modules(architectures.__path__):
        rows = getattr(importlib.import_module(f"importers.architectures.{file.name}"), "ARCHITECTURES", {})
        if rows and not any(f"{arch}:{layout.name}" in REPRESENTATIVES for arch in rows for layout in rows[arch]):
            yield file.name


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dump", required=True, help="the helper trace_dump")
    parser.add_argument("--all", action="store_true", help="every layout, not only one of each kind")
    parser.add_argument("--full", action="store_true", help="published width and size")
    parser.add_argument("--only", action="append", help="ARCH or ARCH:LAYOUT; may be repeated")
    parser.add_argument("--device", default="cpu", help="devices, all of them for every layout")
    args = parser.parse_args()
    try:
        import h5py  # noqa: F401
        import torch  # noqa: F401
        import torchvision  # noqa: F401
    except ImportError as problem:
        print(f"skipped: {problem}")
        return 77
    from importers.architectures import ARCHITECTURES
    from networks import NETWORKS
    failed = layouts = 0
    for family in families_without_representative():
        failed += 1
        print(f"FAIL {family}: none of its layouts is in REPRESENTATIVES")
    checked = {}                       # what a network is -> the first layout that is it
    for arch, layout in ((arch, layout) for arch, rows in ARCHITECTURES.items() for layout in rows):
        if args.only and not {arch, f"{arch}:{layout.name}"} & set(args.only):
            continue
        if not (args.all or args.full or args.only) and f"{arch}:{layout.name}" not in REPRESENTATIVES:
            continue
        layouts += 1
        title = f"{arch} {layout.name}"
        if (arch, layout.name) not in NETWORKS:
            failed += 1
            print(f"FAIL {title}: there is no module to compare it with")
            continue
        if layout.name.endswith("shortcut-a") and arch not in SHORTCUT_A and not args.full and not args.only:
            print(f"-- {title}: with --full (nobody has published it)")
            continue
        begin = time.monotonic()
        subject = Subject(arch, layout, args.full)
        twin = checked.setdefault(repr((subject.net.input, list(subject.net.nodes.values()))), title)
        if twin != title:
            print(f"ok {title}: node by node the network of {twin}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            wrong, seen = check(subject, args, folder)
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok'} {title} ({time.monotonic() - begin:.1f} s) {seen}", flush=True)
        print(*(f"  {line}" for line in wrong[:8]), sep="\n", end="\n" if wrong else "")
    print(f"{layouts} layouts: {failed} failed")
    return 1 if failed or not layouts else 0


if __name__ == "__main__":
    sys.exit(main())
