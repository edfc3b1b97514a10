#!/usr/bin/env python3
"""Model files that are broken in every way we can think of, and clips that are none.

    check_bad_input.py CFP_GPU [--flips N] [--every N] [--seed S]

A small valid model is made, then damaged: cut short, bytes flipped, types, ranks and names wrong,
cycles, absurd sizes.  For every damaged file the program must end within 10 s of processor time with
status 1, one line on standard error that starts with "cfp-gpu: " and says what each case expects, and
no output left.  Flipped bytes may by chance hurt nothing that is read: then it may also succeed.

HDF5 1.10 itself crashes on damaged files or reads them for ever; it does so in a child process of
its own (host/h5).  Memory is limited as by ulimit, and what a sanitizer finds inside libhdf5 is
counted apart.
Exit status 77: numpy or h5py is not there."""
import argparse
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing} (needs the Python packages h5py and numpy)")
    sys.exit(77)

import child  # noqa: E402 (after the packages that may be missing)

# The promise is about the program's own work, and processor time does not pass while a busy machine lets
# it wait.  host/h5 ends what HDF5 reads for ever after two seconds of it.  The kernel ends what works on.
LIMIT_S = 10
STUCK_S = 120      # of the clock: waits for something that does not come
LIMIT_BYTES = 3 << 30
TEXT = h5py.string_dtype("utf-8")


def make_model(path):
    """A valid network of six nodes: two convolutions, one of them grouped, and a classifier."""
    rng = np.random.default_rng(1)
    with h5py.File(path, "w", libver=("earliest", "v110")) as f:
        f.attrs.update({"cfp_format": "model", "cfp_version": np.int32(1), "name": "tiny", "output": "fc"})
        f.create_dataset("classes", data=["a", "b", "c"], dtype=TEXT)
        spec = f.create_group("input").attrs
        for key, value in dict(channels=3, frames=4, height=8, width=8, frame_stride=1, resize_short=0).items():
            spec[key] = np.int32(value)
        spec.update({"crop": "center", "color": "RGB", "scale": 255.0, "mean": np.zeros(3), "std": np.ones(3)})
        f.create_group("graph")

        def node(name, op, inputs, attributes=(), **data):
            group = f["graph"].create_group(name)
            group.attrs["op"] = op
            group.attrs.create("inputs", inputs, dtype=TEXT)
            for key, value in dict(attributes).items():
                group.attrs[key] = value
            for key, value in data.items():
                group.create_dataset(key, data=np.asarray(value, np.float32))

        def weights(*shape):
            return rng.normal(size=shape)

        triple = {"stride": np.int32([1, 1, 1]), "pad_begin": np.int32([1, 1, 1]), "pad_end": np.int32([1, 1, 1])}
        node("conv1", "conv3d", ["input"], triple, weight=weights(4, 3, 3, 3, 3), bias=weights(4))
        node("bn1", "batchnorm", ["conv1"], {"eps": 1e-5}, gamma=np.ones(4), beta=np.zeros(4), mean=np.zeros(4), var=np.ones(4))
        node("relu1", "relu", ["bn1"])
        node("conv2", "conv3d", ["relu1"], {"groups": np.int32(2)}, weight=weights(6, 2, 1, 1, 1))
        node("pool", "globalavgpool", ["conv2"])
        node("fc", "linear", ["pool"], weight=weights(3, 6), bias=np.zeros(3))


CASES = []  # (name, what the message must match, function that damages an open h5py.File)
ABSURD = re.compile(r"2\^|2147483647|huge|petabyte|beyond|enormous")  # names of those that ask for memory


def case(name, message):
    def add(damage):
        CASES.append((name, message, damage))
        return damage
    return add


def replace(group, key, data):
    """A dataset of the same name with other contents."""
    del group[key]
    group.create_dataset(key, data=data)


def text_attribute(group, key, value):
    group.attrs.create(key, value, dtype=TEXT)


def simple(name, message, damage):
    CASES.append((name, message, damage))


