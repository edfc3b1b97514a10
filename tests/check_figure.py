#!/usr/bin/env python3
"""The figure for a paper (`--format figure`), and overlays whose opacity follows the saliency.

    check_figure.py --cfp build/cfp-gpu MODEL CLIP

Reads figure.svg: its words, its images against explanation.h5, its curves; no word may leave the page or lie on another.
figure.pdf and figure.png must say and show the same. Exit status 77 (skipped) where h5py, numpy or PIL are missing.
"""
import argparse
import base64
import filecmp
import io
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
import zlib

try:
    import h5py
    import numpy as np
    from PIL import Image
except ImportError as error:
    print(f"skipped: {error} (needs the Python packages h5py, numpy and pillow)")
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
from model_file import ModelFile  # noqa: E402

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
FILES = ("figure.pdf", "figure.svg", "figure.png")
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("not so:", what)
    return condition


def run(arguments, command, model, clip, folder, *options):
    done = subprocess.run([arguments.cfp, command, model, clip, "-o", folder, "-q", *options], capture_output=True, text=True)
    return check(done.returncode == 0, f"{command} {clip} {' '.join(options)}: {done.stderr.strip()}")


# --- reading the three files ---

class Figure:
    def __init__(self, path):
        self.path = path
        root = ElementTree.parse(path).getroot()
        self.width, self.height = (float(v) for v in root.get("viewBox").split()[2:])
        self.texts = [(float(t.get("x")), float(t.get("y")), float(t.get("textLength")), float(t.get("font-size")), t.text)
                      for t in root.iter(SVG + "text")]
        self.words = " ".join(text for *_, text in self.texts)
        self.lines = [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in root.iter(SVG + "polyline")]
        self.images = []
        for image in root.iter(SVG + "image"):
            png = base64.b64decode(image.get(LINK).split(",")[1])
            place = [float(image.get(key)) for key in ("x", "y", "width", "height")]
            self.images.append((place, np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)))
        rows = {}
        for place, picture in self.images:
            if picture.shape[1] > 1:      # the bar is one pixel wide
                rows.setdefault(place[1], []).append((place[0], picture))
        self.rows = [[picture for _, picture in sorted(row, key=lambda cell: cell[0])] for _, row in sorted(rows.items())]
        self.bars = [picture[:, 0] for _, picture in self.images if picture.shape[1] == 1]
        self.curves = [line for line in self.lines if len(line) > 2]

    def check_layout(self):
        for i, (x, y, length, size, text) in enumerate(self.texts):
            check(x >= 0 and x + length <= self.width + 0.1 and y - size >= -4 and y <= self.height, f"{self.path}: '{text}' leaves the page")
            for x2, y2, length2, _, text2 in self.texts[:i]:
                apart = x >= x2 + length2 or x2 >= x + length or abs(y - y2) >= 0.75 * size
                check(apart, f"{self.path}: '{text}' lies on '{text2}'")
        for (x, y, width, height), _ in self.images:
            check(x >= 0 and y >= 0 and x + width <= self.width and y + height <= self.height, f"{self.path}: an image leaves the page")


def pdf_text(path):
    """The words of a PDF as cairo writes it: hexadecimal codes, and a table of what they mean for each font."""
    with open(path, "rb") as f:
        data = f.read()
    check(data.startswith(b"%PDF") and b"Date" not in data and b"/ID" not in data, f"{path}: is a PDF without dates")
    streams = []
    for stream in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", data, re.S):
        try:
            streams.append(zlib.decompress(stream.group(1)))
        except zlib.error:
            pass
    letters = set()
    for stream in streams:
        if b"beginbfchar" in stream or b"beginbfrange" in stream:
            letters |= set(re.findall(rb"<[0-9a-fA-F]+> <([0-9a-fA-F]{4})>", stream))
    return {chr(int(code, 16)) for code in letters}


def check_files(folder, name="figure"):
    figure = Figure(os.path.join(folder, name + ".svg"))
    figure.check_layout()
    with Image.open(os.path.join(folder, name + ".png")) as png:
        check(max(abs(a - b * 300 / 72) for a, b in zip(png.size, (figure.width, figure.height))) <= 1.01, f"{folder}: a PNG of {png.size}")
        check(abs(png.info["dpi"][0] - 300) < 0.1, f"{folder}: {png.info.get('dpi')} dots per inch")
    missing = {letter for letter in figure.words if not letter.isspace() and ord(letter) < 128} - pdf_text(os.path.join(folder, name + ".pdf"))
    check(not missing, f"{folder}: the PDF has text, but not {missing}")
    return figure


# --- what the figure shows ---

