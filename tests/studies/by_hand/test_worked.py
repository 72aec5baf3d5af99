"""What the worked examples draw."""

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.settings import build, from_dict
from underhood.studies.by_hand.columns import ColumnsExample, worked
from underhood.studies.by_hand.worked import matrices


def test_the_padding_is_the_frame_of_a_matrix_that_is_not_square():
    rows = [[0, 0, 0, 0, 0], [0, 1, 2, 3, 0], [0, 0, 0, 0, 0]]
    cells = matrices("Padded", [("x", rows)], frames=[1]).spec["data"]["values"]
    assert [cell["value"] for cell in cells if not cell["padding"]] == [1, 2, 3]


def columns(rows, width, filter_rows, filter_width):
    image = np.arange(rows * width, dtype=float).reshape(1, rows, width).tolist()
    given = {"image": image, "filters": np.ones((1, 1, filter_rows, filter_width)).tolist(), "bias": [0.0]}
    return build(ColumnsExample, [from_dict(given)])


def test_filters_may_be_as_high_and_as_wide_as_the_image_and_no_more():
    assert worked(columns(2, 4, 2, 4))
    assert worked(columns(4, 2, 4, 2))
    for shape in ((2, 4, 3, 4), (4, 2, 4, 3)):
        with pytest.raises(BadInput, match=rf"filters: of {shape[2]}×{shape[3]} do not fit on {shape[0]}×{shape[1]}"):
            columns(*shape)