# The root
simple("format missing", "", lambda f: f.attrs.__delitem__("cfp_format"))
simple("format of another kind", "", lambda f: f.attrs.__setitem__("cfp_format", "explanation"))
simple("format a number", "", lambda f: f.attrs.__setitem__("cfp_format", 7))
simple("version unknown", "", lambda f: f.attrs.__setitem__("cfp_version", np.int32(99)))
simple("version missing", "", lambda f: f.attrs.__delitem__("cfp_version"))
simple("output missing", "output", lambda f: f.attrs.__delitem__("output"))
simple("output names nobody", "nobody", lambda f: f.attrs.__setitem__("output", "nobody"))
simple("output not the classifier's shape", "", lambda f: f.attrs.__setitem__("output", "relu1"))
simple("classes missing", "classes", lambda f: f.__delitem__("classes"))
simple("classes empty", "", lambda f: replace(f, "classes", np.zeros(0, "S1")))
simple("classes numbers", "classes", lambda f: replace(f, "classes", np.arange(3)))
simple("classes two-dimensional", "classes", lambda f: replace(f, "classes", np.full((3, 1), b"x")))
simple("classes too few", "", lambda f: (f.__delitem__("classes"), f.create_dataset("classes", data=["a", "b"], dtype=TEXT)))
simple("classes too many", "", lambda f: (f.__delitem__("classes"), f.create_dataset("classes", data=list("abcd"), dtype=TEXT)))
simple("graph missing", "graph", lambda f: f.__delitem__("graph"))
simple("graph empty", "", lambda f: [f["graph"].__delitem__(k) for k in list(f["graph"])])
simple("graph a dataset", "graph", lambda f: (f.__delitem__("graph"), f.create_dataset("graph", data=np.zeros(3))))
simple("node a dataset", "stray", lambda f: f["graph"].create_dataset("stray", data=np.zeros(3)))

# The input
for key in ("channels", "frames", "height", "width"):
    simple(f"{key} missing", key, lambda f, k=key: f["input"].attrs.__delitem__(k))
    for value in (0, -1, 2**31 - 1):
        simple(f"{key} {value}", "", lambda f, k=key, v=value: f["input"].attrs.__setitem__(k, np.int32(v)))
    simple(f"{key} beyond int", "", lambda f, k=key: f["input"].attrs.__setitem__(k, np.int64(2**40)))
    simple(f"{key} a string", key, lambda f, k=key: f["input"].attrs.__setitem__(k, "many"))
    simple(f"{key} an array", key, lambda f, k=key: f["input"].attrs.__setitem__(k, np.int32([3, 3, 3])))
simple("all sizes huge", "", lambda f: [f["input"].attrs.__setitem__(k, np.int32(65536)) for k in ("frames", "height", "width")])
simple("input missing", "input", lambda f: f.__delitem__("input"))
simple("frame_stride 0", "frame_stride", lambda f: f["input"].attrs.__setitem__("frame_stride", np.int32(0)))
simple("resize_short negative", "resize_short", lambda f: f["input"].attrs.__setitem__("resize_short", np.int32(-3)))
for name, value in {"smaller than the crop": np.int32([8, 7]), "zero": np.int32([0, 0]), "negative": np.int32([-9, 9]),
                    "huge": np.int32([9, 2**31 - 1]), "one number": np.int32([9]), "three numbers": np.int32([9, 9, 9]),
                    "scalar": np.int32(9), "not whole": np.array([9.5, 9]), "text": "9x9"}.items():
    simple(f"resize {name}", "input: .*resize", lambda f, v=value: f["input"].attrs.__setitem__("resize", v))
simple("BGR of optical flow", "color 'BGR' with 2 channels", lambda f: (
    f["input"].attrs.__setitem__("channels", np.int32(2)), f["input"].attrs.__setitem__("color", "BGR")))

