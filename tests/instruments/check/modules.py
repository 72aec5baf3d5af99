"""Modules as students write them: each wrong one beside the right one, and right ones that are written unusually."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Single-head attention; the options are the mistakes."""

    def __init__(self, dim=-1, scale=True, mask="", swap=False, project=True, order=("q", "k", "v")):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))
        self.dim, self.scale, self.mask, self.swap, self.project, self.order = dim, scale, mask, swap, project, order

    def forward(self, x):
        q, k, v = (getattr(self, name)(x) for name in self.order)
        scores = q @ k.transpose(-2, -1)
        if self.scale:
            scores = scores / math.sqrt(8)
        if self.mask:
            n = x.shape[1]
            ones = torch.ones(n, n, dtype=torch.bool)
            hidden = {"causal": ones.triu(1), "itself": ones.triu(0), "past": ones.tril(-1)}[self.mask]
            scores = scores.masked_fill(hidden, float("-inf") if self.mask != "itself" else -1e9)
        weights = torch.softmax(scores, self.dim)
        return self.out(weights @ v)


class Residual(nn.Module):
    def __init__(self, mode="right", inplace=False):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.bn1, self.bn2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.mode, self.act = mode, nn.ReLU(inplace)

    def forward(self, x):
        z = self.act(x) if self.mode == "in place" else x
        z = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(z)))))
        return {
            "after": lambda: torch.relu(z) + x,
            "detach": lambda: torch.relu(z + x.detach()),
            "detach inside": lambda: torch.relu(z.detach() + x),
            "no grad": lambda: torch.relu(z + self.identity(x)),
            "missing": lambda: torch.relu(z),
            "minus": lambda: torch.relu(z - x),
            "twice": lambda: torch.relu(z + x + x),
        }.get(self.mode, lambda: torch.relu(z + x))()

    @torch.no_grad()
    def identity(self, x):
        return x * 1


class ResidualInPlace(nn.Module):
    """A residual of an input that an in-place ReLU has written over."""

    def __init__(self, inplace=True):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=inplace)

    def forward(self, x):
        x = x * 2
        return self.conv(self.act(x)) + x


class LayerNorm(nn.Module):
    def __init__(self, mode="right", size=8, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))
        self.mode, self.eps = mode, eps

    def forward(self, x):
        axis = 0 if self.mode == "axis" else -1
        mean = x.mean(axis, keepdim=True)
        var = x.var(axis, keepdim=True, unbiased=self.mode == "unbiased")
        root = var.sqrt() + self.eps if self.mode == "eps" else torch.sqrt(var + self.eps)
        if self.mode == "variance":
            root = var + self.eps
        z = (x - mean) / root
        if self.mode == "order":
            return (z + self.bias) * self.weight
        if self.mode == "bias twice":
            return z * self.weight + self.bias + self.bias
        return z * self.weight + self.bias


class BatchNorm(nn.Module):
    """BatchNorm1d by hand."""

    def __init__(self, momentum=0.1, unbiased=True, uses_batch=False):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(5)), nn.Parameter(torch.zeros(5))
        self.register_buffer("running_mean", torch.zeros(5))
        self.register_buffer("running_var", torch.ones(5))
        self.momentum, self.unbiased, self.uses_batch = momentum, unbiased, uses_batch

    def forward(self, x):
        if self.training or self.uses_batch:
            mean, var = x.mean(0), x.var(0, unbiased=False)
            with torch.no_grad():
                kept = x.var(0, unbiased=self.unbiased)
                self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
                self.running_var.mul_(1 - self.momentum).add_(self.momentum * kept)
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + 1e-5) * self.weight + self.bias


class Cell(nn.Module):
    """An LSTM over a sequence (T, N, 3) with four units; torch's order of gates is i, f, g, o."""

    def __init__(self, gates="ifgo", forget="f", tanh=True):
        super().__init__()
        self.weight_ih_l0, self.weight_hh_l0 = nn.Parameter(torch.randn(16, 3)), nn.Parameter(torch.randn(16, 4))
        self.bias_ih_l0, self.bias_hh_l0 = nn.Parameter(torch.randn(16)), nn.Parameter(torch.randn(16))
        self.gates, self.tanh = gates, tanh

    def forward(self, x):
        h = c = torch.zeros(x.shape[1], 4)
        outputs = []
        for row in x:
            z = row @ self.weight_ih_l0.T + self.bias_ih_l0 + h @ self.weight_hh_l0.T + self.bias_hh_l0
            gate = dict(zip(self.gates, z.chunk(4, 1), strict=True))
            i, f, o = (torch.sigmoid(gate[name]) for name in "ifo")
            c = f * c + i * torch.tanh(gate["g"])
            h = o * (torch.tanh(c) if self.tanh else c)
            outputs.append(h)
        return torch.stack(outputs)


class TheLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4)

    def forward(self, x):
        return self.lstm(x)[0]


class Positions(nn.Module):
    """Sinusoidal positions added to (N, T, 8)."""

    def __init__(self, base=10000.0, mixed=True):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        t, k = torch.arange(6.0)[:, None], torch.arange(0, 8, 2)
        angle = t / base ** (k / 8)
        table = torch.zeros(6, 8)
        if mixed:
            table[:, 0::2], table[:, 1::2] = angle.sin(), angle.cos()
        else:
            table[:, :4], table[:, 4:] = angle.sin(), angle.cos()
        self.register_buffer("table", table)

    def forward(self, x):
        return self.fc(x + self.table)


class Heads(nn.Module):
    """Two heads: the mistake is a view where axes have to be moved."""

    def __init__(self, view=False):
        super().__init__()
        self.q, self.k, self.v, self.view = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8), view

    def split(self, x):
        n, t, _ = x.shape
        return x.reshape(n, 2, t, 4) if self.view else x.reshape(n, t, 2, 4).transpose(1, 2)

    def forward(self, x):
        q, k, v = (self.split(layer(x)) for layer in (self.q, self.k, self.v))
        z = F.scaled_dot_product_attention(q, k, v)
        return z.transpose(1, 2).reshape(x.shape)


class Dropping(nn.Module):
    """fc → relu → dropout → fc."""

    def __init__(self, drop=None, functional=None, before=False):
        super().__init__()
        self.one, self.two, self.before = nn.Linear(8, 8), nn.Linear(8, 4), before
        self.drop, self.functional = drop, functional

    def forward(self, x):
        if self.before and self.drop is not None:
            x = self.drop(x)
        x = torch.relu(self.one(x))
        if self.functional is not None:
            x = self.functional(x, self.training)
        if self.drop is not None and not self.before:
            x = self.drop(x)
        return self.two(x)


class MyDropout(nn.Module):
    def __init__(self, p=0.5, scaled=True, in_eval=False, keep=False, fixed=False):
        super().__init__()
        self.p, self.scaled, self.in_eval, self.keep, self.fixed = p, scaled, in_eval, keep, fixed

    def forward(self, x):
        if not self.training and not self.in_eval:
            return x
        generator = torch.Generator().manual_seed(1) if self.fixed else None
        chance = torch.rand(x.shape, generator=generator, dtype=x.dtype)
        mask = (chance < self.p) if self.keep else (chance >= self.p)
        return x * mask / ((1 - self.p) if self.scaled else 1)


class Tied(nn.Module):
    def __init__(self, tied=True):
        super().__init__()
        self.into, self.out = nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False)
        self.out.weight = self.into.weight if tied else nn.Parameter(self.into.weight.detach().clone())

    def forward(self, x):
        return self.out(torch.tanh(self.into(x)))


class Pooled(nn.Module):
    def __init__(self, mode="right"):
        super().__init__()
        self.conv, self.fc, self.mode = nn.Conv2d(2, 3, 3), nn.Linear(3, 4), mode

    def forward(self, x):
        z = torch.relu(self.conv(x))
        pool = {"sum": torch.sum, "max": torch.amax}.get(self.mode, torch.mean)
        return self.fc(pool(z, (2, 3)))


class Concat(nn.Module):
    def __init__(self, turned=False):
        super().__init__()
        self.a, self.b, self.c, self.turned = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(6, 2), turned

    def forward(self, x):
        both = [self.a(x), self.b(x)]
        return self.c(torch.cat(both[::-1] if self.turned else both, 1))


class Gated(nn.Module):
    def __init__(self, function=torch.sigmoid, sign=1):
        super().__init__()
        self.a, self.b, self.function, self.sign = nn.Linear(4, 4), nn.Linear(4, 4), function, sign

    def forward(self, x):
        gate = self.function(self.a(x))
        return gate * torch.tanh(self.b(x)) + self.sign * (1 - gate) * x


class Unfused(nn.Module):
    """Attention as `F.scaled_dot_product_attention`, written out; correct."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        q, k, v = self.q(x) * 8**-0.5, self.k(x), self.v(x)
        e = torch.exp(torch.einsum("nik,njk->nij", q, k))
        return self.out(torch.einsum("nij,njk->nik", e / e.sum(-1, keepdim=True), v))


class SplitHeads(nn.Module):
    """MultiheadAttention with separate q, k and v; correct."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = (f(x).view(n, t, 2, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = ((q @ k.transpose(-2, -1)) / 2).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(n, t, 8))


