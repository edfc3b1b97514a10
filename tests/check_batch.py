#!/usr/bin/env python3
"""Checks cfp-gpu batch: a whole list into one folder, whatever stops it and however many take part.

    check_batch.py --cfp CFP_GPU [--kills N] [TEST...]

A tiny network and tiny clips are made.  The yardstick is the folder of one uninterrupted run: every
other way to the same list has to give the same shards and index byte by byte, and the same manifest but
for its times.  TEST: names of the functions below; all by default."""
import argparse
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
from model_file import ModelFile  # noqa: E402

LIMIT = 120  # seconds by the clock for one command
wrong = []


def check(right, what):
    if not right:
        wrong.append(what)
        print("FAIL", what, flush=True)


def make_model(path, seed=0):
    rng = np.random.default_rng(seed)
    with ModelFile(path, name="tiny", classes=["red", "green", "blue"], output="fc", channels=3, frames=4, height=8,
                   width=8, mean=[.4] * 3, std=[.3] * 3) as f:
        f.add_node("c1", "conv3d", ["input"], weight=rng.normal(size=(4, 3, 3, 3, 3)), pad_begin=1, pad_end=1)
        f.add_node("r1", "relu", ["c1"])
        f.add_node("c2", "conv3d", ["r1"], weight=rng.normal(size=(6, 4, 1, 1, 1)))
        f.add_node("gap", "globalavgpool", ["c2"])
        f.add_node("flat", "flatten", ["gap"])
        f.add_node("fc", "linear", ["flat"], weight=rng.normal(size=(3, 6)), bias=np.zeros(3))


def make_clip(path, seed):
    np.save(path, np.random.default_rng(seed).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8))


def quote(name):
    """As a group's name in HDF5."""
    return name.replace("%", "%25").replace("/", "%2F")


def make_list(name, n, extra=""):
    """A folder with n clips, and their list; returns the list's path."""
    folder = os.path.join(options.work, name)
    os.makedirs(folder)
    with open(os.path.join(folder, "list.csv"), "w") as f:
        f.write("clip,label\n")
        for i in range(n):
            make_clip(os.path.join(folder, f"c{i:03}.npy"), i)
            f.write(f"c{i:03}.npy,{('red', 'green', 'blue')[i % 3]}\n")
        f.write(extra)
    return os.path.join(folder, "list.csv")


def command(folder, clips, *more, model=None):
    return [options.cfp, "batch", model or options.model, clips, "-o", folder, "--device", "cpu", "--threads", "1", "-q",
            *more]


def run(folder, clips, *more, status=0, model=None, **how):
    done = subprocess.run(command(folder, clips, *more, model=model), capture_output=True, text=True, timeout=LIMIT, **how)
    check(done.returncode == status, f"{folder} {more}: status {done.returncode}, not {status}: {done.stderr[-500:]}")
    return done


def lines(folder):
    with open(os.path.join(folder, "manifest.jsonl")) as f:
        return [json.loads(line) for line in f]


def result(folder):
    """What has to be equal: the bytes of shards and index, and the manifest without its times."""
    files = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".h5"):
            with open(os.path.join(folder, name), "rb") as f:
                files[name] = f.read()
    files["manifest"] = [{k: v for k, v in line.items() if k != "ms"} for line in lines(folder)]
    return files


def same(folder, wanted, what):
    got = result(folder)
    left = [name for name in os.listdir(folder) if not re.fullmatch(r"shard-\d{5}\.h5|index\.h5|manifest\.jsonl|run\.json", name)]
    check(not left, f"{what}: left in the folder: {left}")
    differ = [name for name in sorted(set(got) | set(wanted)) if got.get(name) != wanted.get(name)]
    check(not differ, f"{what}: differ from one uninterrupted run: {differ}")


def folder(name):
    return os.path.join(options.work, name)


def whole(clips, *more, name):
    """The yardstick."""
    run(folder(name), clips, *more)
    return result(folder(name))


# --- one run ---

def contents():
    """What a shard holds is what explain writes."""
    clips = make_list("contents", 7)
    done = run(folder("contents-out"), clips, "--shard-clips", "3", "--json", "--keep", "pyramid,raw,tubes,frames")
    said = json.loads(done.stdout)
    check((said["clips"], said["ok"], said["failed"], said["labelled"]) == (7, 7, 0, 7), f"summary {said}")
    rows = lines(folder("contents-out"))
    check([row["id"] for row in rows] == [f"c{i:03}.npy" for i in range(7)], "manifest: not in the order of the list")
    check(all(list(row) == ["id", "clip", "label", "status", "reason", "top", "rank", "shard", "ms"] for row in rows),
          f"manifest: other members: {rows[0]}")
    right = sum(row["top"][0]["name"] == row["label"] for row in rows)
    check(abs(said["top1"] - right / 7) < 1e-9 and sum(row["rank"] == 1 for row in rows) == right, "top-1 accuracy")
    explained = folder("contents-one")
    subprocess.run([options.cfp, "explain", options.model, os.path.join(os.path.dirname(clips), "c004.npy"), "-o", explained,
                    "--format", "h5", "--device", "cpu", "--threads", "1", "-q"], check=True)

    def flat(group):
        found = {f"@{k}": v for k, v in group.attrs.items() if k != "clip"}
        group.visititems(lambda name, item: found.update(
            {name: item[()].tobytes() if isinstance(item, h5py.Dataset) else None,
             **{f"{name}@{k}": v for k, v in item.attrs.items()}}))
        return found
    with h5py.File(os.path.join(explained, "explanation.h5")) as one, \
            h5py.File(os.path.join(folder("contents-out"), "shard-00001.h5")) as shard:
        check(list(shard["clips"]) == ["c003.npy", "c004.npy", "c005.npy"], f"shard 1 has {list(shard['clips'])}")
        check(flat(one) == flat(shard["clips/c004.npy"]), "a clip in a shard is not what explain writes")
    run(folder("contents-least"), clips, "--keep", "pyramid")
    with h5py.File(os.path.join(folder("contents-least"), "index.h5")) as f:
        check(sorted(f["clips/c004.npy"]) == ["clip", "logits", "probabilities", "pyramid"], "--keep pyramid keeps more")
    added = subprocess.run([options.cfp, "aggregate", folder("contents-out"), "-o", folder("contents-classes"), "-q"],
                           capture_output=True, text=True)
    check(added.returncode == 0, f"aggregate of shards: {added.stderr}")


