#!/usr/bin/env python3
"""Checks which files tools/import-checkpoint accepts, what it makes of them, and how it refuses others.

Files are saved as the projects save them (wrapped, with `module.`, together with an optimizer), and must give the same
weights. A file of another architecture, a damaged file, a pickle that would run code and a full disk must each end in one
line and no output. --random must give the same numbers on every machine; a digest of them is kept below.

Usage: check_checkpoint.py --cfp CFP-GPU
"""
import argparse
import enum
import hashlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / "tools"
sys.path[:0] = [str(TOOLS), str(HERE)]

ARCH = "x3d-xs"                        # small: 3.8 million parameters
DIGEST = "c2bbdaa408973e54de77342d7afd0223ce2725e1029052686d0248d7f67a5158"  # of --random 7 --width 0.25
failed = 0
tool = None                            # import-checkpoint as importer_tool.Tool


def check(title, right, found=""):
    global failed
    if not right:
        failed += 1
        print(f"FAIL {title}: {found}")


def run(*words, limit=None, alone=False):
    """import-checkpoint, in this process, which has imported what it wants; alone: as users run it.

    limit: bytes that a file may grow to, as a disk that is full; alone, too.
    """
    def before():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if alone or limit:
        return subprocess.run([sys.executable, str(TOOLS / "import-checkpoint"), *map(str, words)], capture_output=True,
                              text=True, preexec_fn=before, timeout=300)
    ended = tool(*words)
    return subprocess.CompletedProcess(words, ended.status, ended.out, ended.err)


def refused(title, pattern, folder, *words, status=1, **how):
    out = folder / "refused.h5"
    words = [out if word == "OUT" else word for word in words]
    done = run(*words, **how)
    lines = done.stderr.strip().splitlines()
    one = lines[-1:] if status == 2 else lines          # argparse shows the usage first
    check(title, done.returncode == status and len(one) == 1 and re.search(pattern, one[0]) and "Traceback" not in done.stderr,
          f"exit {done.returncode}: {done.stderr[-600:]}")
    left = sorted(p.name for p in folder.iterdir() if p.name.startswith("refused"))
    check(f"{title}: leaves nothing", not left, left)


def weights(path):
    """Every dataset of a model file's graph."""
    import h5py
    found = {}
    with h5py.File(path) as f:
        f["graph"].visititems(lambda name, node: found.__setitem__(name, node[()]) if isinstance(node, h5py.Dataset) else None)
    return found


def state_dict(arch=ARCH, layout=None, classes=5):
    """Random tensors under the keys of the published file."""
    import torch
    from importers.architectures import ARCHITECTURES, scaled
    from importers.network import Network
    from importers.profiles import PROFILES
    chosen = next(one for one in ARCHITECTURES[arch] if layout in (None, one.name))
    profile = PROFILES[chosen.profile]
    net = Network(profile.channels, 16, profile.size, profile.size)
    chosen.build(net, classes, scaled(1))
    generator = torch.Generator().manual_seed(1)
    state = {key: torch.rand(shape, generator=generator) + 0.1 for key, shape in net.wanted.items()}
    counted = {key.replace("running_var", "num_batches_tracked"): torch.tensor(9) for key in state if key.endswith("running_var")}
    return {**state, **counted}


