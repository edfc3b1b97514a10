"""Networks for check_torch_import: code that only torch.fx sees (in-place, called again, ...), and code to be refused."""
import warnings

import torch
import torch.nn.functional as F
from torch import nn

from small_networks import CLASSES, Head


class Called(nn.Module):
    """Names: a module called twice, functions inside and outside of modules, paths that end in _1."""
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_1, self.conv_2, self.relu = nn.Conv3d(4, 4, 1), nn.Conv3d(4, 4, 1), nn.ReLU()

        def forward(self, x):
            return F.relu(self.relu(self.conv_2(self.relu(self.conv_1(x)))) + x) + x

    def __init__(self):
        super().__init__()
        self.stem, self.blocks, self.head = nn.Conv3d(3, 4, 3), nn.Sequential(self.Block(), self.Block()), Head(4)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)) + 1)


CALLED = {"stem", "add", "head.pool", "head.fc"} | {f"blocks.{i}.{name}" for i in (0, 1) for name in (
    "conv_1", "relu", "conv_2", "relu_1", "add", "relu_2", "add_1")}


class InPlace(nn.Module):
    """The shortcut sees what the activation did in place; clone() keeps it from that."""
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.relu = nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4, affine=False), nn.ReLU(inplace=True)
        self.second, self.third, self.head = nn.Conv3d(4, 4, 1), nn.Conv3d(4, 4, 1), Head(4)

    def forward(self, x):
        x = self.bn(self.conv(x))
        shortcut = x
        x = self.second(self.relu(x)) + shortcut       # shortcut is positive by now
        kept = x.clone()
        x = self.third(F.leaky_relu(x, 0.1, inplace=True)) + kept
        y = x
        x += 0.5
        x.mul_(2)
        F.relu_(x)
        return self.head(x + y)


class Reshaped(nn.Module):
    """Indexing and rearranging in every spelling."""
    def __init__(self):
        super().__init__()
        self.pad, self.cut = nn.ConstantPad3d((1, 0, 0, 2, 1, 0), 0.5), nn.ConstantPad3d((-1, 0, -2, 1, -1, 0), 0.0)
        self.conv, self.shuffle = nn.Conv3d(3, 8, 3, padding="same", dilation=2), nn.ChannelShuffle(4)
        self.pool, self.fc1 = nn.AdaptiveAvgPool3d((2, None, 1)), nn.Linear(4 * 2 * 16, 6)
        self.bn1, self.fc2 = nn.BatchNorm1d(6), nn.Linear(6, CLASSES)

    def forward(self, x):
        x = self.shuffle(self.conv(self.cut(self.pad(x))))
        x = x[:, [0, 2, 4, 6]].unflatten(1, (2, -1)).flatten(1, 2)
        a, b, c, d = x.unbind(1)
        x = torch.cat([t.unsqueeze(1) for t in (d, b)] + [x.narrow(1, 2, 1), x.select(1, 0)[:, None]], dim=1)
        x = x[..., :-1, :].clamp(min=0).transpose(3, 4).contiguous().transpose(-1, -2)
        x = self.pool(x).permute(0, 2, 3, 4, 1).reshape(x.size(0), -1)   # channels last
        return self.fc2(F.relu(self.bn1(self.fc1(x))))


