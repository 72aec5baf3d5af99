"""The catalogue as it is printed: numbers with their commas, and what may be done about a set that is not there."""

import pytest

from underhood.data import DATA_SETS, catalogue


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_set_has_a_line_of_its_figures(tmp_path, name):
    data_set = DATA_SETS[name]
    (line,) = (line for line in str(catalogue(tmp_path)).splitlines() if line.split()[:1] == [name])
    words = line.split()
    for figure in (len(data_set.classes), f"{data_set.train:,}", f"{data_set.test:,}"):
        assert str(figure) in words
    assert "×".join(map(str, data_set.shape)) in words


def test_columns_and_foot(tmp_path):
    table = catalogue(tmp_path)
    assert [column.name for column in table.columns] == [
        "name",
        "summary",
        "shape",
        "classes",
        "train",
        "test",
        "place",
    ]
    assert [column.align for column in table.columns] == ["left", "left", "left", "right", "right", "right", "left"]
    assert table.name == "data-sets"
    assert [line.split("; ")[0] for line in table.foot] == [
        f"Looked for in {tmp_path}",
        "`underhood data get NAME` fetches one that is not here.",
        "One's own data go by their path: a .npz file of arrays, or a folder of pictures.",
    ]
