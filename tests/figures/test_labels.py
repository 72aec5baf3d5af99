import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.figures.labels import apart, at_ends, at_points
from underhood.figures.scales import Axis

Y = Axis("y", 0.0, 1.0)
X = Axis("x", 0.0, 10.0)


def test_labels_with_room_stay_where_they_want_to_be():
    assert apart([10, 50, 90], 15, 0, 100) == [10, 50, 90]


def test_a_pair_parts_evenly():
    assert apart([50, 50], 10, 0, 100) == pytest.approx([45, 55])


def test_a_block_is_pushed_from_the_edge():
    assert apart([0, 1, 2], 10, 0, 100) == pytest.approx([0, 10, 20])
    assert apart([98, 99, 100], 10, 0, 100) == pytest.approx([80, 90, 100])


def test_too_many_labels_share_the_room():
    assert apart([5, 5, 5, 5, 5], 15, 0, 40) == pytest.approx([0, 10, 20, 30, 40])


def test_no_labels_and_one():
    assert apart([], 15, 0, 100) == []
    assert apart([120], 15, 0, 100) == [100]


@given(st.lists(st.floats(0, 300), min_size=1, max_size=12))
def test_labels_keep_their_distance_order_and_bounds(wanted):
    places = np.array(apart(wanted, 15, 0, 300))
    ordered = places[np.argsort(wanted, kind="stable")]
    assert np.all(np.diff(ordered) >= 15 - 1e-6)
    assert places.min() >= -1e-6
    assert places.max() <= 300 + 1e-6


@given(st.lists(st.integers(0, 12), min_size=2, max_size=3))
def test_no_other_places_are_nearer(wanted):
    """Least squares, against every arrangement on a grid."""
    gap, high = 4, 20
    places = apart([float(w) for w in wanted], gap, 0, high)
    cost = sum((p - w) ** 2 for p, w in zip(places, wanted, strict=True))
    order = np.argsort(wanted, kind="stable")
    grid = np.stack(np.meshgrid(*[np.arange(0, high + 0.25, 0.5)] * len(wanted)), -1).reshape(-1, len(wanted))
    allowed = grid[np.all(np.diff(grid, axis=1) >= gap, axis=1)]
    best = ((allowed - np.array(wanted)[order]) ** 2).sum(1).min()
    assert cost <= best + 1e-9


def test_names_stand_at_the_ends_of_their_curves():
    groups = {"a": [{"x": 0, "y": 0.9}, {"x": 10, "y": 0.5}], "b": [{"x": 10, "y": 0.5}, {"x": 11, "y": None}]}
    dots, leader, text = at_ends(groups, X, Y, {"field": "name", "type": "nominal"}, height=300)
    ends = text["data"]["values"]
    assert [end["label"] for end in ends] == ["a", "b"]
    assert [end["y"] for end in ends] == [0.5, 0.5]
    assert abs(ends[0]["at"] - ends[1]["at"]) * 300 == pytest.approx(15)
    assert leader["data"]["values"] is dots["data"]["values"] is ends
    assert dots["encoding"]["x"]["field"] == "x"  # from where the curve ends, level
    assert "y2" not in dots["encoding"]
    assert leader["encoding"]["x"] == {"value": "width"}  # what slants lies outside the plot


def test_a_curve_without_a_point_gets_no_name():
    _, leader, _ = at_ends({"a": [{"x": 1, "y": None}]}, X, Y, {}, height=300)
    assert leader["data"]["values"] == []


def test_names_of_points_do_not_overlap():
    rows = [{"x": 5 + i / 100, "y": 0.5 + i / 1000, "name": f"network {i}"} for i in range(12)]
    placed = at_points(rows, "name", X, Y, ("y", "y"), height=300)["data"]["values"]
    assert 0 < len(placed) < len(rows)
    boxes = []
    for place in placed:
        left = 570 * X.fraction(place["x"]) + place["dx"]
        width = 7 * len(place["label"])
        left -= {"left": 0, "right": width, "center": width / 2}[place["side"]]
        middle = 300 * (1 - Y.fraction(place["y"])) + place["dy"]
        boxes.append((left, middle - 6, left + width, middle + 6))
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a[0] >= b[2] - 1 or b[0] >= a[2] - 1 or a[1] >= b[3] - 1 or b[1] >= a[3] - 1


def test_a_lonely_point_has_its_name_on_the_right():
    (place,) = at_points([{"x": 1, "y": 0.5, "name": "a"}], "name", X, Y, ("y", "y"), 300)["data"]["values"]
    assert (place["side"], place["dx"], place["dy"]) == ("left", 9, 0)
