"""Nests of arguments, changed leaf by leaf."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import underhood
from underhood.instruments.check.recording import PassFailed, is_array, mapped, no_inplace


class Pair(NamedTuple):
    left: Any
    right: Any


def test_leaves_are_changed_and_the_nest_around_them_stays():
    a, b = np.ones(2), np.zeros(3)
    found = mapped((a, [3, None, b], {"pair": Pair(b, "text")}), lambda x: x + 1, is_array)
    assert isinstance(found, tuple)
    np.testing.assert_array_equal(found[0], [2, 2])
    assert found[1][:2] == [3, None]
    np.testing.assert_array_equal(found[1][2], [1, 1, 1])
    assert isinstance(found[2]["pair"], Pair)
    np.testing.assert_array_equal(found[2]["pair"].left, [1, 1, 1])
    assert found[2]["pair"].right == "text"
    assert a.tolist() == [1, 1]


@pytest.mark.parametrize("library", [torch.nn, underhood.nn])
def test_no_layer_writes_over_what_is_to_be_read_however_deep_it_stands(library):
    net = library.Sequential(library.ReLU(inplace=True), library.Sequential(library.ReLU(inplace=True)))
    no_inplace(net)
    assert [net[0].inplace, net[1][0].inplace] == [False, False]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("first\nsecond"), "fc1: ValueError: first"),
        (ValueError("  \n first\nsecond"), "fc1: ValueError: first"),
        (ValueError(), "fc1: ValueError"),
    ],
)
def test_an_error_of_several_lines_is_told_by_its_first(error, said):
    assert str(PassFailed("fc1", error)) == said
