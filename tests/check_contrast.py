#!/usr/bin/env python3
"""Checks `cfp-gpu contrast` against `explain`, which knows one class: kernels, links and tubes by numpy, pixels by Pillow.

    check_contrast.py --cfp build/cfp-gpu MODEL CLIP
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
    from PIL import Image
except ImportError as error:
    print(f"skipped: {error} (needs the Python packages h5py, numpy and Pillow)")
    sys.exit(77)

A, B = "clockwise", "growing"
# What is asked, and which tubes are made of it: every rule, both masks, points in one go and kernels' own tubes.
CASES = [
    ["--propagate", "path", "--layers", "mix.b*"],
    ["--rule", "grad", "--theta", "0.3", "--layers", "res*", "--tubes", "kernels"],
    ["--rule", "grad", "--mask", "none", "--theta", "0.2", "--baseline", "freeze", "--steps", "2", "--layers", "dw.*"],
    ["--rule", "reference", "--depth", "3", "--interp", "spline", "--layers", "mix.b2*"],
]
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("not so:", what)


def run(cfp, *words):
    return subprocess.run([cfp, *words, "-q", "--threads", "1"], capture_output=True, text=True)


def kernels_of(pyramid):
    return {name: set(map(int, layer["selected"][:])) for name, layer in pyramid.items()}


def check_kernels(said, a, b, depths, what):
    """contrast.json's layers against the two selections."""
    check([row["layer"] for row in said] and {row["layer"] for row in said} == set(a) | set(b), f"{what}: layers of either class")
    check([row["depth"] for row in said] == sorted(row["depth"] for row in said), f"{what}: layers by depth")
    for row in said:
        name = row["layer"]
        mine, theirs = a.get(name, set()), b.get(name, set())
        check(row["depth"] == depths[name], f"{what}: depth of {name}")
        check(row["both"] == sorted(mine & theirs) and row["only_a"] == sorted(mine - theirs) and row["only_b"] == sorted(theirs - mine),
              f"{what}: kernels of {name}")


def check_links(said, a, b, what):
    """contrast.json's links against those of two pyramid.json."""
    links = [{(link["source"], link["target"]): link["value"] for link in pyramid["links"]} for pyramid in (a, b)]
    mine, theirs = links
    check({(x["source"], x["target"]): (x["value_a"], x["value_b"]) for x in said["both"]}
          == {ends: (mine[ends], theirs[ends]) for ends in mine.keys() & theirs.keys()}, f"{what}: links of both")
    for key, one, other in (("only_a", mine, theirs), ("only_b", theirs, mine)):
        check({(x["source"], x["target"]): x["value"] for x in said[key]} == {ends: one[ends] for ends in one.keys() - other.keys()},
              f"{what}: links {key}")
    check(sum(len(said[key]) for key in said) == len(mine.keys() | theirs.keys()), f"{what}: every link once")


def tubes_below(group):
    """{path: group} of layer tubes and kernel tubes."""
    found = {}
    for top in ("tubes", "kernel_tubes"):
        for name, layer in group[top].items() if top in group else ():
            for inner, tube in [(None, layer)] if top == "tubes" else layer.items():
                found[(top, name, inner)] = tube
    return found


def check_tubes(f, a, b, what):
    own, alone = [tubes_below(f[side]) for side in "ab"], [tubes_below(one) for one in (a, b)]
    differences = tubes_below(f)
    shape = f["clip/frames"].shape[:3]
    for side in (0, 1):
        check(own[side].keys() == alone[side].keys(), f"{what}: class {'AB'[side]} has its own tubes: "
              f"{own[side].keys() ^ alone[side].keys()}")
        for path in own[side].keys() & alone[side].keys():
            check(np.array_equal(own[side][path]["raw"], alone[side][path]["raw"]), f"{what}: the raw map {path} of {'AB'[side]}")
    check(differences.keys() == alone[0].keys() | alone[1].keys(), f"{what}: a difference for each tube of either")
    for path, group in differences.items():
        volumes = [one[path]["tube"][:] if path in one else np.zeros(shape, np.float32) for one in alone]
        difference = group["tube"][:]
        check(np.array_equal(difference, volumes[0] - volumes[1]), f"{what}: {path} is A minus B")
        check(group.attrs["min"] == difference.min() and group.attrs["max"] == difference.max(), f"{what}: {path}: min and max")


