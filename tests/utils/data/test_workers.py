"""A worker's life, lived in this process, and what the pool asks of its workers and makes of their answers."""

import queue
import random as python_random
from types import SimpleNamespace

import numpy as np
import pytest

import underhood
from underhood.engine.forms import current_form
from underhood.utils.data import DataLoader, IterableDataset, get_worker_info, workers


class Told:
    """A task queue of given tasks, which ends the worker after them."""

    def __init__(self, *tasks):
        self.tasks = [*tasks, None]

    def get(self):
        return self.tasks.pop(0)


@pytest.fixture
def live(monkeypatch):
    """Lives a worker's life and leaves this process as it was."""
    monkeypatch.setattr(workers, "_info", None)
    python_state, numpy_state = python_random.getstate(), np.random.get_state()
    state = underhood.get_rng_state()

    def run(fetching, *tasks, dataset=None, seed=7, starting=None):
        results = queue.Queue()
        workers.work(workers.WorkerInfo(3, 5, seed, dataset), fetching, starting, Told(*tasks), results)
        return [results.get_nowait() for _ in range(results.qsize())]

    yield run
    python_random.setstate(python_state)
    np.random.set_state(numpy_state)
    underhood.set_rng_state(state)


def test_a_worker_answers_each_task_by_its_number(live):
    def fetching(dataset):
        return lambda indices: [dataset[i] for i in indices]

    found = live(fetching, (4, [0, 2]), (6, [1]), dataset="abc")
    assert found == [(4, 3, ["a", "c"]), (6, 3, ["b"])]


def test_a_worker_knows_itself_from_its_start(live):
    infos, started = [], []

    def fetching(dataset):
        infos.append(get_worker_info())
        return lambda _: current_form()

    before = current_form()
    found = live(
        fetching, (0, None), dataset="abc", starting=lambda worker: started.append((worker, get_worker_info()))
    )
    (info,) = infos
    assert (info.id, info.num_workers, info.seed, info.dataset) == (3, 5, 7, "abc")
    assert started == [(3, info)]
    assert found == [(0, 3, "vector")]
    assert current_form() == before


@pytest.mark.parametrize("seed", [7, 2**32 + 5, 2**63 - 1])
def test_a_worker_seeds_every_stream(live, seed):
    def draws(_):
        return python_random.random(), np.random.random(), underhood.rand(3).tolist()

    ((_, _, found),) = live(lambda dataset: draws, (0, None), seed=seed)
    python, legacy = python_random.Random(seed), np.random.RandomState(seed % 2**32)
    ours = underhood.rand(3, generator=underhood.Generator().manual_seed(seed)).tolist()
    assert found == (python.random(), legacy.random_sample(), ours)


def test_an_error_is_the_answer_to_its_task_alone(live):
    def fetching(dataset):
        return lambda i: 10 // i

    (_, _, failure), *rest = live(fetching, (0, 0), (1, 5))
    assert rest == [(1, 3, 2)]
    assert failure.kind is ZeroDivisionError
    assert failure.text.startswith("Caught ZeroDivisionError in DataLoader worker process 3.\nTraceback")
    assert "division or modulo by zero" in failure.text


def no_start(worker):
    raise OSError("no start")


def no_fetching(dataset):
    raise OSError("no start")


@pytest.mark.parametrize("broken", [{"fetching": lambda dataset: len, "starting": no_start}, {"fetching": no_fetching}])
def test_an_error_at_the_start_is_the_answer_to_every_task(live, broken):
    found = live(broken["fetching"], (0, "ab"), (2, "ab"), starting=broken.get("starting"))
    assert [(number, worker, failure.kind) for number, worker, failure in found] == [(0, 3, OSError), (2, 3, OSError)]
    assert all("no start" in failure.text for _, _, failure in found)


def test_the_end_of_an_iterable_set_is_told_each_time(live):
    def fetching(dataset):
        source = iter(dataset)
        return lambda _: next(source)

    found = live(fetching, (0, None), (1, None), (2, None), dataset=[5])
    assert found[0] == (0, 3, 5)
    assert [(number, type(x)) for number, _, x in found[1:]] == [(1, workers.Exhausted), (2, workers.Exhausted)]