simple("scale 0", "scale", lambda f: f["input"].attrs.__setitem__("scale", 0.0))
simple("scale NaN", "scale", lambda f: f["input"].attrs.__setitem__("scale", np.nan))
simple("std 0", "std", lambda f: f["input"].attrs.__setitem__("std", np.zeros(3)))
simple("std too short", "std", lambda f: f["input"].attrs.__setitem__("std", np.ones(2)))
simple("mean infinite", "mean", lambda f: f["input"].attrs.__setitem__("mean", np.full(3, np.inf)))
simple("mean two-dimensional", "mean", lambda f: f["input"].attrs.__setitem__("mean", np.zeros((3, 3))))
simple("mean beyond float32", "into no numbers", lambda f: f["input"].attrs.__setitem__("mean", np.full(3, 1e300)))
simple("std next to 0", "into no numbers", lambda f: f["input"].attrs.__setitem__("std", np.full(3, 1e-44)))
simple("color unknown", "color", lambda f: f["input"].attrs.__setitem__("color", "CMYK"))
simple("resize_filter unknown", "resize_filter 'bicubic' is neither bilinear nor antialias",
       lambda f: f["input"].attrs.__setitem__("resize_filter", "bicubic"))
simple("resize_filter empty", "resize_filter ''", lambda f: f["input"].attrs.__setitem__("resize_filter", ""))
simple("resize_filter a number", "resize_filter", lambda f: f["input"].attrs.__setitem__("resize_filter", np.int32(1)))
simple("crop unknown", "crop", lambda f: f["input"].attrs.__setitem__("crop", "corner"))

# Nodes
simple("op missing", "relu1", lambda f: f["graph/relu1"].attrs.__delitem__("op"))
simple("op unknown", "relu1.*softrelu", lambda f: f["graph/relu1"].attrs.__setitem__("op", "softrelu"))
simple("op 'input'", "relu1", lambda f: f["graph/relu1"].attrs.__setitem__("op", "input"))
simple("op empty", "relu1", lambda f: f["graph/relu1"].attrs.__setitem__("op", ""))
simple("op a number", "relu1", lambda f: f["graph/relu1"].attrs.__setitem__("op", 3))
simple("op enormous", "relu1", lambda f: f["graph/relu1"].attrs.__setitem__("op", "x" * 60000))
simple("op with line breaks", "relu1", lambda f: f["graph/relu1"].attrs.__setitem__("op", "a\nb\r\033[31mc"))
simple("inputs missing", "relu1", lambda f: f["graph/relu1"].attrs.__delitem__("inputs"))
simple("inputs name nobody", "relu1.*nobody", lambda f: text_attribute(f["graph/relu1"], "inputs", ["nobody"]))
simple("inputs empty", "relu1", lambda f: text_attribute(f["graph/relu1"], "inputs", np.array([], dtype=object)))
simple("inputs too many", "relu1", lambda f: text_attribute(f["graph/relu1"], "inputs", ["bn1", "bn1"]))
simple("inputs numbers", "relu1", lambda f: f["graph/relu1"].attrs.__setitem__("inputs", np.int32([1])))
simple("inputs itself", "relu1", lambda f: text_attribute(f["graph/relu1"], "inputs", ["relu1"]))
simple("inputs a cycle", "", lambda f: text_attribute(f["graph/bn1"], "inputs", ["relu1"]))
simple("inputs a long cycle", "", lambda f: text_attribute(f["graph/conv1"], "inputs", ["pool"]))
simple("add of one", "relu1", lambda f: f["graph/relu1"].attrs.__setitem__("op", "add"))


@case("add of shapes that do not fit", "sum")
def _(f):
    group = f["graph"].create_group("sum")
    group.attrs["op"] = "add"
    text_attribute(group, "inputs", ["conv1", "conv2"])
    text_attribute(f["graph/pool"], "inputs", ["sum"])


