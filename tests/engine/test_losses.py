"""Losses: shapes, weights, reductions and errors as in torch; the functions' own pages are held in test_operations."""

import numpy as np
import pytest
import torch

import underhood

LIBRARIES = [pytest.param(underhood, id="underhood"), pytest.param(torch, id="torch")]
REDUCTIONS = ["mean", "sum", "none"]
rng = np.random.default_rng(0)
X, CLASSES, WEIGHT = rng.normal(0, 2, (5, 4)), rng.integers(0, 4, 5), [0.5, 1.0, 2.0, 0.0]
IMAGES, MAPS = rng.normal(0, 2, (2, 4, 3, 2)), rng.integers(0, 4, (2, 3, 2))
CHANCES = rng.dirichlet(np.ones(4), 5)
A, B, C = (rng.normal(size=(5, 3)) for _ in range(3))
SIGNS = rng.choice([-1, 1], 5)


def weight(lib):
    return lib.tensor(WEIGHT, dtype=lib.float64)


# -- classes --


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("form", ["definition", "vector", "fast"])
@pytest.mark.parametrize(
    "options", [{}, {"ignore_index": 2}, {"label_smoothing": 0.2}, {"ignore_index": 1, "label_smoothing": 0.1}], ids=str
)
@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize(
    ("x", "t"),
    [(X, CLASSES), (IMAGES, MAPS), (X[0], CLASSES[0]), (IMAGES[..., 0], MAPS[..., 0])],
    ids=["rows", "images", "unbatched", "sequences"],
)
def test_cross_entropy(same, x, t, weighted, options, form, reduction):
    def program(lib, x, t):
        w = weight(lib) if weighted else None
        return lib.nn.functional.cross_entropy(x, t, w, reduction=reduction, **options)

    with underhood.form(form):
        same(program, x, np.asarray(t))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 4, 3)], ids=str)
def test_cross_entropy_of_chances(same, shape, weighted, smoothing, reduction):
    def program(lib, x, q):
        w = weight(lib) if weighted else None
        return lib.nn.functional.cross_entropy(x, q, w, reduction=reduction, label_smoothing=smoothing)

    draw = np.random.default_rng(1)
    same(program, draw.normal(0, 2, shape), draw.uniform(size=shape))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize(("x", "t"), [(X, CLASSES), (IMAGES, MAPS), (X[0], CLASSES[0])], ids=["rows", "images", "one"])
def test_nll_loss(same, x, t, weighted, reduction):
    def program(lib, x, t):
        w = weight(lib) if weighted else None
        return lib.nn.functional.nll_loss(x.log_softmax(min(1, x.ndim - 1)), t, w, ignore_index=2, reduction=reduction)

    same(program, x, np.asarray(t))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", [{}, {"p": 2}, {"margin": 0.3}], ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize(("x", "t"), [(X, CLASSES), (X[0], CLASSES[0])], ids=["rows", "one"])
def test_multi_margin_loss(same, x, t, weighted, options, reduction):
    def program(lib, x, t):
        w = weight(lib) if weighted else None
        return lib.nn.functional.multi_margin_loss(x, t, weight=w, reduction=reduction, **options)

    same(program, x, np.asarray(t))


@pytest.mark.parametrize("form", ["definition", "vector", "fast"])
@pytest.mark.parametrize("f", ["cross_entropy", "nll_loss"])
def test_the_mean_of_ignored_classes_is_nan(f, form):
    found = []
    for lib in (underhood, torch):
        x = lib.tensor(X, requires_grad=True)
        with underhood.form(form):
            loss = getattr(lib.nn.functional, f)(x, lib.full((5,), -100))
            loss.backward()
        found.append([loss.item(), x.grad.numpy()])
    np.testing.assert_array_equal(*(loss for loss, _ in found))
    np.testing.assert_array_equal(*(np.nan_to_num(g) for _, g in found))


def test_impossible_logits_cost_nothing(same):
    """−∞ as a logit is a class that is ruled out."""
    for form in ("definition", "vector", "fast"):
        with underhood.form(form):
            x = underhood.tensor([[0.0, -np.inf, 1.0]], requires_grad=True)
            loss = underhood.nn.functional.cross_entropy(x, underhood.tensor([2]))
            loss.backward()
        assert loss.item() == pytest.approx(np.log1p(np.exp(-1)))
        assert x.grad[0, 1] == 0


