"""Each seed is a faint line behind the curve of the mean, in its colour, and in the figure's data."""

import csv
import io
from xml.etree import ElementTree

import pytest

from underhood.figures import lines
from underhood.figures.charts import FAINT

SVG = "{http://www.w3.org/2000/svg}"


def figure(rules=2, seeds=3, steps=5, **more):
    rows = [
        {"step": s, "loss": 10.0 * k + s, "low": 10.0 * k + s - 1, "high": 10.0 * k + s + 1, "rule": f"rule {k}"}
        for k in range(rules)
        for s in range(steps)
    ]
    faint = [
        {"step": s, "loss": 10.0 * k + s + seed - 2, "rule": f"rule {k}", "seed": seed}
        for k in range(rules)
        for seed in range(1, seeds + 1)
        for s in range(steps)
    ]
    return lines("Loss", rows, x="step", y="loss", series="rule", band=("low", "high"), faint=faint, **more)


def strokes(svg):
    """The curves: width and colour."""
    groups = (g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if "mark-line role-mark" in g.get("class", ""))
    return [(path.get("stroke-width"), path.get("stroke")) for group in groups for path in group]


def test_every_seed_is_drawn_behind_and_every_mean_before():
    found = strokes(figure().svg())
    assert [width for width, _ in found] == ["1"] * 6 + ["2"] * 2, "faint ones first, so that they lie behind"
    assert {colour for width, colour in found if width == "1"} == {colour for width, colour in found if width == "2"}


def test_the_data_has_the_means_without_a_seed_and_the_seeds():
    rows = list(csv.DictReader(io.StringIO(figure().data_csv())))
    assert len([row for row in rows if row["seed"] == ""]) == 10
    assert sorted({row["seed"] for row in rows}) == ["", "1", "2", "3"]
    assert figure(caption="As measured.").caption == "As measured. Faint: each seed."


def test_a_seed_that_leaves_the_band_is_inside_the_axis():
    low, high = figure(seeds=9).spec["encoding"]["y"]["scale"]["domain"]
    assert low <= -1
    assert high >= 10 + 4 + 7


@pytest.mark.parametrize(("rules", "seeds"), [(2, 1), (3, FAINT // 3 + 1)])
def test_one_seed_is_its_mean_and_too_many_would_hide_it(rules, seeds):
    found = figure(rules=rules, seeds=seeds, caption="As measured.")
    assert len(strokes(found.svg())) == rules
    assert found.caption == "As measured."
