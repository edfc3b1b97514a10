#!/usr/bin/env python3
"""tools/import-checkpoint: what it takes, what it makes of it, and how it refuses.

Files are saved as the projects save them (wrapped, with `module.`, beside an optimizer) and must come out as the same
weights; another architecture's file, a damaged one, a pickle that would run something, a full disk must each end in one line
and no output. --random must give the same numbers on every machine: a digest is kept below.

Usage: check_checkpoint.py --cfp CFP-GPU
"""
import argparse
import hashlib
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / "tools"
sys.path.insert(0, str(TOOLS))

ARCH = "x3d-xs"                        # small: 3.8 million parameters
DIGEST = "273a3b91d43c111057c92837df9118a4091f71ae43d2986e49e43fcfe1157100"  # of --random 7 --width 0.25
failed = 0


def check(title, right, found=""):
    global failed
    if not right:
        failed += 1
        print(f"FAIL {title}: {found}")


def run(*words, limit=None):
    """import-checkpoint; limit: bytes that a file may grow to, as a disk that is full."""
    def before():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.run([sys.executable, str(TOOLS / "import-checkpoint"), *map(str, words)], capture_output=True, text=True,
                          preexec_fn=before, timeout=300)


def refused(title, pattern, folder, *words, status=1, limit=None):
    out = folder / "refused.h5"
    words = [out if word == "OUT" else word for word in words]
    done = run(*words, limit=limit)
    lines = done.stderr.strip().splitlines()
    one = lines[-1:] if status == 2 else lines          # argparse shows the usage first
    check(title, done.returncode == status and len(one) == 1 and re.search(pattern, one[0]) and "Traceback" not in done.stderr,
          f"exit {done.returncode}: {done.stderr[-600:]}")
    left = sorted(p.name for p in folder.iterdir() if p.name.startswith("refused"))
    check(f"{title}: leaves nothing", not left, left)


def weights(path):
    """Every dataset of a model file's graph."""
    import h5py
    found = {}
    with h5py.File(path) as f:
        f["graph"].visititems(lambda name, node: found.__setitem__(name, node[()]) if isinstance(node, h5py.Dataset) else None)
    return found


def state_dict(arch=ARCH, layout=None, classes=5):
    """Random tensors under the keys of the published file."""
    import torch
    from importers.architectures import ARCHITECTURES, scaled
    from importers.network import Network
    from importers.profiles import PROFILES
    chosen = next(one for one in ARCHITECTURES[arch] if layout in (None, one.name))
    profile = PROFILES[chosen.profile]
    net = Network(profile.channels, 16, profile.size, profile.size)
    chosen.build(net, classes, scaled(1))
    generator = torch.Generator().manual_seed(1)
    state = {key: torch.rand(shape, generator=generator) + 0.1 for key, shape in net.wanted.items()}
    counted = {key.replace("running_var", "num_batches_tracked"): torch.tensor(9) for key in state if key.endswith("running_var")}
    return {**state, **counted}