def blend(tube, frames, table):
    index = np.floor(np.clip(tube, 0, 1) * 255 + 0.5).astype(int)
    opacity = tube[..., None].astype(float)
    return np.floor(opacity * table[index] + (1 - opacity) * frames + 0.5).astype(int)


def check_content(figure, folder, names):
    with h5py.File(os.path.join(folder, "explanation.h5")) as f:
        said = dict(f.attrs)
        frames, numbers = f["clip/frames"][()].astype(int), f["clip/indices"][()].tolist()
        tubes = {name: f["tubes"][name]["tube"][()] for name in names}
        steps = {name: f["tubes"][name]["raw"].shape[0] for name in names}
        facts = {name: (f["pyramid"][name].attrs["depth"], len(f["pyramid"][name]["selected"]), f["pyramid"][name].attrs["channels"])
                 for name in names}
    T = len(frames)
    for word in (f"{said['class_name']}  {100 * said['probability']:.1f} %", f"rule {said['rule']}, theta {said['theta']:g}"):
        check(word in figure.words, f"{folder}: '{word}' is in the figure")
    for name, (depth, selected, kernels) in facts.items():
        check(f"{name} depth {depth}, {selected} of {kernels} kernels" in figure.words, f"{folder}: the label of {name}")
    lacking = sum(1 for t in steps.values() if 1 < t < T)
    check(figure.words.count(f" time steps for {T} frames") == lacking, f"{folder}: {lacking} maps have fewer steps than frames")
    shown = [numbers.index(int(text[6:])) for *_, text in figure.texts if re.fullmatch(r"frame \d+", text)]
    check(4 <= len(shown) <= 8 and shown == sorted(shown), f"{folder}: frames {shown}")
    check(len(figure.rows) == len(names) + 1 and len(figure.bars) == len(figure.curves) == len(names), f"{folder}: a bar and a curve a row")
    table = figure.bars[0][::-1]
    for name, row, curve in zip(names, figure.rows[1:], figure.curves):
        enlarged = row[0].shape[0] // frames.shape[1]
        for k, t in enumerate(shown):
            picture = row[k][::enlarged, ::enlarged]
            clip = figure.rows[0][k][::enlarged, ::enlarged]
            check(np.array_equal(clip, frames[t]), f"{folder}: the clip, frame {t}")
            check(np.array_equal(picture[tubes[name][t] == 0], frames[t][tubes[name][t] == 0]), f"{folder}: {name} without saliency")
            error = np.abs(picture - blend(tubes[name][t], frames[t], table)).max()
            check(error <= 1, f"{folder}: {name}, frame {t}: {error} off")
        mean = tubes[name].mean((1, 2))
        high = np.array([-y for _, y in curve])
        if mean.max() > mean.min():
            scaled = (high - high.min()) / (high.max() - high.min()) * (mean.max() - mean.min()) + mean.min()
            check(len(curve) == T and np.abs(scaled - mean).max() < 0.01 * mean.max(), f"{folder}: the curve of {name}")


def in_depth_order(folder):
    with h5py.File(os.path.join(folder, "explanation.h5")) as f:
        return sorted(f["tubes"], key=lambda name: f["pyramid"][name].attrs["depth"])


def svg_files(folder):
    """In the order of their pages."""
    return sorted((file for file in os.listdir(folder) if file.endswith(".svg")), key=lambda file: (len(file), file))


def labels(figure, names):
    """The layers of a figure from top to bottom."""
    at = {text: y for _, y, _, _, text in figure.texts}
    return sorted((name for name in names if name in at), key=at.get)


def check_shipped(arguments, at):
    folder, again = os.path.join(at, "few"), os.path.join(at, "again")
    common = ("--alpha", "saliency", "--class", "growing")
    if not run(arguments, "explain", arguments.model, arguments.clip, folder, *common, "--format", "h5,figure"):
        return
    names = in_depth_order(folder)
    figure = check_files(folder)
    shown = labels(figure, names)
    check(3 <= len(shown) <= 5 and shown[-1] == names[-1], f"a few layers, down to the first: {shown}")
    check_content(figure, folder, shown)
    if run(arguments, "explain", arguments.model, arguments.clip, again, *common, "--format", "figure,json", "--threads", "3"):
        check(filecmp.cmpfiles(folder, again, FILES, shallow=False)[0] == list(FILES), "equal bytes with other threads and formats")
    if run(arguments, "explain", arguments.model, arguments.clip, folder, *common, "--format", "h5,figure", "--layers", "[dm]*"):
        names = in_depth_order(folder)
        pages = svg_files(folder)
        figures = [check_files(folder, page[:-4]) for page in pages]
        check(len(pages) > 1 and all(f"page {k + 1} of {len(pages)}" in f.words for k, f in enumerate(figures)), f"pages {pages}")
        check(sorted(n for f in figures for n in labels(f, names)) == sorted(names), "every layer once")
        check(max(f.height for f in figures) <= 720, "a figure fits a page")
    if run(arguments, "explain", arguments.model, arguments.clip, folder, *common, "--format", "figure", "--layers", "mix.b1.conv"):
        check(sorted(os.listdir(folder)) == sorted([*FILES, "run.json"]), f"no page of the run before is left: {os.listdir(folder)}")
    if run(arguments, "contrast", arguments.model, arguments.clip, folder, "--class", "growing", "--against", "up", "--format", "figure"):
        figure = check_files(folder)
        check("A: growing" in figure.words and "B: up" in figure.words and figure.words.count(" -1") >= 3, "a contrast says both classes")


