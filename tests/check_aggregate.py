#!/usr/bin/env python3
"""Checks `cfp-gpu aggregate`: what it adds up, against numpy; shards of batch, made here by h5py; and what it refuses.

    check_aggregate.py --cfp build/cfp-gpu MODEL CLIPS

CLIPS is the folder of rendered motions.
"""
import argparse
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"skipped: {error} (needs the Python packages h5py and numpy)")
    sys.exit(77)

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("not so:", what)


def run(cfp, *words):
    return subprocess.run([cfp, *words, "-q", "--threads", "1"], capture_output=True, text=True)


def read(path):
    """(class, {layer: (depth, channels, selected, relevance, {edge: relevance})}) of an explanation."""
    with h5py.File(path) as f:
        return int(f.attrs["class_index"]), {
            name: (int(g.attrs["depth"]), int(g.attrs["channels"]), set(map(int, g["selected"][:])), g["relevance"][:],
                   {tuple(map(int, e)): r for e, r in zip(g["edges"][:], g["edge_relevance"][:])})
            for name, g in f["pyramid"].items()}


def jaccard(a, b):
    return len(a & b) / len(a | b) if a | b else 1.0


def random_jaccard(n, a, b):
    """By the definition: over every size of the intersection that there can be."""
    if a == b == 0:
        return 1.0
    ways = {k: math.comb(a, k) * math.comb(n - a, b - k) for k in range(max(0, a + b - n), min(a, b) + 1)}
    return sum(count * k / (a + b - k) for k, count in ways.items()) / math.comb(n, b)


def strongest(values, most):
    """[(clip, relevance)], the highest first, of equal ones the earlier clip."""
    return sorted(((i, float(v)) for i, v in enumerate(values) if v > 0), key=lambda x: (-x[1], x[0]))[:most]


def close(x, y):
    return abs(x - y) < 1e-6


def check_layer(said, group, clips, name, most, what):
    """One layer of class.json and of class.h5 against the clips of the class."""
    there = [clip.get(name) for clip in clips]
    depth, n = next((layer[0], layer[1]) for layer in there if layer is not None)
    sets = [layer[2] if layer is not None else set() for layer in there]
    values = np.array([layer[3] if layer is not None else np.zeros(n, np.float32) for layer in there])
    what = f"{what}, {name}"
    check((said["depth"], said["kernels"], said["clips"]) == (depth, n, sum(layer is not None for layer in there)), f"{what}: facts")
    pairs = list(itertools.combinations(sets, 2))
    if pairs:
        check(close(said["consistency"], sum(jaccard(*pair) for pair in pairs) / len(pairs)), f"{what}: consistency")
        check(close(said["random"], sum(random_jaccard(n, *map(len, pair)) for pair in pairs) / len(pairs)), f"{what}: chance")
        check(group.attrs["consistency"] == said["consistency"] and group.attrs["random"] == said["random"], f"{what}: in class.h5")
    else:
        check(said["consistency"] is None and said["random"] is None, f"{what}: one clip has no pairs")
    counts = {o: sum(o in one for one in sets) for o in set().union(*sets)}
    check({row["kernel"]: row["clips"] for row in said["selected"]} == counts, f"{what}: in how many clips")
    check(all(close(row["relevance"], values[:, row["kernel"]].mean()) for row in said["selected"]), f"{what}: mean relevance")
    check(all([(top["clip"], top["relevance"]) for top in row["top"]] ==
              [(i, float(str(np.float32(v)))) for i, v in strongest(values[:, row["kernel"]], most)] for row in said["selected"]),
          f"{what}: the clips it is most relevant in")
    edges = {}
    for i, layer in enumerate(there):
        for ends, value in (layer[4] if layer is not None else {}).items():
            edges.setdefault(ends, np.zeros(len(clips)))[i] = value
    counted = {ends: sum(layer is not None and ends in layer[4] for layer in there) for ends in edges}
    check([(row["kernel"], row["channel"]) for row in said["edges"]] == sorted(edges), f"{what}: edges")
    check(all(row["clips"] == counted[row["kernel"], row["channel"]]
              and close(row["relevance"], edges[row["kernel"], row["channel"]].mean())
              and [top["clip"] for top in row["top"]] == [i for i, _ in strongest(edges[row["kernel"], row["channel"]], most)]
              for row in said["edges"]), f"{what}: what is said of edges")
    full = np.zeros(n, int)
    full[list(counts)] = list(counts.values())
    check(np.array_equal(group["count"], full) and np.allclose(group["relevance"], values.mean(0), atol=1e-6), f"{what}: kernels of class.h5")
    check(group["edges"][:].tolist() == [list(ends) for ends in sorted(edges)], f"{what}: edges of class.h5")
    check([row["clips"] for row in said["edges"]] == group["edge_count"][:].tolist(), f"{what}: edge counts of class.h5")
    if most > 0:
        check(all([c for c in group["top_clip"][row["kernel"]] if c >= 0] == [top["clip"] for top in row["top"]] for row in said["selected"]),
              f"{what}: top clips of class.h5")


