import csv
import io
import json

from underhood.figures import Figure, lines

ROWS = [{"x": i, "y": i * i, "kind": "a, b"} for i in range(4)]
FIGURE = lines("Squares", ROWS, x="x", y="y", series="kind", caption="From 0 on.", name="squares")


def test_svg_has_the_papers_colour_and_no_network():
    svg = FIGURE.svg()
    assert svg.startswith("<svg")
    assert 'fill="#ffffff"' in svg
    assert "<image" not in svg
    assert "@import" not in svg


def test_png_is_as_large_as_asked():
    data = FIGURE.png(scale=1.0)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(data[16:20], "big") == 640


def test_csv_has_the_data():
    rows = list(csv.DictReader(io.StringIO(FIGURE.data_csv())))
    assert rows[3] == {"x": "3", "y": "9", "kind": "a, b"}


def test_csv_takes_rows_that_differ_in_their_fields():
    figure = Figure("t", "", {"data": {"values": [{"a": 1}, {"b": 2}]}})
    assert figure.data_csv() == "a,b\n1,\n,2\n"


def test_vega_for_a_page_has_its_data_apart_and_fits_its_box():
    vega = FIGURE.vega()
    assert next(each for each in vega["data"] if each["name"] == "figure").get("values") is None
    assert "containerSize" in json.dumps(vega["signals"])
    assert vega["background"] == "transparent"


def test_only_the_page_answers_a_pointer():
    assert "hover" in [layer.get("name") for layer in FIGURE.spec["layer"]]
    assert "mark-symbol" not in FIGURE.svg()


def test_any_specification_is_a_figure():
    spec = {
        "data": {"values": [{"x": 1}]},
        "width": 100,
        "mark": "point",
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }
    figure = Figure("One point", "", spec)
    assert "<svg" in figure.svg()
    assert figure.alt == "One point."
    assert Figure("Of two?", "Its caption.", {"description": "A matrix"}).alt == "Of two? A matrix. Its caption."
    assert figure.narrowest == 100
    assert "containerSize" not in json.dumps(figure.vega())


def test_a_notebook_shows_the_drawing():
    assert FIGURE._repr_svg_() == FIGURE.svg()


def test_truth_values_are_spelled_so_that_vega_reads_them():
    figure = Figure("t", "", {"data": {"values": [{"a": True}, {"a": False}]}})
    assert figure.data_csv() == "a\ntrue\nfalse\n"