@case("slice out of range", "part")
def _(f):
    group = f["graph"].create_group("part")
    group.attrs.update({"op": "slice", "axis": np.int32(1), "start": np.int32(3), "stop": np.int32(900), "step": np.int32(0)})
    text_attribute(group, "inputs", ["conv2"])
    text_attribute(f["graph/pool"], "inputs", ["part"])


@case("slice of axis 9", "part")
def _(f):
    group = f["graph"].create_group("part")
    group.attrs.update({"op": "slice", "axis": np.int32(9), "start": np.int32(0), "stop": np.int32(1), "step": np.int32(1)})
    text_attribute(group, "inputs", ["conv2"])
    text_attribute(f["graph/pool"], "inputs", ["part"])


@case("shuffle of groups that do not divide", "mixed")
def _(f):
    group = f["graph"].create_group("mixed")
    group.attrs.update({"op": "channel_shuffle", "groups": np.int32(4)})
    text_attribute(group, "inputs", ["conv2"])
    text_attribute(f["graph/pool"], "inputs", ["mixed"])


@case("pad by 2^31", "padded")
def _(f):
    group = f["graph"].create_group("padded")
    group.attrs.update({"op": "pad", "pad_begin": np.int32([2**31 - 1] * 3), "pad_end": np.int32([2**31 - 1] * 3)})
    text_attribute(group, "inputs", ["conv2"])
    text_attribute(f["graph/pool"], "inputs", ["padded"])


@case("pad channels by 2^31", "padded")
def _(f):
    group = f["graph"].create_group("padded")
    group.attrs.update({"op": "pad", "channels_begin": np.int32(2**31 - 1), "channels_end": np.int32(2**31 - 1)})
    text_attribute(group, "inputs", ["conv2"])
    text_attribute(f["graph/pool"], "inputs", ["padded"])


for op in ("maxpool3d", "avgpool3d"):
    for name, kernel in (("0", [0, 0, 0]), ("-1", [-1, 1, 1]), ("larger than its input", [99, 1, 1]), ("2^31", [2**31 - 1] * 3)):
        @case(f"{op} kernel {name}", "window")
        def _(f, op=op, kernel=kernel):
            group = f["graph"].create_group("window")
            group.attrs.update({"op": op, "kernel": np.int32(kernel)})
            text_attribute(group, "inputs", ["conv2"])
            text_attribute(f["graph/pool"], "inputs", ["window"])


@case("pool without a kernel", "window")
def _(f):
    group = f["graph"].create_group("window")
    group.attrs["op"] = "maxpool3d"
    text_attribute(group, "inputs", ["conv2"])
    text_attribute(f["graph/pool"], "inputs", ["window"])


@case("pool that pads more than it covers", "window")
def _(f):
    group = f["graph"].create_group("window")
    group.attrs.update({"op": "maxpool3d", "kernel": np.int32([1, 1, 1]), "pad_begin": np.int32([5, 5, 5])})
    text_attribute(group, "inputs", ["conv2"])
    text_attribute(f["graph/pool"], "inputs", ["window"])


# Attributes of a convolution
for key, values in {"stride": ([0, 1, 1], [-1, 1, 1]), "dilation": ([0, 1, 1], [2**31 - 1] * 3),
                    "pad_begin": ([-1, 0, 0], [2**31 - 1] * 3), "pad_end": ([-1, 0, 0], [2**31 - 1] * 3)}.items():
    for value in values:
        simple(f"{key} {value}", "conv1", lambda f, k=key, v=value: f["graph/conv1"].attrs.__setitem__(k, np.int32(v)))
    simple(f"{key} of two", f"conv1.*{key}", lambda f, k=key: f["graph/conv1"].attrs.__setitem__(k, np.int32([1, 1])))
    simple(f"{key} text", f"conv1.*{key}", lambda f, k=key: f["graph/conv1"].attrs.__setitem__(k, "111"))
    simple(f"{key} not whole", f"conv1.*{key}", lambda f, k=key: f["graph/conv1"].attrs.__setitem__(k, np.array([1.5, 1, 1])))
