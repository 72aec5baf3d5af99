"""A person's own pictures and arrays as a network takes them: read, cropped and resized, never guessed at.

    files     PNG, JPEG and what else Pillow reads, 8 bits a channel; cropped to the centre in the proportions that
              the network takes, then resized, with antialiasing (bicubic). Pixels go from 0 to 255.
    arrays    .npy files too; of the network's own size: (H, W), (H, W, C) or (C, H, W), or several of them, (N, …).
              uint8 from 0 to the data set's white (255; of digits 16), floats from 0 to 1.

What doesn't fit is refused, all of it at once, before anything is predicted.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from underhood.data.folder import SUFFIXES
from underhood.errors import BadInput, missing_extra
from underhood.training.preprocessing import Preprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray
GREY, COLOUR = ("1", "L"), ("RGB", "P")  # Pillow's modes that hold 8 bits of a channel at most, and no transparency
DEEP = ("I", "F")  # 16 and 32 bits: "I;16", "F" …
ORIENTATION = 0x0112  # EXIF's tag; 1 is upright
FILES = {*SUFFIXES, ".npy"}
DAMAGES = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)  # what Pillow lets through


@dataclass(frozen=True)
class Input:
    """One image: `pixels` (C, H, W) whose `white` stands for 1, its name, and what was done to it."""

    name: str
    pixels: Array
    white: float
    note: str = ""


def read(given: Any, wanted: Preprocessing) -> list[Input]:
    """The images of a path, a folder, an array, or several of them. Raises BadInput with a line for each that fails."""
    found: list[Input] = []
    mistakes: list[str] = []
    for name, source in _sources(given):
        try:
            found += _of_file(source, wanted) if isinstance(source, Path) else _of_array(source, wanted, name)
        except BadInput as mistake:
            mistakes.append(str(mistake))
    if mistakes:
        if len(found) + len(mistakes) > 1:
            mistakes.append(f"{len(mistakes)} mistake{'s' * (len(mistakes) != 1)}; nothing was predicted.")
        raise BadInput("\n".join(mistakes))
    if not found:
        raise BadInput("no images were given")
    return found


def _sources(given: Any) -> Iterator[tuple[str, Any]]:
    """Each file, and each array with a name for it; folders opened."""
    if isinstance(given, str | Path):
        path = Path(given)
        for file in _of_folder(path) if path.is_dir() else [path]:
            yield str(file), file
    elif isinstance(given, Sequence) and not _is_array(given):
        for i, each in enumerate(given):
            if isinstance(each, str | Path):
                yield from _sources(each)
            else:
                yield f"image {i}", each
    else:
        yield "the array", given


def _is_array(given: Sequence[Any]) -> bool:
    """Whether a list is one image written out, as its innermost numbers say."""
    inner: Any = given
    while isinstance(inner, Sequence) and not isinstance(inner, str) and len(inner):
        inner = inner[0]
    return isinstance(inner, int | float)


def _of_folder(path: Path) -> list[Path]:
    """The images that lie in a folder, by name."""
    files = sorted(file for file in path.iterdir() if _is_image(file))
    if not files:
        below = sum(_is_image(file) for file in path.rglob("*"))
        hint = f"; {below:,} lie in its sub-folders, which are to be named themselves" if below else ""
        raise BadInput(f"{path}: a folder without images ({', '.join(sorted(FILES))}){hint}")
    return files


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in FILES and not file.name.startswith(".")


# ---- arrays


def _of_array(given: Any, wanted: Preprocessing, name: str) -> list[Input]:
    """One image, or each of several."""
    array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    pixels, alone = _as_images(array, wanted, name)
    if pixels.dtype == np.uint8:
        white = wanted.white
        if pixels.max() > white:
            raise BadInput(
                f"{name}: has pixels up to {pixels.max()}; in the data that it learnt from white is {white:g}. "
                "As floats, white is 1"
            )
    elif np.issubdtype(pixels.dtype, np.floating):
        white = 1.0
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= -1e-6 and high <= 1 + 1e-6):  # NaN too
            raise BadInput(
                f"{name}: has values from {low:g} to {high:g}; floats go from 0 to 1, and are normalised here"
            )
    else:
        raise BadInput(f"{name}: is {array.dtype}; pixels are uint8, or floats from 0 to 1")
    return [Input(name if alone else f"{name}[{i}]", image, white) for i, image in enumerate(pixels)]


def _as_images(array: Array, wanted: Preprocessing, name: str) -> tuple[Array, bool]:
    """(N, C, H, W), and whether it was one image alone."""
    channels, height, width = wanted.shape
    size = (height, width)
    if array.shape == size and channels == 1:
        return array[None, None], True
    if array.shape == (*size, channels):
        return array.transpose(2, 0, 1)[None], True
    if array.shape == (channels, *size):
        return array[None], True
    if array.size and array.ndim == 3 and array.shape[1:] == size and channels == 1:
        return array[:, None], False
    if array.size and array.ndim == 4 and array.shape[1:] == (*size, channels):
        return array.transpose(0, 3, 1, 2), False
    if array.size and array.ndim == 4 and array.shape[1:] == (channels, *size):
        return array, False
    one = f"({height}, {width})" if channels == 1 else f"({height}, {width}, {channels})"
    raise BadInput(
        f"{name}: has the shape {array.shape}; one image is {one}, several are ({', '.join(['N', one[1:-1]])}). "
        "Pictures (PNG, JPEG) are resized, arrays are not"
    )


# ---- files


def _of_file(path: Path, wanted: Preprocessing) -> list[Input]:
    if not path.exists():
        raise BadInput(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise BadInput(f"{path}: is empty")
    if path.suffix.lower() != ".npy":
        return [_of_picture(path, wanted)]
    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except DAMAGES as error:
        raise BadInput(f"{path}: not a .npy file of numbers, or cut short ({_gist(error)})") from error
    if not isinstance(array, np.ndarray):
        raise BadInput(f"{path}: holds several arrays, not one (.npz); take one out, as .npy")
    return _of_array(array, wanted, str(path))


def _of_picture(path: Path, wanted: Preprocessing) -> Input:
    channels, height, width = wanted.shape
    with _opened(path) as picture:
        picture, turned = _upright(picture)
        picture, as_grey = _in_channels(picture, channels, path)
        picture, resized = _resized(picture, width, height)
        pixels = np.asarray(picture)
    pixels = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    return Input(str(path), pixels, 255.0, "; ".join(filter(None, [turned, as_grey, resized])))


@contextmanager
def _opened(path: Path) -> "Iterator[Image]":
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("PIL", "Reading pictures") from error
    try:
        with Image.open(path) as picture:
            yield picture
    except BadInput:
        raise
    except (*DAMAGES, Image.DecompressionBombError) as error:
        raise BadInput(f"{path}: not a picture that can be read ({_gist(error)})") from error


def _gist(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__


def _upright(picture: "Image") -> "tuple[Image, str]":
    """Turned as the camera says that it was held."""
    from PIL import ImageOps

    if picture.getexif().get(ORIENTATION, 1) == 1:
        return picture, ""
    return ImageOps.exif_transpose(picture), "turned upright as its EXIF says"


def _in_channels(picture: "Image", channels: int, path: Path) -> "tuple[Image, str]":
    """Grey or colour as the network has it. Only what is the same picture in another form is brought into it."""
    if getattr(picture, "n_frames", 1) > 1:
        raise BadInput(f"{path}: holds {picture.n_frames} pictures; one is expected")  # type: ignore[attr-defined]
    if picture.mode.partition(";")[0] in DEEP or _png_depth(path) > 8:
        raise BadInput(f"{path}: has more than 8 bits a channel; save it with 8 ({_magick(path, '-depth 8')})")
    if picture.mode not in (*GREY, *COLOUR) and picture.mode.upper() not in ("RGBA", "LA", "PA"):
        raise BadInput(
            f"{path}: its colours are {picture.mode}; RGB or grey is expected ({_magick(path, '-colorspace sRGB')})"
        )
    if picture.mode.upper() in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        raise BadInput(f"{path}: has an alpha channel; put it on a background first ({_magick(path, '-flatten')})")
    if channels == 3:
        if picture.mode in GREY:
            raise BadInput(
                f"{path}: is grey (1 channel); the network learnt from colour, 3 ({_magick(path, 'PNG24:', '')})"
            )
        return picture.convert("RGB"), ""
    if picture.mode in GREY:
        return picture.convert("L"), ""
    pixels = np.asarray(picture.convert("RGB"))
    if (pixels != pixels[..., :1]).any():
        raise BadInput(
            f"{path}: is in colour (3 channels); the network learnt from grey, 1 ({_magick(path, '-colorspace Gray')})"
        )
    return picture.convert("RGB").getchannel(0), "its three channels are equal and were taken for grey"


def _png_depth(path: Path) -> int:
    """Bits a channel in a PNG's header, for Pillow cuts those of colour pictures down to 8 unasked; 8 of others."""
    with path.open("rb") as file:
        head = file.read(25)
    return head[24] if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) == 25 else 8


