#!/usr/bin/env python3
"""Compares `cfp-gpu explain` with method.py on random networks, over all rules and options.

Every case is run three times: by the program, by the oracle on float32 tensors, and by the oracle on
float64 tensors.  The program must agree with the last as closely as float32 allows.  The difference of
the two oracles widens the tolerances; a case in which they select different kernels is skipped.  An r
within 1e-5 of the threshold may be on either side of it, and the oracle then follows the program's
choice.  The test fails if more than 5 % of the cases are skipped.

Usage: check_method.py --cfp PROGRAM [--seeds N] [--first SEED] [--cases N] [--device ref,cpu]
"""
import argparse
import os
import sys
import tempfile

import program

MOST_SKIPPED = 0.05
SEEDS = 40
ENOUGH = 24        # networks, among them that of seed 32, for coverage.REQUIRED


def cases_of(seed, number, classes, competes):
    """`number` Options for the network of a seed: the rules in turn, the rest by chance.

    competes: the head is a softmax, so that there are targets to choose from.
    """
    import numpy as np
    from method import Options
    rng = np.random.default_rng([seed, 1])

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    for k in range(number):
        rule = ("cfp", "cfp", "reference", "grad")[(seed + k) % 4]
        o = Options(int(rng.integers(classes)), rule, pick(0.3, 0.5, 0.6, 0.6, 0.75, 0.9))
        o.depth, o.top = pick(None, None, None, 0, 1, 2, 4), pick(None, None, 1, 2, 3)
        o.tubes, o.interp = pick("layers", "layers", "kernels", "none"), pick("linear", "linear", "spline")
        if rule != "grad":
            o.propagate, o.class_relevance = pick("edge", "edge", "path"), pick("weights", "contribution")
        if rule == "cfp":
            o.normalise = pick("minmax", "minmax", "max")
        if rule != "grad" and rng.random() < 0.3:
            o.class_relevance = "contrast"
        if rule == "grad":
            o.theta = pick(0.1, 0.3, 0.5, 0.6)
            o.mask, o.steps = pick("selected", "none"), pick(1, 1, 1, 2, 3)
            o.baseline = pick("zero", "zero", "blank", "freeze", "reverse", "shuffle", "clip")
            o.seed = int(rng.integers(3))
            if o.baseline != "zero" and rng.random() < 0.5:
                o.steps, o.turn_down = 1, pick(0.25, 0.5)
        if competes and (rule == "grad" or o.class_relevance == "contrast"):
            o.target = pick(None, None, "odds", "margin", "logit")
        yield o


def close(got, want, spread, tolerance):
    """Are two arrays equal within tolerance + 10 * spread?  spread: the same by float32, or None."""
    import numpy as np
    if got.shape != want.shape:
        return False
    slack = tolerance + 10 * np.abs(want - spread).max() if spread is not None else tolerance
    return bool(np.all(np.abs(got.astype(np.float64) - want) <= slack))


def compare_source(out, graph, want_logits, frames):
    import numpy as np
    wrong = []
    scale = np.abs(want_logits).max()
    if not close(out.logits, want_logits, None, 1e-4 * scale):
        wrong.append(f"logits {out.logits}, not {want_logits.astype(np.float32)}")
    probabilities = graph.probabilities(want_logits)
    if not close(out.probabilities, probabilities, None, 1e-4):
        wrong.append(f"probabilities {out.probabilities}, not {probabilities}")
    if not np.array_equal(out.frames, frames) or out.indices.tolist() != list(range(len(frames))):
        wrong.append("the frames of the clip, or their numbers, are not those that were given")
    return wrong


