"""SimpleConvNet by hand: the layers of the homework under its names, each a door to a form of the engine.

    conv    z[n,o,m,l] = b[o] + Σ_c Σᵢ Σⱼ a[n,c,m+i,l+j] · w[o,c,i,j]
    pool    z[n,c,m,l] = max of a[n,c,2m…2m+1,2l…2l+1]
    reshape z[n,j] = a[n,c,m,l],  j = c·S² + m·S + l
    fc      z[n,j] = b[j] + Σᵢ w[j,i] · a[n,i]

`…_scalar` is the definition, loops over single numbers; `…_vector` is the same with NumPy's arrays. Both take and
return arrays, or tensors of the engine, through which gradients flow. `diff_mse` says how far two results are apart.

    z = conv2d_scalar(images, net.conv.weight, net.conv.bias)
    diff_mse(z, conv2d_vector(images, net.conv.weight, net.conv.bias))

Source: A. Chernodub's "Homework for the deep learning class" (2019), section 2 and `simple_conv_net_func.py`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine import functional as F
from underhood.engine.device import check_device
from underhood.engine.forms import form
from underhood.engine.ops.conv2d import conv2d_by_channel
from underhood.engine.tensor import Tensor


def conv2d_scalar(x_in: Any, conv_weight: Any, conv_bias: Any = None, device: Any = None) -> Any:
    """(N, C, S, S) → (N, O, S − K + 1, S − K + 1), number by number; `conv_weight` (O, C, K, K), `conv_bias` (O,)."""
    return _run("definition", F.conv2d, x_in, conv_weight, conv_bias, device=device)


def conv2d_vector(
    x_in: Any, conv_weight: Any, conv_bias: Any = None, device: Any = None, columns: str = "C·K·K"
) -> Any:
    """The same as matrix products: one with columns of `C·K·K` numbers, or one a channel with columns of `K·K`."""
    if columns not in ("C·K·K", "K·K"):
        raise ValueError(f"columns hold C·K·K or K·K numbers, not {columns!r}")
    function = F.conv2d if columns == "C·K·K" else conv2d_by_channel
    return _run("vector", function, x_in, conv_weight, conv_bias, device=device)


def pool2d_scalar(a: Any, device: Any = None) -> Any:
    """(N, C, S, S) → (N, C, ⌊S/2⌋, ⌊S/2⌋): the maximum of every 2×2 square, number by number."""
    return _run("definition", F.max_pool2d, a, device=device, kernel_size=2)


def pool2d_vector(a: Any, device: Any = None) -> Any:
    """The same with arrays."""
    return _run("vector", F.max_pool2d, a, device=device, kernel_size=2)


def relu_scalar(a: Any, device: Any = None) -> Any:
    """max(x, 0), number by number, in any shape."""
    return _run("definition", F.relu, a, device=device)


def relu_vector(a: Any, device: Any = None) -> Any:
    """The same with arrays."""
    return _run("vector", F.relu, a, device=device)


def reshape_scalar(a: Any, device: Any = None) -> Any:
    """(N, C, S, S) → (N, C·S·S), number by number."""
    return _run("definition", F.flatten, a, device=device, start_dim=1)


def reshape_vector(a: Any, device: Any = None) -> Any:
    """The same with arrays."""
    return _run("vector", F.flatten, a, device=device, start_dim=1)


def fc_layer_scalar(a: Any, weight: Any, bias: Any = None, device: Any = None) -> Any:
    """(N, D) → (N, P), number by number; `weight` (P, D), `bias` (P,)."""
    return _run("definition", F.linear, a, weight, bias, device=device)


def fc_layer_vector(a: Any, weight: Any, bias: Any = None, device: Any = None) -> Any:
    """The same as one matrix product."""
    return _run("vector", F.linear, a, weight, bias, device=device)


def softmax_scalar(a: Any, device: Any = None) -> Any:
    """e^x / Σ e^x over the classes, (N, C) → (N, C), number by number."""
    return _run("definition", F.softmax, a, device=device, dim=1)


def softmax_vector(a: Any, device: Any = None) -> Any:
    """The same with arrays."""
    return _run("vector", F.softmax, a, device=device, dim=1)


def diff_mse(x: Any, y: Any) -> float:
    """1/M Σ (x − y)², over the M numbers of two arrays or tensors, of either library, of the same shape."""
    a, b = (np.asarray(v.detach() if hasattr(v, "detach") else v, np.float64) for v in (x, y))
    if a.shape != b.shape:
        raise ValueError(f"diff_mse: shapes {a.shape} and {b.shape} differ")
    return float(np.mean((a - b) ** 2))


def _run(name: str, function: Callable[..., Any], *inputs: Any, device: Any, **options: Any) -> Any:
    """Call a function of tensors in one form; arrays in, arrays out."""
    check_device(device)
    tensors = [Tensor(x) if isinstance(x, np.ndarray) else x for x in inputs]
    with form(name):
        z = function(*tensors, **options)
    return z if any(isinstance(x, Tensor) for x in inputs) else z.array
