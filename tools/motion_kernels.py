#!/usr/bin/env python3
"""Which kernels see motion: does --baseline freeze or reverse find them?

    tools/motion_kernels.py [--cfp build/release/cfp-gpu] [--draws 20] [-- OPTIONS OF cfp-gpu explain]

Only motion tells the classes of weights/motion.h5 apart.  So a kernel sees motion where the prediction
suffers when this kernel alone is shown the clip frozen at its middle frame.  For every clip of
datasets/motion and every convolution, the quarter of its kernels that score highest gets the channels
that it has for the frozen clip, everything else stays; the network is run on with PyTorch, from the
model file alone (run_model_file.py).  What is held against random sets of that size is the drop of the
class's log-odds: the percentile is the share of `--draws` random sets that do less harm; 0.5 is chance.
Scores: the relevance of rule grad, nothing masked, against zero, a blank, the frozen and the reversed
clip, and the mean activation.  Prints a Markdown table: the one in README.md.
"""
import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch

from run_model_file import OPS, FileModel

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARE = 0.25
BASELINES = ("zero", "blank", "freeze", "reverse")


def relevances(args, clip, class_name, baseline):
    """{layer: relevance of each kernel} at theta 0, which selects all; and the frames that were seen."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([args.cfp, "explain", args.model, clip, "--class", class_name, "--rule", "grad", "--mask", "none",
                        "--theta", "0", "--baseline", baseline, "--tubes", "none", "--format", "h5", "-o", out, "-q",
                        *args.options], check=True)
        with h5py.File(pathlib.Path(out) / "explanation.h5") as f:
            return {n: g["relevance"][()] for n, g in f["pyramid"].items()
                    if g.attrs["op"] == "conv3d"}, f["clip/frames"][()]


@torch.no_grad()
def run_patched(model, order, values, layer, patched):
    """The logits where `layer` gives `patched`, N of them: what is downstream runs again."""
    new = {layer: patched}
    for name in order:
        attrs, data = model.nodes[name]
        if name != layer and any(i in new for i in attrs["inputs"]):
            sources = [new[i] if i in new else values[i].expand(len(patched), *values[i].shape[1:])
                       for i in attrs["inputs"]]
            new[name] = OPS[attrs["op"]](sources, attrs, data)
    return new[model.output]


def log_odds(logits, c):
    rivals = torch.cat([logits[:, :c], logits[:, c + 1:]], 1)
    return (logits[:, c] - torch.logsumexp(rivals, 1)).numpy()


def percentiles(model, order, values, frozen, layer, scores, draws, c, rng):
    """Of each score: the share of random sets whose patch lowers the log-odds less."""
    kernels = values[layer].shape[1]
    n = max(1, round(SHARE * kernels))
    sets = [np.argsort(-s, kind="stable")[:n] for s in scores]
    sets += [rng.choice(kernels, n, replace=False) for _ in range(draws)]
    patched = values[layer].repeat(len(sets), 1, 1, 1, 1)
    for k, chosen in enumerate(sets):
        patched[k, chosen] = frozen[layer][0, chosen]
    z = log_odds(run_patched(model, order, values, layer, patched), c)
    mine, chance = z[:len(scores)], z[len(scores):]
    return [np.mean(chance > m) + 0.5 * np.mean(chance == m) for m in mine]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cfp", default=str(ROOT / "build/release/cfp-gpu"), help="the program")
    parser.add_argument("--model", default=str(ROOT / "weights/motion.h5"))
    parser.add_argument("--draws", type=int, default=20, help="random sets of each size")
    parser.add_argument("options", nargs="*", help="for cfp-gpu explain, after --")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, rng = FileModel(args.model), np.random.default_rng(0)
    order = model.order()
    found = []                                      # a row a clip and layer
    with open(ROOT / "datasets/motion/clips.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        clip = ROOT / "datasets/motion" / row["file"]
        scores, frames = {}, None
        for baseline in BASELINES:
            scores[baseline], frames = relevances(args, clip, row["class"], baseline)
        x = model.normalise(frames[None])
        values = model.tensors(x)
        frozen = model.tensors(x[:, :, x.shape[2] // 2:x.shape[2] // 2 + 1].expand_as(x))
        c = model.classes.index(row["class"])
        layers = [n for n in order if n in scores["zero"]]
        for number, layer in enumerate(layers):
            mean = values[layer].mean((0, 2, 3, 4)).numpy()
            found.append([number * 3 // len(layers)] + percentiles(
                model, order, values, frozen, layer, [scores[b][layer] for b in BASELINES] + [mean],
                args.draws, c, rng))
    found = np.array(found)
    print(f"{len(rows)} clips, {len(layers)} convolutions, a quarter of the kernels of one, {args.draws} random sets\n")
    print("| score | first third of the convolutions | middle | last | all |\n| --- | --- | --- | --- | --- |")
    names = [f"`--rule grad --mask none --baseline {b}`" for b in BASELINES] + ["mean activation"]
    for k, name in enumerate(names):
        thirds = [found[found[:, 0] == t, 1 + k].mean() for t in range(3)] + [found[:, 1 + k].mean()]
        print(f"| {name} | " + " | ".join(f"{v:.2f}" for v in thirds) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
