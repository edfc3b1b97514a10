"""I3D in PyTorch as far as the logits, with the names of piergiaj/pytorch-i3d and of hassony2/kinetics_i3d_pytorch; and as
the authors of Class Feature Pyramids have it."""
from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def pad_same(x, kernel, stride):
    """TensorFlow's SAME, from the size that x has."""
    pads = []
    for n, k, s in zip(x.shape[2:], kernel, stride):
        total = max(k - (s if n % s == 0 else n % s), 0)
        pads = [total // 2, total - total // 2] + pads
    return F.pad(x, pads)


def pad_constant(x, kernel, stride):
    """The same amount whatever size x has."""
    pads = []
    for k, s in zip(kernel, stride):
        total = max(k - s, 0)
        pads = [total // 2, total - total // 2] + pads
    return F.pad(x, pads)


def make_unit(batchnorm, pad, eps=1e-3):
    class Unit(nn.Module):
        def __init__(self, before, out, kernel=1, stride=1):
            super().__init__()
            self.conv3d = nn.Conv3d(before, out, kernel, stride, bias=False)
            self.add_module(batchnorm, nn.BatchNorm3d(out, eps=eps))
            self.relu = nn.ReLU()

        def forward(self, x):
            x = self.conv3d(pad(x, self.conv3d.kernel_size, self.conv3d.stride))
            return self.relu(getattr(self, batchnorm)(x))
    return Unit


class MaxPoolSame(nn.MaxPool3d):
    """piergiaj's: it is a pool itself."""

    def forward(self, x):
        return super().forward(pad_same(x, self.kernel_size, self.stride))


class MaxPoolTF(nn.Module):
    """hassony2's: it has a pool."""

    def __init__(self, kernel, stride):
        super().__init__()
        self.pool = nn.MaxPool3d(kernel, stride, ceil_mode=True)

    def forward(self, x):
        return self.pool(pad_constant(x, self.pool.kernel_size, self.pool.stride))


class AvgPoolOfWhatIsThere(nn.AvgPool3d):
    """2 x 7 x 7 (2 x 4 x 4 of the authors), or less where the map is smaller."""

    def forward(self, x):
        return F.avg_pool3d(x, [min(most, n) for most, n in zip(self.kernel_size, x.shape[2:])], 1)


class Logits(nn.Module):
    def __init__(self, before, classes):
        super().__init__()
        self.conv3d = nn.Conv3d(before, classes, 1)

    def forward(self, x):
        return self.conv3d(x)


UnitPiergiaj, UnitHassony2 = make_unit("bn", pad_same), make_unit("batch3d", pad_constant)


class MixedPiergiaj(nn.Module):
    def __init__(self, before, b0, b1a, b1b, b2a, b2b, b3b):
        super().__init__()
        self.b0 = UnitPiergiaj(before, b0)
        self.b1a, self.b1b = UnitPiergiaj(before, b1a), UnitPiergiaj(b1a, b1b, 3)
        self.b2a, self.b2b = UnitPiergiaj(before, b2a), UnitPiergiaj(b2a, b2b, 3)
        self.b3a, self.b3b = MaxPoolSame((3, 3, 3), (1, 1, 1)), UnitPiergiaj(before, b3b)

    def forward(self, x):
        return torch.cat((self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))), 1)


class MixedHassony2(nn.Module):
    def __init__(self, before, b0, b1a, b1b, b2a, b2b, b3b):
        super().__init__()
        self.branch_0 = UnitHassony2(before, b0)
        self.branch_1 = nn.Sequential(UnitHassony2(before, b1a), UnitHassony2(b1a, b1b, 3))
        self.branch_2 = nn.Sequential(UnitHassony2(before, b2a), UnitHassony2(b2a, b2b, 3))
        self.branch_3 = nn.Sequential(MaxPoolTF((3, 3, 3), (1, 1, 1)), UnitHassony2(before, b3b))

    def forward(self, x):
        return torch.cat((self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3(x)), 1)


