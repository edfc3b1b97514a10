#!/usr/bin/env python3
"""Render clips of eight classes that only motion tells apart, with the object's mask in every frame.

A scene is a textured background, one to three textured distractors that jiggle and flicker, and one textured object
on top. Everything jiggles with the camera. The object's state has four numbers: x, y, log size and angle, each

    base + rate * clock,        clock = frame - middle frame

Each class belongs to one of the numbers. In this number the clock runs, upward or downward (4 numbers x 2 directions
= 8 classes); in the three others it stands still at a random frame of the clip. Rates and bases are drawn in the same
way for every class. So a frame taken from anywhere in a clip has exactly the same distribution in all classes and does
not tell the class. A clip played backward is exactly a clip of the opposite class.

A coloured set has 24 classes: the object is red, green or blue, whatever its texture, and everything else is nearly
grey. Its class is the colour and the motion together. A single frame gives the colour away, and not the motion.

Scenes are drawn from (seed, clip number) and do not depend on the resolution or on how the work is split.
"""
from __future__ import annotations

import argparse
import colorsys
import csv
import subprocess
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import List, Tuple

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from motion_textures import outline, paint

CLASSES = ["left", "right", "up", "down", "clockwise", "counter-clockwise", "growing", "shrinking"]
# (number of the state: 0 x, 1 y, 2 log size, 3 angle; direction). y grows downward, so a growing angle is clockwise.
MOTION = [(0, -1), (0, 1), (1, -1), (1, 1), (3, 1), (3, -1), (2, 1), (2, -1)]
COLOURS = ["red", "green", "blue"]
COLOURED_CLASSES = [f"{colour} {motion}" for colour in COLOURS for motion in CLASSES]   # label: colour * 8 + motion
CLIP_FRAMES = 16           # the length over which the rates below are counted, and that the network sees
SHEET = 1.5                # the background reaches a quarter of the view beyond each edge: room for the jitter
BOX = 1.6                  # an object's texture reaches this far beyond its mean radius


@dataclass
class Layer:
    """One object: RGBA texture, 4 x n x n over [-BOX, BOX] radii, and its state in every frame."""
    texture: np.ndarray
    state: np.ndarray      # frames x 4: x, y (in views, 0..1), log radius, angle
    gain: np.ndarray       # frames: brightness


@dataclass
class Scene:
    background: np.ndarray  # 3 x n x n
    camera: np.ndarray      # frames x 2, in views
    layers: List[Layer]     # bottom to top; the last one is the object
    noise: float


def _jiggle(rng: np.random.Generator, frames: int, sd: np.ndarray, keep: float = 0.6) -> np.ndarray:
    """A stationary Gaussian random walk on a leash, frames x len(sd). It looks the same backward in time."""
    out = np.empty((frames, len(sd)))
    out[0] = rng.normal(size=len(sd))
    for t in range(1, frames):
        out[t] = keep * out[t - 1] + np.sqrt(1 - keep * keep) * rng.normal(size=len(sd))
    return out * sd


def _rates(rng: np.random.Generator) -> np.ndarray:
    """Change of x, y, log size and angle a frame; magnitudes only."""
    total = np.array([rng.uniform(0.22, 0.42), rng.uniform(0.22, 0.42),
                      np.log(rng.uniform(1.7, 2.5)), np.radians(rng.uniform(75, 160))])
    return total / (CLIP_FRAMES - 1)


def _base(rng: np.random.Generator, reach: float) -> np.ndarray:
    return np.array([rng.uniform(0.5 - reach, 0.5 + reach), rng.uniform(0.5 - reach, 0.5 + reach),
                     np.log(rng.uniform(0.13, 0.19)), rng.uniform(0, 2 * np.pi)])


def _sprite(rng: np.random.Generator, split: str, n: int) -> np.ndarray:
    line = (np.arange(n) + 0.5) / n * 2 * BOX - BOX
    x, y = np.meshgrid(line, line)
    alpha = np.clip((outline(rng, np.arctan2(y, x)) - np.hypot(x, y)) / 0.06 + 0.5, 0, 1)
    return np.concatenate([paint(rng, split, x, y, rng.uniform(1.1, 2.0)), alpha[None]]).astype(np.float32)


def _mute(texture: np.ndarray) -> np.ndarray:
    """The same texture, nearly grey. The fourth channel, if there is one, stays."""
    out = texture.copy()
    out[:3] = 0.2 * texture[:3] + 0.8 * texture[:3].mean(0)
    return out


def _tint(texture: np.ndarray, channel: int, rng: np.random.Generator) -> np.ndarray:
    """The same texture in shades of one colour, whose strongest channel is `channel`."""
    hue, saturation = channel / 3 + rng.uniform(-0.1, 0.1), rng.uniform(0.6, 0.95)
    colour = np.array(colorsys.hsv_to_rgb(hue % 1, saturation, 1))
    bright = texture[:3].mean(0) * 0.8 + 0.2
    out = texture.copy()
    out[:3] = np.clip(colour[:, None, None] * bright * 1.2, 0, 1)
    return out