def check_case(cfp, model, clip, folder, options):
    what = " ".join(options)
    done = run(cfp, "contrast", model, clip, "--class", A, "--against", B, "-o", f"{folder}/c", "--format", "h5,json", "--json", *options)
    check(done.returncode == 0, f"{what}: {done.stderr.strip()}")
    for name in (A, B):
        done_one = run(cfp, "explain", model, clip, "--class", name, "-o", f"{folder}/{name}", "--format", "h5,json", *options)
        check(done_one.returncode == 0, f"{what}: {done_one.stderr.strip()}")
    with open(f"{folder}/c/contrast.json", encoding="utf-8") as f:
        said = json.load(f)
    pyramids = []
    for name in (A, B):
        with open(f"{folder}/{name}/pyramid.json", encoding="utf-8") as f:
            pyramids.append(json.load(f))
    check(said["classes"] == [pyramid["class"] for pyramid in pyramids], f"{what}: the classes")
    with h5py.File(f"{folder}/c/contrast.h5") as f, h5py.File(f"{folder}/{A}/explanation.h5") as a, \
            h5py.File(f"{folder}/{B}/explanation.h5") as b:
        depths = {name: int(group.attrs["depth"]) for one in (a, b) for name, group in one["pyramid"].items()}
        check_kernels(said["layers"], kernels_of(a["pyramid"]), kernels_of(b["pyramid"]), depths, what)
        for side, one in (("a", a), ("b", b)):
            check(int(f[side].attrs["class_index"]) == int(one.attrs["class_index"]), f"{what}: class of /{side}")
            for name, group in one["pyramid"].items():
                check(all(np.array_equal(f[side]["pyramid"][name][key], group[key])
                          for key in ("selected", "relevance", "edges", "edge_relevance")), f"{what}: /{side}/pyramid/{name}")
        check_tubes(f, a, b, what)
    check_links(said["links"], *pyramids, what)
    counts = [{key: len(row[key]) if isinstance(row[key], list) else row[key] for key in row} for row in said["layers"]]
    check(json.loads(done.stdout)["layers"] == counts, f"{what}: --json counts what contrast.json lists")


def check_pictures(cfp, model, clip, folder):
    """Pixels by the formula: alpha * colour + (1 - alpha) * grey frame, where 0 has the colour in the middle."""
    layer, options = "mix.b1.conv", ["--rule", "grad", "--theta", "0.3", "--depth", "1", "--layers", "mix.b1.conv"]
    done = run(cfp, "contrast", model, clip, "--class", A, "--against", B, "-o", folder, "--alpha", "0.7", "--colormap", "blackwhite",
               "--format", "h5,png,frames,mp4,gif,stack,html", *options)
    check(done.returncode == 0, done.stderr.strip())
    with open(f"{folder}/run.json", encoding="utf-8") as f:
        written = json.load(f)
    check({"contact-sheet.png", "contrast.h5", "report.html", f"overlay/{layer}.png", f"overlay/{layer}.mp4", f"overlay/{layer}.gif",
           f"overlay/{layer}/stack.png", f"overlay/{layer}/000000.png"} <= set(written["files"]), "every format is written")
    check([c["name"] for c in written["classes"]] == [A, B] and written["ms"]["forward"] > 0, "run.json names both classes")
    with h5py.File(f"{folder}/contrast.h5") as f:
        frames, volume = f["clip/frames"][:].astype(int), f[f"tubes/{layer}/tube"][:]
    check(volume.min() < 0 < volume.max(), "the tubes differ, both ways")
    for t in (0, len(frames) - 1):
        with Image.open(f"{folder}/overlay/{layer}/{t:06d}.png") as picture:
            shown = np.asarray(picture).astype(int)
        n = shown.shape[0] // frames.shape[1]
        grey = (frames[t] @ np.array([299, 587, 114]) + 500) // 1000
        level = np.floor(volume[t].astype(np.float32) * np.float32(127) + np.float32(128.5))
        expected = np.floor(0.7 * level + 0.3 * grey + 0.5)
        check(np.abs(shown[::n, ::n] - expected[:, :, None]).max() <= 1, f"frame {t} is coloured by the difference")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfp", required=True)
    parser.add_argument("model")
    parser.add_argument("clip")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for number, options in enumerate(CASES):
            check_case(arguments.cfp, arguments.model, arguments.clip, os.path.join(scratch, str(number)), options)
        check_pictures(arguments.cfp, arguments.model, arguments.clip, os.path.join(scratch, "pictures"))
    print(f"{len(failures)} failures" if failures else "contrast says what explain says of each class")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
