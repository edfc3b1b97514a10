#!/usr/bin/env python3
"""The model that ships is right about the clips that ship, and looks at what moves in them.

    check_motion.py --cfp BIN

Every clip's top class is its own; at every depth, under both rules, the layer tubes put more of their
energy on the object (datasets/motion/*.mask.h5) than the object's share of the volume.
"""
import argparse
import json
import pathlib
import subprocess
import sys

try:
    import h5py  # noqa: F401  (mask_energy needs it)
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import mask_energy  # noqa: E402

LEAST = 1.05  # times the object's share; the shallowest layers see every edge of the scene


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True)
    args = parser.parse_args()
    model, clips = ROOT / "weights/motion.h5", sorted((ROOT / "datasets/motion").glob("*.mp4"))
    failed = 0
    said = subprocess.run([args.cfp, "predict", model, *clips, "--json", "-q"], check=True,
                          capture_output=True, text=True)
    for clip, answer in zip(clips, json.loads(said.stdout)["clips"]):
        if answer["top"][0]["name"] != clip.stem:
            failed += 1
            print(f"FAIL {clip.name}: {answer['top'][0]}")
    for options in ([], ["--rule", "grad"]):
        ratios = {}
        for clip in clips:
            shares, mask = mask_energy.energies(args.cfp, model, clip, clip.stem, options)
            for depth, values in shares.items():
                ratios.setdefault(depth, []).append(np.mean(values) / mask)
        for depth, values in sorted(ratios.items()):
            if np.mean(values) < LEAST:
                failed += 1
                print(f"FAIL {options}: depth {depth}: {np.mean(values):.2f} times the object's share")
        print(f"{' '.join(options) or '--rule cfp'}: {len(ratios)} depths, "
              f"{min(np.mean(v) for v in ratios.values()):.2f} to "
              f"{max(np.mean(v) for v in ratios.values()):.2f} times the object's share")
    return 1 if failed or not clips else 0


if __name__ == "__main__":
    sys.exit(main())
