"""An MLP of 784-256-10 on the engine."""

import json
import time

import numpy as np

import underhood
from underhood import nn, optim

rng = np.random.default_rng(0)
images = rng.normal(size=(64, 784)).astype(np.float32)
labels = rng.integers(0, 10, 64)

net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
criterion = nn.CrossEntropyLoss()
x, t = underhood.from_numpy(images), underhood.from_numpy(labels)


def step() -> None:
    optimizer.zero_grad()
    criterion(net(x), t).backward()
    optimizer.step()


for _ in range(50):
    step()
times = []
for _ in range(500):
    began = time.perf_counter()
    step()
    times.append(1e3 * (time.perf_counter() - began))
print(json.dumps(times))
