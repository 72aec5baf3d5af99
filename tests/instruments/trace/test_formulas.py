"""The words of the formulas, with their numbers put in; that the numbers are right is test_parts.py's."""

import numpy as np
import pytest

from underhood.engine.forms import OPERATIONS
from underhood.instruments.trace.formulas import surprise
from underhood.instruments.trace.parts import Called
from underhood.instruments.trace.tree import how

ROW = np.array([[1.0, -2.0, 0.5]])
LOGITS = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0], [1.0, 1.0, 1.0]])
LABELS = np.array([1, 0, 2])
FOUR = np.arange(16.0).reshape(1, 1, 4, 4)


def called(name, *inputs, **settings):
    return Called(OPERATIONS[name], inputs, settings)


@pytest.mark.parametrize(
    ("name", "x", "filled"),
    [
        ("relu", -2.0, "max(−2.0000, 0)"),
        ("sigmoid", -2.0, "1 / (1 + e^2.0000)"),
        ("sigmoid", 2.0, "1 / (1 + e^(−2.0000))"),
        ("tanh", -2.0, "tanh(−2.0000)"),
        ("exp", -2.0, "e^(−2.0000)"),
        ("log", 4.0, "ln 4.0000"),
        ("sqrt", 4.0, "√4.0000"),
        ("rsqrt", 4.0, "1 / √4.0000"),
        ("square", -2.0, "(−2.0000)²"),
        ("reciprocal", -2.0, "1 / (−2.0000)"),
        ("abs", -2.0, "|−2.0000|"),
        ("silu", 1.0, "1.0000 / (1 + e^(−1.0000))"),
        ("erf", -2.0, "erf(−2.0000)"),
    ],
)
def test_functions_of_one_number(name, x, filled):
    made = how(called(name, np.array([[0.5, x]])), (0, 1))
    assert (made.filled, made.positions) == (filled, [(0, (0, 1))])


def test_a_softmax_rests_on_its_row_its_own_number_first():
    made = how(called("softmax", ROW, dim=-1), (0, 1))
    assert made.filled == "e^(−2.0000) / Σ e^(1.0000, −2.0000, 0.50000)"
    assert made.positions == [(0, (0, 1)), (0, (0, 0)), (0, (0, 2))]
    made = how(called("log_softmax", ROW, dim=1), (0, 2))
    assert made.filled == "0.50000 − ln Σ e^(1.0000, −2.0000, 0.50000)"
    assert made.positions == [(0, (0, 2)), (0, (0, 0)), (0, (0, 1))]


@pytest.mark.parametrize(
    ("n", "listed"),
    [
        (6, "0, 1.0000, 2.0000, 3.0000, 4.0000, 5.0000"),
        (7, "0, 1.0000, 2.0000, 3.0000, 4.0000, …, 6.0000"),
    ],
)
def test_six_numbers_are_written_of_more_the_first_five_and_the_last(n, listed):
    assert how(called("softmax", np.arange(float(n)), dim=0), (1,)).filled == f"e^1.0000 / Σ e^({listed})"


FIRST, SECOND = "ln Σ e^(1.0000, 2.0000, 0) − 2.0000", "ln Σ e^(0, −1.0000, 3.0000) − 0"


@pytest.mark.parametrize(
    ("rows", "reduction", "filled", "shared"),
    [
        (1, "mean", FIRST, ""),
        (2, "mean", f"[({FIRST}) + ({SECOND})] / 2", " / 2"),
        (3, "mean", f"[({FIRST}) + ({SECOND}) + …] / 3", " / 3"),
        (1, "sum", FIRST, ""),
        (2, "sum", f"({FIRST}) + ({SECOND})", ""),
        (3, "sum", f"({FIRST}) + ({SECOND}) + …", ""),
        (2, "none", SECOND, ""),
    ],
)
def test_a_cross_entropy_and_the_gradients_that_it_sends(rows, reduction, filled, shared):
    settings = {"ignore_index": -100, "label_smoothing": 0.0, "reduction": reduction}
    loss = called("cross_entropy", LOGITS[:rows], LABELS[:rows], None, **settings)
    made = how(loss, (rows - 1,) if reduction == "none" else ())
    assert made.filled == filled
    summed = [rows - 1] if reduction == "none" else range(rows)
    own = [(n, int(LABELS[n])) for n in summed]
    others = [(n, c) for n in summed for c in range(3) if c != LABELS[n]]
    assert made.positions == [(0, p) for p in own + others]
    gradients = [surprise(loss, 0, (0, c)) for c in range(3)]
    bare = ["0.24473 − 0", "0.66524 − 1", "0.090031 − 0"]
    assert gradients == [f"({text}){shared}" if shared else text for text in bare]
    assert surprise(loss, 1, (0,)) == ""  # labels have no gradient


