#!/usr/bin/env python3
"""Checks what cfp-gpu batch makes of a list: shards, manifest, index, windows, refusals.

    check_batch.py --cfp CFP_GPU [TEST...]

batch_runs.py tells how.  TEST: names of the functions below; all by default."""
import json
import os
import re
import subprocess
import sys
import tarfile

from batch_runs import (main, check, command, folder, HERE, LIMIT, lines, make_clip, make_list, make_model, options, quote,
                        run, same, whole)
from model_file import ModelFile

import h5py
import numpy as np


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


def large_shard():
    """So many clips in one shard that the process which packs them must not wait for an answer to be read."""
    clips = make_list("large", 1)
    with open(clips, "w") as f:
        f.writelines(["clip,label,start,stop\n", *(f"c000.npy,red,{i},{i + 4}\n" for i in range(600))])
    np.save(os.path.join(os.path.dirname(clips), "c000.npy"), np.zeros((604, 8, 8, 3), np.uint8))
    run(folder("large-out"), clips, "--shard-clips", "1000", "--keep", "pyramid", "--depth", "0")
    with h5py.File(os.path.join(folder("large-out"), "shard-00000.h5")) as f:
        check(len(f["clips"]) == 600, f"a large shard has {len(f['clips'])} of 600 clips")


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


TESTS = (contents, columns, failures, no_numbers, options_differ, lists_differ, long_list, windows, several_windows,
         large_shard, progress, memory)

if __name__ == "__main__":
    sys.exit(main(__doc__, TESTS))
