"""Histograms of weights: bounds, counts and what is left out; written and read again."""

import json
import re

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.training.histograms import file_of, histograms, read, write


@pytest.mark.parametrize(
    ("values", "bins", "low", "high", "counts", "missing"),
    [
        ([0.0, 1.0, 2.0, 4.0], 4, 0.0, 4.0, [1, 1, 1, 1], 0),
        ([0.0, 0.9, 1.0, 4.0], 4, 0.0, 4.0, [2, 1, 0, 1], 0),
        ([[-1.0, 1.0], [1.0, 1.0]], 2, -1.0, 1.0, [1, 3], 0),
        ([3.0], 3, 2.5, 3.5, [0, 1, 0], 0),
        ([0.0, np.inf, np.nan, -np.inf, 2.0], 2, 0.0, 2.0, [1, 1], 3),
        ([np.nan], 2, 0.0, 1.0, [0, 0], 1),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_bounds_and_counts_by_hand(values, bins, low, high, counts, missing, dtype):
    found = histograms({"w": np.array(values, dtype)}, bins)
    assert found == {"w": {"low": low, "high": high, "counts": counts, "not_finite": missing}}
    assert json.loads(json.dumps(found)) == found


def test_entries_that_are_counts_or_empty_are_left_out():
    weights = {
        "a": np.ones(3),
        "steps": np.array(7),
        "mask": np.ones(2, bool),
        "none": np.ones((0, 4)),
        "b": np.ones(1),
    }
    assert list(histograms(weights, 3)) == ["a", "b"]


@pytest.mark.parametrize(("epoch", "name"), [(0, "0000"), (7, "0007"), (1234, "1234"), (12345, "12345")])
def test_a_file_an_epoch(epoch, name):
    assert file_of(epoch) == f"histograms/epoch-{name}.json"


def test_what_is_written_is_read_again(tmp_path):
    found = histograms({"w": np.arange(5.0)}, 2)
    write(tmp_path / "one.json", 3, found)
    assert read(tmp_path / "one.json") == {"schema": "underhood.histograms/1", "epoch": 3, "weights": found}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read ("),
        (b"{", "cannot be read ("),
        (b"\xff\xff", "cannot be read ("),
        (b"[]", 'not a file of histograms (schema "underhood.histograms/1")'),
        (b"{}", 'not a file of histograms (schema "underhood.histograms/1")'),
        (b'{"schema": "underhood.histograms/2"}', "not a file of histograms"),
    ],
)
def test_another_file_is_refused_by_its_name(content, said, tmp_path):
    path = tmp_path / "other.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=re.escape(f"{path}: {said}")):
        read(path)
