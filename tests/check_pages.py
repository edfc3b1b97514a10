#!/usr/bin/env python3
"""Opens the pages of many explanations, of two classes, of aggregate and of heads in a headless Chromium, and one whose names are
hostile.

    check_pages.py --cfp build/cfp-gpu MODEL CLIP [--shots FOLDER]

--shots leaves pictures of the pages there. Exit status 77 (skipped) where Chromium, its driver or selenium are missing.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

from page_driver import By, Page, check, check_narrow, check_plurals, check_safe, explain, failures, file_picture, h5py, np, open_browser, shots, shown_as


# --- names that come from files ---

def hostile_model(model, path):
    """A copy whose names want out of the page.  A class may be called anything; a node has no '/'."""
    name = "<img src=x onerror=window.hacked=1><!--<script>&amp;\"'`\u2028${1}"
    kind = "</script><script>window.hacked=1</script><b>\"'&lt;\\u003c\u0001"
    shutil.copyfile(model, path)
    with h5py.File(path, "r+") as f:
        classes = [kind + str(i) for i in range(len(f["classes"]))]
        del f["classes"]
        f.create_dataset("classes", data=classes, dtype=h5py.string_dtype())
        old = "mix.b1.conv"
        f.move(f"graph/{old}", f"graph/{name}")
        for node in f["graph"].values():
            inputs = [i.decode() if isinstance(i, bytes) else i for i in node.attrs["inputs"]]
            if old in inputs:
                del node.attrs["inputs"]
                node.attrs.create("inputs", [name if i == old else i for i in inputs], dtype=h5py.string_dtype())
    return name, kind


def check_hostile(browser, arguments, scratch):
    model = os.path.join(scratch, "hostile.h5")
    name, kind = hostile_model(arguments.model, model)
    clip = os.path.join(scratch, "</script><script>window.hacked=1</script>", "\"><img src=x onerror=window.hacked=1>.mp4")
    os.makedirs(os.path.dirname(clip))
    shutil.copyfile(arguments.clip, clip)
    folder = explain(arguments.cfp, model, clip, os.path.join(scratch, "a #1 %41 é ?x=<b>"), "--format", "h5,html")
    page = Page(browser, arguments.cfp, folder)
    title = page.run("return document.getElementById('title').textContent")
    check(title.startswith(kind), f"the class's name is text: {title!r}")
    check(name in page.run("return cfp.page.data.layers.map((l) => l.name)"), "the layer's name is text")
    page.run("const d = cfp.page.data; cfp.page.choose(d.layers.find((l) => l.name === arguments[0]).first)", name)
    check(name in page.run("return document.getElementById('kernel-head').textContent"), "in the panel too")
    check(clip in page.run("return document.getElementById('run').textContent"), "and the clip's")
    check_safe(page)
    svg = page.run("return cfp.picture.pyramidSvg(cfp.page.graph, cfp.page.aboutPicture())")
    try:
        words = [t.text for t in xml.etree.ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
        check(any(w.startswith("<img src=x") for w in words), "the SVG has the layer's name as text")
    except xml.etree.ElementTree.ParseError as problem:
        check(False, f"the SVG is XML: {problem}")
    page.close("hostile names")
    return folder


def check_index(browser, arguments, scratch, folders):
    index = os.path.join(scratch, "index.html")
    done = subprocess.run([arguments.cfp, "report", *folders, "-o", index, "-q"], capture_output=True, text=True)
    check(done.returncode == 0, f"report: {done.stderr.strip()}")
    browser.get("file://" + index)
    page = Page.__new__(Page)
    page.browser = browser
    expected = []
    for folder in folders:
        with h5py.File(os.path.join(folder, "explanation.h5"), "r") as f:
            expected.append((f.attrs["class_name"], f"{f.attrs['probability']:.4f}"))
    check(page.cells("#rows") == expected, f"a row an explanation: {page.cells('#rows')}")
    head = browser.find_elements(By.CSS_SELECTOR, "#rows th button")
    probability = next(b for b in head if b.text == "probability")
    probability.click()
    falling = sorted((p for _, p in expected), reverse=True)
    check([p for _, p in page.cells("#rows")] == falling, "sorted by probability, the highest first")
    probability.click()
    check([p for _, p in page.cells("#rows")] == falling[::-1], "and the lowest")
    pictures = page.run("return Array.from(document.images, (i) => i.complete && i.naturalWidth > 0)")
    check(pictures == [True] * len(folders), "every row has its picture")
    with shown_as(page, 390, "light"):
        wide = page.run("return [document.documentElement.scrollWidth, ...Array.from(document.querySelectorAll('#rows td'), (c) => c.clientWidth)]")
        check(wide[0] <= 390 and min(wide[1:]) > 200, f"the list on a screen of 390: {wide}")
        titles = page.run("return Array.from(document.querySelectorAll('#rows td'), (c) => getComputedStyle(c, '::before').content)")
        check('"theta"' in titles and '"clip"' in titles, f"each value has its name there: {titles}")
    check_safe(page)
    page.run("arguments[0].click()", browser.find_elements(By.CSS_SELECTOR, "#rows a")[-1])
    time.sleep(0.3)
    arrived = browser.current_url.endswith("/report.html") and page.run("return typeof cfp") == "object"
    check(arrived, f"a link leads to a report: {browser.current_url}")
    page.close("index")


def contrast(cfp, model, clip, folder, *options):
    done = subprocess.run([cfp, "contrast", model, clip, "-o", folder, "-q", *options], capture_output=True, text=True)
    check(done.returncode == 0, f"contrast {' '.join(options)}: {done.stderr.strip()}")
    return folder


def check_contrast(browser, arguments, scratch):
    """Two classes on one page: sides of kernels and links, the difference over the clip, what a click switches off."""
    folder = contrast(arguments.cfp, arguments.model, arguments.clip, os.path.join(scratch, "two"), "--class", "clockwise", "--against",
                      "growing", "--rule", "grad", "--theta", "0.3", "--format", "json,html,frames", "--layers", "mix.b1.conv")
    with open(os.path.join(folder, "contrast.json"), encoding="utf-8") as f:
        said = json.load(f)
    page = Page(browser, arguments.cfp, folder)
    check(page.find("name-a").text == "A: clockwise" and page.find("name-b").text == "B: growing", "the page names both classes")
    sides = {name: lists for name, lists in page.run("""
        const d = cfp.page.data;
        return d.layers.map((l) => [l.name, [0, 1, 2].map((s) => Array.from(l.selected).filter((_, i) => l.side[i] === s))])""")}
    check(sides == {row["layer"]: [row["both"], row["only_a"], row["only_b"]] for row in said["layers"]}, "kernels of both, of A, of B")
    check(page.cells("#layers") == [(row["layer"], str(len(row["both"]))) for row in said["layers"]], "the table counts them")
    links = page.run("""
        const d = cfp.page.data, id = (k) => d.layers[d.layerOf[k]].name + ':' + d.kernelOf[k], made = [[], [], []];
        for (let k = 0; k < d.n; k++)
            for (let e = d.links.first[k]; e < d.links.first[k + 1]; e++)
                made[d.links.side[e]].push(id(k) + ' ' + id(d.links.target[e]));
        return made""")
    check([sorted(list_) for list_ in links] == [sorted(x["source"] + " " + x["target"] for x in said["links"][key])
                                                for key in ("both", "only_a", "only_b")], "links of both, of A, of B")
    # The picture is the program's: JPEG frames and 16-bit maps make it a little different.
    layer = next(i for i, row in enumerate(said["layers"]) if row["layer"] == "mix.b1.conv")
    page.run("cfp.page.showLayer(arguments[0])", layer)
    drawn = page.picture()
    frame = file_picture(os.path.join(folder, "overlay/mix.b1.conv/000000.png"), drawn.shape)
    check(np.abs(drawn - frame).mean() < 3, f"the difference over the clip: {np.abs(drawn - frame).mean():.2f} levels off")
    page.run("cfp.page.setMode('a')")
    check(np.abs(page.picture() - frame).mean() > 5 and page.find("colormap").get_attribute("value") == "inferno", "A's own tube looks otherwise")
    page.run("cfp.page.setMode('difference')")
    before = page.run("return cfp.page.graph.counts")
    for name, key in (("show-b", "only_b"), ("show-both", "both"), ("show-a", "only_a")):
        page.find(name).click()
        after = page.run("return cfp.page.graph.counts")
        check(before["kernels"] - after["kernels"] == sum(len(row[key]) for row in said["layers"]), f"a click hides {key}")
        before = after
    check(before["kernels"] == 0 and before["links"] == 0, "nothing is left")
    for name in ("show-b", "show-both", "show-a"):
        page.find(name).click()
    check_narrow(page, "contrast")
    shots(page, arguments, "contrast")
    page.close("contrast")


def check_classes(browser, arguments, scratch):
    """The pages of aggregate: the table, its links, and one class with the links to its clips' reports."""
    folders = [explain(arguments.cfp, arguments.model, arguments.clip, os.path.join(scratch, "class é#", name), "--class", name, "--format",
                       "h5,html", "--tubes", "none", "--propagate", "path", "--theta", theta) for name, theta in
               (("growing", "0.6"), ("clockwise", "0.6"))]
    out = os.path.join(scratch, "classes")
    done = subprocess.run([arguments.cfp, "aggregate", *folders, "-o", out, "-q"], capture_output=True, text=True)
    check(done.returncode == 0, f"aggregate: {done.stderr.strip()}")
    with open(os.path.join(out, "class.json"), encoding="utf-8") as f:
        said = json.load(f)
    page = Page(browser, arguments.cfp, out)
    check([row[0] for row in page.cells("#rows")] == [c["name"] for c in said["classes"]], "the table names the classes")
    page.browser.find_element(By.LINK_TEXT, "growing").click()
    check(page.run("return document.title").startswith("growing"), "a link leads to the page of the class")
    one = next(c for c in said["classes"] if c["name"] == "growing")
    check([row[0] for row in page.cells("#layers")] == [row["layer"] for row in one["layers"]], "the class's layers")
    check(page.run("return document.title").endswith("over 1 clip"), "the title counts one clip")
    check_plurals(page, "class")
    page.run("page.show(2)")
    cells = page.run("return Array.from(document.querySelectorAll('#kernels tbody tr'), (r) => [0, 1, 2].map((i) => r.cells[i].textContent))")
    expected = sorted(one["layers"][2]["selected"], key=lambda k: (-k["clips"], -k["relevance"], k["kernel"]))
    check(cells == [[str(k["kernel"]), str(k["clips"]), f"{k['relevance']:.3f}"] for k in expected], f"its kernels: {cells[:3]}")
    check_narrow(page, "class")
    shots(page, arguments, "class")
    page.browser.find_element(By.CSS_SELECTOR, "#clips a").click()
    check(page.run("return document.title").startswith("growing"), "a clip leads to its report")
    check(page.run("return location.pathname").endswith("growing/report.html"), "which is explain's")
    page.close("classes")


