"""The constructors, judged by the SVG that comes out: what is drawn, where, and whether it can be read."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from underhood.figures import Figure, bars, histogram, lines, points
from underhood.figures.charts import THINNED, thinned
from underhood.figures.scales import Axis
from underhood.figures.theme import COLOURS, DASHES

SVG = "{http://www.w3.org/2000/svg}"


def curves(count, steps=20, field="optimizer"):
    return [
        {"step": s, "loss": 2 / (s + 1) + k / 1000, "low": 1.8 / (s + 1), "high": 2.2 / (s + 1), field: f"rule {k}"}
        for k in range(count)
        for s in range(steps)
    ]


def drawn(figure: Figure) -> ElementTree.Element:
    return ElementTree.fromstring(figure.svg())


def marks(svg, kind):
    """What is drawn of one kind of mark: line, area, rect, symbol, rule, text."""
    groups = (group for group in svg.iter(f"{SVG}g") if f"mark-{kind} role-mark" in group.get("class", ""))
    return [element for group in groups for element in group]


def texts(elements):
    return ["".join(element.itertext()) for element in elements]


def labels(svg):
    return texts(marks(svg, "text"))


def axis_labels(svg):
    return [
        text
        for group in svg.iter(f"{SVG}g")
        if group.get("class") == "mark-text role-axis-label"
        for text in texts(group)
    ]


def titles(svg):
    return [t for g in svg.iter(f"{SVG}g") if g.get("class") == "mark-text role-axis-title" for t in texts(g)]


def numbers(path):
    return [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", path)]


class TestLines:
    def figure(self, rows, **more):
        return lines("Loss", rows, x="step", y="loss", series="optimizer", **more)

    def test_every_series_is_a_curve_with_a_band_a_colour_a_dash_and_its_name(self):
        svg = drawn(self.figure(curves(5), band=("low", "high")))
        drawn_curves = marks(svg, "line")
        assert [curve.get("stroke") for curve in drawn_curves] == list(COLOURS[:5])
        dashes = [curve.get("stroke-dasharray") for curve in drawn_curves]
        assert dashes == [",".join(map(str, dash)) for dash in DASHES[:5]]
        assert len(marks(svg, "area")) == 5
        assert sorted(labels(svg)) == [f"rule {k}" for k in range(5)]

    def test_names_do_not_overlap_and_stay_inside_the_drawing(self):
        svg = drawn(self.figure(curves(6)))
        places = [numbers(text.get("transform")) for text in marks(svg, "text")]
        heights = sorted(y for _, y in places)
        assert all(b - a >= 14.9 for a, b in pairwise(heights))
        origin = numbers(next(g.get("transform") for g in svg.iter(f"{SVG}g") if g.get("transform")))
        assert all(origin[0] + x + 6.5 * len("rule 0") <= 640 for x, _ in places)

    def test_more_than_six_series_get_a_legend(self):
        svg = drawn(self.figure(curves(7)))
        assert labels(svg) == []
        legend = [t for g in svg.iter(f"{SVG}g") if "role-legend-label" in g.get("class", "") for t in texts(g)]
        assert legend == [f"rule {k}" for k in range(7)]

    def test_a_legend_shows_the_dashes_of_curves_with_bands(self):
        svg = drawn(lines("Loss", curves(7), x="step", y="loss", series="optimizer", band=("low", "high")))
        strokes = [
            path
            for group in svg.iter(f"{SVG}g")
            if "role-legend-symbol" in group.get("class", "")
            for path in group.iter(f"{SVG}path")
        ]
        assert len({(path.get("stroke"), path.get("stroke-dasharray")) for path in strokes}) == 7
        assert all("A" not in path.get("d", "") for path in strokes)  # pieces of the curves, not the band's dots

    def test_one_curve_needs_neither_name_nor_legend(self):
        svg = drawn(lines("Loss", curves(1), x="step", y="loss"))
        assert len(marks(svg, "line")) == 1
        assert labels(svg) == []
        assert "role-legend" not in ElementTree.tostring(svg, encoding="unicode")

    def test_fields_may_have_dots(self):
        svg = drawn(lines("Loss", curves(3, field="optimizer.name"), x="step", y="loss", series="optimizer.name"))
        assert len(marks(svg, "line")) == 3

    def test_what_is_not_finite_is_a_gap(self):
        rows = [{"step": s, "loss": float("nan") if s == 5 else 1.0 + s} for s in range(10)]
        (curve,) = marks(drawn(lines("Loss", rows, x="step", y="loss")), "line")
        assert curve.get("d").count("M") == 2

    def test_a_log_axis_leaves_out_what_it_cannot_show(self):
        rows = [{"step": s, "loss": 10.0**-s if s else 0.0} for s in range(5)]
        svg = drawn(lines("Loss", rows, x="step", y="loss", log_y=True))
        (curve,) = marks(svg, "line")
        heights = numbers(curve.get("d"))[1::2]
        steps = [b - a for a, b in pairwise(heights)]
        assert steps == pytest.approx([steps[0]] * 3, abs=0.02)  # a straight line

    def test_a_band_that_reaches_zero_goes_to_the_foot_of_a_log_axis(self):
        rows = [{"step": s, "loss": 1.0, "low": -1.0 if s == 2 else 0.5, "high": 2.0} for s in range(5)]
        svg = drawn(lines("Loss", rows, x="step", y="loss", band=("low", "high"), log_y=True))
        (area,) = marks(svg, "area")
        assert area.get("d").count("M") == 1
        assert max(numbers(area.get("d"))[1::2]) == pytest.approx(300)

    def test_titles_and_formats_are_the_callers(self):
        svg = drawn(self.figure(curves(2), x_title="iteration", y_title="loss (nats)", y_format=".1%"))
        assert titles(svg) == ["iteration", "loss (nats)"]
        assert any(label.endswith("%") for label in axis_labels(svg))

    def test_points_come_in_order_of_x(self):
        rows = [{"step": s, "loss": float(s)} for s in (3, 1, 2)]
        (curve,) = marks(drawn(lines("Loss", rows, x="step", y="loss")), "line")
        across = numbers(curve.get("d"))[::2]
        assert across == sorted(across)

    def test_nothing_to_draw_is_an_empty_plot(self):
        assert marks(drawn(lines("Loss", [], x="step", y="loss")), "line") == []

    def test_the_description_says_what_is_there(self):
        figure = self.figure(curves(2), caption="Two seeds.")
        assert figure.alt == "Loss. Curves of loss against step; series: rule 0, rule 1. Two seeds."


class TestThinning:
    def test_a_curve_of_one_point_is_a_point(self):
        rows = [{"x": 1, "y": 0.2, "k": "a"}, {"x": 1, "y": 0.4, "k": "b"}, {"x": 2, "y": 0.3, "k": "b"}]
        seen = [m for m in marks(drawn(lines("", rows, x="x", y="y", series="k")), "symbol") if m.get("opacity") != "0"]
        assert [m.get("fill") for m in seen] == [COLOURS[0]]

    def test_a_short_axis_writes_no_percent_twice(self):
        rows = [{"x": x, "y": 0.14 + 0.01 * x} for x in (1, 2, 3)]
        ticks = axis_labels(drawn(lines("", rows, x="x", y="y", y_format=".0%")))
        assert len(set(ticks)) == len(ticks)

    def test_a_short_curve_keeps_every_point(self):
        rows = [{"x": x, "y": 0.0} for x in range(THINNED)]
        assert thinned(rows, Axis("x", 0, THINNED), "y") == rows

    def test_a_long_curve_keeps_its_ends_and_its_peaks(self):
        rows = [{"x": x, "y": 1.0 if x == 777 else -1.0 if x == 4321 else 0.0} for x in range(10_000)]
        kept = thinned(rows, Axis("x", 0, 9_999), "y")
        assert len(kept) <= THINNED + 2
        assert kept[0] is rows[0]
        assert kept[-1] is rows[-1]
        assert rows[777] in kept
        assert rows[4321] in kept
        assert [row["x"] for row in kept] == sorted(row["x"] for row in kept)

    def test_a_log_axis_keeps_its_beginning(self):
        rows = [{"x": x, "y": 0.0} for x in range(1, 10_001)]
        kept = {row["x"] for row in thinned(rows, Axis("x", 1, 10_000, log=True), "y")}
        assert {1, 2, 3, 4, 5} <= kept

    def test_a_stretch_of_gaps_stays_a_gap(self):
        rows = [{"x": x, "y": None if 2_000 < x < 4_000 else 1.0} for x in range(10_000)]
        assert any(row["y"] is None for row in thinned(rows, Axis("x", 0, 9_999), "y"))


class TestBars:
    ROWS = ({"net": "MLP", "error": 0.02, "low": 0.019, "high": 0.021}, {"net": "CNN", "error": 0.01, "high": 0.011})

    def test_bars_are_as_long_as_their_values_and_say_them(self):
        svg = drawn(bars("Error", self.ROWS, x="net", y="error", y_format=".1%"))
        across = [numbers(bar.get("d").replace("A", " "))[::2] for bar in marks(svg, "rect")]
        assert [min(bar) for bar in across] == [0, 0]
        assert max(across[0]) == pytest.approx(2 * max(across[1]), rel=0.01)
        assert labels(svg) == ["2.0%", "1.0%"]

    def test_categories_stand_in_the_order_of_the_rows(self):
        svg = drawn(bars("Error", self.ROWS, x="net", y="error"))
        assert axis_labels(svg)[-2:] == ["MLP", "CNN"]

    def test_intervals_are_whiskers(self):
        rows = [row | {"low": 0.009} for row in self.ROWS]
        assert len(marks(drawn(bars("Error", rows, x="net", y="error", band=("low", "high"))), "rule")) == 2

    def test_the_axis_reaches_over_the_intervals(self):
        rows = [row | {"low": 0.0, "high": row["error"] * 3} for row in self.ROWS]
        figure = bars("Error", rows, x="net", y="error", band=("low", "high"))
        assert figure.spec["encoding"]["x"]["scale"]["domain"][1] >= max(row["high"] for row in rows)

    def test_series_stand_beside_each_other_in_two_colours(self):
        rows = [{"part": p, "ms": ms, "backend": b} for p in "xy" for b, ms in (("ours", 1.0), ("torch", 2.0))]
        svg = drawn(bars("Time", rows, x="part", y="ms", series="backend"))
        assert {bar.get("fill") for bar in marks(svg, "rect")} == set(COLOURS[:2])
        assert len(marks(svg, "rect")) == 4

    def test_long_names_have_room(self):
        name = "Nesterov, momentum 0.9, decay 0.0005"
        figure = bars("Error", [{"net": name, "error": 1.0}], x="net", y="error")
        assert name in axis_labels(drawn(figure))
        assert figure.narrowest > bars("Error", self.ROWS, x="net", y="error").narrowest

    def test_a_log_axis_has_bars_too(self):
        rows = [{"net": "a", "macs": 1e6}, {"net": "b", "macs": 1e9}]
        assert len(marks(drawn(bars("MACs", rows, x="net", y="macs", log_y=True)), "rect")) == 2


class TestPoints:
    ROWS = tuple({"macs": 10.0**i, "acc": 0.9 + i / 100, "net": f"n{i}", "kind": "AB"[i % 2]} for i in range(4))

    def test_every_row_is_a_mark_with_its_name(self):
        svg = drawn(points("Accuracy", self.ROWS, x="macs", y="acc", label="net", log_x=True))
        assert len(marks(svg, "symbol")) == 4
        assert labels(svg) == ["n0", "n1", "n2", "n3"]

    def test_series_differ_in_shape_and_colour(self):
        svg = drawn(points("Accuracy", self.ROWS, x="macs", y="acc", series="kind", log_x=True))
        looks = {(mark.get("fill"), mark.get("d")) for mark in marks(svg, "symbol")}
        assert len({fill for fill, _ in looks}) == 2
        assert len({shape for _, shape in looks}) == 2

    def test_what_has_no_place_is_left_out(self):
        rows = [*self.ROWS, {"macs": 0.0, "acc": 1.0, "net": "zero", "kind": "A"}]
        assert len(marks(drawn(points("Accuracy", rows, x="macs", y="acc", log_x=True)), "symbol")) == 4

    def test_intervals_are_whiskers(self):
        rows = [row | {"low": row["acc"] - 0.01, "high": row["acc"] + 0.01} for row in self.ROWS]
        svg = drawn(points("Accuracy", rows, x="macs", y="acc", band=("low", "high")))
        assert len(marks(svg, "rule")) == 4


class TestHistogram:
    def test_every_value_is_counted_once(self):
        figure = histogram("Weights", [{"w": i / 10} for i in range(101)], x="w", bins=10)
        counts = [row["count"] for row in figure.spec["data"]["values"]]
        assert counts == [10] * 9 + [11] + [11]
        assert sum(counts[:-1]) == 101

    def test_series_are_outlines_over_each_other(self):
        rows = [{"w": w, "rule": r} for r in ("He", "Xavier") for w in (0.0, 0.5, 1.0)]
        svg = drawn(histogram("Weights", rows, x="w", series="rule", bins=4))
        assert len(marks(svg, "line")) == 2
        assert len(marks(svg, "area")) == 2

    @pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0], [float("nan"), 2.0]])
    def test_few_values_are_no_trouble(self, values):
        svg = drawn(histogram("Weights", [{"w": w} for w in values], x="w"))
        assert titles(svg) == ["w", "count"]

    def test_the_axis_reaches_over_all_bins_of_equal_numbers_too(self):
        figure = histogram("Weights", [{"w": 2.0}] * 3, x="w", bins=4)
        assert figure.spec["encoding"]["x"]["scale"]["domain"] == pytest.approx([2, 6], rel=0.1)


@pytest.mark.parametrize(("shortest", "low"), [(50, 10.0), (1, 0.1), (100, 10.0), (0.03, 0.01)])
def test_logarithmic_bars_begin_at_a_power_of_ten_below_the_shortest(shortest, low):
    figure = bars("T", [{"a": "x", "n": shortest}, {"a": "y", "n": 1700}], x="a", y="n", log_y=True)
    assert figure.spec["encoding"]["x"]["scale"]["domain"][0] == pytest.approx(low)
    assert figure.spec["layer"][0]["encoding"]["x2"]["datum"] == pytest.approx(low)
    assert figure.spec["encoding"]["x"]["axis"]["values"][0] == pytest.approx(low)


def test_long_names_in_a_legend_stand_under_each_other():
    def legend(name: str):
        rows = [{"a": "x", "n": 1, "s": name}, {"a": "x", "n": 2, "s": "short"}]
        return bars("T", rows, x="a", y="n", series="s").spec["encoding"]["color"]["legend"]

    assert legend("from −3, gradient descent").get("columns") == 1
    assert "columns" not in legend("also short")


@pytest.mark.parametrize(
    ("values", "said"),
    [((36864, 12), ["36,864", "12"]), ((36864.4, 0.5), ["36,864", "1"]), ((0.12345, 1234.5), ["0.1235", "1,235"])],
)
def test_values_are_written_out(values, said):
    rows = [{"x": f"n{i}", "y": value} for i, value in enumerate(values)]
    assert labels(drawn(bars("B", rows, x="x", y="y"))) == said


@pytest.mark.parametrize(
    ("epochs", "ticks"),
    [((1,), "1"), ((1, 2), "1 2"), ((1, 3), "1 2 3"), ((1, 4), "1 2 3 4"), ((1, 6), "1 2 3 4 5 6")],
)
def test_between_whole_numbers_no_tick_is_drawn(epochs, ticks):
    figure = lines("Loss", [{"epoch": x, "loss": 1000.0} for x in epochs], x="epoch", y="loss")
    assert [text for text in axis_labels(drawn(figure)) if len(text) < 3] == ticks.split()


def test_between_halves_ticks_are_drawn():
    figure = lines("Loss", [{"epoch": x, "loss": 1000.0} for x in (0.5, 1.5)], x="epoch", y="loss")
    assert {"0.6", "1.4"} <= set(axis_labels(drawn(figure)))
