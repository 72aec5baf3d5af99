"""What counts as rounding between a replay and the step as it stands."""

import numpy as np
import pytest

import underhood
from underhood import nn
from underhood.engine.fast import rounding
from underhood.engine.fast.rounding import Apart, Rounding, apart, neighbours, same

F = np.float32


def test_distances_by_hand():
    a, b = np.array([3.0, 4.5], F), np.array([3.0, 4.0], F)
    found = apart(a, b)
    assert found.largest == pytest.approx(0.5 / 4)
    assert found.together == pytest.approx(np.sqrt(0.25 / 2) / np.sqrt(25 / 2))
    assert apart(a, b, scale=10.0).largest == pytest.approx(0.05)
    assert apart(a, b, slack=0.5) == (0, 0)


def test_nan_and_infinity_stand_for_each_other_but_for_no_number():
    nan, inf = np.array([1, np.nan], F), np.array([1, np.inf], F)
    assert apart(nan, inf) == (0, 0)
    assert apart(nan, np.array([1, 2], F)) == (np.inf, np.inf)
    assert apart(np.array([], F), np.array([], F)) == (0, 0)


def test_results_agree_to_rounding_and_integers_exactly():
    x = np.array([1, 2, 3], F)
    assert same(x * F(1 + 1e-6), x)
    assert not same(x * F(1.005), x)
    assert not same(x, x.astype(np.float64))
    assert not same(x, x[:2])
    assert not same(np.array([1, 2]), np.array([1, 3]))
    assert same(np.array([1, 2]), np.array([1, 2]))


@pytest.mark.parametrize(
    ("found", "fine"),
    [((1, 2), True), ((1, 1), True), ((0, 0), True), ((1.5, 1), False), ((0.5, 2.5), False)],
)
def test_a_limit_itself_is_within(found, fine):
    assert Apart(*found).within(Apart(1, 2)) is fine


def test_limits_are_widened_one_by_one():
    assert Apart(1, 4).widened(Apart(2, 3)) == (2, 4)


def test_weights_move_to_the_next_number_above_or_below():
    w = underhood.tensor(np.ones(200, F))
    neighbours([w, underhood.tensor([1, 2])], np.random.default_rng(0))
    up, down = np.nextafter(F(1), F(2)), np.nextafter(F(1), F(0))
    assert set(w.numpy().tolist()) == {float(up), float(down)}
    assert 60 < (w.numpy() == up).sum() < 140


G = [np.linspace(1, 2, 100, dtype=F), None, np.linspace(-1, 1, 50, dtype=F)]


def moved(by):
    return [None if g is None else g * F(1 + by) for g in G]


def never(move):
    raise AssertionError("rounding was measured where nothing asked for it")


def test_nothing_is_measured_where_sums_explain_the_difference():
    assert Rounding().differ(moved(1e-4), G, never) is None


def test_a_difference_that_rounding_makes_too_is_none():
    known, seeds = Rounding(), []

    def again(move):
        seeds.append(move)
        return moved(2e-3)

    assert known.differ(moved(4e-3), G, again) is None
    assert len(seeds) == rounding.RUNS
    assert known.measured.together == pytest.approx(2e-3, rel=1e-3)
    assert known.differ(moved(5e-3), G, never) is None, "what was measured once is known"


def test_a_difference_that_rounding_does_not_make_is_placed():
    assert Rounding().differ(moved(4e-3), G, lambda move: moved(1e-6)) == 0
    one = [G[0], None, G[2] * F(1.004)]
    assert Rounding().differ(one, G, lambda move: moved(1e-6)) == 2


def test_what_is_far_is_never_rounding():
    assert Rounding().differ(moved(0.2), G, lambda move: moved(0.5)) == 0


def test_a_gradient_in_one_of_them_alone_is_no_rounding():
    assert Rounding().differ([G[0], G[0], G[2]], G, never) == 1
    assert Rounding().differ([None, None, G[2]], G, never) == 0


def test_weights_move_to_their_neighbours():
    w = underhood.tensor([1.0, -1.0, 0.0, 3e38])
    before = w.numpy().copy()
    neighbours([w], np.random.default_rng(0))
    apart_by = np.abs(w.numpy().astype(np.float64) - before)
    assert (apart_by > 0).all()
    assert (apart_by <= np.spacing(np.abs(before))).all()


@pytest.mark.parametrize("compiled", [False, True])
def test_measuring_leaves_everything_as_it_stood(compiled, monkeypatch):
    """Weights, statistics and random numbers of a training in which rounding is measured are those of one without."""

    def train(limits):
        monkeypatch.setattr(rounding, "GRADIENTS", limits)
        underhood.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)).double()
        optimizer = underhood.optim.Adam(net.parameters(), lr=0.01)
        x, t = underhood.randn(20, 6, dtype=underhood.float64), underhood.randint(0, 3, (20,))
        step = underhood.plan(lambda x, t: nn.functional.cross_entropy(net(x), t), optimizer)
        run = underhood.compile(net)
        for _ in range(5):
            if compiled:
                optimizer.zero_grad()
                nn.functional.cross_entropy(run(x), t).backward()
                optimizer.step()
            else:
                step(x, t)
        assert (run if compiled else step).reason == ""
        return [v.numpy().copy() for v in net.state_dict().values()]

    calls = []
    move = rounding.neighbours
    monkeypatch.setattr(rounding, "neighbours", lambda weights, rng: (calls.append(1), move(weights, rng)))
    plain = train(rounding.GRADIENTS)
    assert not calls
    monkeypatch.setattr(rounding, "MARGIN", 1e6)
    for a, b in zip(plain, train({8: Apart()}), strict=True):
        np.testing.assert_array_equal(a, b)
    assert calls
