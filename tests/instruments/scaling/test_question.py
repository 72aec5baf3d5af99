"""What `scaling` is asked, before anything starts: batches, pieces, epochs, ceilings, and what cannot be measured."""

import pytest

from underhood.errors import BadInput, MissingPiece
from underhood.instruments.scaling import question as module
from underhood.instruments.scaling.question import Question

pytest.importorskip("torch")


def asked(**options):
    return Question("simple-nn", **options)


@pytest.fixture
def started(monkeypatch):
    """What would be started: task, number of workers, patience; every worker finds what its batches say."""
    calls = []

    def run(task, count, hosts, patience, stopping):
        calls.append((task, count, patience))
        times = [1.0, 0.9, 1.1, 5]
        ways = {"plain": times, "synchronised": times, "apart": times} if count == 1 else {"synchronised": times}
        parts = {name: [0.1, 0.0, 0.8, 0.1] for name in ways}
        if task["data_parallel"]:
            ways, parts = {"data-parallel": times}, {"data-parallel": [0.1, 0.0, 0.8, 0.1]}
        cells = [
            {"batch": b, "gradient_bytes": 8, "steps": 5, "ways": dict(ways), "parts": dict(parts), "ddp": None}
            | {"buckets": [8]}
            for b in task["batches"]
        ]
        return {"devices": count, "cells": cells, "link": None, "all_reduce": []}

    monkeypatch.setattr(module, "run", run)
    return calls


def test_one_number_or_several_each_once_in_order():
    one = asked(batch=8, devices=2)
    assert (one.batches, one.counts) == ((8,), (2,))
    several = asked(batch=(128, 32, 128), devices=[4, 1, 4])
    assert (several.batches, several.counts) == ((32, 128), (1, 4))
    assert (several.name, several.shape, several.images) == ("simple-nn", (3, 32, 32), 50_000)
    assert (one.gpus, one.reached, one.ceiling, one.growth()) == (0, None, None, ())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 0}, "--batch 0: at least 1"),
        ({"batch": (8, -1)}, "--batch -1,8: at least 1"),
        ({"batch": ()}, r"--batch \(none\): at least 1"),
        ({"devices": 0}, "--devices 0: at least 1"),
        ({"devices": ()}, r"--devices \(none\): at least 1"),
        ({"epochs": 1}, "--epochs 1: 2 is the protocol"),
        ({"epochs": 3}, "--epochs 3"),
        ({"steps": 0}, "--steps, --rounds, --warmup, --threads: at least 1"),
        ({"rounds": 0}, "at least 1"),
        ({"warmup": 0}, "at least 1"),
        ({"threads": 0}, "at least 1"),
        ({"device": "gpu"}, '--device: unknown "gpu"; there is cpu, cuda'),
        ({"input": "4,1,28,28;3,2"}, "--input"),
    ],
)
def test_what_cannot_be_measured(options, said):
    with pytest.raises(BadInput, match=said):
        asked(**options)
    asked(batch=1, devices=1, steps=1, rounds=1, warmup=1, threads=1)


def test_gpus_that_are_not_there(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(MissingPiece, match="sees no GPU here; leave it at cpu"):
        asked(device="cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert asked(device="cuda", devices=1).gpus == 1
    with pytest.raises(BadInput, match="--devices 2: PyTorch sees 1 GPU, and nccl takes one each"):
        asked(device="cuda", devices=(1, 2))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert asked(device="cuda", devices=(1, 2)).gpus == 2
    with pytest.raises(BadInput, match="--devices 3: PyTorch sees 2 GPUs"):
        asked(device="cuda", devices=(1, 3))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (123, 456))
    assert asked(device="cuda", devices=1, fit="all").ceiling == 123


def test_a_ceiling_is_a_size_or_all_that_is_free():
    import psutil

    assert asked(fit="2MB").ceiling == 2_000_000
    assert asked(fit=12345).ceiling == 12345
    assert 0 < asked(fit="all").ceiling <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("count", "strong", "wanted"),
    [
        (1, True, [2, 3, 8, 12, 32]),  # the pieces that four and six workers take
        (4, True, [3, 8, 12, 32]),
        (6, True, [2, 12, 32]),  # 32 is not to be shared by six
        (1, False, [12, 32]),
        (4, False, [12, 32]),
    ],
)
def test_shared_batches_are_measured_too(count, strong, wanted):
    assert asked(batch=(12, 32), devices=(1, 4, 6), strong=strong)._wanted(count) == wanted


def test_what_is_started_on_steps(started):
    heard = []
    found = asked(batch=(8, 4), devices=2, steps=7, rounds=6, warmup=5, threads=2, say=heard.append).workers(2)
    ((task, count, patience),) = started
    assert (count, patience, task["batches"]) == (2, module.PATIENCE, [2, 4, 8])
    assert (task["warmup"], task["rounds"], task["steps"], task["threads"]) == (5, 6, 7, 2)
    assert (task["network"], task["shape"], task["data"], task["data_parallel"]) == ("simple-nn", [3, 32, 32], None, 0)
    assert (task["optimizer"], task["device"], task["root"]) == (module.SGD, "cpu", None)
    assert [each.batch for each in found.cells] == [2, 4, 8]
    assert heard == ["2 workers: batches 2, 4, 8"]
    asked(batch=4, devices=1, say=heard.append).workers(1)
    assert heard[-1] == "1 worker: batches 4"


def test_whole_epochs_start_each_batch_by_itself(started):
    found = asked(batch=(100, 60_000), devices=2, epochs=2, strong=False).workers(2)
    steps = [(task["batches"], task["warmup"], task["rounds"], task["steps"]) for task, _, _ in started]
    assert steps == [([100], 250, 1, 250), ([60_000], 1, 1, 1)]
    assert {patience for *_, patience in started} == {24 * module.PATIENCE}
    assert [each.batch for each in found.cells] == [100, 60_000]


def test_beside_gpus_data_parallel_is_measured(started, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    found = asked(batch=(4, 8), devices=(1, 2), device="cuda", strong=False).workers(2)
    assert [(task["batches"], task["data_parallel"], count) for task, count, _ in started] == [
        ([4, 8], 0, 2),
        ([8, 16], 2, 1),  # one process takes the batches of both
    ]
    assert all(set(each.ways) == set(each.parts) == {"synchronised", "data-parallel"} for each in found.cells)
    started.clear()
    asked(batch=4, devices=(1, 2), device="cuda", strong=False).workers(1)
    assert len(started) == 1