def check_wrappings(folder, cfp):
    """However it is wrapped, the same weights come out, and the program reads them."""
    import numpy as np
    import torch
    state = state_dict()
    wrapped = {
        "bare": state,
        "module": {f"module.{key}": tensor for key, tensor in state.items()},
        "model_state": {"model_state": state, "epoch": 3},
        "state_dict": {"epoch": 3, "arch": "x", "state_dict": {f"module.{key}": tensor for key, tensor in state.items()},
                       "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [1, 2]}]}},
        "beside": {"state_dict": state, "opt": argparse.Namespace(lr=0.1), "best": np.float64(0.7), "shape": torch.Size([1, 2])},
        "transposed": {key: t.transpose(0, -1).contiguous().transpose(0, -1) if t.ndim > 1 else t for key, t in state.items()},
        "bfloat16": {key: tensor.bfloat16() if tensor.is_floating_point() else tensor for key, tensor in state.items()},
        "half": {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in state.items()},
        "trainer": {"ema_state": {"module": {key: t * 2 for key, t in state.items()}}, "run": Settings(net={
            **{f"model.{key}": tensor for key, tensor in state.items()}, "criterion.weight": torch.ones(5)})},
        "uncounted": {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")},
    }
    first = None
    for title, value in wrapped.items():
        for zipped in (True, False):                    # the format of today, and that of before PyTorch 1.6
            path, out = folder / f"{title}.pth", folder / f"{title}.h5"
            torch.save(value, path, _use_new_zipfile_serialization=zipped)
            done = run(ARCH, path, out, "--frames", 4, "--size", 64)
            check(f"{title}, zip {zipped}", done.returncode == 0, done.stderr)
            check(f"{title}, zip {zipped}: notes", ("--key ema_state.module takes them" in done.stderr) == (title == "trainer"), done.stderr)
            found = weights(out)
            first = first or found
            close = {"half": 1e-3, "bfloat16": 1e-2}.get(title, 0)
            check(f"{title}, zip {zipped}: the same weights", found.keys() == first.keys() and all(
                np.allclose(found[key], first[key], rtol=close, atol=0) for key in first))
            os.unlink(out)
    key = "blocks.0.conv.conv_t"
    check("the weights are the checkpoint's", np.array_equal(first[f"{key}/weight"], state[f"{key}.weight"].numpy()))
    norm = "blocks.0.norm"
    for dataset, name in (("gamma", "weight"), ("beta", "bias"), ("mean", "running_mean"), ("var", "running_var")):
        check(f"batch norm's {dataset}", np.array_equal(first[f"{norm}/{dataset}"], state[f"{norm}.{name}"].numpy()))

    out = folder / "model.h5"
    done = run(ARCH, folder / "bare.pth", out, "--frames", 4, "--size", 64, alone=True)
    check("what it says", re.search(r"5 classes \(class 0 \.\.\. class 4\), 12\.\d MB\nshown clips as x3d-xs, changed by --size", done.stdout), done.stdout)
    inspected = subprocess.run([cfp, "inspect", out], capture_output=True, text=True)
    check("the program reads it", inspected.returncode == 0, inspected.stderr)
    check("its input", "short side resized to 73" in inspected.stdout and "4 frames, 12 apart, of 64 x 64" in inspected.stdout,
          inspected.stdout[:400])
    names = folder / "names.txt"
    names.write_text("a\nb\nc\nd\ne\n")
    done = run(ARCH, "--classes", names, folder / "bare.pth", out, "--mean", "0.1", "--std", ".2", ".3", ".4", "--stride", 3,
               "--resize", "70x90", "--size", 64, "--frames", 4, "--color", "BGR")
    check("names and preprocessing", done.returncode == 0 and "(a ... e)" in done.stdout, done.stderr)
    import h5py
    with h5py.File(out) as f:
        spec = {k: v.decode() if isinstance(v, bytes) else v for k, v in f["input"].attrs.items()}
    check("preprocessing is written", np.allclose(spec["mean"], 0.1) and np.allclose(spec["std"], [0.2, 0.3, 0.4]) and
          list(spec["resize"]) == [70, 90] and spec["frame_stride"] == 3 and spec["color"] == "BGR", spec)


def check_hara(folder):
    """The two years are told apart by the file, and so are their normalisations and shortcuts."""
    import h5py
    import torch
    for year, parallel, counted, shortcut in ((2020, False, True, ""), (2018, True, False, ""), (2018, True, True, "-shortcut-a")):
        state = state_dict("resnet-18", f"hara{year}{shortcut}", 101)
        if not counted:
            state = {key: t for key, t in state.items() if not key.endswith("num_batches_tracked")}
        if parallel:
            state = {f"module.{key}": t for key, t in state.items()}
        path, out = folder / "hara.pth", folder / "hara.h5"
        torch.save({"state_dict": state, "arch": "resnet-18"}, path)
        done = run("resnet-18", path, out)
        check(f"Hara {year}{shortcut}", f"resnet-18 (hara{year}{shortcut} layout)" in done.stdout
              and f"shown clips as hara-{year}:" in done.stdout and f"taken for a file of {year}" in done.stderr
              and "(class 0 ... class 100)" in done.stdout and "--classes ucf-101 names them" in done.stderr, done.stdout + done.stderr)
        with h5py.File(out) as f:
            check(f"Hara {year}'s scale", f["input"].attrs["scale"] == {2018: 1.0, 2020: 255.0}[year])
    os.unlink(path)


def check_data_set():
    """The data set is known by the published file, or by the published layout with a doubt; never by the number of outputs."""
    from importers.architectures import ARCHITECTURES
    layouts = {"resnext-101": "hara2018", "resnet-50": "hara2020"}
    doubt = "as the published checkpoint of resnext-101 has"
    for arch, name, classes, expected in (
            ("resnext-101", "resnext-101-kinetics-ucf101_split1.pth", 101, ("ucf-101", "")),
            ("resnext-101", "resnext-101-64f-kinetics-hmdb51_split1.pth", 51, ("hmdb-51", "")),
            ("resnext-101", "resnext-101-kinetics.pth", 400, ("kinetics-400", "")),
            ("resnext-101", "resnext-101-kinetics.pth", 101, ("", "")),       # of that name, and another one
            ("resnext-101", "mine.pth", 400, ("kinetics-400", doubt)), ("resnext-101", "mine.pth", 101, ("", "")),
            ("resnext-101", "mine-ucf101_split1.pth", 101, ("", "")), ("resnet-50", "resnext-101-kinetics.pth", 51, ("", "")),
            ("resnet-50", "r3d50_K_200ep.pth", 700, ("", "")), ("resnet-50", None, 700, ("", ""))):
        layout = next(one for one in ARCHITECTURES[arch] if one.name == layouts[arch])
        args = argparse.Namespace(arch=arch, checkpoint=None if name is None else Path(name))
        found = tool.module.known_classes(args, layout, classes)
        check(f"the data set of {name}, {classes} classes", found == expected, found)


class Runs:
    """A pickle that would run something."""
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def check_refusals(folder):
    import torch
    state = state_dict()
    good, bad = folder / "good.pth", folder / "bad.pth"
    torch.save(state, good)
    size = ("--frames", 4, "--size", 64)

    def saved(value):
        torch.save(value, bad)
        return bad
    first = "blocks.0.conv.conv_t.weight"
    refused("a tensor is missing", f"bad.pth: is no x3d-xs .*missing: {first}$", folder, ARCH,
            saved({key: t for key, t in state.items() if key != first}), "OUT", *size)
    refused("a tensor too many", "unexpected: extra.weight$", folder, ARCH, saved({**state, "extra.weight": torch.ones(2)}),
            "OUT", *size)
    refused("a tensor of another shape", "mis-shaped: .*conv_t.weight is 24 x 3 x 1 x 3 and not 24 x 3 x 1 x 3 x 3", folder, ARCH,
            saved({**state, first: torch.ones(24, 3, 1, 3)}), "OUT", *size)
    refused("another architecture", "is no mfnet: its tensors are those of x3d-xs", folder, "mfnet", good, "OUT")
    refused("another network", "is no mfnet .*missing: conv1.conv.weight, .* and [0-9]+ more; unexpected: ", folder, "mfnet",
            saved({**state, "extra.weight": torch.ones(2)}), "OUT")
    refused("NaN", f"{first}: has NaN or Inf", folder, ARCH, saved({**state, first: torch.full((24, 3, 1, 3, 3), float("nan"))}),
            "OUT", *size)
    refused("whole numbers", f"{first}: int32 is no floating-point tensor", folder, ARCH,
            saved({**state, first: torch.ones(24, 3, 1, 3, 3).int()}), "OUT", *size)
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), bad)
    refused("TorchScript", "is a TorchScript program", folder, ARCH, bad, "OUT")
    refused("no tensors", "holds no state_dict", folder, ARCH, saved({"epoch": 3}), "OUT")
    refused("a list", "holds no state_dict", folder, ARCH, saved([1, 2]), "OUT")
    trap, made = folder / "trap", folder / "trapped.h5"
    for zipped in (True, False):
        torch.save({"state_dict": state, "trap": Runs(str(trap))}, bad, _use_new_zipfile_serialization=zipped)
        done = run(ARCH, bad, made, *size, alone=True)
        check("a pickle that would run something", done.returncode == 0 and "mkdir, which no checkpoint needs; nothing of it was run"
              in done.stderr, done.stderr)
    check("nothing was run", not trap.exists())
    torch.save(torch.nn.Sequential(torch.nn.Conv3d(3, 4, 1)), bad)
    refused("a whole module", "it holds torch.nn.modules.container.Sequential, .*no code of a checkpoint is run", folder, ARCH, bad, "OUT")
    refused("no such key", "--key ema: .*good.pth has no tensors there", folder, ARCH, good, "OUT", *size, "--key", "ema")
    refused("no such prefix", "--prefix x.: no key of .*good.pth begins so; .*blocks.", folder, ARCH, good, "OUT", *size, "--prefix", "x")
    refused("--key without a file", "--key ema: goes with CHECKPOINT", folder, ARCH, "OUT", "--random", 1, "--key", "ema")
    refused("classes", "has 5 classes .*--num-classes says 6", folder, ARCH, good, "OUT", "--num-classes", 6)
    names = folder / "names.txt"
    names.write_text("a\nb\n")
    refused("names", "2 names, the network has 5 classes", folder, ARCH, good, "OUT", "--classes", names)
    refused("no such file", "nothere.pth: No such file", folder, ARCH, folder / "nothere.pth", "OUT")
    refused("no such folder", "No such file|nable to", folder, ARCH, good, folder / "nothere" / "x.h5", *size)
    refused("too small a clip", "more --frames or a larger --size", folder, "densenet-121", "OUT", "--random", 1, "--frames", 2)
    refused("SlowFast's frames", "multiple of 4|four", folder, "slowfast-r50", "OUT", "--random", 1, "--frames", 6)
    refused("layout", "--layout x: x3d-xs has pytorchvideo", folder, ARCH, good, "OUT", "--layout", "x")
    refused("mean", "--mean: 3 numbers are wanted", folder, ARCH, good, "OUT", "--mean", 1, 2)
    refused("std", "--std", folder, ARCH, good, "OUT", "--std", 0)
    refused("full disk", "refused.h5|File too large|nable to", folder, ARCH, good, "OUT", *size, limit=4096)
    refused("architecture", "invalid choice: 'resnet'", folder, "resnet", good, "OUT", status=2)
    refused("neither", "either CHECKPOINT or --random", folder, ARCH, "OUT", status=2, alone=True)
    refused("both", "either CHECKPOINT or --random", folder, ARCH, good, "OUT", "--random", 1, status=2)
    refused("width of a checkpoint", "--width goes with --random", folder, ARCH, good, "OUT", "--width", 2, status=2)
    refused("no frames", "--frames: 0 is not positive", folder, ARCH, good, "OUT", "--frames", 0, status=2)


