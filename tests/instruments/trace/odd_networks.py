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
