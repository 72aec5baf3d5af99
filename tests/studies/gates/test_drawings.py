"""A gate's drawing against the geometry of the plane: corners, lines and arrows are where its units say."""

from math import atan2, cos, hypot, pi, radians, sin

import pytest

from underhood.studies.gates.drawings import BOTTOM, LEFT, RADIUS, SIDE, gate_figure

XOR = {
    "gate": "XOR",
    "layers": [{"w": [[1.0, 1.0], [-2.0, -1.0]], "b": [-0.5, 2.5]}, {"w": [[1.0, 1.0]], "b": [-1.5]}],
    "outputs": "0110",
}
NOT = {"gate": "NOT", "layers": [{"w": [[-1.0]], "b": [0.5]}], "outputs": "10"}
PAIRS = [(0, 0), (0, 1), (1, 0), (1, 1)]


def drawn(gate, rows):
    """What each layer of the figure draws, by what it is."""
    layers = [layer["data"]["values"] for layer in gate_figure(gate, rows).spec["layer"] if "data" in layer]
    names = ("edges", "weights", "nodes", "labels", "biases", "frame", "lines", "arrows", "heads", "words")
    return dict(zip(names, layers, strict=True)), gate_figure(gate, rows).spec["data"]["values"]


def inputs_at(x, y):
    """A and B at a pixel: the square shows −½ to 1½, B upwards."""
    return (x - LEFT) / SIDE * 2 - 0.5, (BOTTOM - y) / SIDE * 2 - 0.5


def test_weights_stand_on_their_edges_apart_from_each_other_and_from_the_units():
    found, _ = drawn(XOR, PAIRS)
    assert len(found["edges"]) == len(found["weights"]) == 6
    for edge, weight in zip(found["edges"], found["weights"], strict=True):
        along = (weight["x"] - edge["x"]) / (edge["x2"] - edge["x"])
        assert 0.25 < along <= 0.5
        assert weight["y"] == pytest.approx(edge["y"] + along * (edge["y2"] - edge["y"]))
    spots = [(each["x"], each["y"]) for each in found["weights"]]
    for i, (x, y) in enumerate(spots):
        assert all(hypot(x - u, y - v) > 15 for u, v in spots[:i])
        assert all(hypot(x - each["x"], y - each["y"]) > RADIUS for each in found["nodes"])
    assert [each["label"] for each in found["weights"]] == ["1", "1", "−2", "−1", "1", "1"]
    assert [each["label"] for each in found["biases"]] == ["bias −0.5", "bias 2.5", "bias −1.5"]
    assert [each["label"] for each in found["nodes"]] == ["A", "B", "h1", "h2", "X"]
    assert drawn(NOT, [(0,), (1,)])[0]["weights"][0]["x"] == 40 + 250 / 2


def test_corners_stand_at_their_inputs():
    _, points = drawn(XOR, PAIRS)
    corners = [row for row in points if "A" in row]
    assert [inputs_at(row["px"], row["py"]) for row in corners] == [pytest.approx(pair) for pair in PAIRS]
    assert [row["output"] for row in corners] == [0, 1, 1, 0]


@pytest.mark.parametrize(("gate", "rows"), [(XOR, PAIRS), (NOT, [(0,), (1,)])])
def test_a_unit_is_zero_on_its_line_and_grows_along_its_arrow(gate, rows):
    found, _ = drawn(gate, rows)
    first = gate["layers"][0]
    assert len(found["lines"]) == len(found["arrows"]) == len(first["b"])
    for line, arrow in zip(found["lines"], found["arrows"], strict=True):
        w, b = first["w"][line["unit"]], first["b"][line["unit"]]

        def unit(x, y, w=w, b=b):
            return sum(p * q for p, q in zip(w, inputs_at(x, y), strict=False)) + b

        assert unit(line["x"], line["y"]) == pytest.approx(0, abs=1e-9)
        assert unit(line["x2"], line["y2"]) == pytest.approx(0, abs=1e-9)
        border = [each for end in ("", "2") for each in inputs_at(line[f"x{end}"], line[f"y{end}"])]
        assert all(-0.5 - 1e-9 <= each <= 1.5 + 1e-9 for each in border)
        dx, dy = arrow["x2"] - arrow["x"], arrow["y2"] - arrow["y"]
        assert unit(arrow["x2"], arrow["y2"]) > 0
        assert (line["x2"] - line["x"]) * dx + (line["y2"] - line["y"]) * dy == pytest.approx(0, abs=1e-6)
        turned = radians(arrow["angle"])  # Vega's triangle points up, and turns clockwise
        assert (sin(turned), -cos(turned)) == pytest.approx((dx / 26, dy / 26))


def test_names_stand_behind_their_arrows_and_axes_outside_the_square():
    found, _ = drawn(XOR, PAIRS)
    words = {each["label"]: each for each in found["words"]}
    for arrow, name in zip(found["arrows"], ("h1", "h2"), strict=True):
        back = atan2(arrow["y"] - words[name]["y"], arrow["x"] - words[name]["x"])
        ahead = atan2(arrow["y2"] - arrow["y"], arrow["x2"] - arrow["x"])
        assert (back - ahead + pi) % (2 * pi) == pytest.approx(pi)
    assert words["A"]["y"] > words["0"]["y"] - 1e-9
    assert words["A"]["y"] > BOTTOM
    assert words["B"]["x"] < LEFT
    assert not {"h1", "B"} & {each["label"] for each in drawn(NOT, [(0,), (1,)])[0]["words"]}
