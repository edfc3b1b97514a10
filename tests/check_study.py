#!/usr/bin/env python3
"""tools/study, once with two clips: it goes on where it was killed, refuses another study's folder, its
tables say what its rows say, and --write puts them into a text.

    check_study.py --cfp BIN
"""
import argparse
import csv
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

try:
    import h5py  # noqa: F401  (the study reads model files)
    import numpy as np
    import torch  # noqa: F401  (the renderer)
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parent.parent
NETWORK = "motion-residual"
FEW = ["--clips", "2", "--networks", f"weights/{NETWORK}.h5", "--share", "0.25", "--kernel-metrics", "kernel-drop,pyramid-keep",
       "--kernel-methods", "activation,random", "--mask-metrics", "energy", "--volume-methods", "activation,random"]


def command(cfp, out, draws=5, jobs=2):
    return [sys.executable, ROOT / "tools/study", "--cfp", cfp, "--out", out, "--draws", str(draws), "--jobs", str(jobs), *FEW, "--", "--layers", "stage3.1.*"]


def run(words):
    return subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=ROOT)


def killed(words, first):
    """Killed as soon as the first clip is complete."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        until = time.monotonic() + 300
        while not first.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)


def expected(folder, method, metric, column):
    """From the rows, without the tool's code: the mean over clips and layers."""
    values = []
    for path in sorted(folder.glob("000?.csv")):
        with open(path, newline="") as f:
            values += [float(r[column]) for r in csv.DictReader(f) if r["method"] == method and r["metric"] == metric]
    return np.mean(values)


TEXT = """before
| network | score | class: early | middle | late | weights: early | middle | late |
| --- | --- | --- | --- | --- | --- | --- | --- |
| old | row | | | | | | |

It is from 7 clips of
each of our networks, and 4 random sets of each size.

| network | not better than mean activation |
| --- | --- |
| as it | was |
behind
"""


def check_texts(folder, failed):
    """--write replaces the tables of known head lines and the numbers about them, and nothing else."""
    rows = ["clip,method,theta,metric,layer,depth,kernels,ablated,share,value,chance,percentile,draws"]
    for method, same in (("explain", 0.25), ("grad:baseline=blank:theta=0.05", 0.75)):
        for depth, layer in enumerate("abc", 1):
            rows.append(f"clip,{method},,kernel-drop,{layer},{depth},8,2,0.25,1,0,0.5,200")
            rows.append(f"clip,{method},,class-jaccard,{layer},{depth},8,,,{same},0,,")
            rows.append(f"clip,{method},,weight-jaccard,{layer},{depth},8,,,{same / 2},0,,")
    (folder / "made/motion").mkdir(parents=True)
    for number in range(3):
        (folder / f"made/motion/{number:04d}.csv").write_text("\n".join(rows) + "\n")
    text = folder / "TEXT.md"
    text.write_text(TEXT)
    wanted = TEXT.replace("| old | row | | | | | | |\n", "".join(
        f"| `motion` | {words} | {' | '.join([a] * 3)} | {' | '.join([b] * 3)} |\n" for words, a, b in (
            ("**`explain` as it is**", "0.25", "0.12"), ("`--rule grad --mask none --baseline blank --theta 0.05`", "0.75", "0.38"))))
    wanted = wanted.replace("7 clips", "3 clips").replace("4 random", "200 random")
    for turn in ("first", "second"):
        done = run([sys.executable, ROOT / "tools/study", "--out", folder / "made", "--tables", "--write", "--texts", text])
        check(done.returncode == 0 and text.read_text() == wanted, f"{turn} --write: {done.stderr}{text.read_text()}", failed)


def check(condition, what, failed):
    if not condition:
        failed.append(what)
        print(f"FAIL {what}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True)
    cfp, failed = parser.parse_args().cfp, []
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "study"
        rows = out / NETWORK
        killed(command(cfp, out, jobs=1), rows / "0000.csv")
        check((rows / "0000.csv").exists() and not (rows / "0001.csv").exists(), "killed behind the first clip", failed)
        before = (rows / "0000.csv").read_bytes(), (rows / "0000.csv").stat().st_mtime_ns
        done = run(command(cfp, out))
        check(done.returncode == 0 and "1 of 1 clips" in done.stderr, f"goes on: {done.stderr}", failed)
        check(before == ((rows / "0000.csv").read_bytes(), (rows / "0000.csv").stat().st_mtime_ns), "nothing twice", failed)

        for method in ("activation", "random"):
            line = re.search(rf"\| `{method}` \| 25 % \| .* \| ([\d.-]+) \|\n", done.stdout)
            wanted = expected(rows, method, "kernel-drop", "percentile")
            check(line and abs(float(line[1]) - wanted) < 0.0051, f"kernel-drop of {method}: {line and line[1]}, {wanted}", failed)
            line = re.search(rf"\| `{method}` \| 25 % \| 25 % \| ([\d.-]+) \| ", done.stdout)
            wanted = expected(rows, method, "pyramid-keep", "value")
            check(line and abs(float(line[1]) - wanted) < 0.0051, f"pyramid-keep of {method}: {line and line[1]}, {wanted}", failed)

        tables = run(command(cfp, out)[:-3] + ["--tables"])
        check(tables.stdout == done.stdout, "--tables prints the same", failed)
        other = run(command(cfp, out, 6))
        check(other.returncode == 2 and other.stderr.count("\n") == 1 and "another draws" in other.stderr, f"other options: {other.stderr}", failed)
        check_texts(pathlib.Path(folder), failed)
        whole = pathlib.Path(folder) / "whole"
        again = run(command(cfp, whole))        # both clips at once
        for name in ("0000.csv", "0001.csv"):   # the clips' folders differ
            texts = [(o / NETWORK / name).read_text().replace(str(o), "") for o in (out, whole) if (o / NETWORK / name).exists()]
            check(again.returncode == 0 and len(texts) == 2 and texts[0] == texts[1], f"{name}: as in one go", failed)
        missing = run([*command(cfp, whole)[:4], "--out", pathlib.Path(folder) / "none", "--networks", "no.h5"])
        check(missing.returncode == 1 and missing.stderr == "study: no.h5: no such file\n", f"no network: {missing.stderr}", failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
