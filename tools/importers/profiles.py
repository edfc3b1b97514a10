"""The published preprocessing of each family of networks, for /input of a model file (SPEC 2).

A profile is the preprocessing with which a family was tested. Options of an importer override each of its fields.
"""
from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
from typing import Dict, Optional, Sequence, Tuple

from model_file import FILTERS, STANDARDISE, VALUES, VOLUME_AXES

from .failure import ImportFailure


@dataclass(frozen=True)
class Profile:
    """Sampling, geometry and numbers of a network's input.

    frames are `frame_stride` apart; a frame is resized (short side to `resize_short`, or straight to `resize`, height x
    width, whatever its shape) by `resize_filter`, cropped in the centre to `size` x `size`; a pixel becomes
    (v / scale - mean) / std, v in 0..255, and mean and std in the order of `color`. `classes` names the list of
    datasets/classes that the published networks of this profile answer with, if all of them answer with the same.
    """
    name: str
    frames: int
    frame_stride: int
    size: int
    mean: Tuple[float, ...]
    std: Tuple[float, ...]
    scale: float = 255.0
    resize_short: int = 0
    resize: Optional[Tuple[int, int]] = None
    resize_filter: str = "bilinear"
    color: str = "RGB"
    classes: str = ""
    note: str = ""
    values: Optional[str] = None
    standardise: str = "none"
    volume_axes: str = "xyz"
    show_channels: Optional[Tuple[int, ...]] = None

    @property
    def channels(self) -> int:
        return len(self.mean)

    @property
    def numbers(self) -> bool:
        return self.values == "numbers" or (self.values is None and self.channels not in (2, 3))

    def describe(self) -> str:
        """'16 frames, 2 apart; stretched to 128 x 171, centre crop 112 x 112; RGB, 0..255 / 255, mean ..., std ...'"""
        if self.resize:
            resized = f"stretched to {self.resize[0]} x {self.resize[1]}, centre crop {self.size} x {self.size}"
        elif self.resize_short:
            resized = f"short side resized to {self.resize_short}, centre crop {self.size} x {self.size}"
        else:
            resized = f"stretched to {self.size} x {self.size}"
        if self.resize_filter != "bilinear":
            resized += ", antialiased"
        levels = "numbers" + (f", standardised ({self.standardise})" if self.standardise != "none" else "") if self.numbers else "0..255"
        color = self.color if self.channels == 3 else f"{self.channels} channel{'s' if self.channels > 1 else ''}"
        numbers = (" ".join(f"{v:.6g}" for v in (values if len(set(values)) > 1 else values[:1])) for values in (self.mean, self.std))
        return (f"{self.frames} frames, {self.frame_stride} apart; {resized}; {color}, {levels} / {self.scale:g}, "
                "mean {}, std {}".format(*numbers))

    def input_attributes(self, height: int, width: int) -> dict:
        """Keyword arguments of ModelFile for a network that reads height x width.

        Beside `resize` goes the nearest thing that SPEC 2 has, for readers that know only that.
        """
        short = min(self.resize) if self.resize else self.resize_short
        return dict(channels=self.channels, frames=self.frames, height=height, width=width, frame_stride=self.frame_stride,
                    resize_short=short, resize=self.resize, resize_filter=self.resize_filter, color=self.color, scale=self.scale,
                    mean=self.mean, std=self.std, values=self.values, standardise=self.standardise,
                    volume_axes=self.volume_axes, show_channels=self.show_channels)


# How each family's own code resizes a frame, as read in the file that each row names:
#   PIL's resize, or torchvision's of a PIL image: antialias. It smooths what it shrinks.
#   cv2.resize and cv::resize (INTER_LINEAR), torch.nn.functional.interpolate, torchvision with antialias=False: bilinear.
_IMAGENET_255 = dict(scale=1.0, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
_HARA = dict(frames=16, frame_stride=1, size=112, resize_short=112, resize_filter="antialias")
_TORCHVISION = dict(mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989), frame_stride=2, classes="kinetics-400")
_FAIR = dict(mean=(0.45,) * 3, std=(0.225,) * 3, classes="kinetics-400")  # PySlowFast, pytorchvideo; the one-crop test sizes

