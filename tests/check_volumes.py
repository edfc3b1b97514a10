#!/usr/bin/env python3
"""Compares methods that make a volume, and the metrics of volumes (SPEC 7), with their definitions in numpy.

There are two small networks: a chain that ends in a linear layer, and one with a pool at its input, a
residual, a concat and a sigmoid at its end.  PyTorch runs them in float64 and gives every gradient.
Each metric is computed again here, from the volumes that the program made, and each method from the
network.  Random numbers come from the same streams, which README.md of host/evaluate names.  Then the
test checks that deleting what matters most equals inserting what matters least, to the last bit;
masks of every form; and masks that do not fit.

If captum is installed, its results are compared, too.  If not, the test says so.

Usage: check_volumes.py --dump VOLUME_DUMP --cfp PROGRAM
"""
import argparse
import hashlib
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "oracle"))
import program  # noqa: E402

program.need_packages()
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

import method  # noqa: E402
import model_io  # noqa: E402
import resize  # noqa: E402
import torch_net  # noqa: E402
from model_io import Graph, Node  # noqa: E402

wrong, checks = [], 0
MASK = (1 << 64) - 1


def check(right, what):
    global checks
    checks += 1
    if not right:
        wrong.append(what)


def close(got, want, what, tolerance=2e-4):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape:
        return check(False, f"{what}: shape {got.shape}, not {want.shape}")
    both_nan = np.isnan(got) & np.isnan(want)
    scale = max(1e-6, float(np.nanmax(np.abs(want))) if not np.isnan(want).all() else 1)
    error = np.where(both_nan, 0, np.abs(got - want))
    check(not (np.isnan(error).any() or error.max() > tolerance * scale),
          f"{what}: off by {np.nanmax(error) / scale:.2e} of {scale:.3g}")


# ---- random streams, as random.h says ----

