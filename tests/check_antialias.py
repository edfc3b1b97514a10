#!/usr/bin/env python3
"""resize_filter "antialias" against Pillow, byte by byte.

    check_antialias.py CLIP_DUMP

Sizes and crops are torchvision's. Frames of many sizes, among them odd ones and single rows, are made smaller, larger and one of each, with all three ways
of saying the size, and cropped. Exit status 77: numpy or Pillow is not there."""
import argparse
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

BILINEAR = getattr(Image, "Resampling", Image).BILINEAR
SOURCES = ((240, 320), (256, 340), (112, 149), (1080, 1920), (37, 53), (1, 1), (1, 200), (224, 224), (719, 405))
CROPS = ((112, 112), (64, 96), (7, 5))
failures = 0


def report(name, good, text=""):
    global failures
    failures += not good
    if not good:
        print(f"FAIL {name} {text}")


def shown(frames, crop, resize):
    """The first frame of a file as the program shows it."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as out:
        subprocess.run([args.clip_dump, str(frames), out.name, "1", *map(str, crop), resize, "1", "0"],
                       check=True, capture_output=True)
        return np.load(out.name)[0]


def by_pillow(picture, size, crop):
    """Resized to size (height, width), then the centre."""
    whole = np.asarray(Image.fromarray(picture).resize(size[::-1], BILINEAR))
    top, left = (round((size[axis] - crop[axis]) / 2.0) for axis in (0, 1))  # torchvision's center_crop
    return whole[top:top + crop[0], left:left + crop[1]]


def short_side(picture, short):
    h, w = picture.shape[:2]
    return (short, int(short * w / h)) if h <= w else (int(short * h / w), short)  # torchvision's resize


def compare(name, path, picture, crop, resize, size):
    got = shown(path, crop, f"{resize}a")
    want = by_pillow(picture, size, crop)
    worst = int(np.abs(got.astype(int) - want).max())
    report(f"{name} to {size[0]} x {size[1]}, crop {crop[0]} x {crop[1]}", worst == 0, f"differs by {worst} levels")


def check_sizes(folder):
    random = np.random.default_rng(1)
    for source in SOURCES:
        picture = random.integers(0, 256, (*source, 3), dtype=np.uint8)
        path = folder / "frames.npy"
        np.save(path, picture[None])
        for crop in CROPS:
            name = f"{source[0]} x {source[1]}"
            compare(name, path, picture, crop, 0, crop)
            stretched = crop[0] + 16, crop[1] + 59
            compare(name, path, picture, crop, f"{stretched[0]}x{stretched[1]}", stretched)
            short = max(crop) + 9
            if max(source) < 20 * min(source):  # a ribbon becomes a frame of hundreds of thousands of rows
                compare(name, path, picture, crop, short, short_side(picture, short))


def check_filters_differ(folder):
    """Lines one pixel wide: without antialiasing every other one is lost, with it all become grey."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, ::4] = 255
    np.save(folder / "lines.npy", picture[None])
    plain = shown(folder / "lines.npy", (16, 16), "0")
    smooth = shown(folder / "lines.npy", (16, 16), "0a")
    report("bilinear is the default", plain.std() == 0 and plain.mean() == 0, plain.mean())
    report("antialias", 50 < smooth.mean() < 78, smooth.mean())


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("clip_dump")
args = parser.parse_args()
with tempfile.TemporaryDirectory() as scratch:
    check_sizes(pathlib.Path(scratch))
    check_filters_differ(pathlib.Path(scratch))
print(f"{failures} failed")
sys.exit(1 if failures else 0)
