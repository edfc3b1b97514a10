"""Slow and SlowFast as PyTorch modules, with the keys of PySlowFast's checkpoints. `forward` of the first two takes a list of
clips, a clip for each pathway, as theirs does."""
import torch
from torch import nn

DEPTHS, TAPS = (3, 4, 6, 3), ((1, 1, 3, 3), (3, 3, 3, 3))


class Stem(nn.Module):
    def __init__(self, channels, made, taps):
        super().__init__()
        self.conv = nn.Conv3d(channels, made, (taps, 7, 7), (1, 2, 2), (taps // 2, 3, 3), bias=False)
        self.bn, self.relu = nn.BatchNorm3d(made), nn.ReLU()
        self.pool_layer = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, x):
        return self.pool_layer(self.relu(self.bn(self.conv(x))))


class Bottleneck(nn.Module):
    def __init__(self, read, inner, taps, stride):
        super().__init__()
        self.a = nn.Conv3d(read, inner, (taps, 1, 1), 1, (taps // 2, 0, 0), bias=False)
        self.b = nn.Conv3d(inner, inner, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
        self.c = nn.Conv3d(inner, 4 * inner, 1, bias=False)
        self.a_bn, self.b_bn, self.c_bn = nn.BatchNorm3d(inner), nn.BatchNorm3d(inner), nn.BatchNorm3d(4 * inner)
        self.a_relu, self.b_relu = nn.ReLU(), nn.ReLU()

    def forward(self, x):
        return self.c_bn(self.c(self.b_relu(self.b_bn(self.b(self.a_relu(self.a_bn(self.a(x))))))))


class Residual(nn.Module):
    def __init__(self, read, inner, taps, stride, project):
        super().__init__()
        if project:
            self.branch1 = nn.Conv3d(read, 4 * inner, 1, (1, stride, stride), bias=False)
            self.branch1_bn = nn.BatchNorm3d(4 * inner)
        self.branch2, self.relu = Bottleneck(read, inner, taps, stride), nn.ReLU()

    def forward(self, x):
        shortcut = self.branch1_bn(self.branch1(x)) if hasattr(self, "branch1") else x
        return self.relu(shortcut + self.branch2(x))


class Pathways(nn.Module):
    """The stems, or the blocks of a stage, of each pathway."""
    def __init__(self, parts):
        super().__init__()
        self.names = [list(part) for part in parts]
        for part in parts:
            for name, module in part.items():
                self.add_module(name, module)

    def forward(self, xs):
        out = []
        for names, x in zip(self.names, xs):
            for name in names:
                x = getattr(self, name)(x)
            out.append(x)
        return out


class Fuse(nn.Module):
    def __init__(self, fast, ratio, taps):
        super().__init__()
        self.conv_f2s = nn.Conv3d(fast, 2 * fast, (taps, 1, 1), (ratio, 1, 1), (taps // 2, 0, 0), bias=False)
        self.bn, self.relu = nn.BatchNorm3d(2 * fast), nn.ReLU()

    def forward(self, xs):
        slow, fast = xs
        return [torch.cat([slow, self.relu(self.bn(self.conv_f2s(fast)))], 1), fast]


class Head(nn.Module):
    def __init__(self, read, classes, pathways):
        super().__init__()
        for i in range(pathways):
            self.add_module(f"pathway{i}_avgpool", nn.AdaptiveAvgPool3d(1))
        self.projection = nn.Linear(read, classes)

    def forward(self, xs):
        pooled = torch.cat([getattr(self, f"pathway{i}_avgpool")(x) for i, x in enumerate(xs)], 1)
        return self.projection(pooled.flatten(1))


def _stage(stage, read, inner):
    parts = []
    for pathway, (before, made) in enumerate(zip(read, inner)):
        blocks = {}
        for i in range(DEPTHS[stage]):
            blocks[f"pathway{pathway}_res{i}"] = Residual(before if i == 0 else 4 * made, made, TAPS[pathway][stage],
                                                          2 if stage and i == 0 else 1, i == 0)
        parts.append(blocks)
    return Pathways(parts)


class SlowFast(nn.Module):
    def __init__(self, classes, width, channels=3, ratio=4, taps=7):
        super().__init__()
        read = width(64), width(8)
        self.s1 = Pathways([{"pathway0_stem": Stem(channels, read[0], 1)}, {"pathway1_stem": Stem(channels, read[1], 5)}])
        for stage in range(len(DEPTHS)):
            setattr(self, f"s{stage + 1}_fuse", Fuse(read[1], ratio, taps))
            inner = width(64 << stage), width(8 << stage)
            setattr(self, f"s{stage + 2}", _stage(stage, (read[0] + 2 * read[1], read[1]), inner))
            read = 4 * inner[0], 4 * inner[1]
        self.head = Head(sum(read), classes, 2)

    def forward(self, x):
        x = x[:]
        x = self.s1_fuse(self.s1(x))
        x = self.s2_fuse(self.s2(x))
        x = self.s3_fuse(self.s3(x))
        x = self.s4_fuse(self.s4(x))
        return self.head(self.s5(x))


class Slow(nn.Module):
    def __init__(self, classes, width, channels=3):
        super().__init__()
        read = width(64)
        self.s1 = Pathways([{"pathway0_stem": Stem(channels, read, 1)}])
        for stage in range(len(DEPTHS)):
            setattr(self, f"s{stage + 2}", _stage(stage, (read,), (width(64 << stage),)))
            read = 4 * width(64 << stage)
        self.head = Head(read, classes, 1)

    def forward(self, x):
        for part in (self.s1, self.s2, self.s3, self.s4, self.s5, self.head):
            x = part(x)
        return x


def _of_one_clip(kind, **keywords):
    """The module as it reads the fast pathway's clip alone."""
    class OneClip(kind):
        def __init__(self, classes, width, channels, frames, size):
            super().__init__(classes, width, channels, **keywords)
            # A constant: what PyTorch 1.13 exports of linspace rounds the last frame down to the one before it.
            self.at = torch.linspace(0, frames - 1, frames // keywords.get("ratio", 4)).long().tolist()

        def forward(self, x):
            return super().forward([x] if kind is Slow else [x.index_select(2, torch.tensor(self.at)), x])
    return OneClip


NETWORKS = {("slow-r50", "pyslowfast"): _of_one_clip(Slow), ("slowfast-r50", "pyslowfast"): _of_one_clip(SlowFast),
            ("slowfast-r50-4x16", "pyslowfast"): _of_one_clip(SlowFast, ratio=8, taps=5)}