class Fused(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class MatrixLinear(nn.Module):
    """A linear layer whose weight is kept (inputs, outputs); correct."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(3))

    def forward(self, x):
        return x @ self.weight + self.bias


class Flat(nn.Module):
    """conv → leaky relu → gelu → fc, flattened channel by channel."""

    def __init__(self, slope=0.01, approximate="none", last=False):
        super().__init__()
        self.c, self.fc = nn.Conv2d(2, 3, 3), nn.Linear(48, 4)
        self.slope, self.approximate, self.last = slope, approximate, last

    def forward(self, x):
        z = F.gelu(F.leaky_relu(self.c(x), self.slope), approximate=self.approximate)
        return self.fc((z.permute(0, 2, 3, 1) if self.last else z).flatten(1))


class ConvByUnfold(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(3, 2, 3, 3)), nn.Parameter(torch.randn(3))

    def forward(self, x):
        columns = F.unfold(x, 3, padding=1)
        z = self.weight.reshape(3, -1) @ columns + self.bias[:, None]
        return z.reshape(len(x), 3, *x.shape[2:])


class Net(nn.Module):
    """conv → relu → pool → fc in modules, with names of one's own or without modules."""

    def __init__(self, functional=False):
        super().__init__()
        self.functional = functional
        self.c, self.head = nn.Conv2d(2, 3, 3), nn.Linear(12, 4)

    def forward(self, x):
        z = F.max_pool2d(F.conv2d(x, self.c.weight, self.c.bias), 2).clamp(min=0)
        return F.linear(z.flatten(1), self.head.weight, self.head.bias)


def sequential():
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4))


def of(cls, *args, **kwargs):
    return lambda: cls(*args, **kwargs)


SEQUENCE, IMAGE, IMAGE_OF_TWO, ROWS = (2, 5, 8), (2, 3, 6, 6), (2, 2, 6, 6), (7, 8)

