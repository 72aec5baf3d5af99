"""What all convolutions share: their arguments, checked as torch checks them, and a form made of four sums."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from underhood.engine.forms import Array, Form
from underhood.engine.ops.checks import same_dtype
from underhood.engine.ops.windows import Windows, numbers, windows
from underhood.engine.tensor import Tensor


def check(name: str, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    """Refuse weights that do not fit the input, as torch does."""
    if weight.ndim != input.ndim:
        raise RuntimeError(f"{name}: weight {tuple(weight.shape)} should have {input.ndim} axes.")
    if groups < 1 or weight.shape[0] % groups:
        raise RuntimeError(f"{name}: weight {tuple(weight.shape)} does not divide into groups={groups}.")
    wanted = weight.shape[1] * groups
    if input.shape[1] != wanted:
        raise RuntimeError(
            f"{name}: weight {tuple(weight.shape)}{f' in {groups} groups' if groups > 1 else ''} wants "
            f"{wanted} input channels, input {tuple(input.shape)} has {input.shape[1]}."
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"{name}: bias {tuple(bias.shape)} should be ({weight.shape[0]},), one number a filter.")
    same_dtype(name, input, {"weight": weight, "bias": bias})


def sliding(name: str, input: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    """Stride, padding and dilation as a number for each axis, in bounds."""
    axes = input.ndim - 2
    steps, gaps = numbers(stride, axes), numbers(dilation, axes)
    if min(steps) < 1 or min(gaps) < 1:
        raise RuntimeError(f"{name}: stride {steps} and dilation {gaps} should be at least 1.")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"{name}: padding {padding!r} should be 'same', 'valid' or numbers.")
        if padding == "same" and max(steps) > 1:
            raise RuntimeError(f"{name}: padding='same' is not supported for strided convolutions.")
        pads: Any = padding
        total = [0 if padding == "valid" else gap * (k - 1) for gap, k in zip(gaps, weight.shape[2:], strict=True)]
    else:
        pads = numbers(padding, axes)
        if min(pads) < 0:
            raise RuntimeError(f"{name}: negative padding is not supported, got {pads}.")
        total = [2 * p for p in pads]
    for length, more, kernel, gap in zip(input.shape[2:], total, weight.shape[2:], gaps, strict=True):
        if length + more < gap * (kernel - 1) + 1:
            raise RuntimeError(
                f"{name}: kernel {tuple(weight.shape[2:])} with dilation {gaps} is larger than "
                f"input {tuple(input.shape)} with padding {pads}."
            )
    return {"stride": steps, "padding": pads, "dilation": gaps}


class Sums(NamedTuple):
    """The sums that make one form. `geometry` says where the windows stand; w is (O, C/G, K, K)."""

    output: Callable[[Array, Array, Array | None, Windows, int], Array]  # a, w, b, geometry, groups → z
    to_input: Callable[[Array, Array, Windows, int], Array]  # δ, w, geometry, groups → ∂E/∂a
    to_weight: Callable[
        [Array, Array, tuple[int, ...], Windows, int], Array
    ]  # δ, a, w's shape, geometry, groups → ∂E/∂w
    to_bias: Callable[[Array], Array]  # δ → ∂E/∂b


def as_form(sums: Sums) -> Form:
    def forward(
        a: Array,
        w: Array,
        b: Array | None,
        *,
        stride: Any = (1, 1),
        padding: Any = (0, 0),
        dilation: Any = (1, 1),
        groups: int = 1,
    ) -> Array:
        return sums.output(a, w, b, windows(a.shape[2:], w.shape[2:], stride, padding, dilation), groups)

    def backward(
        dz: Array,
        z: Array,
        a: Array,
        w: Array,
        b: Array | None,
        *,
        stride: Any = (1, 1),
        padding: Any = (0, 0),
        dilation: Any = (1, 1),
        groups: int = 1,
        needs: tuple[bool, ...] = (True, True, True),
    ) -> tuple[Array | None, ...]:
        geometry = windows(a.shape[2:], w.shape[2:], stride, padding, dilation)
        da = sums.to_input(dz, w, geometry, groups) if needs[0] else None
        dw = sums.to_weight(dz, a, w.shape, geometry, groups) if needs[1] else None
        db = sums.to_bias(dz) if needs[2] and b is not None else None
        return da, dw, db

    return Form(forward, backward)


def quietly(reference: Any, *inputs: Any, **settings: Any) -> Any:
    """PyTorch's convolution without its warning that padding="same" may copy; that is no difference."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same'")
        return reference(*inputs, **settings)
