#!/usr/bin/env python3
"""Runs `cfp-gpu explain` and checks every file it writes against SPEC 3 and 4, and against each other.

    check_outputs.py --cfp build/cfp-gpu MODEL CLIP

Exit status 77 (skipped) where h5py, numpy or PIL are missing.
"""
import argparse
import filecmp
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
    print(f"skipped: {error} (needs the Python packages h5py, numpy and pillow)")
    sys.exit(77)

FORMATS = "h5,json,png,frames,mp4,html"
ATTRIBUTES = {"cfp_format": str, "cfp_version": int, "model": str, "model_sha256": str, "clip": str,
              "clip_sha256": str, "class_index": int, "class_name": str, "probability": float, "rule": str,
              "mask": str, "target": str, "baseline": str, "steps": int,
              "top": int, "seed": int, "turn_down": float,
              "theta": float, "propagate": str, "normalise": str, "depth": int, "class_relevance": str,
              "interp": str, "sample": str, "device": str, "precision": str, "cfp_gpu_version": str}
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("not so:", what)


def run(cfp, *arguments):
    return subprocess.run([cfp, "explain", *arguments], capture_output=True, text=True)


def explain(arguments, folder, *options):
    done = run(arguments.cfp, arguments.model, arguments.clip, "-o", folder, "-q", "--colormap", "jet", *options)
    check(done.returncode == 0, f"explain {' '.join(options)}: {done.stderr.strip()}")
    return done.returncode == 0


def check_array(group, name, dtype, shape):
    found = name in group
    check(found, f"{group.name}/{name} exists")
    if found:
        data = group[name]
        check(data.dtype == np.dtype(dtype) and data.shape == shape,
              f"{data.name} is {dtype} {shape}, not {data.dtype} {data.shape}")
    return group[name][()] if found else np.zeros(shape, dtype)


def check_root(f, rule):
    for name, kind in ATTRIBUTES.items():
        value = f.attrs.get(name)
        stored = {str: str, int: np.integer, float: np.floating}[kind]
        check(isinstance(value, stored), f"/ {name} is a {kind}: {value!r}")
    check(set(f.attrs) == set(ATTRIBUTES), f"/ has these attributes: {set(f.attrs) ^ set(ATTRIBUTES)}")
    check(f.attrs["cfp_format"] == "explanation" and f.attrs["cfp_version"] == 1, "format and version")
    check(f.attrs["rule"] == rule, "/ rule")
    for digest in ("model_sha256", "clip_sha256"):
        check(len(f.attrs[digest]) == 64 and set(f.attrs[digest]) <= set("0123456789abcdef"), digest)
    classes = f["logits"].shape
    logits = check_array(f, "logits", "<f4", classes).astype(float)
    probabilities = check_array(f, "probabilities", "<f4", classes)
    expected = np.exp(logits - logits.max())
    check(np.allclose(probabilities, expected / expected.sum(), atol=1e-6), "probabilities: softmax of logits")
    check(abs(f.attrs["probability"] - probabilities[f.attrs["class_index"]]) < 1e-7, "/ probability")
    frames = f["clip/frames"]
    check(frames.dtype == np.uint8 and frames.shape[3:] == (3,), "/clip/frames is uint8 T x H x W x 3")
    check_array(f["clip"], "indices", "<i4", frames.shape[:1])


def check_layer(group, rule, theta, class_index):
    """{kernel: R}, edges {(o, i): r} or None."""
    count = int(group.attrs["channels"])
    selected = group["selected"][()]
    ascends = group["selected"].dtype == np.dtype("<i4") and np.all(np.diff(selected) > 0)
    check(ascends, f"{group.name}: selected ascends")
    relevance = check_array(group, "relevance", "<f4", (count,))
    check(group.attrs["op"] in ("conv3d", "linear"), f"{group.name}: op")
    others = np.setdiff1d(np.arange(count), selected)
    check(not relevance[others].any(), f"{group.name}: R is 0 where not selected")
    if group.attrs["depth"] == 0:
        check(selected.tolist() == [class_index] and relevance[class_index] == 1, "the class kernel has R = 1")
    kernels = {int(o): relevance[o] for o in selected}
    edges = group["edges"][()]
    values = check_array(group, "edge_relevance", "<f4", edges.shape[:1])
    check(edges.dtype == np.dtype("<i4") and edges.shape[1:] == (2,), f"{group.name}/edges is int32 E x 2")
    check(np.all(np.isin(edges[:, 0], selected)), f"{group.name}: edges come from selected kernels")
    if rule == "grad":                   # theta selects channels; an edge is a part of its channel's relevance
        check(np.all(values > 0), f"{group.name}: edges have a value above 0")
    else:
        check(np.all((values >= 0) & (values <= 1) & (values >= theta)), f"{group.name}: theta <= r <= 1")
    return kernels, {(int(o), int(i)): r for (o, i), r in zip(edges, values)}