def make_scene(split: str, seed: int, number: int, label: int, size: int, frames: int = CLIP_FRAMES,
               coloured: bool = False) -> Scene:
    """`size` only says how finely the textures are worked out; the draws do not depend on it."""
    if coloured:
        return _colour(make_scene(split, seed, number, label % len(CLASSES), size, frames), label // len(CLASSES),
                       np.random.default_rng([seed, number, 2]))
    rng = np.random.default_rng([seed, number])
    clock = np.arange(frames) - (frames - 1) / 2
    n = int(size * SHEET)
    line = (np.arange(n) + 0.5) / n * SHEET
    x, y = np.meshgrid(line, line)
    background = paint(rng, split, x, y, rng.uniform(4, 9)).astype(np.float32)
    camera = _jiggle(rng, frames, np.full(2, rng.uniform(0.004, 0.014)))

    layers = []
    for _ in range(rng.integers(1, 4)):
        wobble = np.array([0.02, 0.02, 0.06, 0.12]) * rng.uniform(0.3, 1.5)
        state = _base(rng, 0.42) + _jiggle(rng, frames, wobble)
        flicker = rng.uniform(0, 0.15) * rng.normal(size=frames)
        layers.append(Layer(_sprite(rng, split, size), state, np.clip(1 + flicker, 0.5, 1.5)))

    own, direction = MOTION[label]
    held = rng.integers(CLIP_FRAMES, size=4) - (CLIP_FRAMES - 1) / 2
    sign = rng.choice([-1, 1], 4)      # drawn for every number, so that all classes use the stream alike
    clocks = np.repeat((sign * held)[None], frames, 0)
    clocks[:, own] = direction * clock
    state = _base(rng, 0.14) + _rates(rng) * clocks + _jiggle(rng, frames, np.array([0.006, 0.006, 0.015, 0.03]))
    layers.append(Layer(_sprite(rng, split, size), state, np.ones(frames)))
    return Scene(background, camera, layers, rng.uniform(0, 4))


def _colour(scene: Scene, colour: int, rng: np.random.Generator) -> Scene:
    """The scene with its object in a colour and everything else nearly grey."""
    *others, last = scene.layers
    layers = [Layer(_mute(one.texture), one.state, one.gain) for one in others]
    layers.append(Layer(_tint(last.texture, colour, rng), last.state, last.gain))
    return Scene(_mute(scene.background), scene.camera, layers, scene.noise)


def _grid(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.stack([x, y], -1)


@torch.no_grad()
def render(scene: Scene, size: int, noise_seed: Tuple[int, int] = (0, 0)) -> Tuple[np.ndarray, np.ndarray]:
    """Frames (T x size x size x 3 RGB uint8) and the object's mask (T x size x size uint8)."""
    line = (torch.arange(size) + 0.5) / size
    frames = len(scene.camera)
    camera = torch.from_numpy(scene.camera).float()
    px = line[None, None, :] + camera[:, 0, None, None]     # where each pixel looks, in the scene's own frame
    py = line[None, :, None] + camera[:, 1, None, None]
    px, py = px.expand(frames, size, size), py.expand(frames, size, size)

    def sample(texture: torch.Tensor, gx: torch.Tensor, gy: torch.Tensor, mode: str) -> torch.Tensor:
        return F.grid_sample(texture.expand(frames, *texture.shape), _grid(gx, gy), padding_mode=mode, align_corners=False)

    margin = (SHEET - 1) / 2
    picture = sample(torch.from_numpy(scene.background), (px + margin) / SHEET * 2 - 1, (py + margin) / SHEET * 2 - 1,
                     "reflection")
    alpha = None
    for layer in scene.layers:
        state = torch.from_numpy(layer.state).float()[:, :, None, None]
        radius = BOX * torch.exp(state[:, 2])
        dx, dy = (px - state[:, 0]) / radius, (py - state[:, 1]) / radius
        cos, sin = torch.cos(state[:, 3]), torch.sin(state[:, 3])
        texture = torch.from_numpy(layer.texture)
        # A texture much finer than the pixels it lands on would flicker: bring it down first.
        wanted = int(np.clip(np.ceil(1.3 * 2 * float(radius.max()) * size), 8, texture.shape[-1]))
        texture = F.adaptive_avg_pool2d(texture, wanted)
        patch = sample(texture, cos * dx + sin * dy, -sin * dx + cos * dy, "zeros")
        gain = torch.from_numpy(layer.gain).float()[:, None, None, None]
        alpha = patch[:, 3:]
        picture = picture * (1 - alpha) + (patch[:, :3] * gain).clamp(0, 1) * alpha

    picture, mask = picture * 255, alpha[:, 0] > 0.5
    noise = np.random.default_rng([*noise_seed, 1]).normal(0, 1, picture.shape).astype(np.float32) * scene.noise
    picture = (picture + torch.from_numpy(noise)).round().clamp(0, 255).byte()
    return picture.permute(0, 2, 3, 1).contiguous().numpy(), mask.byte().numpy()


def clip(split: str, seed: int, number: int, size: int, frames: int = CLIP_FRAMES,
         coloured: bool = False) -> Tuple[np.ndarray, np.ndarray, int]:
    """Clip number `number` of a set: frames, mask and label. Labels go round, so that any set is balanced."""
    label = number % len(COLOURED_CLASSES if coloured else CLASSES)
    scene = make_scene(split, seed, number, label, size, frames, coloured)
    return (*render(scene, size, (seed, number)), label)


def _work(job: Tuple[str, int, int, int, int, bool]) -> np.ndarray:
    torch.set_num_threads(1)
    return clip(*job)[0]


def render_set(split: str, seed: int, count: int, size: int, processes: int = 2,
               coloured: bool = False) -> Tuple[np.ndarray, np.ndarray]:
    """A whole set: count x T x size x size x 3 uint8, and the labels."""
    out = np.empty((count, CLIP_FRAMES, size, size, 3), np.uint8)
    jobs = ((split, seed, i, size, CLIP_FRAMES, coloured) for i in range(count))
    with get_context("spawn").Pool(processes) as pool:   # spawn: a forked torch may hang in its thread pool
        for i, frames in enumerate(pool.imap(_work, jobs, chunksize=16)):
            out[i] = frames
    return out, np.arange(count) % len(COLOURED_CLASSES if coloured else CLASSES)


def write_mp4(path: Path, frames: np.ndarray, rate: int, crf: int) -> None:
    t, h, w, _ = frames.shape
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{w}x{h}", "-r", str(rate),
               "-i", "-", "-threads", "1", "-c:v", "libx264", "-preset", "veryslow", "-crf", str(crf),
               "-pix_fmt", "yuv420p", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact",
               "-movflags", "+faststart", str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)


