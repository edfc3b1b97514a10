"""Finds which ops and attributes of SPEC section 2 a set of graphs uses.  A test that never makes an
op would pass without testing it."""
from model_io import KERNEL_OPS, OPS


def _conv(node):
    weight, groups = node.weights["weight"], node.attribute("groups")
    yield "conv3d grouped", groups > 1 and weight.shape[1] > 1
    yield "conv3d depthwise", groups > 1 and weight.shape[1] == 1
    yield "conv3d stride", max(node.attribute("stride")) > 1
    yield "conv3d dilation", max(node.attribute("dilation")) > 1
    yield "conv3d without bias", "bias" not in node.weights
    yield "conv3d (2+1)D", tuple(weight.shape[2:]) in ((1, 3, 3), (3, 1, 1))


def _merging(node, graph, shapes):
    sources = [shapes[i] for i in node.inputs]
    out = shapes[node.name]
    yield f"{node.op} of three", len(sources) > 2
    yield f"{node.op} broadcast C x 1 x 1 x 1", any(s[1:] == (1, 1, 1) != out[1:] for s in sources)
    yield f"{node.op} broadcast T or H and W", any(
        s[0] == out[0] and 0 < sum(a != b for a, b in zip(s[1:], out[1:])) < 3 for s in sources)
    yield f"{node.op} of one channel", any(s[0] == 1 != out[0] for s in sources)
    yield f"{node.op} smaller input first", sources[0] != out


def features(graph, shapes):
    """Yields the name of each feature that a graph has; shapes: tensor -> (C, T, H, W)."""
    consumers = graph.consumers()
    found = []
    for node in graph.nodes.values():
        get, op = node.attribute, node.op
        source = graph.nodes.get(node.inputs[0])
        found += [(op, True), ("name not in ASCII", not node.name.isascii())]
        found += [("an attribute left to its default", any(
            v is not None and k not in node.attrs for k, v in OPS[op].items()))]
        if "pad_begin" in OPS[op]:
            found.append((f"{op} asymmetric padding", get("pad_begin") != get("pad_end")))
        if op == "conv3d":
            found += _conv(node)
        elif op in ("add", "mul"):
            found += _merging(node, graph, shapes)
        elif op in ("maxpool3d", "avgpool3d"):
            found.append((f"{op} ceil_mode", get("ceil_mode")))
            found.append((f"{op} overlapping", get("stride") != get("kernel")))
            if op == "avgpool3d" and any(get("pad_begin")):
                found.append((f"avgpool3d count_include_pad={get('count_include_pad')}", True))
        elif op == "pad":
            found += [("pad channels_begin", get("channels_begin")), ("pad channels_end", get("channels_end")),
                      ("pad value", get("value")), (f"pad mode {get('mode')}", True), ("pad sizes", any(get("pad_begin")))]
        elif op == "slice":
            found += [(f"slice axis {get('axis')}", True), (f"slice axis {get('axis')} step", get("step") > 1)]
        elif op == "batchnorm":
            follows = source is not None and source.op in KERNEL_OPS
            alone = follows and len(consumers[source.name]) == 1
            found += [("batchnorm alone", not follows), ("batchnorm beside another reader", follows and not alone)]
            found += [(f"batchnorm folded into {source.op}", alone)] if follows else []
        elif op == "linear":
            found += [(f"linear after {source.op}", True), ("linear without bias", "bias" not in node.weights)]
        elif op in ("softmax", "sigmoid"):
            last = node.inputs[0] == graph.logits_node()
            found.append((f"{op} at the end" if last else f"{op} inside", True))
        elif op == "concat":
            found.append(("concat of vectors", shapes[node.name][1:] == (1, 1, 1)))
            found.append((f"concat axis {get('axis')}", True))
    output = graph.nodes[graph.output]
    classifier = [n for n in graph.kernel_layers() if n.weights["weight"].shape[0] == len(graph.classes)]
    found += [("identity at the end", output.op == "identity"),
              ("convolution as the classifier", any(n.op == "conv3d" for n in classifier[-1:]))]
    return {name for name, present in found if present}


REQUIRED = frozenset(OPS) | {
    "name not in ASCII", "an attribute left to its default", "identity at the end",
    "conv3d asymmetric padding", "conv3d grouped", "conv3d depthwise", "conv3d stride", "conv3d dilation",
    "conv3d without bias", "conv3d (2+1)D", "convolution as the classifier", "linear without bias",
    "maxpool3d asymmetric padding", "maxpool3d ceil_mode", "maxpool3d overlapping",
    "avgpool3d asymmetric padding", "avgpool3d ceil_mode", "avgpool3d count_include_pad=0",
    "avgpool3d count_include_pad=1", "add of three", "add of one channel", "add broadcast T or H and W",
    "add smaller input first", "mul of one channel", "mul broadcast C x 1 x 1 x 1", "mul smaller input first",
    "pad channels_begin", "pad channels_end", "pad value", "pad sizes",
    "slice axis 1", "slice axis 2", "slice axis 3", "slice axis 4", "slice axis 1 step", "slice axis 2 step",
    "slice axis 3 step", "slice axis 4 step", "batchnorm alone", "batchnorm beside another reader",
    "batchnorm folded into conv3d", "batchnorm folded into linear", "linear after globalavgpool",
    "linear after flatten", "linear after concat",
    "concat axis 2", "pad mode replicate", "pad mode reflect", "softmax at the end", "softmax inside", "sigmoid at the end", "concat of vectors"}


def coverage(graphs):
    """graphs: (Graph, shapes) pairs -> ({feature: number of graphs}, sorted list of missing features)."""
    counts = {}
    for graph, shapes in graphs:
        for name in features(graph, shapes):
            counts[name] = counts.get(name, 0) + 1
    return counts, sorted(REQUIRED - set(counts))
