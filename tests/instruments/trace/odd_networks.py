"""Networks that trace was not made for: several inputs and outputs, integers, shared and repeated layers, NaN."""

import torch
from torch import nn


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, x, y):
        return self.a(x) * self.b(y)


class Entries(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 4)

    def forward(self, x):
        return {"logits": self.a(x)}


class Pair(Entries):
    def forward(self, x):
        return self.a(x), torch.relu(self.a(x))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(5, 4), nn.Linear(4, 5)

    def forward(self, i):
        return self.head(self.table(i))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        return self.a(torch.tanh(self.a(x)))


class ByZero(Entries):
    def forward(self, x):
        return self.a(x) / 0


class Overwriting(Entries):
    def forward(self, x):
        x.add_(1)
        return self.a(x)


class Indices(nn.Module):
    def forward(self, x):
        return x.argmax(1)


class Raising(nn.Module):
    def forward(self, x):
        return 1 / 0


class Recurrent(nn.Module):
    """A state that begins with torch.zeros, and a mean over words that may be the same."""

    def __init__(self):
        super().__init__()
        self.table, self.x, self.h = nn.Embedding(5, 4), nn.Linear(4, 12), nn.Linear(3, 12)

    def forward(self, i):
        x = self.table(i)
        h = c = torch.zeros(x.shape[0], 3, dtype=x.dtype)
        for t in range(x.shape[1]):
            a, f, g, o = (self.x(x[:, t] + x.mean(1)) + self.h(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(a) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


class Lacking(Entries):
    def forward(self, x):
        return torch.histogram(self.a(x), 3)[0]


class Three(nn.Module):
    """An operation of three factors, which no sum of products is."""

    def __init__(self):
        super().__init__()
        self.a = nn.Bilinear(3, 2, 4)

    def forward(self, x, y):
        return torch.log(self.a(x, y))
