"""A script as people write them for PyTorch runs on the engine after changing its imports, number for number."""

import numpy as np
import pytest

SCRIPT = """
import {lib} as torch
import {lib}.nn as nn
import {lib}.nn.functional as F
from {lib} import optim
from {lib}.nn import init


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return F.relu(x + self.scale * self.body(x), inplace=True)


class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList([Residual(4) for _ in range(2)])
        self.act = nn.PReLU()
        self.head = nn.Linear(8, classes)
        self.register_buffer("shift", torch.full((1,), 0.1))
        self.apply(self.start)

    @staticmethod
    def start(module):
        if isinstance(module, nn.Linear):
            init.constant_(module.bias, 0.01)

    def forward(self, x):
        x = self.act(self.stem(x - self.shift))
        for block in self.blocks:
            x = block(x)
        mean, top = x.mean((2, 3)), x.flatten(2).max(-1).values
        return self.head(torch.cat([mean, top], dim=1))


def train(state, images, labels):
    net = Net().double()
    net.load_state_dict(state)
    decay, others = [], []
    for name, p in net.named_parameters():
        (decay if p.ndim > 1 else others).append(p)
    optimizer = optim.SGD([dict(params=decay, weight_decay=1e-2), dict(params=others)], lr=0.05, momentum=0.9)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)
    losses = []
    for step in range(8):
        net.train()
        optimizer.zero_grad()
        out = net(images)
        loss = criterion(out, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    net.eval()
    with torch.no_grad():
        predicted = net(images).argmax(dim=1)
        accuracy = (predicted == labels).float().mean().item()
    return losses, accuracy, net.state_dict()
"""


def run(lib):
    script = {}
    exec(SCRIPT.replace("{lib}", lib), script)
    return script


@pytest.mark.parametrize("form", ["vector", "fast"])
def test_a_training_script(form):
    import underhood

    draw = np.random.default_rng(0)
    images, labels = draw.normal(size=(12, 1, 8, 8)), draw.integers(0, 3, 12)
    theirs, ours = run("torch"), run("underhood")
    state = theirs["Net"]().double().state_dict()
    state = {name: value.clone() for name, value in state.items()}
    expected_losses, expected_accuracy, expected = theirs["train"](state, images, labels)
    with underhood.form(form):
        losses, accuracy, found = ours["train"](state, images, labels)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-9)
    assert accuracy == expected_accuracy
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].numpy(), value.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)
