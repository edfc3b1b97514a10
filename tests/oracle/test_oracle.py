#!/usr/bin/env python3
"""Checks the oracle against arithmetic done by hand and against functions of PyTorch."""
import os
import sys
import tempfile

import program

program.need_packages()

import numpy as np                                             # noqa: E402
import torch                                                   # noqa: E402
import torch.nn.functional as F                                # noqa: E402

import method                                                  # noqa: E402
import model_io                                                # noqa: E402
import random_graph                                            # noqa: E402
import torch_net                                               # noqa: E402
from coverage import coverage                                  # noqa: E402
from method import Options                                     # noqa: E402
from model_io import Graph, Node, sort_topologically           # noqa: E402
from resize import resize                                      # noqa: E402


def graph(output, *nodes):
    return Graph("hand", output, sort_topologically({n.name: n for n in nodes}), {}, [])


def conv(name, source, rows, groups=1, **attrs):
    """A 1x1x1 convolution whose O x I/groups matrix is given by rows."""
    weight = np.asarray(rows, np.float32)[:, :, None, None, None]
    return Node(name, "conv3d", [source], {"groups": groups, **attrs}, {"weight": weight})


def linear(name, source, rows):
    return Node(name, "linear", [source], {}, {"weight": np.asarray(rows, np.float32)})


def op(name, kind, *sources, **attrs):
    return Node(name, kind, list(sources), attrs)


def scale(name, source, factors):
    """A batch norm that multiplies by the factors: var + eps = 4, gamma = 2 * factor."""
    one = np.ones(len(factors), np.float32)
    return Node(name, "batchnorm", [source], {"eps": 1.0}, {
        "gamma": 2 * one * factors, "beta": 0 * one, "mean": 0 * one, "var": 3 * one})


def clip(*channels):
    """Channels of two pixels each -> C x 1 x 1 x 2."""
    return np.asarray(channels, np.float32)[:, None, None, :]


def explain(g, x, **options):
    options = {"theta": 0.5, **options}
    return method.explain(g, torch_net.run(g, x), Options(**options), torch_net.backward_node)


X = clip((0, 2), (2, 2), (3, 5))                     # means 1, 2, 4
CHAIN = graph("fc", conv("conv", "input", [[1, 2, -1], [-1, -1, 2]]), scale("bn", "conv", [-1, 1]),
              op("relu", "relu", "bn"), op("gap", "globalavgpool", "relu"),
              linear("fc", "gap", [[1, -1], [0, 3]]))


def test_chain():
    # Classifier: the whole matrix spans -1 .. 3, so class 0 has r = (1+1)/4 = 1/2 and 0.
    # Kernel 0 of conv: K' = -(1, 2, -1), times the means: v = (-1, -4, 4), r = (3/8, 0, 1).
    e = explain(CHAIN, X)
    assert list(e.layers) == ["fc", "conv"] and [v.depth for v in e.layers.values()] == [0, 1]
    assert e.layers["fc"].relevance == {0: 1.0} and e.layers["fc"].edges == {(0, 0): 0.5}
    assert e.layers["conv"].relevance == {0: 0.5} and e.layers["conv"].edges == {(0, 2): 1.0}
    # theta 0.375 is met by 3/8 exactly; r = 1 comes first under --top 1
    assert explain(CHAIN, X, theta=0.375).layers["conv"].edges == {(0, 0): 0.375, (0, 2): 1.0}
    assert explain(CHAIN, X, theta=0.375, top=1).layers["conv"].edges == {(0, 2): 1.0}
    # Class 1: r = (0+1)/4 = 1/4 and 1; kernel 1: v = (-1, -2, 8), r = (1/10, 0, 1).
    assert explain(CHAIN, X, class_index=1).layers["fc"].edges == {(1, 1): 1.0}
    assert np.isclose(explain(CHAIN, X, class_index=1, theta=0.1).layers["conv"].edges[1, 0], 0.1)
    # max: v = (-1, -4, 4) -> (0, 0, 1): all pairs pass at theta 0, two of them with r = 0
    assert explain(CHAIN, X, theta=0.0, normalise="max").layers["conv"].edges[0, 1] == 0.0
    assert list(explain(CHAIN, X, depth=0).layers) == ["fc"]


