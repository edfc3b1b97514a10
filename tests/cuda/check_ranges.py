#!/usr/bin/env python3
"""The NVTX ranges of a run: domain, category, name, FLOP and nesting of each, and what --profile records.

The program runs with a small library in the profiler's place (nvtx_recorder.c). It needs no GPU, because the simulator
uses the backend's code for ranges.

Usage: check_ranges.py --cfp PROGRAM --recorder NVTX_RECORDER.so [--device NAME] MODEL CLIP
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, namedtuple

KINDS = ["decode", "load", "forward", "backward", "descent", "tubes", "write"]
Range = namedtuple("Range", "kind name flop inside recorded")  # inside: the kinds around it; recorded: within --profile's part


class Record:
    """Reads the recorder's file: ranges in the order in which they begin, and faults of their nesting."""

    def __init__(self, path):
        self.ranges, self.wrong, self.marks = [], [], []
        domains, kinds, opened, recorded = {}, {}, [], False
        for line in open(path, encoding="utf-8"):
            what, *fields = line.rstrip("\n").split("\t")
            if what == "domain":
                domains[fields[0]] = fields[1]
            elif what == "category":
                kinds[fields[0], fields[1]] = fields[2]
            elif what == "mark":
                self.marks.append(fields[0])
                recorded = fields[0] == "cudaProfilerStart"
            elif what == "push":
                domain, category, payload, name = fields
                if domains.get(domain) != "cfp":
                    self.wrong.append(f"range '{name}' is in domain '{domains.get(domain)}'")
                kind = kinds.get((domain, category), f"category {category}, which has no name")
                flop = None if payload == "-" else float(payload)
                self.ranges.append(Range(kind, name, flop, tuple(opened), recorded))
                opened.append(kind)
            elif not opened:
                self.wrong.append("a range ends that was never begun")
            else:
                opened.pop()
        if opened:
            self.wrong.append(f"never ended: {opened}")
        if sorted(kinds.values()) != sorted(KINDS):
            self.wrong.append(f"categories {sorted(kinds.values())}, not {sorted(KINDS)}")

    def of(self, kind):
        return [r for r in self.ranges if r.kind == kind]


def recorded_run(args, *words):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "record")
        done = subprocess.run([args.cfp, *words, "-q", "--device", args.device], cwd=folder, capture_output=True, text=True,
                              env={**os.environ, "NVTX_INJECTION64_PATH": os.path.abspath(args.recorder), "NVTX_RECORD": path})
        if done.returncode:
            sys.exit(f"{' '.join(words)}: exit status {done.returncode}: {done.stderr.strip()}")
        if not os.path.exists(path):
            sys.exit(f"{' '.join(words)}: nothing was recorded")
        return Record(path)


def check_nodes(record, kind, flop, runs):
    """Each kernel layer has this number of ranges of the kind, with its FLOP; a range with a node's name has that node's FLOP."""
    seen = Counter(r.name for r in record.of(kind))
    for name, count in flop.items():
        if count > 0 and seen[name] != runs:
            yield f"{kind}: {seen[name]} ranges of kernel layer {name}, not {runs}"
    for r in record.of(kind):
        if r.name in flop and abs((r.flop or 0) - flop[r.name]) > 1e-6 * flop[r.name]:
            yield f"{kind}: {r.name} has {r.flop} FLOP, not {flop[r.name]}"


def check_explain(args, flop):
    record = recorded_run(args, "explain", args.model, args.clip, "--rule", "grad", "--theta", "0", "--layers", "fiber*",
                          "--format", "h5,png", "--profile")
    yield from record.wrong
    rendered = [r for r in record.of("tubes") if r.name == "render"]
    tubes = [name for name in flop if name.startswith("fiber") and flop[name] > 0]
    if len(rendered) != 2 * len(tubes) or not tubes:  # once by each of the two writers
        yield f"the device rendered {len(rendered)} times, not twice each of {tubes}"
    if any(r.inside != ("write",) for r in rendered):
        yield f"tubes are rendered within {set(r.inside for r in rendered)}"
    yield from check_nodes(record, "forward", flop, 1)
    yield from check_nodes(record, "backward", {name: f for name, f in flop.items() if name != args.first}, 1)
    order = [r.kind for r in record.ranges]
    for earlier, later in ("load", "decode"), ("decode", "forward"), ("forward", "backward"), ("backward", "write"):
        if earlier not in order or later not in order or order.index(earlier) > order.index(later):
            yield f"{earlier} does not come before {later}"
    for kind in "load", "decode", "write":
        for r in record.of(kind):
            if r.inside:
                yield f"{kind} range '{r.name}' lies within {r.inside}"
            if r.recorded:
                yield f"--profile records {kind}"
            if r.flop is not None:
                yield f"{kind} range '{r.name}' has FLOP"
    if [r.name for r in record.of("decode")] != [args.clip]:
        yield f"decode ranges {[r.name for r in record.of('decode')]}"
    missed = [r.name for r in record.of("forward") + record.of("backward") if not r.recorded]
    if missed:
        yield f"--profile does not record {missed[:5]}"
    if record.marks != ["cudaProfilerStart", "cudaProfilerStop"]:
        yield f"--profile: marks {record.marks}"


def check_bench(args, flop):
    record = recorded_run(args, "bench", args.model, "--runs", "2", "--warmup", "1", "--depth", "1", "--tubes", "none",
                          "--json", "--profile")
    yield from record.wrong
    yield from check_nodes(record, "forward", flop, 3)
    for r in set(r.name for r in record.of("forward") if flop.get(r.name)):
        recorded = [x.recorded for x in record.of("forward") if x.name == r]
        if recorded != [False, True, True]:
            yield f"bench --profile: of {r}'s three runs {recorded} are recorded"


def check_unasked(args, flop):
    record = recorded_run(args, "predict", args.model, args.clip, "--check-input", "never")
    yield from record.wrong
    yield from check_nodes(record, "forward", flop, 1)
    if record.marks:
        yield f"without --profile: marks {record.marks}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True, help="the program cfp-gpu")
    parser.add_argument("--recorder", required=True, help="nvtx_recorder.so")
    parser.add_argument("--device", default="cudasim")
    parser.add_argument("model")
    parser.add_argument("clip")
    args = parser.parse_args()
    nodes = json.loads(subprocess.run([args.cfp, "inspect", args.model, "--json"], capture_output=True, text=True,
                                      check=True).stdout)["nodes"]
    flop = {node["name"]: node["gflop"] * 1e9 for node in nodes}
    args.first = next(name for name in flop if flop[name] > 0)  # reads the clip: nobody asks for its gradient
    failed = 0
    for check in check_explain, check_bench, check_unasked:
        wrong = list(check(args, flop))
        failed += bool(wrong)
        print(f"{check.__name__}: {'as it should be' if not wrong else 'WRONG'}", *wrong[:8], sep="\n  ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
