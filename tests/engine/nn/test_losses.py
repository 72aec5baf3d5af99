"""The losses as modules: torch's arguments, defaults, printing, buffers, and that they call their functions."""

import numpy as np
import pytest
import torch

import underhood

rng = np.random.default_rng(0)
X, CLASSES, CHANCES = rng.normal(size=(5, 4)), rng.integers(0, 4, 5), rng.uniform(0.1, 0.9, (5, 4))
OTHER, THIRD, SIGNS = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.choice([-1.0, 1.0], 5)


def weight(lib):
    return lib.tensor([0.5, 1.0, 2.0, 3.0], dtype=lib.float64)


MADE = {
    "CrossEntropyLoss": (lambda lib: {"weight": weight(lib), "ignore_index": 1, "label_smoothing": 0.1}, (X, CLASSES)),
    "NLLLoss": (lambda lib: {"weight": weight(lib), "ignore_index": 1}, (X, CLASSES)),
    "MultiMarginLoss": (lambda lib: {"p": 2, "margin": 0.5, "weight": weight(lib)}, (X, CLASSES)),
    "MSELoss": (lambda lib: {}, (X, OTHER)),
    "L1Loss": (lambda lib: {}, (X, OTHER)),
    "SmoothL1Loss": (lambda lib: {"beta": 0.5}, (X, OTHER)),
    "HuberLoss": (lambda lib: {"delta": 0.5}, (X, OTHER)),
    "PoissonNLLLoss": (lambda lib: {"log_input": False, "full": True, "eps": 1e-6}, (CHANCES, 1 + CHANCES)),
    "BCELoss": (lambda lib: {"weight": weight(lib)}, (CHANCES, CHANCES[::-1].copy())),
    "BCEWithLogitsLoss": (lambda lib: {"weight": weight(lib), "pos_weight": weight(lib)}, (X, CHANCES)),
    "KLDivLoss": (lambda lib: {"log_target": True}, (X, CHANCES)),
    "SoftMarginLoss": (lambda lib: {}, (X[:, 0], SIGNS.astype(int))),
    "HingeEmbeddingLoss": (lambda lib: {"margin": 0.5}, (X[:, 0], SIGNS)),
    "MarginRankingLoss": (lambda lib: {"margin": 0.5}, (X[:, 0], OTHER[:, 0], SIGNS)),
    "CosineEmbeddingLoss": (lambda lib: {"margin": 0.2}, (X, OTHER, SIGNS)),
    "TripletMarginLoss": (lambda lib: {"margin": 0.5, "p": 1.0, "swap": True, "eps": 0.1}, (X, OTHER, THIRD)),
}


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("plain", [True, False], ids=["defaults", "options"])
@pytest.mark.parametrize("name", MADE)
def test_as_in_torch(same, name, plain, reduction):
    options, inputs = MADE[name]

    def program(lib, *inputs):
        return getattr(lib.nn, name)(**({} if plain else options(lib)), reduction=reduction)(*inputs)

    same(program, *inputs)


@pytest.mark.parametrize("name", MADE)
def test_weights_are_buffers(name):
    options = MADE[name][0]
    ours, theirs = (getattr(lib.nn, name)(**options(lib)) for lib in (underhood, torch))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("lib", [underhood, torch], ids=["underhood", "torch"])
def test_kl_divs_own_reduction(lib):
    loss = lib.nn.KLDivLoss(reduction="batchmean")(lib.zeros(2, 3), lib.full((2, 3), 0.5))
    assert loss.item() == pytest.approx(3 * 0.5 * np.log(0.5))


def test_an_unknown_reduction_is_told_at_once():
    with pytest.raises(ValueError, match="average is not a valid value for reduction"):
        underhood.nn.MSELoss(reduction="average")
