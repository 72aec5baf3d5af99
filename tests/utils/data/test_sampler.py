"""Samplers beside torch's: the same indices from the same generators, lengths and refusals."""

import inspect

import numpy as np
import pytest
import torch

import underhood
from underhood.utils import data
from underhood.utils.data.sampler import fresh_seed

LIBS = (underhood, torch)


def both(make, seed=5):
    """What `make(lib, generator)` yields on either library, with its length."""
    found = []
    for lib in LIBS:
        lib.manual_seed(11)
        sampler = make(lib, lib.Generator().manual_seed(seed))
        found.append((list(sampler), list(sampler), len(sampler)))
    return found


@pytest.mark.parametrize("count", [None, 1, 4, 5, 6, 10, 13, 64])
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("seeded", [False, True])
def test_random_indices_are_torchs(count, replacement, seeded):
    def make(lib, generator):
        return lib.utils.data.RandomSampler(range(5), replacement, count, generator if seeded else None)

    ours, theirs = both(make)
    assert ours == theirs
    assert ours[2] == len(ours[0]) == (count or 5)
    assert set(ours[0]) <= set(range(5))


@pytest.mark.parametrize("count", [31, 32, 33, 96])
def test_many_indices_drawn_with_replacement_are_torchs(count):
    ours, theirs = both(lambda lib, g: lib.utils.data.RandomSampler(range(1000), True, count, g))
    assert ours == theirs


def test_a_random_sampler_follows_a_set_that_grows():
    values = [0, 1]
    for lib in LIBS:
        sampler = lib.utils.data.RandomSampler(values)
        values.append(len(values))
        assert sampler.num_samples == len(sampler) == len(values)
        assert sorted(sampler) == values


@pytest.mark.parametrize("seeded", [False, True])
def test_given_indices_come_in_torchs_order(seeded):
    ours, theirs = both(
        lambda lib, g: lib.utils.data.SubsetRandomSampler([7, 7, 3, 9, 27, 81], generator=g if seeded else None)
    )
    assert ours == theirs
    assert ours[2] == 6
    assert sorted(ours[0]) == [3, 7, 7, 9, 27, 81]


@pytest.mark.parametrize("weights", [[1.0], [0.0, 1.0], [0.1, 5.0, 0.0, 2.0], [3, 1, 2], [1e-9, 1.0, 1e9]])
@pytest.mark.parametrize("count", [2, 7, 50])  # a single one torch draws in another way
def test_weighted_indices_are_torchs(weights, count):
    ours, theirs = both(lambda lib, g: lib.utils.data.WeightedRandomSampler(weights, count, generator=g))
    assert ours == theirs
    assert ours[2] == len(ours[0]) == count


def test_weights_may_be_a_tensor():
    one, other = (
        list(data.WeightedRandomSampler(weights, 20, generator=underhood.Generator().manual_seed(2)))
        for weights in (underhood.tensor([1.0, 2.0, 0.0]), [1.0, 2.0, 0.0])
    )
    assert one == other
    assert set(one) == {0, 1}


def test_without_replacement_the_length_is_what_was_asked():
    sampler = data.WeightedRandomSampler([1.0, 0.0, 2.0, 3.0], 3, False, underhood.Generator().manual_seed(2))
    assert len(sampler) == 3
    assert sorted(sampler) == [0, 2, 3]
    once = [
        list(data.WeightedRandomSampler([1.0, 2.0, 3.0], 2, False, underhood.Generator().manual_seed(7)))
        for _ in range(2)
    ]
    assert once[0] == once[1]


def test_the_first_two_without_replacement_have_the_chances_of_successive_draws():
    weights = np.array([1.0, 2.0, 5.0])
    generator = underhood.Generator().manual_seed(4)
    sampler = data.WeightedRandomSampler(weights, 2, False, generator)
    found = [tuple(sampler) for _ in range(2000)]
    for first in range(3):
        for second in {0, 1, 2} - {first}:
            chance = weights[first] / 8 * weights[second] / (8 - weights[first])
            assert found.count((first, second)) / 2000 == pytest.approx(chance, abs=0.04)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("n", [0, 1, 6, 7])
def test_batches_of_indices_are_torchs(n, size, drop_last):
    ours, theirs = both(lambda lib, g: lib.utils.data.BatchSampler(range(n), size, drop_last))
    assert ours == theirs
    assert ours[2] == len(ours[0])


