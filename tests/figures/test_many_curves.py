"""Of hundreds of curves some are drawn, and the caption says so."""

from itertools import pairwise

from underhood.figures.charts import followed, lines


def rows(count):
    """Curve i rises to i, but for one that ends nowhere."""
    return [{"step": s, "loss": i * s / 2, "who": f"curve {i}"} for i in range(count) for s in (0, 1, 2)]


def test_the_lowest_the_highest_and_some_between_are_drawn():
    figure = lines("Loss", rows(1000), x="step", y="loss", series="who", caption="A caption.")
    drawn = {row["who"] for row in figure.spec["data"]["values"]}
    assert len(drawn) == 40
    assert {"curve 0", "curve 999"} <= drawn
    gaps = sorted(int(who.split()[1]) for who in drawn)
    assert {b - a for a, b in pairwise(gaps)} <= {25, 26}
    assert figure.caption.startswith("A caption. Of 1,000 curves 40 are drawn")


def test_all_are_drawn_while_one_can_tell_them_apart():
    figure = lines("Loss", rows(40), x="step", y="loss", series="who", caption="A caption.")
    assert len({row["who"] for row in figure.spec["data"]["values"]}) == 40
    assert figure.caption == "A caption."


def test_curves_without_an_end_are_not_chosen():
    groups = {i: [{"x": 0, "y": 1.0}, {"x": 1, "y": None if i == 3 else 1.0}] for i in range(5)}
    assert followed(groups, "x", "y", most=3) == [0, 2, 4]
