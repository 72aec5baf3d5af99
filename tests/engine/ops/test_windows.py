"""How many windows there are, against PyTorch, over a grid of lengths, kernels, strides, paddings and dilations."""

from itertools import product

import numpy as np
import pytest
import torch

from underhood.engine.ops.windows import numbers, window_count, windows


def test_windows_are_counted_as_by_pytorch():
    seen = 0
    for length, kernel, stride, dilation, ceil in product((4, 7, 8), (1, 2, 3), (1, 2, 3, 4), (1, 2), (False, True)):
        span = dilation * (kernel - 1) + 1
        for padding in range(kernel // 2 + 1):
            if length + 2 * padding < span:
                continue
            expected = torch.nn.functional.max_pool1d(
                torch.zeros(1, 1, length), kernel, stride, padding, dilation, ceil_mode=ceil
            )
            assert window_count(length, kernel, stride, (padding, padding), dilation, ceil) == expected.shape[2]
            seen += 1
    assert seen >= 200


def test_taps_are_what_windows_see_and_put_back_is_their_transpose():
    rng = np.random.default_rng(0)
    place = windows((6, 7), (3, 2), (2, 3), (1, 2), (1, 2))
    a, taps = rng.normal(size=(2, 3, 6, 7)), rng.normal(size=(2, 3, 3, 2, *place.out))
    np.testing.assert_allclose((place.taps(place.pad(a)) * taps).sum(), (a * place.put_back(taps)).sum())


def test_taps_cannot_be_written_to():
    place = windows((4, 4), (2, 2))
    with pytest.raises(ValueError, match="read-only"):
        place.taps(place.pad(np.zeros((1, 1, 4, 4))))[...] = 1


def test_numbers_for_axes():
    assert numbers(2, 2) == numbers((2,), 2) == numbers([2, 2], 2) == (2, 2)
    with pytest.raises(RuntimeError, match=r"list of 2 values, got \[1, 2, 3\]"):
        numbers((1, 2, 3), 2)
