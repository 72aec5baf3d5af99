"""Of hundreds of curves some are drawn, and the caption says so."""

from itertools import pairwise

from underhood.figures.charts import followed, lines
from underhood.figures.theme import COLOURS, DASHES


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
    assert figure.caption.endswith("Blue: the lowest at the end, curve 0; orange: the highest, curve 999.")


def test_all_are_drawn_while_one_can_tell_them_apart():
    figure = lines("Loss", rows(40), x="step", y="loss", series="who", caption="A caption.")
    assert len({row["who"] for row in figure.spec["data"]["values"]}) == 40
    assert "are drawn" not in figure.caption


def test_curves_without_an_end_are_not_chosen():
    groups = {i: [{"x": 0, "y": 1.0}, {"x": 1, "y": None if i == 3 else 1.0}] for i in range(5)}
    assert followed(groups, "x", "y", most=3) == [0, 2, 4]


def test_of_many_curves_the_outermost_are_in_colour_and_named():
    figure = lines("Loss", rows(20), x="step", y="loss", series="who", caption="A caption.")
    assert figure.caption == "A caption. Blue: the lowest at the end, curve 0; orange: the highest, curve 19."
    colour = figure.spec["encoding"]["color"]
    assert colour["legend"] is None
    shown = dict(zip(colour["scale"]["domain"], colour["scale"]["range"], strict=True))
    assert (shown["curve 0"], shown["curve 19"]) == (COLOURS[0], COLOURS[1])
    assert {shown[who] for who in shown if who not in ("curve 0", "curve 19")} == {COLOURS[-1]}
    assert list(shown)[-2:] == ["curve 0", "curve 19"], "drawn last, above the others"


def test_twelve_curves_have_a_legend():
    figure = lines("Loss", rows(12), x="step", y="loss", series="who")
    assert figure.spec["encoding"]["color"]["legend"]


def test_a_series_looks_as_it_is_told():
    looks = {"curve 0": (0, 0), "curve 1": (0, 1), "curve 2": (1, 0)}
    encoding = lines("Loss", rows(3), x="step", y="loss", series="who", looks=looks).spec["encoding"]
    assert encoding["color"]["scale"]["range"] == [COLOURS[0], COLOURS[0], COLOURS[1]]
    assert encoding["strokeDash"]["scale"]["range"] == [DASHES[0], DASHES[1], DASHES[0]]
