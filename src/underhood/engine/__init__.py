"""The from-scratch engine: tensors, operations in three forms, modules and optimisers. NumPy and Numba alone."""

from underhood.engine import functional, methods, nn, ops, optim
from underhood.engine.forms import OPERATIONS, current_form, form
from underhood.engine.tape import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from underhood.engine.tensor import Tensor, from_numpy, grad, tensor

__all__ = [
    "OPERATIONS",
    "Tensor",
    "current_form",
    "enable_grad",
    "form",
    "from_numpy",
    "functional",
    "grad",
    "is_grad_enabled",
    "methods",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "set_grad_enabled",
    "tensor",
]