_TABLE = (
    # kenshohara/video-classification-3d-cnn-pytorch, spatial_transforms.py: Scale is Image.resize(..., Image.BILINEAR) of PIL
    Profile("hara-2018", **_HARA, scale=1.0, mean=(114.7748, 107.7354, 99.4750), std=(1.0,) * 3, classes="kinetics-400",
            note="3D-ResNets of 2018 (resnet-*-kinetics.pth): 0..255, the mean of ActivityNet, no division"),
    # kenshohara/3D-ResNets-PyTorch, datasets/loader.py opens frames with PIL, spatial_transforms.py resizes them as PIL images
    Profile("hara-2020", **_HARA, mean=(0.4345, 0.4051, 0.3775), std=(0.2768, 0.2713, 0.2737),
            note="3D-ResNets of 2020 (r3d*_K_200ep.pth and so on): 0..1, mean and deviation of Kinetics"),
    Profile("hara-2020-activitynet", **_HARA, mean=(0.4477, 0.4209, 0.3906), std=(0.2767, 0.2695, 0.2714),
            note="the same code trained with --mean_dataset activitynet"),
    Profile("hara-2020-half", **_HARA, mean=(0.5,) * 3, std=(0.5,) * 3,
            note="the same code trained with --mean_dataset 0.5"),
    # cypw/PyTorch-MFNet, data/image_transforms.py: Resize is cv2.resize, INTER_LINEAR
    Profile("mfnet", 16, 2, 224, resize=(256, 256), mean=(124 / 255, 117 / 255, 104 / 255), std=(1 / (0.0167 * 255),) * 3,
            classes="kinetics-400", note="MF-Net: squashed to 256 x 256"),
    # deepmind/kinetics-i3d says "bilinear" of its frames; piergiaj/pytorch-i3d, charades_dataset.py: cv2.resize
    Profile("i3d", 64, 1, 224, resize_short=256, scale=127.5, mean=(1.0,) * 3, std=(1.0,) * 3, classes="kinetics-400",
            note="I3D: -1..1, 25 frames a second"),
    Profile("i3d-flow", 64, 1, 224, resize_short=256, scale=127.5, mean=(1.0,) * 2, std=(1.0,) * 2, classes="kinetics-400",
            note="I3D on optical flow: u and v, cut off at 20 pixels a frame, as bytes 0..255 -> -1..1"),
    # alexandrosstergiou/Class_Feature_Visualization_Pyramid, utils/load_utils.py: cv2.resize, INTER_LINEAR
    Profile("cfp", 16, 1, 224, resize=(256, 256), mean=(124 / 255, 117 / 255, 104 / 255), std=(0.229, 0.224, 0.225),
            note="the networks of the authors of Class Feature Pyramids, on folders of frames"),
    # facebookarchive/C3D, C3D-v1.0/src/caffe/util/image_io.cpp: cv::resize with its default, linear
    Profile("c3d", 16, 1, 112, resize=(128, 171), color="BGR", scale=1.0, mean=(104.0, 117.0, 128.0), std=(1.0,) * 3,
            note="C3D: blue first, 0..255; one mean a channel stands for the published mean cube"),
    # pytorch/vision, torchvision/transforms/_presets.py, VideoClassification: antialias=False, as the weights were trained
    Profile("torchvision-112", 16, size=112, resize=(128, 171), **_TORCHVISION,
            note="torchvision r3d_18, mc3_18, r2plus1d_18: 15 frames a second (every second one of 30)"),
    Profile("torchvision-s3d", 128, size=224, resize=(256, 256), **_TORCHVISION,
            note="torchvision s3d: 15 frames a second (every second one of 30)"),
    # facebookresearch/pytorchvideo, pytorchvideo/transforms/functional.py: short_side_scale is interpolate(mode="bilinear")
    Profile("slow-r50", 8, 8, 224, resize_short=256, **_FAIR, note="Slow 8x8"),
    Profile("slowfast-r50", 32, 2, 224, resize_short=256, **_FAIR, note="SlowFast 8x8: the slow pathway takes 8 of the 32"),
    Profile("x3d-xs", 4, 12, 160, resize_short=182, **_FAIR, note="X3D-XS"),
    Profile("x3d-s", 13, 6, 160, resize_short=182, **_FAIR, note="X3D-S"),
    Profile("x3d-m", 16, 5, 224, resize_short=256, **_FAIR, note="X3D-M"),
    Profile("x3d-l", 16, 5, 312, resize_short=356, **_FAIR, note="X3D-L"),
    # open-mmlab/mmaction2, Resize of its pipelines is mmcv.imresize: cv2.resize, INTER_LINEAR
    Profile("mmaction2", 32, 2, 224, resize_short=256, **_IMAGENET_255, note="mmaction2's common test pipeline"),
)
PROFILES: Dict[str, Profile] = {profile.name: profile for profile in _TABLE}