for value in (0, -2, 3, 2**31 - 1):
    simple(f"groups {value}", "conv2", lambda f, v=value: f["graph/conv2"].attrs.__setitem__("groups", np.int32(v)))



def activation(name, message, op, attributes=(), **data):
    """relu1 as another activation."""
    def damage(f):
        group = f["graph/relu1"]
        text_attribute(group, "op", op)
        for key, value in dict(attributes).items():
            group.attrs[key] = value
        for key, value in data.items():
            group.create_dataset(key, data=np.float32(value))
    simple(name, f"node 'relu1'.*{message}", damage)


activation("prelu without slopes", "slope", "prelu")
activation("prelu with too few slopes", "has 3 slopes, its input 4 channels", "prelu", slope=[1, 2, 3])
activation("prelu with slopes of rank 2", "slope", "prelu", slope=[[1, 2, 3, 4]])
activation("prelu with a slope that is no number", "slope", "prelu", slope=[1, np.nan, 3, 4])
for op, keys in (("elu", ("alpha", "scale", "input_scale")), ("softplus", ("beta", "threshold")), ("clip", ("min", "max"))):
    for key in keys:
        for value in (np.nan, np.inf, "many"):
            activation(f"{op} with {key} {value}", f"'?{key}", op, {key: value})
activation("softplus with beta 0", "'beta' is 0; 0 or less is not supported", "softplus", {"beta": 0.0})
activation("leakyrelu with a slope below 0", "'negative_slope' is -1; below 0", "leakyrelu", {"negative_slope": -1.0})
activation("clip to nothing", "'min' 2 is not below 'max' 1", "clip", {"min": 2.0})
activation("upsample without factor", "factor", "upsample")
activation("upsample by 0", "factor 0 of H", "upsample", {"factor": np.int32([1, 0, 1])})
activation("upsample beyond all", "factor 16777216 of", "upsample", {"factor": np.int32([1 << 24, 1, 1])})
activation("pad of another mode", "mode 'wrap' is none of constant, replicate, reflect", "pad", {"mode": "wrap"})
activation("pad that reflects all", "reflects .* less than all is wanted", "pad", {"mode": "reflect", "pad_begin": np.int32([0, 99, 0])})
activation("pad that replicates channels", "pads channels with mode 'replicate'", "pad", {"mode": "replicate", "channels_end": np.int32(1)})
for axis in (0, 5, -1):
    activation(f"concat along {axis}", f"axis {axis} is none of 1", "concat", {"axis": np.int32(axis)})
activation("groupnorm without groups", "groups", "groupnorm")
activation("groupnorm that does not divide", "3 groups do not divide 4 channels", "groupnorm", {"groups": np.int32(3)})
activation("groupnorm of no groups", "0 groups do not divide 4 channels", "groupnorm", {"groups": np.int32(0)})
for op in ("instancenorm", "groupnorm", "layernorm"):
    two = {"groups": np.int32(2)} if op == "groupnorm" else {}
    for value in (np.nan, np.inf, 0.0, -1.0):
        activation(f"{op} with eps {value}", "eps", op, {"eps": value, **two})
    activation(f"{op} of other channels", "has 5 channels, its input 4", op, two, gamma=np.ones(5), beta=np.ones(5))
    activation(f"{op} with gamma alone", "beta", op, two, gamma=np.ones(4))
    activation(f"{op} with beta alone", "has beta and no gamma", op, two, beta=np.ones(4))
    activation(f"{op} with two lengths", "beta has 3 values, gamma 4", op, two, gamma=np.ones(4), beta=np.ones(3))
simple("eps NaN", "bn1", lambda f: f["graph/bn1"].attrs.__setitem__("eps", np.nan))
simple("eps negative beyond var", "bn1", lambda f: f["graph/bn1"].attrs.__setitem__("eps", -2.0))

