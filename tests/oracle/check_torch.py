#!/usr/bin/env python3
"""Compares the forward pass and the gradients of the C program with PyTorch's, tensor by tensor.

cfp-trace-dump MODEL CLIP.npy OUT.h5 --device D --class K writes /value/<node> and /grad/<node>
(float32 C x T x H x W; the gradient of the logit of class K at the node's output).  Nodes that were
fused into another are absent.  The error of a tensor is max|a - b| / max|b|.  It must be below 1e-4
for values and below 1e-3 for gradients.  If PyTorch itself gives another gradient in float32 than in
float64 (an activation lies on the kink of a relu), the gradient is skipped.

Usage: check_torch.py --dump CFP-TRACE-DUMP [--seeds N] [--model FILE [--clip FILE]]... [--device ref,cpu]
"""
import argparse
import os
import sys
import tempfile

import program

TOLERANCE = {"value": 1e-4, "grad": 1e-3}
MOST_SKIPPED = 0.05


def error(got, want):
    import numpy as np
    top = np.abs(want).max()
    return float(np.abs(got - want).max() / (top if top > 0 else 1.0)) if want.size else 0.0


def compare(graph, frames, class_index, dump):
    """Returns (differences, tensors compared, tensors skipped, fraction of the nodes that were there)."""
    import h5py
    import model_io
    import torch_net
    x = model_io.prepare_clip(graph, frames)
    rough, exact = (torch_net.gradients(graph, x, class_index, kind) for kind in ("float32", "float64"))
    wrong, compared, skipped, present = [], 0, 0, set()
    with h5py.File(dump, "r") as f:
        for k, kind in enumerate(("value", "grad")):
            for name, data in f[kind].items():
                if name not in graph.nodes:
                    wrong.append(f"/{kind}/{name}: there is no such node")
                    continue
                got, want, spread = data[()], exact[k][name], rough[k][name]
                present.add((kind, name))
                if got.shape != want.shape:
                    wrong.append(f"/{kind}/{name}: shape {got.shape}, not {want.shape}")
                    continue
                off, own = error(got, want), error(spread, want)
                if kind == "grad" and own > 1e-4:
                    skipped += 1
                    continue
                compared += 1
                if not off < TOLERANCE[kind] + 10 * own:
                    wrong.append(f"/{kind}/{name} ({graph.nodes[name].op}): error {off:.1e}, PyTorch's own {own:.1e}")
    share = min(sum(kind == k for k, _ in present) for kind in ("value", "grad")) / len(graph.nodes)
    return wrong, compared, skipped, share


def sources(args, folder):
    """(title, model file, clip file, Graph, frames) of each network to try."""
    import numpy as np
    import model_io
    import random_graph
    clips = (args.clip or []) + [None] * len(args.model or [])
    for model, clip in zip(args.model or [], clips):
        graph = model_io.read_model(model)
        if clip is None:                       # noise of the model's own size
            shape = [int(graph.input[k]) for k in ("frames", "height", "width")] + [3]
            clip = os.path.join(folder, "noise.npy")
            np.save(clip, np.random.default_rng(7).integers(0, 256, shape).astype(np.uint8))
        yield os.path.basename(model), model, clip, graph, np.load(clip)
    for seed in [*range(args.first, args.first + args.seeds), *args.also]:
        model, clip = (os.path.join(folder, "random" + kind) for kind in (".h5", ".npy"))
        graph, frames = random_graph.generate(seed, model, clip)
        yield f"seed {seed}", model, clip, graph, frames


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dump", required=True, help="the helper cfp-trace-dump")
    parser.add_argument("--seeds", type=int, default=40, help="number of random networks")
    parser.add_argument("--also", type=int, action="append", default=[], help="the seed of one more network")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--model", action="append", help="a model file besides; may be repeated")
    parser.add_argument("--clip", action="append", help="the .npy clip of each --model; noise without")
    parser.add_argument("--device", default="ref,cpu", help="devices, all of them for every network")
    parser.add_argument("--share", type=float, default=0.3, help="least share of nodes that must be there")
    args = parser.parse_args()
    program.need_packages()

    failed = runs = tensors = skips = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (title, model, clip, graph, frames) in enumerate(sources(args, folder)):
            class_index = number % len(graph.classes)
            for device in args.device.split(","):
                runs += 1
                out = os.path.join(folder, f"{runs}.h5")
                try:
                    program.run([args.dump, model, clip, out, "--device", device, "--class", str(class_index)])
                    wrong, compared, skipped, share = compare(graph, frames, class_index, out)
                except (program.Failed, OSError, KeyError) as problem:
                    wrong, compared, skipped, share = [f"{type(problem).__name__}: {problem}"], 0, 0, 1.0
                if share < args.share:
                    wrong.append(f"only {share:.0%} of the nodes are there")
                tensors, skips, failed = tensors + compared, skips + skipped, failed + bool(wrong)
                if wrong:
                    print(f"FAIL {title} --device {device} --class {class_index}")
                    print(*wrong[:8], sep="\n  ")
    print(f"{runs} runs: {failed} failed; {tensors} tensors compared, {skips} gradients skipped")
    if skips > MOST_SKIPPED * max(1, tensors):
        print(f"FAIL: more than {MOST_SKIPPED:.0%} skipped")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