def test_path():
    # path: the classifier's r = (1/2, 0) is divided by its highest: R = 1, so conv sees 1 * r.
    e = explain(CHAIN, X, propagate="path")
    assert e.layers["fc"].edges == {(0, 0): 1.0} and e.layers["conv"].relevance == {0: 1.0}
    # b reads a = (1, 7, 1): v = (28*1, 3*7, 0), r = (1, 3/4, 0).  a's kernel 1 has r = (0, 3/4, 1):
    # at theta 0.6 edge keeps its pair of 3/4, path has 3/4 * 3/4 = 0.5625 there and 3/4 * 1 besides.
    g = graph("fc", conv("a", "input", [[1, 0, 0], [0, 3, 4], [0, 0, 1]]), conv("b", "a", [[28, 3, 0]]),
              op("gap", "globalavgpool", "b"), linear("fc", "gap", [[1], [0]]))
    x = clip((1, 1), (1, 1), (1, 1))
    assert explain(g, x, theta=0.6).layers["a"].edges == {(0, 0): 1.0, (1, 1): 0.75, (1, 2): 1.0}
    e = explain(g, x, theta=0.6, propagate="path")
    assert e.layers["a"].edges == {(0, 0): 1.0, (1, 2): 1.0} and e.layers["a"].relevance == {0: 1.0, 1: 0.75}


def test_contribution():
    # relu(bn(conv)) means: kernel 0: -(0+4-3, 2+4-5) = (-1, -1) -> 0; kernel 1: (4, 6) -> 5.
    # W(1, i) * x(i) = (0, 15): r = (0, 1);  class 0: (0, -5): min-max (1, 0), max: all zero.
    o = {"class_relevance": "contribution"}
    assert explain(CHAIN, X, class_index=1, **o).layers["fc"].edges == {(1, 1): 1.0}
    assert explain(CHAIN, X, **o).layers["fc"].edges == {(0, 0): 1.0}
    assert explain(CHAIN, X, normalise="max", **o).layers["fc"].edges == {}


def test_reference():
    # Raw K: v = (1, 4, -4), sum 1, r = (5/8, 1, 0).
    assert explain(CHAIN, X, rule="reference").layers["conv"].edges == {(0, 0): 0.625, (0, 1): 1.0}
    # A negative sum turns the order round: v = (-1, -2, 2) / -1, r = (3/4, 1, 0).
    g = graph("fc", conv("c", "input", [[-1, -1, 0.5]]), op("gap", "globalavgpool", "c"),
              linear("fc", "gap", [[1], [0]]))
    assert explain(g, X, rule="reference").layers["c"].edges == {(0, 0): 0.75, (0, 1): 1.0}
    # One channel: 0/0, nothing; under cfp 1, for v != 0.
    g = graph("fc", conv("c", "input", [[1], [2], [3]], groups=3), op("gap", "globalavgpool", "c"),
              linear("fc", "gap", [[1, 0, 1]]))
    assert explain(g, clip((1, 1), (0, 0), (2, 2))).layers["c"].edges == {(0, 0): 1.0, (2, 2): 1.0}
    # Inflated: v(o, j) = K(o, j div 3) * mean(j) is (1, 0, 2) for o = 0: r = (1/2, 0, 1)
    assert explain(g, clip((1, 1), (0, 0), (2, 2)), rule="reference").layers["c"].edges == {
        (0, 0): 0.5, (0, 2): 1.0, (2, 0): 0.5, (2, 2): 1.0}


def test_grouped():
    # Group 1 (kernels 2, 3) reads channels 2 and 3 only: means 3, 4.
    # kernel 2: v = (3*1, 4*-1), r = (1, 0); kernel 3: v = (3*1, 4*1), r = (0, 1).
    g = graph("fc", conv("c", "input", [[1, 0], [0, 1], [1, -1], [1, 1]], groups=2),
              op("gap", "globalavgpool", "c"), linear("fc", "gap", [[0, 0, 1, 1]]))
    e = explain(g, clip((1, 1), (2, 2), (3, 3), (4, 4)))
    assert e.layers["c"].edges == {(2, 2): 1.0, (3, 3): 1.0}


