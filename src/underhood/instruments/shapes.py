"""Output shapes by their rules, as numbers and as text.

    convolution, pool   H' = ⌊(H + 2p − d(K − 1) − 1)/s⌋ + 1          (⌈…⌉ with ceil_mode)
    transposed          H' = (H − 1)s − 2p + d(K − 1) + q + 1          q the output padding
    matrix product      (M, K) · (K, N) → (M, N)
    elementwise         the shapes broadcast;  cat: the sizes along its axis added

`by_rule` also runs the commonest operations on the meta device. torch has kernels for that, but theirs import
the compiler on first use (1.7 s); the tests hold these against them. Whatever is unusual is left to torch.
"""

from collections.abc import Callable, Sequence
from typing import Any

from underhood.errors import BadInput
from underhood.instruments.pytorch import load_torch

# operations whose output is like their first input, and those that write it there
_LIKE_INPUT = """relu gelu silu sigmoid tanh leaky_relu elu hardtanh hardswish hardsigmoid exp rsqrt sqrt neg pow
_softmax _log_softmax _safe_softmax"""
LIKE_INPUT = frozenset(_LIKE_INPUT.split())
_IN_PLACE = "relu_ silu_ sigmoid_ tanh_ leaky_relu_ elu_ hardtanh_ hardswish_ hardsigmoid_ add_ mul_ div_ sub_"
IN_PLACE = frozenset(_IN_PLACE.split())
BROADCAST = frozenset(("add", "sub", "mul", "div"))


def window(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil: bool = False) -> int:
    """The size of a convolution's or pool's output along one axis."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil:
        return span // stride + 1
    out = -(-span // stride) + 1
    # the last window has to start inside the input or its left padding
    return out - 1 if (out - 1) * stride >= size + padding else out


def window_text(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil: bool = False) -> str:
    """`⌊(28 + 2·0 − 5)/1⌋ + 1 = 24`"""
    reach = f"{kernel}" if dilation == 1 else f"{dilation}·({kernel} − 1) − 1"
    left, right = "⌈⌉" if ceil else "⌊⌋"
    out = window(size, kernel, stride, padding, dilation, ceil)
    plain = (size + 2 * padding - dilation * (kernel - 1) - 1 + (stride - 1 if ceil else 0)) // stride + 1
    less = " − 1 (it would start in the padding)" if plain != out else ""
    return f"{left}({size} + 2·{padding} − {reach})/{stride}{right} + 1{less} = {out}"


def transposed(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, extra: int = 0) -> int:
    """The size of a transposed convolution's output along one axis."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1


def transposed_text(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, extra: int = 0) -> str:
    """`(7 − 1)·2 − 2·0 + (2 − 1) + 0 + 1 = 14`"""
    reach = f"({kernel} − 1)" if dilation == 1 else f"{dilation}·({kernel} − 1)"
    out = transposed(size, kernel, stride, padding, dilation, extra)
    return f"({size} − 1)·{stride} − 2·{padding} + {reach} + {extra} + 1 = {out}"


def spread(value: Any, axes: int) -> list[int]:
    """An argument given once for all axes, or per axis, or left empty."""
    sizes = list(value) if isinstance(value, Sequence) else [value]
    return [int(size) for size in (sizes * axes if len(sizes) == 1 else sizes)]


def convolution_shape(
    x: Sequence[int],
    weight: Sequence[int],
    stride: Any,
    padding: Any,
    dilation: Any,
    is_transposed: bool,
    output_padding: Any,
    groups: int,
) -> tuple[int, ...]:
    """Shape of a convolution's output; BadInput when the channels don't fit, as it is the commonest mistake."""
    axes = len(weight) - 2
    wants = weight[0] if is_transposed else weight[1] * groups
    if len(x) == axes + 2 and x[1] != wants:
        raise BadInput(f"conv{axes}d: weight {tuple(weight)} wants {wants} input channels, input {tuple(x)} has {x[1]}")
    each = zip(x[2:], weight[2:], spread(stride, axes), spread(padding, axes), spread(dilation, axes), strict=True)
    if is_transposed:
        extra = spread(output_padding, axes)
        sizes = [transposed(*one, extra=more) for one, more in zip(each, extra, strict=True)]
        return (x[0], weight[1] * groups, *sizes)
    return (x[0], weight[0], *(window(*one) for one in each))


def pool_arguments(args: Sequence[Any], average: bool) -> list[tuple[int, int, int, int, bool]]:
    """(kernel, stride, padding, dilation, ceil) of each axis of aten's max and average pools."""
    axes = len(args[1])
    kernel = spread(args[1], axes)
    stride = spread(args[2], axes) if len(args) > 2 and args[2] else kernel
    padding = spread(args[3], axes) if len(args) > 3 else [0] * axes
    dilation = spread(args[4], axes) if not average and len(args) > 4 else [1] * axes
    index = 4 if average else 5
    ceil = bool(args[index]) if len(args) > index else False
    return [(*one, ceil) for one in zip(kernel, stride, padding, dilation, strict=True)]