def check_damaged(folder):
    """A file that is cut off, or has a byte changed anywhere, is read or refused by a message. Runs in this process, 100 times."""
    import random
    import torch
    from importers.checkpoint import read_checkpoint
    from importers.failure import ImportFailure
    rng = random.Random(1)
    state = {"state_dict": {"module.a.weight": torch.rand(300), "module.b": torch.rand(2, 3)}, "epoch": 1, "name": "x"}
    for zipped in (True, False):
        path = folder / "damaged.pth"
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        cuts = [whole[:n] for n in {0, 1, 2, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(20))}]
        flips = []
        for _ in range(40):
            at = rng.randrange(len(whole))
            flips.append(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1:])
        refusals = 0
        for data in cuts + flips:
            path.write_bytes(data)
            try:
                found = read_checkpoint(path)
                check("a damaged file that is read", all(found.array(key).dtype == "float32" for key in found.tensors))
            except ImportFailure as problem:
                refusals += 1
                check("refused by name", str(path) in str(problem), problem)
        check(f"cut files are refused, zip {zipped}", refusals >= len(cuts), f"{refusals} of {len(cuts) + len(flips)}")
    done = run(ARCH, path, folder / "refused.h5", alone=True)
    check("one line", done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, done.stderr)


def check_hostile(folder):
    """What an attacker may write. In this process: a crash is its end, and memory and time are limited."""
    import warnings
    from hostile_checkpoints import HOSTILE
    from importers.checkpoint import match, read_checkpoint
    from importers.failure import ImportFailure
    from importers.network import Network

    def late(*_):
        raise TimeoutError("takes more than 20 seconds of processor time")
    path = folder / "hostile.pth"
    kept = signal.signal(signal.SIGPROF, late)
    for title, (data, words) in HOSTILE.items():
        path.write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, 20)     # not of the clock: a busy machine is no attack
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = read_checkpoint(path)
                net = Network(1, 1, 1, 1)
                net.wanted = {key: tensor.shape for key, tensor in found.tensors.items()}
                tensors, _ = match(net, found, "x")
            check(title, words is None and tensors["a"].tolist() == [0, 0], "is read")
        except ImportFailure as problem:
            check(title, words and re.search(words, str(problem)) and str(problem).startswith(f"{path}: "), problem)
        except Exception as problem:
            check(title, False, repr(problem))
        signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, kept)
    check("hostile files leave memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20,
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} KB")