def test_indices_in_turn():
    ours, theirs = both(lambda lib, g: lib.utils.data.SequentialSampler("abc"))
    assert ours == theirs == ([0, 1, 2], [0, 1, 2], 3)


def test_a_fresh_seed_is_any_below_2_to_the_63():
    generator = underhood.Generator().manual_seed(0)
    seeds = [fresh_seed(generator) for _ in range(64)]
    assert all(type(seed) is int and 0 <= seed < 2**63 for seed in seeds)
    assert len(set(seeds)) == 64
    assert max(seeds) > 2**62
    torchs = torch.Generator().manual_seed(0)
    assert seeds[0] == torch.empty((), dtype=torch.int64).random_(generator=torchs).item()


REFUSALS = [
    (lambda d: d.RandomSampler(range(3), replacement=1), TypeError, "boolean value, but got replacement=1"),
    (lambda d: d.RandomSampler(range(3), num_samples=0), ValueError, "positive integer value, but got num_samples=0"),
    (lambda d: d.RandomSampler(range(3), num_samples=-1), ValueError, "but got num_samples=-1"),
    (lambda d: d.RandomSampler(range(3), num_samples=2.0), ValueError, "but got num_samples=2.0"),
    (lambda d: d.RandomSampler([]), ValueError, "but got num_samples=0"),
    (lambda d: d.WeightedRandomSampler([1.0], 0), ValueError, "but got num_samples=0"),
    (lambda d: d.WeightedRandomSampler([1.0], -2), ValueError, "but got num_samples=-2"),
    (lambda d: d.WeightedRandomSampler([1.0], True), ValueError, "but got num_samples=True"),
    (lambda d: d.WeightedRandomSampler([1.0], 1.5), ValueError, "but got num_samples=1.5"),
    (lambda d: d.WeightedRandomSampler([1.0], 1, 1), ValueError, "boolean value, but got replacement=1"),
    (lambda d: d.WeightedRandomSampler([[1.0]], 1), ValueError, r"1d sequence but given weights have shape.*1, 1"),
    (lambda d: d.BatchSampler(range(3), 0, False), ValueError, "but got batch_size=0"),
    (lambda d: d.BatchSampler(range(3), -1, False), ValueError, "but got batch_size=-1"),
    (lambda d: d.BatchSampler(range(3), 1.5, False), ValueError, "but got batch_size=1.5"),
    (lambda d: d.BatchSampler(range(3), True, False), ValueError, "but got batch_size=True"),
    (lambda d: d.BatchSampler(range(3), 2, 1), ValueError, "boolean value, but got drop_last=1"),
]


@pytest.mark.parametrize(("make", "error", "words"), REFUSALS)
def test_what_torch_refuses_is_refused_in_its_words(make, error, words):
    for lib in LIBS:
        with pytest.raises(error, match=words):
            make(lib.utils.data)


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [-1.0, 2.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_weights_that_are_no_chances_are_refused(weights):
    with pytest.raises(ValueError, match="finite, not negative, and not all 0"):
        data.WeightedRandomSampler(weights, 1)


def test_no_more_different_indices_than_have_a_chance():
    assert sorted(data.WeightedRandomSampler([1.0, 0.0, 2.0], 2, False)) == [0, 2]
    with pytest.raises(ValueError, match="3 different indices cannot be drawn from 2"):
        data.WeightedRandomSampler([1.0, 0.0, 2.0], 3, False)
    assert len(list(data.WeightedRandomSampler([1.0, 0.0, 2.0], 3))) == 3


def test_a_sampler_of_ones_own():
    class Backwards(data.Sampler):
        def __iter__(self):
            return iter([2, 1, 0])

    assert [x.tolist() for x in data.DataLoader(range(3), 2, sampler=Backwards(range(3)))] == [[2, 1], [0]]
    with pytest.raises(NotImplementedError):
        iter(data.Sampler())


def test_the_arguments_stand_in_torchs_order():
    for name in ("RandomSampler", "SubsetRandomSampler", "WeightedRandomSampler", "BatchSampler", "SequentialSampler"):
        ours, theirs = (inspect.signature(getattr(lib.utils.data, name)).parameters for lib in LIBS)
        assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]
