"""Predictions as lists and as a table."""

import numpy as np
import pytest

from underhood.tables import Column
from underhood.trained.predictions import Predictions

SAID = Predictions(
    ("a.png", "b.png"),
    np.array([2, 0]),
    np.array([[0.1, 0.3, 0.4, 0.2], [0.25, 0.25, 0.3, 0.2]]),
    ("ant", "bee", "cat", "dog"),
)


def test_each_image_has_the_name_of_its_class():
    assert SAID.classes == ["cat", "ant"]
    assert len(SAID) == 2


def test_the_predicted_class_is_first_though_another_were_likelier():
    """An average over two views can predict what neither ranks first; of equals the first in order stands first."""
    assert SAID.top(1) == [[("cat", 0.4)], [("ant", 0.25)]]
    assert SAID.top() == [[("cat", 0.4), ("bee", 0.3), ("dog", 0.2)], [("ant", 0.25), ("cat", 0.3), ("bee", 0.25)]]
    assert [len(each) for each in SAID.top(9)] == [4, 4]


@pytest.mark.parametrize(("k", "shown"), [(1, 1), (2, 2), (4, 4), (9, 4)])
def test_a_row_an_image_with_so_many_classes(k, shown):
    table = SAID.table(k)
    heads = [("class", "Class"), ("class_2", "2nd class"), ("class_3", "3rd class"), ("class_4", "4th class")]
    columns = [Column("image", "Image", align="left")]
    for name, head in heads[:shown]:
        columns.append(Column(name, head, align="left"))
        columns.append(Column(name.replace("class", "probability"), "Probability", format=".2%"))
    assert list(table.columns) == columns
    first = {"image": "a.png", "class": "cat", "probability": 0.4, "class_2": "bee", "probability_2": 0.3}
    first |= {"class_3": "dog", "probability_3": 0.2, "class_4": "ant", "probability_4": 0.1}
    assert table.rows[0] == {column.name: first[column.name] for column in columns}
    assert len(table.rows) == 2
