#!/usr/bin/env python3
"""Compares import-torch with the imported modules: torchvision's video networks, small ones, and modules to be refused.

    check_torch_import.py
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import h5py  # noqa: F401
    import numpy  # noqa: F401
    import torch
    from torch import nn
except ImportError as missing:
    print(f"skipped: {missing} (needs the Python packages torch, h5py and numpy)")
    sys.exit(77)

from importer_tool import ROOT, Checks, FileModel, Tool, hold  # noqa: E402
import odd_networks  # noqa: E402
import small_networks  # noqa: E402
from small_networks import clip, made  # noqa: E402

try:
    import torchvision
    from torchvision.models.feature_extraction import NodePathTracer
except ImportError:
    torchvision = None
try:
    import onnx
except ImportError:
    onnx = None

PREPROCESSING = ("--mean", "0.4", "--std", "0.2", "--frames", "8", "--size", "16")
CLOSE = 1e-6
VIDEO = {  # torchvision's networks -> profile, frames, size
    "r3d_18": ("torchvision-112", 4, 32), "mc3_18": ("torchvision-112", 4, 32),
    "r2plus1d_18": ("torchvision-112", 4, 32), "s3d": ("torchvision-s3d", 14, 224)
}
QUICK = ("r3d_18", "r2plus1d_18")  # the others with --full


def load(tool, module, spec, out, folder, *options):
    """Imports `spec` with module's weights."""
    torch.save(module.state_dict(), folder / "weights.pth")
    return tool(spec, out, "--weights", folder / "weights.pth", *options)


# -- torchvision ------------------------------------------------------------------------------------------------------

def leaf_classes(module):
    """Convolutions that a subclass only configures. torchvision would name the nodes inside them."""
    return [
        type(part) for part in module.modules()
        if isinstance(part, nn.Conv3d) and type(part).forward is nn.Conv3d.forward
    ]


def check_video(checks, tool, folder):
    checkpoint_tool = Tool("import-checkpoint")
    from importers.architectures import ARCHITECTURES
    for name, (profile, frames, size) in VIDEO.items():
        if not hasattr(torchvision.models.video, name) or name not in QUICK and "--full" not in sys.argv:
            continue
        make, out = getattr(torchvision.models.video, name), folder / f"{name}.h5"
        module = made(lambda: make(num_classes=7))
        sizes = ("--profile", profile, "--frames", frames, "--size", size)
        ended = load(tool, module, f"torchvision.models.video:{name}", out, folder, "--arg", "num_classes=7", *sizes)
        if not checks.mapped(name, ended):
            continue
        checks.that(f"{name}: last line",
                    ended.out.startswith(f"{out}: {name}, ") and "7 classes" in ended.out, ended.out)
        x = torch.randn(1, 3, frames, size, size, generator=torch.Generator().manual_seed(1))
        # In float32: in double precision these four would take most of a minute.
        file, count = hold(checks, name, out, module, x, 1e-5, kind=torch.float32)
        checks.that(f"{name}: tensors held", count >= 50, count)
        tracer = NodePathTracer(leaf_modules=leaf_classes(module))
        tracer.trace(module.eval())
        names = list(tracer.node_to_qualname.values())
        no_op = {path for path, part in module.named_modules() if isinstance(part, nn.Dropout)} | {"x", "flatten"}
        checks.that(f"{name}: torchvision's names",
                    set(file.nodes) == set(names) - no_op,
                    set(file.nodes) ^ (set(names) - no_op))
        arch = next((key for key in ARCHITECTURES if key.replace("-", "_").replace("2+1", "2plus1") == name), None)
        if arch:
            other = folder / "checkpoint.h5"
            if checks.mapped(f"{name}: import-checkpoint", checkpoint_tool(arch, folder / "weights.pth", other,
                                                                           *sizes)):
                compare_files(checks, name, file, FileModel(other, file.dtype))
        out.unlink()