def test_residual():
    # fc -> add(b(a), a): a has depth 2 (through b), is demanded by fc and by b, and merges.
    # fc: W = (1, 0.5 | 0, 0): r = (1, 1/2).  b: kernel 0 has v = (1*1, 0*2), r = (1, 0), kernel 1 (0, 1).
    g = graph("fc", conv("a", "input", [[1, 0, 0], [0, 1, 0]]), conv("b", "a", [[1, 0], [0, 1]]),
              op("add", "add", "b", "a"), op("gap", "globalavgpool", "add"), linear("fc", "gap", [[1, 0.5], [0, 0]]))
    e = explain(g, X)
    assert {n: v.depth for n, v in e.layers.items()} == {"fc": 0, "b": 1, "a": 2}
    assert e.layers["b"].relevance == {0: 1.0, 1: 0.5} and e.layers["a"].relevance == {0: 1.0, 1: 1.0}
    # path: R of a's kernel 1 is max(0.5 (by fc), 0.5 * 1 (by b)); theta 0.6 leaves only kernel 0.
    assert explain(g, X, propagate="path").layers["a"].relevance == {0: 1.0, 1: 0.5}
    assert explain(g, X, theta=0.6).layers["a"].relevance == {0: 1.0}
    # reference follows the first input of add only
    g.nodes["add"].inputs = ["a", "b"]
    assert "b" not in explain(g, X, rule="reference").layers


def test_routes():
    values = {"x": np.zeros((4, 1, 2, 3)), "y": np.zeros((2, 1, 2, 3)), "z": np.zeros((1, 1, 1, 1))}

    def to(kind, demand, *sources, rule="cfp", **attrs):
        node = op("n", kind, *sources, **attrs)
        full = {j: 1.0 for j in demand}
        return [sorted(method.route(node, p, full, values, rule)) for p in range(len(sources))]

    assert to("relu", [3], "x") == [[3]]
    assert to("flatten", [0, 5, 6, 23], "x") == [[0, 1, 3]]                  # T*H*W = 6
    assert to("concat", [1, 3, 4, 5], "x", "y") == [[1, 3], [0, 1]]
    assert to("mul", [2, 3], "x", "z") == [[2, 3], [0]]
    assert to("add", [2], "x", "x", rule="reference") == [[2], []]
    # channel_shuffle by 2 of (0 1 | 2 3) gives (0 2 1 3)
    assert to("channel_shuffle", [1], "x", groups=2) == [[2]] and to("channel_shuffle", [3], "x", groups=2) == [[3]]
    assert to("slice", [0, 1], "x", axis=1, start=1, stop=4, step=2) == [[1, 3]]
    assert to("slice", [1], "x", axis=3, start=1, stop=2) == [[1]]
    assert to("pad", [0, 1, 4, 5], "x", channels_begin=1, channels_end=1) == [[0, 3]]


def test_grad():
    # Class 1: only kernel 1 of conv gets a gradient, 3/2 a pixel (its relu is open: 4, 6).
    # fc: G = W: v = (0*0, 5*3): r = (0, 1).  conv: G = 3/2 * (-1, -1, 2):
    # v = means * G = (-1.5, -3, 12): r = (0, 0, 1).
    e = explain(CHAIN, X, rule="grad", target="logit", class_index=1, tubes="kernels")
    assert e.layers["fc"].relevance == {1: 1.0} and set(e.layers["conv"].edges) == {(1, 2)}
    # Map = relu: (0, 4, 6) of kernel 1 times 3/2; it is resized to its own size.
    raw, tube = e.tubes["conv"]
    assert np.allclose(raw, [[[6, 9]]]) and np.allclose(tube, [[[0, 1]]])
    assert np.allclose(e.kernel_tubes["conv", 1][0], [[[3, 5]]])             # channel 2 of the clip
    assert explain(CHAIN, X, rule="grad", target="logit").layers["fc"].edges == {}   # v = (0, -5): nothing


def test_grad_unmasked():
    """Where everything is selected the masked backward pass is autograd's."""
    for seed in range(12):
        g, frames = random_graph.build(seed)
        g = Graph(g.name, g.output, sort_topologically(g.nodes), g.input, g.classes)
        x = model_io.prepare_clip(g, frames)
        values, grads = torch_net.gradients(g, x, 1, "float64")
        e = method.explain(g, values, Options(1, "grad", -1.0, tubes="layers", target="logit"),
                           lambda *a: torch_net.backward_node(*a, "float64"))
        consumers = g.consumers()
        for name, (raw, _) in e.tubes.items():
            where = method.map_tensor(g, g.nodes[name], values, consumers)
            mine = sorted(e.layers[name].relevance)
            want = np.maximum((values[where][mine] * grads[where][mine]).sum(0), 0)
            assert np.allclose(raw, want, atol=1e-10), (seed, name)


