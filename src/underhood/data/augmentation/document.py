"""A picture for each augmentation, of the same drawn boat in four epochs.

python -m underhood.data.augmentation.document docs/augmentation
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.data.augmentation import (
    AUGMENTATIONS,
    Augmentation,
    Chain,
    Crop,
    Cutout,
    Erase,
    Flip,
    Normalise,
    Translate,
    pixels_of,
)
from underhood.figures import Figure
from underhood.figures.pictures import Picture, pictures

SIDE, EPOCHS = 32, 4
MEAN = np.array([0.49, 0.48, 0.45])[:, None, None]  # about CIFAR-10's: the colour of a zero
SEEDS = {"flip": 2}  # one whose four coins are not all alike

# What is shown of a page, by the words of its settings; of a page that isn't here, its defaults.
VARIANTS: dict[str, dict[str, tuple[Augmentation, ...]]] = {
    "crop": {'mode = "zero"': (Crop(),), 'mode = "reflect"': (Crop(mode="reflect"),)},
    "flip": {"p = 0.5": (Flip(),), "alternating": (Flip(alternating=True),)},
    "cutout": {"size = 16": (Cutout(),), "8, holes = 3": (Cutout(8, holes=3),)},
    "erase": {"p = 0.5": (Erase(),), "p = 1, area = 0.1": (Erase(1, 0.1),)},
    "translate": {f'mode = "{mode}"': (Translate(8, mode),) for mode in ("zero", "edge", "wrap")},
    "normalise": {"crop alone": (Crop(8),), "normalise last": (Crop(8), Normalise())},
}


def boat() -> NDArray[np.uint8]:
    """A boat with one sail under a low sun, (3, 32, 32): left and right, up and down are told apart."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    colours = np.empty((SIDE, SIDE, 3))
    colours[:] = [150, 200, 235]
    colours[(x - 25) ** 2 + (y - 7) ** 2 < 16] = [250, 205, 80]
    colours[y > 23] = [35, 95, 145]
    colours[(y > 23) & ((y.astype(int) + x.astype(int) // 3) % 4 == 0)] = [70, 130, 175]
    colours[(y > 20) & (y < 25) & (x > 4 + (y - 20)) & (x < 25 - (y - 20))] = [120, 60, 40]
    colours[(np.abs(x - 12.5) < 0.6) & (y > 4) & (y < 21)] = [70, 40, 30]
    colours[(x > 13) & (y < 19) & (x - 13 < (y - 4) * 0.6) & (y > 4)] = [245, 240, 230]
    return colours.transpose(2, 0, 1).round().astype(np.uint8)


def figures() -> dict[str, Figure]:
    """The figure of each page by its name, and one of repeats."""
    made = {}
    for name, page in AUGMENTATIONS.items():
        variants = VARIANTS.get(name, {"": (page(),)})
        shown = []
        for words, steps in variants.items():
            shown.append(Picture(words, _colours(boat()[None])[0]))
            shown += [
                Picture(f"epoch {epoch + 1}", _in_epoch(steps, epoch, SEEDS.get(name, 0))) for epoch in range(EPOCHS)
            ]
        made[name] = pictures(
            f"{name}: {page.summary}",
            shown,
            columns=EPOCHS + 1,
            name=name,
            caption="Left the image, then what four epochs show of it.",
        )
    made["repeats"] = _repeats()
    return made


def _repeats() -> Figure:
    chain = Chain((Crop(), Flip(), Cutout()), repeats=EPOCHS)
    instances = _augmented(chain, epoch=0, seed=2)
    shown = [Picture("repeats = 4", _colours(boat()[None])[0])]
    shown += [Picture(f"instance {i}", pixels) for i, pixels in enumerate(instances, 1)]
    return pictures(
        "repeats: several instances of an image in one batch",
        shown,
        columns=EPOCHS + 1,
        name="repeats",
        caption="Left the image, then its four instances in one batch; crop, flip and cutout.",
    )


def _in_epoch(steps: tuple[Augmentation, ...], epoch: int, seed: int) -> NDArray[np.uint8]:
    return _augmented(Chain(steps), epoch, seed)[0]


def _augmented(chain: Chain, epoch: int, seed: int) -> NDArray[np.uint8]:
    view = chain.drawn(seed, epoch, 1, SIDE, SIDE).view(np.array([0]))
    normal = pixels_of(boat()[None], view, np.full((3, 1, 1), 1 / 255), MEAN)
    return _colours(255 * (normal + MEAN))


def _colours(images: Any) -> NDArray[np.uint8]:
    """(N, 3, H, W) as pictures (N, H, W, 3)."""
    return np.asarray(images).transpose(0, 2, 3, 1).round().astype(np.uint8)


def main(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, figure in figures().items():
        (Path(folder) / f"{name}.svg").write_text(figure.svg(), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