# -- numbers and chances --

PAIRS = {
    "mse_loss": (A, B),
    "l1_loss": (A, B),
    "smooth_l1_loss": (A, B),
    "huber_loss": (A, B),
    "binary_cross_entropy": (CHANCES, CHANCES[::-1].copy()),
    "binary_cross_entropy_with_logits": (X, CHANCES),
    "kl_div": (np.log(CHANCES), CHANCES[::-1].copy()),
    "poisson_nll_loss": (A, np.abs(B)),
    "hinge_embedding_loss": (A, np.sign(B)),
}


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("f", PAIRS)
def test_of_two_tensors(same, f, reduction):
    same(lambda lib, x, t: getattr(lib.nn.functional, f)(x, t, reduction=reduction), *PAIRS[f])


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
@pytest.mark.parametrize(
    ("f", "options"),
    [
        ("smooth_l1_loss", {"beta": 0.3}),
        ("smooth_l1_loss", {"beta": 0.0}),
        ("huber_loss", {"delta": 0.3}),
        ("kl_div", {"reduction": "batchmean"}),
        ("poisson_nll_loss", {"full": True}),
        ("hinge_embedding_loss", {"margin": 0.2}),
    ],
)
def test_options(same, f, options):
    same(lambda lib, x, t: getattr(lib.nn.functional, f)(x, t, **options), *PAIRS[f])


def test_targets_of_integers(same):
    same(lambda lib, x, t: lib.nn.functional.soft_margin_loss(x, t), A[:, 0], SIGNS)
    same(lambda lib, x, t: lib.nn.functional.hinge_embedding_loss(x, t), A[:, 0], SIGNS)


def test_numbers_without_axes(same):
    same(lambda lib, x, t: lib.nn.functional.mse_loss(x, t), np.array(2.0), np.array(0.5))
    same(lambda lib, x, t: lib.nn.functional.kl_div(x, t, reduction="batchmean"), np.array(-1.0), np.array(0.5))


def test_chances_of_zero_and_one(same):
    """Logarithms stop at −100."""
    certain = np.array([0.0, 0.0, 1.0, 1.0])

    def bce(lib, x):
        t = lib.tensor([0.0, 1.0, 0.0, 1.0], dtype=lib.float64)
        return lib.nn.functional.binary_cross_entropy(x, t, reduction="none")

    def divergence(lib, x):
        t = lib.tensor([0.0, 0.5, 0.5, 0.0], dtype=lib.float64)
        return lib.nn.functional.kl_div(x, t, reduction="sum")

    same(bce, certain, tolerance=1e-8)  # torch's least denominator is 1e-12 in single precision
    same(divergence, certain)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights_of_binary_cross_entropy(same, reduction):
    def of_chances(lib, x, t):
        return lib.nn.functional.binary_cross_entropy(x, t, weight(lib), reduction=reduction)

    def of_logits(lib, x, t):
        f = lib.nn.functional.binary_cross_entropy_with_logits
        return [
            f(x, t, weight(lib), reduction=reduction),
            f(x, t, pos_weight=weight(lib), reduction=reduction),
            f(x, t, weight(lib), pos_weight=weight(lib) * 2, reduction=reduction),
        ]

    same(of_chances, CHANCES, CHANCES[::-1].copy())
    same(of_logits, X, CHANCES)


# -- distances --


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0.0, 0.4])
def test_ranking_and_cosine(same, margin, reduction):
    def ranking(lib, a, b, t):
        return lib.nn.functional.margin_ranking_loss(a[:, 0], b[:, 0], t, margin=margin, reduction=reduction)

    def cosine(lib, a, b, t):
        return lib.nn.functional.cosine_embedding_loss(a, b, t, margin=margin, reduction=reduction)

    def unbatched(lib, a, b, t):
        return lib.nn.functional.cosine_embedding_loss(a[0], b[0], t[0], margin=margin, reduction=reduction)

    for program in (ranking, cosine, unbatched):
        same(program, A, B, SIGNS)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", [{}, {"margin": 0.2}, {"p": 1.0}, {"swap": True}, {"eps": 1e-3}], ids=str)