def test_pairs():
    """v(o, i) is what comes through kernel o alone, and all of them add up to v(i)."""
    for seed in range(0, 36, 3):
        g, frames = random_graph.build(seed)
        values, grads = torch_net.gradients(g, model_io.prepare_clip(g, frames), 1, "float64")
        for node in g.kernel_layers():
            x, dy = values[node.inputs[0]], grads[node.name]
            v = method.pair_values(node, x, dy)
            for o in range(len(dy)):
                alone = np.zeros_like(dy)
                alone[o] = dy[o]
                part = torch_net.backward_node(node, [x], alone, "float64")[0]
                assert np.allclose(v[o], (x * part).reshape(len(x), -1).mean(1), atol=1e-12), (seed, node.name, o)
            whole = torch_net.backward_node(node, [x], dy, "float64")[0]
            assert np.allclose(v.sum(0), (x * whole).reshape(len(x), -1).mean(1), atol=1e-12), (seed, node.name)


def test_target_gradient():
    z, step = np.random.default_rng(3).normal(size=6), 1e-6
    targets = {"odds": lambda z, c: z[c] - np.log(np.exp(np.delete(z, c)).sum()),
               "margin": lambda z, c: z[c] - z.mean(), "logit": lambda z, c: z[c]}
    for name, value in targets.items():
        g = method.target_gradient(z, 2, name)
        slope = [(value(z + step * e, 2) - value(z - step * e, 2)) / (2 * step) for e in np.eye(6)]
        assert np.allclose(g, slope, atol=1e-8), name
    p = np.exp(z) / np.exp(z).sum()
    assert np.isclose(targets["odds"](z, 2), np.log(p[2] / (1 - p[2])))


def test_contrast():
    # relu(bn(conv)) means (0, 5), logits (0 - 5, 15) = (-5, 15); of two classes the log-odds are the
    # difference: for class 0 g = (1, -1), v = (1 - 0, -1 - 3) * (0, 5) = (0, -20); class 1: (0, 20).
    o = {"class_relevance": "contrast"}
    assert explain(CHAIN, X, class_index=0, **o).layers["fc"].edges == {(0, 0): 1.0}
    assert explain(CHAIN, X, class_index=1, **o).layers["fc"].edges == {(1, 1): 1.0}
    assert explain(CHAIN, X, class_index=0, normalise="max", **o).layers["fc"].edges == {}
    # margin halves g, which scaling does not see; the logit alone is contribution: (0, 15)
    assert explain(CHAIN, X, class_index=1, target="logit", normalise="max", **o).layers["fc"].edges == {(1, 1): 1.0}


def test_depth_by_paths():
    """Depth as its definition says: over every route from the classifier."""
    for seed in range(40):
        g, _ = random_graph.build(seed)
        g = Graph(g.name, g.output, sort_topologically(g.nodes), g.input, g.classes)
        best = {}

        def walk(name, above):                       # above: kernel layers passed, classifier included
            if name == "input" or best.get((name, "seen"), -1) >= above:
                return
            best[name, "seen"] = above
            here = above + (g.nodes[name].op in model_io.KERNEL_OPS)
            best[name] = max(best.get(name, 0), here - 1)
            for source in g.nodes[name].inputs:
                walk(source, here)

        walk(g.logits_node(), 0)
        assert method.depths(g) == {n.name: best[n.name] for n in g.kernel_layers()}, seed


def test_tubes():
    # Half-pixel centres with edge clamp: 2 -> 4 samples at -1/4, 1/4, 3/4, 5/4.
    assert np.allclose(resize(np.array([[[0.0, 1.0]]]), (1, 1, 4)), [[[0, 0.25, 0.75, 1]]])
    volume = np.random.default_rng(0).normal(size=(3, 5, 7))
    for shape in ((8, 9, 4), (1, 5, 20), (16, 2, 7)):
        want = F.interpolate(torch.from_numpy(volume)[None, None], shape, mode="trilinear", align_corners=False)
        assert np.allclose(resize(volume, shape), want[0, 0].numpy())
    # The map goes through bn and relu; kernel 1 alone: (4, 6) -> (0, 1).  A constant map: zeros.
    e = explain(CHAIN, X, class_index=1, tubes="layers")
    assert np.allclose(e.tubes["conv"][0], [[[4, 6]]]) and np.allclose(e.tubes["conv"][1], [[[0, 1]]])
    assert np.allclose(explain(CHAIN, X, tubes="layers").tubes["conv"][1], 0)
    g = graph("fc", conv("a", "input", [[1, 0, 0]]), op("i", "identity", "a"), op("s", "add", "i", "input"),
              op("p", "maxpool3d", "s", kernel=(1, 1, 2)), op("gap", "globalavgpool", "p"),
              linear("fc", "gap", [[1, 0, 0]]))
    values = torch_net.run(g, X)                     # the add broadcasts channels: the map ends before it
    assert method.map_tensor(g, g.nodes["a"], values, g.consumers()) == "i"


