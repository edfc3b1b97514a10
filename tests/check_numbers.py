#!/usr/bin/env python3
"""Clips of numbers: networks whose input has one channel, or four, or five, or numbers that no byte holds.

    check_numbers.py --cfp BIN

What the program answers is compared with PyTorch, which gets the array as NumPy has it. The networks are small ones of
the kinds that MedicalNet and MONAI have: a residual network with dilated blocks, and a densely connected one.
"""
import argparse
import gzip
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
    import torch
    from torch import nn
except ImportError as missing:
    print(f"skipped: {missing} (needs the Python packages torch, h5py and numpy)")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "importers"))
from importer_tool import Tool  # noqa: E402 (after the path is set)

SIZES = 10, 16, 16                       # depth, height, width
FACTORIES = """
import torch
from torch import nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, read, made, stride, dilation):
        super().__init__()
        self.conv1 = nn.Conv3d(read, made, 3, stride, dilation, dilation, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm3d(made), nn.BatchNorm3d(made)
        self.conv2 = nn.Conv3d(made, made, 3, 1, dilation, dilation, bias=False)
        self.project = nn.Sequential(nn.Conv3d(read, made, 1, stride, bias=False), nn.BatchNorm3d(made))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.project(x))


class Residual(nn.Module):
    '''As MedicalNet's: a wide stem, a pool, blocks of which the last are dilated; here with a classifier.'''
    def __init__(self, channels=1):
        super().__init__()
        self.stem = nn.Conv3d(channels, 6, 7, (2, 2, 2), (3, 3, 3), bias=False)
        self.norm, self.pool = nn.BatchNorm3d(6), nn.MaxPool3d(3, 2, 1)
        self.blocks = nn.Sequential(Block(6, 6, 1, 1), Block(6, 8, 1, 2), Block(8, 10, 1, 4))
        self.fc = nn.Linear(10, 4)

    def forward(self, x):
        x = self.blocks(self.pool(F.relu(self.norm(self.stem(x)))))
        return self.fc(F.adaptive_avg_pool3d(x, 1).flatten(1))


class Dense(nn.Module):
    '''As MONAI's DenseNet: every layer reads all maps before it.'''
    def __init__(self, channels=1):
        super().__init__()
        self.first = nn.Conv3d(channels, 6, 3, (1, 2, 2), 1)
        self.norms = nn.ModuleList(nn.BatchNorm3d(6 + 4 * i) for i in range(3))
        self.convs = nn.ModuleList(nn.Conv3d(6 + 4 * i, 4, 3, padding=1) for i in range(3))
        self.head = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(18, 4))

    def forward(self, x):
        x = self.first(x)
        for norm, conv in zip(self.norms, self.convs):
            x = torch.cat([x, conv(F.relu(norm(x)))], 1)
        return self.head(x)
"""
wrong, done = [], [0]


def check(good, what):
    done[0] += 1
    if not good:
        wrong.append(what)


