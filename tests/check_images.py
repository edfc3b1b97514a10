#!/usr/bin/env python3
"""Image files as frames, against what Pillow shows.

    check_images.py CLIP_DUMP

TIFF in all its kinds; files with several pictures; cut and damaged ones, which are refused, or
shown with a warning, and never shown grey or black without a word.  Exit status 77: Pillow or numpy
is not there."""
import io
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
try:
    import h5py
except ImportError:
    h5py = None

WIDTH, HEIGHT = 48, 32
failures = 0


def report(name, wrong):
    global failures
    failures += bool(wrong)
    print(f"{'FAIL' if wrong else 'ok  '} {name} {wrong}", flush=True)


class Clip:
    """One run of CLIP_DUMP: frames of WIDTH x HEIGHT, not resized where they have that size."""
    sanitizer = "exitcode=99"

    def __init__(self, path, frames=1, start=-1):
        with tempfile.NamedTemporaryFile(suffix=".npy") as out:
            done = subprocess.run([sys.argv[1], path, out.name, str(frames), str(HEIGHT), str(WIDTH),
                                   "0", "1", str(start)], capture_output=True, text=True,
                                  errors="replace", timeout=120,
                                  env=dict(os.environ, ASAN_OPTIONS=self.sanitizer))
            self.status, self.error = done.returncode, done.stderr.strip()
            self.frames = np.load(out.name).astype(int) if self.status == 0 else None
            self.count = done.stdout.split()[0].split("=")[1] if self.status == 0 else "0"


