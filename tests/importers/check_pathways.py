#!/usr/bin/env python3
"""Networks of two pathways that read two clips: SlowFast as pytorchvideo and PySlowFast have it, thin ones.

    check_pathways.py --cfp BIN

By import-torch, by import-onnx and, of PySlowFast's checkpoints, by import-checkpoint. The program gets the fast pathway's clip;
PyTorch gets both, with the frames that PackPathway of the two packages takes.
"""
import argparse
import io
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import warnings

try:
    import h5py
    import numpy as np
    import torch
    from torch import nn
except ImportError as missing:
    print(f"skipped: {missing} (needs the Python packages torch, h5py and numpy)")
    sys.exit(77)
try:
    import onnx  # noqa: F401
except ImportError:
    onnx = None

from importer_tool import Checks, Tool  # noqa: E402
from networks import pyslowfast, slowfast  # noqa: E402

FRAMES, SIZE, CLASSES = 16, 32, 5
PREPROCESSING = ("--mean", "0.45", "--std", "0.225")
SIZES = ("--frames", FRAMES, "--size", SIZE)


def thin(channels, multiple=4):
    return max(multiple, channels // 8)


class VideoSlowFast(slowfast.SlowFast):
    """As pytorchvideo's, which works on the list that it got."""
    def __init__(self):
        super().__init__(CLASSES, thin, 3, FRAMES, SIZE)

    def forward(self, xs):
        for block in self.blocks:
            xs = block(xs)
        return xs


class TwoArguments(nn.Module):
    """forward(slow, fast), and a ratio of 2."""
    def __init__(self):
        super().__init__()
        self.slow, self.fast = nn.Conv3d(3, 6, 3, padding=1), nn.Conv3d(3, 4, 3, padding=1)
        self.fuse, self.fc = nn.Conv3d(4, 4, (3, 1, 1), (2, 1, 1), (1, 0, 0)), nn.Linear(14, CLASSES)

    def forward(self, slow, fast):
        fast = self.fast(fast).relu()
        slow = torch.cat([self.slow(slow).relu(), self.fuse(fast)], 1)
        return self.fc(torch.cat([slow.mean((2, 3, 4)), fast.mean((2, 3, 4))], 1))


def build():
    return made(VideoSlowFast())


def theirs(ratio=4, taps=7):
    return made(pyslowfast.SlowFast(CLASSES, thin, ratio=int(ratio), taps=int(taps)))


def two():
    return made(TwoArguments())


class Late(TwoArguments):
    """The pathways meet at the head alone, so its layers tell no ratio."""
    def forward(self, slow, fast):
        slow, fast = self.slow(slow).mean((2, 3, 4)), self.fuse(self.fast(fast)).mean((2, 3, 4))
        return self.fc(torch.cat([slow, fast, fast], 1))


def late():
    return made(Late())


def made(module):
    torch.manual_seed(4)
    for part in module.eval().modules():
        if isinstance(part, nn.BatchNorm3d):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.7, 1.3)
    return module


def clip_of(frames):
    pixels = np.random.default_rng(2).integers(0, 256, (frames, SIZE, SIZE, 3), dtype=np.uint8)
    np.save("clip.npy", pixels)
    x = (pixels.astype(np.float32) / 255 - 0.45) / np.float32(0.225)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(3, 0, 1, 2)[None]))


def run(cfp, *arguments):
    return subprocess.run([cfp, *map(str, arguments), "--device", "cpu", "--threads", "1"], capture_output=True, text=True, timeout=120)