# --- made networks: long names, maps without time, frames of any shape, bright clips ---

def write_network(path, layers, frames, height, width, names, classes):
    random = np.random.default_rng(layers)
    with ModelFile(path, name="net " * 12, classes=classes, output="fc", channels=3, frames=frames, height=height, width=width,
                   resize_short=0, scale=255, mean=[0] * 3, std=[1] * 3) as m:
        source, channels = "input", 3
        for k in range(layers):
            m.add_node(names % k, "conv3d", [source], weight=random.random((4, channels, frames if k == 1 else 1, 1, 1), np.float32))
            source, channels = names % k, 4
        m.add_node("pool", "globalavgpool", [source])
        m.add_node("fc", "linear", ["pool"], weight=random.random((len(classes), 4), np.float32), bias=np.zeros(len(classes), np.float32))


def check_made(arguments, at):
    long_class = "taking <something> out of & into it, " * 5
    long_name = "a_" * 60 + "encoder.blocks.%d.attention." + "b" * 40
    for frames, height, width, names, layers in ((4, 20, 90, "c%d", 3), (1, 90, 10, long_name, 2), (2, 16, 16, long_name, 3),
                                                 (9, 90, 8, "c%d", 20)):
        model, clip, folder = (os.path.join(at, f"{frames}{end}") for end in (".h5", ".npy", ""))
        write_network(model, layers, frames, height, width, names, [long_class, "é"])
        np.save(clip, np.full((frames, height, width, 3), 255, np.uint8) - (np.arange(width) % 7 == 0)[:, None].astype(np.uint8))
        if not run(arguments, "explain", model, clip, folder, "--class", "0", "--rule", "cfp", "--theta", "0", "--format", "h5,figure",
                   "--layers", "*", "--alpha", "saliency"):
            continue
        pages = svg_files(folder)
        figures = [check_files(folder, page[:-4]) for page in pages]
        words = " ".join(f.words for f in figures)
        check("theta 0" in words and re.search(r"\d %", words), f"{folder}: class and theta are not cut")
        one_map = layers - 1 if frames > 1 else 0
        check(words.count("one map for all frames") == one_map, f"{folder}: {one_map} layers have one map")
        check(words.count("no curve: one map") == one_map, f"{folder}: a map without time has no curve")
        for figure in figures:
            for row in figure.rows:
                check(min(picture.min() for picture in row) >= 0 and len({picture.shape for picture in row}) == 1, f"{folder}: equal cells")


def check_bright(arguments, at):
    """Each pixel of a frame lies between the clip's and the colour's, however bright both are."""
    model, clip, folder = (os.path.join(at, name) for name in ("bright.h5", "bright.npy", "bright"))
    write_network(model, 2, 4, 16, 16, "c%d", ["a", "b"])
    random = np.random.default_rng(5)
    np.save(clip, random.choice([0, 1, 254, 255], (4, 16, 16, 3)).astype(np.uint8))
    for colours in ("inferno", "turbo", "gray"):
        if not run(arguments, "explain", model, clip, folder, "--rule", "cfp", "--theta", "0", "--format", "h5,frames,figure", "--alpha",
                   "saliency", "--colormap", colours, "--layers", "c0"):
            continue
        table = Figure(os.path.join(folder, "figure.svg")).bars[0][::-1]
        with h5py.File(os.path.join(folder, "explanation.h5")) as f:
            frames, tube = f["clip/frames"][()].astype(int), f["tubes/c0/tube"][()]
        for t, frame in enumerate(frames):
            drawn = np.asarray(Image.open(os.path.join(folder, "overlay", "c0", f"{t:06d}.png"))).astype(int)[::7, ::7]
            check(np.abs(drawn - blend(tube[t], frame, table)).max() <= 1, f"{colours}, frame {t}: is a mixture of clip and colour")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfp", required=True)
    parser.add_argument("model")
    parser.add_argument("clip")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as at:
        for part in (check_shipped, check_made, check_bright):
            part(arguments, at)
    print(f"{len(failures)} failures" if failures else "every figure is as it should be")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