class Sized(nn.Module):
    """Code that asks for sizes and makes tensors of them: len, loops, branches, .data, detach, frames taken by number."""
    def __init__(self):
        super().__init__()
        self.conv, self.same, self.head = nn.Conv3d(3, 4, 3, padding=1), nn.Conv3d(4, 8, 1), Head(17)
        self.scale = nn.Parameter(torch.rand(4, 1, 1, 1))
        self.register_buffer("order", torch.tensor([3, 1, 0, 2]))

    def pathways(self, x, alpha=4):
        """As SlowFast's PackPathway."""
        at = torch.linspace(0, x.shape[2] - 1, x.shape[2] // alpha).long()
        return [torch.index_select(x, 2, at), x]

    def forward(self, x):
        if len(x.shape) != 5 or len(x) != 1 or x.size(1) == 1 or x.ndim < 5:
            raise ValueError("N x C x T x H x W is wanted")
        slow, fast = self.pathways(x)
        weight = self.scale.detach() * len(self.scale) / self.scale.data.new_ones(1).numel()
        fast = self.conv(fast.data) * weight
        n, c, t, h, w = fast.shape
        parts = [part for part in fast.chunk(2, dim=1)]
        for i in range(len(parts)):
            parts[i] = parts[i].detach() if i % 2 else parts[i] + float(t) / len(parts)
        fast = torch.cat(parts, 1)[:, torch.index_select(torch.arange(c), 0, self.order).tolist()[:1]]
        wide = self.same(self.conv(slow))
        steps = t // wide.shape[2]
        fast = F.avg_pool3d(fast, (steps, 1, 1), (steps, 1, 1))
        zeros = torch.zeros(n, 16 - wide.shape[1], *wide.shape[2:], dtype=wide.dtype, device=wide.device)
        return self.head(torch.cat([torch.cat([wide, zeros], 1), fast.expand(n, 1, *wide.shape[2:])], 1))


class Spelt(nn.Module):
    """An operation that torch.fx records and only the exporter spells out."""
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv3d(3, 4, 3), nn.Linear(4, CLASSES)

    def forward(self, x):
        return self.fc(torch.movedim(self.conv(x), 1, 4)).mean((1, 2, 3))


def channels(count=1):
    """A network of another number of channels; the module that is made first is not the one that reads the clip."""
    return nn.Sequential(nn.Conv3d(int(count), 4, 3), nn.ReLU(), Head(4))


class Optional(nn.Module):
    """Arguments that have defaults: it runs as if it was called with the clip alone."""
    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv3d(3, 4, 1), nn.ReLU(), Head(4)

    def forward(self, x, mask=None, flag=False, times=2):
        x = self.conv(x)
        if mask is not None:
            x = x * mask
        if flag:
            x = torch.erf(x)
        for _ in range(times):
            x = self.relu(x - times)
        return self.head(x)


class Starred(Optional):
    """The same for the import through ONNX, at least with PyTorch 1.13."""
    def forward(self, x, mask=None, *more, flag=False, **others):
        return super().forward(x, mask, flag)


class Tuple(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 1)

    def forward(self, x):
        return self.conv(x), x


class Unmapped(nn.Module):
    """Four operations without a counterpart, one after the other, with others between them."""
    def __init__(self):
        super().__init__()
        self.up, self.conv, self.head = nn.Upsample(scale_factor=2, mode="trilinear"), nn.Conv3d(3, 4, 3), Head(4)
        self.norm = nn.LocalResponseNorm(2)
        self.pool = nn.LPPool2d(2, 2)

    def forward(self, x):
        return self.head(torch.acos(self.pool(F.relu(self.norm(F.relu(self.conv(self.up(x))))))))


class One(nn.Module):
    """One layer that is refused, between a convolution and a head."""
    def __init__(self, layer):
        super().__init__()
        self.conv, self.layer, self.head = nn.Conv3d(3, 4, 1), layer, Head(4)

    def forward(self, x):
        return self.head(self.layer(self.conv(x)))


class Apply(nn.Module):
    """The same for a function."""
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def hooked():
    layer = nn.Conv3d(4, 4, 1)
    layer.register_forward_hook(lambda module, args, out: 2 * out)
    return layer


def part_in_place(x):
    first = x[:, :2]
    first.relu_()
    return x


class Ordered(nn.Module):
    """24 scores as they are not in the order of the classes."""
    def __init__(self, order, shape):
        super().__init__()
        self.conv, self.order, self.shape = nn.Conv3d(3, 24, 1), order, shape

    def forward(self, x):
        return self.conv(x).mean((2, 3, 4)).view(1, *self.shape).permute(self.order)


class Wrapped(nn.Module):
    """after: what is done to the scores."""
    def __init__(self, after):
        super().__init__()
        self.conv, self.head, self.after = nn.Conv3d(3, 4, 1), Head(4), after

    def forward(self, x):
        return self.after(self.head(self.conv(x)))


class Rare(Wrapped):
    """It does so on bright clips alone, and torch.fx never sees it."""
    def forward(self, x):
        scores = self.head(self.conv(x))
        return self.after(scores) if isinstance(x, torch.Tensor) and x.max() > 20 else scores


class Training(One):
    def train(self, mode=True):
        super().train(mode)
        self.layer.train()
        return self


class NoEval(nn.Module):
    def train(self, mode=True):
        raise RuntimeError("not me")


class Changed(nn.Module):
    """It is not what its classes say: methods of a subclass, of one layer, hooks of the whole; it changes the clip itself."""
    class Standardised(nn.Conv3d):
        def _conv_forward(self, x, weight, bias):
            return super()._conv_forward(x, weight - weight.mean(), bias)

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.head = self.Standardised(3, 4, 3), nn.ReLU(), Head(4)
        self.relu.forward = lambda x: F.relu(x) + 1

    def train(self, mode=True):
        super().train(mode)             # and returns nothing

    def forward(self, x):
        x = self.relu(self.conv(x.mul_(2)))
        F.leaky_relu(x, 0.3, True)
        return self.head(x - torch.tensor(3, dtype=torch.uint8))


class Hooked(nn.Module):
    """Hooks of the whole, which torch.fx does not see."""
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 1), Head(4)
        self.register_forward_pre_hook(lambda module, args: (args[0] * 3,))
        self.register_forward_hook(lambda module, args, out: out.softmax(1))

    def forward(self, x):
        return self.head(self.conv(x))