def check_wrappings(folder, cfp):
    """However it is wrapped, the same weights come out, and the program reads them."""
    import numpy as np
    import torch
    state = state_dict()
    wrapped = {
        "bare": state,
        "module": {f"module.{key}": tensor for key, tensor in state.items()},
        "model_state": {"model_state": state, "epoch": 3},
        "state_dict": {"epoch": 3, "arch": "x", "state_dict": {f"module.{key}": tensor for key, tensor in state.items()},
                       "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [1, 2]}]}},
        "beside": {"state_dict": state, "opt": argparse.Namespace(lr=0.1), "best": np.float64(0.7), "shape": torch.Size([1, 2])},
        "transposed": {key: t.transpose(0, -1).contiguous().transpose(0, -1) if t.ndim > 1 else t for key, t in state.items()},
        "bfloat16": {key: tensor.bfloat16() if tensor.is_floating_point() else tensor for key, tensor in state.items()},
        "half": {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in state.items()},
        "uncounted": {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")},
    }
    first = None
    for title, value in wrapped.items():
        for zipped in (True, False):                    # the format of today, and that of before PyTorch 1.6
            path, out = folder / f"{title}.pth", folder / f"{title}.h5"
            torch.save(value, path, _use_new_zipfile_serialization=zipped)
            done = run(ARCH, path, out, "--frames", 4, "--size", 64)
            check(f"{title}, zip {zipped}", done.returncode == 0, done.stderr)
            found = weights(out)
            first = first or found
            close = {"half": 1e-3, "bfloat16": 1e-2}.get(title, 0)
            check(f"{title}, zip {zipped}: the same weights", found.keys() == first.keys() and all(
                np.allclose(found[key], first[key], rtol=close, atol=0) for key in first))
            os.unlink(out)
    key = "blocks.0.conv.conv_t"
    check("the weights are the checkpoint's", np.array_equal(first[f"{key}/weight"], state[f"{key}.weight"].numpy()))
    norm = "blocks.0.norm"
    for dataset, name in (("gamma", "weight"), ("beta", "bias"), ("mean", "running_mean"), ("var", "running_var")):
        check(f"batch norm's {dataset}", np.array_equal(first[f"{norm}/{dataset}"], state[f"{norm}.{name}"].numpy()))

    out = folder / "model.h5"
    done = run(ARCH, folder / "bare.pth", out, "--frames", 4, "--size", 64)
    check("what it says", "5 classes (class 0 ... class 4), profile x3d-xs" in done.stdout, done.stdout)
    inspected = subprocess.run([cfp, "inspect", out], capture_output=True, text=True)
    check("the program reads it", inspected.returncode == 0, inspected.stderr)
    check("its input", "short side resized to 73" in inspected.stdout and "4 frames, 12 apart, of 64 x 64" in inspected.stdout,
          inspected.stdout[:400])
    names = folder / "names.txt"
    names.write_text("a\nb\nc\nd\ne\n")
    done = run(ARCH, "--classes", names, folder / "bare.pth", out, "--mean", "0.1", "--std", ".2", ".3", ".4", "--stride", 3,
               "--resize", "70x90", "--size", 64, "--frames", 4, "--color", "BGR")
    check("names and preprocessing", done.returncode == 0 and "(a ... e)" in done.stdout, done.stderr)
    import h5py
    with h5py.File(out) as f:
        spec = dict(f["input"].attrs)
    check("preprocessing is written", np.allclose(spec["mean"], 0.1) and np.allclose(spec["std"], [0.2, 0.3, 0.4]) and
          list(spec["resize"]) == [70, 90] and spec["frame_stride"] == 3 and spec["color"] == "BGR", spec)


def check_hara(folder):
    """The two years are told apart by the file, and so are their normalisations and shortcuts."""
    import h5py
    import torch
    for year, parallel, counted, shortcut in ((2020, False, True, ""), (2018, True, False, ""), (2018, True, True, "-shortcut-a")):
        state = state_dict("resnet-18", f"hara{year}{shortcut}", 101)
        if not counted:
            state = {key: t for key, t in state.items() if not key.endswith("num_batches_tracked")}
        if parallel:
            state = {f"module.{key}": t for key, t in state.items()}
        path, out = folder / "hara.pth", folder / "hara.h5"
        torch.save({"state_dict": state, "arch": "resnet-18"}, path)
        done = run("resnet-18", path, out)
        check(f"Hara {year}{shortcut}", f"resnet-18 (hara{year}{shortcut})" in done.stdout and f"profile hara-{year}" in done.stdout
              and "(ApplyEyeMakeup ... YoYo)" in done.stdout, done.stdout + done.stderr)
        with h5py.File(out) as f:
            check(f"Hara {year}'s scale", f["input"].attrs["scale"] == {2018: 1.0, 2020: 255.0}[year])
    os.unlink(path)


class Runs:
    """A pickle that would run something."""
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def check_refusals(folder):
    import torch
    state = state_dict()
    good, bad = folder / "good.pth", folder / "bad.pth"
    torch.save(state, good)
    size = ("--frames", 4, "--size", 64)

    def saved(value):
        torch.save(value, bad)
        return bad
    first = "blocks.0.conv.conv_t.weight"
    refused("a tensor is missing", f"bad.pth: is no x3d-xs .*missing: {first}$", folder, ARCH,
            saved({key: t for key, t in state.items() if key != first}), "OUT", *size)
    refused("a tensor too many", "unexpected: extra.weight$", folder, ARCH, saved({**state, "extra.weight": torch.ones(2)}),
            "OUT", *size)
    refused("a tensor of another shape", "mis-shaped: .*conv_t.weight is 24 x 3 x 1 x 3 and not 24 x 3 x 1 x 3 x 3", folder, ARCH,
            saved({**state, first: torch.ones(24, 3, 1, 3)}), "OUT", *size)
    refused("another architecture", "is no mfnet .*missing: conv1.conv.weight, .* and [0-9]+ more; unexpected: ", folder, "mfnet",
            good, "OUT")
    refused("NaN", f"{first}: has NaN or Inf", folder, ARCH, saved({**state, first: torch.full((24, 3, 1, 3, 3), float("nan"))}),
            "OUT", *size)
    refused("whole numbers", f"{first}: int32 is no floating-point tensor", folder, ARCH,
            saved({**state, first: torch.ones(24, 3, 1, 3, 3).int()}), "OUT", *size)
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), bad)
    refused("TorchScript", "is a TorchScript program", folder, ARCH, bad, "OUT")
    refused("no tensors", "holds no state_dict", folder, ARCH, saved({"epoch": 3}), "OUT")
    refused("a list", "holds no state_dict", folder, ARCH, saved([1, 2]), "OUT")
    trap = folder / "trap"
    for zipped in (True, False):
        torch.save({"state_dict": state, "trap": Runs(str(trap))}, bad, _use_new_zipfile_serialization=zipped)
        refused("a pickle that runs", "refused: it holds more than tensors", folder, ARCH, bad, "OUT", *size)
    check("nothing was run", not trap.exists())
    refused("classes", "has 5 classes .*--num-classes says 6", folder, ARCH, good, "OUT", "--num-classes", 6)
    names = folder / "names.txt"
    names.write_text("a\nb\n")
    refused("names", "2 names, the network has 5 classes", folder, ARCH, good, "OUT", "--classes", names)
    refused("no such file", "nothere.pth: No such file", folder, ARCH, folder / "nothere.pth", "OUT")
    refused("no such folder", "No such file|nable to", folder, ARCH, good, folder / "nothere" / "x.h5", *size)
    refused("too small a clip", "more --frames or a larger --size", folder, "densenet-121", "OUT", "--random", 1, "--frames", 2)
    refused("SlowFast's frames", "multiple of 4|four", folder, "slowfast-r50", "OUT", "--random", 1, "--frames", 6)
    refused("layout", "--layout x: x3d-xs has pytorchvideo", folder, ARCH, good, "OUT", "--layout", "x")
    refused("mean", "--mean: 3 numbers are wanted", folder, ARCH, good, "OUT", "--mean", 1, 2)
    refused("std", "--std", folder, ARCH, good, "OUT", "--std", 0)
    refused("full disk", "refused.h5|File too large|nable to", folder, ARCH, good, "OUT", *size, limit=4096)
    refused("architecture", "invalid choice: 'resnet'", folder, "resnet", good, "OUT", status=2)
    refused("neither", "either CHECKPOINT or --random", folder, ARCH, "OUT", status=2)
    refused("both", "either CHECKPOINT or --random", folder, ARCH, good, "OUT", "--random", 1, status=2)
    refused("width of a checkpoint", "--width goes with --random", folder, ARCH, good, "OUT", "--width", 2, status=2)
    refused("no frames", "--frames: 0 is not positive", folder, ARCH, good, "OUT", "--frames", 0, status=2)


