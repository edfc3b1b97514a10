"""R(2+1)D in PyTorch, with the modules' names of kenshohara/3D-ResNets-PyTorch."""
from __future__ import annotations

from torch import nn


def factored(before, after, kernel, stride_t, stride_s):
    """A spatial convolution, its batch norm, a temporal one and its; together about the weights of one in 3-D."""
    middle = (before * after * kernel ** 3) // (before * kernel ** 2 + after * kernel)
    pad = kernel // 2
    return (nn.Conv3d(before, middle, (1, kernel, kernel), (1, stride_s, stride_s), (0, pad, pad), bias=False),
            nn.BatchNorm3d(middle),
            nn.Conv3d(middle, after, (kernel, 1, 1), (stride_t, 1, 1), (pad, 0, 0), bias=False),
            nn.BatchNorm3d(after))


class Block(nn.Module):
    def __init__(self, before, out, stride):
        super().__init__()
        self.relu = nn.ReLU()
        self.downsample = nn.Identity()
        if stride > 1 or before != out:
            self.downsample = nn.Sequential(nn.Conv3d(before, out, 1, stride, bias=False), nn.BatchNorm3d(out))

    def forward(self, x):
        return self.relu(self.inner(x) + self.downsample(x))


class Basic(Block):
    expansion = 1

    def __init__(self, before, planes, stride):
        super().__init__(before, planes, stride)
        self.conv1_s, self.bn1_s, self.conv1_t, self.bn1_t = factored(before, planes, 3, stride, stride)
        self.conv2_s, self.bn2_s, self.conv2_t, self.bn2_t = factored(planes, planes, 3, 1, 1)

    def inner(self, x):
        x = self.relu(self.bn1_s(self.conv1_s(x)))
        x = self.relu(self.bn1_t(self.conv1_t(x)))
        x = self.relu(self.bn2_s(self.conv2_s(x)))
        return self.bn2_t(self.conv2_t(x))


class Bottleneck(Block):
    expansion = 4

    def __init__(self, before, planes, stride):
        super().__init__(before, planes * 4, stride)
        self.conv1, self.bn1 = nn.Conv3d(before, planes, 1, bias=False), nn.BatchNorm3d(planes)
        self.conv2_s, self.bn2_s, self.conv2_t, self.bn2_t = factored(planes, planes, 3, stride, stride)
        self.conv3, self.bn3 = nn.Conv3d(planes, planes * 4, 1, bias=False), nn.BatchNorm3d(planes * 4)

    def inner(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2_s(self.conv2_s(x)))
        x = self.relu(self.bn2_t(self.conv2_t(x)))
        return self.bn3(self.conv3(x))


class ResNet2p1d(nn.Module):
    def __init__(self, block, depths, classes, width, channels):
        super().__init__()
        before = width(64)
        self.conv1_s, self.bn1_s, self.conv1_t, self.bn1_t = factored(channels, before, 7, 1, 2)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool3d(3, 2, 1)
        for stage, depth in enumerate(depths, 1):
            planes, blocks = width(32 * 2 ** stage), []
            for i in range(depth):
                blocks.append(block(before, planes, 2 if stage > 1 and i == 0 else 1))
                before = planes * block.expansion
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(before, classes)

    def forward(self, x):
        x = self.relu(self.bn1_s(self.conv1_s(x)))
        x = self.maxpool(self.relu(self.bn1_t(self.conv1_t(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _network(block, *depths):
    def make(classes, width, channels, frames, size):
        return ResNet2p1d(block, depths, classes, width, channels)
    return make


NETWORKS = {
    ("resnet2p1d-18", "hara2020"): _network(Basic, 2, 2, 2, 2),
    ("resnet2p1d-34", "hara2020"): _network(Basic, 3, 4, 6, 3),
    ("resnet2p1d-50", "hara2020"): _network(Bottleneck, 3, 4, 6, 3),
}
