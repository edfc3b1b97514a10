#!/usr/bin/env python3
"""Which kernels see motion, and which see colour: do the baselines of rule grad tell them apart?

    tools/motion_kernels.py [--cfp build/release/cfp-gpu] [--draws 20] [-- OPTIONS OF cfp-gpu explain]
    tools/motion_kernels.py --model weights/motion-colour.h5 [--clips 24]

Only motion tells the classes of weights/motion.h5 apart.  So a kernel sees motion where the prediction
suffers when this kernel alone is shown the clip frozen at its middle frame.  For every clip of
datasets/motion and every convolution, the quarter of its kernels that score highest gets the channels
that it has for the frozen clip, everything else stays; the network is run on with PyTorch, from the
model file alone (run_model_file.py).  What is held against random sets of that size is the drop of the
class's log-odds: the percentile is the share of `--draws` random sets that do less harm; 0.5 is chance.
Scores: the relevance of rule grad, nothing masked, against zero, a blank, the frozen and the reversed
clip, and the mean activation.  Prints Markdown tables: those in tests/README.md.

The classes of weights/motion-colour.h5 are a colour and a motion together, so it has kernels of both.
There the drop is measured twice.  Motion: the kernels are shown the frozen clip, and the class has the
other motions of its colour for rivals.  Colour: the kernels are shown the clip in grey, and the class
has the other colours of its motion for rivals.  The clips are rendered, with textures never trained on.
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

from render_motion import CLASSES, clip
from run_model_file import OPS, FileModel

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARE = 0.25
BASELINES = ("zero", "blank", "freeze", "reverse")


CLIP_SEED = 3002      # of the rendered clips


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
    return new[model.output].flatten(1)


def log_odds(logits, c, rivals):
    return (logits[:, c] - torch.logsumexp(logits[:, rivals], 1)).numpy()


def percentiles(model, order, values, other, layer, scores, draws, odds, rng):
    """Of each score: the share of random sets that lower the log-odds less, when both hold what they hold in `other`."""
    kernels = values[layer].shape[1]
    n = max(1, round(SHARE * kernels))
    sets = [np.argsort(-s, kind="stable")[:n] for s in scores]
    sets += [rng.choice(kernels, n, replace=False) for _ in range(draws)]
    patched = values[layer].repeat(len(sets), 1, 1, 1, 1)
    for k, chosen in enumerate(sets):
        patched[k, chosen] = other[layer][0, chosen]
    z = log_odds(run_patched(model, order, values, layer, patched), *odds)
    mine, chance = z[:len(scores)], z[len(scores):]
    return [np.mean(chance > m) + 0.5 * np.mean(chance == m) for m in mine]


def questions(model, x, c):
    """[(what is asked, what the kernels are shown instead, the class and its rivals)]."""
    still = x[:, :, x.shape[2] // 2:x.shape[2] // 2 + 1].expand_as(x)
    everyone = range(len(model.classes))
    if len(model.classes) == len(CLASSES):
        return [("motion", still, (c, [k for k in everyone if k != c]))]
    # /input has one mean and one std for all channels, so grey stays grey
    grey = x.mean(1, keepdim=True).expand_as(x)
    return [("motion", still, (c, [k for k in everyone if k // len(CLASSES) == c // len(CLASSES) and k != c])),
            ("colour", grey, (c, [k for k in everyone if k % len(CLASSES) == c % len(CLASSES) and k != c]))]


def clips(args, model, folder):
    """[(clip, class)]: those that ship, or rendered ones."""
    if len(model.classes) == len(CLASSES) and not args.clips:
        with open(ROOT / "datasets/motion/clips.csv", newline="") as f:
            return [(ROOT / "datasets/motion" / row["file"], row["class"]) for row in csv.DictReader(f)]
    out = []
    for k in range(args.clips or 24):
        scene = 19 * k         # 19 is prime to 8 and 24: a few clips are of different classes
        frames, _, label = clip("test", CLIP_SEED, scene, int(model.input["height"]),
                                coloured=len(model.classes) > len(CLASSES))
        path = pathlib.Path(folder) / f"{k:04d}.npy"
        np.save(path, frames)
        out.append((path, model.classes[label]))
    return out


def table(title, found, names):
    print(f"{title}\n\n| score | first third of the convolutions | middle | last | all |\n| --- | --- | --- | --- | --- |")
    for k, name in enumerate(names):
        thirds = [found[found[:, 0] == t, 1 + k].mean() for t in range(3)] + [found[:, 1 + k].mean()]
        print(f"| {name} | " + " | ".join(f"{v:.2f}" for v in thirds) + " |")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cfp", default=str(ROOT / "build/release/cfp-gpu"), help="the program")
    parser.add_argument("--model", default=str(ROOT / "weights/motion.h5"))
    parser.add_argument("--draws", type=int, default=20, help="random sets of each size")
    parser.add_argument("--clips", type=int, help="rendered clips (motion-colour.h5: 24), instead of those that ship")
    parser.add_argument("options", nargs="*", help="for cfp-gpu explain, after --")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, rng = FileModel(args.model), np.random.default_rng(0)
    order = model.order()
    found = {}                                      # of each question: a row a clip and layer
    with tempfile.TemporaryDirectory() as folder:
        for path, class_name in clips(args, model, folder):
            measure(args, model, order, path, class_name, rng, found)
    names = [f"`--rule grad --mask none --baseline {b}`" for b in BASELINES] + ["mean activation"]
    for what, rows in found.items():
        table(f"{what}: {len(rows)} clips, {len(rows[0])} convolutions, a quarter of the kernels of one, {args.draws} random sets",
              np.array(sum(rows, [])), names)
    return 0


def measure(args, model, order, path, class_name, rng, found):
    """Adds a clip's rows to found[question]."""
    scores, frames = {}, None
    for baseline in BASELINES:
        scores[baseline], frames = relevances(args, path, class_name, baseline)
    x = model.normalise(frames[None])
    values = model.tensors(x)
    layers = [n for n in order if n in scores["zero"]]
    for what, shown, odds in questions(model, x, model.classes.index(class_name)):
        other, rows = model.tensors(shown), []
        for number, layer in enumerate(layers):
            mean = values[layer].mean((0, 2, 3, 4)).numpy()
            rows.append([number * 3 // len(layers)] + percentiles(
                model, order, values, other, layer, [scores[b][layer] for b in BASELINES] + [mean], args.draws, odds, rng))
        found.setdefault(what, []).append(rows)


if __name__ == "__main__":
    sys.exit(main())
