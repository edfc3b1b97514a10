#!/usr/bin/env python3
"""predict warns where /input of a model file looks wrong, and only there: where three clips agree.

    check_input.py --cfp BIN [--hand-made | --data DIR [--every N]]

Copies of a model get a wrong /input (colour order, scale, mean), then predict is asked.  Without --data: a
hand-made network that answers to red alone, and (not with --hand-made) weights/motion.h5 with its clips.  With it: the real network
DIR/models/c3d-mini-ucf101.h5, which was trained on BGR from 0 to 255, on windows of DIR/clips.  The figures that it
prints are those that host/program/input_check.c rests its margins on.
"""
import argparse
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from model_file import ModelFile  # noqa: E402

COLOR, RANGE = "is /input color", "are /input scale, mean and std right?"
VIDEO = {".mp4", ".avi", ".mkv", ".mov"}
KINETICS = {"scale": 255.0, "mean": [0.43216, 0.394666, 0.37645], "std": [0.22803, 0.22145, 0.216989]}
failed = 0


def check(name, good, text=""):
    global failed
    failed += not good
    if not good:
        print(f"FAIL {name} {text}")


def copy_of(model, folder, **changes):
    """The model with another /input."""
    path = pathlib.Path(folder) / "changed.h5"
    shutil.copy(model, path)
    with h5py.File(path, "r+") as f:
        for key, value in changes.items():
            f["input"].attrs[key] = np.asarray(value, np.float64) if key in ("mean", "std") else value
    return path


def predict(model, *arguments):
    """The clips of the JSON, and the lines of standard error that are not about the clips alone."""
    ran = subprocess.run([args.cfp, "predict", model, *arguments, "--json", "-q"], capture_output=True, text=True,
                         timeout=300)
    check(f"{model} {arguments}", ran.returncode == 0, ran.stderr)
    lines = [line for line in ran.stderr.splitlines() if ": looped" not in line and ": damaged: " not in line]
    return json.loads(ran.stdout)["clips"], lines


def warnings(model, *arguments):
    """The warnings of each clip.  Standard error must have the same, but warnings about the model's numbers only once, with its name."""
    clips, lines = predict(model, *arguments)
    start = f"cfp-gpu: warning: {model}: "
    of_model = [line[len(start):] for line in lines if line.startswith(start)]
    said = [f"cfp-gpu: warning: {clip['clip']}: {text}" for clip in clips for text in clip.get("warnings", [])
            if text not in of_model]
    check(f"{model}: two accounts", said == [line for line in lines if not line.startswith(start)], f"{lines} {said}")
    for clip in clips:
        check("keys", list(clip) in (["clip", "indices", "top"], ["clip", "indices", "top", "warnings"]), list(clip))
        check("an empty array", clip.get("warnings") != [])
    return [clip.get("warnings", []) for clip in clips]


def surer(model, *arguments):
    """With --check-input always: for each clip the kinds (COLOR, RANGE) of the ways that are marked "much surer"."""
    ran = subprocess.run([args.cfp, "predict", model, *arguments, "--check-input", "always"], capture_output=True, text=True,
                         timeout=300)
    check(f"{model} {arguments}", ran.returncode == 0, ran.stderr)
    found = []
    for line in ran.stderr.splitlines():
        if ": as /input says: " in line:
            found.append(set())
        elif line.endswith(": much surer"):
            found[-1].add(COLOR if ": red and blue swapped: " in line else RANGE)
    return found


def thrice(clip):
    """Three clips that say the same."""
    others = [clip.with_name(f"{clip.stem}-{i}{clip.suffix}") for i in (2, 3)]
    for other in others:
        shutil.copy(clip, other)
    return [clip, *others]


def red_model(path, gain, classes=8, rows=None, head=None, **spec):
    """Class 0's logit is gain * mean of (red - blue), the others' are 0; or `rows` of the first classes; head: an op."""
    weight = np.zeros((classes, 3, 1, 1, 1))
    for c, row in enumerate(rows or [(gain, 0, -gain)]):
        weight[c, :, 0, 0, 0] = row
    with ModelFile(path, name="red", classes=[f"c{i}" for i in range(classes)], output=head or "pool", channels=3, frames=2,
                   height=4, width=4, **{**dict(mean=[0] * 3, std=[1] * 3), **spec}) as m:
        m.add_node("conv", "conv3d", ["input"], weight=weight)
        m.add_node("pool", "globalavgpool", ["conv"])
        if head:
            m.add_node(head, head, ["pool"])


