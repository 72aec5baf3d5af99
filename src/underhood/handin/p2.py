"""CIFAR-10's photographs, read by a convolutional network in PyTorch.

    python p2.py

trains the network if there is no p2_model.pkl beside this file, and keeps its state_dict there; then the network that
is kept is loaded, and its accuracy on the test images told. The folder cifar-10-batches-py, as its authors publish it,
is looked for in this folder, or in the one that the environment variable CIFAR10 names.
"""

import os
import time
from typing import Any

import torch
from torch import nn

from underhood.data.augmentation.crop import _mirrored
from underhood.data.unpickle import _text, program
from underhood.networks.speed_net import speed_net

WIDTHS = [64, 128, 256]
EPOCHS = 16
BATCH_SIZE = 512
SGD: dict[str, Any] = {"lr": 0.7, "momentum": 0.85, "nesterov": True, "weight_decay": 0.001}
START = 0.2  # of the learning rate, at first
PEAK = 0.2  # of the training, when the rate is whole
END = 0.05  # of the rate, at last
LABEL_SMOOTHING = 0.2
AVERAGE = 0.99  # what the average of the weights keeps of itself in a step; 0: none is kept
PADDING = 2  # pixels that an image is moved by at most, mirrored at its border
FLIPPED = True  # left for right in every other epoch
ASKED_TWICE = True  # an image that is to be read, and its mirror image
TRAINING_IMAGES = 50000  # so many of all, drawn at random
# x = pixel · SCALE − SHIFT, for red, green, blue
SCALE = [0.0159, 0.0161, 0.015]
SHIFT = [1.99, 1.98, 1.71]
AUTOCAST = False  # products in bfloat16
CHANNELS_LAST = True
SEED = 0

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.environ.get("CIFAR10", HERE), "cifar-10-batches-py")
MODEL = os.path.join(HERE, "p2_model.pkl")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LAYOUT = torch.channels_last if CHANNELS_LAST else torch.contiguous_format
AT_ONCE = 1000  # images that are evaluated together
SIDE = 32


def read(*names: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 3, 32, 32), bytes, and labels (N,) of the set's files. They are pickles; nothing of them is run."""
    images, labels = [], []
    for name in names:
        path = os.path.join(DATA, name)
        if not os.path.exists(path):
            raise SystemExit(f"{path} is not there; set CIFAR10 to the folder that has cifar-10-batches-py")
        with open(path, "rb") as file:
            batch = program(file)
        found = {_text(key): value for key, value in batch.items()}
        data = found["data"]
        pixels = torch.frombuffer(bytearray(data.data), dtype=torch.uint8)
        table = pixels.view(data.shape[::-1]).T if data.column_by_column else pixels.view(data.shape)
        images.append(table.reshape(-1, 3, SIDE, SIDE))
        labels.append(torch.tensor(found["labels"]))
    return torch.cat(images).to(DEVICE), torch.cat(labels).to(DEVICE)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """The images as the network takes them."""
    scale, shift = (torch.tensor(each, device=DEVICE)[:, None, None] for each in (SCALE, SHIFT))
    return (pixels.float() * scale - shift).contiguous(memory_format=LAYOUT)


def augmented(pixels: torch.Tensor, flipped: torch.Tensor) -> torch.Tensor:
    """Each image moved by up to PADDING pixels, and left for right where it is `flipped`."""
    moved = torch.randint(-PADDING, PADDING + 1, (2, len(pixels), 1), device=DEVICE)
    rows, columns = _mirrored(torch.arange(SIDE, device=DEVICE) + moved, SIDE)
    columns = torch.where(flipped[:, None], columns.flip(1), columns)
    image, channel = torch.arange(len(pixels), device=DEVICE), torch.arange(3, device=DEVICE)
    return pixels[image[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None]]


def new_network() -> Any:
    return speed_net(nn, widths=WIDTHS).to(DEVICE, memory_format=LAYOUT)


def rate(over: float) -> float:
    """The fraction of the learning rate when the fraction `over` of the training is over: a triangle."""
    if over < PEAK:
        return START + (1 - START) * over / PEAK
    return 1 + (END - 1) * (over - PEAK) / (1 - PEAK)


def train() -> None:
    """Train a network, and keep the average of its weights in MODEL."""
    torch.manual_seed(SEED)
    images, labels = read(*(f"data_batch_{i}" for i in range(1, 6)))
    some = torch.randperm(len(images))[:TRAINING_IMAGES].to(DEVICE)
    images, labels = images[some], labels[some]
    net = new_network().train()
    optimizer = torch.optim.SGD(net.parameters(), **SGD)
    loss_of = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    average = {name: w.clone() for name, w in net.state_dict().items()}
    first_flips = torch.randint(2, (len(images),), device=DEVICE)
    steps, step, began = EPOCHS * -(-len(images) // BATCH_SIZE), 0, time.time()
    for epoch in range(EPOCHS):
        flips = ((first_flips + epoch) % 2).bool() & FLIPPED
        total = 0.0
        for which in torch.randperm(len(images), device=DEVICE).split(BATCH_SIZE):  # type: ignore[no-untyped-call]
            for group in optimizer.param_groups:
                group["lr"] = SGD["lr"] * rate(step / steps)
            optimizer.zero_grad()
            loss = loss_of(logits(net, normalised(augmented(images[which], flips[which]))), labels[which])
            loss.backward()
            optimizer.step()
            step += 1
            follow(average, net, step)
            total += loss.item() * len(which)
        print(f"epoch {epoch + 1}: training loss {total / len(images):.4f}, {time.time() - began:.0f} s", flush=True)
    torch.save(average, MODEL)


def follow(average: dict[str, torch.Tensor], net: Any, step: int) -> None:
    """Bring the average of the weights (and of BatchNorm's statistics) up to date after a step."""
    keep = min(AVERAGE, (1 + step) / (10 + step))
    for name, w in net.state_dict().items():
        if w.is_floating_point():
            average[name] += (w - average[name]) * (1 - keep)
        else:
            average[name].copy_(w)


def logits(net: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast(DEVICE.type, torch.bfloat16, enabled=AUTOCAST):
        return net(x).float()


def load() -> Any:
    """The network that is kept in MODEL."""
    net = new_network()
    net.load_state_dict(torch.load(MODEL, map_location=DEVICE, weights_only=True))
    return net.eval()


@torch.no_grad()
def predict(net: Any, images: torch.Tensor) -> torch.Tensor:
    """The class of each image."""
    classes = []
    for some in images.split(AT_ONCE):  # type: ignore[no-untyped-call]
        x = normalised(some)
        answer = logits(net, x)
        if ASKED_TWICE:
            answer = (answer + logits(net, x.flip(3))) / 2
        classes.append(answer.argmax(1))
    return torch.cat(classes)


def evaluate() -> None:
    """Tell how many of the test images the kept network reads right."""
    images, labels = read("test_batch")
    right = int((predict(load(), images) == labels).sum())
    print(f"test accuracy: {right / len(labels):.2%}, {right:,} of {len(labels):,} images read right")


if __name__ == "__main__":
    if not os.path.exists(MODEL):
        train()
    evaluate()
