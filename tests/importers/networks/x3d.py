"""X3D in PyTorch, with the modules' names of pytorchvideo, as far as the logits: its softmax is left out."""
from __future__ import annotations

import math

from torch import nn


def round_width(channels, ratio, least=8, divisor=8):
    """pytorchvideo's rounding of a scaled number of channels."""
    scaled = channels * ratio
    out = max(least, int(scaled + divisor / 2) // divisor * divisor)
    if out < 0.9 * scaled:
        out += divisor
    return int(out)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels):
        super().__init__()
        reduced = round_width(channels, 0.0625)
        self.block = nn.Sequential(nn.Conv3d(channels, reduced, 1), nn.ReLU(), nn.Conv3d(reduced, channels, 1),
                                   nn.Sigmoid())

    def forward(self, x):
        return x * self.block(x.mean((2, 3, 4), keepdim=True))


class Bottleneck(nn.Module):
    def __init__(self, before, inner, out, stride, squeeze):
        super().__init__()
        self.conv_a = nn.Conv3d(before, inner, 1, bias=False)
        self.norm_a = nn.BatchNorm3d(inner)
        self.act_a = nn.ReLU()
        self.conv_b = nn.Conv3d(inner, inner, 3, (1, stride, stride), 1, groups=inner, bias=False)
        self.norm_b = nn.Sequential(nn.BatchNorm3d(inner), SqueezeExcitation(inner) if squeeze else nn.Identity())
        self.act_b = nn.SiLU()
        self.conv_c = nn.Conv3d(inner, out, 1, bias=False)
        self.norm_c = nn.BatchNorm3d(out)

    def forward(self, x):
        x = self.act_a(self.norm_a(self.conv_a(x)))
        x = self.act_b(self.norm_b(self.conv_b(x)))
        return self.norm_c(self.conv_c(x))


class ResBlock(nn.Module):
    def __init__(self, before, inner, out, stride, squeeze):
        super().__init__()
        self.branch1_conv = self.branch1_norm = None
        if before != out or stride > 1:
            self.branch1_conv = nn.Conv3d(before, out, 1, (1, stride, stride), bias=False)
        if before != out:
            self.branch1_norm = nn.BatchNorm3d(out)
        self.branch2 = Bottleneck(before, inner, out, stride, squeeze)
        self.activation = nn.ReLU()

    def forward(self, x):
        shortcut = x if self.branch1_conv is None else self.branch1_conv(x)
        if self.branch1_norm is not None:
            shortcut = self.branch1_norm(shortcut)
        return self.activation(shortcut + self.branch2(x))


class ResStage(nn.Module):
    def __init__(self, before, inner, out, depth):
        super().__init__()
        self.res_blocks = nn.ModuleList(ResBlock(before if i == 0 else out, inner, out, 2 if i == 0 else 1, (i + 1) % 2)
                                        for i in range(depth))

    def forward(self, x):
        for block in self.res_blocks:
            x = block(x)
        return x


class StemConv(nn.Module):
    def __init__(self, before, out):
        super().__init__()
        self.conv_t = nn.Conv3d(before, out, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        self.conv_xy = nn.Conv3d(out, out, (5, 1, 1), 1, (2, 0, 0), groups=out, bias=False)

    def forward(self, x):
        return self.conv_xy(self.conv_t(x))


class Stem(nn.Module):
    def __init__(self, before, out):
        super().__init__()
        self.conv = StemConv(before, out)
        self.norm = nn.BatchNorm3d(out)
        self.activation = nn.ReLU()

    def forward(self, x):
        return self.activation(self.norm(self.conv(x)))


class ProjectedPool(nn.Module):
    def __init__(self, before, inner, out, kernel):
        super().__init__()
        self.pre_conv = nn.Conv3d(before, inner, 1, bias=False)
        self.pre_norm = nn.BatchNorm3d(inner)
        self.pre_act = nn.ReLU()
        self.pool = nn.AvgPool3d(kernel, 1)
        self.post_conv = nn.Conv3d(inner, out, 1, bias=False)
        self.post_act = nn.ReLU()

    def forward(self, x):
        x = self.pool(self.pre_act(self.pre_norm(self.pre_conv(x))))
        return self.post_act(self.post_conv(x))


class Head(nn.Module):
    def __init__(self, before, inner, out, classes, kernel):
        super().__init__()
        self.pool = ProjectedPool(before, inner, out, kernel)
        self.dropout = nn.Dropout(0.5)
        self.proj = nn.Linear(out, classes)
        self.output_pool = nn.AdaptiveAvgPool3d(1)

    def forward(self, x):
        x = self.dropout(self.pool(x)).permute(0, 2, 3, 4, 1)
        x = self.proj(x).permute(0, 4, 1, 2, 3)
        return self.output_pool(x).flatten(1)


class X3D(nn.Module):
    def __init__(self, depth_factor, classes, width, channels, frames, size):
        super().__init__()
        blocks, before = [Stem(channels, width(24))], width(24)
        for out, depth in zip((24, 48, 96, 192), (1, 2, 5, 3)):
            out = width(out)
            inner = int(2.25 * out)
            blocks.append(ResStage(before, inner, out, math.ceil(depth * depth_factor)))
            before = out
        side = math.ceil(size / 32)
        blocks.append(Head(before, inner, width(2048), classes, (frames, side, side)))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def _x3d(depth_factor):
    return lambda *sizes: X3D(depth_factor, *sizes)


NETWORKS = {
    ("x3d-xs", "pytorchvideo"): _x3d(2.2),
    ("x3d-s", "pytorchvideo"): _x3d(2.2),
    ("x3d-m", "pytorchvideo"): _x3d(2.2),
    ("x3d-l", "pytorchvideo"): _x3d(5.0),
}
