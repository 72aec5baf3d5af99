"""The tester tested: faults seeded one by one, each caught and named."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from underhood.engine.forms import OPERATIONS
from underhood.instruments.check import check
from underhood.instruments.check.faults import FAULTS

spec = importlib.util.spec_from_file_location("seeded", Path(__file__).with_name("seeded.py"))
seeded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(seeded)


def linear(**changed):
    """The right pair with one gradient changed: `db=lambda d, a, w, b: …`"""

    def backward(d, a, w, b):
        right = dict(zip(("da", "dw", "db"), seeded.linear_backward(d, a, w, b), strict=True))
        return [changed[name](d, a, w, b) if name in changed else g for name, g in right.items()]

    return seeded.linear_forward, backward


def one_number(d, a, w, b):
    """∂w with a single number off by 0.05 %."""
    dw = seeded.linear_backward(d, a, w, b)[1].copy()
    dw.reshape(-1)[0] *= 1.0005
    return dw


def var_forward(x, *, dim, correction, keepdim):
    return np.asarray(x.var(dim, ddof=1 - correction, keepdims=keepdim))


def likelihood(x, t, *, reduction="mean"):
    """Logits taken for logarithms of probabilities."""
    z = -x[np.arange(len(t)), t] if t.ndim == 1 else seeded.entropy()[0](x, t, reduction=reduction)
    if t.ndim != 1 or reduction == "none":
        return z
    return np.asarray(z.mean() if reduction == "mean" else z.sum())


def backward_of(change):
    """The right gradients of a convolution with those in `change` changed."""

    def backward(d, a, w, b, **settings):
        da, dw, db = seeded.conv_backward(d, a, w, b, **settings)
        return change(da, dw, db)

    return backward


# operation, the pair, the fault's name, the part that is wrong
SEEDED = [
    ("cross_entropy", seeded.entropy(reduced=lambda r: "sum" if r == "mean" else r), "sum for mean", "z, ∂x"),
    ("cross_entropy", seeded.entropy(reduced=lambda r: "mean" if r == "sum" else r), "mean for sum", "z, ∂x"),
    ("linear", linear(db=lambda d, a, w, b: seeded.rows(d).mean(0) if d.size else b * 0), "mean for sum", "∂b"),
    ("linear", linear(da=lambda d, a, w, b: 7 * (d @ w)), "factor", "∂a"),
    ("linear", linear(db=lambda d, a, w, b: seeded.rows(d).sum(1)), "batch for feature axis", "∂b"),
    ("softmax", (lambda x, *, dim: seeded.softmax(x, 1 - dim), None), "batch for feature axis", "z"),
    ("batch_norm", seeded.norm(over=lambda a: tuple(range(1, a.ndim))), "batch for feature axis", "z"),
    ("conv2d", (seeded.flipped_forward, seeded.flipped_backward), "filter flipped", "z, ∂a, ∂w"),
    ("conv2d", (seeded.conv_forward, seeded.unturned_backward), "filter flipped", "∂a"),
    ("linear", (lambda a, w, b: a @ w + b, seeded.linear_backward), "transposed weight", "z"),
    ("linear", linear(dw=lambda d, a, w, b: seeded.rows(a).T @ seeded.rows(d)), "transposed weight", "∂w"),
    ("linear", (lambda a, w, b: a @ w.T, seeded.linear_backward), "missing bias", "z"),
    ("conv2d", (seeded.padded_forward, seeded.padded_backward), "off-by-one padding", "z"),
    ("conv2d", (seeded.shifted_forward, seeded.conv_backward), "off-by-one padding", "z"),
    ("linear", (seeded.linear_forward, seeded.overwritten_rows), "overwritten gradient", "∂w"),
    (
        "conv2d",
        (lambda a, w, b: seeded.conv_forward(a, w, b), seeded.overwritten_windows),
        "overwritten gradient",
        "∂a",
    ),
    ("cross_entropy", seeded.entropy(turned=seeded.softmax), "softmax before cross-entropy", "z, ∂x"),
    ("batch_norm", seeded.norm(stale=True), "stale BatchNorm mode", "z"),
    ("batch_norm", seeded.norm(correction=1), "unbiased for biased variance", "z"),
    ("var", (var_forward, None), "biased for unbiased variance", "z"),
    ("batch_norm", seeded.norm(root=lambda v, eps: v**0.5 + eps), "epsilon misplaced", "z"),
    ("linear", linear(da=lambda d, a, w, b: 1.0005 * (d @ w)), "factor", "∂a"),
    ("linear", linear(dw=one_number), "differs", "∂w"),
    ("linear", linear(dw=lambda d, a, w, b: 0 * w), "nothing arrives", "∂w"),
    ("linear", linear(dw=lambda d, a, w, b: -seeded.rows(d).T @ seeded.rows(a)), "sign", "∂w"),
    ("linear", linear(db=lambda d, a, w, b: None), "missing", "∂b"),
    ("cross_entropy", (likelihood, None), "softmax missing", "z"),
    (
        "conv2d",
        (seeded.conv_forward, backward_of(lambda da, dw, db: (da, seeded.flipped(dw), db))),
        "filter flipped",
        "∂w",
    ),
    ("conv2d", (seeded.conv_forward, backward_of(lambda da, dw, db: (da, dw, 7 * db))), "factor", "∂b"),
    ("linear", (lambda a, w, b: a @ w.T + 2 * b, seeded.linear_backward), "bias twice", "z"),
]


@pytest.mark.parametrize(("operation", "pair", "fault", "part"), SEEDED, ids=lambda x: x if isinstance(x, str) else "")
def test_a_seeded_fault_is_caught_and_named(operation, pair, fault, part):
    with np.errstate(all="ignore"):
        found = check(pair, against=operation)
    assert not found.agrees
    assert found.faults[0] == fault
    assert any(row["verdict"] == f"{part}: {fault}" for row in found.rows)
    assert any(line.startswith(f"{fault} (") for line in found.foot)


@pytest.mark.parametrize(
    ("operation", "pair"),
    [
        ("linear", (seeded.linear_forward, seeded.linear_backward)),
        ("conv2d", (seeded.conv_forward, seeded.conv_backward)),
        ("cross_entropy", seeded.entropy()),
        ("softmax", (seeded.softmax, None)),
        ("batch_norm", seeded.norm()),
    ],
)
def test_without_a_fault_nothing_is_said(operation, pair):
    found = check(pair, against=operation)
    assert found.agrees
    assert found.faults == ()
    assert {row["verdict"] for row in found.rows} == {"agrees"}
    asked = len(list(OPERATIONS[operation].samples(np.random.default_rng(0))))
    assert asked / 3 <= len(found.rows) <= asked


def test_every_fault_that_is_promised_is_seeded():
    promised = {
        "sum for mean",
        "mean for sum",
        "batch for feature axis",
        "filter flipped",
        "transposed weight",
        "missing bias",
        "off-by-one padding",
        "overwritten gradient",
        "softmax before cross-entropy",
        "stale BatchNorm mode",
        "biased for unbiased variance",
        "unbiased for biased variance",
        "epsilon misplaced",
    }
    assert promised <= {fault for _, _, fault, _ in SEEDED} & {fault.name for fault in FAULTS}
