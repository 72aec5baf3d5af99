"""Inputs without a batch axis, where torch takes them: (C, H, W) is a batch of one (N, C, H, W)."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def batched(ndim: int, *, integers: bool = False, error: type[Exception] = RuntimeError) -> Callable[[F], F]:
    """Let a function of batches with `ndim` axes take a single example too; its outputs lose the batch axis again.

    The input has to be floating point unless `integers`; `error` is torch's for a wrong number of axes.
    """

    def decorate(function: F) -> F:
        name = function.__name__

        @wraps(function)
        def call(input: Tensor, *args: Any, **options: Any) -> Any:
            if input.ndim not in (ndim - 1, ndim):
                raise error(
                    f"{name}: expected {ndim - 1}-D (unbatched) or {ndim}-D (batched) input, got {tuple(input.shape)}."
                )
            if not input.is_floating_point() and not integers:
                raise NotImplementedError(
                    f"{name}: not implemented for {input.dtype}; the input must be floating point."
                )
            if input.ndim == ndim:
                return function(input, *args, **options)
            z = function(reshape(input, (1, *input.shape)), *args, **options)
            outputs = z if isinstance(z, tuple) else (z,)
            single = tuple(reshape(output, output.shape[1:]) for output in outputs)
            return single if isinstance(z, tuple) else single[0]

        return cast(F, call)

    return decorate