def compare_files(checks, what, a, b):
    """The same nodes, edges and weights."""
    checks.that(f"{what}: as import-checkpoint, nodes", set(a.nodes) == set(b.nodes), set(a.nodes) ^ set(b.nodes))
    for name in set(a.nodes) & set(b.nodes):
        (mine, data), (its, weights) = a.nodes[name], b.nodes[name]
        same = list(mine["inputs"]) == list(its["inputs"]) and data.keys() == weights.keys() and all(
            torch.equal(data[key], weights[key]) for key in data)
        checks.that(f"{what}: as import-checkpoint, {name}", same, f"{list(mine['inputs'])} and {list(its['inputs'])}")


# -- small networks ---------------------------------------------------------------------------------------------------

def check_small(checks, tool, folder):
    out, held = folder / "net.h5", 0
    networks = {name: (f"small_networks:{name}", network, ()) for name, network in small_networks.NETWORKS.items()}
    networks["Ops, same"] = "small_networks:Ops", lambda: small_networks.Ops(same=True), ("--arg", "same=True")
    for name in ("Called", "InPlace", "Reshaped", "Optional", "Changed", "Maxima", "Copied", "Sized", "Softened"):
        networks[name] = f"odd_networks:{name}", getattr(odd_networks, name), ()
    for what, (spec, network, options) in networks.items():
        module = made(network)
        if checks.mapped(what, load(tool, module, spec, out, folder, *PREPROCESSING, *options)):
            # fc7 takes up the bias that is added by hand; proj and layer give T x H x W x C there and C x T x H x W here
            held += hold(checks, what, out, module, clip(), CLOSE, other=("fc7", "proj", "layer"))[1]
            if what == "Called":
                found = set(FileModel(out).nodes)
                checks.that("Called: names", found == odd_networks.CALLED, found ^ odd_networks.CALLED)
    checks.that("small networks: tensors held", held > 80, held)
    ops = {str(attributes["op"]) for attributes, _ in imported_ops(tool, "small_networks:Branches", out)}
    checks.that("Branches: shuffle, pads and slices", {"channel_shuffle", "pad", "slice", "concat"} <= ops, ops)
    ops = [str(attributes["op"]) for attributes, _ in imported_ops(tool, "small_networks:Constants", out)]
    checks.that("Constants: gates are one node each", {"silu", "hardswish"} <= set(ops) and
                not {"sigmoid", "mul", "relu6"} & set(ops), ops)


def check_ends(checks, tool, folder):
    """A log_softmax at the end is left out, and said; one further inside is refused."""
    out = folder / "ending.h5"
    for end in odd_networks.Ending.ENDS:
        ended = tool("odd_networks:Ending", out, *PREPROCESSING, "--arg", f"end={end}")
        if end == "inside":
            out.unlink()
            ended = tool("odd_networks:Ending", out, *PREPROCESSING, "--arg", f"end={end}")
            checks.refused("log_softmax inside", ended, out, "(log_softmax)", "at the end")
            continue
        logs = end != "sigmoid"
        said = ended.err.count("log_softmax at its end was left out")
        if checks.that(f"{end} at the end", ended.status == 0 and said == logs, ended):
            ops = [str(attributes["op"]) for attributes, _ in FileModel(out).nodes.values()]
            checks.that(f"{end}: nodes", ops.count("sigmoid") == (not logs) and "identity" not in ops, ops)


def imported_ops(tool, spec, out):
    tool(spec, out, *PREPROCESSING)
    return FileModel(out).nodes.values()


def check_fallback(checks, tool, folder):
    out, module = folder / "fallback.h5", made(small_networks.Untraceable)
    ended = load(tool, module, "small_networks:Untraceable", out, folder, *PREPROCESSING)
    said = ended.err.splitlines()
    checks.that("fallback", ended.status == 0 and len(said) == 1 and "torch.fx cannot trace" in ended.err and
                "ONNX" in ended.err, ended)
    file, count = hold(checks, "fallback", out, module, clip(), CLOSE)
    module = made(odd_networks.Spelt)
    ended = load(tool, module, "odd_networks:Spelt", out, folder, *PREPROCESSING)
    if checks.that("another spelling", ended.status == 0 and "torch.fx stops at movedim (movedim): no counterpart" in ended.err, ended):
        hold(checks, "another spelling", out, module, clip(), CLOSE, tensors=False)
    ended = load(tool, made(odd_networks.Hooked), "odd_networks:Hooked", out, folder, *PREPROCESSING)
    if checks.that("hooks of the whole", ended.status == 0 and "hooks" in ended.err, ended):
        hold(checks, "hooks of the whole", out, made(odd_networks.Hooked), clip(), CLOSE, tensors=False)
    ended = tool("odd_networks:Number", out, *PREPROCESSING)
    checks.that("a number of the clip", ended.status == 0 and "odd_networks.py:" in ended.err, ended)
    ended = load(tool, made(odd_networks.Starred), "odd_networks:Starred", out, folder, *PREPROCESSING)
    if checks.that("optional arguments", ended.status == 0, ended):
        hold(checks, "optional arguments", out, made(odd_networks.Starred), clip(), CLOSE)
    wanted = {"features.1", "features.2", "conv", "head.pool", "head.fc"}
    checks.that("fallback: names", wanted <= set(file.nodes), set(file.nodes))


