"""PyTorch's own database of operations: no sample fails, and what is an error there is one here.

Every operation takes some of its samples here and all of them with the slow tests; `python -m tests.engine.opinfo`
prints the counts, what is refused and what is not offered.
"""

import pytest
import torch

from tests.engine import opinfo

OFFERED = [info for info in opinfo.op_db if opinfo.ways(info)]
NAMES = [f"{info.name}.{info.variant_test_name}".rstrip(".") for info in OFFERED]


@pytest.mark.parametrize("info", OFFERED, ids=NAMES)
def test_some_samples_agree(info):
    count = opinfo.try_samples(info, some=(torch.float64, torch.int64))
    assert not count.failed, "\n".join(count.failed[:3])


@pytest.mark.parametrize("info", [info for info in OFFERED if info.error_inputs_func is not None], ids=lambda i: i.name)
def test_errors_are_errors(info):
    count = opinfo.try_errors(info)
    assert not count.failed, "\n".join(count.failed[:3])


@pytest.mark.slow
@pytest.mark.parametrize("info", OFFERED, ids=NAMES)
def test_all_samples_agree(info):
    count = opinfo.try_samples(info)
    assert not count.failed, "\n".join(count.failed[:3])


def test_nothing_passes_by_not_running():
    """The database offers hundreds of operations, and a sample that is wrong is found."""
    assert len(OFFERED) >= 380
    (info,) = (info for info in OFFERED if info.name == "exp")
    samples = list(opinfo.samples(info, torch.float64))
    wrong = opinfo.judge(lambda x: x.exp() * 1.001, torch.exp, samples[0], drawn=False, in_place=False, ties="")
    assert "differ" in wrong
    no_gradient = opinfo.judge(lambda x: x.detach().exp(), torch.exp, samples[0], drawn=False, in_place=False, ties="")
    assert "requires_grad" in no_gradient