@pytest.mark.parametrize(
    ("weights", "settings"),
    [
        (np.array([1.0, 2.0, 3.0]), {}),
        (None, {"label_smoothing": 0.1}),
        (None, {"ignore_index": 2}),
    ],
)
def test_of_other_cross_entropies_no_formula_is_written(weights, settings):
    settings = {"ignore_index": -100, "label_smoothing": 0.0, "reduction": "mean"} | settings
    assert surprise(called("cross_entropy", LOGITS, LABELS, weights, **settings), 0, (0, 0)) == ""
    assert surprise(called("mse_loss", LOGITS, LOGITS, reduction="mean"), 0, (0, 0)) == ""


MAPS = np.array([[[1.0], [5.0]], [[3.0], [7.0]]])
SCALE, SHIFT = np.array([2.0, -3.0]), np.array([0.5, -0.25])


@pytest.mark.parametrize(
    ("training", "normalised"),
    [(True, "(7.0000 − 6.0000) / √(1.0000 + 0.1)"), (False, "(7.0000 − 2.0000) / √(9.0000 + 0.1)")],
)
@pytest.mark.parametrize(
    ("scale", "shift", "pattern", "rests"),
    [
        (SCALE, SHIFT, "−3.0000·{} + (−0.25000)", [1, 2]),
        (SCALE, None, "−3.0000·{}", [1]),
        (None, SHIFT, "{} + (−0.25000)", [2]),
        (None, None, "{}", []),
    ],
)
def test_batch_norm_takes_the_batch_s_statistics_or_the_running_ones(
    training, normalised, scale, shift, pattern, rests
):
    running = np.array([1.0, 2.0]), np.array([4.0, 9.0])
    made = how(called("batch_norm", MAPS, scale, shift, *running, training=training, eps=0.1), (1, 1, 0))
    assert made.filled == pattern.format(normalised)
    assert made.positions == [(0, (1, 1, 0)), *((i, (1,)) for i in rests)]


def test_layer_norm_takes_the_statistics_of_its_row():
    scale, shift = np.array([1.0, 2.0, 3.0]), np.array([0.0, -1.0, 1.0])
    made = how(called("layer_norm", LOGITS, scale, shift, normalized_shape=(3,), eps=1e-5), (1, 2))
    assert made.filled == "3.0000·(3.0000 − 0.66667) / √(2.8889 + 1e−05) + 1.0000"
    assert made.positions == [(0, (1, 2)), (1, (2,)), (2, (2,))]


@pytest.mark.parametrize(("name", "filled"), [("div", "3.0000 / (−4.0000)"), ("pow", "3.0000^(−4.0000)")])
def test_two_numbers_one_of_them_for_a_whole_row(name, filled):
    made = how(called(name, LOGITS, np.array([[2.0], [-4.0], [1.0]])), (1, 2))
    assert (made.filled, made.positions) == (filled, [(0, (1, 2)), (1, (1, 0))])


@pytest.mark.parametrize(
    ("k", "filled", "positions"),
    [
        ((0, 0), "max(0)", [(0, 0)]),  # the window reaches over the corner
        ((1, 1), "max(5.0000, 6.0000, 9.0000, 10.000)", [(2, 2), (1, 1), (1, 2), (2, 1)]),
        ((1, 2), "max(7.0000, 11.000)", [(2, 3), (1, 3)]),
    ],
)
def test_a_pool_s_window_within_the_picture(k, filled, positions):
    settings = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (1, 1), "dilation": (1, 1), "ceil_mode": False}
    made = how(called("max_pool2d", FOUR, **settings), (0, 0, *k))
    assert (made.filled, made.positions) == (filled, [(0, (0, 0, *p)) for p in positions])


@pytest.mark.parametrize("keepdim", [True, False])
@pytest.mark.parametrize(
    ("dim", "k", "filled", "largest"),
    [
        ((0,), (2,), "max(0, 3.0000, 1.0000)", (1, 2)),
        ((1,), (1,), "max(0, −1.0000, 3.0000)", (1, 2)),
        ((1,), (2,), "max(1.0000, 1.0000, 1.0000)", (2, 0)),  # the first of equals
        ((0, 1), (), "max(1.0000, 2.0000, 0, 0, −1.0000, …, 1.0000)", (1, 2)),
    ],
)
def test_a_maximum_names_the_largest_first(dim, k, filled, largest, keepdim):
    k = tuple(np.insert(np.array(k, int), [d if len(dim) == 1 else 0 for d in dim], 0)) if keepdim else k
    made = how(called("amax", LOGITS, dim=dim, keepdim=keepdim), tuple(map(int, k)))
    assert (made.filled, made.positions[0]) == (filled, (0, largest))
    assert len(made.positions) == 3 ** len(dim)