def ship(folder: Path, seed: int, first: int, size: int, frames: int, crf: int) -> None:
    """One clip a class, with test textures: <class>.mp4, <class>.mask.h5 and clips.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for label, name in enumerate(CLASSES):
        number = first * len(CLASSES) + label
        pictures, mask, _ = clip("test", seed, number, size, frames)
        write_mp4(folder / f"{name}.mp4", pictures, 12, crf)
        with h5py.File(folder / f"{name}.mask.h5", "w") as f:
            f.create_dataset("mask", data=mask, compression="gzip", compression_opts=9, chunks=mask.shape)
            f.attrs.update({"class": name, "seed": np.int32(seed), "number": np.int32(number)})
        rows.append([f"{name}.mp4", name, seed, number])
    with open(folder / "clips.csv", "w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["file", "class", "seed", "number"])
        writer.writerows(rows)


def preview(path: Path, split: str, seed: int, size: int, rows: int, coloured: bool) -> None:
    """A contact sheet: a row a clip, every third frame, and last the middle frame with its mask."""
    sheet = []
    for i in range(rows):
        pictures, mask, _ = clip(split, seed, i, size, coloured=coloured)
        middle = pictures[8].copy()
        middle[mask[8] == 0] //= 4
        sheet.append(np.concatenate([*pictures[::3], middle], 1))
    Image.fromarray(np.concatenate(sheet)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--ship", type=Path, metavar="DIR", help="write one mp4 and mask a class, and clips.csv")
    what.add_argument("--npz", type=Path, metavar="FILE", help="write a set: frames, labels (and the classes' names)")
    what.add_argument("--preview", type=Path, metavar="PNG", help="write a contact sheet")
    parser.add_argument("--split", choices=["train", "test"], default="test", help="texture families (default: test)")
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--count", type=int, default=16, help="clips of --npz and rows of --preview")
    parser.add_argument("--size", type=int, default=64, help="side in pixels (--ship: 128 is good)")
    parser.add_argument("--frames", type=int, default=24, help="length of the clips of --ship")
    parser.add_argument("--first", type=int, default=0, help="which round of eight --ship takes")
    parser.add_argument("--coloured", action="store_true", help="24 classes of colour and motion (--npz, --preview)")
    parser.add_argument("--crf", type=int, default=20, help="H.264 quality of --ship (lower is better)")
    args = parser.parse_args()
    if args.ship:
        ship(args.ship, args.seed, args.first, args.size, args.frames, args.crf)
    elif args.npz:
        frames, labels = render_set(args.split, args.seed, args.count, args.size, coloured=args.coloured)
        np.savez_compressed(args.npz, frames=frames, labels=labels, classes=COLOURED_CLASSES if args.coloured else CLASSES)
    else:
        preview(args.preview, args.split, args.seed, args.size, args.count, args.coloured)


if __name__ == "__main__":
    main()