UnitCfp = make_unit("batch3d", pad_constant, 1e-5)


class MixedCfp(nn.Module):
    """The fourth branch has a pool, and what it gives is not used."""

    def __init__(self, before, b0, b1a, b1b, b2a, b2b, b3b):
        super().__init__()
        self.branch_0 = UnitCfp(before, b0)
        self.branch_1 = nn.Sequential(UnitCfp(before, b1a), UnitCfp(b1a, b1b, 3))
        self.branch_2 = nn.Sequential(UnitCfp(before, b2a), UnitCfp(b2a, b2b, 3))
        self.branch_3 = nn.Sequential(nn.Identity(), UnitCfp(before, b3b))

    def forward(self, x):
        return torch.cat((self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3[1](x)), 1)


class I3D(nn.Module):
    """unit, pool, mixed: the publication's modules; lower: their names begin in lower case; logits: the last's name."""

    def __init__(self, unit, pool, mixed, lower, logits, classes, width, channels, last_pool=(2, 7, 7)):
        super().__init__()
        self.path = []

        def add(name, module):
            name = name[0].lower() + name[1:] if lower else name
            self.add_module(name, module)
            self.path.append(name)

        def add_mixed(name, before, *kernels):
            b0, b1a, b1b, b2a, b2b, b3b = map(width, kernels)
            add(f"Mixed_{name}", mixed(before, b0, b1a, b1b, b2a, b2b, b3b))
            return b0 + b1b + b2b + b3b

        add("Conv3d_1a_7x7", unit(channels, width(64), 7, 2))
        add("MaxPool3d_2a_3x3", pool((1, 3, 3), (1, 2, 2)))
        add("Conv3d_2b_1x1", unit(width(64), width(64)))
        add("Conv3d_2c_3x3", unit(width(64), width(192), 3))
        add("MaxPool3d_3a_3x3", pool((1, 3, 3), (1, 2, 2)))
        now = add_mixed("3b", width(192), 64, 96, 128, 16, 32, 32)
        now = add_mixed("3c", now, 128, 128, 192, 32, 96, 64)
        add("MaxPool3d_4a_3x3", pool((3, 3, 3), (2, 2, 2)))
        now = add_mixed("4b", now, 192, 96, 208, 16, 48, 64)
        now = add_mixed("4c", now, 160, 112, 224, 24, 64, 64)
        now = add_mixed("4d", now, 128, 128, 256, 24, 64, 64)
        now = add_mixed("4e", now, 112, 144, 288, 32, 64, 64)
        now = add_mixed("4f", now, 256, 160, 320, 32, 128, 128)
        add("MaxPool3d_5a_2x2", pool((2, 2, 2), (2, 2, 2)))
        now = add_mixed("5b", now, 256, 160, 320, 32, 128, 128)
        now = add_mixed("5c", now, 384, 192, 384, 48, 128, 128)
        self.path.append("avg_pool")
        self.avg_pool = AvgPoolOfWhatIsThere(last_pool, 1)
        add(logits, Logits(now, classes))

    def forward(self, x):
        for name in self.path:
            x = getattr(self, name)(x)
        return x.mean((2, 3, 4))


def piergiaj(classes, width, channels, frames, size):
    return I3D(UnitPiergiaj, MaxPoolSame, MixedPiergiaj, False, "logits", classes, width, channels)


def hassony2(classes, width, channels, frames, size):
    return I3D(UnitHassony2, MaxPoolTF, MixedHassony2, True, "conv3d_0c_1x1", classes, width, channels)


def cfp(classes, width, channels, frames, size):
    return I3D(UnitCfp, MaxPoolTF, MixedCfp, True, "conv3d_0c_1x1", classes, width, channels, (2, 4, 4))


NETWORKS = {**{(arch, make.__name__): make for arch in ("i3d", "i3d-flow") for make in (piergiaj, hassony2)}, ("i3d-cfp", "cfp"): cfp}
