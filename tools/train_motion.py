#!/usr/bin/env python3
"""Train a network of weights/motion*.h5 on rendered clips, write it as a model file, and measure the file.

    train_motion.py --train                             render, train, export, check the export: weights/motion.h5
    train_motion.py --train --network motion-residual   another network of motion_net.py: weights/motion-residual.h5
    train_motion.py --evaluate weights/motion.h5        1,000 test clips (textures and seeds never trained on)
    train_motion.py --audit                             how much does a single frame give away?
"""
from __future__ import annotations

import argparse
import csv
import subprocess
import time
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from motion_net import BACKWARD, MEAN, NETWORKS, STD, MotionNet, PlanNet, augment, changed, to_input
from render_motion import CLASSES, CLIP_FRAMES, COLOURED_CLASSES, clip, render_set
from run_model_file import FileModel


def cached_set(cache: Optional[Path], split: str, seed: int, count: int, size: int, coloured: bool,
               processes: int = 2) -> Tuple[np.ndarray, np.ndarray]:
    """Render a set, or take it from the cache folder. Delete the folder when the renderer changes."""
    path = cache / f"{split}-{seed}-{count}-{size}{'-coloured' * coloured}.npy" if cache else None
    if path and path.exists():
        frames = np.load(path, mmap_mode="r")
    else:
        start = time.time()
        frames, _ = render_set(split, seed, count, size, processes, coloured)
        print(f"rendered {count} clips ({split}, seed {seed}) in {time.time() - start:.0f} s", flush=True)
        if path:
            cache.mkdir(parents=True, exist_ok=True)
            np.save(path, frames)
    return frames, np.arange(count) % len(COLOURED_CLASSES if coloured else CLASSES)


@torch.no_grad()
def predict(model, frames: np.ndarray, batch: int = 40) -> np.ndarray:
    """Logits of many clips, of the module or of a model file."""
    out = []
    for i in range(0, len(frames), batch):
        x = to_input(torch.from_numpy(np.array(frames[i:i + batch])))
        y = model(x)
        out.append((y[0] if isinstance(y, tuple) else y).numpy())
    return np.concatenate(out)


def check_export(net: PlanNet, path: Path, frames: np.ndarray) -> float:
    """The largest difference of the file's logits, run without the module, relative to the largest logit."""
    net.eval()
    wanted, got = predict(net, frames), predict(FileModel(path), frames)
    error = float(np.abs(wanted - got).max() / np.abs(wanted).max())
    if not error < 1e-5:
        raise SystemExit(f"{path}: the file's logits differ from the module's by {error:.2e}")
    return error


