"""The methods of Tensor that compute: each is its function with the tensor first.

A name that ends in _ changes the tensor in place: `x.exp_()` is x ← exp(x), `x.add_(y)` is x ← x + y.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine import creation, draws, legacy, random
from underhood.engine import functional as F
from underhood.engine.device import check_device
from underhood.engine.forms import OPERATIONS
from underhood.engine.inplace import apply_, check
from underhood.engine.lift import together
from underhood.engine.ops import arithmetic, assign, cast, clone, expand, layouts, permute, picking, reshape, where
from underhood.engine.tensor import Tensor

Method = Callable[..., Any]


def _swapped(function: Method) -> Method:
    """`2 - x` is sub(2, x)."""
    return lambda self, other: function(other, self)


def _in_place(name: str) -> Method:
    """x ← f(x)"""
    return lambda self: apply_(OPERATIONS[name], self)


def _in_place_of_two(name: str) -> Method:
    """x ← f(x, y), where y may be a number."""
    return lambda self, other: apply_(OPERATIONS[name], self, together(self, other)[1])


def _in_place_of_a_multiple(name: str) -> Method:
    """x ← f(x, αy), where y may be a number."""

    def method(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
        return apply_(OPERATIONS[name], self, together(self, arithmetic.multiple(self, other, alpha))[1])

    return method


def pow_(self: Tensor, exponent: Any) -> Tensor:
    """x ← xʸ"""
    arithmetic.check_power(self, exponent)
    return apply_(OPERATIONS["pow"], self, together(self, exponent)[1])


def _by_copy(function: Method) -> Method:
    """x ← f(x, …), where f reads a copy of x: the rarer functions, which need not save it."""

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        check(self)
        z = function(F.clone(self), *args, **options)
        if z.shape != self.shape:
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(z.shape)}"
            )
        return assign.put(self, (), z, accumulate=False)

    method.__name__ = method.__qualname__ = f"{function.__name__}_"
    return method


def normal_(self: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Tensor:
    """x ← N(mean, std²)"""
    return assign.copy_(self, Tensor(random.normal(self.shape, self.dtype, mean, std, generator)))


def uniform_(self: Tensor, from_: float = 0, to: float = 1, *, generator: Any = None) -> Tensor:
    """x ← U(from, to)"""
    return assign.copy_(self, Tensor(random.uniform(self.shape, self.dtype, from_, to, generator)))


def _comparison(function: Method) -> Method:
    """A comparison operator; with what is no number it says so, and Python answers `x == None` itself."""

    def compare(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor | np.ndarray | np.generic | bool | int | float):
            return NotImplemented
        return function(self, other)

    return compare


# changed in place by way of a copy
BY_COPY = (
    "absolute", "acos", "acosh", "addcdiv", "addcmul", "addmm", "addmv", "addr", "arccos", "arccosh",
    "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh", "atan", "atan2", "atanh", "baddbmm",
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "clamp", "clamp_max", "clamp_min", "clip", "copysign", "cosh", "cumprod", "cumsum", "deg2rad", "div",
    "divide", "eq", "erfc", "exp2", "fix", "float_power", "floor_divide", "fmod", "frac", "ge", "greater",
    "greater_equal", "gt", "hypot", "ldexp", "le", "lerp", "less", "less_equal", "logical_and", "logical_not",
    "logical_or", "logical_xor", "logit", "lt", "masked_scatter", "multiply", "nan_to_num", "ne", "negative",
    "not_equal", "rad2deg", "round", "sgn", "sinc", "sinh", "subtract", "tan", "tril", "triu", "true_divide",
    "trunc", "xlogy",
)  # fmt: skip


def random_(self: Tensor, from_: int = 0, to: int | None = None, *, generator: Any = None) -> Tensor:
    """x ← whole numbers from `from_` to `to` − 1, or below `from_` if it stands alone; all are equally likely."""
    low, high = (0, from_) if to is None else (from_, to)
    if to is None and not from_:  # as many as the dtype has
        kind = self.dtype.kind
        high = 2 if kind == "b" else 2 ** (np.finfo(self.dtype).nmant + 1) + 1 if kind == "f" else 0
        high = high or int(np.iinfo(self.dtype).max) + 1
    return assign.copy_(self, Tensor(random.stream(generator).integers(low, high, self.shape)))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """x ← 1 with chance p, else 0."""
    chance = p if isinstance(p, Tensor) else creation.full(self.shape, float(p))
    return assign.copy_(self, draws.bernoulli(chance.expand(*self.shape), generator=generator))


def type_(self: Tensor, dtype: Any = None) -> Any:
    """The name of its old constructor, or itself in another dtype, by whatever name that goes."""
    if dtype is None:
        return next(f"underhood.{name}" for name, of in legacy.NAMES.items() if of == self.dtype)
    if isinstance(dtype, str):
        dtype = legacy.NAMES.get(dtype.rpartition(".")[2], dtype)
    return cast.cast(self, getattr(dtype, "dtype", dtype))


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """There is no GPU for it."""
    check_device("cuda" if device is None else f"cuda:{device}")
    return self


METHODS: dict[str, Any] = {
    **{name: getattr(F, name) for name in (
        "abs", "absolute", "acos", "acosh", "add", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr",
        "all", "allclose", "amax", "amin", "aminmax", "any", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
        "arctan2", "arctanh", "argmax", "argmin", "argsort", "argwhere", "asin", "asinh", "atan", "atan2",
        "atanh", "baddbmm", "bincount", "bitwise_and", "bitwise_left_shift", "bitwise_not",
        "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bmm", "ceil", "chunk", "clamp", "clamp_max",
        "clamp_min", "clip", "clone", "copysign", "cos", "cosh", "count_nonzero", "cross", "cummax", "cummin",
        "cumprod", "cumsum", "deg2rad", "diag", "diag_embed", "diagflat", "diagonal", "diagonal_scatter",
        "diff", "dist", "div", "divide", "dot", "dsplit", "eq", "equal", "erf", "erfc", "exp", "exp2", "expm1",
        "fix", "flatten", "flip", "fliplr", "flipud", "float_power", "floor", "floor_divide", "fmax", "fmin",
        "fmod", "frac", "gather", "ge", "ger", "greater", "greater_equal", "gt", "histc", "hsplit", "hypot",
        "index_add", "index_copy", "index_fill", "index_put", "index_select", "inner", "isclose", "isfinite",
        "isinf", "isnan", "isneginf", "isposinf", "isreal", "kron", "kthvalue", "ldexp", "le", "lerp", "less",
        "less_equal", "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logaddexp2", "logcumsumexp",
        "logical_and", "logical_not", "logical_or", "logical_xor", "logit", "logsumexp", "lt", "masked_fill",
        "masked_scatter", "masked_select", "matmul", "max", "maximum", "mean", "median", "min", "minimum", "mm",
        "mode", "moveaxis", "movedim", "msort", "mul", "multinomial", "multiply", "mv", "nan_to_num", "nanmean",
        "nanmedian", "nanquantile", "nansum", "narrow", "ne", "neg", "negative", "nonzero", "norm", "not_equal",
        "outer", "permute", "positive", "pow", "prod", "quantile", "rad2deg", "ravel", "reciprocal", "relu",
        "remainder", "repeat_interleave", "reshape", "roll", "rot90", "round", "rsqrt", "scatter",
        "scatter_add", "select", "select_scatter", "sgn", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh",
        "slice_scatter", "softmax", "sort", "split", "sqrt", "square", "squeeze", "std", "sub", "subtract",
        "sum", "swapaxes", "swapdims", "t", "take", "take_along_dim", "tan", "tanh", "tensor_split", "tile",
        "topk", "trace", "transpose", "tril", "triu", "true_divide", "trunc", "unbind", "unflatten", "unique",
        "unique_consecutive", "unsqueeze", "var", "vdot", "vsplit", "where", "xlogy",
    )},
    # under another name, or as methods only
    "where": lambda self, condition, other: where.where(condition, self, other),
    "unfold": layouts.unfold_axis, "sum_to_size": layouts.sum_to_size, "split_with_sizes": F.split,
    "expand": expand.expand, "expand_as": expand.expand_as, "broadcast_to": expand.expand, "repeat": expand.repeat,
    "view": reshape.view, "view_as": reshape.view_as, "reshape_as": reshape.reshape_as,
    "contiguous": clone.contiguous, "T": property(permute.reverse), "mT": property(permute.matrix_transpose),
    # dtypes
    "to": cast.to, "type_as": cast.type_as, "type": type_, "double": cast.double, "float": cast.to_float,
    "long": cast.long, "int": cast.to_int, "bool": cast.to_bool,
    # more of the same dtype
    **{name: getattr(creation, name) for name in ("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros")},
    # where it is
    "cuda": cuda, "is_cuda": property(lambda self: False), "get_device": lambda self: -1,
    "pin_memory": lambda self: self, "is_pinned": lambda self: False, "is_complex": lambda self: False,
    "nelement": Tensor.numel, "ndimension": Tensor.dim,
    "itemsize": property(Tensor.element_size), "nbytes": property(lambda self: self.array.nbytes),
    # in place
    **{f"{name}_": _in_place(name) for name in (
        "abs", "ceil", "cos", "erf", "exp", "expm1", "floor", "log", "log10", "log1p", "log2", "neg", "reciprocal",
        "relu", "rsqrt", "sigmoid", "sign", "sin", "sqrt", "square", "tanh",
    )},
    "add_": _in_place_of_a_multiple("add"), "sub_": _in_place_of_a_multiple("sub"),
    "mul_": _in_place_of_two("mul"), "remainder_": _in_place_of_two("remainder"),
    "pow_": pow_, "__ipow__": pow_,
    **{f"{name}_": _by_copy(getattr(F, name)) for name in BY_COPY},
    "normal_": normal_, "uniform_": uniform_, "random_": random_, "bernoulli_": bernoulli_,
    "bernoulli": draws.bernoulli, "masked_fill_": where.masked_fill_,
    "copy_": assign.copy_, "fill_": assign.fill_, "zero_": assign.zero_, "index_put_": assign.index_put_,
    "scatter_": assign.scatter_, "scatter_add_": assign.scatter_add_,
    "index_add_": picking.index_add_, "index_copy_": picking.index_copy_, "index_fill_": picking.index_fill_,
    "__setitem__": assign.setitem,
    # operators
    "__add__": F.add, "__sub__": F.sub, "__mul__": F.mul, "__truediv__": F.div, "__pow__": F.pow,
    "__floordiv__": F.floor_divide, "__mod__": F.remainder, "__matmul__": F.matmul, "__neg__": F.neg,
    "__abs__": F.abs, "__getitem__": F.index,
    "__radd__": _swapped(F.add), "__rsub__": _swapped(F.sub), "__rmul__": _swapped(F.mul),
    "__rtruediv__": _swapped(F.div), "__rpow__": _swapped(F.pow), "__rmatmul__": _swapped(F.matmul),
    "__rfloordiv__": _swapped(F.floor_divide), "__rmod__": _swapped(F.remainder),
    **{f"__i{name}__": _in_place_of_two(of) for name, of in (
        ("add", "add"), ("sub", "sub"), ("mul", "mul"), ("truediv", "div"), ("mod", "remainder"),
    )},
    **{f"__{name}__": _comparison(getattr(F, name)) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "__and__": F.bitwise_and, "__or__": F.bitwise_or, "__xor__": F.bitwise_xor, "__invert__": F.bitwise_not,
    "__lshift__": F.bitwise_left_shift, "__rshift__": F.bitwise_right_shift, "__pos__": F.positive,
    "__rand__": _swapped(F.bitwise_and), "__ror__": _swapped(F.bitwise_or), "__rxor__": _swapped(F.bitwise_xor),
}  # fmt: skip

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
