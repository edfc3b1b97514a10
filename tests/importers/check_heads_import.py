#!/usr/bin/env python3
"""Imports networks with several classifiers (heads): modules that give a tuple or a dictionary, and ONNX files with
several outputs. Each head of the written file must give the scores of the module's own.

    check_heads_import.py --cfp BIN
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import h5py
    import numpy as np
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from importer_tool import Checks, Tool

FACTORY = '''
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self, how, branch):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.bn, self.pool = nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.AdaptiveAvgPool3d(1)
        self.verb, self.noun = nn.Linear(8, 5), nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 7))
        self.how, self.branch = how, int(branch)

    def forward(self, x):
        f = self.pool(torch.relu(self.bn(self.conv(x)))).flatten(1)
        if self.branch and f.mean() > 1e9:      # torch.fx cannot trace it
            f = -f
        v, n = self.verb(f), self.noun(f)
        if self.how == "softmax":
            return v.softmax(1), n.softmax(1)
        if self.how == "log_softmax":
            return v.log_softmax(1), n.log_softmax(1)
        if self.how == "same":
            return v, v
        return {"tuple": (v, n), "dict": {"noun": n, "verb": v, "features": f}, "one": v}[self.how]

def two(how="tuple", branch=0):
    return Two(how, branch).eval()
'''
CLIP = ["--mean", "0.45", "--std", "0.225", "--frames", "4", "--size", "16"]
NAMES = {"verb": ["take", "put", "cut", "wash", "open"], "noun": [f"class {i}" for i in range(7)]}


def compare(check, cfp, what, path, module, frames, heads):
    """The probabilities of the written file's heads are those of the module."""
    with h5py.File(path) as f:
        check.that(f"{what}: heads", [v.decode() if isinstance(v, bytes) else v for v in f.attrs["heads"]] == heads,
                   f.attrs["heads"])
        names = {head: [v.decode() for v in f["classes"][head][()]] for head in heads}
    np.save("clip.npy", frames)
    done = subprocess.run([cfp, "predict", str(path), "clip.npy", "--json", "-q", "--top", "7", "--threads", "1",
                           "--check-input", "never"], capture_output=True, text=True, timeout=120)
    if not check.that(f"{what}: predict", done.returncode == 0, done.stderr):
        return
    with torch.no_grad():
        x = (torch.from_numpy(frames.astype(np.float32)) / 255 - 0.45) / 0.225
        f = module.pool(torch.relu(module.bn(module.conv(x.permute(3, 0, 1, 2)[None])))).flatten(1)
        want = {"verb": module.verb(f).softmax(1)[0], "noun": module.noun(f).softmax(1)[0]}
    for one, wanted in zip(json.loads(done.stdout)["clips"][0]["heads"], ("verb", "noun") if heads[0] != "n" else ("noun", "verb")):
        got = torch.zeros(len(names[one["head"]]))
        for c in one["top"]:
            got[c["index"]] = c["probability"]
        check.that(f"{what}: {one['head']}", got.shape == want[wanted].shape and (got - want[wanted]).abs().max() < 1e-5,
                   f"{got}, not {want[wanted]}")
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True)
    cfp = os.path.abspath(parser.parse_args().cfp)
    check, tool = Checks(), Tool("import-torch")
    frames = np.random.default_rng(2).integers(0, 256, (4, 16, 16, 3)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.chdir(folder)
        out = Path(folder, "out.h5")
        Path("heads_factory.py").write_text(FACTORY)
        Path("verbs.txt").write_text("\n".join(NAMES["verb"]) + "\n")
        sys.path.insert(0, folder)
        import heads_factory
        module = heads_factory.two()
        two = ["heads_factory:two", out, *CLIP]
        for how in (["how=tuple"], ["how=dict"], ["how=tuple", "branch=1"], ["how=softmax"], ["how=log_softmax"]):
            done = tool(*two, *(word for arg in how for word in ("--arg", arg)), "--head-names", "verb,noun", "--classes",
                        "verb=verbs.txt")
            if check.that(f"{how}", done.status == 0 and "verb: 5 classes (take ... open); noun: 7 classes" in done.out,
                          done.out + done.err):
                names = compare(check, cfp, how, out, module, frames, ["verb", "noun"])
                check.that(f"{how}: names", names == NAMES, names)
            out.unlink(missing_ok=True)
        for words, extra in (
                (("gives 2 results", "--head-names"), []),
                (("gives a dictionary (noun, verb, features)", "--head-names"), ["--arg", "how=dict"]),
                (("gives 2 results, --head-names has 3 names",), ["--head-names", "a,b,c"]),
                (("gives 1 results, --head-names has 2 names",), ["--head-names", "a,b", "--arg", "how=one"]),
                (("two of its heads are the same scores",), ["--head-names", "a,b", "--arg", "how=same"]),
                (("--head-names: 'a,a'",), ["--head-names", "a,a"]), (("--head-names: 'a/b,c'",), ["--head-names", "a/b,c"]),
                (("HEAD=FILE is wanted",), ["--head-names", "a,b", "--classes", "verbs.txt"]),
                (("a is given twice",), ["--head-names", "a,b", "--classes", "a=verbs.txt", "--classes", "a=verbs.txt"]),
                (("5 names, the network has 7 classes",), ["--head-names", "a,b", "--classes", "b=verbs.txt"]),
                (("--classes: is given twice",), ["--arg", "how=one", "--classes", "verbs.txt", "--classes", "verbs.txt"])):
            check.refused(f"import-torch {extra}", tool(*two, *extra), out, *words)
        try:
            import onnx  # noqa: F401
        except ImportError:
            print("import-onnx: not tested without the package onnx")
            return check.end()
        options = {"dynamo": False} if int(torch.__version__.split(".")[0]) > 1 else {}
        torch.onnx.export(module, (torch.zeros(1, 3, 4, 16, 16),), "two.onnx", input_names=["x"], output_names=["v", "n"],
                          **options)
        tool = Tool("import-onnx")
        for heads in (["verb", "noun"], ["n", "v"]):         # in order; by the names of the outputs
            done = tool("two.onnx", out, *CLIP, "--head-names", ",".join(heads))
            if check.that(f"ONNX {heads}", done.status == 0, done.out + done.err):
                compare(check, cfp, f"ONNX {heads}", out, module, frames, heads)
            out.unlink(missing_ok=True)
        check.refused("ONNX, two outputs", tool("two.onnx", out, *CLIP), out, "one output", "--head-names")
        check.refused("ONNX, three names", tool("two.onnx", out, *CLIP, "--head-names", "a,b,c"), out, "gives 2 results (v, n)")
        os.chdir("/")
    return check.end()


if __name__ == "__main__":
    sys.exit(main())
