"""The formulas of operations that do more than add and multiply, with their numbers put in.

A formula is a function of a call and the position of an output; it returns the filled-in text, the positions that the
output rests on (the most telling first), and what the text comes to.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from math import exp, log, sqrt, tanh
from typing import Any

import numpy as np

from underhood.instruments.trace.equation import factor, number, short
from underhood.instruments.trace.parts import Called, Made, Position

SHOWN = 6  # numbers of a long list that are written


def _sigma(x: float) -> float:
    return 1 / (1 + exp(-x))


# functions of one number: how they are written ({x} plain, {b} in brackets if negative), and what they are
ONE: dict[str, tuple[str, Callable[[float], float]]] = {
    "relu": ("max({x}, 0)", lambda x: max(x, 0.0)),
    "sigmoid": ("1 / (1 + e^{minus})", _sigma),
    "tanh": ("tanh({x})", tanh),
    "exp": ("e^{b}", exp),
    "log": ("ln {b}", log),
    "sqrt": ("√{b}", sqrt),
    "rsqrt": ("1 / √{b}", lambda x: 1 / sqrt(x)),
    "square": ("{b}²", lambda x: x * x),
    "reciprocal": ("1 / {b}", lambda x: 1 / x),
    "abs": ("|{x}|", abs),
    "silu": ("{x} / (1 + e^{minus})", lambda x: x * _sigma(x)),
}


def one_number(called: Called, i: int, k: tuple[int, ...]) -> Made:
    """A function applied to every number by itself; one that is not written here is asked about this number alone."""
    x = float(called.inputs[i][k])
    if called.operation.name in ONE:
        pattern, function = ONE[called.operation.name]
        with suppress(OverflowError, ZeroDivisionError, ValueError):  # where NumPy has an infinity
            filled = pattern.format(x=number(x), b=factor(x), minus=factor(-x))
            return Made(filled=filled, positions=[(i, k)], total=function(x))
    alone = np.full((1,) * called.inputs[i].ndim, x)
    inputs = [alone if j == i else y for j, y in enumerate(called.inputs)]
    z = Called(called.operation, tuple(inputs), called.settings).z
    return Made(filled=f"{called.operation.name}({number(x)})", positions=[(i, k)], total=float(z.item()))


def listed(values: list[float]) -> str:
    """Numbers with commas, the middle of a long list left out."""
    if len(values) > SHOWN:
        return ", ".join([*map(number, values[: SHOWN - 1]), "…", number(values[-1])])
    return ", ".join(map(number, values))


def line(called: Called, k: tuple[int, ...], dim: int) -> list[tuple[int, ...]]:
    """The positions along `dim` through k."""
    return [(*k[:dim], j, *k[dim + 1 :]) for j in range(called.inputs[0].shape[dim])]


def _softmax(called: Called, k: tuple[int, ...]) -> Made:
    dim = called.settings["dim"] % called.inputs[0].ndim
    positions = line(called, k, dim)
    x = [float(called.inputs[0][p]) for p in positions]
    own = x[k[dim]]
    filled = f"e^{factor(own)} / Σ e^({listed(x)})"
    order = [k, *(p for p in positions if p != k)]
    total = exp(own - max(x)) / sum(exp(v - max(x)) for v in x)
    return Made(filled=filled, positions=[(0, p) for p in order], total=total)


def _log_softmax(called: Called, k: tuple[int, ...]) -> Made:
    dim = called.settings["dim"] % called.inputs[0].ndim
    positions = line(called, k, dim)
    x = [float(called.inputs[0][p]) for p in positions]
    own, top = x[k[dim]], max(x)
    filled = f"{number(own)} − ln Σ e^({listed(x)})"
    total = own - top - log(sum(exp(v - top) for v in x))
    return Made(filled=filled, positions=[(0, p) for p in [k, *(p for p in positions if p != k)]], total=total)


def _cross_entropy(called: Called, k: tuple[int, ...]) -> Made | None:
    """Of classes, one for each row, without weights; their mean, their sum, or the one at k."""
    x, t, w = called.inputs
    settings = called.settings
    if w is not None or settings["label_smoothing"] or x.ndim != 2 or (t == settings["ignore_index"]).any():
        return None
    rows = k if settings["reduction"] == "none" and k else range(len(x))
    losses = [_surprise(x[n], int(t[n])) for n in rows]
    texts = [f"(ln Σ e^({listed([float(v) for v in x[n]])}) − {factor(float(x[n, t[n]]))})" for n in rows]
    total = sum(losses) / (len(x) if settings["reduction"] == "mean" else 1)
    filled = " + ".join(texts[:2]) + (" + …" if len(texts) > 2 else "") or "0"
    if len(texts) == 1:
        filled = filled[1:-1]
    elif settings["reduction"] == "mean":
        filled = f"[{filled}] / {len(x)}"
    positions: list[Position] = [(0, (n, int(t[n]))) for n in rows]
    positions += [(0, (n, c)) for n in rows for c in range(x.shape[1]) if c != t[n]]
    return Made(filled=filled, positions=positions, total=total)


def _surprise(x: Any, t: int) -> float:
    top = float(x.max())
    return top + log(sum(exp(float(v) - top) for v in x)) - float(x[t])


def surprise(called: Called, i: int, position: tuple[int, ...]) -> str:
    """The gradient of a cross-entropy of classes, o − [k = t], shared among the rows; empty for other losses."""
    if called.operation.name != "cross_entropy" or i != 0 or _cross_entropy(called, ()) is None:
        return ""
    x, t, _ = called.inputs
    n, k = position
    e = np.exp(x[n] - x[n].max())
    text = f"{number(float(e[k] / e.sum()))} − {int(k == t[n])}"
    return f"({text}) / {len(x)}" if called.settings["reduction"] == "mean" and len(x) > 1 else text


def _scaled(x: float, mu: float, sigma2: float, eps: float, scale: Any, shift: Any) -> tuple[str, float]:
    """γ·(x − μ) / √(σ² + ε) + β, without the γ and β that the layer does not have."""
    text = f"({number(x)} − {factor(mu)}) / √({number(sigma2)} + {short(eps)})"
    total = (x - mu) / sqrt(sigma2 + eps)
    if scale is not None:
        text, total = f"{number(scale)}·{text}", float(scale) * total
    if shift is not None:
        text, total = f"{text} + {factor(shift)}", total + float(shift)
    return text, total


def _batch_norm(called: Called, k: tuple[int, ...]) -> Made:
    a, w, b, mean, var = called.inputs
    c, eps = k[1], called.settings["eps"]
    if called.settings["training"]:
        channel = np.moveaxis(a, 1, 0)[c]
        mu, sigma2 = float(channel.mean()), float(channel.var())
    else:
        mu, sigma2 = float(mean[c]), float(var[c])
    filled, total = _scaled(float(a[k]), mu, sigma2, eps, None if w is None else w[c], None if b is None else b[c])
    positions: list[Position] = [(0, k)]
    positions += [(i, (c,)) for i in (1, 2) if called.inputs[i] is not None]
    return Made(filled=filled, positions=positions, total=total)


def _layer_norm(called: Called, k: tuple[int, ...]) -> Made:
    a, w, b = called.inputs
    axes, eps = len(called.settings["normalized_shape"]), called.settings["eps"]
    row, there = a[k[:-axes]], k[-axes:]
    mu, sigma2 = float(row.mean()), float(row.var())
    scale, shift = (None if each is None else each[there] for each in (w, b))
    filled, total = _scaled(float(a[k]), mu, sigma2, eps, scale, shift)
    positions: list[Position] = [(0, k), *((i, there) for i in (1, 2) if called.inputs[i] is not None)]
    return Made(filled=filled, positions=positions, total=total)


def _div(called: Called, k: tuple[int, ...]) -> Made:
    positions = [_broadcast(called.inputs[i], k) for i in (0, 1)]
    x, y = (float(np.asarray(called.inputs[i])[positions[i]]) for i in (0, 1))
    return Made(filled=f"{number(x)} / {factor(y)}", positions=[(0, positions[0]), (1, positions[1])], total=x / y)


def _pow(called: Called, k: tuple[int, ...]) -> Made:
    positions = [_broadcast(called.inputs[i], k) for i in (0, 1)]
    x, y = (float(np.asarray(called.inputs[i])[positions[i]]) for i in (0, 1))
    return Made(filled=f"{factor(x)}^{factor(y)}", positions=[(0, positions[0]), (1, positions[1])], total=x**y)


def _broadcast(x: Any, k: tuple[int, ...]) -> tuple[int, ...]:
    """The position in x that output k reads."""
    shape = np.shape(x)
    return tuple(0 if n == 1 else i for i, n in zip(k[len(k) - len(shape) :], shape, strict=True))


def _largest(called: Called, positions: Iterator[tuple[int, ...]]) -> Made:
    """The maximum over some positions, the first of equals."""
    every = list(positions)
    values = [float(called.inputs[0][p]) for p in every]
    top = int(np.argmax(values))
    order = [every[top], *(p for i, p in enumerate(every) if i != top)]
    return Made(filled=f"max({listed(values)})", positions=[(0, p) for p in order], total=values[top])


def _max_pool2d(called: Called, k: tuple[int, ...]) -> Made:
    a, settings = called.inputs[0], called.settings
    spans = []
    for axis, name in ((-2, 0), (-1, 1)):
        kernel, stride, padding, dilation = (
            _pair(settings.get(key, default))[name]
            for key, default in (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1))
        )
        starts = (k[axis] * stride - padding + dilation * i for i in range(kernel))
        spans.append([p for p in starts if 0 <= p < a.shape[axis]])
    return _largest(called, ((*k[:-2], y, x) for y, x in product(*spans)))


def _pair(value: Any) -> tuple[int, int]:
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def _max_over(called: Called, k: tuple[int, ...]) -> Made:
    a, settings = called.inputs[0], called.settings
    dims = settings["dim"] if isinstance(settings["dim"], tuple) else (settings["dim"],)
    stay = list(k)
    if not settings["keepdim"]:
        for dim in sorted(dims):
            stay.insert(dim, 0)
    ranges = [range(n) if axis in dims else [stay[axis]] for axis, n in enumerate(a.shape)]
    return _largest(called, product(*ranges))


FORMULAS: dict[str, Callable[[Called, tuple[int, ...]], Made | None]] = {
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "cross_entropy": _cross_entropy,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "div": _div,
    "pow": _pow,
    "max_pool2d": _max_pool2d,
    "amax": _max_over,
    "max": _max_over,
}
