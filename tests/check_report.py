#!/usr/bin/env python3
"""Opens report.html in a headless Chromium, from the disk, and checks what it shows against explanation.h5.

check_pages.py does the same for the other pages.

    check_report.py --cfp build/cfp-gpu MODEL CLIP [--large IMPORT_CHECKPOINT] [--shots FOLDER]

--large makes a ResNet-50 with random weights by tools/import-checkpoint and explains 16 frames of 224 x 224 with it.
--shots leaves pictures of the pages there. Exit status 77 (skipped) where Chromium, its driver or selenium are missing.
"""
import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from page_driver import (Keys, Page, check, check_narrow, drag, explain, failures, file_picture, h5py, np, open_browser, read_selection, shots,
                         shown_as)

# Layers of weights/motion.h5 that read one other, with no more than a batch norm and an activation between.
STRAIGHT = {"dw.project.conv": "dw.depthwise.conv", "dw.depthwise.conv": "dw.expand.conv", "mix.b1.conv": "mix.b1.reduce.conv",
            "mix.b2.conv": "mix.b2.reduce.conv", "r2plus1d.temporal.conv": "r2plus1d.spatial.conv"}
MOST_BYTES = 12_000_000   # of a ResNet-50's report, all of whose kernels are selected


def same_selection(page, expected, what):
    found = page.selection()
    check(set(found) == set(expected), f"{what}: layers {sorted(set(found) ^ set(expected))}")
    for layer, kernels in expected.items():
        shown = found.get(layer, {})
        check(set(shown) == set(kernels), f"{what}: {layer}: {len(shown)} kernels, not {len(kernels)}")
        if set(shown) == set(kernels):
            # of the path's product the file holds the float32
            check(all(np.float32(shown[o]) == np.float32(r) for o, r in kernels.items()), f"{what}: {layer}: relevances")
    for layer, counts in page.cells("#layers"):
        selected = int(counts.split(" / ")[0].replace(",", ""))
        check(selected == len(expected.get(layer, {})), f"{what}: the list says {layer} {counts}")


# --- the clip and the tubes over it ---

def jet():
    i = np.arange(256)
    ramps = [np.minimum(4 * i + up, down - 4 * i) for up, down in ((-382, 1148), (-128, 892), (128, 638))]
    return np.clip(np.stack(ramps, -1), 0, 255)


def check_colours(page, tube, apart, what):
    """At full opacity the page shows a tube's colours: those of the file, or colours at most `apart` of 256 away."""
    index = np.floor(np.clip(tube, 0, 1) * np.float32(255) + np.float32(0.5)).astype(int)
    shown, table = page.picture(), jet()
    near = [np.all(shown == table[np.clip(index + d, 0, 255)], axis=-1) for d in range(-apart, apart + 1)]
    check(np.all(np.any(near, axis=0)), f"{what}: {np.mean(~np.any(near, axis=0)):.2%} of the pixels have another colour")
    check(np.mean(near[apart]) > 0.97 or apart > 1, f"{what}: {np.mean(near[apart]):.1%} have the very colour")