def hold(checks, cfp, what, path, module, ratio, two=False, frames=FRAMES, explained=False):
    fast = clip_of(frames)
    slow = fast[:, :, torch.linspace(0, frames - 1, frames // ratio).long()]
    with torch.no_grad():
        right = (module(slow, fast) if two else module([slow, fast]))[0].numpy()
    done = run(cfp, "predict", path, "clip.npy", "--json", "--top", CLASSES, "--check-input", "never")
    if not checks.that(what, done.returncode == 0, done.stderr):
        return
    top = sorted(json.loads(done.stdout)["clips"][0]["top"], key=lambda entry: entry["index"])
    off = np.abs(np.array([entry["logit"] for entry in top]) - right).max() / np.abs(right).max()
    checks.that(f"{what}: logits", off < 1e-4, f"differ by {off:.1e}")
    with h5py.File(path) as file:
        layers = {name for name, node in file["graph"].items() if node.attrs["op"] in (b"conv3d", b"linear")}
    wanted = sum(isinstance(part, (nn.Conv3d, nn.Linear)) for part in module.modules())
    checks.that(f"{what}: layers", len(layers) == wanted, f"{len(layers)}, not {wanted}")
    for rule in ("cfp", "grad") if explained else ():
        done = run(cfp, "explain", path, "clip.npy", "--rule", rule, "-o", f"out-{rule}", "--format", "h5", "--theta", "0")
        if checks.that(f"{what}: {rule}", done.returncode == 0, done.stderr):
            with h5py.File(f"out-{rule}/explanation.h5") as file:
                checks.that(f"{what}: {rule}: every layer", set(file["pyramid"]) == layers, layers ^ set(file["pyramid"]))


def check_torch(checks, cfp):
    tool, here = Tool("import-torch"), "check_pathways"
    sys.modules[here] = sys.modules["__main__"]
    out = pathlib.Path("two.h5")
    for what, factory, module, ratio, options in (
            ("pytorchvideo's", "build", build(), 4, ()), ("with --alpha", "build", build(), 4, ("--alpha", 4)),
            ("PySlowFast's", "theirs", theirs(), 4, ()), ("PySlowFast's 4x16", "theirs", theirs(8, 5), 8, ("--arg", "ratio=8", "--arg", "taps=5")),
            ("forward(slow, fast)", "two", two(), 2, ())):
        torch.save(module.state_dict(), "weights.pth")
        ended = tool(f"{here}:{factory}", out, "--weights", "weights.pth", *PREPROCESSING, *SIZES, *options)
        said = ended.err.splitlines()
        checks.that(what, ended.status == 0 and (options[:1] == ("--alpha",) or f"for {ratio} of the fast one" in ended.err)
                    and len(said) == (0 if options[:1] == ("--alpha",) else 1), f"{ended.status}: {ended.err}")
        hold(checks, cfp, what, out, module, ratio, factory == "two", explained=what in ("pytorchvideo's", "PySlowFast's"))
        out.unlink(missing_ok=True)
    for what, factory, options, words in (("an odd ratio", "build", ("--alpha", 5), ("multiple of 5",)), ("no ratio", "late", (), ("second input", "--alpha")),
                                          ("alpha of 0", "build", ("--alpha", 0), ("--alpha",)),
                                          ("another ratio", "build", ("--alpha", 8), ("1 x 8 x 2 x 8 x 8 and 1 x 8 x 4 x 8 x 8",))):
        checks.refused(what, tool(f"{here}:{factory}", out, *PREPROCESSING, *SIZES, *options), out, *words)


def exported(module, name, inputs, names, free=()):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = io.BytesIO()
        axes = {one: {axis: f"{one}{axis}" for axis in free} for one in names} if free else None
        torch.onnx.export(module, inputs, file, opset_version=13, input_names=list(names), output_names=["scores"], dynamic_axes=axes)
    pathlib.Path(name).write_bytes(file.getvalue())


class Many(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv3d(3, 4, 3), nn.Linear(4, CLASSES)

    def forward(self, *xs):
        return self.fc(sum(self.conv(x).mean((2, 3, 4)) for x in xs))


def check_onnx(checks, cfp):
    tool, out = Tool("import-onnx"), pathlib.Path("two.h5")
    fast, slow = torch.randn(1, 3, FRAMES, SIZE, SIZE), torch.randn(1, 3, FRAMES // 4, SIZE, SIZE)
    for what, module in (("pytorchvideo's", build()), ("PySlowFast's", theirs())):
        exported(module, "two.onnx", ([slow, fast],), ("slow", "fast"))
        ended = tool("two.onnx", out, *PREPROCESSING)
        checks.that(f"ONNX of {what}", ended.status == 0 and not ended.err, f"{ended.status}: {ended.err}")
        hold(checks, cfp, f"ONNX of {what}", out, module, 4, explained=what == "PySlowFast's")
        out.unlink(missing_ok=True)
    module = two()
    exported(module, "open.onnx", (fast[:, :, ::2], fast), ("slow", "fast"), (0, 2))
    ended = tool("open.onnx", out, *PREPROCESSING, "--frames", FRAMES, "--alpha", 2)
    checks.that("ONNX with open frames", ended.status == 0 and not ended.err, f"{ended.status}: {ended.err}")
    hold(checks, cfp, "ONNX with open frames", out, module, 2, True)
    out.unlink(missing_ok=True)
    checks.refused("open frames without --alpha", tool("open.onnx", out, *PREPROCESSING, "--frames", FRAMES), out, "--alpha", "slow (")
    checks.refused("another --alpha", tool("two.onnx", out, *PREPROCESSING, "--alpha", 8), out, "--alpha 8", "4 frames for one")
    for what, shapes, words in (("no whole ratio", ((3, 5, 8, 8), (3, 16, 8, 8)), ("x0 (1 x 3 x 5 x 8 x 8)", "16 frames are no whole multiple of 5")),
                                ("equal frames", ((3, 8, 8, 8), (3, 8, 8, 8)), ("equally many frames",)),
                                ("other sizes", ((3, 4, 8, 8), (3, 8, 16, 16)), ("more than their frames",)),
                                ("three inputs", ((3, 4, 8, 8), (3, 8, 8, 8), (3, 16, 8, 8)), ("x0, x1, x2", "a slow and a fast one"))):
        exported(Many().eval(), "bad.onnx", tuple(torch.randn(1, *shape) for shape in shapes), [f"x{i}" for i in range(len(shapes))])
        checks.refused(what, tool("bad.onnx", out, *PREPROCESSING), out, "bad.onnx", *words)
    exported(Many().eval(), "one.onnx", (torch.randn(1, 3, 8, 8, 8),), ["x0"])
    checks.refused("--alpha of one clip", tool("one.onnx", out, *PREPROCESSING, "--alpha", 4), out, "--alpha 4", "one clip")


def blob_of(key):
    """The name in Caffe2 of PySlowFast's key."""
    *at, kind = key.split(".")
    norm = at[-1].endswith("bn")
    kind = {"weight": "s" if norm else "w", "bias": "b", "running_mean": "rm", "running_var": "riv"}[kind]
    if at[0] == "head":
        return f"pred_{kind}"
    if at[0].endswith("_fuse"):
        stage = int(at[0][1])
        start = "t_pool1" if stage == 1 else f"t_res{stage}_{pyslowfast.DEPTHS[stage - 2] - 1}_branch2c_bn"
        return f"{start}_subsample_{'bn_' if norm else ''}{kind}"
    fast = "t_" if "pathway1" in at[1] else ""
    if at[0] == "s1":
        return f"{fast}{'res_conv1_bn' if norm else 'conv1'}_{kind}"
    branch = "branch1" if at[2].startswith("branch1") else f"branch2{at[3][0]}"
    return f"{fast}res{at[0][1]}_{at[1].partition('res')[2]}_{branch}_{'bn_' if norm else ''}{kind}"


class Evil:
    def __reduce__(self):
        return os.system, ("touch was-run",)


def check_checkpoints(checks, cfp):
    tool = Tool("import-checkpoint")
    tool.module.scaled = lambda factor: thin
    out = pathlib.Path("their.h5")
    module = made(pyslowfast.SlowFast(CLASSES, thin))
    state = {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save({"epoch": 3, "model_state": module.state_dict(), "optimizer_state": {}, "cfg": "MODEL: ..."}, "their.pyth")
    blobs = {blob_of(key): value.numpy() for key, value in state.items()}
    checks.that("names of blobs", len(blobs) == len(state), len(blobs))
    more = {"lr": np.float32(0.1), "model_iter": np.int64(3), **{f"{name}_momentum": array for name, array in blobs.items()}}
    for protocol in (2, 4):
        pathlib.Path(f"their{protocol}.pkl").write_bytes(pickle.dumps({"blobs": {**blobs, **more, "x": Evil()}}, protocol))
    cut = pathlib.Path("their2.pkl").read_bytes()
    options = ("--frames", FRAMES, "--size", SIZE, "--resize", SIZE, "--stride", 1)
    for file in ("their.pyth", "their2.pkl", "their4.pkl"):
        ended = tool("slowfast-r50", file, out, *options)
        checks.that(file, ended.status == 0 and "pyslowfast layout" in ended.out, f"{ended.status}: {ended.err}")
        hold(checks, cfp, file, out, module, 4)
        out.unlink(missing_ok=True)
    checks.that("nothing was run", not pathlib.Path("was-run").exists())
    for arch, ratio, other in (("slow-r50", 1, pyslowfast.Slow(CLASSES, thin)), ("slowfast-r50-4x16", 8, pyslowfast.SlowFast(CLASSES, thin, ratio=8, taps=5))):
        torch.save({"model_state": made(other).state_dict()}, "other.pyth")
        ended = tool(arch, "other.pyth", out, *options)
        checks.that(arch, ended.status == 0 and "pyslowfast layout" in ended.out, f"{ended.status}: {ended.err}")
        if ratio > 1:
            hold(checks, cfp, arch, out, other, ratio)
        else:
            from run_model_file import FileModel
            x = clip_of(8)
            with torch.no_grad():
                checks.that(arch, float((FileModel(out)(x).reshape(1, -1) - other([x])).abs().max()) < 1e-4)
        out.unlink(missing_ok=True)
    for what, data, words in (("a cut pickle", cut[:len(cut) // 2], ("cannot be read",)),
                              ("no blobs", pickle.dumps({"weights": {}}, 2), ("cannot be read",)),
                              ("few blobs", pickle.dumps({"blobs": {"conv1_w": blobs["conv1_w"]}}, 2), ("missing",)),
                              ("a wrong shape", pickle.dumps({"blobs": {**blobs, "pred_b": np.zeros(7, "f4")}}, 2), ("head.projection.bias",)),
                              ("NaN", pickle.dumps({"blobs": {**blobs, "pred_b": np.full(CLASSES, np.nan, "f4")}}, 2), ("NaN",))):
        pathlib.Path("bad.pkl").write_bytes(data)
        checks.refused(what, tool("slowfast-r50", "bad.pkl", out, *options), out, "bad.pkl", *words)


def check_frames(checks):
    from importers.pathways import slow_frames
    for ratio in (1, 2, 4, 8):
        for frames in range(ratio, 65, ratio):
            right = torch.linspace(0, frames - 1, frames // ratio).long().tolist()
            checks.that(f"{frames} frames, one of {ratio}", slow_frames(frames, ratio) == right, f"{slow_frames(frames, ratio)}, not {right}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cfp", required=True, type=os.path.abspath)
    args = parser.parse_args()
    torch.set_num_threads(1)
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        check_frames(checks)
        check_torch(checks, args.cfp)
        check_checkpoints(checks, args.cfp)
        if onnx:
            check_onnx(checks, args.cfp)
        else:
            print("not checked: ONNX (no Python package onnx)")
    sys.exit(checks.end())


if __name__ == "__main__":
    main()
