"""The networks of weights/motion*.h5, their input, and what a clip becomes when it is mirrored or reversed."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Dict, List, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from model_file import ModelFile
from render_motion import CLASSES, CLIP_FRAMES, COLOURED_CLASSES

SIZE = 64
MEAN, STD = 0.45, 0.25
LEFT, RIGHT, UP, DOWN, CW, CCW, GROW, SHRINK = range(8)
# What a clip of each class becomes when it is mirrored, transposed or played backward.
FLIP_X = torch.tensor([RIGHT, LEFT, UP, DOWN, CCW, CW, GROW, SHRINK])
FLIP_Y = torch.tensor([LEFT, RIGHT, DOWN, UP, CCW, CW, GROW, SHRINK])
TRANSPOSE = torch.tensor([UP, DOWN, LEFT, RIGHT, CCW, CW, GROW, SHRINK])
BACKWARD = torch.tensor([RIGHT, LEFT, DOWN, UP, CCW, CW, SHRINK, GROW])


class PlanNet(nn.Module):
    """A network that is a list of nodes, so that what is trained and what is exported are one graph."""

    title = ""             # the model file's name
    size = SIZE            # height and width of the input
    coloured = False       # classes of colour and motion, rather than of motion alone
    clips, epochs = 16384, 3
    halves = False         # the file holds weights of two bytes
    starts_from = ""       # the network whose file in weights/ the training goes on from

    def __init__(self) -> None:
        super().__init__()
        self.plan: List[Tuple[str, str, List[str], dict]] = []
        self.parts = nn.ModuleDict()
        self._channels: Dict[str, int] = {"input": 3}

    @property
    def classes(self) -> List[str]:
        return COLOURED_CLASSES if self.coloured else CLASSES

    def see_change(self, kernels: slice = slice(None)) -> None:
        """These kernels of the stem start as differences in time: what stands still is quiet from the first step on."""
        stem = self.parts["stem/conv"].weight
        stem.data[kernels] -= stem.data[kernels].mean(2, keepdim=True)

    def node(self, name: str, op: str, inputs: List[str], channels: int, **attributes) -> str:
        self.plan.append((name, op, inputs, attributes))
        self._channels[name] = channels
        return name

    def relu(self, prefix: str, x: str) -> str:
        return self.node(f"{prefix}.relu", "relu", [x], self._channels[x])

    def conv_bn(self, prefix: str, x: str, channels: int, kernel, stride=(1, 1, 1), dilation=(1, 1, 1), groups=1,
                relu=True) -> str:
        pad = tuple(k // 2 * d for k, d in zip(kernel, dilation))
        conv = nn.Conv3d(self._channels[x], channels, kernel, stride, pad, dilation, groups, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        conv.weight.data *= math.sqrt(groups)   # fan_out counts the kernels of all groups
        x = self.node(f"{prefix}.conv", "conv3d", [x], channels, stride=stride, dilation=dilation, pad_begin=pad,
                      pad_end=pad, groups=groups)
        self.parts[x.replace(".", "/")] = conv
        x = self.node(f"{prefix}.bn", "batchnorm", [x], channels)
        self.parts[x.replace(".", "/")] = nn.BatchNorm3d(channels)
        return self.relu(prefix, x) if relu else x

    def linear(self, name: str, x: str, inputs: int, outputs: int) -> str:
        self.parts[name] = nn.Linear(inputs, outputs)
        return self.node(name, "linear", [x], outputs)

    def max_pool(self, name: str, x: str, kernel) -> str:
        return self.node(name, "maxpool3d", [x], self._channels[x], kernel=kernel, stride=kernel, pad_begin=0, pad_end=0)

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Logits, and the feature map that they are read from."""
        values = {"input": x}
        for name, op, inputs, attributes in self.plan:
            xs = [values[i] for i in inputs]
            if op in ("conv3d", "batchnorm"):
                y = self.parts[name.replace(".", "/")](xs[0])
            elif op == "relu":
                y = F.relu(xs[0])
            elif op == "add":
                y = xs[0] + xs[1]
            elif op == "concat":
                y = torch.cat(xs, 1)
            elif op == "maxpool3d":
                y = F.max_pool3d(xs[0], attributes["kernel"], attributes["stride"], attributes["pad_begin"])
            elif op == "globalavgpool":
                y = xs[0].mean((2, 3, 4))
            elif op == "flatten":
                y = xs[0].flatten(1)
            else:
                y = self.parts[name](F.dropout(xs[0], 0.1, self.training))
            values[name] = y
        return values[self.output], values[self.features]

    @torch.no_grad()
    def load(self, nodes: Dict[str, tuple]) -> None:
        """Take the weights of a file of run_model_file.py. A class of colour and motion starts as the file's motion."""
        names = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
        for name, (_, data) in nodes.items():
            for key, value in data.items():
                mine = getattr(self.parts[name.replace(".", "/")], names.get(key, key))
                mine.copy_(value.repeat((mine.shape[0] // value.shape[0],) + (1,) * (value.ndim - 1)))

    @torch.no_grad()
    def round_weights(self) -> None:
        """To what fits two bytes a number."""
        for number in (*self.parameters(), *self.buffers()):
            if number.is_floating_point():
                number.copy_(number.half().float())

    def export(self, path: Path, source: str) -> None:
        with ModelFile(path, name=self.title, classes=self.classes, output=self.output, channels=3,
                       frames=CLIP_FRAMES, height=self.size, width=self.size, resize_short=self.size, mean=[MEAN] * 3, std=[STD] * 3, source=source,
                       licence="MIT", halves=self.halves) as f:
            for name, op, inputs, attributes in self.plan:
                part, data = self.parts[name.replace(".", "/")] if op in ("conv3d", "batchnorm", "linear") else None, {}
                if op == "batchnorm":
                    attributes = {"eps": part.eps}
                    data = dict(gamma=part.weight, beta=part.bias, mean=part.running_mean, var=part.running_var)
                elif part is not None:
                    data = dict(weight=part.weight, bias=part.bias)
                data = {k: v.detach().numpy() for k, v in data.items() if v is not None}
                f.add_node(name, op, inputs, **attributes, **data)


class MotionNet(PlanNet):
    """Every kind of connection that Class Feature Pyramids claim to cover: weights/motion.h5."""

    title = "motion"

    def __init__(self) -> None:
        super().__init__()
        x = self.conv_bn("stem", "input", 16, (3, 3, 3), stride=(1, 2, 2))                     # plain
        x = self.conv_bn("r2plus1d.spatial", x, 32, (1, 3, 3), stride=(1, 2, 2))               # (2+1)D
        x = self.conv_bn("r2plus1d.temporal", x, 32, (3, 1, 1), stride=(2, 1, 1))
        y = self.conv_bn("res.1", x, 32, (3, 3, 3))                                            # residual
        y = self.conv_bn("res.2", y, 32, (3, 3, 3), relu=False)
        x = self.relu("res.out", self.node("res.add", "add", [y, x], 32))
        y = self.conv_bn("fiber.reduce", x, 8, (1, 1, 1))                                      # fiber: the multiplexer
        y = self.conv_bn("fiber.expand", y, 32, (1, 1, 1), relu=False)
        m = self.relu("fiber.mux", self.node("fiber.mux.add", "add", [y, x], 32))
        y = self.conv_bn("fiber.grouped1", m, 64, (3, 3, 3), stride=(1, 2, 2), groups=4)       # grouped
        y = self.conv_bn("fiber.grouped2", y, 64, (3, 3, 3), groups=4, relu=False)
        s = self.conv_bn("fiber.shortcut", x, 64, (1, 1, 1), stride=(1, 2, 2), relu=False)
        x = self.relu("fiber.out", self.node("fiber.add", "add", [y, s], 64))
        y = self.conv_bn("dw.expand", x, 96, (1, 1, 1))                                        # depth-wise
        y = self.conv_bn("dw.depthwise", y, 96, (3, 3, 3), groups=96)
        y = self.conv_bn("dw.project", y, 64, (1, 1, 1), relu=False)
        x = self.relu("dw.out", self.node("dw.add", "add", [y, x], 64))
        a = self.conv_bn("mix.b0", x, 32, (1, 1, 1))                                           # branches and concat
        b = self.conv_bn("mix.b1.reduce", x, 32, (1, 1, 1))
        b = self.conv_bn("mix.b1", b, 48, (3, 3, 3))
        c = self.conv_bn("mix.b2.reduce", x, 16, (1, 1, 1))
        c = self.conv_bn("mix.b2", c, 24, (3, 3, 3), dilation=(1, 2, 2))
        d = self.node("mix.b3.pool", "maxpool3d", [x], 64, kernel=3, stride=1, pad_begin=1, pad_end=1)
        d = self.conv_bn("mix.b3", d, 24, (1, 1, 1))
        self.features = self.node("mix.concat", "concat", [a, b, c, d], 128)
        x = self.node("pool", "globalavgpool", [self.features], 128)
        self.parts["fc"] = nn.Linear(128, len(CLASSES))
        self.see_change()
        self.output = self.node("fc", "linear", [x], len(CLASSES))


class ResidualNet(PlanNet):
    """Residual blocks as in R3D-18, three stages of two: weights/motion-residual.h5."""

    title = "motion-residual"
    size = 48
    clips, epochs = 8192, 3
    widths = (16, 32, 48)
    halves = True          # 1.5 MB otherwise

    def __init__(self) -> None:
        super().__init__()
        x = self.conv_bn("stem", "input", 16, (3, 3, 3), stride=(1, 2, 2))
        for stage, (channels, stride) in enumerate(zip(self.widths, (2, 2, 1)), 1):
            x = self.block(f"stage{stage}.0", x, channels, (stride,) * 3)
            x = self.block(f"stage{stage}.1", x, channels, (1, 1, 1))
        self.features = x
        x = self.node("pool", "globalavgpool", [x], self.widths[-1])
        self.output = self.linear("fc", x, self.widths[-1], len(self.classes))
        self.see_change(slice(0, 8) if self.coloured else slice(None))

    def block(self, prefix: str, x: str, channels: int, stride) -> str:
        y = self.conv_bn(f"{prefix}.1", x, channels, (3, 3, 3), stride)
        y = self.conv_bn(f"{prefix}.2", y, channels, (3, 3, 3), relu=False)
        if max(stride) > 1 or self._channels[x] != channels:
            x = self.conv_bn(f"{prefix}.shortcut", x, channels, (1, 1, 1), stride, relu=False)
        return self.relu(f"{prefix}.out", self.node(f"{prefix}.add", "add", [y, x], channels))


class ColourNet(ResidualNet):
    """The same graph for 24 classes of colour and motion, which goes on from ResidualNet: weights/motion-colour.h5."""

    title = "motion-colour"
    coloured = True
    clips, epochs = 4800, 5
    starts_from = "motion-residual"

    @torch.no_grad()
    def load(self, nodes: Dict[str, tuple]) -> None:
        """Half of the stem's kernels start anew: those of ResidualNet are blind to what stands still."""
        fresh, new = slice(8, 16), nn.Conv3d(3, 16, 3)
        super().load(nodes)
        nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
        self.parts["stem/conv"].weight[fresh] = new.weight[fresh]
        norm = self.parts["stem/bn"]
        norm.weight[fresh], norm.bias[fresh] = 1, 0


class PlainNet(PlanNet):
    """A chain as in C3D, with batch norms and two linear layers: weights/motion-plain.h5."""

    title = "motion-plain"
    size = 48
    clips, epochs = 8192, 3

    def __init__(self) -> None:
        super().__init__()
        x = self.conv_bn("stem", "input", 16, (3, 3, 3), stride=(1, 2, 2))
        x = self.max_pool("pool1", x, (1, 2, 2))
        x = self.max_pool("pool2", self.conv_bn("conv2", x, 32, (3, 3, 3)), (2, 1, 1))
        x = self.conv_bn("conv3b", self.conv_bn("conv3a", x, 32, (3, 3, 3)), 32, (3, 3, 3))
        x = self.max_pool("pool3", x, (2, 2, 2))
        x = self.conv_bn("conv4b", self.conv_bn("conv4a", x, 48, (3, 3, 3)), 48, (3, 3, 3))
        self.features = x
        x = self.node("flatten", "flatten", [self.max_pool("pool4", x, (2, 2, 2))], 48 * 18)
        x = self.relu("fc6", self.linear("fc6", x, 48 * 18, 64))
        self.output = self.linear("fc", x, 64, len(self.classes))
        self.see_change()


NETWORKS = {net.title: net for net in (MotionNet, ResidualNet, PlainNet, ColourNet)}


def to_input(frames: torch.Tensor) -> torch.Tensor:
    return ((frames.float() / 255 - MEAN) / STD).permute(0, 4, 1, 2, 3).contiguous()


def changed(label: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """The labels after a change of motion; a colour stays."""
    return label - label % len(CLASSES) + table[label % len(CLASSES)]


def augment(frames: torch.Tensor, label: torch.Tensor, rng: torch.Generator,
            coloured: bool = False) -> Tuple[torch.Tensor, torch.Tensor]:
    """N x T x H x W x 3 uint8 -> the network's input: at random mirrored, transposed, reversed (the labels too), recoloured."""
    frames, label = frames.permute(0, 4, 1, 2, 3).contiguous(), label.clone()
    for change, table in ((lambda x: x.flip(4), FLIP_X), (lambda x: x.flip(3), FLIP_Y),
                          (lambda x: x.transpose(3, 4), TRANSPOSE), (lambda x: x.flip(2), BACKWARD)):
        chosen = torch.rand(len(frames), generator=rng) < 0.5
        frames[chosen] = change(frames[chosen])
        label[chosen] = changed(label[chosen], table)
    order = torch.rand(len(frames), 3, generator=rng).argsort(1)
    if coloured:    # the object's strongest channel has gone elsewhere
        channel = order.argsort(1).gather(1, (label // len(CLASSES))[:, None])[:, 0]
        label = channel * len(CLASSES) + label % len(CLASSES)
    x = frames[torch.arange(len(frames))[:, None], order].float()
    gain = torch.empty(len(frames), 3, 1, 1, 1).uniform_(0.7, 1.3, generator=rng)
    shift = torch.empty(len(frames), 3, 1, 1, 1).uniform_(-30, 30, generator=rng)
    x.sub_(115).mul_(gain).add_(shift + 115).clamp_(0, 255)
    return x.sub_(255 * MEAN).div_(255 * STD), label
