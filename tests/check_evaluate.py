#!/usr/bin/env python3
"""`cfp-gpu evaluate`, its metrics about kernels, against a second implementation from the definitions.

Here a network is run by PyTorch in double (oracle/torch_net.py), kernels are ablated in its tensors,
scores come from the method in numpy (oracle/method.py) or from autograd, and random numbers from
splitmix64 written a second time.  Every metric, method, fill and share; random networks with every op,
and a residual one whose two convolutions share a map.  Then what must hold to the last bit, what a run
leaves that breaks off, and what is refused.

Usage: check_evaluate.py --cfp PROGRAM [--seeds N] [--device ref,cpu]
"""
import argparse
import csv
import io
import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "oracle"))
import program  # noqa: E402

COLUMNS = ("clip,class_index,class_name,method,theta,metric,layer,depth,kernels,ablated,share,value,chance,percentile,"
           "draws,definition").split(",")
KERNEL = ("kernel-drop", "kernel-keep", "kernel-rank", "class-jaccard")
PYRAMID = ("pyramid-keep", "pyramid-drop")
METHODS = ("cfp", "cfp-path", "reference", "grad", "grad-masked", "activation", "gradient-activation", "exact", "random",
           "activation:baseline=blank", "gradient-activation:baseline=blank:gradient-steps=2:form=positions",
           "gradient-activation:form=absolute", "grad:baseline=freeze:gradient-steps=3", "cfp:normalise=max:theta=0.4",
           "cfp-path:class-relevance=contrast", "grad:baseline=blank:turn-down=0.3",
           "gradient-activation:baseline=reverse:turn-down=0.5")
DRAWS = 5
BITS = (1 << 64) - 1
wrong, compared, doubtful = [], 0, 0


def check(right, what):
    if not right:
        wrong.append(what)


# ---- random numbers, from random.h's words ---------------------------------------------------------

def scatter(state):
    z = (state + 0x9E3779B97F4A7C15) & BITS
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & BITS
    return z ^ z >> 31


class Stream:
    def __init__(self, state):
        self.state = state

    def of(self, *words):
        """The stream of this one for words: numbers, texts, bytes."""
        state = self.state
        for word in words:
            numbers = [word]
            if not isinstance(word, int):
                data, total = word.encode() if isinstance(word, str) else word, 0xCBF29CE484222325
                for byte in data:
                    total = ((total ^ byte) * 0x100000001B3) & BITS
                numbers = [total, len(data)]
            for number in numbers:
                state = scatter(state ^ scatter(number))
        return Stream(state)

    def next(self):
        z = scatter(self.state)
        self.state = (self.state + 0x9E3779B97F4A7C15) & BITS
        return z

    def below(self, limit):
        while True:
            z = self.next()
            if z < (1 << 64) // limit * limit:
                return z % limit

    def choice(self, n, k):
        order = list(range(n))
        for i in range(k):
            j = i + self.below(n - i)
            order[i], order[j] = order[j], order[i]
        return order


# ---- statistics --------------------------------------------------------------------------------------

