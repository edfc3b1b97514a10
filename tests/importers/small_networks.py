"""Small networks for the tests of import-onnx and import-torch. Together they use every operation that can be imported."""
import torch
import torch.nn.functional as F
from torch import nn

SHAPE = (3, 8, 16, 16)  # C, T, H, W of every network's input
CLASSES = 5


class Head(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.pool, self.drop, self.fc = nn.AdaptiveAvgPool3d(1), nn.Dropout(0.5), nn.Linear(channels, CLASSES)

    def forward(self, x):
        return self.fc(self.drop(torch.flatten(self.pool(x), 1)))


class Gate(nn.Module):
    """Squeeze and excitation; repeat: spelt with expand_as."""
    def __init__(self, channels, gate, repeat=False):
        super().__init__()
        self.pool, self.reduce, self.expand = nn.AdaptiveAvgPool3d(1), nn.Conv3d(channels, 4,
                                                                                 1), nn.Conv3d(4, channels, 1)
        self.act, self.gate, self.repeat = nn.ReLU(inplace=True), gate, repeat

    def forward(self, x):
        y = self.gate(self.expand(self.act(self.reduce(self.pool(x)))))
        return x * y.expand_as(x) if self.repeat else x * y


class Ops(nn.Module):
    """Windows of every kind, and every activation. same: with padding="same", which PyTorch 1.13 does not export."""
    def __init__(self, same=False):
        super().__init__()
        self.conv1 = nn.Conv3d(3, 8, (3, 5, 3), (1, 2, 1), (1, 2, 0), bias=False)
        self.bn1, self.relu = nn.BatchNorm3d(8, eps=1e-3), nn.ReLU(inplace=True)
        self.grouped, self.leaky = nn.Conv3d(8, 8, 3, padding=2, dilation=2, groups=4), nn.LeakyReLU(0.2)
        self.same, self.act6 = nn.Conv3d(8, 12, (2, 3, 4), padding="same" if same else (0, 1, 3)), nn.ReLU6()
        self.maxpool = nn.MaxPool3d((1, 2, 3), (1, 2, 2), (0, 1, 1), ceil_mode=True)
        self.avgpool = nn.AvgPool3d(3, 2, 1, count_include_pad=False)
        self.avgpool2 = nn.AvgPool3d((3, 2, 2), (1, 2, 1), (1, 1, 0))
        self.silu, self.hswish = nn.SiLU(), nn.Hardswish()
        self.gates = nn.Sequential(Gate(12, nn.Sigmoid()), Gate(12, nn.Hardsigmoid(), repeat=True))
        self.head = Head(12)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.maxpool(self.act6(self.same(self.leaky(self.grouped(x)))))
        x = self.avgpool2(self.avgpool(self.silu(x)))
        return self.head(self.gates(self.hswish(x)))


class Excited(nn.Module):
    """Squeeze and excitation by linear layers, as MONAI and SENet spell it. 16 channels: as many as the clip is wide."""
    class Excite(nn.Module):
        def __init__(self, channels, spelling):
            super().__init__()
            self.fc1, self.fc2, self.spelling = nn.Linear(channels, 4), nn.Linear(4, channels), spelling

        def forward(self, x):
            n, c = x.shape[:2]
            y = F.adaptive_avg_pool3d(x, 1).view(n, c)
            y = torch.sigmoid(self.fc2(F.relu(self.fc1(y))))
            if self.spelling == "view":
                return x * y.view(n, c, 1, 1, 1).repeat(1, 1, *x.shape[2:]).view_as(x)
            if self.spelling == "expand":
                return x * y.view(n, c, 1, 1, 1).expand_as(x)
            return x + x * y[:, :, None, None, None] if self.spelling == "index" else y.reshape(*y.shape, 1, 1, 1).mul(x)

    def __init__(self):
        super().__init__()
        self.conv, self.second = nn.Conv3d(3, 16, 3, padding=1), nn.Conv3d(16, 12, 1)
        self.gates = nn.ModuleList(self.Excite(c, way) for c, way in ((16, "view"), (16, "index"), (12, "expand"), (12, "reshape")))
        self.head = Head(12)

    def forward(self, x):
        x = self.gates[1](self.gates[0](self.conv(x)))
        return self.head(self.gates[3](self.gates[2](self.second(x))))


class Branches(nn.Module):
    """Split, shuffle, concatenate, add; the shortcut of appended zeros; padding of every kind."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(3, 8, 3, padding=1)
        self.left, self.right = nn.Conv3d(4, 6, 1), nn.Conv3d(4, 6, 3, padding=1)
        self.block, self.head = nn.Conv3d(16, 16, 3, padding=1), Head(16)

    def forward(self, x):
        x = self.stem(F.pad(x, (2, 1, 0, 3, 1, 0), value=0.25))
        a, b = x.chunk(2, dim=1)
        x = torch.cat([self.left(a), self.right(b)], 1)
        n, c, t, h, w = x.size()
        x = x.view(n, 3, c // 3, t, h, w).transpose(1, 2).contiguous().view(n, c, t, h, w)
        first, last = torch.split(x, [5, 7], 1)
        x = torch.cat((last, first), dim=1)
        short = F.avg_pool3d(x, 1, stride=1)
        short = torch.cat([short, x.new_zeros(1, 4, t, h, w)], 1)
        x = F.relu(self.block(F.pad(x, (0, 0, 0, 0, 0, 0, 1, 3))) + short)
        return self.head(F.pad(x, (-1, 2, 0, -2)))


class Frames(nn.Module):
    """Two pathways: frames taken by number, slices from the end and with steps, one frame alone."""
    def __init__(self):
        super().__init__()
        self.register_buffer("slow", torch.linspace(0, 7, 3).long(), persistent=False)  # 0, 3, 7: not evenly spaced
        self.fast, self.lateral = nn.Conv3d(3, 4, 3, padding=1), nn.Conv3d(4, 4, (5, 1, 1), stride=(4, 1, 1),
                                                                           padding=(2, 0, 0))
        self.path, self.head = nn.Conv3d(3, 4, 1), Head(12)

    def forward(self, x):
        fast = self.fast(x)
        lateral = self.lateral(fast)
        slow = self.path(torch.index_select(x, 2, self.slow))[:, :, :2]
        one = fast[:, :, -3].unsqueeze(2)
        some = fast[:, :, 1::4, :, :]
        return self.head(torch.cat([slow, lateral, some + one], 1)[..., -12:, 2:-1:2])


class PermutedHead(nn.Module):
    """As pytorchvideo's heads: a linear layer over the channels at every position, softmax, then the mean."""
    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv3d(3, 6, 3, 2), nn.AvgPool3d((2, 3, 3), 1)
        self.proj, self.activation, self.output_pool = nn.Linear(6, CLASSES), nn.Softmax(dim=1), nn.AdaptiveAvgPool3d(1)

    def forward(self, x):
        x = self.pool(self.conv(x)).permute((0, 2, 3, 4, 1))
        x = self.proj(x).permute((0, 4, 1, 2, 3))
        x = self.output_pool(self.activation(x))
        return x.view(x.shape[0], -1)


class Means(nn.Module):
    """The mean over H and W, then over T; a mean spelt as a flattening."""
    def __init__(self):
        super().__init__()
        self.conv, self.temporal, self.fc = nn.Conv3d(3, 6, 3), nn.Conv3d(6, 6, (3, 1, 1)), nn.Linear(12, CLASSES)

    def forward(self, x):
        x = self.conv(x)
        y = self.temporal(x.mean([-1, 3], keepdim=True)).mean((2, 3, 4))
        z = x.flatten(2).mean(-1)
        return self.fc(torch.cat([y, z], dim=1))


class Flat(nn.Module):
    """As C3D: the whole map flattened, two linear layers, softmax; a bias added by hand."""
    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv3d(3, 4, 3, padding=1), nn.MaxPool3d(4)
        self.fc6, self.fc7, self.shift = nn.Linear(4 * 2 * 4 * 4,
                                                   9), nn.Linear(9, CLASSES,
                                                                 bias=False), nn.Parameter(torch.randn(CLASSES))

    def forward(self, x):
        x = self.pool(F.relu(self.conv(x))).view(-1, 4 * 2 * 4 * 4)
        return F.softmax(self.fc7(F.dropout(F.relu(self.fc6(x)), 0.5, self.training)) + self.shift, dim=1)


class Constants(nn.Module):
    """The clip is normalised inside; a scale and a shift for each channel; gates written out; squeeze() of all dimensions."""
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1, 1))
        self.scale, self.shift = nn.Parameter(torch.randn(6, 1, 1, 1)), nn.Parameter(torch.randn(1, 6, 1, 1, 1))
        self.conv, self.second, self.fc = nn.Conv3d(3, 6, 3), nn.Conv3d(6, 6, 1, bias=False), nn.Linear(6, CLASSES)

    def forward(self, x):
        x = self.conv((x - self.mean) / 0.225)
        x = x * self.scale + self.shift
        x = x * torch.sigmoid(x)
        x = self.second(x) * 1.5
        x = x * (F.relu6(x + 3) / 6)
        x = x + 2 * x
        return self.fc(x.mean([2, 3, 4], keepdim=True).squeeze())[None]