def columns():
    """The two lines of README that load a column over all clips."""
    with open(os.path.join(HERE, "..", "host", "batch", "README.md")) as f:
        snippets = re.findall(r"```python\n(.*?)```", f.read(), re.S)
    check(len(snippets) >= 2, "host/batch/README.md has no Python")
    clips = make_list("columns", 5)
    run(folder("run"), clips, "--shard-clips", "2")
    before = os.getcwd()
    os.chdir(options.work)
    for snippet in snippets:
        try:
            exec(snippet, {})
        except ImportError as error:
            print(f"not run: {error}")
        except Exception as error:
            check(False, f"README's lines fail: {error!r}: {snippet}")
    os.chdir(before)


def failures():
    """A damaged and a missing clip are lines of the manifest; mended, a rerun completes the folder."""
    clips = make_list("failures", 6)
    bad, gone = (os.path.join(os.path.dirname(clips), name) for name in ("c001.npy", "c004.npy"))
    wanted = whole(clips, "--shard-clips", "4", name="failures-whole")
    with open(bad, "wb") as f:
        f.write(b"\x93NUMPY garbage")
    os.rename(gone, gone + ".away")
    out = folder("failures-out")
    done = run(out, clips, "--shard-clips", "4", status=1)
    check("2 of 6 clips failed" in done.stderr, f"it says {done.stderr}")
    rows = lines(out)
    check([row["status"] for row in rows] == ["ok", "failed", "ok", "ok", "failed", "ok"], f"statuses {rows}")
    check(all(bool(row["reason"]) == (row["status"] == "failed") for row in rows), "reasons")
    make_clip(bad, 1)
    os.rename(gone + ".away", gone)
    run(out, clips, "--shard-clips", "4")
    same(out, wanted, "after the clips were mended")
    # What is finished stays finished, even when its clip has gone.
    os.rename(gone, gone + ".away")
    run(out, clips, "--shard-clips", "4")
    same(out, wanted, "after a clip was removed")
    # A tar is looked into before it is decoded.  Why it is no clip is told as the decoder would.
    where = os.path.dirname(clips)
    for name, data in (("two.tar", ["a/1.jpg", "b/1.jpg"]), ("bare.tar", ["a.txt"])):
        with tarfile.open(os.path.join(where, name), "w") as f:
            for inside in data:
                f.addfile(tarfile.TarInfo(inside))
    with open(os.path.join(where, "two.tar"), "rb") as f, open(os.path.join(where, "cut.tar"), "wb") as cut:
        cut.write(f.read()[:700])
    with open(clips, "w") as f:
        f.write("c000.npy,red\ntwo.tar,red\nbare.tar,red\ncut.tar,red\n")
    run(folder("failures-tars"), clips, status=1)
    for row, words in zip(lines(folder("failures-tars"))[1:], ("have the same frame number", "no frame", "Truncated"), strict=True):
        check(row["status"] == "failed" and words in row["reason"] and row["id"] in row["reason"], f"a tar: {row}")


def no_numbers():
    """A clip for which the network gives no numbers fails alone, whatever clips it ran with."""
    model = os.path.join(options.work, "large.h5")
    with ModelFile(model, name="large", classes=["a", "b"], output="fc", channels=3, frames=4, height=8, width=8, mean=[.4] * 3,
                   std=[.3] * 3) as f:
        f.add_node("c1", "conv3d", ["input"], weight=np.full((2, 3, 1, 1, 1), 1e30))
        f.add_node("c2", "conv3d", ["c1"], weight=np.full((2, 2, 1, 1, 1), 1e30))
        f.add_node("gap", "globalavgpool", ["c2"])
        f.add_node("flat", "flatten", ["gap"])
        f.add_node("fc", "linear", ["flat"], weight=np.eye(2), bias=np.zeros(2))
    clips = make_list("numbers", 5)
    for i in (0, 2, 3):
        np.save(os.path.join(os.path.dirname(clips), f"c{i:03}.npy"), np.full((6, 8, 8, 3), 102, np.uint8))  # the mean
    for n in (1, 2, 4):
        out = folder(f"numbers-{n}")
        run(out, clips, "--rule", "cfp", "--batch", str(n), model=model, status=1)
        check([row["status"] for row in lines(out)] == ["ok", "failed", "ok", "ok", "failed"],
              f"batches of {n}: {[(row['status'], row['reason']) for row in lines(out)]}")