def ranks(x):
    import numpy as np
    x = np.asarray(x)
    return np.array([(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x])


def spearman(a, b):
    import numpy as np
    a, b = ranks(a), ranks(b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def jaccard(a, b):
    return len(a & b) / len(a | b) if a | b else 1.0


def jaccard_by_chance(n_a, n_b, n):
    if n_a + n_b == 0:
        return 1.0
    return n_a * n_b / n / (n_a + n_b - n_a * n_b / n)


def crowded(numbers, scale):
    """Are two of the numbers nearly equal, so that float32 may order them otherwise?"""
    ordered = sorted(numbers)
    return any(b - a < 1e-5 * scale for a, b in zip(ordered, ordered[1:]))


# ---- the network and its scores -----------------------------------------------------------------------

class Network:
    """A graph, a clip and what fills ablated channels."""

    def __init__(self, graph, frames, fill="blank", fills=(), other=None, seed=0):
        """fills: the clips whose maps are averaged (--fill clips); other: the frames of --fill CLIP."""
        self.made_with = {"fill": fill, "fills": fills, "other": other, "seed": seed}
        import method
        import model_io
        import torch_net
        self.graph, self.frames = graph, frames
        self.x = model_io.prepare_clip(graph, frames)
        self.consumers = graph.consumers()
        self.values = self.run(self.x)
        self.depth = method.depths(graph)
        self.layers = [n for n in graph.kernel_layers() if self.depth.get(n.name, 0) > 0]
        shown = {name: v[0].numpy() for name, v in self.values.items()}
        self.map = {n.name: method.map_tensor(graph, n, shown, self.consumers) for n in self.layers}
        if fill in ("freeze", "reverse", "shuffle"):
            self.fill = self.run(method.other_clip(self.x, method.Options(baseline=fill, seed=seed)))
        elif fill == "clips":
            runs = [self.run(model_io.prepare_clip(graph, f)) for f in fills]
            self.fill = {name: sum(r[name] for r in runs) / len(runs) for name in runs[0]}
        elif fill == "clip":
            self.fill = self.run(model_io.prepare_clip(graph, other))
        else:
            self.fill = self.run(self.x * 0)
            if fill == "zero":
                self.fill = {name: v * 0 for name, v in self.fill.items()}
        self.torch_net, self.known = torch_net, {}

    def run(self, x):
        """Every tensor."""
        import numpy as np
        import torch
        import torch_net
        values = {"input": torch.from_numpy(np.ascontiguousarray(x)).double()[None]}
        with torch.no_grad():
            for node in self.graph.nodes.values():
                values[node.name] = torch_net.apply_node(node, [values[i] for i in node.inputs])
        return values

    def z(self, c, target, ablated=()):
        """The target with kernels ablated: pairs (layer, kernel)."""
        by_map = {}
        for layer, o in ablated:
            by_map.setdefault(self.map[layer], set()).add(o)
        key = tuple(sorted((m, tuple(sorted(k))) for m, k in by_map.items()))
        if key not in self.known:
            values = self.values
            if key:
                values = dict(self.values)
                values = self.run_from({m: list(k) for m, k in by_map.items()})
            self.known[key] = values[self.graph.logits_node()].reshape(-1).numpy()
        logits = self.known[key]
        return target_value(logits, c, target)

    def run_from(self, ablated):
        import torch
        values = {"input": self.values["input"]}
        with torch.no_grad():
            for node in self.graph.nodes.values():
                inputs = [values[i] for i in node.inputs]
                same = all(a is self.values[n] for a, n in zip(inputs, node.inputs))
                value = self.values[node.name] if same else self.torch_net.apply_node(node, inputs)
                if node.name in ablated:
                    value = value.clone()
                    value[:, ablated[node.name]] = self.fill[node.name][:, ablated[node.name]]
                values[node.name] = value
        return values

    def array(self, name):
        return self.values[name][0].numpy()


def target_value(logits, c, target):
    import numpy as np
    if target == "logit" or len(logits) == 1:
        return float(logits[c])
    if target == "margin":
        return float(logits[c] - logits.mean())
    rivals = np.delete(logits, c)
    return float(logits[c] - rivals.max() - np.log(np.exp(rivals - rivals.max()).sum()))


def turned_down(net, options):
    """--turn-down: (tensors and the factors by which they move towards those of the baseline clip, its
    tensors, and those of the network that is turned down)."""
    import method
    import torch_net
    if options.turn_down == 1:
        return {}, {}, {n: v[0].numpy() for n, v in net.values.items()}
    other = {n: v[0].numpy() for n, v in net.run(method.other_clip(net.x, options)).items()}
    factors = method.turned_maps(net.graph, other, options)
    return factors, other, torch_net.run_turned(net.graph, net.x, other, factors, "float64")


def gradients(net, points, c, target, selected=None, factors=None, other=None):
    """Gradients of the target, mean over the points: {kernel layer: the part through this layer, at its input}, {tensor: G}.

    selected: {layer: kernels} whose gradient goes on; None: all.  factors, other: of turned_down."""
    import torch
    import torch_net
    shares, maps = {}, {}
    for point in points:
        values = {"input": torch.from_numpy(point.copy()).double()[None].requires_grad_()}
        reads = {}
        for node in net.graph.nodes.values():
            inputs = [values[i] for i in node.inputs]
            if node.op in ("conv3d", "linear"):
                reads[node.name] = inputs[0] * 1
                reads[node.name].retain_grad()
                inputs = [reads[node.name]]
            value = torch_net.apply_node(node, inputs)
            if selected is not None and net.depth.get(node.name, 0) > 0 and node.op in ("conv3d", "linear"):
                mask = torch.zeros_like(value)
                mask[:, sorted(selected.get(node.name, ()))] = 1
                value = value * mask + (value * (1 - mask)).detach()
            if factors and node.name in factors:
                base = torch.from_numpy(other[node.name])[None]
                value = base + factors[node.name] * (value - base)
            if value.requires_grad:
                value.retain_grad()
            values[node.name] = value
        logits = values[net.graph.logits_node()].reshape(-1)
        if target == "logit" or len(logits) == 1:
            z = logits[c]
        elif target == "margin":
            z = logits[c] - logits.mean()
        else:
            z = logits[c] - torch.logsumexp(logits[torch.arange(len(logits)) != c], 0)
        z.backward()
        for into, tensors in ((shares, reads), (maps, values)):
            for name, tensor in tensors.items():
                g = 0 if tensor.grad is None else tensor.grad[0].numpy()
                into[name] = into.get(name, 0) + g / len(points)
    return shares, maps


def origins(net, tensor, j, known):
    """The kernels that channel j of a tensor comes from."""
    import method
    if (tensor, j) not in known:
        found = set()
        if tensor != "input":
            node = net.graph.nodes[tensor]
            if node.op in ("conv3d", "linear"):
                found.add((tensor, j))
            else:
                shapes = {i: net.array(i) for i in node.inputs}
                for position, source in enumerate(node.inputs):
                    for i in method.route(node, position, {j: 1.0}, shapes, "grad"):
                        found |= origins(net, source, i, known)
        known[tensor, j] = found
    return known[tensor, j]


class Answer:
    """What a method says of one class: scores and selection of each layer; near: layers in doubt."""

    def __init__(self):
        self.score, self.selected, self.near = {}, {}, set()


def parse(word):
    name, *own = word.split(":")
    return name, dict(option.split("=") for option in own)


def explain(net, options):
    import method
    import torch_net
    values = {name: v[0].numpy() for name, v in net.values.items()}
    x, points, other = net.x, None, None
    if options.rule == "grad" and (options.baseline != "zero" or options.steps > 1):
        compared = method.other_clip(x, options)
        runs = [net.run(p) for p in method.points_between(x, compared, options.steps)]
        points = None if options.steps == 1 else [{n: v[0].numpy() for n, v in r.items()} for r in runs]
        if options.turn_down < 1:
            points = [turned_down(net, options)[2]]
        if options.baseline != "zero":
            other = {n: v[0].numpy() for n, v in net.run(compared).items()}
    return method.explain(net.graph, values, options,
                          lambda node, inputs, g: torch_net.backward_node(node, inputs, g, "float64"), None, other, points)


def by_highest(score, theta, answer, layer):
    """The selection of a method without a descent."""
    highest = max(score)
    answer.selected[layer] = {o for o, s in enumerate(score) if highest > 0 and max(s, 0) / highest >= theta}
    if any(highest > 0 and abs(max(s, 0) / highest - theta) < 1e-4 for s in score):
        answer.near.add(layer)


def ask(net, word, c, target, theta, seed, frames):
    """The Answer of a method."""
    import method
    import numpy as np
    name, own = parse(word)
    answer, theta = Answer(), float(own.get("theta", theta))
    layers = {n.name: net.array(n.name).shape[0] for n in net.layers}
    options = method.Options(c, "cfp", theta, target=target, baseline=own.get("baseline", "zero"),
                             steps=int(own.get("gradient-steps", 1)), normalise=own.get("normalise", "minmax"),
                             class_relevance=own.get("class-relevance", "weights"),
                             turn_down=float(own.get("turn-down", 1)))
    if name in ("cfp", "cfp-path", "reference", "grad", "grad-masked"):
        options.rule = name.split("-")[0]
        options.propagate = "path" if name == "cfp-path" else "edge"
        options.mask = "selected" if name == "grad-masked" else "none"
        at, low = explain(net, options), None
        lowest = method.Options(**{**options.__dict__, "theta": 0.0})
        if name != "grad-masked":
            low = explain(net, lowest)
        answer.near = set(layers) if at.near or (low and options.rule == "reference" and low.near) else set()
        for layer, kernels in layers.items():
            answer.selected[layer] = set(at.layers[layer].relevance) if layer in at.layers else set()
            if options.rule != "grad":
                found = low.layers[layer].relevance if layer in low.layers else {}
                answer.score[layer] = [float(np.float32(found.get(o, 0.0))) for o in range(kernels)]
        if options.rule == "grad":
            gradient_scores(net, answer, options, at if name == "grad-masked" else low, name == "grad-masked", target)
        return answer
    if name in ("activation", "gradient-activation"):
        other = {n: 0 for n in net.values}
        if options.baseline != "zero":
            other = {n: v[0].numpy() for n, v in net.run(method.other_clip(net.x, options)).items()}
        points = method.points_between(net.x, method.other_clip(net.x, options), options.steps)
        factors, base, weighed = turned_down(net, options)
        maps = gradients(net, points, c, target, None, factors, base)[1]
        for layer, kernels in layers.items():
            at = net.map[layer]
            value = weighed[at] - other[at]
            form = "positions" if name == "activation" else own.get("form", "signed")
            if name == "gradient-activation":
                value = value * maps[at]
            value = (np.abs(value) if form == "positions" else value).reshape(kernels, -1).mean(1)
            answer.score[layer] = (np.abs(value) if form == "absolute" else value).tolist()
    for layer, kernels in layers.items():
        if name == "exact":
            answer.score[layer] = [net.z(c, target) - net.z(c, target, [(layer, o)]) for o in range(kernels)]
        elif name == "random":
            stream = Stream(scatter(seed)).of(frames.tobytes(), "score", layer)
            answer.score[layer] = [(stream.next() >> 11) * 2.0 ** -53 for _ in range(kernels)]
        by_highest(answer.score[layer], theta, answer, layer)
    return answer


def gradient_scores(net, answer, options, found, masked, target):
    """v(i) of each layer that was visited, over its highest, handed to the kernels that it comes from."""
    import method
    import numpy as np
    compared = method.other_clip(net.x, options)
    points = method.points_between(net.x, compared, options.steps)
    other = net.run(compared) if options.baseline != "zero" else None
    selected = {n: set(v.relevance) for n, v in found.layers.items()} if masked else None
    factors, base, weighed = turned_down(net, options)
    shares, known = gradients(net, points, options.class_index, target, selected, factors, base)[0], {}
    for n in net.layers:
        answer.score[n.name] = [-math.inf] * net.array(n.name).shape[0]
    for layer in found.layers:
        source = net.graph.nodes[layer].inputs[0]
        x = weighed[source] - (other[source][0].numpy() if other else 0)
        v = (x * shares[layer]).reshape(x.shape[0], -1).mean(1)
        scale = v.max() if v.max() > 0 else np.abs(v).max() or 1
        for i, value in enumerate(v):
            for name, o in origins(net, source, i, known):
                if name in answer.score:
                    answer.score[name][o] = max(answer.score[name][o], value / scale)


# ---- the metrics ----------------------------------------------------------------------------------------

class Judge:
    """All that the rows of one clip and call are judged by."""

    def __init__(self, net, target, theta, seed, where):
        self.net, self.target, self.theta, self.seed, self.where = net, target, theta, seed, where
        self.stream = Stream(scatter(seed)).of(net.frames.tobytes())
        self.answers, self.redrawn = {}, {}

    def answer(self, word, c):
        if (word, c) not in self.answers:
            self.answers[word, c] = ask(self.net, word, c, self.target, self.theta, self.seed, self.net.frames)
        return self.answers[word, c]

    def picked(self, word, c, layer, share):
        """The kernels, or None where float32 may pick others."""
        answer = self.answer(word, c)
        if share == "":
            return None if layer in answer.near else set(answer.selected[layer])
        score = answer.score[layer]
        k = max(1, math.floor(float(share) * len(score) + 0.5))
        order = sorted(range(len(score)), key=lambda o: (-score[o], o))
        if k < len(score):
            last, first = score[order[k - 1]], score[order[k]]
            finite = [abs(s) for s in score if math.isfinite(s)]
            if 0 < last - first < 1e-5 * max(finite, default=1):
                return None
        return set(order[:k])

    def near_z(self):
        return 1e-4 * max(1.0, abs(self.net.array(self.net.graph.logits_node())).max())

    def compare(self, row, value, draws, scale=1.0):
        global compared
        tolerance, what = self.near_z() * scale, f"{self.where} {row['method']} {row['metric']} {row['layer']} {row['share']}"
        compared += 1
        if math.isnan(value):
            check(row["value"] == "" and row["chance"] == "" and row["percentile"] == "", f"{what}: not empty: {row}")
            return
        check(abs(float(row["value"] or "nan") - value) <= tolerance, f"{what}: value {row['value']}, not {value}")
        if draws is None:
            return
        chance, equal = sum(draws) / len(draws), sum(abs(d - value) < 2 * tolerance for d in draws)
        below = sum(d < value - 2 * tolerance for d in draws)
        check(abs(float(row["chance"] or "nan") - chance) <= tolerance, f"{what}: chance {row['chance']}, not {chance}")
        check(below / len(draws) <= float(row["percentile"] or "nan") <= (below + equal) / len(draws),
              f"{what}: percentile {row['percentile']}, {below} below, {equal} about equal of {len(draws)}")

    def ablation(self, row, c, layer):
        kernels = int(row["kernels"])
        mine = self.picked(row["method"], c, layer, row["share"])
        if mine is None:
            return False
        keep, z = row["metric"] == "kernel-keep", self.net.z(c, self.target)

        def value(k):
            ablated = set(range(kernels)) - k if keep else k
            got = self.net.z(c, self.target, [(layer, o) for o in ablated])
            return got if keep else z - got

        stream = self.stream.of(layer, row["metric"], len(mine))
        draws = [value(set(stream.choice(kernels, len(mine))[:len(mine)])) for _ in range(DRAWS)]
        check(int(row["ablated"]) == (kernels - len(mine) if keep else len(mine)), f"{self.where}: ablated of {row}")
        self.compare(row, value(mine), draws)
        return True

    def rank(self, row, c, layer):
        score, z = self.answer(row["method"], c).score[layer], self.net.z(c, self.target)
        drops = [z - self.net.z(c, self.target, [(layer, o)]) for o in range(len(score))]
        finite = [abs(s) for s in score if math.isfinite(s)]
        distinct = sorted(set(score))
        if crowded(drops, max(1e-3, *map(abs, drops)) * 10) or crowded(distinct, max(finite, default=1)):
            return False
        check(row["chance"] == "0" and row["percentile"] == "", f"{self.where}: chance of {row}")
        self.compare({**row, "chance": "" if row["value"] == "" else row["chance"]}, spearman(score, drops), None)
        return True

    def class_jaccard(self, row, c, layer):
        logits = self.net.array(self.net.graph.logits_node()).reshape(-1)
        if len(logits) < 2:
            self.compare(row, math.nan, None)
            return True
        order = sorted(range(len(logits)), key=lambda k: (-logits[k], k))
        rival = order[1] if order[1] != c else order[0]
        mine, theirs = self.answer(row["method"], c), self.answer(row["method"], rival)
        return self.overlap(row, mine, theirs, layer)

    def overlap(self, row, mine, theirs, layer):
        if layer in mine.near or layer in theirs.near:
            return False
        a, b = mine.selected[layer], theirs.selected[layer]
        self.compare(row, jaccard(a, b), None)
        check(abs(float(row["chance"]) - jaccard_by_chance(len(a), len(b), int(row["kernels"]))) < 1e-6,
              f"{self.where}: chance of {row}")
        return True

    def weight_jaccard(self, row, c, layer):
        import copy
        if layer not in self.redrawn:
            graph = copy.deepcopy(self.net.graph)
            behind = {layer}
            for node in graph.nodes.values():
                if node.name in behind or any(i in behind for i in node.inputs):
                    behind.add(node.name)
                if node.name in behind and node.op in ("conv3d", "linear"):
                    flat = node.weights["weight"].reshape(-1).copy()
                    stream = Stream(scatter(self.seed)).of("weights", node.name)
                    for i in range(len(flat) - 1, 0, -1):
                        j = stream.below(i + 1)
                        flat[i], flat[j] = flat[j], flat[i]
                    node.weights["weight"] = flat.reshape(node.weights["weight"].shape)
            net = Network(graph, self.net.frames, **self.net.made_with)
            self.redrawn[layer] = Judge(net, self.target, self.theta, self.seed, self.where)
        return self.overlap(row, self.answer(row["method"], c), self.redrawn[layer].answer(row["method"], c), layer)

    def pyramid(self, row, c):
        convolutions = [n.name for n in self.net.layers if n.op == "conv3d"]
        mine = {n: self.picked(row["method"], c, n, row["share"]) for n in convolutions}
        if any(k is None for k in mine.values()):
            return False
        mine = {n: k for n, k in mine.items() if k}
        kernels = {n: self.net.array(n).shape[0] for n in mine}
        z, none = self.net.z(c, self.target), self.net.z(c, self.target, [(n, o) for n in mine for o in range(kernels[n])])
        keep = row["metric"] == "pyramid-keep"
        if not mine:
            self.compare(row, math.nan, None)
            return True
        if abs(z - none) < 0.05 * self.near_z() * 1e4:
            return False

        def value(chosen):
            part = self.net.z(c, self.target, [(n, o) for n in mine for o in range(kernels[n]) if (o in chosen[n]) != keep])
            return (part - none if keep else z - part) / (z - none)

        streams = {n: self.stream.of("pyramid", self.net.map[n]) for n in mine}
        draws = []
        for _ in range(DRAWS):
            draws.append(value({n: set(streams[n].choice(kernels[n], kernels[n])[:len(mine[n])]) for n in mine}))
        chosen = sum(map(len, mine.values()))
        check(int(row["kernels"]) == sum(kernels.values()) and
              int(row["ablated"]) == (sum(kernels.values()) - chosen if keep else chosen), f"{self.where}: kernels of {row}")
        self.compare(row, value(mine), draws, 3 * max(1, max(map(abs, draws))) / abs(z - none))
        return True

    def judge(self, row):
        global doubtful
        c = int(row["class_index"])
        layer = row["layer"]
        if row["metric"] in PYRAMID:
            certain = self.pyramid(row, c)
        else:
            certain = {"kernel-drop": self.ablation, "kernel-keep": self.ablation, "kernel-rank": self.rank,
                       "class-jaccard": self.class_jaccard, "weight-jaccard": self.weight_jaccard}[row["metric"]](row, c, layer)
        doubtful += not certain


# ---- runs -------------------------------------------------------------------------------------------------

def evaluate(cfp, *arguments, status=0, **how):
    threads = [] if "--threads" in arguments else ["--threads", "1"]  # more only wait for each other here
    done = subprocess.run([cfp, "evaluate", *arguments, "-q", *threads], capture_output=True, timeout=300, **how)
    check(done.returncode == status, f"{arguments}: exit status {done.returncode}: {done.stderr.decode()}")
    return done


def rows_of(text):
    check(text.split("\n", 1)[0] == ",".join(COLUMNS), f"columns {text[:200]!r}")
    check("\r" not in text and text.endswith("\n"), "rows must end in LF")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def residual(folder):
    """conv, then a block whose last convolution and projection share a map; batch norms; a layer of one kernel."""
    import model_io
    import numpy as np
    rng = np.random.default_rng(11)

    def conv(name, source, o, i, k, **attrs):
        pad = (k // 2,) * 3
        weight = rng.normal(size=(o, i, k, k, k)).astype(np.float32) / math.sqrt(i * k ** 3)
        return model_io.Node(name, "conv3d", [source], {"pad_begin": pad, "pad_end": pad, **attrs}, {"weight": weight})

    def bn(name, source, c):
        weights = {"gamma": rng.uniform(.5, 1.5, c), "beta": rng.normal(size=c) * .3, "mean": rng.normal(size=c) * .1,
                   "var": rng.uniform(.5, 2, c)}
        return model_io.Node(name, "batchnorm", [source], {}, {k: v.astype(np.float32) for k, v in weights.items()})

    nodes = [conv("stem", "input", 5, 3, 3), bn("stem.bn", "stem", 5), model_io.Node("stem.relu", "relu", ["stem.bn"]),
             conv("a", "stem.relu", 4, 5, 3), model_io.Node("a.relu", "relu", ["a"]),
             conv("b", "a.relu", 6, 4, 3), bn("b.bn", "b", 6), conv("p", "stem.relu", 6, 5, 1), bn("p.bn", "p", 6),
             model_io.Node("sum", "add", ["b.bn", "p.bn"]), model_io.Node("sum.relu", "relu", ["sum"]),
             conv("one", "sum.relu", 1, 6, 1), model_io.Node("one.relu", "sigmoid", ["one"]),
             model_io.Node("times", "mul", ["sum.relu", "one.relu"]),
             model_io.Node("pool", "globalavgpool", ["times"]),
             model_io.Node("fc", "linear", ["pool"], {}, {"weight": rng.normal(size=(4, 6)).astype(np.float32),
                                                          "bias": rng.normal(size=4).astype(np.float32)})]
    spec = {"channels": 3, "frames": 4, "height": 8, "width": 9, "frame_stride": 1, "resize_short": 0, "crop": "center",
            "color": "RGB", "scale": 255.0, "mean": (.4, .45, .5), "std": (.2, .22, .25)}
    graph = model_io.Graph("residual", "fc", {n.name: n for n in nodes}, spec, ["a", "b", "c", "d"])
    path, clip = os.path.join(folder, "residual.h5"), os.path.join(folder, "residual.npy")
    model_io.write_model(path, graph)
    frames = rng.integers(0, 256, (4, 8, 9, 3), dtype=np.uint8)
    np.save(clip, frames)
    return model_io.read_model(path), frames, path, clip


def check_run(cfp, graph, frames, model, clip, device, where, methods=METHODS, metrics=KERNEL + PYRAMID, fill="blank",
              fill_word=None, more=(), **fills):
    """One call, every row judged; the rows."""
    target = "odds" if graph.head() != "sigmoid" and len(graph.classes) > 1 else "logit"
    classes = "0,1" if len(graph.classes) > 1 else "0"
    seed, theta = 3, 0.5
    done = evaluate(cfp, model, clip, "--class", classes, "--metrics", ",".join(metrics), "--methods", ",".join(methods),
                    "--share", "selected,0.4", "--draws", str(DRAWS), "--seed", str(seed), "--theta", str(theta),
                    "--device", device, "--fill", fill_word or fill, *more)
    net = Network(graph, frames, fill, seed=seed, **fills)
    judge = Judge(net, target, theta, seed, f"{where} {device} {fill}")
    rows = [r for r in rows_of(done.stdout.decode()) if r["clip"] == clip]
    per_layer = sum({"kernel-drop": 2, "kernel-keep": 2}.get(m, 1) for m in metrics if m not in PYRAMID)
    per_clip = 2 * sum(m in PYRAMID for m in metrics)
    n = len(classes.split(",")) * len(methods) * (len(net.layers) * per_layer + per_clip)
    check(len(rows) == n, f"{where}: {len(rows)} rows, not {n}")
    for row in rows:
        judge.judge(row)
    return rows


def check_exactness(cfp, model, clip, rows):
    """What must hold to the last bit."""
    common = [model, clip, "--class", "0,1", "--seed", "3", "--theta", "0.5", "--draws", str(DRAWS), "--device", "cpu"]
    again = evaluate(cfp, *common, "--metrics", ",".join(reversed(KERNEL[:2] + PYRAMID)), "--methods",
                     ",".join(reversed(METHODS[:4])), "--share", "0.4,selected", "--threads", "2").stdout.decode()
    first = {tuple(r[k] for k in ("class_index", "method", "metric", "layer", "share")): r for r in rows}
    for row in rows_of(again):
        key = tuple(row[k] for k in ("class_index", "method", "metric", "layer", "share"))
        check(first[key] == row, f"depends on the order of lists or on threads: {first[key]} and {row}")
    other = evaluate(cfp, *[w if w != "3" else "4" for w in common], "--methods", "cfp", "--share", "0.4").stdout.decode()
    check(any(first[tuple(r[k] for k in ("class_index", "method", "metric", "layer", "share"))]["chance"] != r["chance"]
              for r in rows_of(other) if r["metric"] == "kernel-drop"), "another seed, the same chance")
    every = evaluate(cfp, *common, "--methods", "exact,random", "--share", "1", "--metrics",
                     "pyramid-keep,pyramid-drop,kernel-keep,kernel-drop,kernel-rank").stdout.decode()
    z = {}
    for row in rows_of(every):
        if row["metric"] in PYRAMID:
            check((row["value"], row["chance"], row["percentile"]) == ("1", "1", "0.5"), f"all kernels: {row}")
        elif row["metric"] == "kernel-keep":
            z.setdefault(row["class_index"], set()).add(row["value"])
            check(row["chance"] == row["value"] and row["percentile"] == "0.5" and row["ablated"] == "0", f"keep of all: {row}")
        elif row["metric"] == "kernel-drop":
            check(row["chance"] == row["value"] and row["percentile"] == "0.5", f"drop of all: {row}")
        elif row["method"] == "exact":
            check(row["value"] in ("1", ""), f"rank of exact: {row}")
    check(all(len(v) == 1 for v in z.values()), f"keep of all kernels is not z everywhere: {z}")
    none = evaluate(cfp, model, clip, "--methods", "reference:theta=1", "--metrics", "kernel-drop,pyramid-keep",
                    "--draws", "3", "--device", "ref").stdout.decode()
    check(any(r["ablated"] == "0" and r["value"] == "0" and r["percentile"] == "0.5" for r in rows_of(none)),
          "nothing selected: a drop of 0")
    mixed = evaluate(cfp, *common, "--methods", "cfp,grad,random", "--metrics", "kernel-drop", "--baseline", "blank",
                     "--turn-down", "0.3", "--device", "ref").stdout.decode()
    alone = evaluate(cfp, *common, "--methods", "cfp,grad:baseline=blank:turn-down=0.3,random", "--metrics", "kernel-drop",
                     "--device", "ref").stdout.decode()
    check(mixed == alone.replace(":baseline=blank:turn-down=0.3", ""), "options for all methods: a method that has none of them")
    data = json.loads(evaluate(cfp, *common, "--methods", "cfp,random", "--share", "0.4", "--json").stdout)["rows"]
    table = rows_of(evaluate(cfp, *common, "--methods", "cfp,random", "--share", "0.4").stdout.decode())
    check([list(r) for r in data] == [COLUMNS] * len(data) and len(data) == len(table), "--json: other columns or rows")
    for a, b in zip(data, table):
        check(all("" == b[k] if v is None else v == b[k] if isinstance(v, str) else v == float(b[k]) for k, v in a.items()),
              f"--json: {a} is not {b}")


def one_line(done, piece, what):
    lines = done.stderr.decode().splitlines()
    check(len(lines) == 1 and piece in lines[0], f"{what}: says {lines}")


def check_refusals(cfp, model, clip):
    for words, piece in (
            (["--metrics", "kernal-drop"], "did you mean kernel-drop?"), (["--metrics", ""], "--metrics"),
            (["--metrics", "energy"], "--mask-file"), (["--methods", "gradd"], "did you mean grad?"),
            (["--methods", "gradcam"], "no scores of kernels"), (["--methods", "exact", "--metrics", "deletion"], "volume"),
            (["--methods", "cfp:steps=3"], "no option 'steps'"), (["--methods", "cfp:theta"], "needs a value"),
            (["--methods", "cfp:theta=1.5"], "from 0 to 1"), (["--methods", "random:baseline=blank"], "no option"),
            (["--methods", "grad:baseline=blonk"], "one of zero, blank"),
            (["--methods", "gradcam:form=signed", "--metrics", "drop"], "no option"),
            (["--share", "0"], "--share"), (["--share", "1.01"], "--share"), (["--share", "nan"], "--share"),
            (["--share", "0.5,"], "--share"), (["--share", "half"], "--share"), (["--draws", "0"], "--draws"),
            (["--draws", "-3"], "--draws"), (["--class", "nobody"], "--class"), (["--class", "99"], "--class"),
            (["--class", "0", "--top-classes", "2"], "--top-classes"), (["--layers", "no*"], "--layers"),
            (["--depth", "0"], "--depth"), (["--target", "odd"], "--target"), (["--baseline", "blank"], "--baseline"),
            (["--normalise", "max", "--methods", "random"], "--normalise"),
            (["--turn-down", "0.5"], "--turn-down: no method"), (["--methods", "grad", "--turn-down", "0.5"], "--baseline"),
            (["--methods", "gradcam:x", "--metrics", "drop"], "no option"),
            (["--methods", "rise:masks", "--metrics", "drop"], "masks needs a value"),
            (["--methods", "occlusion:window=", "--metrics", "drop"], "window ''"), (["--gradient-steps", "0"], "--gradient-steps"),
            (["--fill", "clips", "--methods", "exact", "--metrics", "weight-jaccard"], "--fill"), (["--csv", model], "--csv")):
        done = evaluate(cfp, model, clip, *words, "--device", "ref", status=2)
        one_line(done, piece, str(words))
    one_line(evaluate(cfp, model, clip, "--fill", "blanc", "--device", "ref", status=1), "blanc: ", "a fill that is neither word nor clip")


def check_breaks(cfp, model, clip, folder):
    """A layer of one kernel is reported and skipped; clips that fail; a file that may not grow."""
    done = subprocess.run([cfp, "evaluate", model, clip, "--draws", "2", "--device", "ref", "-q"], capture_output=True)
    one_line(done, "layer one has one kernel", "a layer of one kernel")
    lone = [r for r in rows_of(done.stdout.decode()) if r["layer"] == "one"]
    check(lone and all(r["chance"] == r["value"] and r["percentile"] == "0.5" for r in lone), f"a lone kernel: {lone}")
    table, missing = os.path.join(folder, "table.csv"), os.path.join(folder, "missing.npy")
    few = ["--draws", "2", "--device", "ref", "--layers", "[ab]", "--metrics", "kernel-drop"]
    done = evaluate(cfp, model, clip, missing, clip, *few, "--csv", table, status=1)
    one_line(done, "missing.npy: ", "a missing clip")
    with open(table, encoding="utf-8", newline="") as f:
        rows = rows_of(f.read())
    check(len(rows) == 12 and rows[:6] == rows[6:], f"two clips around a missing one: {len(rows)} rows")
    os.remove(table)
    evaluate(cfp, model, missing, *few, "--csv", table, status=1)
    check(not os.path.exists(table), "a table without a row")
    done = evaluate(cfp, model, *[clip] * 20, *few, "--csv", table, status=1,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6001, 6001)))
    one_line(done, "table.csv.part", "a file that may not grow")
    with open(table + ".part", encoding="utf-8", newline="") as f:
        text = f.read()
    check_interrupt(cfp, model, clip, os.path.join(folder, "stopped.csv"))
    check(not os.path.exists(table) and text.endswith("\n") and 4000 < len(text) <= 6001 and
          all(len(r) == len(COLUMNS) for r in csv.reader(io.StringIO(text))), "the part is not whole rows")


def check_interrupt(cfp, model, clip, table):
    """SIGINT while rows are written: 130, whole rows under another name; progress says how far it is."""
    slow = subprocess.Popen([cfp, "evaluate", model, *[clip] * 400, "--csv", table, "-q", "--progress", "json", "--device", "ref",
                             "--metrics", "kernel-drop", "--draws", "3"], stderr=subprocess.PIPE, text=True)
    last = 0
    for line in slow.stderr:
        said = json.loads(line) if line.startswith("{") else {}
        if "evaluate" in said.values():
            check(said["done"] >= last and said["total"] == 400000000, f"progress goes back: {line}")
            last = said["done"]
            if last > 2e6:
                break
    slow.send_signal(signal.SIGINT)
    said = [line for line in slow.stderr.read().splitlines() if not line.startswith("{")]
    check(slow.wait() == 130, f"SIGINT: exit status {slow.returncode}")
    check(len(said) == 1 and "interrupted" in said[0] and "stopped.csv.part" in said[0], f"SIGINT: says {said}")
    with open(table + ".part", encoding="utf-8", newline="") as f:
        text = f.read()
    check(not os.path.exists(table) and text.endswith("\n") and text.count("\n") > 15 and
          all(len(r) == len(COLUMNS) for r in csv.reader(io.StringIO(text))), "SIGINT: the part is not whole rows")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True, help="the program cfp-gpu")
    parser.add_argument("--seeds", type=int, default=2, help="number of random networks")
    parser.add_argument("--device", default="ref,cpu", help="devices, taken in turn")
    parser.add_argument("--once", action="store_true", help="one call on the first device, of every metric and method")
    args = parser.parse_args()
    program.need_packages()
    import numpy as np
    import random_graph
    devices = args.device.split(",")
    with tempfile.TemporaryDirectory() as folder:
        graph, frames, model, clip = residual(folder)
        if args.once:
            check_run(args.cfp, graph, frames, model, clip, devices[0], "residual", METHODS[:9] + METHODS[-2:],
                      KERNEL + PYRAMID + ("weight-jaccard",))
            return conclude()
        rows = check_run(args.cfp, graph, frames, model, clip, devices[-1], "residual")
        check_run(args.cfp, graph, frames, model, clip, devices[0], "residual", METHODS[:9], ("weight-jaccard",))
        second = os.path.join(folder, "second.npy")
        other = np.random.default_rng(5).integers(0, 256, frames.shape, dtype=np.uint8)
        np.save(second, other)
        for k, fill in enumerate(("zero", "freeze", "reverse", "shuffle", "clips", "clip")):
            check_run(args.cfp, graph, frames, model, clip, devices[k % len(devices)], "residual", ("cfp", "exact"),
                      ("kernel-drop", "pyramid-keep", "weight-jaccard")[:2 + (fill == "freeze")], fill,
                      second if fill == "clip" else None, (second,) if fill == "clips" else (), fills=(frames, other), other=other)
        if devices[-1] == "cpu":
            check_exactness(args.cfp, model, clip, rows)
            check_refusals(args.cfp, model, clip)
            check_breaks(args.cfp, model, clip, folder)
        for seed in range(args.seeds):
            model, clip = (os.path.join(folder, f"{seed}.{kind}") for kind in ("h5", "npy"))
            graph, frames = random_graph.generate(seed, model, clip)
            check_run(args.cfp, graph, frames, model, clip, devices[seed % len(devices)], f"seed {seed}", METHODS[:9])
    return conclude()


def conclude():
    print(f"{compared} rows compared, {doubtful} too close to call; {len(wrong)} wrong")
    print(*wrong[:20], sep="\n")
    check(doubtful < compared / 2, "too many near ties to say anything")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