class Settings(dict):
    """As EasyDict and ConfigDict."""
    def __reduce_ex__(self, protocol):
        return type(self), (), {"own": self}, None, iter(self.items())


class History(list):
    """As mmengine's HistoryBuffer."""
    def __reduce__(self):
        return type(self), (list(self),), {"count": 3}, iter(self)


class Hub:
    """It has attributes, arguments by name, and leads to itself."""
    def __init__(self):
        self.values = {"loss": History([0.5])}
        self.itself = (self, 1)

    def __new__(cls, *, size=3):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"size": 4}


class Mode(enum.Enum):
    EVAL = 1


def check_beside(folder):
    """What trainers save beside the weights is passed over, in every protocol: objects of any class, each in a shape of its own."""
    import collections
    import datetime
    import enum
    import functools
    import pathlib
    import numpy as np
    import torch
    from importers.checkpoint import read_checkpoint
    weight = torch.nn.Parameter(torch.arange(6.).reshape(2, 3))
    weight.note = "kept as state"
    noted = torch.ones(2)
    noted.note = "a tensor with an attribute"
    Settings.loop = Settings(a=1)
    Settings.loop["itself"] = Settings.loop
    beside = [Settings(lr=0.1, deep=Settings(x=[1])), Settings.loop, History([1., 2.]), Hub(), Mode.EVAL, datetime.datetime(2020, 1, 2),
              datetime.timedelta(1), functools.partial(print, end=""), range(3), slice(1, 2), print, Settings, type(None), re.compile("a"),
              argparse.Namespace(a=1), noted, torch.ones(2).to(torch.complex64), torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
              torch.eye(2).to_sparse(), enum.Enum("A", "b").__name__, torch.ones(2).storage().untyped() if hasattr(
                  torch.ones(2).storage(), "untyped") else None, np.zeros(300), np.random.RandomState(1).get_state(), pathlib.PurePosixPath("a"), pathlib.Path("b"),
              {1, 2}, frozenset([1]), collections.defaultdict(list, {1: [2]}), collections.Counter("aab"), b"bytes",
              bytearray(b"x"), 1j, 1 << 1000, (1, (2, ())), {(1, 2): 3, None: 4, 5: 6}, torch.Size([1]),
              torch.device("cpu"), torch.float32, np.float32(1), None, "\u20ac" * 300]
    path = folder / "beside.pth"
    for protocol in (2, 3, 4, 5):
        for zipped in (True, False):
            torch.save({"state_dict": collections.OrderedDict(a=weight, tied=weight), "beside": beside}, path,
                       pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
            found = read_checkpoint(path)
            check(f"beside the weights, protocol {protocol}, zip {zipped}", list(found.tensors) == ["a", "tied"] and
                  found.array("a").tolist() == found.array("tied").tolist() == [[0, 1, 2], [3, 4, 5]], found)


def check_prefixes(folder):
    """What all keys start with: a trainer's, or the module's own."""
    import torch
    from importers.checkpoint import match, read_checkpoint
    from importers.failure import ImportFailure
    from importers.network import Network
    path = folder / "prefix.pth"
    for prefix, parallel, bare in (("", False, True), ("module.", True, True), ("model.", False, True),
                                   ("net.", False, True), ("model.module.backbone.", True, True),
                                   ("encoder.", False, False), ("module.encoder.", True, False)):
        torch.save({f"{prefix}fc.weight": torch.ones(2, 3), f"{prefix}fc.bias": torch.ones(2)}, path)
        found = read_checkpoint(path)
        keys = set(found.tensors)
        check(f"prefix {prefix!r}", found.parallel == parallel and (keys == {"fc.weight", "fc.bias"}) == bare, found)
        wanted = {"", prefix, prefix.partition(".")[2]}
        for own in wanted:
            net = Network(3, 1, 1, 1)
            net.linear(f"{own}fc", "input", 2)
            check(f"prefix {prefix!r} for {own!r}", set(match(net, found, "x")[0]) == {f"{own}fc.weight", f"{own}fc.bias"})
    net = Network(3, 1, 1, 1)
    net.linear("module.encoder.fc", "input", 4)
    try:
        match(net, found, "x")
        check("another shape under a prefix", False)
    except ImportFailure as problem:
        check("another shape under a prefix", "x: mis-shaped: module.encoder.fc.weight" in str(problem), problem)


def check_places(folder):
    """The network is found wherever its tensors are; where they are twice, a copy comes last or an option chooses."""
    import torch
    from importers.checkpoint import match, read_checkpoint
    from importers.failure import ImportFailure
    from importers.network import Network
    path = folder / "place.pth"

    def net(own=""):
        made = Network(3, 1, 1, 1)
        made.linear(f"{own}head.fc", made.conv(f"{own}conv", "input", 3, 1), 2)
        return made

    def state(value, prefix="", **beside):
        return {**{f"{prefix}{key}": torch.full(shape, float(value)) for key, shape in net().wanted.items()}, **beside}

    def found(value, own="", **options):
        """The number that fills the tensors that are taken, and what is said; or the refusal."""
        torch.save(value, path)
        try:
            tensors, notes = match(net(own), read_checkpoint(path, **options), "x")
        except ImportFailure as problem:
            return None, str(problem)
        values = {float(v) for tensor in tensors.values() for v in tensor.reshape(-1)}
        return values.pop() if len(values) == 1 else values, " ".join(notes)

    loss = {"criterion.weight": torch.ones(4), "train_acc.correct": torch.ones(())}
    for title, value, own in (
            *((key, {key: state(1), "epoch": 2, "acc": 0.5}, "") for key in (
                "state_dict", "module", "net", "weights", "state_dict_ema", "ema_state", "model_ema", "anything", "a.b")),
            ("nested", {"run": {"best": {"net": state(1, "module.model.")}}}, ""),
            ("in a list", [state(1), {"state": {0: {"exp_avg": torch.ones(3)}}}], ""),
            ("beside numbers", state(1, epoch=3, name="x", nothing=None), ""), ("torch.compile", {"model": state(1, "_orig_mod.")}, ""),
            ("a class of its own", Settings(state_dict=Settings(state(1, "module."))), ""),
            ("a loss beside it", {"state_dict": state(1, "model.", **loss)}, ""), ("a loss beside bare keys", state(1, **loss), ""),
            ("a loss of a wrapper", state(1, "net.", **{"loss_fn.pos_weight": torch.full((2,), float("nan"))}), ""),
            ("an EMA copy", {"state_dict": {**state(2, "ema_model."), **state(1, "model.")}}, ""),
            ("a teacher", {**state(2, "teacher."), **state(1, "student.")}, ""),
            ("two dictionaries", {"state_dict_ema": state(2), "state_dict": state(1)}, ""),
            ("the best of them", {"best_state_dict": state(2), "state_dict": state(1)}, ""),
            ("another shape", {"model": {**state(2), "conv.weight": torch.ones(9, 3, 1, 1, 1)}, "net2": state(1)}, ""),
            ("parts", {"conv": {"weight": torch.ones(3, 3, 1, 1, 1)}, "head": {
                "fc.weight": torch.ones(2, 3), "fc.bias": torch.ones(2)}}, ""),
            ("its own wrapper", {"state_dict": state(1, "model.")}, "model."), ("a wrapper that the file lacks", state(1), "model."),
            ("one tensor under two keys", {"state_dict": (one := state(1)), "model": dict(one)}, "")):
        got = found(value, own)
        check(f"place: {title}", got[0] == 1, got)
    twice = {"state_dict": {**state(1, "encoder_a."), **state(2, "encoder_b.")}, "ema": state(3)}
    got = found({"one": state(1), "two": state(2)})
    check("place: two that are alike", got[0] is None and got[1].endswith("are there 2 times; choose one: --key one, --key two"), got)
    for options, value in (({"prefix": "encoder_a."}, 1), ({"prefix": "encoder_b"}, 2), ({"key": "ema"}, 3),
                           ({"key": "state_dict", "prefix": "encoder_b."}, 2)):
        got = found(twice, **options)
        check(f"place: {options}", got[0] == value, got)
    got = found(twice, key="state_dict")
    check("place: prefixes that are alike", got[0] is None and "--key state_dict --prefix encoder_a., --key state_dict --prefix encoder_b."
          in got[1], got)
    got = found({"state_dict_ema": state(2), "state_dict": state(1)})
    check("place: what was taken is said", "under state_dict were taken; those under state_dict_ema fit too (--key state_dict_ema" in got[1], got)
    got = found(state(1, **loss))
    check("place: what was left out is said", "criterion.weight, train_acc.correct: left out" in got[1], got)
    for title, value in (("extra", state(1, **{"extra.weight": torch.ones(2)})), ("extra under a prefix", {
            "state_dict": state(1, "model.", **{"model.layer5.weight": torch.ones(2)}), "ema": state(1, **{"layer5.weight": torch.ones(2)})})):
        got = found(value)
        check(f"place: {title}", got[0] is None and "unexpected: " in got[1] and "missing" not in got[1], got)
    del value["state_dict"]["model.conv.weight"], value["ema"]["conv.weight"]
    got = found(value)
    check("place: the options are named", got[0] is None and "missing: conv.weight" in got[1] and "--key and --prefix" in got[1], got)


def check_writing(folder):
    """Networks that a model file cannot hold, and places where no file can be written."""
    import warnings
    import numpy as np
    from importers import class_names
    from importers.failure import ImportFailure, printable
    from model_file import ModelFile, ModelFileError
    plain = dict(name="n", classes=["a"], output="fc", channels=1, frames=1, height=1, width=1, mean=[0.5], std=[0.5])

    def write(path=folder / "written.h5", node="fc", op="linear", inputs=("input",), values=None, **changed):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with ModelFile(path, **{**plain, **changed}) as file:
                file.add_node(node, op, list(inputs), **(values if values is not None else {"weight": np.ones((1, 1))}))

    def fails(title, words, kind=ModelFileError, call=write, **changed):
        try:
            call(**changed)
            check(title, False, "is written")
        except kind as problem:
            found = f"{getattr(problem, 'filename', None) or ''}: {problem}"
            check(title, re.search(words, found) and ".part" not in found, found)
        except BaseException as problem:
            check(title, False, repr(problem))
        left = [p.name for p in folder.iterdir() if p.name.startswith("written")]
        check(f"{title}: leaves nothing", not left, left)
    slice_ = dict(op="slice", node="cut")
    fails("a number beyond 32 bits", "cut: stop 4294967297 does not fit", **slice_,
          values=dict(axis=2, start=0, stop=(1 << 32) + 1))
    fails("an infinite number", "cut: stop must be whole", **slice_, values=dict(axis=2, start=0, stop=float("inf")))
    fails("a stride beyond 32 bits", "p: kernel 4294967297", node="p", op="maxpool3d",
          values=dict(kernel=(1, 1, (1 << 32) + 1)))
    fails("frames beyond 32 bits", "input: frames", frames=1 << 32)
    fails("resize beyond 32 bits", "input: resize", resize=(1 << 32, 1 << 32))
    for title, changed in {"mean": dict(mean=[1e300]), "NaN": dict(mean=[float("nan")]), "std": dict(std=[1e-42]),
                           "scale": dict(scale=float("inf")), "small scale": dict(scale=1e-320)}.items():
        fails(title, "input: ", **changed)
    fails("weights beyond float32", "fc: weight has NaN or Inf", values={"weight": np.full((1, 1), 1e300)})
    fails("a long name", "nnn.*a node's name of 60001 bytes", node="n" * 60001)
    fails("a name that is no text", "a node's name must be valid", node="n\udcff")
    fails("many inputs", "s: 4001 inputs", node="s", op="add", inputs=["input"] * 4001)
    fails("a class that is no text", "classes: ", classes=["a\0b"])
    fails("no folder", "nothere: .*No such file", OSError, path=folder / "nothere" / "x.h5")
    fails("a file as a folder", "good.pth: .*Not a directory", OSError, path=folder / "good.pth" / "x.h5")
    for name in ("", ".", "..", "/"):
        fails(f"OUT {name!r}", "s a directory", OSError, path=name)
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("/dev/null")
    for name in ("fifo", "link"):
        fails(name, f"{name}: is there already and no regular file", path=folder / name)
        check(f"{name} is still there", not (folder / name).is_file() and (folder / name).exists())

    def interrupted(*_):
        raise KeyboardInterrupt
    kept, os.replace = os.replace, interrupted
    fails("Ctrl-C", "", KeyboardInterrupt)
    os.replace = kept
    write(source="a\udcff\0b")
    import h5py
    with h5py.File(folder / "written.h5") as f:
        check("a source that is no text", f.attrs["source"] == b"a??b", f.attrs["source"])
    os.unlink(folder / "written.h5")

    names = folder / "written.txt"
    for title, text in {"NUL": "a\0b\n", "half a character": '["\\ud800"]', "deep": "[" * 100000,
                        "CSV": "id,name\n0," + "x" * 200000}.items():
        names.write_text(text)
        try:
            class_names.read_classes(names)
            check(f"class names, {title}", False, "are read")
        except ImportFailure as problem:
            check(f"class names, {title}", str(problem).startswith(f"{names}: "), problem)
    os.unlink(names)
    shown = printable("a\x1b[31m\nb\udcff\u00e9")
    check("no control characters", shown == "a\\x1b[31m b\\udcff\u00e9", shown)


def check_interrupts(folder):
    """Ctrl-C while it imports and while it runs: no traceback, no file."""
    slow = folder / "slow"
    slow.mkdir()
    (slow / "h5py.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    code = ("import sys; sys.path.insert(0, sys.argv[1])\nfrom importers.failure import need, run\n"
            "import types; sys.modules['model_file'] = types.SimpleNamespace(ModelFileError=OSError)\nneed('x', 'h5py')\n")
    for title, more, status in (("imports", "import h5py", -signal.SIGINT),
                                ("runs", "def main():\n    import h5py\nrun('x', main)", 130)):
        process = subprocess.Popen([sys.executable, "-c", code + more, str(TOOLS)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(slow)},
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
        check(f"Ctrl-C while it {title}", process.returncode == status and err == "", f"{process.returncode}: {err}")


def check_random(folder):
    """The same seed, the same numbers: here and everywhere."""
    from importers.manifest import read_manifest
    from importers.architectures import ARCHITECTURES
    files = []
    for i, seed in enumerate((7, 7, 8)):
        out = folder / f"random{i}.h5"
        done = run(ARCH, out, "--random", seed, "--width", 0.25, alone=i == 1)
        check(f"--random {seed}", done.returncode == 0, done.stderr)
        files.append(out.read_bytes())
    check("the same seed, the same bytes", files[0] == files[1])
    check("another seed, others", files[0] != files[2])
    digest = hashlib.sha256()
    for name, array in sorted(weights(folder / "random0.h5").items()):
        digest.update(name.encode() + array.astype("<f4").tobytes())
    check("the same numbers as on any machine", digest.hexdigest() == DIGEST, digest.hexdigest())
    check("the manifest knows no other architectures", {arch for arch, _ in read_manifest().values()} <= set(ARCHITECTURES))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True)
    args = parser.parse_args()
    try:
        import h5py  # noqa: F401
        import torch  # noqa: F401
    except ImportError as problem:
        print(f"skipped: {problem}")
        return 77
    global tool
    from importer_tool import Tool
    tool = Tool("import-checkpoint")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        check_wrappings(folder, args.cfp)
        check_hara(folder)
        check_data_set()
        check_refusals(folder)
        check_damaged(folder)
        check_hostile(folder)
        check_beside(folder)
        check_prefixes(folder)
        check_places(folder)
        check_writing(folder)
        check_interrupts(folder)
        check_random(folder)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
