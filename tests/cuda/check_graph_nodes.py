#!/usr/bin/env python3
"""How many nodes the CUDA graphs of a ResNet-50 have, on the simulator: no more than when they were last counted.

The number does not depend on the width, the frames or the size of the network, so a small one is used. The simulator
lists its graphs (sim_capture.h). Every node costs a GPU about a microsecond, even if it has little to do.

Usage: check_graph_nodes.py --cfp PROGRAM [--list]      --list prints how often each kernel is launched
"""
import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--random", "1", "--width", "0.125", "--frames", "8", "--size", "32")
CONVOLUTIONS = 54  # with the classifier
# The most nodes of each graph, in the order in which they are recorded.  cuda/README.md has the table.
MOST = {("cfp", "layers"): {"forward": 106, "descent": 56, "maps": 53},
        ("grad", "none"): {"forward": 56, "descent": 329},
        ("grad", "layers"): {"forward": 56, "descent": 397}}
# No copy of the clip into another layout, and none of a gradient; no gradient that is added or gated in two passes.
GONE = {"forward": ("copy_box_kernel", "copy"), "descent": ("copy_box_kernel", "copy", "combine_kernel", "slope_kernel")}


def record(args, model, rule, tubes, folder):
    """The names of the nodes of each graph that bench records."""
    path = Path(folder) / f"graphs-{rule}-{tubes}"
    words = [args.cfp, "bench", model, "--device", "cudasim", "--runs", "1", "--warmup", "1", "--rule", rule, "--tubes", tubes, "-q"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "CUDASIM_GRAPHS": str(path)})
    graphs = []
    for line in path.read_text().splitlines():
        if line == "graph":
            graphs.append([])
        else:
            graphs[-1].append(line)
    return graphs


def faults(rule, tubes, graphs):
    most = MOST[rule, tubes]
    if len(graphs) < len(most):
        yield f"{len(graphs)} graphs, not {len(most)}"
    for name, nodes in zip(most, graphs):
        print(f"--rule {rule} --tubes {tubes}: {name}: {len(nodes)} nodes, at most {most[name]}")
        if len(nodes) > most[name]:
            yield f"{name}: {len(nodes)} nodes, more than {most[name]}"
        if name == "forward" and nodes.count("convolution") != CONVOLUTIONS:
            yield f"{name}: {nodes.count('convolution')} convolutions, not {CONVOLUTIONS}"
        allowed = "combine_kernel" if (rule, tubes) == ("grad", "layers") else ""  # a map reads the sum before the gate
        for gone in set(GONE.get(name, ())) - {allowed}:
            if any(node.strip("(").split("<")[0] == gone for node in nodes):
                yield f"{name}: {gone} is back"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cfp", required=True, help="the program, beside the simulator's module")
    parser.add_argument("--list", action="store_true", help="print how often each kernel is launched")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "resnet-50.h5")
        subprocess.run([sys.executable, str(ROOT / "tools" / "import-checkpoint"), "resnet-50", *SMALL, model], check=True,
                       stdout=subprocess.DEVNULL)
        wrong = []
        for rule, tubes in MOST:
            graphs = record(args, model, rule, tubes, folder)
            wrong += [f"--rule {rule} --tubes {tubes}: {fault}" for fault in faults(rule, tubes, graphs)]
            for number, nodes in enumerate(graphs if args.list else []):
                print(*(f"{number} {count:4} {name}" for name, count in Counter(nodes).most_common()), sep="\n")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
