"""A small CNN for images of any size: conv 3×3 · ReLU · pool, twice, then two linear layers.

C×H×W → w×H×W → w×H/2×W/2 → 2w×H/2×W/2 → 2w×H/4×W/4 → hidden → classes
"""

from typing import Any


def small_cnn(nn: Any, shape: tuple[int, ...], classes: int = 10, width: int = 8, hidden: int = 64) -> Any:
    """For images of `shape` (C, H, W), at least 4×4 pixels; `width` filters w in the first layer."""
    channels, height, across = shape
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * (height // 4) * (across // 4), hidden),
        nn.ReLU(),
        nn.Linear(hidden, classes),
    )
