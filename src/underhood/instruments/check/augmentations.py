"""An augmentation against its rule, image by image, and against itself: batch by batch, and on either library.

    its rule        the image padded, cut, turned round or blanked one by one, as what was drawn says
    in batches      an image's view does not depend on the batch that it comes in
    PyTorch         the same pixels on tensors, to the last bit
    drawn anew      another epoch draws other numbers, the same epoch the same

One without a rule written down here has the last three alone, and the table says so.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.data.augmentation import AUGMENTATIONS, Augmentation, Chain, pixels_of
from underhood.data.augmentation.base import Draw
from underhood.instruments.check.faults import Diagnosis
from underhood.instruments.check.findings import Findings, Verdict, error, findings, text
from underhood.instruments.check.gap import Array, gap
from underhood.instruments.check.operations import undiagnosed
from underhood.instruments.pytorch import load_torch

IMAGES, CHANNELS, HEIGHT, WIDTH = 40, 3, 32, 32


def _crop(of: Any, x: Array, drawn: Any) -> Array:
    p = of.padding
    wide = np.pad(x, ((0, 0), (p, p), (p, p)), mode="constant" if of.mode == "zero" else "reflect")
    y, z = drawn + p
    return wide[:, y : y + HEIGHT, z : z + WIDTH]


def _flip(of: Any, x: Array, drawn: Any) -> Array:
    return x[..., ::-1] if drawn[0] else x


def _cutout(of: Any, x: Array, drawn: Any) -> Array:
    z = x.copy()
    for y, c in drawn.reshape(-1, 2):
        top, left = y - of.size // 2, c - of.size // 2
        z[:, max(0, top) : max(0, top + of.size), max(0, left) : max(0, left + of.size)] = 0
    return z


def _translate(of: Any, x: Array, drawn: Any) -> Array:
    if of.mode == "wrap":
        return np.roll(x, tuple(drawn), (1, 2))
    by = int(np.abs(drawn).max(initial=0))
    wide = np.pad(x, ((0, 0), (by, by), (by, by)), mode="constant" if of.mode == "zero" else "edge")
    return wide[:, by - drawn[0] : by - drawn[0] + HEIGHT, by - drawn[1] : by - drawn[1] + WIDTH]


RULES: dict[str, Callable[[Any, Array, Any], Array]] = {
    "crop": _crop,
    "flip": _flip,
    "cutout": _cutout,
    "translate": _translate,
    "normalise": lambda of, x, drawn: x,
}


def check_augmentation(name: str) -> Findings:
    """An augmentation with its defaults, on random images."""
    page = AUGMENTATIONS[name]()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (IMAGES, CHANNELS, HEIGHT, WIDTH), np.uint8)
    scale = rng.uniform(0.005, 0.02, (CHANNELS, 1, 1)).astype(np.float32)
    shift = rng.uniform(0.1, 1, (CHANNELS, 1, 1)).astype(np.float32)
    found = _augmented(page, pixels, scale, shift)
    rows: list[dict[str, Any]] = []
    verdicts: list[Verdict] = []

    def compare(what: str, right: Array) -> None:
        off = gap(found, right)
        rows.append({"against": what, "error": off.relative})
        verdicts.append(Verdict() if off.relative == 0 else Verdict({"pixels": undiagnosed(off, found, right)}))

    if name in RULES:
        normal = pixels.astype(np.float32) * scale - shift
        drawn = page.draw(Draw(0, 0, IMAGES, HEIGHT, WIDTH, page.name, 0))
        each = [RULES[name](page, x, None if drawn is None else drawn[i]) for i, x in enumerate(normal)]
        compare("its rule, image by image", np.stack(each))
    batches = [_augmented(page, pixels, scale, shift, rows=slice(i, i + 7)) for i in range(0, IMAGES, 7)]
    compare("itself in batches of 7", np.concatenate(batches))
    if importlib.util.find_spec("torch"):
        torch = load_torch()
        theirs = _augmented(page, *map(torch.tensor, (pixels, scale, shift)))
        compare("itself on PyTorch", theirs.numpy())
    rows.append({"against": "another epoch's draws"})
    verdicts.append(_draws(page))
    foot = [f"{IMAGES} random images of {CHANNELS}×{HEIGHT}×{WIDTH}, with its defaults, to the last bit."]
    if name not in RULES:
        foot.append("No rule is written down for it here: what its pixels have to be was not tested.")
    columns = [text("against", "Against"), error("error", "Error")]
    return findings(f"{name}: {page.summary}", columns, rows, verdicts, foot, f"check-{name}")


def _augmented(page: Augmentation, pixels: Any, scale: Any, shift: Any, rows: slice = slice(None)) -> Any:
    chosen = np.arange(IMAGES)[rows]
    view = Chain((page,)).drawn(0, 0, IMAGES, HEIGHT, WIDTH).view(chosen)
    return pixels_of(pixels[rows], view, scale, shift)


def _draws(page: Augmentation) -> Verdict:
    """Draws are those of the seed and epoch, and of no other."""
    first, again, later = (page.draw(Draw(0, epoch, 500, HEIGHT, WIDTH, page.name, 0)) for epoch in (0, 0, 1))
    if first is None or again is None or later is None:
        return Verdict(note="nothing is drawn")
    if not np.array_equal(first, again):
        return Verdict({"draws": Diagnosis("not repeatable", "the same seed and epoch draw other numbers")})
    if np.array_equal(first, later):
        return Verdict({"draws": Diagnosis("same draws", "two epochs draw the same numbers")})
    return Verdict()
