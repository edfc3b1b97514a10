#!/usr/bin/env python3
"""Opens report.html and the index in a headless Chromium, from the disk, and checks what they show against explanation.h5.

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
import xml.etree.ElementTree

try:
    import h5py
    import numpy as np
    from PIL import Image
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError as error:
    print(f"skipped: {error} (needs the Python packages h5py, numpy, Pillow and selenium)")
    sys.exit(77)

# Layers of weights/motion.h5 that read one other, with no more than a batch norm and an activation between.
STRAIGHT = {"dw.project.conv": "dw.depthwise.conv", "dw.depthwise.conv": "dw.expand.conv", "mix.b1.conv": "mix.b1.reduce.conv",
            "mix.b2.conv": "mix.b2.reduce.conv", "r2plus1d.temporal.conv": "r2plus1d.spatial.conv"}
MOST_BYTES = 15_000_000   # of a ResNet-50's report
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("not so:", what)


def open_browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        print("skipped: no chromium and chromedriver here (Debian: chromium, chromium-driver)")
        sys.exit(77)
    options = Options()
    options.binary_location = chromium
    words = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--force-device-scale-factor=1",
             "--window-size=1400,1000"]
    if os.geteuid() == 0:
        words.append("--no-sandbox")   # as root it runs in no other way
    for word in words:
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


class Page:
    """A page in the browser, loaded from the disk."""

    def __init__(self, browser, cfp, folder):
        self.browser = browser
        url = subprocess.run([cfp, "view", folder], capture_output=True, text=True, check=True).stdout.strip()
        check(url.startswith("file:///"), f"view names a file: {url}")
        browser.get(url)
        for _ in range(600):
            if self.run("return document.documentElement.dataset.ready") == "yes":
                return
            time.sleep(0.05)
        check(False, f"{folder}: the page becomes ready")

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def find(self, name):
        return self.browser.find_element(By.ID, name)

    def type_theta(self, theta):
        box = self.find("theta-number")
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(str(theta), Keys.ENTER)

    def selection(self):
        """{layer: {kernel: R}} as the page has it now."""
        return {name: dict(zip(kernels, relevance)) for name, kernels, relevance in self.run("""
            const d = cfp.page.data, now = cfp.page.now();
            return d.layers.map(function (layer) {
                const k = Array.from({length: layer.count}, (_, i) => layer.first + i).filter((n) => now.relevance[n] >= 0);
                return [layer.name, k.map((n) => d.kernelOf[n]), k.map((n) => now.relevance[n])];
            }).filter((row) => row[1].length > 0)""")}

    def picture(self):
        """The canvas over the clip, H x W x 3."""
        height, width, pixels = self.run("""
            const c = document.getElementById('frame'), p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let text = '';
            for (let i = 0; i < p.length; i++)
                text += String.fromCharCode(p[i]);
            return [c.height, c.width, btoa(text)]""")
        return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)[:, :, :3].astype(int)

    def click_kernel(self, layer, kernel):
        """With the mouse, where the page says that the kernel is drawn; False: it is not."""
        at = self.run("""
            const d = cfp.page.data, layer = d.layers.find((l) => l.name === arguments[0]);
            return cfp.page.graph.at(layer.first + layer.selected.indexOf(arguments[1]))""", layer, kernel)
        if at is None:
            return False
        graph = self.find("graph")
        self.run("arguments[0].scrollIntoView({block: 'center'})", graph)
        x, y = round(at[0] - graph.size["width"] / 2), round(at[1] - graph.size["height"] / 2)   # from its middle
        ActionChains(self.browser).move_to_element_with_offset(graph, x, y).click().perform()
        return True

    def highlighted(self):
        """The chosen kernel, {its parents: value} and {its children: value}, as (layer, kernel)."""
        chosen, parents, children = self.run("""
            const d = cfp.page.data, g = cfp.page.graph, kin = g.relatives();
            const named = (k) => [d.layers[d.layerOf[k]].name, d.kernelOf[k]];
            const list = (l) => l.map((i) => [named(i.kernel), i.value]);
            return [g.chosen < 0 ? null : named(g.chosen), list(kin.parents), list(kin.children)]""")
        return tuple(chosen or ()), {tuple(k): np.float32(v) for k, v in parents}, {tuple(k): np.float32(v) for k, v in children}

    def cells(self, table):
        """The second and third cell of every row."""
        return [tuple(row) for row in self.run("""
            return Array.from(document.querySelectorAll(arguments[0] + ' tbody tr'),
                              (r) => [r.cells[1].textContent, r.cells[2].textContent])""", table)]

    def close(self, what):
        """The numbers fit their nouns; no request but for the page itself, nothing on the console."""
        check_plurals(self, what)
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                url = message["params"].get("request", message["params"])["url"]
                check(url.startswith(("file:///", "data:", "blob:")), f"{what}: nothing is asked of {url[:80]}")
        for entry in self.browser.get_log("browser"):
            check(False, f"{what}: the console says {entry['message'][:200]}")


NOUNS = "kernel|layer|link|edge|clip|frame|thread|tube|parent|child|class|explanation|one"
PLURALS = "kernels|layers|links|edges|clips|frames|threads|tubes|parents|children|classes|explanations|ones"


def check_plurals(page, what):
    """Neither "1 kernels" nor "2 kernel": of the page as it is and, where theta can be raised, of the class alone."""
    text = "return document.body.innerText.replace(/\\s+/g, ' ')"
    shown = page.run(text)
    if page.run("return typeof cfp === 'object' && cfp.page.setTheta !== undefined"):
        shown += " " + page.run("cfp.page.setTheta(1); cfp.page.showLayer(0);" + text)
        shown += " " + page.run("cfp.page.choose(0);" + text + " + document.getElementById('graph').getAttribute('aria-label')")
    word = r"(?:selected |weaker |kernel )?"
    wrong = re.findall(rf"(?<![\w.,/\u2212-])(?:1 {word}(?:{PLURALS})|(?:0|[2-9]|[\d,.]*\d\d) {word}(?:{NOUNS}))\b(?! (?:\d|tubes))", shown)
    check(not wrong, f"{what}: numbers that do not fit their nouns: {wrong[:5]}")


def explain(cfp, model, clip, folder, *options):
    done = subprocess.run([cfp, "explain", model, clip, "-o", folder, "-q", "--colormap", "jet", *options], capture_output=True, text=True)
    check(done.returncode == 0, f"explain {' '.join(options)}: {done.stderr.strip()}")
    return folder


def read_selection(folder):
    """{layer: {kernel: R}} of explanation.h5."""
    with h5py.File(os.path.join(folder, "explanation.h5"), "r") as f:
        return {name: {int(o): float(group["relevance"][o]) for o in group["selected"]} for name, group in f["pyramid"].items()}


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


def shots(page, arguments, name):
    """Wide and narrow, light and dark."""
    if arguments.shots is None:
        return
    os.makedirs(arguments.shots, exist_ok=True)
    for look, width, scheme in (("light", 1400, "light"), ("dark", 1400, "dark"), ("narrow", 390, "light")):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                     {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False})
        time.sleep(0.4)
        picture = page.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
        with open(os.path.join(arguments.shots, f"{name}-{look}.png"), "wb") as f:
            f.write(base64.b64decode(picture))
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    time.sleep(0.3)


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


def drag(page, name, value):
    """A slider to a value, by its keys: what a user does, and what makes the page's events."""
    slider = page.find(name)
    steps = page.run("const s = arguments[0]; return Math.round((arguments[1] - s.value) / (s.step || 1))", slider, value)
    if abs(steps) > 30:
        slider.send_keys(Keys.END if steps > 0 else Keys.HOME)
        steps = page.run("const s = arguments[0]; return Math.round((arguments[1] - s.value) / (s.step || 1))", slider, value)
    slider.send_keys((Keys.ARROW_RIGHT if steps > 0 else Keys.ARROW_LEFT) * abs(steps))


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
    svg = page.run("return cfp.page.graph.svg()")
    try:
        words = [t.text for t in xml.etree.ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
        check(any(w.startswith("<img src=x") for w in words), "the SVG has the layer's name as text")
    except xml.etree.ElementTree.ParseError as problem:
        check(False, f"the SVG is XML: {problem}")
    page.close("hostile names")
    return folder


def check_safe(page):
    state = page.run("""
        const markup = document.querySelectorAll('b, img[onerror], iframe').length;
        return [window.hacked === undefined, document.scripts.length, markup]""")
    check(state == [True, 2, 0], f"no name became markup: {state}")
    blocked = page.run("""
        const s = document.createElement('script');
        s.textContent = 'window.injected = 1';
        document.body.append(s);
        s.remove();
        return window.injected === undefined""")
    check(blocked, "the page's policy lets no other script run")
    page.browser.get_log("browser")   # the refusal is on the console


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
    check_safe(page)
    page.run("arguments[0].click()", browser.find_elements(By.CSS_SELECTOR, "#rows a")[-1])
    time.sleep(0.3)
    arrived = browser.current_url.endswith("/report.html") and page.run("return typeof cfp") == "object"
    check(arrived, f"a link leads to a report: {browser.current_url}")
    page.close("index")


def report_data(folder):
    """The same as read_selection, of the page's own data: a file of all links would be large."""
    with open(os.path.join(folder, "report.html"), encoding="utf-8") as f:
        data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', f.read(), re.S).group(1))

    def numbers(text, kind):
        return np.frombuffer(base64.b64decode(text), kind).tolist()
    return {layer["name"]: dict(zip(numbers(layer["selected"], "<i4"), numbers(layer["relevance"], "<f4")))
            for layer in data["layers"]}


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
    frame = h5_picture(os.path.join(folder, "overlay/mix.b1.conv/000000.png"), drawn.shape)
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
    shots(page, arguments, "contrast")
    page.close("contrast")


def h5_picture(path, shape):
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    n = pixels.shape[0] // shape[0]
    return pixels[::n, ::n]


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
    page.run("page.show(2)")
    cells = page.run("return Array.from(document.querySelectorAll('#kernels tbody tr'), (r) => [0, 1, 2].map((i) => r.cells[i].textContent))")
    expected = sorted(one["layers"][2]["selected"], key=lambda k: (-k["clips"], -k["relevance"], k["kernel"]))
    check(cells == [[str(k["kernel"]), str(k["clips"]), f"{k['relevance']:.3f}"] for k in expected], f"its kernels: {cells[:3]}")
    shots(page, arguments, "class")
    page.browser.find_element(By.CSS_SELECTOR, "#clips a").click()
    check(page.run("return document.title").startswith("growing"), "a clip leads to its report")
    check(page.run("return location.pathname").endswith("growing/report.html"), "which is explain's")
    page.close("classes")


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
            hostile = check_hostile(browser, arguments, scratch)
            check_index(browser, arguments, scratch, [os.path.join(scratch, "kernels"), hostile])
            check_contrast(browser, arguments, scratch)
            check_classes(browser, arguments, scratch)
            if arguments.large is not None:
                check_large(browser, arguments, scratch)
    finally:
        browser.quit()
    print(f"{len(failures)} failures" if failures else "the pages show what explanation.h5 holds")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