def check_published(checks, tool, folder):
    """The architectures of import-checkpoint, from their modules."""
    out = folder / "published.h5"
    for (arch, layout), (frames, size, traceable) in odd_networks.PUBLISHED.items():
        if not traceable and not onnx:
            continue
        module = made(lambda: odd_networks.published(arch, layout))
        ended = load(tool, module, "odd_networks:published", out, folder, "--arg", f"arch={arch}", "--arg",
                     f"layout={layout}", "--mean", "0", "--std", "1", "--frames", frames, "--size", size)
        x = torch.randn(1, 3, frames, size, size, generator=torch.Generator().manual_seed(2))
        if checks.that(arch, ended.status == 0 and (ended.err == "" or not traceable), ended):
            count = hold(checks, arch, out, module, x, 1e-4, kind=torch.float32)[1]
            checks.that(f"{arch}: tensors held", count >= 20, count)


def check_progress(checks, tool, folder):
    """On a terminal a line that is gone at the end, in a log nothing, and for a program JSON; and how large the file is."""
    out, spec = folder / "progress.h5", ("small_networks:Flat", folder / "progress.h5", *PREPROCESSING)
    silent = tool(*spec)
    size = out.stat().st_size
    checks.that("progress: a log has none", silent.err.count("\n") == 1 and "\r" not in silent.err, silent.err)
    checks.that("the size of the file", silent.out.splitlines()[0].endswith(f"(class 0 ... class 4), {size / 1000:.3g} kB"), silent.out)
    ended = tool(*spec, "--progress", "json")
    *lines, note = ended.err.splitlines()
    said = [json.loads(line) for line in lines]
    seen = [line["progress"] for line in said]
    checks.that("progress: JSON", set(said[0]) == {"progress", "done", "total", "seconds"} and note == silent.err.strip()
                and seen.index("make the module") < seen.index("compare with the module") < seen.index("write"), ended.err)
    checks.that("progress: JSON, the end", [said[-1][key] for key in ("progress", "done", "total")] == ["write", *[len(FileModel(out).nodes)] * 2], said[-1])
    kept = os.environ.get("TERM")
    os.environ["TERM"] = "xterm"
    ended = tool(*spec, terminal=True)
    shown = ended.err.replace("\r\033[K", "\n").splitlines()
    checks.that("progress: a terminal", "import-torch: compare with the module 0 of 4" in shown and ended.err.endswith(silent.err)
                and f"\r\033[K{silent.err}" in ended.err, ended.err)
    for options, term in ((("--progress", "none"), "xterm"), ((), "dumb")):
        os.environ["TERM"] = term
        ended = tool(*spec, *options, terminal=True)
        checks.that(f"progress: {options or term}", ended.err == silent.err, ended.err)
    out.unlink()
    os.environ["TERM"] = "xterm"
    ended = tool("odd_networks:refused", out, *PREPROCESSING, "--arg", "what=hooks", terminal=True)
    checks.that("progress: a refusal", ended.status == 1 and "\r\033[Kimport-torch: odd_networks:refused" in ended.err
                and ended.err.count("\n") == 1, ended.err)
    os.environ.pop("TERM") if kept is None else os.environ.update(TERM=kept)


