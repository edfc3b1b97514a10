#!/usr/bin/env python3
"""What does explain write if nothing is asked for, and what limits the size of its files?

    check_lean.py --cfp build/release/cfp-gpu --work FOLDER MODEL CLIP
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("not so:", what)


class Runs:
    def __init__(self, options):
        self.options = options

    def explain(self, name, *words):
        folder = self.options.work / name
        done = subprocess.run([self.options.cfp, "explain", "-q", self.options.model, self.options.clip, "-o", folder, *words],
                              capture_output=True, text=True)
        check(done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}")
        return folder


def files_of(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def check_defaults(runs):
    """One page, one sheet, all numbers, and movies of six layers, the first and the last among them."""
    folder = runs.explain("default")
    files = files_of(folder)
    movies = [f for f in files if f.endswith(".mp4")]
    check([f for f in files if f not in movies] == ["contact-sheet.png", "explanation.h5", "report.html", "run.json"], f"the files: {files}")
    with h5py.File(folder / "explanation.h5") as f:
        depth = sorted((int(f["pyramid"][name].attrs["depth"]), name) for name in f["tubes"])
    shown = {f[len("overlay/"):-len(".mp4")] for f in movies}
    ends = {depth[0][0], depth[-1][0]}
    check(len(shown) == 6 and ends <= {d for d, name in depth if name in shown}, f"movies of {sorted(shown)}")
    check(json.loads((folder / "run.json").read_text())["options"]["movies"] == 6, "run.json says how many movies")

    again = runs.explain("again", "--format", "mp4,sheet", "--movies", "3")
    check(len([f for f in files_of(again) if f.endswith(".mp4")]) == 3, "--movies 3")
    check((again / "contact-sheet.png").read_bytes() == (folder / "contact-sheet.png").read_bytes(), "the sheet is the same")
    both = runs.explain("both", "--format", "png,sheet", "--layers", "mix*")
    alone = runs.explain("alone", "--format", "sheet", "--layers", "mix*")
    check(files_of(alone) == ["contact-sheet.png", "run.json"], f"sheet writes a sheet alone: {files_of(alone)}")
    check((both / "contact-sheet.png").read_bytes() == (alone / "contact-sheet.png").read_bytes(), "png makes the same sheet")
    all_layers = runs.explain("all", "--format", "mp4", "--layers", "mix*")
    check(len(files_of(all_layers)) == 1 + len([n for _, n in depth if n.startswith("mix")]), "with --format, each layer gets a movie")


def check_links(runs):
    """--links keeps the links of the highest value, in the order of all links."""
    def pyramid(name, *words):
        return json.loads((runs.explain(name, "--format", "json", *words) / "pyramid.json").read_text())
    whole, few = pyramid("whole"), pyramid("few", "--links", "100")
    check("links_total" not in whole, "nothing is left out by default here")
    check(few["links_total"] == len(whole["links"]) and few["links_kept"] == len(few["links"]) == 100, "the file says what is left out")
    check(few["nodes"] == whole["nodes"], "every kernel stays")
    highest = sorted((link["value"] for link in whole["links"]), reverse=True)[:100]
    check(sorted((link["value"] for link in few["links"]), reverse=True) == highest, "the strongest links stay")
    rest = iter(whole["links"])
    check(all(any(link == other for other in rest) for link in few["links"]), "their order stays")
    ties = pyramid("ties", "--links", "5", "--rule", "cfp", "--theta", "0")
    check(len(ties["links"]) == 5, "of equal links, as many stay as are wanted")


def check_half(runs):
    """Many tubes are stored as half floats, at most 1/4096 off."""
    words = ("--theta", "0.01", "--format", "h5")
    exact, many = runs.explain("exact", *words), runs.explain("many", *words, "--tubes", "kernels")
    with h5py.File(exact / "explanation.h5") as a, h5py.File(many / "explanation.h5") as b:
        kernels = [group["tube"] for of in b["kernel_tubes"].values() for group in of.values()]
        check(all(tube.dtype == np.float16 for tube in kernels), f"{len(kernels)} tubes of kernels are half floats")
        for name in a["tubes"]:
            one, other = a["tubes"][name], b["tubes"][name]
            check(one["tube"].dtype == np.float32 and other["tube"].dtype == np.float16, f"{name}: {other['tube'].dtype}")
            check(np.array_equal(one["raw"][()], other["raw"][()]), f"{name}: raw is exact")
            apart = np.abs(one["tube"][()].astype(float) - other["tube"][()].astype(float)).max()
            check(apart <= 1 / 4096 + 1e-7, f"{name}: {apart} off")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfp", required=True)
    parser.add_argument("--work", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("model")
    parser.add_argument("clip")
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    runs = Runs(options)
    check_defaults(runs)
    check_links(runs)
    check_half(runs)
    if not failures:
        shutil.rmtree(options.work)
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