class SamePadding(nn.Conv3d):
    """TensorFlow's, as the published I3D spells it: what it adds depends on the size, so torch.fx cannot follow it."""
    def forward(self, x):
        pad = []
        for size, kernel, stride in list(zip(x.shape[2:], self.kernel_size, self.stride))[::-1]:
            total = max(0, (kernel if size % stride == 0 else kernel - size % stride + stride) - stride)
            pad += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pad))


class Untraceable(nn.Module):
    """Its code asks for a tensor, and torch.fx has a proxy. A shortcut of zeros."""
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(SamePadding(3, 4, (3, 6, 2), (2, 3, 1)), nn.BatchNorm3d(4), nn.ReLU())
        self.conv, self.head = nn.Conv3d(4, 8, 3, padding=1), Head(8)

    def forward(self, x):
        assert isinstance(x, torch.Tensor), "a proxy of torch.fx is none"
        x = self.features(x)
        n, c, t, h, w = x.shape
        return self.head(self.conv(x) + torch.cat([x, torch.zeros(n, 4, t, h, w, dtype=x.dtype)], 1))


class Activations(nn.Module):
    """The rarer activations, with parameters that are no defaults; GELU and Mish also written out."""
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 6, 3), Head(6)
        self.acts = nn.Sequential(nn.PReLU(6), nn.ELU(0.7), nn.GELU(), nn.PReLU(init=-0.1), nn.SELU(), nn.Mish(),
                                  nn.CELU(0.5), nn.Tanh(), nn.Hardtanh(-0.5, 0.75), nn.LeakyReLU(-0.2))
        self.soft = nn.Softplus()

    def forward(self, x):
        x = self.soft(self.acts(self.conv(x)))
        x = x * 0.5 * (1 + torch.erf(x / 2 ** 0.5))
        return self.head(torch.clamp(x * torch.tanh(F.softplus(x)), max=0.9))