def options_differ():
    clips = make_list("options", 3)
    out = folder("options-out")
    wanted = whole(clips, name="options-out")
    for more, word in ((("--theta", "0.3"), "--theta"), (("--rule", "cfp"), "--rule"), (("--keep", "pyramid"), "--keep"),
                       (("--shard-clips", "2"), "--shard-clips"), (("--class", "1"), "--class"), (("--device", "ref"), "--device"), (("--batch", "2"), "--batch")):
        done = run(out, clips, *more, status=2)
        check(done.stderr.startswith(f"cfp-gpu: {word}: ") and done.stderr.count("\n") == 1, f"{more}: {done.stderr}")
    make_model(os.path.join(options.work, "other.h5"), seed=1)
    done = run(out, clips, status=2, model=os.path.join(options.work, "other.h5"))
    check("other.h5" in done.stderr, f"another model: {done.stderr}")
    run(out, clips, "--threads", "2", "--decoders", "3", "--time-limit", "60", "--theta", "0.10")
    same(out, wanted, "with other numbers of processes")
    with open(clips, "a") as f:
        f.write("c000.npy,red\n")
    done = run(out, clips, status=2)
    check("list.csv" in done.stderr, f"another list: {done.stderr}")
    done = subprocess.run([options.cfp, "batch", options.model, clips], capture_output=True, text=True)
    check((done.returncode, done.stderr[:26]) == (2, "cfp-gpu: --output: missing"), f"no -o: {done.stderr}")
    base = os.path.join(os.path.dirname(clips), "c001.npy")
    run(folder("options-base"), clips, "--rule", "grad", "--baseline", base)
    make_clip(base, 77)
    done = run(folder("options-base"), clips, "--rule", "grad", "--baseline", base, status=2)
    check("c001.npy" in done.stderr, f"another clip under the same name: {done.stderr}")
    for more in (("--shard", "0/2"), ("--shard", "3/2"), ("--shard", "x"), ("--keep", "all"), ("--keep", "")):
        done = run(folder("options-bad"), clips, *more, status=2)
        check(done.stderr.startswith(f"cfp-gpu: {more[0]}: "), f"{more}: {done.stderr}")
        check(not os.path.exists(folder("options-bad")), f"{more}: a folder was made")


def lists_differ():
    """Another kind or another window in a list of several files is another question; a file is no folder."""
    clips = make_list("lists", 2)
    kind, more = clips + ".kind", clips + "-2"
    head = "separator = comma\nheader = no\ncolumn = clip\ncolumn = start\nid = {clip}\nclip = {clip}\nframes = {start} {start}\n"
    text = "about = clips and frames\n" + head + "first-frame = 0\nlast-frame = inclusive\n"
    for path, content in ((kind, text), (clips, "c000.npy,0\n"), (more, "c001.npy,0\n")):
        with open(path, "w") as f:
            f.write(content)
    out, pattern = folder("lists-out"), clips + "-?"
    run(out, pattern, "--kind", kind)
    run(out, pattern, "--kind", kind)
    for path, content, old in ((more, "c001.npy,1\n", "c001.npy,0\n"), (kind, text.replace("first-frame = 0", "first-frame = 1"), text)):
        with open(path, "w") as f:
            f.write(content)
        done = run(out, pattern, "--kind", kind, status=2)
        check("its content" in done.stderr and done.stderr.count("\n") == 1, f"{path} differs: {done.stderr}")
        with open(path, "w") as f:
            f.write(old)
    run(out, pattern, "--kind", kind)
    done = run(clips, pattern, "--kind", kind, status=1)
    check(done.stderr == f"cfp-gpu: {clips}: is a file where a folder is needed\n", f"-o FILE: {done.stderr}")


def long_list():
    """10,000 lines, most of which repeat others."""
    clips = make_list("long", 10)
    with open(clips, "a") as f:
        for i in range(9990):
            f.write(f"c{i % 10:03}.npy,{('red', 'green', 'blue')[i % 10 % 3]}\n")
    done = run(folder("long-out"), clips, "--json")
    said = json.loads(done.stdout)
    check((said["clips"], said["ok"], said["skipped"]) == (10000, 10, 9990), f"summary {said}")
    check(len(lines(folder("long-out"))) == 10000, "manifest: not 10,000 lines")


def windows():
    """The network sees the middle of the part that a line names, in frames or in seconds."""
    clips = make_list("windows", 1)
    video = os.path.join(HERE, "..", "datasets", "motion", "clockwise.mp4")
    with open(clips, "w") as f:
        f.write(f"clip,label,start,stop\nc000.npy,red,2,6\nc000.npy,green,0,4\nc000.npy,blue,,\n{video},red,0.1s,0.5s\n"
                f"{video},purple,4,9\n")
    done = run(folder("windows-out"), clips)
    check("purple" in done.stderr, f"a label that the model lacks: {done.stderr}")
    with h5py.File(os.path.join(folder("windows-out"), "index.h5")) as f:
        seen = [f["clips"][quote(row["id"])]["clip/indices"][:].tolist() for row in lines(folder("windows-out"))]
    check(seen[:3] == [[2, 3, 4, 5], [0, 1, 2, 3], [1, 2, 3, 4]] and seen[4] == [4, 5, 6, 7], f"windows of frames {seen}")
    facts = json.loads(subprocess.run([options.cfp, "explain", options.model, video, "-o", folder("windows-one"), "--format", "h5",
                                       "--device", "cpu", "-q", "--json"], capture_output=True, text=True).stdout and
                       open(os.path.join(folder("windows-one"), "run.json")).read())
    middle = (seen[3][0] + seen[3][-1] + 1) / 2 / facts["frames"]["source_fps"]
    check(abs(middle - 0.3) <= 1 / facts["frames"]["source_fps"], f"the window in seconds has its middle at {middle}: {seen[3]}")
    check([row["rank"] for row in lines(folder("windows-out"))][4] is None, "a rank of a label that the model lacks")
    with open(clips, "w") as f:
        f.write("clip,label,start,stop\nc000.npy,red,99,104\n")
    done = run(folder("windows-behind"), clips, status=1)
    clip = os.path.join(os.path.dirname(clips), "c000.npy")
    check(done.stderr.startswith(f"cfp-gpu: {clip}: --start: 99 is not in the source"), f"behind the end: {done.stderr}")


