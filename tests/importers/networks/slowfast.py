"""Slow and SlowFast of depth 50 in PyTorch, with the modules' names of pytorchvideo.

SlowFast takes the fast pathway's clip alone and gives the slow pathway every fourth frame of it, as PackPathway of
pytorchvideo's tutorial does.
"""
from __future__ import annotations

import math

import torch
from torch import nn

DEPTHS = (3, 4, 6, 3)


class Bottleneck(nn.Module):
    def __init__(self, before, inner, out, taps, stride):
        super().__init__()
        self.conv_a = nn.Conv3d(before, inner, (taps, 1, 1), 1, (taps // 2, 0, 0), bias=False)
        self.norm_a = nn.BatchNorm3d(inner)
        self.act_a = nn.ReLU()
        self.conv_b = nn.Conv3d(inner, inner, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
        self.norm_b = nn.BatchNorm3d(inner)
        self.act_b = nn.ReLU()
        self.conv_c = nn.Conv3d(inner, out, 1, bias=False)
        self.norm_c = nn.BatchNorm3d(out)

    def forward(self, x):
        x = self.act_a(self.norm_a(self.conv_a(x)))
        x = self.act_b(self.norm_b(self.conv_b(x)))
        return self.norm_c(self.conv_c(x))


class ResBlock(nn.Module):
    def __init__(self, before, inner, out, taps, stride, project):
        super().__init__()
        self.branch1_conv = nn.Conv3d(before, out, 1, (1, stride, stride), bias=False) if project else None
        self.branch1_norm = nn.BatchNorm3d(out) if project else None
        self.branch2 = Bottleneck(before, inner, out, taps, stride)
        self.activation = nn.ReLU()

    def forward(self, x):
        shortcut = x if self.branch1_conv is None else self.branch1_norm(self.branch1_conv(x))
        return self.activation(shortcut + self.branch2(x))


class ResStage(nn.Module):
    def __init__(self, before, inner, taps, depth, stride):
        super().__init__()
        out = 4 * inner
        self.res_blocks = nn.ModuleList(
            ResBlock(out if i else before, inner, out, taps, 1 if i else stride, project=i == 0) for i in range(depth))

    def forward(self, x):
        for block in self.res_blocks:
            x = block(x)
        return x


class Stem(nn.Module):
    def __init__(self, before, out, taps):
        super().__init__()
        self.conv = nn.Conv3d(before, out, (taps, 7, 7), (1, 2, 2), (taps // 2, 3, 3), bias=False)
        self.norm = nn.BatchNorm3d(out)
        self.activation = nn.ReLU()
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, x):
        return self.pool(self.activation(self.norm(self.conv(x))))


class Head(nn.Module):
    def __init__(self, features, classes, kernel=None):
        super().__init__()
        self.pool = nn.AvgPool3d(kernel, 1) if kernel else None
        self.dropout = nn.Dropout(0.5)
        self.proj = nn.Linear(features, classes)
        self.output_pool = nn.AdaptiveAvgPool3d(1)

    def forward(self, x):
        x = x if self.pool is None else self.pool(x)
        x = self.proj(self.dropout(x).permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
        return self.output_pool(x).flatten(1)


class MultiPathway(nn.Module):
    """One module for each pathway. After them, except in the last stage, a fusion passes the fast channels to the slow pathway."""

    def __init__(self, pathways, fusion):
        super().__init__()
        self.multipathway_blocks = nn.ModuleList(pathways)
        self.multipathway_fusion = fusion

    def forward(self, xs):
        xs = [block(x) for block, x in zip(self.multipathway_blocks, xs)]
        return xs if self.multipathway_fusion is None else self.multipathway_fusion(xs)


class FuseFastToSlow(nn.Module):
    def __init__(self, fast):
        super().__init__()
        self.conv_fast_to_slow = nn.Conv3d(fast, 2 * fast, (7, 1, 1), (4, 1, 1), (3, 0, 0), bias=False)
        self.norm = nn.BatchNorm3d(2 * fast)
        self.activation = nn.ReLU()

    def forward(self, xs):
        slow, fast = xs
        return [torch.cat([slow, self.activation(self.norm(self.conv_fast_to_slow(fast)))], 1), fast]


class PoolConcatPathway(nn.Module):
    def __init__(self, kernels):
        super().__init__()
        self.pool = nn.ModuleList(nn.AvgPool3d(kernel, 1) for kernel in kernels)

    def forward(self, xs):
        return torch.cat([pool(x) for pool, x in zip(self.pool, xs)], 1)


class Slow(nn.Module):
    def __init__(self, classes, width, channels, frames, size):
        super().__init__()
        before = width(64)
        blocks = [Stem(channels, before, 1)]
        for stage, (depth, taps) in enumerate(zip(DEPTHS, (1, 1, 3, 3))):
            inner = width(64 << stage)
            blocks.append(ResStage(before, inner, taps, depth, 2 if stage else 1))
            before = 4 * inner
        side = math.ceil(size / 32)
        blocks.append(Head(before, classes, (frames, side, side)))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class SlowFast(nn.Module):
    def __init__(self, classes, width, channels, frames, size):
        super().__init__()
        slow, fast = width(64), width(8)
        blocks = [MultiPathway([Stem(channels, slow, 1), Stem(channels, fast, 5)], FuseFastToSlow(fast))]
        for stage, (depth, taps) in enumerate(zip(DEPTHS, (1, 1, 3, 3))):
            stride = 2 if stage else 1
            inner = width(64 << stage), width(8 << stage)
            pathways = [ResStage(slow + 2 * fast, inner[0], taps, depth, stride),
                        ResStage(fast, inner[1], 3, depth, stride)]
            slow, fast = 4 * inner[0], 4 * inner[1]
            blocks.append(MultiPathway(pathways, None if stage == len(DEPTHS) - 1 else FuseFastToSlow(fast)))
        side = math.ceil(size / 32)
        blocks += [PoolConcatPathway([(frames // 4, side, side), (frames, side, side)]), Head(slow + fast, classes)]
        self.blocks = nn.ModuleList(blocks)
        # A constant: what PyTorch 1.13 exports of linspace rounds the last frame down to the one before it.
        self.slow = torch.linspace(0, frames - 1, frames // 4).long().tolist()

    def forward(self, x):
        xs = [x.index_select(2, torch.tensor(self.slow)), x]
        for block in self.blocks:
            xs = block(xs)
        return xs


NETWORKS = {("slow-r50", "pytorchvideo"): Slow, ("slowfast-r50", "pytorchvideo"): SlowFast}
