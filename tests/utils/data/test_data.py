"""Data sets, samplers and loaders beside torch's: the same items in the same order from the same seeds."""

import collections
import os

import numpy as np
import pytest
import torch

import underhood
from underhood import utils

LIBS = (underhood, torch)


class Squares:
    """A data set for either library: (a float32 tensor, a number)."""

    def __init__(self, lib, n=23):
        self.lib, self.n = lib, n

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError
        return self.lib.tensor([float(i), float(i * i)]), i % 5

    def __len__(self):
        return self.n


class Counting(underhood.utils.data.IterableDataset):
    """Its workers share the numbers among them."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = underhood.utils.data.get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.n, step))


def plain(batch):
    """A batch as lists, whatever it is made of."""
    if hasattr(batch, "tolist"):
        return str(batch.dtype).removeprefix("torch."), batch.tolist()
    if isinstance(batch, dict):
        return {key: plain(value) for key, value in batch.items()}
    return [plain(part) for part in batch] if isinstance(batch, list | tuple) else batch


def both(make):
    """What `make(lib, generator)` yields on either library."""
    found = []
    for lib in LIBS:
        lib.manual_seed(11)
        found.append([plain(x) for x in make(lib, lib.Generator().manual_seed(5))])
    return found


@pytest.mark.parametrize(
    "make",
    [
        lambda lib, g: lib.utils.data.DataLoader(Squares(lib), 4),
        lambda lib, g: lib.utils.data.DataLoader(Squares(lib), 4, shuffle=True),
        lambda lib, g: lib.utils.data.DataLoader(Squares(lib), 4, shuffle=True, generator=g, drop_last=True),
        lambda lib, g: [*lib.utils.data.DataLoader(Squares(lib), 5, True)] * 2,
        lambda lib, g: [b for d in [lib.utils.data.DataLoader(Squares(lib), 5, True, generator=g)] for b in [*d, *d]],
        lambda lib, g: lib.utils.data.DataLoader(Squares(lib), batch_size=None),
        lambda lib, g: lib.utils.data.DataLoader(
            Squares(lib), sampler=lib.utils.data.RandomSampler(range(23), replacement=True, num_samples=70)
        ),
        lambda lib, g: lib.utils.data.RandomSampler(range(7), num_samples=17, generator=g),
        lambda lib, g: lib.utils.data.SubsetRandomSampler([3, 9, 27, 81], generator=g),
        lambda lib, g: lib.utils.data.WeightedRandomSampler([0.1, 5.0, 0.0, 2.0], 40, generator=g),
        lambda lib, g: lib.utils.data.BatchSampler(range(7), 3, False),
        lambda lib, g: lib.utils.data.DataLoader(
            Squares(lib), batch_sampler=lib.utils.data.BatchSampler(range(7), 3, True)
        ),
        lambda lib, g: [[*part] for part in lib.utils.data.random_split(range(10), [3, 7], generator=g)],
        lambda lib, g: [[*part] for part in lib.utils.data.random_split(range(31), [0.3, 0.3, 0.4])],
        lambda lib, g: lib.utils.data.Subset(Squares(lib), [4, 2]),
        lambda lib, g: lib.utils.data.ConcatDataset([range(3), range(10, 14)]),
        lambda lib, g: lib.utils.data.DataLoader(
            lib.utils.data.TensorDataset(lib.arange(6).reshape(3, 2), lib.tensor([0.5, 1.5, 2.5])), 2
        ),
        lambda lib, g: lib.utils.data.DataLoader(lib.utils.data.StackDataset(a=range(5), b=Squares(lib, 5)), 2),
        lambda lib, g: lib.utils.data.DataLoader(["a", "b", "c"], 2),
        lambda lib, g: lib.utils.data.DataLoader([0.5, 1.5], 2),
        lambda lib, g: lib.utils.data.DataLoader([np.float32(1), np.float32(2)], 2),
        lambda lib, g: lib.utils.data.DataLoader([{"x": np.ones(2), "y": (1, "s")}] * 3, 2, pin_memory=False),
    ],
)
def test_items_and_order_are_torchs(make):
    ours, theirs = both(make)
    assert ours == theirs
    assert len(ours) > 0


def test_lengths():
    for lib in LIBS:
        data = lib.utils.data
        assert len(data.DataLoader(Squares(lib), 4)) == 6
        assert len(data.DataLoader(Squares(lib), 4, drop_last=True)) == 5
        assert len(data.ConcatDataset([range(3), range(4)])) == 7
        assert data.ConcatDataset([range(3), range(4)])[-1] == 3
        assert len(Counting(3).__add__(Counting(4)).datasets) == 2


def test_named_tuples_stay_named():
    Point = collections.namedtuple("Point", "x y")
    (batch,) = utils.data.DataLoader([Point(1, 2.0), Point(3, 4.0)], 2)
    assert type(batch) is Point
    assert batch.x.tolist() == [1, 3]


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_hand_out_the_same_batches_in_the_same_order(persistent):
    def make(**settings):
        return utils.data.DataLoader(
            Squares(underhood), 4, shuffle=True, generator=underhood.Generator().manual_seed(1), **settings
        )

    alone, shared = make(), make(num_workers=2, persistent_workers=persistent)
    for _ in range(2):
        assert [plain(x) for x in shared] == [plain(x) for x in alone]
    if persistent:
        assert all(process.is_alive() for process in shared._pool.processes)


class Normalised(Squares):
    """Uses the engine inside the worker, after the parent has run compiled code."""

    def __getitem__(self, i):
        x, label = super().__getitem__(i)
        net = underhood.nn.Sequential(underhood.nn.Linear(2, 3), underhood.nn.ReLU())
        return (net(x) * 0 + x.mean()).detach(), label


def test_a_worker_may_compute_after_the_parent_has():
    (underhood.rand(64, 64, requires_grad=True) @ underhood.rand(64, 64)).relu().sum().backward()
    loader = utils.data.DataLoader(Normalised(underhood), 6, num_workers=2)
    assert [plain(x) for x in loader] == [plain(x) for x in utils.data.DataLoader(Normalised(underhood), 6)]


class Identified(Squares):
    def __getitem__(self, i):
        info = utils.data.get_worker_info()
        return info.id, info.seed, underhood.rand(()).item(), os.getpid()


def started(worker):
    os.environ["STARTED"] = str(worker)


def test_workers_know_themselves_and_draw_differently():
    loader = utils.data.DataLoader(Identified(underhood, 8), 2, num_workers=2, worker_init_fn=started)
    columns = [[part.tolist() for part in batch] for batch in loader]
    ids, seeds, draws, pids = ([x for column in columns for x in column[i]] for i in range(4))
    assert ids == [0, 0, 1, 1, 0, 0, 1, 1]
    assert len(set(seeds)) == 2
    assert len(set(draws)) == 8
    assert len(set(pids)) == 2
    assert utils.data.get_worker_info() is None


def test_iterable_data_sets_are_shared_among_workers():
    alone = utils.data.DataLoader(Counting(10), 3)
    assert [x.tolist() for x in alone] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    shared = utils.data.DataLoader(Counting(10), 3, num_workers=2)
    assert [x.tolist() for x in shared] == [[0, 2, 4], [1, 3, 5], [6, 8], [7, 9]]
    assert [x.tolist() for x in utils.data.DataLoader(Counting(4), 3, drop_last=True)] == [[0, 1, 2]]
    assert list(utils.data.ChainDataset([Counting(2), Counting(3)])) == [0, 1, 0, 1, 2]


class Broken(Squares):
    def __getitem__(self, i):
        if i == 5:
            raise KeyError("item five")
        return i


class Deadly(Squares):
    def __getitem__(self, i):
        if i == 17:
            os._exit(1)
        return i


def test_an_error_in_a_worker_is_the_loaders():
    with pytest.raises(KeyError, match=r"worker process 1.*item five"):
        list(utils.data.DataLoader(Broken(underhood), 4, num_workers=2))


def test_a_dead_worker_is_noticed(monkeypatch):
    monkeypatch.setattr("underhood.utils.data.workers.POLL", 0.2)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(utils.data.DataLoader(Deadly(underhood), 1, sampler=[16, 17, 18], num_workers=1))


@pytest.mark.parametrize(
    "make",
    [
        lambda data: data.DataLoader(range(3), 0),
        lambda data: data.DataLoader(range(3), shuffle=True, sampler=[1]),
        lambda data: data.DataLoader(range(3), 2, batch_sampler=[[1]]),
        lambda data: data.DataLoader(range(3), None, drop_last=True),
        lambda data: data.DataLoader(range(3), num_workers=-1),
        lambda data: data.DataLoader(range(3), prefetch_factor=2),
        lambda data: data.DataLoader(range(3), persistent_workers=True),
        lambda data: data.RandomSampler(range(3), num_samples=0),
        lambda data: data.RandomSampler([]),
        lambda data: data.WeightedRandomSampler([[1.0]], 2),
        lambda data: data.random_split(range(5), [2, 2]),
        lambda data: data.random_split(range(5), [-0.5, 1.5]),
        lambda data: data.TensorDataset(underhood.ones(2), underhood.ones(3)),
        lambda data: data.TensorDataset(underhood.ones(3), underhood.ones(2)),
        lambda data: data.ConcatDataset([]),
        lambda data: data.StackDataset(range(2), range(3)),
        lambda data: list(data.DataLoader([object()], 1)),
        lambda data: list(data.DataLoader([(1, 2), (1,)], 2)),
        lambda data: data.Dataset()[0],
    ],
)
def test_refuses_what_torch_refuses(make):
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever torch raises
        make(torch.utils.data)
    with pytest.raises(theirs.type):
        make(utils.data)


def test_drawn_without_replacement_no_index_comes_twice():
    weights = [0.0, 1.0, 4.0, 1.0, 0.5]
    drawn = [list(utils.data.WeightedRandomSampler(weights, 3, replacement=False)) for _ in range(300)]
    assert all(len(set(x)) == 3 and 0 not in x for x in drawn)
    assert np.mean([x[0] == 2 for x in drawn]) == pytest.approx(4 / 6.5, abs=0.12)
    with pytest.raises(ValueError, match="5 different"):
        utils.data.WeightedRandomSampler(weights, 5, replacement=False)