def check_clip(page, folder, kernel_tubes, what):
    with h5py.File(os.path.join(folder, "explanation.h5"), "r") as f:
        frames = f["clip/frames"][()].astype(int)
        tubes = {name: group["tube"][()] for name, group in f["tubes"].items()}
        own = {(name, int(o)): group["tube"][()] for name, kernels in f.get("kernel_tubes", {}).items()
               for o, group in kernels.items()}
    last = len(frames) - 1
    drag(page, "alpha", 0)
    drag(page, "time", last)
    error = np.abs(page.picture() - frames[last])
    check(error.mean() < 2 and error.max() <= 12,
          f"{what}: frame {last} is the clip's (off by {error.mean():.2f}, at most {error.max()})")
    check(f"frame {last + 1} of {last + 1}" in page.find("shown-frame").text, f"{what}: the page says which frame")
    middle = last // 2
    drag(page, "time", middle)
    drag(page, "alpha", 0.5)
    deepest = page.run("return cfp.page.data.layers.findLast((l) => l.tube !== null).name")
    page.run("cfp.page.showLayer(cfp.page.data.layers.findIndex((l) => l.name === arguments[0]))", deepest)
    table = jet()
    index = np.floor(np.clip(tubes[deepest][middle], 0, 1) * 255 + 0.5).astype(int)
    error = np.abs(page.picture() - np.floor(0.5 * table[index] + 0.5 * frames[middle] + 0.5))
    check(error.mean() < 1.5 and error.max() <= 9, f"{what}: the overlay of {deepest} (off by {error.mean():.2f})")
    drag(page, "alpha", 1)
    for name in tubes:
        page.run("cfp.page.showLayer(cfp.page.data.layers.findIndex((l) => l.name === arguments[0]))", name)
        check_colours(page, tubes[name][middle], 1, f"{what}: {name}")
    if kernel_tubes:
        kept = page.run("""
            const d = cfp.page.data;
            return Array.from(d.kernelTube.keys(), (k) => [d.layers[d.layerOf[k]].name, d.kernelOf[k], k])""")
        left_out = page.run("return cfp.page.data.tubesLeftOut")
        check(len(kept) + left_out == len(own) and len(kept) > 0,
              f"{what}: {len(kept)} kernel tubes and {left_out} left out of {len(own)}")
        for name, kernel, k in kept[::37]:
            page.run("cfp.page.choose(arguments[0])", k)
            check_colours(page, own[name, kernel][middle], 2, f"{what}: kernel {kernel} of {name}")
        page.run("cfp.page.choose(-1)")
    drag(page, "alpha", 0.5)


def check_play(page):
    page.find("play").click()
    before = page.run("return cfp.page.player.t")
    for _ in range(100):
        time.sleep(0.02)
        if page.run("return cfp.page.player.t") != before:
            break
    check(page.run("return cfp.page.player.t") != before, "the clip plays")
    page.find("play").click()
    check(page.find("play").text == "Play", "and stops")


# --- tubes that are made in the page ---

def volumes(page, which):
    """{layer: (the volume over the clip, the page calls it exact)}.  which: "now", or "whole": of all maps of the page."""
    made = page.run("""
        const d = cfp.page.data, size = [d.frames.length, d.run.frames.height, d.run.frames.width];
        const all = {theta: 0, relevance: new Float64Array(d.n), selected: d.layers.map((l) => l.count - 1)};
        const text = (list) => btoa(Array.from(new Uint8Array(list.buffer), (c) => String.fromCharCode(c)).join(''));
        return d.layers.map(function (l) {
            const made = arguments[0] === 'now' ? cfp.page.tubes()[l.number] : cfp.tubes.ofLayer(d, all, l);
            return made.tube === null ? null : [l.name, made.exact, text(cfp.volume.render(made.tube, size, d.query.interp))];
        }).filter((row) => row !== null)""".replace("arguments[0]", json.dumps(which)))
    return {name: (np.frombuffer(base64.b64decode(text), np.float32), exact) for name, exact, text in made}


def file_volumes(folder):
    with h5py.File(os.path.join(folder, "explanation.h5"), "r") as f:
        return {name: group["tube"][()].astype(np.float32).ravel() for name, group in f["tubes"].items()}


def check_tubes_at(page, again, what):
    """The tubes at a raised theta are those of `explain` at that theta, or the page says that they are not exact."""
    mine, theirs = volumes(page, "now"), file_volumes(again)
    exact = 0
    for name, volume in theirs.items():
        if name not in mine:
            check(not volume.any(), f"{what}: no tube of {name}")
            continue
        exact += mine[name][1]
        off = np.abs(mine[name][0] - volume).max()
        check(not mine[name][1] or off < 0.012, f"{what}: the tube of {name} is off by {off:.3f}")
        page.run("cfp.page.showLayer(cfp.page.data.layers.findIndex((l) => l.name === arguments[0]))", name)
        said = "not exact" in page.find("caption").text
        check(said != mine[name][1], f"{what}: {name}: the page says {page.find('caption').text!r}")
    check(2 * exact > len(theirs), f"{what}: only {exact} of {len(theirs)} tubes are exact")


