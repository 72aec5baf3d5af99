r"""Cutout: a square of zeros over every training image, explained, measured, and held against dropout.

    x′[ch, i, j] = 0   where r₁ ≤ i < r₂ and c₁ ≤ j < c₂,   x elsewhere

    r₁ = max(0, y − ⌊S/2⌋),  r₂ = min(H, y − ⌊S/2⌋ + S);   c₁, c₂ the same from the column
    (y, x): the centre, any pixel of the image with equal chance

Images are normalised first, so zero is the training set's mean colour. The square may cross the border.

    underhood run cutout --set size=8 --set images=[0,19]
    underhood run cutout --set centres=[[0,31],[16,16]]

Source: DeVries & Taylor 2017, "Improved regularization of convolutional neural networks with cutout", section 3,
and the authors' code. Where S is odd theirs hides S − 1 pixels, this page S.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from underhood import data
from underhood.errors import BadInput
from underhood.lab import Scale, Study
from underhood.settings import SettingError, Settings
from underhood.studies.detection.scenes import scene
from underhood.studies.occlusion.masks import (
    blind,
    blind_by_chance,
    blind_probability,
    cutout,
    drawn_centres,
    edges,
    hidden_probability,
    square_masks,
    unexplained,
    whole_probability,
)
from underhood.studies.occlusion.report import DEPTHS, DRAWN, QUESTION, TITLE, report
from underhood.trials import Artefact, Context, Event, Note, Result

Array = NDArray[Any]
Rows = NDArray[np.int64]


class CutoutSettings(Settings):
    """Which pictures, and how large a square."""

    data: str = Field("auto", description='"auto": CIFAR-10 when it is there, else "drawn"; or any set by its name')
    images: list[Annotated[int, Field(ge=0)]] = Field(
        [7, 4], min_length=1, max_length=6, description="positions in the training set, from 0"
    )
    size: int = Field(16, ge=1, le=1024, description="side S of the square in pixels")
    holes: int = Field(1, ge=1, le=64, description="squares an image")
    centres: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        [], description="[row, column] of each image's square; drawn at random when empty"
    )
    draws: int = Field(20_000, ge=100, description="squares drawn to measure how much they hide")
    guessed: int = Field(200, ge=2, description="images whose hidden pixels are guessed from the visible ones")

    @field_validator("centres")
    @classmethod
    def _within(cls, given: list[list[int]]) -> list[list[int]]:
        if any(position < 0 for centre in given for position in centre):
            raise ValueError("a centre is a pixel of the image, [row, column] counted from 0")
        return given

    @model_validator(mode="after")
    def _one_each(self) -> "CutoutSettings":
        if self.centres and len(self.centres) != len(self.images):
            raise SettingError("centres", f"{len(self.centres)} centres for {len(self.images)} images; give one each")
        return self


# The trial


def trial(settings: CutoutSettings, seed: int, context: Context) -> Iterator[Event]:
    """Cut the chosen pictures, and measure what squares hide from a network and what single pixels would."""
    source, raw, mean, std, said = _pictures(settings, context.data)
    if said:
        yield Note(said)
    rng = data.stream("augmentation", seed, name="cutout")
    chosen = _chosen(raw, settings.images, source)
    height, width = raw.shape[2:]
    x = (chosen / 255 - mean) / std
    centres = drawn_centres(rng, len(chosen), settings.holes, height, width)
    if settings.centres:
        centres = np.array(settings.centres)[:, None, :]
        _inside(centres, height, width)
    masks = square_masks(centres, settings.size, height, width)
    cut = cutout(x, masks)
    fraction = masks.mean((1, 2))
    dropped = rng.random(masks.shape) < fraction[:, None, None]
    again = square_masks(drawn_centres(rng, 8, settings.holes, height, width), settings.size, height, width)
    many = square_masks(drawn_centres(rng, settings.draws, settings.holes, height, width), settings.size, height, width)
    arrays = {
        "before": chosen,
        "cutout": _seen(cut, mean, std),
        "dropout": _seen(cutout(x, dropped), mean, std),
        "again": _seen(cutout(np.repeat(x[:1], 8, axis=0), again), mean, std),
        "one": masks[0],
        "few": many[:30].mean(0),
        "often": hidden_probability(settings.size, settings.holes, height, width),
    }
    yield Artefact("pictures.npz", lambda path: _save(path, arrays))
    each = many.mean((1, 2))
    some = raw[: settings.guessed] / 255
    normal = (some - mean) / std
    sides = (height, width)
    exactly = hidden_probability(settings.size, settings.holes, *sides)
    expected = float(exactly.mean())
    if settings.holes == 1:
        unseen = [blind_probability(settings.size, depth, *sides) for depth in DEPTHS]
    else:
        unseen = [blind(many[:2000], depth) for depth in DEPTHS]
    yield Result(
        {
            "source": source,
            "shape": [int(n) for n in raw.shape[1:]],
            "mean_colour": [round(255 * float(m)) for m in mean.ravel()],
            "centres": centres[:, 0].tolist(),
            "edges": [_edges_of(centre, settings.size, height, width) for centre in centres[:, 0]],
            "hidden": [int(n) for n in masks.sum((1, 2))],
            "share": float(each.mean()),
            "share_error": float(each.std(ddof=1) / np.sqrt(len(each))),
            "whole": whole_probability(settings.size, *sides) if settings.holes == 1 else None,
            "expected": expected,
            "blind_cutout": unseen,
            "blind_dropout": [blind_by_chance(expected, depth, height, width) for depth in DEPTHS],
            "guess_cutout": unexplained(normal, many[: len(normal)]),
            "guess_dropout": unexplained(normal, rng.random((len(normal), height, width)) < expected),
            "torch_gap": _torch_gap(x, cut, centres, settings.size),
        }
    )


def _torch_gap(x: Array, cut: Array, centres: Rows, size: int) -> float | None:
    """The largest difference from PyTorch: a 1 at each centre, spread by a transposed convolution with S×S ones."""
    try:
        import torch
    except ImportError:
        return None
    height, width = x.shape[2:]
    ones = torch.ones(1, 1, size, size, dtype=torch.float64)
    gap = 0.0
    for image, ours, holes in zip(x, cut, centres, strict=True):
        at = torch.zeros(1, 1, height, width, dtype=torch.float64)
        for row, column in holes:
            at[0, 0, row, column] = 1
        spread = torch.nn.functional.conv_transpose2d(at, ones)
        inside = spread[0, 0, size // 2 : size // 2 + height, size // 2 : size // 2 + width]
        theirs = torch.from_numpy(image) * (inside == 0)
        gap = max(gap, float((theirs - torch.from_numpy(ours)).abs().max()))
    return gap


def _pictures(settings: CutoutSettings, root: Path | None) -> tuple[str, Array, Array, Array, str]:
    """The set's name, its first pictures (N, 3, H, W) from 0 to 255, mean and deviation, and what to say of them."""
    name, said = settings.data, ""
    if name == "auto":
        try:
            return "cifar10", *_loaded("cifar10", settings, root), ""
        except BadInput:
            name, said = DRAWN, "CIFAR-10 is not here: the pictures are drawn. `underhood data get cifar10` fetches it."
    if name != DRAWN:
        return name, *_loaded(name, settings, root), ""
    rng = data.stream("augmentation", 0, name="scenes")
    count = max(settings.guessed, max(settings.images) + 1)
    raw = np.stack([scene(rng, 32, 32, 2, 0.3, 0.6)[0] for _ in range(min(count, 1000))]).transpose(0, 3, 1, 2)
    mean, std = ((f(raw, (0, 2, 3)) / 255)[:, None, None] for f in (np.mean, np.std))
    return DRAWN, raw, mean, std, said


