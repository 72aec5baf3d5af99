"""Every window of an image as a column, and back: im2col and col2im.

    unfold   z[n, (c·K + i)·K + j, y·W' + x] = a[n,c, s·y+d·i−p, s·x+d·j−p]        a is 0 outside the image
    fold     z[n,c,v,u] = Σ a[n, (c·K + i)·K + j, y·W' + x]        over all with s·y+d·i−p = v, s·x+d·j−p = u

    images: (N, C, H, W)   columns: (N, C·K·K, H'·W')

Each is the transpose of the other, and so the other's gradient. A convolution is unfold and a matrix product;
fold after unfold counts every pixel as often as windows see it.

Source: Chellapilla et al. 2006. PyTorch: torch.nn.functional.unfold and fold, same layout.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.batch import batched
from underhood.engine.ops.windows import Pair, numbers, window_count, windows
from underhood.engine.tensor import Tensor, apply


@batched(4, integers=True)
def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The windows of `input` (N, C, H, W) or (C, H, W) as columns (N, C·K·K, windows)."""
    settings = check("unfold", input.shape[2:], kernel_size, dilation, padding, stride)
    return apply(UNFOLD, input, **settings)


@batched(3, integers=True)
def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Columns `input` (N, C·K·K, windows) added up where windows of images of `output_size` have them."""
    size = numbers(output_size, 2)
    settings = check("fold", size, kernel_size, dilation, padding, stride)
    kernel = settings["kernel_size"]
    if input.shape[1] % (kernel[0] * kernel[1]):
        raise RuntimeError(
            f"fold: {input.shape[1]} rows of input {tuple(input.shape)} do not divide by kernel {kernel}."
        )
    h, w = windows(size, **{"kernel" if k == "kernel_size" else k: v for k, v in settings.items()}).out
    if input.shape[2] != h * w:
        raise RuntimeError(
            f"fold: images of {size} have {h}·{w} = {h * w} windows, input {tuple(input.shape)} has {input.shape[2]}."
        )
    return apply(FOLD, input, output_size=size, **settings)


def check(
    name: str, size: tuple[int, ...], kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> dict[str, Any]:
    """The settings, a number for each axis, with at least one window."""
    kernel, gaps, pads, steps = (numbers(value, 2) for value in (kernel_size, dilation, padding, stride))
    if min(kernel + gaps + steps) < 1 or min(pads) < 0:
        raise RuntimeError(f"{name}: kernel {kernel}, dilation {gaps}, stride {steps} from 1, padding {pads} from 0.")
    along = zip(size, kernel, steps, pads, gaps, strict=True)
    if min(window_count(length, k, s, (p, p), d) for length, k, s, p, d in along) < 1:
        raise RuntimeError(
            f"{name}: kernel {kernel}, dilation {gaps} is larger than {tuple(size)} with padding {pads}."
        )
    return {"kernel_size": kernel, "dilation": gaps, "padding": pads, "stride": steps}


def columns(
    a: Array, *, kernel_size: Pair, dilation: Pair = (1, 1), padding: Pair = (0, 0), stride: Pair = (1, 1)
) -> Array:
    return windows(a.shape[2:], kernel_size, stride, padding, dilation).columns(a)


def images(
    a: Array,
    *,
    output_size: Pair,
    kernel_size: Pair,
    dilation: Pair = (1, 1),
    padding: Pair = (0, 0),
    stride: Pair = (1, 1),
) -> Array:
    geometry = windows(output_size, kernel_size, stride, padding, dilation)
    channels = a.shape[1] // (kernel_size[0] * kernel_size[1])
    return geometry.put_back(a.reshape(len(a), channels, *kernel_size, *geometry.out))


def columns_backward(dz: Array, z: Array, a: Array, **settings: Any) -> Array:
    return images(dz, output_size=a.shape[2:], **settings)


def images_backward(dz: Array, z: Array, a: Array, *, output_size: Pair, **settings: Any) -> Array:
    return columns(dz, **settings)


def unfold_samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(2, 3, 5, 4)),), {"kernel_size": (3, 2)}),
        Sample(
            (n(size=(2, 2, 6, 7)),), {"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 0)}, "stride, padding"
        ),
        Sample((n(size=(1, 2, 7, 7)),), {"kernel_size": (3, 2), "dilation": (2, 3)}, "dilation"),
        Sample((n(size=(0, 2, 3, 3)),), {"kernel_size": (2, 2)}, "empty batch"),
        Sample((n(size=(1, 1, 1, 1)),), {"kernel_size": (1, 1)}, "size one"),
        Sample((n(size=(2, 5, 4, 3)).transpose(0, 3, 1, 2),), {"kernel_size": (2, 2)}, "non-contiguous"),
    ]


def fold_samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    small: dict[str, Any] = {"output_size": (4, 3), "kernel_size": (2, 2)}
    return [
        Sample((n(size=(2, 12, 6)),), small),
        Sample((n(size=(2, 4, 6)),), {**small, "stride": (2, 1), "padding": (1, 0)}, "stride, padding"),
        Sample((n(size=(1, 8, 3)),), {**small, "dilation": (1, 2), "output_size": (4, 3)}, "dilation"),
        Sample((n(size=(0, 4, 6)),), small, "empty batch"),
        Sample((n(size=(2, 6, 4)).swapaxes(1, 2),), small, "non-contiguous"),
    ]


UNFOLD = Operation(
    "unfold",
    unfold,
    vector=Form(columns, columns_backward),
    reference="torch.nn.functional.unfold",
    saves=(),
    samples=unfold_samples,
)
FOLD = Operation(
    "fold",
    fold,
    vector=Form(images, images_backward),
    reference="torch.nn.functional.fold",
    saves=(),
    samples=fold_samples,
)
