#!/usr/bin/env python3
"""What a user meets first: help, messages about what was meant, several clips, --sample, rerun, run.json, view.

    check_front_door.py --cfp BIN
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
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

FRAMES = 5
failed = 0


def check(name, good, text=""):
    global failed
    failed += not good
    if not good:
        print(f"FAIL {name} {text}")


def run(*words):
    return subprocess.run([args.cfp, *map(str, words)], capture_output=True, text=True, timeout=300)


def refused(name, words, status, pattern):
    """The command fails with this status and one line that the pattern matches."""
    done = run(*words)
    lines = [line for line in done.stderr.splitlines() if "device cpu" not in line]
    check(name, done.returncode == status and len(lines) == 1 and lines[0].startswith("cfp-gpu: ") and
          re.search(pattern, lines[0]), f"{done.returncode} {done.stderr}")


def small_model(path):
    """Two convolutions and a classifier of 4 classes, on 5 frames of 8 x 8."""
    rng = np.random.default_rng(3)
    with ModelFile(path, name="small", classes=["run", "walk", "jump", "sit"], output="fc", channels=3, frames=FRAMES,
                   height=8, width=8, mean=[0.4] * 3, std=[0.2] * 3, scale=255.0) as m:
        m.add_node("layer1.conv", "conv3d", ["input"], weight=rng.normal(size=(6, 3, 3, 3, 3)), pad_begin=1, pad_end=1)
        m.add_node("layer1.relu", "relu", ["layer1.conv"])
        m.add_node("layer2.conv", "conv3d", ["layer1.relu"], weight=rng.normal(size=(6, 6, 1, 1, 1)))
        m.add_node("pool", "globalavgpool", ["layer2.conv"])
        m.add_node("fc", "linear", ["pool"], weight=rng.normal(size=(4, 6)))


def frames(n, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (n, 8, 8, 3), np.uint8)


def write_ppm(path, frame):
    path.write_bytes(b"P6\n8 8\n255\n" + frame.tobytes())


# --- help ---

def helps():
    overview = run("--help").stdout
    commands = [line.split()[0] for line in overview.splitlines() if re.match(r"  [a-z]+ +([A-Z|.]|which)", line) and "help" not in line.split()[0]]
    check("the commands of --help", {"explain", "predict", "rerun", "devices"} <= set(commands), commands)
    for words in [[]] + [[c] for c in commands]:
        short = run(*words, "--help")
        lines = short.stdout.splitlines()
        check(f"{words} --help: one screen", short.returncode == 0 and len(lines) <= 40 and max(map(len, lines)) <= 80,
              f"{len(lines)} lines, {max(map(len, lines))} columns")
        if words in ([], ["explain"]):
            check(f"help {words}: the same", run("help", *words).stdout == short.stdout == run("--help", *words).stdout)
        if words:
            whole = run(*words, "--help", "all").stdout
            named = set(re.findall(r"^(?: {6}|  -\w, )--([a-z-]+)", whole, re.M))
            check(f"{words} --help all: every option", named and all(f"--{name}" in short.stdout for name in named),
                  [n for n in named if f"--{n}" not in short.stdout])
    check("help all", run("help", "explain", "all").stdout == run("explain", "--help", "all").stdout == run("--help", "explain", "all").stdout)
    refused("help of what is no command", ["help", "explian"], 2, "explian: unknown command; did you mean explain\\?")
    check("-V", run("-V").stdout == run("--version").stdout != "")
    for command, option in (("inspect", "--theta"), ("predict", "--rule"), ("view", "--layers"), ("devices", "--stride")):
        check(f"{command} does not show {option}", f"{option} " not in run(command, "--help", "all").stdout)
        refused(f"{command} refuses {option}", [command, "x", option, "1"], 2, f"^cfp-gpu: {option}: not an option of {command}")
    done = run("devices", "--seed", "3")
    check("an option without effect is said", done.returncode == 0 and "--seed: has no effect on devices" in done.stderr)


# --- what was meant ---

def models_that_are_none(model, clip, folder):
    junk = b"\x01\x02junk" * 20
    for name, content, pattern in [
            *[(f"a{suffix}", junk, "PyTorch.*import-checkpoint.*import-torch") for suffix in
              (".pth", ".pt", ".PTH", ".pth.tar", ".pyth", ".ckpt", ".bin", ".pkl")],
            ("zip", b"PK\x03\x04" + junk, "PyTorch.*import-checkpoint"), ("pickle", b"\x80\x02" + junk, "PyTorch"),
            ("a.onnx", junk, "import-onnx"), ("a.safetensors", junk, "safetensors.*import-"), ("a.pb", junk, "ONNX"),
            ("a.mp4", junk, "is a clip.*swapped"), ("a.avi", junk, "is a clip.*swapped"), ("a.npy", junk, "swapped")]:
        path = folder / name
        path.write_bytes(content)
        words = ["predict", path, model if "swapped" in pattern else clip]
        refused(f"{name} as MODEL", words, 1, f"{name}: .*{pattern}")
    refused("a clip as the only operand", ["inspect", folder / "a.mp4"], 1, "is a clip, not a model file .*inspect MODEL")
    refused("a folder as MODEL", ["predict", folder, model], 1, "is a folder.*swapped; try cfp-gpu predict ")
    refused("dataset --model", ["dataset", clip, "--model", folder / "a.pth"], 1, "a.pth: is a PyTorch|no text")
    (folder / "named.pth").write_bytes(model.read_bytes())
    check("a model file by another name", run("inspect", folder / "named.pth").returncode == 0)
    refused("a missing file", ["predict", folder / "missing.pth", clip], 1, "No such file")
    for url in ("https://example.org/a.h5", "http://example.org/a.mp4?x=1", "s3://bucket/a", "file:///tmp/a.h5"):
        refused("a URL as MODEL", ["predict", url, clip], 1, "is a URL: download")
        refused("a URL as CLIP", ["explain", model, url], 1, "is a URL: download")


def near_words(model, clip):
    for option, typed, meant in (
            ("--theta", "60", "0.6"), ("--theta", "60%", "0.6"), ("--theta", "0,6", "0.6"), ("--theta", "100", "1"),
            ("--theta", "5", "0.05"), ("--alpha", "50", "0.5"), ("--rule", "gard", "grad"), ("--rule", "gradient", "grad"),
            ("--format", "h5,jsn", "json"), ("--format", "htm", "html"), ("--format", "json,PNG"[:8].lower() + "s", "png"),
            ("--colormap", "virdis", "viridis"), ("--tubes", "kernel", "kernels"), ("--canvas", "sorce", "source"),
            ("--mask", "non", "none"), ("--sample", "uniformly", "uniform"), ("--device", "gpu", "cuda")):
        refused(f"{option} {typed}", ["explain", model, clip, option, typed], 2, f"^cfp-gpu: {option}: .*did you mean {meant}\\?$")
    for typed in ("-1", "1.5", "2", "600", "1e9", "abc", "nan", "%", ","):
        refused(f"--theta {typed}", ["explain", model, clip, f"--theta={typed}"], 2, "is not a number from 0 to 1$")
    refused("sweep --theta", ["sweep", model, clip, "--theta", "0.1,60"], 2, "60 is not within 0 to 1; did you mean 0.6\\?")
    refused("evaluate --share", ["evaluate", model, clip, "--share", "25"], 2, "did you mean 0.25\\?")
    refused("evaluate --metrics", ["evaluate", model, clip, "--metrics", "kernel-drops"], 2, "did you mean kernel-drop\\?")
    for option, meant in (("--thta", "theta"), ("--normalize", "normalise"), ("--class-rel", "class-relevance"),
                          ("--out", "output"), ("--layer", "layers")):
        refused(option, ["explain", model, clip, option, "x"], 2, f"unknown option; did you mean --{meant}\\?$")
    for command in ("explain", "evaluate"):
        refused(f"{command} --layers", [command, model, clip, "--layers", "layer4.*"], 2, "layer1.conv, layer2.conv")


# --- --sample ---

def places(first, n):
    """TSN's places of the middle frames of equal segments, in exact numbers."""
    return [first + (2 * i + 1) * n // (2 * FRAMES) for i in range(FRAMES)]


def indices(model, clip, *options):
    done = run("predict", model, clip, "--json", "-q", "--check-input", "never", *options)
    check(f"{clip} {options}", done.returncode == 0, done.stderr)
    return json.loads(done.stdout)["clips"][0]["indices"], done.stderr


def sampling(model, folder):
    for n in (5, 6, 9, 10, 24, 97, 3, 1):
        clip = folder / f"{n}.npy"
        np.save(clip, frames(n))
        got, said = indices(model, clip, "--sample", "uniform")
        check(f"uniform of {n}", got == places(0, n) and (n >= FRAMES) == (said == ""), f"{got} {said}")
    numbered = folder / "numbered"
    numbered.mkdir()
    numbers = [n for n in range(3, 40) if n % 7]
    for n in numbers:
        write_ppm(numbered / f"f{n:03d}.ppm", frames(1, n)[0])
    got, _ = indices(model, numbered, "--sample", "uniform")
    check("uniform of numbered frames", got == [numbers[p] for p in places(0, len(numbers))], got)
    got, _ = indices(model, ROOT / "datasets/motion/up.mp4", "--sample", "uniform")
    check("uniform of a video", got == places(0, 24), got)
    for option in ("--start", "--stride", "--windows"):
        refused(f"uniform {option}", ["predict", model, clip, "--sample", "uniform", option, "2"], 2, f"{option}: has no meaning")
    for command, more in (("explain", ["-o", folder / "u", "--format", "h5"]), ("sweep", ["--theta", "0.5", "--json"]),
                          ("evaluate", ["--draws", "2", "--json"]),
                          ("contrast", ["-o", folder / "c", "--class", "run", "--against", "sit", "--format", "h5"])):
        done = run(command, model, folder / "97.npy", "--sample", "uniform", "-q", *more)
        check(f"{command} --sample uniform", done.returncode == 0, done.stderr)
    told = json.loads((folder / "u/run.json").read_text())
    check("run.json says uniform", told["options"]["sample"] == told["frames"]["sample"] == "uniform" and
          told["frames"]["indices"] == places(0, 97), told["frames"])
    with h5py.File(folder / "u/explanation.h5") as f:
        check("explanation.h5 says uniform", f.attrs["sample"] == "uniform" and list(f["clip/indices"]) == places(0, 97))
    video = ROOT / "datasets/motion/up.mp4"  # 12 frames a second
    (folder / "list.csv").write_text(f"clip,label,start,stop\n{folder / '97.npy'},run,10,40\n{video},sit,0.5s,1.5s\n"
                                     f"{numbered},run,10,30\n{video},sit,,\n")
    done = run("batch", model, folder / "list.csv", "-o", folder / "b", "--sample", "uniform", "-q", "--kind", "paths",
               "--keep", "pyramid")
    check("batch --sample uniform", done.returncode == 0, done.stderr)
    part = [n for n in numbers if 10 <= n < 30]
    wanted = [places(10, 30), places(6, 12), [part[p] for p in places(0, len(part))], places(0, 24)]
    got = []
    for shard in sorted((folder / "b").glob("shard-*.h5")):
        with h5py.File(shard) as f:
            got += [list(map(int, c["clip/indices"])) for c in f["clips"].values()]
    check("batch spreads over the part that the list names", sorted(got) == sorted(wanted), f"{got} {wanted}")
    source = folder / "wide.npy"
    np.save(source, np.random.default_rng(1).integers(0, 255, (31, 12, 20, 3), np.uint8))
    done = run("explain", model, source, "-o", folder / "w", "--sample", "uniform", "-q", "--canvas", "source", "--format", "png")
    check("uniform on the source's frames", done.returncode == 0, done.stderr)


# --- several clips ---

def several(model, folder):
    clips = folder / "clips"
    for place in ("clips", "clips/deep", "clips/frames", "other"):
        (folder / place).mkdir()
    video = ROOT / "datasets/motion/up.mp4"
    for place in ("clips/b.mp4", "clips/a.MP4", "clips/deep/c.mp4", "other/b.avi", "other/B.mp4"):
        shutil.copy(video, folder / place)
    for i in range(6):
        write_ppm(clips / f"frames/{i}.ppm", frames(1, i)[0])
    (clips / "notes.txt").write_text("no clip")
    np.save(clips / "mask.npy", frames(5))
    (clips / "poster.jpg").write_bytes(b"a picture without a number is no frame")
    listed = [clips / "a.MP4", clips / "b.mp4", clips / "deep/c.mp4", clips / "frames"]
    done = run("predict", model, clips, "-q", "--json")
    check("predict of a folder of clips", done.returncode == 0 and
          [c["clip"] for c in json.loads(done.stdout)["clips"]] == [str(p) for p in listed], done.stderr + done.stdout)
    check("a folder of frames is one clip", len(json.loads(run("predict", model, clips / "frames", "--json", "-q").stdout)["clips"]) == 1)
    arrays = folder / "arrays"
    arrays.mkdir()
    np.save(arrays / "x.npy", frames(7))
    with tarfile.open(arrays / "y.tar", "w") as tar:
        for i in range(6):
            tar.add(clips / f"frames/{i}.ppm", f"{i}.ppm")
    check("a folder of arrays and tars", len(json.loads(run("predict", model, arrays, "--json", "-q").stdout)["clips"]) == 2)
    for command, more in (("sweep", ["--theta", "0.5", "--json"]), ("evaluate", ["--draws", "2", "--json"])):
        done = run(command, model, arrays, "-q", *more)
        check(f"{command} of a folder of clips", done.returncode == 0 and
              len({row["clip"] for row in json.loads(done.stdout)["rows"]}) == 2, done.stderr)
    out = folder / "many"
    done = run("explain", model, folder / "other/b.avi", folder / "missing.mp4", clips, folder / "other/B.mp4", "-o", out, "-q",
               "--format", "h5,json", "--json")
    made = sorted(p.name for p in out.iterdir())
    check("explain of several: a folder each", made == sorted(["b", "a", "b-2", "c", "frames", "B-3"]), made)
    check("explain of several: the missing one is said, and the status", done.returncode == 1 and
          [x for x in done.stderr.splitlines() if "looped" not in x] == [f"cfp-gpu: {folder}/missing.mp4: No such file or directory"],
          done.stderr)
    told = json.loads(done.stdout)["clips"]
    check("explain of several: JSON", [c["clip"] for c in told] ==
          [str(p) for p in (folder / "other/b.avi", *listed, folder / "other/B.mp4")] and
          all(pathlib.Path(f).exists() for c in told for f in c["files"]), told)
    alone = run("explain", model, clips / "deep/c.mp4", "-o", folder / "alone", "-q", "--format", "h5,json")
    for name in ("explanation.h5", "pyramid.json"):
        check(f"several or alone: {name}", alone.returncode == 0 and
              (folder / "alone" / name).read_bytes() == (out / "c" / name).read_bytes())
    here = os.getcwd()
    os.chdir(folder)
    try:
        run("explain", model, "arrays", "-q", "--format", "json", "--tubes", "none")
        check("without -o", pathlib.Path("x-explained/run.json").exists() and pathlib.Path("y-explained/run.json").exists())
    finally:
        os.chdir(here)
    refused("contrast of a folder of videos", ["contrast", model, folder / "other", "--class", "run", "--against", "sit"], 1,
            "folder of videos.*such as")
    (folder / "nothing").mkdir()
    refused("an empty folder", ["explain", model, folder / "nothing", "-o", folder / "n"], 1, "no frame images")
    wild = clips / "frames" / ".." / "..\n[31m.npy"
    np.save(wild.resolve(), frames(6))
    run("explain", model, wild.resolve(), arrays / "x.npy", "-o", folder / "wild", "-q", "--format", "json", "--tubes", "none")
    names = sorted(p.name for p in (folder / "wild").iterdir())
    check("names are safe", len(names) == 2 and all(n.isprintable() and n[0] != "." for n in names), names)


# --- run.json, rerun, view, words in HDF5 ---

def again(model, clip, folder):
    first = folder / "first"
    done = run("explain", model, clip, "-o", first, "-q", "--format", "h5,json,html", "--depth", "1", "--theta", ".30", "--threads", "1")
    check("explain", done.returncode == 0, done.stderr)
    options = json.loads((first / "run.json").read_text())["options"]
    kinds = {"theta": 0.3, "depth": 1, "steps": 1, "turn-down": 0.25, "alpha": 0.5, "seed": 0, "threads": 1, "json": False,
             "quiet": True, "top": "all", "rule": "grad", "start": "centre"}
    check("numbers are numbers", all(options[k] == v and type(options[k]) is type(v) for k, v in kinds.items()), options)
    same = run("rerun", first / "run.json", "-q")
    repeated = folder / "first-rerun"
    check("rerun", same.returncode == 0 and all((repeated / n).read_bytes() == (first / n).read_bytes()
                                               for n in ("explanation.h5", "pyramid.json", "report.html")), same.stderr)
    run("rerun", first, "--theta", "0.9", "-o", folder / "higher", "-q")
    direct = run("explain", model, clip, "-o", folder / "direct", "-q", "--format", "h5", "--depth", "1", "--theta", "0.9")
    check("rerun --theta", direct.returncode == 0 and
          (folder / "higher/explanation.h5").read_bytes() == (folder / "direct/explanation.h5").read_bytes())
    run("rerun", folder / "higher", "-o", folder / "third", "-q")
    check("rerun of a rerun", (folder / "third/explanation.h5").read_bytes() == (folder / "higher/explanation.h5").read_bytes())
    run("rerun", first, "--rule", "cfp", "-o", folder / "cfp", "-q", "--sample", "uniform")
    told = json.loads((folder / "cfp/run.json").read_text())["options"]
    check("rerun --rule", (told["rule"], told["theta"], told["mask"], told["sample"], told["depth"]) ==
          ("cfp", 0.6, "selected", "uniform", 1), told)
    run("rerun", folder / "cfp", "-o", folder / "cfp2", "-q")
    check("rerun of rule cfp", (folder / "cfp2/explanation.h5").read_bytes() == (folder / "cfp/explanation.h5").read_bytes())
    run("contrast", model, clip, "--class", "run", "--against", "sit", "-o", folder / "two", "-q", "--format", "json,h5")
    done = run("rerun", folder / "two", "-q")
    check("rerun of contrast", done.returncode == 0 and
          (folder / "two-rerun/contrast.h5").read_bytes() == (folder / "two/contrast.h5").read_bytes(), done.stderr)

    refused("rerun of nothing", ["rerun"], 2, "RUN.JSON: comes first")
    refused("rerun, options first", ["rerun", "--theta", "1", first], 2, "RUN.JSON: comes first")
    refused("rerun of a missing file", ["rerun", folder / "no.json"], 1, "No such file")
    refused("rerun with a clip", ["rerun", first, clip], 2, "one too many")
    refused("rerun with a wrong option", ["rerun", first, "--thta", "1"], 2, "did you mean --theta")
    broken = folder / "broken.json"
    broken.write_text('{"options": ')
    refused("rerun of what is no JSON", ["rerun", broken], 1, "is not the record of a run")
    broken.write_text('{"options": {"theta": 1}}')
    refused("rerun of another JSON", ["rerun", broken], 2, "not of explain or contrast")
    (folder / "a list").write_text(f"{clip}\n")
    run("batch", model, folder / "a list", "-o", folder / "batch", "-q")
    refused("rerun of batch", ["rerun", folder / "batch"], 2, "is of batch")
    run("aggregate", first, "-o", folder / "classes", "-q")
    refused("rerun of aggregate", ["rerun", folder / "classes"], 2, "not of explain or contrast")

    page = run("view", first).stdout
    for name in ("report.html", "explanation.h5", "run.json"):
        check(f"view {name}", run("view", first / name).stdout == page != "")
    run("report", first, "-o", folder / "index.html")
    check("view of an index page", run("view", folder / "index.html").stdout.endswith("index.html\n"))
    refused("view of another file", ["view", clip], 1, "in no folder that explain has filled")

    for path in (first / "explanation.h5", folder / "two/contrast.h5", folder / "classes/class.h5"):
        lacking = []
        with h5py.File(path) as f:
            f.visititems(lambda name, item: lacking.append(name) if isinstance(item, h5py.Dataset) and not
                         (isinstance(item.attrs.get("description"), str) and isinstance(item.attrs.get("units"), str)) else None)
        check(f"{path.name}: description and units", not lacking, lacking)

    other = folder / "moved.h5"
    shutil.copy(model, other)
    run("explain", other, clip, "-o", folder / "moved", "-q", "--format", "json", "--tubes", "none")
    with h5py.File(other, "r+") as f:
        f.attrs["source"] = "changed"
    refused("a changed model", ["rerun", folder / "moved"], 1, "moved.h5: has changed since .*SHA-256")
    other.unlink()
    refused("a missing model", ["rerun", folder / "moved"], 1, "model .*moved.h5 is not there")
    moved = folder / "moved.npy"
    shutil.copy(clip, moved)
    run("explain", model, moved, "-o", folder / "clip", "-q", "--format", "json", "--tubes", "none")
    np.save(moved, frames(20, 9))
    refused("a changed clip", ["rerun", folder / "clip"], 1, "moved.npy: has changed")
    if not os.path.exists("/dev/nvidiactl"):
        check("nothing about cuda where there is no GPU", "cuda" not in run("predict", model, clip).stderr)


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--cfp", required=True)
args = parser.parse_args()
with tempfile.TemporaryDirectory() as scratch:
    top = pathlib.Path(scratch)
    network, film = top / "small.h5", top / "film.npy"
    small_model(network)
    np.save(film, frames(20))
    helps()
    near_words(network, film)
    for test in ("models", "sampling", "several", "again"):
        (top / test).mkdir()
    models_that_are_none(network, film, top / "models")
    sampling(network, top / "sampling")
    several(network, top / "several")
    again(network, film, top / "again")
print(f"{failed} failed")
sys.exit(1 if failed else 0)
