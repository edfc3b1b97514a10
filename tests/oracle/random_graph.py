"""Makes small random networks: valid model files (SPEC section 2) that together use every op.

A graph is built node by node and run while it grows.  So shapes are known, batch norms get statistics
that are close to the real ones, and values stay near one.  The same seed gives the same model and clip.
"""
import numpy as np
import torch

import torch_net
from model_io import Graph, Node, OPS, prepare_clip, write_model

WORDS = ("layer", "stem", "bloc.é", "層", "блок", "mixed", "Ünit", "res")
CHANNELS = (2, 3, 4, 5, 6, 8, 9, 12)


class Builder:
    """Grows a graph; every method returns the name of the tensor that it made."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.values, self.prefix = {}, {}, "0"

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def chance(self, p):
        return self.rng.random() < p

    def shape(self, name):
        return tuple(self.values[name].shape[1:])

    def add(self, op, *inputs, weights=None, **attrs):
        for key in list(attrs):             # what equals the default may be left out (SPEC 2)
            default = attrs["kernel"] if key == "stride" and "kernel" in attrs else OPS[op][key]
            if default is not None and np.array_equal(attrs[key], default) and self.chance(0.4):
                del attrs[key]
        name = f"{self.pick(*WORDS)}{self.prefix}.{len(self.nodes)}.{op}"
        weights = {k: np.asarray(w, np.float32) for k, w in (weights or {}).items()}
        node = self.nodes[name] = Node(name, op, list(inputs), attrs, weights)
        with torch.no_grad():
            self.values[name] = torch_net.apply_node(node, [self.values[i] for i in inputs])
        return name

    # ---- layers ----

    def conv(self, x, out, kernel=None, stride=(1, 1, 1), groups=1, dilation=(1, 1, 1), same=True, bias=None):
        c, *size = self.shape(x)
        kernel = kernel or tuple(int(k) for k in self.rng.integers(1, 4, 3))
        total = [d * (k - 1) for d, k in zip(dilation, kernel)]
        begin = [int(self.rng.integers(t + 1)) for t in total]         # asymmetric, up to causal
        if self.chance(0.4):
            begin = [t // 2 for t in total]
        end = [t - b for t, b in zip(total, begin)]
        if not same:                                                   # pads that change the size
            end = [max(e - 1, t + 1 - b - s) if t + 1 - b - s > 0 else max(e - 1, 0)
                   for e, t, b, s in zip(end, total, begin, size)]
        fan = c // groups * int(np.prod(kernel))
        weights = {"weight": self.rng.normal(0.02, np.sqrt(2 / fan), (out, c // groups, *kernel))}
        if self.chance(0.5) if bias is None else bias:
            weights["bias"] = self.rng.normal(0, 0.2, out)
        return self.add("conv3d", x, weights=weights, stride=tuple(stride), dilation=tuple(dilation),
                        pad_begin=tuple(begin), pad_end=tuple(end), groups=groups)

    def linear(self, x, out):
        fan = self.shape(x)[0]
        weights = {"weight": self.rng.normal(0, np.sqrt(2 / fan), (out, fan))}
        if self.chance(0.7):
            weights["bias"] = self.rng.normal(0, 0.2, out)
        return self.add("linear", x, weights=weights)

    def bn(self, x):
        c, flat = self.shape(x)[0], self.values[x][0].reshape(self.shape(x)[0], -1).numpy()
        single = flat.shape[1] < 4                                     # no statistics to take
        mean = self.rng.normal(0, 0.3, c) if single else flat.mean(1) + self.rng.normal(0, 0.1, c)
        var = self.rng.uniform(0.5, 2, c) if single else flat.var(1) * self.rng.uniform(0.7, 1.4, c) + 0.02
        gamma = self.rng.uniform(0.5, 1.5, c) * self.rng.choice((1, 1, 1, -1), c)
        return self.add("batchnorm", x, eps=self.pick(1e-5, 1e-3), weights={
            "gamma": gamma, "beta": self.rng.normal(0, 0.3, c), "mean": mean, "var": var})

    def clip_norm(self, x, op=None):
        """A norm by the clip's own statistics, or a batch norm where there is next to nothing to normalise."""
        c, *size = self.shape(x)
        op = op or self.pick("instancenorm", "groupnorm", "layernorm")
        groups = self.pick(*[g for g in range(1, c + 1) if c % g == 0])
        if (1 if op == "layernorm" else np.prod(size)) * (c if op == "layernorm" else c // groups if op == "groupnorm" else 1) < 3:
            return self.bn(x)
        weights = {"gamma": self.rng.uniform(0.5, 1.5, c), "beta": self.rng.normal(0, 0.3, c)} if self.chance(0.7) else {}
        more = {"groups": groups} if op == "groupnorm" else {}
        return self.add(op, x, eps=self.pick(1e-5, 1e-3), weights=weights, **more)

    def act(self, x):
        op = self.pick("relu", "relu", "relu6", "silu", "sigmoid", "hardswish", "hardsigmoid", "leakyrelu",
                       "prelu", "elu", "gelu", "gelu_tanh", "mish", "tanh", "softplus", "clip")
        if op == "leakyrelu":
            return self.add(op, x, negative_slope=self.pick(0.01, 0.1))
        if op == "prelu":
            return self.add(op, x, weights={"slope": self.rng.normal(0.2, 0.3, self.pick(1, self.shape(x)[0]))})
        if op == "elu":                                                # ELU, SELU, CELU
            return self.add(op, x, **self.pick(
                {"alpha": 1.0}, {"alpha": 0.7}, {"alpha": 1.6732632423543772, "scale": 1.0507009873554805},
                {"alpha": 0.5, "input_scale": 2.0}))
        if op == "softplus":
            return self.add(op, x, beta=self.pick(1.0, 2.0), threshold=self.pick(20.0, 2.0))
        if op == "clip":
            return self.add(op, x, min=self.pick(-1.0, 0.0), max=self.pick(1.0, 2.5))
        return self.add(op, x)

    def pool(self, x, op=None):
        op, size = op or self.pick("maxpool3d", "avgpool3d"), self.shape(x)[1:]
        kernel = tuple(int(min(self.rng.integers(1, 4), s)) for s in size)
        begin = tuple(int(self.rng.integers(0, k // 2 + 1)) for k in kernel)
        end = tuple(int(self.rng.integers(0, k // 2 + 1)) for k in kernel)
        attrs = {"kernel": kernel, "stride": tuple(int(self.rng.integers(1, k + 1)) for k in kernel),
                 "pad_begin": begin, "pad_end": end, "ceil_mode": self.pick(0, 1)}
        if op == "avgpool3d":
            attrs["count_include_pad"] = self.pick(0, 1)
        return self.add(op, x, **attrs)

    def fit(self, x, shape):
        """A projection of x to the given shape: strided 1x1x1 convolution, then crop or nothing."""
        out, *want = shape
        stride = [max(1, -(-s // w)) for s, w in zip(self.shape(x)[1:], want)]
        x = self.bn(self.conv(x, out, (1, 1, 1), stride))
        for axis, w in enumerate(want):
            if self.shape(x)[1 + axis] > w:
                x = self.add("slice", x, axis=2 + axis, start=0, stop=w, step=1)
        short = [w - s for w, s in zip(want, self.shape(x)[1:])]
        return self.add("pad", x, pad_end=tuple(short)) if any(short) else x


# ---- blocks: (builder, tensor) -> tensor ---------------------------------------------------------

def plain(b, x):
    dilation = tuple(int(min(b.rng.integers(1, 3), 1 + (s > 3))) for s in b.shape(x)[1:])
    x = b.conv(x, b.pick(*CHANNELS), None, b.rng.integers(1, 3, 3).tolist(), 1, dilation, b.chance(0.5))
    return b.act(b.bn(x)) if b.chance(0.7) else b.act(x)


def renormed(b, x):                                     # as networks without batch norms have it
    y = b.act(b.clip_norm(b.conv(x, b.pick(*CHANNELS), (3, 3, 3)), "groupnorm"))
    y = b.act(b.clip_norm(b.conv(y, b.pick(4, 6), None), "instancenorm"))
    return b.clip_norm(y, "layernorm")


def grouped(b, x):
    groups = b.pick(2, 3, 4)
    x = b.act(b.conv(x, groups * b.pick(2, 3), (1, 1, 1)))
    return b.act(b.bn(b.conv(x, groups * b.pick(1, 2, 3), None, groups=groups)))


def depthwise(b, x):
    c = b.shape(x)[0]
    y = b.act(b.bn(b.conv(x, c * b.pick(1, 1, 2), None, b.pick((1, 1, 1), (1, 2, 2)), c)))
    return b.bn(b.conv(y, b.pick(4, 6), (1, 1, 1), bias=False))


def factorised(b, x):                                   # (2+1)D
    y = b.act(b.bn(b.conv(x, b.pick(3, 5, 7), (1, 3, 3), (1, b.pick(1, 2), 2))))
    return b.act(b.bn(b.conv(y, b.pick(*CHANNELS), (3, 1, 1), (b.pick(1, 2), 1, 1))))


def bottleneck(b, x):
    c = b.shape(x)[0]
    y = b.act(b.bn(b.conv(x, b.pick(2, 3), (1, 1, 1), bias=False)))
    y = b.act(b.bn(b.conv(y, b.pick(2, 4), (3, 3, 3), b.pick((1, 1, 1), (1, 2, 2)))))
    y = b.bn(b.conv(y, b.pick(c, c + 2), (1, 1, 1)))
    short = x if b.shape(y) == b.shape(x) else b.fit(x, b.shape(y))
    return b.add("relu", b.add("add", *b.pick((y, short), (short, y))))


def type_a(b, x):                                       # shortcut: subsample, pad with zero channels
    c, extra = b.shape(x)[0], int(b.rng.integers(1, 4))
    begin = b.pick(0, 1)
    y = b.add("relu", b.bn(b.conv(x, c + extra, (3, 3, 3), (2, 2, 2))))
    y = b.bn(b.conv(y, c + extra, (3, 3, 3)))
    short = x
    for axis in (2, 3, 4):
        short = b.add("slice", short, axis=axis, start=0, stop=b.shape(x)[axis - 1], step=2)
    short = b.add("pad", short, channels_begin=begin, channels_end=extra - begin)
    return b.act(b.add("add", y, short))


def preactivation(b, x):
    y = b.conv(b.act(b.bn(x)), b.shape(x)[0], (1, 3, 3))
    return b.add("add", b.conv(b.act(b.bn(y)), b.shape(x)[0], None), x)


def dense(b, x):
    parts = [x]
    for _ in range(2):
        y = parts[0] if len(parts) == 1 else b.add("concat", *parts)
        parts.append(b.conv(b.act(b.bn(y)), b.pick(2, 3), None))
    return b.add("concat", *(parts if b.chance(0.5) else parts[::-1]))


def fiber(b, x):                                        # MFNet: a multiplexer before grouped units
    c = 4 * max(1, min(3, b.shape(x)[0] // 4))
    x = b.conv(x, c, (1, 1, 1))
    mixed = b.add("add", x, b.conv(b.act(b.bn(b.conv(b.act(b.bn(x)), 2, (1, 1, 1)))), c, (1, 1, 1)))
    y = b.conv(b.act(b.bn(mixed)), c, (3, 3, 3), groups=2)
    return b.add("add", b.conv(b.act(b.bn(y)), c, (1, 3, 3), groups=2), x)


def shared_bn(b, x):                                    # two readers, one of which is the batch norm
    y = b.conv(x, b.pick(3, 5), None)
    return b.add("concat", b.act(b.bn(y)), b.add("identity", y))


def squeeze(b, x):                                      # squeeze and excitation
    c, s = b.shape(x)[0], b.add("globalavgpool", x)
    if b.chance(0.6):
        h = b.linear(s, b.pick(2, 3))
        h = b.linear(b.act(b.bn(h) if b.chance(0.5) else h), c)
    else:
        h = b.conv(b.add("relu", b.conv(s, 3, (1, 1, 1))), c, (1, 1, 1))
    gate = b.add(b.pick("sigmoid", "hardsigmoid", "softmax"), h)
    y = b.add("mul", *b.pick((x, gate), (gate, x)))
    return b.add("add", y, x, b.add("leakyrelu", y, negative_slope=0.2)) if b.chance(0.5) else y


def gate(b, x):                                         # one channel that weighs all the others
    mask = b.add("sigmoid", b.conv(x, 1, (3, 3, 3)))
    y = b.add("mul", x, mask)
    return b.add("add", y, b.conv(x, 1, (1, 1, 1))) if b.chance(0.8) else y


def broadcast(b, x):                                    # maps of one row, column or frame
    c, t, h, w = b.shape(x)
    over_space = b.add("avgpool3d", b.conv(x, c, None), kernel=(1, h, w))
    over_time = b.add("maxpool3d", b.conv(x, c, None), kernel=(t, 1, 1))
    if b.chance(0.5):
        return b.act(b.add("add", *b.pick((x, over_space, over_time), (over_time, x, over_space))))
    both = b.add("mul", over_time, b.add("sigmoid", over_space))       # each is broadcast to the other
    return b.add("add", both, b.add("globalavgpool", x))


def pooled(b, x):
    return b.pool(b.conv(b.pool(x), b.pick(*CHANNELS), None))


def inception(b, x):
    pool = b.add("maxpool3d", x, kernel=(3, 3, 3), stride=(1, 1, 1), pad_begin=(1, 1, 1), pad_end=(1, 1, 1))
    branches = [b.conv(x, 2, (1, 1, 1)), b.conv(b.act(b.conv(x, 3, (1, 1, 1))), 3, (3, 3, 3)),
                b.conv(pool, 2, (1, 1, 1))]
    return b.add("concat", *[b.add("relu", b.bn(y)) for y in branches])


def shuffle(b, x):                                      # ShuffleNetV2: split, transform half, mix
    c = 2 * max(1, min(4, b.shape(x)[0] // 2))
    x = b.conv(x, c, (1, 1, 1))
    left = b.add("slice", x, axis=1, start=0, stop=c // 2, step=1)
    right = b.add("slice", x, axis=1, start=c // 2, stop=c, step=1)
    right = b.act(b.bn(b.conv(right, c // 2, None, groups=c // 2)))
    y = b.add("channel_shuffle", b.add("concat", left, right), groups=2)
    return b.add("channel_shuffle", y, groups=c // 2) if b.chance(0.3) else y


def cut(b, x):                                          # pads and slices of every axis
    amounts = {k: tuple(int(v) for v in b.rng.integers(0, 3, 3)) for k in ("pad_begin", "pad_end")}
    y = b.add("pad", x, value=b.pick(0.0, 0.5, -1.0), channels_begin=int(b.rng.integers(0, 3)),
              channels_end=int(b.rng.integers(0, 2)), **amounts)
    for axis in b.rng.permutation([1, 2, 3, 4]).tolist():
        size = b.shape(y)[axis - 1]
        start = int(b.rng.integers(0, max(1, size // 3)))
        y = b.add("slice", y, axis=axis, start=start, stop=int(b.rng.integers(max(start + 1, size - 1), size + 1)),
                  step=b.pick(1, 1, 2))
    return b.act(b.conv(y, b.pick(3, 4), None))


def two_rates(b, x):                                    # slow and fast pathways with a lateral link
    t = b.shape(x)[1]
    slow = b.conv(b.add("slice", x, axis=2, start=0, stop=t, step=2), 4, (1, 3, 3))
    fast = b.act(b.bn(b.conv(x, 2, (3, 3, 3))))
    lateral = b.conv(fast, 2, (1, 1, 1))
    lateral = b.add("slice", lateral, axis=2, start=0, stop=t, step=2)
    return b.act(b.conv(b.add("concat", slow, lateral), 5, None))


def mirrored(b, x):                                     # padded by its own values
    size, mode = b.shape(x)[1:], b.pick("replicate", "reflect")
    begin, end = ([int(b.rng.integers(0, 3 if mode == "replicate" else min(3, s))) for s in size] for _ in range(2))
    y = b.add("pad", x, mode=mode, pad_begin=tuple(begin), pad_end=tuple(end))
    return b.act(b.conv(y, b.pick(*CHANNELS), (3, 3, 3), (1, 2, 2)))


def enlarged(b, x):                                     # a coarse branch, brought back to the size of a fine one
    factor = b.pick((2, 1, 1), (1, 2, 2), (2, 2, 3))
    coarse = b.conv(x, 4, (1, 1, 1))
    for axis, f in zip((2, 3, 4), factor):
        coarse = b.add("slice", coarse, axis=axis, start=0, stop=b.shape(x)[axis - 1], step=f)
    y = b.add("upsample", b.act(coarse), factor=factor)
    for axis in (2, 3, 4):
        if b.shape(y)[axis - 1] > b.shape(x)[axis - 1]:
            y = b.add("slice", y, axis=axis, start=0, stop=b.shape(x)[axis - 1], step=1)
    return b.add("add", y, b.conv(x, 4, None))


def joined(b, x):                                       # two stretches of time, or of a row or column, one after the other
    axis = b.pick(2, 2, 3, 4)
    other = b.act(b.conv(x, b.shape(x)[0], None))
    y = b.add("concat", *b.pick((x, other), (other, x)), axis=axis)
    return b.conv(y, b.pick(3, 5), None, tuple(2 if a == axis else 1 for a in (2, 3, 4)))


BLOCKS = (plain, grouped, depthwise, factorised, bottleneck, type_a, preactivation, dense, fiber, shared_bn,
          squeeze, gate, broadcast, pooled, inception, shuffle, cut, two_rates,
          renormed, mirrored, enlarged, joined)


def head(b, x, classes, kind):
    if kind == "gap":
        x = b.add("globalavgpool", x)
        return b.linear(b.add("flatten", x) if b.chance(0.5) else x, classes)
    if kind == "two":                                   # two pooled maps side by side
        y = b.act(b.conv(x, 3, None))
        return b.linear(b.add("concat", b.add("globalavgpool", x), b.add("globalavgpool", y)), classes)
    if kind == "flatten":
        x = b.add("flatten", b.pool(b.conv(x, 2, None)))
        if b.chance(0.6):
            h = b.linear(x, b.pick(5, 8))
            x = b.act(b.bn(h) if b.chance(0.4) else h)
        return b.linear(x, classes)
    x = b.pool(x, "avgpool3d")
    kernel = b.shape(x)[1:] if kind == "valid" else (1, 1, 1)   # over the whole map, or a map of logits
    x = b.conv(x, classes, kernel, same=False) if kind != "valid" else b.add(
        "conv3d", x, weights={"weight": b.rng.normal(0, 0.3, (classes, b.shape(x)[0], *kernel))})
    return x if kind == "valid" else b.add("globalavgpool", x)


HEADS = ("gap", "flatten", "map", "two", "valid")


def finish(b, x, classes, seed, number=0):
    """Ends the network in one of HEADS; returns the name of its output."""
    x = head(b, x, classes, HEADS[(seed + number) % len(HEADS)])
    if b.chance(0.3):
        x = b.add("identity", x)
    if b.chance(0.4):
        x = b.add("sigmoid" if seed % 3 == 1 else "softmax", x)
        x = b.add("identity", x) if b.chance(0.3) else x
    return x


def build(seed):
    """(Graph, uint8 clip T x H x W x 3) of one seed."""
    b = Builder(seed)
    graph, frames, x = grow(b, seed)
    b.prefix = "head"
    graph.output = finish(b, x, len(graph.classes), seed)
    return graph, frames


def build_heads(seed, names):
    """({name: Graph}, clip): one network with several classifiers.  The graphs share their nodes."""
    b = Builder(seed)
    first, frames, x = grow(b, seed)
    graphs = {}
    for number, name in enumerate(names):
        b.prefix = f"head{number}"
        classes = [f"{name} {c}" for c in range(int(b.rng.integers(2, 6)))]
        kind = seed if seed % 2 else seed - number         # even seeds: all heads are of one kind
        output = finish(b, x, len(classes), kind, number)
        graphs[name] = Graph(first.name, output, first.nodes, first.input, classes)
    return graphs, frames


def grow(b, seed):
    """(Graph without an output, clip, the tensor to classify)."""
    t, h, w = (int(b.rng.integers(low, 10)) for low in (3, 5, 5))
    frames = b.rng.integers(0, 256, (t, h, w, 3)).astype(np.uint8)
    unit = b.chance(0.5)                                # pixels to 0..1, or left at 0..255
    spec = {"channels": 3, "frames": t, "height": h, "width": w, "frame_stride": 1, "resize_short": 0,
            "crop": "center", "color": b.pick("RGB", "BGR"), "scale": 255.0 if unit else 1.0,
            "mean": (0.45, 0.4, 0.5) if unit else (110.0, 100.0, 120.0),
            "std": (0.25, 0.3, 0.2) if unit else (60.0, 70.0, 65.0)}
    classes = int(b.rng.integers(3, 7))
    graph = Graph(f"random {seed}", "", b.nodes, spec, [f"clé {i}" for i in range(classes)])
    b.values["input"] = torch.from_numpy(prepare_clip(graph, frames)).unsqueeze(0)

    # two blocks in turn, so that few seeds go through all of them, and one or two more by chance
    blocks = [BLOCKS[(2 * seed) % len(BLOCKS)], BLOCKS[(2 * seed + 1) % len(BLOCKS)]]
    blocks += [b.pick(*BLOCKS) for _ in range(int(b.rng.integers(1, 3)))]
    b.rng.shuffle(blocks)
    x = "input"
    if blocks[0] in (type_a, preactivation, broadcast, squeeze) or b.chance(0.3):
        x = b.conv(x, b.pick(3, 4, 6), (1, 3, 3))
    for number, block in enumerate(blocks):
        b.prefix = str(number + 1)
        if b.shape(x)[0] > 10:
            x = b.conv(x, 6, (1, 1, 1))
        x = block(b, x)
    return graph, frames, x


def generate(seed, model_path, clip_path):
    graph, frames = build(seed)
    write_model(model_path, graph)
    np.save(clip_path, frames)
    return graph, frames
