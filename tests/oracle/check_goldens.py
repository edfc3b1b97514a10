#!/usr/bin/env python3
"""Compares `--rule reference` with the edges that the published code selected, which the goldens folder records.

First the oracle (method.py) must select exactly these edges, then the program.  There is no
tolerance, and none is needed: in the five cases the r closest to theta is
1.0e-5 away from it, and every activation may be off by 1e-5 of its value without one edge changing,
so neither the order of float32 sums nor float32 means matter, while tf32 or half precision would.

Usage: check_goldens.py --goldens DIR [--cfp PROGRAM] [--device ref,cpu]
DIR holds resnet.h5, clip.npy and reference.json.
"""
import argparse
import json
import os
import sys
import tempfile

import program


def compare(case, layers, who):
    """layers: name -> (depth, set of edges).  Returns the differences, one line each."""
    out = []
    for wanted in case["layers"]:
        name, edges = wanted["layer"], {tuple(e) for e in wanted["edges"]}
        depth, got = layers.get(name, (None, set()))
        if depth != wanted["depth"]:
            out.append(f"{who}: {name}: depth {depth}, not {wanted['depth']}")
        if got != edges:
            out.append(f"{who}: {name}: {len(edges)} edges wanted, missing {sorted(edges - got)[:5]}, "
                       f"too many {sorted(got - edges)[:5]}")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--goldens", required=True, help="folder with resnet.h5, clip.npy, reference.json")
    parser.add_argument("--cfp", help="the program cfp-gpu; without it only the oracle is checked")
    parser.add_argument("--device", default="ref,cpu", help="devices of the program, with commas")
    args = parser.parse_args()
    program.need_packages()
    path = {name: os.path.join(args.goldens, name) for name in ("resnet.h5", "clip.npy", "reference.json")}
    missing = [p for p in path.values() if not os.path.exists(p)]
    if missing:
        print(f"skipped: {missing[0]} does not exist")
        return program.SKIPPED

    import numpy as np
    import method
    import model_io
    import torch_net
    graph = model_io.read_model(path["resnet.h5"])
    x = model_io.prepare_clip(graph, np.load(path["clip.npy"]))
    values = torch_net.run(graph, x)
    with open(path["reference.json"]) as f:
        cases = json.load(f)["cases"]
    wrong, edges = [], 0
    for number, case in enumerate(cases):
        title = f"class {case['class']} theta {case['theta']}"
        edges += sum(len(layer["edges"]) for layer in case["layers"])
        options = method.Options(class_index=case["class"], rule="reference", theta=case["theta"])
        mine = method.explain(graph, values, options)
        found = {name: (layer.depth, set(layer.edges)) for name, layer in mine.layers.items()}
        wrong += compare(case, found, f"{title}: oracle")
        for device in args.device.split(",") if args.cfp else []:
            who = f"{title}: cfp-gpu --device {device}"
            with tempfile.TemporaryDirectory() as folder:
                try:
                    seen = program.explain(args.cfp, path["resnet.h5"], path["clip.npy"], options,
                                           os.path.join(folder, "out"), device)
                except program.Failed as error:
                    wrong.append(f"{who}: {error}")
                    continue
            wrong += compare(case, {n: (s.depth, set(s.edges or {})) for n, s in seen.layers.items()}, who)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{len(cases)} cases, {edges} edges: {len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
