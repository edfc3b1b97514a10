#!/usr/bin/env python3
"""Checks the six networks of the paper: their published GFLOP, and an explanation of each to all depths.

GFLOP: `cfp-gpu inspect` at 3 x 16 x 224 x 224 and 400 classes against the paper's table (Stergiou et al. 2019, table 1), within
3 %. The weights do not matter to the count; they are zeros here.

With --clip: each network, with random weights, explains that clip to all depths, and every convolution is visited. How many
there are is counted by hand below. A quarter of the width and 16 x 112 x 112; --full: as published.

Usage: check_six.py --cfp CFP-GPU [--clip FILE [--full]]
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))

# architecture: (GFLOP of the paper, convolutions)
SIX = {
    "mfnet": (22.70, 1 + 16 * 4 + 4),            # stem; four in each of 3 + 4 + 6 + 3 units; four shortcuts
    "i3d": (55.79, 3 + 9 * 6 + 1),               # stem; six in each mixed block; the classifier is a convolution
    "resnet-50": (80.32, 1 + 16 * 3 + 4),        # stem; three a block; four downsamples
    "resnet-101": (110.98, 1 + 33 * 3 + 4),
    "resnet-152": (148.91, 1 + 50 * 3 + 4),
    "resnext-101": (76.96, 1 + 33 * 3 + 4),
}
MOST_OFF = 0.03


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def model_file(path, arch, frames, size, factor, random):
    """Writes it and returns the network."""
    import numpy as np
    from importers.architectures import ARCHITECTURES, scaled
    from importers.network import Network
    from importers.profiles import PROFILES
    from importers.random_weights import random_weights
    from importers.write import write_model
    layout = ARCHITECTURES[arch][0]
    profile = replace(PROFILES[layout.profile], frames=frames, size=size)
    net = Network(profile.channels, frames, size, size)

    def build(network):
        return layout.build(network, 400, scaled(factor))
    output = build(net)
    tensors = (random_weights(net, build, 3) if random else
               {key: np.zeros(shape, np.float32) for key, shape in net.wanted.items()})
    write_model(path, net, output, tensors, profile, [f"class {i}" for i in range(400)], name=arch)
    return net


def check_gflop(cfp, arch, folder):
    path = folder / "model.h5"
    model_file(path, arch, 16, 224, 1, random=False)
    found, want = json.loads(run(cfp, "inspect", path, "--json"))["gflop"], SIX[arch][0]
    path.unlink()
    print(f"{arch}: {found:.2f} GFLOP, published {want} ({found / want - 1:+.1%})")
    return [] if abs(found / want - 1) <= MOST_OFF else [f"{arch}: {found:.2f} GFLOP is not within 3 % of {want}"]


def check_visited(cfp, arch, clip, full, folder):
    import h5py
    path, out = folder / "model.h5", folder / "out"
    net = model_file(path, arch, 16, 224 if full else 112, 1 if full else 0.25, random=True)
    convs = {node.name for node in net.nodes.values() if node.op == "conv3d"}
    wrong = [] if len(convs) == SIX[arch][1] else [f"{arch}: {len(convs)} convolutions, {SIX[arch][1]} are published"]
    run(cfp, "explain", path, clip, "-o", out, "--rule", "cfp", "--depth", "all", "--theta", "0.5", "--top", "64", "--format", "h5",
        "--tubes", "none")
    with h5py.File(out / "explanation.h5") as f:
        layers = {name: (group.attrs["op"], len(group["selected"])) for name, group in f["pyramid"].items()}
        depth = max(int(group.attrs["depth"]) for group in f["pyramid"].values())
    visited = {name for name, (op, selected) in layers.items() if op in ("conv3d", b"conv3d") and selected > 0}
    if visited != convs:
        wrong.append(f"{arch}: not visited: {', '.join(sorted(convs - visited)[:5])}; "
                     f"unknown: {', '.join(sorted(visited - convs)[:5])}")
    print(f"{arch}: {len(visited)} of {len(convs)} convolutions visited, depth {depth}, "
          f"{sum(n for _, n in layers.values())} kernels")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True, type=os.path.abspath)
    parser.add_argument("--clip", type=Path, help="explain this clip")
    parser.add_argument("--full", action="store_true", help="published width, 16 x 224 x 224")
    args = parser.parse_args()
    try:
        import h5py  # noqa: F401
        import torch  # noqa: F401
    except ImportError as problem:
        print(f"skipped: {problem}")
        return 77
    wrong = []
    for arch in SIX:
        with tempfile.TemporaryDirectory() as folder:
            wrong += (check_visited(args.cfp, arch, args.clip, args.full, Path(folder)) if args.clip else
                      check_gflop(args.cfp, arch, Path(folder)))
    print(*(f"FAIL {line}" for line in wrong), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