class Channel(list):
    """A queue that keeps what was put, and how it was closed."""

    def __init__(self, context):
        super().__init__()
        self.context, self.ended = context, []

    def put(self, task):
        self.append(task)
        if task is not None:
            self.context.open.append((self.context.tasks_of(self), task))

    def get(self, timeout):
        return self.context.answer(timeout)

    def cancel_join_thread(self):
        self.ended.append("cancelled")

    def close(self):
        self.ended.append("closed")


class Process:
    def __init__(self, target, args, daemon):
        self.target, self.args, self.daemon = target, args, daemon
        self.info, self.fetch = args[0], args[1](args[0].dataset)
        self.pid, self.alive, self.done = 100 + self.info.id, False, []

    def start(self):
        self.alive = True
        self.done.append("start")

    def is_alive(self):
        return self.alive

    def join(self, timeout=None):
        self.done.append(("join", timeout))

    def terminate(self):
        self.alive = False
        self.done.append("terminate")


class Context:
    """Workers in this process, of which the last asked answers first; `most` is how many tasks were ever open."""

    def __init__(self):
        self.channels, self.processes, self.open, self.most = [], [], [], 0

    def Queue(self):
        self.channels.append(Channel(self))
        return self.channels[-1]

    def Process(self, target, args, daemon=False):
        self.processes.append(Process(target, args, daemon))
        return self.processes[-1]

    def tasks_of(self, channel):
        return next(p for p in self.processes if p.args[3] is channel)

    def answer(self, timeout):
        self.most = max(self.most, len(self.open))
        oldest = next(i for i, (process, _) in enumerate(self.open) if process is self.open[-1][0])
        process, (number, indices) = self.open.pop(oldest)
        try:
            found = process.fetch(indices)
        except StopIteration:
            found = workers.Exhausted()
        except Exception as error:
            found = workers._failure(error, process.info.id)
        return number, process.info.id, found


@pytest.mark.parametrize(("count", "factor"), [(1, None), (1, 1), (2, 1), (3, 4), (2, None)])
def test_batches_come_in_order_and_so_many_are_in_the_making(count, factor):
    context = Context()
    loader = DataLoader(range(26), 2, num_workers=count, prefetch_factor=factor, multiprocessing_context=context)
    assert [x.tolist() for x in loader] == [[i, i + 1] for i in range(0, 26, 2)]
    assert context.most == count * (factor or 2)
    for i, process in enumerate(context.processes):
        *tasks, last = process.args[3]
        assert last is None
        assert [number for number, _ in tasks] == list(range(i, 13, count))


def test_the_next_batches_are_asked_for_as_batches_are_given():
    context = Context()
    loader = DataLoader(range(9), 1, num_workers=2, prefetch_factor=2, multiprocessing_context=context)
    sent = []
    for _ in loader:
        sent.append(sum(len(process.args[3]) for process in context.processes))
    assert sent == [4, 5, 6, 7, 8, 9, 9, 9, 9]


def test_workers_are_numbered_and_seeded_one_after_the_other():
    context = Context()
    generator = underhood.Generator().manual_seed(3)
    loader = DataLoader(range(4), num_workers=3, multiprocessing_context=context, generator=generator)
    list(loader)
    infos = [process.info for process in context.processes]
    assert [(info.id, info.num_workers, info.dataset) for info in infos] == [(i, 3, range(4)) for i in range(3)]
    assert [info.seed - infos[0].seed for info in infos] == [0, 1, 2]
    assert infos[0].seed == int(underhood.Generator().manual_seed(3).integers(0, 2**63))
    assert all(process.daemon and process.target is workers.work for process in context.processes)


