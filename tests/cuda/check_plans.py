#!/usr/bin/env python3
"""Lets the real cuDNN plan every convolution of networks of published size, for GPUs that are described in devices/.

It makes a model file of each published shape (weights of 0 will do, because only shapes are planned), passes it to
plan_networks with the descriptions, and deletes it. TENSOR_CORES is the fraction of the FLOP in tf32 that has to be on
tensor cores, forward and backward. It is a little below the lowest that cuDNN 9.19 and 9.26 give on any device of the
kind. HALVES is the same for bf16 and fp16, by cuDNN 9.19.

Usage: check_plans.py --planner PLAN_NETWORKS [--only NAME]... [--halves NAME]... [--list]
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "importers")]

FLOATS, HALVES = ("fp32", "tf32"), ("bf16", "fp16")

# How GPUs differ: whether tensor cores are worth far more than the rest in tf32.
DEVICES = {"data centre": ("a100", "b200", "h100"), "desktop": ("l40s", "rtx5090")}

# name: (architecture, frames, size, TENSOR_CORES in per cent: data centre, desktop; HALVES: the same)
# No architecture: the model that ships.
NETWORKS = {
    "motion": (None, 0, 0, (92, 82), (81, 89)),
    "resnet-50": ("resnet-50", 16, 224, (97, 64), (99, 99)),
    "resnet-101": ("resnet-101", 16, 224, (98, 74), (99, 99)),
    "resnet-152": ("resnet-152", 16, 224, (98, 80), (99, 99)),
    "resnext-101": ("resnext-101", 16, 224, (95, 55), (88, 92)),
    "mfnet": ("mfnet", 16, 224, (71, 20), (60, 86)),
    "i3d": ("i3d", 16, 224, (97, 74), (98, 98)),
    "densenet-121": ("densenet-121", 16, 112, (99, 68), (99, 99)),
    "resnet2p1d-34": ("resnet2p1d-34", 16, 112, (73, 73), (93, 99)),
    "x3d-m": ("x3d-m", 16, 224, (57, 13), (68, 77)),
}


def plan(planner, path, devices, precisions, floor, listing):
    words = [planner, "--tensor-cores", str(floor), *(["--list"] if listing else [])]
    for precision in precisions:
        words += ["--precision", precision]
    for device in devices:
        words += ["--device-json", str(HERE / "devices" / f"{device}.json")]
    return subprocess.run([*words, str(path)]).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--planner", required=True, type=os.path.abspath)
    parser.add_argument("--only", action="append", choices=NETWORKS, help="this network")
    parser.add_argument("--halves", action="append", choices=NETWORKS, help="bf16 and fp16 of these only")
    parser.add_argument("--list", action="store_true", help="every plan")
    args = parser.parse_args()
    try:
        import h5py  # noqa: F401
        import numpy  # noqa: F401
    except ImportError as problem:
        print(f"skipped: {problem}")
        return 77
    from check_six import model_file
    wrong = []
    for name in args.only or NETWORKS:
        architecture, frames, size, *floors = NETWORKS[name]
        with tempfile.TemporaryDirectory() as folder:
            path = ROOT / "weights" / "motion.h5"
            if architecture:
                path = Path(folder) / "model.h5"
                model_file(path, architecture, frames, size, 1, random=False)
            for precisions, kinds in zip((FLOATS, HALVES), floors):
                if precisions == HALVES and args.halves and name not in args.halves:
                    continue
                for devices, floor in zip(DEVICES.values(), kinds):
                    if plan(args.planner, path, devices, precisions, floor, args.list) != 0 and name not in wrong:
                        wrong.append(name)
    if wrong:
        print("FAIL", *wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
