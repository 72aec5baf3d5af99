"""Pictures and matrices: the PNG read back by Pillow, boxes where they belong."""

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from underhood.figures.matrix import matrix
from underhood.figures.pictures import WIDEST, Box, Picture, data_url, pictures, png, shaded


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (4, 3, 3)])
def test_a_png_is_what_was_written(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(png(pixels)))), pixels)


def test_pixels_are_enlarged_whole():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    packed = base64.b64decode(data_url(pixels, 4).partition(",")[2])
    large = np.asarray(Image.open(BytesIO(packed)))
    np.testing.assert_array_equal(large, np.kron(pixels, np.ones((4, 4), np.uint8)))


@pytest.mark.parametrize(("own", "side"), [(28, 84), (33, 99), (34, 100), (250, 100)])
def test_a_picture_small_enough_is_enlarged_by_a_whole_number(own, side):
    (row, *_) = pictures("One", [Picture("a", np.zeros((own, own), np.uint8))], largest=100).spec["data"]["values"]
    assert row["x2"] - row["x"] == row["y2"] - row["y"] == side


def test_boxes_lie_where_the_pixels_are():
    pixels = np.zeros((32, 32, 3), np.uint8)
    shown = [Picture("a", pixels), Picture("b", pixels, [Box(8, 16, 32, 32, "0.9", "object")])]
    figure = pictures("Two", shown, columns=2, largest=128)
    rows = figure.spec["data"]["values"]
    picture, box = rows[1], rows[2]
    assert picture["x2"] - picture["x"] == 128
    assert (box["x"], box["y"]) == (picture["x"] + 32, picture["y"] + 64)
    assert (box["x2"], box["y2"]) == (picture["x2"], picture["y2"])
    assert "0.9" in figure.svg()
    assert figure.svg().count("<image") == 2


def test_labels_of_boxes_do_not_cover_each_other():
    boxes = [Box(5, 5, 20 + i, 20 + i, label=str(i)) for i in range(4)]
    rows = pictures("One", [Picture("a", np.zeros((32, 32), np.uint8), boxes)]).spec["data"]["values"][1:]
    places = [(row["at_x"], row["at_y"]) for row in rows]
    assert all(abs(a[0] - b[0]) >= 7 or abs(a[1] - b[1]) >= 11 for i, a in enumerate(places) for b in places[:i])


def test_a_box_without_a_label_is_not_labelled_null_on_a_page():
    figure = pictures("One", [Picture("a", np.zeros((32, 32), np.uint8), [Box(5, 5, 20, 20), Box(1, 1, 9, 9, "0.9")])])
    for row in figure.spec["data"]["values"]:
        row["name"] = row["name"] or None  # as Vega reads an empty cell of the page's CSV
    svg = figure.svg()
    assert "null" not in svg
    assert svg.count(">0.9<") == 2  # the halo and the letters


def test_what_reaches_below_a_picture_has_room():
    pixels = np.zeros((32, 32), np.uint8)
    plain = pictures("One", [Picture("a", pixels)], largest=96).spec["height"]
    assert pictures("One", [Picture("a", pixels, [Box(0, 0, 9, 40)])], largest=96).spec["height"] == plain + 24


def test_rows_of_pictures_do_not_overlap():
    pixels = np.zeros((20, 10), np.uint8)
    rows = pictures("Five", [Picture(str(i), pixels) for i in range(5)], columns=2).spec["data"]["values"]
    assert rows[2]["y"] > rows[0]["y2"]
    assert max(row["x2"] for row in rows) <= WIDEST


def test_shades_run_from_white_to_dark():
    shades = shaded(np.array([[0.0, 0.5, 1.0]])).astype(int).sum(-1)[0]
    assert shades[0] == 3 * 255 > shades[1] > shades[2]
    assert (shaded(np.zeros((2, 2))) == 255).all()


@pytest.mark.parametrize(("value", "colour"), [(0.3, "#1f2327"), (0.7, "#1f2327"), (0.9, "#fefefe")])
def test_a_matrix_s_numbers_are_dark_until_white_is_easier_to_read(value, colour):
    svg = matrix("One", np.array([[value]]), ["a"], ["b"]).svg()
    (label,) = re.findall(r"<text[^>]*>" + str(value), svg)
    assert f'fill="{colour}"' in label


def test_a_matrix_is_white_at_its_low_end_and_blue_at_its_high_end():
    svg = matrix("Changes", np.array([[-1.0, 1.0, 3.0]]), ["a"], ["b", "c", "d"], low=-1.0, high=3.0).svg()
    colours = re.findall(r'fill="(rgb\([^)]*\))" stroke', svg)
    assert colours == ["rgb(254, 254, 254)", "rgb(127, 184, 216)", "rgb(0, 114, 178)"]


def test_a_matrix_has_its_numbers():
    svg = matrix("IoU", np.array([[1.0, 0.25], [0.25, 1.0]]), ["a", "b"], ["a", "b"]).svg()
    assert svg.count(">0.25<") == 2
    assert svg.count(">1.00<") == 2


@pytest.mark.parametrize(("columns", "cell"), [(1, 46), (12, 46), (13, 43), (20, 28), (100, 5)])
def test_a_matrix_is_no_wider_than_pictures_are(columns, cell):
    """Cells shrink, so that with the rows' names all stands within the width of a page's drawings."""
    spec = matrix("M", np.zeros((2, columns)), ["a", "b"], [str(i) for i in range(columns)]).spec
    assert spec["width"] == cell * columns <= WIDEST - 60
    assert spec["height"] == 2 * round(0.62 * cell)
    assert spec["usermeta"]["narrowest"] == spec["width"] + 60
    assert spec["padding"]["right"] == max(10, WIDEST - 60 - spec["width"])


@pytest.mark.parametrize(("name", "angle"), [("", 0), ("abc", 0), ("a name of many letters", -45)])
def test_names_wider_than_a_cell_are_turned(name, angle):
    spec = matrix("M", np.zeros((1, 2)), ["a"], [name, "b"]).spec
    assert spec["encoding"]["x"]["axis"]["labelAngle"] == angle