def test_triplets(same, options, reduction):
    def program(lib, a, b, c):
        return lib.nn.functional.triplet_margin_loss(a, b, c, reduction=reduction, **options)

    same(program, A, B, C)
    same(program, A[0], B[0], C[0])


def test_equal_vectors_have_a_gradient(same):
    same(lambda lib, a, b: lib.nn.functional.pairwise_distance(a, a * 1 + b * 0), A, B, tolerance=1e-6)


# -- mistakes --


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (lambda lib, F: F.cross_entropy(lib.ones(3, 2), lib.tensor([0, 1])), ValueError, "batch_size"),
        (lambda lib, F: F.cross_entropy(lib.ones(2, 2, 3), lib.zeros(2, 4).long()), RuntimeError, None),
        (lambda lib, F: F.cross_entropy(lib.ones(2, 2), lib.tensor([0, 2])), IndexError, "Target 2 is out of bounds"),
        (lambda lib, F: F.cross_entropy(lib.ones(2, 2), lib.tensor([0, -1])), IndexError, "Target -1 is out of bounds"),
        (lambda lib, F: F.cross_entropy(lib.ones(2, 2), lib.ones(2)), RuntimeError, "expected"),
        (lambda lib, F: F.cross_entropy(lib.ones(2, 2), lib.tensor([0, 1]), lib.ones(3)), RuntimeError, "weight"),
        (lambda lib, F: F.cross_entropy(lib.ones(2, 2), lib.ones(2, 2), lib.ones(3)), RuntimeError, "weight tensor"),
        (
            lambda lib, F: F.cross_entropy(lib.ones(2, 2), lib.tensor([0, 1]), reduction="average"),
            ValueError,
            "average is not a valid value for reduction",
        ),
        (
            lambda lib, F: F.cross_entropy(lib.ones(2, 2), lib.tensor([0, 1]), label_smoothing=2.0),
            RuntimeError,
            "label_smoothing must be between 0.0 and 1.0",
        ),
        (lambda lib, F: F.nll_loss(lib.ones(3, 2), lib.tensor([0, 1])), ValueError, "batch_size"),
        (lambda lib, F: F.mse_loss(lib.ones(2), lib.ones(2), reduction="all"), ValueError, "not a valid value"),
        (lambda lib, F: F.binary_cross_entropy(lib.ones(2), lib.ones(3)), ValueError, "Target size|target size"),
        (lambda lib, F: F.binary_cross_entropy(lib.ones(2) * 2, lib.ones(2)), RuntimeError, "between 0 and 1"),
        (lambda lib, F: F.binary_cross_entropy_with_logits(lib.ones(2), lib.ones(3)), ValueError, "Target size"),
        (lambda lib, F: F.smooth_l1_loss(lib.ones(2), lib.ones(2), beta=-1.0), RuntimeError, "negative"),
        (lambda lib, F: F.huber_loss(lib.ones(2), lib.ones(2), delta=0.0), RuntimeError, "non-positive"),
        (lambda lib, F: F.multi_margin_loss(lib.ones(2, 2), lib.tensor([0, 1]), p=3), ValueError, "p == 1 and p == 2"),
        (lambda lib, F: F.triplet_margin_loss(*[lib.ones(2, 2)] * 3, margin=-1), ValueError, "margin"),
        (lambda lib, F: F.triplet_margin_loss(lib.ones(2, 2), lib.ones(2), lib.ones(2)), RuntimeError, "dimensions"),
        (lambda lib, F: F.margin_ranking_loss(lib.ones(2, 2), lib.ones(2), lib.ones(2)), RuntimeError, "dimension"),
        (lambda lib, F: F.cosine_embedding_loss(lib.ones(2, 2), lib.ones(2, 2), lib.ones(2, 2)), RuntimeError, None),
    ],
)
def test_mistakes(lib, program, error, message):
    with pytest.raises(error, match=message):
        program(lib, lib.nn.functional)


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("f", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_a_target_of_another_shape_warns(lib, f):
    with pytest.warns(UserWarning, match="Using a target size"):
        getattr(lib.nn.functional, f)(lib.ones(3, 2), lib.ones(2))
