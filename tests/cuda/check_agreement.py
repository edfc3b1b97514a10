#!/usr/bin/env python3
"""How far an explanation depends on the precision: the kernels that each selects, compared with ref's in fp32.

Explains one clip on a device in tf32, bf16 and fp16, by both rules at two thresholds each. Prints for each layer the
agreement: the number of kernels that both selected, divided by the number that either selected. Fails below a bound that
rounding alone does not reach, but a wrong kernel or a lost gradient does. (check_device.py tests fp32, which must select
the same kernels, except for numbers that are equal to theta.)

--seeds: also N random networks, of every op and shape of graph, in bf16 and fp16: a line for each, and bounds for all.

Usage: check_agreement.py --cfp PROGRAM --device NAME [--seeds N] MODEL CLIP
"""
import argparse
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import program                                                               # noqa: E402

# What share of the kernels has to agree: what is near theta may change sides. How many roundings (half a step of the
# format each) a logit, over the largest, and a relevance may be off: twenty layers add up to a few; a relevance may hang
# on a relu whose input is near 0, which then lets a whole share of the gradient through, or does not.
ROUNDING = {"tf32": 2.0**-11, "bf16": 2.0**-8, "fp16": 2.0**-11}
LEAST = {"tf32": 0.95, "bf16": 0.85, "fp16": 0.95}
MOST = {"logits": 8, "relevance": 32}
MOST_RANDOM = 64 # of a logit: random weights let the terms of a sum cancel
THETAS = {"cfp": (0.6, 0.75), "grad": (0.2, 0.6)}


def explain(cfp, model, clip, folder, rule, theta, device, precision="fp32"):
    folder = os.path.join(folder, f"{rule}-{theta}-{device}-{precision}")
    program.run([cfp, "explain", model, clip, "--rule", rule, "--theta", str(theta), "--tubes", "none",
                 "--device", device, "--precision", precision, "--format", "h5", "-q", "-o", folder])
    return program.read_explanation(os.path.join(folder, "explanation.h5"))


def agreement(pairs):
    """Of (kernels selected here, kernels selected there) of some layers."""
    pairs = [(set(a), set(b)) for a, b in pairs]
    either = sum(len(a | b) for a, b in pairs)
    return sum(len(a & b) for a, b in pairs) / either if either else 1.0


def logits_error(got, want):
    import numpy as np
    return float(np.abs(got.logits - want.logits).max() / np.abs(want.logits).max())


def selected(output, name):
    return output.layers[name].selected if name in output.layers else []


def row(label, wide, count, values, form):
    print(f"{label:{wide}} {count:>7}", *(f"{value:{form}}" for value in values))


def relevance_error(got, want):
    """The largest difference of a relevance, over kernels that both selected."""
    return max((abs(float(got.layers[name].relevance[o]) - float(layer.relevance[o]))
                for name, layer in want.layers.items() for o in set(layer.selected) & set(selected(got, name))),
               default=0.0)


def report(title, want, seen):
    """Prints the table and returns what is below the bounds."""
    names = sorted(set(want.layers).union(*(got.layers for got in seen.values())),
                   key=lambda name: want.layers[name].depth if name in want.layers else -1)
    wide = max(map(len, names))
    print(f"{title}: kernels that ref selects in fp32, and the agreement with them")
    row("", wide, "ref", seen, ">7")
    for name in names:
        row(name, wide, len(selected(want, name)),
            [agreement([(selected(got, name), selected(want, name))]) for got in seen.values()], "7.3f")
    agreed = [agreement([(selected(got, name), selected(want, name)) for name in names]) for got in seen.values()]
    logits = [logits_error(got, want) for got in seen.values()]
    relevance = [relevance_error(got, want) for got in seen.values()]
    row("all", wide, sum(len(selected(want, name)) for name in names), agreed, "7.3f")
    row("logits off by", wide, "", logits, "7.0e")
    row("relevance off by", wide, "", relevance, "7.0e")
    wrong = []
    for p, share, *errors in zip(seen, agreed, logits, relevance):
        if not share >= LEAST[p]:
            wrong.append(f"{title}, {p}: agreement {share:.3f}, at least {LEAST[p]} is needed")
        for (what, roundings), error in zip(MOST.items(), errors):
            if not error <= roundings * ROUNDING[p]:
                wrong.append(f"{title}, {p}: {what} off by {error:.1e}, at most {roundings * ROUNDING[p]:.1e} is needed")
    return wrong


def check_random(args):
    """What is wrong with random networks."""
    try:
        import random_graph
    except ImportError as error:
        print(f"random networks: left out, {error}")
        return []
    wrong, pairs = [], {"bf16": [], "fp16": []}
    for seed in range(args.seeds):
        rule = ("cfp", "grad")[seed % 2]
        with tempfile.TemporaryDirectory() as folder:
            model, clip = (os.path.join(folder, name) for name in ("model.h5", "clip.npy"))
            random_graph.generate(seed, model, clip)
            want = explain(args.cfp, model, clip, folder, rule, 0.5, "ref")
            words = []
            for p, all_pairs in pairs.items():
                got = explain(args.cfp, model, clip, folder, rule, 0.5, args.device, p)
                mine = [(selected(got, name), selected(want, name)) for name in set(want.layers) | set(got.layers)]
                all_pairs += mine
                roundings = logits_error(got, want) / ROUNDING[p]
                words.append(f"{p} {agreement(mine):.3f}, logits off by {roundings:.1f} roundings")
                if not roundings <= MOST_RANDOM:
                    wrong.append(f"seed {seed}, {p}: logits off by {roundings:.1f} roundings")
            print(f"random network {seed}, --rule {rule}: {'; '.join(words)}")
    for p, all_pairs in pairs.items():
        share = agreement(all_pairs)
        print(f"{args.seeds} random networks, {p}: agreement {share:.3f}")
        if not share >= LEAST[p]:
            wrong.append(f"random networks, {p}: agreement {share:.3f}, at least {LEAST[p]} is needed")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True, help="the program cfp-gpu")
    parser.add_argument("--device", required=True)
    parser.add_argument("--seeds", type=int, default=0, help="random networks")
    parser.add_argument("model")
    parser.add_argument("clip")
    args = parser.parse_args()
    try:
        import h5py, numpy                                                   # noqa: F401, E401
    except ImportError as error:
        print(f"skipped: {error} (needs the Python packages h5py and numpy)")
        return program.SKIPPED
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for rule, theta in ((rule, theta) for rule in THETAS for theta in THETAS[rule]):
            title = f"--rule {rule} --theta {theta}"
            case = args.cfp, args.model, args.clip, folder, rule, theta
            want = explain(*case, "ref")
            if not want.layers:
                wrong.append(f"{title}: ref selects nothing")
                continue
            wrong += report(title, want, {p: explain(*case, args.device, p) for p in LEAST})
    if args.seeds:
        wrong += check_random(args)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
