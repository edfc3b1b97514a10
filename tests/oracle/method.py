"""The method of SPEC section 1 in plain numpy, with loops and dictionaries, in the order of the specification.

It works on a Graph (model_io) and the tensors of one forward pass (torch_net.run).  It is written to
be read beside SPEC.md, not to be fast.  Where the specification is silent, the choice is marked
"decided:", and the C program makes the same choice.
"""
from dataclasses import dataclass, field

import numpy as np

from model_io import ACTIVATIONS, CLIP_NORMS
from resize import resize, unit_range

NEAR = 1e-5        # r closer to a threshold than this may fall on either side in float32


@dataclass
class Options:
    class_index: int = 0
    rule: str = "cfp"                   # cfp, reference, grad
    theta: float = 0.6
    depth: object = None                # None: all
    top: object = None                  # None: no limit
    propagate: str = "edge"             # edge, path
    normalise: str = "minmax"           # minmax, max
    class_relevance: str = "weights"    # weights, contribution, contrast
    target: object = None               # odds, margin, logit; None: not given
    mask: str = "selected"              # selected, none
    baseline: str = "zero"              # zero, blank, freeze, reverse, shuffle, or a clip's path
    steps: int = 1
    turn_down: float = 1.0
    seed: int = 0                       # of shuffle
    tubes: str = "none"                 # none, layers, kernels (which includes layers)
    interp: str = "linear"              # linear, spline


@dataclass
class Layer:
    depth: int
    channels: int                                   # O
    relevance: dict                                 # selected kernel -> R
    edges: dict = field(default_factory=dict)       # (o, i) -> r
    weak: set = field(default_factory=set)          # `grad`: pairs (o, i) whose v is 0 but for rounding


@dataclass
class Explanation:
    layers: dict = field(default_factory=dict)          # visited kernel layer -> Layer
    tubes: dict = field(default_factory=dict)           # conv3d layer -> (raw map, tube)
    kernel_tubes: dict = field(default_factory=dict)    # (conv3d layer, o) -> (raw map, tube)
    near: list = field(default_factory=list)            # (layer, o, i) too close to call in float32


def depths(graph):
    """Kernel layer -> depth (SPEC 1, Depth), for every layer that the logits depend on.

    reach[t] is the largest number of kernel layers from the classifier down to the tensor t, the
    classifier not counted.  decided: over the static graph, whatever is selected on the way.
    """
    consumers = graph.consumers()
    logits = graph.logits_node()
    reach = {logits: 0}
    for name in reversed(list(graph.nodes)):
        for consumer in consumers[name]:
            if consumer.name in reach:
                # the classifier itself (reach 0, a kernel layer) starts the count at 1 below it
                step = 1 if consumer.op in ("conv3d", "linear") else 0
                reach[name] = max(reach.get(name, 0), reach[consumer.name] + step)
    return {n.name: reach[n.name] for n in graph.kernel_layers() if n.name in reach}


# ---- Routing -------------------------------------------------------------------------------------