def check_tube(group, shape):
    raw, tube = group["raw"][()], check_array(group, "tube", "<f4", shape)
    check(raw.dtype == np.dtype("<f4") and raw.ndim == 3, f"{group.name}/raw is float32 t x h x w")
    check((group.attrs["min"], group.attrs["max"]) == (raw.min(), raw.max()), f"{group.name}: min, max")
    if raw.min() == raw.max():
        check(not tube.any(), f"{group.name}: a constant map gives zeros")
    else:
        check(tube.min() == 0 and abs(tube.max() - 1) < 1e-6, f"{group.name}: 0 to 1")
    return tube


def check_h5(folder, rule, theta):
    """The pyramid as {layer: (depth, kernels, edges)}, the frames, {overlay name: tube}."""
    with h5py.File(os.path.join(folder, "explanation.h5"), "r") as f:
        check_root(f, rule)
        frames = f["clip/frames"][()]
        class_index = int(f.attrs["class_index"])
        layers = {name: (int(group.attrs["depth"]), *check_layer(group, rule, theta, class_index))
                  for name, group in f["pyramid"].items()}
        tubes = {name: check_tube(group, frames.shape[:3]) for name, group in f["tubes"].items()}
        convolutions = {n for n, g in f["pyramid"].items() if g.attrs["op"] == "conv3d"}
        check(set(tubes) == convolutions, "a tube for every visited conv3d layer")
        for name, kernels in f.get("kernel_tubes", {}).items():
            for o, group in kernels.items():
                check(int(o) in layers[name][1], f"{group.name}: of a selected kernel")
                tubes[f"{name}/kernel-{o}"] = check_tube(group, frames.shape[:3])
        return layers, frames, tubes


def check_pyramid_json(folder, layers, rule):
    with open(os.path.join(folder, "pyramid.json"), encoding="utf-8") as f:
        pyramid = json.load(f)
    keys = {"model", "clip", "class", "rule", "theta", "nodes", "links"}
    check(set(pyramid) == keys, "the keys of pyramid.json")
    check(set(pyramid["class"]) == {"index", "name", "probability"}, "the keys of its class")
    check(pyramid["rule"] == rule, "its rule")
    nodes = {n["id"]: n for n in pyramid["nodes"]}
    expected = {f"{layer}:{o}": r for layer, (_, kernels, _) in layers.items() for o, r in kernels.items()}
    check(len(nodes) == len(pyramid["nodes"]) and set(nodes) == set(expected), "a node for every selected kernel")
    for key, n in nodes.items():
        same = n["id"] == f"{n['layer']}:{n['kernel']}" and np.float32(n["relevance"]) == expected.get(key) \
            and n["depth"] == layers[n["layer"]][0]
        check(same, f"node {key} is as in explanation.h5")
    highest = {}
    seen = set()
    for link in pyramid["links"]:
        source, target, value = nodes[link["source"]], nodes[link["target"]], np.float32(link["value"])
        seen.add((link["source"], link["target"]))
        highest[link["target"]] = max(highest.get(link["target"], np.float32(0)), value)
        check(target["depth"] > source["depth"], f"{link} goes down")
        edges = layers[source["layer"]][2]
        if edges is not None:
            check(value in set_of(edges, source["kernel"]), f"{link}: its value is that of an edge")
    check(len(seen) == len(pyramid["links"]), "no link twice")
    for key, n in nodes.items():     # under --propagate edge, R is the highest r that demands a kernel
        if n["depth"] > 0 and rule != "grad":
            check(highest.get(key) == expected[key], f"{key}: R = {expected[key]}, best link {highest.get(key)}")


def set_of(edges, o, cache={}):
    if id(edges) not in cache:
        by_kernel = {}
        for (p, _), r in edges.items():
            by_kernel.setdefault(p, set()).add(r)
        cache[id(edges)] = (edges, by_kernel)
    return cache[id(edges)][1].get(o, set())


def jet(v):
    i = np.floor(np.clip(v, 0, 1) * np.float32(255) + np.float32(0.5))
    ramps = [np.minimum(4 * i + up, down - 4 * i) for up, down in ((-382, 1148), (-128, 892), (128, 638))]
    return np.clip(np.stack(ramps, -1), 0, 255)


