"""What the items of a batch become, beside torch: types, values and what is refused."""

import collections
from types import MappingProxyType

import numpy as np
import pytest
import torch

import underhood
from underhood.utils.data import default_collate, default_convert

Point = collections.namedtuple("Point", "x y")


class Named(dict):
    """A dictionary that is made of a dictionary."""


def plain(x):
    """A batch with each type named; tensors of either library look alike."""
    if isinstance(x, underhood.Tensor | torch.Tensor):
        return "tensor", str(x.dtype).removeprefix("torch."), x.tolist()
    if isinstance(x, collections.abc.Mapping):
        return type(x).__name__, {key: plain(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return type(x).__name__, [plain(part) for part in x]
    return type(x).__name__, x


BATCHES = {
    "tensors": lambda lib: [lib.tensor([1.0, 2.0]), lib.tensor([3.0, 4.0])],
    "one tensor": lambda lib: [lib.tensor([[1, 2]])],
    "arrays": lambda lib: [np.arange(3, dtype=np.int32), np.arange(3, 6, dtype=np.int32)],
    "arrays of bytes": lambda lib: [np.arange(2, dtype=np.uint8), np.arange(2, dtype=np.uint8)],
    "numbers of NumPy": lambda lib: [np.int64(3), np.int64(5)],
    "doubles of NumPy": lambda lib: [np.float64(0.5), np.float64(1.5)],
    "floats": lambda lib: [0.1, 0.2, 0.3],
    "whole numbers": lambda lib: [3, 1, 2],
    "truths": lambda lib: [True, False],
    "words": lambda lib: ["ab", "c"],
    "bytes": lambda lib: [b"ab", b"c"],
    "tuples": lambda lib: [(1, 0.5, "a"), (2, 1.5, "b")],
    "lists": lambda lib: [[1, (2, 3)], [4, (5, 6)]],
    "named tuples": lambda lib: [Point(1, "a"), Point(2, "b")],
    "dictionaries": lambda lib: [{"x": 1, "y": [0.5, "s"]}, {"x": 2, "y": [1.5, "t"]}],
    "dictionaries of a class": lambda lib: [Named(x=1), Named(x=2)],
    "ordered dictionaries": lambda lib: [collections.OrderedDict(b=1, a=2), collections.OrderedDict(b=3, a=4)],
}


@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES)
def test_a_batch_is_made_of_what_torch_makes_it(make):
    assert plain(default_collate(make(underhood))) == plain(torch.utils.data.default_collate(make(torch)))


ITEMS = {
    "an array": lambda: np.arange(3.0),
    "a number of NumPy": lambda: np.float32(0.5),
    "an array of words": lambda: np.array(["a", "b"]).tolist(),
    "a word": lambda: "word",
    "a number": lambda: 3,
    "nothing": lambda: None,
    "a tuple": lambda: (np.ones(2), 3, "word"),
    "a list": lambda: [np.ones(2), [np.zeros(1)]],
    "a named tuple": lambda: Point(np.ones(2), 3),
    "a dictionary": lambda: {"x": np.ones(2), "y": (1, np.zeros(1))},
    "a dictionary of a class": lambda: Named(x=np.ones(2)),
}


@pytest.mark.parametrize("make", ITEMS.values(), ids=ITEMS)
def test_an_item_alone_is_converted_as_torch_converts_it(make):
    assert plain(default_convert(make())) == plain(torch.utils.data.default_convert(make()))


def test_tensors_are_handed_through_as_they_are():
    x = underhood.ones(2)
    assert default_convert(x) is x
    assert default_convert((x,))[0] is x


def test_a_mapping_that_no_dictionary_makes_becomes_one():
    class Fixed(dict):
        def __init__(self):
            super().__init__(x=np.ones(2))

    for found in (default_convert(Fixed()), default_collate([Fixed(), Fixed()])):
        assert type(found) is dict
        assert isinstance(found["x"], underhood.Tensor)
    assert plain(default_collate([MappingProxyType({"x": 1}), MappingProxyType({"x": 2})])) == (
        "mappingproxy",
        {"x": ("tensor", "int64", [1, 2])},
    )


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        ([(1, 2), (1,)], RuntimeError, "each element in list of batch should be of equal size"),
        ([[1], [1, 2]], RuntimeError, "each element in list of batch should be of equal size"),
        ([None, None], TypeError, "must contain tensors.*found NoneType; give the DataLoader a collate_fn"),
        ([{1}, {2}], TypeError, "found set"),
        ([np.array(["a"])], TypeError, "found ndarray"),
        ([{"x": 1}, {"y": 1}], KeyError, "x"),
    ],
)
def test_what_no_batch_can_be_made_of_is_refused(batch, error, words):
    with pytest.raises(error, match=words):
        default_collate(batch)
    with pytest.raises(error):
        torch.utils.data.default_collate(batch)