def sigmoid_head(folder, clip):
    """Class 0 is sure of red, and the others are sure against it. As BGR all are undecided, which a softmax would not show."""
    rows = [(20, 0, 0)] + [(-20, 0, 0)] * 7
    model = folder / "several.h5"
    red_model(model, 0, rows=rows, head="sigmoid")
    clips, said = predict(model, clip, "--top", "8")
    chances = [entry["probability"] for entry in clips[0]["top"]]
    check("sigmoid: a sure answer", chances[0] > 0.99 and max(chances[1:]) < 0.01 and not said, f"{chances} {said}")
    found = warnings(copy_of(model, folder, color="BGR"), *thrice(clip))
    text = f"in 3 of 3 clips the model is surer with red and blue swapped (entropy 0.00 instead of {math.log(2):.2f} nats): " \
           "is /input color BGR right?"
    check("sigmoid: red as BGR", found[2][:1] == [text] and found[:2] == [[], []], found)
    red_model(model, 0, rows=[(20, 0, 0)] * 8, head="sigmoid")   # all hold: 8 sure answers, log 8 of a softmax
    ended = subprocess.run([args.cfp, "predict", model, clip, "--check-input", "always"], capture_output=True, text=True)
    check("sigmoid: all of them", "entropy 0.00 nats" in ended.stderr and "need not add up to 1" in ended.stderr, ended.stderr)
    check("sigmoid: text", ended.stdout.count("100.000 %") == 5, ended.stdout)


def hand_made(folder):
    """Red clips: sure as RGB.  As BGR class 0 is ruled out and seven are left alike: entropy log 7, no peak."""
    model, clip = folder / "red.h5", folder / "red.npy"
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    frames[..., 0] = 255
    np.save(clip, frames)
    red_model(model, 20)
    check("red, rightly", warnings(model, clip) == [[]])
    swapped = copy_of(model, folder, color="BGR")
    text = f"in 3 of 3 clips the model is surer with red and blue swapped (entropy 0.00 instead of {math.log(7):.2f} nats): " \
           "is /input color BGR right?"
    clips = thrice(clip)
    found = warnings(swapped, *clips, *clips)
    check("red as BGR", found[2][:1] == [text], found)
    check("the warning does not come twice", sum(COLOR in w for ws in found for w in ws) == 1, found)
    check("two clips prove nothing", warnings(swapped, *clips[:2]) == [[], []])
    check("never", not any(warnings(swapped, *clips, "--check-input", "never")))
    blue = folder / "blue.npy"  # as BGR the model is sure of it: a clip that speaks against RGB
    np.save(blue, frames[..., ::-1])
    check("a clip that is sure does not count", len(warnings(swapped, *clips[:2], blue, clips[2])[3]) >= 1)
    other = folder / "sigmoid"  # copy_of has one name for all copies
    other.mkdir()
    sigmoid_head(other, clip)
    two = folder / "two.h5"
    red_model(two, 2, classes=2, color="BGR")
    check("two classes", warnings(two, clip, "--check-input", "always") == [[]])

    sure = folder / "sure.h5"  # probability 0.98 with a peak of 1.4; that it is surer still when swapped is no matter
    red_model(sure, 0, rows=[(6, 0, 20), (-12, 0, 0)])
    check("a sure answer", warnings(sure, clip, "--check-input", "always") == [[]])

    huge = folder / "huge.h5"  # overflows from 0 to 255: no answer, and no failure
    red_model(huge, 1e37, color="BGR")
    check("an overflow is no answer", sum(map(len, warnings(huge, *clips))) == 1)

    flow = folder / "flow.npy"
    np.save(flow, np.full((2, 4, 4, 2), 128, np.uint8))
    with ModelFile(folder / "flow.h5", name="flow", classes=list("abcdefgh"), output="pool", channels=2, frames=2,
                   height=4, width=4, scale=127.5, mean=[1] * 2, std=[1] * 2) as m:
        m.add_node("conv", "conv3d", ["input"], weight=np.ones((8, 2, 1, 1, 1)))
        m.add_node("pool", "globalavgpool", ["conv"])
    check("optical flow", warnings(folder / "flow.h5", flow, "--check-input", "always") == [[]])

    ran = subprocess.run([args.cfp, "predict", swapped, clip, "--check-input", "always"], capture_output=True,
                         text=True)
    shown = [line for line in ran.stderr.splitlines() if " nats, peak " in line]
    check("always shows each answer", len(shown) == 6 and "as /input says: 'c1' 0.143, entropy 1.95" in shown[0] and
          "red and blue swapped: 'c0' 1.000" in shown[1], ran.stderr)