def picture(mode="RGB"):
    """A smooth picture, which JPEG and subsampled colour change little."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgba = np.stack([5 * x, 255 - 7 * y, 3 * x + 2 * y, 255 - 5 * x], -1).clip(0, 255).astype(np.uint8)
    if mode == "CMYK":
        return Image.fromarray(rgba // 2, "CMYK")
    return Image.fromarray(rgba, "RGBA").convert(mode)


def assemble(data, entries, order="<"):
    """A TIFF of one directory, written by hand: what Pillow does not write.  Data begin at byte 8."""
    at = 8 + len(data) + len(data) % 2
    directory, behind = struct.pack(order + "H", len(entries)), b""
    room = at + 2 + 12 * len(entries) + 4
    for tag, kind, values in sorted(entries):
        packed = struct.pack(order + ("H" if kind == 3 else "I") * len(values), *values)
        value = packed.ljust(4, b"\0")
        if len(packed) > 4:
            value = struct.pack(order + "I", room + len(behind))
            behind += packed
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + value
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    return head + data + bytes(len(data) % 2) + directory + bytes(4) + behind


def tiff(bits, photometric, pixels, order="<", extra=None, form=None):
    """Uncompressed, one strip."""
    data = np.ascontiguousarray(pixels).tobytes()
    samples = pixels.shape[-1]
    entries = [(256, 4, [WIDTH]), (257, 4, [HEIGHT]), (258, 3, [bits] * samples), (259, 3, [1]),
               (262, 3, [photometric]), (273, 4, [8]), (277, 3, [samples]), (278, 4, [HEIGHT]),
               (279, 4, [len(data)])]
    if extra is not None:
        entries.append((338, 3, [extra]))
    if form is not None:
        entries.append((339, 3, [form] * samples))
    return assemble(data, entries, order)


def tiff_kinds(at):
    """Yields name, bytes, and the picture that must be shown."""
    rgb = np.asarray(picture()).astype(int)

    def saved(name, image, expected=None, **how):
        path = os.path.join(at, "made.tif")
        image.save(path, **how)
        with open(path, "rb") as file:
            data = file.read()
        if expected is None:
            with Image.open(path) as shown:
                expected = np.asarray(shown.convert("RGB")).astype(int)
        return name, data, expected

    for compression in ("raw", "jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield saved("RGB " + compression, picture(), compression=compression)
    ycbcr = Image.fromarray(np.asarray(picture()), "RGB").convert("YCbCr")
    yield saved("YCbCr jpeg", ycbcr, compression="jpeg")
    yield saved("grey jpeg", picture("L"), compression="jpeg")
    yield saved("grey", picture("L"))
    yield saved("grey and alpha", picture("LA"))
    yield saved("two levels", picture("L").point(lambda v: 255 * (v > 99)).convert("1"))
    yield saved("fax", picture("L").point(lambda v: 255 * (v > 99)).convert("1"),
                compression="group4")
    yield saved("palette", picture().quantize(64))
    yield saved("palette LZW", picture().quantize(16), compression="tiff_lzw")
    yield saved("RGBA", picture("RGBA"), rgb, compression="tiff_lzw")
    yield saved("CMYK", picture("CMYK"))
    for turn in range(1, 9): # stored so that it is shown upright
        undo = {2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM,
                5: Image.TRANSPOSE, 6: Image.ROTATE_90, 7: Image.TRANSVERSE, 8: Image.ROTATE_270}
        image = picture() if turn == 1 else picture().transpose(undo[turn])
        yield saved(f"orientation {turn}", image, rgb, tiffinfo={274: turn})
    wide = (rgb * 257).astype(np.uint16)
    for order, name in (("<", "little"), (">", "big")):
        yield f"16 bits {name}-endian", tiff(16, 2, wide.astype(order + "u2"), order), rgb
        grey = wide[..., :1]
        yield (f"16-bit grey {name}-endian", tiff(16, 1, grey.astype(order + "u2"), order),
               np.repeat(rgb[..., :1], 3, -1))
        yield f"RGB {name}-endian", tiff(8, 2, rgb.astype(np.uint8), order), rgb
    yield "white is zero", tiff(8, 0, 255 - rgb[..., :1].astype(np.uint8)), np.repeat(
        rgb[..., :1], 3, -1)
    rgba = np.asarray(picture("RGBA"))
    yield "alpha beside", tiff(8, 2, rgba, extra=2), rgb
    yield "no alpha", tiff(8, 2, rgba, extra=0), rgb
    alpha = np.maximum(rgba[..., 3:].astype(int), 128)
    multiplied = np.concatenate([(rgb * alpha + 127) // 255, alpha], -1).astype(np.uint8)
    yield "alpha multiplied in", tiff(8, 2, multiplied, extra=1), rgb
    planes = [np.ascontiguousarray(rgb[..., c].astype(np.uint8)) for c in range(3)]
    yield "planes", strips(planes, WIDTH * HEIGHT), rgb
    yield "tiles", tiled(rgb.astype(np.uint8)), rgb


def strips(planes, size):
    """Three strips: red, green and blue one after the other."""
    data = b"".join(p.tobytes() for p in planes)
    offsets = [8 + size * i for i in range(3)]
    entries = [(256, 4, [WIDTH]), (257, 4, [HEIGHT]), (258, 3, [8] * 3), (259, 3, [1]),
               (262, 3, [2]), (273, 4, offsets), (277, 3, [3]), (278, 4, [HEIGHT]),
               (279, 4, [size] * 3), (284, 3, [2])]
    return assemble(data, entries)


def tiled(rgb):
    side = 16
    data, offsets = b"", []
    for y in range(0, HEIGHT, side):
        for x in range(0, WIDTH, side):
            offsets.append(8 + len(data))
            data += np.ascontiguousarray(rgb[y:y + side, x:x + side]).tobytes()
    entries = [(256, 4, [WIDTH]), (257, 4, [HEIGHT]), (258, 3, [8] * 3), (259, 3, [1]),
               (262, 3, [2]), (277, 3, [3]), (322, 4, [side]), (323, 4, [side]),
               (324, 4, offsets), (325, 4, [3 * side * side] * len(offsets))]
    return assemble(data, entries)


def write(path, data):
    with open(path, "wb") as out:
        out.write(data)
    return path


def check_tiff(at):
    """One folder holds all kinds: so it is read once."""
    folder = os.path.join(at, "kinds")
    os.makedirs(folder)
    names, expected = [], []
    for name, data, shown in tiff_kinds(at):
        write(os.path.join(folder, f"f_{len(names)}.tif"), data)
        names.append(name)
        expected.append(shown)
    clip = Clip(folder, len(names), 0)
    report("all kinds of TIFF are read", clip.error)
    for i, name in enumerate(names if clip.status == 0 else []):
        worst = np.abs(clip.frames[i] - expected[i]).max()
        report("TIFF: " + name, f"differs by {worst}" if worst > 1 else "")

    number = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    for name, data, word in (("floats", tiff(32, 1, number, form=3), "floating-point"),
                             ("12 bits", tiff(12, 1, number), "12-bit"),
                             ("CIELab", tiff(8, 8, np.zeros((HEIGHT, WIDTH, 3), np.uint8)), "Lab"),
                             ("signed", tiff(8, 1, number.astype(np.int8), form=2), "signed")):
        clip = Clip(write(os.path.join(at, "odd.tif"), data))
        report(f"TIFF of {name} is refused",
               clip.error if clip.status != 1 or word not in clip.error or "\n" in clip.error else "")


def pages(count, kind, path, **how):
    """A file of several pictures, each darker than the one before."""
    images = [picture().point(lambda v, i=i: v // (i + 1)) for i in range(count)]
    images[0].save(path, kind, save_all=True, append_images=images[1:], **how)
    return [np.asarray(image).astype(int) for image in images]


def mpo(path, count, order):
    """A JPEG with a multi-picture segment, followed by other pictures."""
    picture().save(path, "JPEG")
    data = open(path, "rb").read()
    entries = struct.pack(order + "H", 2) + struct.pack(order + "HHI4s", 0xb000, 7, 4, b"0100") + \
        struct.pack(order + "HHII", 0xb001, 4, 1, count) + bytes(4)
    body = b"MPF\0" + (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + entries
    segment = b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
    write(path, data[:2] + segment + data[2:] + data * (count - 1))
    write(path + ".plain", data)
    with Image.open(path + ".plain") as image:
        return np.asarray(image.convert("RGB")).astype(int)


def check_several(at):
    """A file with several pictures: all are shown where it is the clip, and where it is one frame of
    a folder a line says that the first one is."""
    path = os.path.join(at, "pages.tif")
    for compression in (None, "tiff_lzw", "jpeg"):
        expected = pages(5, "TIFF", path, compression=compression)
        clip = Clip(path, 5, 0)
        worst = np.abs(clip.frames - expected).max() if clip.status == 0 else clip.error
        report(f"the pages of a TIFF are frames ({compression})",
               worst if clip.count != "5" or clip.error or worst > 12 * (compression == "jpeg") else "")
    stack = Clip(write(os.path.join(at, "pages.dat"), open(path, "rb").read()), 5, 0)
    report("whatever the file is called", stack.error if stack.count != "5" else "")

    for suffix, kind in (("tif", "TIFF"), ("jpg", "MPO"), ("jpeg", "MPO"), ("png", "PNG")):
        folder = os.path.join(at, "several_" + suffix)
        os.makedirs(folder)
        for i in range(3):
            path = os.path.join(folder, f"f_{i}.{suffix}")
            first = mpo(path, 4, "<>"[len(suffix) % 2]) if kind == "MPO" else pages(4, kind, path)[0]
        clip = Clip(folder, 3, 0)
        said = clip.error.count(f"f_0.{suffix}: it holds 4 pictures: the first one is shown")
        shown = clip.status == 0 and np.abs(clip.frames - first).max() <= 6
        report(f"{kind} with 4 pictures as a frame",
               "" if shown and said == 1 and "\n" not in clip.error else clip.error or "no line")
    expected = pages(4, "PNG", os.path.join(at, "moving.png"), duration=40)
    clip = Clip(os.path.join(at, "moving.png"), 4, 0)
    same = clip.status == 0 and clip.count == "4" and np.abs(clip.frames - expected).max() <= 1
    report("an animated PNG is a video", "" if same else clip.error or "other frames")
    pages(4, "WEBP", os.path.join(at, "moving.webp"), lossless=True)
    clip = Clip(os.path.join(at, "moving.webp"), 4, 0)
    report("an animated WebP is refused, and why",
           "" if clip.status == 1 and "animated WebP" in clip.error else clip.error)


def damaged(data, chance):
    yield from (data[:int(len(data) * share)] for share in (.3, .5, .7, .9, .97))
    for _ in range(3):
        broken = bytearray(data)
        at = chance.randrange(len(data) // 3, len(data) - 16)
        broken[at:at + 12] = bytes(12)
        yield bytes(broken[:at + 12])


def check_damage(at):
    """Alone and in a folder, cut off at several places."""
    chance = random.Random(5)
    rough = np.asarray(picture()).astype(int) + np.random.default_rng(1).integers(
        -30, 30, (HEIGHT, WIDTH, 3))
    rough = Image.fromarray(rough.clip(0, 255).astype(np.uint8))
    for name, image, kind, how in (
            ("jpg", rough, "JPEG", {}), ("jpg", rough, "JPEG", {"progressive": True}),
            ("png", rough, "PNG", {}), ("bmp", rough, "BMP", {}), ("bmp", rough.quantize(64), "BMP", {}),
            ("webp", rough, "WEBP", {}), ("webp", rough, "WEBP", {"lossless": True}),
            ("ppm", rough, "PPM", {}), ("tif", rough, "TIFF", {}),
            ("tif", rough, "TIFF", {"compression": "jpeg"}),
            ("tif", rough, "TIFF", {"compression": "tiff_lzw"})):
        folder = os.path.join(at, "cut")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        path = os.path.join(folder, "f_1." + name)
        image.save(path, kind, **how)
        data = open(path, "rb").read()
        whole = Clip(path)
        wrong = whole.error
        for i, broken in enumerate(damaged(data, chance)):
            clip = Clip([path, folder][i % 2] if write(path, broken) else "")
            if clip.status == 0 and "damaged" not in clip.error:
                wrong += f"cut {i}: shown without a word "
            elif clip.status not in (0, 1) or "\n" in clip.error:
                wrong += f"cut {i}: {clip.error} "
        report(f"damaged {kind} {how or ''}", wrong)


def kept(path, name, pictures, shape=None):
    """An HDF5 file whose data set `name` holds a list of bytes for each picture."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset(name, shape or (len(pictures),), dtype=h5py.special_dtype(vlen=np.uint8))
        for i, picture in enumerate(pictures):
            data[i if shape is None else (0, i)] = np.frombuffer(picture, np.uint8)


