import pytest

from underhood.figures.scales import Axis, Series, drawable, escaped, grouped, label, trimmed


def test_a_domain_has_a_margin_that_does_not_cross_zero():
    axis = Axis.over(["y"], [{"y": 0.0}, {"y": 10.0}], False, 0.1)
    assert (axis.low, axis.high) == (0.0, 11.0)
    axis = Axis.over(["y"], [{"y": -10.0}, {"y": -2.0}], False, 0.5)
    assert (axis.low, axis.high) == (-14.0, 0.0)
    axis = Axis.over(["y"], [{"y": -1.0}, {"y": 1.0}], False, 0.5)
    assert (axis.low, axis.high) == (-2.0, 2.0)


def test_a_domain_spans_all_fields():
    axis = Axis.over(["y", "low", "high"], [{"y": 5, "low": 4, "high": 7}, {"y": 6, "low": None}], False, 0.0)
    assert (axis.low, axis.high) == (4, 7)


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_one_value_still_has_a_domain_around_it(value):
    axis = Axis.over(["y"], [{"y": value}], False, 0.05)
    assert axis.low <= value <= axis.high
    assert axis.low < axis.high


def test_one_value_on_a_log_axis_has_a_domain_around_it():
    axis = Axis.over(["y"], [{"y": 3.0}], True, 0.05)
    assert axis.low < 3.0 < axis.high


def test_nothing_to_draw_is_a_domain_too():
    axis = Axis.over(["y"], [], True, 0.05)
    assert 0 < axis.low < axis.high


@pytest.mark.parametrize("axis", [Axis("y", 2.0, 8.0), Axis("y", 0.01, 100.0, log=True)])
def test_at_undoes_share(axis):
    assert axis.fraction(axis.low) == pytest.approx(0)
    assert axis.fraction(axis.high) == pytest.approx(1)
    assert axis.at(axis.fraction(4.0)) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.05, 3.0, [0.05, 0.1, 0.2, 0.5, 1, 2]),
        (0.01, 50.0, [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]),
        (1e-6, 1.0, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]),
    ],
)
def test_log_ticks_are_few_and_round(low, high, ticks):
    assert Axis("y", low, high, log=True).channel(None, "")["axis"]["values"] == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("low", "high", "ticks", "spec"),
    [
        (1.1, 1.9, [1.2, 1.4, 1.6, 1.8], ",.1f"),
        (2.29, 2.319, [2.29, 2.295, 2.3, 2.305, 2.31, 2.315], ",.3f"),
        (11_000.0, 19_000.0, [12_000, 14_000, 16_000, 18_000], ",.0f"),
    ],
)
def test_a_narrow_log_axis_has_even_ticks_with_as_many_decimals(low, high, ticks, spec):
    axis = Axis("y", low, high, log=True).channel(None, "")["axis"]
    assert axis["values"] == pytest.approx(ticks)
    assert axis["format"] == spec
    assert Axis("y", low, high, log=True).channel(None, ".0%")["axis"]["format"] in (".0~%", ".1~%")


def test_a_log_axis_says_that_it_is_one():
    assert Axis("y", 1.0, 9.0, log=True).channel("loss", "")["axis"]["title"] == "loss (log scale)"
    assert Axis("y", 1.0, 9.0, log=True).channel("", "")["axis"]["title"] == ""
    assert Axis("y", 1.0, 9.0).channel("loss", "")["axis"]["title"] == "loss"


def test_very_many_decades_are_not_all_named():
    assert len(Axis("y", 1e-30, 1.0, log=True).channel(None, "")["axis"]["values"]) <= 9


def test_what_an_axis_cannot_show_is_none():
    rows = [{"x": 1, "y": float("nan")}, {"x": 2, "y": float("inf")}, {"x": 3, "y": 0.0}, {"x": 4, "y": 0.123456789}]
    assert [row["y"] for row in drawable(rows, ["x", "y"], ["y"])] == [None, None, None, 0.123457]
    assert drawable(rows, ["x", "y"])[2]["y"] == 0
    assert rows[3]["y"] == 0.123456789  # the caller's rows stay as they are


def test_groups_keep_the_order_of_appearance():
    rows = [{"s": "b"}, {"s": "a"}, {"s": "b"}]
    assert list(grouped(rows, "s")) == ["b", "a"]
    assert grouped(rows, None) == {None: rows}


def test_up_to_six_short_names_stand_at_the_curves():
    assert Series("s", list("abcdef")).direct
    assert not Series("s", list("abcdefg")).direct
    assert not Series("s", ["a", "a name that is so long that no room is left for the plot"]).direct
    assert not Series(None, [None]).direct


def test_every_series_gets_a_choice_in_turn():
    channel = Series("s", list("abc")).channel(["red", "blue"], legend=False)
    assert channel["scale"] == {"domain": ["a", "b", "c"], "range": ["red", "blue", "red"]}
    assert channel["legend"] is None


def test_fields_with_dots_and_brackets_are_names_not_paths():
    assert escaped("optimizer.lr[0]") == r"optimizer\.lr\[0\]"


def test_labels_read_well():
    assert [label(value) for value in ("adam", 0.1, 36864, True, None)] == ["adam", "0.1", "36,864", "True", "None"]


@pytest.mark.parametrize(("spec", "short"), [(".2%", ".2~%"), (".3~g", ".3~g"), (",d", ",d"), ("", "")])
def test_axes_trim_zeros(spec, short):
    assert trimmed(spec) == short


def test_a_number_past_all_integers_stays_a_float():
    from underhood.figures import lines

    rows = [{"x": i, "y": value} for i, value in enumerate((2.3, 1.43838211153540579328e20, 3.0))]
    figure = lines("Loss", rows, x="x", y="y", log_y=True)
    assert "<svg" in figure.svg()
    assert figure.spec["data"]["values"][2]["y"] == 3
    assert isinstance(figure.spec["data"]["values"][1]["y"], float)
