#!/usr/bin/env python3
"""Explains one clip on a device and on ref, and compares logits and kernels; then predicts it three times.

A kernel whose r is within 1e-4 of theta may be selected by one of the two only.  The program finds the
device's module in its own folder.

Usage: check_device.py --cfp PROGRAM --device NAME [--layers GLOB] MODEL CLIP
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import program                                                               # noqa: E402

NEAR = 1e-4
THETA = 0.6


def differences(got, want):
    import numpy as np
    scale = np.abs(want.logits).max()
    if not np.abs(got.logits - want.logits).max() <= NEAR * scale:
        yield f"logits {got.logits}, not {want.logits}"
    if set(got.layers) != set(want.layers):
        yield f"layers {sorted(got.layers)}, not {sorted(want.layers)}"
        return
    for name, layer in want.layers.items():
        seen = got.layers[name]
        for o in set(seen.selected) ^ set(layer.selected):
            r = (seen if o in seen.selected else layer).relevance[o]
            if abs(r - THETA) >= NEAR:
                yield f"{name}: kernel {o}, r {r}, is selected by one alone"
        for o in set(seen.selected) & set(layer.selected):
            if not abs(seen.relevance[o] - layer.relevance[o]) <= NEAR:
                yield f"{name}: kernel {o} has r {seen.relevance[o]}, not {layer.relevance[o]}"
    if set(got.tubes) != set(want.tubes) or not want.tubes:
        yield f"tubes {sorted(got.tubes)}, not {sorted(want.tubes)}"
        return
    for name, (raw, _) in want.tubes.items():
        if not np.abs(got.tubes[name][0] - raw).max() <= NEAR * max(1.0, np.abs(raw).max()):
            yield f"tube {name}: another map"


def predictions(args, device, clips):
    """{class: logit} of each clip, by predict, which brings frames to the device as bytes."""
    printed = subprocess.run([args.cfp, "predict", args.model, *clips, "--device", device, "--top", "1000000", "--json",
                              "--check-input", "never", "-q"], stdout=subprocess.PIPE, check=True).stdout
    return [{one["index"]: one["logit"] for one in clip["top"]} for clip in json.loads(printed)["clips"]]


def check_predict(args):
    clips = [args.clip] * 3
    got, want = (predictions(args, device, clips) for device in (args.device, "ref"))
    scale = max(abs(logit) for logit in want[0].values())
    same = len(got) == len(want) == len(clips) and all(
        g.keys() == w.keys() and all(abs(g[k] - w[k]) <= NEAR * scale for k in w) for g, w in zip(got, want))
    print(f"predict: {len(want)} clips,", "the same" if same else f"DIFFERENT: {got}, not {want}")
    return not same


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True, help="the program cfp-gpu")
    parser.add_argument("--device", required=True)
    parser.add_argument("--layers", default="*", help="tubes of these only")
    parser.add_argument("model")
    parser.add_argument("clip")
    args = parser.parse_args()
    try:
        import h5py, numpy                                                   # noqa: F401, E401
    except ImportError as error:
        print(f"skipped: {error} (needs the Python packages h5py and numpy)")
        return program.SKIPPED
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for rule in "cfp", "grad":
            seen = []
            for device in args.device, "ref":
                folder = os.path.join(scratch, f"{rule}-{device}")
                program.run([args.cfp, "explain", args.model, args.clip, "--rule", rule, "--theta", str(THETA),
                             "--layers", args.layers, "--device", device, "--format", "h5", "-q", "-o", folder])
                seen.append(program.read_explanation(os.path.join(folder, "explanation.h5")))
            wrong = list(differences(*seen))
            failed += bool(wrong)
            print(f"--rule {rule}: {len(seen[1].layers)} layers, {len(seen[1].tubes)} tubes,",
                  "the same" if not wrong else "DIFFERENT")
            print(*wrong[:10], sep="\n", end="\n" if wrong else "")
    failed += check_predict(args)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