def add_arguments(parser: argparse.ArgumentParser, sizes: bool = True) -> None:
    """The options that pick and change a profile. sizes: --frames and --size are the importer's to offer."""
    group = parser.add_argument_group("preprocessing")
    group.add_argument("--profile", choices=sorted(PROFILES), metavar="NAME", help=f"one of {', '.join(sorted(PROFILES))}")
    if sizes:
        group.add_argument("--frames", type=int, metavar="T", help="frames of a clip")
        group.add_argument("--size", type=int, metavar="S", help="height and width of the crop")
    group.add_argument("--stride", type=int, metavar="N", help="source frames from one frame of the clip to the next "
                       "(default: the profile's, or 1)")
    group.add_argument("--resize", type=_resize, metavar="S|HxW", help="before the crop: the short side, or "
                       "stretched to H x W (default: the profile's, or the short side to the crop)")
    group.add_argument("--resize-filter", choices=FILTERS, help="how a frame is resized: antialias as PIL and torchvision do "
                       "it, bilinear as OpenCV and PyTorch's interpolate (default: the profile's, or bilinear)")
    group.add_argument("--color", choices=("RGB", "BGR"), help="order of the channels")
    group.add_argument("--scale", type=float, metavar="X", help="a byte is divided by this first (255, 127.5, 1)")
    group.add_argument("--values", choices=VALUES, help="what a clip is made of: numbers of any size and type, or bytes 0 to 255 "
                       "(default: bytes of 2 or 3 channels, else numbers)")
    group.add_argument("--standardise", choices=STANDARDISE, help="of numbers, for each channel of a clip, before --scale: clip, to mean 0 "
                       "and deviation 1; nonzero, the same over what is not 0; range, to 0..1 (default: none)")
    group.add_argument("--volume-axes", choices=VOLUME_AXES, help="which axes of a NIfTI volume are frame, row and column (default: xyz)")
    group.add_argument("--show-channels", type=_channels, metavar="C|R,G,B", help="of numbers: the channel that pictures show in grey, "
                       "or three, as red, green and blue (default: 0)")
    group.add_argument("--mean", type=float, nargs="+", metavar="X", help="subtracted then, a number a channel or one for all")
    group.add_argument("--std", type=float, nargs="+", metavar="X", help="and divided by this")


def _resize(text: str) -> Tuple[int, ...]:
    try:
        sides = tuple(int(side) for side in text.split("x"))
    except ValueError:
        sides = ()
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a length nor HEIGHTxWIDTH")
    return sides


def _channels(text: str) -> Tuple[int, ...]:
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(part.isascii() and part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a channel nor three, such as 2,1,0")
    return tuple(map(int, parts))


def _per_channel(option: str, values: Sequence[float], channels: int) -> Tuple[float, ...]:
    if len(values) not in (1, channels):
        raise ImportFailure(f"{option}: {channels} numbers are wanted, a channel each, not {len(values)}")
    return tuple(values) * (channels if len(values) == 1 else 1)


def chosen(args: argparse.Namespace, default: Optional[Profile]) -> Profile:
    """The profile of --profile, or `default`, with what the command line overrides. ImportFailure says what is wrong."""
    start = profile = PROFILES[args.profile] if args.profile else default
    if profile is None:
        raise ImportFailure("--profile NAME (or --mean, --std, --frames and --size) is wanted: how are clips shown to it?")
    changes: dict = {}
    for field, option in (("frames", "frames"), ("size", "size"), ("frame_stride", "stride"), ("color", "color"),
                          ("resize_filter", "resize_filter"), ("scale", "scale")):
        value = getattr(args, option, None)
        if value is not None:
            if not isinstance(value, str) and not value > 0:
                raise ImportFailure(f"--{option}: {value} is not positive")
            if not isinstance(value, str) and value >= 1 << 31:
                raise ImportFailure(f"--{option}: {value} is too large")
            changes[field] = value
    if args.resize:
        changes.update(resize_short=args.resize[0], resize=None) if len(args.resize) == 1 else changes.update(
            resize_short=0, resize=args.resize)
    elif "size" in changes and changes["size"] != profile.size:
        changes.update(_scaled_resize(profile, changes["size"]))
    for field in ("mean", "std"):
        values = getattr(args, field)
        if values:
            changes[field] = _per_channel(f"--{field}", values, profile.channels)
    for field in ("values", "standardise", "volume_axes", "show_channels"):
        if getattr(args, field) is not None:
            changes[field] = getattr(args, field)
    if args.resize and max(args.resize) >= 1 << 31:
        raise ImportFailure(f"--resize: {max(args.resize)} is too large")
    for field in ("mean", "std"):
        if not all(math.isfinite(value) for value in changes.get(field, ())):
            raise ImportFailure(f"--{field}: every number must be finite")
    if any(not value > 0 for value in changes.get("std", ())):
        raise ImportFailure("--std: every number must be positive")
    if changes.get("resize_short") and changes["resize_short"] < changes.get("size", profile.size):
        raise ImportFailure(f"--resize {changes['resize_short']}: does not cover the crop of {changes.get('size', profile.size)}")
    options = [option for option, fields in _FIELDS.items() if any(changes.get(f, getattr(start, f)) != getattr(start, f)
                                                                   for f in fields)]
    if options and start.name in PROFILES:
        changes["name"] = f"{start.name}, changed by {' '.join(f'--{option}' for option in options)}"
    return replace(profile, **changes)


_FIELDS = {"frames": ["frames"], "size": ["size"], "stride": ["frame_stride"], "resize": ["resize", "resize_short"],
           "resize-filter": ["resize_filter"], "color": ["color"], "scale": ["scale"], "mean": ["mean"], "std": ["std"]}


def _scaled_resize(profile: Profile, size: int) -> dict:
    """Another crop takes the same part of the frame: its resize scales with it."""
    def scaled(side: int) -> int:
        return max(size, round(side * size / profile.size))
    if profile.resize:
        return {"resize": tuple(scaled(side) for side in profile.resize)}
    return {"resize_short": scaled(profile.resize_short) if profile.resize_short else 0}
