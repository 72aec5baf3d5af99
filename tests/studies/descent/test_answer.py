"""What is said of paths, from made-up ones: every branch of the words."""

from math import inf, nan

import pytest

from underhood.studies.descent.answer import answer


def path(*points, slopes=None, lr=0.1, title="gradient descent"):
    """A descent through (x, f) pairs."""
    slopes = slopes or [1.0] * len(points)
    rows = [{"t": t, "x": x, "f": f, "slope": s} for t, ((x, f), s) in enumerate(zip(points, slopes, strict=True))]
    return {"x0": points[0][0], "lr": lr, "title": title, "path": rows}


ALONE = {"x0": 1.0, "lr": 0.1, "rule": "sgd"}
ASKED = {"x0": None, "lr": None, "rule": None}
STILL = path((-3, -0.004), (-3, -0.004))


def of_one(*points):
    return answer(ALONE, {"descents": [path(*points)], "bottom": None})


def of_step_sizes(small, large, low=None):
    return answer(ASKED, {"descents": [small, large, STILL, STILL], "bottom": low}).split("\n\n")[0]


def of_momentum(plain, momentum):
    return answer(ASKED, {"descents": [STILL, STILL, plain, momentum], "bottom": None}).split("\n\n")[1]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (1, "x = 0.9; f goes from 1 to **0.9** in 1 step."),
        (3, "x = 0.9, 0.8, 0.7; f goes from 1 to **0.7** in 3 steps."),
        (4, "x = 0.9, 0.8, 0.7, …; f goes from 1 to **0.6** in 4 steps."),
    ],
)
def test_three_steps_are_told_and_that_there_are_more(steps, said):
    points = [(1 - 0.1 * i, 1 - 0.1 * i) for i in range(steps + 1)]
    assert of_one(*points) == f"From 1 by gradient descent: {said}"


@pytest.mark.parametrize("f", [nan, inf, -inf])
def test_a_start_where_nothing_is_defined(f):
    assert of_one((-1.5, f), (0, 0)) == "At the start, x = −1.5, the function is not defined; there is nothing to do."


def test_the_better_step_size_is_the_one_that_ends_lower():
    short, long = path((0, 1), (1, 0.75), lr=0.1), path((0, 1), (2, 0.25), lr=1.0)
    said = of_step_sizes(short, long)
    assert said == (
        "**Step size.** From x = 0, η = 0.1 comes in 1 step to x = 1, f = **0.75**; η = 1 comes to x = 2, f = **0.25**."
        " So η = 1 gets lower here."
    )
    short["path"][-1]["f"] = 0.125
    assert of_step_sizes(short, long).endswith("So η = 0.1 gets lower here.")


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (0.5, nan), (inf, 0.5)])
def test_no_step_size_is_better_where_both_end_alike_or_nowhere(a, b):
    assert "lower" not in of_step_sizes(path((0, 1), (1, a)), path((0, 1), (2, b), lr=1.0))


def test_how_much_of_the_way_down_each_covers():
    low = {"x": 3.0, "f": 0.0}
    short, long = path((0, 1), (1, 0.75), lr=0.1), path((0, 2), (2, 0.5), lr=1.0)
    said = of_step_sizes(short, long, low)
    assert "The lowest point is f(3) = 0: η = 1 has covered 75 % of the way down, η = 0.1 25 %." in said
    at_the_bottom = path((3, 0), (3, 0), lr=1.0)
    assert "η = 1 has covered 0 % of the way down, η = 0.1 25 %." in of_step_sizes(short, at_the_bottom, low)


@pytest.mark.parametrize(
    ("walk", "across"),
    [((0, 1, 2), False), ((2, 1, 1, 0), False), ((0, 2, 1), True), ((2, 0, 0, 1), True)],
)
def test_whether_the_large_step_jumps_across(walk, across):
    long = path(*((x, 1 - 0.1 * i) for i, x in enumerate(walk)), lr=1.0)
    said = of_step_sizes(path((walk[0], 1), (walk[0], 0.9)), long, {"x": 1.0, "f": 0.0})
    assert said.endswith("and comes back." if across else "the curve is gentle enough for it.")


FALLING = ((-3, 1.0), (-2, 0.5))


@pytest.mark.parametrize(
    ("end", "slopes", "said"),
    [
        (0.75, [0.1, 0.2], "Momentum is a little **behind** here: the slope grows"),
        (0.75, [-0.1, -0.2], "Momentum is a little **behind** here: the slope grows"),
        (0.75, [0.2, 0.1], "Momentum is behind here."),
        (0.75, [0.2, 0.2], "Momentum is behind here."),
        (0.25, [0.1, 0.2], "Momentum is ahead here."),
        (0.5, [0.1, 0.2], "They end equally low."),
    ],
)
def test_whether_momentum_helps(end, slopes, said):
    found = of_momentum(path(*FALLING, slopes=slopes), path((-3, 1.0), (-2.5, end)))
    assert found.startswith(
        "**Momentum.** From x = −3 plain gradient descent comes to x = −2, f = **0.5**; with momentum"
    )
    assert said in found
    assert found.count("Momentum is") + found.count("They end") == 1


@pytest.mark.parametrize(("far", "hardly"), [(0.0625, True), (0.125, False)])
def test_how_far_both_have_moved(far, hardly):
    said = of_momentum(path((0, 1), (far, 0.5)), path((0, 1), (-0.03125, 0.6)))
    assert f" {'Both have hardly moved (' if hardly else 'They have moved by '}{far:g} and 0.03125" in said


def test_momentum_is_not_judged_where_a_path_ends_nowhere():
    said = of_momentum(path((0, 1), (1, nan)), path((0, 1), (1, 0.5)))
    assert said.endswith("f = **0.5**.")
