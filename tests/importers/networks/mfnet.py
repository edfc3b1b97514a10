"""MF-Net in PyTorch, with the modules' names of cypw/PyTorch-MFNet."""
from __future__ import annotations

from collections import OrderedDict

from torch import nn

GROUPS = 16


class NormReluConv(nn.Module):
    def __init__(self, before, out, kernel=(1, 1, 1), stride=(1, 1, 1), groups=1):
        super().__init__()
        self.bn, self.relu = nn.BatchNorm3d(before), nn.ReLU()
        self.conv = nn.Conv3d(before, out, kernel, stride, [k // 2 for k in kernel], groups=groups, bias=False)

    def forward(self, x):
        return self.conv(self.relu(self.bn(x)))


class Add(nn.Module):
    """A module, so that hooks see the sums: between them and the convolutions before, the program keeps nothing."""

    def forward(self, a, b):
        return a + b


class Unit(nn.Module):
    """stride: of a stage's first unit; None for the others."""

    def __init__(self, before, out, stride):
        super().__init__()
        self.conv_i1 = NormReluConv(before, out // 4)
        self.conv_i2 = NormReluConv(out // 4, before)
        self.conv_m1 = NormReluConv(before, out, (3, 3, 3), stride or (1, 1, 1), GROUPS)
        self.conv_w1 = None
        self.add = Add()
        if stride:
            self.conv_m2 = NormReluConv(out, out)
            self.conv_w1 = NormReluConv(before, out, stride=stride)
        else:
            self.conv_m2 = NormReluConv(out, out, (1, 3, 3), groups=GROUPS)

    def forward(self, x):
        x_in = self.add(x, self.conv_i2(self.conv_i1(x)))
        h = self.conv_m2(self.conv_m1(x_in))
        return self.add(h, x if self.conv_w1 is None else self.conv_w1(x))


class MFNet(nn.Module):
    def __init__(self, classes, width, channels, frames, size):
        super().__init__()
        before = width(16, GROUPS)
        self.conv1 = nn.Sequential(OrderedDict([
            ("conv", nn.Conv3d(channels, before, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False)),
            ("bn", nn.BatchNorm3d(before)), ("relu", nn.ReLU())]))
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        for stage, units in ((2, 3), (3, 4), (4, 6), (5, 3)):
            out, stride = width(24 * 2 ** stage, GROUPS), (2, 1, 1) if stage == 2 else (1, 2, 2)
            made = OrderedDict(B01=Unit(before, out, stride))
            for i in range(2, units + 1):
                made[f"B{i:02d}"] = Unit(out, out, None)
            setattr(self, f"conv{stage}", nn.Sequential(made))
            before = out
        self.tail = nn.Sequential(OrderedDict([("bn", nn.BatchNorm3d(before)), ("relu", nn.ReLU())]))
        self.globalpool = nn.Sequential(OrderedDict(avg=nn.AdaptiveAvgPool3d(1)))  # published: 8 x 7 x 7, the whole map
        self.classifier = nn.Linear(before, classes)

    def forward(self, x):
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.conv4(self.conv3(self.conv2(x))))
        return self.classifier(self.globalpool(self.tail(x)).flatten(1))


NETWORKS = {("mfnet", "mfnet"): MFNet}