def check_apart(page, folder, what):
    """All maps of a layer together are its tube, and each kernel of the first has a map of its own."""
    theirs = file_volumes(folder)
    for name, (volume, _) in volumes(page, "whole").items():
        check(np.abs(volume - theirs[name]).max() < 0.012, f"{what}: the maps of {name} together are its tube")
    alone = page.run("return cfp.page.data.layers.filter((l) => l.tube !== null).map((l) => [l.parts.alone.size, l.count])")
    # a last group may have a single kernel
    check(all(n - min(12, count) in (0, 1) for n, count in alone), f"{what}: kernels with a map of their own: {alone}")
    page.run("const d = cfp.page.data; cfp.page.choose(d.layers.find((l) => l.tube !== null).first)")
    check("Map of kernel" in page.find("caption").text or "Tube of kernel" in page.find("caption").text,
          f"{what}: a chosen kernel shows its own: {page.find('caption').text}")
    page.run("cfp.page.choose(-1)")


def check_when(page, folder, what):
    """A curve a layer: the means of its tube over the frames.  A click shows the layer, and an arrow key the next."""
    with h5py.File(os.path.join(folder, "explanation.h5"), "r") as f:
        expected = {name: group["tube"][()].astype(float).mean(axis=(1, 2)) for name, group in f["tubes"].items()}
    curves = dict(page.run("""
        const d = cfp.page.data;
        return d.layers.filter((l) => l.tube !== null).map((l) => [l.name, cfp.tubes.overTime(l.tube, d.frames.length)])"""))
    off = {name: float(np.abs(np.array(curves[name]) - curve).max()) for name, curve in expected.items()}
    check(set(curves) == set(expected) and max(off.values()) < 0.03, f"{what}: curves over time are off by {off}")
    cells = page.browser.find_elements("css selector", "#curves button")
    check(len(cells) == len(expected), f"{what}: {len(cells)} curves")
    cells[2].click()
    shown = page.run("return document.querySelector('#layers tr.shown').cells[1].textContent")
    check(shown == cells[2].find_element("css selector", ".name").text, f"{what}: a click on a curve shows {shown}")
    cells[2].send_keys(Keys.ARROW_RIGHT)
    check(cells[3].get_attribute("aria-pressed") == "true" and page.run("return document.activeElement") == cells[3],
          f"{what}: an arrow key goes to the next curve")


def check_lists(page, what):
    """Parents and children by value, with bars of that length; so the strongest kernels of the layer."""
    rows = """return Array.from(document.querySelectorAll(arguments[0] + ' li:not(.faint)'),
                                (r) => [Number(r.querySelector('.number').textContent), parseFloat(r.querySelector('i').style.width)])"""
    page.run("const d = cfp.page.data; cfp.page.showLayer(3); cfp.page.choose(-1)")
    lists = {"strongest": page.run(rows, "#strongest")}
    page.run("cfp.page.choose(cfp.page.data.layers[9].first)")
    lists.update({name: page.run(rows, "#" + name) for name in ("parents", "children")})
    for name, found in lists.items():
        values = [value for value, _ in found]
        check(values and values == sorted(values, reverse=True), f"{what}: {name} by value: {values}")
        check(all(abs(100 * value - width) < 0.06 for value, width in found), f"{what}: bars of {name}: {found}")
    page.run("cfp.page.choose(-1)")


# --- what is saved, and narrow screens ---

RECORD = """
    const said = [], pen = new Proxy({}, {get: (_, name) => (...words) => { if (name === 'text') said.push(words); }});
    cfp.page.graph.paintPlain(pen, (name) => name, arguments[0], 500);
    return said.map((w) => [w[0], w[1], w[2], w[6]])"""