class ClipNorms(nn.Module):
    """Norms by the clip's own statistics: of each channel, of groups of channels, of the channels at each position (as ConvNeXt
    spells it), of the whole clip."""
    def __init__(self):
        super().__init__()
        self.conv, self.second, self.head = nn.Conv3d(3, 8, 3), nn.Conv3d(8, 12, 2), Head(12)
        self.instance, self.plain = nn.InstanceNorm3d(8, affine=True), nn.InstanceNorm3d(12)
        self.group, self.free = nn.GroupNorm(4, 8), nn.GroupNorm(3, 12, affine=False)
        self.layer, self.proj, self.whole = nn.LayerNorm(12, eps=1e-6), nn.Linear(12, 12), nn.LayerNorm((12, 5, 13, 13), elementwise_affine=False)
        for norm in (self.instance, self.group, self.layer):
            norm.weight.data.uniform_(0.5, 1.5), norm.bias.data.normal_(0, 0.3)

    def forward(self, x):
        x = self.group(F.relu(self.instance(self.conv(x))))
        x = self.plain(self.free(F.relu(self.second(x))) * 0.7 + 0.1)
        x = self.whole(x + self.proj(self.layer(x.permute(0, 2, 3, 4, 1))).permute(0, 4, 1, 2, 3))
        return self.head(x * 1.5)


class Places(nn.Module):
    """Padding by edges and by reflection, upsampling by whole factors, concatenation along T, H and W."""
    def __init__(self):
        super().__init__()
        self.edges = nn.Conv3d(3, 4, 3, padding=(1, 0, 2), padding_mode="replicate")
        self.mirror = nn.Conv3d(4, 6, (3, 3, 1), padding=(1, 1, 0), padding_mode="reflect")
        self.up, self.around, self.head = nn.Upsample(scale_factor=(1, 2, 2)), nn.ReplicationPad3d((1, 0, 2, 1, 0, 3)), Head(6)

    def forward(self, x):
        x = F.relu(self.mirror(F.pad(self.edges(x), (2, 1, 0, 1, 1, 1), mode="reflect")))
        y = self.up(F.max_pool3d(x, (1, 2, 2)))
        x = torch.cat([self.around(x), self.around(x * 0.5)[:, :, 1:]], 2)
        y = torch.cat((F.interpolate(y, size=(y.shape[2], 2 * y.shape[3], y.shape[4])), y), dim=3)
        return self.head(F.relu(x)) + self.head(torch.cat([y, 0.3 * y], -1))


NETWORKS = {network.__name__: network for network in (Ops, Excited, Branches, Frames, PermutedHead, Means, Flat, Constants, Activations, ClipNorms, Places)}


def made(network, seed=0):
    """The network with random weights and running statistics that are no defaults, in eval mode."""
    torch.manual_seed(seed)
    module = network()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_var.uniform_(0.5, 1.5)
            part.running_mean.normal_(0, 0.3)
            if part.affine:
                part.weight.data.uniform_(0.5, 1.5)
                part.bias.data.normal_(0, 0.3)
    module.eval()
    return module


def clip(seed=0):
    return torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(seed))
