"""What a trained network said of every test image: kept, read back, and counted."""

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.training.answers import Answers, by_class, confusion, most_confused

TRUTH, SAID = np.array([0, 0, 1, 1, 1, 3]), np.array([0, 1, 1, 0, 0, 3])


def test_a_confusion_matrix_and_what_follows_from_it():
    matrix = confusion(TRUTH, SAID, 4)
    np.testing.assert_array_equal(matrix, [[1, 1, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(by_class(matrix), [1 / 2, 1 / 3, np.nan, 1])
    assert most_confused(matrix, 5) == [(1, 0, 2), (0, 1, 1)]
    assert most_confused(matrix, 1) == [(1, 0, 2)]


@pytest.mark.parametrize("damage", ["garbage", "cut", "empty", "another file", "not there"])
def test_what_is_not_whole_is_refused_by_its_path(damage, tmp_path):
    path = tmp_path / "test.npz"
    answers = {"truth": TRUTH, "prediction": SAID, "classes": np.array(["a", "b", "c", "d"]), "white": np.array(1.0)}
    if damage in ("garbage", "empty"):
        path.write_bytes(b"no archive" * (damage == "garbage"))
    elif damage == "another file":
        np.savez(path, **{name: x for name, x in answers.items() if name != "white"})
    elif damage == "cut":
        np.savez(path, **answers)
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadInput, match=r"test\.npz: not the answers of a test, or damaged"):
        Answers.read(path)