# name: mine, the reference, the input, what is said (a fault's name, or words of the verdict or the foot)
WRONG = {
    "softmax over the wrong axis": (of(Attention, dim=1), of(Attention), SEQUENCE, "wrong axis"),
    "attention without 1/√d": (of(Attention, scale=False), of(Attention), SEQUENCE, "1/√8"),
    "residual after the relu": (of(Residual, "after"), of(Residual), IMAGE, "order"),
    "detach in the shortcut": (of(Residual, "detach"), of(Residual), IMAGE, "detached"),
    "detach in the branch": (of(Residual, "detach inside"), of(Residual), IMAGE, "detached"),
    "shortcut under no_grad": (of(Residual, "no grad"), of(Residual), IMAGE, "detached"),
    "missing residual": (of(Residual, "missing"), of(Residual), IMAGE, "missing step"),
    "residual subtracted": (of(Residual, "minus"), of(Residual), IMAGE, "another function"),
    "residual twice": (of(Residual, "twice"), of(Residual), IMAGE, "input"),
    "residual of what relu wrote over": (of(ResidualInPlace), of(ResidualInPlace, False), IMAGE, "wrong tensor"),
    "mask hides the diagonal": (of(Attention, mask="itself"), of(Attention, mask="causal"), SEQUENCE, "masked_fill"),
    "mask hides the past": (
        of(Attention, mask="past"),
        of(Attention, mask="causal"),
        SEQUENCE,
        "masked_fill takes tril where triu is expected",
    ),
    "mask forgotten": (of(Attention), of(Attention, mask="causal"), SEQUENCE, "masked_fill"),
    "query and key swapped": (of(Attention, order=("k", "q", "v")), of(Attention), SEQUENCE, "transposed"),
    "layer norm over the batch": (of(LayerNorm, "axis"), of(nn.LayerNorm, 8), ROWS, "batch for feature axis"),
    "layer norm with n − 1": (of(LayerNorm, "unbiased"), of(nn.LayerNorm, 8), ROWS, "unbiased for biased variance"),
    "ε outside the root": (of(LayerNorm, "eps", eps=1e-2), of(nn.LayerNorm, 8, 1e-2), ROWS, "epsilon misplaced"),
    "variance for deviation": (of(LayerNorm, "variance"), of(nn.LayerNorm, 8), ROWS, "square root missing"),
    "bias before the scale": (of(LayerNorm, "order"), of(LayerNorm), ROWS, "order"),
    "bias twice": (of(LayerNorm, "bias twice"), of(LayerNorm), ROWS, "extra term"),
    "running variance with n": (of(BatchNorm, unbiased=False), of(nn.BatchNorm1d, 5), (6, 5), "running_var"),
    "momentum turned round": (of(BatchNorm, momentum=0.9), of(nn.BatchNorm1d, 5), (6, 5), "running_mean"),
    "batch statistics in eval": (of(BatchNorm, uses_batch=True), of(nn.BatchNorm1d, 5), (6, 5), "eval mode"),
    "gates swapped": (of(Cell, "figo"), of(TheLSTM), (5, 2, 3), "gates swapped"),
    "cell without tanh": (of(Cell, tanh=False), of(Cell), (5, 2, 3), "missing step"),
    "positions with another base": (of(Positions, base=1000.0), of(Positions), (2, 6, 8), "table"),
    "sines and cosines apart": (of(Positions, mixed=False), of(Positions), (2, 6, 8), "table"),
    "heads by a view": (of(Heads, view=True), of(Heads), (2, 5, 8), "another order"),
    "sum for mean pooling": (of(Pooled, "sum"), of(Pooled), (2, 2, 6, 6), "sum for mean"),
    "max for mean pooling": (of(Pooled, "max"), of(Pooled), (2, 2, 6, 6), "another function"),
    "concatenated the other way": (of(Concat, True), of(Concat), (3, 4), "swapped operands"),
    "tanh for sigmoid": (of(Gated, torch.tanh), of(Gated), (3, 4), "another function"),
    "sign of a term": (of(Gated, sign=-1), of(Gated), (3, 4), "sign"),
    "weights not tied": (of(Tied, False), of(Tied), (3, 6), "weights not shared"),
    "another slope": (of(Flat, slope=0.1), of(Flat), IMAGE_OF_TWO, "another setting (output)"),
    "gelu by tanh": (of(Flat, approximate="tanh"), of(Flat), IMAGE_OF_TWO, "tanh where none is expected"),
    "flattened channels last": (of(Flat, last=True), of(Flat), IMAGE_OF_TWO, "fc is the first that differs"),
    "bias forgotten": (of(nn.Linear, 4, 3, bias=False), of(nn.Linear, 4, 3), (5, 4), "missing bias"),
    "dropout not scaled": (
        lambda: Dropping(MyDropout(scaled=False)),
        lambda: Dropping(nn.Dropout()),
        ROWS,
        "dropout not scaled",
    ),
    "dropout in evaluation": (
        lambda: Dropping(MyDropout(in_eval=True)),
        lambda: Dropping(nn.Dropout()),
        ROWS,
        "dropout in evaluation",
    ),
    "functional dropout in evaluation": (
        lambda: Dropping(functional=lambda x, training: F.dropout(x, 0.5)),
        lambda: Dropping(nn.Dropout()),
        ROWS,
        "dropout in evaluation",
    ),
    "p kept where it is dropped": (
        lambda: Dropping(MyDropout(0.2, keep=True)),
        lambda: Dropping(nn.Dropout(0.2)),
        ROWS,
        "dropout keeps",
    ),
    "another p": (lambda: Dropping(nn.Dropout(0.1)), lambda: Dropping(nn.Dropout(0.5)), ROWS, "dropout probability"),
    "the same mask every time": (
        lambda: Dropping(MyDropout(fixed=True)),
        lambda: Dropping(nn.Dropout()),
        ROWS,
        "same dropout mask",
    ),
    "dropout forgotten": (of(Dropping), lambda: Dropping(nn.Dropout()), ROWS, "dropout missing"),
    "dropout elsewhere": (
        lambda: Dropping(nn.Dropout(), before=True),
        lambda: Dropping(nn.Dropout()),
        ROWS,
        "dropout elsewhere",
    ),
}

# correct, but written unusually
RIGHT = {
    "attention written out": (Unfused, Attention, SEQUENCE),
    "separate q, k and v": (SplitHeads, Fused, SEQUENCE),
    "weight kept transposed": (MatrixLinear, of(nn.Linear, 4, 3), (5, 4)),
    "convolution by unfold": (ConvByUnfold, of(nn.Conv2d, 2, 3, 3, padding=1), (2, 2, 6, 6)),
    "functions for modules, pool before relu": (Net, sequential, (2, 2, 6, 6)),
    "an LSTM by hand": (Cell, TheLSTM, (5, 2, 3)),
    "a layer norm by hand": (LayerNorm, of(nn.LayerNorm, 8), ROWS),
    "a batch norm by hand": (BatchNorm, of(nn.BatchNorm1d, 5), (6, 5)),
    "dropout by hand": (lambda: Dropping(MyDropout(0.3)), lambda: Dropping(nn.Dropout(0.3)), ROWS),
    "dropout as a function": (
        lambda: Dropping(functional=lambda x, training: F.dropout(x, 0.3, training)),
        lambda: Dropping(nn.Dropout(0.3)),
        ROWS,
    ),
    "in place": (of(Residual, inplace=True), Residual, IMAGE),
    "tied": (Tied, Tied, (3, 6)),
    "reflected padding": (
        lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(2, 3, 3)),
        of(nn.Conv2d, 2, 3, 3, padding=1, padding_mode="reflect"),
        (2, 2, 6, 6),
    ),
}
