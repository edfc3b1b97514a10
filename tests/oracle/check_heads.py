#!/usr/bin/env python3
"""Compares `cfp-gpu explain` with method.py on random networks with several classifiers (heads).

One run explains a class of each head.  Each explanation must be what the oracle finds for the network
with that head alone, and what the program gives for that head alone (--head), and for a file that has
no other head: to the last byte of every number.  Options and tolerances are those of check_method.py.

Usage: check_heads.py --cfp PROGRAM [--seeds N] [--first SEED] [--cases N] [--device ref,cpu]
"""
import argparse
import dataclasses
import os
import sys
import tempfile

import program

HEADS = ("verb", "noun")


def together(cfp, model, clip, options, classes, folder, device):
    """Runs the program for all heads; {head: Output}."""
    named = dataclasses.replace(options, class_index=",".join(f"{h}={c}" for h, c in classes.items()))
    program.run([cfp, "explain", model, clip, *program.arguments(named), "--format", "h5", "-o", folder, "-q",
                 "--threads", "1", "--device", device])
    return {head: program.read_explanation(os.path.join(folder, "heads", head, "explanation.h5")) for head in classes}


def numbers(path):
    """Every array and attribute of an explanation; not those that tell where it came from."""
    import h5py
    import numpy as np
    found = {}

    def take(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()].tobytes()
        found.update({f"{name}@{key}": np.asarray(value).tobytes() for key, value in item.attrs.items()
                      if key not in ("model_sha256", "head")})

    with h5py.File(path, "r") as f:
        take("", f)
        f.visititems(take)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True, help="the program cfp-gpu")
    parser.add_argument("--seeds", type=int, default=8, help="number of networks")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--cases", type=int, default=3, help="runs of the program for each network")
    parser.add_argument("--device", default="ref,cpu", help="devices, taken in turn")
    args = parser.parse_args()
    program.need_packages()
    import numpy as np
    import model_io
    import random_graph
    from check_method import Checker, cases_of

    total, failed, skipped = 0, 0, 0
    devices = args.device.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        def place(name):
            return os.path.join(scratch, name)

        for seed in range(args.first, args.first + args.seeds):
            graphs, frames = random_graph.build_heads(seed, HEADS)
            model, clip = place(f"{seed}.h5"), place(f"{seed}.npy")
            np.save(clip, frames)
            model_io.write_model(model, graphs[HEADS[0]], graphs)
            other = np.random.default_rng([seed, 2]).integers(0, 256, frames.shape).astype(np.uint8)
            np.save(place(f"{seed}.other.npy"), other)
            read = {head: model_io.read_model(model, head) for head in HEADS}
            checkers = {head: Checker(graph, frames, other) for head, graph in read.items()}
            competes = all(graph.head() == "softmax" for graph in graphs.values())
            rng = np.random.default_rng([seed, 3])
            for options in cases_of(seed, args.cases, 2, competes):
                if options.baseline == "clip":
                    options.baseline = place(f"{seed}.other.npy")
                device = devices[total % len(devices)]
                classes = {head: int(rng.integers(len(graph.classes))) for head, graph in graphs.items()}
                total += 1
                wrong = []
                try:
                    out = together(args.cfp, model, clip, options, classes, place(f"{total}"), device)
                    for head, one in out.items():
                        own = dataclasses.replace(options, class_index=classes[head])
                        differ, skip, _ = checkers[head].check(one, own)
                        wrong += [f"{head}: {w}" for w in differ]
                        skipped += skip
                        if one.attrs["head"] != head:
                            wrong.append(f"{head}: the file says head {one.attrs['head']!r}")
                    head = HEADS[total % len(HEADS)]     # alone: chosen, and as the only head of a file
                    alone = place(f"{total}.alone.h5")
                    model_io.write_model(alone, graphs[head])
                    have = numbers(os.path.join(place(f"{total}"), "heads", head, "explanation.h5"))
                    for what, file, choose in (("--head", model, ["--head", head]), ("a file with one head", alone, [])):
                        own = dataclasses.replace(options, class_index=classes[head])
                        folder = place(f"{total}.{len(choose)}")
                        program.run([args.cfp, "explain", file, clip, *program.arguments(own), "--format", "h5", "-o",
                                     folder, "-q", "--threads", "1", "--device", device, *choose])
                        want = numbers(os.path.join(folder, "explanation.h5"))
                        wrong += [f"{head}: {k} is not that of {what}" for k in sorted(set(have) | set(want))
                                  if have.get(k) != want.get(k)]
                except (program.Failed, OSError, KeyError) as error:
                    wrong.append(f"{type(error).__name__}: {error}")
                failed += bool(wrong)
                if wrong:
                    print(f"FAIL seed {seed} case {total} --device {device} {' '.join(program.arguments(options))}")
                    print(*wrong[:8], sep="\n  ")
    print(f"{total} cases: {failed} failed, {skipped} of {total * len(HEADS)} explanations skipped")
    if skipped > 0.1 * total * len(HEADS):
        print("FAIL: too many explanations were skipped")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
