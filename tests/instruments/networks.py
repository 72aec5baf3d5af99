"""Networks of the tests' own writing, each with something that layer counters stumble over."""

import torch
from torch import nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Attention by hand, with `@`, softmax and residual sums."""

    def __init__(self, width=16, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / (c // self.heads) ** 0.5).softmax(-1)
        return x + self.out((weights @ v).transpose(1, 2).reshape(n, t, c))


class FusedAttention(nn.Module):
    """scaled_dot_product_attention in place of the products."""

    def __init__(self, width=16):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x):
        q, k, v = (part.unsqueeze(1) for part in self.qkv(x).chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).squeeze(1)


class MultiHead(nn.Module):
    """torch's own attention: its out_proj is never called as a module."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Encoder(nn.Module):
    """Two encoder layers, which have a fast path in evaluation mode."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.encoder(x)


class Recurrent(nn.Module):
    """An embedding, an LSTM and its last output, from whole numbers."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.lstm = nn.LSTM(8, 12, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(24, 3)

    def forward(self, tokens):
        states, _ = self.lstm(self.embed(tokens))
        return self.head(states[:, -1])


class Tied(nn.Module):
    """The embedding's weight is the output layer's, and one block runs three times."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(30, 8)
        self.block = nn.Linear(8, 8)
        self.out = nn.Linear(8, 30, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens):
        x = self.embed(tokens)
        for _ in range(3):
            x = torch.tanh(self.block(x))
        return self.out(x)


class Functional(nn.Module):
    """No layers at all: parameters, and functions called on them."""

    def __init__(self):
        super().__init__()
        self.filters = nn.Parameter(torch.randn(6, 1, 3, 3))
        self.matrix = nn.Parameter(torch.randn(10, 6 * 13 * 13))
        self.bias = nn.Parameter(torch.zeros(10))

    def forward(self, x):
        x = F.max_pool2d(F.relu(F.conv2d(x, self.filters)), 2)
        return F.linear(x.view(x.shape[0], -1), self.matrix, self.bias)


class Dicts(nn.Module):
    """A dict comes in, a dict goes out."""

    def __init__(self):
        super().__init__()
        self.image = nn.Conv2d(3, 4, 3, stride=2)
        self.text = nn.Linear(5, 4)

    def forward(self, batch, scale=None):
        seen = self.image(batch["image"]).mean((2, 3))
        said = self.text(batch["text"])
        return {"sum": seen + said, "parts": (seen, said)}


class TwoInputs(nn.Module):
    """Two images through one shared trunk, and a bilinear comparison."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, left, right):
        a, b = self.trunk(left), self.trunk(right)
        return a @ b.T, torch.cdist(a, b)


class UNet(nn.Module):
    """Down, up and across: strides, a transposed convolution, interpolation, a concatenation."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.down = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.deeper = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.last = nn.Conv2d(12, 2, 3, padding=1)

    def forward(self, x):
        a = F.relu(self.first(x))
        b = F.relu(self.deeper(self.down(a)))
        big = F.interpolate(b, scale_factor=2, mode="nearest")[:, :4]
        return self.last(torch.cat([a, self.up(b), big], 1))


class InPlace(nn.Module):
    """Operations that write into what they were given."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        y = self.norm(self.conv(x))
        y.relu_()
        y += 1
        y *= 0.5
        return y


class Stateful(nn.Module):
    """Remembers, counts and keeps what it made: everything a forward should not leave behind here."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.calls = 0
        self.history = []
        self.register_buffer("total", torch.zeros(4))
        self.scale = torch.ones(4)

    def forward(self, x):
        self.calls += 1
        y = self.linear(x) * self.scale
        self.history.append(y)
        self.total += y.sum(0)
        self.scale.mul_(0.5)
        self.last = y
        return y


class Grouped(nn.Module):
    """Groups, unequal kernels and strides, one-dimensional and three-dimensional convolutions."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(4, 8, (1, 5), stride=(1, 2), padding=(0, 2), groups=2)
        self.line = nn.Conv1d(8, 4, 3, padding=1)
        self.solid = nn.Conv3d(1, 2, (1, 3, 3))

    def forward(self, x):
        x = self.wide(x)
        lines = self.line(x.flatten(2))
        return lines, self.solid(x.unsqueeze(1))


class NeedsNumbers(nn.Module):
    """Its constructor and its forward look at values."""

    def __init__(self):
        super().__init__()
        start = torch.linspace(0, 1, 5)
        self.steps = int((start > 0.4).sum().item())
        self.linear = nn.Linear(6, 6)

    def forward(self, x):
        if float(x.abs().sum()) < 0:
            raise RuntimeError("unreachable")
        for _ in range(self.steps):
            x = self.linear(x)
        return x


class Breaks(nn.Module):
    """Raises in its second layer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(5, 5)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += 1
        return self.second(self.first(x))


class Heads(nn.Module):
    """An auxiliary head that evaluation leaves out."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(4, 6)
        self.main = nn.Linear(6, 2)
        self.aux = nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 2))

    def forward(self, x):
        x = self.trunk(x)
        return (self.main(x), self.aux(x)) if self.training else self.main(x)


# module, input: those whose every product FlopCounterMode knows
COUNTED = {
    "self_attention": (SelfAttention, (2, 7, 16)),
    "fused_attention": (FusedAttention, (2, 7, 16)),
    "multi_head": (MultiHead, (3, 5, 16)),
    "encoder": (Encoder, (2, 6, 16)),
    "tied": (Tied, "2,6:int64"),
    "recurrent": (Recurrent, "2,5:int64"),
    "functional": (Functional, (4, 1, 28, 28)),
    "dicts": (Dicts, {"image": (2, 3, 9, 9), "text": (2, 5)}),
    "unet": (UNet, (1, 1, 16, 16)),
    "in_place": (InPlace, (2, 2, 8, 8)),
    "grouped": (Grouped, (2, 4, 6, 10)),
    "stateful": (Stateful, (2, 4)),
    "heads": (Heads, (2, 4)),
    "gru": (lambda: nn.GRU(5, 7, batch_first=True), (3, 4, 5)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, output_padding=1), (2, 4, 5, 5)),
    "weight_norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 5)), (3, 4)),
    "lazy": (lambda: nn.Sequential(nn.LazyConv2d(3, 3), nn.Flatten(), nn.LazyLinear(4)), (1, 2, 6, 6)),
}
