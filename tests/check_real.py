#!/usr/bin/env python3
"""Explains every real clip with every model, and checks that broken clips are refused in one line.

    check_real.py --cfp BIN --data DIR [--named-only] MODEL...

DIR holds clips/ (video files and folders of frames).  The models are those of DIR/models and those
named.  Each pair must end with exit status 0 and an explanation.h5 that holds what SPEC 3 says, or
with exit status 1 and exactly one line.  Then every clip is cut in half, which must end in the same
two ways.
"""
import argparse
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

VIDEO = {".mp4", ".avi", ".mkv", ".mov", ".webm"}


def clips_in(folder):
    """Video files, and the deepest folders that hold images."""
    files = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in VIDEO]
    images = sorted({p.parent for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".png")})
    return files + images


def explain(program, model, clip, out, *options):
    return subprocess.run([program, "explain", model, clip, "-o", out, "-q", "--progress", "none",
                           *options], capture_output=True, text=True, timeout=300)


def sampling(model, clip):
    """A model of two frames reads the first and the middle one, as it was trained; others follow their /input."""
    with h5py.File(model) as f:
        if int(f["input"].attrs["frames"]) != 2:
            return []
    if clip.is_dir():
        frames = sum(p.suffix.lower() in (".jpg", ".png") for p in clip.iterdir())
    else:
        ask = ["ffprobe", "-v", "quiet", "-select_streams", "v:0", "-count_frames", "-of", "csv=p=0",
               "-show_entries", "stream=nb_read_frames", clip]
        said = subprocess.run(ask, capture_output=True, text=True, timeout=300).stdout
        frames = int(said.split(",")[0].split()[0])
    return ["--start", "0", "--stride", str(max(1, frames // 2))]


def complaint(run, out):
    """What is wrong with the end of a run; None if nothing is."""
    lines = [line for line in run.stderr.splitlines() if not line.startswith("cfp-gpu: warning: ")]
    if run.returncode == 1:
        if len(lines) != 1 or not lines[0].startswith("cfp-gpu: "):
            return f"exit 1, but standard error is {lines}"
        return None
    if run.returncode != 0:
        return f"exit {run.returncode}: {run.stderr[-300:]}"
    with h5py.File(out / "explanation.h5") as f:
        frames, indices = f["clip/frames"], f["clip/indices"][:]
        if len(indices) != frames.shape[0] or not np.isfinite(f["logits"][:]).all():
            return "indices or logits"
        for layer, group in f["tubes"].items():
            tube = group["tube"][:]
            if tube.shape != frames.shape[:3] or not (tube.min() >= 0 and tube.max() <= 1):
                return f"tube of {layer}"
            if (group.attrs["max"] > group.attrs["min"]) != (tube.max() == 1):
                return f"tube of {layer} is not normalised"
        visited = set(f["pyramid"])
        if set(f["tubes"]) - visited:
            return "a tube of a layer that was not visited"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--named-only", action="store_true", help="without the models of DIR/models")
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    models = args.models + ([] if args.named_only else sorted((args.data / "models").glob("*.h5")))
    failed, done, refused = 0, 0, 0
    published = ["--rule", "cfp"]
    for number, clip in enumerate(clips_in(args.data / "clips")):
        rule = published if number % 2 else []  # the default question takes three times as long
        for model in models:
            with tempfile.TemporaryDirectory() as scratch:
                out = pathlib.Path(scratch) / "out"
                run = explain(args.cfp, model, clip, out, "--format", "h5", *rule, *sampling(model, clip))
                wrong = complaint(run, out)
                if run.returncode != 0 and wrong is None:
                    wrong = f"refused, though it is whole: {run.stderr.strip()}"
                if wrong is None and clip.is_file():
                    half = pathlib.Path(scratch) / f"half{clip.suffix}"
                    half.write_bytes(clip.read_bytes()[:clip.stat().st_size // 2])
                    run = explain(args.cfp, model, half, pathlib.Path(scratch) / "half",
                                  "--format", "h5", *published)
                    wrong = complaint(run, pathlib.Path(scratch) / "half")
                    refused += run.returncode != 0
            done += 1
            if wrong is not None:
                failed += 1
                print(f"FAIL {clip.name} with {model.name}: {wrong}")
    print(f"{done} explanations of real clips, {failed} failed; {refused} halves refused in a line")
    return 1 if failed or done == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
