"""Descents down x², worked by hand and by PyTorch; windows, close-ups and bottoms of curves that are known."""

import numpy as np
import pytest
import torch

from underhood.studies.descent.expressions import parse
from underhood.studies.descent.walks import (
    Descent,
    bottom,
    close_ups,
    furthest,
    slope_gap,
    view,
    walk,
    walk_in_torch,
    window,
)

SQUARE = parse("x^2")
BY_HAND = {  # from x = 2 with η = ¼: gradients 2x, β = ½
    "gd": ({"name": "gd"}, [2, 1, 0.5, 0.25]),
    "new": ({"name": "momentum", "beta": 0.5}, [2, 1, 0.25, -0.1875]),
    "old": ({"name": "momentum", "beta": 0.5, "velocity": "old"}, [2, 1, 0, -0.75]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_three_steps_by_hand(name):
    rule, path = BY_HAND[name]
    descent = Descent(x0=2, lr=0.25, rule=rule)
    rows = list(walk(SQUARE, descent, 3))
    assert [row["t"] for row in rows] == [0, 1, 2, 3]
    assert [row["x"] for row in rows] == path
    assert [row["f"] for row in rows] == [x * x for x in path]
    assert [row["slope"] for row in rows] == [2 * x for x in path]
    assert walk_in_torch(torch, SQUARE, descent, 3) == path


def test_what_is_computed_on_the_way_is_kept_and_what_is_not_finite_ends_it():
    first, last = walk(parse("(x + 1)^2"), Descent(x0=2, lr=0.5), 1)
    assert (first["parts"], last["parts"]) == ({"x + 1": 3.0}, {"x + 1": 0.0})
    assert "kept" not in last
    assert len(list(walk(SQUARE, Descent(x0=1e200, lr=1e200), 5))) < 3


def test_a_view_is_where_the_curve_is_finite():
    seen = view(parse("log(x)"), -1, 1)
    assert (seen["low"], seen["high"]) == (-1, 1)
    assert [x for x, _ in seen["curve"]] == pytest.approx(np.arange(1, 101) / 100)
    np.testing.assert_allclose([y for _, y in seen["curve"]], np.log(np.arange(1, 101) / 100), atol=1e-12)


def test_the_window_holds_all_points_and_the_dip_of_gelu():
    assert window([0.0]) == (-4.0, 1.0)
    assert window([0.0, 5.0, -10.0, float("nan"), 1e4]) == (-10.5, 5.5)


def test_a_close_up_has_room_around_its_paths_and_is_less_than_half_of_the_whole():
    near = [{"x0": 1.0, "path": [{"x": 1.0}, {"x": 0.5}]}, {"x0": 1.0, "path": [{"x": 1.0}, {"x": 0.0}]}]
    far = {"x0": 9.0, "path": [{"x": 9.0}, {"x": -9.0}]}
    still = {"x0": 3.0, "path": [{"x": 3.0}, {"x": 3.0}]}
    (only,) = close_ups(SQUARE, [*near, far, still], 2.5)  # 1.24 wide
    assert (only["x0"], only["low"], only["high"]) == (1.0, pytest.approx(-0.12), pytest.approx(1.12))
    assert not list(close_ups(SQUARE, near, 2.48))


def test_a_bottom_lies_inside():
    assert bottom(parse("x^2 - 2*x"), -4, 3) == pytest.approx({"x": 1.0, "f": -1.0}, abs=1e-6)
    assert bottom(parse("x"), -4, 3) is None
    assert bottom(parse("-x"), -4, 3) is None
    assert bottom(parse("x * log(x)"), -1, 1) == pytest.approx({"x": np.exp(-1), "f": -np.exp(-1)}, abs=1e-6)


def test_differences_are_by_their_size():
    assert furthest([1.0, 2.0, 9.0], [1.0, 4.0]) == 0.5
    assert furthest([0.25], [0.5]) == 0.25
    assert furthest([1.0, float("nan")], [1.0, 2.0]) == 0
    assert furthest([1.0], None) is None
    rows = [{"x": 2.0, "f": 4.0, "slope": 3.0}, {"x": 1.0, "f": 1.0, "slope": 2.0}]
    assert slope_gap(SQUARE, rows) == pytest.approx(1 / 4)
    assert slope_gap(SQUARE, rows[1:]) < 1e-8
    assert slope_gap(SQUARE, [{"x": np.inf, "f": np.inf, "slope": 1.0}]) == 0
