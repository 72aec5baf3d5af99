"""A CIFAR-10 network trained as a PyTorch tutorial has it: PIL images, a DataLoader with 2 workers, float32, eager.

    python -m benchmarks.programs.epoch_tutorial simple-nn --images 12800 [--batch 128] [--epochs 2]

Prints what each epoch took as a list of JSON.
"""

import argparse
import json

import torch
from torch import nn, optim
from torch.utils.data import DataLoader

from benchmarks.programs.pictures import pictures
from benchmarks.programs.tutorial_transforms import Pictures, usual
from benchmarks.programs.usage import Usage
from underhood.networks import NETWORKS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=2)
    chosen = parser.parse_args()

    pixels, labels = pictures(chosen.images)
    trainset = Pictures(pixels, labels.tolist(), usual())
    trainloader = DataLoader(trainset, batch_size=chosen.batch, shuffle=True, num_workers=2)
    net = NETWORKS[chosen.network].build(nn)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    took, usage = [], Usage()
    for _ in range(chosen.epochs):
        net.train()
        running_loss, correct, total = 0.0, 0, 0
        for inputs, targets in trainloader:
            optimizer.zero_grad()
            outputs = net(inputs)
            loss = criterion(outputs, targets)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            _, predicted = outputs.max(1)
            total += targets.size(0)
            correct += predicted.eq(targets).sum().item()
        took.append(usage.so_far())
    assert total == chosen.images
    assert torch.isfinite(torch.tensor(running_loss))
    print(json.dumps(took))


if __name__ == "__main__":
    main()