def check_channels(checks, tool, folder):
    """As many channels as the network reads, or as --mean has numbers."""
    out = folder / "channels.h5"
    for count, numbers in ((1, ("0.4",)), (2, ("0.4",)), (4, ("1", "2", "3", "4")), (3, ("0.4",))):
        ended = tool("odd_networks:channels", out, "--arg", f"count={count}", "--mean", *numbers, "--std", "0.2", "--frames", "4", "--size", "8")
        if checks.mapped(f"{count} channels", ended):
            found = FileModel(out).input
            checks.that(f"{count} channels", (found["channels"], len(found["mean"])) == (count, count), found)
    out.unlink()
    checks.refused("other channels than means", tool("odd_networks:channels", out, "--mean", "1", "2", "--std", "1", "--frames", "4", "--size", "8"),
                   out, "the network reads 1 channel, --mean has 2")


def check_current_folder(checks, folder):
    """As a user runs it: a module in the current folder, arguments, the last line printed."""
    (folder / "mine.py").write_text(
        "from torch import nn\n"
        "def build(width=4, name='x', classes=3):\n"
        "    assert name == 'two words' and width == 6\n"
        "    head = nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(width, classes)\n"
        "    return nn.Sequential(nn.Conv3d(3, width, 3), *head)\n"
    )
    ended = subprocess.run([
        sys.executable, ROOT / "tools" / "import-torch", "mine:build", "--arg", "width=6", "mine.h5", "--arg",
        "name=two words", *PREPROCESSING
    ], cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    checks.that("the current folder", ended.returncode == 0 and "as the factory made them" in ended.stderr and
                ended.stderr.count("\n") == 1
                and ended.stdout.splitlines()[0].startswith("mine.h5: build, 3 nodes, 3 classes")
                and ended.stdout.splitlines()[1] == "shown clips as of the options: 8 frames, 1 apart; short side resized to 16, "
                "centre crop 16 x 16; RGB, 0..255 / 255, mean 0.4, std 0.2", ended)
    checks.that("the current folder: nodes", set(FileModel(folder / "mine.h5").nodes) == {"0", "1", "3"})


# -- what is refused --------------------------------------------------------------------------------------------------

def check_refusals(checks, tool, folder):
    out = folder / "bad.h5"

    def refused(what, spec, *words, options=()):
        checks.refused(what, tool(spec, out, *PREPROCESSING, *options), out, spec.partition(":")[0], *words)

    refused("all at once", "odd_networks:Unmapped", "4 of its operations", "up (Upsample)", "norm (LocalResponseNorm)",
            "pool (LPPool2d)", "acos (acos)")
    for what, (_, words) in odd_networks.REFUSED.items():
        refused(what, "odd_networks:refused", words, options=("--arg", f"what={what}"))
    refused("two inputs", "odd_networks:TwoInputs", "second input")
    refused("code that looks at the clip", "odd_networks:Branching", "does not compute what the module does on every clip")
    for spec, words in (("odd_networks", "pkg.mod:factory"), ("nowhere_at_all:f", "ModuleNotFoundError"),
                        ("odd_networks:none", "none"), ("odd_networks:broken", "no such luck"),
                        ("odd_networks:number", "int"), (":", "pkg.mod:factory")):
        refused(spec, spec, words)
    for spec, status in (("small_networks:Flat", 2), ("nowhere_at_all:f", 1)):
        ended = tool(spec, out)
        checks.that(f"no preprocessing, {spec}", ended.status == status and ended.err.count("\n") == 1 and spec in ended.err
                    and ("--profile" in ended.err) == (status == 2), ended)
    checks.refused("a file", tool("odd_networks.py:build", out, *PREPROCESSING), out, "leave out .py: odd_networks:build")
    for value in ("(" * 10000, "{{}}"):
        refused("an argument that is no literal", "odd_networks:build", "making it failed: KeyError",
                options=("--arg", f"kind={value}"))
    checks.refused("no size", tool("small_networks:Flat", out, "--mean", "0", "--std", "1", "--frames", "8"), out,
                   "--size")
    checks.refused("no positive size", tool("small_networks:Flat", out, *PREPROCESSING, "--size", "-3"), out, "--size")
    checks.refused("an argument without a value", tool("small_networks:Ops", out, *PREPROCESSING, "--arg", "same"), out,
                   "--arg same")
    refused("another argument", "small_networks:Ops", "TypeError", options=("--arg", "depth=3"))
    refused("frames that are too few", "small_networks:Means", "more --frames", options=("--frames", "3"))
    refused("another size than a linear layer wants", "small_networks:Flat", "view", options=("--size", "20"))
    refused("a profile of two channels", "small_networks:Flat", "conv (Conv3d): the network reads 3 channels, i3d-flow gives 2",
            options=("--profile", "i3d-flow"))
    ended = tool("odd_networks:Looping", out, *PREPROCESSING)
    last = (ended.err.splitlines() or [""])[-1]
    checks.that(
        "neither traced nor exported", ended.status == 1 and "neither" in last and "odd_networks:Looping" in last and
        len(ended.err.splitlines()) == 1 and not out.exists(), ended)
    checks.that("wrong usage", tool("small_networks:Flat").status == 2)


class Evil:
    """What a pickle that is run would do."""
    def __reduce__(self):
        return os.mkdir, (str(pathlib.Path(tempfile.gettempdir()) / f"evil-{os.getpid()}"),)


def check_weights(checks, tool, folder):
    out, path, spec = folder / "bad.h5", folder / "weights.pth", "small_networks:Flat"
    state = made(small_networks.Flat).state_dict()

    def refused(what, *words):
        checks.refused(what, tool(spec, out, *PREPROCESSING, "--weights", path), out, "weights.pth", *words)

    torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}}, path)
    checks.mapped("weights as published", tool(spec, out, *PREPROCESSING, "--weights", path))
    out.unlink(missing_ok=True)
    others = {key: tensor for key, tensor in state.items() if key != "fc6.bias"}
    torch.save({**others, "fc8.bias": torch.zeros(3), "shift": torch.zeros(9)}, path)
    refused("other keys", "missing: fc6.bias", "unexpected: fc8.bias", "mis-shaped: shift")
    torch.save({**state, "shift": torch.full((small_networks.CLASSES,), float("nan"))}, path)
    refused("NaN in the weights", "shift", "NaN")
    torch.save(state, path)
    whole = path.read_bytes()
    for part in (0, 1, 100, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:part])
        refused(f"weights cut off at {part}")
    torch.save({"state_dict": state, "extra": Evil()}, path)
    ended = tool(spec, out, *PREPROCESSING, "--weights", path)
    checks.that("more than tensors in the pickle", ended.status == 0 and "nothing of it was run" in ended.err, ended)
    out.unlink(missing_ok=True)
    checks.that("nothing in the pickle ran", not (pathlib.Path(tempfile.gettempdir()) / f"evil-{os.getpid()}").exists())
    path.unlink()
    refused("no weights")
    torch.save(odd_networks.Deaf().state_dict(), path)
    checks.refused("weights that are not taken", tool("odd_networks:Deaf", out, *PREPROCESSING, "--weights", path), out,
                   "odd_networks:Deaf: did not take what", "conv.weight")
    half = made(odd_networks.Copied)
    torch.save(half.state_dict(), path)
    ended = tool("odd_networks:build", out, *PREPROCESSING, "--weights", path, "--arg", "kind=Copied")
    if checks.mapped("half precision", ended):
        hold(checks, "half precision", out, half, clip(), 1e-2)
        checks.that("build: the class's name", FileModel(out).name == "Copied", FileModel(out).name)


def main():
    torch.set_num_threads(1)
    checks, tool = Checks(), Tool("import-torch")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_small(checks, tool, folder)
        check_ends(checks, tool, folder)
        check_channels(checks, tool, folder)
        check_progress(checks, tool, folder)
        check_current_folder(checks, folder)
        check_refusals(checks, tool, folder)
        check_weights(checks, tool, folder)
        if onnx:
            check_fallback(checks, tool, folder)
        else:
            print("skipped: the way by ONNX (onnx is not here)")
        if torchvision:
            check_published(checks, tool, folder)
            check_video(checks, tool, folder)
        else:
            print("skipped: the published networks (torchvision is not here)")
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
