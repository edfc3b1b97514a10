"""3-D DenseNet in PyTorch, with the modules' names of kenshohara/3D-ResNets-PyTorch of 2018 and of 2020."""
from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn


class DenseLayer2020(nn.Sequential):
    def __init__(self, before, growth):
        super().__init__(OrderedDict([
            ("norm1", nn.BatchNorm3d(before)), ("relu1", nn.ReLU()),
            ("conv1", nn.Conv3d(before, 4 * growth, 1, bias=False)),
            ("norm2", nn.BatchNorm3d(4 * growth)), ("relu2", nn.ReLU()),
            ("conv2", nn.Conv3d(4 * growth, growth, 3, padding=1, bias=False))]))

    def forward(self, x):
        return torch.cat((x, super().forward(x)), 1)


class DenseLayer2018(nn.Module):
    """PyTorch took `norm.1` for a module's name then; today it is the module 1 of the modules `norm`."""

    def __init__(self, before, growth):
        super().__init__()
        self.norm = nn.ModuleDict({"1": nn.BatchNorm3d(before), "2": nn.BatchNorm3d(4 * growth)})
        self.relu = nn.ModuleDict({"1": nn.ReLU(), "2": nn.ReLU()})
        self.conv = nn.ModuleDict({"1": nn.Conv3d(before, 4 * growth, 1, bias=False),
                                   "2": nn.Conv3d(4 * growth, growth, 3, padding=1, bias=False)})

    def forward(self, x):
        y = x
        for i in ("1", "2"):
            y = self.conv[i](self.relu[i](self.norm[i](y)))
        return torch.cat((x, y), 1)


class DenseNet(nn.Module):
    """stem: the number at the end of the first layers' names; pool: the name of the function that leaves one cell."""

    def __init__(self, dense_layer, stem, pool, depths, classes, width, channels):
        super().__init__()
        now, growth = width(64), width(32)
        features = [(f"conv{stem}", nn.Conv3d(channels, now, 7, (1, 2, 2), 3, bias=False)),
                    (f"norm{stem}", nn.BatchNorm3d(now)), (f"relu{stem}", nn.ReLU()),
                    (f"pool{stem}", nn.MaxPool3d(3, 2, 1))]
        for block, depth in enumerate(depths, 1):
            layers = [(f"denselayer{i + 1}", dense_layer(now + i * growth, growth)) for i in range(depth)]
            features.append((f"denseblock{block}", nn.Sequential(OrderedDict(layers))))
            now += depth * growth
            if block < len(depths):
                features.append((f"transition{block}", nn.Sequential(OrderedDict([
                    ("norm", nn.BatchNorm3d(now)), ("relu", nn.ReLU()),
                    ("conv", nn.Conv3d(now, now // 2, 1, bias=False)), ("pool", nn.AvgPool3d(2, 2))]))))
                now //= 2
        features.append(("norm5", nn.BatchNorm3d(now)))
        self.features = nn.Sequential(OrderedDict(features))
        self.relu = nn.ReLU()
        self.pool = pool
        self.add_module(pool, nn.AdaptiveAvgPool3d(1))  # of 2018: a window as large as the map
        self.classifier = nn.Linear(now, classes)

    def forward(self, x):
        x = self.relu(self.features(x))
        return self.classifier(getattr(self, self.pool)(x).flatten(1))


def _network(year, depths):
    def make(classes, width, channels, frames, size):
        if year == 2018:
            return DenseNet(DenseLayer2018, "0", "avg_pool3d", depths, classes, width, channels)
        return DenseNet(DenseLayer2020, "1", "adaptive_avg_pool3d", depths, classes, width, channels)
    return make


NETWORKS = {(name, f"hara{year}"): _network(year, depths) for year in (2018, 2020) for name, depths in (
    ("densenet-121", (6, 12, 24, 16)), ("densenet-169", (6, 12, 32, 32)), ("densenet-201", (6, 12, 48, 32)))}