def damaged():
    """What finished runs left is damaged before the next run: it is made anew."""
    clips = make_list("damaged", 5)
    more = ("--shard-clips", "3")
    wanted = whole(clips, *more, name="damaged-whole")
    out = folder("damaged-out")
    one, other = (wanted[f"shard-0000{k}.h5"] for k in (0, 1))
    for what, data in (("cut", one[:len(one) // 2]), ("empty", b""), ("junk", b"junk" * 999), ("another shard", other)):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder("damaged-whole"), out)
        with open(os.path.join(out, "shard-00000.h5"), "wb") as f:
            f.write(data)
        done = run(out, clips, *more)
        check(done.stderr.startswith(f"cfp-gpu: warning: {out}/shard-00000.h5: damaged: clip 'c000.npy' is not in it") and
              done.stderr.count("\n") == 1, f"{what}: {done.stderr}")
        same(out, wanted, f"a shard that is {what}")
    # A shard in the making, and the line of a clip at the place of another.
    os.remove(os.path.join(out, "shard-00001.h5"))
    os.makedirs(os.path.join(out, "work", "000003.h5"))
    with open(os.path.join(out, "work", "000003.json"), "w") as f:
        json.dump(lines(folder("damaged-whole"))[3], f, separators=(",", ":"))
    done = run(out, clips, *more, status=1)
    check("000003.h5: damaged: " in done.stderr and "it cannot be removed: " in done.stderr, f"a folder: {done.stderr}")
    os.rmdir(os.path.join(out, "work", "000003.h5"))
    with open(os.path.join(out, "work", "000003.h5"), "wb") as f:
        f.write(b"never looked at")
    with open(os.path.join(out, "work", "000003.json"), "w") as f:
        json.dump(lines(folder("damaged-whole"))[2], f, separators=(",", ":"))
    run(out, clips, *more)
    same(out, wanted, "the line of another clip")


def large_shard():
    """So many clips in one shard that the process which packs them must not wait for an answer to be read."""
    clips = make_list("large", 1)
    with open(clips, "w") as f:
        f.writelines(["clip,label,start,stop\n", *(f"c000.npy,red,{i},{i + 4}\n" for i in range(600))])
    np.save(os.path.join(os.path.dirname(clips), "c000.npy"), np.zeros((604, 8, 8, 3), np.uint8))
    run(folder("large-out"), clips, "--shard-clips", "1000", "--keep", "pyramid", "--depth", "0")
    with h5py.File(os.path.join(folder("large-out"), "shard-00000.h5")) as f:
        check(len(f["clips"]) == 600, f"a large shard has {len(f['clips'])} of 600 clips")


def several_windows():
    """--windows N: the manifest has the mean of the windows' probabilities, and the explanation is that of the window in
    which the class is most probable.  predict and explain, window by window, are the yardstick."""
    clips = make_list("several", 3)
    video = os.path.join(HERE, "..", "datasets", "motion", "clockwise.mp4")
    names = [os.path.join(os.path.dirname(clips), f"c{i:03}.npy") for i in range(3)]
    with open(clips, "a") as f:
        f.write(f"{video},blue\n")

    def predict(clips_, *more):
        done = subprocess.run([options.cfp, "predict", options.model, *clips_, *more, "--device", "cpu", "--threads", "1", "-q", "--json"],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["clips"]
    said = predict([*names, video], "--windows", "3")
    alone = {}  # by clip and frames: the probability of each class
    for start in {window["indices"][0] for seen in said for window in seen["windows"]}:
        for seen in predict([seen["clip"] for seen in said if any(window["indices"][0] == start for window in seen["windows"])],
                            "--start", str(start)):
            alone[seen["clip"], tuple(seen["indices"])] = {top["index"]: top["probability"] for top in seen["top"]}
    for batch, more in (("1", ()), ("4", ("--class", "green"))):
        out = folder(f"several-{batch}")
        run(out, clips, "--windows", "3", "--batch", batch, "--rule", "cfp", *more)
        with h5py.File(os.path.join(out, "index.h5")) as f:
            for row, seen in zip(lines(out), said):
                want = {top["name"]: top["probability"] for top in seen["top"]}
                check([top["name"] for top in row["top"]] == list(want) and
                      all(abs(top["probability"] - want[top["name"]]) < 1e-5 for top in row["top"]),
                      f"3 windows of {row['id']}: {row['top']}, predict says {want}")
                check(row["rank"] == list(want).index(row["label"]) + 1, f"rank {row['rank']} of {row['label']} in {want}")
                group = f["clips"][quote(row["id"])]
                explained = group.attrs["class_index"]
                check(explained == (1 if more else row["top"][0]["index"]), f"{row['id']}: class {explained} is explained")
                of_class = {frames: p[explained] for (clip, frames), p in alone.items() if clip == seen["clip"]}
                chosen = tuple(group["clip/indices"][:].tolist())
                check(of_class.get(chosen, -1) > max(of_class.values()) - 1e-6,
                      f"{row['id']}: window {chosen} is explained, of {of_class}")
    # Windows of the part that a line names.
    with open(clips, "w") as f:
        f.write(f"clip,label,start,stop\n{video},red,4,12\n{video},red,0.2s,0.8s\n")
    out = folder("several-part")
    run(out, clips, "--windows", "5")
    with h5py.File(os.path.join(out, "index.h5")) as f:
        seen = [f["clips"][quote(row["id"])]["clip/indices"][:].tolist() for row in lines(out)]
    subprocess.run([options.cfp, "explain", options.model, video, "-o", folder("several-one"), "--format", "json", "--device", "cpu",
                    "-q"], check=True)
    with open(os.path.join(folder("several-one"), "run.json")) as f:
        fps = json.load(f)["frames"]["source_fps"]
    check(seen[0] in [list(range(first, first + 4)) for first in range(4, 9)], f"a window outside frames 4 to 12: {seen[0]}")
    check(seen[1][0] / fps > 0.2 - 1 / fps and (seen[1][-1] + 1) / fps < 0.8 + 1 / fps, f"a window outside 0.2 s to 0.8 s: {seen[1]}")
    with open(clips, "a") as f:
        f.write(f"{video},red,3,\n")
    done = run(folder("several-open"), clips, "--windows", "2", status=2)
    check(done.stderr.startswith("cfp-gpu: --windows: ") and "names no end" in done.stderr, f"no end: {done.stderr}")
    for more in (("--rule", "grad", "--baseline", names[0]), ("--start", "1")):
        done = run(folder("several-bad"), clips, "--windows", "2", *more, status=2)
        check(done.stderr.startswith("cfp-gpu: --windows: ") and done.stderr.count("\n") == 1, f"{more}: {done.stderr}")


def pipes():
    """Nobody writes to a named pipe, so whoever reads it waits for ever.  As a clip, inside a folder of frames, behind a
    link, or as the list's folder, it ends with a reason at once."""
    clips = make_list("pipes", 2)
    where = os.path.dirname(clips)
    names = [f"pipe{suffix}" for suffix in (".npy", ".mp4", ".tar", ".h5", ".gif", ".png", "")]
    for name in names:
        os.mkfifo(os.path.join(where, name))
    os.symlink("pipe.mp4", os.path.join(where, "link.mp4"))
    os.makedirs(os.path.join(where, "frames"))
    for k in range(5):
        os.mkfifo(os.path.join(where, "frames", f"{k}.png"))
    names += ["link.mp4", "frames"]
    with open(clips, "a") as f:
        f.writelines(f"{name},red\n" for name in names)
    out = folder("pipes-out")
    began = time.monotonic()
    subprocess.run([options.cfp, "dataset", clips], capture_output=True, timeout=LIMIT)
    run(out, clips, "--time-limit", "30", status=1)
    check(time.monotonic() - began < 25, "named pipes: the time limit had to end it")
    rows = lines(out)
    check([row["status"] for row in rows] == 2 * ["ok"] + len(names) * ["failed"],
          f"named pipes: {[(row['id'], row['status'], row['reason']) for row in rows]}")
    check(all(row["reason"] for row in rows[2:]), "a named pipe fails without a reason")
    pipe = os.path.join(where, "list")
    os.mkfifo(pipe)
    done = subprocess.run(command(folder("pipes-list"), pipe), capture_output=True, text=True, timeout=LIMIT)
    check(done.returncode in (1, 2) and done.stderr.count("\n") == 1, f"a list that is a named pipe: {done.returncode} {done.stderr}")


def progress():
    """--progress json: lines for a dashboard, with failures."""
    clips = make_list("progress", 8)
    with open(os.path.join(os.path.dirname(clips), "c003.npy"), "wb") as f:
        f.write(b"no array")
    done = subprocess.run([word for word in command(folder("progress-out"), clips, "--progress", "json") if word != "-q"],
                          capture_output=True, text=True, timeout=LIMIT)
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    told = [line for line in told if line["progress"] == "clips"]
    check(told and told[-1]["done"] == told[-1]["total"] == 8 and told[-1]["failed"] == 1, f"--progress json: {told[-1:]}")
    check(all(set(line) == {"progress", "done", "total", "seconds", "failed", "per_second", "seconds_left"} for line in told),
          f"--progress json: {told[0]}")
    check([line["done"] for line in told] == sorted(line["done"] for line in told), "--progress json goes back")
    check(len(done.stdout.splitlines()) < 24 and "7 of 8 clips done, 1 failed" in done.stdout, f"summary {done.stdout}")


# --- what stops it ---

def readable(out):
    """Every clip that has its name can be read."""
    work = os.path.join(out, "work")
    for where in (out, work):
        for name in os.listdir(where) if os.path.isdir(where) else ():
            if re.fullmatch(r"(shard-)?\d+\.h5", name):
                try:
                    with h5py.File(os.path.join(where, name)) as f:
                        for clip in f["clips"].values():
                            clip["logits"][()]
                except OSError as error:
                    check(False, f"{name} cannot be read after a kill: {error}")


def kills():
    """kill -9 at random moments."""
    clips = make_list("kills", 30)
    began = time.monotonic()
    more = ("--shard-clips", "7", "--batch", "2", "--decoders", "2")
    wanted = whole(clips, *more, name="kills-whole")
    took = time.monotonic() - began
    rng = random.Random(17)
    out = folder("kills-out")
    for k in range(options.kills):
        run_ = subprocess.Popen(command(out, clips, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, took))
        run_.kill()
        run_.wait()
        if k % 5 == 4:
            readable(out)
        if os.path.exists(os.path.join(out, "index.h5")):
            run(out, clips, *more)
            same(out, wanted, f"kill {k}")
            shutil.rmtree(out)
    run(out, clips, *more)
    same(out, wanted, "after the last kill")


def terminates():
    """SIGTERM: status 130, no claim stays, a rerun completes."""
    clips = make_list("terminates", 40)
    wanted = whole(clips, name="terminates-whole")
    out = folder("terminates-out")
    run_ = subprocess.Popen(command(out, clips), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not os.path.exists(os.path.join(out, "manifest.jsonl")) and run_.poll() is None:
        time.sleep(0.01)
    run_.terminate()
    _, said = run_.communicate(timeout=LIMIT)
    check((run_.returncode, said) == (130, "cfp-gpu: interrupted\n"), f"SIGTERM: status {run_.returncode}: {said}")
    work = os.listdir(os.path.join(out, "work"))
    check(not [name for name in work if "claim" in name or "owner" in name], f"SIGTERM leaves {work}")
    check(0 < len(lines(out)) < 40, f"SIGTERM: {len(lines(out))} of 40 clips are done")
    run(out, clips)
    same(out, wanted, "after SIGTERM")


def full_disk():
    """A limit on the size of files stands for a full disk: for a clip's file, and for a shard."""
    clips = make_list("full", 12)
    more = ("--shard-clips", "12")
    wanted = whole(clips, *more, name="full-whole")
    shard = len(wanted["shard-00000.h5"])
    out = folder("full-out")
    for limit in (3000, shard - 100):
        def smaller(limit=limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        done = run(out, clips, *more, status=1, preexec_fn=smaller)
        check(done.stderr.count("\n") == 1 and "File too large" in done.stderr, f"full disk: {done.stderr}")
        check(not os.path.exists(os.path.join(out, "shard-00000.h5")), "full disk: a shard has its name")
        readable(out)
    run(out, clips, *more)
    same(out, wanted, "after a full disk")


def few_descriptors():
    """A batch needs few descriptors; where there are too few it says so."""
    clips = make_list("descriptors", 3)

    def limit(n):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))
    run(folder("descriptors-out"), clips, "--decoders", "2", preexec_fn=limit(48))
    for n in (8, 12, 16):
        done = subprocess.run(command(folder("descriptors-few"), clips), capture_output=True, text=True, timeout=LIMIT,
                              preexec_fn=limit(n))
        check(done.returncode == (done.stderr != "") and done.stderr.count("\n") == done.returncode and
              "Invalid argument" not in done.stderr, f"{n} descriptors: status {done.returncode}: {done.stderr}")
    run(folder("descriptors-few"), clips)


def small_disk():
    """A tmpfs that fills up, and then gets larger; in a name space of its own, so that nobody needs to be root."""
    clips = make_list("disk", 20)
    wanted = whole(clips, name="disk-whole")
    mount = os.path.join(options.work, "mount")
    os.makedirs(mount)
    words = " ".join(map(shlex.quote, command("mount/out", clips)))
    script = (f"cd {options.work}; mount -t tmpfs -o size=200k none mount || exit 77; {words}; echo status $?; "
              f"mount -o remount,size=8m mount; {words}; echo status $?; cp -r mount/out disk-out")
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=LIMIT)
    if done.returncode == 77 or "unshare" in done.stderr:
        print(f"not run: small_disk: {done.stderr.strip()}")
        return
    check(done.stdout.split() == ["status", "1", "status", "0"], f"small disk: {done.stdout} {done.stderr}")
    check(done.stderr.count("\n") == 1 and done.stderr.endswith("No space left on device\n"), f"small disk: {done.stderr}")
    if os.path.exists(folder("disk-out")):
        same(folder("disk-out"), wanted, "after a small disk")


def read_only():
    clips = make_list("readonly", 3)
    out = folder("readonly-out")
    run(out, clips, "--shard", "1/3")
    wanted = whole(clips, name="readonly-whole")
    nobody = 65534
    os.chmod(out, 0o555)
    for name in os.listdir(out):
        os.chmod(os.path.join(out, name), 0o444)

    def drop():
        if os.geteuid() == 0:
            os.setuid(nobody)
    try:
        done = subprocess.run(command(out, clips), capture_output=True, text=True, timeout=LIMIT, preexec_fn=drop)
        if "Permission denied" in done.stderr and done.returncode == 1 and out in done.stderr:
            check(done.stderr.count("\n") == 1, f"read-only: {done.stderr}")
        else:
            check(False, f"read-only: status {done.returncode}: {done.stderr}")
    except PermissionError:
        print("not run: read_only: another user cannot start the program")
    os.chmod(out, 0o755)
    run(out, clips)
    same(out, wanted, "after a read-only folder")


def helpers(parent):
    """The processes that decode for `parent`."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                if int(f.read().rpartition(")")[2].split()[1]) != parent:
                    continue
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read().split(b"\0")[1:2] == [b"batch-decodes"]:
                    found.append(int(pid))
        except (OSError, IndexError):
            continue
    return found


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def slow_clip(path):
    """A folder of pictures that take seconds to decode, and little space: all of them are one file."""
    import struct
    import zlib
    side = 9000

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    pack = zlib.compressobj(1)
    row = bytes(1 + 3 * side)
    data = b"".join(pack.compress(row) for _ in range(side)) + pack.flush()
    os.makedirs(path)
    with open(os.path.join(path, "0.png"), "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", data) + chunk(b"IEND", b""))
    for k in range(1, 4):
        os.symlink("0.png", os.path.join(path, f"{k}.png"))


def decoders_die():
    """A decoder that crashes, is killed or hangs takes its clip with it, and nothing else."""
    clips = make_list("decoders", 4)
    slow = os.path.join(os.path.dirname(clips), "slow")
    slow_clip(slow)
    with open(clips) as f:
        head, *rest = f.readlines()
    with open(clips, "w") as f:
        f.writelines([head, "slow,red\n", *rest])
    for number, limit, says in ((signal.SIGSEGV, "300", "crashed (signal 11"), (signal.SIGKILL, "300", "was killed"),
                                (signal.SIGSTOP, "2", "not decoded after 2 s (--time-limit)")):
        out = folder(f"decoders-{number}")
        run_ = subprocess.Popen(command(out, clips, "--decoders", "1", "--time-limit", limit), stderr=subprocess.PIPE, text=True,
                                stdout=subprocess.DEVNULL)
        found = []
        while not found and run_.poll() is None:
            time.sleep(0.01)
            found = helpers(run_.pid)
        time.sleep(0.3)
        for pid in found:
            os.kill(pid, number)
        said = run_.communicate(timeout=LIMIT)[1]
        rows = lines(out)
        check(run_.returncode == 1 and [row["status"] for row in rows] == ["failed"] + 4 * ["ok"],
              f"decoder {number.name}: status {run_.returncode}: {[row['status'] for row in rows]}: {said}")
        check(says in (rows[0]["reason"] or ""), f"decoder {number.name}: reason {rows[0]['reason']}")
    # The processes of a batch that is killed end with it.
    run_ = subprocess.Popen(command(folder("decoders-alone"), clips, "--decoders", "1"), stderr=subprocess.DEVNULL)
    found = []
    while not found and run_.poll() is None:
        time.sleep(0.01)
        found = helpers(run_.pid)
    run_.kill()
    run_.wait()
    time.sleep(0.5)
    check(not any(lives(pid) for pid in found), "a decoder outlives its batch")


def memory():
    """The last of many clips takes no more memory than the first."""
    most = []
    for n in (20, 150):
        clips = make_list(f"memory-{n}", n)
        run_ = subprocess.Popen(command(folder(f"memory-out-{n}"), clips, "--shard-clips", "16"))
        _, status, used = os.wait4(run_.pid, 0)
        run_.returncode = os.waitstatus_to_exitcode(status)
        check(status == 0, f"{n} clips: status {status}")
        most.append(used.ru_maxrss)
    check(most[1] < most[0] + 2048, f"memory grows: {most[0]} kB for 20 clips, {most[1]} kB for 150")


# --- more than one ---

def together():
    """Four processes in one folder, started at once; and three that begin one after the other, with a clip that
    fails and that each of them tries."""
    clips = make_list("together", 30)
    wanted = whole(clips, "--shard-clips", "6", name="together-whole")
    with open(os.path.join(os.path.dirname(clips), "c008.npy"), "rb+") as f:
        whole_clip = f.read()

    def at_once(out, n, status, wait):
        runs = []
        for k in range(n):
            runs.append(subprocess.Popen(command(out, clips, "--shard-clips", "6", "--decoders", str(1 + k % 2), "--threads",
                                                 str(1 + k // 2)), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True))
            time.sleep(wait)
        for run_ in runs:
            said = run_.communicate(timeout=LIMIT)[1]
            check(run_.returncode == status, f"{n} at once: status {run_.returncode}: {said}")
    at_once(folder("together-4"), 4, 0, 0)
    same(folder("together-4"), wanted, "4 at once")
    bad = os.path.join(os.path.dirname(clips), "c008.npy")
    with open(bad, "wb") as f:
        f.write(b"no array")
    out = folder("together-bad")
    at_once(out, 3, 1, 0.1)
    check([row["id"] for row in lines(out) if row["status"] != "ok"] == ["c008.npy"], "3 with a bad clip: other clips failed")
    with open(bad, "wb") as f:
        f.write(whole_clip)
    at_once(out, 2, 0, 0)
    same(out, wanted, "2 after a clip was mended")


def launched(out, clips, rank, *more, **how):
    """A rank as srun starts it."""
    env = dict(os.environ, SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), SLURM_STEP_NUM_TASKS="3")
    return subprocess.Popen([word for word in command(out, clips, "--progress", "json", *more) if word != "-q"], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)


def live_owner(out):
    """The owner file of a process elsewhere that lives; returns its path."""
    owner = os.path.join(out, "work", "owner-elsewhere-1-0")
    os.makedirs(os.path.dirname(owner), exist_ok=True)
    with open(owner, "w") as f:
        f.write("owner-elsewhere-1-0 elsewhere a-boot pid:[1] 1 1\n")
    return owner


def ranks():
    """The ranks of a job: one of them shows what all do, and none that fails ends before the others."""
    clips = make_list("ranks", 30)
    wanted = whole(clips, name="ranks-whole")
    bad = os.path.join(os.path.dirname(clips), "c004.npy")
    with open(bad, "rb+") as f:
        good = f.read()
        f.seek(0)
        f.write(b"no array")
    out = folder("ranks-out")
    job = [launched(out, clips, rank) for rank in range(2)]
    said = [run_.communicate(timeout=LIMIT) for run_ in job]
    check([run_.returncode for run_ in job] == [1, 1], f"ranks with a bad clip: {[run_.returncode for run_ in job]}: {said}")
    check("29 of 30 clips done, 1 failed" in said[0][0], f"rank 0 says {said[0]}")
    check(not said[1][0], f"rank 1 prints {said[1][0]}")
    check("1 of 30 clips failed" in said[0][1] and '"done":30,"total":30' in said[0][1], f"rank 0 says {said[0][1]}")
    check(all("c004.npy" in line for line in said[1][1].splitlines()), f"rank 1 says {said[1][1]}")
    # A rank whose disk is full leaves its clips to the others.
    def smaller():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    with open(bad, "wb") as f:
        f.write(good)
    out_ = folder("ranks-full")
    owner = live_owner(out_)  # it keeps the rank whose disk is full until the other one has begun

    def owners():
        return [name for name in os.listdir(os.path.dirname(owner)) if re.fullmatch(r"owner-[^.]*", name)]

    def wait_for_owners(n):
        until = time.monotonic() + LIMIT
        while len(owners()) != n and time.monotonic() < until:
            time.sleep(0.02)
        return len(owners()) == n
    full = launched(out_, clips, 1, preexec_fn=smaller)
    first = full.stderr.readline()
    check("File too large" in first and wait_for_owners(1), f"a rank whose disk is full says {first}")
    last = launched(out_, clips, 0)
    wait_for_owners(2)
    check(full.poll() is None, "a rank whose disk is full ends before the others")
    os.remove(owner)
    said = [run_.communicate(timeout=LIMIT) for run_ in (last, full)]
    check((last.returncode, full.returncode, *said[1]) == (0, 1, "", ""), f"after a full disk: {last.returncode} {full.returncode} {said}")
    same(out_, wanted, "after a rank whose disk is full")
    with open(bad, "wb") as f:
        f.write(b"no array")
    # A rank that has failed stays until the others have gone.
    out_ = folder("ranks-wait")
    owner = live_owner(out_)
    run_ = launched(out_, clips, 1)
    first = run_.stderr.readline()
    check("c004.npy" in first, f"a rank that fails says {first}")
    wait_for_owners(1)
    time.sleep(0.3)
    check(run_.poll() is None, "a rank that fails ends before the others")
    os.remove(owner)
    rest = run_.communicate(timeout=LIMIT)
    check((run_.returncode, *rest) == (1, "", ""), f"a rank that fails: status {run_.returncode}: {rest}")
    # Really under mpirun.
    if shutil.which("mpirun") is None:
        print("not run: ranks under mpirun: no mpirun here")
        return
    env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    mpirun = ["mpirun", "--oversubscribe", "-n"]
    words = [word for word in command(out, clips) if word != "-q"]
    shutil.rmtree(out)
    done = subprocess.run([*mpirun, "3", *words], capture_output=True, text=True, timeout=LIMIT, env=env)
    check(done.returncode == 1 and "29 of 30 clips done, 1 failed" in done.stdout and done.stdout.count("clips done") == 1 and
          done.stderr.count("1 of 30 clips failed") == 1, f"mpirun with a bad clip: {done.returncode} {done.stdout} {done.stderr}")
    with open(bad, "wb") as f:
        f.write(good)
    # SIGTERM, while another process has the clip that was mended.
    owner = live_owner(out)
    claim = os.path.join(out, "work", "000004.claim")
    os.link(owner, claim)
    run_ = subprocess.Popen([*mpirun, "2", "--mca", "odls_base_sigkill_timeout", "4", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    wait_for_owners(3)
    time.sleep(0.5)
    run_.terminate()
    said = run_.communicate(timeout=LIMIT)
    check(run_.returncode != 0 and said[0].count("29 of 30 clips done, 1 open") == 1 and
          said[1].count("cfp-gpu: interrupted") == 1, f"SIGTERM to mpirun: {run_.returncode} {said}")
    check(owners() == [os.path.basename(owner)], f"SIGTERM to mpirun leaves {owners()}")
    os.remove(claim)
    os.remove(owner)
    done = subprocess.run([*mpirun, "2", *words], capture_output=True, text=True, timeout=LIMIT, env=env)
    check(done.returncode == 0 and done.stdout.count("clips done") == 1, f"mpirun: {done.returncode} {done.stdout} {done.stderr}")
    same(out, wanted, "after SIGTERM to mpirun")


def parts():
    """--shard I/N, in one folder and in folders of their own."""
    clips = make_list("parts", 11)
    wanted = whole(clips, "--shard-clips", "2", name="parts-whole")
    out = folder("parts-one")
    for part in ("3/3", "1/3", "2/3"):
        run(out, clips, "--shard-clips", "2", "--shard", part)
    same(out, wanted, "three parts in one folder")
    found, rows = {}, []
    for part in (1, 2, 3):
        own = folder(f"parts-{part}")
        run(own, clips, "--shard-clips", "2", "--shard", f"{part}/3")
        found.update({name: data for name, data in result(own).items() if name.startswith("shard")})
        rows += result(own)["manifest"]
    check(found == {name: data for name, data in wanted.items() if name.startswith("shard")}, "parts: other shards")
    check(sorted(rows, key=lambda row: row["id"]) == wanted["manifest"], "parts: other lines")


def claims():
    """A claim of a process elsewhere is respected while it is touched, and taken over when it is not."""
    clips = make_list("claims", 6)
    wanted = whole(clips, name="claims-whole")
    out = folder("claims-out")
    shutil.copytree(folder("claims-whole"), out)
    work = os.path.join(out, "work")

    def leave(age):
        for name in os.listdir(out):
            if name != "run.json":
                os.remove(os.path.join(out, name))
        os.makedirs(work, exist_ok=True)
        owner = os.path.join(work, "owner-elsewhere-1-0")
        with open(owner, "w") as f:
            f.write("owner-elsewhere-1-0 elsewhere a-boot pid:[1] 1 1\n")
        os.utime(owner, (time.time() - age,) * 2)
        os.link(owner, os.path.join(work, "000002.claim"))
    leave(3600)
    run(out, clips)
    same(out, wanted, "after a process elsewhere died")
    leave(0)
    run_ = subprocess.Popen(command(out, clips), stderr=subprocess.PIPE, text=True)
    while len(lines(out) if os.path.exists(os.path.join(out, "manifest.jsonl")) else []) < 5 and run_.poll() is None:
        time.sleep(0.02)
    time.sleep(0.5)
    check(run_.poll() is None and not os.path.exists(os.path.join(work, "000002.json")), "a claim of another is not respected")
    os.remove(os.path.join(work, "000002.claim"))
    os.remove(os.path.join(work, "owner-elsewhere-1-0"))
    said = run_.communicate(timeout=LIMIT)[1]
    check(run_.returncode == 0, f"after a claim was given up: {said}")
    same(out, wanted, "after a claim was given up")


TESTS = (contents, columns, failures, no_numbers, options_differ, lists_differ, windows, several_windows, pipes, long_list, damaged,
         large_shard, progress, kills, terminates, full_disk, few_descriptors, small_disk, read_only, decoders_die, memory, together,
         ranks, parts, claims)


def main():
    global options
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cfp", required=True)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("tests", nargs="*", choices=[[], *(test.__name__ for test in TESTS)], metavar="TEST")
    options = parser.parse_args()
    options.cfp = os.path.abspath(options.cfp)
    with tempfile.TemporaryDirectory(prefix="cfp-batch-") as work:
        os.chmod(work, 0o755)
        options.work, options.model = work, os.path.join(work, "tiny.h5")
        make_model(options.model)
        for test in TESTS:
            if options.tests and test.__name__ not in options.tests:
                continue
            before, began = len(wrong), resource.getrusage(resource.RUSAGE_CHILDREN)
            test()
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds = used.ru_utime + used.ru_stime - began.ru_utime - began.ru_stime
            print(f"{'ok  ' if len(wrong) == before else 'FAIL'} {test.__name__}: {seconds:.1f} processor seconds", flush=True)
    print(f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
