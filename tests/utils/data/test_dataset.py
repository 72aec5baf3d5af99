"""Data sets of data sets beside torch's: items at every index, lengths, splits and refusals."""

import warnings

import pytest
import torch

import underhood
from underhood.utils import data

LIBS = (underhood, torch)


def list_set(lib, values, many=False):
    """A data set of `values` that notes how it was asked."""

    class Listed(lib.utils.data.Dataset):
        def __init__(self):
            self.asked = []

        def __getitem__(self, index):
            self.asked.append(index)
            return [values[i] for i in index] if isinstance(index, list) else values[index]

        def __len__(self):
            return len(values)

    if many:

        def getitems(self, indices):
            self.asked.append(tuple(indices))
            return tuple(values[i] for i in indices)

        Listed.__getitems__ = getitems
    return Listed()


def iterable_set(lib, values):
    class Ordered(lib.utils.data.IterableDataset):
        def __iter__(self):
            return iter(values)

        def __len__(self):
            return len(values)

    return Ordered()


@pytest.mark.parametrize("index", range(-8, 8))
def test_sets_one_after_the_other_have_torchs_items(index):
    found = []
    for lib in LIBS:
        joined = list_set(lib, [1, 2, 3]) + list_set(lib, [4])
        joined = joined + list_set(lib, [5, 6, 7])
        assert type(joined) is lib.utils.data.ConcatDataset
        assert len(joined) == 7
        try:
            found.append(joined[index])
        except (ValueError, IndexError) as error:
            found.append(type(error))
    assert found[0] == found[1]
    assert (found[0] in (ValueError, IndexError)) == (not -7 <= index < 7)


def test_an_empty_part_among_others_is_passed_over():
    for lib in LIBS:
        joined = lib.utils.data.ConcatDataset([range(0), range(2), range(0), range(5, 7)])
        assert [joined[i] for i in range(4)] == [0, 1, 5, 6]
        assert joined.cumulative_sizes == [0, 2, 2, 4]


def test_iterable_sets_are_chained():
    for lib in LIBS:
        chained = iterable_set(lib, [1, 2]) + iterable_set(lib, [3])
        assert type(chained) is lib.utils.data.ChainDataset
        assert list(chained) == [1, 2, 3]
        assert len(chained) == 3


def test_sets_side_by_side_are_tuples_or_dictionaries():
    for lib in LIBS:
        stacked = lib.utils.data.StackDataset(list_set(lib, [1, 2]), list_set(lib, "ab"))
        assert [stacked[0], stacked[1]] == [(1, "a"), (2, "b")]
        named = lib.utils.data.StackDataset(x=list_set(lib, [1, 2]), y=list_set(lib, "ab"))
        assert named[1] == {"x": 2, "y": "b"}
        assert len(stacked) == len(named) == 2


def test_tensors_of_one_length():
    for lib in LIBS:
        one = lib.utils.data.TensorDataset(lib.arange(6).reshape(3, 2), lib.tensor([0.5, 1.5, 2.5]))
        assert len(one) == 3
        assert [part.tolist() for part in one[2]] == [[4, 5], 2.5]
        assert [part.tolist() for part in one[1:]] == [[[2, 3], [4, 5]], [1.5, 2.5]]
        assert type(one[0]) is tuple


@pytest.mark.parametrize("many", [False, True])
def test_a_part_asks_its_set_for_a_batch_at_once_where_that_can(many):
    for lib in LIBS:
        whole = list_set(lib, list("abcdefg"), many)
        part = lib.utils.data.Subset(whole, [6, 2, 4])
        assert len(part) == 3
        assert part[0] == "g"
        assert part[[2, 0]] == ["e", "g"]
        whole.asked.clear()
        assert list(part.__getitems__([0, 2])) == ["g", "e"]
        assert whole.asked == ([(6, 4)] if many else [6, 4])