class Unequal(IterableDataset):
    """Seen by the first worker it has 1 item, by the next 4, by the next 2."""

    lengths = (1, 4, 2)

    def __init__(self):
        self.readers = 0

    def __iter__(self):
        self.readers += 1
        return iter([self.readers * 10 + i for i in range(self.lengths[self.readers - 1])])


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_workers_whose_set_has_ended_are_asked_no_more(factor):
    context = Context()
    loader = DataLoader(Unequal(), None, num_workers=3, prefetch_factor=factor, multiprocessing_context=context)
    found = [int(x) for x in loader]
    assert [x for x in found if x // 10 == 1] == [10]
    assert [x for x in found if x // 10 == 2] == [20, 21, 22, 23]
    assert [x for x in found if x // 10 == 3] == [30, 31]
    assert found[:4] == [10, 20, 30, 21]
    for process, length in zip(context.processes, Unequal.lengths, strict=True):
        assert length < len([task for task in process.args[3] if task]) <= length + 3 * factor


def test_an_error_is_raised_in_its_turn():
    context = Context()
    loader = DataLoader("abc", None, sampler=[0, 1, 7, 2], num_workers=2, multiprocessing_context=context)
    batches = iter(loader)
    assert [next(batches), next(batches)] == ["a", "b"]
    with pytest.raises(IndexError, match="Caught IndexError in DataLoader worker process 0"):
        next(batches)
    assert all(process.args[3][-1] is None for process in context.processes)


def test_an_error_that_wants_other_arguments_is_a_runtime_error():
    class Wanting(Exception):
        def __init__(self, one, two):
            super().__init__(one, two)

    error = workers._raised(workers.Failure(Wanting, "words"))
    assert (type(error), error.args) == (RuntimeError, ("words",))
    error = workers._raised(workers.Failure(KeyError, "words"))
    assert (type(error), error.args) == (KeyError, ("words",))


@pytest.fixture
def pool():
    context = Context()
    return workers.Pool(DataLoader(range(4), num_workers=2, multiprocessing_context=context), 0)


def silent(timeouts):
    def get(timeout):
        timeouts.append(timeout)
        if len(timeouts) == 4:
            return "answer"
        raise queue.Empty

    return get


def test_without_a_limit_the_workers_are_waited_for_as_long_as_they_live(pool, monkeypatch):
    timeouts = []
    monkeypatch.setattr(pool.results, "get", silent(timeouts), raising=False)
    assert pool._next() == "answer"
    assert timeouts == [workers.POLL] * 4


@pytest.mark.parametrize(("limit", "asked"), [(2.0, [2.0]), (5.0, [5.0]), (5.5, [5.0, 0.5]), (12.0, [5.0, 5.0, 2.0])])
def test_no_longer_than_the_limit_is_waited(pool, monkeypatch, limit, asked):
    clock, timeouts = [10.0], []

    def get(timeout):
        timeouts.append(timeout)
        clock.append(clock[-1] + timeout)
        raise queue.Empty

    monkeypatch.setattr(pool, "timeout", limit)
    monkeypatch.setattr(pool.results, "get", get, raising=False)
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: clock[-1]))
    with pytest.raises(RuntimeError, match=rf"DataLoader timed out after {limit} seconds"):
        pool._next()
    assert timeouts == asked


def test_the_dead_are_named(pool, monkeypatch):
    timeouts = []
    monkeypatch.setattr(pool.results, "get", silent(timeouts), raising=False)
    pool.processes[1].alive = False
    with pytest.raises(RuntimeError, match=r"worker \(pid\(s\) \[101\]\) exited unexpectedly"):
        pool._next()
    assert len(timeouts) == 1


def test_closing_ends_the_workers_and_those_by_force_that_stay(pool):
    pool.processes[0].alive = False
    pool.close()
    assert pool.processes[0].done == ["start", ("join", 1.0)]
    assert pool.processes[1].done == ["start", ("join", 1.0), "terminate", ("join", None)]
    assert [list(channel) for channel in pool.tasks] == [[None], [None]]
    assert all(channel.ended == ["cancelled", "closed"] for channel in (*pool.tasks, pool.results))


@pytest.mark.parametrize(("persistent", "pools"), [(False, 2), (True, 1)])
def test_workers_that_persist_are_the_same_in_the_next_epoch(persistent, pools):
    context = Context()
    loader = DataLoader(range(4), 2, num_workers=1, persistent_workers=persistent, multiprocessing_context=context)
    for _ in range(2):
        assert [x.tolist() for x in loader] == [[0, 1], [2, 3]]
    assert len(context.processes) == pools
    assert [process.alive for process in context.processes] == ([True] if persistent else [False, False])
    loader.__del__()
    assert not any(process.alive for process in context.processes)


def test_workers_left_in_the_middle_end_even_if_they_persist():
    context = Context()
    loader = DataLoader(range(8), 2, num_workers=1, persistent_workers=True, multiprocessing_context=context)
    batches = iter(loader)
    next(batches)
    batches.close()
    assert not context.processes[0].alive
    assert [x.tolist() for x in loader] == [[0, 1], [2, 3], [4, 5], [6, 7]]