def check_result(folder, paths, most, what, only=None):
    """Everything in the folder against the explanations, in the order in which they were given."""
    classes = {}
    for path in paths:
        index, layers = read(path)
        classes.setdefault(index, []).append(layers)
    with open(f"{folder}/class.json", encoding="utf-8") as f:
        said = json.load(f)
    check([c["index"] for c in said["classes"]] == sorted(only or classes), f"{what}: the classes")
    for one in said["classes"]:
        clips = classes[one["index"]]
        check(len(one["clips"]) == len(clips) == one["consistency_clips"], f"{what}: clips of class {one['index']}")
        names = set().union(*clips)
        check({row["layer"] for row in one["layers"]} == names, f"{what}: layers of class {one['index']}")
        with h5py.File(f"{folder}/class.h5") as f:
            group = f["classes"][str(one["index"])]
            check([c.decode() for c in group["clip"][:]] == [c["id"] for c in one["clips"]], f"{what}: clips of class.h5")
            for row in one["layers"]:
                check_layer(row, group["pyramid"][row["layer"]], clips, row["layer"], most, f"{what}, class {one['index']}")
        check(os.path.exists(f"{folder}/class/{one['index']}.html"), f"{what}: a page of class {one['index']}")
    return said


SHARED = ("model", "model_sha256", "rule", "theta", "mask", "target", "baseline", "steps", "propagate", "normalise", "depth", "class_relevance")


def make_shard(path, named, shared=False):
    """Makes a shard of SPEC 9. With `shared`, what all clips have in common is written at the root only."""
    with h5py.File(path, "w") as shard:
        shard.attrs["cfp_format"], shard.attrs["cfp_version"] = "explanation", 1
        for name, source in named:
            with h5py.File(source) as f:
                group = shard.create_group("clips/" + name)
                for key, value in f.attrs.items():
                    (shard if shared and key in SHARED else group).attrs[key] = value
                f.copy("pyramid", group)


def make_many(path, rng, n, kernels):
    """A shard of n small clips of one class; the selected sets come back."""
    sets = []
    with h5py.File(path, "w") as shard:
        shard.attrs.update({"cfp_format": "explanation", "cfp_version": 1, "model": "made", "model_sha256": "0" * 64, "rule": "cfp", "theta": 0.6})
        for i in range(n):
            group = shard.create_group(f"clips/c%2F{i:05d}")
            group.attrs.update({"class_index": 3, "class_name": "many", "probability": 0.5, "clip": f"c/{i:05d}"})
            selected = np.sort(rng.choice(kernels, rng.integers(0, 12), replace=False)).astype(np.int32)
            layer = group.create_group("pyramid/conv")
            layer.attrs.update({"depth": 1, "op": "conv3d", "channels": kernels})
            relevance = np.zeros(kernels, np.float32)
            relevance[selected] = 0.7
            layer["selected"], layer["relevance"] = selected, relevance
            layer["edges"], layer["edge_relevance"] = np.zeros((0, 2), np.int32), np.zeros(0, np.float32)
            sets.append(set(map(int, selected)))
    return sets