class Maxima(nn.Module):
    """The largest of the whole map, in every spelling."""
    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.fc = nn.Conv3d(3, 4, 3), nn.AdaptiveMaxPool3d(1), nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.conv(x)
        every = [self.pool(x).flatten(1), F.adaptive_max_pool3d(x, (1, 1, 1)).flatten(1), x.amax((2, 3, 4)),
                 x.max(-1)[0].max(-1).values.max(2)[0]]
        return self.fc(torch.cat(every, 1))


class Ending(nn.Module):
    """Scores after one of the usual ends of networks."""
    ENDS = {"module": nn.LogSoftmax(dim=1), "function": lambda z: F.log_softmax(z, dim=1), "method": lambda z: z.log_softmax(1),
            "torch": lambda z: torch.log_softmax(z, 1), "sigmoid": torch.sigmoid, "inside": lambda z: z.log_softmax(1) * 2}

    def __init__(self, end="module"):
        super().__init__()
        self.fc, self.end = nn.Linear(3, CLASSES), self.ENDS[end]

    def forward(self, x):
        return self.end(self.fc(x.mean((2, 3, 4))))


class Copied(nn.Module):
    """Its state is a copy."""
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 1), Head(4)
        self._register_state_dict_hook(lambda module, state, prefix, local: type(state)(
            (key, tensor.clone()) for key, tensor in state.items()))

    def forward(self, x):
        return self.head(self.conv(x))


class Deaf(Copied):
    def load_state_dict(self, state, strict=True):
        pass


class Number(nn.Module):
    """What it takes from the clip is a number by then."""
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv3d(3, 4, 1), Head(4)

    def forward(self, x):
        return self.head(self.conv(x)) * (3 if x.sum() == 1e30 else 2)


def lazy():
    with warnings.catch_warnings():      # PyTorch's, that they are new
        warnings.simplefilter("ignore")
        return nn.Sequential(nn.LazyConv3d(4, 1), Head(4))


def build(kind="Hooked"):
    return globals()[kind]().half() if kind == "Copied" else globals()[kind]()


PUBLISHED = {  # of the folder networks: (architecture, layout) -> (frames, size, traced by every torch.fx)
    ("resnet-18", "hara2018-shortcut-a"): (8, 32, False), ("densenet-121", "hara2020"): (16, 64, True),
    ("mfnet", "mfnet"): (8, 64, True), ("i3d", "piergiaj"): (16, 224, False), ("x3d-xs", "pytorchvideo"): (4, 64, True),
    ("slowfast-r50", "pytorchvideo"): (8, 64, False)}


