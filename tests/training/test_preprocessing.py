"""What a network's input is made of: scale and shift of each channel, stored and read again."""

import json

import numpy as np
import pytest

from underhood.training.preprocessing import Preprocessing

OF_COLOURS = Preprocessing((3, 4, 5), 255.0, (0.5, 0.25, 0.0), (0.25, 0.5, 2.0), "float64")


@pytest.mark.parametrize("white", [None, 255.0, 16.0, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_white_becomes_one_less_the_mean_over_the_deviation(white, dtype):
    preprocessing = Preprocessing((3, 4, 5), 255.0, OF_COLOURS.mean, OF_COLOURS.std, dtype)
    scale, shift = preprocessing.constants(white)
    assert scale.shape == shift.shape == (3, 1, 1)
    assert scale.dtype == shift.dtype == np.dtype(dtype)
    whites = np.full((1, 3, 4, 5), 255.0 if white is None else white)
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    found = (whites * scale - shift)[0, :, 0, 0]
    np.testing.assert_allclose(found, [(1 - 0.5) / 0.25, (1 - 0.25) / 0.5, 1 / 2], rtol=tolerance)
    np.testing.assert_allclose((0 * whites * scale - shift)[0, :, 3, 4], [-2, -0.5, 0], rtol=tolerance)


def test_it_is_stored_as_json_and_the_same_afterwards():
    stored = OF_COLOURS.to_json()
    assert stored == {
        "shape": [3, 4, 5],
        "white": 255.0,
        "mean": [0.5, 0.25, 0.0],
        "std": [0.25, 0.5, 2.0],
        "dtype": "float64",
    }
    assert Preprocessing.from_json(json.loads(json.dumps(stored))) == OF_COLOURS
    assert hash(Preprocessing.from_json(stored)) == hash(OF_COLOURS)
    assert Preprocessing((1, 2, 2), 1.0, (0.0,), (1.0,)).dtype == "float32"
