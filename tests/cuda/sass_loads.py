#!/usr/bin/env python3
"""What nvcc made of a .cu file, as a table: for each kernel its registers, spills and loads from device memory.

    tests/cuda/sass_loads.py cuda/reduce.cu [cuda/pointwise.cu ...] [--arch sm_90] [--only REGULAR_EXPRESSION]

It needs nvcc and NVIDIA's nvdisasm (pip install nvidia-cuda-nvdisasm) and no GPU.  "In flight" is the largest number of
loads that are issued before an instruction needs one of them, in the order of the code: how many a thread waits for at
once.  For a loop, it does not count loads of the next round.
"""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOAD = re.compile(r"LDG\.E(?:\.\w+)*")
REGISTER = re.compile(r"\bR(\d+)\b")
WIDTH = {".64": 2, ".128": 4}  # registers that a load fills


class Kernel:
    def __init__(self, name):
        self.name, self.registers, self.spills = name, 0, 0
        self.loads, self.wide, self.in_flight = 0, 0, 0
        self._pending = []  # registers that each load under way fills

    def instruction(self, text):
        load = LOAD.search(text)
        operands = text.split(None, 1)[1] if " " in text else ""
        read = {int(n) for n in REGISTER.findall(operands)}
        if any(read & filled for filled in self._pending):
            self._pending = []  # it waits
        if not load:
            return
        width = next((n for suffix, n in WIDTH.items() if suffix in load.group()), 1)
        first = REGISTER.search(text)
        if first:
            self._pending.append(set(range(int(first.group(1)), int(first.group(1)) + width)))
        self.loads += 1
        self.wide += width == 4
        self.in_flight = max(self.in_flight, len(self._pending))

    def branch_target(self):
        self._pending = []


def compile_to(cubin, source, arch, flags):
    done = subprocess.run(["nvcc", f"-arch={arch}", "-O3", "-std=c++17", "-cubin", "-Xptxas", "-v", *flags, str(source), "-o",
                           str(cubin)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"sass_loads.py: {source}: {done.stderr.strip()}")
    usage, name = {}, None
    for line in done.stderr.splitlines():
        found = re.search(r"Compiling entry function '(\w+)'", line)
        name = found.group(1) if found else name
        spilled = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line)
        used = re.search(r"Used (\d+) registers", line)
        if spilled:
            usage[name] = [0, int(spilled.group(1)) + int(spilled.group(2))]
        if used:
            usage.setdefault(name, [0, 0])[0] = int(used.group(1))
    return usage


def kernels(source, arch, flags, disassembler):
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "code.cubin"
        usage = compile_to(cubin, source, arch, flags)
        listing = subprocess.run([disassembler, "-c", str(cubin)], capture_output=True, text=True, check=True).stdout
    found = parse(listing)
    for name, kernel in found.items():
        kernel.registers, kernel.spills = usage.get(name, (0, 0))
    return found.values()


def parse(listing):
    """{name: Kernel} of nvdisasm's text."""
    found, kernel = {}, None
    for line in listing.splitlines():
        section = re.match(r"\s*\.section\s+\.text\.(\w+)", line)
        if section:
            kernel = found[section.group(1)] = Kernel(section.group(1))
        elif re.match(r"\.L_x_\w+:", line) and kernel:
            kernel.branch_target()
        code = re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", line)
        if code and kernel:
            kernel.instruction(code.group(1))
    return found


def readable(name):
    done = subprocess.run(["c++filt", name], capture_output=True, text=True, check=False)
    return re.sub(r"\(.*", "", done.stdout.strip()).replace("void ", "") or name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="+", type=Path)
    parser.add_argument("--arch", default="sm_90")
    parser.add_argument("--only", default="", help="only kernels whose names this expression finds")
    parser.add_argument("--nvdisasm", default="nvdisasm")
    args = parser.parse_args()
    print("| kernel | registers | bytes spilled | loads | of 16 bytes | in flight |")
    print("| --- | --- | --- | --- | --- | --- |")
    for source in args.source:
        flags = ["-fmad=false"] if source.name in ("pairs.cu", "relevance.cu", "render.cu") else []
        rows = [(readable(k.name), k) for k in kernels(source, args.arch, flags, args.nvdisasm)]
        for name, k in sorted(rows, key=lambda row: row[0]):
            if re.search(args.only, name):
                print(f"| {name} | {k.registers} | {k.spills} | {k.loads} | {k.wide} | {k.in_flight} |")


if __name__ == "__main__":
    main()
