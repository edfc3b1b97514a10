#!/usr/bin/env python3
"""Measure how much of a saliency tube's energy lies on the object that moves, for each depth.

    tools/mask_energy.py [--cfp build/release/cfp-gpu] [-- OPTIONS OF cfp-gpu explain]

It explains every clip of datasets/motion with weights/motion.h5 for its true class, and compares the
layer tubes with the masks of the object: sum(tube * mask) / sum(tube).  A constant tube gives the part
of the clip that the mask covers.  (This is the energy-based pointing game of Score-CAM; Quantus calls
it relevance mass accuracy.)  It prints the Markdown table of tests/README.md.
"""
import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent


def mask_as_seen(path, indices, height, width):
    """The mask of the frames that the model saw, at the size at which it saw them: the covered part of each pixel.

    The clips are square, so resizing and cropping amount to a mean over equal cells."""
    with h5py.File(path) as f:
        mask = f["mask"][:][indices].astype(np.float64)
    t, h, w = mask.shape
    rows = np.minimum((np.arange(h) * height) // h, height - 1)
    cols = np.minimum((np.arange(w) * width) // w, width - 1)
    seen, count = np.zeros((t, height, width)), np.zeros((height, width))
    np.add.at(count, (rows[:, None], cols[None, :]), 1)
    for frame in range(t):
        np.add.at(seen[frame], (rows[:, None], cols[None, :]), mask[frame])
    return seen / count


def energies(program, model, clip, class_name, options):
    """{depth: [part of each layer's tube that lies on the object]} and the part of the clip that the mask covers."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([program, "explain", model, clip, "--class", class_name, "--format", "h5", "-o",
                        out, "-q", *options], check=True)
        with h5py.File(pathlib.Path(out) / "explanation.h5") as f:
            frames = f["clip/frames"].shape
            mask = mask_as_seen(clip.with_suffix(".mask.h5"), f["clip/indices"][:], *frames[1:3])
            shares = {}
            for layer, group in f["tubes"].items():
                tube = group["tube"][:].astype(np.float64)
                if tube.sum() > 0:
                    depth = int(f["pyramid"][layer].attrs["depth"])
                    shares.setdefault(depth, []).append((tube * mask).sum() / tube.sum())
            return shares, mask.mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", default=str(ROOT / "build/release/cfp-gpu"), help="the program")
    parser.add_argument("--model", default=str(ROOT / "weights/motion.h5"))
    parser.add_argument("options", nargs="*", help="for cfp-gpu explain, after --")
    args = parser.parse_args()
    by_depth, masks = {}, []
    with open(ROOT / "datasets/motion/clips.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        shares, mask = energies(args.cfp, args.model, ROOT / "datasets/motion" / row["file"],
                                row["class"], args.options)
        masks.append(mask)
        for depth, values in shares.items():
            by_depth.setdefault(depth, []).append(np.mean(values) / mask)
            by_depth.setdefault(("energy", depth), []).append(np.mean(values))
    print(f"{len(rows)} clips; the object covers {100 * np.mean(masks):.1f} % of the volume\n")
    print("| depth | energy on the object | ratio |\n| --- | --- | --- |")
    for depth in sorted(d for d in by_depth if isinstance(d, int)):
        print(f"| {depth} | {100 * np.mean(by_depth['energy', depth]):.1f} % "
              f"| {np.mean(by_depth[depth]):.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
