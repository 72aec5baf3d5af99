"""What the worked examples draw."""

from underhood.studies.by_hand.worked import matrices


def test_the_padding_is_the_frame_of_a_matrix_that_is_not_square():
    rows = [[0, 0, 0, 0, 0], [0, 1, 2, 3, 0], [0, 0, 0, 0, 0]]
    cells = matrices("Padded", [("x", rows)], frames=[1]).spec["data"]["values"]
    assert [cell["value"] for cell in cells if not cell["padding"]] == [1, 2, 3]
