"""Faults that people make, each as the function that one would write with it: the tester's own test.

A seeded pair is `(forward, backward)` on arrays, for the operation that it is meant to be.
"""

import numpy as np

from underhood.engine.forms import OPERATIONS

linear, conv2d, cross_entropy = (OPERATIONS[name].vector for name in ("linear", "conv2d", "cross_entropy"))


def rows(a):
    return a.reshape(int(np.prod(a.shape[:-1])), a.shape[-1])


def linear_forward(a, w, b):
    return a @ w.T + b


def linear_backward(d, a, w, b):
    return d @ w, rows(d).T @ rows(a), rows(d).sum(0)


def window(stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def conv_forward(a, w, b, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return conv2d.forward(a, w, b, **window(stride, padding, dilation, groups))


def conv_backward(d, a, w, b, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return conv2d.backward(d, None, a, w, b, **window(stride, padding, dilation, groups))


def flipped(w):
    return w[:, :, ::-1, ::-1]


def flipped_forward(a, w, b, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return conv_forward(a, flipped(w), b, **window(stride, padding, dilation, groups))


def flipped_backward(d, a, w, b, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    da, dw, db = conv_backward(d, a, flipped(w), b, **window(stride, padding, dilation, groups))
    return da, flipped(dw), db


def unturned_backward(d, a, w, b, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """The input's gradient by a correlation with the filter as it is, where it has to be turned round."""
    _, dw, db = conv_backward(d, a, w, b, **window(stride, padding, dilation, groups))
    da, _, _ = conv_backward(d, a, flipped(w), b, **window(stride, padding, dilation, groups))
    return da, dw, db


def more(padding):
    return padding if isinstance(padding, str) else tuple(p + 1 for p in padding)


def padded_forward(a, w, b, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return conv_forward(a, w, b, **window(stride, more(padding), dilation, groups))


def padded_backward(d, a, w, b, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return conv_backward(d, a, w, b, **window(stride, more(padding), dilation, groups))


def shifted_forward(a, w, b, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """One zero fewer before, one more behind."""
    if isinstance(padding, str) or min(padding) == 0:
        return conv_forward(a, w, b, **window(stride, padding, dilation, groups))
    sides = [(p - 1, p + 1) for p in padding]
    return conv_forward(np.pad(a, ((0, 0), (0, 0), *sides)), w, b, **window(stride, (0, 0), dilation, groups))


def overwritten_rows(d, a, w, b):
    """`dw = …` in the loop over the batch, where `dw += …` is meant."""
    dw = np.zeros_like(w)
    for n in range(len(rows(d))):
        dw = np.outer(rows(d)[n], rows(a)[n])
    return d @ w, dw, rows(d).sum(0)


def overwritten_windows(d, a, w, b):
    """The windows of a convolution overlap; `=` keeps the last of them."""
    da = np.zeros_like(a)
    for y in range(d.shape[2]):
        for x in range(d.shape[3]):
            part = np.einsum("no,ocij->ncij", d[:, :, y, x], w)
            da[:, :, y : y + w.shape[2], x : x + w.shape[3]] = part
    return da, *conv_backward(d, a, w, b)[1:]


def softmax(x, dim=1):
    e = np.exp(x - x.max(dim, keepdims=True, initial=-1e9))
    return e / e.sum(dim, keepdims=True)


def entropy(turned=lambda x: x, reduced=lambda reduction: reduction):
    """Cross-entropy of `turned(x)`, reduced as `reduced` says; gradients to match."""

    def forward(x, t, *, reduction="mean"):
        return cross_entropy.forward(turned(x), t, None, **rest(reduced(reduction)))[0]

    def backward(d, x, t, *, reduction="mean"):
        z, *extras = cross_entropy.forward(turned(x), t, None, **rest(reduced(reduction)))
        g = cross_entropy.backward(d, z, *extras, turned(x), t, None, **rest(reduced(reduction)))
        g = g[0] if isinstance(g, tuple) else g
        if turned is softmax:
            p = softmax(x)
            g = p * (g - (g * p).sum(1, keepdims=True))
        return g, None

    return forward, backward


def rest(reduction):
    return {"reduction": reduction, "ignore_index": -100, "label_smoothing": 0.0}


def norm(correction=0, root=lambda v, eps: (v + eps) ** 0.5, over=None, stale=None):
    """Batch normalisation with the mistake that is asked for."""

    def forward(a, w=None, b=None, mean=None, var=None, *, training, eps):
        axes = (0, *range(2, a.ndim)) if over is None else over(a)
        along = [1, -1] + [1] * (a.ndim - 2)
        batch = training if stale is None else not training
        if batch:
            m = a.mean(axes, keepdims=True)
            v = ((a - m) ** 2).sum(axes, keepdims=True) / (a.size / m.size - correction)
        elif training:
            m, v = 0.0, 1.0
        else:
            m, v = mean.reshape(along), var.reshape(along)
        z = (a - m) / root(v, eps)
        z = z if w is None else z * w.reshape(along)
        return z if b is None else z + b.reshape(along)

    return forward, None
