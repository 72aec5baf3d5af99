"""The less common calls of utils.data beside torch's: values, lengths, and what is refused with which error."""

import collections
import warnings

import numpy as np
import pytest
import torch

import underhood

LIBS = (underhood, torch)
Point = collections.namedtuple("Point", "x y")


class Own(dict):
    """A mapping of its own kind."""


class Strict(dict):
    """A mapping that is not made of a dictionary."""

    def __init__(self):
        super().__init__()


def numbers(lib, n=7):
    """An iterable data set of a known length."""

    class Numbers(lib.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(n))

        def __len__(self):
            return n

    return Numbers()


class Many:
    """A data set that fetches many at once, and says how it was asked."""

    def __init__(self):
        self.asked = []

    def __getitem__(self, i):
        self.asked.append(i)
        return [10 * k for k in i] if isinstance(i, list) else 10 * i

    def __getitems__(self, indices):
        self.asked.append(tuple(indices))
        return [10 * i for i in indices]

    def __len__(self):
        return 6


def plain(x):
    if hasattr(x, "tolist"):
        return str(x.dtype).removeprefix("torch."), x.tolist()
    if isinstance(x, dict):
        return type(x).__name__, {key: plain(value) for key, value in x.items()}
    if isinstance(x, tuple | list):
        return type(x).__name__, [plain(part) for part in x]
    return x


