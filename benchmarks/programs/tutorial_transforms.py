"""The tutorial's transforms: one PIL image at a time, as torchvision's v1 transforms do it.

torchvision's wheel does not import beside a CPU build of torch, so its code is followed here step by step: the same
calls of PIL and torch in the same order, parameters drawn by torch's generator. Nothing is left out to make it look
slow, nothing is added.

Source: torchvision 0.20, transforms/transforms.py and transforms/functional.py (RandomCrop, RandomHorizontalFlip,
ToTensor, Normalize), datasets/cifar.py (CIFAR10.__getitem__).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset


class Compose:
    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class RandomCrop:
    """A window of `size`², anywhere in the image with `padding` zeros around it."""

    def __init__(self, size: int, padding: int = 0) -> None:
        self.size, self.padding = size, padding

    def __call__(self, image: Image.Image) -> Image.Image:
        image = ImageOps.expand(image, border=self.padding, fill=0)
        width, height = image.size
        if (width, height) == (self.size, self.size):
            top = left = 0
        else:
            top = int(torch.randint(0, height - self.size + 1, size=(1,)).item())
            left = int(torch.randint(0, width - self.size + 1, size=(1,)).item())
        return image.crop((left, top, left + self.size, top + self.size))


class RandomHorizontalFlip:
    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, image: Image.Image) -> Image.Image:
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if torch.rand(1) < self.p else image


class ToTensor:
    """(H, W, C) bytes to (C, H, W) floats in [0, 1]."""

    def __call__(self, image: Image.Image) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
        pixels = pixels.view(image.size[1], image.size[0], len(image.getbands()))
        return pixels.permute((2, 0, 1)).contiguous().to(dtype=torch.get_default_dtype()).div(255)


class Normalize:
    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = mean, std

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        image = image.clone()
        mean = torch.as_tensor(self.mean, dtype=image.dtype)
        std = torch.as_tensor(self.std, dtype=image.dtype)
        return image.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """torchvision.datasets.CIFAR10: bytes (N, H, W, C), each made a PIL image when it is asked for."""

    def __init__(self, pixels: np.ndarray, labels: Sequence[int], transform: Callable[[Any], Any]) -> None:
        self.data, self.targets, self.transform = pixels, labels, transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.data[index])), self.targets[index]


CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def usual(mean: Sequence[float] = CIFAR10_MEAN, std: Sequence[float] = CIFAR10_STD) -> Compose:
    """What a CIFAR-10 tutorial trains with."""
    return Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), ToTensor(), Normalize(mean, std)])