# Weights
for path in ("conv1/weight", "conv1/bias", "bn1/gamma", "bn1/beta", "bn1/mean", "bn1/var", "fc/weight"):
    node, key = path.split("/")
    for what, value in (("NaN", np.nan), ("infinite", np.inf)):
        @case(f"{path} {what}", f"{node}")
        def _(f, path=path, value=value):
            f["graph/" + path][tuple(0 for _ in f["graph/" + path].shape)] = value
    simple(f"{path} a string", node, lambda f, n=node, k=key: replace(f["graph/" + n], k, "weights"))
    simple(f"{path} a scalar", node, lambda f, n=node, k=key: replace(f["graph/" + n], k, np.float32(1)))
    simple(f"{path} empty", node, lambda f, n=node, k=key: replace(f["graph/" + n], k, np.zeros(0, np.float32)))
    simple(f"{path} of another shape", node, lambda f, n=node, k=key: replace(f["graph/" + n], k, np.ones((5, 2, 3, 3, 3, 1), np.float32)))
    simple(f"{path} compound", node, lambda f, n=node, k=key: replace(f["graph/" + n], k, np.zeros(4, [("x", "f4"), ("y", "i4")])))
    if path != "conv1/bias":
        simple(f"{path} missing", node, lambda f, n=node, k=key: f["graph/" + n].__delitem__(k))
simple("var negative", "bn1", lambda f: replace(f["graph/bn1"], "var", np.float32([1, 1, -1, 1])))
simple("weight of another rank", "fc", lambda f: replace(f["graph/fc"], "weight", np.ones((3, 6, 1), np.float32)))
simple("weight of another width", "fc", lambda f: replace(f["graph/fc"], "weight", np.ones((3, 7), np.float32)))
simple("weight a group", "fc", lambda f: (f["graph/fc"].__delitem__("weight"), f["graph/fc"].create_group("weight")))


@case("weight of a petabyte", "conv1")
def _(f):
    del f["graph/conv1/weight"]
    f["graph/conv1"].create_dataset("weight", shape=(2**20, 2**20, 3, 3, 3), dtype="f4", chunks=(1, 1, 3, 3, 3))


@case("weight of 2^63 kernels", "conv1")
def _(f):
    del f["graph/conv1/weight"]
    f["graph/conv1"].create_dataset("weight", shape=(2**62, 3, 1, 1, 1), dtype="f4", chunks=(1, 3, 1, 1, 1))


@case("links in a circle", "")
def _(f):
    f["graph/conv1/loop"] = h5py.SoftLink("/graph/conv1/loop")
    del f["graph/conv1/weight"]
    f["graph/conv1/weight"] = h5py.SoftLink("/graph/conv1/weight")


@case("a link to nowhere", "")
def _(f):
    f["graph/lost"] = h5py.SoftLink("/nowhere")


@case("weights in another file", "conv1")
def _(f):
    del f["graph/conv1/weight"]
    f["graph/conv1/weight"] = h5py.ExternalLink("/etc/passwd", "/weight")


def limit_time():
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S + 1, LIMIT_S + 1))


def limit_memory_and_time():
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    limit_time()


def found_in_hdf5(report):
    """Whether a sanitizer's report is about HDF5's own code: the first frame that is no wrapper of libc's."""
    frames = [line for line in report.splitlines() if re.match(r" *#\d+ 0x", line)]
    # The process that reads HDF5 may open nothing, so its frames have no names of files and lines.
    ours = [line for line in frames if "/libsanitizer/" not in line and "/libasan" not in line]
    return bool(ours) and "libhdf5" in ours[0]


