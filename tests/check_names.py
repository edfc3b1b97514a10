#!/usr/bin/env python3
"""Names from outside, in every command: none reaches a terminal as it is, all come back whole out of JSON; and a hundred
thousand classes take no time.

    check_names.py --cfp build/cfp-gpu

Exit status 77 (skipped) where h5py or numpy are missing.
"""
import argparse
import json
import os
import sys
import tempfile
import unicodedata

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"skipped: {error} (needs the Python packages h5py and numpy)")
    sys.exit(77)

import child

NASTY = "a\x1b[31m\x9b2J\x85\u202ereversed\u2066\u2069\u200f\u061c\u200b\ufeff\u2028\u2029\r\x7f\U000e0041z"
MANY = 100000
MOST_S = 3      # of the processor; picking the best of what is left again and again took 6
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("not so:", ascii(what))


def write_model(path, name, classes, node):
    with h5py.File(path, "w") as f:
        f.attrs.update({"cfp_format": "model", "cfp_version": 1, "name": name, "output": "fc"})
        f["classes"] = np.array([c.encode() for c in classes])
        f.create_group("input").attrs.update({
            "channels": 3, "frames": 2, "height": 4, "width": 4, "frame_stride": 1, "resize_short": 4, "crop": "center",
            "color": "RGB", "scale": 255.0, "mean": [0.0] * 3, "std": [1.0] * 3})
        rng = np.random.default_rng(1)
        for at, op, inputs in ((node, "conv3d", "input"), ("pool", "globalavgpool", node), ("fc", "linear", "pool")):
            group = f.create_group("graph/" + at)
            group.attrs["op"] = op
            group.attrs["inputs"] = np.array([inputs.encode()])
        f[f"graph/{node}/weight"] = rng.normal(size=(4, 3, 1, 1, 1)).astype(np.float32)
        f["graph/fc/weight"] = rng.normal(size=(len(classes), 4)).astype(np.float32)


def shows_safely(text):
    """True if a text is safe on a terminal: no control characters but the end of a line, nothing that turns or hides text."""
    try:
        return all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") for c in text.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def run(cfp, *words):
    done, seconds = child.run([cfp, *words], 120)
    check(shows_safely(done.stdout), f"{words}: standard output {done.stdout!r}")
    check(shows_safely(done.stderr), f"{words}: standard error {done.stderr!r}")
    return done, seconds


def check_nasty(cfp, folder):
    node = NASTY.replace("/", "")
    model = os.path.join(folder, "m" + NASTY + ".h5")
    clip = os.path.join(folder, "c" + NASTY + ".npy")
    broken = os.fsencode(folder) + b"/\xff\xc0\x9b.npy"
    out = os.path.join(folder, "o" + NASTY)
    write_model(model, NASTY, [NASTY, "b" + NASTY], node)
    for path in (clip, broken):
        with open(path, "wb") as f:
            np.save(f, np.full((2, 4, 4, 3), 90, np.uint8))
    good = [("inspect", model), ("predict", model, clip), ("predict", model, broken), ("bench", model, "--runs", "1"),
            ("predict", model, clip, "--check-input", "always"), ("explain", model, clip, "-o", out, "--theta", "0"),
            ("report", out, "-o", os.path.join(folder, "i" + NASTY + ".html")), ("view", out), ("devices",)]
    for words in good:
        done, _ = run(cfp, *words)
        check(done.returncode == 0, f"{words}: {done.returncode} {done.stderr!r}")
    bad = [("inspect", NASTY), ("predict", model, NASTY), ("explain", model, clip, "--class", NASTY + "x", "-o", out),
           ("explain", model, clip, "--layers", NASTY + "?x", "-o", out), (NASTY,), ("inspect", "--" + NASTY, model),
           ("predict", model, clip, "--device", NASTY), ("predict", model, broken + b"x"), ("view", NASTY),
           ("explain", model, clip, "--format", NASTY, "-o", out), ("explain", model, clip, "-o", clip),
           ("report", NASTY), ("predict", model, clip, "--top", NASTY), ("-" + NASTY,), ("inspect", clip)]
    for words in bad:
        done, _ = run(cfp, *words, *(["-q"] if words[0] in ("predict", "explain") else []))
        check(done.returncode in (1, 2), f"{words}: {done.returncode}")
        check(done.stderr.count(b"\n") == 1, f"{words}: one line, not {done.stderr!r}")
    done, _ = run(cfp, "predict", model, clip, "--json")
    said = json.loads(done.stdout)["clips"][0]
    check(said["clip"] == clip and {t["name"] for t in said["top"]} == {NASTY, "b" + NASTY}, "predict --json keeps names")
    done, _ = run(cfp, "inspect", model, "--json")
    said = json.loads(done.stdout)
    check(said["name"] == NASTY and node in [n["name"] for n in said["nodes"]], "inspect --json keeps names")
    done, _ = run(cfp, "explain", model, clip, "-o", out, "--json", "-q", "--theta", "0", "--format", "json,html")
    said = json.loads(done.stdout)
    check(said["class"]["name"] in (NASTY, "b" + NASTY), "explain --json keeps names")
    check(all(os.path.exists(path) for path in said["files"]), "explain --json names its files")
    for name in ("run.json", "pyramid.json"):
        with open(os.path.join(out, name), "rb") as f:
            text = f.read()
        check(shows_safely(text), f"{name} can be shown")
        facts = json.loads(text)
        check(facts["class"]["name"] == said["class"]["name"], f"{name} keeps the class")
    layers = {n["layer"] for n in facts["nodes"]}
    check(layers == {node, "fc"}, f"pyramid.json keeps the layer: {layers}")
    for _, folders, files in os.walk(os.fsencode(os.path.join(out, "overlay"))):
        check(all(shows_safely(name) for name in folders + files), f"names of files can be shown: {files}")


def check_many(cfp, folder):
    model, clip, out = (os.path.join(folder, name) for name in ("many.h5", "clip.npy", "many"))
    write_model(model, "many", [f"class number {i:090d}" for i in range(MANY)], "conv")
    np.save(clip, np.full((2, 4, 4, 3), 90, np.uint8))
    done, seconds = run(cfp, "predict", model, clip, "--top", "1000000", "--json", "--check-input", "never")
    top = json.loads(done.stdout)["clips"][0]["top"]
    order = [(-t["logit"], t["index"]) for t in top]
    check(len(top) == MANY and order == sorted(order), "all classes, the most probable first")
    check(seconds < MOST_S, f"--top of {MANY} classes: {seconds:.1f} s")
    for words, status in ((("--class", "nothing near this", "--format", "json"), 2), (("--format", "h5,json,html"), 0)):
        done, seconds = run(cfp, "explain", model, clip, "-o", out, *words)
        check(done.returncode == status and seconds < MOST_S, f"{words}: {done.returncode} after {seconds:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfp", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        check_nasty(arguments.cfp, folder)
        check_many(arguments.cfp, folder)
    print(f"{len(failures)} failures" if failures else "names are shown safely and come back whole")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