def route(node, position, demand, values, rule):
    """Where a demand {channel: R} on the output of a node that is no kernel layer goes in the
    tensor at `position` of its inputs: {channel of that input: R}  (SPEC 1, Routing)."""
    sources = [values[name] for name in node.inputs]
    width = sources[position].shape[0]
    if node.op == "flatten":
        volume = sources[0][0].size                              # T * H * W

        def upstream(e): return e // volume
    elif node.op in ("add", "mul"):
        if node.op == "add" and rule == "reference" and position > 0:
            return {}                                            # only the first input is followed

        def upstream(j): return 0 if width == 1 else j
    elif node.op == "concat" and int(node.attribute("axis")) == 1:
        offset = sum(s.shape[0] for s in sources[:position])

        def upstream(j): return j - offset
    elif node.op == "channel_shuffle":
        groups = int(node.attribute("groups"))                   # output j = c*groups + g holds
                                                                 # input g*(C/groups) + c
        def upstream(j): return (j % groups) * (width // groups) + j // groups
    elif node.op == "slice" and int(node.attribute("axis")) == 1:
        start, step = int(node.attribute("start")), int(node.attribute("step"))

        def upstream(j): return start + j * step
    elif node.op == "pad":
        before = int(node.attribute("channels_begin"))

        def upstream(j): return j - before
    else:
        def upstream(j): return j
    out = {}
    for j, relevance in demand.items():
        i = upstream(j)
        if 0 <= i < width:                                       # else nowhere, or another input's
            out[i] = max(out.get(i, 0.0), relevance)
    return out


def merge(demands, name, demand):
    """Demands that meet are merged; the relevance of a channel is the highest of them."""
    mine = demands.setdefault(name, {})
    for channel, relevance in demand.items():
        mine[channel] = max(mine.get(channel, 0.0), relevance)


# ---- Rules ---------------------------------------------------------------------------------------

def kernel_means(node):
    """O x I/groups: the mean over the taps of each kernel slice, in float64."""
    weight = node.weights["weight"].astype(np.float64)
    return weight.reshape(weight.shape[0], weight.shape[1], -1).mean(2)


def channel_means(x):
    return x.astype(np.float64).reshape(x.shape[0], -1).mean(1)


def folded_scale(graph, node, consumers):
    """gamma / sqrt(var + eps) of a directly following batchnorm, or 1.

    decided: it follows directly when it alone reads the layer's output.
    """
    readers = consumers[node.name]
    if len(readers) == 1 and readers[0].op == "batchnorm" and node.name != graph.output:
        bn = readers[0]
        var = bn.weights["var"].astype(np.float64)
        return bn.weights["gamma"].astype(np.float64) / np.sqrt(var + float(bn.attribute("eps")))
    return np.ones(node.weights["weight"].shape[0])


def min_max(v, low, high):
    """(v - min) / (max - min); where max = min: 1 if v != 0, else 0."""
    return (v - low) / (high - low) if high > low else (v != 0).astype(np.float64)


def by_max(v, high=None):
    positive = np.maximum(v, 0.0)
    high = positive.max() if high is None else high
    return positive / high if high > 0 else np.zeros_like(positive)


def group_channels(node, o):
    """The input channels that kernel o reads."""
    weight = node.weights["weight"]
    groups = int(node.attribute("groups")) if node.op == "conv3d" else 1
    group = o // (weight.shape[0] // groups)
    return np.arange(group * weight.shape[1], (group + 1) * weight.shape[1])


def condition(v, low, high):
    """How much min-max blows up a relative error of v."""
    return max(1.0, float(np.abs(v).max()) / (high - low)) if high > low else 1.0


def rule_cfp(graph, node, o, x, options, consumers):
    v = kernel_means(node)[o] * folded_scale(graph, node, consumers)[o] \
        * channel_means(x)[group_channels(node, o)]
    if options.normalise == "max":
        return group_channels(node, o), by_max(v), 1.0
    return group_channels(node, o), min_max(v, v.min(), v.max()), condition(v, v.min(), v.max())


def rule_reference(graph, node, o, x, options, consumers):
    groups = int(node.attribute("groups")) if node.op == "conv3d" else 1
    j = np.arange(x.shape[0])                                    # ALL input channels
    v = kernel_means(node)[o][j // groups] * channel_means(x)
    # The sign of the sum decides whether the order is turned round: in doubt, all r are in doubt.
    doubt = np.inf if 0 < abs(v.sum()) < NEAR * np.abs(v).sum() else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):         # 0/0: NaN selects nothing
        v = v / v.sum()
        return j, (v - v.min()) / (v.max() - v.min()), max(doubt, condition(v, v.min(), v.max()))


def class_relevance(node, c, x, options, gradient):
    """The classifier under cfp and reference (SPEC 1, "At the classifier").

    gradient: g_k, of the target by the logits.
    """
    weights, channels = kernel_means(node), group_channels(node, c)
    if options.class_relevance == "weights":
        v, low, high = weights[c], weights.min(), weights.max()  # over the WHOLE matrix
    elif options.class_relevance == "contribution":
        v = weights[c] * channel_means(x)[channels]
        low, high = v.min(), v.max()
    else:                                                        # what speaks for c against its rivals
        v = np.zeros(x.shape[0])
        for k, g in enumerate(gradient):
            v[group_channels(node, k)] += g * weights[k]
        v = (v * channel_means(x))[channels]
        low, high = v.min(), v.max()
    if options.class_relevance != "weights" and options.normalise == "max" and options.rule == "cfp":
        r = by_max(v)
    elif options.rule == "reference" and high == low:
        r = np.full(v.shape, np.nan)                             # 0/0
    else:
        r = min_max(v, low, high)
    if options.propagate == "path" and r.max() > 0:              # False for NaN
        r = r / r.max()                                          # so the best path has R = 1
    return channels, r, condition(v, low, high)


# ---- The target, and what the clip is compared with ------------------------------------------------

def target_of(graph, options):
    """The --target that applies: a sigmoid head, or a single class, has only the logit."""
    if options.target is None:
        return "logit" if graph.head() == "sigmoid" or len(graph.classes) == 1 else "odds"
    return options.target


def target_gradient(z, c, target):
    """g_k: the derivative of the target of class c by each logit z_k."""
    z = np.asarray(z, np.float64)
    g = np.zeros(len(z))
    if target == "odds" and len(z) > 1:     # z_c - log(sum over k != c of exp z_k)
        rivals = np.delete(np.arange(len(z)), c)
        e = np.exp(z[rivals] - z[rivals].max())
        g[rivals] = -e / e.sum()
    elif target == "margin":                # z_c - mean over k of z_k
        g -= 1 / len(z)
    g[c] += 1
    return g


def shuffled(frames, seed):
    """The order that `frames` frames are shuffled into.

    decided: Fisher-Yates from the last frame down, by splitmix64, and again while nothing has moved.
    """
    state, bits = seed, (1 << 64) - 1
    while True:
        order = list(range(frames))
        for t in range(frames - 1, 0, -1):
            state = (state + 0x9E3779B97F4A7C15) & bits
            z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & bits
            z = ((z ^ z >> 27) * 0x94D049BB133111EB) & bits
            k = (z ^ z >> 31) % (t + 1)
            order[t], order[k] = order[k], order[t]
        if frames < 2 or order != list(range(frames)):
            return order


def other_clip(x, options, clip=None):
    """What the network is shown for the baseline, beside the prepared clip x (C x T x H x W).

    decided: the middle frame of T is number T // 2.
    """
    frames = x.shape[1]
    if options.baseline in ("zero", "blank"):       # zero: where the line of --steps begins
        return np.zeros_like(x)
    if options.baseline == "freeze":
        return np.repeat(x[:, frames // 2:frames // 2 + 1], frames, 1)
    if options.baseline == "reverse":
        return x[:, ::-1]
    return x[:, shuffled(frames, options.seed)] if options.baseline == "shuffle" else clip


def points_between(x, other, steps):
    """The clips at which gradients are taken.  decided: one step takes it at the clip itself."""
    if steps == 1:
        return [x]
    return [other + (k + 0.5) / steps * (x - other) for k in range(steps)]


# ---- Selection -----------------------------------------------------------------------------------

def select(layer, o, channels, r, relevance, options, condition_number, decide, near):
    """{i: r} that kernel o selects (SPEC 1, Propagation and --top).

    decided: r is rounded to float32, then compared in double.  Too close to call: `decide(layer, o,
    i)`, where given, is asked (what the program under test did), and the pair is noted in `near`.
    """
    r = r.astype(np.float32).astype(np.float64)
    tolerance = NEAR * condition_number
    limit, factor = options.theta, relevance if options.propagate == "path" else 1.0
    kept = []
    for i, value in zip(channels.tolist(), r.tolist()):
        chosen = factor * value >= limit                          # False for NaN
        if abs(factor * value - limit) < tolerance:
            near.append((layer, o, i))
            chosen = decide(layer, o, i) if decide else chosen
        if chosen:
            kept.append((i, value))
    if options.top is not None and len(kept) > options.top:
        kept.sort(key=lambda pair: (-pair[1], pair[0]))          # ties: the lower index
        inside, outside = kept[options.top - 1][1], kept[options.top][1]
        if 0 < inside - outside < tolerance:                     # equal values are no doubt
            band = [p for p in kept if abs(p[1] - inside) < tolerance]
            near += [(layer, o, i) for i, _ in band]
            if decide:
                kept = [p for p in kept if (decide(layer, o, p[0]) if p in band else p[1] > inside)]
        kept = kept[:options.top]
    return dict(kept)


# ---- Tubes ---------------------------------------------------------------------------------------

def map_tensor(graph, node, values, consumers):
    """The name of the tensor that is the map of kernel layer `node` (SPEC 1, Tubes).

    decided: identity is looked through, softmax is not an activation here, and a map whose number
    of channels would change (an `add` that broadcasts channels) ends before that.
    """
    name = node.name
    while len(consumers[name]) == 1 and name != graph.logits_node():
        following = consumers[name][0]
        if following.op not in ("batchnorm", "add", "identity") + CLIP_NORMS + ACTIVATIONS:
            break
        if values[following.name].shape[0] != values[name].shape[0]:
            break
        name = following.name
    return name


def turned_maps(graph, values, options):
    """--turn-down: tensor -> the factor by which it is moved towards the baseline's."""
    if options.turn_down == 1:
        return {}
    consumers, depth = graph.consumers(), depths(graph)
    factor = float(np.float32(options.turn_down ** (1.0 / max(1, max(depth.values())))))
    return {map_tensor(graph, node, values, consumers): factor for name, node in graph.nodes.items()
            if node.op == "conv3d" and depth.get(name, 0) > 0}


def tube(raw, values, options):
    """(the raw map, the tube): resized to the clip, then min-max normalised.

    Whether the map is constant is asked of the raw one: resizing rounds, and min-max would blow
    that rounding up to 0..1.
    """
    shape = values["input"].shape[1:]
    if raw.min() == raw.max():
        return raw, np.zeros(shape)
    return raw, unit_range(resize(raw, shape, options.interp))


def add_tubes(result, graph, values, weighed, other, grads, options, consumers):
    for name, layer in result.layers.items():
        node = graph.nodes[name]
        if node.op != "conv3d" or options.tubes == "none":
            continue
        where = map_tensor(graph, node, values, consumers)
        chosen = sorted(layer.relevance)
        maps = weighed[where][chosen].astype(np.float64)
        if options.rule == "grad":      # decided: G at the map itself, in the (masked) backward pass,
            if other is not None:       # and of the map what differs from the baseline's
                maps = maps - other[where][chosen]
            g = np.mean([point[where][chosen].astype(np.float64) for point in grads], 0)
            raw = np.maximum((maps * g).sum(0), 0.0)
        else:
            raw = maps.sum(0)
        result.tubes[name] = tube(raw, values, options)
        if options.tubes == "kernels":
            x = values[node.inputs[0]].astype(np.float64)
            for o in chosen:
                children = sorted(i for p, i in layer.edges if p == o)
                result.kernel_tubes[name, o] = tube(x[children].sum(0), values, options)


# ---- Edges of the rule grad ------------------------------------------------------------------------

def pair_values(node, x, gradient):
    """v(o, i), O x C: the sum over taps of W(o, i) times its gradient, over T*H*W of x; 0 where o does
    not read i.  gradient: at the layer's own output."""
    weight = node.weights["weight"].astype(np.float64)
    outputs, per_group = weight.shape[:2]
    kernel, positions = weight.shape[2:] or (1, 1, 1), gradient.shape[1:]
    weight = weight.reshape(outputs, per_group, *kernel)
    triple = {key: node.attribute(key) if node.op == "conv3d" else default for key, default in
              (("stride", (1, 1, 1)), ("dilation", (1, 1, 1)), ("pad_begin", (0, 0, 0)), ("pad_end", (0, 0, 0)))}
    padded = np.pad(x, [(0, 0), *zip(triple["pad_begin"], triple["pad_end"])])
    v = np.zeros((outputs, x.shape[0]))
    for tap in np.ndindex(*kernel):
        window = tuple(slice(k * d, k * d + (n - 1) * s + 1, s) for k, d, n, s in
                       zip(tap, triple["dilation"], positions, triple["stride"]))
        seen = padded[(slice(None), *window)].reshape(x.shape[0], -1)
        for o in range(outputs):
            channels = group_channels(node, o)
            v[o, channels] += weight[(o, slice(None), *tap)] * (seen[channels] @ gradient[o].reshape(-1))
    return v / x[0].size


def add_edges(layer, name, o, chosen, v, high, decide):
    """Of the channels that are selected those with v(o, i) > 0, and r(o, i) = v(o, i) / high."""
    slack = 10 * NEAR * np.abs(v).max(initial=0.0)
    for i in chosen:
        edge = v[i] > 0
        if abs(v[i]) <= slack:
            layer.weak.add((o, i))
            edge = decide(name, o, i) if decide else edge
        if edge:
            layer.edges[o, i] = v[i] / high if high > 0 else 0.0


# ---- The descent ---------------------------------------------------------------------------------

def explain(graph, values, options, backward=None, decide=None, other=None, points=None):
    """The whole of SPEC 1 for one clip.

    values    tensor name -> C x T x H x W of the forward pass, "input" included
    backward  (node, inputs, gradient) -> gradients of the inputs; needed by the rule grad
    decide    see select()
    other     values of the clip of --baseline, None for zero
    points    values of each of the clips that points_between gives; None: values alone.  With
              --turn-down: those of the clip in the network that is turned down

    decided: every layer with depth <= D and at least one selected kernel is visited, and takes its
    back-step, at depth D too.
    """
    consumers, layer_depth = graph.consumers(), depths(graph)
    result = Explanation()
    logits = graph.logits_node()
    demands = {logits: {options.class_index: 1.0}}               # tensor -> {channel: R}
    points = [values] if points is None else points
    turned = turned_maps(graph, values, options)
    weighed = points[0] if turned else values                    # whose x meets the gradient
    target = target_of(graph, options)
    at_clip = target_gradient(values[logits].reshape(-1), options.class_index, target)
    grads = [{} for _ in points]                                 # of each: tensor -> its gradient
    if options.rule == "grad":
        for point, mine in zip(points, grads):
            g = target_gradient(point[logits].reshape(-1), options.class_index, target)
            mine[logits] = g.astype(np.float32).reshape(values[logits].shape)

    def backpropagate(node, gradients):
        """Adds the gradients at the inputs of the node, at every point, to what is there; returns
        what it gave to its first input."""
        first = []
        for point, mine, gradient in zip(points, grads, gradients):
            parts = backward(node, [point[i] for i in node.inputs], gradient)
            for source, part in zip(node.inputs, parts):
                mine[source] = mine[source] + part if source in mine else part
            first.append(parts[0])
        return first

    def product(node, gradients):
        """v(i): the mean over T, H, W of (x(i) - x'(i)) * G(i), G the mean of the gradients."""
        x = weighed[node.inputs[0]].astype(np.float64)
        if other is not None:
            x = x - other[node.inputs[0]]
        g = np.mean([g.astype(np.float64) for g in gradients], 0)
        return (x * g).reshape(x.shape[0], -1).mean(1)

    def pairs(node, gradients):
        """v(o, i) of every kernel and channel of the layer."""
        x = weighed[node.inputs[0]].astype(np.float64)
        if other is not None:
            x = x - other[node.inputs[0]]
        return pair_values(node, x, np.mean([g.astype(np.float64) for g in gradients], 0))

    for name in reversed(list(graph.nodes)):
        node, demand = graph.nodes[name], demands.get(name, {})
        if node.op not in ("conv3d", "linear"):
            for position, source in enumerate(node.inputs):
                merge(demands, source, route(node, position, demand, values, options.rule))
            if name in grads[0]:
                backpropagate(node, [np.float32(turned.get(name, 1)) * mine[name] for mine in grads])
            continue
        if name not in layer_depth or (options.depth is not None and layer_depth[name] > options.depth):
            continue
        # decided: nothing is masked at any layer of depth 0, which is where the classes' rivals are
        masks = options.mask == "selected" and layer_depth[name] > 0
        own = None                                               # G, this layer's own backward-data
        if options.rule == "grad" and name in grads[0] and (demand or not masks):
            passed = [np.float32(turned.get(name, 1)) * mine[name] for mine in grads]
            for gradient in passed:
                if masks:
                    gradient[[o for o in range(len(gradient)) if o not in demand]] = 0.0
            own = backpropagate(node, passed)
        if not demand:
            continue
        layer = Layer(layer_depth[name], values[name].shape[0], dict(sorted(demand.items())))
        result.layers[name] = layer
        x = values[node.inputs[0]]
        r_of_all = None
        if options.rule == "grad":
            v = product(node, own)
            v_of_pairs = pairs(node, passed)
            r_of_all = by_max(v)                                 # over the layer's input channels
        for o, relevance in layer.relevance.items():
            if options.rule == "grad":
                channels = group_channels(node, o)
                r, doubt = r_of_all[channels], 1.0
            elif layer.depth == 0:
                channels, r, doubt = class_relevance(node, o, x, options, at_clip)
            elif options.rule == "cfp":
                channels, r, doubt = rule_cfp(graph, node, o, x, options, consumers)
            else:
                channels, r, doubt = rule_reference(graph, node, o, x, options, consumers)
            chosen = select(name, o, channels, r, relevance, options, doubt, decide, result.near)
            if options.rule == "grad":
                add_edges(layer, name, o, chosen, v if layer.depth == 0 else v_of_pairs[o],
                          max(v.max(), 0.0), decide)
            else:
                layer.edges.update({(o, i): value for i, value in chosen.items()})
            factor = relevance if options.propagate == "path" else 1.0
            merge(demands, node.inputs[0], {i: factor * value for i, value in chosen.items()})
    add_tubes(result, graph, values, weighed, other, grads, options, consumers)
    return result