def check_many(cfp, scratch):
    """More clips than whose pairs are all taken: counts stay exact, consistency is an estimate."""
    sets = make_many(f"{scratch}/many.h5", np.random.default_rng(5), 800, 40)
    done = run(cfp, "aggregate", f"{scratch}/many.h5", "-o", f"{scratch}/many", "--json")
    check(done.returncode == 0, f"800 clips: {done.stderr.strip()}")
    with open(f"{scratch}/many/class.json", encoding="utf-8") as f:
        one = json.load(f)["classes"][0]
    row = one["layers"][0]
    member = np.array([[o in s for o in range(40)] for s in sets], int)
    common, size = member @ member.T, member.sum(1)
    either = size[:, None] + size - common
    exact = np.where(either == 0, 1, common / np.maximum(either, 1))[np.triu_indices(800, 1)].mean()
    check(one["clips"][7]["id"] == "c/00007", "an id of a shard is decoded")
    check(one["consistency_clips"] == 512 and abs(row["consistency"] - exact) < 0.01, f"estimate {row['consistency']} of {exact}")
    check({k["kernel"]: k["clips"] for k in row["selected"]} == {o: int(c) for o, c in enumerate(member.sum(0)) if c}, "800 clips: counts")
    check(all(close(k["relevance"], 0.7 * k["clips"] / 800) and [t["clip"] for t in k["top"]] == np.flatnonzero(member[:, k["kernel"]])[:9].tolist()
              for k in row["selected"]), "800 clips: means, and the first clips of equal ones")
    again = run(cfp, "aggregate", f"{scratch}/many.h5", "-o", f"{scratch}/again")
    check(again.returncode == 0 and open(f"{scratch}/many/class.json", "rb").read() == open(f"{scratch}/again/class.json", "rb").read(),
          "the same again gives the same bytes")


def check_default_rule(cfp, model, clips, scratch):
    """Explanations without --rule, with gradients at one and at several inputs: an edge's relevance may be above 1."""
    for given in ([], ["--steps", "4"]):
        folder, paths = f"{scratch}/default-{len(given)}", []
        for clip in ("clockwise", "down", "up"):
            done = run(cfp, "explain", model, f"{clips}/{clip}.mp4", "-o", f"{folder}/{clip}", "--format", "h5", "--tubes", "none", *given)
            check(done.returncode == 0, done.stderr)
            paths.append(f"{folder}/{clip}/explanation.h5")
        highest = max(max(edges.values(), default=0) for path in paths for *_, edges in read(path)[1].values())
        check(highest > 1, f"default rule {given}: no edge is above 1 here, but at most {highest}: choose other clips")
        done = run(cfp, "aggregate", folder, "-o", f"{folder}-sum")
        check(done.returncode == 0, f"default rule {given}: {done.stderr.strip()}")
        if done.returncode == 0:
            check_result(f"{folder}-sum", paths, 9, f"default rule {given}")


def check_gradient_options(cfp, model, clips, scratch):
    """--turn-down differs; a seed matters where frames are shuffled, and not elsewhere; files that do not say."""
    shuffled, blank = ["--baseline", "shuffle"], ["--baseline", "blank"]
    made = {"one": shuffled + ["--seed", "1"], "two": shuffled + ["--seed", "2"], "large": shuffled + ["--seed", "9007199254740991"],
            "larger": shuffled + ["--seed", "9007199254740992"], "first": blank + ["--seed", "1"], "second": blank + ["--seed", "2"],
            "down": blank + ["--turn-down", "0.5"]}
    for name, given in made.items():
        done = run(cfp, "explain", model, f"{clips}/up.mp4", "-o", f"{scratch}/grad/{name}", "--format", "h5", "--tubes", "none",
                   "--depth", "2", "--rule", "grad", *given)
        check(done.returncode == 0, done.stderr)
    with h5py.File(f"{scratch}/grad/two/explanation.h5") as f:
        check((f.attrs["top"], f.attrs["seed"], f.attrs["turn_down"]) == (0, 2, 1) and f.attrs["seed"].dtype.kind == "i", "top, seed, turn_down")
    for pair, word in ((("one", "two"), "--seed: is '2', but '1' in"), (("large", "larger"), "--seed:"), (("first", "down"), "--turn-down: is '0.5'"),
                       (("first", "second"), "")):
        done = run(cfp, "aggregate", *[f"{scratch}/grad/{name}" for name in pair], "-o", f"{scratch}/grad-{pair[0]}")
        check(done.returncode == (1 if word else 0) and word in done.stderr, f"{pair}: {done.returncode}, {done.stderr}")
    with h5py.File(f"{scratch}/grad/first/explanation.h5", "r+") as f:   # as SPEC 3 has it, and as a version before wrote it
        for name in ("top", "seed", "turn_down"):
            del f.attrs[name]
    done = run(cfp, "aggregate", f"{scratch}/grad/first", f"{scratch}/grad/second", "-o", f"{scratch}/grad-silent")
    check(done.returncode == 0, f"a file that does not say: {done.stderr}")
    done = run(cfp, "aggregate", *[f"{scratch}/grad/{name}" for name in ("first", "second", "down")], "-o", f"{scratch}/grad-silent-2")
    check(done.returncode == 1 and "--turn-down" in done.stderr, f"behind a file that does not say: {done.stderr}")