VALUES = {
    "two data sets added": lambda lib: list(lib.utils.data.Subset(range(3), [2]) + range(5, 7)),
    "three added": lambda lib: [len(lib.utils.data.Subset(range(3), [2]) + range(5, 7) + range(2))],
    "iterable ones added": lambda lib: list(numbers(lib, 2) + numbers(lib, 3)),
    "length of a chain": lambda lib: [len(lib.utils.data.ChainDataset([numbers(lib, 2), numbers(lib, 3)]))],
    "stacked by position": lambda lib: lib.utils.data.StackDataset(range(3), range(5, 8))[1],
    "stacked by name": lambda lib: lib.utils.data.StackDataset(a=range(3), b=range(5, 8))[2],
    "a subset by a list": lambda lib: lib.utils.data.Subset(Many(), [5, 0, 3])[[0, 2]],
    "a subset of many": lambda lib: lib.utils.data.Subset(Many(), [5, 0, 3]).__getitems__([2, 1]),
    "a subset of a subset": lambda lib: list(
        lib.utils.data.Subset(lib.utils.data.Subset(range(10, 20), [5, 0, 3]), [2, 0])
    ),
    "the ends of a concatenation": lambda lib: [
        lib.utils.data.ConcatDataset([range(3), range(10, 12), range(20, 21)])[i] for i in (-6, -1, 0, 2, 3, 4, 5)
    ],
    "a split without rest": lambda lib: [len(x) for x in lib.utils.data.random_split(range(10), [0.5, 0.5])],
    "a split whose rest goes round": lambda lib: [
        len(x) for x in lib.utils.data.random_split(range(11), [0.25, 0.25, 0.25, 0.25])
    ],
    "a split with nothing in a part": lambda lib: [len(x) for x in lib.utils.data.random_split(range(4), [4, 0])],
    "iterable batches": lambda lib: list(lib.utils.data.DataLoader(numbers(lib), 3)),
    "iterable batches, whole ones": lambda lib: list(lib.utils.data.DataLoader(numbers(lib), 3, drop_last=True)),
    "iterable, whole ones without rest": lambda lib: list(
        lib.utils.data.DataLoader(numbers(lib, 6), 3, drop_last=True)
    ),
    "iterable, one by one": lambda lib: list(lib.utils.data.DataLoader(numbers(lib, 2), None)),
    "lengths of loaders": lambda lib: [
        len(lib.utils.data.DataLoader(numbers(lib), 3)),
        len(lib.utils.data.DataLoader(numbers(lib), 3, drop_last=True)),
        len(lib.utils.data.DataLoader(numbers(lib), 7)),
        len(lib.utils.data.DataLoader(numbers(lib), None)),
        len(lib.utils.data.DataLoader(range(7), None)),
        len(lib.utils.data.DataLoader(range(7), sampler=[1, 2, 3])),
        len(lib.utils.data.DataLoader(range(7), batch_sampler=[[1], [2, 3]])),
    ],
    "lengths of samplers": lambda lib: [
        len(lib.utils.data.SequentialSampler(range(5))),
        len(lib.utils.data.RandomSampler(range(5))),
        len(lib.utils.data.RandomSampler(range(5), num_samples=9)),
        len(lib.utils.data.SubsetRandomSampler([1, 2])),
        len(lib.utils.data.WeightedRandomSampler([1.0, 2.0], 5)),
        len(lib.utils.data.BatchSampler(range(7), 3, False)),
        len(lib.utils.data.BatchSampler(range(7), 3, True)),
        len(lib.utils.data.BatchSampler(range(6), 3, False)),
        len(lib.utils.data.BatchSampler(range(6), 3, True)),
    ],
    "converted": lambda lib: [
        lib.utils.data.default_convert(x)
        for x in (
            np.float32(2),
            np.arange(3),
            {"a": np.ones(2), "b": "s"},
            (1, np.zeros(1)),
            [np.bool_(True), b"x", None],
            Point(np.int16(1), 2.5),
            np.array(["a"]),
        )
    ],
    "collated": lambda lib: [
        lib.utils.data.default_collate(x)
        for x in (
            [1, 2],
            [True, False],
            [1.5, 2.5],
            ["a", "b"],
            [b"a", b"b"],
            [np.ones(2), np.zeros(2)],
            [np.float64(1), np.float64(2)],
            [Point(1, "a"), Point(2, "b")],
            [{"a": 1, "b": [2.5]}, {"a": 3, "b": [4.5]}],
            [Own(a=1), Own(a=2)],
            [[1, 2], [3, 4], [5, 6]],
        )
    ],
    "uncollated, of lists": lambda lib: list(lib.utils.data.DataLoader([[1, 2], [3, 4]], None)),
    "collated by a function": lambda lib: list(lib.utils.data.DataLoader(range(5), 2, collate_fn=sum)),
    "uncollated by a function": lambda lib: list(lib.utils.data.DataLoader(range(3), None, collate_fn=str)),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_are_torchs(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's of parts with nothing in them
        ours, theirs = ([plain(x) for x in VALUES[name](lib)] for lib in LIBS)
    assert ours == theirs


@pytest.mark.parametrize("lib", LIBS)
def test_a_batch_is_fetched_at_once_where_the_data_set_can(lib):
    data = Many()
    assert [x.tolist() for x in lib.utils.data.DataLoader(data, 4)] == [[0, 10, 20, 30], [40, 50]]
    assert data.asked == [(0, 1, 2, 3), (4, 5)]
    subset = lib.utils.data.Subset(data, [4, 2])
    assert [x.tolist() for x in lib.utils.data.DataLoader(subset, 2)] == [[40, 20]]
    assert data.asked[-1] == (4, 2)


@pytest.mark.parametrize("lib", LIBS)
def test_a_mapping_that_cannot_be_made_anew_becomes_a_dictionary(lib):
    found = lib.utils.data.default_convert(Strict())
    assert found == {}


@pytest.mark.parametrize("lib", LIBS)
def test_a_part_with_nothing_in_it_is_warned_of(lib):
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        parts = lib.utils.data.random_split(range(3), [0.9, 0.1])
    assert [len(x) for x in parts] == [3, 0]


REFUSED = {
    "an iterable set shuffled": lambda lib: lib.utils.data.DataLoader(numbers(lib), shuffle=True),
    "an iterable set with a sampler": lambda lib: lib.utils.data.DataLoader(numbers(lib), sampler=[1]),
    "an iterable set with a batch sampler": lambda lib: lib.utils.data.DataLoader(numbers(lib), batch_sampler=[[1]]),
    "an iterable set concatenated": lambda lib: lib.utils.data.ConcatDataset([numbers(lib)]),
    "a list in a chain": lambda lib: list(lib.utils.data.ChainDataset([[1, 2]])),
    "batches and an order": lambda lib: lib.utils.data.DataLoader(range(3), shuffle=True, batch_sampler=[[1]]),
    "batches and a sampler": lambda lib: lib.utils.data.DataLoader(range(3), sampler=[1], batch_sampler=[[1]]),
    "batches, whole ones": lambda lib: lib.utils.data.DataLoader(range(3), drop_last=True, batch_sampler=[[1]]),
    "a negative time": lambda lib: lib.utils.data.DataLoader(range(3), timeout=-1),
    "a negative number ahead": lambda lib: lib.utils.data.DataLoader(range(3), num_workers=1, prefetch_factor=-1),
    "nothing stacked": lambda lib: lib.utils.data.StackDataset(),
    "stacked in both ways": lambda lib: lib.utils.data.StackDataset(range(2), a=range(2)),
    "beyond the end": lambda lib: lib.utils.data.ConcatDataset([range(3)])[-4],
    "a replacement that is no bool": lambda lib: lib.utils.data.RandomSampler(range(3), replacement=1),
    "a number of samples that is none": lambda lib: lib.utils.data.RandomSampler(range(3), num_samples=2.5),
    "a negative number of samples": lambda lib: lib.utils.data.RandomSampler(range(3), num_samples=-1),
    "no weighted samples": lambda lib: lib.utils.data.WeightedRandomSampler([1.0], 0),
    "True weighted samples": lambda lib: lib.utils.data.WeightedRandomSampler([1.0], True),
    "weighted with 1": lambda lib: lib.utils.data.WeightedRandomSampler([1.0], 1, replacement=1),
    "batches of none": lambda lib: lib.utils.data.BatchSampler(range(3), 0, False),
    "batches of True": lambda lib: lib.utils.data.BatchSampler(range(3), True, False),
    "the last one dropped by 1": lambda lib: lib.utils.data.BatchSampler(range(3), 2, 1),
    "a sampler of nothing": lambda lib: iter(lib.utils.data.Sampler()),
    "fractions beyond 1": lambda lib: lib.utils.data.random_split(range(5), [0.7, 0.7]),
    "of objects": lambda lib: lib.utils.data.default_collate([object()]),
    "of None": lambda lib: lib.utils.data.default_collate([None, None]),
    "lists of two lengths": lambda lib: lib.utils.data.default_collate([[1], [1, 2]]),
    "arrays of words": lambda lib: lib.utils.data.default_collate([np.array(["a"])]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_torchs_error(name):
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever torch raises
        REFUSED[name](torch)
    with pytest.raises(theirs.type):
        REFUSED[name](underhood)


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0], [float("nan"), 1.0], [float("inf")], []])
def test_weights_that_are_no_chances(weights):
    with pytest.raises(ValueError, match="not negative, and not all 0"):
        underhood.utils.data.WeightedRandomSampler(weights, 1)


@pytest.mark.parametrize("count", [31, 32, 33, 64, 65])
def test_drawn_with_replacement_in_torchs_blocks(count):
    found = []
    for lib in LIBS:
        sampler = lib.utils.data.RandomSampler(
            range(9), replacement=True, num_samples=count, generator=lib.Generator().manual_seed(3)
        )
        found.append(list(sampler))
    assert found[0] == found[1]
    assert len(found[0]) == count
    assert set(found[0]) <= set(range(9))
