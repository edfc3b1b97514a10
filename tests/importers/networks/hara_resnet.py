"""3-D ResNet, ResNeXt and wide ResNet in PyTorch, with the modules' names of kenshohara/3D-ResNets-PyTorch."""
from __future__ import annotations

import torch
from torch import nn


def conv(before, after, kernel, stride=1, groups=1):
    return nn.Conv3d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)


class ShortcutA(nn.Module):
    """Has no weights: takes every stride-th cell, and appends channels of zeros."""

    def __init__(self, out, stride):
        super().__init__()
        self.out = out
        self.pool = nn.AvgPool3d(1, stride)

    def forward(self, x):
        x = self.pool(x)
        return torch.cat((x, x.new_zeros(x.shape[0], self.out - x.shape[1], *x.shape[2:])), 1)


def make_shortcut(kind, before, out, stride):
    if stride == 1 and before == out:
        return nn.Identity()
    if kind == "A":
        return ShortcutA(out, stride)
    return nn.Sequential(conv(before, out, 1, stride), nn.BatchNorm3d(out))


class Basic(nn.Module):
    def __init__(self, before, planes, expansion, stride, groups, shortcut):
        super().__init__()
        self.conv1, self.bn1 = conv(before, planes, 3, stride), nn.BatchNorm3d(planes)
        self.conv2, self.bn2 = conv(planes, planes, 3), nn.BatchNorm3d(planes)
        self.relu = nn.ReLU()
        self.downsample = make_shortcut(shortcut, before, planes * expansion, stride)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    def __init__(self, before, planes, expansion, stride, groups, shortcut):
        super().__init__()
        out = planes * expansion
        self.conv1, self.bn1 = conv(before, planes, 1), nn.BatchNorm3d(planes)
        self.conv2, self.bn2 = conv(planes, planes, 3, stride, groups), nn.BatchNorm3d(planes)
        self.conv3, self.bn3 = conv(planes, out, 1), nn.BatchNorm3d(out)
        self.relu = nn.ReLU()
        self.downsample = make_shortcut(shortcut, before, out, stride)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """planes: of the first stage; a block has planes * expansion output channels; stem: the first convolution's channels."""

    def __init__(self, block, expansion, depths, planes, stem, groups, shortcut, classes, width, channels):
        super().__init__()
        before = width(stem)
        self.conv1 = nn.Conv3d(channels, before, 7, (1, 2, 2), 3, bias=False)
        self.bn1, self.relu = nn.BatchNorm3d(before), nn.ReLU()
        self.maxpool = nn.MaxPool3d(3, 2, 1)
        for stage, depth in enumerate(depths, 1):
            inner, blocks = width(planes * 2 ** (stage - 1), max(8, groups)), []
            for i in range(depth):
                blocks.append(block(before, inner, expansion, 2 if stage > 1 and i == 0 else 1, groups, shortcut))
                before = inner * expansion
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool3d(1)     # of 2018: a window as large as the map
        self.fc = nn.Linear(before, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _networks(name, block, expansion, depths, planes=64, groups=1):
    def make_with(year, shortcut):
        stem = 64 if year == 2018 else planes      # the wider networks of 2020 are wider from the start

        def make(classes, width, channels, frames, size):
            return ResNet(block, expansion, depths, planes, stem, groups, shortcut, classes, width, channels)
        return make
    return {(name, f"hara{year}{suffix}"): make_with(year, shortcut) for year in (2018, 2020)
            for suffix, shortcut in (("", "B"), ("-shortcut-a", "A"))}


NETWORKS = {
    **_networks("resnet-18", Basic, 1, (2, 2, 2, 2)),
    **_networks("resnet-34", Basic, 1, (3, 4, 6, 3)),
    **_networks("resnet-50", Bottleneck, 4, (3, 4, 6, 3)),
    **_networks("resnet-101", Bottleneck, 4, (3, 4, 23, 3)),
    **_networks("resnet-152", Bottleneck, 4, (3, 8, 36, 3)),
    **_networks("resnet-200", Bottleneck, 4, (3, 24, 36, 3)),
    **_networks("resnext-101", Bottleneck, 2, (3, 4, 23, 3), planes=128, groups=32),
    **_networks("wide-resnet-50", Bottleneck, 2, (3, 4, 6, 3), planes=128),
}