def published(arch, layout):
    from importers.architectures import scaled
    from networks import NETWORKS
    frames, size, _ = PUBLISHED[arch, layout]
    return NETWORKS[arch, layout](CLASSES, scaled(0.125), 3, frames, size)


def moved(norm):
    norm.weight.data.normal_()
    return norm


REFUSED = {  # what -> (the network, words of the refusal)
    "padding_mode": (lambda: One(nn.Conv3d(4, 4, 3, padding_mode="circular")), "layer (Conv3d): padding_mode circular"),
    "no statistics": (lambda: One(nn.BatchNorm3d(4, track_running_stats=False)), "layer (BatchNorm3d): statistics"),
    "dilated pool": (lambda: One(nn.MaxPool3d(2, dilation=2)), "layer (MaxPool3d): dilation"),
    "indices": (lambda: One(nn.MaxPool3d(2, return_indices=True)), "layer (MaxPool3d): the indices"),
    "divisor": (lambda: One(nn.AvgPool3d(2, divisor_override=3)), "layer (AvgPool3d): divisor_override"),
    "adaptive sizes": (lambda: One(nn.AdaptiveAvgPool3d(3)), "layer (AdaptiveAvgPool3d): an adaptive pool"),
    "norm over positions": (lambda: One(nn.LayerNorm((8, 16, 16))), "layer (LayerNorm): LayerNorm over T,H,W mixes positions: no counterpart"),
    "norm over W": (lambda: One(Apply(lambda x: F.layer_norm(x, (16,)))), "layer.layer_norm (layer_norm): LayerNorm over W mixes positions"),
    "norm with weights of positions": (lambda: One(moved(nn.LayerNorm((4, 8, 16, 16)))), "layer (LayerNorm): LayerNorm over C,T,H,W has another weight at each position"),
    "recurrent": (lambda: One(nn.GRU(16, 4)), "layer (GRU): is recurrent"),
    "attention": (lambda: One(Apply(lambda x: torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)))), "(bmm): a product of two tensors, as attention"),
    "random numbers": (lambda: Wrapped(lambda x: x * torch.rand(5)), "gives other scores each time that it is run"),
    "transposed": (lambda: One(nn.ConvTranspose3d(4, 4, 1)), "layer (ConvTranspose3d): a transposed convolution: no counterpart"),
    "a 2-D convolution": (lambda: One(nn.Conv2d(4, 4, 1)), "layer (Conv2d): a convolution over 2 dimensions"),
    "hooks": (lambda: One(hooked()), "layer (Conv3d): has forward hooks"),
    "softmax over W": (lambda: One(nn.Softmax(dim=4)), "layer (Softmax): softmax over another dimension"),
    "clamp": (lambda: One(Apply(lambda x: x.clamp(1, 1))), "layer.clamp (clamp): clips to 1 ... 1"),
    "error function": (lambda: One(Apply(lambda x: torch.erf(x))), "layer.erf (erf): is known inside of a GELU only"),
    "sum": (lambda: One(Apply(lambda x: x.sum((2, 3, 4)))), "layer.sum (sum): a reduction that a model file does not have: no counterpart"),
    "difference": (lambda: One(Apply(lambda x: x - x.mean((2, 3, 4), True))), "layer.sub (sub): a difference"),
    "mean over channels": (lambda: One(Apply(lambda x: x * x.mean(1, True))), "layer.mean (mean): a mean over dim"),
    "wrapping": (lambda: One(Apply(lambda x: F.pad(x, (1, 1, 0, 0, 0, 0), "circular"))), "layer.pad (pad): mode circular"),
    "joined with constants": (lambda: One(Apply(lambda x: torch.cat([x, torch.ones(1, 4, 1, 16, 16)], 2))), "layer.cat (cat): a concatenation with constants along T"),
    "a factor and a half": (lambda: One(nn.Upsample(scale_factor=1.5)), "layer (Upsample): resizes 1 x 4 x 8 x 16 x 16 1.5 x 1.5 x 1.5 times"),
    "a part of the batch": (lambda: One(Apply(lambda x: x[0])), "N x C x T x H x W"),
    "a part changed in place": (lambda: One(Apply(part_in_place)), "was changed in place"),
    "active dropout": (lambda: One(Apply(lambda x: F.dropout(x))), "layer.dropout (dropout): is on"),
    "matmul": (lambda: One(Apply(lambda x: x @ x.transpose(3, 4))), "layer.matmul (matmul): a product of two tensors"),
    "swapped axes": (lambda: One(Apply(lambda x: x.transpose(2, 3))), "rearrangement"),
    "two results": (Tuple, "2 results"),
    "whole numbers": (lambda: One(Apply(lambda x: (3 * x).to(torch.int32).to(torch.float32))), "layer.to (to): a tensor"),
    "as whole numbers": (lambda: One(Apply(lambda x: x.type_as(torch.zeros(1, dtype=torch.int64)) * 0.5)),
                         "layer.type_as (type_as): a tensor made whole numbers; what depends on these was not looked at"),
    "maxima of the batch": (lambda: One(Apply(lambda x: x * x.amax())), "layer.amax (amax): a maximum over dim"),
    "another order of classes": (lambda: Ordered((0, 3, 2, 1), (2, 3, 4)), "in another order"),
    "a transposed output": (lambda: Ordered((0, 2, 1), (4, 6)), "in another order"),
    "a dictionary": (lambda: Wrapped(lambda x: {"out": x}), "gives a dictionary (out)"),
    "dropout that stays on": (lambda: Training(nn.Dropout(0.5)), "layer: in training mode even after eval()"),
    "a batch norm that stays on": (lambda: Training(nn.BatchNorm3d(4)), "layer: in training mode even after eval()"),
    "an eval() that fails": (lambda: NoEval(), "its eval() failed: RuntimeError: not me"),
    "a lazy layer": (lambda: lazy(), "0.weight: has no size yet"),
    "no values": (lambda: Head(3).to("meta"), "has no values"),
    "an exit": (lambda: Wrapped(lambda x: exit(3)), "SystemExit: 3"),
    "a rare branch": (lambda: Rare(lambda x: 3 * x), "does not compute what the module does on every clip"),
    "an exit on some clips": (lambda: Rare(lambda x: exit(3)), "running it on a clip failed: SystemExit: 3"),
    "no memory": (lambda: Rare(lambda x: torch.zeros(1 << 50)), "not enough memory to run it on a clip of 1 x 3 x 8 x 16 x 16"),
    "no memory for one clip": (lambda: Wrapped(lambda x: x + torch.zeros(1 << 50)), "not enough memory"),
    "no scores": (lambda: nn.Conv3d(3, 4, 1), "score a class"),
    "no layers": (lambda: nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten()), "nothing to explain"),
}


def refused(what):
    return REFUSED[what][0]()


class Softened(nn.Module):
    """A softplus with numbers, which the exporters do not take."""
    def __init__(self):
        super().__init__()
        self.conv, self.soft, self.head = nn.Conv3d(3, 4, 1), nn.Softplus(2, 0.5), Head(4)

    def forward(self, x):
        return self.head(self.soft(self.conv(x)))


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


class Branching(nn.Module):
    """A tracer follows one of the two ways: that of the clip it has, or that of a proxy."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 1)

    def forward(self, x):
        x = 10 * self.conv(x) if x.mean() > 0 else self.conv(x).relu()
        return x.mean((2, 3, 4))


class Looping(nn.Module):
    """Neither torch.fx nor the exporter gets through."""
    def forward(self, x):
        for value in x.flatten():
            if value > 0:
                raise ValueError("not for tracing")
        raise ValueError("not for tracing")


def broken():
    raise RuntimeError("no such luck")


def number():
    return 3
