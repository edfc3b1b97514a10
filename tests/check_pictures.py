#!/usr/bin/env python3
"""The pictures of `cfp-gpu explain`, decoded again: is what they show in the right place, whole and of the right colours?

    check_pictures.py --cfp build/cfp-gpu MODEL CLIP

A made network whose map is an impulse; turned videos with --canvas source; gif, stack and contact sheet against the
overlays of --format frames (which check_outputs.py holds against SPEC); --interp spline against scipy. Exit status 77
(skipped) where h5py, numpy, scipy, PIL or ffmpeg are missing.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy as np
    from PIL import Image
    from scipy import ndimage
except ImportError as error:
    print(f"skipped: {error} (needs the Python packages h5py, numpy, scipy and pillow)")
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
from model_file import ModelFile  # noqa: E402

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("not so:", what)
    return condition


def explain(arguments, model, clip, folder, *options):
    done = subprocess.run([arguments.cfp, "explain", model, clip, "-o", folder, "-q", *options], capture_output=True, text=True)
    return check(done.returncode == 0, f"explain {clip} {' '.join(options)}: {done.stderr.strip()}")


def picture(*path):
    return np.asarray(Image.open(os.path.join(*path))).astype(int)


def frames_of(folder, name):
    at = os.path.join(folder, "overlay", name)
    return np.stack([picture(at, file) for file in sorted(os.listdir(at)) if file[:6].isdigit()])


# --- an impulse lands where its receptive field is ---

def write_network(path, kernel, crop=None):
    """Two convolutions of stride 2 without bias: black stays 0, so one voxel makes a map of one cell."""
    height, width = crop or (32, 48)
    pad = kernel // 2 if kernel % 2 else 0
    with ModelFile(path, name="impulse", classes=["dark", "bright"], output="fc", channels=3, frames=8, height=height,
                   width=width, resize_short=min(crop) if crop else 0, scale=255, mean=[0] * 3, std=[1] * 3) as m:
        for name, source, into in (("a", "input", 3), ("b", "a", 2)):
            weight = np.ones((2, into) + (kernel,) * 3, np.float32)
            weight[1] *= 0.5
            m.add_node(name, "conv3d", [source], weight=weight, stride=(2,) * 3, pad_begin=(pad,) * 3, pad_end=(pad,) * 3)
        m.add_node("pool", "globalavgpool", ["b"])
        m.add_node("fc", "linear", ["pool"], weight=np.array([[0, 0], [1, 0.5]], np.float32), bias=np.zeros(2, np.float32))


def brightest(overlay):
    """(t, y, x): the middle of the brightest part."""
    return np.argwhere(overlay[..., 0] == overlay[..., 0].max()).mean(0)


def check_impulse(arguments, at):
    # Kernels of 2: cell i sees voxels 4 i to 4 i + 3.  Kernels of 3, padded: 4 i - 3 to 4 i + 3, whose middle the
    # resize with half-pixel centres (SPEC 1) misses by the 1.5 that the stride is wide of it.
    for kernel, centre, tolerance in ((2, 1.5, 0.01), (3, 0, 1.51)):
        model = os.path.join(at, f"impulse{kernel}.h5")
        write_network(model, kernel)
        for cell in ((1, 2, 7), (0, 5, 3), (1, 4, 10)):
            clip = np.zeros((8, 32, 48, 3), np.uint8)
            clip[tuple(4 * c + (2 if kernel == 2 and c else 0) for c in cell)] = 255
            path, folder = os.path.join(at, "impulse.npy"), os.path.join(at, f"impulse{kernel}{cell[1]}")
            np.save(path, clip)
            if not explain(arguments, model, path, folder, "--class", "bright", "--format", "h5,frames,gif", "--colormap", "gray",
                           "--alpha", "1", "--layers", "b"):
                continue
            with h5py.File(os.path.join(folder, "explanation.h5")) as f:
                raw = f["tubes/b/raw"][()]
            check(np.argwhere(raw > 0).tolist() == [list(cell)], f"kernel {kernel}: the map is an impulse at {cell}")
            overlay = frames_of(folder, "b")
            found = brightest(overlay)[1:] / (overlay.shape[1] / 32) - (1 - 32 / overlay.shape[1]) / 2
            wanted = np.array(cell[1:]) * 4 + centre
            check(np.abs(found - wanted).max() <= tolerance, f"kernel {kernel}, cell {cell}: brightest at {found}, not {wanted}")
            when = sorted(set(np.argwhere(overlay[..., 0] == overlay.max())[:, 0]))
            check(set(when) <= set(range(4 * cell[0], 4 * cell[0] + 4)), f"kernel {kernel}, cell {cell}: in frames {when}")
            with Image.open(os.path.join(folder, "overlay", "b.gif")) as gif:
                gif.seek(int(when[0]))
                shown = np.argwhere(np.asarray(gif.convert("L")).astype(int) > 250)
            check(len(shown) and np.abs(shown.mean(0) / (overlay.shape[1] / 32) - 0.33 - wanted).max() < tolerance + 1,
                  f"kernel {kernel}, cell {cell}: in the gif too")


# --- videos that are turned, drawn on uncropped ---

def write_turned(path, turn):
    """64 x 48, black, with a white patch at rows 8 to 15 and columns 40 to 47; shown turned right (1) or left (-1)."""
    video = np.zeros((8, 48, 64, 3), np.uint8)
    video[:, 8:16, 40:48] = 255
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "10", "-i", "-",
                    "-c:v", "libx264", "-pix_fmt", "yuv420p", path], input=video.tobytes(), check=True)
    data = bytearray(open(path, "rb").read())
    matrix = data.index(b"tkhd") + 4 + 40   # x' = a x + c y, y' = b x + d y
    for i, number in ((0, 0), (1, turn), (3, -turn), (4, 0)):
        data[matrix + 4 * i:matrix + 4 * i + 4] = (65536 * number).to_bytes(4, "big", signed=True)
    with open(path, "wb") as out:
        out.write(data)
    return np.rot90(video[0], -turn)


def check_turned(arguments, at):
    model = os.path.join(at, "turned.h5")
    write_network(model, 2, crop=(32, 32))
    for name, turn in (("right", 1), ("left", -1)):
        path, folder = os.path.join(at, name + ".mp4"), os.path.join(at, name)
        upright = write_turned(path, turn)
        if not explain(arguments, model, path, folder, "--class", "bright", "--format", "png,frames,mp4,gif,stack", "--colormap", "gray",
                       "--alpha", "1", "--layers", "b", "--canvas", "source"):
            continue
        overlay = frames_of(folder, "b")
        enlarged = overlay.shape[1] // 64
        check(overlay.shape == (8, 64 * enlarged, 48 * enlarged, 3), f"turned {name}: pictures of {overlay.shape}")
        seen = overlay[:, 8 * enlarged:-8 * enlarged]         # the middle 48 rows are what the model saw
        found = brightest(seen)[1:] / enlarged + (8, 0)
        wanted = np.argwhere(upright[..., 0] > 128).mean(0)
        check(np.abs(found - wanted).max() <= 4, f"turned {name}: brightest at {found}, the patch at {wanted}")
        edge = overlay[0, ::enlarged, ::enlarged, 0][:8]      # above that the source, as it is
        check(np.abs(edge - upright[:8, :, 0].astype(int)).max() < 24, f"turned {name}: uncropped")
        with Image.open(os.path.join(folder, "overlay", "b.gif")) as gif:
            check(gif.size == (48 * enlarged, 64 * enlarged), f"turned {name}: a gif of {gif.size}")
        stack = picture(folder, "overlay", "b", "stack.png")
        check(stack.shape[2] == 4 and stack.shape[0] > 480, f"turned {name}: a stack of {stack.shape}")


# --- gif, stack and contact sheet against the overlays of each frame ---

def check_gif(path, frames, seconds):
    with Image.open(path) as gif:
        check(gif.n_frames == len(frames) and gif.info.get("loop") == 0, f"{path}: {gif.n_frames} frames, loop {gif.info.get('loop')}")
        time = 0
        for t in range(min(gif.n_frames, len(frames))):
            gif.seek(t)
            time += gif.info["duration"] / 1000
            shown = np.asarray(gif.convert("RGB")).astype(int)
            if check(shown.shape == frames[t].shape, f"{path}: of {shown.shape}"):
                error = np.abs(shown - frames[t])
                check(error.mean() < 6 and np.percentile(error, 99) < 32, f"{path}: frame {t} errs by {error.mean():.1f}")
    check(abs(time - seconds) < 0.02, f"{path}: {time} s, not {seconds}")


ACROSS, RISE, RIGHT, DOWN, BEFORE, BEHIND, VEIL, MARGIN = 0.6, 0.18, 0.1, 0.028, 0.3, 0.54, 0.24, 0.03


def check_stack(path, frames, tube):
    """Computes the geometry again: time runs to the front right, with a gap before and after the frame with most of the tube."""
    stack = picture(path)
    n, height = len(frames), 480
    width = height * frames.shape[2] / frames.shape[1]
    strength = tube.mean((1, 2))
    focus = int(strength.argmax())
    steps = [k + (BEFORE * (k >= focus > 0) + BEHIND * (k > focus)) / RIGHT for k in range(n)]
    size = (height * (MARGIN + DOWN * steps[-1] + 1 + MARGIN) + width * RISE, height * 2 * MARGIN + width * (RIGHT * steps[-1] + ACROSS))
    if not check(stack.shape[2] == 4 and np.abs(np.array(stack.shape[:2]) - size).max() <= 1, f"{path}: {stack.shape}, not {size}"):
        return
    check(not stack[[0, 0, -1, -1], [0, -1, 0, -1], 3].any(), f"{path}: around the stack there is nothing")

    def at(k, v, u):
        x = height * MARGIN + width * (RIGHT * steps[k] + ACROSS * u)
        y = height * (MARGIN + DOWN * steps[k] + v) + width * RISE * (1 - u)
        return stack[int(y), int(x)]

    error, opaque = [], []
    rows, columns = frames.shape[1:3]
    for y in range(8, rows - 8, 5):
        for x in range(8, columns - 8, 5):
            pixel = at(focus, (y + 0.5) / rows, (x + 0.5) / columns)
            error.append(np.abs(pixel[:3] - frames[focus][y, x]).mean())
            opaque.append(pixel[3])
    check(min(opaque) == 255 and np.mean(error) < 12, f"{path}: frame {focus} is whole and in focus ({np.mean(error):.1f})")
    if focus > 0:     # the strip of the first frame that no other covers
        enlarged = rows // tube.shape[1]
        for v in np.arange(0.2, 0.9, 0.05):
            y, x = int(v * tube.shape[1]), int(0.08 * tube.shape[2])
            share = tube[0, y, x] ** 2 * (3 - 2 * tube[0, y, x])
            pixel = at(0, (y + 0.5) * enlarged / rows, (x + 0.5) * enlarged / columns)
            check(abs(pixel[3] / 255 - (VEIL + (1 - VEIL) * share)) < 0.08, f"{path}: a veil over frame 0 at {y}, {x}")


def find(sheet, cell):
    """The place of a cell, to the last bit, or None."""
    height, width = cell.shape[:2]
    for y, x in np.argwhere((sheet[:, :, :] == cell[0, 0]).all(2)):
        if np.array_equal(sheet[y:y + height, x:x + width], cell):
            return int(y), int(x)
    return None


def check_sheet(path, rows, clip, ends):
    """rows: the frames of each row in its order."""
    sheet = picture(path)
    height, width = clip.shape[1:3]
    place = find(sheet, clip[0])
    if not check(place is not None, f"{path}: begins with the clip"):
        return
    top, left = place
    pitch, step = height + 4, width + 2
    ink = []
    for r, frames in enumerate([clip, *rows]):
        y = top + r * pitch
        for t, frame in enumerate(frames):
            x = left + t * step
            check(np.array_equal(sheet[y:y + height, x:x + width], frame), f"{path}: row {r}, frame {t}")
        ink.append(sheet[y:y + height, :left - 2] < 128)
        check(ink[-1].sum() > 100, f"{path}: row {r} has a label")
    check(len({label.tobytes() for label in ink}) == len(ink), f"{path}: no two labels are the same")
    below = top + len(ink) * pitch
    for t in range(len(clip)):
        x = left + t * step
        check((sheet[below:below + 40, x:x + width] < 160).sum() > 20, f"{path}: a time below column {t}")
    check((sheet[below:, left:left + step] < 160).any() and (sheet[:top, :400] < 60).sum() > 100, f"{path}: a title")
    bar = left + len(clip) * step + 14 + 7
    column = sheet[top + pitch:below, bar]
    coloured = column[(column != 255).any(1)]
    check(len(coloured) > 50 and np.array_equal(coloured[0], ends[1]) and np.array_equal(coloured[-1], ends[0]),
          f"{path}: the bar goes from {coloured[-1:]} to {coloured[:1]}")


def check_formats(arguments, at):
    folder = os.path.join(at, "all")
    if not explain(arguments, arguments.model, arguments.clip, folder, "--format", "h5,png,frames,gif,stack", "--tubes", "kernels",
                   "--layers", "mix.b1*", "--depth", "2", "--top", "6", "--colormap", "viridis", "--alpha", "0.8"):
        return
    with h5py.File(os.path.join(folder, "explanation.h5")) as f:
        depth = {name: int(f["pyramid"][name].attrs["depth"]) for name in f["tubes"]}
        tubes = {name: group["tube"][()] for name, group in f["tubes"].items()}
        relevance = {name: f["pyramid"][name]["relevance"][()] for name in tubes}
        kernels = {name: {int(o): group["tube"][()] for o, group in of.items()} for name, of in f["kernel_tubes"].items()}
        clip = f["clip/frames"][()].astype(int)
    overlays = {name: frames_of(folder, name) for name in tubes}
    enlarged = next(iter(overlays.values())).shape[1] // clip.shape[1]
    clip = clip.repeat(enlarged, 1).repeat(enlarged, 2)
    for name, tube in tubes.items():
        check_gif(os.path.join(folder, "overlay", name + ".gif"), overlays[name], len(clip) / 12)
        check_stack(os.path.join(folder, "overlay", name, "stack.png"), overlays[name], tube)
        of = {o: frames_of(folder, f"{name}/kernel-{o}") for o in kernels[name]}
        check(of.keys() == set(np.flatnonzero(relevance[name])), f"{name}: pictures of every selected kernel")
        for o in of:
            check_gif(os.path.join(folder, "overlay", name, f"kernel-{o}.gif"), of[o], len(clip) / 12)
            check_stack(os.path.join(folder, "overlay", name, f"kernel-{o}", "stack.png"), of[o], kernels[name][o])
        ranked = sorted(of, key=lambda o: (-relevance[name][o], o))
        check_sheet(os.path.join(folder, "overlay", name, "contact-sheet.png"), [of[o] for o in ranked], clip, VIRIDIS)
    order = sorted(tubes, key=depth.get)
    check_sheet(os.path.join(folder, "contact-sheet.png"), rows_in_order(folder, order, depth, overlays, clip), clip, VIRIDIS)


VIRIDIS = ((68, 1, 84), (253, 231, 37))


def rows_in_order(folder, order, depth, overlays, clip):
    """Layers of one depth stand in the order of the graph: as the sheet has them, which is looked up."""
    sheet = picture(folder, "contact-sheet.png")
    place = {name: find(sheet, overlays[name][0]) for name in order}
    if not check(None not in place.values(), f"the sheet has every layer: {place}"):
        return []
    shown = sorted(order, key=lambda name: place[name])
    check([depth[name] for name in shown] == sorted(depth.values()), f"the layers stand in the order of their depth: {shown}")
    return [overlays[name] for name in shown]


# --- the spline is scipy's ---

def check_spline(arguments, at):
    folder = os.path.join(at, "spline")
    if not explain(arguments, arguments.model, arguments.clip, folder, "--format", "h5", "--interp", "spline"):
        return
    with h5py.File(os.path.join(folder, "explanation.h5")) as f:
        pairs = {name: (group["raw"][()].astype(float), group["tube"][()]) for name, group in f["tubes"].items()}
    for name, (raw, tube) in pairs.items():
        if raw.min() == raw.max():
            continue
        zoomed = ndimage.zoom(raw, [b / a for a, b in zip(raw.shape, tube.shape)], order=3)
        wanted = (zoomed - zoomed.min()) / (zoomed.max() - zoomed.min())
        check(zoomed.shape == tube.shape and np.abs(wanted - tube).max() < 1e-4, f"{name}: {raw.shape} -> {tube.shape} is scipy's spline: "
              f"{np.abs(wanted - tube).max():.2g} off")
    check(len({raw.shape for raw, _ in pairs.values()}) > 2, "maps of several sizes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfp", required=True)
    parser.add_argument("model")
    parser.add_argument("clip")
    arguments = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        print("skipped: ffmpeg is not here")
        return 77
    with tempfile.TemporaryDirectory() as at:
        for part in (check_impulse, check_turned, check_formats, check_spline):
            part(arguments, at)
    print(f"{len(failures)} failures" if failures else "every picture shows what it should")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