def check_hdf5(at):
    """Pictures in HDF5, as 3D-ResNets keeps its clips, and what is said of other contents."""
    def encoded(kind, **how):
        out = io.BytesIO()
        picture().save(out, kind, **how)
        return out.getvalue()

    path = os.path.join(at, "video.hdf5")
    right = np.asarray(picture()).astype(int)
    jpeg, png = encoded("JPEG", quality=95, subsampling=0), encoded("PNG")
    for name, pictures in (("video", [jpeg] * 5), ("frames", [jpeg] * 5), ("video", [png, jpeg, png, jpeg, png]),
                           ("video", [jpeg + bytes(7)] * 5)):
        kept(path, name, pictures)
        clip = Clip(path, 5, 0)
        wrong = clip.error if clip.status != 0 else clip.count != "5" or max(abs(f - right).max() for f in clip.frames) > 12
        report(f"HDF5: {len(pictures)} pictures in /{name}", wrong)
    for what, pictures, words in (("an empty picture", [jpeg, b"", jpeg], "frame 1 is empty"),
                                  ("no picture", [jpeg, b"hello", jpeg], "frame 1: not an image"),
                                  ("no pictures at all", [], "is empty")):
        kept(path, "video", pictures)
        clip = Clip(path, 3, 0)
        report(f"HDF5: {what}", "" if clip.status == 1 and words in clip.error else clip.error)
    kept(path, "video", [jpeg] * 3, (1, 3))
    clip = Clip(path, 3, 0)
    report("HDF5: two axes", "" if clip.status == 1 and "2 axes" in clip.error else clip.error)
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((2, 7), np.float32)
        file["label"] = 3
    clip = Clip(path, 3, 0)
    said = ("no dataset /frames (T x H x W x 3 bytes)", "no /video (a JPEG for each frame)", "/data (2 x 7), /label")
    report("HDF5: something else", "" if clip.status == 1 and all(w in clip.error for w in said) else clip.error)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("video", (3,), dtype=h5py.special_dtype(vlen=np.float32))
        for i in range(3):
            data[i] = np.zeros(4, np.float32)
    clip = Clip(path, 3, 0)
    report("HDF5: lists of numbers", "" if clip.status == 1 and "/video is not uint8" in clip.error else clip.error)
    kept(path, "video", [jpeg] * 6)
    with open(path, "rb") as file:
        data = file.read()
    chance, bad = random.Random(5), ""
    # HDF5 itself may crash on these.  The program then says so in one line, so the sanitizer must leave the crash to it.
    Clip.sanitizer = "exitcode=99:replace_intrin=0:handle_segv=0:handle_sigbus=0:handle_abort=0"
    for copy in range(12): # damaged lengths and references: one line
        broken = bytearray(data)
        for _ in range(8):
            broken[chance.randrange(len(data))] = chance.randrange(256)
        write(path, bytes(broken))
        clip = Clip(path, 3, 0)
        if clip.status not in (0, 1) or (clip.status == 1 and (not clip.error or "\n" in clip.error)):
            bad += f" copy {copy}: status {clip.status} {clip.error[:300]}"
    Clip.sanitizer = "exitcode=99"
    report("HDF5: damaged pictures", bad)


