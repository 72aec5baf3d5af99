"""Loaders beside torch's: what they yield, how many batches they count, what they hand their workers and refuse."""

import inspect
import itertools

import pytest
import torch

import underhood
from underhood.utils import data

LIBS = (underhood, torch)


def counted(lib, n):
    """An iterable data set of n numbers."""

    class Counted(lib.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(n))

        def __len__(self):
            return n

    return Counted()


def plain(x):
    if hasattr(x, "tolist"):
        return str(x.dtype).removeprefix("torch."), x.tolist()
    return [plain(part) for part in x] if isinstance(x, list | tuple) else x


def test_the_arguments_stand_in_torchs_order():
    ours, theirs = (inspect.signature(lib.utils.data.DataLoader).parameters for lib in LIBS)
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]


@pytest.mark.parametrize("n", [0, 1, 6, 7])
@pytest.mark.parametrize("batch_size", [None, 1, 3, 7, 8])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("iterable", [False, True])
def test_batches_and_their_number_are_torchs(n, batch_size, drop_last, iterable):
    if batch_size is None and drop_last:
        return
    found = []
    for lib in LIBS:
        loader = lib.utils.data.DataLoader(counted(lib, n) if iterable else range(n), batch_size, drop_last=drop_last)
        found.append(([plain(x) for x in loader], [plain(x) for x in loader], len(loader)))
        assert (loader.batch_size, loader.drop_last) == (batch_size, drop_last)
    assert found[0] == found[1]


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("iterable", [False, True])
def test_a_collate_function_of_ones_own_gets_what_torchs_gets(batch_size, iterable):
    for lib in LIBS:
        got = []
        loader = lib.utils.data.DataLoader(
            counted(lib, 3) if iterable else range(3), batch_size, collate_fn=lambda x, got=got: got.append(x) or "made"
        )
        assert list(loader) == (["made"] * 3 if batch_size is None else ["made"] * 2)
        assert got == ([0, 1, 2] if batch_size is None else [[0, 1], [2]])


def test_a_batch_sampler_settles_size_and_rest():
    for lib in LIBS:
        loader = lib.utils.data.DataLoader(range(9), batch_sampler=[[8, 1], [2]])
        assert (loader.batch_size, loader.drop_last) == (None, False)
        assert len(loader) == 2
        assert [x.tolist() for x in loader] == [[8, 1], [2]]


def test_a_sampler_without_batches_gives_items_and_their_number():
    for lib in LIBS:
        loader = lib.utils.data.DataLoader("abcd", None, sampler=[3, 0, 2])
        assert len(loader) == 3
        assert list(loader) == ["d", "a", "c"]


@pytest.mark.parametrize("shuffle", [None, False, True])
def test_the_samplers_are_of_torchs_kinds(shuffle):
    for lib in LIBS:
        loader = lib.utils.data.DataLoader(range(9), 4, shuffle)
        assert type(loader.sampler).__name__ == ("RandomSampler" if shuffle else "SequentialSampler")
        assert type(loader.batch_sampler).__name__ == "BatchSampler"
        assert loader.batch_sampler.sampler is loader.sampler
        assert (loader.batch_sampler.batch_size, loader.batch_sampler.drop_last) == (4, False)


def test_a_generator_orders_every_epoch_as_torchs_does():
    orders = []
    for lib in LIBS:
        generator = lib.Generator().manual_seed(8)
        loader = lib.utils.data.DataLoader(range(12), 5, shuffle=True, generator=generator)
        assert loader.generator is generator
        orders.append([[x.tolist() for x in loader] for _ in range(3)])
        orders[-1].append(generator.initial_seed())
    assert orders[0] == orders[1]
    assert orders[0][0] != orders[0][1]


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_draws_as_much_from_the_global_stream_as_torchs(shuffle):
    after = []
    for lib in LIBS:
        lib.manual_seed(3)
        for _ in range(2):
            list(lib.utils.data.DataLoader(range(5), 2, shuffle=shuffle))
        after.append(lib.randperm(20).tolist())
    assert after[0] == after[1]


def test_what_is_set_can_be_read():
    def begin(worker):
        return None

    loader = data.DataLoader(range(3), num_workers=2, timeout=7, worker_init_fn=begin, prefetch_factor=5)
    assert (loader.num_workers, loader.timeout, loader.worker_init_fn, loader.prefetch_factor) == (2, 7, begin, 5)
    assert (loader.pin_memory, loader.persistent_workers) == (False, False)
    loader = data.DataLoader(range(3), num_workers=1, pin_memory=True, persistent_workers=True)
    assert (loader.pin_memory, loader.persistent_workers, loader.prefetch_factor) == (True, True, 2)
    assert loader.dataset == range(3)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_context_may_be_named(method):
    loader = data.DataLoader(range(3), num_workers=1, multiprocessing_context=method)
    assert loader.multiprocessing_context.get_start_method() == method
    again = data.DataLoader(range(3), num_workers=1, multiprocessing_context=loader.multiprocessing_context)
    assert again.multiprocessing_context is loader.multiprocessing_context
    assert data.DataLoader(range(3)).multiprocessing_context is None


def test_a_loader_may_be_left_in_the_middle():
    loader = data.DataLoader(range(7), 2)
    assert [x.tolist() for x in itertools.islice(loader, 2)] == [[0, 1], [2, 3]]
    assert [x.tolist() for x in loader] == [[0, 1], [2, 3], [4, 5], [6]]


ALONE = "batch_sampler option is mutually exclusive"
REFUSALS = [
    ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
    ({"shuffle": True, "sampler": [1]}, "sampler option is mutually exclusive with shuffle"),
    ({"batch_sampler": [[1]], "batch_size": 2}, ALONE),
    ({"batch_sampler": [[1]], "shuffle": True}, ALONE),
    ({"batch_sampler": [[1]], "sampler": [1]}, ALONE),
    ({"batch_sampler": [[1]], "drop_last": True}, ALONE),
    ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
    ({"num_workers": -1}, "num_workers option should be non-negative"),
    ({"timeout": -1}, "timeout option should be non-negative"),
    ({"timeout": -0.5}, "timeout option should be non-negative"),
    ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
    ({"prefetch_factor": 0}, "prefetch_factor option could only be specified in multiprocessing"),
    ({"prefetch_factor": -1, "num_workers": 1}, "prefetch_factor option should be non-negative"),
    ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSALS)
def test_what_torch_refuses_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        data.DataLoader(range(3), **settings)
    with pytest.raises(ValueError):  # noqa: PT011 - its words are its own
        torch.utils.data.DataLoader(range(3), **settings)


@pytest.mark.parametrize("settings", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_an_iterable_set_has_an_order_of_its_own(settings):
    for lib in LIBS:
        with pytest.raises(ValueError, match="DataLoader with IterableDataset"):
            lib.utils.data.DataLoader(counted(lib, 3), **settings)
    assert len(list(data.DataLoader(counted(underhood, 3), shuffle=False))) == 3


def test_what_torch_allows_is_allowed():
    for settings in ({"timeout": 0}, {"num_workers": 1, "prefetch_factor": 1}, {"num_workers": 0}, {"in_order": True}):
        for lib in LIBS:
            assert len(lib.utils.data.DataLoader(range(3), **settings)) == 3
