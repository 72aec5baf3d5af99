"""The from-scratch engine: tensors, operations in three forms, modules and optimisers. NumPy and Numba alone."""

from underhood.engine import autograd, creation, draws, dtypes, functional, legacy, methods, missing, nn, ops, optim
from underhood.engine.autograd import grad
from underhood.engine.creation import from_numpy, tensor
from underhood.engine.device import device
from underhood.engine.fast.plan import plan
from underhood.engine.forms import OPERATIONS, current_form, form
from underhood.engine.generator import Generator
from underhood.engine.grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from underhood.engine.random import manual_seed
from underhood.engine.tensor import Size, Tensor

__all__ = [
    "OPERATIONS",
    "Generator",
    "Size",
    "Tensor",
    "autograd",
    "creation",
    "current_form",
    "device",
    "draws",
    "dtypes",
    "enable_grad",
    "form",
    "from_numpy",
    "functional",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "legacy",
    "manual_seed",
    "methods",
    "missing",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "plan",
    "set_grad_enabled",
    "tensor",
]
