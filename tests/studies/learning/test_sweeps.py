"""What a sweep draws: one axis as points, two as a map, and what diverged in sight."""

from itertools import product
from types import SimpleNamespace

import pytest

from underhood.lab import Group, Results
from underhood.studies.learning.sweeps import against


def group(errors, **values):
    """A setting with an error for each seed; None: it diverged."""
    trials = [
        SimpleNamespace(seed=i, state="finished", diverged=e is None, result={} if e is None else {"test_error": e})
        for i, e in enumerate(errors)
    ]
    return Group(str(values), values, {}, tuple(trials))


def drawn(*groups, larger=False):
    return against(Results(groups), "test_error", "Test error", larger=larger, fraction=True)


def test_one_axis_of_numbers_is_drawn_with_every_seed():
    (figure,) = drawn(*(group([0.1 * i, 0.1 * i + 0.02], lr=10.0**-i) for i in (1, 2, 3)))
    rows = figure.spec["data"]["values"]
    assert [row["y"] for row in rows if row["what"] == "mean"] == pytest.approx([0.11, 0.21, 0.31])
    assert sum(row["what"] == "one seed" for row in rows) == 6
    assert figure.spec["encoding"]["x"]["scale"]["type"] == "log"
    assert figure.caption == "Mean over the seeds with its 95 % interval. Beside it each seed."


def test_one_seed_is_drawn_without_an_interval():
    (figure,) = drawn(*(group([0.1 * i], lr=10.0**-i) for i in (1, 2, 3)))
    assert figure.caption == "One seed: no interval."


def test_what_diverged_stands_at_the_worse_edge():
    groups = [group([0.1, 0.2], lr=0.1), group([0.3, None], lr=0.2), group([None, None], lr=0.3)]
    (figure,) = drawn(*groups)
    lost = [(row["x"], row["y"]) for row in figure.spec["data"]["values"] if row["what"] == "diverged"]
    assert lost == [(0.2, 0.3), (0.3, 0.3)]
    assert "What diverged has no number" in figure.caption
    (figure,) = drawn(*groups, larger=True)
    assert {row["y"] for row in figure.spec["data"]["values"] if row["what"] == "diverged"} == {0.1}


def test_two_axes_are_a_map_with_dashes_where_no_seed_ended():
    errors = {(0.1, "sgd"): [0.1], (0.1, "adam"): [0.2], (0.2, "sgd"): [0.3], (0.2, "adam"): [None]}
    (figure,) = drawn(*(group(errors[lr, rule], lr=lr, rule=rule) for lr, rule in product((0.1, 0.2), ("sgd", "adam"))))
    cells = {(c["row"], c["column"]): c["value"] for c in figure.spec["data"]["values"]}
    assert cells == {("0.1", "sgd"): 10, ("0.1", "adam"): 20, ("0.2", "sgd"): 30, ("0.2", "adam"): None}
    assert "no seed of it ended" in figure.caption
    assert ">–<" in figure.svg()


@pytest.mark.parametrize(
    "groups",
    [
        [group([0.1], lr=0.1)],
        [group([0.1], lr=0.1), group([0.2], lr=0.2)],
        [group([0.1], rule=rule) for rule in ("sgd", "adam", "lion")],
        [group([0.1], a=i, b=i, c=i) for i in range(3)],
        [group([0.1], flag=flag) for flag in (True, False)],
    ],
)
def test_what_is_no_axis_and_no_grid_is_not_drawn(groups):
    assert drawn(*groups) == []


def test_where_nothing_has_a_number_the_axis_is_still_drawn():
    (figure,) = drawn(*(group([None], lr=lr) for lr in (1, 2, 3)))
    assert {row["what"] for row in figure.spec["data"]["values"]} == {"diverged"}
    assert figure.svg()


@pytest.mark.parametrize(
    ("errors", "domain"),
    [([0.1, 0.2, 0.3, 0.4], [10, 40]), ([0.2, 0.2, 0.2, 0.2], [20, 21]), ([None] * 4, [0, 1])],
)
def test_a_map_s_colours_span_its_numbers(errors, domain):
    pairs = list(product((0.1, 0.2), ("sgd", "adam")))
    (figure,) = drawn(*(group([e], lr=lr, rule=rule) for e, (lr, rule) in zip(errors, pairs, strict=True)))
    assert find_domains(figure.spec) == [pytest.approx(domain)]


def find_domains(spec):
    if isinstance(spec, list):
        return [found for each in spec for found in find_domains(each)]
    if not isinstance(spec, dict):
        return []
    here = [spec["scale"]["domain"]] if isinstance(spec.get("scale"), dict) and "domain" in spec["scale"] else []
    return here + [found for each in spec.values() for found in find_domains(each)]
