"""PyTorch's own database of operations: no sample fails, and what is an error there is one here.

Every operation takes some of its samples here and all of them with the slow tests; `python -m tests.engine.opinfo`
prints the counts, what is refused and what is not offered. A failure names its operation.
"""

import pytest
import torch

PARTS = 24


@pytest.fixture(scope="module")
def opinfo():
    """Imported late: the database takes four seconds, which no process needs that only collects these tests."""
    from tests.engine import opinfo

    return opinfo


@pytest.fixture(params=range(PARTS))
def part(request, opinfo):
    """One operation in 24 of those that the engine offers."""
    return opinfo.offered()[request.param :: PARTS]


def test_some_samples_agree(opinfo, part):
    failed = [line for info in part for line in opinfo.try_samples(info, some=(torch.float64, torch.int64)).failed]
    assert not failed, "\n".join(failed[:3])


def test_errors_are_errors(opinfo, part):
    failed = [line for info in part for line in opinfo.try_errors(info).failed]
    assert not failed, "\n".join(failed[:3])


@pytest.mark.slow
def test_all_samples_agree(opinfo, part):
    failed = [line for info in part for line in opinfo.try_samples(info).failed]
    assert not failed, "\n".join(failed[:3])


def test_nothing_passes_by_not_running(opinfo):
    """The database offers hundreds of operations, each in one part, and a sample that is wrong is found."""
    offered = opinfo.offered()
    assert len(offered) >= 380
    assert sum(len(offered[i::PARTS]) for i in range(PARTS)) == len(offered)
    (info,) = (info for info in offered if info.name == "exp")
    samples = list(opinfo.samples(info, torch.float64))
    wrong = opinfo.judge(lambda x: x.exp() * 1.001, torch.exp, samples[0], drawn=False, in_place=False, ties="")
    assert "differ" in wrong
    no_gradient = opinfo.judge(lambda x: x.detach().exp(), torch.exp, samples[0], drawn=False, in_place=False, ties="")
    assert "requires_grad" in no_gradient
