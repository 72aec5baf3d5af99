"""The sentences of `scaling`, word for word, from made-up measurements."""

from dataclasses import replace

import pytest

from tests.instruments.scaling.made_up import cell, found, times
from underhood.instruments.scaling import words
from underhood.instruments.scaling.result import TOGETHER


@pytest.mark.parametrize(
    ("changed", "place", "protocol"),
    [
        ({}, "without a GPU, on 4 processors, 1 thread a worker; gradients over gloo", None),
        ({"cores": 1, "threads": 2}, "without a GPU, on 1 processor, 2 threads a worker; gradients over gloo", None),
        ({"device": "cuda", "gpus": 1}, "on 1 GPU, one a worker; gradients over nccl", None),
        ({"device": "cuda", "gpus": 2}, "on 2 GPUs, one a worker; gradients over nccl", None),
        (
            {"hosts": ("a", "b")},
            "without a GPU, on 4 processors, 1 thread a worker; gradients over gloo; hosts a, b",
            None,
        ),
        ({"epochs": 2}, None, "Random batches; two epochs of whole batches, the second timed; optimiser sgd,lr=0.1."),
        (
            {"data": "mnist"},
            None,
            "Images of mnist, made by each worker between its steps; 25 steps each way, in rounds that take turns; an "
            "epoch is 50,000 images at their median; optimiser sgd,lr=0.1.",
        ),
    ],
)
def test_where_and_how(changed, place, protocol):
    said = words.conditions(replace(found(), **changed))
    assert place is None or said[0] == f"Measured {place}."
    assert protocol is None or said[1] == protocol


@pytest.mark.parametrize(("devices", "listed"), [((1, 3), "3"), ((1, 3, 4), "3 and 4"), ((3, 4, 5), "3, 4 and 5")])
def test_who_shares_processors(devices, listed):
    assert words.oversubscription(found(devices=devices, cores=2)) == [
        f"{listed} workers are oversubscribed: they share the processors of this machine, so that their times tell of "
        "sharing, not of scaling."
    ]
    assert "share the GPUs" in words.oversubscription(replace(found(devices=devices), device="cuda", gpus=2))[0]


@pytest.mark.parametrize(("apart", "wide"), [(0.2, False), (0.21, True)])
def test_how_far_apart_quartiles_may_be(apart, wide):
    assert bool(words.unsettled(found(devices=(1,), apart=apart))) is wide


@pytest.mark.parametrize(("slower", "above"), [(0.65, True), (0.85, False), (1.0, False)])
def test_more_speed_up_than_workers_is_not_believed(slower, above):
    """Two workers at batch 32: 32 ms alone, 5 ms to wait; an efficiency of 32 / (32·s + 5)."""
    said = words.unsettled(found(devices=(1, 2), batches=(32,), slower=slower))
    assert bool(said) is above
    if said:
        assert said[0].startswith("Not settled: 2 workers at batch 32 came out more than as many times as fast as one.")
    both = words.unsettled(found(devices=(1, 2), batches=(32,), slower=0.5, apart=0.5))
    assert "; 2 workers at batch 32 came out" in both[0]
    assert not words.unsettled(found(devices=(1, 2), batches=(32,), slower=0.5, cores=1))  # they share a processor


def test_what_ddp_costs_one_worker():
    result = found(devices=(1,))
    first = result.workers[0].cells[0]
    slower = replace(first, ways={**first.ways, TOGETHER: times(0.048)})
    result = replace(result, workers=(replace(result.workers[0], cells=(slower, *result.workers[0].cells[1:])),))
    assert words.plain_and_ddp(result) == [
        "Batch 32 on one worker: 32 ms a step without DDP, 1.50 times that with it.",
        "Batch 128 on one worker: 128 ms a step without DDP, 1.00 times that with it.",
    ]
    assert words.plain_and_ddp(found(devices=(2, 4))) == []


def test_how_communication_was_told_apart():
    two = cell(2, 32)
    assert words.told_apart(two) == (
        "2 workers, batch 32: a step takes 37 ms with synchronisation and 32 ms without (DDP.no_sync), so that "
        "communication costs it 5 ms. DDP's own clocks saw all-reduces under way for 10 ms, 5 ms of it beside backward."
    )
    assert words.told_apart(replace(two, ddp=None)).endswith("costs it 5 ms.")
    turned = replace(two, ddp=None, ways={**two.ways, "apart": times(0.038)})
    assert words.told_apart(turned).endswith("costs it -1 ms (less than nothing: it is lost in the spread).")


def test_whether_sharing_the_batch_is_better_follows_the_numbers():
    """Strong: the batch's half in its time; weak: the whole in its. With no communication both are alike."""
    weak = words.which_scaling(found(devices=(1, 2), batches=(32,)))
    assert "(2 workers, batch 32: 1.73 weak, 1.52 strong). Shared, each worker computes less" in weak[-1]
    assert "the speed-up is worse in every case" in weak[-1]
    result = found(devices=(1, 2), batches=(32, 64))
    group = result.group(2)
    quick = tuple(
        replace(one, ways={**one.ways, TOGETHER: times(0.001)}) if one.batch == 16 else one for one in group.cells
    )
    mixed = replace(result, workers=(result.workers[0], replace(group, cells=quick)))
    said = words.which_scaling(mixed)[-1]
    assert "the speed-up is worse in 1 of 2 cases" in said
    assert "weighs more" not in said
    quick = tuple(
        replace(one, ways={**one.ways, TOGETHER: times(0.001)}) if one.batch in (16, 32) else one for one in group.cells
    )
    better = replace(result, batches=(32,), workers=(result.workers[0], replace(group, cells=quick)))
    slow = tuple(replace(one, ways={**one.ways, TOGETHER: times(0.1)}) if one.batch == 32 else one for one in quick)
    better = replace(better, workers=(result.workers[0], replace(group, cells=slow)))
    assert "the speed-up is better in every case" in words.which_scaling(better)[-1]
    assert words.which_scaling(found(devices=(1,)))[-1] == "Strong scaling was not measured."
