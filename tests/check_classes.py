#!/usr/bin/env python3
"""Explanations of different classes of one clip differ, on a network that was trained by others.

    check_classes.py --cfp BIN --model c3d-mini-ucf101.h5 CLIP

On this network every weight of a class is negative: the logit alone has nothing to say, and rule cfp
selects the same kernels whatever the class.  With the log-odds (--target odds, the default) rule grad
selects other kernels for each of the five most probable classes, and its tubes lie elsewhere.  (What
speaks for an improbable class is mostly what speaks against the predicted one, so such classes are
more like each other than like that one.)
"""
import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

GRAD = ("--rule", "grad", "--mask", "none", "--theta", "0.2")


def most_probable(arguments):
    done = subprocess.run([arguments.cfp, "predict", arguments.model, arguments.clip, "-q", "--json", "--top", "5"],
                          capture_output=True, text=True, timeout=300, check=True)
    return [c["name"] for c in json.loads(done.stdout)["clips"][0]["top"]]


def explain(cfp, model, clip, folder, *options):
    """({layer: selected kernels}, {layer: tube}) of the convolutions, and what was said."""
    out = os.path.join(folder, "-".join(o.strip("-") for o in options))
    done = subprocess.run([cfp, "explain", model, clip, "-q", "--format", "h5", "-o", out, *options],
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"FAIL {options}: {done.stderr}")
    with h5py.File(os.path.join(out, "explanation.h5")) as f:
        kernels = {n: set(g["selected"][()].tolist()) for n, g in f["pyramid"].items() if g.attrs["op"] == "conv3d"}
        return kernels, {n: g["tube"][()] for n, g in f["tubes"].items()}, done.stderr


def likeness(a, b):
    """Mean Jaccard index of the layers' kernels, and the mean correlation of their tubes."""
    both = [len(a[0][n] & b[0][n]) / max(1, len(a[0][n] | b[0][n])) for n in a[0] if n in b[0]]
    tubes = [np.corrcoef(a[1][n].ravel(), b[1][n].ravel())[0, 1] for n in a[1]
             if n in b[1] and np.ptp(a[1][n]) > 0 and np.ptp(b[1][n]) > 0]
    return float(np.mean(both)), float(np.mean(tubes))


def compare(arguments, classes, folder, *options):
    found = [explain(arguments.cfp, arguments.model, arguments.clip, folder, "--class", c, *options) for c in classes]
    pairs = [likeness(a, b) for a, b in itertools.combinations(found, 2)]
    print(f"{' '.join(options):60} Jaccard {min(p[0] for p in pairs):.2f} to {max(p[0] for p in pairs):.2f}, "
          f"tubes' correlation {min(p[1] for p in pairs):.2f} to {max(p[1] for p in pairs):.2f}")
    return found, pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("clip")
    arguments = parser.parse_args()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        classes = most_probable(arguments)
        found, pairs = compare(arguments, classes, folder, *GRAD)
        if any(len(k) < 6 or not all(k.values()) for k, _, _ in found):
            wrong.append("a class has a convolution without a selected kernel")
        if max(p[0] for p in pairs) > 0.75 or np.mean([p[0] for p in pairs]) > 0.5:
            wrong.append("classes have much the same kernels under the log-odds")
        if max(p[0] for p in pairs[:4]) > 0.2 or max(p[1] for p in pairs[:4]) > 0.3:
            wrong.append("another class has much the same explanation as the predicted one")
        _, pairs = compare(arguments, classes, folder, "--rule", "cfp")
        if min(p[0] for p in pairs) < 0.95:
            wrong.append("rule cfp tells classes apart here: then this test has lost its subject")
        kernels, _, said = explain(arguments.cfp, arguments.model, arguments.clip, folder, "--class", classes[-1],
                                   *GRAD, "--target", "logit")
        if kernels or "nothing is selected" not in said:
            wrong.append(f"the logit has nothing to say, and the program should say so: {said!r}")
    print(*(f"FAIL: {w}" for w in wrong), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