class Checker:
    def __init__(self, program, folder):
        self.program, self.folder, self.bad, self.done, self.hdf5 = program, folder, 0, 0, 0
        with open(program, "rb") as f:
            self.sanitized = b"__asan_init" in f.read()
        # Leaks: HDF5's, when it gives up half way, hide ours; the well-formed cases look for those.
        self.environment = dict(os.environ, ASAN_OPTIONS="allocator_may_return_null=1:max_allocation_size_mb=3000:detect_leaks=0")
        self.clip = os.path.join(folder, "clip.npy")
        np.save(self.clip, np.random.default_rng(2).integers(0, 256, (4, 8, 8, 3), np.uint8))

    def wrong(self, name, why):
        self.bad += 1
        print(f"{name}: {why}")

    def run(self, name, arguments, message="", may_succeed=False):
        self.done += 1
        try:
            ran, seconds = child.run([self.program, *arguments], STUCK_S, env=self.environment if may_succeed else None,
                                     preexec_fn=limit_time if self.sanitized else limit_memory_and_time)
        except child.Stuck as stuck:
            return self.wrong(name, stuck)
        said = ran.stderr.decode("utf-8", "replace")
        said = re.sub(r"==\d+==WARNING: AddressSanitizer failed to allocate.*\n", "", said)
        if seconds > LIMIT_S:
            return self.wrong(name, f"{seconds:.1f} s of processor time, status {ran.returncode}: {said[-2000:]}")
        if ran.returncode == 0 and may_succeed:
            return None
        if may_succeed and "Sanitizer" in said and found_in_hdf5(said):
            self.hdf5 += 1
            return None
        if ran.returncode != 1:
            return self.wrong(name, f"status {ran.returncode}: {said[-2000:]}")
        lines = said.splitlines()
        if len(lines) != 1 or not said.startswith("cfp-gpu: ") or not said.endswith("\n"):
            return self.wrong(name, f"not one line: {said[:2000]!r}")
        if re.search(message, said) is None:
            return self.wrong(name, f"does not say {message!r}: {said.strip()}")
        if any(ord(c) < 32 for c in lines[0]):
            return self.wrong(name, f"control characters: {said!r}")
        return None

    def explain(self, name, model, clip=None, message="", may_succeed=False, options=()):
        out = os.path.join(self.folder, "out")
        self.run(name, ["explain", "-q", model, clip or self.clip, "-o", out, "--format", "json", "--device", "ref", *options], message,
                 may_succeed)
        if os.path.exists(out):
            left = [f for _, _, files in os.walk(out) for f in files]
            shutil.rmtree(out)
            if left and not may_succeed:
                self.wrong(name, f"left behind: {left}")


def damaged_files(check, model, rng, flips):
    whole = open(model, "rb").read()
    path = os.path.join(check.folder, "damaged.h5")

    def write(data):
        with open(path, "wb") as f:
            f.write(data)

    lengths = sorted({0, 1, 7, 8, 9, 48, 95, 96, 97, 511, 512, 513, len(whole) - 1} | {rng.randrange(len(whole)) for _ in range(40)})
    for length in lengths:
        write(whole[:length])
        check.run(f"cut to {length} bytes", ["inspect", path], may_succeed=length == len(whole) - 1)
    for k in range(flips):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 1, 2, 8))):
            data[rng.randrange(min(len(data), rng.choice((200, 2000, len(data)))))] ^= 1 << rng.randrange(8)
        write(data)
        check.run(f"flip {k}", ["inspect", path], may_succeed=True)
    write(bytes(rng.randrange(256) for _ in range(5000)))
    check.run("noise", ["inspect", path])
    write(whole[:600] + bytes(len(whole) - 600))
    check.run("zeros after 600 bytes", ["inspect", path])