def check_overlays(folder, frames, tubes):
    T, H, W, _ = frames.shape
    enlarge = max(1, -(-112 // min(H, W)))
    columns = min(T, max(1, min(8, 4096 // (W * enlarge))))
    for name, tube in tubes.items():
        picture = np.floor(0.5 * jet(tube) + 0.5 * frames + 0.5).astype(int)
        picture = picture.repeat(enlarge, 1).repeat(enlarge, 2)
        strip = np.asarray(Image.open(os.path.join(folder, "overlay", name + ".png"))).astype(int)
        height, width = H * enlarge, W * enlarge
        size = (-(-T // columns) * height, columns * width, 3)
        check(strip.shape[0] > size[0] and strip.shape[1:] == size[1:], f"the size of {name}.png: {strip.shape}")
        check((strip[size[0]:] < 128).any(2).sum() > 200, f"{name}.png has a caption")
        for t in range(T):
            y, x = t // columns * height, t % columns * width
            part = strip[y:y + height, x:x + width]
            check(np.abs(part - picture[t]).max() <= 1, f"{name}.png: frame {t}")
            single = np.asarray(Image.open(os.path.join(folder, "overlay", name, f"{t:06d}.png")))
            check(np.array_equal(single, part), f"{name}/{t:06d}.png is as in the strip")
        check_video(os.path.join(folder, "overlay", name + ".mp4"), picture)


def check_video(path, picture):
    try:
        import cv2
    except ImportError:
        return check(os.path.getsize(path) > 0, f"{path} is not empty")
    video = cv2.VideoCapture(path)
    for t, expected in enumerate(picture):
        ok, frame = video.read()
        check(ok, f"{path}: frame {t} of {len(picture)}")
        if not ok:
            return None
        height, width = expected.shape[:2]
        check(frame.shape[:2] == (height + height % 2, width + width % 2), f"{path}: even size")
        error = np.abs(frame[:height, :width, ::-1].astype(int) - expected).mean()
        check(error < 16, f"{path}: frame {t} shows the overlay (mean difference {error:.1f})")
    return check(not video.read()[0], f"{path}: no frame more")


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names)


def check_run_json(folder):
    with open(os.path.join(folder, "run.json"), encoding="utf-8") as f:
        facts = json.load(f)
    for key in ("command", "options", "model_sha256", "clip_sha256", "versions", "device", "precision", "seed",
                "ms", "files"):
        check(key in facts, f"run.json has {key}")
    check(sorted(facts["files"] + ["run.json"]) == files_below(folder), "run.json lists all that is there")


def check_tree(arguments, folder):
    """At depth 1: class -> kernels -> what they read."""
    if not explain(arguments, folder, "--rule", "cfp", "--format", "tree,h5,json", "--depth", "1"):
        return
    with open(os.path.join(folder, "tree.json"), encoding="utf-8") as f:
        tree = json.load(f)
    layers, _, _ = check_h5(folder, "cfp", 0.6)
    below = [name for name, (depth, _, _) in layers.items() if depth == 1]
    top = [kernels for depth, kernels, _ in layers.values() if depth == 0][0]
    check(list(tree) == [str(list(top)[0])], "the tree starts at the class")
    keys = tree[str(list(top)[0])]
    visited = {f"{name}:{o}" for name in below for o in layers[name][1]}
    named = {k if ":" in k else f"{below[0]}:{k}" for k in keys}
    check(visited <= named, "its kernels are those of depth 1")     # and those that shortcuts lead to
    for key, value in keys.items():
        check(isinstance(value, list), f"the tree ends below {key}")


def check_refusals(arguments, folder):
    os.makedirs(folder)
    path = os.path.join(folder, "file")
    with open(path, "w", encoding="ascii"):
        pass
    refusals = ((["-o", path], 1, "is not a folder"), (["-o", "/proc/nowhere"], 1, "/proc/nowhere"),
                (["-o", folder, "--format", "h5,bmp"], 2, "--format"))
    for options, status, word in refusals:
        done = run(arguments.cfp, arguments.model, arguments.clip, "-q", *options)
        check(done.returncode == status, f"{options}: exit status {done.returncode}, not {status}")
        lines = done.stderr.splitlines()
        good = len(lines) == 1 and lines[0].startswith("cfp-gpu: ") and word in lines[0]
        check(good, f"{options}: says {lines}")
    check(files_below(folder) == ["file"], "refused runs leave nothing")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfp", required=True)
    parser.add_argument("model")
    parser.add_argument("clip")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        questions = (("cfp", 0.6, ["--tubes", "kernels", "--depth", "2", "--top", "2"]), ("cfp", 0.6, []),
                     ("reference", 0.7, ["--theta", "0.7", "--interp", "spline"]),
                     ("grad", 0.5, ["--theta", "0.5", "--mask", "none", "--baseline", "freeze", "--steps", "2"]),
                     (None, 0.1, []))            # as recommended
        for rule, theta, options in questions:
            folder = os.path.join(scratch, f"{rule}{len(options)}")
            if not explain(arguments, folder, *(["--rule", rule] if rule else []), "--format", FORMATS, *options):
                continue
            rule = rule or "grad"
            layers, frames, tubes = check_h5(folder, rule, theta)
            check_pyramid_json(folder, layers, rule)
            check_overlays(folder, frames, tubes)
            check_run_json(folder)
        first, again = os.path.join(scratch, "cfp0"), os.path.join(scratch, "again")
        if explain(arguments, again, "--rule", "cfp", "--format", FORMATS):
            names = [n for n in files_below(first) if n != "run.json"]
            check(filecmp.cmpfiles(first, again, names, shallow=False)[0] == names, "two runs give the same bytes")
        check_tree(arguments, os.path.join(scratch, "tree"))
        check_refusals(arguments, os.path.join(scratch, "refused"))
    print(f"{len(failures)} failures" if failures else "every file is as it should be")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
