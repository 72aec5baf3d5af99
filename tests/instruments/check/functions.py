"""Functions as students write them, wrong and right: (forward, backward or None), the operation, the fault's name."""

import numpy as np


def sigma(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True, initial=-1e9))
    return e / e.sum(-1, keepdims=True)


def softmax_diagonal(d, x):
    p = softmax(x)
    return d * p * (1 - p)


def layer_norm(x, w, b):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w + b


def layer_norm_unbiased(x, w, b):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True, ddof=1) + 1e-5) * w + b


def batch_norm(x, w, b):
    axes, along = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
    z = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    return z * w.reshape(along) + b.reshape(along)


def batch_norm_variance(x, w, b):
    axes, along = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
    z = (x - x.mean(axes, keepdims=True)) / (x.var(axes, keepdims=True) + 1e-5)
    return z * w.reshape(along) + b.reshape(along)


def mse(x, t):
    return np.asarray(((x - t) ** 2).mean())


def mse_without_two(d, x, t):
    return d * (x - t) / x.size, None


def mse_summed(d, x, t):
    return d * 2 * (x - t), None


def linear(a, w, b):
    return a @ w.T + b


def embedding_once(d, i, w):
    dw = np.zeros_like(w)
    dw[i] = d  # a row that is read twice keeps the last alone
    return None, dw


def bce(x, t):
    return np.asarray(-(t * np.log(x) + (1 - t) * np.log(1 - x)).mean())


def max_pool2d_late(a, kernel_size, stride):
    """One place too far."""
    (k, m), (s, r) = kernel_size, stride
    rows, columns = (a.shape[2] - k) // s + 1, (a.shape[3] - m) // r + 1
    z = np.empty((*a.shape[:2], rows, columns))
    for y in range(rows):
        for x in range(columns):
            z[:, :, y, x] = a[:, :, y * s : y * s + k + 1, x * r : x * r + m].max((2, 3))
    return z


WRONG = {
    "relu with >=": (lambda x: np.maximum(x, 0), lambda d, x: d * (x >= 0), "relu", "slope at the kink"),
    "sigmoid′ of x": (sigma, lambda d, x: d * x * (1 - x), "sigmoid", "derivative of the wrong variable"),
    "tanh′ of x": (np.tanh, lambda d, x: d * (1 - x**2), "tanh", "derivative of the wrong variable"),
    "sigmoid′ of σ(σ(x))": (
        sigma,
        lambda d, x: d * sigma(sigma(x)) * (1 - sigma(sigma(x))),
        "sigmoid",
        "derivative of the wrong variable",
    ),
    "without δ": (np.tanh, lambda d, x: 1 - np.tanh(x) ** 2, "tanh", "incoming gradient left out"),
    "softmax′ without its sum": (softmax, softmax_diagonal, "softmax", "diagonal of the Jacobian"),
    "softmax over the batch": (lambda x: softmax(x.T).T, None, "softmax", "batch for feature axis"),
    "layer norm with n − 1": (layer_norm_unbiased, None, "layer_norm", "unbiased for biased variance"),
    "batch norm by the variance": (batch_norm_variance, None, "batch_norm", "square root missing"),
    "mse without its 2": (mse, mse_without_two, "mse_loss", "factor"),
    "mse of the sum": (mse, mse_summed, "mse_loss", "sum for mean"),
    "bias added twice": (lambda a, w, b: a @ w.T + 2 * b, None, "linear", "bias twice"),
    "row of an embedding overwritten": (lambda i, w: w[i], embedding_once, "embedding", "overwritten gradient"),
    "pool one row too far": (max_pool2d_late, None, "max_pool2d", "differs"),
    "gradient turned round": (np.exp, lambda d, x: -d * np.exp(x), "exp", "sign"),
}

RIGHT = {
    "relu": (lambda x: np.where(x > 0, x, 0), lambda d, x: np.where(x > 0, d, 0), "relu"),
    "relu by clipping": (lambda x: np.clip(x, 0, None), lambda d, x: d * np.sign(np.clip(x, 0, 1)), "relu"),
    "softmax without dim": (
        softmax,
        lambda d, x: softmax(x) * (d - (d * softmax(x)).sum(-1, keepdims=True)),
        "softmax",
    ),
    "sigmoid by tanh": (lambda x: (1 + np.tanh(x / 2)) / 2, lambda d, x: d * sigma(x) * sigma(-x), "sigmoid"),
    "layer norm without eps": (layer_norm, None, "layer_norm"),
    "batch norm without options": (batch_norm, None, "batch_norm"),
    "mse": (mse, lambda d, x, t: (d * 2 * (x - t) / x.size, None), "mse_loss"),
    "linear by einsum": (lambda a, w, b: np.einsum("...i,ji->...j", a, w) + b, None, "linear"),
    "silu": (lambda x: x * sigma(x), lambda d, x: d * (sigma(x) + x * sigma(x) * sigma(-x)), "silu"),
    "embedding by one-hot rows": (lambda i, w: np.eye(len(w))[i] @ w, None, "embedding"),
}