@torch.no_grad()
def settle(net: PlanNet, frames: np.ndarray, rng: torch.Generator, batches: int = 48) -> None:
    """Take the batch norms' statistics anew, as a plain average: the running ones lag behind the weights."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm3d)]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    net.train()
    for _ in range(batches):
        index = torch.randperm(len(frames), generator=rng)[:32].sort().values.numpy()
        net(augment(torch.from_numpy(frames[index]), torch.zeros(32, dtype=torch.long), rng)[0])
    for m in norms:
        m.momentum = 0.1


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = torch.Generator().manual_seed(args.seed)
    net = NETWORKS[args.network]()
    args.clips, args.epochs = args.clips or net.clips, args.epochs or net.epochs
    args.out = args.out or Path("weights") / f"{net.title}.h5"
    kind = (net.size, net.coloured, args.threads)
    frames, labels = cached_set(args.cache, "train", 1, args.clips, *kind)
    held, held_labels = cached_set(args.cache, "train", 7, 504, *kind)     # to watch the training; decides nothing
    if net.starts_from:
        net.load(FileModel(Path("weights") / f"{net.starts_from}.h5").nodes)
    parameters = sum(p.numel() for p in net.parameters())
    print(f"{parameters} parameters, torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    decay = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim == 1]
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0}], lr=args.lr)
    per_epoch = len(frames) // args.batch
    steps = args.epochs * per_epoch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.lr, total_steps=steps, pct_start=0.2)
    source = f"trained by tools/train_motion.py, seed {args.seed}, on clips of tools/render_motion.py"
    start = time.time()
    for epoch in range(args.epochs):
        net.train()
        order = torch.randperm(len(frames), generator=rng)
        total = right = seen = 0
        for k in range(per_epoch):
            index = np.sort(order[k * args.batch:(k + 1) * args.batch].numpy())
            x, y = augment(torch.from_numpy(frames[index]), torch.from_numpy(labels[index]), rng, net.coloured)
            logits, features = net(x)
            # The L1 term keeps the last map quiet where nothing speaks for a class, so that tubes show the object.
            loss = F.cross_entropy(logits, y, label_smoothing=0.05) + args.l1 * features.abs().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            schedule.step()
            total, right, seen = total + float(loss) * len(y), right + int((logits.argmax(1) == y).sum()), seen + len(y)
            if (k + 1) % 16 == 0:
                print(f"epoch {epoch + 1} step {k + 1}/{per_epoch} loss {total / seen:.3f} accuracy {right / seen:.3f} "
                      f"{time.time() - start:.0f} s", flush=True)
        settle(net, frames, rng)
        net.eval()
        accuracy = (predict(net, held).argmax(1) == held_labels).mean()
        net.export(args.out, source)
        print(f"epoch {epoch + 1}: held-out accuracy {accuracy:.3f}, {time.time() - start:.0f} s", flush=True)
    if net.halves:
        net.round_weights()
        net.export(args.out, source)
    print(f"{args.out}: {args.out.stat().st_size} bytes, logits of file and module differ by "
          f"{check_export(net, args.out, held[:64]):.1e} of the largest")


def read_clip(path: Path, size: int) -> np.ndarray:
    """The middle frames of a square mp4 as the program takes them: bilinear, half-pixel centres, no antialiasing."""
    probe = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height",
                            "-of", "csv=p=0", str(path)], check=True, capture_output=True, text=True).stdout
    width, height = (int(v) for v in probe.strip().split(",")[:2])
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                         check=True, capture_output=True).stdout
    video = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(-1, height, width, 3)
    first = (len(video) - CLIP_FRAMES) // 2
    video = video[first:first + CLIP_FRAMES].permute(0, 3, 1, 2).float()
    video = F.interpolate(video, (size, size), mode="bilinear", align_corners=False)
    return video.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def pointing(model: FileModel, seed: int, count: int) -> Tuple[float, float]:
    """How often the class's activation map (the last map weighted by the classifier) peaks on the object, and the
    share of the clip that the object fills, which is what a random point would score."""
    hits, area = 0, 0.0
    weight, last_map = model.nodes["fc"][1]["weight"], model.nodes["pool"][0]["inputs"][0]
    for i in range(count):
        frames, mask, label = clip("test", seed, i, int(model.input["height"]), coloured=len(model.classes) > len(CLASSES))
        x = to_input(torch.from_numpy(frames)[None])
        cam = torch.einsum("c,cthw->thw", weight[label], model.tensors(x)[last_map][0])
        cam = F.interpolate(cam[None, None], mask.shape, mode="trilinear", align_corners=False).flatten()
        hits += int(mask.reshape(-1)[int(cam.argmax())])
        area += mask.mean()
    return hits / count, area / count


def say(title: str, got: np.ndarray, labels: np.ndarray, classes: List[str]) -> None:
    """How many are right; of 24 classes, how many motions and how many colours too."""
    print(f"{title}: {100 * (got == labels).mean():.1f} % (chance {100 / len(classes):.1f} %)")
    if len(classes) > len(CLASSES):
        motion, colour = got % len(CLASSES) == labels % len(CLASSES), got // len(CLASSES) == labels // len(CLASSES)
        print(f"    the motion: {100 * motion.mean():.1f} % (chance {100 / len(CLASSES):.1f} %), the colour: "
              f"{100 * colour.mean():.1f} % (chance {100 * len(CLASSES) / len(classes):.1f} %)")


def print_table(labels: np.ndarray, got: np.ndarray, classes: List[str]) -> None:
    table = np.zeros((len(classes),) * 2, int)
    np.add.at(table, (labels, got), 1)
    print("| true \\ predicted | " + " | ".join(classes) + " |\n|" + " --- |" * (len(classes) + 1))
    for name, row in zip(classes, table):
        print(f"| {name} | " + " | ".join(map(str, row)) + " |")


def evaluate(args: argparse.Namespace) -> None:
    model = FileModel(args.evaluate)
    size, classes = int(model.input["height"]), model.classes
    frames, labels = cached_set(args.cache, "test", args.test_seed, args.count, size, len(classes) > len(CLASSES), args.threads)
    frames = np.asarray(frames)
    got = predict(model, frames).argmax(1)
    print(f"test clips (seed {args.test_seed}, textures never trained on): {(got == labels).sum()} of {len(labels)} right, "
          f"{100 * (got == labels).mean():.1f} %")
    print_table(labels, got, classes)
    backward = predict(model, frames[:, ::-1]).argmax(1)
    opposite = changed(torch.from_numpy(labels), BACKWARD).numpy()
    print(f"played backward, the opposite class is right: {100 * (backward == opposite).mean():.1f} %")
    for title, t in (("middle", CLIP_FRAMES // 2), ("last", CLIP_FRAMES - 1)):
        say(f"frozen at the {title} frame", predict(model, np.repeat(frames[:, t:t + 1], CLIP_FRAMES, 1)).argmax(1), labels, classes)
    shuffled = frames[:, np.random.default_rng(0).permutation(CLIP_FRAMES)]
    say("frames in a random order", predict(model, shuffled).argmax(1), labels, classes)
    if "pool" in model.nodes:
        some = min(args.count, 200)
        hit, area = pointing(model, args.test_seed, some)
        print(f"first {some} clips: the class activation map peaks on the object in {100 * hit:.1f} % (chance {100 * area:.1f} %)")
    if args.shipped:
        with open(args.shipped / "clips.csv") as f:
            for row in csv.DictReader(f):
                p = torch.from_numpy(predict(model, read_clip(args.shipped / row["file"], size)[None])[0]).softmax(0)
                best = int(p.argmax())
                print(f"{row['file']}: {CLASSES[best]} {p[best]:.3f} {'right' if CLASSES[best] == row['class'] else 'WRONG'}")


def audit(args: argparse.Namespace) -> None:
    """Train a 2-D network on single frames. Where it stays at chance, a frame says nothing of the class."""
    kind = (MotionNet.size, False, args.threads)
    frames, labels = cached_set(args.cache, "train", 1, args.clips or MotionNet.clips, *kind)
    held, held_labels = cached_set(args.cache, "train", 7, 504, *kind)
    rng = np.random.default_rng(0)
    for title, pick in (("a frame from anywhere in the clip", lambda n: rng.integers(CLIP_FRAMES, size=n)),
                        ("the middle frame", lambda n: np.full(n, CLIP_FRAMES // 2)),
                        ("the last frame, known to be the last", lambda n: np.full(n, CLIP_FRAMES - 1))):
        torch.manual_seed(0)
        layers: List[nn.Module] = []
        for a, b in ((3, 24), (24, 48), (48, 64), (64, 96)):
            layers += [nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU()]
        net = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 16, len(CLASSES)))
        steps = 8 * len(frames) // 64
        optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)

        def batch(source, index):
            x = torch.from_numpy(source[index, pick(len(index))])
            return ((x.float() / 255 - MEAN) / STD).permute(0, 3, 1, 2).contiguous()

        for _ in range(steps):
            index = rng.integers(len(frames), size=64)
            loss = F.cross_entropy(net(batch(frames, index)), torch.from_numpy(labels[index]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            everyone = np.tile(np.arange(len(held)), 4)
            got = np.concatenate([net(batch(held, i)).argmax(1).numpy() for i in np.split(everyone, 8)])
        print(f"{title}: {100 * (got == held_labels[everyone]).mean():.1f} % (chance 12.5 %)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--train", action="store_true")
    what.add_argument("--evaluate", type=Path, metavar="MODEL")
    what.add_argument("--audit", action="store_true")
    parser.add_argument("--network", choices=NETWORKS, default="motion", help="which one to train (default: motion)")
    parser.add_argument("--out", type=Path, help="the model file (default: weights/NETWORK.h5)")
    parser.add_argument("--cache", type=Path, help="folder that keeps rendered sets between runs")
    parser.add_argument("--shipped", type=Path, metavar="DIR", help="--evaluate: the mp4 clips of this folder too")
    parser.add_argument("--seed", type=int, default=1, help="of the training (default: 1)")
    parser.add_argument("--clips", type=int, help="training clips (default: the network's own, 8192 or 16384)")
    parser.add_argument("--epochs", type=int, help="default: the network's own")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--l1", type=float, default=0.05, help="weight of the last map's mean activation in the loss")
    parser.add_argument("--count", type=int, default=1000, help="test clips (default: 1000)")
    parser.add_argument("--test-seed", type=int, default=2024)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch, and processes that render (default: 2)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.train:
        train(args)
    elif args.evaluate:
        evaluate(args)
    else:
        audit(args)


if __name__ == "__main__":
    main()
