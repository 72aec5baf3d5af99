"""Dropout judged: what is right in both libraries, and each way of being wrong by its name."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import underhood
from underhood.instruments.check import check
from underhood.instruments.check.dropout import judge, judge_layer
from underhood.instruments.check.steps import Dropped

X = np.random.default_rng(0).normal(size=(4, 6, 5, 5))


class Mine(torch.nn.Module):
    """A dropout that is computed by `rule(x, mask)` in training, and by `still(x)` in evaluation."""

    def __init__(self, p, rule, still=lambda x: x):
        super().__init__()
        self.p, self.rule, self.still = p, rule, still

    def forward(self, x):
        if not self.training:
            return self.still(x)
        return self.rule(x, (torch.rand_like(x) >= self.p).double())


def fixed(x, mask):
    kept = torch.rand(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype) >= 0.3
    return x * kept / 0.7


@pytest.mark.parametrize("nn", [torch.nn, underhood.nn], ids=["torch", "underhood"])
@pytest.mark.parametrize(
    ("layer", "p"),
    [("Dropout", 0.3), ("Dropout", 0.5), ("Dropout", 0.02), ("Dropout", 0.0), ("Dropout", 1.0), ("Dropout2d", 0.3)],
)
def test_a_dropout_of_the_library_is_right(nn, layer, p):
    torch.manual_seed(0)
    underhood.manual_seed(0)
    assert judge_layer(getattr(nn, layer)(p), X, p) is None


@pytest.mark.parametrize(
    ("layer", "p", "fault", "said"),
    [
        (torch.nn.Identity(), 0.3, "dropout missing", "where p is 0.3"),
        (torch.nn.Dropout(0.7), 0.3, "dropout keeps what it should drop", "70% are dropped, where p is 0.3"),
        (torch.nn.Dropout(0.2), 0.5, "dropout probability", "% are dropped, where p is 0.5"),
        (torch.nn.Dropout(0.35), 0.3, "dropout probability", "% are dropped, where p is 0.3"),
        (torch.nn.Dropout(0.5), 0.0, "differs", "p is 0"),
        (torch.nn.Dropout(0.5), 1.0, "differs", "p is 1"),
        (Mine(0.3, lambda x, m: x * m), 0.3, "dropout not scaled", "multiplied by 1, where 1/(1 − p) = 1.429"),
        (Mine(0.3, lambda x, m: x * m / 0.3), 0.3, "dropout not scaled", "multiplied by 3.333"),
        (Mine(0.3, fixed), 0.3, "same dropout mask", "two calls drop the same"),
        (Mine(0.3, lambda x, m: x + (x * m / 0.7 - x).detach()), 0.3, "dropout gradient", "mask of forward"),
        (Mine(0.3, lambda x, m: (x * m / 0.7).detach()), 0.3, "dropout gradient", "mask of forward"),
        (Mine(0.3, lambda x, m: x * m / 0.7, F.dropout), 0.3, "dropout in evaluation", "has to pass as it is"),
        (Mine(0.3, lambda x, m: x * m / 0.7, lambda x: 0.7 * x), 0.3, "dropout in evaluation", "pass as it is"),
    ],
)
def test_a_wrong_one_is_named(layer, p, fault, said):
    torch.manual_seed(0)
    found = judge_layer(layer, X, p)
    assert found.name == fault
    assert said in found.explanation


class Counted(torch.nn.Module):
    """Drops exactly a count of 20,000 elements, others at every call, and scales for p."""

    def __init__(self, count, p):
        super().__init__()
        self.count, self.p = count, p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.ones(x.numel(), dtype=x.dtype)
        kept[torch.randperm(x.numel())[: self.count]] = 0
        return x * kept.reshape(x.shape) / (1 - self.p)


@pytest.mark.parametrize(
    ("count", "p", "fault"),
    [
        (10_000, 0.5, None),
        (10_420, 0.5, None),  # six standard deviations are 424
        (9_580, 0.5, None),
        (10_430, 0.5, "dropout probability"),
        (9_570, 0.5, "dropout probability"),
        (4_335, 0.2, None),  # and here 339
        (3_665, 0.2, None),
        (4_345, 0.2, "dropout probability"),
        (3_655, 0.2, "dropout probability"),
        (16_000, 0.2, "dropout keeps what it should drop"),
        (16_335, 0.2, "dropout keeps what it should drop"),
        (16_345, 0.2, "dropout probability"),
        (15_665, 0.2, "dropout keeps what it should drop"),
        (15_655, 0.2, "dropout probability"),
        (0, 0.2, "dropout missing"),
    ],
)
def test_six_standard_deviations_are_allowed(count, p, fault):
    torch.manual_seed(0)
    found = judge_layer(Counted(count, p), np.ones(20_000), p)
    assert (found and found.name) == fault


def test_the_layer_that_is_judged_stays_as_it_was():
    layer = Mine(0.3, lambda x, m: x * m / 0.7)
    layer.eval()
    judge_layer(layer, X, 0.3)
    assert not layer.training


def dropped(name, p, on=True, x=X, layer=None):
    return Dropped(name, p, on, x, layer)


def faults(mine, right, training=True):
    return {name: (found.name, found.explanation) for name, found in judge(mine, right, training).items()}


def test_calls_are_held_against_those_of_the_reference():
    a, b = dropped("a", 0.3), dropped("b", 0.5)
    assert faults([a, b], [a, b]) == {}
    assert faults([a, dropped("b", 0.2)], [a, b]) == {"b": ("dropout probability", "p is 0.2 where 0.5 is expected")}
    assert faults([dropped("a", None)], [a]) == {"a": ("dropout probability", "p is ? where 0.3 is expected")}
    assert faults([a], None) == {}


def test_one_more_and_one_less():
    a, b = dropped("a", 0.3), dropped("b", 0.5)
    assert faults([a], [a, b]) == {
        "dropout": ("dropout missing", "here a (p = 0.3), in the reference a (p = 0.3), b (p = 0.5)")
    }
    assert faults([a, dropped("c", None)], []) == {
        "dropout": ("extra dropout", "here a (p = 0.3), c (p = ?), in the reference none")
    }
    assert faults([], [a]) == {"dropout": ("dropout missing", "here none, in the reference a (p = 0.3)")}
    # what drops nothing is no dropout, here or there; a layer counts though it is off
    assert faults([a, dropped("c", 0.0)], [a, dropped("d", 0.0), dropped("e", 0.5, on=False)]) == {}
    layer = torch.nn.Dropout(0.5)
    assert list(faults([a, dropped("c", 0.5, on=False, layer=layer)], [a])) == ["dropout"]
    assert faults([a, dropped("c", 0.5, on=False)], [a]) == {}


def test_one_that_drops_elements_of_another_tensor():
    a = dropped("a", 0.3)
    found = faults([dropped("a", 0.3, x=X + 0.01)], [a])
    assert found == {"a": ("dropout elsewhere", "it drops elements of another tensor than a of the reference")}
    assert faults([dropped("a", 0.3, x=X + 1e-6)], [a]) == {}
    assert faults([dropped("a", 0.3, x=X[:, :3])], [a]) == {}  # of another shape: it was laid out otherwise


def test_a_layer_is_judged_too_by_the_reference_s_p():
    torch.manual_seed(0)
    layer = torch.nn.Dropout(0.3)
    assert faults([dropped("a", 0.3, layer=layer)], [dropped("b", 0.3)]) == {}
    assert faults([dropped("a", 0.3, layer=layer)], [dropped("b", 0.5)])["a"][0] == "dropout probability"
    assert faults([dropped("a", 0.3, layer=torch.nn.Identity())], None)["a"][0] == "dropout missing"


class Attending(torch.nn.Module):
    """`call(q, k, v, p)` with dropout of probability p in training."""

    def __init__(self, call, p):
        super().__init__()
        self.out = torch.nn.Linear(4, 4)
        self.call, self.p = call, p

    def forward(self, x):
        return self.out(self.call(x, x * 2, x + 1, self.p if self.training else 0.0))


ATTEND = F.scaled_dot_product_attention


@pytest.mark.parametrize(
    "call",
    [
        lambda q, k, v, p: ATTEND(q, k, v, dropout_p=p),
        lambda q, k, v, p: ATTEND(q, k, v, None, p),
        lambda q, k, v, p: ATTEND(q, k, v, None, p, False),
        lambda q, k, v, p: ATTEND(q, k, v, None, p, is_causal=False),
    ],
)
def test_the_dropout_of_an_attention_is_off_while_the_rest_is_compared(call):
    def against(p):
        torch.manual_seed(0)
        pair = Attending(call, 0.3), Attending(lambda q, k, v, p: ATTEND(q, k, v, dropout_p=p), p)
        return check(pair[0], against=pair[1], input=(2, 3, 5, 4))

    assert against(0.3).agrees
    wrong = against(0.2)
    assert wrong.faults == ("dropout probability",)
    assert any("p is 0.3 where 0.2 is expected" in line for line in wrong.foot)
    assert against(0.0).faults == ("extra dropout",)


def test_in_evaluation_nothing_is_dropped():
    a, off = dropped("a", 0.3), dropped("a", 0.3, on=False)
    said = {"a": ("dropout in evaluation", "it drops in eval mode too: it is not told of `training`")}
    assert faults([a], None, training=False) == said
    assert faults([off], None, training=False) == {}
    assert faults([dropped("a", 0.0)], None, training=False) == {}
    assert faults([a], [a], training=False) == {}  # the reference drops there as well
    assert faults([a, dropped("b", 0.2)], [a], training=False) == said
    assert faults([a], [off], training=False) == said
