#!/usr/bin/env python3
"""Does README tell the truth?  Runs the commands of "The first ten minutes" and every piece of Python in README.

    check_readme.py --cfp build/release/cfp-gpu --work FOLDER

The commands run as they stand there, in a folder that has the project's weights and clips.  The Python that reads
the run of `batch` gets one of two clips.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("not so:", what)


def commands(section):
    """The indented lines of a section of README, without its Python, as one script."""
    lines = re.findall(r"^    (\S.*)$", re.sub(r"^```.*?^```", "", section, flags=re.M | re.S), re.M)
    return "\n".join(lines)


def run_script(script, work):
    done = subprocess.run(["bash", "-euc", script], cwd=work, capture_output=True, text=True)
    check(done.returncode == 0, f"the commands end with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def run_python(snippet, work):
    done = subprocess.run([sys.executable, "-c", snippet], cwd=work, capture_output=True, text=True)
    if "ModuleNotFoundError" in done.stderr:
        print("not run:", done.stderr.strip().splitlines()[-1])
        return ""
    check(done.returncode == 0, f"{snippet}\n{done.stderr.strip()}")
    return done.stdout


def make_folder(cfp, work):
    shutil.rmtree(work, ignore_errors=True)
    (work / "build" / "release").mkdir(parents=True)
    (work / "build" / "release" / "cfp-gpu").symlink_to(cfp)
    for name in ("weights", "datasets"):
        (work / name).symlink_to(ROOT / name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfp", required=True, type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--work", required=True, type=lambda p: pathlib.Path(p).resolve())
    options = parser.parse_args()
    make_folder(options.cfp, options.work)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"^## The first ten minutes\n(.*?)^## ", readme, re.M | re.S).group(1)
    said = run_script(commands(first), options.work)
    check(re.search(r"left$", said, re.M) is not None, f"predict names the class: {said[:300]}")
    check("file:///" in said, "view prints a URL")
    for name in ("left/report.html", "left-0.3/report.html", "index.html", "figure/figure.pdf", "figure/figure.svg",
                 "figure/figure.png"):
        check((options.work / "out" / name).is_file(), f"out/{name} is there")

    clips = "".join(str(ROOT / "datasets" / "motion" / f"{name}.mp4") + f" {name}\n" for name in ("left", "up"))
    (options.work / "list.txt").write_text(clips)
    run_script("build/release/cfp-gpu batch -q weights/motion.h5 list.txt -o run", options.work)
    snippets = re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S)
    check(len(snippets) >= 3, f"README has {len(snippets)} pieces of Python")
    printed = [run_python(snippet, options.work) for snippet in snippets]
    check(len(printed[0].splitlines()) > 10 or printed[0] == "", f"a line for each layer: {printed[0][:200]}")
    if not failures:
        shutil.rmtree(options.work)
    print(f"{len(snippets)} pieces of Python, {len(commands(first).splitlines())} commands, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
