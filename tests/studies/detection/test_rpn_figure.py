"""The drawing of the region proposal network."""

from itertools import combinations

from underhood.studies.detection.rpn_figure import rpn_figure


def test_every_arrow_leads_from_the_foot_of_a_box_to_just_above_another():
    spec = rpn_figure(9).spec
    boxes, arrows = spec["data"]["values"], spec["layer"][1]["data"]["values"]
    assert (len(boxes), len(arrows)) == (7, 7)
    led = [
        (begin["label"], end["label"])
        for arrow in arrows
        for begin in boxes
        for end in boxes
        if begin["bottom"] == arrow["y"] and begin["left"] < arrow["x"] < begin["right"]
        and end["top"] == arrow["y2"] + 4 and end["left"] < arrow["x2"] < end["right"]
    ]  # fmt: skip
    assert len(set(led)) == 7
    assert {end for _, end in led} == {box["label"] for box in boxes[1:]}  # nothing but the picture is a beginning


def test_no_box_lies_over_another_or_beyond_the_drawing():
    spec = rpn_figure(9).spec
    boxes = spec["data"]["values"]
    for one, other in combinations(boxes, 2):
        assert one["right"] <= other["left"] or one["bottom"] <= other["top"]
    for box in boxes:
        assert 0 <= box["left"] < box["right"] <= spec["width"]
        assert 0 <= box["top"] < box["bottom"] <= spec["height"]