def run(cfp, *arguments, status=0):
    ended = subprocess.run([cfp, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    if ended.returncode != status:
        wrong.append(f"{' '.join(map(str, arguments))}: exit status {ended.returncode}, not {status}: {ended.stderr.strip()}")
    return ended


def refused(cfp, what, arguments, *words, status=1):
    said = run(cfp, *arguments, *(("--device", "cpu") if arguments[0] != "inspect" else ()), status=status).stderr.strip()
    check(len(said.splitlines()) == 1 and all(word in said for word in words), f"{what}: wanted {words}: {said}")


def made(factory, **keywords):
    """The module with weights and statistics that are not those of the start."""
    space = {}
    exec(FACTORIES, space)
    torch.manual_seed(5)
    module = space[factory](**keywords).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 1.5)
    return module


def imported(tools, factory, out, *options, channels=1, status=0):
    module = made(factory, channels=channels)
    torch.save(module.state_dict(), "weights.pth")
    ended = tools(f"nets:{factory}", pathlib.Path(out), "--arg", f"channels={channels}", "--weights", "weights.pth",
                  "--frames", SIZES[0], "--size", SIZES[1], *options)
    if ended.status != status:
        wrong.append(f"import {factory} {options}: exit status {ended.status}: {ended.err}")
    return module, ended


def held(cfp, what, model, clip, module, array, *options):
    """The program's logits against the module's for this array, channels x depth x height x width."""
    ended = run(cfp, "predict", model, clip, "--json", "--top", 4, "--device", "cpu", "--threads", 1, *options)
    if ended.returncode:
        return
    top = sorted(json.loads(ended.stdout)["clips"][0]["top"], key=lambda entry: entry["index"])
    with torch.no_grad():
        right = module(torch.from_numpy(np.ascontiguousarray(array, np.float32))[None])[0].numpy()
    off = np.abs(np.array([entry["logit"] for entry in top]) - right).max() / np.abs(right).max()
    check(off < 1e-4, f"{what}: logits differ by {off:.1e}")


def nifti(path, array, code, slope=1.0, intercept=0.0, big=False, second=False, channels=1):
    """array: x, y, z (, channels) with the type of `code`."""
    end = ">" if big else "<"
    sizes = [array.ndim, *array.shape, *[1] * (7 - array.ndim)]
    if second:
        header = struct.pack(end + "i8sHH8qddd8dqdd", 540, b"n+2\0\r\n\x1a\n", code, array.itemsize * 8, *sizes, 0, 0, 0,
                             *[1.0] * 8, 544, slope, intercept)
        header = header.ljust(544, b"\0")
    else:
        header = struct.pack(end + "i36x8h14xhhh8ffff", 348, *sizes, code, array.itemsize * 8, 0, *[1.0] * 8, 352, slope, intercept)
        header = header.ljust(344, b"\0") + b"n+1\0" + bytes(4)
    data = header + array.astype(array.dtype.newbyteorder(end)).tobytes(order="F")
    pathlib.Path(path).write_bytes(gzip.compress(data) if path.endswith(".gz") else data)


def standardised(array, how):
    out = array.astype(np.float64).copy()
    for channel in out:
        if how == "clip":
            channel[:] = (channel - channel.mean()) / channel.std()
        elif how == "range":
            channel[:] = (channel - channel.min()) / (channel.max() - channel.min())
        else:
            inside = channel != 0
            channel[inside] = (channel[inside] - channel[inside].mean()) / channel[inside].std()
    return out


def check_types(cfp, rng, tools):
    """One channel: the types of NumPy, HDF5 and NIfTI, with scale, mean and deviation."""
    module, _ = imported(tools, "Residual", "one.h5", "--scale", 1000, "--mean", 0.1, "--std", 0.5)
    volume = rng.integers(-1000, 3000, SIZES)
    array = (volume / 1000 - 0.1)[None] / 0.5
    for kind in ("<i2", ">i2", "<i4", "<f4", ">f8", "<i8"):
        np.save("v.npy", volume.astype(kind))
        held(cfp, f"npy of {kind}", "one.h5", "v.npy", module, array)
    half = (volume / 8).astype("<f2")
    np.save("v.npy", half[..., None])
    held(cfp, "npy of f2", "one.h5", "v.npy", module, (half.astype("f8") / 1000 - 0.1)[None] / 0.5)
    for kind in ("i2", "f4", "f8"):
        with h5py.File("v.h5", "w") as file:
            file["frames"] = volume.astype(kind)
        held(cfp, f"HDF5 of {kind}", "one.h5", "v.h5", module, array)
    for at, (code, kind) in enumerate(((4, "i2"), (8, "i4"), (16, "f4"), (64, "f8"), (1024, "i8"))):
        name = "v.nii.gz" if at % 2 else "v.nii"
        nifti(name, volume.astype(kind), code, big=at % 3 == 1, second=at % 2 == 1)
        held(cfp, f"NIfTI of {kind}", "one.h5", name, module, array)
    nifti("v.nii", (volume + 1000).astype("u2"), 512, slope=2, intercept=-2000)
    held(cfp, "NIfTI with a slope", "one.h5", "v.nii", module, (2 * volume / 1000 - 0.1)[None] / 0.5)


def check_standards(cfp, rng, tools):
    volume = rng.integers(0, 500, SIZES)
    volume[rng.random(SIZES) < 0.5] = 0
    np.save("z.npy", volume.astype("u2"))
    for how in ("clip", "nonzero", "range"):
        module, _ = imported(tools, "Dense", "z.h5", "--scale", 1, "--mean", 0, "--std", 1, "--standardise", how)
        held(cfp, f"standardise {how}", "z.h5", "z.npy", module, standardised(volume[None], how))
    imported(tools, "Dense", "zyx.h5", "--scale", 1, "--mean", 0, "--std", 1, "--standardise", "range", "--volume-axes", "zyx")
    nifti("zyx.nii", np.ascontiguousarray(volume.T).astype("u2"), 512)
    held(cfp, "volume axes zyx", "zyx.h5", "zyx.nii", module, standardised(volume[None], "range"))
    np.save("flat.npy", np.full(SIZES, 7, "u2"))
    held(cfp, "a constant volume", "z.h5", "flat.npy", module, np.zeros((1, *SIZES)))


def frames_of(folder):
    with h5py.File(os.path.join(folder, "explanation.h5")) as file:
        return file["clip/frames"][:], sorted(file["pyramid"])


def check_grey(cfp, rng, tools):
    """Pictures and bytes for a network of one channel: 0.299 red + 0.587 green + 0.114 blue."""
    module, _ = imported(tools, "Dense", "grey.h5", "--scale", 255, "--mean", 0.45, "--std", 0.225)
    colours = rng.integers(0, 256, (*SIZES, 3), dtype=np.uint8)
    grey = np.floor((colours @ np.array([299, 587, 114]) + 500) / 1000)
    os.makedirs("frames", exist_ok=True)
    for t, frame in enumerate(colours):
        with open(f"frames/{t:03}.ppm", "wb") as file:
            file.write(b"P6 %d %d 255\n" % (SIZES[2], SIZES[1]) + frame.tobytes())
    np.save("colours.npy", colours)
    np.save("grey.npy", grey.astype(np.uint8))
    for clip in ("frames", "colours.npy", "grey.npy"):
        held(cfp, f"grey from {clip}", "grey.h5", clip, module, (grey / 255 - 0.45)[None] / 0.225)
    run(cfp, "explain", "grey.h5", "frames", "-o", "grey", "--format", "h5", "-q")
    shown, _ = frames_of("grey")
    check((shown == grey[..., None]).all(), "grey frames are shown as they are")


def check_many(cfp, rng, tools):
    """Five channels, such as RGB and flow; four, such as the sequences of a scanner; three of numbers."""
    values = rng.normal(size=(*SIZES, 5)).astype(np.float32)
    mean, std = [0.1, 0.2, 0.3, 0.4, 0.5], [1, 2, 3, 4, 5]
    module, _ = imported(tools, "Residual", "five.h5", "--scale", 1, "--mean", *mean, "--std", *std, "--show-channels", "3,4,0", channels=5)
    right = np.moveaxis((values - mean) / std, -1, 0)
    np.save("five.npy", values)
    held(cfp, "five channels", "five.h5", "five.npy", module, right)
    with h5py.File("five-clip.h5", "w") as file:
        file["frames"] = values
    held(cfp, "five channels in HDF5", "five.h5", "five-clip.h5", module, right)
    for rule in ("cfp", "grad", None):
        run(cfp, "explain", "five.h5", "five.npy", "-o", f"five-{rule}", "--format", "h5,png", "-q", *(("--rule", rule) if rule else ()))
        shown, layers = frames_of(f"five-{rule}")
        check(len(layers) == 11, f"{rule}: every convolution and the classifier are explained: {layers}")
    channels = values[..., [3, 4, 0]].astype(np.float64)
    low, high = channels.min((0, 1, 2)), channels.max((0, 1, 2))
    check((shown == np.rint((channels - low) / (high - low) * 255)).all(), "channels 3, 4 and 0 are shown")
    run(cfp, "explain", "five.h5", "five.npy", "-o", "one-shown", "--format", "h5", "-q", "--show-channels", "4")
    grey = np.rint((channels[..., 1:2] - low[1]) / (high[1] - low[1]) * 255)
    check((frames_of("one-shown")[0] == grey).all(), "channel 4 is shown in grey")
    run(cfp, "evaluate", "five.h5", "five.npy", "--metrics", "kernel-drop", "--methods", "grad", "--draws", 2, "--fill", "freeze", "--csv", "e.csv")
    run(cfp, "sweep", "five.h5", "five.npy", "--theta", "0.2,0.5", "--csv", "s.csv")
    pathlib.Path("list.txt").write_text("five.npy\n")
    run(cfp, "batch", "five.h5", "list.txt", "-o", "run")
    run(cfp, "bench", "five.h5", "--runs", 1)
    nifti("four.nii", rng.integers(0, 99, (*SIZES, 4)).astype("u1"), 2)
    module, _ = imported(tools, "Dense", "four.h5", "--scale", 1, "--mean", 0, "--std", 1, "--standardise", "clip", channels=4)
    import_array = np.frombuffer(pathlib.Path("four.nii").read_bytes()[352:], "u1").reshape(*SIZES, 4, order="F")
    held(cfp, "NIfTI with four channels", "four.h5", "four.nii", module, standardised(np.moveaxis(import_array, -1, 0), "clip"))
    module, _ = imported(tools, "Dense", "three.h5", "--scale", 1, "--mean", 0, "--std", 1, "--values", "numbers", channels=3)
    np.save("three.npy", values[..., :3])
    held(cfp, "three channels of numbers", "three.h5", "three.npy", module, np.moveaxis(values[..., :3], -1, 0))


def check_sizes(cfp, rng, tools):
    """Numbers are resized as PyTorch's interpolate does it, and not rounded; bytes are rounded."""
    values = rng.normal(size=(SIZES[0], 24, 24)).astype(np.float32)
    module, _ = imported(tools, "Dense", "size.h5", "--scale", 1, "--mean", 0, "--std", 1)
    for clip, array in (("numbers", values), ("bytes", (values * 40 + 128).clip(0, 255).astype(np.uint8))):
        small = nn.functional.interpolate(torch.from_numpy(array.astype(np.float32))[None], SIZES[1:], mode="bilinear")[0].numpy()
        np.save("s.npy", array)
        held(cfp, f"{clip} resized", "size.h5", "s.npy", module, (small if clip == "numbers" else np.rint(small))[None])


def check_refusals(cfp, rng, tools):
    def saved(name, array):
        np.save(name, array)
        return name

    predict = "predict", "five.h5"
    refused(cfp, "a video for five channels", (*predict, "frames"), "frames: not an array", "5 channels", "T x H x W x 5")
    refused(cfp, "four channels", (*predict, saved("c4.npy", np.zeros((*SIZES, 4), "f4"))), "(10, 16, 16, 4)", "5 channels", "x 5")
    refused(cfp, "channels first", (*predict, saved("cf.npy", np.zeros((5, *SIZES), "f4"))), "(5, 10, 16, 16)", "moveaxis")
    refused(cfp, "one array, five channels", (*predict, saved("c1.npy", np.zeros(SIZES, "f4"))), "(10, 16, 16)", "x 5")
    refused(cfp, "five channels, one read", ("predict", "one.h5", "five.npy"), "(10, 16, 16, 5)", "one channel")
    refused(cfp, "complex", ("predict", "one.h5", saved("c.npy", np.zeros(SIZES, "c8"))), "<c8")
    for value, word in ((np.nan, "NaN"), (-np.inf, "Inf")):
        bad = np.zeros((*SIZES, 5), "f4")
        bad[3, 2, 1, 4] = value
        refused(cfp, word, (*predict, saved("bad.npy", bad)), "frame 3", word)
    with h5py.File("c.h5", "w") as file:
        file["frames"] = np.zeros((*SIZES, 4), "f4")
    refused(cfp, "HDF5 of four channels", (*predict, "c.h5"), "/frames is 10 x 16 x 16 x 4", "5 channels")
    nifti("n.nii", rng.integers(0, 999, SIZES).astype("i2"), 4)
    whole = pathlib.Path("n.nii").read_bytes()
    refused(cfp, "a volume for five channels", (*predict, "n.nii"), "10 x 16 x 16 x 1", "5 channels")
    for what, data, words in (("cut", whole[:-9], ["truncated"]), ("short", whole[:200], ["header"]),
                              ("no NIfTI", b"x" * 400, ["not a NIfTI"]), ("RGB", whole[:70] + b"\x80\0" + whole[72:], ["datatype 128"]),
                              ("axes", whole[:40] + b"\x63\0" + whole[42:], ["99 axes"]),
                              ("no size", whole[:42] + b"\0\0" + whole[44:], ["axis 1"]),
                              ("huge", whole[:42] + b"\xff\x7f" * 3 + whole[48:], ["larger than any clip"]),
                              ("begin", whole[:108] + struct.pack("<f", -1) + whole[112:], ["begin at -1"]),
                              ("pair", whole[:344] + b"ni1\0" + whole[348:], [".img"])):
        pathlib.Path("bad.nii").write_bytes(data)
        refused(cfp, f"NIfTI: {what}", ("predict", "one.h5", "bad.nii"), "bad.nii", *words)
    pathlib.Path("bad.nii.gz").write_bytes(gzip.compress(whole)[:-1000])
    refused(cfp, "a cut .nii.gz", ("predict", "one.h5", "bad.nii.gz"), "truncated")
    for show, words in (("5", ["from 0 to 4"]), ("1,2", ["neither"]), ("a", ["neither"]), ("1,2,3,4", ["neither"])):
        refused(cfp, f"--show-channels {show}", ("explain", "five.h5", "five.npy", "-o", "no", "--show-channels", show),
                "--show-channels", *words, status=2)

    def changed(name, value, of="five.h5"):
        pathlib.Path("changed.h5").write_bytes(pathlib.Path(of).read_bytes())
        with h5py.File("changed.h5", "r+") as file:
            file["input"].attrs[name] = np.bytes_(value) if isinstance(value, str) else value
        return "inspect", "changed.h5"

    for name, value, words in (("values", "bytes", "of 2 or 3"), ("values", "words", "'words'"), ("standardise", "often", "'often'"),
                               ("volume_axes", "xzy", "'xzy'"), ("show_channels", np.array([0, 9, 1], "i4"), "from 0 to 4"),
                               ("show_channels", np.array([0, 1], "i4"), "2 numbers"), ("color", "BGR", "no colours"),
                               ("mean", np.zeros(3), "mean")):
        refused(cfp, f"{name} {value}", changed(name, value), name, words)
    for mean, channels, words in (((0, 0), 1, "mean"), ((0, 0, 0), 5, "mean")):
        _, ended = imported(tools, "Dense", "none.h5", "--mean", *mean, "--std", 1, channels=channels, status=1)
        said = ended.err.strip()
        check(len(said.splitlines()) == 1 and f"{channels} channel" in said and f"{len(mean)}" in said, f"--mean of {len(mean)} for {channels}: {said}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cfp", required=True, type=os.path.abspath)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tool = Tool("import-torch")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        pathlib.Path("nets.py").write_text(FACTORIES)
        rng = np.random.default_rng(8)
        for part in (check_types, check_standards, check_grey, check_many, check_sizes, check_refusals):
            part(args.cfp, rng, tool)
    for text in wrong:
        print(f"FAIL {text}")
    print(f"{done[0]} checks, {len(wrong)} failed")
    sys.exit(1 if wrong else 0)


main()