def check_refusals(cfp, model, clips, scratch, paths):
    ex = f"{scratch}/ex"
    for option, value, word in (("--theta", "0.7", "--theta:"), ("--rule", "reference", "--rule:"), ("--depth", "4", "--depth:"),
                                ("--class-relevance", "contribution", "--class-relevance:"), ("--top", "3", "--top:")):
        other = f"{scratch}/other{option}"
        given = ["--propagate", "path", "--class-relevance", "contrast", option, value]
        done = run(cfp, "explain", model, f"{clips}/up.mp4", "-o", other, "--format", "h5", "--tubes", "none", *given)
        check(done.returncode == 0, done.stderr)
        done = run(cfp, "aggregate", ex, other, "-o", f"{scratch}/none")
        said = done.stderr.strip()
        check(done.returncode == 1 and said.count("\n") == 0 and said.startswith(f"cfp-gpu: {other}/explanation.h5: {word}"),
              f"other {option}: {done.returncode}, {said}")
        check(not os.path.exists(f"{scratch}/none"), f"other {option}: nothing is written")
    with h5py.File(f"{scratch}/other--theta/explanation.h5", "r+") as f:
        f.attrs["theta"], f.attrs["model_sha256"] = 0.6, "f" * 64
    done = run(cfp, "aggregate", ex, f"{scratch}/other--theta", "-o", f"{scratch}/none")
    check(done.returncode == 1 and ": model: " in done.stderr, f"another model: {done.stderr}")
    check_gradient_options(cfp, model, clips, scratch)
    # The folder of an explanation: writing there would remove what is added up.
    for given in (os.path.dirname(paths[0]), paths[0]):
        done = run(cfp, "aggregate", given, "-o", os.path.dirname(paths[0]) + "/../" + os.path.basename(os.path.dirname(paths[0])))
        check(done.returncode == 2 and done.stderr.startswith("cfp-gpu: --output: ") and os.path.exists(paths[0]), f"into itself: {done.stderr}")
    # Files that fail are named, one line each; the others are added up, and the status says so.
    bad = {"cut": lambda data: data[:len(data) // 2], "text": lambda data: b"no HDF5", "empty": lambda data: b""}
    for name, change in bad.items():
        os.makedirs(f"{scratch}/bad/{name}")
        with open(paths[0], "rb") as f, open(f"{scratch}/bad/{name}/explanation.h5", "wb") as to:
            to.write(change(f.read()))
    values = {"range": ("selected", lambda v: v + 1000), "order": ("selected", lambda v: v[::-1].copy()), "nan": ("relevance", lambda v: v * np.nan),
              "short": ("relevance", lambda v: v[:-1]), "above": ("relevance", lambda v: v * 0 + 1.5),
              "negative": ("edge_relevance", lambda v: v * 0 - 1), "infinite": ("edge_relevance", lambda v: v + np.inf),
              "pairs": ("edge_relevance", lambda v: v[:-1]), "real": ("selected", lambda v: v + 0.5)}
    for name, (key, change) in values.items():
        make_shard(f"{scratch}/bad/shard-{name}.h5", [(name, paths[0])])
        with h5py.File(f"{scratch}/bad/shard-{name}.h5", "r+") as f:
            group = f[f"clips/{name}/pyramid/mix.b1.conv"]
            new = change(group[key][:])
            del group[key]
            group[key] = new
    broken = sorted([f"{scratch}/bad/{name}/explanation.h5" for name in bad] + [f"{scratch}/bad/shard-{name}.h5" for name in values])
    done = run(cfp, "aggregate", ex, *broken, "-o", f"{scratch}/rest")
    lines = done.stderr.strip().split("\n")
    check(done.returncode == 1 and len(lines) == len(broken) and all(any(line.startswith(f"cfp-gpu: {b}: ") for line in lines) for b in broken),
          f"what cannot be read is named: {done.returncode} {done.stderr}")
    check_result(f"{scratch}/rest", paths, 9, "the rest")
    done = run(cfp, "aggregate", *broken[:3], "-o", f"{scratch}/none")
    check(done.returncode == 1 and not os.path.exists(f"{scratch}/none"), "nothing can be read: nothing is written")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfp", required=True)
    parser.add_argument("model")
    parser.add_argument("clips")
    arguments = parser.parse_args()
    cfp, model, clips = arguments.cfp, arguments.model, arguments.clips
    with tempfile.TemporaryDirectory() as scratch:
        paths, options = [], ["--format", "h5", "--tubes", "none", "--propagate", "path", "--class-relevance", "contrast"]
        for clip, name in itertools.chain(itertools.product(("clockwise", "growing", "up"), ("clockwise", "up")), [("down", "down")]):
            folder = f"{scratch}/ex/{name}-{clip}"
            done = run(cfp, "explain", model, f"{clips}/{clip}.mp4", "--class", name, "-o", folder, *options)
            check(done.returncode == 0, done.stderr)
            paths.append(f"{folder}/explanation.h5")
        paths.sort()
        done = run(cfp, "aggregate", f"{scratch}/ex", f"{scratch}/ex", "-o", f"{scratch}/all", "--json")
        check(done.returncode == 0, f"folders: {done.stderr.strip()}")
        said = check_result(f"{scratch}/all", paths, 9, "a folder of folders, given twice")
        told = json.loads(done.stdout)
        check({c["name"]: c["clips"] for c in told["classes"]} == {"clockwise": 3, "up": 3, "down": 1} and all(map(os.path.exists, told["files"])),
              "--json names classes and files")
        # The same from shards, whatever is where.
        os.makedirs(f"{scratch}/run")
        make_shard(f"{scratch}/run/shard-00000.h5", [(f"a%2F{i}", p) for i, p in enumerate(paths[:4])])
        make_shard(f"{scratch}/run/shard-00001.h5", [(f"b{i}", p) for i, p in enumerate(paths[4:])], shared=True)
        with h5py.File(f"{scratch}/run/index.h5", "w") as f:   # batch's own, which nobody reads here
            f["clips/x"] = h5py.ExternalLink("shard-00000.h5", "/clips/a%2F0")
        done = run(cfp, "aggregate", f"{scratch}/run", "-o", f"{scratch}/shards")
        check(done.returncode == 0, f"shards: {done.stderr.strip()}")
        same = check_result(f"{scratch}/shards", paths, 9, "shards")
        check([c["layers"] for c in same["classes"]] == [c["layers"] for c in said["classes"]], "shards say what folders say")
        ids = {c["id"] for one in same["classes"] for c in one["clips"]}
        check(ids == {f"a/{i}" for i in range(4)} | {f"b{i}" for i in range(3)}, f"ids of shards: {ids}")
        for words, only in ((["--class", "UP", "--clips", "2"], {0: 2}), (["--class", "clockwise,down", "--clips", "0"], {0: 0})):
            done = run(cfp, "aggregate", *paths, "-o", f"{scratch}/some", *words)
            wanted = {said_class["index"] for said_class in said["classes"] if said_class["name"] in words[1].lower().split(",")}
            check(done.returncode == 0, f"{words}: {done.stderr.strip()}")
            check_result(f"{scratch}/some", paths, only[0], " ".join(words), only=wanted)
        missing = str(next(i for i in range(5) if i not in {c["index"] for c in said["classes"]}))
        for name, why in (("clockwize", "near"), ("7000", "not within"), (missing, "no explanation")):
            done = run(cfp, "aggregate", *paths, "-o", f"{scratch}/none", "--class", name)
            check(done.returncode == 2 and why in done.stderr and done.stderr.startswith("cfp-gpu: --class: "), f"--class {name}: {done.stderr}")
        check_default_rule(cfp, model, clips, scratch)
        check_refusals(cfp, model, clips, scratch, paths)
        check_many(cfp, scratch)
    print(f"{len(failures)} failures" if failures else "aggregate adds up what the explanations hold")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
