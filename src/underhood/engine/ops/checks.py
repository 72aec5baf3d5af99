"""What the functions of many layers refuse, with the shapes and dtypes in the message."""

from collections.abc import Mapping
from typing import Any

from underhood.engine.tensor import Tensor


def must_be_tensors(name: str, **arguments: Any) -> None:
    """Refuse a number, None or an array where PyTorch takes a tensor."""
    for what, x in arguments.items():
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}(): argument {what!r} must be a tensor, not {type(x).__name__}")


def same_dtype(name: str, input: Tensor, others: Mapping[str, Tensor | None]) -> None:
    """Refuse parameters of another dtype than the input's: nothing is converted silently."""
    for what, x in others.items():
        if x is not None and x.dtype != input.dtype:
            raise RuntimeError(f"{name}: input is {input.dtype}, {what} is {x.dtype}; they must be the same.")


def one_a_channel(name: str, input: Tensor, others: Mapping[str, Tensor | None]) -> None:
    """Refuse an input (N, C, …) without channels, and parameters that are not (C,) or of another dtype."""
    if input.ndim < 2:
        raise NotImplementedError(f"{name}: input {tuple(input.shape)} should have a batch and a channel axis.")
    for what, x in others.items():
        if x is not None and x.shape != input.shape[1:2]:
            raise RuntimeError(
                f"{name}: {what} {tuple(x.shape)} should be ({input.shape[1]},), one number for each channel of "
                f"input {tuple(input.shape)}."
            )
    same_dtype(name, input, others)