def check_heads_page(browser, arguments, scratch):
    """A network with two heads: their classes side by side, with links to the reports of each."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
    import check_heads
    model = os.path.join(scratch, "heads.h5")
    check_heads.write(model, ["verb", "noun"])
    folder = explain(arguments.cfp, model, arguments.clip, os.path.join(scratch, "a-name-that-has-no-place-to-break-a-line-" * 3),
                     "--format", "h5,html")
    with h5py.File(os.path.join(folder, "heads", "verb", "explanation.h5"), "r") as f:
        name, probability = f.attrs["class_name"], f"{100 * f.attrs['probability']:.1f} %"
    page = Page(browser, arguments.cfp, folder)
    check([s.text for s in browser.find_elements(By.CSS_SELECTOR, "#heads h2")[0].find_elements(By.TAG_NAME, "span")]
          == [f"verb: {name}", probability], "the first head's class")
    this = [row.text.split("\n") for row in browser.find_elements(By.CSS_SELECTOR, "#heads .top li.this")]
    check(len(this) == 2 and this[0] == [name, probability], f"the classes stand out among the most probable ones: {this}")
    check_narrow(page, "heads")
    shots(page, arguments, "heads")
    browser.find_elements(By.CSS_SELECTOR, "#heads a")[0].click()
    check(page.run("return document.getElementById('title').textContent") == f"verb: {name}", "a link leads to the head's report")
    page.close("heads")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfp", required=True)
    parser.add_argument("--shots")
    parser.add_argument("model")
    parser.add_argument("clip")
    arguments = parser.parse_args()
    browser = open_browser()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            hostile = check_hostile(browser, arguments, scratch)
            plain = explain(arguments.cfp, arguments.model, arguments.clip, os.path.join(scratch, "plain"), "--format", "h5,html")
            check_index(browser, arguments, scratch, [plain, hostile])
            check_contrast(browser, arguments, scratch)
            check_classes(browser, arguments, scratch)
            check_heads_page(browser, arguments, scratch)
    finally:
        browser.quit()
    print(f"{len(failures)} failures" if failures else "the pages show what the files hold")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
