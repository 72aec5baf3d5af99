"""The methods of Tensor that compute: each is its function with the tensor first."""

from typing import Any

import numpy as np

from underhood.engine import functional as F
from underhood.engine.tensor import Tensor

METHODS = {
    **{name: getattr(F, name) for name in (
        "add", "amax", "div", "exp", "flatten", "log", "log_softmax", "matmul", "max", "mean", "mul", "neg",
        "relu", "reshape", "sigmoid", "softmax", "sqrt", "sub", "sum", "tanh",
    )},
    "abs": F.abs, "pow": F.pow, "view": F.reshape,
    "__add__": F.add, "__sub__": F.sub, "__mul__": F.mul, "__truediv__": F.div, "__pow__": F.pow,
    "__matmul__": F.matmul, "__neg__": F.neg, "__abs__": F.abs, "__getitem__": F.index,
    "__radd__": lambda self, other: F.add(other, self),
    "__rsub__": lambda self, other: F.sub(other, self),
    "__rmul__": lambda self, other: F.mul(other, self),
    "__rtruediv__": lambda self, other: F.div(other, self),
    "__rpow__": lambda self, other: F.pow(other, self),
    "__rmatmul__": lambda self, other: F.matmul(other, self),
}  # fmt: skip


def _compare(name: str) -> Any:
    def compare(self: Tensor, other: Any) -> Tensor:
        return Tensor(getattr(self.array, name)(other.array if isinstance(other, Tensor) else other))

    return compare


def argmax(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the first maximum, among all numbers or along one axis."""
    return Tensor(np.asarray(np.argmax(self.array, axis=dim, keepdims=keepdim and dim is not None)))


METHODS |= {name: _compare(name) for name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")}
METHODS["argmax"] = argmax

for _name, _function in METHODS.items():
    setattr(Tensor, _name, _function)