def _magick(path: Path, option: str, space: str = " ") -> str:
    """The line to type for a copy that does."""
    return f"ImageMagick: magick {path.name} {option}{space}{path.stem}-new.png"


def _resized(picture: "Image", width: int, height: int) -> "tuple[Image, str]":
    """Cropped to the centre in the proportions width : height, then brought to that size."""
    from PIL import Image

    wide, high = picture.size
    if (wide, high) == (width, height):
        return picture, ""
    cut_wide, cut_high = min(wide, round(high * width / height) or 1), min(high, round(wide * height / width) or 1)
    left, top = (wide - cut_wide) // 2, (high - cut_high) // 2
    cut = picture.crop((left, top, left + cut_wide, top + cut_high))  # first, or what is cut off would shine in
    made = cut.resize((width, height), Image.Resampling.BICUBIC)
    note = f"resized from {wide}×{high}"
    if cut_wide < wide or cut_high < high:
        common = gcd(width, height)
        shape = "square" if width == height else f"{width // common}:{height // common}"
        note += f" by cropping to the centre {shape}"
    return made, note


def notes(inputs: Iterable[Input]) -> list[str]:
    """What was done to the images, a line for each kind of it."""
    of: dict[str, list[str]] = {}
    for each in inputs:
        if each.note:
            of.setdefault(each.note, []).append(each.name)
    return [f"{names[0] if len(names) == 1 else f'{len(names):,} images'}: {note}" for note, names in of.items()]