def scatter(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Stream:
    STEP = 0x9E3779B97F4A7C15

    def __init__(self, state):
        self.state = state

    @classmethod
    def seed(cls, seed):
        return cls(scatter((seed + cls.STEP) & MASK))

    def number(self, n):
        return Stream(scatter(((self.state ^ scatter((n + self.STEP) & MASK)) + self.STEP) & MASK))

    def text(self, text):
        total = 0xCBF29CE484222325
        for byte in text.encode():
            total = ((total ^ byte) * 0x100000001B3) & MASK
        return self.number(total).number(len(text.encode()))

    def next(self):
        self.state = (self.state + self.STEP) & MASK
        return scatter(self.state)

    def unit(self):
        return (self.next() >> 11) * 2.0 ** -53

    def below(self, limit):
        uneven = (MASK % limit + 1) % limit
        while True:
            z = self.next()
            if z <= MASK - uneven:
                return z % limit

    def order(self, n):
        order = list(range(n))
        for i in range(n):
            j = i + self.below(n - i)
            order[i], order[j] = order[j], order[i]
        return order


# ---- networks ----

def conv(rng, name, source, out, channels, kernel, stride=(1, 1, 1), groups=1):
    fan = channels // groups * int(np.prod(kernel))
    pad = tuple(k // 2 for k in kernel)
    weights = {"weight": rng.normal(0, np.sqrt(2 / fan), (out, channels // groups, *kernel)).astype(np.float32),
               "bias": rng.normal(0, 0.2, out).astype(np.float32)}
    return Node(name, "conv3d", [source], {"stride": stride, "dilation": (1, 1, 1), "pad_begin": pad, "pad_end": pad,
                                           "groups": groups}, weights)


def linear(rng, name, source, out, channels):
    return Node(name, "linear", [source], {}, {
        "weight": rng.normal(0, 1.2, (out, channels)).astype(np.float32), "bias": rng.normal(0, 0.1, out).astype(np.float32)})


def spec(frames, height, width):
    return {"channels": 3, "frames": frames, "height": height, "width": width, "frame_stride": 1, "resize_short": 0,
            "crop": "center", "color": "RGB", "scale": 255.0, "mean": (0.45, 0.4, 0.5), "std": (0.25, 0.3, 0.2)}


def chain():
    """Plain: the last map is that of conv2; every metric has something to say."""
    rng = np.random.default_rng(5)
    nodes = [conv(rng, "conv1", "input", 4, 3, (3, 3, 3)), Node("relu1", "relu", ["conv1"]),
             conv(rng, "conv2", "relu1", 6, 4, (3, 3, 3), (2, 2, 2)), Node("relu2", "relu", ["conv2"]),
             Node("gap", "globalavgpool", ["relu2"]), linear(rng, "fc", "gap", 5, 6)]
    return Graph("chain", "fc", {n.name: n for n in nodes}, spec(5, 9, 10), [f"class {k}" for k in range(5)])


def branches():
    """The clip is read by a pool and a slice; the last map is a concat; the head is a sigmoid."""
    rng = np.random.default_rng(11)
    half = {"kernel": (1, 2, 2), "stride": (1, 2, 2), "pad_begin": (0, 0, 0), "pad_end": (0, 0, 0)}
    nodes = [Node("small", "avgpool3d", ["input"], dict(half, ceil_mode=0, count_include_pad=1)),
             conv(rng, "a1", "small", 4, 3, (1, 3, 3)), Node("act", "silu", ["a1"]),
             conv(rng, "a2", "act", 4, 4, (3, 1, 1), groups=2), Node("sum", "add", ["a2", "act"]),
             Node("ra", "relu", ["sum"]),
             Node("red", "slice", ["small"], {"axis": 1, "start": 0, "stop": 3, "step": 2}),
             conv(rng, "b1", "red", 3, 2, (3, 3, 3)), Node("rb", "relu", ["b1"]),
             Node("cat", "concat", ["ra", "rb"]),
             Node("pool", "maxpool3d", ["cat"], dict(half, ceil_mode=0)),
             Node("gap", "globalavgpool", ["pool"]), linear(rng, "fc", "gap", 4, 7), Node("head", "sigmoid", ["fc"])]
    return Graph("branches", "head", {n.name: n for n in nodes}, spec(4, 8, 12), list("abcd"))


class Net:
    """A network in float64: scores, gradients, maps of one class."""

    def __init__(self, graph, c, target):
        self.graph, self.c, self.target = graph, c, target

    def values(self, x, keep=False):
        values = {"input": x if isinstance(x, torch.Tensor) else torch.from_numpy(np.asarray(x, np.float64))[None]}
        for node in self.graph.nodes.values():
            values[node.name] = torch_net.apply_node(node, [values[i] for i in node.inputs])
            if keep:
                values[node.name].retain_grad()
        return values

    def z(self, values):
        logits = values[self.graph.logits_node()].reshape(-1)
        if self.target == "odds":
            return logits[self.c] - torch.logsumexp(torch.cat([logits[:self.c], logits[self.c + 1:]]), 0)
        return logits[self.c] - (logits.mean() if self.target == "margin" else 0)

    def p(self, x):
        with torch.no_grad():
            return float(self.graph.probabilities(self.values(x)[self.graph.logits_node()].reshape(-1).numpy())[self.c])

    def f(self, x):
        with torch.no_grad():
            return float(self.z(self.values(x)))

    def gradient(self, x):
        leaf = torch.from_numpy(np.asarray(x, np.float64))[None].requires_grad_()
        with torch.enable_grad():            # captum turns it off
            self.z(self.values(leaf)).backward()
        return leaf.grad[0].numpy()

    def map(self, x, name):
        leaf = torch.from_numpy(np.asarray(x, np.float64))[None].requires_grad_()
        values = self.values(leaf, True)
        self.z(values).backward()
        return values[name].detach()[0].numpy(), values[name].grad[0].numpy()


# ---- methods, from their definitions ----

def from_map(raw, x):
    return resize.unit_range(resize.resize(raw, x.shape[1:]))


def gradcam(a, g):
    return np.maximum((g.mean((1, 2, 3))[:, None, None, None] * a).sum(0), 0)


def gradcam_frame(a, g):
    return np.maximum((g.mean((2, 3))[:, :, None, None] * a).sum(0), 0)


def gradcam_pp(a, g):
    below = 2 * g ** 2 + a.sum((1, 2, 3))[:, None, None, None] * g ** 3
    alpha = np.where(below != 0, g ** 2 / np.where(below != 0, below, 1), 0)
    return np.maximum(((alpha * np.maximum(g, 0)).sum((1, 2, 3))[:, None, None, None] * a).sum(0), 0)


def saliency_tubes(net, a):
    weight = net.graph.nodes["fc"].weights["weight"][net.c].astype(np.float64)
    return np.tensordot(weight, a, 1)


def integrated(net, x, steps):
    return (x * sum(net.gradient((k + 0.5) / steps * x) for k in range(steps)) / steps).sum(0)


def smoothgrad(net, x, stream, draws, noise):
    sigma, total = noise * (x.max() - x.min()), 0
    for i in range(draws):
        s = stream.number(i)
        e = np.empty(x.size)
        for k in range(x.size):
            turn = 2 * np.pi * s.unit()
            e[k] = np.sqrt(-2 * np.log(1 - s.unit())) * np.cos(turn)
        total = total + net.gradient(np.float32(x + sigma * e.reshape(x.shape)))
    return np.abs(total / draws).sum(0)


def occlusion(net, x, window, stride):
    total, covered, whole = np.zeros(x.shape[1:]), np.zeros(x.shape[1:]), net.f(x)
    counts = [1 + -(-(s - w) // d) for s, w, d in zip(x.shape[1:], window, stride)]
    for place in np.ndindex(*counts):
        at = tuple(slice(p * d, p * d + w) for p, d, w in zip(place, stride, window))
        y = x.copy()
        y[(slice(None), *at)] = 0
        total[at] += whole - net.f(y)
        covered[at] += 1
    return np.where(covered > 0, total / np.maximum(covered, 1), 0)


def rise(net, x, stream, masks, grid, keep):
    sides, total = x.shape[1:], 0
    grid = [min(g, s) for g, s in zip(grid, sides)]
    cell = [-(-s // g) for s, g in zip(sides, grid)]
    for i in range(masks):
        s = stream.number(i)
        cells = np.array([s.unit() < keep for _ in range(int(np.prod(grid)))], np.float64).reshape(grid)
        large = resize.resize(cells, [(g + 1) * c for g, c in zip(grid, cell)])
        shift = [s.below(c) for c in cell]
        mask = large[tuple(slice(k, k + side) for k, side in zip(shift, sides))]
        total = total + net.p(x * mask) * mask
    return total / masks / keep


def centre(shape):
    axes = [np.exp(-0.5 * ((np.arange(n) + 0.5 - n / 2) / (n / 4)) ** 2) for n in shape]
    return axes[0][:, None, None] * axes[1][:, None] * axes[2]


def difference(x):
    d = np.abs(np.diff(x, axis=1)).sum(0)
    return np.concatenate([np.zeros_like(d[:1]), d])


# ---- metrics, from their definitions ----

def base_clip(x, base):
    from scipy import ndimage
    if base == "mean":
        return np.broadcast_to(x.mean((1, 2, 3), keepdims=True), x.shape)
    if base == "freeze":
        return np.broadcast_to(x[:, x.shape[1] // 2][:, None], x.shape)
    if base == "blur":
        sigma = 0.1 * min(x.shape[2:])
        return ndimage.gaussian_filter(x, (0, 0, sigma, sigma))
    return np.zeros_like(x)


def units_of(shape, unit, block):
    t, h, w = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    if unit == "block":
        wide, high = -(-shape[2] // block), -(-shape[1] // block)
        return (t * high + h // block) * wide + w // block
    return {"voxel": (t * shape[1] + h) * shape[2] + w, "frame": t, "tube": h * shape[2] + w}[unit]


def auc(net, x, b, unit, order, points, insert):
    """FIELD 3.1 for an order of units: floor(j U / N) of them replaced, or restored."""
    n = len(order)
    shares, probabilities = [], []
    for j in range(points + 1):
        first = np.isin(unit, order[:j * n // points])
        probabilities.append(net.p(np.where(first == insert, x, b)))
        shares.append(first.mean())
    return float(np.trapz(probabilities, shares))


def falling(score):
    return np.argsort(-np.asarray(score), kind="stable")


def order_of(s, unit):
    n = int(unit.max()) + 1
    return falling(np.bincount(unit.ravel(), s.ravel(), n) / np.bincount(unit.ravel(), minlength=n))


def boxes_of(stream, shape, n):
    for i in range(n):
        s, box = stream.number(i), []
        for side in shape:
            size = 1 + s.below((side + 1) // 2)
            begin = s.below(side - size + 1)
            box.append(slice(begin, begin + size))
        yield tuple(box)


def infidelity(net, x, b, s, stream, n):
    a, d = [], []
    for box in boxes_of(stream, s.shape, n):
        y = x.copy()
        y[(slice(None), *box)] = b[(slice(None), *box)]
        a.append(s[box].sum())
        d.append(net.f(x) - net.f(y))
    a, d = np.array(a), np.array(d)
    beta = a @ d / (a @ a) if a @ a > 0 else 0
    return np.mean((beta * a - d) ** 2)


def changed_frames(x, s, n, how):
    active = np.zeros(len(s), bool)
    active[falling(s.astype(np.float64).sum((1, 2)))[:n]] = True
    out, t = x.copy(), 0
    while t < len(s):
        if how == "freeze" and active[t] and t > 0:
            out[:, t] = out[:, t - 1]
        if how == "reverse" and active[t]:
            end = t
            while end < len(s) and active[end]:
                end += 1
            out[:, t:end] = x[:, t:end][:, ::-1]
            t = end - 1
        t += 1
    return out


def pointing(s, m, tolerance):
    hits, near = [], []
    for frame, inside in zip(s, m):
        if inside.any():
            v, u = np.nonzero(inside)
            h, w = np.indices(inside.shape)
            hit = (((h[..., None] - v) ** 2 + (w[..., None] - u) ** 2) < tolerance ** 2).any(-1) | inside
            near.append(hit.mean())
            hits.append(hit.ravel()[frame.argmax()])
    return np.mean(hits), np.mean(near)


# ---- the program ----

class Dumped:
    def __init__(self, text, path, shape):
        self.rows, self.volumes, self.cost = {}, {}, None
        data = np.fromfile(path, np.float32) if path and os.path.exists(path) else np.zeros(0, np.float32)
        count, at = int(np.prod(shape)), 0
        for line in text.splitlines():
            field = line.split("\t")
            if field[0] == "row":
                self.rows[field[1], field[2], field[3]] = (
                    float(field[5]), float(field[6]), float(field[7]), int(field[8]), field[9], field[5])
            elif field[0] == "cost":
                self.cost = int(field[1]), int(field[2])
            else:
                self.volumes[field[1], field[2]] = data[at:at + count].reshape(shape)
                at += count


class Case:
    """One network, clip and class on disk, and the program's results for them."""

    def __init__(self, tool, folder, graph, c, target):
        self.tool, self.folder, self.graph = tool, folder, graph
        rng = np.random.default_rng(3)
        frames, height, width = (graph.input[k] for k in ("frames", "height", "width"))
        self.shape = (frames, height, width)
        self.model, self.clip = (os.path.join(folder, graph.name + end) for end in (".h5", ".npy"))
        model_io.write_model(self.model, graph)
        self.pixels = rng.integers(0, 256, (frames, height, width, 3), np.uint8)
        np.save(self.clip, self.pixels)
        self.x = model_io.prepare_clip(graph, self.pixels).astype(np.float64)
        self.net = Net(graph, c, target)
        with open(self.clip, "rb") as f:
            name = hashlib.sha256(f.read()).hexdigest()
        self.stream = Stream.seed(7).text(name).number(c)

    def run(self, *words, status=0, volumes=False, clip=None):
        path = os.path.join(self.folder, "volumes.bin") if volumes else "-"
        done = subprocess.run([self.tool, self.model, clip or self.clip, path, f"class={self.net.c}", "seed=7", *words],
                              capture_output=True, timeout=120)
        error = done.stderr.decode()
        check(done.returncode == status, f"{words}: exit status {done.returncode}, not {status}: {error}")
        return error if status else Dumped(done.stdout.decode(), path, self.shape)


SETTINGS = ("ig-steps=7", "smoothgrad-draws=3", "rise-masks=12", "grid=2x3x3", "window=2x3x4", "stride=2x2x3")


def check_methods(case, device, cfp):
    net, x, graph = case.net, case.x, case.graph
    names = ("saliency-tubes,gradcam,gradcam-frame,gradcam++,hirescam,gradient-input,integrated-gradients,smoothgrad,"
             "occlusion,rise,random,centre,frame-difference,activation")
    target = f"target={net.target}"
    got = case.run(f"device={device}", f"methods={names}", target, *SETTINGS, volumes=True).volumes
    last = {"chain": ("conv2", "relu2"), "branches": ("cat", "cat")}[graph.name]
    a, g = net.map(x, last[1])
    want = {("saliency-tubes", last[0]): from_map(saliency_tubes(net, a), x),
            ("gradcam", last[0]): from_map(gradcam(a, g), x),
            ("gradcam-frame", last[0]): from_map(gradcam_frame(a, g), x),
            ("gradcam++", last[0]): from_map(gradcam_pp(a, g), x),
            ("hirescam", last[0]): from_map(np.maximum((a * g).sum(0), 0), x),
            ("gradient-input", ""): (x * net.gradient(x)).sum(0),
            ("integrated-gradients", ""): integrated(net, x, 7),
            ("smoothgrad", ""): smoothgrad(net, x, case.stream.text("smoothgrad"), 3, 0.15),
            ("occlusion", ""): occlusion(net, x, (2, 3, 4), (2, 2, 3)),
            ("rise", ""): rise(net, x, case.stream.text("rise"), 12, (2, 3, 3), 0.5),
            ("centre", ""): centre(case.shape), ("frame-difference", ""): difference(x),
            ("activation", last[0]): from_map(np.abs(a).sum(0), x)}
    noise = case.stream.text("random")
    want["random", ""] = np.array([noise.unit() for _ in range(int(np.prod(case.shape)))]).reshape(case.shape)
    check(list(got) == [(n, next(k for k in want if k[0] == n)[1]) for n in names.split(",")],
          f"{graph.name}: volumes {list(got)}")
    for key, volume in want.items():
        close(got.get(key, np.zeros(0)), volume, f"{graph.name} on {device}: {key[0]}", 1e-3)


def check_layers(case):
    """--layers: methods on maps look at every convolution that it matches, and so do tubes."""
    names = ("gradcam", "cfp")
    got = case.run("methods=gradcam,cfp", "layers=conv?", f"target={case.net.target}", volumes=True).volumes
    check({k for k in got} == {(n, f"conv{k}") for n in names for k in (1, 2)}, f"layers: {list(got)}")
    a, g = case.net.map(case.x, "relu1")
    close(got["gradcam", "conv1"], from_map(gradcam(a, g), case.x), "gradcam of conv1", 1e-3)


def check_tubes(case, cfp):
    """The kernel methods' volumes are the tubes that `explain` writes, and those of the oracle."""
    words = {"cfp": {}, "cfp-path": {"propagate": "path"}, "reference": {"rule": "reference"},
             "grad": {"rule": "grad", "mask": "none"}, "grad-masked": {"rule": "grad"}}
    got = case.run(f"methods={','.join(words)}", "theta=0.3", f"target={case.net.target}", volumes=True).volumes
    values = torch_net.run(case.graph, case.x.astype(np.float32))
    for name, choices in words.items():
        options = method.Options(class_index=case.net.c, theta=0.3, tubes="layers", **choices)
        seen = program.explain(cfp, case.model, case.clip, options, os.path.join(case.folder, name), "ref").tubes
        found = {layer: got[n, layer] for n, layer in got if n == name}
        check(set(found) == set(seen) and len(seen) > 0, f"{name}: tubes of {set(found)}, not {set(seen)}")
        for layer, volume in found.items():
            check(np.array_equal(volume, seen[layer][1]), f"{name}: tube of {layer} is not that of explain")
        if options.rule != "grad":
            tubes = method.explain(case.graph, values, options).tubes
            for layer, volume in found.items():
                close(volume, tubes[layer][1], f"{name}: tube of {layer}", 1e-3)


def check_curves(case, unit, base, points, device):
    net, x, words = case.net, case.x, ("methods=gradient-input,gradcam", "draws=3")
    dumped = case.run(f"device={device}", *words, "metrics=deletion,insertion,drop,increase", f"unit={unit}", "block=4",
                      f"base={base}", f"points={points}", f"target={net.target}", volumes=True)
    b, units = base_clip(x, base), units_of(case.shape, unit, 4)
    n = int(units.max()) + 1
    draws = [auc(net, x, b, units, case.stream.text("deletion").number(d).order(n), min(points, n), False)
             for d in range(3)]
    for (name, layer), s in dumped.volumes.items():
        where = f"{case.graph.name} {name} {unit} {base} {points}"
        order = order_of(s, units)
        for metric in ("deletion", "insertion"):
            value, chance, percentile, count, definition, _ = dumped.rows[name, metric, layer]
            want = auc(net, x, b, units, order, min(points, n), metric == "insertion")
            close(value, want, f"{where}: {metric}")
            close(chance, np.mean(draws), f"{where}: chance of {metric}")
            if min(abs(want - d) for d in draws) > 1e-4:
                check(percentile == np.mean([d < want for d in draws]), f"{where}: percentile {percentile}")
            for word in (f"base={base}", f"unit={unit}", f"points={min(points, n)}"):
                check(word in definition, f"{where}: {word} is not in '{definition}'")
        m = resize.unit_range(s.astype(np.float64))
        y, o = net.p(x), net.p(m * x + (1 - m) * b)
        close(dumped.rows[name, "drop", layer][0], max(0, y - o) / y, f"{where}: drop")
        check(dumped.rows[name, "increase", layer][0] == (y < o), f"{where}: increase")


def check_invariant(case, points, unit, base, device):
    """Without ties, deletion of the highest first and insertion of the lowest first are one curve, read from two ends."""
    words = (f"device={device}", "methods=random,gradient-input", "metrics=deletion,insertion", "draws=0", "block=3",
             f"points={points}", f"unit={unit}", f"base={base}")
    most, least = case.run(*words, "order=most").rows, case.run(*words, "order=least").rows
    for name in ("random", "gradient-input"):
        for one, other in (("deletion", "insertion"), ("insertion", "deletion")):
            a, b = most[name, one, ""], least[name, other, ""]
            check("ties=0" in a[4], f"{name}: {a[4]}")
            check(a[5] == b[5], f"{name} {unit} {base} {points} on {device}: {one} most first {a[5]}, {other} least "
                                f"first {b[5]}")
            check(np.isnan(a[1]) and np.isnan(a[2]), f"{name}: a chance of no draws")


def check_trials(case):
    """Infidelity, max-sensitivity, and the metrics of frames."""
    net, x = case.net, case.x
    names, words = "gradient-input,gradcam,frame-difference,centre,cfp", ("boxes=9", "sensitivity-draws=2", "radius=0.05")
    dumped = case.run(f"methods={names}", "metrics=infidelity,max-sensitivity,freeze,reverse,shuffle", *words, "base=mean",
                      "frame-share=0.4", "shuffles=4", f"target={net.target}", volumes=True)
    b = base_clip(x, "mean")
    stream = case.stream.text("max-sensitivity")
    noisy = []
    for d in range(2):
        s = stream.number(d)
        noisy.append(np.float32(x + 0.05 * (2 * np.array([s.unit() for _ in range(x.size)]) - 1).reshape(x.shape)))
    again = {"gradient-input": lambda y: (y * net.gradient(y)).sum(0), "frame-difference": difference,
             "gradcam": lambda y: from_map(gradcam(*net.map(y, "relu2")), y), "centre": lambda y: centre(case.shape)}
    for (name, layer), s in dumped.volumes.items():
        value = {m: dumped.rows[name, m, layer][0] for m in ("infidelity", "max-sensitivity", "freeze", "reverse")}
        close(value["infidelity"], infidelity(net, x, b, s.astype(np.float64), case.stream.text("infidelity"), 9),
              f"{name}: infidelity", 2e-3)
        for how in ("freeze", "reverse"):
            close(value[how], net.p(changed_frames(x, s, 2, how)) / net.p(x), f"{name} {layer}: {how}")
        if name in again:
            move = [np.linalg.norm(again[name](y.astype(np.float64)) - s) / np.linalg.norm(s) for y in noisy]
            check(abs(value["max-sensitivity"] - max(move)) <= 5e-3 * max(move) + 1e-6,
                  f"{name}: max-sensitivity {value['max-sensitivity']}, not {max(move)}")
    orders = [case.stream.text("shuffle").number(i).order(x.shape[1]) for i in range(4)]
    close(dumped.rows["", "shuffle", ""][0], net.p(x) - np.mean([net.p(x[:, o]) for o in orders]), "shuffle")
    check(sum(k[1] == "shuffle" for k in dumped.rows) == 1, "shuffle is a row of the clip alone")


TRUTH = "energy,pointing,rank-accuracy,iou,temporal-pointing"


def check_truth(dumped, m, known, tolerance, threshold, where):
    """The five metrics of every volume, for the mask m (T x H x W bool) and the frames that are known."""
    for (name, layer), s in dumped.volumes.items():
        s, row = s.astype(np.float64), {k: dumped.rows[name, k, layer] for k in TRUTH.split(",")}
        positive, inside = np.maximum(s[known], 0), m[known]
        share, k = inside.mean(), int(inside.sum())
        close(row["energy"][:2], (positive[inside].sum() / positive.sum(), share), f"{where} {name}: energy")
        close(row["pointing"][:2], pointing(s[known], inside, tolerance), f"{where} {name}: pointing")
        top = np.zeros(inside.size, bool)
        top[falling(s[known].ravel())[:k]] = True
        flat = inside.ravel()
        close(row["rank-accuracy"][:2], ((top & flat).sum() / k, share), f"{where} {name}: rank-accuracy")
        if threshold is not None:
            top = (resize.unit_range(s)[known] >= threshold).ravel()
        shared = top.sum() * k / flat.size
        close(row["iou"][:2], ((top & flat).sum() / (top | flat).sum(), shared / (top.sum() + k - shared)),
              f"{where} {name}: iou")
        close(row["temporal-pointing"][:2], (m[s.sum((1, 2)).argmax()].any(), m.any((1, 2)).mean()),
              f"{where} {name}: temporal-pointing")
        check(f"{known.sum()} of {len(m)}" in row["energy"][4], f"{where}: {row['energy'][4]}")


def png(path, array):
    from PIL import Image
    Image.fromarray(array).save(path)


def check_masks(case):
    folder, shape = os.path.join(case.folder, "masks"), case.shape
    os.makedirs(folder)
    m = np.zeros(shape, bool)
    m[1:4, 2:6, 3:9] = True
    m[2, 1, 1] = True
    every = np.ones(shape[0], bool)
    words = ("methods=gradient-input,gradcam,random", f"metrics={TRUTH}", f"target={case.net.target}")

    def with_mask(name, *more, known=every, mask=m, tolerance=15 / 224 * min(shape[1:]), threshold=None):
        dumped = case.run(*words, f"mask={os.path.join(folder, name)}", *more, volumes=True)
        check_truth(dumped, mask & known[:, None, None], known, tolerance, threshold, name)

    for type_ in ("bool", "uint8", "int64", "float32"):
        np.save(os.path.join(folder, type_ + ".npy"), m.astype(type_) * (1 if type_ == "bool" else 3))
        with_mask(type_ + ".npy")
    with_mask("bool.npy", "tolerance=2.5", "iou-threshold=0.4", tolerance=2.5, threshold=0.4)
    with_mask("bool.npy", "tolerance=0", tolerance=0)
    unseen = np.where(m, 1.0, 0.0)
    unseen[2, 0, 0] = np.nan
    np.save(os.path.join(folder, "nan.npy"), unseen)
    with_mask("nan.npy", known=np.arange(shape[0]) != 2)
    with h5py.File(os.path.join(folder, "mask.h5"), "w") as f:
        f["mask"] = m.astype(np.uint8)
    with_mask("mask.h5")
    pictures = os.path.join(folder, "pictures")
    os.makedirs(pictures)
    for t in (0, 1, 3):
        png(os.path.join(pictures, f"frame_{t:03d}.png"), m[t].astype(np.uint8) * (255 if t else 1))
    with_mask("pictures", known=np.isin(np.arange(shape[0]), (0, 1, 3)))
    png(os.path.join(folder, "still.png"), m[2].astype(np.uint8) * 255)
    with_mask("still.png", mask=np.broadcast_to(m[2], shape))
    with open(os.path.join(folder, "boxes.csv"), "w") as f:
        f.write("frame,x,y,width,height\r\n1,3,2,6,4\n2,3,2,6,4\n2, 1, 1,1,1\n3,3.0,2,6,4\n\n0,0,0,0,0\n77,1,1,1,1\n")
    with_mask("boxes.csv", known=np.arange(shape[0]) < 4)
    # in a folder of masks, the one that has the clip's name
    named = os.path.join(folder, "named")
    os.makedirs(named)
    np.save(os.path.join(named, os.path.basename(case.clip)), m)
    with_mask("named")

    # a mask of the source's size goes through the same resize and crop as the clip
    source = os.path.join(case.folder, "source.npy")
    rng = np.random.default_rng(9)
    np.save(source, rng.integers(0, 256, (3 * shape[0], 2 * shape[1], 3 * shape[2], 3), np.uint8))
    large = np.zeros((3 * shape[0], 2 * shape[1], 3 * shape[2]), bool)
    large[:, 5:13, 8:21] = True
    large[:shape[0] + 1] = False
    np.save(os.path.join(folder, "large.npy"), large)
    with open(os.path.join(folder, "large.csv"), "w") as f:
        f.writelines(f"{t},8,5,13,8\n" for t in range(shape[0] + 1, 3 * shape[0]))
        f.writelines(f"{t},8,5,0,0\n" for t in range(shape[0] + 1))
    start = (3 * shape[0] - shape[0]) // 2
    small = large[start:start + shape[0], 1::2, 1::3]          # centre (u + 1/2) * step lies there
    for name in ("large.npy", "large.csv"):
        dumped = case.run(*words, f"mask={os.path.join(folder, name)}", volumes=True, clip=source)
        check_truth(dumped, small, every, 15 / 224 * min(shape[1:]), None, name)
    check_bad_masks(case, folder, words, m)


def check_bad_masks(case, folder, words, m):
    """One clear line, and no row."""
    def bad(name, says, array=None, text=None):
        path = os.path.join(folder, name)
        if array is not None:
            np.save(path, array)
        if text is not None:
            with open(path, "w") as f:
                f.write(text)
        error = case.run(*words, f"mask={path}", status=1)
        lines = error.strip().split("\n")
        check(len(lines) == 1 and name in lines[0] and says in lines[0], f"{name}: {error!r} does not say '{says}'")

    bad("missing.npy", "No such file")
    bad("size.npy", "the mask is", np.zeros((m.shape[0], 3, 3), bool))
    bad("frames.npy", "the mask has", np.zeros((m.shape[0] + 2, *m.shape[1:]), bool))
    bad("empty.npy", "the mask is empty", np.zeros(m.shape, bool))
    bad("unknown.npy", "knows none", np.full(m.shape, np.nan))
    bad("rank.npy", "T x H x W", np.zeros(m.shape[1:], bool))
    bad("type.npy", "numbers of type", np.zeros(m.shape, np.complex64))
    bad("fortran.npy", "Fortran", np.asfortranarray(m))
    bad("text.txt", "no mask", text="hello\n")
    bad("zero.csv", "the mask is empty", text="0,1,1,0,0\n")
    bad("other.csv", "knows none", text="99,1,1,3,3\n")
    bad("short.csv", "line 2", text="frame,x,y,width,height\n1,2,3\n")
    bad("word.csv", "line 2", text="1,1,1,2,2\n1,a,1,2,2\n")
    bad("below.csv", "below 0", text="1,1,1,-2,2\n")
    bad("half.csv", "whole number", text="1.5,1,1,2,2\n")
    with open(os.path.join(folder, "cut.npy"), "wb") as f:
        with open(os.path.join(folder, "bool.npy"), "rb") as whole:
            f.write(whole.read()[:-5])
    bad("cut.npy", "truncated")
    with h5py.File(os.path.join(folder, "other.h5"), "w") as f:
        f["frames"] = m.astype(np.uint8)
    bad("other.h5", "/mask")
    with h5py.File(os.path.join(folder, "real.h5"), "w") as f:
        f["mask"] = m.astype(np.float32)
    bad("real.h5", "not uint8")
    os.makedirs(os.path.join(folder, "nothing"))
    bad("nothing", "no frame images")
    png(os.path.join(folder, "size.png"), np.full((3, 3), 255, np.uint8))
    bad("size.png", "the mask is 3 x 3")


def check_refusals(tool, folder):
    """A network without a map, and one whose classifier does not read the last map."""
    rng = np.random.default_rng(1)
    flat = [Node("flat", "flatten", ["input"]), linear(rng, "fc", "flat", 3, 3 * 2 * 4 * 4)]
    two = [conv(rng, "conv", "input", 2, 3, (1, 1, 1)), Node("gap", "globalavgpool", ["conv"]),
           linear(rng, "fc1", "gap", 3, 2), Node("relu", "relu", ["fc1"]), linear(rng, "fc", "relu", 3, 3)]
    for nodes, name, says in ((flat, "gradcam", "no map"), (two, "saliency-tubes", "does not read the map of 'conv'")):
        graph = Graph(name, "fc", {n.name: n for n in nodes}, spec(2, 4, 4), list("abc"))
        case = Case(tool, folder, graph, 0, "odds")
        error = case.run(f"methods={name}", "metrics=drop", status=1)
        check(says in error and len(error.strip().split("\n")) == 1, f"{name}: {error!r}")
    case.run("methods=gradcam,activation", "metrics=drop")       # these do not ask the classifier's weights


def check_seed(case):
    """The same seed gives the same numbers, whatever else is computed; another seed gives others."""
    words = ("draws=2", "points=5", "rise-masks=5", "grid=2x2x2")
    one = case.run("methods=rise,random", "metrics=deletion,infidelity", *words).rows
    alone = case.run("methods=random", "metrics=infidelity,deletion,drop", *words).rows
    other = case.run("methods=random", "metrics=infidelity,deletion", *words, "seed=8").rows
    for metric in ("deletion", "infidelity"):
        key = "random", metric, ""
        check(repr(one[key]) == repr(alone[key]), f"{metric} depends on what else is asked for")
        check(one[key][0] != other[key][0], f"{metric} does not depend on the seed")


def check_own(case):
    """METHOD:KEY=VALUE is the same as the setting, for that method alone; what a method lacks is refused."""
    def volumes(methods, *words):
        return case.run(f"methods={methods}", *words, volumes=True).volumes

    for word, same in (("integrated-gradients:steps=3", ("ig-steps=3",)),
                       ("smoothgrad:draws=2:noise=0.3", ("smoothgrad-draws=2", "noise=0.3")),
                       ("occlusion:window=2x5x4:stride=1x5x4", ("window=2x5x4", "stride=1x5x4")),
                       ("rise:masks=4:grid=2x2x2:keep=0.7", ("rise-masks=4", "grid=2x2x2", "rise-keep=0.7"))):
        key = word.split(":")[0], ""
        check(np.array_equal(volumes(word)[key], volumes(key[0], *same)[key]), f"{word} is not {same}")
    for word, says in (("rise:steps=3", "'steps'"), ("gradcam:masks=1", "'masks'"), ("rise:masks=0", "'0'"),
                       ("rise:masks=", "''"), ("rise:masks", "needs a value"), ("rise:keep=1.5", "'1.5'"), ("occlusion:window=2x3", "'2x3'"),
                       ("occlusion:window=2x3x4x5", "'2x3x4x5'"), ("smoothgrad:noise=nan", "'nan'"),
                       ("occlusion:stride=0x1x1", "'0x1x1'"), ("integrated-gradients:steps=9999999999", "'9999999999'")):
        error = case.run(f"methods={word}", status=2)
        check(says in error and word.split(":")[0] in error and error.count("\n") == 1, f"{word}: {error!r}")


def check_captum(case):
    """captum's own code where it is installed: (name, the program's volume or row, captum's)."""
    try:
        from captum import attr, metrics
    except ImportError as error:
        print(f"captum is not here ({error}): its part is left out")
        return
    net, x = case.net, torch.from_numpy(case.x)[None]

    def forward(batch):
        return torch.stack([net.z(net.values(one[None])) for one in batch])

    dumped = case.run("methods=gradient-input,integrated-gradients,occlusion,gradcam", "metrics=max-sensitivity", *SETTINGS,
                      "sensitivity-draws=1", f"target={net.target}", volumes=True)
    leaf = x.clone().requires_grad_()
    close(dumped.volumes["gradient-input", ""], attr.InputXGradient(forward).attribute(leaf)[0].detach().sum(0).numpy(),
          "captum InputXGradient", 1e-3)
    found = attr.IntegratedGradients(forward).attribute(leaf, n_steps=7, method="riemann_middle", internal_batch_size=1)
    close(dumped.volumes["integrated-gradients", ""], found[0].detach().sum(0).numpy(), "captum IntegratedGradients", 1e-3)
    found = attr.Occlusion(forward).attribute(x, sliding_window_shapes=(3, 2, 3, 4), strides=(3, 2, 2, 3))
    close(dumped.volumes["occlusion", ""], found[0].detach().mean(0).numpy(), "captum Occlusion", 1e-3)
    s = torch.from_numpy(dumped.volumes["gradient-input", ""].astype(np.float64))
    boxes = list(boxes_of(case.stream.text("infidelity"), case.shape, 9))
    masks = torch.zeros(9, *case.shape, dtype=torch.float64)
    for i, box in enumerate(boxes):
        masks[i][box] = 1

    def perturb(inputs):                     # the share of each voxel that is taken out; the clip without it
        gone = masks[:, None].expand(-1, 3, -1, -1, -1)
        return gone / 3, inputs * (1 - gone)  # the volume is of all three channels together

    phi = s[None, None].expand(1, 3, -1, -1, -1)
    found = metrics.infidelity(forward, perturb, x, phi, n_perturb_samples=9, normalize=True)
    row = case.run("methods=gradient-input", "metrics=infidelity", "boxes=9", f"target={net.target}").rows
    close(row["gradient-input", "infidelity", ""][0], float(found), "captum infidelity", 2e-3)
    noise = case.stream.text("max-sensitivity").number(0)
    moved = np.float32(case.x + 0.02 * (2 * np.array([noise.unit() for _ in range(case.x.size)]) - 1).reshape(case.x.shape))

    def again(inputs):
        y = (inputs[0] if isinstance(inputs, tuple) else inputs)[0].detach().numpy()
        return (torch.from_numpy((y * net.gradient(y)).sum(0))[None],)  # captum 0.9 takes a lone tensor apart

    found = metrics.sensitivity_max(
        again, x, perturb_func=lambda y: torch.from_numpy(moved.astype(np.float64))[None], n_perturb_samples=1)
    close(dumped.rows["gradient-input", "max-sensitivity", ""][0], float(found), "captum sensitivity_max", 5e-3)
    print("captum agrees" if not any("captum" in w for w in wrong) else "captum does not agree")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dump", required=True, help="the helper volume_dump")
    parser.add_argument("--cfp", required=True, help="the program cfp-gpu")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plain = Case(args.dump, folder, chain(), 1, "odds")
        odd = Case(args.dump, folder, branches(), 2, "logit")
        check_methods(plain, "ref", args.cfp)
        check_methods(odd, "ref", args.cfp)
        check_methods(plain, "cpu", args.cfp)
        check_layers(plain)
        check_tubes(plain, args.cfp)
        check_curves(plain, "voxel", "zeros", 20, "ref")
        check_curves(odd, "block", "blur", 7, "cpu")
        check_curves(plain, "frame", "freeze", 20, "ref")
        check_curves(odd, "tube", "mean", 6, "ref")
        for number, (points, unit) in enumerate(((20, "voxel"), (7, "voxel"), (13, "block"), (3, "frame"), (11, "tube"))):
            for device in ("ref", "cpu"):
                check_invariant(plain, points, unit, ("zeros", "blur", "mean", "freeze", "zeros")[number], device)
        check_trials(plain)
        check_masks(plain)
        check_refusals(args.dump, folder)
        check_seed(plain)
        check_own(plain)
        check_captum(plain)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{checks} checks: {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