def _loaded(name: str, settings: CutoutSettings, root: Path | None) -> tuple[Array, Array, Array]:
    arrays = data.load(name, root)
    count = max(settings.guessed, max(settings.images) + 1)
    raw = arrays.train.take(slice(0, count))
    if arrays.white != 255:
        raw = (raw.astype(float) * (255 / arrays.white)).round().astype(np.uint8)
    mean, std = (np.array(values)[:, None, None] for values in (arrays.mean, arrays.std))
    return raw, mean, std


def _chosen(raw: Array, images: Sequence[int], source: str) -> Array:
    if max(images) >= len(raw):
        raise BadInput(f"images: there is no image {max(images)} in {source}; its {len(raw):,} are counted from 0")
    return raw[list(images)]


def _inside(centres: Rows, height: int, width: int) -> None:
    if (centres >= [height, width]).any():
        raise BadInput(f"centres: the images are {height}×{width}, so rows go to {height - 1}, columns to {width - 1}")


def _edges_of(centre: Rows, size: int, height: int, width: int) -> list[int]:
    rows, columns = edges(centre[0], size, height), edges(centre[1], size, width)
    return [int(edge) for edge in (*rows, *columns)]


def _seen(x: Array, mean: Array, std: Array) -> Array:
    """Normalised images as colours again, 0 to 255."""
    return (255 * (x * std + mean)).round().clip(0, 255).astype(np.uint8)


def _save(path: Path, arrays: dict[str, Array]) -> None:
    packed = BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]  # the stubs want allow_pickle first
    path.write_bytes(packed.getvalue())


ENTRY = Study(
    name="cutout",
    title=TITLE,
    question=QUESTION,
    theme="Regularisation",
    source="DeVries & Taylor 2017; course homework on batch augmentation, NYU 2022",
    settings=CutoutSettings,
    trial=trial,
    compares=(),
    scales={
        "smoke": Scale(
            "drawn pictures, 1,000 squares", seeds=1, set={"data": DRAWN, "draws": 1000, "guessed": 20}, time="3 s"
        ),
        "quick": Scale("two CIFAR-10 images where they are, 20,000 squares", seeds=1, time="10 s"),
        "full": Scale(
            "the same, 100,000 squares, 500 images guessed",
            seeds=1,
            set={"draws": 100_000, "guessed": 500},
            time="1 min",
        ),
    },
    report=report,
    data=lambda settings: None if settings.data in ("auto", DRAWN) else settings.data,
)
