#!/usr/bin/env python3
"""What cfp_clip_open yields against ffmpeg's own decoding and OpenCV's resize.

    check_clips.py CLIP_DUMP [--real DIR [--every]] [--fuzz N] [--sheets DIR]

Makes awkward videos with the ffmpeg program, reads them through CLIP_DUMP (tests/clip_dump.c) and
compares every frame.  --real: every video and folder of frames below DIR instead.  --fuzz: so many
damaged copies of each kind of clip, none of which may crash or hang.  --sheets: a picture of the
frames of each clip, to look at.  Exit status 77: numpy, OpenCV, h5py or ffmpeg is not there."""
import argparse
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

try:
    import cv2
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
if shutil.which("ffmpeg") is None:
    print("skipped: no ffmpeg program")
    sys.exit(77)

SCALE = "scale=flags=bilinear+accurate_rnd+full_chroma_int+bitexact,format="
failures = 0


def report(name, good, text=""):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {name} {text}", flush=True)


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True,
                   stdin=subprocess.DEVNULL)


class Clip:
    """One run of CLIP_DUMP.  What a sanitizer finds must not look like a refusal, whose status is 1;
    leaks=0 where it is HDF5 itself that leaks: it does so on broken files."""

    def __init__(self, path, frames, height=0, width=0, short=0, stride=1, start=0, leaks=1, track=0):
        with tempfile.NamedTemporaryFile(suffix=".npy") as out:
            done = subprocess.run(
                [options.clip_dump, str(path), out.name,
                 *map(str, (frames, height, width, short, stride, start, track))],
                capture_output=True, text=True, errors="replace", timeout=300,
                env=dict(os.environ, **{name: f"exitcode=99:detect_leaks={leaks}"
                                        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS")}))
            self.status, self.error = done.returncode, done.stderr.strip()
            self.facts = dict(word.split("=", 1) for word in done.stdout.split())
            if self.status == 0:
                self.frames = np.load(out.name)
                self.index = [int(i) for i in self.facts["index"].split(",")]
                self.count = int(self.facts["source_frames"])


def decoded(path, rotate=True):
    """Every frame as the ffmpeg program decodes it: a run of PPM pictures.  Subsampled colour is
    first spread to full size, see host/clip/frame_rgb.h."""
    pixels = subprocess.run(["ffprobe", "-v", "quiet", "-select_streams", "V:0", "-show_entries",
                             "stream=pix_fmt", "-of", "csv=p=0", str(path)],
                            capture_output=True, text=True).stdout.split("\n")[0].strip(",")
    wide = pixels.replace("420", "444").replace("422", "444")
    convert = f"{SCALE}{wide},{SCALE}rgb24" if wide != pixels else f"{SCALE}rgb24"
    data = subprocess.run(["ffmpeg", "-v", "quiet", "-threads", "1",
                           *([] if rotate else ["-noautorotate"]), "-i", str(path), "-map", "0:V:0",
                           "-fps_mode", "passthrough", "-vf", convert, "-f", "image2pipe", "-c:v",
                           "ppm", "-"], stdin=subprocess.DEVNULL, capture_output=True).stdout
    frames, at = [], 0 # views of data: copies of large clips were half of this test's time
    while at < len(data):
        _, size, _ = head = data[at:at + 40].split(b"\n", 3)[:3]
        width, height = (int(n) for n in size.split())
        begin = at + sum(len(line) + 1 for line in head)
        at = begin + width * height * 3
        frames.append(np.frombuffer(data, np.uint8, at - begin, begin).reshape(height, width, 3))
    return np.stack(frames)


def resized(frame, height, width, short):
    """SPEC "Geometry" by OpenCV, in float.  short: of the short side, 0, or "HxW" to stretch to."""
    h, w = frame.shape[:2]
    wide, high = width, height
    if isinstance(short, str):
        high, wide = (int(side) for side in short.split("x"))
    elif short:
        wide, high = (short, (2 * h * short + w) // (2 * w)) if w < h else \
                     ((2 * w * short + h) // (2 * h), short)
    whole = cv2.resize(frame.astype(np.float32), (wide, high), interpolation=cv2.INTER_LINEAR)
    top, left = (high - height) // 2, (wide - width) // 2
    return np.rint(whole[top:top + height, left:left + width]).astype(np.uint8)


def difference(a, b):
    if a.shape != b.shape:
        return 255, 255.0
    worst, total = 0, 0.0
    for x, y in zip(a, b): # frame by frame, without an array as large as the clip
        if not np.array_equal(x, y):
            d = np.maximum(x, y) - np.minimum(x, y)
            worst, total = max(worst, int(d.max())), total + float(d.mean())
    return worst, total / len(a)


def sheet(name, clip):
    if not options.sheets:
        return
    pick = clip.frames[np.linspace(0, len(clip.frames) - 1, min(6, len(clip.frames))).astype(int)]
    row = np.concatenate([cv2.resize(f, (max(1, f.shape[1] * 200 // f.shape[0]), 200))
                          for f in pick], 1)
    cv2.imwrite(os.path.join(options.sheets, name.replace("/", "_") + ".png"), row[:, :, ::-1])


def numbers_of(path, count):
    """What a clip's frames are called: the numbers in a folder's names, else places from 0."""
    if "db" in path.split(os.sep): # make_arrays numbers its frames from 1
        return list(range(1, count + 1))
    if not os.path.isdir(path):
        return list(range(count))
    stems = (os.path.splitext(f)[0] for f in os.listdir(path) if not f.endswith(".txt"))
    return sorted(int(re.search("[0-9]+$", stem).group()) for stem in stems)


def compare(name, path, expected, tolerance=0, mean=1.0):
    """Every frame at its own size, then a resized and cropped window of them."""
    numbers = numbers_of(path, len(expected))
    place = {number: at for at, number in enumerate(numbers)}
    clip = Clip(path, len(expected), start=numbers[0])
    if clip.status != 0:
        report(name, False, clip.error)
        return
    sheet(name, clip)
    worst, average = difference(clip.frames, expected)
    counted = clip.count == len(expected) and clip.index == numbers
    small = Clip(path, 8, 112, 96, 128, 2, -1)
    shown = np.stack([resized(expected[place[i]], 112, 96, 128) for i in small.index])
    resize_worst, _ = difference(small.frames, shown)
    stretched = Clip(path, 2, 112, 96, "128x171", start=numbers[0])  # as torchvision's video networks are fed
    shown = np.stack([resized(expected[place[i]], 112, 96, "128x171") for i in stretched.index])
    resize_worst = max(resize_worst, difference(stretched.frames, shown)[0])
    report(name, counted and worst <= tolerance and average <= mean and
           resize_worst <= tolerance + 1,
           f"{clip.count} frames {clip.frames.shape[2]}x{clip.frames.shape[1]}, decoding differs by "
           f"at most {worst} (mean {average:.3f}), resized by {resize_worst} {clip.error}")


def refused(name, path, *words, **how):
    clip = Clip(path, 4, 32, 32, **how)
    one_line = clip.error.count("\n") == 0 and clip.error != ""
    report(name, clip.status == 1 and one_line and all(w in clip.error for w in words), clip.error)


def source(size="176x144", seconds=1, rate=25, kind="testsrc2"):
    return ["-f", "lavfi", "-i", f"{kind}=size={size}:rate={rate}:duration={seconds}"]


def check_videos(at):
    """Videos that ffmpeg can make: each is compared with ffmpeg's decoding of it, exactly."""
    made = {
        "plain.mp4": [*source(), "-c:v", "libx264"],
        "nocount.mkv": [*source(), "-c:v", "libx264"],
        "tenbit.mp4": [*source(), "-c:v", "libx264", "-pix_fmt", "yuv420p10le"],
        "tenbit444.mkv": [*source(), "-c:v", "libx264", "-pix_fmt", "yuv444p10le"],
        "odd.avi": [*source("175x99", kind="testsrc"), "-c:v", "mpeg4", "-pix_fmt", "yuv420p"],
        "odd.mkv": [*source("175x99", kind="testsrc"), "-c:v", "ffv1", "-pix_fmt", "yuv420p"],
        "hevc.mp4": [*source(), "-c:v", "libx265", "-x265-params", "log-level=none"],
        "vp9.webm": [*source(), "-c:v", "libvpx-vp9", "-b:v", "500k"],
        "vfr.mp4": [*source(seconds=2), "-vf", "select='not(mod(n,7))+not(mod(n,5))'",
                    "-fps_mode", "vfr", "-c:v", "libx264"],
        "single.mp4": [*source(), "-frames:v", "1", "-c:v", "libx264"],
        "moving.gif": [*source()],
        "grey.mkv": [*source(), "-c:v", "ffv1", "-pix_fmt", "gray"],
        "full.mp4": [*source(), "-vf", "scale=out_range=full", "-color_range", "pc", "-c:v",
                     "libx264"],
        "bt709.mp4": [*source(), "-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709",
                      "-color_primaries", "bt709", "-color_trc", "bt709", "-c:v", "libx264"],
        "mjpeg.avi": [*source(), "-c:v", "mjpeg", "-pix_fmt", "yuvj422p"],
        "aspect.mp4": [*source(), "-vf", "setsar=128/117", "-c:v", "libx264"],
        "sound.mp4": [*source(), "-f", "lavfi", "-i", "sine=duration=1", "-c:v", "libx264", "-c:a",
                      "aac", "-shortest"],
        "trimmed.mp4": None,
    }
    for name, arguments in made.items():
        path = os.path.join(at, name)
        if arguments is None: # an edit list: the file holds frames that are not to be shown
            ffmpeg("-ss", "0.5", "-i", os.path.join(at, "plain.mp4"), "-c", "copy", path)
        else:
            ffmpeg(*arguments, path)
        compare(name, path, decoded(path))

    cover = os.path.join(at, "cover.mp4")
    ffmpeg(*source("64x64", 0.04), "-frames:v", "1", os.path.join(at, "cover.png"))
    ffmpeg("-i", os.path.join(at, "cover.png"), "-i", os.path.join(at, "sound.mp4"), "-map", "0",
           "-map", "1", "-c", "copy", "-c:v:0", "png", "-disposition:v:0", "attached_pic", cover)
    compare("cover.mp4", cover, decoded(os.path.join(at, "sound.mp4")))


def check_tracks(at):
    """The first of two video tracks, even where the second is larger; sound, subtitles and covers
    are no tracks."""
    small, large, two = (os.path.join(at, name) for name in ("small.mkv", "large.mkv", "two.mkv"))
    ffmpeg(*source("64x48", 0.4), "-c:v", "ffv1", small)
    ffmpeg(*source("176x144", 0.4, kind="testsrc"), "-c:v", "ffv1", large)
    with open(os.path.join(at, "words.srt"), "w") as out:
        out.write("1\n00:00:00,000 --> 00:00:01,000\nwords\n")
    ffmpeg("-i", small, "-i", large, "-i", os.path.join(at, "sound.mp4"), "-i",
           os.path.join(at, "words.srt"), "-map", "3:s", "-map", "2:a", "-map", "0:v", "-map", "1:v",
           "-c", "copy", "-disposition:v:1", "default", two)
    for track, expected, said in ((0, small, 1), (1, small, 0), (2, large, 0)):
        clip = Clip(two, 10, track=track)
        worst = difference(clip.frames, decoded(expected))[0] if clip.status == 0 else 255
        told = clip.error.count("2 video tracks: the first one is read") / 2 # it is opened twice
        report(f"two tracks, --track {track}", worst == 0 and told == said,
               f"differs by {worst} {clip.error}")
    longer = os.path.join(at, "longer.mkv")
    ffmpeg("-i", small, *source("64x48", 3, kind="testsrc"), "-map", "0", "-map", "1", "-c", "ffv1", longer)
    clip = Clip(longer, 10)
    report("another track is longer: nothing is missing", clip.status == 0 and "claims" not in clip.error, clip.error)
    for path, words in ((two, "--track: 3: "), (os.path.join(at, "plain.mp4"), "has 1 video track"),
                        (os.path.join(at, "a.npy"), "is no video with tracks")):
        refused(f"{os.path.basename(path)}, --track 3", path, words, track=3)
    clip = Clip(os.path.join(at, "cover.mp4"), 1)
    report("a cover is no track", clip.status == 0 and clip.error == "", clip.error)


def check_rotation(at):
    plain = os.path.join(at, "plain.mp4")
    upright = decoded(plain)
    data = bytearray(open(plain, "rb").read())
    matrix = data.index(b"tkhd") + 4 + 40 # in the track header; x' = a x + c y, y' = b x + d y
    one, zero = (65536).to_bytes(4, "big"), bytes(4)
    minus = (-65536).to_bytes(4, "big", signed=True)
    for name, (a, b, c, d), expected in (
            ("turned right", (zero, one, minus, zero), np.rot90(upright, -1, axes=(1, 2))),
            ("turned left", (zero, minus, one, zero), np.rot90(upright, 1, axes=(1, 2))),
            ("turned round", (minus, zero, zero, minus), np.rot90(upright, 2, axes=(1, 2))),
            ("mirrored left to right", (minus, zero, zero, one), upright[:, :, ::-1]),
            ("mirrored top to bottom", (one, zero, zero, minus), upright[:, ::-1]),
            ("transposed", (zero, one, one, zero), upright.transpose(0, 2, 1, 3)),
            ("transposed the other way", (zero, minus, minus, zero),
             upright[:, ::-1, ::-1].transpose(0, 2, 1, 3))):
        for i, number in ((0, a), (1, b), (3, c), (4, d)):
            data[matrix + 4 * i:matrix + 4 * i + 4] = number
        path = os.path.join(at, "turned.mp4")
        with open(path, "wb") as out:
            out.write(data)
        compare(name, path, expected)
        if name.startswith("turned"):
            worst, mean = difference(decoded(path), expected)
            report(f"{name}: as ffmpeg does", mean < 0.1, f"differs by {worst}, mean {mean:.3f}")


def check_changing_size(at):
    parts = []
    for i, size in enumerate(("176x144", "96x128")):
        parts.append(os.path.join(at, f"part{i}.ts"))
        ffmpeg(*source(size, 0.4), "-c:v", "libx264", parts[-1])
    path = os.path.join(at, "changing.ts")
    with open(path, "wb") as out:
        for part in parts:
            out.write(open(part, "rb").read())
    expected = [resized(f, 64, 64, 80) for part in parts for f in decoded(part)]
    clip = Clip(path, len(expected), 64, 64, 80)
    worst, _ = difference(clip.frames, np.stack(expected)) if clip.status == 0 else (255, 0)
    report("size changes in the stream", worst <= 1, f"differs by {worst} {clip.error}")


def check_refusals(at):
    def write(name, data):
        path = os.path.join(at, name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    refused("missing file", os.path.join(at, "none.mp4"), "none.mp4: No such file")
    refused("missing folder", os.path.join(at, "none", "none"), "No such file")
    refused("empty file", write("empty.mp4", b""), "is empty")
    refused("text", write("notes.txt", b"these are notes\n" * 99), "not a video")
    refused("noise", write("noise.mp4", random.Random(1).randbytes(50000)), "not a video")
    refused("playlist", write("list.mp4", b"ffconcat version 1.0\nfile plain.mp4\n"), "list.mp4: ")
    refused("start behind the end", os.path.join(at, "plain.mp4"), "--start: ", start=25)
    refused("not a file", "/dev/null", "neither a file nor a folder")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", os.path.join(at, "audio.mp4"))
    refused("audio only", os.path.join(at, "audio.mp4"), "no video stream")
    ffmpeg("-i", os.path.join(at, "cover.png"), "-i", os.path.join(at, "audio.mp4"), "-map", "0",
           "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", os.path.join(at, "song.mp4"))
    refused("audio with a cover", os.path.join(at, "song.mp4"), "cover")
    png = bytearray(open(os.path.join(at, "cover.png"), "rb").read())
    png[16:24] = (60000).to_bytes(4, "big") * 2
    refused("huge picture", write("huge.png", png), "huge.png: ")
    y4m = b"YUV4MPEG2 W50000 H50000 F25:1 C420\nFRAME\n" + bytes(1000)
    refused("huge frames", write("huge.y4m", y4m), "huge.y4m: ")
    whole = open(os.path.join(at, "plain.mp4"), "rb").read()
    refused("mp4 without its end", write("cut.mp4", whole[:len(whole) // 2]), "not a video")


def check_truncated(at):
    for name, make in (("cut.mkv", ["-c:v", "libx264"]), ("cut.avi", ["-c:v", "mpeg4"]),
                       ("cutfast.mp4", ["-c:v", "libx264", "-movflags", "+faststart"])):
        path = os.path.join(at, "whole_" + name)
        ffmpeg(*source(seconds=2), *make, path)
        with open(path, "rb") as whole, open(os.path.join(at, name), "wb") as out:
            data = whole.read()
            out.write(data[:len(data) * 2 // 3])
        full, left = decoded(path), Clip(os.path.join(at, name), 8, start=0)
        good = left.status == 0 and 8 < left.count < len(full)
        worst = difference(left.frames, full[:8])[0] if good else 255
        again = [Clip(os.path.join(at, name), 8, 64, 64, 72, 3, -1).facts for _ in range(3)]
        good = good and worst == 0 and all(a == again[0] for a in again)
        report(f"truncated {name}", good, f"{left.facts.get('source_frames')} of {len(full)} frames, "
               f"the first 8 differ by {worst}; {left.error}")


def make_arrays(at, frames):
    """The same frames as every kind of array or folder."""
    np.save(os.path.join(at, "a.npy"), frames)
    with h5py.File(os.path.join(at, "a.h5"), "w") as file:
        file["frames"] = frames
    with h5py.File(os.path.join(at, "packed.h5"), "w") as file:
        file.create_dataset("frames", data=frames, chunks=(4, 16, 16, 3), compression="gzip")
    for kind in ("png", "bmp", "ppm", "tif", "jpg"):
        os.makedirs(os.path.join(at, kind))
        for i, frame in enumerate(frames):
            cv2.imwrite(os.path.join(at, kind, f"img_{i + 1}.{kind}"), frame[:, :, ::-1])
    os.makedirs(os.path.join(at, "db"))
    with sqlite3.connect(os.path.join(at, "db", "frames.db")) as db:
        db.execute("CREATE TABLE Images(ObjId STRING, frames BLOB, size INT)")
        for i in reversed(range(len(frames))):
            jpeg = cv2.imencode(".jpg", frames[i][:, :, ::-1])[1].tobytes()
            db.execute("INSERT INTO Images VALUES (?, ?, ?)", (f"v/frame_{i + 1:05d}", jpeg, len(jpeg)))
    db.close()


def check_arrays(at):
    frames = decoded(os.path.join(at, "plain.mp4"))[:20]
    make_arrays(at, frames)
    for name in ("a.npy", "a.h5", "packed.h5", "png", "bmp", "ppm", "tif"):
        compare(name, os.path.join(at, name), frames)
    for name in ("jpg", "db", "db/frames.db", "db/v"):
        expected = np.stack([cv2.imread(os.path.join(at, "jpg", f"img_{i + 1}.jpg"))[:, :, ::-1]
                             for i in range(len(frames))])
        compare(name, os.path.join(at, name), expected, tolerance=4) # another cosine transform

    picture = cv2.imread(os.path.join(at, "jpg", "img_1.jpg"))
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    os.makedirs(os.path.join(at, "exif"))
    for i, orientation in enumerate((1, 2, 3, 4, 5, 6, 7, 8)):
        tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + bytes(7)
        app1 = b"Exif\0\0" + tiff
        with open(os.path.join(at, "exif", f"{i}.jpg"), "wb") as out:
            out.write(jpeg[:2] + b"\xff\xe1" + (len(app1) + 2).to_bytes(2, "big") + app1 + jpeg[2:])
        shown = cv2.imread(os.path.join(at, "exif", f"{i}.jpg"))[:, :, ::-1]
        clip = Clip(os.path.join(at, "exif"), 1, shown.shape[0], shown.shape[1], start=i)
        worst = difference(clip.frames[0], shown)[0] if clip.status == 0 else 255
        report(f"exif orientation {orientation}", worst <= 4, f"differs by {worst} {clip.error}")


def check_real(folder):
    """Real clips: ffmpeg's decoding for videos, OpenCV's reading for folders.

    Clips of one data set and one container are alike: one of them is compared, or all with --every."""
    for root, folders, files in sorted(os.walk(folder)):
        folders.sort()
        images = sorted(f for f in files if f.lower().endswith((".jpg", ".png")))
        done = set()
        for name in sorted(files):
            kind = os.path.splitext(name)[1].lower()
            if kind in (".mp4", ".avi", ".mkv", ".mov", ".webm"):
                if kind in done and not options.every and os.path.basename(root) != "awkward":
                    continue
                done.add(kind)
                path = os.path.join(root, name)
                compare(os.path.relpath(path, folder), path, decoded(path, rotate=False)
                        if "_90" not in name else np.rot90(decoded(path, False), -1, axes=(1, 2)))
        if images:
            expected = np.stack([cv2.imread(os.path.join(root, f))[:, :, ::-1] for f in images])
            compare(os.path.relpath(root, folder), root, expected, tolerance=4)


def check_fuzz(at, copies):
    chance = random.Random(7)
    folder = os.path.join(at, "fuzz")
    for name in ("plain.mp4", "nocount.mkv", "odd.avi", "hevc.mp4", "moving.gif", "mjpeg.avi",
                 "a.npy", "a.h5", "packed.h5", "db/frames.db", "jpg/img_1.jpg", "png/img_1.png",
                 "tif/img_1.tif", "bmp/img_1.bmp"):
        with open(os.path.join(at, name), "rb") as file:
            data = file.read()
        bad, refusals = "", 0
        for copy in range(copies):
            broken = bytearray(data)
            if copy % 3 == 0: # cut; most of what matters stands at the beginning
                broken = broken[:int(len(data) * chance.random() ** 3)]
            else:
                reach = len(data) if copy % 3 == 1 else min(len(data), 2048)
                for _ in range(chance.choice((1, 4, 30))):
                    broken[chance.randrange(reach)] = chance.randrange(256)
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            path = os.path.join(folder, os.path.basename(name))
            with open(path, "wb") as out:
                out.write(broken)
            path = folder if "/" in name else path
            try:
                clip = Clip(path, 4, 32, 32, 40, 2, -1, leaks=int(not name.endswith(".h5")))
            except subprocess.TimeoutExpired:
                clip = None
            if clip is None or clip.status not in (0, 1) or (clip.status == 1 and not clip.error):
                keep = f"{at}-fuzz-{copy}-{os.path.basename(name)}"
                shutil.copyfile(os.path.join(folder, os.path.basename(name)), keep)
                bad += f" copy {copy} ({keep}): " + \
                    ("hangs" if clip is None else f"status {clip.status} {clip.error[:1500]}")
            else:
                refusals += clip.status
        report(f"damaged copies of {name}", not bad, bad or f"{refusals} of {copies} refused")


def check_made(at):
    check_videos(at)
    check_rotation(at)
    check_changing_size(at)
    check_refusals(at)
    check_truncated(at)
    check_arrays(at)
    check_tracks(at)
    if options.fuzz:
        check_fuzz(at, options.fuzz)


def main():
    if options.real:
        check_real(options.real)
    else:
        with tempfile.TemporaryDirectory() as at:
            check_made(at)
    print(f"{failures} failed")
    return 1 if failures else 0


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("clip_dump")
parser.add_argument("--real", metavar="DIR")
parser.add_argument("--every", action="store_true", help="with --real: every clip, not one of each kind")
parser.add_argument("--fuzz", type=int, default=0, metavar="N")
parser.add_argument("--sheets", metavar="DIR")
options = parser.parse_args()
sys.exit(main())