def test_pools():
    rng = np.random.default_rng(1)
    for _ in range(200):
        size, kernel = rng.integers(3, 9, 3).tolist(), rng.integers(1, 4, 3).tolist()
        stride, pad = rng.integers(1, 4, 3).tolist(), [int(rng.integers(k // 2 + 1)) for k in kernel]
        ceil, counted = bool(rng.integers(2)), bool(rng.integers(2))
        x = rng.normal(size=(2, *size))
        attrs = dict(kernel=kernel, stride=stride, pad_begin=pad, pad_end=pad, ceil_mode=int(ceil))
        t = torch.from_numpy(x)[None]
        got = torch_net.apply_node(op("m", "maxpool3d", "x", **attrs), [t])
        assert torch.equal(got, F.max_pool3d(t, kernel, stride, pad, 1, ceil))
        got = torch_net.apply_node(op("a", "avgpool3d", "x", **attrs, count_include_pad=int(counted)), [t])
        assert torch.allclose(got, F.avg_pool3d(t, kernel, stride, pad, ceil, counted))
    # Asymmetric: (1, 2, 3) and one cell of padding after it, windows of 2 by 2: (1 2) (3 -).
    x = torch.tensor([1.0, 2, 3]).reshape(1, 1, 1, 1, 3)
    attrs = dict(kernel=(1, 1, 2), pad_end=(0, 0, 1))
    for counted, want in ((1, [1.5, 1.5]), (0, [1.5, 3.0])):
        node = op("a", "avgpool3d", "x", count_include_pad=counted, **attrs)
        assert torch_net.apply_node(node, [x]).ravel().tolist() == want
    # ceil_mode without padding: the cell beyond the end is never counted
    ceil = op("a", "avgpool3d", "x", kernel=(1, 1, 2), ceil_mode=1)
    assert torch_net.apply_node(ceil, [x]).ravel().tolist() == [1.5, 3.0]
    assert torch_net.apply_node(op("m", "maxpool3d", "x", **attrs), [-x]).ravel().tolist() == [-1.0, -3.0]


def test_logits_and_files():
    soft = graph("end", linear("fc", "input", [[1]]), op("i", "identity", "fc"), op("s", "softmax", "i"),
                 op("end", "identity", "s"))
    assert soft.logits_node() == "i"
    assert np.allclose(soft.probabilities([0, np.log(3)]), [0.25, 0.75])
    several = graph("end", linear("fc", "input", [[1]]), op("s", "sigmoid", "fc"), op("end", "identity", "s"))
    assert several.logits_node() == "fc"
    assert np.allclose(several.probabilities([0, np.log(3)]), [0.5, 0.75])
    assert graph("i", linear("fc", "input", [[1]]), op("i", "identity", "fc")).logits_node() == "i"
    for bad, word in (({"a": op("a", "add", "b", "a"), "b": op("b", "relu", "input")}, "cycle"),
                      ({"a": op("a", "relu", "c")}, "does not exist")):
        try:
            sort_topologically(bad)
            raise AssertionError(word)
        except ValueError as error:
            assert word in str(error)
    graphs = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.h5")
        for seed in range(40):
            built, frames = random_graph.build(seed)
            model_io.write_model(path, built)
            read = model_io.read_model(path)
            assert (read.output, read.classes, set(read.nodes)) == (built.output, built.classes, set(built.nodes))
            x = model_io.prepare_clip(read, frames)
            values = torch_net.run(read, x)
            want = torch_net.run(built, x)
            assert all(np.array_equal(values[n], want[n]) for n in want), seed
            assert values[read.logits_node()].shape == (len(read.classes), 1, 1, 1)
            assert all(np.isfinite(v).all() for v in values.values()), seed
            readers = read.consumers()               # no node is dead
            assert all(readers[n] or n == read.output for n in read.nodes), seed
            graphs.append((read, {n: v.shape for n, v in values.items()}))
    missing = coverage(graphs)[1]
    assert not missing, missing


def main():
    tests = [(n, f) for n, f in sorted(globals().items()) if n.startswith("test_")]
    for name, function in tests:
        function()
        print("ok", name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
