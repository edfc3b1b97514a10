"""The pages in a headless Chromium, for check_report.py and check_pages.py: opens them from the disk, drives and judges them.

An import ends the test with exit status 77 (skipped) where Chromium, its driver or selenium are missing.
"""
import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

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
        self.folder = folder
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

    def wait(self):
        """Until the page has drawn what it was asked for."""
        self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def scratch(self, name):
        return os.path.join(self.folder, name)

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


@contextlib.contextmanager
def shown_as(page, width, scheme):
    """The page on a screen of that width, in a light or dark scheme."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                 {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False})
    page.wait()
    yield
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    page.wait()


def check_narrow(page, what):
    with shown_as(page, 390, "light"):
        wide = page.run("return document.documentElement.scrollWidth")
        check(wide <= 390, f"{what}: {wide} pixels wide on a screen of 390")


def shots(page, arguments, name):
    """Wide and narrow, light and dark."""
    if arguments.shots is None:
        return
    os.makedirs(arguments.shots, exist_ok=True)
    for look, width, scheme in (("light", 1400, "light"), ("dark", 1400, "dark"), ("narrow", 390, "light")):
        with shown_as(page, width, scheme):
            time.sleep(0.4)
            picture = page.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
        with open(os.path.join(arguments.shots, f"{name}-{look}.png"), "wb") as f:
            f.write(base64.b64decode(picture))


def drag(page, name, value):
    """A slider to a value, by its keys: what a user does, and what makes the page's events."""
    slider = page.find(name)
    steps = page.run("const s = arguments[0]; return Math.round((arguments[1] - s.value) / (s.step || 1))", slider, value)
    if abs(steps) > 30:
        slider.send_keys(Keys.END if steps > 0 else Keys.HOME)
        steps = page.run("const s = arguments[0]; return Math.round((arguments[1] - s.value) / (s.step || 1))", slider, value)
    slider.send_keys((Keys.ARROW_RIGHT if steps > 0 else Keys.ARROW_LEFT) * abs(steps))
    page.wait()


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


def file_picture(path, shape):
    """A picture of a file as numbers.  shape: what it was enlarged from, which is undone; None: all of it."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    n = 1 if shape is None else pixels.shape[0] // shape[0]
    return pixels[::n, ::n]