def check_labels(page, what):
    """At every width there are names of layers below, and none lies over another."""
    names = page.run("return cfp.page.data.layers.map((l) => l.name)")
    for width in (320, 500, 900, 1400):
        said = page.run(RECORD, width)
        below = sorted((x, y) for x, y, words, angle in said if angle != 0)
        check(len(below) >= min(len(names), width // 40), f"{what}: {len(below)} names at a width of {width}")
        check(all(b[0] - a[0] >= 11 for a, b in zip(below, below[1:])), f"{what}: names overlap at a width of {width}")
        check(all(350 < y < 500 for _, y in below), f"{what}: names stand elsewhere at a width of {width}")


def pixels(page, script):
    """A picture that the page would save."""
    url = page.run("return " + script)
    path = page.scratch("saved.png")
    with open(path, "wb") as f:
        f.write(base64.b64decode(url.split(",")[1]))
    return file_picture(path, None)


def check_saved(page, title, what):
    """Saved pictures are light in a dark page, carry class, theta and legend, and nothing in them is grey for a choice."""
    page.run("cfp.page.choose(cfp.page.data.layers[4].first)")
    with shown_as(page, 1000, "dark"):
        svg = page.run("return cfp.picture.pyramidSvg(cfp.page.graph, cfp.page.aboutPicture())")
        graph = pixels(page, "cfp.picture.pyramidPng(cfp.page.graph, cfp.page.aboutPicture())")
        frame = pixels(page, "cfp.page.clip.picture()")
    words = " ".join(re.findall(r">([^<]*)</text>", svg))
    for said in (title, f"theta {page.run('return cfp.page.data.query.theta')}", "selected kernel", "its parents", "its children"):
        check(said in words, f"{what}: the saved SVG says {said!r}")
    drawn = page.run("return cfp.page.graph.counts.kernels")
    light = sum(len(re.findall("<circle", group)) for group in re.findall(r'<g fill="#4a7a94">(.*?)</g>', svg, re.S))
    check(light > drawn / 2, f"{what}: of {drawn} kernels {light} have their colour")
    for picture, name in ((graph, "the pyramid"), (frame, "the frame")):
        check((picture[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all(), f"{what}: {name} is on light paper")
    check((np.abs(graph - (0x4a, 0x7a, 0x94)).sum(axis=-1) < 6).sum() > 500, f"{what}: the PNG has the kernels' colour")
    page.run("cfp.page.choose(-1)")


def check_source(browser, arguments, scratch):
    """--canvas source: the page's overlay on the source's frames is the program's."""
    folder = explain(arguments.cfp, arguments.model, arguments.clip, os.path.join(scratch, "source"), "--canvas", "source", "--format",
                     "html,frames", "--layers", "mix.b1.conv")
    page = Page(browser, arguments.cfp, folder)
    page.run("cfp.page.showLayer(cfp.page.data.layers.findIndex((l) => l.tube !== null))")
    drawn = page.picture()
    check(drawn.shape == (128, 128, 3), f"the frames of the source: {drawn.shape}")
    frame = file_picture(os.path.join(folder, "overlay/mix.b1.conv/000000.png"), drawn.shape)
    off = np.abs(drawn - frame)
    check(off.mean() < 3, f"the overlay on the source's frames: {off.mean():.2f} levels off")
    page.close("canvas source")


# --- the pyramid ---

def named(node):
    """(layer, kernel) of an id of pyramid.json."""
    layer, _, kernel = node.rpartition(":")
    return layer, int(kernel)


def check_clicks(page, folder, what):
    """A kernel of each layer is clicked: its kin against pyramid.json, and where channel i is kernel i the file's edges."""
    with open(os.path.join(folder, "pyramid.json"), encoding="utf-8") as f:
        links = [(named(link["source"]), named(link["target"]), np.float32(link["value"])) for link in json.load(f)["links"]]
    names = page.run("return cfp.page.data.layers.map((l) => l.name)")
    clicked = plain = 0
    with h5py.File(os.path.join(folder, "explanation.h5"), "r") as f:
        for name in names:
            group = f["pyramid"][name]
            drawn = page.run("""
                const d = cfp.page.data, g = cfp.page.graph, layer = d.layers.find((l) => l.name === arguments[0]);
                return Array.from(layer.selected).filter((o, i) => g.at(layer.first + i) !== null)""", name)
            kernel = drawn[len(drawn) // 2]
            clicked += page.click_kernel(name, kernel)
            chosen, parents, children = page.highlighted()
            if chosen != (name, kernel):
                check(False, f"{what}: a click on kernel {kernel} of {name} chooses {chosen}")
                continue
            check(parents == {a: v for a, b, v in links if b == chosen}, f"{what}: parents of {chosen}")
            check(children == {b: v for a, b, v in links if a == chosen}, f"{what}: children of {chosen}")
            head = page.find("kernel-head").text
            check(f"{kernel} of {name}" in head, f"{what}: the panel says {head}")
            if name in STRAIGHT:
                edges = zip(group["edges"][()], group["edge_relevance"][()])
                mine = {(STRAIGHT[name], int(i)): r for (o, i), r in edges if o == kernel}
                check(children == mine, f"{what}: the edges of {chosen} in explanation.h5")
                plain += 1
    check(clicked == len(names) and plain == len(STRAIGHT), f"{what}: {clicked} of {len(names)} layers were clicked")
    page.find("clear").click()
    check(page.highlighted()[0] == (), "Clear clears")


def check_keys(page):
    graph = page.find("graph")
    page.run("arguments[0].focus()", graph)
    graph.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ENTER)
    chosen = page.highlighted()[0]
    check(chosen != () and page.run("return cfp.page.data.layers[1].name") == chosen[0], f"keys go to the next layer: {chosen}")
    graph.send_keys("+", "+")
    check(page.run("return cfp.page.graph.zoom()") > 1.9, "+ zooms in")
    graph.send_keys("0", Keys.ESCAPE)
    check(page.run("return cfp.page.graph.zoom()") == 1 and page.highlighted()[0] == (), "0 and Escape go back")


def check_theta(page, arguments, folder, options, thetas, what):
    """The page at a higher theta is `explain` at that theta (with the same tubes: without, other sums are fused)."""
    same_selection(page, read_selection(folder), f"{what} as it was run")
    for theta in thetas:
        page.type_theta(theta)
        again = explain(arguments.cfp, arguments.model, arguments.clip, folder + f"-{theta}", "--format", "h5", *options,
                        "--theta", str(theta))
        same_selection(page, read_selection(again), f"{what} at theta {theta}")
        check_tubes_at(page, again, f"{what} at theta {theta}")
        shutil.rmtree(again)
    drag(page, "theta", float(page.find("theta").get_attribute("min")))
    same_selection(page, read_selection(folder), f"{what} back at its own theta")


def check_motion(browser, arguments, scratch):
    cfp, model, clip = arguments.cfp, arguments.model, arguments.clip
    folder = explain(cfp, model, clip, os.path.join(scratch, "kernels"), "--tubes", "kernels", "--format", "h5,html,json")
    page = Page(browser, cfp, folder)
    check(page.run("return cfp.page.data.links.deciding") == 0, "a small network's links are all there")
    check_theta(page, arguments, folder, [], (0.7, 0.905), "edge")
    check_clicks(page, folder, "clicks")
    check_keys(page)
    check_play(page)
    check_clip(page, folder, True, "linear")
    check_apart(page, folder, "motion")
    check_when(page, folder, "motion")
    check_lists(page, "motion")
    check_labels(page, "motion")
    check_saved(page, page.run("return cfp.page.data.run['class'].name"), "motion")
    check_narrow(page, "motion")
    shots(page, arguments, "motion")
    page.close("motion")
    for options, thetas in ((["--propagate", "path", "--theta", "0.2"], (0.35,)),
                            (["--rule", "reference", "--interp", "spline"], (0.85,)),
                            (["--normalise", "max", "--top", "3", "--theta", "0.3"], (0.5,)),
                            (["--rule", "grad", "--mask", "none", "--theta", "0.1"], (0.3,))):
        what = " ".join(options)
        folder = explain(cfp, model, clip, os.path.join(scratch, what.replace(" ", "")), "--format", "h5,html", *options)
        page = Page(browser, cfp, folder)
        check_theta(page, arguments, folder, options, thetas, what)
        if "spline" in options:
            check_clip(page, folder, False, what)
        page.close(what)
    folder = explain(cfp, model, clip, os.path.join(scratch, "none"), "--format", "html", "--rule", "grad", "--tubes", "none")
    page = Page(browser, cfp, folder)
    check("No tube" in page.find("caption").text, "without tubes the page shows the clip and says so")
    page.type_theta(0.9)
    check("gives other relevances" in page.find("exact").text, "under grad it says that theta is not exact")
    page.close("grad")


def report_data(folder):
    """The same as read_selection, of the page's own data: a file of all links would be large."""
    with open(os.path.join(folder, "report.html"), encoding="utf-8") as f:
        data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', f.read(), re.S).group(1))

    def numbers(text, kind):
        return np.frombuffer(base64.b64decode(text), kind).tolist()
    return {layer["name"]: dict(zip(numbers(layer["selected"], "<i4"), numbers(layer["relevance"], "<f4")))
            for layer in data["layers"]}


def check_large(browser, arguments, scratch):
    """A ResNet-50: its report is small enough, and exact though it has no room for all links."""
    model = os.path.join(scratch, "resnet-50.h5")
    command = [sys.executable, arguments.large, "resnet-50", "--random", "7", "--frames", "16", "--size", "224", model]
    done = subprocess.run(command, capture_output=True, text=True)
    check(done.returncode == 0, f"import-checkpoint: {done.stderr.strip()[-300:]}")
    if done.returncode != 0:
        return
    folder = explain(arguments.cfp, model, arguments.clip, os.path.join(scratch, "large"), "--format", "html", "--rule", "cfp")
    higher = explain(arguments.cfp, model, arguments.clip, os.path.join(scratch, "higher"), "--format", "html", "--rule", "cfp",
                     "--theta", "0.72")
    os.remove(model)
    size = os.path.getsize(os.path.join(folder, "report.html"))
    check(size < MOST_BYTES, f"the report of a ResNet-50 has {size} bytes")
    page = Page(browser, arguments.cfp, folder)
    links = page.run("const l = cfp.page.data.links; return {total: l.total, kept: l.target.length, deciding: l.deciding}")
    check(links["kept"] < links["total"] and links["deciding"] > 0, f"not all of its links fit: {links}")
    check(f"{links['kept']:,} of the run\u2019s {links['total']:,} links" in page.find("drawn").text, "and the page says so")
    same_selection(page, report_data(folder), "ResNet-50")
    page.type_theta(0.72)
    same_selection(page, report_data(higher), "ResNet-50 at theta 0.72")
    box = page.find("links-drawn")
    page.run("arguments[0].value = '20000'; arguments[0].dispatchEvent(new Event('change'))", box)
    kernels = page.find("kernels-drawn")
    page.run("arguments[0].value = '250'; arguments[0].dispatchEvent(new Event('change'))", kernels)
    drawn = page.run("return cfp.page.graph.counts")
    check(drawn["links"] in (19999, 20000) and drawn["kernels"] > 5000, f"as many links are drawn as are asked for: {drawn}")
    page.type_theta(0.6)
    page.run("arguments[0].value = '40'; arguments[0].dispatchEvent(new Event('change'))", kernels)
    shots(page, arguments, "resnet-50")
    page.close("ResNet-50")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfp", required=True)
    parser.add_argument("--large")
    parser.add_argument("--shots")
    parser.add_argument("model")
    parser.add_argument("clip")
    arguments = parser.parse_args()
    browser = open_browser()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            check_motion(browser, arguments, scratch)
            check_source(browser, arguments, scratch)
            if arguments.large is not None:
                check_large(browser, arguments, scratch)
    finally:
        browser.quit()
    print(f"{len(failures)} failures" if failures else "the pages show what explanation.h5 holds")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