def check_others(at):
    """Files that are no clips are named by what they are."""
    archive = io.BytesIO()
    np.savez(archive, frames=np.zeros((4, 8, 8, 3), np.uint8))
    gif = io.BytesIO()
    frames = [Image.new("RGB", (WIDTH, HEIGHT), (c, c, c)) for c in (0, 100, 200)]
    frames[0].save(gif, "WEBP", save_all=True, append_images=frames[1:])
    for name, data, words in (
            ("a.npz", archive.getvalue(), ".npz archive"), ("a.zip", archive.getvalue(), "packed"),
            ("a.mp4", archive.getvalue(), "packed"), ("a.m3u8", b"#EXTM3U\n#EXTINF:9,\na.ts\n", "playlist"),
            ("b.mp4", b"#EXTM3U\n#EXTINF:9,\na.ts\n", "playlist"), ("c.m3u", b"a.mp4\nb.mp4\n", "playlist"),
            ("d.mpd", b'<?xml version="1.0"?>\n<MPD></MPD>', "playlist"), ("e.txt", b"ffconcat version 1.0\n", "playlist"),
            ("f.mp4.gz", b"\x1f\x8b\x08" + bytes(30), "packed"), ("g.webp", gif.getvalue(), "animated WebP")):
        path = os.path.join(at, name)
        write(path, data)
        clip = Clip(path)
        report(f"{name}: what it is", "" if clip.status == 1 and words in clip.error and "\n" not in clip.error else clip.error)


def main():
    with tempfile.TemporaryDirectory() as at:
        check_tiff(at)
        check_several(at)
        check_damage(at)
        check_others(at)
        if h5py is not None:
            check_hdf5(at)
        else:
            print("skipped: no h5py: pictures in HDF5")
    print(f"{failures} failed")
    return 1 if failures else 0


sys.exit(main())