NUMBERS = [  # a wrong /input that no clip is needed for, and what is said
    (dict(scale=1.0), "turn the bytes into -1.8 to 1018: are they numbers of 0..1"),
    (dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]), "mean is 114.5, and white is 1"),
    (dict(std=[58.395, 57.12, 57.375]), "no more than"),
    (dict(scale=1.0, std=[1, 1, 1]), "next to nothing where white is 255"),
]
RIGHT_NUMBERS = [  # of published networks
    dict(scale=1.0, mean=[0, 0, 0], std=[1, 1, 1]), dict(scale=255.0, mean=[0, 0, 0], std=[1, 1, 1]), KINETICS,
    dict(scale=1.0, mean=[114.7748, 107.7354, 99.4750], std=[1, 1, 1]),
    dict(scale=127.5, mean=[1, 1, 1], std=[1, 1, 1]),
    dict(scale=1.0, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    dict(scale=1.0, mean=[104, 117, 128], std=[1, 1, 1], color="BGR"), dict(scale=255.0, mean=[0.5] * 3, std=[0.5] * 3),
    dict(scale=255.0, mean=[124 / 255, 117 / 255, 104 / 255], std=[1 / (0.0167 * 255)] * 3),
]


def shipped(folder):
    model, clips = ROOT / "weights/motion.h5", sorted((ROOT / "datasets/motion").glob("*.mp4"))
    for checking in ("auto", "always"):
        check(f"motion, rightly, {checking}", not any(warnings(model, *clips, "--check-input", checking)))
    for changes in NUMBERS:
        wrong = copy_of(model, folder, **changes[0])
        for found in warnings(wrong, *clips[:2]):
            check(f"{changes[0]}", found and changes[1] in found[0], found)
        check(f"{changes[0]}, never", warnings(wrong, clips[0], "--check-input", "never") == [[]])
    for changes in RIGHT_NUMBERS:
        path = copy_of(model, folder, **changes)
        check(f"{changes} are right numbers", not any(
            line.startswith(f"cfp-gpu: warning: {path}") for line in predict(path, clips[0])[1]))
    check("the same range in other words", not any(warnings(copy_of(model, folder, **KINETICS), *clips)))
    check("a network that does not care for colour", not any(warnings(copy_of(model, folder, color="BGR"), *clips)))
    for changes in (RIGHT_NUMBERS[0], RIGHT_NUMBERS[3]):
        wrong = copy_of(model, folder, **changes)
        found = surer(wrong, *clips)
        said = [w for start in ("0", "4", "8") for ws in warnings(wrong, *clips, "--start", start) for w in ws]
        count = sum(RANGE in ways for ways in found)
        print(f"motion with {changes}: much surer of {count} of {len(clips)} clips in another range; {len(said)} of 3 runs warn")
        check(f"{changes} is not the range of motion", count >= len(clips) / 4, found)
        check(f"{changes} is warned of", said and all(RANGE in w for w in said), said)


def windows(path, every):
    """--start and --stride of windows of two frames, half of the clip apart, as the network was trained on."""
    if path.is_dir():
        frames = sum(p.suffix.lower() in (".jpg", ".png") for p in path.iterdir())
    else:
        ask = ["ffprobe", "-v", "quiet", "-select_streams", "v:0", "-count_frames", "-of", "csv=p=0", "-show_entries",
               "stream=nb_read_frames", path]
        frames = int(subprocess.run(ask, capture_output=True, text=True).stdout.split(",")[0].split()[0])
    half = max(1, frames // 2)
    return [(path, ["--start", str(s), "--stride", str(half)]) for s in [0, *(range(5, half - 1, every) if every else ())]]


def real(folder):
    model = args.data / "models/c3d-mini-ucf101.h5"
    if not model.exists():
        print(f"skipped: {model} is not there")
        sys.exit(77)
    clips = args.data / "clips"
    known = [w for clip in sorted((clips / "ucf101").glob("*.avi")) for w in windows(clip, args.every)]
    one = [p for p in sorted(clips.rglob("*")) if p.suffix.lower() in VIDEO] + sorted({p.parent for p in clips.rglob("*.jpg")})
    alone = [w for clip in one for ws in warnings(model, clip) for w in ws]
    together = [w for ws in warnings(model, *one) for w in ws]
    print(f"as it was trained: {len(alone)} of {len(one)} clips warned of alone, {len(together)} warnings for all together")
    check("the real network, rightly", not alone and not together, alone + together)
    for name, changes, kind, least in (
            ("as it was trained", {}, "", 0), ("RGB", dict(color="RGB"), COLOR, 0.4),
            ("0..1 normalised", KINETICS, RANGE, 0.3),
            ("-1..1", dict(scale=127.5, mean=[1] * 3, std=[1] * 3), RANGE, 0.3)):
        path = copy_of(model, folder, **changes)
        found = [surer(path, clip, *window)[0] for clip, window in known]
        # A clip of which the model is sure is marked, too, but does not count: of right windows some are.
        count = sum(kind in ways for ways in found)
        print(f"{name}: much surer of {count} of {len(known)} windows of its classes in another way")
        if kind:
            check(f"the real network as {name}", count >= least * len(known), count)


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--cfp", required=True)
parser.add_argument("--hand-made", action="store_true", help="the hand-made network alone")
parser.add_argument("--data", type=pathlib.Path)
parser.add_argument("--every", type=int, default=7, help="frames from one window of a clip to the next")
args = parser.parse_args()
with tempfile.TemporaryDirectory() as scratch:
    if args.data:
        real(pathlib.Path(scratch))
    else:
        hand_made(pathlib.Path(scratch))
        if not args.hand_made:
            shipped(pathlib.Path(scratch))
print(f"{failed} failed")
sys.exit(1 if failed else 0)
