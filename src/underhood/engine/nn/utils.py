"""Clipping gradients, between backward and the optimiser's step.

    clip_grad_norm_    g ← g · min(1, c / (‖g‖ + 1e−6)),   ‖g‖ the norm of all gradients as one long vector
    clip_grad_value_   g ← min(max(g, −c), c), element by element

The first keeps the direction of the step, the second does not.

Source: Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", Algorithm 1.
PyTorch: torch.nn.utils.clip_grad_norm_, clip_grad_value_.
"""

from collections.abc import Iterable

import numpy as np

from underhood.engine.dtypes import get_default_dtype
from underhood.engine.forms import Array
from underhood.engine.missing import lacking
from underhood.engine.tensor import Tensor

Parameters = Tensor | Iterable[Tensor]


def clip_grad_norm_(
    parameters: Parameters,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients together, in place, so that their norm is at most `max_norm`; returns what it was.

    `norm_type` p gives (Σ|g|ᵖ)^(1/p), inf the largest |g|. `foreach` is torch's and changes nothing.
    """
    gradients = _gradients(parameters)
    norms = [np.linalg.norm(g.reshape(-1), norm_type) for g in gradients]
    total = np.linalg.norm(np.array(norms), norm_type) if norms else 0.0
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {float(norm_type)} for gradients from `parameters` is non-finite, so it cannot "
            "be clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    factor = max_norm / (total + 1e-6)
    if not factor >= 1:  # nan scales too, as in torch
        for g in gradients:
            g *= g.dtype.type(factor)
    return Tensor(np.asarray(total, gradients[0].dtype if gradients else get_default_dtype()))


def clip_grad_value_(parameters: Parameters, clip_value: float, foreach: bool | None = None) -> None:
    """Bring every element of every gradient between −`clip_value` and `clip_value`, in place."""
    for g in _gradients(parameters):
        np.clip(g, -clip_value, clip_value, out=g)


def _gradients(parameters: Parameters) -> list[Array]:
    """The gradients that there are, marked as changed in place."""
    found = [p.grad for p in ([parameters] if isinstance(parameters, Tensor) else parameters) if p.grad is not None]
    for gradient in found:
        gradient.versions[0] += 1
    return [gradient.array for gradient in found]


__getattr__ = lacking(__name__, "underhood.nn.utils")