def by_rule(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation's output on meta, or None where torch shall decide."""
    if func.namespace != "aten":
        return None
    name = func.overloadpacket.__name__
    if name == "_grouped_mm":
        return _grouped(args[0], args[1], kwargs.get("out_dtype"))
    if kwargs:
        return None
    if name in IN_PLACE:
        return args[0] if _fits(args) else None
    if name in LIKE_INPUT:
        tensors = [x for x in args if load_torch().is_tensor(x)]
        return _like(args[0]) if len(tensors) == 1 and tensors[0] is args[0] and args[0].is_floating_point() else None
    if name in BROADCAST:
        return _broadcast(args)
    rule = RULES.get(name)
    return rule(*args) if rule else None


def _new(like: Any, shape: Sequence[int]) -> Any:
    return load_torch().empty(tuple(shape), dtype=like.dtype, device="meta")


def _like(x: Any) -> Any:
    return load_torch().empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")


def _fits(args: tuple[Any, ...]) -> bool:
    """Whether everything has the target's dtype, and a shape that broadcasts to it."""
    torch = load_torch()
    target = args[0]
    others = [x for x in args[1:] if torch.is_tensor(x)]
    return target.is_floating_point() and all(x.dtype == target.dtype and x.shape == target.shape for x in others)


def _broadcast(args: tuple[Any, ...]) -> Any:
    torch = load_torch()
    a, b = args[:2]
    if len(args) > 2 or not (torch.is_tensor(a) and a.is_floating_point()):
        return None
    if not torch.is_tensor(b):
        return _like(a) if isinstance(b, int | float) else None
    if b.dtype != a.dtype or a.shape != b.shape:
        return None
    return _like(a)


def _convolution(x: Any, weight: Any, bias: Any, *geometry: Any) -> Any:
    shape = convolution_shape(x.shape, weight.shape, *geometry)
    return _new(x, shape) if x.dtype == weight.dtype and min(shape[2:]) > 0 else None


def _max_pool(x: Any, *geometry: Any) -> Any:
    shape = _pooled(x, geometry, average=False)
    if min(shape) < 1:
        return None
    return _new(x, shape), load_torch().empty(shape, dtype=load_torch().int64, device="meta")


def _average_pool(x: Any, *geometry: Any) -> Any:
    shape = _pooled(x, geometry, average=True)
    return _new(x, shape) if min(shape) > 0 else None


def _pooled(x: Any, geometry: tuple[Any, ...], average: bool) -> tuple[int, ...]:
    axes = pool_arguments((x, *geometry), average)
    sizes = [window(n, *axis) for n, axis in zip(x.shape[-len(axes) :], axes, strict=True)]
    return (*x.shape[: -len(axes)], *sizes)


def _batch_norm(x: Any, *rest: Any) -> Any:
    statistics = x.shape[1:2]
    return _like(x), _new(x, statistics), _new(x, statistics)


def _addmm(bias: Any, a: Any, b: Any) -> Any:
    return _matmul(a, b) if bias.dim() == 1 and bias.dtype == a.dtype and bias.shape[0] == b.shape[-1] else None


def _matmul(a: Any, b: Any) -> Any:
    if a.dtype != b.dtype or a.shape[-1] != b.shape[-2] or a.shape[:-2] != b.shape[:-2]:
        return None
    return _new(a, (*a.shape[:-1], b.shape[-1]))


def _grouped(a: Any, b: Any, dtype: Any) -> Any:
    """Rows dealt out to several matrices; torch's own rule for meta takes bfloat16 alone, its kernels float32 too."""
    if a.dim() != 2 or b.dim() != 3 or a.shape[1] != b.shape[1]:
        return None
    return load_torch().empty(a.shape[0], b.shape[2], dtype=dtype or a.dtype, device="meta")


def _mean(x: Any, dims: Sequence[int] | None, keep: bool = False) -> Any:
    if not dims or not x.is_floating_point():
        return None
    gone = {d % x.dim() for d in dims}
    return _new(x, [1 if d in gone else n for d, n in enumerate(x.shape) if keep or d not in gone])


def _cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    first = tensors[0]
    dim %= first.dim()

    def others(x: Any) -> Any:
        return x.dtype, *x.shape[:dim], *x.shape[dim + 1 :]

    if any(x.dim() != first.dim() or others(x) != others(first) for x in tensors):
        return None
    return _new(first, (*first.shape[:dim], sum(x.shape[dim] for x in tensors), *first.shape[dim + 1 :]))


def _layer_norm(x: Any, shape: Sequence[int], *rest: Any) -> Any:
    kept = x.shape[: x.dim() - len(shape)]
    statistics = (*kept, *[1] * len(shape))
    return _like(x), _new(x, statistics), _new(x, statistics)


RULES: dict[str, Callable[..., Any]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _average_pool,
    "avg_pool3d": _average_pool,
    "native_batch_norm": _batch_norm,
    "addmm": _addmm,
    "mm": _matmul,
    "bmm": _matmul,
    "mean": _mean,
    "cat": _cat,
    "native_layer_norm": _layer_norm,
}
