#!/usr/bin/env python3
"""Small inputs that once gave wrong answers, with the right ones.

    check_cases.py --cfp CFP_GPU --data DIR [CASE...]

DIR/cases holds a folder for each case, NUMBER-NAME; its README.md says what is right.  Every function
below that is called case_NUMBER checks one of them and returns what is wrong, or nothing.  To add a
case write such a function: it gets a Case.  Those of cases_import.py are run too.  CASE: only these numbers.  Exit status 77: h5py or numpy
is not there."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import cases_import  # noqa: E402 (after the packages are looked for)

TEXT = h5py.string_dtype("utf-8")


def small_model(path, frames, height, width):
    """A network that reads frames of height x width, stretched to that: one convolution, two classes."""
    with h5py.File(path, "w") as f:
        f.attrs.update({"cfp_format": "model", "cfp_version": np.int32(1), "name": "small", "output": "fc"})
        f.create_dataset("classes", data=["a", "b"], dtype=TEXT)
        spec = f.create_group("input").attrs
        for key, value in dict(channels=3, frames=frames, height=height, width=width, frame_stride=1,
                               resize_short=0).items():
            spec[key] = np.int32(value)
        spec.update({"crop": "center", "color": "RGB", "scale": 255.0, "mean": np.zeros(3), "std": np.ones(3)})
        chance = np.random.default_rng(1)
        for name, op, reads, data in (
                ("conv", "conv3d", "input", {"weight": chance.normal(size=(4, 3, 1, 1, 1))}),
                ("pool", "globalavgpool", "conv", {}),
                ("fc", "linear", "pool", {"weight": chance.normal(size=(2, 4))})):
            group = f.create_group(f"graph/{name}")
            group.attrs["op"] = op
            group.attrs.create("inputs", [reads], dtype=TEXT)
            for key, value in data.items():
                group.create_dataset(key, data=np.asarray(value, np.float32))
    return path


class Case:
    """One case: its files, room to work in, and the program."""

    def __init__(self, folder, work):
        self.folder, self.work = folder, work

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def run(self, *arguments):
        return subprocess.run([options.cfp, *map(str, arguments)], capture_output=True, text=True,
                              errors="replace", timeout=120)

    def explained(self, clip, frames, *arguments, height=24, width=32):
        """What a model sees of a clip: the run, frames T x H x W x 3 and their indices (None, None
        where the run failed)."""
        model = small_model(os.path.join(self.work, "small.h5"), frames, height, width)
        out = os.path.join(self.work, "out")
        done = self.run("explain", model, clip, "-o", out, "--format", "h5", "--tubes", "none",
                        "--device", "ref", "-q", *arguments)
        if done.returncode != 0:
            return done, None, None
        with h5py.File(os.path.join(out, "explanation.h5")) as f:
            return done, f["clip/frames"][()].astype(int), f["clip/indices"][()].tolist()


def warnings(done):
    return [line for line in done.stderr.splitlines() if "warning" in line]


def case_03(case):
    """Frames in the order of their names: the levels go up."""
    for folder, ambiguous in (("ezgif", False), ("hash", False), ("hms", True)):
        done, frames, _ = case.explained(case.path(folder), 4)
        if frames is None:
            return f"{folder}: {done.stderr}"
        levels = frames.mean((1, 2, 3)).round().tolist()
        if sorted(levels) != levels or len(set(levels)) != 4:
            return f"{folder}: levels {levels}"
        said = [line for line in warnings(done) if "can be read in two ways" in line]
        if len(said) != ambiguous:
            return f"{folder}: it says {warnings(done)}"
    return ""


def case_10(case):
    """A JPEG for each frame in HDF5: the frames of a folder of the same JPEGs."""
    clip, folder = case.path("video.hdf5"), os.path.join(case.work, "frames")
    os.makedirs(folder)
    with h5py.File(clip) as f:
        for i, jpeg in enumerate(f["video"]):
            with open(os.path.join(folder, f"{i}.jpg"), "wb") as out:
                out.write(jpeg.tobytes())
    done, got, indices = case.explained(clip, 8)
    if got is None or indices != list(range(8)):
        return f"indices {indices}: {done.stderr}"
    _, right, _ = case.explained(folder, 8)
    return "" if (got == right).all() else "other frames than those of the folder"


def case_11(case):
    """Frames are missing: a warning with their count, and --start is a number of the names."""
    clip = case.path("P22_10")
    numbers = [1, 3, 5, 12, 17, 23, 31, 36]
    done, _, indices = case.explained(clip, 8)
    if indices != numbers or not any("28 of the frame numbers 1 to 36" in w for w in warnings(done)):
        return f"indices {indices}: {done.stderr}"
    done, every, _ = case.explained(clip, 8)
    for start, first, said in ((5, 5, 0), (4, 5, 1), (36, 36, 0), (0, 1, 1)):
        done, frames, indices = case.explained(clip, 1, "--start", start)
        lines = [w for w in warnings(done) if f"no frame has the number {start} of --start" in w]
        if indices != [first] or len(lines) != said or (frames[0] != every[numbers.index(first)]).any():
            return f"--start {start}: {indices}: {done.stderr}"
    done, _, _ = case.explained(clip, 1, "--start", 37)
    return "" if done.returncode == 2 and "numbers 1 to 36" in done.stderr else done.stderr


def case_12(case):
    """JPEG inside TIFF, alone and in a folder: its mean level, not black."""
    for clip in (case.path("frames"), case.path("frames", "0001.tif")):
        done, frames, _ = case.explained(clip, 1, height=48, width=64)
        if frames is None or abs(frames.mean() - 118.1) > 1:
            return f"{clip}: {None if frames is None else frames.mean()}: {done.stderr}"
    return ""


def case_13(case):
    """Video of variable rate: all frames, and no warning."""
    done, _, indices = case.explained(case.path("vfr.webm"), 20)
    return "" if indices == list(range(20)) and not warnings(done) else f"{indices}: {done.stderr}"


def case_15(case):
    """An animated WebP: six frames, or why not."""
    done, frames, _ = case.explained(case.path("a.webp"), 6)
    return "" if frames is not None or "animated WebP" in done.stderr else done.stderr


def case_14(case):
    """Two video tracks: the first one, and a line that says so; --track takes the other."""
    clip = case.path("two.mp4")
    model = small_model(os.path.join(case.work, "small.h5"), 20, 24, 32)
    done = case.run("predict", model, clip, "--device", "ref", "--json", "-q")
    if done.returncode != 0 or json.loads(done.stdout)["clips"][0]["indices"] != list(range(20)):
        return done.stdout + done.stderr
    if done.stderr.count("2 video tracks") != 1:
        return f"it says {warnings(done)}"
    _, first, _ = case.explained(clip, 20)
    done, same, _ = case.explained(clip, 20, "--track", 1)
    if "video tracks" in done.stderr or (first != same).any():
        return f"--track 1: {done.stderr}"
    done, other, _ = case.explained(clip, 20, "--track", 2)
    if other is None or (first == other).all():
        return f"--track 2: {done.stderr}"
    done, _, _ = case.explained(clip, 20, "--track", 3)
    return "" if done.returncode == 2 and "--track: 3: " in done.stderr else done.stderr


def of_importers(check):
    """A function of cases_import.py as one of this file's."""
    def checked(case):
        try:
            check(options.cfp, pathlib.Path(options.data) / "cases")
        except AssertionError as problem:
            return str(problem)
        return ""
    return checked


CASES = {number: of_importers(check) for number, check in cases_import.CASES.items()}
CASES |= {name[5:]: check for name, check in list(globals().items()) if name.startswith("case_")}


def folders():
    """Number -> the folder of that case."""
    root = os.path.join(options.data, "cases")
    return {name.split("-")[0]: os.path.join(root, name) for name in sorted(os.listdir(root))
            if name[:1].isdigit()}


def main():
    failed = 0
    found = folders()
    for number in options.case or sorted(CASES):
        if number not in CASES or number not in found:
            print(f"FAIL {number}: no such case")
            failed += 1
            continue
        with tempfile.TemporaryDirectory() as work:
            wrong = CASES[number](Case(found[number], work))
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {os.path.basename(found[number])} {wrong}", flush=True)
    print(f"{failed} failed")
    return 1 if failed else 0


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--cfp", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("case", nargs="*")
options = parser.parse_args()
sys.exit(main())