def check_damaged(folder):
    """Cut off or with a byte changed anywhere: read as it is, or refused in words. In this process: 100 times."""
    import random
    import torch
    from importers.checkpoint import read_checkpoint
    from importers.failure import ImportFailure
    rng = random.Random(1)
    state = {"state_dict": {"module.a.weight": torch.rand(300), "module.b": torch.rand(2, 3)}, "epoch": 1, "name": "x"}
    for zipped in (True, False):
        path = folder / "damaged.pth"
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        cuts = [whole[:n] for n in {0, 1, 2, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(20))}]
        flips = []
        for _ in range(40):
            at = rng.randrange(len(whole))
            flips.append(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1:])
        refusals = 0
        for data in cuts + flips:
            path.write_bytes(data)
            try:
                found = read_checkpoint(path)
                check("a damaged file that is read", all(t.dtype == "float32" for t in found.tensors.values()))
            except ImportFailure as problem:
                refusals += 1
                check("refused by name", str(path) in str(problem), problem)
        check(f"cut files are refused, zip {zipped}", refusals >= len(cuts), f"{refusals} of {len(cuts) + len(flips)}")
    done = run(ARCH, path, folder / "refused.h5")
    check("one line", done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, done.stderr)


def check_random(folder):
    """The same seed, the same numbers: here and everywhere."""
    from importers.manifest import read_manifest
    from importers.architectures import ARCHITECTURES
    files = []
    for i, seed in enumerate((7, 7, 8)):
        out = folder / f"random{i}.h5"
        done = run(ARCH, out, "--random", seed, "--width", 0.25)
        check(f"--random {seed}", done.returncode == 0, done.stderr)
        files.append(out.read_bytes())
    check("the same seed, the same bytes", files[0] == files[1])
    check("another seed, others", files[0] != files[2])
    digest = hashlib.sha256()
    for name, array in sorted(weights(folder / "random0.h5").items()):
        digest.update(name.encode() + array.astype("<f4").tobytes())
    check("the same numbers as on any machine", digest.hexdigest() == DIGEST, digest.hexdigest())
    check("the manifest knows no other architectures", {arch for arch, _ in read_manifest().values()} <= set(ARCHITECTURES))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True)
    args = parser.parse_args()
    try:
        import h5py  # noqa: F401
        import torch  # noqa: F401
    except ImportError as problem:
        print(f"skipped: {problem}")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        check_wrappings(folder, args.cfp)
        check_hara(folder)
        check_refusals(folder)
        check_damaged(folder)
        check_random(folder)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