def bad_clips(check, model):
    def path(name, data=b""):
        full = os.path.join(check.folder, name)
        with open(full, "wb") as f:
            f.write(data)
        return full
    os.makedirs(os.path.join(check.folder, "empty"))
    np.save(os.path.join(check.folder, "float.npy"), np.zeros((4, 8, 8, 3)))
    np.save(os.path.join(check.folder, "gray.npy"), np.zeros((4, 8, 8), np.uint8))
    np.save(os.path.join(check.folder, "none.npy"), np.zeros((0, 8, 8, 3), np.uint8))
    npy = open(check.clip, "rb").read()
    with h5py.File(os.path.join(check.folder, "frames.h5"), "w") as f:
        f.create_dataset("frames", data=np.zeros((4, 8, 8), np.uint8))
    for name in ("empty", "float.npy", "gray.npy", "none.npy", "frames.h5", "not-there.mp4"):
        check.explain(f"clip {name}", model, os.path.join(check.folder, name), re.escape(name))
    for name, data in {"zero.mp4": b"", "noise.mp4": bytes(range(256)) * 50, "text.avi": b"hello\n" * 100, "zero.npy": b"",
                       "short.npy": npy[:-100], "head.npy": npy[:20], "zero.h5": b"",
                       "huge.npy": npy.replace(b"(4, 8, 8, 3)", b"(4" + b"0" * 9 + b", 8, 8, 3)"),
                       "model.mp4": open(model, "rb").read()}.items():
        check.explain(f"clip {name}", model, path(name, data), re.escape(name))
    check.explain("a model as its own clip", model, model)
    for frames in (1, 3, 9):             # a baseline is compared with the clip frame by frame
        np.save(os.path.join(check.folder, "other.npy"), np.zeros((frames, 8, 8, 3), np.uint8))
        check.explain(f"a baseline of {frames} frames", model, None, f"--baseline: .*other.npy has {frames} frame", False,
                      ("--rule", "grad", "--baseline", os.path.join(check.folder, "other.npy")))
    for name in ("empty", "gray.npy", "noise.mp4", "not-there.mp4"):
        check.explain(f"baseline {name}", model, None, re.escape(name), False,
                      ("--rule", "grad", "--baseline", os.path.join(check.folder, name)))
    np.save(os.path.join(check.folder, "flow.npy"), np.full((4, 8, 8, 2), 128, np.uint8))
    check.explain("optical flow for a model of colours", model, os.path.join(check.folder, "flow.npy"),
                  "flow.npy: .*does not read optical flow")
    flow = os.path.join(check.folder, "flow.h5")
    shutil.copy(model, flow)
    with h5py.File(flow, "r+") as f:
        f["input"].attrs["channels"] = np.int32(2)
        f["input"].attrs["mean"], f["input"].attrs["std"] = np.zeros(2), np.ones(2)
        replace(f["graph/conv1"], "weight", f["graph/conv1/weight"][:, :2])
    check.run("optical flow", ["predict", "-q", flow, os.path.join(check.folder, "flow.npy")], may_succeed=True)
    for clip in (check.clip, os.path.join(check.folder, "empty"), os.path.join(check.folder, "text.avi")):
        check.explain("a clip for a model of optical flow", flow, clip, re.escape(clip) + ": .*the model reads optical flow")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--flips", type=int, default=150, help="files with flipped bytes")
    parser.add_argument("--every", type=int, default=1, help="of the damaged attributes and data sets only every Nth, and those of absurd sizes")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="cfp-bad-")
    check = Checker(os.path.abspath(arguments.program), folder)
    try:
        model = os.path.join(folder, "good.h5")
        make_model(model)
        good = subprocess.run([check.program, "explain", "-q", model, check.clip, "-o", os.path.join(folder, "good"), "--format", "json",
                               "--device", "ref"],
                              capture_output=True)
        if good.returncode != 0 or good.stderr:
            sys.exit(f"the undamaged model: status {good.returncode}: {good.stderr.decode()}")
        path = os.path.join(folder, "case.h5")
        for number, (name, message, damage) in enumerate(CASES):
            if number % arguments.every and not ABSURD.search(name):
                continue
            shutil.copy(model, path)
            with h5py.File(path, "r+") as f:
                damage(f)
            check.explain(name, path, message=message)
        damaged_files(check, model, random.Random(arguments.seed), arguments.flips)
        bad_clips(check, model)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{check.done} bad inputs, {check.bad} not refused as they should be" +
          (f"; {check.hdf5} times the sanitizer found fault with HDF5 itself" if check.hdf5 else ""))
    return 1 if check.bad else 0


if __name__ == "__main__":
    sys.exit(main())