def compare_layers(out, want, rough, options):
    """want, rough: the explanations from float64 and float32 tensors."""
    wrong = []
    if set(out.layers) != set(want.layers):
        return [f"visits too many: {sorted(set(out.layers) - set(want.layers))}, "
                f"leaves out: {sorted(set(want.layers) - set(out.layers))}"]
    for name, layer in want.layers.items():
        got, spread = out.layers[name], rough.layers[name]
        if (got.depth, got.channels) != (layer.depth, layer.channels):
            wrong.append(f"{name}: depth {got.depth}, {got.channels} channels, not {layer.depth}, {layer.channels}")
            continue
        if got.selected != sorted(layer.relevance):
            wrong.append(f"{name}: selected {got.selected}, not {sorted(layer.relevance)}")
        for o, value in enumerate(got.relevance.tolist()):
            right = layer.relevance.get(o, 0.0)
            if not abs(value - right) <= 1e-4 + 10 * abs(right - spread.relevance.get(o, 0.0)):
                wrong.append(f"{name}: relevance of kernel {o} is {value}, not {right}")
        if got.edges is None or set(got.edges) != set(layer.edges):
            have = set(got.edges or {})
            wrong.append(f"{name}: edges missing {sorted(set(layer.edges) - have)[:6]}, "
                         f"too many {sorted(have - set(layer.edges))[:6]}")
            continue
        most = max([1.0, *map(abs, layer.edges.values())])       # under grad an edge may have more than 1
        for pair, right in layer.edges.items():
            if not abs(got.edges[pair] - right) <= 1e-4 * most + 10 * abs(right - spread.edges[pair]):
                wrong.append(f"{name}: relevance of edge {pair} is {got.edges[pair]}, not {right}")
    return wrong


def compare_tubes(title, got, want, rough):
    import numpy as np
    wrong = [f"{title} {key}: missing" for key in want if key not in got]
    wrong += [f"{title} {key}: not asked for" for key in got if key not in want]
    for key in sorted(set(got) & set(want)):
        (raw, tube), (right_raw, right_tube), (rough_raw, rough_tube) = got[key], want[key], rough[key]
        size = max(1.0, np.abs(right_raw).max())
        if not close(raw, right_raw, rough_raw, 1e-4 * size):
            wrong.append(f"{title} {key}: raw map of shape {raw.shape} differs (wanted {right_raw.shape})")
            continue
        if not np.ptp(raw) and np.any(tube):
            wrong.append(f"{title} {key}: not all zeros though its map is constant")
        # A map that is constant but for rounding, made 0..1, is noise: nothing to compare.
        span = np.ptp(right_raw)
        if span < 1e-4 * size and np.ptp(raw) and tube.shape == right_tube.shape:
            continue
        if not close(tube, right_tube, rough_tube, 1e-3 + 2e-6 * size / span if span else 0.0):
            wrong.append(f"{title} {key}: tube of shape {tube.shape} differs (wanted {right_tube.shape})")
    return wrong