def test_a_loader_asks_for_a_batch_at_once():
    whole = list_set(underhood, list("abcde"), many=True)
    assert list(data.DataLoader(whole, 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert whole.asked == [(0, 1), (2, 3), (4,)]


SPLITS = [
    (10, [3, 7]),
    (10, [10, 0]),
    (10, [0.5, 0.5]),
    (11, [0.5, 0.5]),
    (11, [0.25, 0.25, 0.25, 0.25]),
    (7, [0.1, 0.2, 0.7]),
    (5, [1.0]),
    (1, [1]),
    (13, [0.34, 0.33, 0.33]),
    (100, [0.333, 0.333, 0.334]),
]


@pytest.mark.parametrize(("n", "lengths"), SPLITS)
def test_parts_are_torchs_indices(n, lengths):
    ours, theirs = (
        [list(p.indices) for p in lib.utils.data.random_split(range(n), lengths, lib.Generator().manual_seed(3))]
        for lib in LIBS
    )
    assert ours == theirs
    assert sorted(i for part in ours for i in part) == list(range(n))


@pytest.mark.parametrize(
    ("n", "lengths", "empty"), [(2, [0.3, 0.3, 0.4], [2]), (1, [0.5, 0.5], [1]), (3, [1.0, 0], [1])]
)
def test_an_empty_part_of_fractions_is_warned_of(n, lengths, empty):
    said = []
    for lib in LIBS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            parts = lib.utils.data.random_split(range(n), lengths, lib.Generator().manual_seed(3))
        said.append(([list(part.indices) for part in parts], [str(x.message).split(" is 0")[0] for x in caught]))
        assert all(str(x.message).endswith("empty dataset.") for x in caught)
    assert said[0] == said[1]
    assert said[0][1] == [f"Length of split at index {i}" for i in empty]


def test_the_warning_is_the_callers():
    with pytest.warns(UserWarning, match="index 1 is 0") as caught:
        data.random_split(range(1), [0.5, 0.5])
    assert caught[0].filename == __file__


REFUSALS = [
    (lambda lib: lib.utils.data.random_split(range(5), [2, 2]), ValueError, "Sum of input lengths"),
    (lambda lib: lib.utils.data.random_split(range(5), [3, 3]), ValueError, "Sum of input lengths"),
    (lambda lib: lib.utils.data.random_split(range(5), [0.5, 0.4]), ValueError, "Sum of input lengths"),
    (lambda lib: lib.utils.data.random_split(range(5), [1.5, -0.5]), ValueError, "Fraction at index 0 is not between"),
    (lambda lib: lib.utils.data.random_split(range(5), [0.5, 1.0, -0.5]), ValueError, "Fraction at index 2 is not"),
    (lambda lib: lib.utils.data.ConcatDataset([]), AssertionError, "datasets should not be an empty iterable"),
    (
        lambda lib: lib.utils.data.ConcatDataset([range(3), iterable_set(lib, [1])]),
        AssertionError,
        "ConcatDataset does not support IterableDataset",
    ),
    (lambda lib: list(lib.utils.data.ChainDataset([range(3)])), AssertionError, "ChainDataset only supports"),
    (lambda lib: lib.utils.data.StackDataset(), ValueError, "at least one"),
    (lambda lib: lib.utils.data.StackDataset(range(2), x=range(2)), ValueError, "by position or by name|Supported"),
    (lambda lib: lib.utils.data.StackDataset(range(2), range(3)), ValueError, "Size mismatch between datasets"),
    (lambda lib: lib.utils.data.StackDataset(x=range(2), y=range(3)), ValueError, "Size mismatch between datasets"),
    (
        lambda lib: lib.utils.data.TensorDataset(lib.ones(2), lib.ones(3)),
        AssertionError,
        "Size mismatch between tensors",
    ),
    (lambda lib: lib.utils.data.Dataset()[0], NotImplementedError, "implement __getitem__"),
]


@pytest.mark.parametrize(("make", "error", "words"), REFUSALS)
def test_what_torch_refuses_is_refused_with_words(make, error, words):
    with pytest.raises(error, match=words):
        make(underhood)
    with pytest.raises(error):
        make(torch)


def test_the_sizes_that_differ_are_named():
    with pytest.raises(AssertionError, match=r"\[\(2, 4\), \(3,\)\]"):
        data.TensorDataset(underhood.ones(2, 4), underhood.ones(3))
    with pytest.raises(IndexError, match="index 5 of 5 items"):
        data.ConcatDataset([range(5)])[5]
    with pytest.raises(ValueError, match="index -6 of 5 items"):
        data.ConcatDataset([range(5)])[-6]


def test_an_iterable_set_without_an_order_says_what_to_write():
    with pytest.raises(NotImplementedError, match="IterableDataset should implement __iter__"):
        iter(data.IterableDataset())