class Checker:
    """What the cases of one network share."""

    def __init__(self, graph, frames, other):
        """other: the frames of the clip that --baseline may name."""
        import model_io
        import torch_net
        self.graph, self.frames = graph, frames
        self.x, self.clip = (model_io.prepare_clip(graph, f) for f in (frames, other))
        self.values = {kind: torch_net.run(graph, self.x, kind) for kind in torch_net.DTYPES}

    def compared(self, kind, options):
        """What method.explain is to know beside the clip: the baseline's values, and the points'."""
        import method
        import numpy as np
        import torch_net
        if options.rule != "grad" or (options.baseline == "zero" and options.steps == 1):
            return {}
        other = method.other_clip(self.x, options, self.clip)
        if options.turn_down < 1:
            values = torch_net.run(self.graph, np.ascontiguousarray(other), kind)
            turned = method.turned_maps(self.graph, values, options)
            return {"other": values,
                    "points": [torch_net.run_turned(self.graph, self.x, values, turned, kind)]}
        points = method.points_between(self.x, other, options.steps)
        return {"other": None if options.baseline == "zero"
                else torch_net.run(self.graph, np.ascontiguousarray(other), kind),
                "points": None if options.steps == 1
                else [torch_net.run(self.graph, p.astype(np.float32), kind) for p in points]}

    def oracle(self, kind, options, out):
        import method
        import torch_net

        def backward(node, inputs, gradient):
            return torch_net.backward_node(node, inputs, gradient, kind)

        def decide(layer, o, i):
            seen = out.layers.get(layer)
            return bool(seen and seen.edges and (o, i) in seen.edges)

        return method.explain(self.graph, self.values[kind], options, backward, decide,
                              **self.compared(kind, options))

    def check(self, out, options):
        """(differences, skipped, number of choices that followed the program)."""
        wrong = compare_source(out, self.graph, self.values["float64"][self.graph.logits_node()].reshape(-1), self.frames)
        rough, want = (self.oracle(kind, options, out) for kind in ("float32", "float64"))
        choices = {n: (sorted(v.relevance), sorted(v.edges)) for n, v in want.layers.items()}
        if choices != {n: (sorted(v.relevance), sorted(v.edges)) for n, v in rough.layers.items()} or (
                options.rule == "grad" and want.near):
            return wrong, True, 0
        wrong += compare_layers(out, want, rough, options)
        if not wrong:
            wrong += compare_tubes("tube", out.tubes, want.tubes, rough.tubes)
            wrong += compare_tubes("kernel tube", {k: v for k, v in out.kernel_tubes.items()
                                                   if self.graph.nodes[k[0]].op == "conv3d"},
                                   want.kernel_tubes, rough.kernel_tubes)
        return wrong, False, len(want.near)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True, help="the program cfp-gpu")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="number of networks")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--also", type=int, action="append", default=[], help="the seed of one more network")
    parser.add_argument("--cases", type=int, default=5, help="runs of the program for each network")
    parser.add_argument("--device", default="ref,cpu", help="devices, taken in turn")
    parser.add_argument("--keep", help="folder that keeps model, clip and output of failing cases")
    args = parser.parse_args()
    program.need_packages()
    import numpy as np
    import random_graph
    from coverage import coverage

    graphs, total, failed, skipped, followed = [], 0, 0, 0, 0
    devices = args.device.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or scratch
        os.makedirs(folder, exist_ok=True)
        for seed in [*range(args.first, args.first + args.seeds), *args.also]:
            model, clip = (os.path.join(folder, f"{seed}.{kind}") for kind in ("h5", "npy"))
            graph, frames = random_graph.generate(seed, model, clip)
            other = np.random.default_rng([seed, 2]).integers(0, 256, frames.shape).astype(np.uint8)
            other_clip = os.path.join(folder, f"{seed}.other.npy")
            np.save(other_clip, other)
            checker = Checker(graph, frames, other)
            graphs.append((graph, {name: v.shape for name, v in checker.values["float32"].items()}))
            for options in cases_of(seed, args.cases, len(graph.classes), graph.head() == "softmax"):
                if options.baseline == "clip":
                    options.baseline = other_clip
                device = devices[total % len(devices)]
                total += 1
                try:
                    out = program.explain(args.cfp, model, clip, options, os.path.join(folder, str(total)), device)
                    wrong, skip, near = checker.check(out, options)
                except (program.Failed, OSError, KeyError) as error:
                    wrong, skip, near = [f"{type(error).__name__}: {error}"], False, 0
                skipped, followed, failed = skipped + skip, followed + near, failed + bool(wrong)
                if wrong:
                    print(f"FAIL seed {seed} case {total} --device {device} {' '.join(program.arguments(options))}")
                    print(*wrong[:8], sep="\n  ")
    print(f"{total} cases: {failed} failed, {skipped} skipped, {followed} near ties followed")
    if skipped > MOST_SKIPPED * total:
        print(f"FAIL: more than {MOST_SKIPPED:.0%} of the cases were skipped")
        failed += 1
    missing = coverage(graphs)[1] if len(graphs) >= ENOUGH else []
    if missing:
        print(f"FAIL: never generated: {', '.join(missing)}")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
